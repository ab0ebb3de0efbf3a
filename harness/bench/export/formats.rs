//! The files of an export, but for the card: training data as LLaMA-Factory reads it (Alpaca JSON, conversations,
//! and the index of both), and everything that a sample carries, as Parquet.

use gra_analysis::frames;
use gra_synth::committee::Tally;
use gra_synth::pool::ItemId;
use polars::prelude::{
    Column, DataFrame, IntoColumn, IntoSeries, ListBuilderTrait, ListStringChunkedBuilder,
    NamedFrom, Series,
};
use serde::Serialize;

use super::{ExportError, ExportedSample, file};

/// A record of an Alpaca file.
#[derive(Serialize)]
struct AlpacaRecord<'a> {
    instruction: &'a str,
    /// Always empty: a seed item's input became part of its instruction (METHOD.md, S2), and
    /// generated instructions have none.
    input: &'a str,
    output: &'a str,
}

/// An array of `instruction`, `input`, `output`, one record per line.
pub(super) fn alpaca(samples: &[ExportedSample]) -> Result<Vec<u8>, ExportError> {
    let mut bytes = b"[".to_vec();
    // A record per line, so that the file can be read and compared by line.
    for (number, sample) in samples.iter().enumerate() {
        bytes.extend_from_slice(if number == 0 { b"\n" } else { b",\n" });
        let (instruction, output) = (sample.instruction, sample.response);
        serde_json::to_writer(&mut bytes, &AlpacaRecord { instruction, input: "", output })?;
    }
    bytes.extend_from_slice(b"\n]\n");
    Ok(bytes)
}

const USER: &str = "user";
const ASSISTANT: &str = "assistant";

/// A line of a conversation file.
#[derive(Serialize)]
struct Conversation<'a> {
    messages: [Turn<'a>; 2],
}

#[derive(Serialize)]
struct Turn<'a> {
    role: &'a str,
    content: &'a str,
}

/// `ShareGPT` JSONL in its `messages` form: one conversation of a user and an assistant turn per line.
pub(super) fn sharegpt(samples: &[ExportedSample]) -> Result<Vec<u8>, ExportError> {
    let mut bytes = Vec::new();
    for sample in samples {
        let messages = [
            Turn { role: USER, content: sample.instruction },
            Turn { role: ASSISTANT, content: sample.response },
        ];
        serde_json::to_writer(&mut bytes, &Conversation { messages })?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

/// Name of the conversation form of a data set.
pub(super) fn conversations(name: &str) -> String {
    format!("{name}_sharegpt")
}

/// `dataset_info.json`: what the training files are.
pub(super) fn dataset_info(name: &str) -> Vec<u8> {
    // Two traps of that format. Once `columns` is present, a column that it does not list is taken as absent, so
    // `query` is listed although our inputs are empty. And a column that it does list must be in the data:
    // `system` and `history`, which our records do not have, would fail at loading.
    let text = format!(
        r#"{{
  "{name}": {{
    "file_name": "{}",
    "formatting": "alpaca",
    "columns": {{
      "prompt": "instruction",
      "query": "input",
      "response": "output"
    }}
  }},
  "{}": {{
    "file_name": "{}",
    "formatting": "sharegpt",
    "columns": {{
      "messages": "messages"
    }},
    "tags": {{
      "role_tag": "role",
      "content_tag": "content",
      "user_tag": "{USER}",
      "assistant_tag": "{ASSISTANT}",
      "system_tag": "system"
    }}
  }}
}}
"#,
        file::ALPACA,
        conversations(name),
        file::SHAREGPT,
    );
    text.into_bytes()
}

/// The Parquet table, a sample per row. Columns: `id`, `round` (u32), `domain`, `keywords` (list), `summary`, `instruction`, `response`,
/// `mu`, `sigma`, `s_a` (f64; null without scores), `generator`, `reviewers` (list, in seat
/// order).
pub(super) fn table(samples: &[ExportedSample]) -> Result<Vec<u8>, ExportError> {
    let text = |name: &str, cell: fn(&ExportedSample) -> Option<String>| -> Column {
        Series::new(name.into(), samples.iter().map(cell).collect::<Vec<_>>()).into()
    };
    let number = |name: &str, cell: fn(&ExportedSample) -> Option<f64>| -> Column {
        Series::new(name.into(), samples.iter().map(cell).collect::<Vec<_>>()).into()
    };
    let round = |sample: &ExportedSample| match sample.candidate.id {
        ItemId::Candidate { round, .. } => Some(round),
        ItemId::Seed(_) => None,
    };
    let rounds: Vec<Option<u32>> = samples.iter().map(round).collect();
    let columns = vec![
        text("id", |sample| Some(sample.candidate.id.to_string())),
        Series::new("round".into(), rounds).into(),
        text("domain", |sample| Some(sample.candidate.domain?.to_string())),
        list("keywords", samples, |sample| sample.candidate.keywords.clone()),
        text("summary", |sample| sample.candidate.summary.clone()),
        text("instruction", |sample| Some(sample.instruction.to_owned())),
        text("response", |sample| Some(sample.response.to_owned())),
        number("mu", |sample| sample.candidate.tally().map(Tally::mu)),
        number("sigma", |sample| sample.candidate.tally().map(Tally::sigma)),
        number("s_a", |sample| Some(sample.candidate.adjudication.as_ref()?.scores.mean())),
        text("generator", |sample| Some(sample.candidate.roles.generator.to_string())),
        list("reviewers", samples, |sample| {
            sample.candidate.roles.reviewers.iter().map(ToString::to_string).collect()
        }),
    ];
    let frame = DataFrame::new(samples.len(), columns)?;
    let mut bytes = Vec::new();
    frames::write_parquet(&frame, &mut bytes)?;
    Ok(bytes)
}

fn list(
    name: &str,
    samples: &[ExportedSample],
    cell: fn(&ExportedSample) -> Vec<String>,
) -> Column {
    let cells: Vec<Vec<String>> = samples.iter().map(cell).collect();
    // How many strings the lists hold together: room for all is taken at once.
    let values = cells.iter().map(Vec::len).sum();
    let mut builder = ListStringChunkedBuilder::new(name.into(), cells.len(), values);
    for cell in &cells {
        builder.append_values_iter(cell.iter().map(String::as_str));
    }
    builder.finish().into_series().into_column()
}

//! Training data in the forms that trainers read, and their index for LLaMA-Factory.

use anyhow::{Context, Result};
use gra_analysis::frames;
use gra_synth::committee::Tally;
use gra_synth::pool::ItemId;
use polars::prelude::{
    Column, DataFrame, IntoColumn, IntoSeries, ListBuilderTrait, ListStringChunkedBuilder,
    NamedFrom, PolarsResult, Series, StructChunked,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{ExportedSample, TrainingFormat};

const USER: &str = "user";
const ASSISTANT: &str = "assistant";

/// A record of an Alpaca file. A seed item's input stands apart from its task, as in the file that it is from;
/// generated instructions have none (METHOD.md, S2).
#[derive(Serialize)]
struct AlpacaRecord<'a> {
    instruction: &'a str,
    input: &'a str,
    output: &'a str,
}

/// A line of a file of messages.
#[derive(Serialize)]
struct Messages<'a> {
    messages: [Message<'a>; 2],
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

/// A record of a `ShareGPT` file.
#[derive(Serialize)]
struct Conversation<'a> {
    id: String,
    conversations: [Turn<'a>; 2],
}

#[derive(Serialize)]
struct Turn<'a> {
    from: &'static str,
    value: &'a str,
}

#[derive(Serialize)]
struct PromptCompletion<'a> {
    prompt: &'a str,
    completion: &'a str,
}

impl TrainingFormat {
    /// The samples in this form.
    pub(super) fn bytes(self, samples: &[ExportedSample]) -> Result<Vec<u8>> {
        match self {
            Self::Alpaca => array(samples.iter().map(|sample| AlpacaRecord {
                instruction: sample.task,
                input: sample.input.unwrap_or_default(),
                output: sample.response,
            })),
            Self::Messages => lines(samples.iter().map(|sample| {
                let user = Message { role: USER, content: sample.instruction };
                let assistant = Message { role: ASSISTANT, content: sample.response };
                Messages { messages: [user, assistant] }
            })),
            Self::Sharegpt => array(samples.iter().map(|sample| {
                let human = Turn { from: "human", value: sample.instruction };
                let gpt = Turn { from: "gpt", value: sample.response };
                Conversation { id: sample.id.to_string(), conversations: [human, gpt] }
            })),
            Self::PromptCompletion => lines(samples.iter().map(|sample| PromptCompletion {
                prompt: sample.instruction,
                completion: sample.response,
            })),
            Self::Parquet => table(samples).context("writing Parquet"),
        }
    }

    /// What LLaMA-Factory is told of the file: what follows the data set's name, and what its columns are. `None`
    /// where it is not told of.
    fn info(self) -> Option<(&'static str, Value)> {
        let of = |formatting, columns: Value| json!({ "file_name": self.file(), "formatting": formatting, "columns": columns });
        // Two traps of that format. Once `columns` is present, a column that it does not list is taken as absent, so
        // `query` is listed although most inputs are empty. And a column that it does list must be in the data:
        // `system` and `history`, which our records do not have, would fail at loading.
        let alpaca = json!({ "prompt": "instruction", "query": "input", "response": "output" });
        Some(match self {
            Self::Alpaca => ("", of("alpaca", alpaca)),
            Self::Messages => {
                let mut info = of("sharegpt", json!({ "messages": "messages" }));
                info["tags"] = json!({
                    "role_tag": "role", "content_tag": "content", "user_tag": USER,
                    "assistant_tag": ASSISTANT, "system_tag": "system"
                });
                ("_messages", info)
            }
            // The tags that it assumes are those of this form.
            Self::Sharegpt => ("_sharegpt", of("sharegpt", json!({ "messages": "conversations" }))),
            Self::PromptCompletion => {
                let columns = json!({ "prompt": "prompt", "response": "completion" });
                ("_prompt-completion", of("alpaca", columns))
            }
            Self::Parquet => return None,
        })
    }

    /// The name of the data set in this form, for LLaMA-Factory.
    pub(super) fn data_set(self, name: &str) -> Option<String> {
        self.info().map(|(ending, _)| format!("{name}{ending}"))
    }
}

/// `dataset_info.json`: what the training files are. `None` where none of them is for LLaMA-Factory.
pub(super) fn dataset_info(name: &str, formats: &[TrainingFormat]) -> Option<Vec<u8>> {
    let infos = formats.iter().filter_map(|format| format.info());
    let infos: Map<String, Value> =
        infos.map(|(ending, info)| (format!("{name}{ending}"), info)).collect();
    (!infos.is_empty()).then(|| format!("{:#}\n", Value::Object(infos)).into_bytes())
}

/// A JSON array, a record per line, so that the file can be read and compared by line.
pub(super) fn array<T: Serialize>(records: impl Iterator<Item = T>) -> Result<Vec<u8>> {
    let mut bytes = b"[".to_vec();
    for (number, record) in records.enumerate() {
        bytes.extend_from_slice(if number == 0 { b"\n" } else { b",\n" });
        serde_json::to_writer(&mut bytes, &record).context("writing JSON")?;
    }
    bytes.extend_from_slice(b"\n]\n");
    Ok(bytes)
}

/// JSON Lines.
pub(crate) fn lines<T: Serialize>(records: impl Iterator<Item = T>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for record in records {
        serde_json::to_writer(&mut bytes, &record).context("writing JSON")?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

/// The Parquet table, a sample per row. Columns: `id`, `origin` (the data set that it was first of), `round` (u32),
/// `domain`, `keywords` (list), `summary`, `instruction`, `response`, `messages` (list of `role` and `content`),
/// `mu`, `sigma`, `s_a` (f64), `generator`, `reviewers` (list, in seat order). Null where it is not known.
fn table(samples: &[ExportedSample]) -> Result<Vec<u8>> {
    let text = |name: &str, cell: fn(&ExportedSample) -> Option<String>| -> Column {
        Series::new(name.into(), samples.iter().map(cell).collect::<Vec<_>>()).into()
    };
    let number = |name: &str, cell: fn(&ExportedSample) -> Option<f64>| -> Column {
        Series::new(name.into(), samples.iter().map(cell).collect::<Vec<_>>()).into()
    };
    let round = |sample: &ExportedSample| match sample.candidate?.id {
        ItemId::Candidate { round, .. } => Some(round),
        ItemId::Seed(_) => None,
    };
    let rounds: Vec<Option<u32>> = samples.iter().map(round).collect();
    let columns = vec![
        text("id", |sample| Some(sample.id.to_string())),
        text("origin", |sample| sample.origin.map(str::to_owned)),
        Series::new("round".into(), rounds).into(),
        text("domain", |sample| Some(sample.domain?.to_string())),
        list("keywords", samples, |sample| Some(sample.candidate?.keywords.clone())),
        text("summary", |sample| sample.candidate?.summary.clone()),
        text("instruction", |sample| Some(sample.instruction.to_owned())),
        text("response", |sample| Some(sample.response.to_owned())),
        messages(samples)?,
        number("mu", |sample| sample.tally.map(Tally::mu)),
        number("sigma", |sample| sample.tally.map(Tally::sigma)),
        number("s_a", |sample| Some(sample.candidate?.adjudication.as_ref()?.scores.mean())),
        text("generator", |sample| Some(sample.candidate?.roles.generator.to_string())),
        list("reviewers", samples, |sample| {
            Some(sample.candidate?.roles.reviewers.iter().map(ToString::to_string).collect())
        }),
    ];
    let frame = DataFrame::new(samples.len(), columns)?;
    let mut bytes = Vec::new();
    frames::write_parquet(&frame, &mut bytes)?;
    Ok(bytes)
}

/// The texts as a list of `role` and `content`, which trainers take as a conversation.
fn messages(samples: &[ExportedSample]) -> PolarsResult<Column> {
    let conversation = |texts: [&str; 2]| {
        let roles = Series::new("role".into(), [USER, ASSISTANT]);
        let contents = Series::new("content".into(), texts);
        let turns = StructChunked::from_series("messages".into(), 2, [roles, contents].iter())?;
        PolarsResult::Ok(turns.into_series())
    };
    if samples.is_empty() {
        // No list of lists tells what is in them; one does, and goes.
        return Ok(Series::new("messages".into(), [conversation(["", ""])?]).clear().into());
    }
    let turns = samples.iter().map(|sample| conversation([sample.instruction, sample.response]));
    let turns: Vec<Series> = turns.collect::<PolarsResult<_>>()?;
    Ok(Series::new("messages".into(), turns).into())
}

fn list(
    name: &str,
    samples: &[ExportedSample],
    cell: fn(&ExportedSample) -> Option<Vec<String>>,
) -> Column {
    let cells: Vec<Option<Vec<String>>> = samples.iter().map(cell).collect();
    // How many strings the lists hold together: room for all is taken at once.
    let values = cells.iter().flatten().map(Vec::len).sum();
    let mut builder = ListStringChunkedBuilder::new(name.into(), cells.len(), values);
    for cell in &cells {
        match cell {
            Some(cell) => builder.append_values_iter(cell.iter().map(String::as_str)),
            None => builder.append_null(),
        }
    }
    builder.finish().into_series().into_column()
}

//! Training data and preferences in the forms that trainers read, and their index for LLaMA-Factory.
//!
//! Preferences are of recorded answers: pairs of a better and a worse answer to one instruction (DPO), and single
//! answers with a verdict (KTO). The keys are those of TRL; the index tells LLaMA-Factory the same files. An answer counts
//! when the committee scored it. Better means that it passed review, worse that it did not; of two that passed, or two
//! that did not, nothing is said, because their scores are two samples of noise.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use gra_analysis::frames;
use gra_analysis::trial::has_passed;
use gra_synth::candidate::Candidate;
use gra_synth::committee::Tally;
use polars::prelude::{
    Column, DataFrame, IntoColumn, IntoSeries, ListBuilderTrait, ListStringChunkedBuilder,
    NamedFrom, PolarsResult, Series, StructChunked,
};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::{DATASET_INFO, ExportedFile, TrainingFormat};
use crate::dataset::Sample;

const USER: &str = "user";
const ASSISTANT: &str = "assistant";

/// A JSON object whose keys stand in this order, as tools of the form write it.
struct Ordered<V, const N: usize>([(&'static str, V); N]);

impl<V: Serialize, const N: usize> Serialize for Ordered<V, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl TrainingFormat {
    /// The samples in this form.
    pub(super) fn bytes(self, samples: &[&Sample]) -> Result<Vec<u8>> {
        match self {
            // A seed item's input stands apart from its task, as in the file that it is from; generated instructions
            // have none (METHOD.md, S2).
            Self::Alpaca => array(samples.iter().map(|sample| {
                let (input, output) = (sample.input().unwrap_or_default(), response(sample));
                Ordered([("instruction", sample.task()), ("input", input), ("output", output)])
            })),
            Self::Messages => lines(samples.iter().map(|sample| {
                let message = |role, content| Ordered([("role", role), ("content", content)]);
                let user = message(USER, sample.instruction.as_str());
                Ordered([("messages", [user, message(ASSISTANT, response(sample))])])
            })),
            Self::Sharegpt => array(samples.iter().map(|sample| {
                let turn = |from, value: &str| json!({ "from": from, "value": value });
                let turns = [turn("human", &sample.instruction), turn("gpt", response(sample))];
                let id = json!(sample.id.to_string());
                Ordered([("id", id), ("conversations", json!(turns))])
            })),
            Self::PromptCompletion => lines(samples.iter().map(|sample| {
                Ordered([("prompt", sample.instruction.as_str()), ("completion", response(sample))])
            })),
            Self::Parquet => table(samples).context("writing Parquet"),
        }
    }

    /// What LLaMA-Factory is told of the file: what follows the data set's name, and what its columns are. `None`
    /// where it is not told of.
    fn info(self) -> Option<(&'static str, Value)> {
        let of = |formatting, columns: Value| info(self.file(), formatting, &columns);
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

/// What LLaMA-Factory is told of a file.
fn info(file: &str, formatting: &str, columns: &Value) -> Value {
    json!({ "file_name": file, "formatting": formatting, "columns": columns })
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

/// The response of a sample, which all that are exported have.
fn response(sample: &Sample) -> &str {
    sample.response.as_deref().unwrap_or_default()
}

/// The Parquet table, a sample per row. Columns: `id`, `origin` (the data set that it was first of), `round` (u32),
/// `domain`, `keywords` (list), `summary`, `instruction`, `response`, `messages` (list of `role` and `content`),
/// `mu`, `sigma`, `s_a` (f64), `generator`, `reviewers` (list, in seat order). Null where it is not known.
fn table(samples: &[&Sample]) -> Result<Vec<u8>> {
    let text = |name, cell| column::<String>(name, samples, cell);
    let number = |name, cell| column::<f64>(name, samples, cell);
    let columns = vec![
        text("id", |sample| Some(sample.id.to_string())),
        text("origin", |sample| sample.origin.as_deref().map(str::to_owned)),
        column::<u32>("round", samples, |sample| sample.candidate.as_ref()?.id.round()),
        text("domain", |sample| Some(sample.domain?.to_string())),
        list("keywords", samples, |sample| Some(sample.candidate.as_ref()?.keywords.clone())),
        text("summary", |sample| sample.candidate.as_ref()?.summary.clone()),
        text("instruction", |sample| Some(sample.instruction.clone())),
        text("response", |sample| sample.response.clone()),
        messages(samples)?,
        number("mu", |sample| sample.tally.map(Tally::mu)),
        number("sigma", |sample| sample.tally.map(Tally::sigma)),
        number("s_a", |sample| {
            Some(sample.candidate.as_ref()?.adjudication.as_ref()?.scores.mean())
        }),
        text("generator", |sample| Some(sample.generator.as_ref()?.to_string())),
        list("reviewers", samples, |sample| {
            let reviewers = &sample.candidate.as_ref()?.roles.reviewers;
            Some(reviewers.iter().map(ToString::to_string).collect())
        }),
    ];
    let frame = DataFrame::new(samples.len(), columns)?;
    let mut bytes = Vec::new();
    frames::write_parquet(&frame, &mut bytes)?;
    Ok(bytes)
}

fn column<T>(name: &str, samples: &[&Sample], cell: fn(&Sample) -> Option<T>) -> Column
where
    Series: NamedFrom<Vec<Option<T>>, [Option<T>]>,
{
    let cells: Vec<Option<T>> = samples.iter().map(|sample| cell(sample)).collect();
    Series::new(name.into(), cells).into()
}

/// The texts as a list of `role` and `content`, which trainers take as a conversation.
fn messages(samples: &[&Sample]) -> PolarsResult<Column> {
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
    let turns = samples.iter().map(|sample| conversation([&sample.instruction, response(sample)]));
    let turns: Vec<Series> = turns.collect::<PolarsResult<_>>()?;
    Ok(Series::new("messages".into(), turns).into())
}

fn list(name: &str, samples: &[&Sample], cell: fn(&Sample) -> Option<Vec<String>>) -> Column {
    let cells: Vec<Option<Vec<String>>> = samples.iter().map(|sample| cell(sample)).collect();
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

/// A kind of preference data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum PreferenceFormat {
    /// Pairs: `prompt`, `chosen`, `rejected`, and the mean scores of both.
    Dpo,
    /// Answers: `prompt`, `completion`, `label`, and their mean scores.
    Kto,
}

/// An answer that a committee scored.
#[derive(Clone, Copy, Debug)]
struct ScoredAnswer<'a> {
    response: &'a str,
    mu: f64,
    has_passed: bool,
    /// The trial that it is of.
    trial: &'a str,
}

/// The scored answers of some trials, by their instructions.
pub(crate) struct ScoredAnswers<'a> {
    by_instruction: BTreeMap<&'a str, Vec<ScoredAnswer<'a>>>,
}

impl<'a> ScoredAnswers<'a> {
    /// Gathers the answers of trials under their names. Variants that share a call have one answer, which counts once.
    pub(crate) fn gather(trials: &[(&'a str, &'a [Candidate])]) -> Self {
        let mut by_instruction: BTreeMap<&str, Vec<ScoredAnswer>> = BTreeMap::new();
        for (trial, candidate) in
            trials.iter().flat_map(|(trial, all)| all.iter().map(move |one| (*trial, one)))
        {
            let texts = (candidate.instruction.as_deref(), candidate.response.as_deref());
            let (Some(instruction), Some(response)) = texts else { continue };
            // Answers whose committee was broken off have no mean to compare.
            let Some(mu) = candidate.tally().map(Tally::mu) else { continue };
            let answers = by_instruction.entry(instruction).or_default();
            if answers.iter().all(|known| known.response != response) {
                let has_passed = has_passed(candidate);
                answers.push(ScoredAnswer { response, mu, has_passed, trial });
            }
        }
        Self { by_instruction }
    }

    /// The files of one kind, and how many records they hold.
    ///
    /// # Errors
    /// When JSON cannot be written.
    pub(crate) fn files(
        &self,
        format: PreferenceFormat,
        name: &str,
    ) -> Result<(Vec<ExportedFile>, usize)> {
        let info = |file, columns: Value| info(file, "alpaca", &columns);
        let (file, (bytes, records), info) = match format {
            PreferenceFormat::Dpo => {
                let columns =
                    json!({ "prompt": "prompt", "chosen": "chosen", "rejected": "rejected" });
                let mut info = info("dpo.jsonl", columns);
                // Two answers to compare, where all other forms have one to learn.
                info["ranking"] = true.into();
                ("dpo.jsonl", counted(self.pairs())?, info)
            }
            PreferenceFormat::Kto => {
                let columns =
                    json!({ "prompt": "prompt", "response": "completion", "kto_tag": "label" });
                ("kto.jsonl", counted(self.verdicts())?, info("kto.jsonl", columns))
            }
        };
        let index = format!("{:#}\n", json!({ name: info })).into_bytes();
        let files = vec![ExportedFile::new(file, bytes), ExportedFile::new(DATASET_INFO, index)];
        Ok((files, records))
    }

    /// Each answer that did not pass beside the best one that did.
    fn pairs(&self) -> impl Iterator<Item = Ordered<Value, 7>> {
        self.by_instruction.iter().flat_map(|(prompt, answers)| {
            let passed = answers.iter().filter(|answer| answer.has_passed);
            // The first of equals, so that the order of trials settles it.
            let best = passed.rev().max_by(|a, b| a.mu.total_cmp(&b.mu));
            let worse = answers.iter().filter(|answer| !answer.has_passed);
            best.into_iter().flat_map(move |best| {
                worse.clone().map(move |worse| {
                    Ordered([
                        ("prompt", json!(prompt)),
                        ("chosen", json!(best.response)),
                        ("rejected", json!(worse.response)),
                        ("score_chosen", json!(best.mu)),
                        ("score_rejected", json!(worse.mu)),
                        ("chosen_of", json!(best.trial)),
                        ("rejected_of", json!(worse.trial)),
                    ])
                })
            })
        })
    }

    /// Each answer with its verdict.
    fn verdicts(&self) -> impl Iterator<Item = Ordered<Value, 5>> {
        self.by_instruction.iter().flat_map(|(prompt, answers)| {
            answers.iter().map(move |answer| {
                Ordered([
                    ("prompt", json!(prompt)),
                    ("completion", json!(answer.response)),
                    ("label", json!(answer.has_passed)),
                    ("score", json!(answer.mu)),
                    ("of", json!(answer.trial)),
                ])
            })
        })
    }
}

/// JSON Lines, and how many there are.
fn counted<T: Serialize>(records: impl Iterator<Item = T>) -> Result<(Vec<u8>, usize)> {
    let mut count = 0;
    let bytes = lines(records.inspect(|_| count += 1))?;
    Ok((bytes, count))
}

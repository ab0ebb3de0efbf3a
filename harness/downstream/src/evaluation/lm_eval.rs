//! lm-evaluation-harness 0.4.13 scores a served model by its own prompts: another protocol than the paper's, never in
//! the columns of its tables.
//!
//! Tasks are the package's own, read from the data cache's files. It writes results when a call ends, so each benchmark is
//! a call, and replies go to a cache of its own from which a call that was stopped goes on. `HellaSwag` is not scored: its
//! task compares log-probabilities of given endings, which chat servers do not tell. Nor are `HumanEval` and MBPP: the
//! process that asks the model would run its code.

pub(crate) mod results;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use gra_paper::Benchmark;
use serde_json::{Value, json};

use super::data_cache::{DATA, json_lines, rows};
use super::record::ScoredBenchmark;
use super::scoring::{BenchmarkError, NoScore, Scorer, run_engine};
use super::suite::Scope;
use crate::engine::{Ending, Environment, tail};
use results::LmEvalResults;

/// Bytes at the end of a log in which the number of answered items is looked for.
const LOG_END: u64 = 4096;

/// What every task's name begins with.
const PREFIX: &str = "gra_";

/// Why a benchmark is not scored here; `None` where it is.
fn why_not(benchmark: Benchmark) -> Option<&'static str> {
    match benchmark {
        Benchmark::HellaSwag => Some(
            "lm-eval compares log-probabilities of given endings, which chat servers do not tell",
        ),
        Benchmark::HumanEval | Benchmark::Mbpp => {
            Some("lm-eval would run the model's code in the process that asks it, with the network")
        }
        _ => None,
    }
}

/// Scores a benchmark, or reads its score where it has one. `None` when it was told to stop.
pub(super) fn score(
    engine: &Scorer<'_>,
    scope: &Scope,
    stop: &AtomicBool,
    show: &mut dyn FnMut(u64),
) -> Result<Option<ScoredBenchmark>, BenchmarkError> {
    let benchmark = scope.benchmark;
    if let Some(reason) = why_not(benchmark) {
        return Err(NoScore(format!("{benchmark} is not scored: {reason}")).into());
    }
    let failed = engine.failed(benchmark);
    let work = engine.folder.join("lm-eval").join(benchmark.id());
    let out = work.join("out");
    if LmEvalResults::newest(&out).is_none() {
        let names = write_tasks(engine, scope, &work).map_err(&failed)?;
        let log = engine.log(format_args!("lm-eval-{benchmark}"));
        // What earlier calls said is in the log, too.
        let before = fs::metadata(&log).map_or(0, |file| file.len());
        let command = command(engine, scope, &names, &work);
        let count = || show(answered(&String::from_utf8_lossy(&tail(&log, before, LOG_END))));
        if run_engine(command, &log, stop, count)? == Ending::Stopped {
            return Ok(None);
        }
    }
    let file = LmEvalResults::newest(&out).ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
    let mut scored = LmEvalResults::read(&file)?.score(benchmark, Some(scope))?;
    scored.whole &= engine.asked.reply_limit.is_none();
    show(scored.n.unwrap_or_default());
    Ok(Some(scored))
}

fn command(engine: &Scorer<'_>, scope: &Scope, names: &[String], work: &Path) -> Command {
    let asked = &engine.asked;
    let model = json!({
        "model": asked.model,
        "base_url": format!("{}/chat/completions", asked.url),
        "num_concurrent": asked.parallel,
        "max_retries": 3,
        "timeout": asked.answer_within,
    });
    let mut command = Command::new(engine.environment.program("lm-eval"));
    command.args(["run", "--model", "local-chat-completions", "--apply_chat_template"]);
    command.args(["--model_args", &model.to_string(), "--tasks", &names.join(",")]);
    command.args(["--include_path", "tasks", "--output_path", "out", "--log_samples"]);
    // Results are written at the end only; a call that was stopped goes on from the replies in this cache.
    command.args(["--use_cache", "replies"]);
    if let Some(items) = scope.items {
        command.args(["--limit", &items.to_string()]);
    }
    if let Some(limit) = asked.reply_limit {
        command.args(["--gen_kwargs", &format!("max_gen_toks={limit}")]);
    }
    command.current_dir(work).env("HF_HOME", work.join("cache"));
    command.env("NLTK_DATA", engine.data.nltk_folder());
    command.envs([("HF_HUB_OFFLINE", "1"), ("HF_DATASETS_OFFLINE", "1")]);
    command
}

/// How many requests of the task that is being asked were answered: the number before the last slash of a progress bar
/// such as `Requesting API:  33%|###   | 1/3 [00:06<00:13,  6.57s/it]` in the end of a log.
fn answered(text: &str) -> u64 {
    let bar = text.rsplit("Requesting API:").next().filter(|bar| bar.len() < text.len());
    let count = bar.and_then(|bar| bar.split('/').next()?.rsplit(' ').next()?.parse().ok());
    count.unwrap_or_default()
}

/// The package's definition of a task, below `lm_eval/tasks`.
fn definition(benchmark: Benchmark, part: &str) -> String {
    match benchmark {
        Benchmark::Gsm8k => "gsm8k/gsm8k.yaml".to_owned(),
        // One prompt for all its subjects.
        Benchmark::Math => "hendrycks_math/hendrycks_math_algebra.yaml".to_owned(),
        Benchmark::ArcC => "arc/arc_challenge_chat.yaml".to_owned(),
        Benchmark::Gpqa => "gpqa/cot_zeroshot/gpqa_diamond_cot_zeroshot.yaml".to_owned(),
        Benchmark::Bbh => format!("bbh/cot_zeroshot/{part}.yaml"),
        Benchmark::Mmlu => format!("mmlu/generative/mmlu_{part}.yaml"),
        Benchmark::IfEval => "ifeval/ifeval.yaml".to_owned(),
        other => unreachable!("{other} is not scored"),
    }
}

/// Writes the tasks of a benchmark and their items, and gives the tasks' names: the package's own definitions with the
/// data cache's files as the source of items.
fn write_tasks(engine: &Scorer<'_>, scope: &Scope, work: &Path) -> io::Result<Vec<String>> {
    let definitions = package(engine.environment)?.join("tasks");
    let data = engine.data.folder.join(DATA);
    let benchmark = scope.benchmark;
    let mut names = Vec::new();
    for part in scope.parts() {
        let ending = part.name.as_ref().map(|part| format!("_{part}")).unwrap_or_default();
        let name = format!("{PREFIX}{benchmark}{ending}");
        let part = part.name.unwrap_or_default();
        let file = work.join("items").join(format!("{name}.jsonl"));
        gra_files::write_atomic(&file, &json_lines(&items(benchmark, &part, &data)?))?;
        let files = match benchmark {
            Benchmark::Gsm8k if scope.items.is_none() => {
                json!({"train": data.join("gsm8k/train.jsonl"), "test": file})
            }
            // Their definitions call the only split `train`.
            Benchmark::IfEval | Benchmark::Gpqa => json!({"train": file}),
            _ => json!({"test": file}),
        };
        let mut task = json!({
            "include": definitions.join(definition(benchmark, &part)),
            "task": name,
            "dataset_path": "json",
            "dataset_name": null,
            "tag": null,
            "dataset_kwargs": {"data_files": files},
        });
        // Splits of the definition that are not in the files.
        let absent: &[&str] = match benchmark {
            // A few items of a benchmark may come without the set that examples are taken from.
            Benchmark::Gsm8k if scope.items.is_some() => {
                task["num_fewshot"] = json!(0);
                &["training_split", "fewshot_split"]
            }
            Benchmark::Math | Benchmark::ArcC => {
                &["training_split", "validation_split", "fewshot_split"]
            }
            Benchmark::Mmlu => &["fewshot_split"],
            _ => &[],
        };
        for split in absent {
            task[*split] = Value::Null;
        }
        // YAML has JSON in it.
        let file = work.join("tasks").join(format!("{name}.yaml"));
        gra_files::write_atomic(&file, serde_json::to_string_pretty(&task)?.as_bytes())?;
        names.push(name);
    }
    Ok(names)
}

/// The package's folder in its environment, whose path holds Python's version.
fn package(environment: &Environment) -> io::Result<PathBuf> {
    for entry in fs::read_dir(environment.folder.join("lib"))? {
        let package = entry?.path().join("site-packages/lm_eval");
        if package.is_dir() {
            return Ok(package);
        }
    }
    let message = format!("{} has no package lm_eval", environment.folder.display());
    Err(io::Error::new(io::ErrorKind::NotFound, message))
}

/// Items as the definitions want them.
fn items(benchmark: Benchmark, part: &str, data: &Path) -> io::Result<Vec<Value>> {
    let file = match benchmark {
        Benchmark::Gsm8k => "gsm8k/test.jsonl".to_owned(),
        Benchmark::Math => "math/math.json".to_owned(),
        Benchmark::ArcC => "ARC/ARC-c/ARC-Challenge-Dev.jsonl".to_owned(),
        Benchmark::Gpqa => "gpqa/gpqa_diamond.csv".to_owned(),
        Benchmark::Bbh => format!("BBH/data/{part}.json"),
        Benchmark::Mmlu => format!("mmlu/test/{part}_test.csv"),
        Benchmark::IfEval => "ifeval/input_data.jsonl".to_owned(),
        other => unreachable!("{other} is not scored"),
    };
    let rows = rows(&data.join(file), benchmark).map_err(io::Error::other)?;
    Ok(match benchmark {
        Benchmark::ArcC => rows.iter().map(arc).collect(),
        Benchmark::Gpqa => rows.iter().filter_map(gpqa).collect(),
        Benchmark::Mmlu => rows.iter().filter_map(|row| mmlu(row, part)).collect(),
        _ => rows,
    })
}

/// An item of GPQA: the columns that it has, by place, as OpenCompass reads the published table.
fn gpqa(row: &Value) -> Option<Value> {
    let names = ["Question", "Correct Answer"].map(str::to_owned).into_iter();
    let names = names.chain((1..=3).map(|number| format!("Incorrect Answer {number}")));
    Some(names.zip(row.as_array()?.iter().skip(7).cloned()).collect())
}

/// An item of MMLU; none of a row whose answer is no letter of a choice.
fn mmlu(row: &Value, subject: &str) -> Option<Value> {
    let [question, choices @ .., answer] = row.as_array()?.get(..6)? else { return None };
    let answer = "ABCD".find(answer.as_str()?)?;
    Some(json!({
        "subject": subject, "question": question, "choices": choices, "answer": answer,
    }))
}

/// An item of ARC with its choices in columns.
fn arc(row: &Value) -> Value {
    let choices = row["question"]["choices"].as_array().cloned().unwrap_or_default();
    let column =
        |name: &str| -> Vec<Value> { choices.iter().map(|one| one[name].clone()).collect() };
    json!({
        "id": row["id"],
        "question": row["question"]["stem"],
        "choices": {"text": column("text"), "label": column("label")},
        "answerKey": row["answerKey"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_progress_bar_is_read() {
        let log = "\rRequesting API:   0%|          | 0/12 [00:00<?, ?it/s]\rRequesting API:  33%|███▎      | 4/12 [00:08<00:17,  8.90s/it]";
        for (text, count) in [(log, 4), ("", 0), ("Checking 1/2 [", 0), ("Requesting API:", 0)] {
            assert_eq!(answered(text), count, "{text}");
        }
    }
}

//! Tasks of lm-eval on files of the data cache: the package's own definitions with another source of items.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gra_paper::Benchmark;
use serde_json::{Value, json};

use super::super::data_cache::{DATA, DataCache};
use super::super::suite::Scope;
use crate::environment::Environment;

/// What every task's name begins with.
pub(super) const PREFIX: &str = "gra_";

/// Why lm-eval does not score a benchmark here; `None` where it does.
pub(super) fn why_not(benchmark: Benchmark) -> Option<&'static str> {
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

/// The package's definition of a task, below `lm_eval/tasks`.
fn definition(benchmark: Benchmark, part: Option<&str>) -> String {
    let part = part.unwrap_or_default();
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

/// Writes the tasks of a benchmark and their items, and gives the tasks' names.
pub(super) fn write(
    scope: &Scope,
    environment: &Environment,
    data: &DataCache,
    work: &Path,
) -> io::Result<Vec<String>> {
    let definitions = package(environment)?.join("tasks");
    let data = data.folder.join(DATA);
    let mut names = Vec::new();
    for part in scope.parts() {
        let part = part.name.as_deref();
        let name = match part {
            Some(part) => format!("{PREFIX}{}_{part}", scope.benchmark),
            None => format!("{PREFIX}{}", scope.benchmark),
        };
        let items = work.join("items").join(format!("{name}.jsonl"));
        let mut text = String::new();
        for row in rows(scope.benchmark, part, &data)? {
            text.push_str(&row.to_string());
            text.push('\n');
        }
        gra_files::write_atomic(&items, text.as_bytes())?;
        let mut task = json!({
            "include": definitions.join(definition(scope.benchmark, part)),
            "task": name,
            "dataset_path": "json",
            "dataset_name": null,
            "tag": null,
        });
        let only = |split: &str| json!({"data_files": {split: items}});
        task["dataset_kwargs"] = match scope.benchmark {
            // Their definitions call the only split `train`.
            Benchmark::IfEval | Benchmark::Gpqa => only("train"),
            _ => only("test"),
        };
        match scope.benchmark {
            Benchmark::Gsm8k if scope.items.is_none() => {
                let train = data.join("gsm8k/train.jsonl");
                task["dataset_kwargs"] = json!({"data_files": {"train": train, "test": items}});
            }
            // A few items of a benchmark may come without the set that examples are taken from.
            Benchmark::Gsm8k => {
                task["num_fewshot"] = json!(0);
                task["training_split"] = Value::Null;
                task["fewshot_split"] = Value::Null;
            }
            Benchmark::Math | Benchmark::ArcC => {
                task["training_split"] = Value::Null;
                task["validation_split"] = Value::Null;
                task["fewshot_split"] = Value::Null;
            }
            Benchmark::Mmlu => task["fewshot_split"] = Value::Null,
            _ => {}
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
fn rows(benchmark: Benchmark, part: Option<&str>, data: &Path) -> io::Result<Vec<Value>> {
    let part = part.unwrap_or_default();
    match benchmark {
        Benchmark::Gsm8k => lines(&data.join("gsm8k/test.jsonl")),
        Benchmark::IfEval => lines(&data.join("ifeval/input_data.jsonl")),
        Benchmark::Math => {
            let all: Value = serde_json::from_slice(&fs::read(data.join("math/math.json"))?)?;
            // The file's own order, which is that of OpenCompass.
            let all: Vec<Value> =
                all.as_object().into_iter().flatten().map(|(_, row)| row.clone()).collect();
            Ok(all)
        }
        Benchmark::ArcC => {
            let rows = lines(&data.join("ARC/ARC-c/ARC-Challenge-Dev.jsonl"))?;
            Ok(rows.iter().map(arc).collect())
        }
        Benchmark::Gpqa => {
            let names = [
                "Question",
                "Correct Answer",
                "Incorrect Answer 1",
                "Incorrect Answer 2",
                "Incorrect Answer 3",
            ];
            let row = |row: csv::StringRecord| {
                let cells = row.iter().skip(7).take(names.len()).map(Value::from);
                names.iter().map(|name| (*name).to_owned()).zip(cells).collect()
            };
            Ok(table(&data.join("gpqa/gpqa_diamond.csv"), true)?.into_iter().map(row).collect())
        }
        Benchmark::Bbh => {
            let file = data.join(format!("BBH/data/{part}.json"));
            let mut task: Value = serde_json::from_slice(&fs::read(file)?)?;
            Ok(task["examples"].as_array_mut().map(std::mem::take).unwrap_or_default())
        }
        Benchmark::Mmlu => {
            let rows = table(&data.join(format!("mmlu/test/{part}_test.csv")), false)?;
            let row = |row: csv::StringRecord| {
                let cells: Vec<&str> = row.iter().collect();
                let (choices, answer) = (cells.get(1..5)?, cells.get(5)?);
                let answer = "ABCD".find(answer)?;
                Some(
                    json!({"subject": part, "question": cells[0], "choices": choices, "answer": answer}),
                )
            };
            Ok(rows.into_iter().filter_map(row).collect())
        }
        other => unreachable!("{other} is not scored"),
    }
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

fn lines(file: &Path) -> io::Result<Vec<Value>> {
    let text = fs::read_to_string(file)?;
    let rows = text.lines().filter(|line| !line.trim().is_empty());
    Ok(rows.map(serde_json::from_str).collect::<Result<_, _>>()?)
}

fn table(file: &Path, named: bool) -> io::Result<Vec<csv::StringRecord>> {
    let reader = csv::ReaderBuilder::new().has_headers(named).from_path(file);
    Ok(reader?.records().collect::<Result<_, _>>()?)
}

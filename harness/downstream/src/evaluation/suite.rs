//! What is scored: the ten benchmarks of the paper as OpenCompass 0.4.1 has them, and which of their items.
//!
//! A configuration's name ends with the hash of its prompts, so the name says exactly what a model is asked. What is
//! known of the data sets, of which BBH and MMLU have many, is in `suite/parts.csv`: their prompts' hashes, and their
//! items.

use std::sync::LazyLock;

use gra_paper::Benchmark;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Configurations of data sets are modules below this one.
pub(crate) const DATASETS_MODULE: &str = "opencompass.configs.datasets";

/// How OpenCompass scores a benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BenchmarkProtocol {
    /// Of which benchmark this is.
    pub benchmark: Benchmark,
    /// Its module below `opencompass.configs.datasets`.
    pub module: &'static str,
    /// The list in that module that holds its data sets.
    pub list: &'static str,
    /// Metrics whose mean is the score; all but `IFEval` have one.
    pub metrics: &'static [&'static str],
    /// First six digits of its prompts' hash, the end of the configuration's name.
    pub prompt_hash: &'static str,
    /// Whether scoring runs code that the model wrote.
    pub runs_code: bool,
}

const ACCURACY: &[&str] = &["accuracy"];
const PASS_AT_1: &[&str] = &["humaneval_pass@1"];
/// Results of MBPP have counts of pass, timeout, failed and wrong answers too; they are no scores.
const SCORE: &[&str] = &["score"];
const IFEVAL_METRICS: &[&str] = &[
    "Prompt-level-strict-accuracy",
    "Inst-level-strict-accuracy",
    "Prompt-level-loose-accuracy",
    "Inst-level-loose-accuracy",
];

impl BenchmarkProtocol {
    /// How a benchmark is scored.
    #[must_use]
    #[rustfmt::skip]
    pub const fn of_benchmark(benchmark: Benchmark) -> Self {
        let (module, list, metrics, prompt_hash) = match benchmark {
            Benchmark::Gsm8k => ("gsm8k.gsm8k_gen", "gsm8k_datasets", ACCURACY, "1d7fe4"),
            Benchmark::Math => ("math.math_gen", "math_datasets", ACCURACY, "265cce"),
            Benchmark::HumanEval => ("humaneval.humaneval_gen", "humaneval_datasets", PASS_AT_1, "8e312c"),
            Benchmark::Mbpp => ("mbpp.mbpp_gen", "mbpp_datasets", SCORE, "830460"),
            Benchmark::HellaSwag => ("hellaswag.hellaswag_gen", "hellaswag_datasets", ACCURACY, "6faab5"),
            Benchmark::ArcC => ("ARC_c.ARC_c_gen", "ARC_c_datasets", ACCURACY, "1e0de5"),
            Benchmark::Gpqa => ("gpqa.gpqa_openai_simple_evals_gen", "gpqa_datasets", ACCURACY, "5aeece"),
            Benchmark::Bbh => ("bbh.bbh_gen", "bbh_datasets", SCORE, "5b92b0"),
            Benchmark::Mmlu => ("mmlu.mmlu_zero_shot_gen", "mmlu_datasets", ACCURACY, "47e2c0"),
            Benchmark::IfEval => ("IFEval.IFEval_gen", "ifeval_datasets", IFEVAL_METRICS, "3321a3"),
        };
        let runs_code = matches!(benchmark, Benchmark::HumanEval | Benchmark::Mbpp);
        Self { benchmark, module, list, metrics, prompt_hash, runs_code }
    }

    /// The whole name of its module, which ends with the hash.
    #[must_use]
    pub fn config(&self) -> String {
        format!("{DATASETS_MODULE}.{}_{}", self.module, self.prompt_hash)
    }

    /// Its data sets: 27 for BBH, 57 for MMLU, in order of their names, one for each other benchmark.
    #[must_use]
    pub fn parts(&self) -> Vec<SuitePart> {
        let parts = known_parts().iter();
        parts.filter(|part| part.benchmark == self.benchmark.id()).cloned().collect()
    }
}

/// A data set of a benchmark, scored by itself: a line of `suite/parts.csv`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SuitePart {
    /// Id of the benchmark.
    pub benchmark: String,
    /// Its name in results, e.g. `bbh-snarks`.
    pub dataset: String,
    /// Its name within the benchmark, e.g. `snarks`; `None` where the benchmark has one part.
    pub name: Option<String>,
    /// First six digits of its prompt's hash.
    pub prompt_hash: String,
    /// Items of its published test set.
    pub items: u64,
}

fn known_parts() -> &'static [SuitePart] {
    static PARTS: LazyLock<Vec<SuitePart>> =
        LazyLock::new(|| compiled_in(include_bytes!("suite/parts.csv")));
    &PARTS
}

/// The lines of a CSV that is compiled in; a test reads every line of it.
pub(super) fn compiled_in<T: DeserializeOwned>(csv: &[u8]) -> Vec<T> {
    csv::Reader::from_reader(csv).into_deserialize().filter_map(Result::ok).collect()
}

/// Which items of which benchmarks are scored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suite {
    /// `paper` or `smoke`.
    pub name: String,
    /// What is scored of each benchmark, in the order of the tables.
    pub scopes: Vec<Scope>,
    /// Most tokens of a reply where that is fewer than the configuration's; prompts and their hashes stay the same.
    pub reply_limit: Option<u32>,
}

/// What is scored of a benchmark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// The benchmark.
    #[serde(with = "benchmark_id")]
    pub benchmark: Benchmark,
    /// Most items of each part, the first ones; `None` for all.
    pub items: Option<u64>,
    /// Names of the parts that are scored; `None` for all.
    pub parts: Option<Vec<String>>,
}

impl Scope {
    /// The data sets that are scored.
    #[must_use]
    pub fn parts(&self) -> Vec<SuitePart> {
        let mut parts = BenchmarkProtocol::of_benchmark(self.benchmark).parts();
        if let Some(names) = &self.parts {
            parts.retain(|part| part.name.as_ref().is_some_and(|name| names.contains(name)));
        }
        parts
    }

    /// How many items are scored where the data is whole.
    #[must_use]
    pub fn expected_items(&self) -> u64 {
        let most = self.items.unwrap_or(u64::MAX);
        self.parts().iter().map(|part| part.items.min(most)).sum()
    }

    /// Whether every item of the benchmark is scored.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.items.is_none() && self.parts.is_none()
    }
}

/// A suite or benchmark that does not exist; which there are.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SuiteError(String);

impl Suite {
    /// All items of all ten benchmarks, as the paper's tables have them.
    #[must_use]
    pub fn paper() -> Self {
        let whole = |benchmark| Scope { benchmark, items: None, parts: None };
        let scopes = Benchmark::ALL.map(whole).to_vec();
        Self { name: "paper".to_owned(), scopes, reply_limit: None }
    }

    /// A few items of nine benchmarks with short replies: shows that everything works, and says nothing about a
    /// model. `HumanEval` is left out, because its scorer wants replies to all 164 tasks.
    #[must_use]
    pub fn smoke() -> Self {
        let few = |benchmark| {
            let parts: &[&str] = match benchmark {
                Benchmark::Bbh => &["boolean_expressions", "date_understanding", "object_counting"],
                // One of each of MMLU's four groups of subjects.
                Benchmark::Mmlu => {
                    &["high_school_geography", "high_school_physics", "marketing", "philosophy"]
                }
                _ => &[],
            };
            // An item of each of several parts, or three of a benchmark without parts: a run takes minutes on a CPU.
            let names = || parts.iter().map(|name| (*name).to_owned()).collect();
            match parts {
                [] => Scope { benchmark, items: Some(3), parts: None },
                _ => Scope { benchmark, items: Some(1), parts: Some(names()) },
            }
        };
        let scopes = Benchmark::ALL.into_iter().filter(|one| *one != Benchmark::HumanEval);
        Self { name: "smoke".to_owned(), scopes: scopes.map(few).collect(), reply_limit: Some(96) }
    }

    /// The suite of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn named(name: &str) -> Result<Self, SuiteError> {
        match name {
            "paper" => Ok(Self::paper()),
            "smoke" => Ok(Self::smoke()),
            other => Err(SuiteError(format!(
                "there is no suite `{other}`\nhint: --suite paper or --suite smoke"
            ))),
        }
    }

    /// The suite cut to some of its benchmarks, in its own order.
    ///
    /// # Errors
    /// When it has not all of them.
    pub fn only(mut self, benchmarks: &[Benchmark]) -> Result<Self, SuiteError> {
        let has = self.benchmarks();
        if let Some(&benchmark) = benchmarks.iter().find(|one| !has.contains(one)) {
            let has: Vec<&str> = has.into_iter().map(Benchmark::id).collect();
            let (suite, has) = (self.name, has.join(", "));
            return Err(SuiteError(format!("suite {suite} has no {benchmark}; it has {has}")));
        }
        // In the suite's order, in whichever they were named: results and tables have one order.
        self.scopes.retain(|scope| benchmarks.contains(&scope.benchmark));
        Ok(self)
    }

    /// Its benchmarks, in order.
    #[must_use]
    pub fn benchmarks(&self) -> Vec<Benchmark> {
        self.scopes.iter().map(|scope| scope.benchmark).collect()
    }

    /// Whether it is all of every benchmark that it has, with whole replies.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.reply_limit.is_none() && self.scopes.iter().all(Scope::is_whole)
    }

    /// Whether scoring runs code that the model wrote.
    #[must_use]
    pub fn runs_code(&self) -> bool {
        self.scopes.iter().any(|scope| BenchmarkProtocol::of_benchmark(scope.benchmark).runs_code)
    }
}

/// A benchmark as its id, for serde.
mod benchmark_id {
    use gra_paper::Benchmark;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
    pub(super) fn serialize<S: Serializer>(one: &Benchmark, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(one.id())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Benchmark, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_benchmark_has_its_protocol_and_all_its_items() {
        for benchmark in Benchmark::ALL {
            let protocol = BenchmarkProtocol::of_benchmark(benchmark);
            assert_eq!(protocol.benchmark, benchmark);
            let parts = protocol.parts();
            let items: u64 = parts.iter().map(|part| part.items).sum();
            assert_eq!(items, benchmark.items(), "{benchmark}");
            assert!(parts.iter().all(|part| part.prompt_hash.len() == 6), "{benchmark}");
        }
        let lines = include_str!("suite/parts.csv").lines().count();
        assert_eq!(known_parts().len(), lines - 1);
        let count = |benchmark| BenchmarkProtocol::of_benchmark(benchmark).parts().len();
        assert_eq!((count(Benchmark::Bbh), count(Benchmark::Mmlu)), (27, 57));
    }

    #[test]
    fn a_suite_is_cut_in_its_own_order() {
        let two = Suite::smoke().only(&[Benchmark::Mmlu, Benchmark::Gsm8k]).unwrap();
        assert_eq!(two.benchmarks(), [Benchmark::Gsm8k, Benchmark::Mmlu]);
        let items: Vec<u64> = two.scopes.iter().map(Scope::expected_items).collect();
        assert_eq!(items, [3, 4]);
        assert!(Suite::paper().is_whole() && !two.is_whole() && !two.runs_code());
        let error = Suite::smoke().only(&[Benchmark::HumanEval]).unwrap_err();
        insta::assert_snapshot!(error, @"suite smoke has no humaneval; it has gsm8k, math, mbpp, hellaswag, arc_c, gpqa, bbh, mmlu, ifeval");
        insta::assert_snapshot!(Suite::named("all").unwrap_err(), @"
        there is no suite `all`
        hint: --suite paper or --suite smoke
        ");
    }
}

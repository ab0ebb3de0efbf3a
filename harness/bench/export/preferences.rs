//! Preference data of recorded answers: pairs of a better and a worse answer to one instruction (DPO), and single
//! answers with a verdict (KTO). The keys are those of TRL; the index tells LLaMA-Factory the same files.
//!
//! An answer counts when the committee scored it. Better means that it passed review, worse that it did not; of two
//! that passed, or two that did not, nothing is said, because their scores are two samples of noise.

use std::collections::BTreeMap;

use anyhow::Result;
use gra_analysis::trial::has_passed;
use gra_synth::candidate::Candidate;
use gra_synth::committee::Tally;
use serde::Serialize;
use serde_json::{Value, json};

use super::{DATASET_INFO, ExportedFile, formats};

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

/// A pair of answers to one instruction.
#[derive(Serialize)]
struct Pair<'a> {
    prompt: &'a str,
    chosen: &'a str,
    rejected: &'a str,
    score_chosen: f64,
    score_rejected: f64,
    chosen_of: &'a str,
    rejected_of: &'a str,
}

/// An answer with its verdict.
#[derive(Serialize)]
struct Verdict<'a> {
    prompt: &'a str,
    completion: &'a str,
    label: bool,
    score: f64,
    of: &'a str,
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
        let info = |file, columns: Value| json!({ "file_name": file, "formatting": "alpaca", "columns": columns });
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
    fn pairs(&self) -> impl Iterator<Item = Pair<'_>> {
        self.by_instruction.iter().flat_map(|(prompt, answers)| {
            let passed = answers.iter().filter(|answer| answer.has_passed);
            // The first of equals, so that the order of trials settles it.
            let best = passed.rev().max_by(|a, b| a.mu.total_cmp(&b.mu));
            let worse = answers.iter().filter(|answer| !answer.has_passed);
            best.into_iter().flat_map(move |best| {
                worse.clone().map(move |worse| Pair {
                    prompt,
                    chosen: best.response,
                    rejected: worse.response,
                    score_chosen: best.mu,
                    score_rejected: worse.mu,
                    chosen_of: best.trial,
                    rejected_of: worse.trial,
                })
            })
        })
    }

    fn verdicts(&self) -> impl Iterator<Item = Verdict<'_>> {
        self.by_instruction.iter().flat_map(|(prompt, answers)| {
            answers.iter().map(|answer| Verdict {
                prompt,
                completion: answer.response,
                label: answer.has_passed,
                score: answer.mu,
                of: answer.trial,
            })
        })
    }
}

/// JSON Lines, and how many there are.
fn counted<T: Serialize>(records: impl Iterator<Item = T>) -> Result<(Vec<u8>, usize)> {
    let mut count = 0;
    let bytes = formats::lines(records.inspect(|_| count += 1))?;
    Ok((bytes, count))
}

#[cfg(test)]
mod tests {
    use gra_synth::candidate::Outcome;

    use super::super::tests::{candidate, review};
    use super::*;

    fn answered(number: u32, response: &str, score: u8, outcome: Outcome) -> Candidate {
        let mut candidate = candidate(number, outcome);
        candidate.instruction = Some("Name a prime.".to_owned());
        candidate.response = Some(response.to_owned());
        candidate.response_reviews = vec![review(0, [score; 6]), review(1, [score; 6])];
        candidate
    }

    #[test]
    fn what_did_not_pass_stands_beside_the_best_that_did() {
        let first = [
            answered(0, "7", 8, Outcome::Accepted),
            answered(1, "9", 3, Outcome::Rejected),
            answered(2, "Seven.", 9, Outcome::Surplus),
        ];
        // The same answer under another variant is no other answer; an unscored one is none.
        let mut unscored = candidate(5, Outcome::Accepted);
        unscored.instruction = Some("Name a prime.".to_owned());
        let second = [
            answered(0, "7", 8, Outcome::Accepted),
            answered(1, "1", 5, Outcome::Rejected),
            unscored,
        ];
        let answers = ScoredAnswers::gather(&[("a/gra/seed-1", &first), ("a/x/seed-1", &second)]);
        let text = |format| {
            let (files, records) = answers.files(format, "a").unwrap();
            let texts = files.into_iter().map(|file| String::from_utf8(file.bytes).unwrap());
            format!("{records}\n{}", texts.collect::<String>())
        };
        insta::assert_snapshot!(text(PreferenceFormat::Dpo), @r#"
        2
        {"prompt":"Name a prime.","chosen":"Seven.","rejected":"9","score_chosen":9.0,"score_rejected":3.0,"chosen_of":"a/gra/seed-1","rejected_of":"a/gra/seed-1"}
        {"prompt":"Name a prime.","chosen":"Seven.","rejected":"1","score_chosen":9.0,"score_rejected":5.0,"chosen_of":"a/gra/seed-1","rejected_of":"a/x/seed-1"}
        {
          "a": {
            "columns": {
              "chosen": "chosen",
              "prompt": "prompt",
              "rejected": "rejected"
            },
            "file_name": "dpo.jsonl",
            "formatting": "alpaca",
            "ranking": true
          }
        }
        "#);
        insta::assert_snapshot!(text(PreferenceFormat::Kto), @r#"
        4
        {"prompt":"Name a prime.","completion":"7","label":true,"score":8.0,"of":"a/gra/seed-1"}
        {"prompt":"Name a prime.","completion":"9","label":false,"score":3.0,"of":"a/gra/seed-1"}
        {"prompt":"Name a prime.","completion":"Seven.","label":true,"score":9.0,"of":"a/gra/seed-1"}
        {"prompt":"Name a prime.","completion":"1","label":false,"score":5.0,"of":"a/x/seed-1"}
        {
          "a": {
            "columns": {
              "kto_tag": "label",
              "prompt": "prompt",
              "response": "completion"
            },
            "file_name": "kto.jsonl",
            "formatting": "alpaca"
          }
        }
        "#);
        let (_, none) =
            ScoredAnswers::gather(&[("a", &first[..1])]).files(PreferenceFormat::Dpo, "a").unwrap();
        assert_eq!(none, 0);
    }
}

//! What models are asked about data sets: a judge for scores (the paper's section 5.4; METHOD.md, E4), by way of
//! [`gra_synth::judge`], and a model for the losses that instruction-following difficulty is made of
//! ([`gra_analysis::ifd`]; section 5.5; METHOD.md, E5).
//!
//! What is put before a response whose loss is taken, where the two are cut into tokens, and what happens to long ones
//! differs between the published scripts, and moves the number. A [`Protocol`] names one whole way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use gra_analysis::foreign_text::CsvWriter;
use gra_analysis::ifd::{Loss, LossPair, MeasuredLosses, Unmeasured};
use gra_llm::score::{Border, Context as ScoreContext, Passage};
use gra_synth::candidate::Candidate;
use gra_synth::judge::{Judge, Judged, JudgedSample, Judgement};
use gra_synth::method::{Member, Method};
use gra_synth::pool::ItemId;
use gra_synth::prompt::PromptSet;
use gra_synth::request::{ModelName, ScoreReading};
use gra_synth::step::Asker;

use crate::answering::{Answering, Asking};
use crate::dataset::{DataSet, Sample};
use crate::store::StoredScore;

/// A judge and what it is asked with.
#[derive(Clone, Debug)]
pub struct Bench<'a> {
    /// Who judges.
    pub judge: Member,
    /// The prompts; Prompt 8 is used.
    pub prompts: &'a PromptSet,
    /// Form of the reply and retries.
    pub method: &'a Method,
    /// Root of the streams.
    pub run_seed: u64,
}

/// A data set's judgements by sample; of a trial by candidate, accepted or not.
pub type Judgements = BTreeMap<ItemId, Judgement>;

impl Bench<'_> {
    /// Has the responses of a data set judged; of a trial those that [`crate::dataset::SourceTrial`] names, also such that
    /// the committee did not let pass. Samples without a response are left out.
    ///
    /// # Errors
    /// When the engine or the store fails, or the run was interrupted.
    pub fn judge(&self, data_set: &DataSet, answering: &mut Answering<'_>) -> Result<Judgements> {
        let Self { judge, prompts, method, run_seed } = self;
        let asker = Asker { run_seed: *run_seed, method, prompts };
        let samples = judged_samples(data_set);
        let judged = Judged::Response(ScoreReading::Sampled);
        let mut machine = Judge::new(asker, judge, judged, &samples);
        let name = format!("judging {}", data_set.name);
        let judgements =
            answering.drive(Asking::Other(&name), |answers, _| machine.advance(answers))?;
        Ok(judgements.into_iter().map(|judgement| (judgement.id, judgement)).collect())
    }
}

fn judged_samples(data_set: &DataSet) -> Vec<JudgedSample<'_>> {
    let Some(trial) = &data_set.trial else {
        return data_set.samples.iter().filter_map(of_sample).collect();
    };
    // Of a trial rejected candidates count too: what the judge says of them is held against the committee.
    let is_asked = |id| trial.judged.as_ref().is_none_or(|judged| judged.contains(id));
    let asked = trial.facts.candidates.iter().filter(|candidate| is_asked(&candidate.id));
    asked.filter_map(of_candidate).collect()
}

fn of_sample(sample: &Sample) -> Option<JudgedSample<'_>> {
    let response = sample.response.as_deref()?;
    Some(JudgedSample { id: sample.id, instruction: &sample.instruction, response })
}

fn of_candidate(candidate: &Candidate) -> Option<JudgedSample<'_>> {
    Some(JudgedSample {
        id: candidate.id,
        instruction: candidate.instruction.as_deref()?,
        response: candidate.response.as_deref()?,
    })
}

/// Scores by candidate as CSV, as [`read_scores`] reads them.
///
/// # Errors
/// None that a caller can cause: nothing is written to a file here.
pub fn scores_csv(scores: &BTreeMap<ItemId, f64>) -> Result<Vec<u8>> {
    let mut csv = CsvWriter::from_writer(Vec::new());
    csv.write_record(["id", "score"])?;
    for (id, score) in scores {
        csv.write_record([id.to_string(), score.to_string()])?;
    }
    Ok(csv.into_inner()?)
}

/// Reads a judge's scores of a trial's candidates: CSV with the columns `id` and `score`; an empty score is a missing
/// one.
///
/// # Errors
/// Names the file and line that is wrong.
pub fn read_scores(path: &Path, candidates: &[Candidate]) -> Result<BTreeMap<ItemId, f64>> {
    let known: BTreeSet<ItemId> = candidates.iter().map(|candidate| candidate.id).collect();
    let name = path.display();
    let mut csv =
        csv::Reader::from_path(path).with_context(|| format!("cannot read judge scores {name}"))?;
    let header = csv.headers().with_context(|| format!("judge scores {name}"))?.clone();
    let column = |wanted: &str| {
        header.iter().position(|name| name == wanted).with_context(|| {
            format!("judge scores {name} have no column `{wanted}`\nhint: the header is `id,score`")
        })
    };
    let (id_column, score_column) = (column("id")?, column("score")?);
    let mut scores = BTreeMap::new();
    // The header is line 1.
    for (line, record) in (2..).zip(csv.records()) {
        let record = record.with_context(|| format!("judge scores {name}"))?;
        let (id, score) = (&record[id_column], &record[score_column]);
        let id: ItemId = id.parse().with_context(|| format!("judge scores {name}, line {line}"))?;
        if !known.contains(&id) {
            bail!("judge scores {name}, line {line}: the trial has no candidate {id}");
        }
        // The judge's reply could not be read.
        if score.is_empty() {
            continue;
        }
        let Some(value) = score.parse().ok().filter(|value: &f64| value.is_finite()) else {
            bail!("judge scores {name}, line {line}: `{score}` is no score");
        };
        if scores.insert(id, value).is_some() {
            bail!("judge scores {name}, line {line}: {id} has a score already");
        }
    }
    Ok(scores)
}

/// How the two losses of a sample are measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// The Alpaca template, cut into tokens apart from the response, so that both losses are of the
    /// same tokens; cut at the model's context only.
    #[default]
    Apart,
    /// As the script of Cherry LLM: the Alpaca template, cut into tokens as one text with the
    /// response, at most 512 tokens.
    CherryLlm,
    /// As the script of Superfiltering: the instruction and a line break, cut into tokens as one text
    /// with the response, at most 1,024 tokens; the response alone has nothing before it.
    Superfiltering,
}

/// What Cherry LLM puts before a response that is scored alone.
const RESPONSE_HEADING: &str = "### Response:";

impl Protocol {
    /// What stands before a sample's response.
    fn instruction(self, sample: &Sample) -> String {
        match self {
            Self::Apart | Self::CherryLlm => alpaca_template(sample.task(), sample.input()),
            Self::Superfiltering => match sample.input() {
                Some(input) => format!("{}\n{input}\n", sample.task()),
                None => format!("{}\n", sample.task()),
            },
        }
    }

    /// What stands before a response that is scored alone.
    const fn nothing(self) -> &'static str {
        match self {
            Self::Apart | Self::CherryLlm => RESPONSE_HEADING,
            Self::Superfiltering => "",
        }
    }

    const fn border(self) -> Border {
        match self {
            Self::Apart => Border::Apart,
            Self::CherryLlm | Self::Superfiltering => Border::Joined,
        }
    }

    /// Most tokens of instruction and response together, for a model that reads `context`.
    fn limit(self, context: u32) -> u32 {
        match self {
            Self::Apart => context,
            Self::CherryLlm => context.min(512),
            Self::Superfiltering => context.min(1024),
        }
    }

    /// Most tokens of a response that is scored alone, with what stands before it. `heading`: the
    /// tokens of [`Self::nothing`].
    fn direct_limit(self, limit: u32, heading: u32, conditional: &StoredScore) -> u32 {
        let left = limit.saturating_sub(conditional.context_tokens);
        match self {
            Self::Apart => heading + conditional.tokens,
            // The scripts' own allowances for what stands before the response.
            Self::CherryLlm => left + if left > 0 { 4 } else { 0 },
            Self::Superfiltering => left + u32::from(left > 0),
        }
    }
}

/// The template of Stanford Alpaca, on which Cherry LLM measures. A format, word for word.
fn alpaca_template(task: &str, input: Option<&str>) -> String {
    match input {
        Some(input) => format!(
            "Below is an instruction that describes a task, paired with an input that provides \
             further context. Write a response that appropriately completes the request.\n\n\
             ### Instruction:\n{task}\n\n### Input:\n{input}\n\n{RESPONSE_HEADING}"
        ),
        None => format!(
            "Below is an instruction that describes a task. Write a response that appropriately \
             completes the request.\n\n### Instruction:\n{task}\n\n{RESPONSE_HEADING}"
        ),
    }
}

/// Who scores, and how.
#[derive(Clone, Copy, Debug)]
pub struct Scoring<'a> {
    /// The model whose losses are taken.
    pub model: &'a ModelName,
    /// Tokens that it reads.
    pub context: u32,
    /// How they are taken.
    pub protocol: Protocol,
}

impl Scoring<'_> {
    /// The losses of samples, in order.
    ///
    /// # Errors
    /// When the engine or the store fails, or the run was interrupted.
    pub fn measure(
        self,
        samples: &[Sample],
        answering: &mut Answering<'_>,
    ) -> Result<Vec<MeasuredLosses>> {
        let limit = self.protocol.limit(self.context);
        let responses: Vec<(usize, &str)> = samples
            .iter()
            .enumerate()
            .filter_map(|(at, sample)| Some((at, sample.response.as_deref()?)))
            .filter(|(_, response)| !response.is_empty())
            .collect();
        let passages = responses.iter().map(|(at, response)| {
            self.passage(self.protocol.instruction(&samples[*at]), response, limit)
        });
        let passages: Vec<Passage> = passages.collect();
        let conditional = answering.score("loss after instruction", self.model, &passages)?;

        let heading = self.heading(limit, answering)?;
        let passages = responses.iter().zip(&conditional).map(|((_, response), conditional)| {
            let limit = self.protocol.direct_limit(limit, heading, conditional);
            self.passage(self.protocol.nothing().to_owned(), response, limit)
        });
        let passages: Vec<Passage> = passages.collect();
        let direct = answering.score("loss without it", self.model, &passages)?;

        // Samples without a response were not scored, and keep their places.
        let mut measured = vec![Err(Unmeasured::EmptyResponse); samples.len()];
        for (((at, _), conditional), direct) in responses.iter().zip(conditional).zip(direct) {
            measured[*at] = pair(conditional, direct);
        }
        Ok(measured)
    }

    /// Tokens of what stands before a response that is scored alone, where the limit needs them.
    fn heading(self, limit: u32, answering: &mut Answering<'_>) -> Result<u32> {
        // The scripts have allowances in place of a count.
        if self.protocol != Protocol::Apart {
            return Ok(0);
        }
        let heading = self.passage(self.protocol.nothing().to_owned(), "", limit);
        Ok(answering.score("tokens of the heading", self.model, &[heading])?[0].context_tokens)
    }

    fn passage(self, context: String, response: &str, max_tokens: u32) -> Passage {
        Passage {
            model: self.model.clone(),
            context: ScoreContext::text(context),
            continuation: response.to_owned(),
            border: self.protocol.border(),
            max_tokens: Some(max_tokens),
        }
    }
}

fn pair(conditional: StoredScore, direct: StoredScore) -> MeasuredLosses {
    let loss = |score: StoredScore| Some(Loss { mean: score.loss?, tokens: score.tokens });
    let cut = conditional.truncated || direct.truncated;
    match (loss(conditional), loss(direct)) {
        (Some(conditional), Some(direct)) => Ok(LossPair { conditional, direct, truncated: cut }),
        // The instruction filled the limit, and nothing of the response was left to score.
        (None, _) if cut => Err(Unmeasured::InstructionTooLong),
        (None, _) => Err(Unmeasured::EmptyResponse),
        (_, None) => Err(Unmeasured::NothingScored),
    }
}

#[cfg(test)]
mod tests {
    use gra_synth::pool::SeedItem;

    use super::*;

    fn sample(instruction: &str, input_at: Option<usize>) -> Sample {
        let instruction = instruction.to_owned();
        SeedItem { number: 0, instruction, input_at, response: None, annotation: None }.into()
    }

    #[test]
    fn what_stands_before_a_response() {
        let (plain, with_input) = (sample("Sort.", None), sample("Sort.\n\nb, a", Some(7)));
        assert_eq!(plain.id, ItemId::Seed(0));
        insta::assert_snapshot!(Protocol::Apart.instruction(&plain), @"
        Below is an instruction that describes a task. Write a response that appropriately completes the request.

        ### Instruction:
        Sort.

        ### Response:
        ");
        insta::assert_snapshot!(Protocol::CherryLlm.instruction(&with_input), @"
        Below is an instruction that describes a task, paired with an input that provides further context. Write a response that appropriately completes the request.

        ### Instruction:
        Sort.

        ### Input:
        b, a

        ### Response:
        ");
        assert_eq!(Protocol::Superfiltering.instruction(&plain), "Sort.\n");
        assert_eq!(Protocol::Superfiltering.instruction(&with_input), "Sort.\nb, a\n");
    }

    /// Limits as the scripts reckon them, for an instruction of 40 tokens and one that fills all.
    #[test]
    fn a_response_alone_gets_what_is_left_of_the_limit() {
        let score = |context_tokens, tokens| StoredScore {
            loss: Some(1.0),
            tokens,
            context_tokens,
            truncated: false,
        };
        let cases = [
            // Protocol, its limit at 2,048, tokens of the instruction, tokens scored, direct limit.
            (Protocol::Apart, 2048, 40, 100, 105),
            (Protocol::Apart, 2048, 2048, 0, 5),
            (Protocol::CherryLlm, 512, 40, 100, 476),
            (Protocol::CherryLlm, 512, 600, 0, 0),
            (Protocol::Superfiltering, 1024, 40, 100, 985),
            (Protocol::Superfiltering, 1024, 1024, 0, 0),
        ];
        for (protocol, limit, instruction, scored, expected) in cases {
            assert_eq!(protocol.limit(2048), limit, "{protocol:?}");
            let direct = protocol.direct_limit(limit, 5, &score(instruction, scored));
            assert_eq!(direct, expected, "{protocol:?} after {instruction} tokens");
        }
    }

    #[test]
    fn a_pair_needs_both_losses() {
        let score = |loss, truncated| StoredScore { loss, tokens: 3, context_tokens: 9, truncated };
        let cases = [
            (score(Some(1.0), false), score(Some(2.0), false), None),
            (score(None, true), score(None, true), Some(Unmeasured::InstructionTooLong)),
            (score(None, false), score(None, false), Some(Unmeasured::EmptyResponse)),
            (score(Some(1.0), false), score(None, false), Some(Unmeasured::NothingScored)),
        ];
        for (conditional, direct, expected) in cases {
            assert_eq!(pair(conditional, direct).err(), expected, "{conditional:?}, {direct:?}");
        }
    }
}

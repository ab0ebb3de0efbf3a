//! Has samples scored by a judge (the paper's section 5.4; METHOD.md, E4): [`gra_synth::judge`] asks,
//! the store or the engine answers.

use std::collections::BTreeMap;

use anyhow::Result;
use gra_synth::candidate::Candidate;
use gra_synth::judge::{Judge, Judged, JudgedSample, Judgement};
use gra_synth::method::{Member, Method};
use gra_synth::pool::ItemId;
use gra_synth::prompt::PromptSet;
use gra_synth::request::ScoreReading;
use gra_synth::step::Asker;

use crate::answering::{Answering, Asking};
use crate::dataset::{DataSet, Sample};

/// A judge and what it is asked with.
#[derive(Clone, Copy, Debug)]
pub struct Bench<'a> {
    /// Who judges.
    pub judge: &'a Member,
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
    /// Has every response of a data set judged; of a trial also those that the committee did not let
    /// pass. Samples without a response are left out.
    ///
    /// # Errors
    /// When the engine or the store fails, or the run was interrupted.
    pub fn judge(self, data_set: &DataSet, answering: &mut Answering<'_>) -> Result<Judgements> {
        let Self { judge, prompts, method, run_seed } = self;
        let samples = judged_samples(data_set);
        let judged = Judged::Response(ScoreReading::Sampled);
        let asker = Asker { run_seed, method, prompts };
        let mut machine = Judge::new(asker, judge, judged, &samples);
        let name = format!("judging {}", data_set.name);
        let judgements =
            answering.drive(Asking::Other(&name), |answers, _| machine.advance(answers))?;
        Ok(judgements.into_iter().map(|judgement| (judgement.id, judgement)).collect())
    }
}

fn judged_samples(data_set: &DataSet) -> Vec<JudgedSample<'_>> {
    match &data_set.trial {
        Some(trial) => trial.candidates.iter().filter_map(of_candidate).collect(),
        None => data_set.samples.iter().filter_map(of_sample).collect(),
    }
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

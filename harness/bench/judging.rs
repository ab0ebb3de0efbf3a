//! Has samples scored by a judge (the paper's section 5.4; METHOD.md, E4): [`gra_synth::judge`] asks,
//! the store or the engine answers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail};
use gra_analysis::foreign_text::CsvWriter;
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

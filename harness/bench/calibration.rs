//! Has the models of a pool review texts whose quality is known ([`gra_analysis::reviewers::calibration`]), and keeps what was
//! found for later runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use gra_analysis::reviewers::calibration::table::Rated;
use gra_analysis::reviewers::calibration::{
    CLEAR, GOOD, InstructionSkill, Rating, ResponseSkill, Sheet, Weakness, committees, weaknesses,
};
use gra_analysis::statistics::dependence::Dependence;
use gra_analysis::statistics::inference::{self, Estimate};
use gra_synth::committee::Scores;
use gra_synth::domain::Domain;
use gra_synth::judge::{Judge, Judged, JudgedSample, Judgement};
use gra_synth::method::{Member, Method};
use gra_synth::pool::ItemId;
use gra_synth::prompt::PromptSet;
use gra_synth::request::ScoreReading;
use gra_synth::step::Asker;
use serde::{Deserialize, Serialize};

use crate::answering::{Answering, Asking};
use crate::builtin;
use crate::failure::bad_input;
use gra_files::{read_if_any, write_atomic};

/// One item of a calibration set, a line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CalibrationItem {
    /// Names it in messages and files.
    pub id: String,
    /// One of the seven.
    pub domain: Domain,
    /// Versions of the instruction by kind; `clear` is the one that the responses answer.
    pub instructions: BTreeMap<String, String>,
    /// Responses by kind; `good` is the one that deserves to pass.
    pub responses: BTreeMap<String, String>,
}

/// What a line of a calibration set looks like.
const LINE: &str = "{\"id\": \"a\", \"domain\": \"Math\", \"instructions\": {\"clear\": \"..\", \"vague\": \"..\"}, \
                    \"responses\": {\"good\": \"..\", \"off-topic\": \"..\"}}";

/// Reads a calibration set: JSON Lines, at most `per_domain` items of each domain, the first ones.
///
/// # Errors
/// Names the file and the line.
pub fn load(path: &Path, per_domain: Option<usize>) -> Result<Vec<CalibrationItem>> {
    let file = path.display();
    let text = builtin::read_to_string(path)
        .map_err(|error| bad_input(anyhow!("cannot read the calibration set {file}: {error}")))?;
    let mut items = Vec::new();
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeMap::<Domain, usize>::new());
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let item = item(line).and_then(|item| {
            if ids.insert(item.id.clone()) {
                return Ok(item);
            }
            Err(format!("the id `{}` was used before", item.id))
        });
        let item = item.map_err(|reason| {
            bad_input(anyhow!("{file} line {number}: {reason}\nhint: a line looks like {LINE}"))
        })?;
        // Lines that are not taken are checked all the same: a set is good as a whole.
        let taken = taken.entry(item.domain).or_default();
        *taken += 1;
        if per_domain.is_none_or(|most| *taken <= most) {
            items.push(item);
        }
    }
    if items.is_empty() {
        return Err(bad_input(anyhow!("{file} holds no items")));
    }
    Ok(items)
}

/// The item of a line, which has the texts that others are held against, and no empty one.
fn item(line: &str) -> Result<CalibrationItem, String> {
    let item: CalibrationItem = serde_json::from_str(line).map_err(|error| error.to_string())?;
    for (texts, what, kind) in
        [(&item.instructions, "instructions", CLEAR), (&item.responses, "responses", GOOD)]
    {
        if !texts.contains_key(kind) {
            return Err(format!("{what} lack `{kind}`"));
        }
        if let Some((kind, _)) = texts.iter().find(|(_, text)| text.trim().is_empty()) {
            return Err(format!("{what}: `{kind}` is empty"));
        }
    }
    Ok(item)
}

/// With what the models are asked, and by what their scores are measured.
#[derive(Clone, Copy, Debug)]
pub struct Calibration<'a> {
    /// The texts.
    pub items: &'a [CalibrationItem],
    /// Prompts 6 and 8 are used.
    pub prompts: &'a PromptSet,
    /// Form of the replies, retries, tau.
    pub method: &'a Method,
    /// How scores are read.
    pub reading: ScoreReading,
    /// Root of the streams.
    pub run_seed: u64,
}

/// What one model said of every text.
#[derive(Clone, Debug)]
pub struct Reviewed {
    /// Mean scores of the responses.
    pub responses: Sheet<f64>,
    /// The means of the integers in the same replies, where `responses` are expected scores.
    pub written: Option<Sheet<f64>>,
    /// Whether each instruction passed all three criteria.
    pub instructions: Sheet<bool>,
    /// Texts without an answer because the call failed, not because the model's reply cannot be read.
    pub failed_calls: usize,
}

/// A text to review: item, kind.
struct Text<'a> {
    item: usize,
    kind: &'a str,
    sample: JudgedSample<'a>,
}

impl Calibration<'_> {
    /// Has one model review every text.
    ///
    /// # Errors
    /// When the engine or the store fails, or the run was interrupted.
    pub fn review(self, member: &Member, answering: &mut Answering<'_>) -> Result<Reviewed> {
        let asker = Asker { run_seed: self.run_seed, method: self.method, prompts: self.prompts };
        let name = format!("calibrating {}", member.name);
        answering.progress().begin_work(&name);
        let mut ask = |texts: &[Text<'_>], judged: Judged| -> Result<Vec<Judgement>> {
            let samples: Vec<JudgedSample<'_>> = texts.iter().map(|text| text.sample).collect();
            let mut judge = Judge::new(asker, member, judged, &samples);
            answering.drive(Asking::Other(&name), |answers, _| judge.advance(answers))
        };
        let rater = member.name.as_str();
        let (instructions, responses) = (self.texts(false), self.texts(true));
        let checked = ask(&instructions, Judged::Instruction)?;
        let scored = ask(&responses, Judged::Response(self.reading))?;
        let passes = |judgement: &Judgement| judgement.bits.map(|bits| bits == [true; 3]);
        let mean = |judgement: &Judgement| judgement.scores.map(Scores::mean);
        let written = |judgement: &Judgement| judgement.written.map(Scores::mean);
        let has_both = self.reading == ScoreReading::Expected;
        let judgements = checked.iter().chain(&scored);
        let failed_calls = judgements.filter(|judgement| judgement.failed.is_some()).count();
        Ok(Reviewed {
            // A reply that cannot be read is a text without a score, and counted as one.
            responses: sheet(rater, &responses, scored.iter().map(mean)),
            written: has_both.then(|| sheet(rater, &responses, scored.iter().map(written))),
            instructions: sheet(rater, &instructions, checked.iter().map(passes)),
            failed_calls,
        })
    }

    /// Every version of every instruction, the clear one first, or every response to every clear instruction, the
    /// good one first.
    fn texts(&self, of_responses: bool) -> Vec<Text<'_>> {
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let mut texts: Vec<Text<'_>> = Vec::new();
        for (item, CalibrationItem { instructions, responses, .. }) in self.items.iter().enumerate()
        {
            let (of, first) = if of_responses { (responses, GOOD) } else { (instructions, CLEAR) };
            // The others in the order of their names, so that a set gives the same questions wherever it is read.
            let (front, rest): (Vec<_>, Vec<_>) = of.iter().partition(|(kind, _)| *kind == first);
            for (kind, text) in front.into_iter().chain(rest) {
                let clear = instructions[CLEAR].as_str();
                let (instruction, response) =
                    if of_responses { (clear, text.as_str()) } else { (text.as_str(), "") };
                // Names a text among the others of its step.
                let id = ItemId::Candidate { round: number(item), number: number(texts.len()) };
                texts.push(Text { item, kind, sample: JudgedSample { id, instruction, response } });
            }
        }
        texts
    }
}

fn sheet<T>(rater: &str, texts: &[Text<'_>], said: impl Iterator<Item = Option<T>>) -> Sheet<T> {
    let row = |(text, said): (&Text<'_>, Option<T>)| Rating {
        item: text.item,
        kind: text.kind.to_owned(),
        said,
    };
    Sheet { rater: rater.to_owned(), rows: texts.iter().zip(said).map(row).collect() }
}

/// What was found of each rater: every model, then committees of the sizes asked for.
pub(crate) fn rate(reviewed: &[Reviewed], sizes: &[usize], tau: f64) -> Vec<Rated> {
    let responses: Vec<Sheet<f64>> = reviewed.iter().map(|of| of.responses.clone()).collect();
    let written: Option<Vec<Sheet<f64>>> = reviewed.iter().map(|of| of.written.clone()).collect();
    let instructions: Vec<Sheet<bool>> =
        reviewed.iter().map(|of| of.instructions.clone()).collect();
    let alone = reviewed
        .iter()
        .enumerate()
        .map(|(place, of)| Rated { leniency: leniency(&responses, place), ..rated(of, tau) });
    let sizes = sizes.iter().filter(|&&size| size > 1 && size <= reviewed.len());
    let committees = sizes.map(|&size| {
        let together = Reviewed {
            responses: committees(&responses, size, mean),
            written: written.as_ref().map(|sheets| committees(sheets, size, mean)),
            // One member's veto is enough, as in a round.
            instructions: committees(&instructions, size, |bits| bits.iter().all(|bit| *bit)),
            failed_calls: 0,
        };
        rated(&together, tau)
    });
    alone.chain(committees).collect()
}

/// What was found of one rater, or of a committee, which is lenient to no one.
fn rated(of: &Reviewed, tau: f64) -> Rated {
    Rated {
        rater: of.responses.rater.clone(),
        responses: ResponseSkill::of(&of.responses, tau),
        instructions: InstructionSkill::of(&of.instructions),
        auc_as_written: of.written.as_ref().map(ResponseSkill::auc_of),
        leniency: None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a committee is small")]
fn mean(scores: &[f64]) -> f64 {
    scores.iter().sum::<f64>() / scores.len() as f64
}

/// A rater's mean distance from the mean of the others on the same text.
fn leniency(sheets: &[Sheet<f64>], place: usize) -> Option<Estimate> {
    if sheets.len() < 2 {
        return None;
    }
    let (mut items, mut distances) = (Vec::new(), Vec::new());
    for (at, row) in sheets[place].rows.iter().enumerate() {
        // All sheets have the same texts in the same order.
        let others = sheets.iter().enumerate().filter(|(other, _)| *other != place);
        let others: Vec<f64> = others.filter_map(|(_, sheet)| sheet.rows.get(at)?.said).collect();
        if let Some(said) = row.said.filter(|_| !others.is_empty()) {
            items.push(row.item);
            distances.push(Some(said - mean(&others)));
        }
    }
    Some(inference::mean(&distances, &Dependence::by(items)))
}

/// What a later run reads: which raters of a pool cannot review, under which prompts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationRecord {
    /// Name of the pool.
    pub pool: String,
    /// SHA-256 over the prompt files.
    pub prompts_sha256: String,
    /// The threshold that shares are about.
    pub tau: f64,
    /// Instructions in the set.
    pub items: usize,
    /// By rater, in the order of the tables.
    pub raters: Vec<RaterRecord>,
}

/// One rater of a [`CalibrationRecord`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RaterRecord {
    /// The model, or `committee of N`.
    pub rater: String,
    /// What determines its replies, as the store has it; empty for a committee.
    pub fingerprint: String,
    /// AUC of good responses against all faulty ones.
    pub auc: Option<f64>,
    /// Lowest tau of precision 0.9, if any score has it.
    pub tau_of_precision_90: Option<f64>,
    /// What is wrong with it.
    pub weaknesses: Vec<Weakness>,
    /// Texts that it did not review because the call failed; 0 for a committee.
    #[serde(default)]
    pub failed_calls: usize,
}

impl RaterRecord {
    /// The part of a record about one rater.
    pub(crate) fn of(rated: &Rated, fingerprint: &str) -> Self {
        Self {
            rater: rated.rater.clone(),
            fingerprint: fingerprint.to_owned(),
            auc: rated.responses.auc.value,
            tau_of_precision_90: rated.responses.threshold.map(|(tau, _)| tau),
            weaknesses: weaknesses(&rated.responses, Some(&rated.instructions)),
            failed_calls: 0,
        }
    }
}

impl CalibrationRecord {
    /// What a run with this threshold should say of its reviewers: one line for each of `members` that cannot
    /// review, and one when tau was another.
    pub(crate) fn warnings(&self, members: &[Member], tau: f64) -> Vec<String> {
        let is_member =
            |rater: &RaterRecord| members.iter().any(|member| member.name.as_str() == rater.rater);
        #[expect(clippy::float_cmp, reason = "both are as they were written")]
        let same_tau = self.tau == tau;
        let about_tau = [Weakness::TauRejectsAll, Weakness::TauDoesNotSeparate];
        let mut lines = Vec::new();
        for rater in self.raters.iter().filter(|rater| is_member(rater)) {
            // Shares at another threshold say nothing of this one; how well scores separate does.
            let holds = |weakness: &&Weakness| same_tau || !about_tau.contains(weakness);
            let words: Vec<&str> =
                rater.weaknesses.iter().filter(holds).map(|weakness| weakness.words()).collect();
            if !words.is_empty() {
                lines.push(format!("reviewer {}: {}", rater.rater, words.join("; ")));
            }
        }
        if !lines.is_empty() {
            lines.push(format!("(calibrated on {} instructions at tau {})", self.items, self.tau));
        }
        lines
    }

    /// The folder that a pool's calibration is kept in.
    pub(crate) fn folder(results: &Path, pool: &str) -> PathBuf {
        results.join("calibration").join(pool)
    }

    /// Writes the record where [`Self::find`] looks for it. The last one with other prompts stays, under their hash.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        // One that cannot be read says nothing to anyone.
        if let Some(last) = Self::read(&folder.join(LAST)).ok().flatten()
            && last.prompts_sha256 != self.prompts_sha256
        {
            write_atomic(
                &folder.join(file_of(&last.prompts_sha256)),
                &serde_json::to_vec_pretty(&last)?,
            )?;
        }
        Ok(write_atomic(&folder.join(LAST), &serde_json::to_vec_pretty(self)?)?)
    }

    /// The record of a pool's last calibration under these prompts; `None` when there is none.
    ///
    /// # Errors
    /// When there is a file, and it cannot be read.
    pub fn find(results: &Path, pool: &str, prompts_sha256: &str) -> Result<Option<Self>> {
        let folder = Self::folder(results, pool);
        for name in [LAST.to_owned(), file_of(prompts_sha256)] {
            let found = Self::read(&folder.join(name))?;
            // That of other prompts says nothing of these.
            if let Some(found) = found.filter(|found| found.prompts_sha256 == prompts_sha256) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn read(path: &Path) -> Result<Option<Self>> {
        let Some(bytes) = read_if_any(path)? else { return Ok(None) };
        let record = serde_json::from_slice(&bytes).with_context(|| {
            format!(
                "{} is no calibration record\nhint: run `gra-bench calibrate` again",
                path.display()
            )
        })?;
        Ok(Some(record))
    }
}

/// The last calibration of a pool.
const LAST: &str = "calibration.json";

/// The last one with prompts of this hash, where another followed with others.
fn file_of(prompts_sha256: &str) -> String {
    let start = prompts_sha256.get(..12).unwrap_or(prompts_sha256);
    format!("calibration-{start}.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wording_keeps_its_last_calibration() {
        let results = tempfile::tempdir().unwrap();
        let folder = CalibrationRecord::folder(results.path(), "pool");
        let record = |prompts: &str, tau| CalibrationRecord {
            pool: "pool".to_owned(),
            prompts_sha256: prompts.to_owned(),
            tau,
            items: 20,
            raters: Vec::new(),
        };
        let (ours, theirs) = ("a".repeat(64), "b".repeat(64));
        let found = |prompts: &str| {
            let found = CalibrationRecord::find(results.path(), "pool", prompts).unwrap();
            found.map(|record| record.tau)
        };
        assert_eq!(found(&ours), None);
        record(&ours, 8.0).write(&folder).unwrap();
        record(&theirs, 7.0).write(&folder).unwrap();
        assert_eq!((found(&ours), found(&theirs)), (Some(8.0), Some(7.0)));
        record(&ours, 6.0).write(&folder).unwrap();
        assert_eq!((found(&ours), found(&theirs)), (Some(6.0), Some(7.0)));
        assert_eq!(found(&"c".repeat(64)), None);
    }
}

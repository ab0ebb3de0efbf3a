//! `rescore` and `compute`: what follows from what a trial has recorded, written beside its results; no model is asked.
//! `rescore` says what the reviews would have decided under other thresholds, `compute` what the tokens cost, beside a
//! large model that writes the same samples.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use gra_analysis::compute::{Compute, PaidRun, Parameters, TEACHER_PARAMETERS};
use gra_analysis::figure::squares::acceptance;
use gra_analysis::rescore::{Record, Rescored, Rule, rescore as decide_again};
use gra_files::write_atomic;
use gra_synth::committee::Thousandths;
use gra_synth::method::Method;
use gra_synth::variant::DisputeRule;
use serde_json::{Value, json};

use crate::experiment::RescoreEntry;
use crate::failure::bad_input;
use crate::numbers::{Seats, Values};
use crate::session::GlobalArgs;
use crate::store::Store;
use crate::suite::RunMeasurement;
use crate::trial::TrialId;
use crate::trial::stored::StoredTrial;
use crate::{rows, scoring, terminal};

/// Most cells of a grid.
const MOST_CELLS: usize = 10_000;

/// Say what a trial's reviews would have decided under other thresholds; asks no model.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gra-bench rescore ablation/gra/seed-42 --tau 7:9:0.5 --delta 0.5:2.5:0.5
  gra-bench rescore ablation/gra/seed-42 --reviewers 1..3 --dispute adjudicator,majority-vote
  gra-bench rescore ablation/gra/seed-42 --tau 8 --cosine 0.85:0.95:0.05 --json

Writes TRIAL.rescore.csv, .md and .svg, a heat map, beside the trial's folder. What the trial never
asked is counted as unknown, and every line says how much of it is known. Trials that ran with
economy = false have the most to tell.")]
pub(crate) struct RescoreArgs {
    /// EXPERIMENT/VARIANT/seed-N, or a folder that `synth` made
    pub(super) trial: String,
    /// Least mean scores: 8, 7,8,8.5 or 7:9:0.5 [default: the trial's].
    #[arg(long, value_name = "RANGE")]
    tau: Option<Values>,
    /// Largest spreads without a dispute [default: the trial's].
    #[arg(long, value_name = "RANGE")]
    delta: Option<Values>,
    /// How many reviewers are heard, the first of the committee: 2, 1,3 or 1..3 [default: all].
    #[arg(long, value_name = "RANGE")]
    reviewers: Option<Seats>,
    /// Cosine limits of near-duplicates [default: the trial's].
    #[arg(long, value_name = "RANGE")]
    cosine: Option<Values>,
    /// What happens to disputes, separated by commas [default: the trial's].
    #[arg(long, value_name = "RULES", value_delimiter = ',')]
    dispute: Vec<DisputeArg>,
    /// Scores of the candidates by a judge: CSV with the columns `id` and `score`.
    #[arg(long, value_name = "FILE")]
    judge: Option<PathBuf>,
    /// Folder for the table and the figure [default: beside the trial's results].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl RescoreArgs {
    /// The ranges, as the table of an experiment file has them.
    fn entry(&self) -> RescoreEntry {
        RescoreEntry {
            tau: self.tau.clone(),
            delta: self.delta.clone(),
            reviewers: self.reviewers.clone(),
            cosine: self.cosine.clone(),
            dispute: self.dispute.iter().map(|rule| rule.rule()).collect(),
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DisputeArg {
    /// The recorded adjudicator's word.
    Adjudicator,
    /// More than half of the reviewers' means reach tau.
    MajorityVote,
    /// Every dispute passes.
    #[value(alias = "accept-all")]
    Accept,
}

impl DisputeArg {
    const fn rule(self) -> DisputeRule {
        match self {
            Self::Adjudicator => DisputeRule::Adjudicator,
            Self::MajorityVote => DisputeRule::MajorityVote,
            Self::Accept => DisputeRule::Accept,
        }
    }
}

/// The reviews decided again, with what was written of them.
pub(super) struct Decided {
    trial: String,
    grid: Rescored,
    csv: Vec<u8>,
    files: Vec<PathBuf>,
}

pub(crate) fn rescore(args: &RescoreArgs, global: &GlobalArgs) -> Result<()> {
    let (judge, out) = (args.judge.as_deref(), args.out.as_deref());
    let decided = decide(&args.trial, &args.entry(), judge, out, global)?;
    let mut out = terminal::json_or_text(args.json);
    if args.json {
        return Ok(writeln!(out, "{}", decided.json()?)?);
    }
    decided.print(&mut out)
}

impl Decided {
    pub(super) fn json(&self) -> Result<Value> {
        Ok(json!({ "trial": self.trial, "rows": rows::json(&self.csv)? }))
    }

    pub(super) fn print(&self, out: &mut impl Write) -> Result<()> {
        writeln!(out, "{} under other thresholds; no model is asked\n", self.trial)?;
        writeln!(out, "{}", self.grid.terminal())?;
        for file in &self.files {
            writeln!(out, "{}", file.display())?;
        }
        Ok(())
    }
}

/// Decides a trial's reviews over ranges, and writes the table and the figure, beside the trial or into the folder `out`.
/// `judge`: a file of a judge's scores.
pub(super) fn decide(
    trial: &str,
    ranges: &RescoreEntry,
    judge: Option<&Path>,
    out: Option<&Path>,
    global: &GlobalArgs,
) -> Result<Decided> {
    let store = global.read_store()?;
    let trial = StoredTrial::open_finished(&store, &trial.parse()?)?;
    let (id, settings) = (trial.id(), &trial.record.settings);
    let (method, variant) = (&settings.method, &settings.variant);
    let candidates = store.candidates(trial.row)?;
    let rules = rules(ranges, method, Rule::recorded(method, variant)).map_err(bad_input)?;
    let embeddings = trial.embeddings(&store, &candidates)?;
    let judge = judge.map(|file| scoring::read_scores(file, &candidates).map_err(bad_input));
    let judge = &judge.transpose()?.unwrap_or_default();
    let (candidates, embeddings) = (&candidates, embeddings.as_ref());
    let record = Record { candidates, method, variant, embeddings, judge };
    let grid = decide_again(&record, &rules).map_err(bad_input)?;
    let mut csv = Vec::new();
    grid.write_csv(&mut csv)?;
    // All are made before the first is written.
    let markdown = format!("# {id} under other thresholds\n\n{}", grid.markdown());
    let figure = acceptance(&id.to_string(), &grid)?;
    let files = [
        ("rescore.csv", csv.as_slice()),
        ("rescore.md", markdown.as_bytes()),
        ("rescore.svg", figure.svg.as_bytes()),
    ];
    let files = write_beside(id, &files, out, global)?;
    Ok(Decided { trial: id.to_string(), grid, csv, files })
}

/// Writes files with these endings beside a trial, or into the folder `out`.
fn write_beside(
    trial: &TrialId,
    files: &[(&str, &[u8])],
    out: Option<&Path>,
    global: &GlobalArgs,
) -> Result<Vec<PathBuf>> {
    let write = |(ending, bytes): &(&str, &[u8])| {
        let path = global.beside(trial, ending, out);
        write_atomic(&path, bytes)?;
        Ok(path)
    };
    files.iter().map(write).collect()
}

/// The grid; what is not ranged over stays as the trial had it. Within a rule for disputes, a number of reviewers and a
/// cosine limit, tau is slowest: that is one heat map.
fn rules(ranges: &RescoreEntry, method: &Method, own: Rule) -> Result<Vec<Rule>> {
    let values = |given: &Option<Values>, own: Thousandths| {
        given.as_ref().map_or_else(|| vec![own], |Values(values)| values.clone())
    };
    let (taus, deltas) = (values(&ranges.tau, own.tau), values(&ranges.delta, own.delta));
    let reviewers = ranges.reviewers.as_ref().map_or(vec![own.reviewers], |seats| seats.0.clone());
    let cosines = ranges.cosine.as_ref().map_or_else(
        || vec![own.cosine_limit],
        |Values(values)| values.iter().copied().map(f64::from).collect(),
    );
    let mut disputes: Vec<DisputeRule> = Vec::new();
    // The trial's own rule, where none is given.
    let given = if ranges.dispute.is_empty() { &[own.dispute][..] } else { &ranges.dispute };
    for &rule in given {
        if !disputes.contains(&rule) {
            disputes.push(rule);
        }
    }
    let sizes = [taus.len(), deltas.len(), reviewers.len(), cosines.len(), disputes.len()];
    // A product of five numbers may be larger than any number.
    let cells = sizes.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
    if cells.is_none_or(|cells| cells > MOST_CELLS) {
        bail!(
            "the grid has more than {MOST_CELLS} cells ({})\nhint: take larger steps, or fewer ranges",
            sizes.map(|size| size.to_string()).join(" x ")
        );
    }
    let mut rules = Vec::new();
    for &dispute in &disputes {
        for &reviewers in &reviewers {
            for &cosine_limit in &cosines {
                for &tau in &taus {
                    // A tau that no score reaches, or a limit that no cosine has, is refused as in an experiment file.
                    Method { tau, cosine_limit, ..method.clone() }.check()?;
                    let rule = |&delta| Rule { tau, delta, reviewers, dispute, cosine_limit };
                    rules.extend(deltas.iter().map(rule));
                }
            }
        }
    }
    Ok(rules)
}

/// Say what a trial's tokens cost in operations, beside a large model that writes the same samples.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gra-bench compute ablation/gra/seed-42
  gra-bench compute ablation/gra/seed-42 --parameters 7.6e9
  gra-bench compute ablation/gra/seed-42 ablation/no-reviewer/seed-42 --teacher-parameters 32.5e9

Writes TRIAL.compute.csv and .md beside the trial's folder.")]
pub(crate) struct ComputeArgs {
    /// EXPERIMENT/VARIANT/seed-N
    #[arg(required = true, value_name = "TRIAL")]
    pub(super) trials: Vec<String>,
    /// Parameters of the large model that the trial is compared with, e.g. 32.5e9.
    #[arg(long, value_name = "N", default_value_t = TEACHER_PARAMETERS, value_parser = parameters)]
    teacher_parameters: u64,
    /// Reckon as if every model of the pool had so many parameters, e.g. 7.6e9.
    #[arg(long, value_name = "N", value_parser = parameters)]
    parameters: Option<u64>,
    /// Folder for the tables [default: beside the trial's results].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print JSON: an object, and a list of them for several trials.
    #[arg(long)]
    json: bool,
}

/// A whole number, also as `7.6e9`.
fn parameters(text: &str) -> Result<u64, String> {
    // By way of a float, whose 53 bits hold every size that a model has.
    let value: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    if !(1.0..=1e15).contains(&value) {
        return Err("a model has from 1 to 1e15 parameters".to_owned());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to 1e15")]
    let count = value.round() as u64;
    Ok(count)
}

pub(crate) fn compute(args: &ComputeArgs, global: &GlobalArgs) -> Result<()> {
    let store = global.read_store()?;
    // All are read before the first is written.
    let open = |name: &String| StoredTrial::open_finished(&store, &name.parse()?);
    let trials = args.trials.iter().map(open).collect::<Result<Vec<StoredTrial>>>()?;
    let mut out = terminal::json_or_text(args.json);
    let mut documents = Vec::new();
    for (number, trial) in trials.iter().enumerate() {
        let compute = reckon(args, trial, &store, global.results())?;
        let name = trial.id().to_string();
        let (mut csv, markdown) = (Vec::new(), compute.markdown(&name));
        compute.write_csv(&name, &mut csv)?;
        let files = [("compute.csv", csv.as_slice()), ("compute.md", markdown.as_bytes())];
        let files = write_beside(trial.id(), &files, args.out.as_deref(), global)?;
        if args.json {
            documents.push(json!({ "trial": name, "rows": rows::json(&csv)? }));
            continue;
        }
        if number > 0 {
            writeln!(out)?;
        }
        write!(out, "{}", compute.terminal(&name))?;
        writeln!(out, "\n{}\n{}", files[0].display(), files[1].display())?;
    }
    if args.json {
        writeln!(out, "{}", rows::document(documents))?;
    }
    Ok(())
}

fn reckon(
    args: &ComputeArgs,
    trial: &StoredTrial,
    store: &Store,
    results: &Path,
) -> Result<Compute> {
    let parameters = match args.parameters {
        Some(count) => Parameters::Assumed(count),
        None => Parameters::Stated(trial.record.stated_parameters()),
    };
    let seconds = store.engine_seconds(trial.row)?;
    let compute = Compute::of(&trial.facts(store)?, &parameters, args.teacher_parameters, seconds);
    let total = compute.total();
    // A run that found more in the store than earlier variants share took less than the calls; one that paid for
    // other calls was of a trial that was replaced.
    let shared = total.all.calls - total.own.calls;
    let is_whole =
        |run: &RunMeasurement| run.stored_calls == shared && run.paid_calls == total.own.calls;
    // The last of several such runs.
    let paid = RunMeasurement::read(results, trial.id())?.into_iter().rfind(is_whole);
    let run = paid.map(|run| PaidRun { wall_seconds: run.wall_s, joules: run.energy_j });
    Ok(Compute { run, ..compute })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_whole_and_may_be_written_short() {
        assert_eq!(parameters("72.7e9"), Ok(TEACHER_PARAMETERS));
        assert_eq!(parameters("134515008"), Ok(134_515_008));
        for bad in ["", "many", "0", "-7e9", "nan", "inf", "1e16"] {
            assert!(parameters(bad).is_err(), "{bad}");
        }
    }
}

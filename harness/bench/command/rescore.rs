//! `rescore`: what a trial's recorded reviews would have decided under other thresholds.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use gra_analysis::figure::squares::acceptance;
use gra_analysis::rescore::{Record, Rescored, Rule, rescore};
use gra_synth::committee::Thousandths;
use gra_synth::method::Method;
use gra_synth::variant::DisputeRule;

use crate::axis::{Seats, Values};
use crate::experiment::RescoreEntry;
use crate::failure::bad_input;
use crate::session::GlobalArgs;
use crate::trial::stored::StoredTrial;
use crate::{judging, rows, terminal};
use gra_files::write_atomic;

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

pub(crate) fn run(args: &RescoreArgs, global: &GlobalArgs) -> Result<()> {
    let (judge, out) = (args.judge.as_deref(), args.out.as_deref());
    let decided = decide(&args.trial, &args.entry(), judge, out, global)?;
    let mut out = terminal::json_or_text(args.json);
    if args.json {
        writeln!(out, "{}", decided.json()?)?;
        return Ok(());
    }
    decided.print(&mut out)
}

impl Decided {
    pub(super) fn json(&self) -> Result<serde_json::Value> {
        let rows = rows::json(&self.csv)?;
        Ok(serde_json::json!({ "trial": self.trial, "rows": rows }))
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
    let judge = judge.map(|file| judging::read_scores(file, &candidates).map_err(bad_input));
    let judge = &judge.transpose()?.unwrap_or_default();
    let (candidates, embeddings) = (&candidates, embeddings.as_ref());
    let record = Record { candidates, method, variant, embeddings, judge };
    let grid = rescore(&record, &rules).map_err(|error| bad_input(error.into()))?;
    let mut csv = Vec::new();
    grid.write_csv(&mut csv)?;
    // All are made before the first is written.
    let markdown = format!("# {} under other thresholds\n\n{}", id, grid.markdown());
    let figure = acceptance(&id.to_string(), &grid)?;
    let mut files = Vec::new();
    for (ending, bytes) in [
        ("rescore.csv", csv.as_slice()),
        ("rescore.md", markdown.as_bytes()),
        ("rescore.svg", figure.svg.as_bytes()),
    ] {
        let path = global.beside(id, ending, out);
        write_atomic(&path, bytes)?;
        files.push(path);
    }
    Ok(Decided { trial: id.to_string(), grid, csv, files })
}

/// The grid; what is not ranged over stays as the trial had it. Within a rule for disputes, a number of reviewers and a
/// cosine limit, tau is slowest: that is one heat map.
fn rules(ranges: &RescoreEntry, method: &Method, own: Rule) -> Result<Vec<Rule>> {
    let values = |given: &Option<Values>, own: Thousandths| {
        given.as_ref().map_or_else(|| vec![own], |Values(values)| values.clone())
    };
    let (taus, deltas) = (values(&ranges.tau, own.tau), values(&ranges.delta, own.delta));
    let reviewers = ranges.reviewers.as_ref().map_or(vec![own.reviewers], |seats| seats.0.clone());
    let cosines = match &ranges.cosine {
        Some(Values(values)) => values.iter().copied().map(f64::from).collect(),
        None => vec![own.cosine_limit],
    };
    let mut disputes: Vec<DisputeRule> = Vec::new();
    for &rule in &ranges.dispute {
        if !disputes.contains(&rule) {
            disputes.push(rule);
        }
    }
    // The trial's own rule, where none is given.
    if disputes.is_empty() {
        disputes.push(own.dispute);
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

//! `rescore`: what a trial's recorded reviews would have decided under other thresholds.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use gra_analysis::figure::acceptance::acceptance;
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
    /// The ranges of an experiment file, with the scores of a judge and the folder to write to.
    pub(super) fn of(
        trial: String,
        entry: &RescoreEntry,
        judge: Option<PathBuf>,
        out: Option<PathBuf>,
    ) -> Self {
        let RescoreEntry { tau, delta, reviewers, cosine, dispute } = entry.clone();
        let dispute = dispute.into_iter().map(DisputeArg::from).collect();
        Self { trial, tau, delta, reviewers, cosine, dispute, judge, out, json: false }
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

impl From<DisputeRule> for DisputeArg {
    fn from(rule: DisputeRule) -> Self {
        match rule {
            DisputeRule::Adjudicator => Self::Adjudicator,
            DisputeRule::MajorityVote => Self::MajorityVote,
            DisputeRule::Accept => Self::Accept,
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
    let decided = decide(args, global)?;
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

/// Decides, and writes the table and the figure.
pub(super) fn decide(args: &RescoreArgs, global: &GlobalArgs) -> Result<Decided> {
    let store = global.read_store()?;
    let trial = StoredTrial::open_finished(&store, &args.trial.parse()?)?;
    let (id, settings) = (trial.id(), &trial.record.settings);
    let (method, variant) = (&settings.method, &settings.variant);
    let candidates = store.candidates(trial.row)?;
    let rules = rules(args, method, Rule::recorded(method, variant)).map_err(bad_input)?;
    let embeddings = trial.embeddings(&store, &candidates)?;
    let judge = match &args.judge {
        Some(file) => judging::read_scores(file, &candidates).map_err(bad_input)?,
        None => BTreeMap::new(),
    };
    let record = Record {
        candidates: &candidates,
        method,
        variant,
        embeddings: embeddings.as_ref(),
        judge: &judge,
    };
    let grid = rescore(&record, &rules).map_err(|error| bad_input(error.into()))?;
    let mut csv = Vec::new();
    grid.write_csv(&mut csv)?;
    let markdown = format!("# {} under other thresholds\n\n{}", id, grid.markdown());
    let figure = acceptance(&id.to_string(), &grid)?;
    let mut files = Vec::new();
    for (ending, bytes) in [
        ("rescore.csv", csv.as_slice()),
        ("rescore.md", markdown.as_bytes()),
        ("rescore.svg", figure.svg.as_bytes()),
    ] {
        let path = global.beside(id, ending, args.out.as_deref());
        write_atomic(&path, bytes)?;
        files.push(path);
    }
    Ok(Decided { trial: id.to_string(), grid, csv, files })
}

/// The grid, tau slowest.
fn rules(args: &RescoreArgs, method: &Method, own: Rule) -> Result<Vec<Rule>> {
    let values = |given: &Option<Values>, own: Thousandths| match given {
        Some(Values(values)) => values.clone(),
        None => vec![own],
    };
    let (taus, deltas) = (values(&args.tau, own.tau), values(&args.delta, own.delta));
    let reviewers = args.reviewers.as_ref().map_or(vec![own.reviewers], |seats| seats.0.clone());
    let cosines = match &args.cosine {
        Some(Values(values)) => values.iter().copied().map(f64::from).collect(),
        None => vec![own.cosine_limit],
    };
    let mut disputes: Vec<DisputeRule> = Vec::new();
    for rule in args.dispute.iter().map(|rule| rule.rule()) {
        if !disputes.contains(&rule) {
            disputes.push(rule);
        }
    }
    if disputes.is_empty() {
        disputes.push(own.dispute);
    }
    let sizes = [taus.len(), deltas.len(), reviewers.len(), cosines.len(), disputes.len()];
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
                    Method { tau, cosine_limit, ..method.clone() }.check()?;
                    let rule = |&delta| Rule { tau, delta, reviewers, dispute, cosine_limit };
                    rules.extend(deltas.iter().map(rule));
                }
            }
        }
    }
    Ok(rules)
}

//! `plan`: what an experiment would ask and cost. Runs nothing and loads no model.
//!
//! Exact are the calls per candidate, the roles, and so which calls variants share in the first
//! round. How many candidates pass is not known before a run, so calls are given as a range: at
//! least, when every candidate is accepted; at most, when every round runs to its cap and every
//! candidate goes all the way.

mod calls;
mod enough;

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use gra_paper::grid;
use serde::Serialize;

use super::pretty;
use crate::experiment::{Experiment, Experiments, Overrides};
use crate::numbers::several;
use crate::session::GlobalArgs;
use crate::store::Store;
use crate::terminal;
use calls::{Estimate, learnt, open_share, paid_share};
use enough::{CapCheck, Comparison, Detect};

pub(super) use enough::{Detectable, Recorded};

/// Bytes that a stored call takes, measured on runs with the prompts of experiments/prompts.
const BYTES_PER_CALL: u64 = 3_000;

/// Characters before the texts of a plan.
const TEXT_COLUMN: usize = 15;

#[derive(Serialize)]
pub(super) struct Plan {
    experiment: String,
    seeds: usize,
    seed_items: usize,
    annotation_calls: u64,
    variants: Vec<VariantPlan>,
    /// Of the calls that the variants ask for in round 1, the share that must be paid.
    paid_share: f64,
    /// Variants whose roles are learnt during the run: what they share is not known before.
    learnt: Vec<String>,
    /// Trials.
    planned: u64,
    /// Of them, those that the store has finished with these settings: they ask for nothing again.
    finished: usize,
    pub(super) calls: Range,
    pub(super) reply_tokens: Range,
    prompt_tokens: Range,
    /// Floating-point operations, 2 x parameters x tokens; `null` where a model's size is not stated.
    operations: Option<(f64, f64)>,
    pub(super) hours: Option<(f64, f64)>,
    rate: String,
    store_bytes: Range,
    /// What a difference of so many points takes; `null` where none was asked for.
    detect: Option<Detect>,
    /// What `compare` asks afterwards.
    comparison: Comparison,
    /// What differences between variants the planned size can find; `null` with one variant or too few candidates.
    detectable: Option<Detectable>,
    /// Whether rounds end before their target; `null` where no variant writes instructions.
    cap: Option<CapCheck>,
    /// What must be known of the seed set; `null` where there is nothing.
    warning: Option<String>,
}

#[derive(Serialize)]
struct VariantPlan {
    name: String,
    candidates: Range,
    calls_per_candidate: u64,
    calls: Range,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Range {
    least: u64,
    most: u64,
}

impl Range {
    const NONE: Self = Self { least: 0, most: 0 };

    fn times(self, n: u64) -> Self {
        Self { least: self.least * n, most: self.most * n }
    }

    fn plus(self, other: Self) -> Self {
        Self { least: self.least + other.least, most: self.most + other.most }
    }

    /// Least and most, as numbers that are added up.
    #[expect(clippy::cast_precision_loss, reason = "estimates")]
    pub(super) fn floats(self) -> [f64; 2] {
        [self.least as f64, self.most as f64]
    }
}

/// Say what an experiment would ask and cost, and run nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gra-bench plan experiments/ablation.toml
  gra-bench plan experiments/ablation.toml --detect 5
  gra-bench plan experiments/ablation.toml --tokens-per-second 2500 --json")]
pub(crate) struct PlanArgs {
    /// The experiment file, or a folder that `synth` made.
    pub(super) experiment: PathBuf,
    #[command(flatten)]
    overrides: Overrides,
    /// Reply tokens per second to assume [default: what the store's finished chunks took].
    #[arg(long, value_name = "N", value_parser = rate)]
    tokens_per_second: Option<f64>,
    /// Also say how many candidates of each variant a difference of so many points of acceptance takes.
    #[arg(long, value_name = "POINTS", value_parser = points)]
    detect: Option<f64>,
    /// Share of the candidates, from 0 to 1, that is expected to pass [default: of the experiment's own trials].
    #[arg(long, value_name = "SHARE", value_parser = share)]
    acceptance: Option<f64>,
    /// Print JSON: an object, and a list of them for several seed sets.
    #[arg(long)]
    json: bool,
}

/// A difference in per cent.
fn points(text: &str) -> Result<f64, String> {
    let points = text.parse().ok().filter(|points| (0.01..=100.0).contains(points));
    points.ok_or_else(|| format!("`{text}` is no number of points from 0.01 to 100"))
}

/// Tokens per second, which time is divided by.
fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| rate.is_normal() && *rate > 0.0);
    rate.ok_or_else(|| format!("`{text}` is no number above 0"))
}

/// A share of all candidates.
fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| format!("`{text}` is no share from 0 to 1"))
}

/// The plan of each seed set, and the name of the experiment that they are of.
pub(super) fn plans(args: &PlanArgs, global: &GlobalArgs) -> Result<(String, Vec<Plan>)> {
    let experiments = Experiments::load(&args.experiment, &global.models, &args.overrides)?;
    let store = global.read_store_if_any()?;
    let plan = |experiment| Plan::new(experiment, store.as_ref(), global.results(), args);
    let plans = experiments.each.iter().map(plan).collect::<Result<_>>()?;
    Ok((experiments.name, plans))
}

pub(crate) fn run(args: &PlanArgs, global: &GlobalArgs) -> Result<()> {
    let (experiment, plans) = plans(args, global)?;
    let mut out = terminal::json_or_text(args.json);
    if args.json {
        let json = if let [plan] = &plans[..] { pretty(plan) } else { pretty(&plans) };
        return Ok(out.write_all(json?.as_bytes())?);
    }
    let texts = plans.iter().map(Plan::text).collect::<Result<Vec<String>>>()?;
    out.write_all(texts.join("\n").as_bytes())?;
    if plans.len() > 1 {
        // Examples of different seed sets are in different prompts: no call is shared.
        let sum = |of: fn(&Plan) -> Range| plans.iter().map(of).reduce(Range::plus);
        let calls = sum(|plan| plan.calls).map(span).unwrap_or_default();
        let hours = plans.iter().map(|plan| plan.hours);
        let hours: Option<(f64, f64)> =
            hours.reduce(|sum, more| Some((sum?.0 + more?.0, sum?.1 + more?.1))).flatten();
        writeln!(out, "\n{experiment}, all {} seed sets", plans.len())?;
        writeln!(out, "calls          {calls}\ntime           {}", time_span(hours))?;
    }
    Ok(())
}

impl Plan {
    fn new(
        experiment: &Experiment,
        store: Option<&Store>,
        results: &Path,
        args: &PlanArgs,
    ) -> Result<Self> {
        let seeds = experiment.seeds.len() as u64;
        let items = experiment.seed_set.items.iter();
        let to_annotate = items.filter(|item| item.annotation.is_none()).count() as u64;
        // Variants that answer the seed set's own instructions draw no examples, and need no annotation.
        let annotates = experiment.variants.iter().any(|variant| experiment.annotates(variant));
        // Domain, summary and keywords.
        let annotation_calls = if annotates { 3 * to_annotate } else { 0 };
        let mut estimate = Estimate::new(experiment, store)?;
        let annotation = Range { least: annotation_calls, most: annotation_calls };
        estimate.calls = annotation.times(seeds);
        let variants: Vec<VariantPlan> =
            experiment.variants.iter().map(|variant| estimate.add(variant)).collect();
        let paid_share = paid_share(experiment);
        let (planned, finished) = (seeds * variants.len() as u64, estimate.finished.len());
        let open = open_share(finished, planned);
        let (hours, rate) = estimate.hours(args.tokens_per_second, paid_share, open);
        let recorded = store.map(|store| Recorded::read(experiment, store, results)).transpose()?;
        let recorded = recorded.unwrap_or_default();
        let detectable = Detectable::of(experiment, &recorded);
        let learnt = experiment.variants.iter().filter_map(learnt);
        let Estimate { calls, reply, prompt, operations, .. } = estimate;
        Ok(Self {
            experiment: experiment.name.clone(),
            seeds: experiment.seeds.len(),
            seed_items: experiment.seed_set.items.len(),
            annotation_calls,
            paid_share,
            learnt: learnt.map(str::to_owned).collect(),
            planned,
            finished,
            calls,
            reply_tokens: reply,
            prompt_tokens: prompt,
            operations: operations.map(|(least, most)| (least * paid_share, most * paid_share)),
            hours,
            rate,
            store_bytes: calls.times(BYTES_PER_CALL),
            detect: args.detect.map(|points| Detect::of(points, detectable)),
            detectable,
            comparison: Comparison::of(experiment, &variants),
            cap: CapCheck::new(experiment, &recorded, args.acceptance),
            warning: experiment.starter_warning(),
            variants,
        })
    }

    /// Of the first variant: as many as its rounds want samples.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub(super) fn fewest_candidates(&self) -> f64 {
        self.variants.first().map_or(0.0, |variant| variant.candidates.least as f64)
    }

    fn text(&self) -> Result<String> {
        let mut text = self.warning.as_ref().map(|line| format!("{line}\n\n")).unwrap_or_default();
        writeln!(text, "{}: nothing is run by this command\n", self.experiment)?;
        let items = several(self.seed_items, "seed item");
        let annotation = several(self.annotation_calls, "call");
        let seeds = several(self.seeds, "run seed");
        let variants = several(self.variants.len(), "variant");
        writeln!(text, "{items} ({annotation} to annotate), {seeds}, {variants}\n")?;
        let mut row = |[name, candidates, each, calls]: [&str; 4]| {
            writeln!(text, "{name:<18} {candidates:>24} {each:>11} {calls:>24}")
        };
        row(["variant", "candidates", "calls each", "calls"])?;
        for VariantPlan { name, candidates, calls_per_candidate, calls } in &self.variants {
            row([name, &span(*candidates), &calls_per_candidate.to_string(), &span(*calls)])?;
        }
        self.write_costs(&mut text)?;
        text.extend(self.cap.as_ref().map(CapCheck::text));
        text.push_str(&self.comparison.text());
        text.extend(self.detectable.as_ref().map(Detectable::text));
        text.extend(self.detect.as_ref().map(Detect::text));
        writeln!(
            text,
            "\nLeast: every candidate is accepted. Most: every round runs to its cap, every candidate \
             goes all the way and every reply uses its whole budget."
        )?;
        // Texts stand beside their names, and long ones in several lines.
        let mut broken = String::new();
        for line in text.lines() {
            let (lead, rest) = line.split_at_checked(TEXT_COLUMN).unwrap_or((line, ""));
            if lead.ends_with(' ') {
                grid::hang(&mut broken, lead, rest, TEXT_COLUMN);
            } else {
                grid::hang(&mut broken, "", line, 0);
            }
        }
        Ok(broken)
    }

    /// Calls, tokens, operations, hours and bytes.
    fn write_costs(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "\ncalls          {}", span(self.calls))?;
        let paid = 100.0 * self.paid_share;
        writeln!(
            text,
            "  to be paid   {paid:.0}% of them in round 1, the rest are shared between variants"
        )?;
        let Self { finished, planned, .. } = self;
        if *finished > 0 {
            writeln!(
                text,
                "  in the store {finished} of {planned} trials are finished with these settings and ask for nothing \
                 again, if the models' files are the same"
            )?;
        }
        for variant in &self.learnt {
            writeln!(
                text,
                "               `{variant}` learns its roles: what it shares counts as nothing"
            )?;
        }
        writeln!(text, "prompt tokens  {}", span(self.prompt_tokens))?;
        writeln!(text, "reply tokens   {}", span(self.reply_tokens))?;
        let operations = self.operations.map_or_else(
            || "unknown: a model's `parameters` are not stated".to_owned(),
            |(least, most)| format!("{least:.1e} to {most:.1e}, shared calls once"),
        );
        writeln!(text, "operations     {operations}")?;
        writeln!(text, "time           {}", time_span(self.hours))?;
        writeln!(text, "  assuming     {}", self.rate)?;
        let Range { least, most } = self.store_bytes;
        let [least, most] = [least, most].map(|bytes| bytes.div_ceil(1_000_000));
        writeln!(text, "store          {least} to {most} MB")
    }
}

fn span(range: Range) -> String {
    if range.least == range.most {
        return range.most.to_string();
    }
    format!("{} to {}", range.least, range.most)
}

fn time_span(hours: Option<(f64, f64)>) -> String {
    hours.map_or("unknown".to_owned(), |(least, most)| format!("{} to {}", time(least), time(most)))
}

fn time(hours: f64) -> String {
    if hours < 1.0 { format!("{:.0} min", (hours * 60.0).ceil()) } else { format!("{hours:.1} h") }
}

//! `plan`: what an experiment would ask and cost. Runs nothing and loads no model.
//!
//! Exact are the calls per candidate, the roles, and so which calls variants share in the first
//! round. How many candidates pass is not known before a run, so calls are given as a range: at
//! least, when every candidate is accepted; at most, when every round runs to its cap and every
//! candidate goes all the way.

mod calls;
mod enough;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use gra_paper::grid;
use gra_synth::form;
use gra_synth::request::Stage;
use gra_synth::variant::RoleAssignment;
use serde::Serialize;

use crate::evidence::parameters;
use crate::experiment::{Experiment, Experiments, Overrides};
use crate::numbers::several;
use crate::session::GlobalArgs;
use crate::store::{Rate, Store};
use crate::{overwrite, terminal};
use calls::{Casts, Sizes, candidates, is_of_disputes, paid_share, stages};
use enough::{CapCheck, Comparison, Detect};

pub(in crate::command) use enough::{Detectable, Recorded};

/// Bytes that a stored call takes, measured on runs with the prompts of experiments/prompts.
const BYTES_PER_CALL: u64 = 3_000;

/// Characters before the texts of a plan.
const TEXT_COLUMN: usize = 15;

/// Characters of English prompt text per token, roughly.
const CHARS_PER_TOKEN: usize = 4;

#[derive(Serialize)]
struct Plan {
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
    calls: Range,
    reply_tokens: Range,
    prompt_tokens: Range,
    /// Floating-point operations, 2 x parameters x tokens; `null` where a model's size is not stated.
    operations: Option<(f64, f64)>,
    hours: Option<(f64, f64)>,
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
struct Range {
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

pub(crate) fn run(args: &PlanArgs, global: &GlobalArgs) -> Result<()> {
    let experiments = Experiments::load(&args.experiment, &global.models, &args.overrides)?;
    let store = global.read_store_if_any()?;
    let plan = |experiment| Plan::new(experiment, store.as_ref(), global.results(), args);
    let plans = experiments.each.iter().map(plan).collect::<Result<Vec<Plan>>>()?;
    let mut out = terminal::json_or_text(args.json);
    if args.json {
        let json = match &plans[..] {
            [plan] => serde_json::to_string_pretty(plan)?,
            plans => serde_json::to_string_pretty(plans)?,
        };
        writeln!(out, "{json}")?;
        return Ok(());
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
        writeln!(out, "\n{}, all {} seed sets", experiments.name, plans.len())?;
        writeln!(out, "calls          {calls}\ntime           {}", time_span(hours))?;
    }
    Ok(())
}

/// What the calls of each stage have cost. Where there was no dispute yet, one is reckoned like a review.
fn rates(store: &Store) -> Result<BTreeMap<Stage, Rate>> {
    let mut rates = BTreeMap::new();
    for stage in Stage::ALL {
        let mut rate = store.rate(stage)?;
        if rate.is_none() && is_of_disputes(stage) {
            rate = store.rate(Stage::ResponseReview)?;
        }
        rates.extend(rate.map(|rate| (stage, rate)));
    }
    Ok(rates)
}

impl Plan {
    fn new(
        experiment: &Experiment,
        store: Option<&Store>,
        results: &Path,
        args: &PlanArgs,
    ) -> Result<Self> {
        let method = &experiment.method;
        let seeds = experiment.seeds.len() as u64;
        let to_annotate =
            experiment.seed_set.items.iter().filter(|item| item.annotation.is_none()).count();
        // Variants that answer the seed set's own instructions draw no examples, and need no annotation.
        let annotates = experiment.variants.iter().any(|variant| experiment.annotates(variant));
        // Domain, summary and keywords.
        let annotation_calls = if annotates { 3 * to_annotate as u64 } else { 0 };

        let mut calls = Range { least: annotation_calls, most: annotation_calls }.times(seeds);
        let (mut reply, mut prompt) = (Range::NONE, Range::NONE);
        // Least and most; not known where it is not of one of the stages.
        let (mut seconds, mut operations) = (Some((0.0, 0.0)), Some((0.0, 0.0)));
        let thought = experiment.members.iter().map(|member| member.thought_tokens).max();
        let thought = thought.unwrap_or_default();
        let mut variants = Vec::new();
        let rates = store.map(rates).transpose()?.unwrap_or_default();
        let finished = store.map(|store| overwrite::finished_as_planned(experiment, store));
        let finished = finished.transpose()?.unwrap_or_default();
        let (mut casts, parameters) = (Casts::new(experiment), parameters(&experiment.pool));
        for variant in &experiment.variants {
            let (stages, candidates) = (stages(variant, method), candidates(variant, experiment));
            // Of round 1, whose roles are known; later rounds draw from the same members.
            let sizes = Sizes::new(&mut casts, variant, &parameters);
            let done = finished.iter().filter(|trial| trial.variant == variant.name).count();
            let open = open_share(done, seeds);
            let prompts = experiment.prompts_of(variant);
            let every: u64 = stages.iter().map(|(_, n)| n).sum();
            // A candidate that is accepted without dispute needs no adjudicator.
            let without = stages.iter().filter(|(stage, _)| !is_of_disputes(*stage));
            let plain: u64 = without.map(|(_, n)| n).sum();
            let of_variant =
                Range { least: candidates.least * plain, most: candidates.most * every };
            calls = calls.plus(of_variant.times(seeds));
            for (stage, asks) in stages {
                let rate = rates.get(&stage).copied();
                let role = prompts.set.prompt(stage, String::new()).role.len() / CHARS_PER_TOKEN;
                let limit = u64::from(form::max_tokens_with_thought(stage, method, thought));
                // Before a stage has run, a reply counts with its whole budget and a prompt with its role alone.
                let mean = |total: u64, n: u64| total.div_ceil(n.max(1));
                let typical = rate.map_or(limit, |rate| mean(rate.reply_tokens, rate.calls));
                let read = rate.map_or(role as u64, |rate| mean(rate.prompt_tokens, rate.calls));
                let Range { least, most } = candidates.times(asks * seeds);
                let least = if is_of_disputes(stage) { 0 } else { least };
                reply = reply.plus(Range { least: least * typical, most: most * limit });
                prompt = prompt.plus(Range { least, most }.times(read));
                operations = operations.zip(sizes.of_stage(stage)).map(|((few, many), size)| {
                    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
                    let of = |calls: u64, tokens: u64| 2.0 * size * (calls * tokens) as f64;
                    (few + of(least, read + typical), many + of(most, read + limit))
                });
                seconds = seconds.zip(rate).map(|((few, many), rate)| {
                    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
                    let [calls, least, most] = [rate.calls.max(1), least, most].map(|n| n as f64);
                    let each = rate.seconds / calls;
                    (few + least * each * open, many + most * each * open)
                });
            }
            variants.push(VariantPlan {
                name: variant.name.clone(),
                candidates,
                calls_per_candidate: every,
                calls: of_variant,
            });
        }
        let paid_share = paid_share(experiment, &mut casts);
        let adaptive = experiment.variants.iter().filter(|v| v.roles == RoleAssignment::Adaptive);
        let learnt = adaptive.map(|variant| variant.name.clone()).collect();
        let planned = seeds * variants.len() as u64;
        let open = open_share(finished.len(), planned);
        let (hours, rate) = hours(args.tokens_per_second, reply, seconds, paid_share, open);
        let recorded = store.map(|store| Recorded::read(experiment, store, results)).transpose()?;
        let recorded = recorded.unwrap_or_default();
        let detectable = Detectable::of(experiment, &recorded);
        Ok(Self {
            experiment: experiment.name.clone(),
            seeds: experiment.seeds.len(),
            seed_items: experiment.seed_set.items.len(),
            annotation_calls,
            paid_share,
            learnt,
            planned,
            finished: finished.len(),
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
        writeln!(text, "\ncalls          {}", span(self.calls))?;
        writeln!(
            text,
            "  to be paid   {:.0}% of them in round 1, the rest are shared between variants",
            100.0 * self.paid_share
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
        let megabytes = |bytes: u64| bytes.div_ceil(1_000_000);
        let (least, most) = (megabytes(self.store_bytes.least), megabytes(self.store_bytes.most));
        writeln!(text, "store          {least} to {most} MB")?;
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
}

/// Least and most hours, and what they assume.
fn hours(
    tokens_per_second: Option<f64>,
    reply: Range,
    seconds: Option<(f64, f64)>,
    paid_share: f64,
    open: f64,
) -> (Option<(f64, f64)>, String) {
    // What the user says of the machine goes before what the store has seen.
    match (tokens_per_second, seconds) {
        (Some(rate), _) => {
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let hours = |tokens: u64| tokens as f64 * paid_share * open / rate / 3600.0;
            (Some((hours(reply.least), hours(reply.most))), format!("{rate} reply tokens/s"))
        }
        (None, Some((least, most))) => (
            Some((least * paid_share / 3600.0, most * paid_share / 3600.0)),
            "what the store's finished chunks took per call of each stage".to_owned(),
        ),
        (None, None) => {
            (None, "unknown: give --tokens-per-second, or run a small experiment first".to_owned())
        }
    }
}

/// Share of so many trials that must still be run.
fn open_share(done: usize, all: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of trials")]
    let share = 1.0 - done as f64 / all.max(1) as f64;
    share.max(0.0)
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

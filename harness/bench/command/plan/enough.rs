//! Whether the planned size is enough: whether rounds end at their `cap` of candidates before they have their `target` of
//! samples, and how large a difference between two variants must be to be found (the power of the planned design); and
//! what it takes to compare them by a judge and by IFD.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use gra_analysis::statistics::dependence::Dependence;
use gra_analysis::statistics::inference::{FEWEST, detectable};
use gra_analysis::trial::{Funnel, has_passed};
use gra_paper::Benchmark;
use gra_synth::candidate::Candidate;
use gra_synth::method::Method;
use gra_synth::pool::ItemId;
use gra_synth::stream::Stream;
use gra_synth::variant::{Instructions, Variant};
use serde::Serialize;

use super::calls::candidates;
use super::{Range, VariantPlan, span};
use crate::evidence::JUDGE;
use crate::experiment::{Content, Experiment};
use crate::store::{Store, TrialRow};
use crate::trial::TrialId;
use crate::{comparison, scoring};

/// Variance of a candidate's difference in acceptance, where two variants decide as two coins would: as each other at
/// half of the candidates.
const VARIANCE_OF_ACCEPTANCE: f64 = 0.5;

/// Candidates whose relations are drawn: with more, the degrees of freedom hardly change.
const DRAWN: u64 = 1_000;

/// Standard deviation of a judge's scores that is assumed, in points of the scale.
const JUDGE_DEVIATION: f64 = 1.5;

/// Standard errors that a difference measures which is found four times in five, with many degrees of freedom.
const ERRORS_TO_FIND: f64 = 2.80;

/// Above this difference of acceptance a run of variants is not worth its calls.
const HOPELESS: f64 = 0.2;

/// What earlier runs of an experiment recorded under its first run seed.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    /// Candidates of finished trials, by variant.
    candidates: BTreeMap<String, Vec<Candidate>>,
    /// The largest variance of a judge's scores of one variant, in points of the scale, squared.
    judge_variance: Option<f64>,
}

impl Recorded {
    pub(crate) fn read(experiment: &Experiment, store: &Store, results: &Path) -> Result<Self> {
        let of_experiment = |trial: &TrialRow| {
            let TrialId { experiment: name, seed, .. } = &trial.id;
            trial.finished && (name, *seed) == (&experiment.name, experiment.seeds[0])
        };
        let mut candidates: BTreeMap<String, Vec<Candidate>> = BTreeMap::new();
        for trial in store.trials()?.into_iter().filter(of_experiment) {
            candidates.insert(trial.id.variant, store.candidates(trial.row)?);
        }
        let folder = comparison::folder(results, &experiment.name, experiment.seeds[0]);
        let of_scores = |(variant, candidates): (&String, &Vec<Candidate>)| {
            let file = folder.join(format!("{variant}{JUDGE}"));
            // A file of a trial that was replaced since tells nothing of this one.
            let scores = scoring::read_scores(&file, candidates).ok()?;
            let scores: Vec<f64> = scores.into_values().collect();
            variance(&scores).filter(|_| scores.len() >= FEWEST)
        };
        // The largest, so that what is promised holds for every variant.
        let judge_variance = candidates.iter().filter_map(of_scores).max_by(f64::total_cmp);
        Ok(Self { candidates, judge_variance })
    }
}

/// A round's target beside the candidates that it may draw.
#[derive(Debug, Serialize)]
pub(super) struct CapCheck {
    target: u32,
    cap: u32,
    /// Of the variants that have a target, whose acceptance is expected or recorded.
    variants: Vec<ExpectedRound>,
}

/// What a variant's round comes to at an acceptance.
#[derive(Debug, Serialize)]
struct ExpectedRound {
    name: String,
    acceptance: f64,
    /// Whether the variant's trial recorded it; it was given otherwise.
    is_recorded: bool,
    /// Candidates that the target needs; `null` where none pass.
    needed: Option<f64>,
    /// Its own, where it has a scale.
    cap: u32,
}

impl CapCheck {
    /// With the acceptance that was given, or that trials of the experiment recorded. `None` where no variant has a target.
    pub(super) fn new(
        experiment: &Experiment,
        recorded: &Recorded,
        given: Option<f64>,
    ) -> Option<Self> {
        let Method { target, cap, .. } = experiment.method;
        let new = |variant: &&Variant| variant.instructions == Instructions::New;
        let mut variants = Vec::new();
        for variant in experiment.variants.iter().filter(new) {
            let name = variant.name.clone();
            let own = || Funnel::of(recorded.candidates.get(&name)?).acceptance_rate();
            let Some(acceptance) = given.or_else(own) else { continue };
            let is_recorded = given.is_none();
            let Method { target, cap, .. } = experiment.method_of(variant);
            let needed = (acceptance > 0.0).then(|| (f64::from(target) / acceptance).ceil());
            variants.push(ExpectedRound { name, acceptance, is_recorded, needed, cap });
        }
        let has_target = experiment.variants.iter().any(|variant| new(&variant));
        has_target.then_some(Self { target, cap, variants })
    }

    pub(super) fn text(&self) -> String {
        let Self { target, cap, variants } = self;
        let least = 100.0 * f64::from(*target) / f64::from(*cap);
        let has = if least > 100.0 {
            format!("no round can have its {target} samples")
        } else {
            format!("a round has its {target} samples if at least {least:.0}% pass")
        };
        let mut text = format!("cap            {cap} candidates: {has}\n");
        for ExpectedRound { name, acceptance, is_recorded, needed, cap } in variants {
            if needed.is_some_and(|needed| needed <= f64::from(*cap)) {
                continue;
            }
            let source = if *is_recorded { "of its trial" } else { "expected" };
            let needs = match needed {
                Some(needed) => format!("the target needs {needed:.0} candidates"),
                None => "no number of candidates meets the target".to_owned(),
            };
            let left = acceptance * f64::from(*cap);
            let _ = writeln!(
                text,
                "  it binds     `{name}`: at {:.1}% ({source}) {needs}, and the cap leaves about {left:.0} samples",
                100.0 * acceptance,
            );
        }
        text
    }
}

/// The smallest differences that a test at 5% finds four times in five.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Detectable {
    /// Candidates of each variant, compared pair by pair.
    candidates: u64,
    /// Of acceptance, as a share.
    acceptance: f64,
    /// Whether the variance of acceptance is that of this experiment's trials in the store.
    is_recorded: bool,
    /// Of a judge's mean score, where every candidate is judged.
    judge: f64,
    /// Standard deviation of a judge's scores, in points of the scale.
    judge_deviation: f64,
    /// Whether that is the deviation of the last comparison's scores.
    is_judge_recorded: bool,
    /// Of the average over the ten benchmarks, per cent, of one model trained on the data of each.
    benchmark_average: f64,
}

/// Candidates of each variant that a difference of acceptance takes.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Detect {
    /// The difference, per cent.
    points: f64,
    /// `None` where nothing is known of the variants' differences.
    candidates: Option<u64>,
}

impl Detect {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a positive estimate"
    )]
    pub(super) fn of(points: f64, found: Option<Detectable>) -> Self {
        // What is detectable falls with the square root of the candidates.
        let needed = |found: Detectable| {
            (found.candidates as f64 * (100.0 * found.acceptance / points).powi(2)).ceil() as u64
        };
        Self { points, candidates: found.map(needed) }
    }

    pub(super) fn text(&self) -> String {
        let needed = match self.candidates {
            Some(needed) => format!("{needed} candidates of each variant"),
            None => "not known with one variant, or below 12 candidates".to_owned(),
        };
        format!("  to find {} points of acceptance: {needed}\n", self.points)
    }
}

/// What `compare` asks of models, for the experiment's variants and its seed set.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Comparison {
    /// Calls of the judge, or of both.
    judge: Range,
    /// Responses whose losses are measured for IFD, twice each.
    ifd: Range,
}

impl Comparison {
    /// Counts them. Of a variant at most every candidate is accepted, and at most every candidate is judged; what `n` cuts
    /// is counted for the accepted and the rejected.
    pub(super) fn of(experiment: &Experiment, variants: &[VariantPlan]) -> Self {
        let compare = &experiment.compare;
        let n = compare.n.map_or(u64::MAX, |n| n as u64);
        let is_compared = |name: &String| compare.sets.is_empty() || compare.sets.contains(name);
        let (mut accepted, mut judged) = (Range::NONE, Range::NONE);
        for variant in variants.iter().filter(|variant| is_compared(&variant.name)) {
            let Range { least, most } = variant.candidates;
            accepted.most += most.min(n);
            // `n` cuts what was accepted and what was rejected, each.
            judged.least += least.min(n);
            judged.most += most.min(n.saturating_mul(2));
        }
        let seed_sets = experiment.sources.iter().filter(|one| one.content == Content::SeedSet);
        let seed_sets = seed_sets.filter(|source| is_compared(&source.name)).count() as u64;
        let items = (experiment.seed_set.items.len() as u64).min(n) * seed_sets;
        let seeds = experiment.seeds.len() as u64;
        let of = |model: &Option<String>, range: Range| match model {
            Some(_) => Range { least: range.least + items, most: range.most + items }.times(seeds),
            None => Range::NONE,
        };
        let asked = 1 + u64::from(compare.second_judge.is_some());
        let judge = of(&compare.judge, judged).times(asked);
        Self { judge, ifd: of(&compare.ifd, accepted) }
    }

    pub(super) fn text(&self) -> String {
        let Self { judge, ifd } = *self;
        if judge.most + ifd.most == 0 {
            return String::new();
        }
        let (judge, ifd) = (span(judge), span(ifd));
        format!(
            "compare        {judge} calls of the judge, {ifd} responses scored twice for IFD, of variants and seed set\n"
        )
    }
}

impl Detectable {
    /// Between the experiment's variants, for the fewest candidates that any of them draws; `None` for one variant, and
    /// for too few candidates for a test.
    pub(crate) fn of(experiment: &Experiment, recorded: &Recorded) -> Option<Self> {
        let drawn = experiment.variants.iter().map(|variant| candidates(variant, experiment).least);
        let candidates = drawn.min().filter(|_| experiment.variants.len() > 1)?;
        // The variances of a candidate's difference in acceptance and of a judge's scores.
        let (recorded, judge) = (recorded_variance(experiment, recorded), recorded.judge_variance);
        let (pool, method) = (experiment.seed_set.items.len(), &experiment.method);
        let most = method.max_examples.min(u32::try_from(pool).unwrap_or(u32::MAX));
        let least = method.min_examples.min(most);
        let mut draw = Stream::named(experiment.seeds[0], &["plan", "examples"]);
        // As round 1 draws them: items of the seed set for each candidate.
        let drawn = candidates.min(DRAWN);
        let examples = |_| {
            let shown = least as usize + draw.below((most - least + 1) as usize);
            draw.choose(pool, shown)
        };
        let dependence = Dependence::by_items((0..drawn).map(examples));
        // The standard error of all candidates, with the degrees of freedom of those that were drawn.
        #[expect(clippy::cast_precision_loss, reason = "counts of candidates")]
        let share = drawn as f64 / candidates as f64;
        // Half of the items right, and none of the two models' answers related: an upper bound.
        #[expect(clippy::cast_precision_loss, reason = "counts of items")]
        let variances = Benchmark::ALL.map(|benchmark| 2.0 * 0.25 / benchmark.items() as f64);
        let of_average = variances.iter().sum::<f64>().sqrt() / 10.0;
        let acceptance = recorded.unwrap_or(VARIANCE_OF_ACCEPTANCE);
        let judge_variance = judge.unwrap_or(JUDGE_DEVIATION.powi(2));
        Some(Self {
            candidates,
            acceptance: detectable(&dependence, share * acceptance)?,
            is_recorded: recorded.is_some(),
            // Of two independent scores: the variances add up.
            judge: detectable(&dependence, share * 2.0 * judge_variance)?,
            judge_deviation: judge_variance.sqrt(),
            is_judge_recorded: judge.is_some(),
            benchmark_average: 100.0 * ERRORS_TO_FIND * of_average,
        })
    }

    pub(super) fn text(&self) -> String {
        let Self { candidates, acceptance, judge, judge_deviation, benchmark_average, .. } = self;
        let variance =
            if self.is_recorded { "as in the store's trials" } else { "half of them passed" };
        let scored = if self.is_judge_recorded { ", as the last comparison's" } else { "" };
        // No difference of acceptance is larger than 1.
        let found = if *acceptance < 1.0 {
            format!(
                "of {:.1} points of acceptance, and of {judge:.2} of a judge's mean score, are found four times in five;",
                100.0 * acceptance
            )
        } else {
            format!(
                "of 100 points of acceptance and less are not found, nor below {judge:.2} of a judge's mean score;"
            )
        };
        format!(
            "differences    {found}\n               of {benchmark_average:.1} points of the ten benchmarks' average, with \
             one model trained on each\n  assuming     the same {candidates} candidates of both variants, {variance}; a \
             judge's scores deviate by {judge_deviation:.1}{scored};\n               half of the benchmarks' items right, \
             models unrelated\n",
        )
    }

    /// A sentence for an experiment that cannot answer its question: that finds no difference of acceptance but a huge
    /// one, or none of the judge's that its margin calls one.
    pub(crate) fn warning(&self, experiment: &Experiment) -> Option<String> {
        let margin = experiment.compare.margins.judge;
        let is_blunt =
            margin.is_some_and(|margin| experiment.compare.judge.is_some() && self.judge > margin);
        let (candidates, points, judge) = (self.candidates, 100.0 * self.acceptance, self.judge);
        (self.acceptance > HOPELESS || is_blunt).then(|| {
            format!(
                "{candidates} candidates of each variant are few: differences below {points:.0} points of acceptance, or \
                 {judge:.1} of a judge's mean score, will mostly not be found (gra-bench plan FILE --detect 10 says how \
                 many it takes)"
            )
        })
    }
}

/// The largest variance, over the variants, of a candidate's difference in acceptance to the reference, in this
/// experiment's finished trials; `None` where none has a share that differs.
fn recorded_variance(experiment: &Experiment, recorded: &Recorded) -> Option<f64> {
    let passed = |variant: &Variant| -> Option<BTreeMap<ItemId, bool>> {
        let candidates = recorded.candidates.get(&variant.name)?.iter();
        Some(candidates.map(|candidate| (candidate.id, has_passed(candidate))).collect())
    };
    let (first, others) = experiment.variants.split_first()?;
    let reference = passed(first)?;
    let differences = |other: &BTreeMap<ItemId, bool>| -> Vec<f64> {
        let pairs = other.iter().filter_map(|(id, own)| Some((*own, *reference.get(id)?)));
        pairs.map(|(own, of)| f64::from(u8::from(own)) - f64::from(u8::from(of))).collect()
    };
    let variances = others.iter().filter_map(passed).filter_map(|of| variance(&differences(&of)));
    variances.max_by(f64::total_cmp)
}

/// Sample variance; `None` of fewer than two values, and where they are all equal.
fn variance(values: &[f64]) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a count of candidates")]
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some(squares / (n - 1.0)).filter(|variance| *variance > 0.0)
}

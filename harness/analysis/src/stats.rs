//! Data sets side by side: means of what was measured of each sample, what a trial's committee and a
//! judge say, and differences to the first data set, all with intervals.
//!
//! What is said of samples is read from the frames of [`crate::frames::samples`] and nothing else, so
//! that the same numbers can be computed from a published frame. Samples that share an item depend on each
//! other ([`crate::statistics::dependence`]).
//!
//! Means by domain, generator and round are grouped by polars ([`frames::means`]); a published frame gives the same
//! numbers.

use std::collections::{BTreeMap, BTreeSet};

use gra_synth::pool::ItemId;
use gra_synth::request::ModelName;
use polars::prelude::{DataFrame, DataType, PolarsError, PolarsResult};

use crate::checks::{CHECKS, Check};
use crate::compute::{Compute, EngineSeconds, Parameters, Spending, TEACHER_PARAMETERS};
use crate::frames::{self, PASSED, RowMeasure, RowValues};
use crate::rescore::Rule;
use crate::reviewers::classifier::Classifiers;
use crate::reviewers::committee::UnknownFamily;
use crate::reviewers::raters::FilledSheet;
use crate::statistics::inference::indicator;
use crate::statistics::rank::NotFinite;
use crate::stats::measure::{MeasureTable, MeasureValue, cells, size};
use crate::trial::TrialFacts;
use diversity::Diversity;

mod contrast;
pub mod diversity;
pub mod measure;
mod reviewers;
mod words;

pub use contrast::{Contrast, DifferenceVerdict, Margins, Sizes};
pub use words::in_words;

/// A data set, and what was measured of it.
#[derive(Clone, Debug)]
pub struct MeasuredSet {
    /// Its name; unique among those compared.
    pub name: String,
    /// One row per sample ([`crate::frames::samples`]).
    pub samples: DataFrame,
    /// Names the seed set that the samples' items are from, e.g. by its hash; `None` where they are of several.
    pub seed_set: Option<String>,
    /// Records of the files that it was read from; `None` for a trial.
    pub records: Option<RecordCounts>,
    /// Where it comes from, when that is a trial.
    pub trial: Option<TrialEvidence>,
}

/// What became of a file's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordCounts {
    /// In the file.
    pub found: usize,
    /// Not read, for reasons that are named beside the table.
    pub skipped: usize,
}

/// The trial whose samples a data set holds.
#[derive(Clone, Debug)]
pub struct TrialEvidence {
    /// Everything that it recorded.
    pub facts: TrialFacts,
    /// The rule that it ran under.
    pub rule: Rule,
    /// Whether the judge was asked about another share of the accepted than of the rejected: what counts both is then
    /// of no trial.
    pub is_cut: bool,
    /// Models of one family judge their own kind ([`crate::reviewers::committee`]). Every generator and reviewer
    /// has one.
    pub families: BTreeMap<ModelName, String>,
    /// A judge's mean scores of responses, accepted or not; empty when none was asked.
    pub judge: BTreeMap<ItemId, f64>,
    /// What people said of some of its candidates; empty when none was asked.
    pub raters: Vec<FilledSheet>,
    /// How many parameters the models have that say so.
    pub parameters: BTreeMap<ModelName, u64>,
}

/// What was found for several data sets.
#[derive(Clone, Debug, PartialEq)]
pub struct Findings {
    /// Every measure.
    pub table: MeasureTable,
    /// How the others differ from the first.
    pub contrasts: Vec<Contrast>,
    /// Means by domain, generator and round.
    pub groups: MeasureTable,
    /// Of each data set that is a trial, those who decided as classifiers, by truth; none for others.
    pub classifiers: Vec<Vec<Classifiers>>,
}

/// How the table is made.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What divides high scores from others; 8 in the paper.
    pub threshold: f64,
    /// How large differences still count as none.
    pub margins: Margins,
}

/// The table cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum StatsError {
    /// A frame lacks a column of [`crate::frames::samples`].
    #[error("a frame of samples is not whole: {0}")]
    Frame(#[from] PolarsError),
    /// A model of a trial has no family.
    #[error(transparent)]
    Family(#[from] UnknownFamily),
    /// A score is no number.
    #[error("a score is not finite: {0}")]
    Score(#[from] NotFinite),
}

/// Measures data sets; `diversity` is of the same ones. The first one is the reference
/// of the differences.
///
/// # Errors
/// When a frame lacks a column, a model its family, or a score is no number.
pub fn findings(
    data_sets: &[MeasuredSet],
    diversity: Option<&Diversity>,
    settings: Settings,
) -> Result<Findings, StatsError> {
    let names = data_sets.iter().map(|data_set| data_set.name.clone()).collect();
    let mut table = MeasureTable::new(names);
    count(data_sets, &mut table);
    describe(data_sets, &mut table)?;
    if let Some(diversity) = diversity {
        diversity.describe(&mut table);
    }
    reviewers::quantiles(data_sets, &mut table);
    reviewers::judged(data_sets, settings, &mut table)?;
    reviewers::people(data_sets, settings, &mut table)?;
    push_means(&failed_checks(), data_sets, &mut table)?;
    let classify = |set: &MeasuredSet| {
        let trial = set.trial.as_ref()?;
        // Cut apart, the judged candidates are no sample of the trial's.
        let judge = if trial.is_cut { &BTreeMap::new() } else { &trial.judge };
        let candidates = &trial.facts.candidates;
        Some(Classifiers::of_trial(candidates, &trial.rule, judge, settings.threshold))
    };
    let classifiers: Vec<Vec<Classifiers>> =
        data_sets.iter().map(|set| classify(set).unwrap_or_default()).collect();
    reviewers::deciders(data_sets, &classifiers, &mut table);
    reviewers::judges(data_sets, &mut table)?;
    reviewers::committees(data_sets, &mut table)?;
    cost(data_sets, &mut table);
    let contrasts = contrast::contrasts(data_sets, settings.margins)?;
    contrast::describe(&contrasts, &mut table);
    Ok(Findings { table, contrasts, groups: by_group(data_sets)?, classifiers })
}

/// Adds how many samples are measured, and of how many records.
fn count(data_sets: &[MeasuredSet], table: &mut MeasureTable) {
    let samples =
        |set: &MeasuredSet| MeasureValue::count(set.samples.height(), set.samples.height());
    table.push("data", "samples measured", data_sets.iter().map(samples).collect());
    let mut push = |name: &str, of: fn(RecordCounts) -> usize| {
        let cell = |set: &MeasuredSet| match set.records {
            Some(records) => MeasureValue::count(of(records), records.found),
            None => MeasureValue::Inapplicable("it is no file"),
        };
        table.push("data", name, data_sets.iter().map(cell).collect());
    };
    push("records in the file", |records| records.found);
    push("records skipped", |records| records.skipped);
}

const UNSCORED: &str = "no committee scored it";
const NO_LOSSES: &str = "no losses were measured";

/// A mean over samples: a row of the table.
struct SampleMean {
    group: &'static str,
    name: &'static str,
    /// Made of a column of [`frames::samples`].
    measure: RowMeasure,
    /// Stands where no sample has a value.
    missing: MeasureValue,
}

/// Lengths, scores and difficulty, in the order of the table.
fn means() -> Vec<SampleMean> {
    let (absent, unscored) = (MeasureValue::Absent, MeasureValue::Inapplicable(UNSCORED));
    // The published scripts drop ratios above 1; here they have a share of their own.
    let below_1: fn(f64) -> Option<f64> = |ratio| (ratio < 1.0).then_some(ratio);
    let above_1: fn(f64) -> Option<f64> = |ratio| Some(indicator(ratio > 1.0));
    let of = RowMeasure::column;
    let mean = |group, name, measure, missing| SampleMean { group, name, measure, missing };
    let words = |name, column, why| mean("text", name, of(column).non_negative(), absent(why));
    let score = |name, column, missing| mean("quality", name, of(column).score(), missing);
    let ifd = |name, measure| mean("ifd", name, measure, absent(NO_LOSSES));
    let ratio = |name, column, value| ifd(name, RowMeasure::number(column, value));
    let share = |name, column| ifd(name, RowMeasure::number(column, above_1).share());
    vec![
        words("words of instruction, mean", "instruction_words", "no samples"),
        words("words of response, mean", "response_words", "no responses"),
        score("judge's score, mean", "judge", absent("no judge was asked")),
        score("second judge's score, mean", "second_judge", absent("none was asked")),
        score("mu, mean", "mu", unscored.clone()),
        mean("quality", "sigma, mean", of("sigma").non_negative(), unscored),
        ratio("loss-ratio, mean over all", "loss_ratio", Some),
        ratio("loss-ratio, mean of those below 1", "loss_ratio", below_1),
        share("loss-ratio, share above 1", "loss_ratio"),
        ratio("perplexity-ratio, mean over all", "perplexity_ratio", Some),
        ratio("perplexity-ratio, mean of those below 1", "perplexity_ratio", below_1),
        share("perplexity-ratio, share above 1", "perplexity_ratio"),
    ]
}

/// The shares of samples that fail a check ([`crate::checks`]), of those that it applies to.
fn failed_checks() -> Vec<SampleMean> {
    let share = |check: Check| SampleMean {
        group: "checks",
        name: check.measure,
        measure: RowMeasure::column(check.column).share(),
        missing: MeasureValue::Absent("no sample that the check applies to"),
    };
    CHECKS.into_iter().map(share).collect()
}

/// Adds what the frames say: lengths, scores, difficulty.
fn describe(data_sets: &[MeasuredSet], table: &mut MeasureTable) -> Result<(), StatsError> {
    push_means(&means(), data_sets, table)?;
    let unmeasured = data_sets.iter().map(MeasuredSet::without_loss);
    table.push("ifd", "samples without a loss", unmeasured.collect::<PolarsResult<_>>()?);
    // Responses that lost their end before their losses were measured.
    let cut = SampleMean {
        group: "ifd",
        name: "share cut at the limit",
        measure: RowMeasure::column("truncated").share(),
        missing: MeasureValue::Absent(NO_LOSSES),
    };
    push_means(&[cut], data_sets, table)?;
    Ok(())
}

/// Adds these means of every data set.
fn push_means(
    means: &[SampleMean],
    data_sets: &[MeasuredSet],
    table: &mut MeasureTable,
) -> PolarsResult<()> {
    // A frame is read once for all of them: its items are parsed and its relations found only once.
    let values = |set: &MeasuredSet| set.values(means.iter().map(|mean| mean.measure));
    let values: Vec<RowValues<String>> =
        data_sets.iter().map(values).collect::<PolarsResult<_>>()?;
    for (place, SampleMean { group, name, missing, .. }) in means.iter().enumerate() {
        let cell = |values: &RowValues<String>| {
            let mean = values.mean(place);
            mean.value.map_or(missing.clone(), |_| MeasureValue::Known(mean))
        };
        table.push(group, *name, values.iter().map(cell).collect());
    }
    Ok(())
}

/// Adds what a trial's samples cost: calls, tokens and operations of its rounds per accepted sample
/// ([`crate::compute`]); seed annotation, which every trial of a seed set shares, is left out.
fn cost(data_sets: &[MeasuredSet], table: &mut MeasureTable) {
    let compute = |set: &MeasuredSet| {
        let trial = set.trial.as_ref().ok_or(MeasureValue::Inapplicable("no trial made it"))?;
        // Seconds and machines are of no sample: tokens and operations alone are compared.
        let sizes = Parameters::Stated(trial.parameters.clone());
        let compute = Compute::of(&trial.facts, &sizes, TEACHER_PARAMETERS, EngineSeconds::new());
        let nothing = MeasureValue::Absent("nothing was accepted");
        if compute.samples > 0 { Ok(compute) } else { Err(nothing) }
    };
    let computes: Vec<Result<Compute, MeasureValue>> = data_sets.iter().map(compute).collect();
    let mut push = |name: &str, quantity: fn(Spending) -> Option<u128>, unit: f64| {
        let cell = |compute: &Compute| {
            let n = size(compute.samples);
            let each = |total: u128| total as f64 / unit / n as f64;
            let each = quantity(compute.rounds().all).map(each);
            MeasureValue::exact(each, n, "a model does not say how many parameters it has")
        };
        table.push("cost", name, cells(&computes, cell));
    };
    push("calls per accepted sample", |spent| Some(spent.calls.into()), 1.0);
    push("prompt tokens per accepted sample", |spent| Some(spent.prompt_tokens.into()), 1.0);
    push("reply tokens per accepted sample", |spent| Some(spent.reply_tokens.into()), 1.0);
    push("operations per accepted sample, 1e12", |spent| Some(spent.flop?.total()), 1e12);
}

/// Rows of a group below which its mean is not shown.
const FEWEST_SHOWN: u32 = 5;

const TOO_FEW: &str = "fewer than 5 in the group";
const NO_GROUP: &str = "no such group";

/// What rows are grouped by: a column, and the group of the table.
const BY: [(&str, &str); 3] =
    [("domain", "by domain"), ("generator", "by generator"), ("round", "by round")];

/// What is averaged over the samples of a group.
const OF_SAMPLES: [(&str, &str); 5] = [
    ("judge's score", "judge"),
    ("loss-ratio", "loss_ratio"),
    ("words of instruction", "instruction_words"),
    ("words of response", "response_words"),
    ("distance to the nearest instruction", "nearest_distance"),
];

/// Mean and rows by the group's name.
type GroupMeans = BTreeMap<String, (Option<f64>, u32)>;

/// A table with a row per group and measure.
fn by_group(data_sets: &[MeasuredSet]) -> PolarsResult<MeasureTable> {
    let mut table = MeasureTable::new(data_sets.iter().map(|set| set.name.clone()).collect());
    for (column, group) in BY {
        let acceptance = |set: &MeasuredSet| match &set.trial {
            Some(trial) => means_by(column, &frames::outcomes(&trial.facts.candidates)?, PASSED),
            None => Ok(GroupMeans::new()),
        };
        push_groups(&mut table, group, "acceptance", data_sets, acceptance)?;
        for (name, measure) in OF_SAMPLES {
            let of =
                |set: &MeasuredSet| means_by(column, &set.samples, RowMeasure::column(measure));
            push_groups(&mut table, group, name, data_sets, of)?;
        }
    }
    Ok(table)
}

/// Adds a row for each group that some data set has.
fn push_groups(
    table: &mut MeasureTable,
    group: &'static str,
    measure: &str,
    data_sets: &[MeasuredSet],
    means_of: impl Fn(&MeasuredSet) -> PolarsResult<GroupMeans>,
) -> PolarsResult<()> {
    let of_sets: Vec<GroupMeans> = data_sets.iter().map(means_of).collect::<PolarsResult<_>>()?;
    let names: BTreeSet<&String> = of_sets.iter().flat_map(|of| of.keys()).collect();
    for name in names {
        let cell = |of: &GroupMeans| match of.get(name) {
            Some((mean, n)) if *n >= FEWEST_SHOWN => {
                MeasureValue::exact(*mean, *n as usize, TOO_FEW)
            }
            Some(_) => MeasureValue::Absent(TOO_FEW),
            None => MeasureValue::Inapplicable(NO_GROUP),
        };
        table.push(group, format!("{name}: {measure}"), of_sets.iter().map(cell).collect());
    }
    Ok(())
}

/// Means of the rows that name a group.
fn means_by(by: &str, frame: &DataFrame, measure: RowMeasure) -> PolarsResult<GroupMeans> {
    let grouped = frames::means(frame, &[by], measure)?;
    // Rounds are numbers, and name their groups as text.
    let names = grouped.column(by)?.cast(&DataType::String)?;
    let means = grouped.column("mean")?.f64()?.iter().zip(grouped.column("n")?.u32()?.iter());
    let rows = names.str()?.iter().zip(means);
    Ok(rows.filter_map(|(name, (mean, n))| Some((name?.to_owned(), (mean, n?)))).collect())
}

impl MeasuredSet {
    /// Measures of its samples, beside their items.
    fn values(
        &self,
        measures: impl IntoIterator<Item = RowMeasure>,
    ) -> PolarsResult<RowValues<String>> {
        RowValues::from_frame(frames::items(&self.samples)?, &self.samples, measures)
    }

    fn without_loss(&self) -> PolarsResult<MeasureValue> {
        let all = self.samples.height();
        let missing = self.samples.column("conditional_loss")?.null_count();
        let found = (missing < all).then(|| MeasureValue::count(missing, all));
        Ok(found.unwrap_or(MeasureValue::Absent(NO_LOSSES)))
    }
}

#[cfg(test)]
mod tests;

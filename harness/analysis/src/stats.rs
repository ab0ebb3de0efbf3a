//! Data sets side by side: means of what was measured of each sample, what a trial's committee and a
//! judge say, and differences to the first data set, all with intervals.
//!
//! What is said of samples is read from the frames of [`crate::frames::samples`] and nothing else, so
//! that the same numbers can be computed from a published frame. Samples that share an item depend on each
//! other ([`crate::statistics::dependence`]).

use std::collections::BTreeMap;

use gra_synth::pool::ItemId;
use gra_synth::request::ModelName;
use polars::prelude::{DataFrame, PolarsError, PolarsResult};

use crate::cost::compute::{Compute, EngineSeconds, Parameters, Spending, TEACHER_PARAMETERS};
use crate::frames::{self, RowMeasure, RowValues};
use crate::rescore::Rule;
use crate::reviewers::classifier::Classifiers;
use crate::reviewers::committee::UnknownFamily;
use crate::reviewers::raters::FilledSheet;
use crate::statistics::levels::NotFinite;
use crate::stats::measure::{MeasureTable, MeasureValue, size};
use crate::trial::TrialFacts;
use diversity::Diversity;

mod committee;
mod contrast;
pub mod diversity;
mod groups;
pub mod measure;
mod quality;
mod raters;
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
    quality::describe(data_sets, settings, &mut table)?;
    raters::describe(data_sets, settings, &mut table)?;
    push_means(&failed_checks(), data_sets, &mut table)?;
    let classify = |set: &MeasuredSet| {
        let trial = set.trial.as_ref()?;
        let judge = if trial.is_cut { &BTreeMap::new() } else { &trial.judge };
        let candidates = &trial.facts.candidates;
        Some(Classifiers::of_trial(candidates, &trial.rule, judge, settings.threshold))
    };
    let classifiers: Vec<Vec<Classifiers>> =
        data_sets.iter().map(|set| classify(set).unwrap_or_default()).collect();
    quality::classify(data_sets, &classifiers, &mut table);
    quality::judges(data_sets, &mut table)?;
    committee::describe(data_sets, &mut table)?;
    cost(data_sets, &mut table);
    let contrasts = contrast::contrasts(data_sets, settings.margins)?;
    contrast::describe(&contrasts, &mut table);
    Ok(Findings { table, contrasts, groups: groups::by_group(data_sets)?, classifiers })
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

/// The means before [`cut_share`], in the order of the table.
fn means() -> Vec<SampleMean> {
    let row = |group, name, column, missing| SampleMean {
        group,
        name,
        measure: RowMeasure::column(column),
        missing,
    };
    let below_1: fn(f64) -> Option<f64> = |ratio| (ratio < 1.0).then_some(ratio);
    let above_1: fn(f64) -> Option<f64> = |ratio| Some(f64::from(u8::from(ratio > 1.0)));
    let ratio = |name, column, value| {
        let measure = RowMeasure::number(column, value);
        SampleMean { measure, ..row("ifd", name, column, MeasureValue::Absent(NO_LOSSES)) }
    };
    let share = |name, column| {
        let mean = ratio(name, column, above_1);
        SampleMean { measure: mean.measure.share(), ..mean }
    };
    let non_negative =
        |mean: SampleMean| SampleMean { measure: mean.measure.non_negative(), ..mean };
    let score = |name, column, missing| {
        let mean = row("quality", name, column, missing);
        SampleMean { measure: mean.measure.score(), ..mean }
    };
    let absent = MeasureValue::Absent;
    let unscored = MeasureValue::Inapplicable(UNSCORED);
    vec![
        non_negative(row(
            "text",
            "words of instruction, mean",
            "instruction_words",
            absent("no samples"),
        )),
        non_negative(row(
            "text",
            "words of response, mean",
            "response_words",
            absent("no responses"),
        )),
        score("judge's score, mean", "judge", absent("no judge was asked")),
        score("second judge's score, mean", "second_judge", absent("none was asked")),
        score("mu, mean", "mu", unscored.clone()),
        non_negative(row("quality", "sigma, mean", "sigma", unscored)),
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
    let share = |name, column| SampleMean {
        group: "checks",
        name,
        measure: RowMeasure::column(column).share(),
        missing: MeasureValue::Absent("no sample that the check applies to"),
    };
    vec![
        share("instruction not in English, share", "instruction_foreign"),
        share("response not in English, share", "response_foreign"),
        share("refusal, share", "refusal"),
        share("response repeats itself, share", "repetition"),
        share("last sentence without an end, share", "unended"),
        share("instruction: fence or LaTeX unbalanced, share", "instruction_unbalanced"),
        share("response: fence or LaTeX unbalanced, share", "response_unbalanced"),
        share("JSON block does not parse, share", "json_broken"),
        share("Python block does not parse, share", "python_broken"),
        share("requested form not met, share", "format_unmet"),
        share("stated arithmetic wrong, share", "arithmetic_wrong"),
    ]
}

/// The share of samples whose response lost its end before its losses were measured.
const fn cut_share() -> SampleMean {
    SampleMean {
        group: "ifd",
        name: "share cut at the limit",
        measure: RowMeasure::column("truncated").share(),
        missing: MeasureValue::Absent(NO_LOSSES),
    }
}

/// Adds what the frames say: lengths, scores, difficulty.
fn describe(data_sets: &[MeasuredSet], table: &mut MeasureTable) -> Result<(), StatsError> {
    push_means(&means(), data_sets, table)?;
    let unmeasured = data_sets.iter().map(MeasuredSet::without_loss);
    table.push("ifd", "samples without a loss", unmeasured.collect::<PolarsResult<_>>()?);
    push_means(&[cut_share()], data_sets, table)?;
    Ok(())
}

/// Adds these means of every data set.
fn push_means(
    means: &[SampleMean],
    data_sets: &[MeasuredSet],
    table: &mut MeasureTable,
) -> PolarsResult<()> {
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
/// ([`crate::cost::compute`]); seed annotation, which every trial of a seed set shares, is left out.
fn cost(data_sets: &[MeasuredSet], table: &mut MeasureTable) {
    let compute = |trial: &TrialEvidence| {
        let parameters = Parameters::Stated(trial.parameters.clone());
        Compute::of(&trial.facts, &parameters, TEACHER_PARAMETERS, EngineSeconds::new())
    };
    let computes: Vec<Option<Compute>> =
        data_sets.iter().map(|set| set.trial.as_ref().map(compute)).collect();
    let mut push = |name: &str, quantity: fn(Spending) -> Option<u128>, unit: f64| {
        let cell = |compute: &Option<Compute>| match compute {
            None => MeasureValue::Inapplicable("no trial made it"),
            Some(Compute { samples: 0, .. }) => MeasureValue::Absent("nothing was accepted"),
            Some(compute) => {
                let n = size(compute.samples);
                let each = |total: u128| total as f64 / unit / n as f64;
                let each = quantity(compute.rounds().all).map(each);
                MeasureValue::exact(each, n, "a model does not say how many parameters it has")
            }
        };
        table.push("cost", name, computes.iter().map(cell).collect());
    };
    push("calls per accepted sample", |spent| Some(spent.calls.into()), 1.0);
    push("prompt tokens per accepted sample", |spent| Some(spent.prompt_tokens.into()), 1.0);
    push("reply tokens per accepted sample", |spent| Some(spent.reply_tokens.into()), 1.0);
    push("operations per accepted sample, 1e12", |spent| Some(spent.flop?.total()), 1e12);
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
        let (all, missing) =
            (self.samples.height(), self.samples.column("conditional_loss")?.null_count());
        Ok(if missing == all {
            MeasureValue::Absent(NO_LOSSES)
        } else {
            MeasureValue::count(missing, all)
        })
    }
}

#[cfg(test)]
mod tests;

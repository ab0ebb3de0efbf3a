//! Data sets side by side: means of what was measured of each sample, what a trial's committee and a
//! judge say, and differences to the first data set, all with intervals.
//!
//! What is said of samples is read from the frames of [`crate::frames::samples`] and nothing else, so
//! that whoever has a published frame can compute the same numbers. Samples of one origin are resampled
//! together.

use std::collections::BTreeMap;

use gra_synth::pool::ItemId;
use gra_synth::request::ModelName;
use polars::prelude::{DataFrame, DataType, PolarsError, PolarsResult};

use crate::bootstrap::{self, Bootstrap, Cluster};
use crate::committee::UnknownFamily;
use crate::facts::TrialFacts;
use crate::ifd::Formula;
use crate::levels::NotFinite;
use crate::measure::{Cell, MeasureTable};
use diversity::Diversity;

mod committee;
mod contrast;
pub mod diversity;
mod quality;

/// A data set, and what was measured of it.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its name; unique among those compared.
    pub name: String,
    /// One row per sample ([`crate::frames::samples`]).
    pub samples: DataFrame,
    /// Where it comes from, when that is a trial.
    pub trial: Option<Trial>,
}

/// The trial whose samples a data set holds.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Everything that it recorded.
    pub facts: TrialFacts,
    /// Models of one family judge their own kind ([`crate::committee`]). Every generator and reviewer
    /// has one.
    pub families: BTreeMap<ModelName, String>,
    /// A judge's mean scores of responses, accepted or not; empty when none was asked.
    pub judge: BTreeMap<ItemId, f64>,
}

/// How the table is made.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Intervals.
    pub bootstrap: Bootstrap,
    /// What divides high scores from others; 8 in the paper.
    pub threshold: f64,
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

/// What was found for these data sets; `diversity` is of the same ones. The first one is the reference
/// of the differences.
///
/// # Errors
/// When a frame lacks a column, a model its family, or a score is no number.
pub fn table(
    subjects: &[Subject],
    diversity: Option<&Diversity>,
    settings: Settings,
) -> Result<MeasureTable, StatsError> {
    let names = subjects.iter().map(|subject| subject.name.clone()).collect();
    let mut table = MeasureTable::new(names);
    let columns: Vec<Columns> = subjects.iter().map(Columns::of).collect::<PolarsResult<_>>()?;
    describe(&columns, settings.bootstrap.run_seed, &mut table);
    if let Some(diversity) = diversity {
        diversity.describe(settings, &mut table);
    }
    quality::describe(subjects, settings, &mut table)?;
    committee::describe(subjects, settings, &mut table)?;
    contrast::describe(&columns, settings.bootstrap, &mut table);
    Ok(table)
}

/// Adds what the frames say: lengths, scores, difficulty.
fn describe(columns: &[Columns], run_seed: u64, table: &mut MeasureTable) {
    let mut means = |group, name: &str, column: &str, missing| {
        let mean = |of: &Columns| Cell::or_absent(of.mean(column, run_seed, Some), missing);
        table.push(group, name, columns.iter().map(mean).collect());
    };
    means("text", "words of instruction, mean", "instruction_words", "no samples");
    means("text", "words of response, mean", "response_words", "no responses");
    means("quality", "judge's score, mean", "judge", "no judge was asked");
    for column in ["mu", "sigma"] {
        let mean = |of: &Columns| match of.mean(column, run_seed, Some) {
            mean if mean.value.is_some() => Cell::Estimate(mean),
            _ => Cell::Inapplicable(UNSCORED),
        };
        table.push("quality", format!("{column}, mean"), columns.iter().map(mean).collect());
    }
    for formula in Formula::ALL {
        let column = formula.name().replace('-', "_");
        let mut push = |what: &str, value: fn(f64) -> Option<f64>| {
            let cell = |of: &Columns| Cell::or_absent(of.mean(&column, run_seed, value), NO_LOSSES);
            let name = format!("{}, {what}", formula.name());
            table.push("ifd", name, columns.iter().map(cell).collect());
        };
        push("mean over all", Some);
        push("mean of those below 1", |x| (x < 1.0).then_some(x));
        push("share above 1", |x| Some(f64::from(u8::from(x > 1.0))));
    }
    let unmeasured = |of: &Columns| match of.values["conditional_loss"].iter().flatten().count() {
        0 => Cell::Absent(NO_LOSSES),
        n => Cell::count(of.origins.len() - n, of.origins.len()),
    };
    table.push("ifd", "samples without a loss", columns.iter().map(unmeasured).collect());
    let cut = |of: &Columns| Cell::or_absent(of.mean("truncated", run_seed, Some), NO_LOSSES);
    table.push("ifd", "share cut at the limit", columns.iter().map(cut).collect());
}

const UNSCORED: &str = "no committee scored it";
const NO_LOSSES: &str = "no losses were measured";

/// The columns of a frame that are averaged.
struct Columns {
    origins: Vec<String>,
    values: BTreeMap<&'static str, Vec<Option<f64>>>,
}

const NUMBERS: [&str; 10] = [
    "instruction_words",
    "response_words",
    "mu",
    "sigma",
    "judge",
    "conditional_loss",
    "loss_ratio",
    "perplexity_ratio",
    "truncated",
    "nearest_distance",
];

impl Columns {
    fn of(subject: &Subject) -> PolarsResult<Self> {
        let origins = subject.samples.column("origin")?.str()?.iter();
        let origins = origins.map(|origin| origin.unwrap_or_default().to_owned()).collect();
        let values = NUMBERS.into_iter().map(|name| {
            let column = subject.samples.column(name)?.cast(&DataType::Float64)?;
            Ok((name, column.f64()?.iter().collect()))
        });
        Ok(Self { origins, values: values.collect::<PolarsResult<_>>()? })
    }

    /// Mean of a function of a column over the samples where it has a value.
    fn mean(
        &self,
        column: &str,
        run_seed: u64,
        value: impl Fn(f64) -> Option<f64>,
    ) -> bootstrap::Estimate {
        bootstrap::mean(&self.clusters(column, value), run_seed, &["stats", column])
    }

    /// A function of a column by origin, in the order of the origins.
    fn clusters(&self, column: &str, value: impl Fn(f64) -> Option<f64>) -> Vec<Cluster> {
        let mut clusters: BTreeMap<&str, Cluster> = BTreeMap::new();
        for (origin, number) in self.origins.iter().zip(&self.values[column]) {
            let Some(value) = number.and_then(&value) else { continue };
            let cluster = clusters.entry(origin).or_insert(Cluster { sum: 0.0, count: 0 });
            cluster.sum += value;
            cluster.count += 1;
        }
        clusters.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::{Sample, samples};
    use crate::ifd::{Loss, Pair, Unmeasured};
    use crate::trial_by_hand::every_outcome;

    fn sample(number: u32, origin: &str) -> Sample {
        Sample {
            id: format!("s{number:05}"),
            origin: origin.to_owned(),
            domain: None,
            instruction: "Name a colour.".to_owned(),
            response: Some("Grey.".to_owned()),
            mu: None,
            sigma: None,
            judge: None,
            difficulty: None,
            nearest_distance: None,
        }
    }

    fn losses(conditional: f64, direct: f64) -> Pair {
        let loss = |mean| Loss { mean, tokens: 3 };
        Pair { conditional: loss(conditional), direct: loss(direct), truncated: false }
    }

    fn described(name: &str, rows: &[Sample]) -> MeasureTable {
        let samples = samples(rows).unwrap();
        let subject = Subject { name: name.to_owned(), samples, trial: None };
        table(&[subject], None, Settings { bootstrap: Bootstrap::new(42), threshold: 8.0 }).unwrap()
    }

    fn cell(table: &MeasureTable, measure: &str) -> Cell {
        let found = table.measures().iter().find(|m| m.name == measure);
        found.unwrap_or_else(|| panic!("no measure `{measure}`")).cells[0].clone()
    }

    #[test]
    fn difficulty_is_reported_over_all_below_one_and_above() {
        let mut rows: Vec<Sample> = (0..5).map(|n| sample(n, &format!("s{n:05}"))).collect();
        rows[0].difficulty = Some(Ok(losses(1.0, 2.0)));
        rows[1].difficulty = Some(Ok(losses(2.0, 2.0)));
        rows[2].difficulty = Some(Ok(losses(3.0, 2.0)));
        rows[3].difficulty = Some(Err(Unmeasured::EmptyResponse));
        rows[4].difficulty = Some(Ok(losses(0.5, 0.0)));
        let table = described("a", &rows);
        let value = |measure| cell(&table, measure).value().unwrap();
        assert!((value("loss-ratio, mean over all") - 1.0).abs() < 1e-12);
        assert!((value("loss-ratio, mean of those below 1") - 0.5).abs() < 1e-12);
        assert!((value("loss-ratio, share above 1") - 1.0 / 3.0).abs() < 1e-12);
        let expected = ((-1.0_f64).exp() + 1.0 + 1.0_f64.exp() + 0.5_f64.exp()) / 4.0;
        assert!((value("perplexity-ratio, mean over all") - expected).abs() < 1e-12);
        assert!((value("samples without a loss") - 1.0).abs() < 1e-12);
        assert_eq!(cell(&table, "loss-ratio, mean over all").n(), Some(3));
    }

    #[test]
    fn samples_of_one_origin_are_one_cluster() {
        let mut rows: Vec<Sample> = (0..6).map(|n| sample(n, ["a", "b"][n as usize % 2])).collect();
        for (row, mu) in rows.iter_mut().zip([6.0, 8.0, 6.0, 8.0, 6.0, 8.0]) {
            row.mu = Some(mu);
        }
        let mean = cell(&described("a", &rows), "mu, mean");
        let interval = mean.interval().unwrap();
        assert_eq!((mean.value(), mean.n()), (Some(7.0), Some(2)));
        assert_eq!((interval.low, interval.high), (6.0, 8.0), "two origins, drawn twice");
    }

    #[test]
    fn what_nobody_measured_has_no_row() {
        let table = described("a", &[sample(0, "s00000")]);
        assert!(table.measures().iter().all(|measure| measure.group == "text"), "{table:?}");
        let one = cell(&table, "words of instruction, mean");
        assert_eq!((one.value(), one.interval(), one.n()), (Some(3.0), None, Some(1)));
    }

    #[test]
    fn a_trial_has_its_committee_and_its_judge() {
        let candidates = every_outcome();
        let reviewed = candidates.iter().filter(|candidate| candidate.tally().is_some());
        let judge =
            reviewed.zip([9.0, 7.0, 8.0, 6.0]).map(|(candidate, score)| (candidate.id, score));
        let judge = judge.collect();
        let roles = candidates.iter().map(|candidate| &candidate.roles);
        let models = roles.flat_map(|roles| roles.reviewers.iter().chain([&roles.generator]));
        let families = models.map(|model| (model.clone(), model.to_string())).collect();
        let rows: Vec<Sample> = (0..2)
            .map(|n| Sample { mu: Some(8.5), judge: Some(9.0), ..sample(n, &format!("s{n:05}")) })
            .collect();
        let facts = TrialFacts { variant: "gra".to_owned(), candidates, calls: Vec::new() };
        let trial = Subject {
            name: "gra".to_owned(),
            samples: samples(&rows).unwrap(),
            trial: Some(Trial { facts, families, judge }),
        };
        let seeds: Vec<Sample> = (0..3)
            .map(|n| Sample { judge: Some(5.0 + f64::from(n)), ..sample(n, &format!("s{n:05}")) })
            .collect();
        let seeds =
            Subject { name: "seeds".to_owned(), samples: samples(&seeds).unwrap(), trial: None };
        let settings =
            Settings { bootstrap: Bootstrap { run_seed: 42, replicates: 200 }, threshold: 8.0 };
        insta::assert_snapshot!(table(&[seeds, trial], None, settings).unwrap().terminal(true), @"
        group              measure                             data set    value  95% interval      n
        text               words of instruction, mean          seeds           3  [3, 3]            3
                                                               gra             3  [3, 3]            2
                           words of response, mean             seeds           1  [1, 1]            3
                                                               gra             1  [1, 1]            2
        quality            judge's score, mean                 seeds           6  [5, 7]            3
                                                               gra             9  [9, 9]            2
                           mu, mean                            gra         8.500  [8.500, 8.500]    2
                           mu, 5%                              gra         8.667                    1
                           mu, median                          gra         8.667                    1
                           mu, 95%                             gra         8.667                    1
        judge              judge > 8, share of rejected        gra        0.2500  [0.0456, 0.6994]  4
                           > 8: both                           gra             0                    4
                           > 8: committee alone                gra             2                    4
                           > 8: judge alone                    gra             1                    4
                           > 8: neither                        gra             1                    4
                           judge >= 8, share of rejected       gra        0.5000  [0.1500, 0.8500]  4
                           >= 8: both                          gra             1                    4
                           >= 8: committee alone               gra             2                    4
                           >= 8: judge alone                   gra             1                    4
                           >= 8: neither                       gra             0                    4
                           Spearman's rho with mu              gra       -0.9487                    1
                           Kendall's tau-b with mu             gra       -0.9129                    1
                           mu: distinct scores                 gra             3                    4
                           mu: entropy in bits                 gra         1.500                    4
                           judge: distinct scores              gra             4                    4
                           judge: entropy in bits              gra             2                    4
                           candidates without a judge's score  gra             2                    6
        committee          reviewed by all seats               gra             6                    7
                           mean: Krippendorff's alpha          gra       -0.2717                    1
                           correctness: Krippendorff's alpha   gra       -0.2736                    1
                           clarity: Krippendorff's alpha       gra       -0.2736                    1
                           completeness: Krippendorff's alpha  gra       -0.2736                    1
                           relevance: Krippendorff's alpha     gra       -0.2736                    1
                           coherence: Krippendorff's alpha     gra       -0.2736                    1
                           ethicality: Krippendorff's alpha    gra       -0.2675                    1
                           mean: ICC(1,1)                      gra       -0.3758                    1
                           correctness: ICC(1,1)               gra       -0.3784                    1
                           clarity: ICC(1,1)                   gra       -0.3784                    1
                           completeness: ICC(1,1)              gra       -0.3784                    1
                           relevance: ICC(1,1)                 gra       -0.3784                    1
                           coherence: ICC(1,1)                 gra       -0.3784                    1
                           ethicality: ICC(1,1)                gra       -0.3696                    1
                           mean: spread                        gra         1.262                    1
                           correctness: spread                 gra         1.272                    1
                           clarity: spread                     gra         1.272                    1
                           completeness: spread                gra         1.272                    1
                           relevance: spread                   gra         1.272                    1
                           coherence: spread                   gra         1.272                    1
                           ethicality: spread                  gra         1.236                    1
                           reasonable: share of ones           gra             1                    1
                           complete: share of ones             gra        0.9583                    1
                           clear: share of ones                gra             1                    1
                           reasonable: Gwet's AC1              gra             1                    1
                           complete: Gwet's AC1                gra        0.9094                    1
                           clear: Gwet's AC1                   gra             1                    1
                           complete: Fleiss' kappa             gra       -0.0435                    1
                           internlm: leniency                  gra         1.125                    1
                           mistral: leniency                   gra        -2.542                    1
                           qwen: leniency                      gra         1.417                    1
                           disputes overturned, share          gra        0.5000  [0.0945, 0.9055]  2
        against the first  words of instruction, difference    gra             0  [0, 0]            5
                           words of instruction, p after Holm  gra             1                    5
                           words of response, difference       gra             0  [0, 0]            5
                           words of response, p after Holm     gra             1                    5
                           judge's score, difference           gra             3  [2, 4]            5
                           judge's score, p after Holm         gra        0.3114                    5
        ");
    }
}

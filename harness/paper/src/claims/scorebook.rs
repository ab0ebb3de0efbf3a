//! Scores of trained models, printed or measured, as the formulas ask for them.

use std::collections::BTreeMap;

use crate::exact::{self, Ratio};
use crate::{BaseModel, Benchmark, DataSource, ITERATIONS, Reference, SeedDataset};

/// The base models in the order in which formulas with several results give them.
pub(super) const BASES: [BaseModel; 2] = [BaseModel::Llama, BaseModel::Qwen];

/// A model's scores, per cent; what is missing is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// One score per benchmark, in the order of [`Benchmark::ALL`].
    pub(super) columns: [Option<Ratio>; 10],
    /// The average of the ten: as printed, or the mean of what was measured.
    pub(super) average: Option<Ratio>,
}

impl Row {
    /// A row whose average is the mean of its columns; without an average while a column is missing.
    pub(super) fn from_columns(columns: &[Option<Ratio>; 10]) -> Self {
        Self { columns: *columns, average: mean(*columns) }
    }
}

/// The rows of Tables 1 to 3.
#[derive(Clone, Debug, Default)]
pub(super) struct Scorebook {
    /// Table 1, and variants of GRA.
    pub(super) main: BTreeMap<(BaseModel, SeedDataset, DataSource), Row>,
    /// Table 2.
    pub(super) seed_data: BTreeMap<(BaseModel, SeedDataset, DataSource), Ratio>,
    /// Table 3.
    pub(super) iterations: BTreeMap<(BaseModel, SeedDataset, u8), Row>,
}

impl From<&Reference> for Scorebook {
    fn from(paper: &Reference) -> Self {
        let mut book = Self::default();
        let row = |scores: &crate::Scores| Row {
            columns: scores.columns.map(Some),
            average: Some(scores.average),
        };
        for base in BaseModel::ALL {
            for seed in SeedDataset::ALL {
                for source in DataSource::ALL {
                    let key = (base, seed, source);
                    book.main.extend(paper.main(base, seed, source).map(|s| (key, row(s))));
                    let average = paper.seed_data(base, seed, source);
                    book.seed_data.extend(average.map(|average| (key, average)));
                }
                for round in ITERATIONS {
                    let iteration = paper.iteration(base, seed, round);
                    let row = iteration.map(|found| ((base, seed, round), row(&found.scores)));
                    book.iterations.extend(row);
                }
            }
        }
        book
    }
}

/// The symbols that formulas of `claims.csv` use.
impl Scorebook {
    /// T1: an average of Table 1.
    pub(super) fn t1(
        &self,
        base: BaseModel,
        seed: SeedDataset,
        source: DataSource,
    ) -> Option<Ratio> {
        self.main.get(&(base, seed, source))?.average
    }

    /// T1 with a column named.
    pub(super) fn cell1(
        &self,
        (base, seed, source): (BaseModel, SeedDataset, DataSource),
        benchmark: Benchmark,
    ) -> Option<Ratio> {
        self.main.get(&(base, seed, source))?.columns[benchmark as usize]
    }

    /// M1: the mean of ten columns of Table 1.
    pub(super) fn m1(
        &self,
        base: BaseModel,
        seed: SeedDataset,
        source: DataSource,
    ) -> Option<Ratio> {
        mean(self.main.get(&(base, seed, source))?.columns)
    }

    /// T2: an average of Table 2.
    pub(super) fn t2(
        &self,
        base: BaseModel,
        seed: SeedDataset,
        source: DataSource,
    ) -> Option<Ratio> {
        self.seed_data.get(&(base, seed, source)).copied()
    }

    /// T3: an average of Table 3.
    pub(super) fn t3(&self, base: BaseModel, seed: SeedDataset, round: u8) -> Option<Ratio> {
        self.iterations.get(&(base, seed, round))?.average
    }

    /// M3: the mean of ten columns of Table 3.
    pub(super) fn m3(&self, base: BaseModel, seed: SeedDataset, round: u8) -> Option<Ratio> {
        mean(self.iterations.get(&(base, seed, round))?.columns)
    }

    /// `mean_s (T1(base, s, of) - T1(base, s, less))`.
    pub(super) fn gap(&self, base: BaseModel, of: DataSource, less: DataSource) -> Option<Ratio> {
        over_seeds(|seed| Some(self.t1(base, seed, of)? - self.t1(base, seed, less)?))
    }
}

/// The mean; `None` where a number is missing or there are no numbers.
pub(super) fn mean(numbers: impl IntoIterator<Item = Option<Ratio>>) -> Option<Ratio> {
    exact::mean(numbers.into_iter().collect::<Option<Vec<_>>>()?)
}

/// `mean_s`: the mean over the three seed sets.
pub(super) fn over_seeds(of: impl Fn(SeedDataset) -> Option<Ratio>) -> Option<Ratio> {
    mean(SeedDataset::ALL.map(of))
}

/// Base models and seed sets, in the formulas' order.
pub(super) fn pairs() -> impl Iterator<Item = (BaseModel, SeedDataset)> + Clone {
    BASES.into_iter().flat_map(|base| SeedDataset::ALL.map(|seed| (base, seed)))
}

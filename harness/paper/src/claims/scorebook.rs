//! Scores of trained models, printed or measured, as the formulas ask for them.

use std::collections::BTreeMap;

use crate::exact::{self, Ratio};
use crate::{BaseModel, Benchmark, DataSource, PrintedScores, Reference, SeedDataset};

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
        let row = |scores: &PrintedScores| Row {
            columns: scores.columns.map(Some),
            average: Some(scores.average),
        };
        // Printed averages stay beside printed columns: where they disagree, T1 and M1 give different numbers.
        Self {
            main: paper.main.iter().map(|(key, scores)| (*key, row(scores))).collect(),
            seed_data: paper.seed_data.clone(),
            iterations: paper.iterations.iter().map(|(key, it)| (*key, row(&it.scores))).collect(),
        }
    }
}

/// The symbols that formulas of `claims.csv` use: b a base model, s a seed set, d a source of data, c a column.
impl Scorebook {
    /// T1: an average of Table 1.
    pub(super) fn t1(&self, b: BaseModel, s: SeedDataset, d: DataSource) -> Option<Ratio> {
        self.main.get(&(b, s, d))?.average
    }

    /// T1 with a column named.
    pub(super) fn cell1(
        &self,
        row: (BaseModel, SeedDataset, DataSource),
        c: Benchmark,
    ) -> Option<Ratio> {
        self.main.get(&row)?.columns[c as usize]
    }

    /// M1: the mean of ten columns of Table 1.
    pub(super) fn m1(&self, b: BaseModel, s: SeedDataset, d: DataSource) -> Option<Ratio> {
        mean(self.main.get(&(b, s, d))?.columns)
    }

    /// T2: an average of Table 2.
    pub(super) fn t2(&self, b: BaseModel, s: SeedDataset, d: DataSource) -> Option<Ratio> {
        self.seed_data.get(&(b, s, d)).copied()
    }

    /// T3: an average of Table 3.
    pub(super) fn t3(&self, b: BaseModel, s: SeedDataset, round: u8) -> Option<Ratio> {
        self.iterations.get(&(b, s, round))?.average
    }

    /// M3: the mean of ten columns of Table 3.
    pub(super) fn m3(&self, b: BaseModel, s: SeedDataset, round: u8) -> Option<Ratio> {
        mean(self.iterations.get(&(b, s, round))?.columns)
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

//! What the paper prints: Tables 1 to 3, the cases, the known numbers of its figures, and its claims.
//!
//! "A Strategic Coordination Framework of Small LMs Matches Large LMs in Data Synthesis" (ACL 2025). The
//! files are `results/paper/`, compiled in, so that a program without its repository knows them. Cells are
//! exact ([`Ratio`]); nothing here is corrected, however plainly a number is wrong.
//!
//! # Layout
//!
//! - `printed`: rows of tables, cases, figures
//! - `claim`: a claim and our verdict
//! - `path`: numbers by their names

mod claim;
mod path;
mod printed;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use claim::{Claim, ClaimVerdict, Kind};
pub use path::{PathError, Quoted};
pub use printed::{CaseLine, FigureNumber, Iteration, Known, PrintedScores};

use crate::exact::Ratio;
use crate::lines::{self, Line, LineError};
use crate::vocabulary::{BaseModel, DataSource, ITERATIONS, SeedDataset};

/// Name and content of a file of `results/paper/`, compiled in.
macro_rules! file {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../results/paper/", $name)))
    };
}

/// All numbers that the paper prints, and its claims.
#[derive(Clone, Debug)]
pub struct Reference {
    pub(crate) main: BTreeMap<(BaseModel, SeedDataset, DataSource), PrintedScores>,
    pub(crate) seed_data: BTreeMap<(BaseModel, SeedDataset, DataSource), Ratio>,
    pub(crate) iterations: BTreeMap<(BaseModel, SeedDataset, u8), Iteration>,
    cases: Vec<CaseLine>,
    figures: Vec<FigureNumber>,
    claims: Vec<Claim>,
}

/// A compiled-in file cannot be read as what the paper prints.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// A line is not what its columns mean.
    #[error("{file}: {error}")]
    Line {
        /// Its name in `results/paper/`.
        file: &'static str,
        /// The line, and what is wrong with it.
        error: LineError,
    },
    /// A table has not the number of rows that the paper's has, or a row twice.
    #[error("{file} has {found} different rows, not {expected}")]
    Rows {
        /// Its name in `results/paper/`.
        file: &'static str,
        /// Different rows that the file has.
        found: usize,
        /// Rows of the paper's table.
        expected: usize,
    },
}

impl Reference {
    /// Reads the files that are compiled in.
    ///
    /// # Errors
    /// When one of them is damaged; tests read them all.
    pub fn embedded() -> Result<Self, ReferenceError> {
        let source = |line: &Line, allowed: &[DataSource]| {
            let source: DataSource = line.read("data_source")?;
            // A source that is known but not of this table would pass as a row that no formula reads.
            let known = allowed.contains(&source);
            known
                .then_some(source)
                .ok_or_else(|| line.field_error("data_source", "not of this table"))
        };
        let main = read(file!("table1.csv"), |line| {
            let key = (line.read("base_model")?, line.read("seed_dataset")?);
            Ok(((key.0, key.1, source(line, &DataSource::MAIN)?), PrintedScores::read(line)?))
        })?;
        let seed_data = read(file!("table2.csv"), |line| {
            let key = (line.read("base_model")?, line.read("seed_dataset")?);
            Ok(((key.0, key.1, source(line, &DataSource::SEED_DATA)?), line.cell("avg")?))
        })?;
        let iterations = read(file!("table3.csv"), |line| {
            let round: u8 = line.read("iteration")?;
            if !ITERATIONS.contains(&round) {
                return Err(line.field_error("iteration", "there are rounds 1 to 5"));
            }
            let key = (line.read("base_model")?, line.read("seed_dataset")?, round);
            let thousands = line.read("thousands")?;
            Ok((key, Iteration { thousands, scores: PrintedScores::read(line)? }))
        })?;
        Ok(Self {
            main: complete("table1.csv", main, 24)?,
            seed_data: complete("table2.csv", seed_data, 24)?,
            iterations: complete("table3.csv", iterations, 30)?,
            cases: read(file!("cases.csv"), CaseLine::read)?,
            figures: read(file!("figures.csv"), FigureNumber::read)?,
            claims: read(file!("claims.csv"), Claim::read)?,
        })
    }

    /// A row of Table 1; `None` for a source that is not of [`DataSource::MAIN`].
    #[must_use]
    pub fn main(
        &self,
        base: BaseModel,
        seed: SeedDataset,
        source: DataSource,
    ) -> Option<&PrintedScores> {
        self.main.get(&(base, seed, source))
    }

    /// A cell of Table 2, an average; `None` for a source that is not of [`DataSource::SEED_DATA`].
    #[must_use]
    pub fn seed_data(
        &self,
        base: BaseModel,
        seed: SeedDataset,
        source: DataSource,
    ) -> Option<Ratio> {
        self.seed_data.get(&(base, seed, source)).copied()
    }

    /// A row of Table 3; `None` for a round that is not of [`ITERATIONS`].
    #[must_use]
    pub fn iteration(&self, base: BaseModel, seed: SeedDataset, round: u8) -> Option<&Iteration> {
        self.iterations.get(&(base, seed, round))
    }

    /// The score lists and means of Cases 1 and 2.
    #[must_use]
    pub fn cases(&self) -> &[CaseLine] {
        &self.cases
    }

    /// The numbers of the figures that text or tables tell.
    #[must_use]
    pub fn figures(&self) -> &[FigureNumber] {
        &self.figures
    }

    /// The claims, in the order of their ids within each kind.
    #[must_use]
    pub fn claims(&self) -> &[Claim] {
        &self.claims
    }

    /// The rounds of Table 3 whose ten columns are those of Table 1's GRA row.
    #[must_use]
    pub fn matched_rounds(&self, base: BaseModel, seed: SeedDataset) -> Vec<u8> {
        let columns = self.main(base, seed, DataSource::Gra).map(|scores| scores.columns);
        let is_same = |round: &u8| {
            let row = self.iteration(base, seed, *round);
            row.map(|row| row.scores.columns) == columns
        };
        ITERATIONS.into_iter().filter(is_same).collect()
    }
}

/// Reads every line of a file with the same function.
fn read<T, All: FromIterator<T>>(
    (file, csv): (&'static str, &str),
    one: impl Fn(&Line) -> Result<T, LineError>,
) -> Result<All, ReferenceError> {
    let lines = lines::read(csv.as_bytes());
    let all = lines.and_then(|lines| lines.iter().map(one).collect());
    all.map_err(|error| ReferenceError::Line { file, error })
}

/// Rows by their keys, when they are as many as the paper's table has.
fn complete<K: Ord, V>(
    file: &'static str,
    rows: Vec<(K, V)>,
    expected: usize,
) -> Result<BTreeMap<K, V>, ReferenceError> {
    let lines = rows.len();
    let rows: BTreeMap<K, V> = rows.into_iter().collect();
    let found = rows.len();
    // Fewer keys than lines: a row stands there twice, and one of the two would be lost.
    if found == expected && lines == expected {
        Ok(rows)
    } else {
        Err(ReferenceError::Rows { file, found, expected })
    }
}

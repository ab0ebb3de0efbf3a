//! What the paper prints: Tables 1 to 3, the cases, the known numbers of its figures, and its claims.
//!
//! "A Strategic Coordination Framework of Small LMs Matches Large LMs in Data Synthesis" (ACL 2025). The
//! files are `results/paper/`, compiled in, so that a program without its repository knows them. Cells are
//! exact ([`Ratio`]); nothing here is corrected, however plainly a number is wrong.
//!
//! [`Reference::number`] finds every number by a name: `table1/qwen2.5-7b/alpaca/gra/avg`, `claims/P28`. What a line of
//! a file holds is in `printed`.

mod printed;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use printed::{
    CaseLine, Claim, ClaimVerdict, FigureNumber, Iteration, Kind, Known, PrintedScores,
};

use crate::exact::{self, Ratio};
use crate::lines::{self, Line, LineError};
use crate::vocabulary::{BaseModel, Benchmark, DataSource, ITERATIONS, SeedDataset};

/// Least similarity (normalized Damerau-Levenshtein) at which a known name is suggested for an unknown one.
const NEAR: f64 = 0.8;

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
    pub(crate) cases: Vec<CaseLine>,
    /// The numbers of the figures that text or tables tell.
    pub figures: Vec<FigureNumber>,
    /// In the order of their ids within each kind.
    pub claims: Vec<Claim>,
}

/// A compiled-in file cannot be read as what the paper prints: a line is not what its columns mean, or a table has not the
/// number of rows that the paper's has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ReferenceError(String);

/// A number of the paper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// The printed text: `51.40`, `>0`, `true`.
    pub text: String,
    /// The number, where the text is one.
    pub number: Option<Ratio>,
}

/// A name has no number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The name is not known.
    #[error("the paper has no number `{path}`{}", suggestion(nearest.as_deref()))]
    Unknown {
        /// The name that was asked for.
        path: String,
        /// The most similar known name, if one is similar enough.
        nearest: Option<String>,
    },
    /// The name is known, of a claim in words for which the paper prints no number.
    #[error("the paper prints no number for `{0}`")]
    NothingPrinted(String),
}

fn suggestion(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("\nhint: is it `{nearest}`?"),
        None => {
            "\nhint: names begin with table1/, table2/, table3/, figure1/ to figure8/ or claims/"
                .to_owned()
        }
    }
}

impl Reference {
    /// Reads the files that are compiled in.
    ///
    /// # Errors
    /// When one of them is damaged; tests read them all.
    pub fn embedded() -> Result<Self, ReferenceError> {
        // A source that is known but not of this table would pass as a row that no formula reads.
        let key = |line: &Line, allowed: &[DataSource]| {
            let source = line.read("data_source")?;
            if !allowed.contains(&source) {
                return Err(line.field_error("data_source", "not of this table"));
            }
            Ok((line.read("base_model")?, line.read("seed_dataset")?, source))
        };
        let main = read(file!("table1.csv"), |line| {
            Ok((key(line, &DataSource::MAIN)?, PrintedScores::read(line)?))
        })?;
        let seed_data = read(file!("table2.csv"), |line| {
            Ok((key(line, &DataSource::SEED_DATA)?, line.cell("avg")?))
        })?;
        let iterations = read(file!("table3.csv"), |line| {
            let round = line.read("iteration")?;
            if !ITERATIONS.contains(&round) {
                return Err(line.field_error("iteration", "there are rounds 1 to 5"));
            }
            let key = (line.read("base_model")?, line.read("seed_dataset")?, round);
            let thousands = line.read("thousands")?;
            Ok((key, Iteration { thousands, scores: PrintedScores::read(line)? }))
        })?;
        // Two base models and three seed sets: with four sources 24 rows, with five rounds 30.
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

    /// The rounds of Table 3 whose ten columns are those of Table 1's GRA row.
    #[must_use]
    pub fn matched_rounds(&self, base: BaseModel, seed: SeedDataset) -> Vec<u8> {
        let columns = self.main(base, seed, DataSource::Gra).map(|scores| scores.columns);
        let of_round = |round| self.iteration(base, seed, round).map(|row| row.scores.columns);
        ITERATIONS.into_iter().filter(|round| of_round(*round) == columns).collect()
    }

    /// Looks a number up by its name.
    ///
    /// # Errors
    /// When the name has no number; suggests the nearest known name.
    pub fn number(&self, path: &str) -> Result<Quoted, PathError> {
        let known = self.numbers();
        let Some((_, text)) = known.iter().find(|(name, _)| name == path) else {
            // A typing error deserves a suggestion; a name of another kind is told how names begin.
            let likeness = |name: &str| strsim::normalized_damerau_levenshtein(name, path);
            let scored = known.iter().map(|(name, _)| (likeness(name), name));
            let nearest = scored.reduce(|best, next| if next.0 > best.0 { next } else { best });
            let nearest = nearest.filter(|(likeness, _)| *likeness >= NEAR);
            let nearest = nearest.map(|(_, name)| name.clone());
            return Err(PathError::Unknown { path: path.to_owned(), nearest });
        };
        if text.is_empty() {
            return Err(PathError::NothingPrinted(path.to_owned()));
        }
        Ok(Quoted { text: text.clone(), number: exact::parse(text) })
    }

    /// The name and the printed text of every number: Table 1, Table 3, Table 2, figures, claims, each in the order of
    /// its rows.
    fn numbers(&self) -> Vec<(String, String)> {
        let row = |path: String, scores: &PrintedScores| {
            let columns =
                Benchmark::ALL.map(|c| (format!("{path}/{c}"), exact::fixed(scores.column(c), 2)));
            let average = (format!("{path}/avg"), exact::fixed(scores.average, 2));
            columns.into_iter().chain([average])
        };
        let main = self.main.iter().flat_map(|((base, seed, source), scores)| {
            row(format!("table1/{base}/{seed}/{source}"), scores)
        });
        let iterations = self.iterations.iter().flat_map(|((base, seed, round), iteration)| {
            row(format!("table3/{base}/{seed}/{round}"), &iteration.scores)
        });
        let seed_data = self.seed_data.iter().map(|((base, seed, source), average)| {
            (format!("table2/{base}/{seed}/{source}/avg"), exact::fixed(*average, 2))
        });
        let figures = self.figures.iter().map(|number| {
            let path = format!("figure{}/{}/{}", number.figure, number.series, number.x);
            // Series have names of several words in the file; paths hold no blanks.
            (path.replace(' ', "-"), exact::fixed(number.value, 2))
        });
        let claims = self.claims.iter();
        let claims = claims.map(|claim| (format!("claims/{}", claim.id), claim.printed.clone()));
        main.chain(iterations).chain(seed_data).chain(figures).chain(claims).collect()
    }
}

/// Reads every line of a file with the same function.
fn read<T, All: FromIterator<T>>(
    (file, csv): (&str, &str),
    one: impl Fn(&Line) -> Result<T, LineError>,
) -> Result<All, ReferenceError> {
    let lines = lines::read(csv.as_bytes());
    let all = lines.and_then(|lines| lines.iter().map(one).collect());
    all.map_err(|error| ReferenceError(format!("{file}: {error}")))
}

/// Rows by their keys, when they are as many as the paper's table has.
fn complete<K: Ord, V>(
    file: &str,
    rows: Vec<(K, V)>,
    expected: usize,
) -> Result<BTreeMap<K, V>, ReferenceError> {
    let lines = rows.len();
    let rows: BTreeMap<K, V> = rows.into_iter().collect();
    let found = rows.len();
    // Fewer keys than lines: a row stands there twice, and one of the two would be lost.
    if (found, lines) != (expected, expected) {
        return Err(ReferenceError(format!("{file} has {found} different rows, not {expected}")));
    }
    Ok(rows)
}

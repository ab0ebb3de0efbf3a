//! Tables 1 to 3 of the paper, regenerated: what it prints, what was measured here beside it, and footnotes
//! where its own numbers disagree (paper, sections 4.2, 4.3 and 5.3).
//!
//! [`Table::from_reference`] puts a table together; what it looks like is for the formats: terminal, Markdown, LaTeX,
//! HTML and CSV. A printed value is never corrected; where the average of a row is no mean of its columns, or
//! another place of the paper says otherwise, a footnote holds the other number.
//!
//! Here are the rows: the paper's cells, in its order, and what was measured of them; below them models that are none of
//! the paper's. Notes are in `footnotes`, and what every format shows in `formats`.

mod footnotes;
mod formats;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::benchmarks::difference::{self, ScoreSum};
use crate::benchmarks::{BenchmarkScore, Benchmarks, ModelScores, OtherModel, Trained};
use crate::exact::Ratio;
use crate::vocabulary::GROUPS;
use crate::{BaseModel, Benchmark, DataSource, ITERATIONS, PrintedScores, Reference, SeedDataset};

/// One of the paper's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TableNumber {
    /// Sources of data, on ten benchmarks.
    Main,
    /// Seed data that GRA refined, and both together.
    SeedData,
    /// Rounds of synthesis, on ten benchmarks.
    Iterations,
}

impl TableNumber {
    /// Every table, by number.
    pub const ALL: [Self; 3] = [Self::Main, Self::SeedData, Self::Iterations];

    /// The number that the paper gives it, 1 to 3.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8 + 1
    }

    /// A title that says what the table is about; not the paper's caption.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Main => "Scores by source of the training data",
            Self::SeedData => "Average scores with seed data that GRA refined",
            Self::Iterations => "Scores by rounds of synthesis",
        }
    }
}

impl fmt::Display for TableNumber {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Table {}", self.number())
    }
}

impl FromStr for TableNumber {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|table| table.number().to_string() == text);
        found.ok_or_else(|| format!("the paper has no table `{text}`; there are 1, 2 and 3"))
    }
}

/// A number of the table: what the paper prints, and what was measured here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// The name by which `Reference::number` finds the printed number; of what was measured alone, the like.
    pub path: String,
    /// The printed score, per cent; `None` of a row that the paper does not have.
    pub printed: Option<Ratio>,
    /// The mean of the columns, for an average that stands beside them.
    pub recomputed: Option<Ratio>,
    /// Whether the printed score is the largest of its column in its block.
    pub is_best: bool,
    /// The number of its footnote, from 1.
    pub note: Option<usize>,
    /// The score that was measured here.
    pub here: Option<BenchmarkScore>,
    /// That score less the one of the block's reference row.
    pub less_reference: Option<ScoreSum>,
}

/// A row of the paper's table, or one of the same form that was measured alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The source of data or the round: `GRA`, `round 3, 30K`.
    pub label: String,
    /// How many rounds of synthesis the data of its measured model is of.
    pub rounds: Option<u8>,
    /// One cell per heading.
    pub cells: Vec<Cell>,
}

/// Rows that are compared with each other: those of a base model, and where a row has ten columns also of a seed
/// set.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Base model and seed set: `Qwen2.5-7B, Alpaca`.
    pub title: String,
    /// The rows, in the paper's order.
    pub rows: Vec<Row>,
    /// The row that measured rows are compared with, by its label.
    pub reference: Option<String>,
}

/// A column's heading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heading {
    /// The heading that it shares with its neighbours; empty where there is none.
    pub group: &'static str,
    /// The heading of this column alone.
    pub title: &'static str,
}

/// A table of the paper, with what was measured here.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Which of the paper's tables it is.
    pub number: TableNumber,
    /// One heading per column of cells.
    pub headings: Vec<Heading>,
    /// The blocks, in the paper's order; in Table 1 those of other models that were measured here follow.
    pub blocks: Vec<Block>,
    /// The footnotes; a cell's note 1 is the first.
    pub notes: Vec<String>,
}

impl Table {
    /// Puts the printed table, what was measured of it, marks and footnotes together.
    #[must_use]
    pub fn from_reference(number: TableNumber, paper: &Reference, measured: &Benchmarks) -> Self {
        let (headings, blocks) = match number {
            TableNumber::Main => main_table(paper, measured),
            TableNumber::SeedData => seed_data(paper, measured),
            TableNumber::Iterations => iterations(paper, measured),
        };
        let mut table = Self { number, headings, blocks, notes: Vec::new() };
        mark_best(&mut table);
        // After the marks: a marked best that the recomputed averages deny has a note.
        footnotes::add(&mut table, paper);
        table
    }

    /// Whether anything of it was measured here.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        self.cells().any(|cell| cell.here.is_some())
    }

    /// All its cells, row by row.
    pub fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.blocks.iter().flat_map(|block| &block.rows).flat_map(|row| &row.cells)
    }
}

/// Headings of the ten benchmarks under their groups, and of the average.
fn headings() -> Vec<Heading> {
    let groups = GROUPS.iter().flat_map(|(group, columns)| std::iter::repeat_n(*group, *columns));
    let benchmarks = groups.zip(Benchmark::ALL);
    let benchmarks =
        benchmarks.map(|(group, benchmark)| Heading { group, title: benchmark.title() });
    benchmarks.chain([Heading { group: "", title: "AVG" }]).collect()
}

fn pairs() -> impl Iterator<Item = (BaseModel, SeedDataset)> {
    BaseModel::ALL.into_iter().flat_map(|base| SeedDataset::ALL.map(|seed| (base, seed)))
}

/// A row of ten benchmarks and their average, to be filled.
struct WholeRow<'a> {
    label: String,
    path: String,
    printed: Option<&'a PrintedScores>,
    measured: Option<&'a ModelScores>,
    rounds: Option<u8>,
}

/// Rows of ten benchmarks, each compared with one of them.
fn block(
    title: String,
    rows: &[WholeRow<'_>],
    is_reference: impl Fn(&WholeRow<'_>) -> bool,
) -> Block {
    // Where GRA was not measured, the first row that was stands in: differences need something to be taken to.
    let measured = || rows.iter().filter(|row| row.measured.is_some());
    let reference = measured().find(|row| is_reference(row)).or_else(|| measured().next());
    let filled = rows.iter().map(|row| row.fill(reference)).collect();
    Block { title, rows: filled, reference: reference.map(|row| row.label.clone()) }
}

impl WholeRow<'_> {
    fn fill(&self, reference: Option<&WholeRow<'_>>) -> Row {
        // A row has no difference to itself.
        let pair = reference.filter(|reference| reference.path != self.path);
        let pair = pair.and_then(|reference| self.measured.zip(reference.measured));
        let column = |benchmark: Benchmark| Cell {
            path: format!("{}/{benchmark}", self.path),
            printed: self.printed.map(|scores| scores.column(benchmark)),
            here: self.measured.and_then(|model| model.score(benchmark)),
            less_reference: pair
                .and_then(|(of, less)| difference::on_benchmark(of, less, benchmark)),
            ..Cell::default()
        };
        let average = Cell {
            path: format!("{}/avg", self.path),
            printed: self.printed.map(|scores| scores.average),
            // Table 2 prints averages alone, so only here is there a mean to hold one against.
            recomputed: self.printed.map(PrintedScores::mean),
            here: self.measured.and_then(ModelScores::average),
            less_reference: pair.and_then(|(of, less)| difference::of_averages(of, less)),
            ..Cell::default()
        };
        let cells = Benchmark::ALL.map(column).into_iter().chain([average]).collect();
        Row { label: self.label.clone(), rounds: self.rounds, cells }
    }
}

fn main_table(paper: &Reference, measured: &Benchmarks) -> (Vec<Heading>, Vec<Block>) {
    let of_paper = |(base, seed): (BaseModel, SeedDataset)| {
        let row = |source: DataSource| {
            let model = measured.chosen(base, seed, source);
            Some(WholeRow {
                label: source.title().to_owned(),
                path: format!("table1/{base}/{seed}/{source}"),
                printed: Some(paper.main(base, seed, source)?),
                measured: model.and_then(|model| measured.of(model)),
                rounds: model.and_then(|model| model.round),
            })
        };
        let rows: Vec<WholeRow<'_>> = DataSource::MAIN.into_iter().filter_map(row).collect();
        let is_gra = |row: &WholeRow<'_>| row.label == DataSource::Gra.title();
        block(format!("{}, {}", base.title(), seed.title()), &rows, is_gra)
    };
    let blocks = pairs().map(of_paper).chain(other_models(measured));
    (headings(), blocks.collect())
}

/// A block for each base model, seed set and protocol that is none of the paper's.
fn other_models(measured: &Benchmarks) -> Vec<Block> {
    let mut blocks: BTreeMap<String, Vec<WholeRow<'_>>> = BTreeMap::new();
    for (model, scores) in measured.others() {
        let OtherModel { protocol, base, seed, source, round } = model;
        let title = format!("{base}, {seed}, {protocol}");
        // Sources of the paper are called as in its own blocks, others as their lines say.
        let known: Option<DataSource> = source.parse().ok();
        let mut label = known.map_or_else(|| source.clone(), |source| source.title().to_owned());
        if let Some(round) = round {
            label = format!("{label}, round {round}");
        }
        let rounds = round.map_or_else(String::new, |round| format!("/{round}"));
        let path = format!("here/{protocol}/{base}/{seed}/{source}{rounds}");
        let row = WholeRow { label, path, printed: None, measured: Some(scores), rounds: *round };
        blocks.entry(title).or_default().push(row);
    }
    // Labels of GRA's data say rounds at most: "GRA, refined seed data" is another source.
    let is_gra =
        |row: &WholeRow<'_>| row.label.split(", round ").next() == Some(DataSource::Gra.title());
    blocks.into_iter().map(|(title, rows)| block(title, &rows, is_gra)).collect()
}

fn iterations(paper: &Reference, measured: &Benchmarks) -> (Vec<Heading>, Vec<Block>) {
    let of_paper = |(base, seed): (BaseModel, SeedDataset)| {
        let row = |round: u8| {
            let iteration = paper.iteration(base, seed, round)?;
            let model = Trained { base, seed, source: DataSource::Gra, round: Some(round) };
            Some(WholeRow {
                label: format!("round {round}, {}K", iteration.thousands),
                path: format!("table3/{base}/{seed}/{round}"),
                printed: Some(&iteration.scores),
                measured: measured.of(model),
                rounds: Some(round),
            })
        };
        let rows: Vec<WholeRow<'_>> = ITERATIONS.into_iter().filter_map(row).collect();
        block(format!("{}, {}", base.title(), seed.title()), &rows, |_| true)
    };
    (headings(), pairs().map(of_paper).collect())
}

fn seed_data(paper: &Reference, measured: &Benchmarks) -> (Vec<Heading>, Vec<Block>) {
    let of_base = |base: BaseModel| {
        let scores = |seed, source| measured.of(measured.chosen(base, seed, source)?);
        let less_gra = |seed, source: DataSource| -> Option<ScoreSum> {
            let gra = scores(seed, DataSource::Gra).filter(|_| source != DataSource::Gra)?;
            difference::of_averages(scores(seed, source)?, gra)
        };
        let row = |source: DataSource| {
            // A cell of Table 2 is an average of ten benchmarks, so its model may differ from its neighbours'.
            let cell = |seed: SeedDataset| {
                Some(Cell {
                    path: format!("table2/{base}/{seed}/{source}/avg"),
                    printed: Some(paper.seed_data(base, seed, source)?),
                    here: scores(seed, source).and_then(ModelScores::average),
                    less_reference: less_gra(seed, source),
                    ..Cell::default()
                })
            };
            let cells = SeedDataset::ALL.map(cell).into_iter().collect::<Option<Vec<Cell>>>()?;
            Some(Row { label: source.title().to_owned(), rounds: None, cells })
        };
        let rows = DataSource::SEED_DATA.into_iter().filter_map(row).collect();
        let reference = Some(DataSource::Gra.title().to_owned());
        Block { title: base.title().to_owned(), rows, reference }
    };
    let headings = SeedDataset::ALL.map(|seed| Heading { group: "", title: seed.title() });
    (headings.to_vec(), BaseModel::ALL.map(of_base).to_vec())
}

/// Marks the largest printed value of each column in each block, all of them when several are equal.
fn mark_best(table: &mut Table) {
    for block in &mut table.blocks {
        for column in 0..table.headings.len() {
            // Within a block only: base models and seed sets are not compared with each other.
            let best = block.rows.iter().filter_map(|row| row.cells[column].printed).max();
            for row in &mut block.rows {
                let cell = &mut row.cells[column];
                cell.is_best = best.is_some() && cell.printed == best;
            }
        }
    }
}

/// The row of a block whose last column is the largest when averages are recomputed.
pub(super) fn best_by_columns(block: &Block) -> Option<usize> {
    let mean = |row: &Row| row.cells.last().and_then(|cell| cell.recomputed);
    let means: Vec<Ratio> = block.rows.iter().map(mean).collect::<Option<_>>()?;
    let best = means.iter().max()?;
    means.iter().position(|mean| mean == best)
}

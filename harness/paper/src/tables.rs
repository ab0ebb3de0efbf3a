//! Tables 1 to 3 of the paper, regenerated: what it prints, what was measured here beside it, and footnotes
//! where its own numbers disagree (paper, sections 4.2, 4.3 and 5.3).
//!
//! [`Table::from_reference`] puts a table together; what it looks like is for the formats: terminal, Markdown, LaTeX,
//! HTML and CSV. A printed value is never corrected; where the average of a row is no mean of its columns, or
//! another place of the paper says otherwise, a footnote holds the other number.
//!
//! # Layout
//!
//! - `rows`: the paper's cells, and what was measured
//! - `footnotes`: notes where two printed numbers disagree
//! - `layout`: the lines that every format but CSV shows; terminal text and Markdown
//! - `formats`: CSV, LaTeX and HTML, for other programs

mod footnotes;
mod formats;
mod layout;
mod rows;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use crate::Reference;
use crate::benchmarks::difference::ScoreSum;
use crate::benchmarks::{BenchmarkScore, Benchmarks};
use crate::exact::Ratio;

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
            TableNumber::Main => rows::main(paper, measured),
            TableNumber::SeedData => rows::seed_data(paper, measured),
            TableNumber::Iterations => rows::iterations(paper, measured),
        };
        let mut table = Self { number, headings, blocks, notes: Vec::new() };
        rows::mark_best(&mut table);
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

//! Tables 1 to 3 of the paper, regenerated: what it prints, what was measured here beside it, and footnotes
//! where its own numbers disagree (paper, sections 4.2, 4.3 and 5.3).
//!
//! [`Table::of`] puts a table together; what it looks like is for the formats: terminal, Markdown, LaTeX,
//! HTML and CSV. A printed value is never corrected; where the average of a row is no mean of its columns, or
//! another place of the paper says otherwise, a footnote holds the other number.
//!
//! # Layout
//!
//! - `rows`: the paper's cells, and what was measured
//! - `footnotes`: what disagrees with what
//! - `layout`: the lines that every format but CSV shows
//! - `delimited`, `latex`, `html`: formats; terminal and Markdown are `crate::grid`'s

mod delimited;
mod footnotes;
mod html;
mod latex;
mod layout;
mod rows;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use crate::Reference;
use crate::benchmarks::{Benchmarks, Score, Trained};
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
    /// All three.
    pub const ALL: [Self; 3] = [Self::Main, Self::SeedData, Self::Iterations];

    /// 1, 2 or 3.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8 + 1
    }

    /// What the table is about.
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
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Its name, as `Reference::number` knows it.
    pub path: String,
    /// Per cent.
    pub printed: Ratio,
    /// For an average beside its columns: their mean.
    pub recomputed: Option<Ratio>,
    /// Whether it is the largest printed one of its column in its block.
    pub is_best: bool,
    /// Its footnote, from 1.
    pub note: Option<usize>,
    /// What was measured.
    pub here: Option<Score>,
}

/// A row of cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// E.g. `GRA`, `round 3, 30K`.
    pub label: String,
    /// The models that stand for it here; one, or in Table 2 one per cell.
    pub here: Vec<Trained>,
    /// One per column.
    pub cells: Vec<Cell>,
}

/// Rows that are compared with each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// E.g. `Qwen2.5-7B, Alpaca`.
    pub title: String,
    /// In the paper's order.
    pub rows: Vec<Row>,
}

/// A column's heading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heading {
    /// The heading over it and its neighbours; empty where there is none.
    pub group: &'static str,
    /// Its own.
    pub title: &'static str,
}

/// A table of the paper, with what was measured here.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Which.
    pub number: TableNumber,
    /// One per column of cells.
    pub headings: Vec<Heading>,
    /// In the paper's order.
    pub blocks: Vec<Block>,
    /// Footnotes, by number.
    pub notes: Vec<String>,
}

impl Table {
    /// Puts a table together.
    #[must_use]
    pub fn of(number: TableNumber, paper: &Reference, measured: &Benchmarks) -> Self {
        let (headings, blocks) = match number {
            TableNumber::Main => rows::main(paper, measured),
            TableNumber::SeedData => rows::seed_data(paper, measured),
            TableNumber::Iterations => rows::iterations(paper, measured),
        };
        let mut table = Self { number, headings, blocks, notes: Vec::new() };
        rows::mark_best(&mut table);
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

    /// Aligned lines for a terminal, with footnotes.
    #[must_use]
    pub fn terminal(&self) -> String {
        layout::terminal(self)
    }

    /// A Markdown section with the table and its footnotes.
    #[must_use]
    pub fn markdown(&self) -> String {
        layout::markdown(self)
    }

    /// A LaTeX float; needs the packages `booktabs` and `graphicx`.
    #[must_use]
    pub fn latex(&self) -> String {
        latex::of(self)
    }

    /// An HTML fragment: a `section` with a `table` and its footnotes. All text is escaped.
    #[must_use]
    pub fn html(&self) -> String {
        html::of(self)
    }

    /// A line per cell: `table`, its path, `block`, `row`, `column`, then `printed`, `recomputed` and
    /// `is_best`, then `here`, `low`, `high`, `n`, `trainings`, `spread` and `less_paper`, then its `note`.
    /// Fields are empty where there is no number.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write_csv(tables: &[Self], writer: impl Write) -> io::Result<()> {
        delimited::write(tables, writer)
    }
}

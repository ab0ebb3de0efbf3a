//! The rows of the paper's tables, its cases and the known numbers of its figures, as printed.

use crate::exact::Ratio;
use crate::lines::{Line, LineError};
use crate::vocabulary::{Benchmark, names};

/// Scores that a row of Table 1 or 3 prints, per cent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrintedScores {
    /// One score per benchmark, in the order of [`Benchmark::ALL`].
    pub columns: [Ratio; 10],
    /// The printed average, which is not always the mean of the columns.
    pub average: Ratio,
}

impl PrintedScores {
    pub(super) fn read(line: &Line) -> Result<Self, LineError> {
        let mut columns = [Ratio::ZERO; 10];
        for (column, benchmark) in columns.iter_mut().zip(Benchmark::ALL) {
            *column = line.cell(benchmark.id())?;
        }
        Ok(Self { columns, average: line.cell("avg")? })
    }

    /// The printed score on a benchmark.
    #[must_use]
    pub const fn column(&self, benchmark: Benchmark) -> Ratio {
        self.columns[benchmark as usize]
    }

    /// The mean of the ten printed columns.
    #[must_use]
    pub fn mean(&self) -> Ratio {
        self.columns.iter().sum::<Ratio>() / 10
    }
}

/// A row of Table 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Iteration {
    /// Size of the training data as printed, in thousands of samples.
    pub thousands: i128,
    /// Scores of the model that was trained on it.
    pub scores: PrintedScores,
}

/// Scores that a case prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseLine {
    /// Number of the case, 1 or 2.
    pub case: u8,
    /// Role whose scores these are: `reviewer`, `committee` or `adjudicator`.
    pub role: String,
    /// Printed scores of the dimensions; empty where only a mean is printed.
    pub scores: Vec<i128>,
    /// The printed mean, where there is one.
    pub mean: Option<Ratio>,
    /// The printed spread (sigma), where there is one.
    pub spread: Option<Ratio>,
}

impl CaseLine {
    pub(super) fn read(line: &Line) -> Result<Self, LineError> {
        let number =
            |column: &'static str| line.optional(column).map(|_| line.decimal(column)).transpose();
        let scores = line.text("scores")?.split_whitespace().map(str::parse);
        Ok(Self {
            case: line.read("case")?,
            role: line.text("role")?.to_owned(),
            scores: scores
                .collect::<Result<_, _>>()
                .map_err(|error| line.field_error("scores", error))?,
            mean: number("mean")?,
            spread: number("spread")?,
        })
    }
}

names! {
    /// How a number of a figure is known.
    Known, "way to know a number", [
        /// Running text prints it.
        Text "text" "running text",
        /// A table holds it.
        Table "table" "a table",
        /// It follows from what is printed.
        Derived "derived" "other numbers",
    ]
}

/// A number that a figure of the paper shows, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FigureNumber {
    /// Number of the figure, 1 to 8.
    pub figure: u8,
    /// Name of what is shown, e.g. `gra`.
    pub series: String,
    /// Place on the horizontal axis, e.g. `alpaca`, or round `3`.
    pub x: String,
    /// The number, in the unit of the figure.
    pub value: Ratio,
    /// How the number is known.
    pub known: Known,
    /// The path of a table's cell, a section of the paper, or the calculation.
    pub source: String,
}

impl FigureNumber {
    pub(super) fn read(line: &Line) -> Result<Self, LineError> {
        Ok(Self {
            figure: line.read("figure")?,
            series: line.text("series")?.to_owned(),
            x: line.text("x")?.to_owned(),
            value: line.cell("value")?,
            known: line.read("known")?,
            source: line.text("source")?.to_owned(),
        })
    }
}

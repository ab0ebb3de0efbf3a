//! The lines of the files of `results/paper/`: rows of tables, cases, known numbers of figures, and claims with the
//! audit's verdicts on them.

use std::fmt;
use std::str::FromStr;

use crate::exact::{self, Ratio};
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
        // Exact: such means may end in a five, which floats would round either way.
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
        // As they are printed, however many: one case has seven scores for six dimensions.
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

names! {
    /// Where a claim is from.
    Kind, "kind of claim", [
        /// The paper makes it, and it says something of data, models or compute.
        Finding "finding" "What the paper finds",
        /// The paper makes it of itself: numbers of its set-up, its prompts and its two cases, sums and averages.
        Bookkeeping "bookkeeping" "What the paper says of its own set-up, and sums that add up",
        /// Two places of the paper should agree; the paper does not say so.
        Consistency "consistency" "Places that should agree with each other",
        /// It follows from the tables; the paper does not make it.
        Derived "derived" "What follows from the tables",
    ]
}

/// What becomes of a claim when it is recomputed from what the paper prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClaimVerdict {
    /// The recomputed number is the printed one, or within its bound.
    Holds,
    /// The recomputed number is this far from the printed one.
    Off(Ratio),
    /// The paper's own tables or text say otherwise.
    Contradicted,
    /// Nothing printed decides it.
    NotMeasurable,
    /// The paper claims nothing; the number is only noted.
    Derived,
    /// Of measurements alone: the interval holds numbers that meet the claim and numbers that do not.
    CannotTell,
}

impl ClaimVerdict {
    /// The verdict as one word, without a distance: `holds`, `off`, `contradicted`, `not-measurable`, `derived`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Off(_) => "off",
            Self::Contradicted => "contradicted",
            Self::NotMeasurable => "not-measurable",
            Self::Derived => "derived",
            Self::CannotTell => "cannot tell",
        }
    }
}

impl fmt::Display for ClaimVerdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off(distance) => write!(out, "off by {}", exact::shown(*distance)),
            Self::NotMeasurable => out.write_str("not measurable yet"),
            other => out.write_str(other.word()),
        }
    }
}

impl FromStr for ClaimVerdict {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Only this verdict holds a number; the others are read as they are written.
        let off = text.strip_prefix("off by ").and_then(exact::parse).map(Self::Off);
        let plain = [Self::Holds, Self::Contradicted, Self::NotMeasurable, Self::Derived];
        off.or_else(|| plain.into_iter().find(|verdict| verdict.to_string() == text)).ok_or_else(|| {
            format!(
                "`{text}` is no verdict; there are holds, off by x, contradicted, not measurable yet, \
                 derived"
            )
        })
    }
}

/// What [`Claim::recomputed`] holds for a claim that reading alone decides: a count of a list, arithmetic on numbers
/// of the text.
const STATED: &str = "stated, nothing to compute";

/// A line of `claims.csv`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// `P28`: a letter for where it is from (P the paper, X, A) and a number.
    pub id: String,
    /// Where it is from.
    pub kind: Kind,
    /// The place in the paper: `4.2`, `D` (an appendix), `table1`, `abstract`, or `repo` for the authors' code.
    pub section: String,
    /// What is claimed; not a quotation.
    pub claim: String,
    /// How it is recomputed, in the notation of `results/paper/README.md`; empty where nothing is computed.
    pub formula: String,
    /// What the paper prints; empty where it prints nothing.
    pub printed: String,
    /// What the formula gave, to four decimals; `stated, nothing to compute` where no number of the tables decides
    /// the claim; empty where the claim is no number.
    pub recomputed: String,
    /// The audit's verdict.
    pub verdict: ClaimVerdict,
    /// The reason for the verdict, and remarks.
    pub note: String,
}

impl Claim {
    /// Whether no number of the tables decides the claim, so that there is no formula and the verdict is from
    /// reading.
    #[must_use]
    pub fn is_stated(&self) -> bool {
        self.recomputed == STATED
    }

    pub(super) fn read(line: &Line) -> Result<Self, LineError> {
        let text = |column| line.text(column).map(str::to_owned);
        Ok(Self {
            id: text("id")?,
            kind: line.read("kind")?,
            section: text("section")?,
            claim: text("claim")?,
            formula: text("formula")?,
            printed: text("printed")?,
            recomputed: text("recomputed")?,
            verdict: line.read("verdict")?,
            note: text("note")?,
        })
    }
}

//! A claim of the paper and our verdict on it, as `claims.csv` holds them.

use std::fmt;
use std::str::FromStr;

use crate::exact::{self, Ratio};
use crate::lines::{Line, LineError};

/// Whose claim it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The paper's.
    Paper,
    /// Nobody's: two places of the paper that should agree.
    Consistency,
    /// Ours: what follows from the tables.
    Derived,
}

impl Kind {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 3] = [Self::Paper, Self::Consistency, Self::Derived];

    /// As files write it.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Consistency => "consistency",
            Self::Derived => "derived",
        }
    }

    /// As headings say it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Paper => "What the paper claims",
            Self::Consistency => "Places that should agree with each other",
            Self::Derived => "What follows from the tables",
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kind = Self::ALL.into_iter().find(|kind| kind.id() == text);
        kind.ok_or_else(|| format!("`{text}` is no kind; there are paper, consistency, derived"))
    }
}

/// What becomes of a claim when it is recomputed from what the paper prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It holds.
    Holds,
    /// The number is another, this far away.
    Off(Ratio),
    /// The paper's own tables or text say otherwise.
    Contradicted,
    /// Nothing printed decides it.
    NotMeasurable,
    /// Nothing is claimed.
    Derived,
}

impl Verdict {
    /// Without the distance: `holds`, `off`, `contradicted`, `not-measurable`, `derived`; one word each.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Off(_) => "off",
            Self::Contradicted => "contradicted",
            Self::NotMeasurable => "not-measurable",
            Self::Derived => "derived",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off(distance) => write!(out, "off by {}", exact::shown(*distance)),
            Self::NotMeasurable => out.write_str("not measurable yet"),
            other => out.write_str(other.word()),
        }
    }
}

impl FromStr for Verdict {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
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
    /// E.g. `P28`.
    pub id: String,
    /// Whose it is.
    pub kind: Kind,
    /// Where in the paper.
    pub section: String,
    /// In our words.
    pub claim: String,
    /// How it is recomputed, in the notation of `results/paper/README.md`; empty where it is not.
    pub formula: String,
    /// What the paper prints; empty where it prints nothing.
    pub printed: String,
    /// What the formula gave, to four decimals; `stated, nothing to compute` where no number of the tables decides
    /// the claim; empty where the claim is no number.
    pub recomputed: String,
    /// What follows.
    pub verdict: Verdict,
    /// Why, and what else there is to know.
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

//! Statistics of a seed set: how long its texts are, what it brings, what stands out.

use std::collections::BTreeMap;

use gra_synth::domain::Domain;
use gra_synth::pool::SeedItem;
use serde::Serialize;

use super::{Account, Format, SeedSet};

/// How many of the longest instructions are shown.
const LONGEST: usize = 5;

/// Characters of an instruction that are shown.
const PREVIEW: usize = 60;

/// What a seed set is like.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    /// The format it was read as.
    pub format: Format,
    /// SHA-256 of the file's bytes.
    pub sha256: String,
    /// What became of the file's records.
    #[serde(flatten)]
    pub account: Account,
    /// Items with a response.
    pub with_response: usize,
    /// Items that bring an annotation.
    pub with_annotation: usize,
    /// Items that bring an annotation, by domain; every domain when any does, else empty.
    pub domains: BTreeMap<Domain, usize>,
    /// Lengths of the instructions.
    pub instructions: Lengths,
    /// Lengths of the responses, when there are any.
    pub responses: Option<Lengths>,
    /// The longest instructions, the longest first.
    pub longest: Vec<Long>,
    /// Items whose instruction has characters beyond ASCII.
    pub non_ascii_items: usize,
    /// Share of the instructions' characters that are beyond ASCII, from 0 to 1.
    pub non_ascii_share: f64,
}

/// How long some texts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Lengths {
    /// In characters (Unicode scalar values).
    pub characters: Quartiles,
    /// In words, with white space between them.
    pub words: Quartiles,
}

/// Where the quarters of some numbers begin and end; each is one of the numbers (nearest rank).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "each is what its name says")]
pub struct Quartiles {
    pub min: usize,
    pub first: usize,
    pub median: usize,
    pub third: usize,
    pub max: usize,
}

/// A long instruction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Long {
    /// Number of the item.
    pub number: u32,
    /// Its length in characters.
    pub characters: usize,
    /// How it begins, on one line.
    pub begins: String,
}

/// Describes a seed set.
#[must_use]
pub fn describe(set: &SeedSet) -> Description {
    let annotated = || set.items.iter().filter_map(|item| item.annotation.as_ref());
    let with_annotation = annotated().count();
    let mut domains = BTreeMap::new();
    if with_annotation > 0 {
        domains.extend(Domain::ALL.map(|domain| (domain, 0)));
    }
    for annotation in annotated() {
        *domains.entry(annotation.domain).or_default() += 1;
    }
    let instructions = || set.items.iter().map(|item| item.instruction.as_str());
    let responses: Vec<&str> =
        set.items.iter().filter_map(|item| item.response.as_deref()).collect();
    let characters: usize = instructions().map(|text| text.chars().count()).sum();
    let non_ascii: usize =
        instructions().map(|text| text.chars().filter(|c| !c.is_ascii()).count()).sum();
    Description {
        format: set.format,
        sha256: set.sha256.clone(),
        account: set.account(),
        with_response: responses.len(),
        with_annotation,
        domains,
        instructions: Lengths::of(instructions()),
        responses: (!responses.is_empty()).then(|| Lengths::of(responses.iter().copied())),
        longest: longest(&set.items),
        non_ascii_items: instructions().filter(|text| !text.is_ascii()).count(),
        non_ascii_share: share(non_ascii, characters),
    }
}

impl Lengths {
    fn of<'a>(texts: impl Iterator<Item = &'a str> + Clone) -> Self {
        Self {
            characters: Quartiles::of(texts.clone().map(|text| text.chars().count()).collect()),
            words: Quartiles::of(texts.map(|text| text.split_whitespace().count()).collect()),
        }
    }
}

impl Quartiles {
    /// Of no numbers at all, zeros.
    fn of(mut numbers: Vec<usize>) -> Self {
        numbers.sort_unstable();
        // The smallest number that at least `quarter` quarters of all are not above.
        let at = |quarter: usize| {
            let rank = (numbers.len() * quarter).div_ceil(4).max(1);
            numbers.get(rank - 1).copied().unwrap_or_default()
        };
        Self { min: at(0), first: at(1), median: at(2), third: at(3), max: at(4) }
    }
}

fn longest(items: &[SeedItem]) -> Vec<Long> {
    let mut all: Vec<_> =
        items.iter().map(|item| (item.instruction.chars().count(), item)).collect();
    // Of equal length the earlier item, so that a file has one description.
    all.sort_by(|(a, one), (b, other)| b.cmp(a).then(one.number.cmp(&other.number)));
    all.truncate(LONGEST);
    let long = |(characters, item): (usize, &SeedItem)| Long {
        number: item.number,
        characters,
        begins: preview(&item.instruction),
    };
    all.into_iter().map(long).collect()
}

/// The beginning of a text on one line, safe for a terminal.
fn preview(text: &str) -> String {
    let clean = |c: char| if c.is_control() || c.is_whitespace() { ' ' } else { c };
    let shown: String = text.chars().take(PREVIEW).map(clean).collect();
    if text.chars().nth(PREVIEW).is_some() { shown + "..." } else { shown }
}

#[expect(clippy::cast_precision_loss, reason = "a share, shown with a few digits")]
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

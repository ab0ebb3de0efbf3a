//! Seed items and the pool D(t): what generation draws its examples from.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::domain::Domain;
use crate::similarity::Embedding;

/// Where a pool item or a call's subject comes from: a seed item or a candidate.
///
/// Written `s00012` (seed item 12) and `r1-00012` (round 1, candidate 12). Orders by round, then
/// number; seed items come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItemId {
    /// Place of a seed item in its seed set, from 0.
    Seed(u32),
    /// A candidate, and the sample it may become.
    Candidate {
        /// Round, from 1; 0 for a candidate whose instruction is the seed set's.
        round: u32,
        /// Number within the round, from 0, over all waves.
        number: u32,
    },
}

impl ItemId {
    /// The round that a candidate is of; `None` for a seed item.
    #[must_use]
    pub const fn round(self) -> Option<u32> {
        match self {
            Self::Seed(_) => None,
            Self::Candidate { round, .. } => Some(round),
        }
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seed(number) => f.pad(&format!("s{number:05}")),
            Self::Candidate { round, number } => f.pad(&format!("r{round}-{number:05}")),
        }
    }
}

/// The text is no item id.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no item id; seed items look like s00012, candidates like r1-00012")]
pub struct ItemIdError(String);

impl FromStr for ItemId {
    type Err = ItemIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            if let Some(number) = text.strip_prefix('s') {
                return Some(Self::Seed(number.parse().ok()?));
            }
            let (round, number) = text.strip_prefix('r')?.split_once('-')?;
            Some(Self::Candidate { round: round.parse().ok()?, number: number.parse().ok()? })
        };
        parse().ok_or_else(|| ItemIdError(text.to_owned()))
    }
}

impl Serialize for ItemId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ItemId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Domain, keywords and summary of an item: what generation reads of it (paper, section 3 and appendix A).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Annotation {
    /// The one domain of the item.
    pub domain: Domain,
    /// One to three distinct keywords.
    pub keywords: Vec<String>,
    /// At most about 30 words, made from the instruction alone.
    pub summary: String,
}

/// A record of a seed set, before annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedItem {
    /// Place in the seed set, from 0; kept when other records were skipped.
    pub number: u32,
    /// The instruction, with the record's input joined by a blank line (METHOD.md, S2).
    pub instruction: String,
    /// Where the record's input begins in the instruction, where it has one. The method does not read
    /// it; measurements that put the two apart again do.
    pub input_at: Option<usize>,
    /// The record's answer, where it has one. The method reads it only to show it (METHOD.md, B4).
    pub response: Option<String>,
    /// Annotation that the seed set brought along; such an item is not annotated again.
    pub annotation: Option<Annotation>,
}

impl SeedItem {
    /// The item's id.
    #[must_use]
    pub const fn id(&self) -> ItemId {
        ItemId::Seed(self.number)
    }
}

/// An annotated instruction that generation may draw as an example and that deduplication
/// compares with.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolItem {
    /// Seed item or sample.
    pub id: ItemId,
    /// `None` for a seed item whose annotation stayed malformed: it is left out of sampling, and
    /// still no candidate may copy it.
    pub annotation: Option<Annotation>,
    /// Embedding of its instruction.
    pub embedding: Embedding,
}

/// The pool D(t-1), frozen while round t runs (METHOD.md, G2).
#[derive(Clone, Debug, Default)]
pub struct Pool {
    items: Vec<PoolItem>,
    by_domain: BTreeMap<Domain, Vec<usize>>,
    by_id: BTreeMap<ItemId, usize>,
    seed_share: BTreeMap<Domain, usize>,
}

impl Pool {
    /// D(0): the annotated seed set.
    #[must_use]
    pub fn from_seed(items: Vec<PoolItem>) -> Self {
        let mut pool = Self::default();
        pool.extend(items);
        // [G3] Counted once: samples of later rounds do not shift the draw of domains.
        pool.seed_share = pool.by_domain.iter().map(|(domain, of)| (*domain, of.len())).collect();
        pool
    }

    /// Adds the samples of a finished round.
    pub fn extend(&mut self, items: impl IntoIterator<Item = PoolItem>) {
        for item in items {
            // Without annotation it is no example, and is compared with all the same.
            if let Some(annotation) = &item.annotation {
                self.by_domain.entry(annotation.domain).or_default().push(self.items.len());
            }
            self.by_id.insert(item.id, self.items.len());
            self.items.push(item);
        }
    }

    /// Every item, seed items first, then round by round.
    #[must_use]
    pub fn items(&self) -> &[PoolItem] {
        &self.items
    }

    /// Places in [`Self::items`] of a domain's items, in pool order.
    pub(crate) fn of_domain(&self, domain: Domain) -> &[usize] {
        self.by_domain.get(&domain).map_or(&[], Vec::as_slice)
    }

    /// An item's annotation; `None` when it has none or is not in the pool.
    #[must_use]
    pub fn annotation(&self, id: ItemId) -> Option<&Annotation> {
        self.items[*self.by_id.get(&id)?].annotation.as_ref()
    }

    /// How many annotated seed items a domain has: its weight in the draw of domains (G3).
    pub(crate) fn seed_share(&self, domain: Domain) -> usize {
        self.seed_share.get(&domain).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back() {
        for id in [ItemId::Seed(12), ItemId::Candidate { round: 3, number: 104_217 }] {
            assert_eq!(id.to_string().parse::<ItemId>().unwrap(), id);
        }
        assert_eq!(ItemId::Seed(12).to_string(), "s00012");
        assert_eq!(ItemId::Candidate { round: 1, number: 7 }.to_string(), "r1-00007");
        for bad in ["", "s", "r1", "r-1", "x3", "r1-"] {
            assert!(bad.parse::<ItemId>().is_err(), "{bad}");
        }
    }
}

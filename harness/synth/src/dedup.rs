//! Near-duplicates by cosine of embeddings (paper, section 3.5; METHOD.md, D1-D4).

use std::cmp::Reverse;

use crate::candidate::Neighbour;
use crate::pool::ItemId;
use crate::request::Embedding;
use crate::similarity::{Shortlist, Slab, Vectors, cosine, pack, sweep};

/// Contenders that are compared with the pool at a time. Among themselves they are compared twice
/// over, so a block must be small beside the pool, and large beside what one product costs to set
/// up.
const BLOCK: usize = 1024;

/// An accepted candidate that wants to join the target pool.
#[derive(Clone, Debug)]
pub struct Contender {
    /// Its id; breaks ties, rising.
    pub id: ItemId,
    /// Sum of its review scores, the integer form of mu (all contenders have equally many
    /// reviewers); 0 for everyone when nobody reviews.
    pub score: u32,
    /// Embedding of its instruction.
    pub embedding: Embedding,
}

/// What became of a contender.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Whose.
    pub id: ItemId,
    /// The closest item that was in the target pool at its turn; `None` when the pool was empty.
    pub nearest: Option<Neighbour>,
    /// Whether it joined.
    pub kept: bool,
}

/// Goes through the contenders by falling score, then rising id. Each joins the target pool when
/// its largest cosine to anything in the pool, earlier joiners included, is below the limit. The
/// verdicts come in the order of the walk.
///
/// Verdicts, twins and cosines are those of a plain loop over [`Embedding::cosine`]
/// ([`crate::similarity`]); of items with equal cosines the smallest id is the twin.
///
/// # Panics
/// When the dimensions differ: vectors of two encoders were mixed.
#[must_use]
pub fn dedup<'a>(
    target: impl IntoIterator<Item = (ItemId, &'a Embedding)>,
    contenders: &[Contender],
    limit: f64,
) -> Vec<Verdict> {
    let mut walk: Vec<&Contender> = contenders.iter().collect();
    walk.sort_by_key(|contender| (Reverse(contender.score), contender.id));
    let values = pack(walk.iter().map(|contender| &contender.embedding));
    let all = Vectors::new(&values, walk.len());
    let mut pool = Target::new(target);
    let error = all.error_against(&all).max(all.error_against(&pool.rows()));
    let mut verdicts = Vec::with_capacity(walk.len());
    for (number, block) in walk.chunks(BLOCK).enumerate() {
        let rows = all.part(number * BLOCK..number * BLOCK + block.len());
        let before = pool.ids.len();
        let lists = pool.shortlists(rows, error);
        let among = scores(rows);
        let mut joined: Vec<usize> = Vec::new();
        for (at, (contender, mut list)) in block.iter().zip(lists).enumerate() {
            let with_joined: Vec<f32> = joined.iter().map(|&other| among[at][other]).collect();
            list.offer(Slab { first: before, scores: &with_joined });
            let nearest = pool.settle(list, rows.row(at));
            let kept = nearest.is_none_or(|neighbour| neighbour.cosine < limit);
            if kept {
                joined.push(at);
                pool.push(contender.id, rows.row(at));
            }
            verdicts.push(Verdict { id: contender.id, nearest, kept });
        }
    }
    verdicts
}

/// The item with the largest cosine to each of some embeddings; the smaller id on ties.
///
/// # Panics
/// When the dimensions differ: vectors of two encoders were mixed.
pub(crate) fn nearest<'a>(
    embeddings: &[Embedding],
    items: impl IntoIterator<Item = (ItemId, &'a Embedding)>,
) -> Vec<Option<Neighbour>> {
    let values = pack(embeddings);
    let rows = Vectors::new(&values, embeddings.len());
    let pool = Target::new(items);
    let lists = pool.shortlists(rows, rows.error_against(&pool.rows()));
    lists.into_iter().enumerate().map(|(at, list)| pool.settle(list, rows.row(at))).collect()
}

/// The target pool, packed.
struct Target {
    ids: Vec<ItemId>,
    values: Vec<f32>,
}

impl Target {
    fn new<'a>(items: impl IntoIterator<Item = (ItemId, &'a Embedding)>) -> Self {
        let (ids, embeddings): (Vec<ItemId>, Vec<&Embedding>) = items.into_iter().unzip();
        Self { ids, values: pack(embeddings) }
    }

    fn rows(&self) -> Vectors<'_> {
        Vectors::new(&self.values, self.ids.len())
    }

    fn push(&mut self, id: ItemId, row: &[f32]) {
        self.ids.push(id);
        self.values.extend_from_slice(row);
    }

    /// What may be nearest to each of some rows.
    fn shortlists(&self, rows: Vectors, error: f64) -> Vec<Shortlist> {
        let pool = self.rows();
        sweep(
            rows,
            pool,
            |_| Shortlist::new(error),
            |at, list: &mut Shortlist, slab| {
                list.offer(slab);
                let exact = |place| cosine(rows.row(at), pool.row(place));
                list.shorten(exact, |place| self.ids[place]);
            },
            |_, list| list,
        )
    }

    /// What is nearest to a row.
    fn settle(&self, list: Shortlist, row: &[f32]) -> Option<Neighbour> {
        let exact = |place| cosine(row, self.rows().row(place));
        let near = list.settle(exact, |place| self.ids[place])?;
        Some(Neighbour { id: self.ids[near.place], cosine: near.cosine })
    }
}

/// Scores of every row with every row.
fn scores(rows: Vectors) -> Vec<Vec<f32>> {
    let copy = |_, row: &mut Vec<f32>, slab: Slab| row.extend_from_slice(slab.scores);
    sweep(rows, rows, |_| Vec::with_capacity(rows.len()), copy, |_, row| row)
}

#[cfg(test)]
mod tests;

//! Near-duplicates by cosine of embeddings (paper, section 3.5; METHOD.md, D1-D4).

use std::cmp::Reverse;

use crate::candidate::Neighbour;
use crate::pool::ItemId;
use crate::similarity::{Embedding, Nearest, Slab, Vectors, pack, sweep};

/// Contenders that are compared with the pool at a time. Among themselves they are compared twice
/// over, so a block must be small beside the pool, and large beside what one product costs to set
/// up.
const BLOCK: usize = 1024;

/// An accepted candidate that is compared with the target pool.
#[derive(Clone, Debug)]
pub struct Contender {
    /// Its id; breaks ties, rising.
    pub id: ItemId,
    /// Sum of its review scores, the integer form of mu (all contenders have equally many
    /// reviewers); 0 for all without reviewers.
    pub score: u32,
    /// Embedding of its instruction.
    pub embedding: Embedding,
}

/// Whether a contender joined the target pool, and what was closest to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// The contender's id.
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
/// ([`crate::similarity`]); of items with equal cosines the smallest id is the twin. Long texts are compared
/// window by window, but only where the cosine of their vectors, which theirs cannot exceed, leaves it open.
///
/// # Panics
/// When the dimensions differ: vectors of two encoders were mixed.
#[must_use]
pub fn dedup<'a>(
    target: impl IntoIterator<Item = (ItemId, &'a Embedding)>,
    contenders: &[Contender],
    limit: f64,
) -> Vec<Verdict> {
    // [D3] The best first, so that of two near-duplicates the better one is kept.
    let mut walk: Vec<&Contender> = contenders.iter().collect();
    walk.sort_by_key(|contender| (Reverse(contender.score), contender.id));
    let values = pack(walk.iter().map(|contender| &contender.embedding));
    let all = Vectors::new(&values, walk.len());
    let mut pool = Target::new(target);
    let error = all.error_against(&all).max(all.error_against(&pool.rows()));
    let mut verdicts = Vec::with_capacity(walk.len());
    // Block by block: one matrix product compares a block with all that is in the pool before it, a second one
    // compares it with itself. What joins within the block is looked up in the second.
    for (number, block) in walk.chunks(BLOCK).enumerate() {
        let rows = all.part(number * BLOCK..number * BLOCK + block.len());
        let before = pool.ids.len();
        let texts: Vec<&Embedding> = block.iter().map(|contender| &contender.embedding).collect();
        let of_pool = pool.nearest(&texts, rows, error);
        let among = scores(rows);
        let mut joined: Vec<usize> = Vec::new();
        for (at, (contender, mut nearest)) in block.iter().zip(of_pool).enumerate() {
            let with_joined: Vec<f32> = joined.iter().map(|&other| among[at][other]).collect();
            let joined_here = Slab { first: before, scores: &with_joined };
            pool.compare(&mut nearest, &contender.embedding, joined_here);
            let nearest = pool.neighbour(nearest);
            // A cosine equal to the limit drops (paper, section 3.5: below 0.9 is kept).
            let kept = nearest.is_none_or(|neighbour| neighbour.cosine < limit);
            if kept {
                joined.push(at);
                pool.push(contender.id, &contender.embedding);
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
    let texts: Vec<&Embedding> = embeddings.iter().collect();
    let pool = Target::new(items);
    let found = pool.nearest(&texts, rows, rows.error_against(&pool.rows()));
    found.into_iter().map(|nearest| pool.neighbour(nearest)).collect()
}

/// The target pool.
struct Target {
    ids: Vec<ItemId>,
    texts: Vec<Embedding>,
    /// Their vectors, packed.
    values: Vec<f32>,
}

impl Target {
    fn new<'a>(items: impl IntoIterator<Item = (ItemId, &'a Embedding)>) -> Self {
        let items = items.into_iter().map(|(id, text)| (id, text.clone()));
        let (ids, texts): (Vec<ItemId>, Vec<Embedding>) = items.unzip();
        Self { ids, values: pack(&texts), texts }
    }

    fn rows(&self) -> Vectors<'_> {
        Vectors::new(&self.values, self.ids.len())
    }

    fn push(&mut self, id: ItemId, text: &Embedding) {
        self.ids.push(id);
        self.texts.push(text.clone());
        self.values.extend_from_slice(text.vector());
    }

    /// What is nearest to each of some texts, whose vectors are the rows.
    fn nearest(&self, texts: &[&Embedding], rows: Vectors, error: f64) -> Vec<Nearest> {
        let compare = |at: usize, nearest: &mut Nearest, slab: Slab| {
            self.compare(nearest, texts[at], slab);
        };
        sweep(rows, self.rows(), |_| Nearest::new(error), compare, |_, nearest| nearest)
    }

    /// Compares a text with items of consecutive places, by the products of their vectors with the text's.
    fn compare(&self, nearest: &mut Nearest, text: &Embedding, slab: Slab) {
        // [D1] Where the text or an item is long, a score is the cosine of whole texts, which theirs cannot exceed.
        nearest.offer(slab, |place| text.cosine(&self.texts[place]), |place| self.ids[place]);
    }

    fn neighbour(&self, nearest: Nearest) -> Option<Neighbour> {
        nearest.near.map(|near| Neighbour { id: self.ids[near.place], cosine: near.cosine })
    }
}

/// Scores of every row with every row.
fn scores(rows: Vectors) -> Vec<Vec<f32>> {
    let copy = |_, row: &mut Vec<f32>, slab: Slab| row.extend_from_slice(slab.scores);
    sweep(rows, rows, |_| Vec::with_capacity(rows.len()), copy, |_, row| row)
}

#[cfg(test)]
mod tests;

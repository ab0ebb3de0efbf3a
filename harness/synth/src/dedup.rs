//! Near-duplicates by cosine of embeddings (paper, section 3.5; METHOD.md, D1-D4).

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::candidate::Neighbour;
use crate::embedding::Embedding;
use crate::pool::ItemId;
use crate::similarity::{Near, Shortlist, Slab, Vectors, cosine, floor_below, pack, sweep};

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
        let lists = pool.shortlists(&texts, rows, error);
        let among = scores(rows);
        let mut joined: Vec<usize> = Vec::new();
        for (at, (contender, mut list)) in block.iter().zip(lists).enumerate() {
            let with_joined: Vec<f32> = joined.iter().map(|&other| among[at][other]).collect();
            list.offer(&pool, Slab { first: before, scores: &with_joined });
            let nearest = pool.settle(list);
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
    let lists = pool.shortlists(&texts, rows, rows.error_against(&pool.rows()));
    lists.into_iter().map(|list| pool.settle(list)).collect()
}

/// The target pool, packed.
struct Target {
    ids: Vec<ItemId>,
    values: Vec<f32>,
    /// Texts that the encoder does not read at once, by place.
    long: BTreeMap<usize, Embedding>,
}

impl Target {
    fn new<'a>(items: impl IntoIterator<Item = (ItemId, &'a Embedding)>) -> Self {
        let (ids, embeddings): (Vec<ItemId>, Vec<&Embedding>) = items.into_iter().unzip();
        let long = embeddings.iter().enumerate().filter(|(_, text)| text.is_long());
        let long = long.map(|(place, text)| (place, (*text).clone())).collect();
        Self { ids, values: pack(embeddings), long }
    }

    fn rows(&self) -> Vectors<'_> {
        Vectors::new(&self.values, self.ids.len())
    }

    fn push(&mut self, id: ItemId, text: &Embedding) {
        if text.is_long() {
            self.long.insert(self.ids.len(), text.clone());
        }
        self.ids.push(id);
        self.values.extend_from_slice(text.vector());
    }

    /// What may be nearest to each of some texts, whose vectors are the rows.
    fn shortlists<'t>(
        &self,
        texts: &[&'t Embedding],
        rows: Vectors,
        error: f64,
    ) -> Vec<Contest<'t>> {
        sweep(
            rows,
            self.rows(),
            |at| Contest { text: texts[at], list: Shortlist::new(error), error, of_long: None },
            |_, contest: &mut Contest<'t>, slab| {
                contest.offer(self, slab);
                let exact = |place| self.cosine(contest.text, place);
                contest.list.shorten(exact, |place| self.ids[place]);
            },
            |_, contest| contest,
        )
    }

    /// What is nearest to a text.
    fn settle(&self, contest: Contest) -> Option<Neighbour> {
        let Contest { text, list, of_long, .. } = contest;
        let key = |place: usize| self.ids[place];
        let plain = list.settle(|place| self.cosine(text, place), key);
        let near = plain.into_iter().chain(of_long).reduce(|near, next| near.closer(next, key))?;
        Some(Neighbour { id: key(near.place), cosine: near.cosine })
    }

    /// [`Embedding::cosine`] of a text and the item at a place.
    fn cosine(&self, text: &Embedding, place: usize) -> f64 {
        match self.long.get(&place) {
            Some(item) => text.cosine(item),
            None if text.is_long() => {
                text.cosine(&Embedding::new(Arc::from(self.rows().row(place))))
            }
            None => cosine(text.vector(), self.rows().row(place)),
        }
    }
}

/// What may be nearest to a text.
struct Contest<'t> {
    text: &'t Embedding,
    /// Items whose score is the cosine, but for rounding.
    list: Shortlist,
    error: f64,
    /// The nearest of the others: where the text or the item is long, a score is only a bound.
    of_long: Option<Near>,
}

impl Contest<'_> {
    /// Takes in items of consecutive places, by the products of their vectors with the text's.
    fn offer(&mut self, pool: &Target, slab: Slab) {
        let places = slab.first..slab.first + slab.scores.len();
        // [D1] Of a long text the score bounds the cosine from above, so it only says what can be left out.
        if self.text.is_long() {
            places.zip(slab.scores).for_each(|(place, score)| self.weigh(pool, place, *score));
            return;
        }
        if pool.long.range(places.clone()).next().is_none() {
            self.list.offer(slab);
            return;
        }
        // Long items are masked for the list of plain ones and compared by themselves below.
        let mut plain = slab.scores.to_vec();
        for (place, _) in pool.long.range(places.clone()) {
            plain[place - slab.first] = f32::NEG_INFINITY;
        }
        // A masked item that is settled all the same does no harm: settling is exact.
        self.list.offer(Slab { first: slab.first, scores: &plain });
        for (place, _) in pool.long.range(places) {
            self.weigh(pool, *place, slab.scores[place - slab.first]);
        }
    }

    /// Compares with an item window by window, unless something nearer than the bound is known.
    fn weigh(&mut self, pool: &Target, place: usize, bound: f32) {
        #[expect(clippy::cast_possible_truncation, reason = "the floor lies further below")]
        let best = self.of_long.map_or(f32::NEG_INFINITY, |near| near.cosine as f32);
        if bound < self.list.floor() || bound < floor_below(best, self.error) {
            return;
        }
        let next = Near { place, cosine: pool.cosine(self.text, place) };
        let closer = |near: Near| near.closer(next, |place| pool.ids[place]);
        self.of_long = Some(self.of_long.map_or(next, closer));
    }
}

/// Scores of every row with every row.
fn scores(rows: Vectors) -> Vec<Vec<f32>> {
    let copy = |_, row: &mut Vec<f32>, slab: Slab| row.extend_from_slice(slab.scores);
    sweep(rows, rows, |_| Vec::with_capacity(rows.len()), copy, |_, row| row)
}

#[cfg(test)]
mod tests;

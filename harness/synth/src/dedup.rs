//! Near-duplicates by cosine of embeddings (paper, section 3.5; METHOD.md, D1-D4).

use std::cmp::Reverse;

use crate::candidate::Neighbour;
use crate::pool::ItemId;
use crate::request::Embedding;

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
#[must_use]
pub fn dedup<'a>(
    target: &(impl Iterator<Item = (ItemId, &'a Embedding)> + Clone),
    contenders: &'a [Contender],
    limit: f64,
) -> Vec<Verdict> {
    let mut walk: Vec<&Contender> = contenders.iter().collect();
    walk.sort_by_key(|contender| (Reverse(contender.score), contender.id));
    let mut joined: Vec<&Contender> = Vec::new();
    let mut verdicts = Vec::with_capacity(walk.len());
    for contender in walk {
        let of_joined = joined.iter().map(|joiner| (joiner.id, &joiner.embedding));
        let nearest = nearest(&contender.embedding, target.clone().chain(of_joined));
        let kept = nearest.is_none_or(|neighbour| neighbour.cosine < limit);
        if kept {
            joined.push(contender);
        }
        verdicts.push(Verdict { id: contender.id, nearest, kept });
    }
    verdicts
}

/// The item with the largest cosine; the smaller id on ties.
pub(crate) fn nearest<'a>(
    embedding: &Embedding,
    items: impl Iterator<Item = (ItemId, &'a Embedding)>,
) -> Option<Neighbour> {
    items.map(|(id, other)| Neighbour { id, cosine: embedding.cosine(other) }).reduce(
        |best, next| {
            let closer = next.cosine > best.cosine;
            if closer || (next.cosine.total_cmp(&best.cosine).is_eq() && next.id < best.id) {
                next
            } else {
                best
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    /// A unit vector at an angle: cosines of differences are easy to read.
    fn at(degrees: f64) -> Embedding {
        #[expect(clippy::cast_possible_truncation, reason = "test vectors")]
        let narrow = |x: f64| x as f32;
        let radians = degrees.to_radians();
        Embedding(Arc::from([narrow(radians.cos()), narrow(radians.sin())]))
    }

    fn contender(number: u32, score: u32, degrees: f64) -> Contender {
        let id = ItemId::Candidate { round: 1, number };
        Contender { id, score, embedding: at(degrees) }
    }

    fn walk(target: &[(ItemId, Embedding)], contenders: &[Contender]) -> Vec<Verdict> {
        dedup(&target.iter().map(|(id, e)| (*id, e)), contenders, 0.9)
    }

    fn kept(verdicts: &[Verdict]) -> Vec<String> {
        verdicts.iter().filter(|v| v.kept).map(|v| v.id.to_string()).collect()
    }

    #[test]
    fn the_better_twin_wins_and_ties_go_to_the_smaller_id() {
        let verdicts =
            walk(&[], &[contender(1, 150, 0.0), contender(2, 160, 5.0), contender(3, 150, 90.0)]);
        assert_eq!(kept(&verdicts), ["r1-00002", "r1-00003"]);
        let lost = verdicts.iter().find(|v| !v.kept).unwrap();
        assert_eq!(lost.nearest.unwrap().id.to_string(), "r1-00002");

        let tie = walk(&[], &[contender(8, 150, 0.0), contender(4, 150, 5.0)]);
        assert_eq!(kept(&tie), ["r1-00004"]);
    }

    #[test]
    fn a_copy_of_a_seed_item_is_dropped_and_names_it() {
        let target = [(ItemId::Seed(3), at(40.0)), (ItemId::Seed(9), at(40.0))];
        let verdicts = walk(&target, &[contender(0, 180, 40.0)]);
        assert!(!verdicts[0].kept);
        assert_eq!(verdicts[0].nearest.unwrap().id, ItemId::Seed(3));
    }

    #[test]
    fn the_limit_itself_is_rejected() {
        let half = Embedding(Arc::from([0.5_f32, 0.75_f32.sqrt()]));
        let first = Contender { id: ItemId::Seed(0), score: 2, embedding: at(0.0) };
        let second = Contender { id: ItemId::Seed(1), score: 1, embedding: half };
        let pair = [first, second];
        let at_limit = dedup(&std::iter::empty(), &pair, 0.5);
        assert_eq!(kept(&at_limit), ["s00000"]);
        let above = dedup(&std::iter::empty(), &pair, 0.500_001);
        assert_eq!(kept(&above), ["s00000", "s00001"]);
    }

    proptest! {
        #[test]
        fn idempotent_and_independent_of_arrival_order(
            items in prop::collection::vec((0_u32..5, 0_u32..360), 1..30),
            order in any::<u64>(),
        ) {
            let contenders: Vec<Contender> = (0..).zip(&items)
                .map(|(number, (score, angle))| contender(number, *score, f64::from(*angle)))
                .collect();
            let first = walk(&[], &contenders);

            let mut shuffled = contenders.clone();
            let by = usize::try_from(order % items.len() as u64).unwrap();
            shuffled.rotate_left(by);
            prop_assert_eq!(&first, &walk(&[], &shuffled));

            let survivors: Vec<Contender> = contenders.into_iter()
                .filter(|c| first.iter().any(|v| v.kept && v.id == c.id)).collect();
            let again = walk(&[], &survivors);
            prop_assert!(again.iter().all(|v| v.kept), "a second pass drops nothing");
        }
    }
}

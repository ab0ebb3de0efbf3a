use std::slice;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::similarity::cosine;
use crate::stream::Stream;

/// A unit vector at an angle: cosines of differences are easy to read.
fn at(degrees: f64) -> Embedding {
    #[expect(clippy::cast_possible_truncation, reason = "test vectors")]
    let narrow = |x: f64| x as f32;
    let radians = degrees.to_radians();
    Embedding::new(Arc::from([narrow(radians.cos()), narrow(radians.sin())]))
}

fn contender(number: u32, score: u32, degrees: f64) -> Contender {
    let id = ItemId::Candidate { round: 1, number };
    Contender { id, score, embedding: at(degrees) }
}

fn walk(target: &[(ItemId, Embedding)], contenders: &[Contender]) -> Vec<Verdict> {
    dedup(target.iter().map(|(id, e)| (*id, e)), contenders, 0.9)
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
    let half = Embedding::new(Arc::from([0.5_f32, 0.75_f32.sqrt()]));
    let first = Contender { id: ItemId::Seed(0), score: 2, embedding: at(0.0) };
    let second = Contender { id: ItemId::Seed(1), score: 1, embedding: half };
    let pair = [first, second];
    let at_limit = dedup([], &pair, 0.5);
    assert_eq!(kept(&at_limit), ["s00000"]);
    let above = dedup([], &pair, 0.500_001);
    assert_eq!(kept(&above), ["s00000", "s00001"]);
}

/// The rule, word for word.
fn plain(target: &[(ItemId, Embedding)], contenders: &[Contender], limit: f64) -> Vec<Verdict> {
    let mut walk: Vec<&Contender> = contenders.iter().collect();
    walk.sort_by_key(|contender| (Reverse(contender.score), contender.id));
    let mut pool: Vec<(ItemId, &Embedding)> = target.iter().map(|(id, e)| (*id, e)).collect();
    let mut verdicts = Vec::new();
    for contender in walk {
        let cosine = |(id, other): &(ItemId, &Embedding)| Neighbour {
            id: *id,
            cosine: contender.embedding.cosine(other),
        };
        let nearest = pool.iter().map(cosine).reduce(|best, next| {
            let tie = next.cosine.total_cmp(&best.cosine).is_eq() && next.id < best.id;
            if next.cosine > best.cosine || tie { next } else { best }
        });
        let kept = nearest.is_none_or(|neighbour| neighbour.cosine < limit);
        if kept {
            pool.push((contender.id, &contender.embedding));
        }
        verdicts.push(Verdict { id: contender.id, nearest, kept });
    }
    verdicts
}

/// Compares with the plain loop, bit by bit (the text of an `f64` tells its bits, but for
/// NaN's).
fn check(vectors: &[Vec<f32>], in_pool: usize, limit: f64) {
    let texts: Vec<Embedding> =
        vectors.iter().map(|v| Embedding::new(v.as_slice().into())).collect();
    check_texts(&texts, in_pool, limit);
}

fn check_texts(texts: &[Embedding], in_pool: usize, limit: f64) {
    let mut embeddings = texts.iter().cloned();
    // Ids fall while places rise: ties must go by id.
    let ids = (0..1_000_000).rev();
    let target: Vec<(ItemId, Embedding)> =
        ids.map(ItemId::Seed).zip(embeddings.by_ref().take(in_pool)).collect();
    let contenders: Vec<Contender> = (0..)
        .zip(embeddings)
        .map(|(number, embedding)| {
            let id = ItemId::Candidate { round: 1, number: 1_000_000 - number };
            Contender { id, score: number % 3, embedding }
        })
        .collect();
    let found = dedup(target.iter().map(|(id, e)| (*id, e)), &contenders, limit);
    let expected = plain(&target, &contenders, limit);
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(format!("{found:?}"), format!("{expected:?}"));
    }
    if let Some((first, rest)) = contenders.split_first() {
        let near =
            nearest(slice::from_ref(&first.embedding), target.iter().map(|(id, e)| (*id, e)));
        let alone = plain(&target, slice::from_ref(first), limit);
        assert_eq!(format!("{:?}", near[0]), format!("{:?}", alone[0].nearest), "{}", rest.len());
    }
}

/// Unit vectors around `centres` directions; the smaller the spread, the closer.
fn clustered(name: &str, count: usize, dim: usize, spread: f64) -> Vec<Vec<f32>> {
    let mut draw = Stream::named(7, &["dedup", name]);
    #[expect(clippy::cast_precision_loss, reason = "a draw below 2^24")]
    let mut uniform = || draw.below(1 << 24) as f64 / f64::from(1 << 23) - 1.0;
    let centres: Vec<Vec<f64>> =
        (0..count.div_ceil(20)).map(|_| (0..dim).map(|_| uniform()).collect()).collect();
    (0..count)
        .map(|at| {
            let centre = &centres[at % centres.len()];
            unit(centre.iter().map(|x| x + spread * uniform()).collect())
        })
        .collect()
}

fn unit(vector: Vec<f64>) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
    #[expect(clippy::cast_possible_truncation, reason = "test vectors")]
    let narrow = |x: f64| (x / length) as f32;
    vector.into_iter().map(narrow).collect()
}

#[test]
fn many_contenders_are_judged_as_by_a_plain_loop() {
    check(&clustered("blocks", 3 * BLOCK, 12, 0.3), 500, 0.9);
    check(&clustered("sparse", 2 * BLOCK, 24, 2.0), 100, 0.9);
    check(&clustered("dense", 700, 384, 0.05), 300, 0.99);
}

#[test]
fn cosines_at_the_limit_are_judged_as_by_a_plain_loop() {
    // Every contender's cosine to its pool item lies within a few roundings of the limit, and
    // half of them on either side.
    let limit = 0.9_f64;
    let base = clustered("limit", 300, 384, 2.0);
    let other = clustered("across", 300, 384, 2.0);
    let near_limit = base.iter().zip(&other).enumerate().map(|(at, (base, other))| {
        let along = cosine(base, other);
        let across: Vec<f64> =
            base.iter().zip(other).map(|(b, o)| f64::from(*o) - along * f64::from(*b)).collect();
        let across = unit(across);
        let sine = (1.0 - limit * limit).sqrt();
        let nudge = (f64::from(u32::try_from(at).unwrap()) - 150.0) * 1e-9;
        let blend = |(b, a): (&f32, &f32)| (limit + nudge) * f64::from(*b) + sine * f64::from(*a);
        unit(base.iter().zip(&across).map(blend).collect())
    });
    let near_limit: Vec<Vec<f32>> = near_limit.collect();
    let cosines: Vec<f64> = base.iter().zip(&near_limit).map(|(a, b)| cosine(a, b)).collect();
    assert!(cosines.iter().all(|c| (c - limit).abs() < 1e-6));
    let above = cosines.iter().filter(|c| **c >= limit).count();
    assert!((50..250).contains(&above), "{above} of 300 above the limit");
    let all: Vec<Vec<f32>> = base.into_iter().chain(near_limit).collect();
    check(&all, 300, limit);
}

#[test]
fn degenerate_vectors_are_judged_as_by_a_plain_loop() {
    let cases: [(&str, Vec<Vec<f32>>); 6] = [
        ("copies", vec![vec![0.6, 0.8]; 300]),
        ("zeros", vec![vec![0.0; 3]; 40]),
        ("signed zeros", (0..40).map(|n| vec![[0.0, -0.0, -1.0][n % 3], 0.0]).collect()),
        ("overflow", (0..40).map(|n| vec![[3e38, -3e38, 1e30, 1.0][n % 4]; 5]).collect()),
        (
            "not numbers",
            (0..40).map(|n| vec![[f32::NAN, 1.0, f32::INFINITY][n % 3], 0.5]).collect(),
        ),
        ("no dimension", vec![Vec::new(); 9]),
    ];
    for (name, vectors) in cases {
        for in_pool in [0, 1, 7] {
            println!("{name}, {in_pool} in the pool");
            check(&vectors, in_pool, 0.9);
        }
    }
    check(&[], 0, 0.9);
}

/// Every `every`th text is long: its windows are its vector, and those of the next texts.
fn some_long(vectors: &[Vec<f32>], every: usize) -> Vec<Embedding> {
    let text = |(at, vector): (usize, &Vec<f32>)| {
        let vector: Arc<[f32]> = vector.as_slice().into();
        if at % every > 0 {
            return Embedding::new(vector);
        }
        let windows = (at..=at + at % 4).map(|other| vectors[other % vectors.len()].as_slice());
        Embedding::in_windows(vector, windows.collect::<Vec<_>>().concat().into())
    };
    vectors.iter().enumerate().map(text).collect()
}

#[test]
fn long_texts_are_judged_as_by_a_plain_loop() {
    for (every, spread) in [(1, 0.3), (2, 0.3), (7, 0.05), (400, 0.3)] {
        let vectors = clustered("long", BLOCK + 200, 12, spread);
        for in_pool in [0, 300] {
            check_texts(&some_long(&vectors, every), in_pool, 0.9);
        }
    }
    let ties = vec![vec![1.0, 0.0], vec![0.6, 0.8], vec![0.0, 0.0]];
    let ties: Vec<Vec<f32>> = ties.into_iter().cycle().take(27).collect();
    check_texts(&some_long(&ties, 2), 3, 0.9);
}

#[test]
fn texts_with_one_beginning_are_no_duplicates() {
    let text = |score, number, end: [f32; 2]| Contender {
        id: ItemId::Candidate { round: 1, number },
        score,
        embedding: Embedding::in_windows(Arc::from([1.0, 0.0]), [[1.0, 0.0], end].concat().into()),
    };
    let texts = [text(3, 0, [0.6, 0.8]), text(2, 1, [0.0, 1.0]), text(1, 2, [0.61, 0.79])];
    let verdicts = dedup([], &texts, 0.9);
    assert_eq!(kept(&verdicts), ["r1-00000", "r1-00001"]);
    let twin = verdicts[2].nearest.unwrap();
    assert_eq!(twin.id, texts[0].id, "near in both windows");
}

#[test]
#[should_panic(expected = "embeddings of two encoders were mixed")]
fn two_encoders_are_not_mixed() {
    let target = [(ItemId::Seed(0), Embedding::new(Arc::from([1.0_f32, 0.0, 0.0])))];
    walk(&target, &[contender(0, 1, 0.0)]);
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

    /// Coordinates from few values make ties and cosines at the limit common.
    #[test]
    fn verdicts_are_those_of_a_plain_loop(
        vectors in (1_usize..6).prop_flat_map(|dim| prop::collection::vec(
            prop::collection::vec(prop::sample::select(vec![0.0_f32, 0.5, -0.5, 0.3, 1e-7]), dim),
            0..60,
        )),
        in_pool in 0_usize..20,
        limit in prop::sample::select(vec![0.0, 0.25, 0.34, 0.5, 0.9]),
    ) {
        check(&vectors, in_pool, limit);
    }
}

//! Committee and judge on rows written by hand.

use super::*;

fn row(item: u32, mu: f64, judge: Option<f64>) -> Scored {
    Scored { items: vec![ItemId::Seed(item)], accepted: mu >= 8.0, rejected: mu < 8.0, mu, judge }
}

/// The same pair of scores on several seed items.
fn rows(n: u32, mu: f64, judge: Option<f64>) -> Vec<Scored> {
    (0..n).map(|item| row(item, mu, judge)).collect()
}

fn quality(rows: &[Scored]) -> Quality {
    Quality::of(rows, 8.0).unwrap()
}

#[test]
fn eight_is_high_in_one_reading_only() {
    let mut all = rows(6, 9.0, Some(9.0));
    all.extend(rows(2, 8.0, Some(8.0)));
    all.extend(rows(1, 8.5, Some(7.0)));
    all.extend(rows(1, 9.0, None));
    all.extend(rows(3, 6.0, Some(8.0)));
    all.extend(rows(4, 6.0, Some(5.0)));
    let found = quality(&all);
    assert_eq!((found.accepted.judged, found.accepted.unjudged), (9, 1));
    assert_eq!((found.rejected.judged, found.all.judged, found.all.unjudged), (7, 16, 1));
    let counts = |agreement: &JudgeAgreement| agreement.high.map(|share| share.counts);
    let of = |yes, no| Proportion { yes, no };
    assert_eq!(counts(&found.accepted), [of(6, 3), of(8, 1)]);
    assert_eq!(counts(&found.rejected), [of(0, 7), of(3, 4)]);
    assert_eq!(found.tables[0], HighScoreCounts { both: 6, committee: 1, judge: 0, neither: 9 });
    assert_eq!(found.tables[1], HighScoreCounts { both: 8, committee: 1, judge: 3, neither: 4 });
    assert_eq!(found.lift[0].value, Some(6.0 / 9.0));
    assert_eq!(found.lift[1].value, Some(8.0 / 9.0 - 3.0 / 7.0));
}

#[test]
fn likes_of_one_item_depend_on_each_other() {
    // The paper's 87.3% of 1,000, in 50 seed items that the judge likes to different degrees.
    let scored = |item: u32, place: u32| {
        let likes = if item < 13 { 16 } else { 18 };
        row(item, 9.0, Some(if place < likes { 9.0 } else { 7.0 }))
    };
    let all: Vec<Scored> = (0..50).flat_map(|item| (0..20).map(move |p| scored(item, p))).collect();
    let share = quality(&all).accepted.high[0];
    assert_eq!((share.counts.n(), share.estimate.n), (1000, 1000));
    assert_eq!(share.counts.value(), share.estimate.value);
    let (wilson, cluster) = (share.counts.wilson().unwrap(), share.estimate.interval.unwrap());
    let value = share.counts.value().unwrap();
    for interval in [wilson, cluster] {
        assert!(interval.low < value && value < interval.high, "{interval:?} {value}");
    }
    // Seed items differ less here than independent samples would.
    assert!(cluster.high - cluster.low < wilson.high - wilson.low);
}

#[test]
fn ranks_and_resolution_are_of_the_same_rows() {
    let score = |i: u32| f64::from(i) / 4.0;
    let mut all: Vec<Scored> =
        (0..40).map(|i| row(i, score(i), Some(f64::from(i * i / 160)))).collect();
    all.push(row(40, 1.0, None));
    let found = quality(&all).all;
    assert_eq!((found.committee.n, found.committee.distinct, found.judge.distinct), (40, 40, 10));
    assert!(found.committee.entropy > found.judge.entropy);
    assert!(found.spearman.value.unwrap() > 0.95 && found.kendall.value.unwrap() < 1.0);
    let interval = found.kendall.interval.unwrap();
    assert!(interval.low > 0.8 && interval.high <= 1.0, "{interval:?}");
}

#[test]
fn too_little_has_no_numbers() {
    let none = |estimate: Estimate| estimate.value.is_none() && estimate.interval.is_none();
    let nothing = quality(&[]);
    assert!(none(nothing.all.spearman) && none(nothing.lift[0]));
    assert_eq!(nothing.all.committee.entropy, None);
    // Nobody was judged: counted, and nothing else.
    let unjudged = quality(&rows(5, 9.0, None));
    assert_eq!((unjudged.accepted.judged, unjudged.accepted.unjudged), (0, 5));
    assert!(none(unjudged.accepted.high[0].estimate));
    // Constant scores, nothing rejected: a share, no correlation, no lift.
    let constant = quality(&rows(5, 9.0, Some(9.0)));
    assert_eq!(constant.accepted.high[0].estimate.value, Some(1.0));
    assert!(none(constant.all.spearman) && none(constant.all.kendall) && none(constant.lift[1]));
    let bad = [row(0, 9.0, None), row(1, 9.0, Some(f64::NAN))];
    assert_eq!(Quality::of(&bad, 8.0), Err(NotFinite { row: 1 }));
}

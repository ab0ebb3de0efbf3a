use super::table::{self, Rated};
use super::*;

const TAU: f64 = 8.0;

/// A rater's scores, one list per kind, an entry per item.
fn scores(rater: &str, kinds: &[(&str, &[f64])]) -> Sheet<f64> {
    let rows = kinds.iter().flat_map(|(kind, scores)| {
        let said = |score: &f64| Some(*score).filter(|score| score.is_finite());
        let row = move |(item, score)| Rating { item, kind: (*kind).to_owned(), said: said(score) };
        scores.iter().enumerate().map(row)
    });
    Sheet { rater: rater.to_owned(), rows: rows.collect() }
}

fn verdicts(rater: &str, kinds: &[(&str, &[bool])]) -> Sheet<bool> {
    let rows = kinds.iter().flat_map(|(kind, passes)| {
        let row = move |(item, passes): (usize, &bool)| Rating {
            item,
            kind: (*kind).to_owned(),
            said: Some(*passes),
        };
        passes.iter().enumerate().map(row)
    });
    Sheet { rater: rater.to_owned(), rows: rows.collect() }
}

fn skill(kinds: &[(&str, &[f64])]) -> ResponseSkill {
    ResponseSkill::of(&scores("rater", kinds), TAU)
}

#[test]
fn the_area_is_that_of_the_rank_statistic() {
    // scipy.stats.mannwhitneyu([9, 8, 7, 9], [8, 3, 7]).statistic is 10 of 12 pairs.
    let found = skill(&[("good", &[9.0, 8.0, 7.0, 9.0]), ("absurd", &[8.0, 3.0, 7.0])]);
    assert!((found.auc.value.unwrap() - 10.0 / 12.0).abs() < 1e-12, "{:?}", found.auc);
    let constant = skill(&[("good", &[8.0; 5]), ("absurd", &[8.0; 5])]);
    assert_eq!(constant.auc.value, Some(0.5), "ties count half");
    let reversed = skill(&[("good", &[1.0, 2.0]), ("absurd", &[9.0, 8.0])]);
    assert_eq!(reversed.auc.value, Some(0.0));
}

#[test]
fn instructions_of_unlike_difficulty_are_compared_each_with_itself() {
    // The good response to the hard instruction scores below the faulty one to the easy instruction.
    let kinds: [(&str, &[f64]); 2] = [("good", &[9.0, 4.0]), ("absurd", &[6.0, 2.0])];
    let found = skill(&kinds);
    assert_eq!((found.auc.value, found.within.value), (Some(0.75), Some(1.0)));
    // A committee's rows pair within it: two that disagree about everything are a coin.
    let against = scores("other", &[("good", &[2.0, 1.0]), ("absurd", &[5.0, 3.0])]);
    let mut both = scores("committee", &kinds);
    both.rows.extend(against.rows);
    assert_eq!(ResponseSkill::of(&both, TAU).within.value, Some(0.5));
    let unread = skill(&[("good", &[f64::NAN]), ("absurd", &[2.0])]);
    assert_eq!(unread.within.value, None);
}

#[test]
fn kinds_stand_apart_and_together() {
    let found = skill(&[
        ("good", &[9.0, 8.0, 9.0, 8.0]),
        ("off-topic", &[2.0, 2.0, 3.0, 1.0]),
        ("subtly-wrong", &[9.0, 8.0, 9.0, 8.0]),
    ]);
    let auc: Vec<(&str, Option<f64>)> =
        found.auc_by_kind.iter().map(|(kind, auc)| (kind.as_str(), auc.value)).collect();
    assert_eq!(auc, [("off-topic", Some(1.0)), ("subtly-wrong", Some(0.5))]);
    assert_eq!(found.auc.value, Some(0.75));
    assert_eq!((found.good_passes.value, found.faulty_passes.value), (Some(1.0), Some(0.5)));
    // A tau that lets no subtly wrong response pass lets no good one pass either.
    assert_eq!(found.threshold, None);
    assert_eq!(found.resolution.distinct, 5);
}

#[test]
fn the_threshold_is_the_lowest_that_is_precise_enough() {
    let good = [9.0, 9.0, 8.0, 7.0, 7.0, 9.0, 8.0, 8.0, 9.0, 6.0];
    let faulty = [6.0, 5.0, 4.0, 6.0, 7.0, 5.0, 3.0, 2.0, 6.0, 4.0];
    // At 7 nine of ten good and one of ten faulty ones pass: 0.9 / (0.9 + 0.1) = 0.9.
    assert_eq!(skill(&[("good", &good), ("absurd", &faulty)]).threshold, Some((7.0, 0.9)));
}

#[test]
fn unreadable_replies_are_counted_and_take_no_part() {
    let found = skill(&[("good", &[9.0, f64::NAN]), ("absurd", &[2.0, f64::NAN])]);
    assert_eq!((found.malformed, found.auc.value), (0.5, Some(1.0)));
    let nothing = skill(&[("good", &[f64::NAN]), ("absurd", &[f64::NAN])]);
    assert_eq!((nothing.malformed, nothing.auc.value, nothing.threshold), (1.0, None, None));
    assert!(weaknesses(&nothing, None).contains(&Weakness::Malformed));
}

#[test]
fn every_committee_of_a_size_sits_once() {
    let raters = [
        scores("a", &[("good", &[9.0, 7.0])]),
        scores("b", &[("good", &[7.0, 7.0])]),
        scores("c", &[("good", &[5.0, f64::NAN])]),
    ];
    let mean = |scores: &[f64]| {
        scores.iter().sum::<f64>() / f64::from(u8::try_from(scores.len()).unwrap())
    };
    let two = committees(&raters, 2, mean);
    assert_eq!(two.rater, "committee of 2");
    let said: Vec<Option<f64>> = two.rows.iter().map(|row| row.said).collect();
    // a and b, a and c, b and c; the second item was not read by c.
    assert_eq!(said, [Some(8.0), Some(7.0), Some(7.0), None, Some(6.0), None]);
    assert_eq!(committees(&raters, 4, mean).rows, []);
    assert_eq!(committees::<f64>(&[], 1, mean).rows, []);
}

#[test]
fn weaknesses_are_named() {
    let cases: [(&[f64], &[f64], &[Weakness]); 4] = [
        (&[9.0, 8.0, 9.0, 8.0, 9.0, 9.0], &[2.0, 3.0, 2.0, 2.0, 3.0, 1.0], &[]),
        (
            &[7.0, 6.0, 7.0, 7.0, 6.0, 7.0],
            &[2.0, 3.0, 2.0, 2.0, 3.0, 1.0],
            &[Weakness::TauRejectsAll],
        ),
        (&[8.0; 6], &[8.0; 6], &[Weakness::ScoresLikeChance, Weakness::TauDoesNotSeparate]),
        (&[2.0; 6], &[9.0; 6], &[Weakness::PrefersFaulty, Weakness::TauRejectsAll]),
    ];
    for (good, faulty, expected) in cases {
        let found = weaknesses(&skill(&[("good", good), ("absurd", faulty)]), None);
        assert_eq!(found, expected, "{good:?} {faulty:?}");
    }
    let responses = skill(&[("good", &[9.0; 6]), ("absurd", &[2.0; 6])]);
    let strict = verdicts("rater", &[("clear", &[false; 6]), ("vague", &[false; 6])]);
    let strict = InstructionSkill::of(&strict);
    assert_eq!(strict.balanced_accuracy.value, Some(0.5));
    let expected = [Weakness::ChecksLikeChance, Weakness::VetoesAlmostAll];
    assert_eq!(weaknesses(&responses, Some(&strict)), expected);
}

fn rated(rater: &str, good: f64) -> Rated {
    let kinds: [(&str, &[f64]); 3] = [
        ("good", &[good, 9.0, 8.0, 9.0]),
        ("absurd", &[2.0, 1.0, 3.0, 2.0]),
        ("incomplete", &[8.0, 5.0, 9.0, 4.0]),
    ];
    let checks: [(&str, &[bool]); 2] =
        [("clear", &[true, true, false, true]), ("vague", &[false, true, false, false])];
    Rated {
        rater: rater.to_owned(),
        responses: ResponseSkill::of(&scores(rater, &kinds), TAU),
        instructions: InstructionSkill::of(&verdicts(rater, &checks)),
        auc_as_written: None,
        leniency: None,
    }
}

#[test]
fn a_line_for_every_rater() {
    let raters = [rated("a-model-whose-name-is-rather-long", 9.0), rated("committee of 3", 7.0)];
    let text = table::terminal(&raters, TAU);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    insta::assert_snapshot!(text);
    let mut csv = Vec::new();
    table::measures(&raters).write_csv(&mut csv).unwrap();
    let csv = String::from_utf8(csv).unwrap();
    assert!(csv.contains("\"AUC, good against absurd\",committee of 3,1,,,8,"), "{csv}");
}

#[test]
fn the_figure_has_a_square_for_every_kind() {
    let raters = [rated("one", 9.0), rated("committee of 2", 9.0)];
    let figure = table::figure("mine", 4, &raters).unwrap();
    assert_eq!(figure.collisions(), [""; 0]);
    for text in ["absurd", "incomplete", "committee of 2", "4 instructions"] {
        assert!(figure.svg.contains(text), "{text}");
    }
    assert!(table::figure("mine", 0, &[]).is_err());
}

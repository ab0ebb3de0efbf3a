use proptest::prelude::*;

use super::*;

fn both(rows: &[(f64, f64)]) -> [Option<f64>; 2] {
    let pairs = Pairs::of(rows).unwrap();
    let table = pairs.table(&vec![1; rows.len()]);
    [table.spearman(), table.kendall()]
}

fn close(found: Option<f64>, expected: f64) -> bool {
    found.is_some_and(|found| (found - expected).abs() < 1e-12)
}

#[test]
fn agrees_with_scipy() {
    // scripts/statistics-reference.py: scipy 1.12.0, spearmanr and kendalltau.
    let x = [8.5, 8.0, 8.0, 9.0, 7.5, 8.0, 9.5, 10.0, 7.5, 8.5];
    let y = [8.0, 8.0, 7.0, 9.0, 8.0, 7.0, 9.0, 9.0, 6.0, 9.0];
    let rows: Vec<_> = x.into_iter().zip(y).collect();
    let [rho, tau] = both(&rows);
    assert!(close(rho, 0.825_592_983_003_674_6), "{rho:?}");
    assert!(close(tau, 0.721_605_353_163_545_8), "{tau:?}");
}

#[test]
fn a_constant_side_has_no_correlation() {
    for rows in [vec![], vec![(1.0, 2.0)], vec![(1.0, 2.0); 4], vec![(1.0, 2.0), (1.0, 3.0)]] {
        assert_eq!(both(&rows), [None, None], "{rows:?}");
    }
    assert_eq!(Pairs::of(&[(0.0, f64::NAN)]), Err(NotFinite { row: 0 }));
}

#[test]
fn the_ends_are_reached() {
    let rising: Vec<_> = (0..50).map(|i| (f64::from(i), f64::from(i * i))).collect();
    let falling: Vec<_> = rising.iter().map(|(x, y)| (*x, -y)).collect();
    for (rows, expected) in [(rising, 1.0), (falling, -1.0)] {
        assert!(both(&rows).into_iter().all(|found| close(found, expected)));
    }
}

/// Tau-b by its definition over all pairs of rows.
fn by_definition(rows: &[(f64, f64)]) -> Option<f64> {
    let (mut balance, mut untied_x, mut untied_y) = (0.0, 0.0, 0.0);
    let sign = |difference: f64| if difference == 0.0 { 0.0 } else { difference.signum() };
    for (i, a) in rows.iter().enumerate() {
        for b in &rows[..i] {
            let (x, y) = (sign(a.0 - b.0), sign(a.1 - b.1));
            balance += x * y;
            untied_x += x.abs();
            untied_y += y.abs();
        }
    }
    correlation(balance, untied_x, untied_y)
}

fn scores() -> impl Strategy<Value = Vec<(f64, f64)>> {
    prop::collection::vec((0_u8..7, 0_u8..5), 0..40)
        .prop_map(|rows| rows.into_iter().map(|(x, y)| (x.into(), y.into())).collect())
}

proptest! {
    #[test]
    fn tau_is_what_its_definition_says(rows in scores()) {
        let (found, expected) = (both(&rows)[1], by_definition(&rows));
        prop_assert_eq!(found.is_some(), expected.is_some());
        if let (Some(found), Some(expected)) = (found, expected) {
            prop_assert!((found - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn a_weight_repeats_its_row(
        rows in scores(),
        weights in prop::collection::vec(0_u32..4, 40),
    ) {
        let weights = &weights[..rows.len()];
        let repeated: Vec<_> = rows
            .iter()
            .zip(weights)
            .flat_map(|(row, weight)| vec![*row; *weight as usize])
            .collect();
        let pairs = Pairs::of(&rows).unwrap();
        let table = pairs.table(weights);
        prop_assert_eq!([table.spearman(), table.kendall()], both(&repeated));
    }

    #[test]
    fn both_are_symmetric_and_know_no_scale(rows in scores()) {
        let swapped: Vec<_> = rows.iter().map(|(x, y)| (*y, x.exp())).collect();
        prop_assert_eq!(both(&swapped), both(&rows));
    }
}

#[test]
fn equal_values_share_a_level() {
    let levels = Distinct::levels(&[8.5, -0.0, 8.0, 0.0, 8.5]).unwrap();
    assert_eq!(levels.kinds, [0.0, 8.0, 8.5]);
    assert_eq!(levels.of_row, [2, 0, 1, 0, 2]);
    assert_eq!(levels.counts(&[1, 2, 0, 1, 3]), [3, 0, 4]);
}

#[test]
fn what_is_no_number_is_named() {
    assert_eq!(Distinct::levels(&[1.0, f64::NAN]), Err(NotFinite { row: 1 }));
    assert_eq!(Distinct::levels(&[f64::NEG_INFINITY]), Err(NotFinite { row: 0 }));
    assert!(Distinct::levels(&[]).unwrap().kinds.is_empty());
}

#[test]
fn rows_of_a_kind_share_its_weight() {
    let found = Distinct::by(&["c", "a", "c", "b"], Ord::cmp);
    assert_eq!(
        (found.kinds.as_slice(), found.of_row.as_slice()),
        (&["a", "b", "c"][..], &[2, 0, 2, 1][..])
    );
    assert_eq!(found.counts(&[1, 2, 3, 0]), [2, 0, 4]);
    assert!(Distinct::by(&[0_u8; 0], Ord::cmp).kinds.is_empty());
}

fn check(scores: &[f64], distinct: usize, entropy: Option<f64>, commonest: Option<f64>) {
    let n = scores.len() as u64;
    let expected = Resolution { n, distinct, entropy, commonest };
    assert_eq!(Resolution::of(scores), Ok(expected), "{scores:?}");
}

#[test]
fn entropy_counts_in_bits() {
    check(&[], 0, None, None);
    check(&[8.0], 1, Some(0.0), Some(1.0));
    check(&[8.0; 5], 1, Some(0.0), Some(1.0));
    check(&[1.0, 2.0, 3.0, 4.0], 4, Some(2.0), Some(0.25));
    check(&[9.0, 9.0, 8.0, 7.0], 3, Some(1.5), Some(0.5));
    assert_eq!(Resolution::of_counts(&[0, 2, 0, 2]).entropy, Some(1.0));
    assert_eq!(Resolution::of(&[f64::INFINITY]), Err(NotFinite { row: 0 }));
}

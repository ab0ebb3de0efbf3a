//! Holm's step-down correction of several p-values (Holm 1979): with adjusted values at most alpha
//! called significant, the chance of any false call is at most alpha, however the tests depend on each
//! other.

/// Adjusted p-values, in the order of the given ones. A test that could not be made (`None`, or no
/// number in [0, 1]) stays `None` and is no member of the family.
#[must_use]
pub fn holm(p_values: &[Option<f64>]) -> Vec<Option<f64>> {
    let is_p = |p: &f64| (0.0..=1.0).contains(p);
    let mut family: Vec<(usize, f64)> = p_values
        .iter()
        .enumerate()
        .filter_map(|(place, p)| Some((place, p.filter(is_p)?)))
        .collect();
    family.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut adjusted = vec![None; p_values.len()];
    let mut least = 0.0_f64;
    for (rank, &(place, p)) in family.iter().enumerate() {
        let left = (family.len() - rank) as f64;
        // Step-down: a larger p-value is never adjusted below a smaller one.
        least = least.max((left * p).min(1.0));
        adjusted[place] = Some(least);
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(p_values: &[f64], expected: &[f64]) {
        let given: Vec<Option<f64>> = p_values.iter().copied().map(Some).collect();
        for (found, expected) in holm(&given).into_iter().zip(expected) {
            assert!((found.unwrap() - expected).abs() < 1e-15, "{p_values:?}: {found:?}");
        }
    }

    #[test]
    fn agrees_with_statsmodels() {
        // scripts/statistics-reference.py: statsmodels 0.15.0, multipletests(method="holm").
        check(&[0.01, 0.04, 0.03, 0.005], &[0.03, 0.06, 0.06, 0.02]);
        check(&[0.5, 0.02, 0.02, 0.9, 0.0], &[1.0, 0.08, 0.08, 1.0, 0.0]);
        check(&[], &[]);
    }

    #[test]
    fn tests_that_were_not_made_do_not_count() {
        let with_gaps = [Some(0.02), None, Some(0.03), Some(f64::NAN)];
        assert_eq!(holm(&with_gaps), [Some(0.04), None, Some(0.04), None]);
    }

    proptest! {
        #[test]
        fn between_the_p_value_and_bonferroni(ps in prop::collection::vec(0.0_f64..=1.0, 1..12)) {
            let given: Vec<Option<f64>> = ps.iter().copied().map(Some).collect();
            let tests = f64::from(u32::try_from(ps.len()).unwrap());
            for (p, adjusted) in ps.iter().zip(holm(&given)) {
                let adjusted = adjusted.unwrap();
                let bonferroni = (p * tests).min(1.0);
                prop_assert!(*p <= adjusted && adjusted <= bonferroni + 1e-15);
            }
        }
    }
}

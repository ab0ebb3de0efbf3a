//! Against other packages, and simulated nulls.

use gra_synth::stream::Stream;
use proptest::prelude::*;

use super::*;

fn some(values: &[f64]) -> Vec<Option<f64>> {
    values.iter().copied().map(Some).collect()
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9 * expected.abs().max(1.0), "{found}, not {expected}");
}

fn difference(first: &[f64], second: &[f64], dependence: &Dependence) -> Inference {
    let (first, second) = (some(first), some(second));
    let sides = [Side { values: &first, weight: -1.0 }, Side { values: &second, weight: 1.0 }];
    Inference::of_sides(&sides, dependence).unwrap()
}

/// Values whose kurtosis is below that of a normal distribution.
fn flat(n: u32, slope: f64) -> Vec<f64> {
    (0..n).map(|row| slope * f64::from(row * 7 % n)).collect()
}

#[test]
fn independent_rows_give_welchs_test() {
    // scripts/statistics-reference.py: scipy, ttest_ind(equal_var=False).
    let (first, second) = (flat(20, 1.0), flat(13, 2.0));
    let found = difference(&first, &second, &Dependence::independent(33));
    near(found.value, 2.5);
    near(found.spread.unwrap().student.freedom(), 20.836_858_006_042_3);
    near(found.p().unwrap(), 0.335_000_600_508_962);
    let interval = found.interval(0.95).unwrap();
    near(interval.low, -2.770_411_527_386_892_6);
    near(interval.high, 7.770_411_527_386_892);
}

#[test]
fn related_rows_as_by_matrices() {
    // Items of a row: itself modulo 6 and its triple modulo 13. scripts/statistics-reference.py has the
    // matrices of `spread` written out.
    let (first, second) = (flat(14, 1.0), flat(15, 0.5));
    let items = (0..29_u32).map(|row| [row % 6, 100 + row * 3 % 13]);
    let found = difference(&first, &second, &Dependence::by_items(items));
    near(found.standard_error().unwrap(), 2.145_307_606_594_400_3);
    near(found.spread.unwrap().student.freedom(), 4.199_853_500_883_228);
}

#[test]
fn heavy_tails_take_degrees_of_freedom() {
    let mut values = flat(20, 1.0);
    let light = Inference::of_mean(&some(&values), &Dependence::independent(20)).unwrap();
    near(light.spread.unwrap().student.freedom(), 19.0);
    values[3] = 1000.0;
    let heavy = Inference::of_mean(&some(&values), &Dependence::independent(20)).unwrap();
    assert!(heavy.spread.unwrap().student.freedom() < 5.0, "{heavy:?}");
}

#[test]
fn what_cannot_be_tested_has_a_value_alone() {
    let few = Inference::of_mean(&some(&flat(11, 1.0)), &Dependence::independent(11)).unwrap();
    assert_eq!((few.value, few.interval(0.95), few.p()), (5.0, None, None));
    let constant = Inference::of_mean(&[Some(3.0); 40], &Dependence::independent(40)).unwrap();
    assert_eq!((constant.value, constant.interval(0.95)), (3.0, None));
    // Every two rows are related.
    let one_item = Inference::of_mean(&some(&flat(40, 1.0)), &Dependence::by([7; 40])).unwrap();
    assert_eq!(one_item.p(), None);
    assert!(Inference::of_mean(&[None; 20], &Dependence::independent(20)).is_none());
    assert_eq!(mean(&[], &Dependence::independent(0)), Estimate::NONE);
}

#[test]
fn missing_values_take_no_part() {
    let values = flat(30, 1.0);
    let dependence = Dependence::by((0..30).map(|row| row % 10));
    let full = Inference::of_mean(&some(&values), &dependence).unwrap();
    let holes: Vec<Option<f64>> = values.iter().flat_map(|value| [None, Some(*value)]).collect();
    let wider = Dependence::by((0..60).map(|row| row / 2 % 10));
    let found = Inference::of_mean(&holes, &wider).unwrap();
    near(found.standard_error().unwrap(), full.standard_error().unwrap());
    near(found.spread.unwrap().student.freedom(), full.spread.unwrap().student.freedom());
}

#[test]
fn the_jackknife_of_a_mean_is_the_mean() {
    let values = some(&flat(31, 0.3));
    let dependence = Dependence::by((0..31).map(|row| row % 12));
    let [jackknifed] = jackknife(&dependence, |weights| [weighted_mean(&values, weights)]);
    let plain = mean(&values, &dependence);
    assert_eq!((jackknifed.n, jackknifed.value), (31, plain.value));
    let (one, other) = (jackknifed.interval.unwrap(), plain.interval.unwrap());
    near(one.low, other.low);
    near(one.high, other.high);
}

#[test]
fn a_statistic_that_a_row_leaves_undefined_has_no_interval() {
    let [first] =
        jackknife(&Dependence::independent(20), |weights| [(weights[0] > 0).then_some(1.0)]);
    assert_eq!(first, Estimate { n: 20, value: Some(1.0), interval: None });
}

#[test]
fn shared_examples_make_small_differences_harder_to_find() {
    // 1.984 + 0.845 standard errors of 0.0707.
    let alone = detectable(&Dependence::independent(100), 0.5).unwrap();
    assert!((alone - 0.200).abs() < 1e-3, "{alone}");
    let shared = detectable(&Dependence::by((0..100).map(|row| row % 8)), 0.5).unwrap();
    assert!(shared > 1.1 * alone, "{shared}");
    assert_eq!(detectable(&Dependence::independent(11), 0.5), None);
}

/// One of the designs of `examples/level_and_coverage.rs`, small enough for a test: 48 against 12 candidates of two to
/// four examples each among 56.
#[test]
fn true_nulls_are_rejected_about_as_often_as_said() {
    let rejected = |trial: usize| {
        let mut draw = Stream::named(42, &["level", &trial.to_string()]);
        let effects: Vec<f64> = (0..56).map(|_| uniform(&mut draw)).collect();
        let rows = |n: usize, draw: &mut Stream| -> (Vec<Vec<usize>>, Vec<f64>) {
            let row = |_| {
                let shown = 2 + draw.below(3);
                let examples = draw.choose(56, shown);
                let sum: f64 = examples.iter().map(|example| effects[*example]).sum();
                (examples, (sum / 2.0 + uniform(draw)).exp())
            };
            (0..n).map(row).unzip()
        };
        let (mut items, first) = rows(48, &mut draw);
        let (others, second) = rows(12, &mut draw);
        items.extend(others);
        difference(&first, &second, &Dependence::by_items(items)).p().unwrap() <= 0.05
    };
    let rejections = (0..600).filter(|trial| rejected(*trial)).count();
    // 5% of 600, and three standard errors.
    assert!((14..=46).contains(&rejections), "{rejections} of 600");
}

fn uniform(draw: &mut Stream) -> f64 {
    draw.below(1 << 20) as f64 / f64::from(1 << 20) - 0.5
}

fn check_holm(p_values: &[f64], expected: &[f64]) {
    let given: Vec<Option<f64>> = p_values.iter().copied().map(Some).collect();
    for (found, expected) in holm(&given).into_iter().zip(expected) {
        assert!((found.unwrap() - expected).abs() < 1e-15, "{p_values:?}: {found:?}");
    }
}

#[test]
fn agrees_with_statsmodels() {
    // scripts/statistics-reference.py: statsmodels 0.15.0, multipletests(method="holm").
    check_holm(&[0.01, 0.04, 0.03, 0.005], &[0.03, 0.06, 0.06, 0.02]);
    check_holm(&[0.5, 0.02, 0.02, 0.9, 0.0], &[1.0, 0.08, 0.08, 1.0, 0.0]);
    check_holm(&[], &[]);
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

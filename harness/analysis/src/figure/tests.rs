//! Laws of all figures: whatever the numbers and the names are, no text meets another or leaves the page,
//! and the same numbers give the same bytes.

mod degenerate;

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::averages::{Averages, AveragesFigure, Bar, BarGroup};
use super::rounds::{Rounds, Series};
use super::variants::{VariantPanel, Variants};
use super::violins::{Violin, Violins};
use super::{Figure, raters};
use crate::statistics::inference::{Estimate, Interval};

/// Short, long, foreign and empty ones.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9]{1,12}",
        "[a-zA-Z/_ -]{20,60}",
        Just("\u{6f22}\u{5b57} \u{5e8}\u{5d5}\u{5d7} <script>".to_owned()),
        Just(String::new()),
    ]
}

fn estimate(most: f64) -> impl Strategy<Value = Option<Estimate>> {
    let value = (0.0..most, 0.0..most / 2.0, any::<bool>());
    proptest::option::of(value.prop_map(|(value, half, known)| {
        let interval = known.then_some(Interval { low: value - half, high: value + half });
        Estimate { n: 9, value: Some(value), interval }
    }))
}

fn check(figure: &Figure) -> Result<(), TestCaseError> {
    prop_assert_eq!(figure.collisions(), Vec::<String>::new());
    let open = figure.svg.matches("<text").count();
    prop_assert_eq!(open, figure.svg.matches("</text>").count());
    prop_assert!(!figure.svg.contains("<script") && !figure.svg.contains("NaN"));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn averages_are_legible(
        rows in prop::collection::vec((name(), prop::option::of(0.0..100.0), estimate(100.0)), 1..5),
        groups in 1_usize..5,
    ) {
        let bars: Vec<Bar> = rows
            .into_iter()
            .map(|(source, paper, ours)| Bar { source, paper, ours, less_gra: None })
            .collect();
        let group = |n: usize| BarGroup { name: format!("group {n}"), bars: bars.clone() };
        let groups = (0..groups).map(group).collect();
        let averages = Averages {
            figure: AveragesFigure::Sources,
            model: "a model".to_owned(),
            groups,
        };
        check(&averages.figure().unwrap())?;
    }

    #[test]
    fn rounds_are_legible(
        lines in prop::collection::vec((name(), prop::collection::vec(0.0..100.0, 1..6), estimate(100.0)), 1..7),
    ) {
        let series = lines.into_iter().map(|(name, values, ours)| Series {
            name,
            paper: (1..=5).map(|round| f64::from(round) * 10.0).zip(values).collect(),
            ours: ours.map(|ours| (30.0, ours)).into_iter().collect(),
        });
        let rounds = Rounds { model: "a model".to_owned(), series: series.collect() };
        check(&rounds.figure().unwrap())?;
    }

    #[test]
    fn variants_are_legible(
        rows in prop::collection::vec((name(), estimate(1.0), estimate(1e6), estimate(1e-6)), 1..9),
    ) {
        let panel = |place: usize| VariantPanel {
            name: format!("measure {place}"),
            cells: rows.iter().map(|row| [row.1, row.2, row.3][place]).collect(),
            missing: "no judge was asked".to_owned(),
            unit: "",
        };
        let variants = Variants {
            title: "Variants".to_owned(),
            variants: rows.iter().map(|row| row.0.clone()).collect(),
            panels: (0..3).map(panel).collect(),
            caption: "n = 1.".to_owned(),
        };
        check(&variants.figure().unwrap())?;
    }

    #[test]
    fn violins_are_legible(
        sets in prop::collection::vec((name(), prop::collection::vec(-2.0..3.0, 0..40), 0_usize..3), 1..6),
    ) {
        let violins = sets.into_iter().map(|(name, values, paper)| Violin {
            name,
            values,
            paper: vec![(0.61, "in the paper".to_owned()); paper],
            missing: "no losses: gra-bench stats SOURCE --ifd MODEL".to_owned(),
        });
        let [name, title, caption] = ["v", "Violins", "IFD."].map(str::to_owned);
        let violins = Violins { name, title, caption, violins: violins.collect() };
        check(&violins.figure().unwrap())?;
    }

    #[test]
    fn lanes_are_legible(
        lanes in prop::collection::btree_map(name(), prop::collection::vec(0.0..10.0, 0..60), 1..7),
        tau in (0..10_000_u16).prop_map(|tau| f64::from(tau) / 1_000.0),
    ) {
        let lanes: BTreeMap<(usize, String), Vec<f64>> =
            lanes.into_iter().enumerate().map(|(at, (name, scores))| ((at, name), scores)).collect();
        if let Ok(figure) = raters::reviewers("a/b/seed-1", &lanes, tau) {
            check(&figure)?;
            prop_assert_eq!(raters::reviewers("a/b/seed-1", &lanes, tau).unwrap(), figure);
        }
    }
}

#[test]
fn an_svg_is_a_document_that_says_what_it_is() {
    let rounds = Rounds {
        model: "a model".to_owned(),
        series: vec![Series {
            name: "one".to_owned(),
            paper: vec![(10.0, 50.0), (20.0, 55.0)],
            ours: vec![],
        }],
    };
    insta::assert_snapshot!(rounds.figure().unwrap().svg);
}

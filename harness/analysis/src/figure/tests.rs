//! Laws of all figures: whatever the numbers and the names are, no text meets another or leaves the page,
//! and the same numbers give the same bytes.
//!
//! Every figure with what it was not made for: nothing, one value, equal values, no numbers, names of any
//! length and script. It is drawn legibly or refused with its reason; nothing panics.

use std::collections::BTreeMap;

use gra_synth::candidate::Candidate;
use gra_synth::method::Method;
use gra_synth::request::ModelName;
use gra_synth::variant::Variant;
use proptest::prelude::*;

use super::averages::{Averages, AveragesFigure, Bar, BarGroup};
use super::font::{Fonts, MARK};
use super::heat_map::{self, Axis, HeatMap, Square};
use super::plane::{FEWEST_DOTS, Plane};
use super::rounds::{Rounds, Series};
use super::variants::{VariantPanel, VariantTrial, Variants};
use super::violins::{Violin, Violins};
use super::{Figure, FigureError, Role, compute, decisions, raters, squares};
use crate::compute::{Compute, Parameters, TEACHER_PARAMETERS};
use crate::rescore::{Record, Rule, rescore};
use crate::statistics::inference::{Estimate, Interval};
use crate::trial::tests::every_outcome;
use crate::trial::{Funnel, TrialFacts};

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

const VALUES: [&[f64]; 12] = [
    &[],
    &[f64::NAN],
    &[f64::INFINITY, f64::NEG_INFINITY],
    &[5.0],
    &[5.0, 5.0],
    &[5.0; 40],
    &[0.0, f64::NAN, 1.0],
    &[f64::INFINITY, 1.0, 2.0],
    &[0.0, 1e300],
    &[-1e308, 1e308],
    &[1e-300, 2e-300],
    &[f64::MIN_POSITIVE, -0.0, 0.0],
];

const NAMES: [&str; 8] = [
    "",
    "gra",
    "a-model-whose-name-has-no-spaces-and-does-not-end-before-a-line-does-Instruct-GGUF-Q4_K_M-and-more",
    "a name of many words that do not end before a line of the page does, nor before the next one",
    "\u{901a}\u{4e49}\u{5343}\u{95ee}\u{901a}\u{4e49}\u{5343}\u{95ee}\u{901a}\u{4e49}\u{5343}\u{95ee}-7B",
    "\u{646}\u{645}\u{648}\u{630}\u{62c} \u{5de}\u{5d5}\u{5d3}\u{5dc}",
    "\u{1f468}\u{200d}\u{1f33e}\u{1f999}",
    "zero\u{0}bell\u{7}<b>&\u{202e}turned\u{2066}",
];

/// Whether it was drawn, after looking at it. Numbers of hundreds of digits have no room,
/// nor have forty bars.
fn looked_at(drawn: Result<Figure, FigureError>, of: &str) -> bool {
    match drawn {
        Ok(figure) => {
            let is_huge =
                |values: &&[f64]| values.len() > 9 || values.iter().any(|v| v.abs() > 1e6);
            let is_wide = VALUES.iter().enumerate().filter(|(_, values)| is_huge(values));
            if is_wide.into_iter().all(|(place, _)| !of.ends_with(&format!("of values {place}"))) {
                assert_eq!(figure.collisions(), [""; 0], "{of}");
            }
            let is_bad = |letter: char| letter.is_control() && letter != '\n';
            assert!(!figure.svg.contains(is_bad), "{of}");
            // A heat map prints the text that it is given.
            assert!(of.starts_with("heat map") || !figure.svg.contains("NaN"), "{of}");
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty(), "{of}");
            false
        }
    }
}

fn estimate_of(value: f64) -> Estimate {
    let interval = Some(Interval { low: value - 1.0, high: value + 1.0 });
    Estimate { n: 2, value: Some(value), interval }
}

/// Figures of numbers, all called so.
fn of_numbers(name: &str, values: &[f64]) -> [(&'static str, Result<Figure, FigureError>); 8] {
    let owned = || name.to_owned();
    // As many as a map takes.
    let points = values.iter().cycle().take(FEWEST_DOTS).map(|value| [*value, 5.0]);
    let points: Vec<[f64; 2]> = points.collect();
    let bars = values.iter().map(|value| Bar {
        source: owned(),
        paper: Some(*value),
        ours: Some(estimate_of(*value)),
        less_gra: None,
    });
    let groups = vec![BarGroup { name: owned(), bars: bars.collect() }];
    let averages = Averages { figure: AveragesFigure::Sources, model: owned(), groups };
    let steps = (1_u32..).map(|round| f64::from(round) * 10.0);
    let series = Series {
        name: owned(),
        paper: steps.clone().zip(values.iter().copied()).collect(),
        ours: steps.zip(values.iter().map(|value| estimate_of(*value))).collect(),
    };
    let panel = VariantPanel {
        name: owned(),
        cells: values.iter().map(|value| Some(estimate_of(*value))).collect(),
        missing: "no judge was asked".to_owned(),
        unit: "",
    };
    let variants = Variants {
        title: owned(),
        variants: vec![owned(); values.len()],
        panels: vec![panel.clone(), panel],
        caption: owned(),
    };
    let squares = values.iter().map(|value| Square {
        value: Some(*value),
        text: format!("{value:.2}"),
        below: owned(),
        ..Square::default()
    });
    let axis = |count| Axis { name: owned(), ticks: vec![owned(); count] };
    let map = HeatMap {
        name: "map".to_owned(),
        title: owned(),
        subtitle: owned(),
        value: "share".to_owned(),
        range: (5.0, 5.0),
        x: axis(values.len()),
        y: axis(1),
        panels: vec![heat_map::Panel { title: owned(), rows: vec![squares.collect()] }],
        framed: owned(),
        dotted: owned(),
        notes: vec![owned()],
    };
    let pairs: Vec<(f64, f64)> = values.iter().map(|value| (*value, *value)).collect();
    let lanes =
        BTreeMap::from([((0, owned()), values.to_vec()), ((1, "other".to_owned()), vec![])]);
    let sets = vec![(owned(), Some(Role::Gra), values.to_vec())];
    [
        ("averages", averages.figure()),
        ("rounds", Rounds { model: owned(), series: vec![series] }.figure()),
        ("variants", variants.figure()),
        ("heat map", map.figure()),
        ("plane", Plane::pair("figure-5", name, [(name, &points), (name, &[])]).figure()),
        ("committee and judge", raters::committee_and_judge(name, &pairs, 8.0, None)),
        ("reviewers", raters::reviewers(name, &lanes, 8.0)),
        ("violins", Violins::difficulty(sets).figure()),
    ]
}

/// Figures of a trial's candidates, its models all called so.
fn of_candidates(name: &str, few: usize) -> [(&'static str, Result<Figure, FigureError>); 6] {
    let mut candidates: Vec<Candidate> = every_outcome().into_iter().take(few).collect();
    for candidate in &mut candidates {
        candidate.roles.generator = ModelName::new(name);
        for review in &mut candidate.response_reviews {
            review.reviewer = ModelName::new(&format!("{name}{}", review.seat));
        }
    }
    let trial = VariantTrial { variant: name, candidates: &candidates, judge: None };
    let facts =
        TrialFacts { variant: name.to_owned(), candidates: candidates.clone(), calls: vec![] };
    let sizes = Parameters::Stated(BTreeMap::from([(ModelName::new(name), 1)]));
    let cost = Compute::of(&facts, &sizes, TEACHER_PARAMETERS, BTreeMap::new());
    let reading = compute::ComputeReadings {
        name: name.to_owned(),
        stated: cost.clone(),
        at_papers_size: cost,
        sizes: vec![1],
    };
    let (method, variant) = (Method::default(), Variant::gra("gra"));
    let judge = BTreeMap::new();
    let record = Record {
        candidates: &candidates,
        method: &method,
        variant: &variant,
        embeddings: None,
        judge: &judge,
    };
    let grid = rescore(&record, &[Rule::recorded(&method, &variant)]).unwrap();
    [
        ("funnel", decisions::funnel(name, &Funnel::of(&candidates))),
        ("agreement", squares::agreement(name, &candidates, &[])),
        ("domains", squares::domains(name, &candidates, &[])),
        ("trials", Variants::of(name, 1, &[trial]).figure()),
        ("compute", compute::compute(&[reading])),
        ("acceptance", squares::acceptance(name, &grid)),
    ]
}

#[test]
fn odd_numbers_are_drawn_or_refused() {
    for (place, values) in VALUES.into_iter().enumerate() {
        for (figure, drawn) in of_numbers("gra", values) {
            let was_drawn = looked_at(drawn, &format!("{figure} of values {place}"));
            // One number or two make a picture of everything.
            assert!(was_drawn || !values.iter().any(|value| value.is_finite()), "{figure} {place}");
        }
    }
    for few in 0..4 {
        for (figure, drawn) in of_candidates("model", few) {
            looked_at(drawn, &format!("{figure} of {few} candidates"));
        }
    }
}

#[test]
fn odd_names_are_drawn() {
    let fonts = Fonts::bundled();
    for name in NAMES {
        let all = every_outcome().len();
        let figures = of_numbers(name, &[5.0, 6.0]).into_iter().chain(of_candidates(name, all));
        for (figure, drawn) in figures {
            let of = format!("{figure} of {name:?}");
            let Ok(picture) = &drawn else {
                assert_eq!(figure, "compute", "{of}: {drawn:?}");
                continue;
            };
            let png = picture.png(&fonts).unwrap();
            assert!(png.starts_with(b"\x89PNG"), "{of}");
            let lacking = picture.lacking(&fonts);
            assert!(lacking.iter().all(|letter| name.contains(*letter)), "{of}: {lacking:?}");
            assert!(!lacking.contains(&MARK));
            looked_at(drawn, &of);
        }
    }
    let chinese = of_numbers(NAMES[4], &[5.0])[0].1.clone().unwrap();
    assert_eq!(chinese.lacking(&fonts).len(), 4, "each letter once");
    assert!(chinese.svg.contains('\u{901a}'), "an SVG keeps it as text");
}

#[test]
fn points_of_one_place_or_of_no_place_are_no_panic() {
    for n in [FEWEST_DOTS, 5_000] {
        for point in [[5.0, 5.0], [1e308, -1e308], [f64::NAN, 1.0]] {
            let points = vec![point; n];
            let sets = [("a", points.as_slice()), ("b", points.as_slice())];
            let was_drawn = looked_at(Plane::pair("map", "n", sets).figure(), "equal points");
            assert_eq!(was_drawn, point[0].is_finite());
        }
    }
}

#[test]
fn roles_are_found_by_name_and_else_by_likeness() {
    let found = |names: &[&str]| Role::ALL.map(|role| role.find(names));
    let cases: [(&[&str], [Option<usize>; 3]); 5] = [
        (&["gra", "distill-large", "vanilla"], [Some(2), Some(0), Some(1)]),
        (&["alpaca", "ablation-gra-seed-42"], [Some(0), Some(1), None]),
        (&["ablation-no-reviewer-seed-42"], [None, None, None]),
        (&["a-gra-seed-1", "gra"], [None, Some(1), None]),
        (&[], [None, None, None]),
    ];
    for (names, expected) in cases {
        assert_eq!(found(names), expected, "{names:?}");
    }
}

use gra_synth::method::Method;
use gra_synth::variant::Variant;

use super::*;
use crate::frames::{MeasuredSample, samples};
use crate::ifd::{Loss, LossPair, Unmeasured};
use crate::statistics::inference::Inference;
use crate::trial::tests::every_outcome;

const SETTINGS: Settings = Settings {
    threshold: 8.0,
    margins: Margins {
        instruction_words: None,
        response_words: None,
        mu: None,
        judge: Some(0.5),
        loss_ratio: None,
        perplexity_ratio: None,
    },
};

fn sample(number: u32, origin: &str) -> MeasuredSample {
    MeasuredSample {
        id: format!("s{number:05}"),
        items: vec![format!("s{number:05}"), origin.to_owned()],
        domain: None,
        generator: None,
        round: None,
        instruction: "Name a colour.".to_owned(),
        response: Some("Grey.".to_owned()),
        mu: None,
        sigma: None,
        judge: None,
        second_judge: None,
        difficulty: None,
        nearest_distance: None,
    }
}

fn losses(conditional: f64, direct: f64) -> LossPair {
    let loss = |mean| Loss { mean, tokens: 3 };
    LossPair { conditional: loss(conditional), direct: loss(direct), truncated: false }
}

fn described(name: &str, rows: &[MeasuredSample]) -> MeasureTable {
    let samples = samples(rows).unwrap();
    let data_set =
        MeasuredSet { name: name.to_owned(), samples, seed_set: None, records: None, trial: None };
    findings(&[data_set], None, SETTINGS).unwrap().table
}

fn cell(table: &MeasureTable, measure: &str) -> MeasureValue {
    let found = table.measures().iter().find(|m| m.name == measure);
    found.unwrap_or_else(|| panic!("no measure `{measure}`")).cells[0].clone()
}

#[test]
fn difficulty_is_reported_over_all_below_one_and_above() {
    let mut rows: Vec<MeasuredSample> = (0..5).map(|n| sample(n, &format!("s{n:05}"))).collect();
    rows[0].difficulty = Some(Ok(losses(1.0, 2.0)));
    rows[1].difficulty = Some(Ok(losses(2.0, 2.0)));
    rows[2].difficulty = Some(Ok(losses(3.0, 2.0)));
    rows[3].difficulty = Some(Err(Unmeasured::EmptyResponse));
    rows[4].difficulty = Some(Ok(losses(0.5, 0.0)));
    let table = described("a", &rows);
    let value = |measure| cell(&table, measure).value().unwrap();
    assert!((value("loss-ratio, mean over all") - 1.0).abs() < 1e-12);
    assert!((value("loss-ratio, mean of those below 1") - 0.5).abs() < 1e-12);
    assert!((value("loss-ratio, share above 1") - 1.0 / 3.0).abs() < 1e-12);
    let expected = ((-1.0_f64).exp() + 1.0 + 1.0_f64.exp() + 0.5_f64.exp()) / 4.0;
    assert!((value("perplexity-ratio, mean over all") - expected).abs() < 1e-12);
    assert!((value("samples without a loss") - 1.0).abs() < 1e-12);
    assert_eq!(cell(&table, "loss-ratio, mean over all").n(), Some(3));
}

#[test]
fn samples_that_share_an_item_depend_on_each_other() {
    // Two origins of twelve samples each, and the same samples on their own.
    let mean = |origin: fn(u32) -> String| {
        let mut rows: Vec<MeasuredSample> = (0..24).map(|n| sample(n, &origin(n))).collect();
        for (row, mu) in rows.iter_mut().zip([6.0, 8.0].into_iter().cycle()) {
            row.mu = Some(mu);
        }
        cell(&described("a", &rows), "mu, mean")
    };
    let (two, alone) = (mean(|n| format!("o{}", n % 2)), mean(|n| format!("o{n}")));
    assert_eq!((two.value(), two.n(), alone.n()), (Some(7.0), Some(24), Some(24)));
    let ends = |mean: &MeasureValue| mean.interval().map(|found| (found.low, found.high)).unwrap();
    // One degree of freedom, and no two samples of an origin differ: the mean may be anything on the scale.
    assert_eq!(ends(&two), (0.0, 10.0));
    assert!(ends(&alone).1 - ends(&alone).0 < 1.0, "{alone:?}");
}

#[test]
fn failed_checks_are_shares_of_the_samples_that_they_apply_to() {
    let mut rows: Vec<MeasuredSample> = (0..4).map(|n| sample(n, &format!("s{n:05}"))).collect();
    rows[0].response = Some("I'm sorry, but I cannot help with that.".to_owned());
    rows[1].response = Some("12 + 7 = 18".to_owned());
    rows[2].response = Some("12 + 7 = 19".to_owned());
    rows[3].response = None;
    let table = described("a", &rows);
    let share = |measure| (cell(&table, measure).value(), cell(&table, measure).n());
    assert_eq!(share("refusal, share"), (Some(1.0 / 3.0), Some(3)));
    assert_eq!(share("stated arithmetic wrong, share"), (Some(0.5), Some(2)));
    assert!(
        table.measures().iter().all(|measure| measure.name != "JSON block does not parse, share")
    );
}

#[test]
fn what_nobody_measured_has_no_row() {
    let table = described("a", &[sample(0, "s00000")]);
    let groups = ["data", "text", "checks"];
    assert!(table.measures().iter().all(|measure| groups.contains(&measure.group)));
    let checks = table.measures().iter().filter(|measure| measure.group == "checks");
    assert_eq!(checks.map(|measure| &*measure.name).collect::<Vec<_>>(), ["refusal, share"]);
    let one = cell(&table, "words of instruction, mean");
    assert_eq!((one.value(), one.interval(), one.n()), (Some(3.0), None, Some(1)));
}

/// Every outcome once, two samples, and four judgements.
fn judged_trial() -> MeasuredSet {
    let candidates = every_outcome();
    let reviewed = candidates.iter().filter(|candidate| candidate.tally().is_some());
    let judge = reviewed.zip([9.0, 7.0, 8.0, 6.0]).map(|(candidate, score)| (candidate.id, score));
    let judge = judge.collect();
    let roles = candidates.iter().map(|candidate| &candidate.roles);
    let models = roles.flat_map(|roles| roles.reviewers.iter().chain([&roles.generator]));
    let families = models.map(|model| (model.clone(), model.to_string())).collect();
    let rows: Vec<MeasuredSample> = (0..2)
        .map(|n| MeasuredSample {
            mu: Some(8.5),
            judge: Some(9.0),
            ..sample(n, &format!("s{n:05}"))
        })
        .collect();
    let facts = TrialFacts { variant: "gra".to_owned(), candidates, calls: Vec::new() };
    let rule = Rule::recorded(&Method::default(), &Variant::gra("gra"));
    MeasuredSet {
        name: "gra".to_owned(),
        samples: samples(&rows).unwrap(),
        seed_set: None,
        records: None,
        trial: Some(TrialEvidence {
            facts,
            rule,
            is_cut: false,
            families,
            judge,
            raters: Vec::new(),
            parameters: BTreeMap::new(),
        }),
    }
}

#[test]
fn a_trial_has_its_committee_and_its_judge() {
    let trial = judged_trial();
    let seeds: Vec<MeasuredSample> = (0..3)
        .map(|n| MeasuredSample {
            judge: Some(5.0 + f64::from(n)),
            ..sample(n, &format!("s{n:05}"))
        })
        .collect();
    let seeds = MeasuredSet {
        name: "seeds".to_owned(),
        samples: samples(&seeds).unwrap(),
        seed_set: None,
        records: None,
        trial: None,
    };
    insta::assert_snapshot!(
        "a_trial_beside_seeds",
        findings(&[seeds, trial], None, SETTINGS).unwrap().table.terminal(true)
    );
}

#[test]
fn data_sets_of_one_seed_set_are_compared_item_by_item() {
    // Items differ by far more than the sides do.
    let of = |shift: f64, seed_set: &str| {
        let rows: Vec<MeasuredSample> = (0..20)
            .map(|n| MeasuredSample {
                // The sides differ a little more on every other item.
                mu: Some(f64::from(n % 10) + shift * (1.0 + f64::from(n % 2) / 10.0)),
                ..sample(n, &format!("s{n:05}"))
            })
            .collect();
        let (samples, seed_set) = (samples(&rows).unwrap(), Some(seed_set.to_owned()));
        MeasuredSet { name: format!("{shift}"), samples, seed_set, records: None, trial: None }
    };
    let contrast = |data_sets: &[MeasuredSet]| {
        let found = findings(data_sets, None, SETTINGS).unwrap().contrasts;
        found.into_iter().find(|contrast| contrast.measure == "mu").unwrap()
    };
    let paired = contrast(&[of(0.0, "alpaca"), of(0.25, "alpaca")]);
    let apart = contrast(&[of(0.0, "alpaca"), of(0.25, "condor")]);
    assert_eq!((paired.n.both, apart.n.both), (20, 0));
    let width = |contrast: &Contrast| {
        let interval = contrast.difference.unwrap().interval(0.95).unwrap();
        interval.high - interval.low
    };
    assert!(width(&paired) < 0.1 && width(&apart) > 1.0, "{paired:?} {apart:?}");
    assert!(paired.p.unwrap() < 0.01 && apart.p.unwrap() > 0.3, "{paired:?} {apart:?}");
}

/// A set of judged samples.
fn judged(name: &str, scores: impl IntoIterator<Item = (u32, f64)>) -> MeasuredSet {
    let sample = |(n, judge)| MeasuredSample {
        judge: Some(judge),
        items: vec![format!("s{n:05}")],
        ..sample(n, "")
    };
    let rows: Vec<MeasuredSample> = scores.into_iter().map(sample).collect();
    MeasuredSet {
        name: name.to_owned(),
        samples: samples(&rows).unwrap(),
        seed_set: Some("alpaca".to_owned()),
        records: None,
        trial: None,
    }
}

#[test]
fn keeping_the_better_half_is_no_improvement() {
    // Items of 0 to 9; the second set holds those of 5 and more, answered anew: as good as before on average.
    let score = |n: u32| f64::from(n % 10);
    let all = judged("all", (0..80).map(|n| (n, score(n))));
    let again = |n: u32| score(n) + if (n / 10).is_multiple_of(2) { 0.1 } else { -0.1 };
    let better = judged("better", (0..80).filter(|n| n % 10 > 4).map(|n| (n, again(n))));
    let found = findings(&[all, better], None, SETTINGS).unwrap();
    let judge =
        found.contrasts.iter().find(|contrast| contrast.measure == "judge's score").unwrap();
    assert_eq!(judge.n, Sizes { first: 80, other: 40, both: 40 });
    let value = |inference: Option<Inference>| inference.unwrap().value;
    assert!((value(judge.difference) - 2.5).abs() < 1e-9);
    assert!(value(judge.same_items).abs() < 1e-9 && (value(judge.selection) - 2.5).abs() < 1e-9);
    assert!(judge.selection.unwrap().p().unwrap() < 1e-3);
    assert_eq!(
        (judge.headline(), judge.verdict()),
        (judge.same_items, Some(DifferenceVerdict::Alike))
    );
    let total = judge.same_items.unwrap().value + judge.selection.unwrap().value;
    assert!((total - judge.difference.unwrap().value).abs() < 1e-9);
}

#[test]
fn a_preference_for_long_responses_is_no_better_data() {
    // The judge gives 2 ln(1 + words), give or take; the second set's responses are twice as long, and no better.
    let set = |name: &str, times: u32, better: f64| {
        let words = |n: u32| (10 + n % 40) * times;
        let noise = |n: u32| if (n / 3).is_multiple_of(2) { 0.1 } else { -0.1 };
        let score = |n: u32| 2.0 * f64::from(1 + words(n)).ln() + noise(n) + better;
        let sample = |n: u32| MeasuredSample {
            judge: Some(score(n)),
            response: Some(vec!["grey"; words(n) as usize].join(" ")),
            items: vec![format!("{name}{n}")],
            ..sample(n, "")
        };
        MeasuredSet {
            name: name.to_owned(),
            samples: samples(&(0..80).map(sample).collect::<Vec<_>>()).unwrap(),
            seed_set: None,
            records: None,
            trial: None,
        }
    };
    let sets = [set("first", 1, 0.0), set("long", 2, 0.0), set("good", 2, 0.5)];
    let found = findings(&sets, None, SETTINGS).unwrap();
    let of = |measure: &str, data_set: &str| {
        let mut all = found.contrasts.iter();
        let found = all.find(|one| (one.measure, one.data_set.as_str()) == (measure, data_set));
        let contrast = found.unwrap_or_else(|| panic!("no {measure} of {data_set}"));
        (contrast.difference.unwrap().value, contrast.n, contrast.verdict().unwrap())
    };
    let (raw, _, verdict) = of("judge's score", "long");
    assert!(raw > 1.3 && verdict == DifferenceVerdict::Differs, "{raw} {verdict:?}");
    for measure in ["judge's score at equal length", "judge's score of pairs matched by length"] {
        let (long, n, verdict) = of(measure, "long");
        assert!(long.abs() < 0.1 && verdict == DifferenceVerdict::Alike, "{long} {verdict:?}");
        let (good, _, verdict) = of(measure, "good");
        assert!((good - 0.5).abs() < 0.1 && verdict == DifferenceVerdict::Differs, "{good}");
        // First: 10 to 49 words, two of each; the other: 20 to 98, two of each even number, 30 of them up to 49 words.
        let pairs = if measure.contains("pairs") { 30..=40 } else { 80..=80 };
        assert!(pairs.contains(&n.first) && n.first == n.other, "{measure}: {n:?}");
    }
}

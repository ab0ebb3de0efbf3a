use gra_synth::committee::Scores;

use super::*;

#[test]
fn names_and_sources() {
    let cases = [
        ("alpaca.json", "alpaca", None),
        ("data/wizardlm evol.jsonl.gz", "wizardlm-evol", None),
        ("A=x/y.csv", "A", None),
        ("ablation/gra/seed-42", "ablation-gra-seed-42", Some("ablation/gra/seed-42")),
        ("gra=results/ablation/gra/seed-7/", "gra", Some("ablation/gra/seed-7")),
    ];
    for (text, name, trial) in cases {
        let named = Named::parse(text).unwrap();
        let found = match &named.source {
            Source::Trial(id) => Some(id.to_string()),
            Source::File(_) => None,
        };
        assert_eq!((named.name.as_str(), found.as_deref()), (name, trial), "{text}");
    }
    for bad in ["a/b=x.json", "=x.json", ".x=y.json", "a b=x.json"] {
        let error = Named::parse(bad).unwrap_err().to_string();
        assert!(error.contains("cannot name a data set"), "{bad}: {error}");
    }
}

#[test]
fn an_input_comes_apart_again() {
    let item = SeedItem {
        number: 3,
        instruction: "Add them up.\n\n1, 2".to_owned(),
        input_at: Some(14),
        response: None,
        annotation: None,
    };
    let sample = Sample::from(item);
    assert_eq!((sample.task(), sample.input()), ("Add them up.", Some("1, 2")));
}

#[test]
fn the_best_are_those_of_the_highest_mu() {
    let sample = |(number, score): (u32, Option<u8>)| Sample {
        id: ItemId::Candidate { round: 1, number },
        items: Vec::new(),
        domain: None,
        generator: None,
        instruction: "Add.".to_owned(),
        input_at: None,
        response: None,
        tally: score.and_then(|score| Tally::from_scores([Scores::whole([score; 6])])),
        candidate: None,
        origin: None,
    };
    let scores = [Some(8), None, Some(9), Some(8), Some(10)];
    let samples = (0..).zip(scores).map(sample).collect();
    let mut set = DataSet::new("a".to_owned(), samples);
    set.keep_best(3);
    let kept: Vec<String> = set.samples.iter().map(|sample| sample.id.to_string()).collect();
    assert_eq!(kept, ["r1-00000", "r1-00002", "r1-00004"]);
}

#[test]
fn data_sets_keep_the_same_items_where_they_can() {
    let item = |number| SeedItem {
        number,
        instruction: format!("Item {number}"),
        input_at: None,
        response: None,
        annotation: None,
    };
    let drawn = |step, seed| {
        let samples = (0..100).step_by(step).map(item).map(Sample::from).collect();
        let mut set = DataSet::new(step.to_string(), samples);
        set.subsample(10, seed);
        set.samples.into_iter().map(|sample| sample.id).collect::<Vec<_>>()
    };
    let all = drawn(1, 42);
    assert_eq!((all.len(), &all), (10, &drawn(1, 42)));
    assert!(all.is_sorted());
    assert_ne!(all, drawn(1, 43));
    let even = drawn(2, 42);
    let is_even = |id: &&ItemId| matches!(id, ItemId::Seed(number) if number % 2 == 0);
    assert!(even.len() == 10 && all.iter().filter(is_even).all(|id| even.contains(id)));
}

//! The prompts of experiments/prompts as models read them, before their chat template.

use std::collections::BTreeMap;

use gra_synth::prompt::{PromptSet, TEMPLATES};
use gra_synth::request::Stage;

use crate::workbench::repository;

fn prompts() -> PromptSet {
    let folder = repository().join("experiments/prompts");
    let file = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let files: BTreeMap<String, String> =
        TEMPLATES.iter().map(|(name, ..)| ((*name).to_owned(), file(name))).collect();
    PromptSet::parse(&files).unwrap()
}

#[test]
fn every_prompt_as_rendered() {
    let values = [
        ("domain", "Math"),
        ("examples", "1. keywords: tides, moon; summary: Explain the tides."),
        ("keywords", "spring tide, orbit"),
        ("summaries", "1. Explain the tides."),
        ("instruction", "When is a spring tide? {{response}}"),
        ("response", "At new and full moon."),
        ("reviews", "1. Right but short.\n2. Good."),
    ];
    let prompts = prompts();
    for stage in Stage::ALL {
        let sample = prompts.sample(stage, &values);
        insta::assert_snapshot!(stage.name(), prompts.prompt(stage, sample).text());
    }
}

#[test]
fn example_scores_show_both_verdicts_and_the_excellent_first() {
    // Small models copy the list that they see first, and the numbers of an example set the scale of all
    // (decision 20): an excellent list, then a poor one, the same in both prompts, neither of equal scores.
    let shown = [Stage::ResponseReview, Stage::Adjudication].map(|stage| {
        let role = prompts().prompt(stage, String::new()).role;
        let lists = role.split("<bos>[").skip(1).map(|rest| rest.split("]<eos>").next().unwrap());
        let scores = |list: &str| list.split(',').map(|score| score.parse().unwrap()).collect();
        lists.map(scores).collect::<Vec<Vec<u32>>>()
    });
    let [review, adjudication] = &shown;
    assert_eq!(review, adjudication);
    let [excellent, poor] = &review[..] else { panic!("{review:?}") };
    assert_eq!((excellent.len(), poor.len()), (6, 6));
    let tau = 8 * 6;
    assert!(excellent.iter().sum::<u32>() > tau && poor.iter().sum::<u32>() < tau, "{review:?}");
    for list in review {
        assert!(list.iter().all(|score| (1..=10).contains(score)));
        assert!(list.iter().any(|score| *score != list[0]), "all alike: {list:?}");
    }
}

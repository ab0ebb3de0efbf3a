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
fn example_scores_favour_no_dimension_and_no_verdict() {
    // Small models lean on the example's numbers (decision 20): six different ones, some of which would pass and
    // some not, the same in both prompts.
    let shown = [Stage::ResponseReview, Stage::Adjudication].map(|stage| {
        let role = prompts().prompt(stage, String::new()).role;
        let list = role.split("<bos>[").nth(1).unwrap().split("]<eos>").next().unwrap().to_owned();
        list.split(',').map(|score| score.parse::<u8>().unwrap()).collect::<Vec<_>>()
    });
    let [review, adjudication] = &shown;
    assert_eq!(review, adjudication);
    let distinct: std::collections::BTreeSet<&u8> = review.iter().collect();
    assert_eq!(distinct.len(), 6);
    assert!(review.iter().any(|score| *score < 6) && review.iter().any(|score| *score > 8));
}

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
fn no_prompt_shows_scores_that_a_model_could_copy() {
    // A small model repeats the digits of an example; ours have none between the score tags.
    for stage in [Stage::ResponseReview, Stage::Adjudication] {
        let role = prompts().prompt(stage, String::new()).role;
        let shown = role.split("<bos>").nth(1).unwrap().split("<eos>").next().unwrap().to_owned();
        assert!(!shown.chars().any(|c| c.is_ascii_digit()), "{stage}: {shown}");
    }
}

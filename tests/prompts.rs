//! The prompts of experiments/prompts as models read them, before their chat template.

use std::collections::BTreeMap;

use gra_synth::prompt::{PromptSet, REWRITE_TEMPLATE, TEMPLATES};
use gra_synth::request::Stage;

use crate::workbench::repository;

/// The set with the templates of a second folder in their places.
fn prompts_over(second: &str) -> PromptSet {
    let file = |name: &str| {
        let [own, second] = ["prompts", second]
            .map(|folder| repository().join("experiments").join(folder).join(name));
        std::fs::read_to_string(second).or_else(|_| std::fs::read_to_string(own)).unwrap()
    };
    let files: BTreeMap<String, String> =
        TEMPLATES.iter().map(|(name, ..)| ((*name).to_owned(), file(name))).collect();
    PromptSet::parse(&files).unwrap()
}

fn prompts() -> PromptSet {
    prompts_over("prompts")
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
fn the_prompt_that_shows_an_old_response() {
    let (name, _) = REWRITE_TEMPLATE;
    let text =
        std::fs::read_to_string(repository().join("experiments/prompts").join(name)).unwrap();
    let prompts = prompts().rewriting(&BTreeMap::from([(name.to_owned(), text)])).unwrap();
    let values =
        [("instruction", "When is a spring tide?"), ("old_response", "{{instruction}}: often.")];
    let text = prompts.prompt(Stage::Response, prompts.sample(Stage::Response, &values)).text();
    insta::assert_snapshot!("rewrite", text);
}

/// The lists that a prompt shows between its tags.
fn shown_lists(prompts: &PromptSet, stage: Stage) -> Vec<Vec<u32>> {
    let role = prompts.prompt(stage, String::new()).role;
    let lists = role.split("<bos>[").skip(1).map(|rest| rest.split("]<eos>").next().unwrap());
    let scores = |list: &str| list.split(',').map(|score| score.parse().unwrap()).collect();
    lists.map(scores).collect()
}

#[test]
fn a_second_wording_of_the_reviews_has_other_words_and_the_same_form() {
    let (own, reworded) = (prompts(), prompts_over("prompts-reworded"));
    let of_reviews = [Stage::InstructionReview, Stage::ResponseReview, Stage::Adjudication];
    for stage in Stage::ALL.into_iter().filter(|stage| *stage != Stage::ReviewComment) {
        assert_eq!(own.asks_alike(&reworded, stage), !of_reviews.contains(&stage), "{stage}");
    }
    for stage in of_reviews {
        // What small models copy is the same, so that only words differ.
        assert_eq!(shown_lists(&own, stage), shown_lists(&reworded, stage), "{stage}");
        let criteria = |prompts: &PromptSet| -> Vec<String> {
            let role = prompts.prompt(stage, String::new()).role;
            let numbered =
                role.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
            numbered.map(|line| line.split(':').next().unwrap().to_owned()).collect()
        };
        assert_eq!(criteria(&own), criteria(&reworded), "{stage}");
        let values = [("instruction", "Why?"), ("response", "So."), ("reviews", "1. Good.")];
        let text = reworded.prompt(stage, reworded.sample(stage, &values)).text();
        insta::assert_snapshot!(format!("reworded-{stage}"), text);
    }
}

#[test]
fn example_scores_show_both_verdicts_and_the_excellent_first() {
    // Small models copy the list that they see first, and the numbers of an example set the scale of all
    // (decision 20): an excellent list, then a poor one, the same in both prompts, neither of equal scores.
    let shown =
        [Stage::ResponseReview, Stage::Adjudication].map(|stage| shown_lists(&prompts(), stage));
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

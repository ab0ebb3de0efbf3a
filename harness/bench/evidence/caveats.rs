//! What makes a comparison say less than it seems to: data sets that are one under two names, texts that the encoder does
//! not read at once, and judges or scorers that do not stand outside the data that they are asked about.
//!
//! A model that wrote some of the samples, or is of one family with a model that did, favours its own kind: a difference
//! in its scores may be that. It is asked all the same, and what it says is marked.

use std::collections::BTreeSet;

use gra_llm::model_pool::{ModelPool, PoolModel};
use gra_synth::request::ModelName;

use super::Plan;
use crate::dataset::DataSet;
use crate::scoring::Bench;

/// Data sets of the same texts in the same order, as two trials of one setting in two experiments have them: what is
/// found of both is found once.
pub(super) fn twins(data_sets: &[DataSet]) -> Vec<String> {
    fn texts(set: &DataSet) -> impl Iterator<Item = (&str, Option<&str>)> {
        set.samples.iter().map(|sample| (sample.instruction.as_str(), sample.response.as_deref()))
    }
    let twin = |(place, set): (usize, &DataSet)| {
        let first = data_sets[..place].iter().find(|earlier| texts(earlier).eq(texts(set)))?;
        Some(format!(
            "{} and {} hold the same samples: they are one data set under two names.",
            first.name, set.name
        ))
    };
    data_sets.iter().enumerate().filter_map(twin).collect()
}

/// How many instructions of each data set the encoder does not read at once; `long`: of each, where it was asked.
pub(super) fn long_texts(data_sets: &[DataSet], long: &[usize]) -> Option<String> {
    let sets = data_sets.iter().zip(long).filter(|(_, long)| **long > 0);
    let sets = sets.map(|(set, long)| format!("{} {long} of {}", set.name, set.samples.len()));
    let sets: Vec<String> = sets.collect();
    (!sets.is_empty()).then(|| {
        format!(
            "Longer than the encoder reads at once, or in letters that it does not know, are instructions of {}: in \
             the diversity of a data set and on a map one vector stands for each, which says less of it.",
            sets.join(", ")
        )
    })
}

/// Judges and scorers that wrote some of the samples, or are of one family with a model that did, a sentence each.
pub(super) fn insiders(plan: &Plan<'_>, data_sets: &[DataSet]) -> Vec<String> {
    let judge = |bench: &Option<Bench<'_>>| bench.as_ref().map(|bench| bench.judge.name.clone());
    let asked = [
        ("judge", judge(&plan.judge)),
        ("second judge", judge(&plan.second_judge)),
        ("model whose losses are taken", plan.difficulty.map(|scoring| scoring.model.clone())),
    ];
    let insider = |(role, model): (&str, Option<ModelName>)| {
        not_an_outsider(role, &model?, data_sets, plan.pool)
    };
    asked.into_iter().filter_map(insider).collect()
}

/// A sentence about a judge or scorer (`role`) that is none of the outsiders it should be; `None` for one that is.
fn not_an_outsider(
    role: &str,
    model: &ModelName,
    data_sets: &[DataSet],
    pool: &ModelPool,
) -> Option<String> {
    let model = pool.model(model)?;
    let (mut own, mut family) = (Vec::new(), Vec::new());
    for data_set in data_sets {
        let names: BTreeSet<&ModelName> = writers(data_set).collect();
        let writers: Vec<&PoolModel> =
            names.into_iter().filter_map(|name| pool.model(name)).collect();
        let is_family =
            |writer: &PoolModel| model.family.is_some() && writer.family == model.family;
        // A data set is named once, with the closer of the two.
        if writers.iter().any(|writer| is_same(model, writer)) {
            own.push(data_set.name.as_str());
        } else if writers.iter().any(|writer| is_family(writer)) {
            family.push(data_set.name.as_str());
        }
    }
    let clauses = [("wrote samples of", own), ("is of one family with writers of", family)];
    let clauses: Vec<String> = clauses
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| format!("{what} {}", names.join(", ")))
        .collect();
    (!clauses.is_empty()).then(|| {
        format!(
            "The {role}, {}, {}: models favour their own kind, and its numbers may be that.",
            model.name,
            clauses.join(", and "),
        )
    })
}

/// A pool may name one file twice, as a member and as a teacher.
fn is_same(one: &PoolModel, other: &PoolModel) -> bool {
    one.name == other.name || one.backend == other.backend
}

/// The generators of a trial's samples; none of a file, whose writers are not known, nor of a union, whose parts stand
/// beside it.
fn writers(data_set: &DataSet) -> impl Iterator<Item = &ModelName> {
    let candidates = data_set.trial.iter().flat_map(|trial| &trial.facts.candidates);
    candidates.filter(|candidate| candidate.is_sample()).map(|sample| &sample.roles.generator)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use gra_analysis::rescore::Rule;
    use gra_analysis::trial::TrialFacts;
    use gra_synth::candidate::{Candidate, Outcome, Roles};
    use gra_synth::method::Method;
    use gra_synth::pool::{ItemId, SeedItem};
    use gra_synth::variant::Variant;

    use super::*;
    use crate::dataset::{Sample, SourceTrial};

    fn pool() -> ModelPool {
        let text = r#"
            name = "three"
            [encoder]
            name = "encoder"
            path = "encoder.gguf"
            [[model]]
            name = "small"
            path = "small.gguf"
            family = "q"
            [[model]]
            name = "large"
            path = "large.gguf"
            family = "q"
            [[model]]
            name = "other"
            path = "other.gguf"
            family = "l"
            [[teacher]]
            name = "teacher"
            path = "large.gguf"
            family = "q"
        "#;
        ModelPool::parse(text, Path::new("pool.toml"), Path::new("models")).unwrap()
    }

    fn set(name: &str, writer: &str) -> DataSet {
        let roles = Roles {
            generator: ModelName::new(writer),
            reviewers: Vec::new(),
            adjudicator: None,
            summariser: ModelName::new(writer),
        };
        let id = ItemId::Candidate { round: 1, number: 0 };
        let mut candidate = Candidate::drawn(id, 0, None, Vec::new(), roles);
        candidate.outcome = Some(Outcome::Accepted);
        let facts =
            TrialFacts { variant: name.to_owned(), candidates: vec![candidate], calls: Vec::new() };
        let rule = Rule::recorded(&Method::default(), &Variant::gra(name));
        let trial = Some(SourceTrial { facts, rule, judged: None });
        DataSet { trial, ..DataSet::new(name.to_owned(), Vec::new()) }
    }

    #[test]
    fn writers_and_their_kin_are_named() {
        let (pool, sets) = (pool(), [set("a", "large"), set("b", "small"), set("c", "other")]);
        let said = |judge: &str| not_an_outsider("judge", &ModelName::new(judge), &sets, &pool);
        insta::assert_snapshot!(said("teacher").unwrap(), @"The judge, teacher, wrote samples of a, and is of one family with writers of b: models favour their own kind, and its numbers may be that.");
        assert!(said("other").unwrap().contains("wrote samples of c:"));
        assert_eq!(not_an_outsider("judge", &ModelName::new("other"), &sets[..2], &pool), None);
        let file = DataSet { trial: None, ..set("d", "large") };
        assert_eq!(not_an_outsider("judge", &ModelName::new("teacher"), &[file], &pool), None);
    }

    #[test]
    fn equal_data_sets_are_said_to_be_one() {
        let set = |name: &str, responses: &[&str]| {
            let item = |(number, response): (u32, &&str)| SeedItem {
                number,
                instruction: "Add.".to_owned(),
                input_at: None,
                response: Some((*response).to_owned()),
                annotation: None,
            };
            let samples = (0..).zip(responses).map(item).map(Sample::from).collect();
            DataSet::new(name.to_owned(), samples)
        };
        let sets = [set("gra", &["3", "4"]), set("other", &["3"]), set("random", &["3", "4"])];
        let expected =
            "gra and random hold the same samples: they are one data set under two names.";
        assert_eq!(twins(&sets), [expected]);
    }
}

use std::collections::BTreeMap;
use std::io;

use gra_synth::candidate::Candidate;
use gra_synth::committee::Thousandths;
use gra_synth::method::Method;
use gra_synth::pool::ItemId;
use gra_synth::request::ModelName;
use gra_synth::variant::{DisputeRule, Instructions, Reviewers, RoleAssignment, Variant};

use super::*;
use crate::trial::tests::{accepted, every_outcome, id, rejected};

fn variant() -> Variant {
    Variant::gra("gra")
}

fn tau(value: f64) -> Thousandths {
    Thousandths::try_from(value).unwrap()
}

/// Every outcome once, then twenty accepted and ten rejected ones beside other examples.
fn candidates() -> Vec<Candidate> {
    let mut candidates = every_outcome();
    // Nobody votes where an adjudicator settles.
    let out_of_place = |outcome| matches!(outcome, None | Some(Outcome::VotedOut));
    candidates.retain(|candidate| !out_of_place(candidate.outcome));
    let more = (10..30).map(accepted).chain((30..40).map(rejected));
    for (seed, mut candidate) in (0..).zip(more) {
        candidate.examples[0] = ItemId::Seed(seed % 7);
        candidates.push(candidate);
    }
    candidates
}

fn grid(judge: &BTreeMap<ItemId, f64>) -> Rescored {
    let (candidates, method, variant) = (candidates(), Method::default(), variant());
    let record = Record {
        candidates: &candidates,
        method: &method,
        variant: &variant,
        embeddings: None,
        judge,
    };
    let own = Rule::recorded(&method, &variant);
    let mut rules = Vec::new();
    for dispute in [DisputeRule::Adjudicator, DisputeRule::MajorityVote] {
        for value in [7.0, 8.0, 9.0] {
            rules.push(Rule { tau: tau(value), dispute, ..own });
        }
    }
    rules.push(Rule { reviewers: 2, ..own });
    rescore(&record, &rules).unwrap()
}

fn text(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
    let mut bytes = Vec::new();
    write(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn terminal() {
    let judge = (10..20).map(|number| (id(number), f64::from(number) / 2.0)).collect();
    insta::assert_snapshot!(grid(&judge).terminal(), @"
    As run: tau 8, delta 1.5, 3 reviewers, dispute adjudicator, cosine limit 0.9: 22
      of 38 candidates passed, 0.58 [0.36, 0.80].

                                                              over-  dupli-
    tau  delta  reviewers  dispute        decided  disputed  turned   cates  failed
    7    1.5    3          adjudicator         35         2       0       1       0
    8    1.5    3          adjudicator         35         2       1       1       0
    9    1.5    3          adjudicator         35         0       0       0       0
    7    1.5    3          majority-vote       35         2       0       1       0
    8    1.5    3          majority-vote       35         2       0       1       0
    9    1.5    3          majority-vote       35         0       0       0       0
    8    1.5    2          adjudicator         35         0       0       1       0

    tau  delta  reviewers  dispute        accepted  unknown              acceptance
    7    1.5    3          adjudicator          34        0       0.89 [0.75, 1.00]
    8    1.5    3          adjudicator          22        0       0.58 [0.36, 0.80]
    9    1.5    3          adjudicator           0        0                    0.00
    7    1.5    3          majority-vote        34        0       0.89 [0.75, 1.00]
    8    1.5    3          majority-vote        23        0       0.61 [0.39, 0.82]
    9    1.5    3          majority-vote         0        0                    0.00
    8    1.5    2          adjudicator          23        1  0.61-0.63 [0.39, 0.84]

    tau  delta  reviewers  dispute             judge  knowledge
    7    1.5    3          adjudicator    7.25, n 10  duplicates
    8    1.5    3          adjudicator    7.25, n 10  exact
    9    1.5    3          adjudicator             -  duplicates
    7    1.5    3          majority-vote  7.25, n 10  duplicates
    8    1.5    3          majority-vote  7.25, n 10  duplicates
    9    1.5    3          majority-vote           -  duplicates
    8    1.5    2          adjudicator    7.25, n 10  duplicates

    acceptance: passed review and deduplication, surplus included, over all
      candidates drawn but the failed ones. decided: the committee's decision is
      known. overturned: disputed and dropped, against the committee's mean.
    A run under another rule would draw fewer or more waves until its target is met.
    Brackets: 95% t-intervals that count every two candidates which share an example
      as dependent; none below 12 candidates, nor where nothing varies; not
      corrected for the number of rules.
    exact: every candidate's fate follows from the record, as a run under this rule
      would have recorded it.
    duplicates: approximate; other candidates pass review than did, and without
      embeddings (trials of earlier releases do not say which encoder made theirs)
      duplicates are taken from the record.
    ");
}

#[test]
fn markdown() {
    insta::assert_snapshot!(grid(&BTreeMap::new()).markdown(), @"
    As run: tau 8, delta 1.5, 3 reviewers, dispute adjudicator, cosine limit 0.9: 22 of 38 candidates passed, 0.58 [0.36, 0.80].

    | tau | delta | reviewers | dispute | decided | disputed | overturned | duplicates | failed | accepted | unknown | acceptance | knowledge |
    | --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |
    | 7 | 1.5 | 3 | adjudicator | 35 | 2 | 0 | 1 | 0 | 34 | 0 | 0.89 [0.75, 1.00] | duplicates |
    | 8 | 1.5 | 3 | adjudicator | 35 | 2 | 1 | 1 | 0 | 22 | 0 | 0.58 [0.36, 0.80] | exact |
    | 9 | 1.5 | 3 | adjudicator | 35 | 0 | 0 | 0 | 0 | 0 | 0 | 0.00 | duplicates |
    | 7 | 1.5 | 3 | majority-vote | 35 | 2 | 0 | 1 | 0 | 34 | 0 | 0.89 [0.75, 1.00] | duplicates |
    | 8 | 1.5 | 3 | majority-vote | 35 | 2 | 0 | 1 | 0 | 23 | 0 | 0.61 [0.39, 0.82] | duplicates |
    | 9 | 1.5 | 3 | majority-vote | 35 | 0 | 0 | 0 | 0 | 0 | 0 | 0.00 | duplicates |
    | 8 | 1.5 | 2 | adjudicator | 35 | 0 | 0 | 1 | 0 | 23 | 1 | 0.61-0.63 [0.39, 0.84] | duplicates |

    - acceptance: passed review and deduplication, surplus included, over all candidates drawn but the failed ones. decided: the committee's decision is known. overturned: disputed and dropped, against the committee's mean.
    - A run under another rule would draw fewer or more waves until its target is met.
    - Brackets: 95% t-intervals that count every two candidates which share an example as dependent; none below 12 candidates, nor where nothing varies; not corrected for the number of rules.
    - exact: every candidate's fate follows from the record, as a run under this rule would have recorded it.
    - duplicates: approximate; other candidates pass review than did, and without embeddings (trials of earlier releases do not say which encoder made theirs) duplicates are taken from the record.
    ");
}

#[test]
fn csv_has_every_number() {
    let judge = BTreeMap::from([(id(10), 7.5), (id(11), f64::NAN), (id(3), 1.0)]);
    insta::assert_snapshot!(text(|bytes| grid(&judge).write_csv(bytes)), @"
    as_run,tau,delta,reviewers,dispute,cosine_limit,candidates,decided,disputed,overturned,duplicates,failed,accepted,unknown,acceptance_least,acceptance_most,acceptance_low,acceptance_high,judged,mean_judge,mean_judge_low,mean_judge_high,knowledge
    true,8,1.5,3,adjudicator,0.9,38,35,2,1,1,0,22,0,0.5789473684210527,0.5789473684210527,0.3611905434456931,0.7967041933964122,1,7.5,,,exact
    false,7,1.5,3,adjudicator,0.9,38,35,2,0,1,0,34,0,0.8947368421052632,0.8947368421052632,0.7536122922760573,1,2,4.25,,,duplicates
    false,8,1.5,3,adjudicator,0.9,38,35,2,1,1,0,22,0,0.5789473684210527,0.5789473684210527,0.3611905434456931,0.7967041933964122,1,7.5,,,exact
    false,9,1.5,3,adjudicator,0.9,38,35,0,0,0,0,0,0,0,0,,,0,,,,duplicates
    false,7,1.5,3,majority-vote,0.9,38,35,2,0,1,0,34,0,0.8947368421052632,0.8947368421052632,0.7536122922760573,1,2,4.25,,,duplicates
    false,8,1.5,3,majority-vote,0.9,38,35,2,0,1,0,23,0,0.6052631578947368,0.6052631578947368,0.38968240147169597,0.8208439143177777,1,7.5,,,duplicates
    false,9,1.5,3,majority-vote,0.9,38,35,0,0,0,0,0,0,0,0,,,0,,,,duplicates
    false,8,1.5,2,adjudicator,0.9,38,35,0,0,1,0,23,1,0.6052631578947368,0.631578947368421,0.38968240147169597,0.8443291990817994,1,7.5,,,duplicates
    ");
}

#[test]
fn what_cannot_be_rescored_is_named() {
    let (method, judge) = (Method::default(), BTreeMap::new());
    let error = |candidates: &[Candidate], variant: &Variant, rule: &dyn Fn(Rule) -> Rule| {
        let own = Rule::recorded(&method, variant);
        let record =
            Record { candidates, method: &method, variant, embeddings: None, judge: &judge };
        rescore(&record, &[rule(own)]).unwrap_err().to_string()
    };
    let nobody = Variant { name: "no-reviewer".into(), reviewers: Reviewers::None, ..variant() };
    let alone = Variant { reviewers: Reviewers::Named(ModelName::new("llama")), ..variant() };
    let twice = [accepted(1), accepted(1)];
    let errors = [
        error(&[], &nobody, &|own| own),
        error(&[], &variant(), &|own| Rule { reviewers: 4, ..own }),
        error(&[], &variant(), &|own| Rule { reviewers: 0, ..own }),
        error(&[], &alone, &|own| Rule { reviewers: 2, ..own }),
        error(&[], &variant(), &|own| Rule { cosine_limit: 0.95, ..own }),
        error(&twice, &variant(), &|own| own),
        error(&[], &refined(), &|own| Rule { cosine_limit: 0.95, ..own }),
    ];
    insta::assert_snapshot!(errors.join("\n"), @"
    variant `no-reviewer` has no reviewers: there are no reviews to rescore
    4 reviewers cannot be heard: the trial has 3
    0 reviewers cannot be heard: the trial has 3
    2 reviewers cannot be heard: the trial has 1
    cosine limit 0.95 needs the embeddings: the trial was recorded at 0.9
    the trial holds candidate r1-00001 twice
    variant `refined` keeps the seed set's instructions and compares them with nothing: there is no cosine limit to change
    ");
}

fn refined() -> Variant {
    Variant { instructions: Instructions::Seed, ..Variant::gra("refined") }
}

#[test]
fn a_seed_set_has_neither_target_nor_duplicates() {
    let candidates: Vec<Candidate> = (0..6).map(accepted).chain((6..9).map(rejected)).collect();
    let (method, variant) = (Method { target: 2, ..Method::default() }, refined());
    let embedding = gra_synth::request::Embedding::new([1.0_f32].as_slice().into());
    let instructions = candidates.iter().map(|c| (c.id, embedding.clone())).collect();
    let embeddings = Embeddings { seeds: vec![(ItemId::Seed(0), embedding)], instructions };
    let record = Record {
        candidates: &candidates,
        method: &method,
        variant: &variant,
        embeddings: Some(&embeddings),
        judge: &BTreeMap::new(),
    };
    let own = Rule::recorded(&method, &variant);
    for (rule, expected) in [(own, 6), (Rule { tau: tau(1.0), ..own }, 9)] {
        let fates = fates(&record, rule).unwrap();
        let accepted = fates.values().filter(|fate| **fate == Fate::Known(Outcome::Accepted));
        assert_eq!(accepted.count(), expected);
        assert_eq!(rescore(&record, &[rule]).unwrap().cells[0].knowledge, Knowledge::Exact);
    }
}

#[test]
fn roles_that_were_learnt_are_known_under_the_recorded_rule_alone() {
    let (method, variant) = (
        Method::default(),
        Variant { roles: RoleAssignment::Adaptive, ..Variant::gra("adaptive") },
    );
    let mut candidates: Vec<Candidate> = (0..6).map(accepted).collect();
    let knowledge = |candidates: &[Candidate], rule| {
        let record = Record {
            candidates,
            method: &method,
            variant: &variant,
            embeddings: None,
            judge: &BTreeMap::new(),
        };
        rescore(&record, &[rule]).unwrap().cells[0].knowledge
    };
    let own = Rule::recorded(&method, &variant);
    let lower = Rule { tau: tau(7.0), ..own };
    assert_eq!(knowledge(&candidates, lower), Knowledge::Exact, "one wave is drawn from nothing");
    candidates[5].wave = 1;
    assert_eq!(knowledge(&candidates, own), Knowledge::Exact);
    assert_eq!(knowledge(&candidates, lower), Knowledge::LearntRoles);
}

#[test]
fn a_trial_of_nobody_has_a_grid_without_rates() {
    let (method, variant) = (Method::default(), variant());
    let record = Record {
        candidates: &[],
        method: &method,
        variant: &variant,
        embeddings: None,
        judge: &BTreeMap::new(),
    };
    let grid = rescore(&record, &[Rule::recorded(&method, &variant)]).unwrap();
    assert_eq!((grid.candidates, grid.cells[0].acceptance.least.value), (0, None));
    assert!(grid.markdown().contains("0 of 0 candidates passed, -."));
}

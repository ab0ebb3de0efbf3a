//! Calls that the engine could not answer: what becomes of candidates, seed items and judgements.

#![allow(clippy::unwrap_used, clippy::format_push_string, reason = "these are tests")]

#[allow(dead_code, reason = "shared with the other tests of the method, which use all of it")]
mod script;

use gra_synth::annotate::Annotate;
use gra_synth::candidate::{Candidate, FailedCall, Outcome};
use gra_synth::judge::{Judge, Judged, JudgedSample};
use gra_synth::method::{Economy, Method};
use gra_synth::pool::ItemId;
use gra_synth::request::{Failure, Finish, Reply, Request, ScoreReading, Stage};
use gra_synth::roles::Experience;
use gra_synth::step::{Answers, Asker, Step};
use script::{embedding, members, method, play, prompts, seed_items, usual, variant};

const FAILED: Finish = Finish::Failed { failure: Failure::Status(500) };

fn number(request: &Request) -> u32 {
    let ItemId::Candidate { number, .. } = request.id.subject else { panic!("a candidate") };
    number
}

/// A round in which the calls to one seat of a stage fail for the first candidate.
fn failing(method: &Method, stage: Stage, seat: u8) -> (Candidate, Vec<Request>) {
    let mut played = play(&variant("gra"), method, |request| {
        let fails = number(request) == 0 && request.id.stage == stage && request.id.seat == seat;
        if fails {
            ("the server's words".to_owned(), FAILED)
        } else {
            (usual(request), Finish::Stop)
        }
    });
    let others = &played.outcome.candidates[1..];
    assert!(others.iter().all(Candidate::is_sample), "{stage}: other candidates were touched");
    let about_it = |request: &Request| number(request) == 0;
    let asked = played.requests.into_iter().filter(about_it).collect();
    (played.outcome.candidates.remove(0), asked)
}

#[test]
fn a_failed_call_ends_its_candidate_with_stage_and_reason_and_is_not_tried_again() {
    for economy in [Economy::OFF, Economy::default()] {
        let method = Method { economy, ..method() };
        for (stage, seat) in [
            (Stage::Keywords, 0),
            (Stage::Instruction, 0),
            (Stage::InstructionReview, 1),
            (Stage::Response, 0),
            (Stage::ResponseReview, 2),
        ] {
            let (candidate, asked) = failing(&method, stage, seat);
            assert_eq!(candidate.outcome, Some(Outcome::Failed { stage }), "{stage}");
            let failure = Failure::Status(500);
            assert_eq!(candidate.failed, [FailedCall { stage, seat, attempt: 0, failure }]);
            assert_eq!(candidate.malformed, []);
            let last = asked.last().unwrap().id.stage;
            assert_eq!(last, stage, "nothing is asked after a failed {stage}");
            let calls = asked.iter().filter(|r| r.id.stage == stage && r.id.seat == seat).count();
            assert_eq!(calls, 1, "{stage}: another attempt would be another question");
        }
    }
}

#[test]
fn a_sample_whose_summary_failed_is_a_sample() {
    let (candidate, _) = failing(&method(), Stage::Summary, 0);
    assert_eq!((candidate.outcome, candidate.summary), (Some(Outcome::Accepted), None));
    assert_eq!(candidate.failed[0].stage, Stage::Summary);
}

#[test]
fn a_zero_bit_decides_whichever_seat_fails() {
    for failing_seat in 0..3 {
        let zero_seat = (failing_seat + 1) % 3;
        let played = play(&variant("gra"), &method(), |request| match request.id {
            ref id if id.stage != Stage::InstructionReview => (usual(request), Finish::Stop),
            ref id if id.seat == failing_seat => (String::new(), FAILED),
            ref id if id.seat == zero_seat => ("<bos>[1,0,1]<eos>".to_owned(), Finish::Stop),
            _ => (usual(request), Finish::Stop),
        });
        let outcomes = played.outcome.candidates.iter().map(|candidate| candidate.outcome);
        assert!(outcomes.eq([Some(Outcome::Vetoed); 8]), "seat {failing_seat} failed");
    }
}

#[test]
fn a_failure_teaches_nothing_about_the_generator() {
    let (candidate, _) = failing(&method(), Stage::Response, 0);
    let mut experience = Experience::default();
    experience.learn(&candidate, method().tau);
    let generated = experience.generated(&candidate.roles.generator, candidate.domain);
    assert_eq!((generated.yes, generated.no), (0, 0));
}

#[test]
fn a_failed_annotation_leaves_its_item_out_and_no_other() {
    let (prompts, members, method, items) = (prompts(), members(), method(), seed_items());
    let asker = Asker { run_seed: 42, method: &method, prompts: &prompts };
    let mut machine = Annotate::new(asker, &members, &items);
    let (mut answers, mut calls) = (Answers::Start, Vec::new());
    let broken = items[1].id();
    let annotated = loop {
        answers = match machine.advance(answers) {
            Step::Done(annotated) => break annotated,
            Step::Embed(texts) => {
                Answers::Embeddings(texts.iter().map(|text| embedding(text)).collect())
            }
            Step::Ask(requests) => {
                let reply = |request: &Request| match request.id.stage {
                    Stage::SeedSummary if request.id.subject == broken => {
                        Reply::failed(Failure::TimedOut, "no answer within 600 s".to_owned())
                    }
                    // Malformed, so that it would be tried again.
                    Stage::SeedKeywords if request.id.subject == broken => said("hm"),
                    Stage::SeedDomain => said(r#"<bod>"domain": "Math"<eod>"#),
                    Stage::SeedSummary => said(r#"<bod>"summary": "About it"<eod>"#),
                    _ => said(r#"<bok>"keywords": ["a"]<eok>"#),
                };
                let replies = requests.iter().map(reply).collect();
                calls.extend(requests);
                Answers::Replies(replies)
            }
        };
    };
    for seed in &annotated.seeds {
        assert_eq!(seed.annotation.is_none(), seed.id == broken, "{}", seed.id);
        assert_eq!(seed.failed.len(), usize::from(seed.id == broken), "{}", seed.id);
    }
    let retries = calls.iter().filter(|request| request.id.attempt > 0).count();
    assert_eq!(retries, 0, "an item that is lost needs no other field");
}

#[test]
fn a_failed_judgement_has_no_scores_and_a_reason() {
    let (prompts, members, method) = (prompts(), members(), method());
    let asker = Asker { run_seed: 42, method: &method, prompts: &prompts };
    let sample =
        |number| JudgedSample { id: ItemId::Seed(number), instruction: "x", response: "y" };
    let samples = [sample(0), sample(1)];
    let mut judge =
        Judge::new(asker, &members[0], Judged::Response(ScoreReading::Sampled), &samples);
    let Step::Ask(calls) = judge.advance(Answers::Start) else { panic!("it asks first") };
    assert_eq!(calls.len(), 2);
    let replies = vec![
        Reply::failed(Failure::Crash, "SIGABRT".to_owned()),
        said("<bos>[8,8,8,8,8,8]<eos>\n<boc>"),
    ];
    let Step::Done(judgements) = judge.advance(Answers::Replies(replies)) else {
        panic!("nothing is tried again")
    };
    assert_eq!((judgements[0].scores, judgements[0].malformed.len()), (None, 0));
    assert_eq!(judgements[0].failed.unwrap().failure, Failure::Crash);
    assert!(judgements[1].scores.is_some() && judgements[1].failed.is_none());
}

#[test]
fn every_kind_of_failure_reads_back_from_its_word() {
    let kinds = [
        Failure::Status(503),
        Failure::ErrorReply,
        Failure::NoCompletion,
        Failure::UnknownFinish,
        Failure::TimedOut,
        Failure::ConnectionLost,
        Failure::Evaluation,
        Failure::Crash,
    ];
    for failure in kinds {
        let written = serde_json::to_string(&Finish::Failed { failure }).unwrap();
        assert!(written.contains(&format!("\"{failure}\"")), "{written}");
        assert_eq!(serde_json::from_str::<Finish>(&written).unwrap(), Finish::Failed { failure });
    }
    for word in ["status-", "status-x", "", "stop"] {
        assert!(Failure::try_from(word.to_owned()).is_err(), "{word}");
    }
}

fn said(text: &str) -> Reply {
    Reply {
        text: text.to_owned(),
        finish: Finish::Stop,
        prompt_tokens: 1,
        reply_tokens: 1,
        expected: Vec::new(),
    }
}

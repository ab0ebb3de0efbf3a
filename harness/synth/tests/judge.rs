//! The judge: what it asks, what it reads, and that a judgement is about the texts alone.

#![allow(clippy::unwrap_used, clippy::format_push_string, reason = "these are tests")]

#[expect(dead_code, reason = "a judge plays no round")]
mod script;

use gra_synth::committee::Scores;
use gra_synth::form::Malformed;
use gra_synth::judge::{Judge, Judged, JudgedSample, Judgement};
use gra_synth::pool::ItemId;
use gra_synth::request::{Finish, Portion, Reply, Request, ScoreReading, Stage};
use gra_synth::step::{Answers, Asker, Step};

const RESPONSE: Judged = Judged::Response(ScoreReading::Sampled);

fn sample<'a>(number: u32, instruction: &'a str, response: &'a str) -> JudgedSample<'a> {
    JudgedSample { id: ItemId::Seed(number), instruction, response }
}

/// Has samples judged by the pool's first model, which says what `say` says; returns every request too.
fn judge(
    samples: &[JudgedSample],
    say: impl Fn(&Request) -> (String, Finish),
) -> (Vec<Judgement>, Vec<Request>) {
    let (prompts, members, method) = (script::prompts(), script::members(), script::method());
    let asker = Asker { run_seed: 42, method: &method, prompts: &prompts };
    let mut judge = Judge::new(asker, &members[0], RESPONSE, samples);
    let (mut answers, mut all) = (Answers::Start, Vec::new());
    loop {
        answers = match judge.advance(answers) {
            Step::Done(judgements) => return (judgements, all),
            Step::Embed(_) => panic!("a judge asks for no embeddings"),
            Step::Ask(requests) => {
                let reply = |request: &Request| {
                    let (text, finish) = say(request);
                    let expected = Vec::new();
                    Reply { text, finish, prompt_tokens: 100, reply_tokens: 20, expected }
                };
                let replies = requests.iter().map(reply).collect();
                all.extend(requests);
                Answers::Replies(replies)
            }
        };
    }
}

fn good(_: &Request) -> (String, Finish) {
    ("<bos>[8,7,9,8,8,10]<eos>\n<boc>".to_owned(), Finish::Stop)
}

#[test]
fn scores_come_in_the_order_of_the_samples() {
    let by_text = |request: &Request| {
        let score = if request.prompt.sample.contains("first") { 3 } else { 9 };
        (format!("<bos>[{score},{score},{score},{score},{score},{score}]<eos>"), Finish::Stop)
    };
    let (judgements, asked) = judge(&[sample(5, "first", "y"), sample(2, "second", "y")], by_text);
    let scores: Vec<_> = judgements.iter().map(|j| (j.id, j.scores.unwrap())).collect();
    let expected =
        [(ItemId::Seed(5), Scores::whole([3; 6])), (ItemId::Seed(2), Scores::whole([9; 6]))];
    assert_eq!(scores, expected);
    assert!(asked.iter().all(|request| request.portion == Portion::Opening), "no comment is asked");
}

#[test]
fn a_reply_that_stays_malformed_is_counted() {
    let (judgements, asked) =
        judge(&[sample(0, "x", "y")], |_| ("<bos>[8,4,6]<eos>".to_owned(), Finish::Stop));
    assert_eq!(judgements[0].scores, None);
    let reasons: Vec<_> = judgements[0].malformed.iter().map(|m| (m.attempt, m.reason)).collect();
    let expected: Vec<_> = (0..3).map(|attempt| (attempt, Malformed::NotSixScores)).collect();
    assert_eq!(reasons, expected);
    let seeds: std::collections::BTreeSet<u64> = asked.iter().map(|request| request.seed).collect();
    assert_eq!(seeds.len(), 3, "every attempt draws anew");
}

#[test]
fn a_prompt_that_is_too_long_is_not_tried_again() {
    let too_long = |_: &Request| {
        (String::new(), Finish::PromptTooLong { tokens: 9_000, context: Some(2_048) })
    };
    let (judgements, asked) = judge(&[sample(0, "x", "y")], too_long);
    assert_eq!((judgements[0].scores, asked.len()), (None, 1));
    assert_eq!(judgements[0].malformed[0].reason, Malformed::PromptTooLong);
}

#[test]
fn the_same_texts_are_the_same_call_wherever_they_stand() {
    let (_, here) = judge(&[sample(0, "x", "y"), sample(1, "other", "y")], good);
    let (_, there) = judge(&[sample(7, "x", "y"), sample(8, "xy", "")], good);
    assert_eq!((here[0].seed, &here[0].prompt), (there[0].seed, &there[0].prompt));
    let seeds = [here[0].seed, here[1].seed, there[1].seed];
    assert!(seeds[0] != seeds[1] && seeds[0] != seeds[2] && seeds[1] != seeds[2], "{seeds:?}");
}

#[test]
fn instructions_are_judged_by_their_own_prompt_and_read_as_bits() {
    let (prompts, members, method) = (script::prompts(), script::members(), script::method());
    let asker = Asker { run_seed: 42, method: &method, prompts: &prompts };
    let samples = [sample(0, "x", "is not looked at")];
    let mut judge = Judge::new(asker, &members[0], Judged::Instruction, &samples);
    let Step::Ask(requests) = judge.advance(Answers::Start) else { panic!("it asks first") };
    assert_eq!(requests[0].id.stage, Stage::InstructionReview);
    assert!(!requests[0].prompt.sample.contains("is not looked at"));
    let text = "<bos>[1,0,1]<eos>".to_owned();
    let (finish, expected) = (Finish::Stop, Vec::new());
    let reply = Reply { text, finish, prompt_tokens: 9, reply_tokens: 9, expected };
    let Step::Done(judgements) = judge.advance(Answers::Replies(vec![reply])) else {
        panic!("one reply is enough")
    };
    assert_eq!((judgements[0].bits, judgements[0].scores), (Some([true, false, true]), None));
}

#[test]
fn nothing_to_judge_is_nothing() {
    assert_eq!(judge(&[], good), (Vec::new(), Vec::new()));
}

#[test]
fn example_scores_come_in_every_order_where_they_are_rotated() {
    let files = gra_synth::prompt::TEMPLATES.iter().map(|(file, _, places)| {
        let places: Vec<String> = places.iter().map(|place| format!("{{{{{place}}}}}")).collect();
        let sample = places.join("\n");
        let role =
            "Score it.\n<bos>[10,9,9,10,9,8]<eos> or\n<bos>[2,5,3,4,3,9]<eos>, not [x] nor [1]";
        ((*file).to_owned(), format!("{role}\n=== sample ===\n{sample}"))
    });
    let prompts = gra_synth::prompt::PromptSet::parse(&files.collect()).unwrap();
    let roles = |stage: Stage| -> std::collections::BTreeSet<String> {
        let role = |turn| prompts.prompt_in_order(stage, turn, String::new()).role.to_string();
        (0..20).map(role).collect()
    };
    let turned = roles(Stage::ResponseReview);
    assert_eq!(turned.len(), 6);
    let last =
        "Score it.\n<bos>[8,10,9,9,10,9]<eos> or\n<bos>[9,2,5,3,4,3]<eos>, not [x] nor [1]\n\n";
    assert!(turned.contains(last), "every list is turned alike");
    assert_eq!(roles(Stage::Adjudication).len(), 6);
    assert_eq!(roles(Stage::InstructionReview).len(), 1, "its example is explained in words");
    // The same call sees the same order; as written where nothing is rotated.
    let (members, plain) = (script::members(), script::method());
    let rotating = gra_synth::method::Method { rotate_examples: true, ..plain.clone() };
    let samples: Vec<JudgedSample> =
        (0..20).map(|n| sample(n, TEXTS[n as usize % 5], "y")).collect();
    let asked = |method| {
        let asker = Asker { run_seed: 42, method, prompts: &prompts };
        match Judge::new(asker, &members[0], RESPONSE, &samples).advance(Answers::Start) {
            Step::Ask(requests) => requests,
            _ => panic!("a judge begins by asking"),
        }
    };
    let seen = |requests: &[Request]| -> std::collections::BTreeSet<String> {
        requests.iter().map(|request| request.prompt.role.to_string()).collect()
    };
    assert_eq!(seen(&asked(&plain)).len(), 1);
    assert!(seen(&asked(&rotating)).len() > 2);
    assert_eq!(asked(&rotating), asked(&rotating));
}

const TEXTS: [&str; 5] = ["Add.", "Sum up.", "Translate.", "Explain.", "Compare."];

//! A round with a model that thinks before it answers: what it is asked, and what becomes of its replies.

#![allow(clippy::unwrap_used, clippy::format_push_string, reason = "these are tests")]

#[expect(dead_code, reason = "this round is played with other members")]
mod script;

use gra_synth::method::{Economy, Member, Method};
use gra_synth::request::{Finish, ModelName, Portion, Reply, Request, Stage};
use gra_synth::round::{Round, RoundOutcome, Setting};
use gra_synth::shape::Part;
use gra_synth::step::{Answers, Asker, Step};
use script::{members, method, pool, prompts, teachers, usual, variant};

/// The script's members, of whom `qwen` may think so many tokens.
fn thinking(thought_tokens: u32) -> Vec<Member> {
    let think = |member: Member| Member {
        thought_tokens: if member.name.as_str() == "qwen" { thought_tokens } else { 0 },
        ..member
    };
    members().into_iter().map(think).collect()
}

/// Plays a round in which every reply comes behind a thought where the shape has room for one.
fn play(members: &[Member], method: &Method) -> (RoundOutcome, Vec<Request>) {
    let (prompts, teachers, pool, variant) = (prompts(), teachers(), pool(), variant("gra"));
    let asker = Asker { run_seed: 42, method, prompts: &prompts };
    let setting = Setting { asker, variant: &variant, members, teachers: &teachers };
    let mut round = Round::new(setting, &pool, 1).unwrap();
    let (mut answers, mut all) = (Answers::Start, Vec::new());
    loop {
        answers = match round.advance(answers) {
            Step::Done(outcome) => return (outcome, all),
            Step::Embed(texts) => {
                Answers::Embeddings(texts.iter().map(|text| script::embedding(text)).collect())
            }
            Step::Ask(requests) => {
                let replies = requests.iter().map(reply).collect();
                all.extend(requests);
                Answers::Replies(replies)
            }
        };
    }
}

fn reply(request: &Request) -> Reply {
    let text = if request.portion == Portion::Opening {
        "<bos>[9,9,9,9,9,9]<eos>\n<boc>".to_owned()
    } else {
        usual(request)
    };
    let text = match request.shape.thought_and_answer() {
        (0, _) => text,
        _ => format!("<think>\nFirst <bos>[1,1,1,1,1,1]<eos>, no.\n</think>\n\n{text}"),
    };
    Reply { text, finish: Finish::Stop, prompt_tokens: 1, reply_tokens: 1, expected: Vec::new() }
}

#[test]
fn only_a_model_with_room_for_thoughts_is_asked_for_them_and_no_answer_changes() {
    let method = Method { economy: Economy::ON, ..method() };
    let (plain, asked_plain) = play(&thinking(0), &method);
    let (thought, asked) = play(&thinking(300), &method);
    let qwen = ModelName::new("qwen");
    for request in &asked {
        let (room, answer) = request.shape.thought_and_answer();
        assert!(!answer.iter().any(|part| matches!(part, Part::Thought { .. })));
        if request.model != qwen {
            assert_eq!(room, 0, "{}", request.id);
            continue;
        }
        assert_eq!((room, &request.portion), (300, &Portion::Whole), "{}", request.id);
        let same = |other: &&Request| other.id == request.id && other.seed == request.seed;
        let before = asked_plain.iter().find(same).unwrap();
        assert!(request.max_tokens > before.max_tokens + 300, "the tags have room too");
        assert_eq!((answer, &request.prompt), (&*before.shape.parts, &before.prompt));
    }
    let reviews =
        |request: &&Request| request.model == qwen && request.id.stage == Stage::ResponseReview;
    assert!(asked.iter().filter(reviews).count() > 0, "it reviewed");
    // Reviews of a model that thinks bring their comments along; nothing else differs.
    let without_comments = |outcome: &RoundOutcome| {
        let mut candidates = outcome.candidates.clone();
        for review in candidates.iter_mut().flat_map(|one| &mut one.response_reviews) {
            review.comment = None;
        }
        candidates
    };
    assert_eq!(without_comments(&thought), without_comments(&plain));
    let comments = |outcome: &RoundOutcome| {
        let reviews = outcome.candidates.iter().flat_map(|one| &one.response_reviews);
        reviews.filter(|review| review.reviewer == qwen && review.comment.is_some()).count()
    };
    assert!(comments(&thought) > comments(&plain));
}

//! A scripted round: a tiny pool, and models that say what a closure tells them.

use std::collections::BTreeMap;

use gra_synth::candidate::Candidate;
use gra_synth::committee::Thousandths;
use gra_synth::domain::Domain;
use gra_synth::method::{Economy, Member, Method, TokenLimits};
use gra_synth::pool::{Annotation, ItemId, Pool, PoolItem, SeedItem};
use gra_synth::prompt::{PromptSet, REWRITE_TEMPLATE, TEMPLATES};
use gra_synth::request::{
    Embedding, Finish, ModelName, Portion, Reply, Request, Sampling, ScoreReading, Stage,
};
use gra_synth::round::{Round, RoundOutcome, Setting};
use gra_synth::step::{Answers, Asker, Step};
use gra_synth::variant::{DisputeRule, Instructions, Reviewers, Rewrite, RoleAssignment, Variant};

/// A prompt set that only names its places.
pub(crate) fn prompts() -> PromptSet {
    let template = |places: &[&str]| {
        let places: Vec<String> = places.iter().map(|place| format!("{{{{{place}}}}}")).collect();
        format!("Role text.\n=== sample ===\n{}", places.join("\n"))
    };
    let nine = TEMPLATES.iter().map(|(file, _, places)| ((*file).to_owned(), template(places)));
    PromptSet::parse(&nine.collect()).unwrap()
}

/// The same with the template that shows the seed set's response.
fn rewriting() -> PromptSet {
    let (file, _) = REWRITE_TEMPLATE;
    let text = "Better.\n=== sample ===\n{{instruction}}\nOld: {{old_response}}".to_owned();
    prompts().rewriting(&BTreeMap::from([(file.to_owned(), text)])).unwrap()
}

pub(crate) fn members() -> Vec<Member> {
    ["llama", "qwen", "internlm", "mistral", "tulu"]
        .map(|name| Member::new(ModelName::new(name), Sampling::default()))
        .to_vec()
}

/// A model that no role is drawn for.
pub(crate) fn teachers() -> Vec<Member> {
    vec![Member::new(ModelName::new("large"), Sampling::default())]
}

pub(crate) fn variant(name: &str) -> Variant {
    let mut variant = Variant::gra(name);
    let Variant { instructions, rewrite, roles, reviewers, dispute, score_reading, .. } =
        &mut variant;
    let llama = || ModelName::new("llama");
    match name {
        "gra" => {}
        "no-reviewer" => *reviewers = Reviewers::None,
        "single-reviewer" => *reviewers = Reviewers::Named(llama()),
        "majority-vote" => *dispute = DisputeRule::MajorityVote,
        "accept-disputes" => *dispute = DisputeRule::Accept,
        "large-reviewer" => *reviewers = Reviewers::Named(ModelName::new("large")),
        "distilled" => {
            *roles = RoleAssignment::SingleModel(ModelName::new("large"));
            *reviewers = Reviewers::None;
        }
        "refined" => *instructions = Instructions::Seed,
        "rewritten" => (*instructions, *rewrite) = (Instructions::Seed, Rewrite::Shown),
        "answer-only" => {
            *instructions = Instructions::Seed;
            *roles = RoleAssignment::SingleModel(ModelName::new("large"));
            *reviewers = Reviewers::None;
        }
        "single-model" => *roles = RoleAssignment::SingleModel(llama()),
        "fixed-roles" => *roles = RoleAssignment::Fixed { rotation: 0 },
        "expected-scores" => *score_reading = ScoreReading::Expected,
        "adaptive" => *roles = RoleAssignment::Adaptive,
        other => panic!("no variant {other}"),
    }
    variant
}

/// Eight seed items, every other one with an annotation of its own. Not all records of a set are items.
pub(crate) fn seed_items() -> Vec<SeedItem> {
    let item = |number: u32| SeedItem {
        number: 3 * number,
        instruction: format!("Seed instruction {number}"),
        input_at: None,
        response: Some("The record's own answer.".to_owned()),
        annotation: number.is_multiple_of(2).then(|| annotation(number, Domain::Math)),
    };
    (0..8).map(item).collect()
}

fn annotation(number: u32, domain: Domain) -> Annotation {
    Annotation {
        domain,
        keywords: vec![format!("seed keyword {number}")],
        summary: format!("seed summary {number}"),
    }
}

/// Three seed items in each of two domains.
pub(crate) fn pool() -> Pool {
    let item = |number: u32, domain| PoolItem {
        id: ItemId::Seed(number),
        annotation: Some(annotation(number, domain)),
        embedding: embedding(&format!("seed {number}")),
    };
    let items = (0..6).map(|n| item(n, if n < 3 { Domain::Math } else { Domain::Qa })).collect();
    Pool::from_seed(items)
}

/// A unit vector by the number at a text's end: equal numbers are twins, others are orthogonal. A text that
/// begins with `Long` has that in its second window, and all that do are the same but for it.
pub(crate) fn embedding(text: &str) -> Embedding {
    let digits = text.rsplit(' ').next().unwrap_or_default();
    let place = digits.parse::<usize>().unwrap_or(0) % 64;
    let seed = usize::from(text.starts_with("seed"));
    let axis = |at: usize| (0..129).map(move |i| f32::from(u8::from(i == at)));
    let own = 2 * place + seed;
    if text.starts_with("Long") {
        return Embedding::in_windows(axis(128).collect(), axis(128).chain(axis(own)).collect());
    }
    Embedding::new(axis(own).collect())
}

pub(crate) fn method() -> Method {
    Method {
        rounds: 1,
        target: 100,
        cap: 8,
        wave: 8,
        economy: Economy::OFF,
        limits: TokenLimits { response: 64, ..TokenLimits::default() },
        ..Method::default()
    }
}

/// What a well-behaved model says.
pub(crate) fn usual(request: &Request) -> String {
    let ItemId::Candidate { number, .. } = request.id.subject else { panic!("no seed stages") };
    match request.id.stage {
        Stage::Keywords => format!(r#"<boa>"domain": "Math", "keywords": ["new {number}"]<eoa>"#),
        Stage::Instruction => format!("<boi>Instruction {number}<eoi>"),
        Stage::InstructionReview => "<bos>[1,1,1]<eos>".to_owned(),
        Stage::Response => format!("Response {number}"),
        Stage::ResponseReview => "<bos>[9,9,9,9,9,9]<eos><boc>Good.<eoc>".to_owned(),
        Stage::Adjudication => "<bos>[8,8,8,8,8,8]<eos><boc>Settled.<eoc>".to_owned(),
        _ => format!(r#"<bod>"summary": "Summary {number}"<eod>"#),
    }
}

/// A finished round, and every request that it made.
pub(crate) struct Played {
    pub(crate) outcome: RoundOutcome,
    pub(crate) requests: Vec<Request>,
}

/// Plays the first round with the replies of `say`: on the pool or over the seed items, as the variant
/// says.
pub(crate) fn play(
    variant: &Variant,
    method: &Method,
    say: impl FnMut(&Request) -> (String, Finish),
) -> Played {
    match variant.instructions {
        Instructions::New => play_on(&pool(), 1, variant, method, say),
        Instructions::Seed => {
            let (items, teachers) = (seed_items(), teachers());
            let prompts = match variant.rewrite {
                Rewrite::Hidden => prompts(),
                Rewrite::Shown => rewriting(),
            };
            let members = members();
            let asker = Asker { run_seed: 42, method, prompts: &prompts };
            let setting = Setting { asker, variant, members: &members, teachers: &teachers };
            play_out(Round::over_seed_set(setting, &items), say)
        }
    }
}

/// Plays a round on a pool.
pub(crate) fn play_on(
    pool: &Pool,
    number: u32,
    variant: &Variant,
    method: &Method,
    say: impl FnMut(&Request) -> (String, Finish),
) -> Played {
    let (prompts, members, teachers) = (prompts(), members(), teachers());
    let asker = Asker { run_seed: 42, method, prompts: &prompts };
    let setting = Setting { asker, variant, members: &members, teachers: &teachers };
    play_out(Round::new(setting, pool, number).unwrap(), say)
}

fn play_out(mut round: Round<'_>, mut say: impl FnMut(&Request) -> (String, Finish)) -> Played {
    let mut requests = Vec::new();
    let mut answers = Answers::Start;
    loop {
        answers = match round.advance(answers) {
            Step::Done(outcome) => return Played { outcome, requests },
            Step::Embed(texts) => {
                Answers::Embeddings(texts.iter().map(|text| embedding(text)).collect())
            }
            Step::Ask(questions) => {
                let replies = questions
                    .iter()
                    .map(|request| {
                        let (text, finish) = say(&as_whole(request));
                        let text = portion(&request.portion, text);
                        let expected = expected(request, &text);
                        Reply { text, finish, prompt_tokens: 1, reply_tokens: 1, expected }
                    })
                    .collect();
                requests.extend(questions);
                Answers::Replies(replies)
            }
        };
    }
}

/// Where expected scores are asked for, the script's models mean a quarter less than they say.
fn expected(request: &Request, text: &str) -> Vec<Thousandths> {
    if request.score_reading == ScoreReading::Sampled {
        return Vec::new();
    }
    let (_, scores) = text.split_once('[').unwrap();
    let (scores, _) = scores.split_once(']').unwrap();
    let less = |score: &str| Thousandths::try_from(score.parse::<f64>().unwrap() - 0.25).unwrap();
    scores.split(',').map(less).collect()
}

/// The request for the whole reply that a request for a portion belongs to.
pub(crate) fn as_whole(request: &Request) -> Request {
    let mut whole = Request { portion: Portion::Whole, ..request.clone() };
    if whole.id.stage == Stage::ReviewComment {
        whole.id.stage = Stage::ResponseReview;
    }
    whole
}

/// What of a whole reply is given when a portion is asked for.
fn portion(portion: &Portion, text: String) -> String {
    match (portion, text.find("<boc>")) {
        (Portion::Opening, Some(comment)) => text[..comment + 5].to_owned(),
        (Portion::Rest { opening, .. }, _) => {
            assert!(text.starts_with(opening), "the rest belongs to its opening");
            text
        }
        _ => text,
    }
}

/// One line per candidate: what happened to it and why.
pub(crate) fn trails(candidates: &[Candidate]) -> String {
    let lines: Vec<String> = candidates.iter().map(trail).collect();
    lines.join("\n")
}

fn trail(candidate: &Candidate) -> String {
    let reviewers: Vec<&str> = candidate.roles.reviewers.iter().map(ModelName::as_str).collect();
    let mut line = format!(
        "{} {} by {} | reviewed by {}",
        candidate.id,
        candidate.domain.map_or("-", Domain::name),
        candidate.roles.generator,
        if reviewers.is_empty() { "nobody".to_owned() } else { reviewers.join(", ") }
    );
    if let Some(tally) = candidate.tally() {
        line += &format!(" | mu {:.2} sigma {:.2}", tally.mu(), tally.sigma());
    }
    if let Some(decision) = candidate.decision {
        line += &format!(" {decision:?}");
    }
    if let Some(word) = &candidate.adjudication {
        line += &format!(" | {} says {:.2}", word.reviewer, word.scores.mean());
    }
    for reply in &candidate.malformed {
        let (stage, seat, attempt) = (reply.stage, reply.seat, reply.attempt);
        line += &format!(" | {stage}/{seat}/{attempt} {}", reply.reason);
    }
    if let Some(near) = candidate.nearest.filter(|near| near.cosine > 0.0) {
        line += &format!(" | near {} {:.2}", near.id, near.cosine);
    }
    line + &format!(" => {:?}", candidate.outcome.unwrap())
}

//! Scores on a real model, and of engines without one.

use std::path::PathBuf;

use gra_llm::engine::{Engine, EngineError};
use gra_llm::key::{passage_hash, score_key};
use gra_llm::llama::LlamaEngine;
use gra_llm::llama::runtime::quantize;
use gra_llm::llama::settings::EngineSettings;
use gra_llm::score::{Border, Bos, Context, Passage, PassageScore};
use gra_synth::request::{ModelName, Request, ScoreReading};
use serde::Deserialize;

use crate::models::{SMOLLM2, model};
use crate::requests;
use crate::{engine, pool, settings, without_template};

const STORY: &str = "The ferry left at dawn. By noon the wind had turned, and the captain, who \
    trusted no forecast, ordered the sails down. \"We wait,\" she said. Nobody argued with her.";

fn passage(context: &str, continuation: &str) -> Passage {
    Passage {
        model: ModelName::new("model"),
        context: Context::text(context),
        continuation: continuation.to_owned(),
        border: Border::Apart,
        max_tokens: None,
    }
}

fn with_bos(mut passage: Passage, bos: Bos) -> Passage {
    if let Context::Text { bos: chosen, .. } = &mut passage.context {
        *chosen = bos;
    }
    passage
}

fn scores(engine: &mut impl Engine, passages: &[Passage]) -> Vec<PassageScore> {
    engine.score(passages, &mut |_| {}).unwrap()
}

fn score(engine: &mut impl Engine, passage: &Passage) -> PassageScore {
    scores(engine, std::slice::from_ref(passage)).remove(0)
}

/// See `../fixtures/README.md`.
#[derive(Debug, Deserialize)]
struct Reference {
    name: String,
    #[serde(flatten)]
    passage: Passage,
    /// How many of them are scored, at the end.
    scored: usize,
    /// In `f64`.
    log_probs: Vec<f64>,
}

#[test]
fn scores_agree_with_a_reference_that_is_not_llama_cpp() {
    #[derive(Deserialize)]
    struct Fixture {
        passages: Vec<Reference>,
    }
    let Some(path) = model(SMOLLM2) else { return };
    let fixture: Fixture =
        serde_json::from_str(include_str!("../fixtures/scoring-reference.json")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let exact = folder.path().join("f32.gguf");
    quantize(&path, &exact, "F32").unwrap();
    let passages: Vec<Passage> = fixture.passages.iter().map(|r| r.passage.clone()).collect();
    let scores = scores(&mut engine(&exact, 1), &passages);
    for (reference, score) in fixture.passages.iter().zip(&scores) {
        assert_eq!(score.log_probs.len(), reference.scored, "{}", reference.name);
        let difference = score
            .log_probs
            .iter()
            .zip(&reference.log_probs)
            .map(|(ours, theirs)| (f64::from(*ours) - theirs).abs())
            .fold(0.0, f64::max);
        println!("{}: {difference:.1e} nats at most", reference.name);
        assert!(difference < 1e-3, "{}: {difference}", reference.name);
    }
}

/// Long and short, with and without contexts.
fn mixed() -> Vec<Passage> {
    let long = STORY.repeat(18);
    let mut message = passage("", " It was grey.");
    message.context = Context::Message("What colour was the sea?".to_owned());
    vec![
        passage("", STORY),
        passage(&long, " The end."),
        message,
        passage("A", "b"),
        passage(STORY, &long),
    ]
}

#[test]
fn a_score_depends_on_its_passage_alone() {
    let Some(path) = model(SMOLLM2) else { return };
    let passages = mixed();
    let together = scores(&mut engine(&path, 4), &passages);
    let mut backwards = passages.clone();
    backwards.reverse();
    let mut other = scores(&mut engine(&path, 16), &backwards);
    other.reverse();
    assert_eq!(other, together, "order");
    let two_threads = EngineSettings { threads: 2, n_ubatch: Some(64), slots: 3, ..settings() };
    let mut alone = LlamaEngine::new(pool(&path, ""), two_threads);
    for (passage, expected) in passages.iter().zip(&together) {
        assert_eq!(&score(&mut alone, passage), expected, "alone, threads");
    }
    assert!(together.iter().all(|score| score.log_probs.iter().all(|value| *value <= 0.0)));
}

/// Two halves with their context have the values of the whole, bit for bit. In every type of weights
/// that is here: each has kernels of its own.
#[test]
fn halves_add_up_to_the_whole() {
    for kind in ["Q4_1", "Q4_0", "Q8_0", "Q4_K_M", "Q5_K_M"] {
        let Some(path) = weights(kind) else { continue };
        let mut engine = engine(&path, 1);
        // Fourteen times the story is more than one micro-batch.
        for repeats in if kind == "Q4_1" { [1, 14] } else { [1, 2] } {
            let (first, second) = (STORY.repeat(repeats), " They waited, and it rained.");
            let head = score(&mut engine, &passage("", &first));
            let tail = score(&mut engine, &passage(&first, second));
            let before = passage("", &first[..STORY.len() * (repeats - 1) + 23]);
            let start = score(&mut engine, &before);
            assert_eq!(head.log_probs[..start.log_probs.len()], start.log_probs, "{kind}: start");
            assert!(head.first_unscored && !tail.first_unscored);
            // The whole in one piece: the same tokens, scored behind the first one.
            let whole = whole(&mut engine, &first, second);
            assert_eq!([head.log_probs, tail.log_probs].concat(), whole.log_probs, "{kind}");
        }
    }
}

/// Passages that begin alike are evaluated from where they part. In every type of weights that is here,
/// with partings in the middle of a block, behind more than one micro-batch, and within what is scored.
#[test]
fn what_passages_share_changes_no_bit() {
    let long = STORY.repeat(14);
    let passages = [
        passage(STORY, " They waited."),
        passage(STORY, " They waited, and it rained."),
        passage(STORY, " They waited, and it rained."),
        passage(&STORY[..STORY.len() - 9], " harbour."),
        passage(&long, " The end."),
        passage(&long, " The sea was grey."),
        passage("Another beginning.", " The end."),
    ];
    for kind in ["Q4_1", "Q4_0", "Q8_0", "Q4_K_M", "Q5_K_M"] {
        let Some(path) = weights(kind) else { continue };
        let mut engine = engine(&path, 1);
        let few = if kind == "Q4_1" { &passages[..] } else { &passages[..4] };
        let together = scores(&mut engine, few);
        for (place, passage) in few.iter().enumerate() {
            assert_eq!(score(&mut engine, passage), together[place], "{kind}: passage {place}");
        }
    }
}

/// Scores both texts behind an empty context; the story ends in a full stop and the rest begins
/// with a space, so that together they have the tokens that they have apart.
fn whole(engine: &mut LlamaEngine, first: &str, second: &str) -> PassageScore {
    score(engine, &passage("", &[first, second].concat()))
}

/// The fetched model in another type, where a demonstration pool was made.
fn weights(kind: &str) -> Option<PathBuf> {
    let path = model(SMOLLM2)?;
    let other = path.with_file_name(SMOLLM2.replace("Q4_1", kind));
    if other.exists() {
        return Some(other);
    }
    println!("skipped: {kind} is not here");
    None
}

#[test]
fn the_first_token_needs_something_before_it() {
    let Some(path) = model(SMOLLM2) else { return };
    let mut engine = engine(&path, 1);
    let bare = score(&mut engine, &passage("", STORY));
    let begun = score(&mut engine, &with_bos(passage("", STORY), Bos::Always));
    assert_eq!((bare.context_tokens, bare.first_unscored), (0, true), "this model wants no BOS");
    assert_eq!((begun.context_tokens, begun.first_unscored), (1, false));
    assert_eq!(begun.log_probs.len(), bare.log_probs.len() + 1);
    assert_eq!(score(&mut engine, &with_bos(passage("", STORY), Bos::Never)), bare);
    let single = score(&mut engine, &passage("", "a"));
    assert_eq!((single.log_probs.len(), single.first_unscored), (0, true));
}

#[test]
fn empty_continuations_have_empty_scores() {
    let Some(path) = model(SMOLLM2) else { return };
    let mut engine = engine(&path, 1);
    assert_eq!(scores(&mut engine, &[]), []);
    for border in [Border::Apart, Border::Joined] {
        for (context, tokens) in [("", 0), ("The ferry", 3)] {
            let mut empty = passage(context, "");
            empty.border = border;
            let score = score(&mut engine, &empty);
            assert!(score.log_probs.is_empty());
            assert!(score.context_tokens <= tokens && !score.first_unscored && !score.truncated);
            assert_eq!(score.loss(), None);
        }
    }
}

#[test]
fn a_long_passage_is_cut_when_asked_and_refused_otherwise() {
    let Some(path) = model(SMOLLM2) else { return };
    let mut engine = engine(&path, 1);
    let whole = score(&mut engine, &passage("Once.", STORY));
    let context = whole.context_tokens;
    for kept in [0, 1, 9, 15] {
        let cut = Passage { max_tokens: Some(context + kept), ..passage("Once.", STORY) };
        let score = score(&mut engine, &cut);
        assert!(score.truncated);
        assert_eq!(score.log_probs, whole.log_probs[..kept as usize], "the rest is as before");
        assert_eq!(score.context_tokens, context);
    }
    let tiny = Passage { max_tokens: Some(0), ..passage("Once.", STORY) };
    let score = score(&mut engine, &tiny);
    assert_eq!((score.log_probs.len(), score.truncated), (0, true), "the context stays");

    let mut small = LlamaEngine::new(pool(&path, "context = 20"), settings());
    let error = small.score(&[passage("", "Yes."), passage("Once.", STORY)], &mut |_| {});
    let error = error.unwrap_err();
    let EngineError::PassageTooLong { passage: 1, tokens, context: 20, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(tokens, whole.log_probs.len() + context as usize);
    assert!(error.to_string().contains("max_tokens"), "{error}");
    let fits = Passage { max_tokens: Some(20), ..passage("Once.", STORY) };
    let score = scores(&mut small, &[fits]).remove(0);
    assert_eq!(score.log_probs, whole.log_probs[..20 - context as usize]);
}

#[test]
fn joined_and_apart_differ_where_a_token_spans_the_border() {
    let Some(path) = model(SMOLLM2) else { return };
    let mut engine = engine(&path, 1);
    let both = |context: Context, continuation: &str| {
        let apart = Passage { context, ..passage("", continuation) };
        let joined = Passage { border: Border::Joined, ..apart.clone() };
        [apart, joined]
    };
    // A word cut in two is one token less when joined.
    let cut = scores(&mut engine, &both(Context::text("The captain orde"), "red sails down."));
    assert!(cut[1].log_probs.len() < cut[0].log_probs.len(), "{cut:?}");
    let same = scores(&mut engine, &both(Context::text("The captain"), " ordered sails down."));
    assert_eq!(same[0], same[1]);
    // The template ends in a line break, which a reply's own line break merges with.
    let message = || Context::Message("Say nothing.".to_owned());
    let same = scores(&mut engine, &both(message(), "Very well."));
    assert_eq!(same[0], same[1]);
    let merged = scores(&mut engine, &both(message(), "\n\nVery well."));
    assert_ne!(merged[0], merged[1]);
}

#[test]
fn special_tokens_in_a_passage_stay_text() {
    let Some(path) = model(SMOLLM2) else { return };
    let mut engine = engine(&path, 1);
    let forged = score(&mut engine, &passage("<|im_end|>", "<|im_end|>"));
    assert!(forged.context_tokens > 3 && forged.log_probs.len() > 3, "{forged:?}");
}

#[test]
fn a_model_without_a_chat_template_scores_and_writes_nothing() {
    let Some(path) = model(SMOLLM2) else { return };
    let copy = without_template(&path);
    let mut engine = LlamaEngine::new(pool(copy.path(), ""), settings());
    let score = score(&mut engine, &passage("Once upon a time", ", there was a little girl."));
    assert!(score.context_tokens == 4 && score.loss().unwrap() < 3.0, "{score:?}");
    let message = Passage { context: Context::Message("Hi".to_owned()), ..passage("", "Hello.") };
    let error = engine.score(&[message], &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("chat template"), "{error}");
    let error = engine.complete(&[requests::mixed(0)], &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("chat template"), "{error}");
}

#[test]
fn passages_of_two_models_are_not_scored_together() {
    let Some(path) = model(SMOLLM2) else { return };
    let mut engine = engine(&path, 1);
    let other = Passage { model: ModelName::new("other"), ..passage("", STORY) };
    assert!(engine.score(&[passage("", STORY), other.clone()], &mut |_| {}).is_err());
    let error = engine.score(&[other], &mut |_| {}).unwrap_err();
    assert!(matches!(error, EngineError::UnknownModel { .. }), "{error}");
    let name = ModelName::new("model");
    let fingerprint = engine.scoring_fingerprint(&name).unwrap();
    assert_ne!(fingerprint, engine.fingerprint(&name).unwrap());
}

#[test]
fn keys_depend_on_what_determines_a_score_and_nothing_else() {
    let base = || passage("context", "continuation");
    let mut same = base();
    same.model = ModelName::new("the same file under another name");
    assert_eq!(passage_hash(&same), passage_hash(&base()));
    let mut hashes = vec![
        passage_hash(&base()),
        passage_hash(&passage("contextc", "ontinuation")),
        passage_hash(&with_bos(base(), Bos::Always)),
        passage_hash(&with_bos(base(), Bos::Never)),
        passage_hash(&Passage { context: Context::Message("context".to_owned()), ..base() }),
        passage_hash(&Passage { border: Border::Joined, ..base() }),
        passage_hash(&Passage { max_tokens: Some(0), ..base() }),
        score_key("engine", &base()),
        score_key("another engine", &base()),
    ];
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 9);
    // Pinned: a store outlives this program.
    assert_eq!(hex::encode(passage_hash(&base())), PINNED);
}

const PINNED: &str = "ff892f1c2604f9a631baa8921d0199f81c5ef4711cc54946384d144d7f483992";

#[test]
fn passages_are_read_as_they_are_written() {
    let known = passage("Is it?", "yes");
    let text = serde_json::to_string(&known).unwrap();
    assert_eq!(serde_json::from_str::<Passage>(&text).unwrap(), known);
}

/// The expected first score of a review against the log-probabilities of every score that could have stood
/// there, asked one by one.
#[test]
fn an_expected_score_is_the_mean_of_scores_that_were_asked_for_one_by_one() {
    let Some(path) = model(SMOLLM2) else { return };
    // Exact weights: beside quantised ones activations are rounded to 8 bits, and llama.cpp's kernels for one row and
    // for several then differ by up to a tenth of a score, more or less by the processor (decision 7).
    let folder = tempfile::tempdir().unwrap();
    let exact = folder.path().join("f32.gguf");
    quantize(&path, &exact, "F32").unwrap();
    let mut engine = engine(&exact, 8);
    for number in [0, 5, 10] {
        let request = Request { score_reading: ScoreReading::Expected, ..requests::mixed(number) };
        let reply = engine.complete(std::slice::from_ref(&request), &mut |_| {}).unwrap().remove(0);
        let message = request.prompt.text();
        let endings =
            (1..10).map(|score: u8| score.to_string()).chain(["1,", "10"].map(str::to_owned));
        let asked = |ending| {
            let context = Context::Message(message.clone());
            Passage { context, ..passage("", &format!("<bos>[{ending}")) }
        };
        let asked: Vec<Passage> = endings.map(asked).collect();
        let found: Vec<f64> =
            scores(&mut engine, &asked).iter().map(|score| score.total().exp()).collect();
        let [single @ .., one, ten] = found.as_slice() else { panic!("eleven scores") };
        // What begins with a one is a ten if a zero follows, and a one if a comma does: nothing else fits the form.
        let (zero, comma) = (ten / single[0], one / single[0]);
        let sum: f64 = single.iter().zip(1..).map(|(p, score)| p * f64::from(score)).sum();
        let tens = 9.0 * single[0] * zero / (zero + comma);
        let mean = (sum + tens) / single.iter().sum::<f64>();
        let expected = f64::from(reply.expected[0]);
        println!("{number}: {expected}, one by one {mean}, {:?}", &reply.text[..20]);
        // What is left: a reply's keys and values are of 16 bits, and tens of a small share count as ones.
        assert!((expected - mean).abs() < 0.05, "{expected}, one by one {mean}");
        assert_eq!(reply.expected.len(), 6);
    }
}

//! A toy vocabulary, shapes at random, and replies that the automaton writes from any logits.

use std::sync::Arc;

use gra_llm::automaton::{Automaton, CompiledShape, DrawInput, Draws, ShapeError};
use gra_llm::sampler::Sampler;
use gra_llm::vocabulary::{Token, TokenKind, Vocabulary};
use gra_synth::request::{Finish, Sampling, ScoreReading};
use gra_synth::shape::{Part, Shape};
use proptest::prelude::*;

use crate::shapes::{literal, text};

/// Every byte, pieces that real vocabularies merge across borders, an end and a control token.
pub(crate) fn vocabulary(merged: bool) -> Vocabulary {
    let mut tokens: Vec<(Vec<u8>, TokenKind)> =
        (0..=255).map(|byte| (vec![byte], TokenKind::Text)).collect();
    if merged {
        let pieces = [
            "10",
            "1,",
            ",1",
            "00",
            "]<",
            "<e",
            "eo",
            "i>",
            "<eoc>",
            "c>",
            "\",",
            "\", \"",
            "\"]",
            " \"",
            "],",
            ", ",
            ",\"",
            "\n\n",
            "  ",
            " é",
            "日本",
            "x<eo",
            "y\"",
            "z\"]",
            "math",
            "mathematics",
            "code",
            "<bos>[",
            "]<eos>\n<boc>",
            "good",
            " answer",
        ];
        tokens.extend(pieces.map(|piece| (piece.as_bytes().to_vec(), TokenKind::Text)));
        // Half of a character behind a whole one, and its other half.
        tokens.push((vec![b'a', 0xc3], TokenKind::Text));
        tokens.push((vec![0xa9, b'"'], TokenKind::Text));
        tokens.push((vec![0xe6, 0x97], TokenKind::Text));
    }
    tokens.push((b"<|end|>".to_vec(), TokenKind::End));
    tokens.push((b"<|user|>".to_vec(), TokenKind::Hidden));
    Vocabulary::new(tokens)
}

/// Spells texts the way a tokenizer does; `spaced` as `SentencePiece` does, with a space before.
pub(crate) fn plan(
    shape: &Shape,
    vocabulary: &Vocabulary,
    spaced: bool,
) -> Result<CompiledShape, ShapeError> {
    CompiledShape::compile(shape, vocabulary, &|text| {
        let text = if spaced { format!(" {text}") } else { text.to_owned() };
        vocabulary.spell(text.as_bytes()).unwrap()
    })
}

pub(crate) struct Written {
    pub(crate) text: String,
    pub(crate) finish: Finish,
    pub(crate) tokens: u32,
    pub(crate) fed: Vec<u8>,
}

/// Writes a reply from logits that `logits` makes of the step's number.
pub(crate) fn write(
    plan: CompiledShape,
    vocabulary: &Vocabulary,
    draws: Draws,
    mut logits: impl FnMut(usize) -> Vec<f32>,
) -> Written {
    let (mut automaton, mut fed) = Automaton::start(Arc::new(plan), draws);
    let mut sampler = Sampler::default();
    for step in 0.. {
        if automaton.finish().is_some() {
            break;
        }
        assert!(step < 10_000, "it does not end: {:?}", automaton.text());
        let logits = logits(step);
        let mut input = DrawInput { vocabulary, sampler: &mut sampler, logits: &logits };
        let next = automaton.step(&mut input);
        if automaton.tentative() == 0 {
            fed.extend(next);
        }
    }
    assert_eq!(fed.len(), automaton.tokens() as usize, "every token is counted once");
    Written {
        text: automaton.text(),
        finish: automaton.finish().unwrap(),
        tokens: automaton.tokens(),
        fed: vocabulary.bytes_of(&fed),
    }
}

pub(crate) fn draws(seed: u64, temperature: f32, max_tokens: u32) -> Draws {
    let sampling = Sampling { temperature, top_p: 0.95 };
    Draws { sampling, score_reading: ScoreReading::Sampled, seed, max_tokens }
}

/// Logits that favour some tokens of this step's turn.
pub(crate) fn favouring(vocabulary: &Vocabulary, hot: &[Token], step: usize) -> Vec<f32> {
    let mut logits = vec![0.0; vocabulary.len()];
    if !hot.is_empty() {
        let token = hot[step % hot.len()] as usize % vocabulary.len();
        logits[token] = 20.0;
        // The next best, for when the favourite is refused.
        logits[(token * 7 + step) % vocabulary.len()] = 10.0;
    }
    logits
}

pub(crate) fn shapes() -> impl Strategy<Value = Shape> {
    let part = prop_oneof![
        Just(literal("<eoi>")),
        Just(literal("\", \"keywords\": ")),
        Just(literal("\n</c>\n")),
        Just(literal("Score: ")),
        Just(literal("é→")),
        Just(Part::OneOf(vec!["mathematics".into(), "math and code".into(), "日本".into()])),
        (0_u8..12, 0_u8..90).prop_map(|(min, more)| Part::Integer { min, max: min + more }),
        (1_u8..4, 1_u32..9).prop_map(|(max_items, max_item_tokens)| Part::QuotedList {
            max_items,
            max_item_tokens
        }),
        (1_u32..20, any::<bool>(), prop_oneof!["<eoc>", "\"<eod>", "\n\n</x>\n", "→ end\nof it"])
            .prop_map(|(max_tokens, close, _)| text(max_tokens, close)),
    ];
    proptest::collection::vec(part, 1..7).prop_map(|parts| {
        // A text needs a literal behind it.
        let mut legal = Vec::new();
        for part in parts {
            if matches!(legal.last(), Some(Part::Text { .. })) && !matches!(part, Part::Literal(_))
            {
                legal.push(literal("<eoc>"));
            }
            legal.push(part);
        }
        Shape { parts: legal }
    })
}

//! Laws of the template sampler, on toy vocabularies and hostile logits.

use std::collections::BTreeSet;
use std::sync::Arc;

use gra_llm::automaton::{Automaton, CompiledShape, DrawInput, Draws, ShapeError};
use gra_llm::sampler::Sampler;
use gra_llm::vocabulary::{Token, TokenKind, Vocabulary};
use gra_synth::request::{Finish, ScoreReading};
use gra_synth::shape::{Part, Shape};
use proptest::prelude::*;

use crate::shapes::{bits, has_shape, keywords, literal, review, summary, text};
use crate::toy::{draws, favouring, plan, shapes, vocabulary, write};

/// Whether a shape's last text has a budget that cuts the reply.
fn may_be_cut(shape: &Shape) -> bool {
    shape.parts.iter().any(|part| matches!(part, Part::Text { close_at_budget: false, .. }))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_logits_give_the_shape(
        shape in shapes(),
        merged in any::<bool>(),
        spaced in any::<bool>(),
        seed in any::<u64>(),
        temperature in prop_oneof![Just(0.0_f32), Just(0.2), Just(1.0)],
        max_tokens in prop_oneof![0_u32..60, 60_u32..400],
        hot in proptest::collection::vec(0_u32..300, 0..12),
    ) {
        let vocabulary = vocabulary(merged);
        let plan = plan(&shape, &vocabulary, spaced).unwrap();
        let (least, most) = (plan.least_tokens(), plan.most_tokens());
        let written = write(plan, &vocabulary, draws(seed, temperature, max_tokens), |step| {
            favouring(&vocabulary, &hot, step)
        });
        prop_assert!(written.tokens <= max_tokens, "{} > {max_tokens}", written.tokens);
        prop_assert!(written.tokens <= most, "{} > {most}", written.tokens);
        match written.finish {
            Finish::Stop => {
                prop_assert!(has_shape(&written.text, &shape.parts), "{:?}", written.text);
            }
            _ => prop_assert!(least > max_tokens || may_be_cut(&shape), "{:?}", written.text),
        }
        // What the model was fed is what the reply says, but for white space before closers.
        if let Ok(fed) = String::from_utf8(written.fed) {
            let solid = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(solid(&fed), solid(&written.text));
        }
    }

    #[test]
    fn a_reply_depends_on_its_seed_and_logits_alone(seed in any::<u64>()) {
        let vocabulary = vocabulary(true);
        let once = || {
            let plan = plan(&review(), &vocabulary, false).unwrap();
            write(plan, &vocabulary, draws(seed, 1.0, 200), |_| vec![0.0; vocabulary.len()]).text
        };
        prop_assert_eq!(once(), once());
    }
}

/// Writes a reply to its end from logits that `logits` makes of the tokens so far.
fn finish(
    automaton: &mut Automaton,
    vocabulary: &Vocabulary,
    logits: impl Fn(u32) -> Vec<f32>,
) -> (String, Option<Finish>, u32) {
    let mut sampler = Sampler::default();
    while automaton.finish().is_none() {
        let logits = logits(automaton.tokens());
        automaton.step(&mut DrawInput { vocabulary, sampler: &mut sampler, logits: &logits });
    }
    (automaton.text(), automaton.finish(), automaton.tokens())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_reply_in_two_portions_is_the_whole_reply(
        merged in any::<bool>(),
        spaced in any::<bool>(),
        seed in any::<u64>(),
        hot in proptest::collection::vec(0_u32..300, 1..40),
    ) {
        let vocabulary = vocabulary(merged);
        let plan = Arc::new(plan(&review(), &vocabulary, spaced).unwrap());
        let draws = draws(seed, 1.0, 400);
        let logits = |used: u32| favouring(&vocabulary, &hot, used as usize);

        let (mut automaton, _) = Automaton::start(Arc::clone(&plan), draws);
        let whole = finish(&mut automaton, &vocabulary, logits);
        let (mut automaton, _) = Automaton::start_opening(Arc::clone(&plan), draws);
        let (opening, ended, tokens) = finish(&mut automaton, &vocabulary, logits);
        prop_assert_eq!(ended, Some(Finish::Stop));
        prop_assert!(tokens <= plan.most_opening_tokens());
        prop_assert_eq!(review().opening(&whole.0), Some(opening.as_str()));
        let retraced = plan.retrace(&opening, &vocabulary).unwrap();
        prop_assert_eq!(vocabulary.bytes_of(&retraced), opening.as_bytes());

        let mut rest = Automaton::resume(plan, draws, &opening, tokens).unwrap();
        prop_assert_eq!(finish(&mut rest, &vocabulary, logits), whole);
    }
}

/// A model of scores from 1 to 10 with these probabilities, which spells a ten in one token or two.
#[expect(clippy::cast_possible_truncation, reason = "logits are f32")]
fn scoring(vocabulary: &Vocabulary, probabilities: &[f64; 10], written: &[u8]) -> Vec<f32> {
    let mut logits = vec![f32::NEG_INFINITY; vocabulary.len()];
    let mut say = |piece: &str, probability: f64| {
        let is = |token: &Token| vocabulary.piece(*token) == piece.as_bytes();
        let token = (0..).take(vocabulary.len()).find(is).unwrap();
        logits[token as usize] = probability.ln() as f32;
    };
    let (one, half_of_ten) = (probabilities[0], probabilities[9] / 2.0);
    if written.ends_with(b"1") {
        say("0", half_of_ten);
        say(",", one);
        return logits;
    }
    for digit in 2..10 {
        say(&digit.to_string(), probabilities[digit - 1]);
    }
    say("10", half_of_ten);
    say("1", one + half_of_ten);
    logits
}

/// A reply in two integers, its expected values and the number of steps.
fn two_integers(
    (vocabulary, plan): (&Vocabulary, &Arc<CompiledShape>),
    [first, second]: [&[f64; 10]; 2],
    draws: Draws,
) -> (String, Vec<f64>, u32) {
    let (mut automaton, mut fed) = Automaton::start(Arc::clone(plan), draws);
    let mut sampler = Sampler::default();
    let mut steps = 0;
    while automaton.finish().is_none() {
        let text = vocabulary.bytes_of(&fed);
        fed.truncate(fed.len() - automaton.tentative());
        let integer = if text.contains(&b',') { second } else { first };
        let logits = scoring(vocabulary, integer, &text);
        let mut input = DrawInput { vocabulary, sampler: &mut sampler, logits: &logits };
        fed.extend(automaton.step(&mut input));
        steps += 1;
    }
    assert_eq!(fed.len(), automaton.tokens() as usize, "probes are taken back");
    assert_eq!(vocabulary.bytes_of(&fed), automaton.text().as_bytes());
    let expected = automaton.expected().iter().copied().map(f64::from).collect();
    (automaton.text(), expected, steps)
}

#[test]
fn expected_values_stand_beside_the_integers_that_are_drawn() {
    let vocabulary = vocabulary(true);
    let integer = || Part::Integer { min: 1, max: 10 };
    let parts = vec![literal("["), integer(), literal(","), integer(), literal(",]")];
    let plan = Arc::new(plan(&Shape { parts }, &vocabulary, false).unwrap());
    let spread = [0.1, 0.0, 0.0, 0.0, 0.2, 0.0, 0.0, 0.3, 0.1, 0.3];
    let sure = [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let write = |score_reading| {
            let draws = Draws { score_reading, ..draws(seed, 1.0, 50) };
            two_integers((&vocabulary, &plan), [&spread, &sure], draws)
        };
        let (sampled, none, steps) = write(ScoreReading::Sampled);
        let (text, expected, more) = write(ScoreReading::Expected);
        assert!(none.is_empty());
        // 0.1 * 1 + 0.2 * 5 + 0.3 * 8 + 0.1 * 9 + 0.3 * 10, and 3 for sure.
        assert_eq!((text.as_str(), expected.as_slice()), (sampled.as_str(), &[7.4, 3.0][..]));
        // What `1` begins is probed once, unless the reply itself goes on that way.
        assert_eq!(more - steps, u32::from(steps == 2), "{text}");
        seen.insert((text, steps));
    }
    // 1, 5, 8, 9, and 10 as one token and as two.
    assert_eq!(seen.len(), 6, "{seen:?}");
}

#[test]
fn an_opening_is_retraced_or_refused() {
    let vocabulary = vocabulary(true);
    let plan = plan(&review(), &vocabulary, false).unwrap();
    let (opening, _) = COMPLETE.split_at(COMPLETE.find("<boc>").unwrap() + 5);
    assert!(plan.retrace(opening, &vocabulary).is_some());
    for other in ["", "<bos>[1,2", COMPLETE, "<bos>[0,2,3,4,5,6]<eos>\n<boc>"] {
        assert!(plan.retrace(other, &vocabulary).is_none(), "{other}");
    }
}

/// A whole review; a ten looks like a one at first.
const COMPLETE: &str = "<bos>[1,10,3,4,5,6]<eos>\n<boc>Fine.<eoc>";

/// What is written when the model wants to say `wish`, token by token, then ends.
fn wished(shape: &Shape, wish: &[&str], max_tokens: u32) -> (String, Finish, u32) {
    let vocabulary = vocabulary(true);
    let plan = plan(shape, &vocabulary, false).unwrap();
    let end = vocabulary.ends()[0];
    let written = write(plan, &vocabulary, draws(1, 0.0, max_tokens), |step| {
        let token = wish.get(step).map_or(end, |piece| {
            let is = |token: &Token| vocabulary.piece(*token) == piece.as_bytes();
            (0..).take(vocabulary.len()).find(is).unwrap_or_else(|| panic!("no token {piece:?}"))
        });
        let mut logits = vec![0.0; vocabulary.len()];
        logits[token as usize] = 9.0;
        logits
    });
    (written.text, written.finish, written.tokens)
}

#[test]
fn texts_end_where_their_closer_begins() {
    let tagged = |after: &str| Shape { parts: vec![text(20, true), literal(after)] };
    let cases: [(&str, &[&str], &str); 10] = [
        ("<eoc>", &["good", "<eoc>"], "good<eoc>"),
        ("<eoc>", &["good", "<e", "o", "c>"], "good<eoc>"),
        ("<eoc>", &["good", "<e"], "good<eoc>"),
        ("<eoc>", &["good", "x<eo", "c>"], "goodx<eoc>"),
        ("<eoc>", &["good"], "good<eoc>"),
        ("\n<eoc>\n", &["good", "<eoc>"], "good\n<eoc>\n"),
        ("\n<eoc>\n", &["good", "\n\n", "<e", "o"], "good\n\n\n<eoc>\n"),
        ("\"<eod>", &["good", " answer", "y\""], "good answery\"<eod>"),
        ("\nScore: ", &["good", "S", "c"], "goodSc\nScore: "),
        ("\nScore: ", &["good", "\n", "S", "c"], "good\nScore: "),
    ];
    for (after, wish, expected) in cases {
        let (text, finish, _) = wished(&tagged(after), wish, 100);
        assert_eq!((text.as_str(), finish), (expected, Finish::Stop), "{after:?} {wish:?}");
    }
}

#[test]
fn an_empty_text_is_never_written() {
    let shape = Shape { parts: vec![text(20, true), literal("<eoc>")] };
    for wish in [&["<eoc>"][..], &[], &["\n\n", "  ", "<eoc>"], &["<e", "o", "c>"]] {
        let (text, finish, _) = wished(&shape, wish, 100);
        assert_eq!(finish, Finish::Stop);
        assert!(has_shape(&text, &shape.parts), "{text:?}");
    }
}

#[test]
fn integers_that_begin_alike_are_told_apart() {
    let shape =
        Shape { parts: vec![Part::Integer { min: 1, max: 10 }, literal(","), text(4, true)] };
    assert_eq!(wished(&shape, &["10", "z"], 50).0, "10,z");
    assert_eq!(wished(&shape, &["1", "0", "z"], 50).0, "10,z");
    assert_eq!(wished(&shape, &["1", ",", "z"], 50).0, "1,z");
    assert_eq!(wished(&shape, &["1", ",1", "z"], 50).0, "1,z");
    assert_eq!(wished(&shape, &["7", "z"], 50).0, "7,z");
    let last = Shape { parts: vec![Part::Integer { min: 1, max: 10 }] };
    assert_eq!(wished(&last, &["1"], 50).0, "1");
    assert_eq!(wished(&last, &["1", "0"], 50).0, "10");
}

#[test]
fn lists_go_on_as_the_model_says() {
    let list = |max_items| Part::QuotedList { max_items, max_item_tokens: 3 };
    let shape = Shape { parts: vec![list(3), literal("<eoa>")] };
    let cases: [(&[&str], &str); 7] = [
        (&["good", "\"]"], "[\"good\"]<eoa>"),
        (&["good"], "[\"good\"]<eoa>"),
        (&["good", "\"", "]"], "[\"good\"]<eoa>"),
        (&["good", "\",", "math", "\"]"], "[\"good\", \"math\"]<eoa>"),
        (&["good", "\"", ",", "math", "\"]"], "[\"good\", \"math\"]<eoa>"),
        (&["a", "b", "c", ",", "d", "\"]"], "[\"abc\", \"d\"]<eoa>"),
        (&["a", "\",", "b", "\",", "c", "\",", "d"], "[\"a\", \"b\", \"c\"]<eoa>"),
    ];
    for (wish, expected) in cases {
        assert_eq!(wished(&shape, wish, 100).0, expected, "{wish:?}");
    }
}

#[test]
fn limits_close_or_cut() {
    let closing = Shape { parts: vec![literal("<boi>"), text(3, true), literal("<eoi>")] };
    assert_eq!(wished(&closing, &["a", "b", "c", "d"], 100).0, "<boi>abc<eoi>");
    let cutting = Shape { parts: vec![literal("<boi>"), text(3, false), literal("<eoi>")] };
    let (text, finish, _) = wished(&cutting, &["a", "b", "c", "d"], 100);
    assert_eq!((text.as_str(), finish), ("<boi>abc", Finish::Length));
    let (text, finish, tokens) = wished(&Shape::free(), &["a", "b", "c"], 2);
    assert_eq!((text.as_str(), finish, tokens), ("ab", Finish::Length, 2));
    assert_eq!(wished(&Shape::free(), &[], 2), (String::new(), Finish::Stop, 0));
    assert_eq!(wished(&Shape::free(), &["a"], 0), (String::new(), Finish::Length, 0));
    assert_eq!(wished(&closing, &["a"], 2), (String::new(), Finish::Length, 0));
}

#[test]
fn the_shapes_of_the_method_fit_their_token_limits() {
    let vocabulary = vocabulary(true);
    for shape in [review(), keywords(), bits(), summary()] {
        let plan = plan(&shape, &vocabulary, true).unwrap();
        assert!(plan.least_tokens() <= plan.most_tokens());
        assert!(plan.most_tokens() < 400, "{}", plan.most_tokens());
    }
}

#[test]
fn shapes_that_break_their_rules_are_refused() {
    let cases = [
        (Vec::new(), ShapeError::Empty),
        (vec![literal("")], ShapeError::Empty),
        (vec![text(3, true), Part::Integer { min: 0, max: 9 }], ShapeError::OpenText),
        (vec![text(3, true), text(3, true)], ShapeError::OpenText),
        (vec![Part::OneOf(Vec::new())], ShapeError::EmptyChoice),
        (vec![Part::OneOf(vec![String::new(), "a".into()])], ShapeError::EmptyChoice),
        (vec![Part::Integer { min: 2, max: 1 }], ShapeError::EmptyRange),
        (vec![Part::QuotedList { max_items: 0, max_item_tokens: 3 }], ShapeError::EmptyRange),
    ];
    for (parts, expected) in cases {
        let shape = Shape { parts };
        assert_eq!(plan(&shape, &vocabulary(true), false).unwrap_err(), expected, "{shape:?}");
    }
    let poor = Vocabulary::new([(b"a".to_vec(), TokenKind::Text)]);
    let shape = Shape { parts: vec![literal("ab")] };
    let refused = CompiledShape::compile(&shape, &poor, &|_| Vec::new()).unwrap_err();
    assert_eq!(refused, ShapeError::Unspellable("ab".into()));
}

//! Patterns of shapes: what they accept is what the automaton writes, says llama.cpp's own grammar
//! sampler of the grammar, the `regex` crate of the expression, and a plain reading of the shape.

use std::sync::OnceLock;

use gra_llm::pattern::{GrammarReader, Pattern, PatternError, grammar, regular_expression};
use gra_synth::method::Method;
use gra_synth::request::{Finish, Stage};
use gra_synth::shape::{Part, Shape};
use gra_synth::step;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;
use proptest::prelude::*;

use crate::models::{SMOLLM2, model};
use crate::shapes::{bits, has_shape, keywords, literal, review, summary, text};
use crate::toy::{draws, favouring, plan, shapes, vocabulary, write};

/// llama.cpp's opinion of grammars, over the vocabulary of a real model. `None` where it is missing.
fn oracle() -> Option<&'static LlamaModel> {
    static ORACLE: OnceLock<Option<LlamaModel>> = OnceLock::new();
    let load = || {
        let path = model(SMOLLM2)?;
        let mut backend = LlamaBackend::init().unwrap();
        backend.void_logs();
        let parameters = LlamaModelParams::default().with_vocab_only(true);
        let model = LlamaModel::load_from_file(&backend, path, &parameters).unwrap();
        // The library stays initialised for the other tests.
        std::mem::forget(backend);
        Some(model)
    };
    ORACLE.get_or_init(load).as_ref()
}

fn allowed(grammar: &mut LlamaSampler, token: LlamaToken) -> bool {
    let mut candidates =
        LlamaTokenDataArray::new(vec![LlamaTokenData::new(token, 0.0, 0.0)], false);
    grammar.apply(&mut candidates);
    candidates.data[0].logit() > f32::NEG_INFINITY
}

/// The tokens that spell a reply. `None` where the model has no token for some rare byte, or for a NUL,
/// which llama.cpp takes for the end of a token's text.
fn spelled(model: &LlamaModel, reply: &str) -> Option<Vec<LlamaToken>> {
    let vocab = model.vocab();
    let tokens = vocab.tokenize(reply.as_bytes(), false, false);
    let bytes: Vec<u8> =
        tokens.iter().flat_map(|token| vocab.token_to_piece(*token, true, None)).collect();
    (bytes == reply.as_bytes() && !reply.contains('\0')).then_some(tokens)
}

/// Whether these tokens may be written under a grammar, and the reply may end behind them.
fn llama_accepts(model: &LlamaModel, grammar: &str, tokens: &[LlamaToken]) -> bool {
    let mut grammar = LlamaSampler::grammar(model, grammar, "root").unwrap();
    for &token in tokens {
        if !allowed(&mut grammar, token) {
            return false;
        }
        grammar.accept(token);
    }
    allowed(&mut grammar, model.vocab().eos())
}

/// A pattern's grammars, one for each reader. llama.cpp reads both alike.
fn grammars(pattern: &Pattern) -> [String; 2] {
    [GrammarReader::LlamaCpp, GrammarReader::XGrammar].map(|reader| grammar(pattern, reader))
}

fn whole(expression: &str) -> ::regex::Regex {
    ::regex::Regex::new(&format!("\\A(?:{expression})\\z")).unwrap()
}

/// Whether a reply has a shape, read from the parts' definitions: a text stops where its literal
/// begins, and items hold nothing that must be escaped. `beginnings` are those of the literals.
fn reads(reply: &str, parts: &[Part], beginnings: &[&str]) -> bool {
    let Some((part, rest)) = parts.split_first() else { return reply.is_empty() };
    let on = |reply: Option<&str>| reply.is_some_and(|reply| reads(reply, rest, beginnings));
    let shown = |text: &str| text.contains(|c: char| !" \t\n\u{b}\u{c}\r".contains(c));
    let ends = || (0..=reply.len()).filter(|end| reply.is_char_boundary(*end));
    match part {
        Part::Literal(text) => on(reply.strip_prefix(text.as_str())),
        Part::OneOf(options) => options.iter().any(|option| on(reply.strip_prefix(&**option))),
        Part::Integer { min, max } => {
            (*min..=*max).any(|value| on(reply.strip_prefix(value.to_string().as_str())))
        }
        Part::Thought { .. } => false,
        Part::Text { .. } => ends().any(|end| {
            let (text, behind) = reply.split_at(end);
            shown(text)
                && !beginnings.iter().any(|beginning| text.contains(beginning))
                && on(Some(behind))
        }),
        Part::QuotedList { max_items, max_item_tokens } => ends().any(|end| {
            let (list, behind) = reply.split_at(end);
            let inside = list.strip_prefix("[\"").and_then(|list| list.strip_suffix("\"]"));
            inside.is_some_and(|inside| {
                let items: Vec<&str> = inside.split("\", \"").collect();
                let plain = |item: &&str| {
                    let words: Vec<&str> = item.split(' ').collect();
                    words.len() <= *max_item_tokens as usize
                        && !words.contains(&"")
                        && !item.contains(|c: char| c.is_ascii_control() || "\"\\".contains(c))
                };
                items.len() <= usize::from(*max_items) && items.iter().all(plain)
            }) && on(Some(behind))
        }),
    }
}

/// A change to a reply at about this place.
fn changed(reply: &str, place: usize, change: &str) -> String {
    let boundary =
        |at: usize| (at.min(reply.len())..=reply.len()).find(|at| reply.is_char_boundary(*at));
    let at = boundary(place % (reply.len() + 1)).unwrap();
    match change {
        "cut" => reply[..at].to_owned(),
        "drop" => {
            let behind = reply[at..].chars().next().map_or(0, char::len_utf8);
            format!("{}{}", &reply[..at], &reply[at + behind..])
        }
        inserted => format!("{}{inserted}{}", &reply[..at], &reply[at..]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_the_automaton_writes_is_accepted(
        shape in shapes(),
        merged in any::<bool>(),
        seed in any::<u64>(),
        hot in proptest::collection::vec(0_u32..300, 0..12),
    ) {
        let Some(model) = oracle() else { return Ok(()) };
        let vocabulary = vocabulary(merged);
        let plan = plan(&shape, &vocabulary, false).unwrap();
        let logits = |step| favouring(&vocabulary, &hot, step);
        let written = write(plan, &vocabulary, draws(seed, 1.0, 400), logits);
        prop_assume!(written.finish == Finish::Stop);
        let Some(tokens) = spelled(model, &written.text) else { return Ok(()) };
        match Pattern::of(&shape.parts) {
            Ok(Some(pattern)) => {
                // The automaton lets items hold any blanks, a pattern one between two words.
                let listed = shape.parts.iter().any(|part| matches!(part, Part::QuotedList { .. }));
                let blanks = ["  ", "[\" ", "\", \" ", " \", ", " \"]"];
                prop_assume!(!listed || !blanks.iter().any(|blank| written.text.contains(blank)));
                let expression = regular_expression(&pattern);
                for grammar in grammars(&pattern) {
                    prop_assert!(llama_accepts(model, &grammar, &tokens), "{grammar}{:?}", written.text);
                }
                prop_assert!(whole(&expression).is_match(&written.text), "{expression}\n{:?}", written.text);
            }
            Ok(None) => prop_assert_eq!(shape.parts.len(), 1),
            Err(error) => prop_assert!(matches!(error, PatternError::Closer(_)), "{error}"),
        }
    }

    #[test]
    fn nothing_else_is_accepted(
        which in 0_usize..6,
        seed in any::<u64>(),
        hot in proptest::collection::vec(0_u32..300, 0..12),
        place in any::<usize>(),
        change in prop_oneof![
            "cut", "drop", "<", "<eo", "<eoc>", "</c>", "\"", "\", \"", "\\\\", "\n", " ", "é", "0", "x"
        ],
    ) {
        let Some(model) = oracle() else { return Ok(()) };
        let (shape, beginnings): (Shape, &[&str]) = match which {
            0 => (review(), &["<eoc>"]),
            1 => (keywords(), &[]),
            2 => (bits(), &[]),
            3 => (summary(), &["\""]),
            4 => (Shape { parts: vec![literal("<c>"), text(9, true), literal("\n</c>\n")] }, &["</c>"]),
            _ => (Shape { parts: vec![literal("Answer: "), text(9, true)] }, &[]),
        };
        let vocabulary = vocabulary(true);
        let plan = plan(&shape, &vocabulary, false).unwrap();
        let logits = |step| favouring(&vocabulary, &hot, step);
        let written = write(plan, &vocabulary, draws(seed, 1.0, 400), logits).text;
        let reply = changed(&written, place, &change);
        let Some(tokens) = spelled(model, &reply) else { return Ok(()) };
        let pattern = Pattern::of(&shape.parts).unwrap().unwrap();
        let expression = regular_expression(&pattern);
        let expected = reads(&reply, &shape.parts, beginnings);
        for grammar in grammars(&pattern) {
            prop_assert_eq!(llama_accepts(model, &grammar, &tokens), expected, "{}{:?}", grammar, reply);
        }
        prop_assert_eq!(whole(&expression).is_match(&reply), expected, "{} {:?}", expression, reply);
        if expected {
            prop_assert!(has_shape(&reply, &shape.parts), "{:?}", reply);
        }
    }
}

#[test]
fn grammars_can_be_read() {
    let check = |parts: &[Part], llama: &str, xgrammar: &str, expression: &str| {
        let pattern = Pattern::of(parts).unwrap().unwrap();
        let expected = [llama, xgrammar].map(|grammar| format!("root ::= {grammar}\n"));
        assert_eq!(grammars(&pattern), expected);
        assert_eq!(regular_expression(&pattern), expression);
    };
    check(
        &bits().parts,
        r#""<bos>\x5B" ("0" | "1") "," ("0" | "1") "," ("0" | "1") "\x5D<eos>""#,
        r#""<bos>\u005B" ("0" | "1") "," ("0" | "1") "," ("0" | "1") "\u005D<eos>""#,
        r"<bos>\u005B(0|1),(0|1),(0|1)\u005D<eos>",
    );
    check(
        &[text(9, true), literal("</>\n")],
        concat!(
            r#"[\t\n\x0B\x0C\r ]* ([^<\t\n\x0B\x0C\r ] [^<]* | "<" ([^</] [^<]* | "/" ([^<>] [^<]*)?)?) "#,
            r#"("<" ([^</] [^<]* | "/" ([^<>] [^<]*)?)?)* "</>\n""#,
        ),
        concat!(
            r#"[\t\n\u000B\u000C\r ]* ([^<\t\n\u000B\u000C\r ] [^<]* | "<" ([^</] [^<]* | "/" ([^<>] [^<]*)?)?) "#,
            r#"("<" ([^</] [^<]* | "/" ([^<>] [^<]*)?)?)* "</>\n""#,
        ),
        concat!(
            r"[\u0009\u000A\u000B\u000C\u000D ]*([^<\u0009\u000A\u000B\u000C\u000D ][^<]*|<([^<\u002F][^<]*|\u002F([^<>][^<]*)?)?)",
            r"(<([^<\u002F][^<]*|\u002F([^<>][^<]*)?)?)*<\u002F>\u000A",
        ),
    );
    check(
        &[Part::QuotedList { max_items: 2, max_item_tokens: 4 }],
        concat!(
            r#""\x5B\x22" [^\x00-\x1F\x22\x5C\x7F ] [^\x00-\x1F\x22\x5C\x7F ]* "#,
            r#"(" " [^\x00-\x1F\x22\x5C\x7F ] [^\x00-\x1F\x22\x5C\x7F ]*){0,3} "#,
            r#"("\x22, \x22" [^\x00-\x1F\x22\x5C\x7F ] [^\x00-\x1F\x22\x5C\x7F ]* "#,
            r#"(" " [^\x00-\x1F\x22\x5C\x7F ] [^\x00-\x1F\x22\x5C\x7F ]*){0,3})? "\x22\x5D""#,
        ),
        concat!(
            r#""\u005B\u0022" [^\u0000-\u001F\u0022\u005C\u007F ] [^\u0000-\u001F\u0022\u005C\u007F ]* "#,
            r#"(" " [^\u0000-\u001F\u0022\u005C\u007F ] [^\u0000-\u001F\u0022\u005C\u007F ]*){0,3} "#,
            r#"("\u0022, \u0022" [^\u0000-\u001F\u0022\u005C\u007F ] [^\u0000-\u001F\u0022\u005C\u007F ]* "#,
            r#"(" " [^\u0000-\u001F\u0022\u005C\u007F ] [^\u0000-\u001F\u0022\u005C\u007F ]*){0,3})? "\u0022\u005D""#,
        ),
        concat!(
            r#"\u005B"[^\u0000-\u001F"\u005C\u007F ][^\u0000-\u001F"\u005C\u007F ]*"#,
            r#"( [^\u0000-\u001F"\u005C\u007F ][^\u0000-\u001F"\u005C\u007F ]*){0,3}"#,
            r#"(", "[^\u0000-\u001F"\u005C\u007F ][^\u0000-\u001F"\u005C\u007F ]*"#,
            r#"( [^\u0000-\u001F"\u005C\u007F ][^\u0000-\u001F"\u005C\u007F ]*){0,3})?"\u005D"#,
        ),
    );
}

/// What a reader of `XGrammar`'s kind makes of an escaped text: behind `\x` it takes every hexadecimal digit
/// that follows, behind `\u` four.
fn as_xgrammar_reads(escaped: &str) -> String {
    let mut read = String::new();
    let mut rest = escaped;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        if character != '\\' {
            read.push(character);
            continue;
        }
        let kind = rest.chars().next().unwrap();
        rest = &rest[1..];
        let digits = match kind {
            'x' => rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len()),
            'u' => 4,
            'n' | 'r' | 't' => {
                read.push(match kind {
                    'n' => '\n',
                    'r' => '\r',
                    _ => '\t',
                });
                continue;
            }
            other => panic!("\\{other} is not read alike everywhere"),
        };
        let number = u32::from_str_radix(&rest[..digits], 16).unwrap();
        read.push(char::from_u32(number).unwrap());
        rest = &rest[digits..];
    }
    read
}

proptest! {
    #[test]
    fn a_literal_is_read_back_whatever_stands_behind_an_escape(
        pieces in proptest::collection::vec(
            prop_oneof!["[\"\\\\\\[\\]^\\-\n\r\t\u{1}\u{7f}]", "[0-9a-fA-F]", "[ -~]", "[é日🌊]"], 1..20
        ),
    ) {
        let text = pieces.concat();
        let pattern = Pattern::Text(text.clone());
        let grammar = grammar(&pattern, GrammarReader::XGrammar);
        let escaped = grammar.strip_prefix("root ::= \"").unwrap().strip_suffix("\"\n").unwrap();
        prop_assert_eq!(as_xgrammar_reads(escaped), text.clone(), "{}", grammar);
        let expression = regular_expression(&pattern);
        prop_assert!(whole(&expression).is_match(&text), "{expression}");
        prop_assert!(!expression.contains("\\x") && !grammar.contains("\\x"));
        let Some(model) = oracle() else { return Ok(()) };
        let Some(tokens) = spelled(model, &text) else { return Ok(()) };
        for grammar in grammars(&pattern) {
            prop_assert!(llama_accepts(model, &grammar, &tokens), "{}", grammar);
        }
    }
}

/// The method's own forms as servers are told them, and how large they are.
#[test]
fn every_stage_has_a_form_that_servers_can_be_told() {
    let mut told = Vec::new();
    for stage in Stage::ALL {
        let shape = step::shape(stage, &Method::default());
        let Some(pattern) = Pattern::of(&shape.parts).unwrap() else {
            told.push(format!("{stage}: no form"));
            continue;
        };
        let [_, xgrammar] = grammars(&pattern);
        let expression = regular_expression(&pattern);
        told.push(format!("{stage}\n{xgrammar}{expression}"));
        assert!(whole(&expression).captures_len() > 0);
        if let Some(model) = oracle() {
            for grammar in grammars(&pattern) {
                let read = LlamaSampler::grammar(model, &grammar, "root");
                assert!(read.is_ok(), "{stage}: {grammar}");
            }
        }
    }
    insta::assert_snapshot!(told.join("\n\n"));
}

#[test]
fn a_text_alone_needs_no_pattern_and_some_closers_have_none() {
    assert_eq!(Pattern::of(&Shape::free().parts), Ok(None));
    assert_eq!(Pattern::of(&[text(400, false)]), Ok(None));
    let closers = ["\nScore: ", "abca", "<a<b>"];
    for closer in closers {
        let refused = Pattern::of(&[text(9, true), literal(closer)]).unwrap_err();
        assert_eq!(refused, PatternError::Closer(closer.to_owned()));
        assert!(refused.to_string().contains("first character"), "{refused}");
    }
    for parts in [vec![], vec![text(3, true), text(3, true)], vec![Part::OneOf(Vec::new())]] {
        assert!(matches!(Pattern::of(&parts), Err(PatternError::Shape(_))), "{parts:?}");
    }
}

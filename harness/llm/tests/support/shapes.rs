//! Shapes of replies, and a reader of their replies that knows nothing of the automaton.

use gra_synth::shape::{Part, Shape};

pub(crate) fn literal(text: &str) -> Part {
    Part::Literal(text.to_owned())
}

pub(crate) fn text(max_tokens: u32, close_at_budget: bool) -> Part {
    Part::Text { max_tokens, close_at_budget }
}

/// Six scores and a comment.
pub(crate) fn review() -> Shape {
    let mut parts = vec![literal("<bos>["), Part::Integer { min: 1, max: 10 }];
    for _ in 1..6 {
        parts.extend([literal(","), Part::Integer { min: 1, max: 10 }]);
    }
    parts.extend([literal("]<eos>\n<boc>"), text(48, true), literal("<eoc>")]);
    Shape { parts }
}

/// A domain and keywords.
pub(crate) fn keywords() -> Shape {
    let domains = ["mathematics", "coding", "commonsense", "general knowledge"];
    Shape {
        parts: vec![
            literal("<boa>\"domain\": \""),
            Part::OneOf(domains.map(str::to_owned).to_vec()),
            literal("\", \"keywords\": "),
            Part::QuotedList { max_items: 3, max_item_tokens: 8 },
            literal("<eoa>"),
        ],
    }
}

/// Three bits.
pub(crate) fn bits() -> Shape {
    let bit = || Part::Integer { min: 0, max: 1 };
    let comma = || literal(",");
    let parts = vec![literal("<bos>["), bit(), comma(), bit(), comma(), bit(), literal("]<eos>")];
    Shape { parts }
}

/// A short summary.
pub(crate) fn summary() -> Shape {
    Shape { parts: vec![literal("<bod>\"summary\": \""), text(24, true), literal("\"<eod>")] }
}

/// Whether a reply has a shape, by trying every way to read it.
pub(crate) fn has_shape(text: &str, parts: &[Part]) -> bool {
    let Some((part, rest)) = parts.split_first() else { return text.is_empty() };
    match part {
        Part::Literal(literal) => {
            text.strip_prefix(literal.as_str()).is_some_and(|text| has_shape(text, rest))
        }
        Part::OneOf(options) => options.iter().any(|option| {
            text.strip_prefix(option.as_str()).is_some_and(|text| has_shape(text, rest))
        }),
        Part::Integer { min, max } => (*min..=*max).any(|value| {
            text.strip_prefix(value.to_string().as_str()).is_some_and(|text| has_shape(text, rest))
        }),
        Part::Text { .. } => (1..=text.len()).any(|end| {
            text.is_char_boundary(end)
                && !text[..end].trim().is_empty()
                && has_shape(&text[end..], rest)
        }),
        Part::Thought { .. } => panic!("a reply with a thought is read by its form"),
        Part::QuotedList { max_items, .. } => (2..=text.len()).any(|end| {
            text.is_char_boundary(end)
                && serde_json::from_str::<Vec<String>>(&text[..end]).is_ok_and(|items| {
                    !items.is_empty()
                        && items.len() <= usize::from(*max_items)
                        && items.iter().all(|item| !item.trim().is_empty())
                })
                && has_shape(&text[end..], rest)
        }),
    }
}

//! Annotations that a seed set brings along.

use gra_synth::domain::Domain;
use gra_synth::form::MAX_KEYWORDS;
use gra_synth::pool::Annotation;
use serde_json::Value;

use super::{Field, RemarkKind};

/// Reads domain, summary and keywords, in this order. All absent is no annotation; some absent or
/// wrong drops the annotation, and the item is annotated like any other.
pub(super) fn read(brought: [Option<Value>; 3]) -> Result<Option<Annotation>, RemarkKind> {
    let [domain, summary, keywords] = brought.map(|value| value.filter(|value| !is_blank(value)));
    if domain.is_none() && summary.is_none() && keywords.is_none() {
        return Ok(None);
    }
    let domain = text(Field::Domain, domain)?;
    let Some(domain) = Domain::parse(&domain) else {
        return Err(RemarkKind::UnknownDomain(domain));
    };
    let summary = text(Field::Summary, summary)?;
    let keywords = match keywords.ok_or(RemarkKind::Incomplete(Field::Keywords))? {
        Value::String(text) => split(&text),
        list => listed(&list).ok_or(RemarkKind::Unreadable(Field::Keywords))?,
    };
    let keywords = distinct(keywords);
    match keywords.len() {
        0 => Err(RemarkKind::Incomplete(Field::Keywords)),
        1..=MAX_KEYWORDS => Ok(Some(Annotation { domain, keywords, summary })),
        many => Err(RemarkKind::TooManyKeywords(many)),
    }
}

/// Null, empty text and empty lists are absent: that is how tables write it.
fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

fn text(field: Field, value: Option<Value>) -> Result<String, RemarkKind> {
    match value.ok_or(RemarkKind::Incomplete(field))? {
        Value::String(text) => Ok(text.trim().to_owned()),
        _ => Err(RemarkKind::Unreadable(field)),
    }
}

fn listed(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|keyword| keyword.as_str().map(str::to_owned)).collect()
}

/// Keywords in one text, as a table holds them: a JSON list, or with `;` or else `,` in between.
fn split(text: &str) -> Vec<String> {
    if let Some(list) = serde_json::from_str(text).ok().as_ref().and_then(listed) {
        return list;
    }
    let separator = if text.contains(';') { ';' } else { ',' };
    text.split(separator).map(str::to_owned).collect()
}

/// Trimmed, without empty ones; repeats, case apart, count once, as in a model's reply.
fn distinct(keywords: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::with_capacity(keywords.len().min(MAX_KEYWORDS + 1));
    for keyword in keywords {
        let keyword = keyword.trim();
        let known = |other: &String| other.to_lowercase() == keyword.to_lowercase();
        if !keyword.is_empty() && !kept.iter().any(known) {
            kept.push(keyword.to_owned());
        }
    }
    kept
}

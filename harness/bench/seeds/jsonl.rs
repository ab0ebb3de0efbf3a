//! The normalised form of a seed set: an object a line, with `instruction`, `output` where there is
//! one, and `domain`, `summary`, `keywords` where the set brought them.
//!
//! [`super::load`] reads it back to the same items, numbered anew without gaps.

use gra_synth::domain::Domain;
use gra_synth::pool::SeedItem;
use serde::Serialize;

#[derive(Serialize)]
struct Line<'a> {
    instruction: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<Domain>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keywords: Option<&'a [String]>,
}

/// The items as lines of JSON.
///
/// # Errors
/// Never for items that [`super::load`] returned; the error is that of the JSON writer.
pub fn from_items(items: &[SeedItem]) -> serde_json::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for item in items {
        let annotation = item.annotation.as_ref();
        let line = Line {
            instruction: &item.instruction,
            output: item.response.as_deref(),
            domain: annotation.map(|a| a.domain),
            summary: annotation.map(|a| a.summary.as_str()),
            keywords: annotation.map(|a| a.keywords.as_slice()),
        };
        serde_json::to_writer(&mut bytes, &line)?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

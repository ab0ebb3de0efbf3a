//! Calls that are left out because no answer to them could change a sample (METHOD.md, section 3).
//!
//! Every saving leaves the published samples as they are and thins what is recorded about the
//! other candidates: which rule ended them, how often they were reviewed, what was said. Where the
//! reviews themselves are the subject, savings are switched off.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Which savings are made. In an experiment file `economy = true`, `false`, or a table of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "four independent switches")]
pub struct Economy {
    /// An instruction too close to the seed set or to a sample of an earlier round or wave can never
    /// be kept: its candidate ends before any review.
    pub early_duplicates: bool,
    /// One zero bit rejects: reviewers are asked in turn, and after a zero no other is.
    pub veto_short_circuit: bool,
    /// When perfect scores from the reviewers left could not lift mu to tau, they are not asked.
    pub bound_pruning: bool,
    /// Scores do not depend on the comment that follows them, and only an adjudicator reads comments:
    /// reviewers write them for disputes alone, and the adjudicator, whose comment is not read, writes none.
    /// Needs constrained replies.
    pub lazy_comments: bool,
}

impl Economy {
    /// Every saving.
    pub const ON: Self = Self::all(true);
    /// No saving: every review whole, every rule in the paper's order.
    pub const OFF: Self = Self::all(false);

    const fn all(on: bool) -> Self {
        Self { early_duplicates: on, veto_short_circuit: on, bound_pruning: on, lazy_comments: on }
    }
}

impl Default for Economy {
    fn default() -> Self {
        Self::ON
    }
}

/// Reads `true`, `false`, or a table with a switch for each saving.
pub(crate) fn switch_or_table<'de, D: Deserializer<'de>>(from: D) -> Result<Economy, D::Error> {
    from.deserialize_any(SwitchOrTable)
}

/// What [`switch_or_table`] reads, as a JSON Schema.
pub(crate) fn switch_or_table_schema(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [{ "type": "boolean" }, generator.subschema_for::<Economy>()] })
}

struct SwitchOrTable;

impl<'de> Visitor<'de> for SwitchOrTable {
    type Value = Economy;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false, or a table of savings")
    }

    fn visit_bool<E>(self, on: bool) -> Result<Economy, E> {
        // One switch for all four, as `economy = false` in an experiment file.
        Ok(Economy::all(on))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Economy, A::Error> {
        Economy::deserialize(MapAccessDeserializer::new(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Economy, String> {
        switch_or_table(&mut serde_json::Deserializer::from_str(json)).map_err(|e| e.to_string())
    }

    #[test]
    fn a_switch_or_a_table() {
        assert_eq!(read("true").unwrap(), Economy::ON);
        assert_eq!(read("false").unwrap(), Economy::OFF);
        let table = read(r#"{"lazy_comments": false}"#).unwrap();
        assert_eq!(table, Economy { lazy_comments: false, ..Economy::ON });
        let written = serde_json::to_string(&table).unwrap();
        assert_eq!(read(&written).unwrap(), table);
    }

    #[test]
    fn anything_else_is_refused() {
        assert!(read(r#"{"comments": false}"#).unwrap_err().contains("lazy_comments"));
        assert!(read("1").unwrap_err().contains("true, false, or a table of savings"));
    }
}

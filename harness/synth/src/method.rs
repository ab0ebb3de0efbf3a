//! Every number of the method, with the paper's value or our default for what it leaves open
//! (METHOD.md, section 3).
//!
//! One of them says which calls are left out because no answer to them could change a sample ([`Economy`]). Every
//! such saving leaves the published samples as they are and thins what is recorded about the other candidates: which
//! rule ended them, how often they were reviewed, what was said. Where the reviews themselves are the subject, savings
//! are switched off.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::committee::Thousandths;
use crate::request::{ModelName, Sampling};

/// Token budgets of the free text in a reply. The paper asks for at most 30 words where texts are
/// short and allows 4,096 new tokens everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TokenLimits {
    /// One keyword; longer ones are closed.
    pub keyword: u32,
    /// A summary; longer ones are closed.
    pub summary: u32,
    /// A reviewer's comment; longer ones are closed.
    pub comment: u32,
    /// An instruction; a longer one is malformed unless long texts are closed.
    pub instruction: u32,
    /// A response; a longer one is malformed unless long texts are closed.
    pub response: u32,
}

impl Default for TokenLimits {
    fn default() -> Self {
        Self { keyword: 16, summary: 64, comment: 64, instruction: 1024, response: 4096 }
    }
}

/// The order and the marks of a review's reply (Prompts 6, 8 and 9). The paper prints scores first; whether
/// another form lets a model judge better is a question for `gra-bench calibrate`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReviewForm {
    /// Bare numbers, then the comment: `<bos>[8,7,9,8,8,10]<eos>`, as the paper prints it.
    #[default]
    ScoresFirst,
    /// Every number after the name of its criterion: `<bos>[correctness: 8, clarity: 7, ...]<eos>`.
    Named,
    /// The comment of Prompts 8 and 9 before the scores, so that a model can give reasons first. Costs the comment
    /// of every review: none can wait for a dispute.
    CommentFirst,
}

/// Which samples of its last wave a round keeps when more pass than its target has room for (METHOD.md, I1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TargetCut {
    /// Those with the highest mu, equal ones by number.
    #[default]
    Mu,
    /// Those with the lowest numbers, whatever their mu.
    Number,
}

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
fn switch_or_table<'de, D: Deserializer<'de>>(from: D) -> Result<Economy, D::Error> {
    from.deserialize_any(SwitchOrTable)
}

/// What [`switch_or_table`] reads, as a JSON Schema.
fn switch_or_table_schema(generator: &mut SchemaGenerator) -> Schema {
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

/// Whether a parameter that came later has the value that all earlier trials had. Records then leave it out, so that
/// those of earlier trials still tell the same.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The parameters of the method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Method {
    /// tau: the least mean score that is accepted, inclusive (paper: 8).
    pub tau: Thousandths,
    /// delta: the largest spread that is accepted without an adjudicator, inclusive (paper: 1.5).
    pub delta: Thousandths,
    /// A sample is kept when its largest cosine to the target pool is below this (paper: 0.9).
    pub cosine_limit: f64,
    /// Rounds (paper: 5).
    pub rounds: u32,
    /// Samples that a round adds (paper: about 10,000).
    pub target: u32,
    /// Samples of all rounds together, after which no other follows; nor does one follow a round that added none.
    /// `None`, as in the paper: there are as many rounds as `rounds` says (METHOD.md, I5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<u32>,
    /// Candidates after which a round gives up on its target.
    pub cap: u32,
    /// Candidates of one wave; deduplication runs once per wave.
    pub wave: u32,
    /// What the last wave is cut by when it meets the target; default `mu`.
    #[serde(skip_serializing_if = "is_default")]
    pub cut: TargetCut,
    /// Fewest examples of a generation (paper: 2).
    pub min_examples: u32,
    /// Most examples of a generation (paper: 4).
    pub max_examples: u32,
    /// Tries after a malformed reply, each with a fresh stream (METHOD.md, G9: 2).
    pub retries: u8,
    /// Tries after a keyword set that repeats an example's, each with a fresh stream (METHOD.md, G6).
    pub keyword_retries: u8,
    /// The form of a review's reply.
    pub review_form: ReviewForm,
    /// Whether each review and adjudication sees the scores of its prompt's examples in one of six orders, drawn with
    /// the call, so that what models copy from its places averages out. Costs the evaluation of six role texts.
    pub rotate_examples: bool,
    /// Whether replies are held to their shape token by token. Off counts malformed replies as
    /// the paper's authors would have met them.
    pub constrained: bool,
    /// Whether an instruction or response that meets its token budget is closed there. Off, as
    /// METHOD.md (G9) has it, it is malformed: half a text is no sample. On is for demonstrations
    /// with models too small to come to an end.
    pub close_long_texts: bool,
    /// Which calls are left out because no answer could change a sample; default `true`, all of them.
    #[serde(deserialize_with = "switch_or_table")]
    #[schemars(schema_with = "switch_or_table_schema")]
    pub economy: Economy,
    /// Token budgets.
    pub limits: TokenLimits,
}

impl Default for Method {
    fn default() -> Self {
        Self {
            tau: Thousandths::whole(8),
            delta: Thousandths::new(1500),
            cosine_limit: 0.9,
            rounds: 5,
            target: 10_000,
            samples: None,
            cap: 100_000,
            wave: 2_000,
            cut: TargetCut::Mu,
            min_examples: 2,
            max_examples: 4,
            retries: 2,
            keyword_retries: 1,
            review_form: ReviewForm::ScoresFirst,
            rotate_examples: false,
            constrained: true,
            close_long_texts: false,
            economy: Economy::default(),
            limits: TokenLimits::default(),
        }
    }
}

/// A parameter has a value that the method cannot use: its name as in the experiment file, what was given, what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MethodError(String);

impl Method {
    /// Whether comments wait for a dispute.
    #[must_use]
    pub const fn comments_wait(&self) -> bool {
        self.economy.lazy_comments && self.scores_can_stand_alone()
    }

    /// Whether a review can be asked for its scores without the comment. A reply without a form has no end of
    /// its scores to stop at.
    pub(crate) const fn scores_can_stand_alone(&self) -> bool {
        self.constrained && !matches!(self.review_form, ReviewForm::CommentFirst)
    }

    /// Most samples that a round adds after rounds that added so many together: the last round's target is what is
    /// missing.
    #[must_use]
    pub fn room_after(&self, samples: usize) -> usize {
        let left = self.samples.map(|wanted| (wanted as usize).saturating_sub(samples));
        left.unwrap_or(usize::MAX).min(self.target as usize)
    }

    /// Whether another round may follow rounds that added so many samples together, `last` of them the last one. After a
    /// round that added none the next one would draw from the same pool again.
    #[must_use]
    pub fn goes_on_after(&self, samples: usize, last: usize) -> bool {
        self.samples.is_none() || (last > 0 && self.room_after(samples) > 0)
    }

    /// Checks every parameter.
    ///
    /// # Errors
    /// Names the first parameter that is out of range.
    pub fn check(&self) -> Result<(), MethodError> {
        let fail = |parameter: &str, value: &dyn fmt::Display, rule: &str| {
            Err(MethodError(format!("{parameter} = {value}: {rule}")))
        };
        let limits = &self.limits;
        // Delta has no upper end: from 5 on, the largest possible spread, nothing is disputed.
        if self.tau > Thousandths::whole(10) {
            return fail("tau", &self.tau, "must be from 0 to 10: scores run from 1 to 10");
        }
        // Above 1 keeps everything; written so that NaN is refused.
        if !(self.cosine_limit > 0.0 && self.cosine_limit <= 1.01) {
            return fail("cosine_limit", &self.cosine_limit, "must lie in (0, 1.01]");
        }
        for (parameter, value) in [
            ("rounds", self.rounds),
            ("target", self.target),
            ("samples", self.samples.unwrap_or(1)),
            ("cap", self.cap),
            ("wave", self.wave),
            ("limits.keyword", limits.keyword),
            ("limits.summary", limits.summary),
            ("limits.comment", limits.comment),
            ("limits.instruction", limits.instruction),
            ("limits.response", limits.response),
        ] {
            if value == 0 {
                return fail(parameter, &value, "must be at least 1");
            }
        }
        if self.min_examples < 2 {
            return fail("min_examples", &self.min_examples, "must be at least 2");
        }
        if self.max_examples < self.min_examples {
            return fail("max_examples", &self.max_examples, "must not be below min_examples");
        }
        Ok(())
    }
}

/// A model of the pool, as the method sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its name.
    pub name: ModelName,
    /// How its tokens are drawn.
    pub sampling: Sampling,
    /// Most tokens that it may think before each reply; 0: it is asked to answer at once.
    pub thought_tokens: u32,
}

impl Member {
    /// A model that answers without thinking first.
    #[must_use]
    pub fn new(name: ModelName, sampling: Sampling) -> Self {
        Self { name, sampling, thought_tokens: 0 }
    }

    /// Whether it thinks before it answers.
    #[must_use]
    pub const fn thinks(&self) -> bool {
        self.thought_tokens > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_end_with_the_samples_that_are_wanted_or_with_none() {
        let wanted = Method { target: 20, samples: Some(50), ..Method::default() };
        assert_eq!([0, 40, 49, 50, 60].map(|had| wanted.room_after(had)), [20, 10, 1, 0, 0]);
        let goes_on = |samples, last| wanted.goes_on_after(samples, last);
        assert!(goes_on(20, 20) && goes_on(49, 1));
        assert!(!goes_on(50, 10) && !goes_on(20, 0));
        let paper = Method::default();
        assert!(paper.goes_on_after(0, 0) && paper.room_after(1_000_000) == 10_000);
    }

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

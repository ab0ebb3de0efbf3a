//! What an ablation changes, as closed enums (paper, sections 4.3 and 5.1; METHOD.md, section 3).
//! A variant is data: nothing in the method asks which ablation it is running.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::method::{Economy, Member, Method};
use crate::request::{ModelName, ScoreReading};

/// Who generates, reviews and adjudicates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoleAssignment {
    /// Drawn for every candidate, without replacement (the paper's).
    Random,
    /// Drawn for every candidate, without replacement, by what the run has recorded of the models so far
    /// ([`crate::roles`]).
    Adaptive,
    /// One model in every role; a committee is several samples of it (METHOD.md, V5).
    SingleModel(ModelName),
    /// Pool order: the first generates, the next review, the one after adjudicates; rotated left
    /// by so many places (METHOD.md, V6).
    Fixed {
        /// 0 keeps pool order.
        rotation: u8,
    },
}

/// Who reviews.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reviewers {
    /// `N_R` reviewers (METHOD.md, R1: 3).
    Committee(u8),
    /// This model alone, of its own candidates too (METHOD.md, V2).
    Named(ModelName),
    /// None: neither instruction nor response is reviewed (METHOD.md, V1).
    None,
}

impl Reviewers {
    /// How many reviewers are drawn from the pool.
    pub(crate) const fn drawn(&self) -> u8 {
        match self {
            Self::Committee(n) => *n,
            Self::Named(_) | Self::None => 0,
        }
    }
}

/// Where the instructions come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Instructions {
    /// Generators write them from the pool's keywords and summaries, round after round (the paper's).
    #[default]
    New,
    /// They are the seed set's own; only responses are written (METHOD.md, B1 and B4).
    Seed,
}

/// What a generator that answers a seed item anew is shown of it (METHOD.md, B4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rewrite {
    /// The instruction alone.
    #[default]
    Hidden,
    /// Also the seed set's response, to be improved.
    Shown,
}

/// The rule for a candidate whose reviewers disagree: mu reaches tau and sigma exceeds delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DisputeRule {
    /// An adjudicator scores it (the paper's).
    Adjudicator,
    /// Accepted when more than half of the reviewers' means reach tau (METHOD.md, V4).
    MajorityVote,
    /// Accepted.
    Accept,
}

impl DisputeRule {
    /// Name used in experiment files and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Adjudicator => "adjudicator",
            Self::MajorityVote => "majority-vote",
            Self::Accept => "accept",
        }
    }
}

/// One row of an ablation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// Unique within an experiment; a folder name.
    pub name: String,
    /// Where the instructions come from. Trials of earlier releases do not say: theirs are new.
    #[serde(default)]
    pub instructions: Instructions,
    /// Whether the seed set's own response is shown; hidden where instructions are new, and of trials that do not say.
    #[serde(default, skip_serializing_if = "crate::method::is_default")]
    pub rewrite: Rewrite,
    /// Who generates, reviews and adjudicates.
    pub roles: RoleAssignment,
    /// Who reviews.
    pub reviewers: Reviewers,
    /// The rule for candidates whose reviewers disagree.
    pub dispute: DisputeRule,
    /// What the scores of reviewers and adjudicator are. Trials of earlier releases do not say: theirs
    /// are sampled.
    #[serde(default)]
    pub score_reading: ScoreReading,
}

/// Why a variant cannot run with a pool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct VariantError(String);

impl Variant {
    /// Full GRA, as the paper has it.
    #[must_use]
    pub fn gra(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            instructions: Instructions::New,
            rewrite: Rewrite::Hidden,
            roles: RoleAssignment::Random,
            reviewers: Reviewers::Committee(3),
            dispute: DisputeRule::Adjudicator,
            score_reading: ScoreReading::Sampled,
        }
    }

    /// The savings that this variant makes. Roles that learn from reviews need all of them, or a saving would
    /// change which models are drawn next, and so the samples. Only comments can be left out then, because
    /// nothing is learnt from them.
    #[must_use]
    pub fn economy(&self, method: &Method) -> Economy {
        let lazy_comments = method.economy.lazy_comments;
        match self.roles {
            RoleAssignment::Adaptive => Economy { lazy_comments, ..Economy::OFF },
            _ => method.economy,
        }
    }

    /// How many reviews a candidate gets.
    #[must_use]
    pub const fn reviews(&self) -> u8 {
        match self.reviewers {
            Reviewers::Named(_) => 1,
            Reviewers::Committee(_) | Reviewers::None => self.reviewers.drawn(),
        }
    }

    /// Whether a dispute can come up and an adjudicator settles it. One review has no spread.
    #[must_use]
    pub fn has_adjudicator(&self) -> bool {
        self.dispute == DisputeRule::Adjudicator && self.reviews() > 1
    }

    /// The models that it may ask: those that roles are drawn from, and those that it names. Seed items are
    /// annotated by all members, whatever the variant.
    #[must_use]
    pub fn serving<'a>(&'a self, members: &'a [Member]) -> BTreeSet<&'a ModelName> {
        let mut serving: BTreeSet<&ModelName> = match &self.roles {
            RoleAssignment::SingleModel(model) => BTreeSet::from([model]),
            RoleAssignment::Random | RoleAssignment::Adaptive | RoleAssignment::Fixed { .. } => {
                members.iter().map(|member| &member.name).collect()
            }
        };
        if let Reviewers::Named(model) = &self.reviewers {
            serving.insert(model);
        }
        serving
    }

    /// Checks that the pool can fill the roles. A named model may be a teacher; roles are drawn from
    /// the members.
    ///
    /// # Errors
    /// When it cannot.
    pub fn check(&self, members: &[Member], teachers: &[Member]) -> Result<(), VariantError> {
        let fail = |reason: &str| Err(VariantError(format!("variant `{}` {reason}", self.name)));
        let named = |model: &ModelName| {
            if members.iter().chain(teachers).any(|member| member.name == *model) {
                return Ok(());
            }
            fail(&format!("names model `{model}`, which the pool does not have"))
        };
        // Roles are drawn from members only, and members annotate the seed set for every variant.
        if members.is_empty() {
            return Err(VariantError("the pool has no models".to_owned()));
        }
        if let Reviewers::Named(model) = &self.reviewers {
            named(model)?;
        }
        if self.reviewers == Reviewers::Committee(0) {
            return fail("has a committee of 0; say reviewers = \"none\" for no review");
        }
        // [V5] One model may hold every seat, so nothing more is needed of the pool.
        if let RoleAssignment::SingleModel(model) = &self.roles {
            return named(model);
        }
        // Random, adaptive and fixed roles repeat no model, so each role needs one of its own.
        let (reviewers, adjudicates) = (self.reviewers.drawn(), self.has_adjudicator());
        let needed = 1 + usize::from(reviewers) + usize::from(adjudicates);
        if members.len() >= needed {
            return Ok(());
        }
        let adjudicator = if adjudicates { ", one adjudicator" } else { "" };
        fail(&format!(
            "needs {needed} models (one generator, {reviewers} reviewers{adjudicator}) and the pool has {}",
            members.len()
        ))
    }
}

//! The recorded facts of one candidate: everything that was drawn, written and decided about it.

use serde::{Deserialize, Serialize};

use crate::committee::{Decision, Scores, Tally};
use crate::domain::Domain;
use crate::form::{self, Malformed};
use crate::pool::{Annotation, ItemId};
use crate::request::{Failure, ModelName, Reply, ScoreReading, Stage};

/// A candidate and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Round and number.
    pub id: ItemId,
    /// Wave within the round, from 0.
    pub wave: u32,
    /// The domain it was made for; of a seed instruction the one that the seed set brought along, if any.
    pub domain: Option<Domain>,
    /// The pool items whose keywords and summaries its generator saw, in drawn order; of a seed
    /// instruction its seed item.
    pub examples: Vec<ItemId>,
    /// The models that serve it.
    pub roles: Roles,
    /// The paper's k', a new keyword set; empty until written, and where the instruction is the seed set's.
    pub keywords: Vec<String>,
    /// The domain that the generator wrote beside the keywords, as written. Kept for counting: the
    /// requested domain stands (METHOD.md, G5).
    pub emitted_domain: Option<String>,
    /// The paper's x'; given from the start where it is the seed set's.
    pub instruction: Option<String>,
    /// In seat order; without the seats that were not asked after a zero (see [`Economy`](crate::method::Economy)).
    pub instruction_reviews: Vec<InstructionReview>,
    /// The paper's y'.
    pub response: Option<String>,
    /// In seat order; without the seats that were not asked, and one that stayed malformed.
    pub response_reviews: Vec<ResponseReview>,
    /// What the committee's scores said.
    pub decision: Option<Decision>,
    /// The adjudicator's scores of a disputed candidate.
    pub adjudication: Option<ResponseReview>,
    /// The closest item of the target pool when it was compared.
    pub nearest: Option<Neighbour>,
    /// Whether its instruction, when it was compared, was longer than the encoder reads at once; it was
    /// then compared in windows (METHOD.md, D1).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub long: bool,
    /// The paper's s', written for samples only.
    pub summary: Option<String>,
    /// Every reply that could not be read, retried or not; by stage, seat and attempt.
    pub malformed: Vec<MalformedReply>,
    /// Every call that the engine could not answer; by stage, seat and attempt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<FailedCall>,
    /// How it ended; `None` only while its round is under way.
    pub outcome: Option<Outcome>,
}

/// The models that serve one candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles {
    /// Writes keywords, instruction and response.
    pub generator: ModelName,
    /// In seat order; empty without reviewers.
    pub reviewers: Vec<ModelName>,
    /// `None` when the variant has no adjudicator.
    pub adjudicator: Option<ModelName>,
    /// Summarises the sample, should it be kept. Drawn from the whole pool (METHOD.md, I3).
    pub summariser: ModelName,
}

/// One reviewer's three bits (Prompt 6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstructionReview {
    /// The reviewer's number, from 0.
    pub seat: u8,
    /// The model.
    pub reviewer: ModelName,
    /// Reasonable, complete, clear.
    pub bits: [bool; 3],
}

/// One model's six scores and comment (Prompts 8 and 9).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseReview {
    /// The reviewer's number, from 0; 0 for the adjudicator.
    pub seat: u8,
    /// The model.
    pub reviewer: ModelName,
    /// In the order of [`crate::committee::DIMENSIONS`].
    pub scores: Scores,
    /// Asked for in under 30 words; closed at its token budget. `None` when no step reads it.
    pub comment: Option<String>,
}

/// The closest item in a pool.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Seed item or sample.
    pub id: ItemId,
    /// Of the two instructions' embeddings, in [-1, 1].
    pub cosine: f64,
}

/// A reply that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MalformedReply {
    /// Step of the method.
    pub stage: Stage,
    /// Reviewer's number, or 0.
    pub seat: u8,
    /// 0 for the first try.
    pub attempt: u8,
    /// What was wrong.
    pub reason: Malformed,
}

/// A call that the engine could not answer. It has no second attempt of its own: engines have tried as
/// often as it makes sense, and another attempt would be another question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedCall {
    /// Step of the method.
    pub stage: Stage,
    /// Reviewer's number, or 0.
    pub seat: u8,
    /// 0 for the first try; more when malformed replies came before.
    pub attempt: u8,
    /// Why there was no answer. The engine's own words are the call's stored text.
    pub failure: Failure,
}

/// How a candidate ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    /// A stage stayed malformed after its retries (METHOD.md, G9 and R5).
    Malformed {
        /// The stage.
        stage: Stage,
    },
    /// The engine could not answer a call that the candidate needed: says nothing about the candidate.
    Failed {
        /// Stage of the call.
        stage: Stage,
    },
    /// Its keywords were the set of one of its examples (METHOD.md, G6).
    RepeatedKeywords,
    /// A reviewer gave its instruction a zero.
    Vetoed,
    /// mu < tau.
    Rejected,
    /// Disputed, and the adjudicator's mean was below tau.
    AdjudicatedOut,
    /// Disputed, and no majority reached tau.
    VotedOut,
    /// Too close to the item named by [`Candidate::nearest`].
    Duplicate,
    /// Accepted, unique, and not needed: the last wave is cut at the round's target (METHOD.md, I1).
    Surplus,
    /// A sample.
    Accepted,
}

impl Outcome {
    /// Name used in tables and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed",
            Self::Failed { .. } => "failed",
            Self::RepeatedKeywords => "repeated-keywords",
            Self::Vetoed => "vetoed",
            Self::Rejected => "rejected",
            Self::AdjudicatedOut => "adjudicated-out",
            Self::VotedOut => "voted-out",
            Self::Duplicate => "duplicate",
            Self::Surplus => "surplus",
            Self::Accepted => "accepted",
        }
    }
}

impl Candidate {
    /// A candidate that was drawn and not yet worked on.
    #[must_use]
    pub fn drawn(
        id: ItemId,
        wave: u32,
        domain: Option<Domain>,
        examples: Vec<ItemId>,
        roles: Roles,
    ) -> Self {
        Self {
            id,
            wave,
            domain,
            examples,
            roles,
            keywords: Vec::new(),
            emitted_domain: None,
            instruction: None,
            instruction_reviews: Vec::new(),
            response: None,
            response_reviews: Vec::new(),
            decision: None,
            adjudication: None,
            nearest: None,
            long: false,
            summary: None,
            malformed: Vec::new(),
            failed: Vec::new(),
            outcome: None,
        }
    }

    /// The sums of its response reviews; `None` unless the whole committee has scored the response: mu
    /// and sigma of a part of it are those of another committee.
    #[must_use]
    pub fn tally(&self) -> Option<Tally> {
        let whole = self.response_reviews.len() == self.roles.reviewers.len();
        if whole { self.tally_so_far() } else { None }
    }

    /// The sums of the response reviews that there are.
    pub(crate) fn tally_so_far(&self) -> Option<Tally> {
        Tally::from_scores(self.response_reviews.iter().map(|review| review.scores))
    }

    /// Whether a reviewer gave its instruction a zero.
    pub(crate) fn is_vetoed(&self) -> bool {
        self.instruction_reviews.iter().any(|review| review.bits.contains(&false))
    }

    /// Whether it became a sample.
    #[must_use]
    pub fn is_sample(&self) -> bool {
        self.outcome == Some(Outcome::Accepted)
    }

    /// Domain, keywords and summary, once it has a summary.
    #[must_use]
    pub fn annotation(&self) -> Option<Annotation> {
        Some(Annotation {
            domain: self.domain?,
            keywords: self.keywords.clone(),
            summary: self.summary.clone()?,
        })
    }

    /// The model that answers a stage's question about this candidate.
    ///
    /// # Panics
    /// When the seat does not exist, or the candidate has no adjudicator and one is asked for.
    pub(crate) fn model_of(&self, stage: Stage, seat: u8) -> &ModelName {
        let roles = &self.roles;
        match stage {
            Stage::InstructionReview | Stage::ResponseReview | Stage::ReviewComment => {
                &roles.reviewers[usize::from(seat)]
            }
            Stage::Adjudication => {
                roles.adjudicator.as_ref().expect("asked only of candidates that have one")
            }
            Stage::Summary => &roles.summariser,
            _ => &roles.generator,
        }
    }

    /// Writes down what a reply says. A review's scores are read by `reading`, and its comment if it was asked for.
    pub(crate) fn read(
        &mut self,
        stage: Stage,
        seat: u8,
        reading: ScoreReading,
        with_comment: bool,
        reply: &Reply,
    ) -> Result<(), Malformed> {
        let reviewer = self.model_of(stage, seat).clone();
        match stage {
            Stage::Keywords => {
                let (domain, keywords) = form::read_keywords(reply)?;
                self.emitted_domain = Some(domain);
                self.keywords = keywords;
            }
            Stage::Instruction => self.instruction = Some(form::read_instruction(reply)?),
            Stage::InstructionReview => {
                let bits = form::read_bits(reply)?;
                self.instruction_reviews.push(InstructionReview { seat, reviewer, bits });
                // Reviewers may be asked in turn, by model; recorded reviews stand in seat order all the same.
                self.instruction_reviews.sort_by_key(|review| review.seat);
            }
            Stage::Response => self.response = Some(form::read_response(reply)?),
            Stage::ReviewComment => {
                // The whole reply is read again: a comment behind scores that do not read belongs to no review.
                form::read_scores(reply, ScoreReading::Sampled)?;
                let comment = form::read_comment(reply)?;
                let mut reviews = self.response_reviews.iter_mut();
                if let Some(review) = reviews.find(|review| review.seat == seat) {
                    review.comment = Some(comment);
                }
            }
            Stage::ResponseReview | Stage::Adjudication => {
                let scores = form::read_scores(reply, reading)?;
                let comment = if with_comment { Some(form::read_comment(reply)?) } else { None };
                let review = ResponseReview { seat, reviewer, scores, comment };
                if stage == Stage::Adjudication {
                    self.adjudication = Some(review);
                } else {
                    self.response_reviews.push(review);
                    self.response_reviews.sort_by_key(|review| review.seat);
                }
            }
            _ => self.summary = Some(form::read_summary(reply)?),
        }
        Ok(())
    }
}

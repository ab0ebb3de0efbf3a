//! A judge: one model that scores samples and takes no other part (paper, section 5.4; METHOD.md, E4).
//!
//! It reads Prompt 8 and gives six scores, as a reviewer does, so that its scores and the committee's
//! are of one kind. Nobody reads a judge's comment, so none is asked for. A judgement is about the
//! texts alone: the same instruction and response get the same call, whichever data set they stand in.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::candidate::{FailedCall, MalformedReply};
use crate::committee::Scores;
use crate::form::{self, Malformed};
use crate::method::Member;
use crate::pool::ItemId;
use crate::request::{Portion, Reply, Request, RequestId, ScoreReading, Stage};
use crate::step::{Answers, Asker, Step};
use crate::stream::Stream;

/// A sample that is to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Exhibit<'a> {
    /// Names it among the others; does not influence its scores.
    pub id: ItemId,
    /// x.
    pub instruction: &'a str,
    /// y.
    pub response: &'a str,
}

/// What a judge made of a sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// Which sample.
    pub id: ItemId,
    /// `None` when its reply stayed malformed or the call failed.
    pub scores: Option<Scores>,
    /// Every reply that could not be read.
    pub malformed: Vec<MalformedReply>,
    /// The call that the engine could not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<FailedCall>,
}

/// The machine that has samples judged: all at once, then retries for malformed replies.
#[derive(Debug)]
pub struct Judge<'a> {
    asker: Asker<'a>,
    member: &'a Member,
    exhibits: &'a [Exhibit<'a>],
    judgements: Vec<Judgement>,
    /// Place and attempt of the calls under way.
    asked: Vec<(usize, u8)>,
}

impl<'a> Judge<'a> {
    /// A judge for these samples.
    #[must_use]
    pub fn new(asker: Asker<'a>, member: &'a Member, exhibits: &'a [Exhibit<'a>]) -> Self {
        let blank = |exhibit: &Exhibit| Judgement {
            id: exhibit.id,
            scores: None,
            malformed: Vec::new(),
            failed: None,
        };
        let judgements = exhibits.iter().map(blank).collect();
        Self { asker, member, exhibits, judgements, asked: Vec::new() }
    }

    /// Takes the answers to the last step and says what comes next. The judgements come in the order
    /// of the samples.
    ///
    /// # Panics
    /// When the answers are not of the kind that was asked for.
    pub fn advance(&mut self, answers: Answers) -> Step<Vec<Judgement>> {
        match answers {
            Answers::Start => self.asked = (0..self.exhibits.len()).map(|at| (at, 0)).collect(),
            Answers::Replies(replies) => self.read_all(&replies),
            Answers::Embeddings(_) => panic!("a judge asks for no embeddings"),
        }
        if self.asked.is_empty() {
            return Step::Done(std::mem::take(&mut self.judgements));
        }
        Step::Ask(self.asked.iter().map(|task| self.request(*task)).collect())
    }

    fn read_all(&mut self, replies: &[Reply]) {
        assert_eq!(replies.len(), self.asked.len(), "one reply per request");
        for ((at, attempt), reply) in std::mem::take(&mut self.asked).into_iter().zip(replies) {
            let judgement = &mut self.judgements[at];
            let stage = Stage::ResponseReview;
            if let Some(failure) = reply.failure() {
                judgement.failed = Some(FailedCall { stage, seat: 0, attempt, failure });
                continue;
            }
            match form::read_scores(reply, ScoreReading::Sampled) {
                Ok(scores) => judgement.scores = Some(scores),
                Err(reason) => {
                    judgement.malformed.push(MalformedReply { stage, seat: 0, attempt, reason });
                    if attempt < self.asker.method.retries && reason != Malformed::PromptTooLong {
                        self.asked.push((at, attempt + 1));
                    }
                }
            }
        }
    }

    fn request(&self, (at, attempt): (usize, u8)) -> Request {
        let Asker { run_seed, method, prompts } = self.asker;
        let exhibit = self.exhibits[at];
        let (stage, model) = (Stage::ResponseReview, &self.member.name);
        let values = [("instruction", exhibit.instruction), ("response", exhibit.response)];
        let (text, attempt_name) = (exhibit.digest(), attempt.to_string());
        let name = ["judge", &text, model.as_str(), &attempt_name];
        Request {
            id: RequestId { subject: exhibit.id, stage, seat: 0, attempt },
            model: model.clone(),
            prompt: prompts.prompt(stage, prompts.sample(stage, &values)),
            shape: form::shape(stage, method),
            // Without an enforced form there is no telling where the scores end.
            portion: if method.constrained { Portion::Opening } else { Portion::Whole },
            score_reading: ScoreReading::Sampled,
            sampling: self.member.sampling,
            max_tokens: form::max_tokens(stage, method),
            seed: Stream::named(run_seed, &name).next_u64(),
        }
    }
}

impl Exhibit<'_> {
    /// Names the two texts in a stream.
    fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update((self.instruction.len() as u64).to_le_bytes());
        hash.update(self.instruction);
        hash.update(self.response);
        format!("{:x}", hash.finalize())
    }
}

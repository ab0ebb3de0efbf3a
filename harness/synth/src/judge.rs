//! A judge: one model that scores samples and takes no other part (paper, section 5.4; METHOD.md, E4).
//!
//! It reads Prompt 8 and gives six scores, or Prompt 6 and gives three bits, as a reviewer does, so that its
//! scores and the committee's are of one kind. A judge's comment is not read, so none is asked for where the form
//! lets scores stand alone. A judgement is about the texts alone: the same instruction and response get the same
//! call, whichever data set they stand in.

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
    /// Six scores of the response in the judge's reading; `None` when its reply stayed malformed, the call
    /// failed, or instructions are judged.
    pub scores: Option<Scores>,
    /// The six integers that the same reply spells out, where the judge reads expected scores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<Scores>,
    /// Reasonable, complete, clear; `None` when its reply stayed malformed, or responses are judged.
    pub bits: Option<[bool; 3]>,
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
    /// Prompt 6 or Prompt 8.
    stage: Stage,
    reading: ScoreReading,
    exhibits: &'a [Exhibit<'a>],
    judgements: Vec<Judgement>,
    /// Place and attempt of the calls under way.
    asked: Vec<(usize, u8)>,
}

impl<'a> Judge<'a> {
    /// A judge for the responses of these samples, whose scores are read as they are written.
    #[must_use]
    pub fn new(asker: Asker<'a>, member: &'a Member, exhibits: &'a [Exhibit<'a>]) -> Self {
        let blank = |exhibit: &Exhibit| Judgement {
            id: exhibit.id,
            scores: None,
            written: None,
            bits: None,
            malformed: Vec::new(),
            failed: None,
        };
        let judgements = exhibits.iter().map(blank).collect();
        let (stage, reading) = (Stage::ResponseReview, ScoreReading::Sampled);
        Self { asker, member, stage, reading, exhibits, judgements, asked: Vec::new() }
    }

    /// The same judge for the instructions; responses are not looked at.
    #[must_use]
    pub fn of_instructions(self) -> Self {
        Self { stage: Stage::InstructionReview, ..self }
    }

    /// The same judge with its scores read in this way; instructions have none.
    #[must_use]
    pub fn with_reading(self, reading: ScoreReading) -> Self {
        Self { reading, ..self }
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
            let stage = self.stage;
            if let Some(failure) = reply.failure() {
                judgement.failed = Some(FailedCall { stage, seat: 0, attempt, failure });
                continue;
            }
            let read = match stage {
                Stage::InstructionReview => {
                    form::read_bits(reply).map(|bits| judgement.bits = Some(bits))
                }
                _ => form::read_scores(reply, self.reading)
                    .map(|scores| judgement.scores = Some(scores)),
            };
            match read {
                Ok(()) if self.reading == ScoreReading::Expected => {
                    judgement.written = form::read_scores(reply, ScoreReading::Sampled).ok();
                }
                Ok(()) => {}
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
        let (stage, model) = (self.stage, &self.member.name);
        let is_scored = stage == Stage::ResponseReview;
        let mut texts = vec![("instruction", exhibit.instruction)];
        if is_scored {
            texts.push(("response", exhibit.response));
        }
        let purpose = if is_scored { "judge" } else { "judge-instruction" };
        let text = digest(&texts);
        let name = [purpose, &text, model.as_str(), &attempt.to_string()];
        let seed = Stream::named(run_seed, &name).next_u64();
        let is_alone = is_scored && method.scores_can_stand_alone();
        Request {
            id: RequestId { subject: exhibit.id, stage, seat: 0, attempt },
            model: model.clone(),
            prompt: self.asker.prompt(stage, seed, prompts.sample(stage, &texts)),
            shape: form::shape(stage, method).behind_thought(self.member.thought_tokens),
            // Behind a thought the scores are no opening.
            portion: if is_alone && !self.member.thinks() {
                Portion::Opening
            } else {
                Portion::Whole
            },
            score_reading: if is_scored { self.reading } else { ScoreReading::Sampled },
            sampling: self.member.sampling,
            max_tokens: form::max_tokens_with_thought(stage, method, self.member.thought_tokens),
            seed,
        }
    }
}

/// Names texts in a stream.
fn digest(texts: &[(&str, &str)]) -> String {
    let mut hash = Sha256::new();
    for (place, (_, text)) in texts.iter().enumerate() {
        if place + 1 < texts.len() {
            hash.update((text.len() as u64).to_le_bytes());
        }
        hash.update(text);
    }
    format!("{:x}", hash.finalize())
}

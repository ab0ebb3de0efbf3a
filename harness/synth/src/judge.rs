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
use crate::request::{Portion, Reply, Request, ScoreReading, Stage};
use crate::step::{Answers, Asker, Question, Step};
use crate::stream::Stream;

/// A sample that is to be judged.
#[derive(Clone, Copy, Debug)]
pub struct JudgedSample<'a> {
    /// Names it among the others; does not influence its scores.
    pub id: ItemId,
    /// The paper's x.
    pub instruction: &'a str,
    /// The paper's y; empty where instructions are judged.
    pub response: &'a str,
}

/// What of a sample is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// The instruction: three bits, by Prompt 6.
    Instruction,
    /// The response: six scores, by Prompt 8, read in this way.
    Response(ScoreReading),
}

impl Judged {
    const fn stage(self) -> Stage {
        match self {
            Self::Instruction => Stage::InstructionReview,
            Self::Response(_) => Stage::ResponseReview,
        }
    }
}

/// A judge's reply about a sample, as read.
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
    judged: Judged,
    samples: &'a [JudgedSample<'a>],
    judgements: Vec<Judgement>,
    /// Place and attempt of the calls under way.
    asked: Vec<(usize, u8)>,
}

impl<'a> Judge<'a> {
    /// A judge for these samples.
    #[must_use]
    pub fn new(
        asker: Asker<'a>,
        member: &'a Member,
        judged: Judged,
        samples: &'a [JudgedSample<'a>],
    ) -> Self {
        let blank = |sample: &JudgedSample| Judgement {
            id: sample.id,
            scores: None,
            written: None,
            bits: None,
            malformed: Vec::new(),
            failed: None,
        };
        let judgements = samples.iter().map(blank).collect();
        Self { asker, member, judged, samples, judgements, asked: Vec::new() }
    }

    /// Takes the answers to the last step and says what comes next. The judgements come in the order
    /// of the samples.
    ///
    /// # Panics
    /// When the answers are not of the kind that was asked for.
    pub fn advance(&mut self, answers: Answers) -> Step<Vec<Judgement>> {
        match answers {
            Answers::Start => self.asked = (0..self.samples.len()).map(|at| (at, 0)).collect(),
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
            let (stage, judgement) = (self.judged.stage(), &mut self.judgements[at]);
            if let Some(failure) = reply.failure() {
                judgement.failed = Some(FailedCall { stage, seat: 0, attempt, failure });
                continue;
            }
            let read = match self.judged {
                Judged::Instruction => {
                    form::read_bits(reply).map(|bits| judgement.bits = Some(bits))
                }
                Judged::Response(reading) => form::read_scores(reply, reading).map(|scores| {
                    judgement.scores = Some(scores);
                    // The integers of the same reply, so that both readings can be compared without new calls.
                    if reading == ScoreReading::Expected {
                        judgement.written = form::read_scores(reply, ScoreReading::Sampled).ok();
                    }
                }),
            };
            let Err(reason) = read else { continue };
            judgement.malformed.push(MalformedReply { stage, seat: 0, attempt, reason });
            if attempt < self.asker.method.retries && reason != Malformed::PromptTooLong {
                self.asked.push((at, attempt + 1));
            }
        }
    }

    fn request(&self, (at, attempt): (usize, u8)) -> Request {
        let JudgedSample { id, instruction, response } = self.samples[at];
        let stage = self.judged.stage();
        let (purpose, texts, score_reading) = match self.judged {
            Judged::Instruction => {
                ("judge-instruction", vec![("instruction", instruction)], ScoreReading::Sampled)
            }
            Judged::Response(reading) => {
                ("judge", vec![("instruction", instruction), ("response", response)], reading)
            }
        };
        // [E4] No comment is asked for where scores have an end of their own. Behind a thought they are no opening.
        let is_alone = stage == Stage::ResponseReview
            && self.asker.method.scores_can_stand_alone()
            && !self.member.thinks();
        // The texts name the stream, not the sample's id: a sample that two data sets share is judged once.
        let name = [purpose, &digest(&texts), self.member.name.as_str(), &attempt.to_string()];
        let seed = Stream::named(self.asker.run_seed, &name).next_u64();
        let question = Question {
            subject: id,
            stage,
            seat: 0,
            attempt,
            repeat: 0,
            member: self.member,
            portion: if is_alone { Portion::Opening } else { Portion::Whole },
            score_reading,
            sample: self.asker.prompts.sample(stage, &texts),
        };
        self.asker.request_with_seed(question, seed)
    }
}

/// Names texts in a stream. Every text but the last is hashed behind its length, so that no two lists of texts
/// hash alike.
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

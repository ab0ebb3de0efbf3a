//! A trial's waves and rounds once more under another rule: who joins the target pool, who is too close to it
//! (METHOD.md, section 2, step 9), and how much of that follows from the record.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use gra_synth::candidate::{Candidate, Outcome};
use gra_synth::committee::Decision;
use gra_synth::dedup::{Contender, dedup};
use gra_synth::method::TargetCut;
use gra_synth::pool::ItemId;
use gra_synth::request::Embedding;
use gra_synth::variant::{Instructions, RoleAssignment};

use super::word::{End, Word, word};
use super::{Embeddings, Fate, NotRecorded, Record, RescoreError, Rule};

/// A checked record, ready to be replayed.
pub(super) struct Replayer<'a> {
    record: Record<'a>,
    /// By id: round, number.
    candidates: Vec<&'a Candidate>,
    /// Of each embedded candidate, the largest cosine to the seed set.
    to_seeds: BTreeMap<ItemId, f64>,
}

/// A trial under a rule.
pub(super) struct Replay {
    /// In the order of [`Replayer::candidates`].
    pub(super) told: Vec<Told>,
    pub(super) knowledge: Knowledge,
}

/// What there is to tell of a candidate.
#[derive(Clone, Copy)]
pub(super) struct Told {
    pub(super) decision: Option<Decision>,
    pub(super) fate: Fate,
}

/// A sample, to be compared with.
type Sample<'a> = (ItemId, Option<&'a Embedding>);

impl<'a> Replayer<'a> {
    /// Checks that these rules can be applied.
    pub(super) fn new(record: &Record<'a>, rules: &[Rule]) -> Result<Self, RescoreError> {
        let (seats, variant) = (record.variant.reviews(), &record.variant.name);
        let refused = |why: String| Err(RescoreError(why));
        if seats == 0 {
            return refused(format!(
                "variant `{variant}` has no reviewers: there are no reviews to rescore"
            ));
        }
        let recorded = record.method.cosine_limit;
        for Rule { reviewers, cosine_limit, .. } in rules {
            if *reviewers == 0 || *reviewers > seats {
                return refused(format!(
                    "{reviewers} reviewers cannot be heard: the trial has {seats}"
                ));
            }
            let is_other = cosine_limit.total_cmp(&recorded).is_ne();
            if is_other && !deduplicates(record) {
                return refused(format!(
                    "variant `{variant}` keeps the seed set's instructions and compares them with nothing: there is \
                     no cosine limit to change"
                ));
            }
            if is_other && record.embeddings.is_none() {
                return refused(format!(
                    "cosine limit {cosine_limit} needs the embeddings: the trial was recorded at {recorded}"
                ));
            }
        }
        let mut candidates: Vec<&Candidate> = record.candidates.iter().collect();
        // Rounds and waves are replayed in order, and ids order by round.
        candidates.sort_by_key(|candidate| candidate.id);
        if let Some(pair) = candidates.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return refused(format!("the trial holds candidate {} twice", pair[0].id));
        }
        let embeddings = record.embeddings.filter(|_| deduplicates(record));
        let to_seeds = embeddings.map_or_else(BTreeMap::new, to_seeds);
        Ok(Self { record: Record { embeddings, ..*record }, candidates, to_seeds })
    }

    pub(super) fn candidates(&self) -> &[&'a Candidate] {
        &self.candidates
    }

    /// Takes the candidates through reviews and deduplication, wave by wave.
    pub(super) fn replay(&self, rule: &Rule) -> Replay {
        let mut told = Vec::with_capacity(self.candidates.len());
        let mut samples: Vec<Sample<'_>> = Vec::new();
        let mut knowledge = Knowledge::Exact;
        let rounds = self.candidates.chunk_by(|a, b| round(a) == round(b));
        let last = self.candidates.last().map(|candidate| round(candidate));
        for candidates in rounds {
            let (before, start) = (samples.len(), told.len());
            for wave in candidates.chunk_by(|a, b| a.wave == b.wave) {
                // The target is per round: earlier waves of it have taken some of the room.
                let room = if deduplicates(&self.record) {
                    self.record.method.room_after(before).saturating_sub(samples.len() - before)
                } else {
                    wave.len()
                };
                let retries = self.record.method.retries;
                let words = wave.iter().map(|candidate| word(candidate, rule, retries)).collect();
                let wave = Wave { candidates: wave, words, room };
                let fates = self.fates(&wave, rule.cosine_limit, &samples);
                for ((candidate, word), fate) in wave.candidates.iter().zip(&wave.words).zip(fates)
                {
                    if fate == Fate::Known(Outcome::Accepted) {
                        samples.push((candidate.id, self.embedding(candidate.id)));
                    }
                    knowledge = knowledge.max(self.known(candidate, *word, fate));
                    told.push(Told { decision: word.decision, fate });
                }
            }
            let ids: BTreeSet<ItemId> = samples[before..].iter().map(|sample| sample.0).collect();
            let recorded = candidates.iter().filter(|candidate| candidate.is_sample());
            // Later rounds drew from these samples: only the same ones leave them as recorded.
            let settled = told[start..].iter().all(|told| matches!(told.fate, Fate::Known(_)));
            let same = settled && recorded.map(|candidate| &candidate.id).eq(ids.iter());
            // Other samples matter to later rounds alone, so not in the last one.
            if Some(round(candidates[0])) != last && !same {
                knowledge = Knowledge::LaterRounds;
            }
        }
        if self.roles_would_differ(rule) {
            knowledge = Knowledge::LearntRoles;
        }
        Replay { told, knowledge }
    }

    /// Whether another rule would have taught something else about the models before the last wave was
    /// drawn. Taken as so wherever it could.
    fn roles_would_differ(&self, rule: &Rule) -> bool {
        let Record { variant, method, .. } = self.record;
        // Candidates of one wave were drawn before any of them was decided.
        let turn = |candidate: &&Candidate| (round(candidate), candidate.wave);
        let is_one_wave = self.candidates.first().map(turn) == self.candidates.last().map(turn);
        let learnt = variant.roles == RoleAssignment::Adaptive && !is_one_wave;
        learnt && *rule != Rule::recorded(method, variant)
    }

    fn embedding(&self, id: ItemId) -> Option<&'a Embedding> {
        self.record.embeddings?.instructions.get(&id)
    }

    /// What one candidate says about how much is known.
    fn known(&self, candidate: &Candidate, word: Word, fate: Fate) -> Knowledge {
        let compared = [Outcome::Accepted, Outcome::Surplus, Outcome::Duplicate];
        let was_compared = candidate.outcome.is_some_and(|outcome| compared.contains(&outcome));
        // An early duplicate was compared before it was reviewed: it never entered.
        let entered = was_compared && candidate.response.is_some();
        let enters = matches!(word.end, End::Passed { .. });
        let is_guess = deduplicates(&self.record) && self.record.embeddings.is_none();
        match fate {
            _ if is_guess && enters != entered => Knowledge::DuplicatesAsRecorded,
            Fate::Unknown(_) => Knowledge::Bounded,
            Fate::Known(_) => Knowledge::Exact,
        }
    }

    /// The fates of a wave, in its order.
    fn fates(&self, wave: &Wave<'_, '_>, limit: f64, samples: &[Sample<'_>]) -> Vec<Fate> {
        let mut joined = match self.record.embeddings {
            Some(_) => self.compared(wave, limit, samples),
            None => wave.as_recorded(),
        };
        // What comes behind the last that a round needs is surplus; the method says by which order.
        if self.record.method.cut == TargetCut::Number {
            joined.sort_by_key(|(id, _)| *id);
        }
        let mut room = wave.room;
        let mut fates: BTreeMap<ItemId, Fate> = BTreeMap::new();
        for (id, mut fate) in joined {
            if fate == Fate::Known(Outcome::Accepted) {
                let outcome = if room > 0 { Outcome::Accepted } else { Outcome::Surplus };
                (fate, room) = (Fate::Known(outcome), room.saturating_sub(1));
            }
            fates.insert(id, fate);
        }
        let by_review =
            |(candidate, word): (&&Candidate, &Word)| match (fates.get(&candidate.id), word.end) {
                (Some(fate), _) => *fate,
                (None, End::Out(outcome)) => Fate::Known(outcome),
                (None, End::Unknown(missing)) => Fate::Unknown(missing),
                // A contender always has a verdict.
                (None, End::Passed { .. }) => Fate::Unknown(NotRecorded::Embedding),
            };
        wave.candidates.iter().zip(&wave.words).map(by_review).collect()
    }

    /// Deduplicates what passed review; a candidate whose reviews are unknown is out all the same when it
    /// is too close to what was there before its wave. Accepted ones come in the order of the walk.
    fn compared(
        &self,
        wave: &Wave<'_, '_>,
        limit: f64,
        samples: &[Sample<'_>],
    ) -> Vec<(ItemId, Fate)> {
        let target = samples.iter().filter_map(|&(id, embedding)| Some((id, embedding?)));
        let near_seeds = |id: &ItemId| self.to_seeds.get(id).is_some_and(|&cosine| cosine >= limit);
        let (mut fates, mut contenders, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
        for (candidate, word) in wave.candidates.iter().zip(&wave.words) {
            let (id, embedding) = (candidate.id, self.embedding(candidate.id).cloned());
            let score = match word.end {
                End::Out(_) => continue,
                End::Passed { score } => Some(score),
                End::Unknown(_) => None,
            };
            match (embedding, score) {
                (Some(_), _) if near_seeds(&id) => {
                    fates.push((id, Fate::Known(Outcome::Duplicate)));
                }
                (Some(embedding), Some(score)) => {
                    contenders.push(Contender { id, score, embedding });
                }
                (Some(embedding), None) => unknown.push(Contender { id, score: 0, embedding }),
                (None, Some(_)) => fates.push((id, Fate::Unknown(NotRecorded::Embedding))),
                (None, None) => {}
            }
        }
        // Whether an unknown candidate joins is open, but one that is too near to earlier samples never does.
        for verdict in dedup(target.clone(), &unknown, NONE_JOINS) {
            if verdict.nearest.is_some_and(|near| near.cosine >= limit) {
                fates.push((verdict.id, Fate::Known(Outcome::Duplicate)));
            }
        }
        for verdict in dedup(target, &contenders, limit) {
            let outcome = if verdict.kept { Outcome::Accepted } else { Outcome::Duplicate };
            fates.push((verdict.id, Fate::Known(outcome)));
        }
        fates
    }
}

/// The candidates of one wave, and what their reviews say.
struct Wave<'w, 'a> {
    candidates: &'w [&'a Candidate],
    words: Vec<Word>,
    /// Samples that the round still takes.
    room: usize,
}

impl Wave<'_, '_> {
    /// Without embeddings: duplicates are those of the record, and all others that passed review join.
    fn as_recorded(&self) -> Vec<(ItemId, Fate)> {
        let (mut duplicates, mut joined) = (Vec::new(), Vec::new());
        for (candidate, word) in self.candidates.iter().zip(&self.words) {
            let is_duplicate = candidate.outcome == Some(Outcome::Duplicate);
            match word.end {
                End::Out(_) => {}
                _ if is_duplicate => {
                    duplicates.push((candidate.id, Fate::Known(Outcome::Duplicate)));
                }
                End::Passed { score } => joined.push((Reverse(score), candidate.id)),
                End::Unknown(_) => {}
            }
        }
        // The walk of deduplication: best scores first, then rising ids.
        joined.sort_unstable();
        let accepted = joined.into_iter().map(|(_, id)| (id, Fate::Known(Outcome::Accepted)));
        duplicates.into_iter().chain(accepted).collect()
    }
}

/// Whether instructions are compared with each other and with the pool.
fn deduplicates(record: &Record<'_>) -> bool {
    record.variant.instructions == Instructions::New
}

/// A limit below every cosine: each is then compared with the target alone.
const NONE_JOINS: f64 = f64::NEG_INFINITY;

/// Each instruction's largest cosine to the seed set, which no rule changes.
fn to_seeds(embeddings: &Embeddings) -> BTreeMap<ItemId, f64> {
    let contender = |(id, embedding): (&ItemId, &Embedding)| Contender {
        id: *id,
        score: 0,
        embedding: embedding.clone(),
    };
    let all: Vec<Contender> = embeddings.instructions.iter().map(contender).collect();
    let seeds = embeddings.seeds.iter().map(|(id, embedding)| (*id, embedding));
    let verdicts = dedup(seeds, &all, NONE_JOINS);
    verdicts.into_iter().filter_map(|v| Some((v.id, v.nearest?.cosine))).collect()
}

const fn round(candidate: &Candidate) -> u32 {
    match candidate.id {
        ItemId::Candidate { round, .. } => round,
        ItemId::Seed(_) => 0,
    }
}

/// How much of a cell is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Knowledge {
    /// Every fate follows from the record.
    Exact,
    /// Some fates are unknown; the rate lies between all of them failing and all of them passing.
    Bounded,
    /// There were no embeddings and other candidates pass review than did: who is a duplicate is taken
    /// from the record.
    DuplicatesAsRecorded,
    /// A round before the last would have added other samples, and later rounds drew from them.
    LaterRounds,
    /// Roles were learnt from what the recorded rule decided; another rule would have taught otherwise
    /// and had later waves drawn with other roles.
    LearntRoles,
}

impl Knowledge {
    /// Name used in tables and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Bounded => "bounded",
            Self::DuplicatesAsRecorded => "duplicates",
            Self::LaterRounds => "later-rounds",
            Self::LearntRoles => "learnt-roles",
        }
    }

    /// What it means, in a sentence.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Exact => {
                "every candidate's fate follows from the record, as a run under this rule would have \
                 recorded it."
            }
            Self::Bounded => {
                "some candidates were never asked what this rule needs to know; the rate lies between \
                 all of them failing and all of them passing (each taken as a duplicate of none)."
            }
            Self::DuplicatesAsRecorded => {
                "approximate; other candidates pass review than did, and without embeddings (trials of \
                 earlier releases do not say which encoder made theirs) duplicates are taken from the \
                 record."
            }
            Self::LaterRounds => {
                "approximate; an earlier round would have added other samples, and later rounds drew \
                 their examples from those that it did add."
            }
            Self::LearntRoles => {
                "approximate; roles were learnt from what the recorded rule decided, and another rule \
                 would have taught otherwise."
            }
        }
    }
}

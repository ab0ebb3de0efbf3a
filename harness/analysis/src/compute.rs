//! What a trial's tokens cost in floating-point operations, beside one large model that writes the same
//! samples.
//!
//! A dense transformer spends about two operations per parameter and token that it reads or writes
//! (Kaplan et al. 2020, "Scaling Laws for Neural Language Models", section 2.1). Attention over the
//! context comes on top and is left out: a few percent at these lengths, and of both sides. Prompt and
//! reply are kept apart, because the same number of operations takes less time on a prompt, whose tokens
//! are read side by side.
//!
//! The comparison is METHOD.md's B1: a *teacher* that is asked Prompts 4, 5 and 7 once for each accepted
//! sample and is neither reviewed nor rejected, with the token counts that the trial recorded for those
//! very samples. Seed annotation is left out of it: both would need it. The paper (section 1) claims
//! orders of magnitude less compute than large models and gives no number; [`Compute::ratio`] is one.
//!
//! Tokens are counted as asked for. An engine that evaluates the role prompt of a stage once for a batch
//! spends less on prompts than is said here.
//!
//! The ledger as text is in `table`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;

use gra_synth::pool::ItemId;
use gra_synth::request::{ModelName, Stage};

use crate::trial::{CallFact, TrialFacts};

mod table;

/// Parameters of the paper's large baseline, Qwen2.5-72B-Instruct, as its model card counts them.
pub const TEACHER_PARAMETERS: u64 = 72_700_000_000;

/// Parameters that every member of a pool is given where it is read as the paper's, whose five have 7 to 8 billion:
/// those of Qwen2.5-7B-Instruct by its model card.
pub const MEMBER_PARAMETERS: u64 = 7_600_000_000;

/// Seconds that an engine was busy with a stage's calls, whenever that was. A call takes an equal share
/// of the chunk that it was answered in.
pub type EngineSeconds = BTreeMap<Stage, CostSplit<f64>>;

/// A trial's compute.
#[derive(Clone, Debug, PartialEq)]
pub struct Compute {
    /// Stages that asked for nothing are absent.
    pub stages: BTreeMap<Stage, CostSplit<Spending>>,
    /// Of the stages that are known.
    pub seconds: EngineSeconds,
    /// The run that paid for the trial's own calls, where that is known.
    pub run: Option<PaidRun>,
    /// Accepted samples.
    pub samples: u64,
    /// Models that were asked and have no stated number of parameters.
    pub unstated: BTreeSet<ModelName>,
    /// What was assumed of the members; `None` when their own counts were taken.
    pub assumed: Option<u64>,
    /// The comparison.
    pub teacher: Teacher,
}

/// What the run that paid for a trial's own calls, all of them, took on its machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PaidRun {
    /// From its start to its end.
    pub wall_seconds: f64,
    /// Of the processor packages, whatever else ran on them included; `None` where the machine did not
    /// tell.
    pub joules: Option<f64>,
}

/// A large model that writes the same samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Teacher {
    /// Its size.
    pub parameters: u64,
    /// Calls, tokens and operations for all accepted samples together.
    pub spending: Spending,
}

impl Compute {
    /// Adds up a trial's calls.
    #[must_use]
    pub fn of(
        trial: &TrialFacts,
        parameters: &Parameters,
        teacher_parameters: u64,
        seconds: EngineSeconds,
    ) -> Self {
        let mut stages: BTreeMap<Stage, CostSplit<Spending>> = BTreeMap::new();
        let mut unstated = BTreeSet::new();
        for call in &trial.calls {
            let all = Spending::of(call, parameters);
            // A shared call was paid for by the variant that made it first.
            let own = if call.shared { Spending::NOTHING } else { all };
            *stages.entry(call.id.stage).or_insert(CostSplit::NOTHING) += CostSplit { all, own };
            // One unknown size leaves the sum of its stage unknown, and the table names the model.
            if all.flop.is_none() {
                unstated.insert(call.model.clone());
            }
        }
        let samples = trial.candidates.iter().filter(|candidate| candidate.is_sample());
        let assumed = match parameters {
            Parameters::Assumed(count) => Some(*count),
            Parameters::Stated(_) => None,
        };
        Self {
            stages,
            seconds,
            run: None,
            samples: samples.count() as u64,
            unstated,
            assumed,
            teacher: Teacher {
                parameters: teacher_parameters,
                spending: teacher(trial, teacher_parameters),
            },
        }
    }

    /// All stages together.
    #[must_use]
    pub fn total(&self) -> CostSplit<Spending> {
        self.sum(|_| true)
    }

    /// All stages that ask about candidates: without the annotation of seed items.
    #[must_use]
    pub fn rounds(&self) -> CostSplit<Spending> {
        self.sum(|stage| !is_annotation(stage))
    }

    fn sum(&self, of: impl Fn(Stage) -> bool) -> CostSplit<Spending> {
        let mut sum = CostSplit::NOTHING;
        for (_, spending) in self.stages.iter().filter(|(stage, _)| of(**stage)) {
            sum += *spending;
        }
        sum
    }

    /// Engine seconds of all stages; `None` unless they are known for every stage that asked.
    #[must_use]
    pub fn total_seconds(&self) -> Option<CostSplit<f64>> {
        self.stages.keys().try_fold(CostSplit { all: 0.0, own: 0.0 }, |mut sum, stage| {
            sum += *self.seconds.get(stage)?;
            Some(sum)
        })
    }

    /// How many times the teacher's operations the trial's rounds took, for the same samples, shared calls
    /// included. Below 1 the trial costs less. `None` without samples, or when a model's size is not
    /// stated.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        // What the trial would cost by itself: a teacher has no earlier variant that paid for it.
        let own = self.rounds().all.flop?.total();
        let teacher = self.teacher.spending.flop?.total();
        (teacher > 0).then(|| own as f64 / teacher as f64)
    }

    /// Something per accepted sample; `None` without any.
    #[must_use]
    pub fn per_sample(&self, flop: Option<Flop>) -> Option<f64> {
        let total = flop?.total() as f64;
        (self.samples > 0).then(|| total / self.samples as f64)
    }
}

/// Stages that ask about seed items.
const fn is_annotation(stage: Stage) -> bool {
    matches!(stage, Stage::SeedDomain | Stage::SeedSummary | Stage::SeedKeywords)
}

/// Prompts 4, 5 and 7 of every accepted sample, by the tries that were read.
fn teacher(trial: &TrialFacts, parameters: u64) -> Spending {
    const WRITES: [Stage; 3] = [Stage::Keywords, Stage::Instruction, Stage::Response];
    let samples = trial.candidates.iter().filter(|candidate| candidate.is_sample());
    let samples: BTreeSet<ItemId> = samples.map(|candidate| candidate.id).collect();
    let mut read: BTreeMap<(ItemId, Stage), &CallFact> = BTreeMap::new();
    for call in &trial.calls {
        let (subject, stage) = (call.id.subject, call.id.stage);
        if WRITES.contains(&stage) && samples.contains(&subject) {
            // The last try is the one that was read.
            let last = read.entry((subject, stage)).or_insert(call);
            if last.id.attempt < call.id.attempt {
                *last = call;
            }
        }
    }
    let size = Parameters::Assumed(parameters);
    read.into_values().fold(Spending::NOTHING, |mut sum, call| {
        sum += Spending::of(call, &size);
        sum
    })
}

/// Operations per parameter and token.
const PER_PARAMETER_AND_TOKEN: u128 = 2;

/// How large the models are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parameters {
    /// By name, as the pool states them; a model that is not there has no stated count.
    Stated(BTreeMap<ModelName, u64>),
    /// As if every member had so many.
    Assumed(u64),
}

impl Parameters {
    fn of(&self, model: &ModelName) -> Option<u64> {
        match self {
            Self::Stated(stated) => stated.get(model).copied(),
            Self::Assumed(parameters) => Some(*parameters),
        }
    }
}

/// Calls, their tokens and operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spending {
    /// Calls.
    pub calls: u64,
    /// Tokens of their prompts.
    pub prompt_tokens: u64,
    /// Tokens of their replies.
    pub reply_tokens: u64,
    /// `None` when a model that was asked has no stated number of parameters.
    pub flop: Option<Flop>,
}

/// Floating-point operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flop {
    /// Of reading prompts.
    pub prompt: u128,
    /// Of writing replies.
    pub reply: u128,
}

impl Flop {
    /// Of prompt and reply tokens under so many parameters.
    #[must_use]
    pub fn of(parameters: u64, prompt_tokens: u64, reply_tokens: u64) -> Self {
        let of = |tokens| PER_PARAMETER_AND_TOKEN * u128::from(parameters) * u128::from(tokens);
        Self { prompt: of(prompt_tokens), reply: of(reply_tokens) }
    }

    /// Prompt and reply.
    #[must_use]
    pub const fn total(self) -> u128 {
        self.prompt + self.reply
    }
}

impl Spending {
    const NOTHING: Self = Self {
        calls: 0,
        prompt_tokens: 0,
        reply_tokens: 0,
        flop: Some(Flop { prompt: 0, reply: 0 }),
    };

    fn of(call: &CallFact, parameters: &Parameters) -> Self {
        let (prompt_tokens, reply_tokens) =
            (u64::from(call.prompt_tokens), u64::from(call.reply_tokens));
        let flop = parameters.of(&call.model);
        let flop = flop.map(|count| Flop::of(count, prompt_tokens, reply_tokens));
        Self { calls: 1, prompt_tokens, reply_tokens, flop }
    }
}

impl AddAssign for Spending {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.prompt_tokens += other.prompt_tokens;
        self.reply_tokens += other.reply_tokens;
        // One unknown leaves the sum unknown.
        let both = self.flop.zip(other.flop);
        self.flop =
            both.map(|(a, b)| Flop { prompt: a.prompt + b.prompt, reply: a.reply + b.reply });
    }
}

/// Something of all calls, and of those that no earlier variant of the experiment had made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CostSplit<T> {
    /// Of all calls: what the trial would cost by itself.
    pub all: T,
    /// Without shared calls, whose replies the store had: what the trial added to its experiment.
    pub own: T,
}

impl CostSplit<Spending> {
    const NOTHING: Self = Self { all: Spending::NOTHING, own: Spending::NOTHING };
}

impl<T: AddAssign> AddAssign for CostSplit<T> {
    fn add_assign(&mut self, other: Self) {
        self.all += other.all;
        self.own += other.own;
    }
}

#[cfg(test)]
mod tests;

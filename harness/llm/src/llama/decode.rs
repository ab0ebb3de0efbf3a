//! The loop that evaluates a lane's jobs: decode first, the rest of each batch filled with prompts.
//!
//! Every slot is a sequence of its own KV stream. Sequence 0 holds what all prompts share; a slot
//! begins with a copy of it. A step evaluates one batch: for each reply in the making the tokens
//! that its automaton gave (one sampled token or a forced run), then as much of newly admitted
//! prompts as fits. A finished slot takes the next job.
//!
//! Tokens enter a batch in the order of their sequences: llama.cpp computes neighbouring sequences
//! of a batch together and starts anew at every gap.

#![allow(unsafe_code, reason = "calls llama.cpp's C functions")]

pub(super) mod strict;

use std::num::NonZeroU32;

use gra_synth::request::{Finish, Reply};
use gra_synth::shape::Shape;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::context::session::LlamaStateSeqFlags;
use llama_cpp_2::llama_batch::LlamaBatch;

use super::generator::{Generator, llama_token};
use super::runtime::{self, BatchError};
use super::settings::EngineSettings;
use crate::automaton::{Automaton, DrawInput};
use crate::engine::{ChunkProgress, EngineResult, Watch};
use crate::sampler::Sampler;
use crate::vocabulary::Token;

/// A request about to run.
#[derive(Debug)]
pub(super) struct Job {
    /// Its place in the chunk.
    pub(super) index: usize,
    /// Prompt, then what the shape forces before anything is drawn.
    pub(super) tokens: Vec<Token>,
    /// What stands of an opening that was written before behind that.
    pub(super) behind: Vec<Token>,
    /// Tokens of the prompt, and of an opening that was written before.
    pub(super) prompt_tokens: u32,
    /// Tokens of an opening that was written before.
    pub(super) written: u32,
    /// The tag of a thought in which the prompt let the reply begin; it belongs to the reply's text.
    pub(super) opened: Option<&'static str>,
    /// The shape of a reply that is written whole though only its opening was asked for.
    pub(super) opening_of: Option<Shape>,
    pub(super) automaton: Automaton,
    /// Most tokens of its sequence.
    pub(super) need: u32,
}

impl Job {
    pub(super) fn reply(&self) -> Reply {
        let mut text = self.automaton.text();
        let finish = self.automaton.finish().unwrap_or(Finish::Length);
        if let (Some(shape), Finish::Stop) = (&self.opening_of, finish)
            && let Some(opening) = shape.opening(&text)
        {
            text.truncate(opening.len());
        }
        if let Some(tag) = self.opened.filter(|_| !text.is_empty()) {
            text.insert_str(0, &format!("{tag}\n"));
        }
        let reply_tokens = self.tokens_written();
        let expected = self.automaton.expected().to_vec();
        Reply { text, finish, prompt_tokens: self.prompt_tokens, reply_tokens, expected }
    }

    /// Tokens of the reply so far, forced ones included, without what was written before.
    pub(super) fn tokens_written(&self) -> u32 {
        self.automaton.tokens().saturating_sub(self.written)
    }
}

/// A reply in the making.
struct Slot {
    job: Job,
    /// Tokens in its sequence.
    position: usize,
    /// Tokens to evaluate next.
    pending: Vec<Token>,
    /// Whether the prompt is evaluated.
    writing: bool,
}

/// What a lane is to hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    /// Replies that are written at once.
    pub(super) slots: u32,
    /// Tokens that all jobs begin with.
    pub(super) shared: usize,
    /// Tokens of one sequence.
    pub(super) context: u32,
    /// Threads that compute.
    pub(super) threads: u32,
    /// Tokens that are computed at once.
    pub(super) rows: u32,
}

/// A context, and what is needed to evaluate with it.
pub(super) struct DecodeLane<'a> {
    generator: &'a Generator,
    context: LlamaContext<'a>,
    batch: LlamaBatch<'a>,
    /// Replies that are written at once.
    slots: usize,
    /// Tokens that every job begins with.
    shared: usize,
    /// Tokens that a batch may hold.
    room: usize,
    /// Sequences that are written in, idle ones included.
    seats: usize,
    /// First sequence of a slot: 1 behind the shared beginning, else 0.
    base: usize,
    strict: bool,
    sampler: Sampler,
    /// Of this lane; slots are not counted here.
    progress: ChunkProgress,
}

impl<'a> DecodeLane<'a> {
    pub(super) fn new(
        generator: &'a Generator,
        settings: &EngineSettings,
        geometry: Geometry,
    ) -> EngineResult<Self> {
        let Geometry { slots, shared, .. } = geometry;
        // Under strict determinism every batch of replies has as many rows as kernels take at once.
        let seats = if settings.strict() { strict::seats(slots, generator.rows) } else { slots };
        let sequences = seats + u32::from(shared > 0);
        // A step must hold a token of every sequence.
        let room = settings.n_batch.max(sequences).max(1);
        let room = if settings.strict() { strict::room(room) } else { room };
        Ok(Self {
            generator,
            context: new_context(generator, settings, geometry, sequences, room)?,
            batch: LlamaBatch::new(room as usize, 1),
            slots: slots as usize,
            shared,
            room: room as usize,
            seats: seats as usize,
            base: usize::from(shared > 0),
            strict: settings.strict(),
            sampler: Sampler::default(),
            progress: ChunkProgress::default(),
        })
    }

    /// Answers jobs behind the shared beginning; the replies with the jobs' places in the chunk.
    pub(super) fn answer(
        &mut self,
        jobs: Vec<Job>,
        watch: &mut Watch<'_>,
    ) -> EngineResult<Vec<(usize, Reply)>> {
        let mut replies = Vec::with_capacity(jobs.len());
        let mut queue = jobs.into_iter();
        let mut seats: Vec<Option<Slot>> = (0..self.slots).map(|_| None).collect();
        loop {
            // Free seats first, so that a finished reply costs no step.
            for (seat, slot) in seats.iter_mut().enumerate() {
                if slot.is_none()
                    && let Some(job) = queue.next()
                {
                    *slot = Some(self.admit(seat, job)?);
                }
            }
            if seats.iter().all(Option::is_none) {
                return Ok(replies);
            }
            let drawn_from =
                if self.strict { self.strict_step(&mut seats)? } else { self.step(&mut seats)? };
            for (seat, logits_at) in drawn_from {
                let Some(slot) = &mut seats[seat] else { continue };
                // Before the next draw: what is written next takes the probe's place.
                self.take_back(seat, slot)?;
                self.draw(slot, logits_at);
                if slot.job.automaton.finish().is_some() {
                    replies.push((slot.job.index, slot.job.reply()));
                    seats[seat] = None;
                    self.progress.replies += 1;
                }
            }
            watch(self.progress);
        }
    }

    /// Evaluates the shared beginning in sequence 0.
    pub(super) fn share(&mut self, tokens: &[Token]) -> EngineResult<()> {
        let mut position = 0;
        for part in tokens.chunks(self.room) {
            self.batch.clear();
            for token in part {
                self.add(*token, position, 0, false)?;
                position += 1;
            }
            self.evaluate()?;
        }
        Ok(())
    }

    /// What the shared beginning left in sequence 0.
    pub(super) fn shared_state(&self) -> Vec<u8> {
        let flags = LlamaStateSeqFlags::empty();
        let mut state = vec![0; self.context.state_seq_get_size_ext(0, flags)];
        // SAFETY: the buffer has the size that llama.cpp asks for.
        let written = unsafe { self.context.state_seq_get_data_ext(state.as_mut_ptr(), 0, flags) };
        state.truncate(written);
        state
    }

    /// Takes over the shared beginning from another lane of this model.
    pub(super) fn take_shared(&mut self, state: &[u8]) -> EngineResult<()> {
        // SAFETY: the bytes were written by `shared_state`, for the same model and build.
        let taken =
            unsafe { self.context.state_seq_set_data_ext(state, 0, LlamaStateSeqFlags::empty()) };
        if taken {
            Ok(())
        } else {
            Err(self.generator.failed("the shared beginning cannot be copied"))
        }
    }

    /// Gives a free seat to a job.
    fn admit(&mut self, seat: usize, job: Job) -> EngineResult<Slot> {
        self.clear(seat, 0)?;
        if self.shared > 0 {
            self.copy(0, seat)?;
        }
        // What all jobs share is in the copied sequence already.
        let pending = job.tokens[self.shared..].to_vec();
        Ok(Slot { job, position: self.shared, pending, writing: false })
    }

    /// Moves the last replies to free seats before them, once no request is waiting for a seat: every gap
    /// between sequences is a computation of its own, and a copy costs less than one.
    fn close_ranks(&mut self, seats: &mut [Option<Slot>]) -> EngineResult<()> {
        while let Some(free) = seats.iter().position(Option::is_none)
            && let Some(last) = seats.iter().rposition(Option::is_some)
            && free < last
        {
            self.clear(free, 0)?;
            self.copy(self.base + last, free)?;
            self.clear(last, 0)?;
            seats.swap(free, last);
        }
        Ok(())
    }

    /// Gives a seat the tokens of a sequence.
    fn copy(&mut self, sequence: usize, seat: usize) -> EngineResult<()> {
        let [from, to] =
            [sequence, self.base + seat].map(|place| i32::try_from(place).unwrap_or(0));
        // With separate KV streams llama.cpp only copies whole sequences.
        let copied = self.context.copy_kv_cache_seq(from, to, None, None);
        copied.map_err(|error| self.generator.failed(error.to_string()))
    }

    /// Forgets a seat's tokens from a position on.
    fn clear(&mut self, seat: usize, from: usize) -> EngineResult<()> {
        let sequence = u32::try_from(self.base + seat).ok();
        let from = u32::try_from(from).ok();
        match self.context.clear_kv_cache_seq(sequence, from, None) {
            Ok(true) => Ok(()),
            _ => Err(self.generator.failed("a sequence cannot be cleared")),
        }
    }

    /// Evaluates one batch. Gives the seats that can draw now, with the place of their logits.
    fn step(&mut self, seats: &mut [Option<Slot>]) -> EngineResult<Vec<(usize, i32)>> {
        self.close_ranks(seats)?;
        let shares = share_out(seats, self.room);
        self.batch.clear();
        let mut drawn_from = Vec::new();
        for (seat, share) in shares.into_iter().enumerate() {
            let Some(slot) = &mut seats[seat] else { continue };
            // Only the last pending token's logits are drawn from; a prompt that does not fit into this batch
            // has none yet.
            let last = slot.pending.len();
            for (i, token) in slot.pending.drain(..share).enumerate() {
                let wants_logits = i + 1 == last;
                if wants_logits {
                    drawn_from.push((seat, self.batch.n_tokens()));
                }
                self.add(token, slot.position, self.base + seat, wants_logits)?;
                slot.position += 1;
            }
            if !slot.writing {
                self.count_prompt(slot, share);
            }
        }
        self.evaluate()?;
        Ok(drawn_from)
    }

    /// Counts prompt tokens that were evaluated; a slot with none left begins to write.
    fn count_prompt(&mut self, slot: &mut Slot, evaluated: usize) {
        self.progress.prompt_tokens += evaluated as u64;
        slot.writing = slot.pending.is_empty();
        if slot.writing {
            // What the shape forces first came along with the prompt.
            let forced = u64::from(slot.job.tokens_written());
            // Evaluated as prompt, and of the reply all the same.
            let prompts = self.progress.prompt_tokens;
            self.progress.prompt_tokens = prompts.saturating_sub(forced);
            self.progress.reply_tokens += forced;
        }
    }

    /// Forgets a probe: its logits are there.
    fn take_back(&mut self, seat: usize, slot: &mut Slot) -> EngineResult<()> {
        let probe = slot.job.automaton.tentative();
        if probe > 0 {
            slot.position -= probe;
            self.clear(seat, slot.position)?;
        }
        Ok(())
    }

    /// Lets a slot's automaton go on from its logits.
    fn draw(&mut self, slot: &mut Slot, logits_at: i32) {
        let logits = self.context.get_logits_ith(logits_at);
        let vocabulary = &self.generator.vocabulary;
        let before = slot.job.automaton.tokens();
        let mut input = DrawInput { vocabulary, sampler: &mut self.sampler, logits };
        slot.pending = slot.job.automaton.step(&mut input);
        self.progress.reply_tokens += u64::from(slot.job.automaton.tokens() - before);
    }

    /// Adds a token to the batch. The batch was allocated for one sequence per token; more would
    /// be written behind its memory.
    fn add(
        &mut self,
        token: Token,
        position: usize,
        sequence: usize,
        logits: bool,
    ) -> EngineResult<()> {
        let (Ok(position), Ok(sequence)) = (i32::try_from(position), i32::try_from(sequence))
        else {
            return Err(self.generator.failed("a position is out of range"));
        };
        let added = self.batch.add(llama_token(token), position, &[sequence], logits);
        added.map_err(|error| self.generator.failed(error.to_string()))
    }

    fn evaluate(&mut self) -> EngineResult<()> {
        let done = runtime::decode(&mut self.context, &mut self.batch);
        done.map_err(|error| {
            // Both settings decide how large this cache is; a scoring context's size is the model's.
            let hint = match error {
                BatchError::NoKvRoom => "; lower `slots` or raise `kv_budget_bytes`",
                BatchError::Other(_) => "",
            };
            self.generator.failed(format!("{error}{hint}"))
        })
    }
}

/// How many pending tokens of each seat go into the next batch: replies first, then prompts.
fn share_out(seats: &[Option<Slot>], mut room: usize) -> Vec<usize> {
    let mut shares = vec![0; seats.len()];
    // A prompt that fills a batch would hold up every reply in the making.
    for writing in [true, false] {
        for (share, slot) in shares.iter_mut().zip(seats) {
            if let Some(slot) = slot
                && slot.writing == writing
            {
                *share = slot.pending.len().min(room);
                room -= *share;
            }
        }
    }
    shares
}

fn new_context<'a>(
    generator: &'a Generator,
    settings: &EngineSettings,
    Geometry { context, threads, rows, .. }: Geometry,
    sequences: u32,
    n_batch: u32,
) -> EngineResult<LlamaContext<'a>> {
    let threads = i32::try_from(threads).unwrap_or(1);
    // llama.cpp refuses a micro-batch that is larger than the batch.
    let mut rows = rows.clamp(1, n_batch);
    if settings.strict() {
        rows = strict::room(rows.max(sequences));
    }
    let parameters = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(context.saturating_mul(sequences)))
        .with_n_seq_max(sequences)
        .with_kv_unified(false)
        .with_n_batch(n_batch)
        .with_n_ubatch(rows)
        .with_n_threads(threads)
        .with_n_threads_batch(threads)
        .with_flash_attention_policy(settings.flash_attention().policy())
        .with_no_perf(true);
    runtime::new_context(&generator.model, parameters).map_err(|said| {
        // No failure of an evaluation: no call can be answered, whichever it is.
        generator.unusable(format!(
            "no context of {sequences} sequences of {context} tokens: {said}; lower `slots`, \
             `kv_budget_bytes` or the model's `context`"
        ))
    })
}

//! A chunk made ready, then answered: what each request needs, what all of them share, and how many run at once.
//!
//! They are shared out among lanes: contexts of one model that work at the same time. llama.cpp's threads wait for each
//! other many times in every layer, and all but one of them wait while tokens are drawn. A few lanes with few threads
//! each wait less than one lane with all of them. Job by job is dealt out in turn, so which lane answers a request
//! follows from the chunk alone.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use gra_synth::request::{Finish, Portion, Reply, Request};
use gra_synth::shape::Shape;

use super::decode::{DecodeLane, Geometry, Job, strict};
use super::generator::{BLOCK, Generator};
use super::prompt::PromptForm;
use super::settings::{EngineSettings, MAX_SLOTS, part};
use crate::automaton::{Automaton, CompiledShape, Draws};
use crate::dispatcher::in_parallel;
use crate::engine::{ChunkProgress, EngineResult, Watch};
use crate::vocabulary::{Token, count};

/// Shared beginnings shorter than this are not worth a sequence of their own.
const MIN_SHARED: usize = 32;

/// llama.cpp rounds the context of a sequence up to a multiple of this.
const CONTEXT_STEP: u64 = 256;

/// Answers the requests of a chunk, in order.
pub(super) fn answer(
    generator: &Generator,
    chunk: &[Request],
    settings: &EngineSettings,
    watch: &mut Watch<'_>,
) -> EngineResult<Vec<Reply>> {
    let (mut replies, jobs) = jobs(generator, chunk, settings)?;
    let (lanes, geometry) = geometry(generator, &jobs, settings);
    if settings.strict() {
        strict::check(generator, settings)?;
    }
    // Replies that needed no model count from the start.
    let mut before = ChunkProgress {
        replies: replies.iter().flatten().count(),
        slots: geometry.slots * lanes,
        ..ChunkProgress::default()
    };
    watch(before);
    // All jobs begin with the same `shared` tokens, so any of them shows the beginning.
    let Some(first) = jobs.first() else { return Ok(replies.into_iter().flatten().collect()) };
    let beginning = &first.tokens[..geometry.shared];
    let mut team = team(generator, settings, geometry, lanes, beginning)?;
    before.prompt_tokens = geometry.shared as u64;
    watch(before);
    let mut watch = |so_far: &[ChunkProgress]| watch(so_far.iter().copied().chain([before]).sum());
    for (place, reply) in together(&mut team, deal(jobs, lanes as usize), &mut watch)? {
        replies[place] = Some(reply);
    }
    Ok(replies.into_iter().flatten().collect())
}

/// The replies to requests that need no model, by their places, and a job for each of the others.
fn jobs(
    generator: &Generator,
    chunk: &[Request],
    settings: &EngineSettings,
) -> EngineResult<(Vec<Option<Reply>>, Vec<Job>)> {
    let form = generator.form()?;
    let mut plans: HashMap<&Shape, Arc<CompiledShape>> = HashMap::new();
    let mut replies = Vec::with_capacity(chunk.len());
    let mut jobs = Vec::with_capacity(chunk.len());
    for (index, request) in chunk.iter().enumerate() {
        // Compiled once for all requests of a shape: a step has few shapes and many requests.
        let plan = match plans.entry(&request.shape) {
            Entry::Occupied(known) => Arc::clone(known.get()),
            Entry::Vacant(new) => Arc::clone(new.insert(Arc::new(generator.plan(&request.shape)?))),
        };
        match job(generator, form, index, request, plan) {
            Ok(mut job) => {
                if !settings.strict() {
                    // Fed at once where nothing depends on how.
                    job.tokens.append(&mut job.behind);
                }
                replies.push(None);
                jobs.push(job);
            }
            Err(reply) => replies.push(Some(reply)),
        }
    }
    Ok((replies, jobs))
}

/// How many contexts jobs are shared out among, and what each of them is to hold.
fn geometry(generator: &Generator, jobs: &[Job], settings: &EngineSettings) -> (u32, Geometry) {
    let mut shared = shared_tokens(jobs);
    let mut need = jobs.iter().map(|job| u64::from(job.need)).max().unwrap_or(1);
    let mut least = 1;
    if settings.strict() {
        // Whole blocks of rows: of the shared beginning, behind a prompt's end, and of replies.
        shared = shared / BLOCK * BLOCK;
        need += BLOCK as u64;
        least = BLOCK as u64;
    }
    let context = need.div_ceil(CONTEXT_STEP).max(1) * CONTEXT_STEP;
    let sequence_bytes = context.saturating_mul(generator.kv_bytes).max(1);
    let wanted = u64::from(settings.slots.clamp(1, MAX_SLOTS)).min(jobs.len() as u64);
    let lanes = |slots| settings.lanes(u32::try_from(slots).unwrap_or(1), generator.size);
    // From bytes to sequences: a slot, and in each lane the shared beginning, is one of them.
    let affordable = settings.kv_budget_bytes / sequence_bytes;
    // Every lane has its own copy of what is shared.
    let copies = if shared > 0 { u64::from(lanes(wanted)) } else { 0 };
    let affordable = affordable.saturating_sub(copies);
    // One slot is always allowed, or the chunk could not run at all.
    let slots = wanted.min((affordable / least * least).max(least));
    let lanes = lanes(slots);
    let geometry = Geometry {
        // As many in every lane.
        slots: u32::try_from(slots / u64::from(lanes)).unwrap_or(1),
        shared,
        context: u32::try_from(context).unwrap_or(u32::MAX),
        threads: settings.threads.clamp(1, 512),
        rows: settings.n_ubatch(lanes),
    };
    (lanes, geometry)
}

/// Lanes that share the threads, each behind what all jobs begin with. That is evaluated once, with all
/// threads.
fn team<'a>(
    generator: &'a Generator,
    settings: &EngineSettings,
    geometry: Geometry,
    lanes: u32,
    beginning: &[Token],
) -> EngineResult<Vec<DecodeLane<'a>>> {
    let lane = |threads| DecodeLane::new(generator, settings, Geometry { threads, ..geometry });
    let mut state = Vec::new();
    if lanes > 1 && !beginning.is_empty() {
        // llama.cpp takes a sequence over from a context of equally many sequences only.
        let mut first = lane(geometry.threads)?;
        first.share(beginning)?;
        state = first.shared_state();
    }
    let with_beginning = |at| {
        let mut lane = lane(part(geometry.threads, at, lanes).max(1))?;
        if state.is_empty() {
            lane.share(beginning)?;
        } else {
            lane.take_shared(&state)?;
        }
        Ok(lane)
    };
    (0..lanes).map(with_beginning).collect()
}

fn deal(jobs: Vec<Job>, lanes: usize) -> Vec<Vec<Job>> {
    let mut hands: Vec<Vec<Job>> = (0..lanes).map(|_| Vec::new()).collect();
    for (place, job) in jobs.into_iter().enumerate() {
        // By turns, so that long and short jobs of neighbouring requests are spread.
        hands[place % lanes].push(job);
    }
    hands
}

/// Lets every lane answer its hand. `watch` is told how far each of them is.
fn together(
    lanes: &mut [DecodeLane<'_>],
    hands: Vec<Vec<Job>>,
    watch: &mut dyn FnMut(&[ChunkProgress]),
) -> EngineResult<Vec<(usize, Reply)>> {
    let mut so_far = vec![ChunkProgress::default(); lanes.len()];
    let task = |(lane, hand)| move |tell: &mut Watch<'_>| DecodeLane::answer(lane, hand, tell);
    let done = in_parallel(lanes.iter_mut().zip(hands).map(task).collect(), |at, progress| {
        so_far[at] = progress;
        watch(&so_far);
    });
    let done: Vec<Vec<_>> = done.into_iter().collect::<Result<_, _>>()?;
    Ok(done.into_iter().flatten().collect())
}

/// A request as a job, or its reply when the model need not be asked.
fn job(
    generator: &Generator,
    form: &PromptForm,
    index: usize,
    request: &Request,
    plan: Arc<CompiledShape>,
) -> Result<Job, Reply> {
    // A template that opens a thought is left open only where one is asked for.
    let thinks = request.shape.thought_and_answer().0 > 0;
    let opened = form.opened_thought().filter(|_| thinks).map(|(open, _)| open);
    let tokens = form.tokens(&generator.model, &request.prompt.text(), thinks);
    let prompt_tokens = count(&tokens);
    let context = generator.context;
    let mut draws = Draws::of(request);
    // The prompt and the shortest reply must fit; a longer one is cut.
    let least = plan.least_tokens().max(1).min(request.max_tokens);
    if prompt_tokens.saturating_add(least) > context {
        let finish = Finish::PromptTooLong { tokens: prompt_tokens, context: Some(context) };
        return Err(Reply::without_text(finish, prompt_tokens));
    }
    // A reply may not outgrow the context either; it then ends as at its own limit.
    draws.max_tokens = draws.max_tokens.min(context - prompt_tokens);
    let most = plan.most_tokens();
    let need = prompt_tokens + most.min(draws.max_tokens);
    let job = |tokens, automaton, written, need| Job {
        index,
        tokens,
        behind: Vec::new(),
        prompt_tokens: prompt_tokens + written,
        written,
        opened,
        opening_of: None,
        automaton,
        need,
    };
    let (mut job, forced) = match &request.portion {
        Portion::Rest { opening, tokens: written } => {
            // What was written is fed again; the model's own tokens of it are not known any more.
            let retraced = plan.retrace(opening, &generator.vocabulary);
            let mut retraced = retraced.unwrap_or_else(|| generator.tokens(opening));
            let (fresh, forced) = Automaton::start(Arc::clone(&plan), draws);
            match Automaton::resume(plan, draws, opening, *written) {
                // What is fed may be longer than what was written, see `retrace`.
                Some(automaton) => {
                    let need = need.saturating_add(count(&retraced).saturating_sub(*written));
                    let behind = retraced.split_off(forced.len().min(retraced.len()));
                    (Job { behind, ..job(tokens, automaton, *written, need) }, retraced)
                }
                None => (job(tokens, fresh, 0, need), forced),
            }
        }
        Portion::Opening if most <= draws.max_tokens => {
            let need = prompt_tokens + plan.most_opening_tokens();
            let (automaton, forced) = Automaton::start_opening(plan, draws);
            (job(tokens, automaton, 0, need), forced)
        }
        // An opening is that of the whole reply, which may be cut off: then all of it is written.
        portion => {
            let (automaton, forced) = Automaton::start(plan, draws);
            let opening_of = (*portion == Portion::Opening).then(|| request.shape.clone());
            (Job { opening_of, ..job(tokens, automaton, 0, need) }, forced)
        }
    };
    if job.automaton.finish().is_some() {
        return Err(job.reply());
    }
    job.tokens.extend_from_slice(&forced);
    Ok(job)
}

/// Length of the beginning that all jobs share; each keeps at least one token of its own, because
/// its last token's logits are needed.
fn shared_tokens(jobs: &[Job]) -> usize {
    let [first, rest @ ..] = jobs else { return 0 };
    if rest.is_empty() {
        return 0;
    }
    // Of the first job, then as much of it as all others begin with.
    let mut shared = first.tokens.len().saturating_sub(1);
    for job in rest {
        let common = first.tokens.iter().zip(&job.tokens).take_while(|(a, b)| a == b).count();
        shared = shared.min(common).min(job.tokens.len().saturating_sub(1));
    }
    if shared < MIN_SHARED { 0 } else { shared }
}

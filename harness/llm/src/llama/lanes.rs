//! A chunk shared out among lanes: contexts of one model that work at the same time.
//!
//! llama.cpp's threads wait for each other many times in every layer, and all but one of them wait while
//! tokens are drawn. A few lanes with few threads each wait less than one lane with all of them. Job by
//! job is dealt out in turn, so which lane answers a request follows from the chunk alone.

use gra_synth::request::Reply;

use super::chunk::{Job, Prepared};
use super::decode::{DecodeLane, Geometry, strict};
use super::generator::Generator;
use super::settings::{EngineSettings, part};
use crate::dispatcher::in_parallel;
use crate::engine::{ChunkProgress, EngineResult, Watch};
use crate::vocabulary::Token;

/// Answers a prepared chunk.
pub(super) fn run(
    generator: &Generator,
    prepared: Prepared,
    settings: &EngineSettings,
    watch: &mut Watch<'_>,
) -> EngineResult<Vec<Reply>> {
    if settings.strict() {
        strict::check(generator, settings)?;
    }
    let Prepared { mut replies, jobs, shared, slots, lanes, context } = prepared;
    // Replies that needed no model count from the start.
    let mut before = ChunkProgress {
        replies: replies.iter().flatten().count(),
        slots,
        ..ChunkProgress::default()
    };
    watch(before);
    // All jobs begin with the same `shared` tokens, so any of them shows the beginning.
    let Some(first) = jobs.first() else { return Ok(replies.into_iter().flatten().collect()) };
    let threads = settings.threads.clamp(1, 512);
    let rows = settings.n_ubatch(lanes);
    let geometry = Geometry { slots: slots / lanes, shared, context, threads, rows };
    let mut team = team(generator, settings, geometry, lanes, &first.tokens[..shared])?;
    before.prompt_tokens = shared as u64;
    watch(before);
    let mut watch = |so_far: &[ChunkProgress]| watch(so_far.iter().copied().chain([before]).sum());
    for (place, reply) in together(&mut team, deal(jobs, lanes as usize), &mut watch)? {
        replies[place] = Some(reply);
    }
    Ok(replies.into_iter().flatten().collect())
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

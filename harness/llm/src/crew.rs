//! Several workers as one engine: each answers its share of a step, all at the same time.
//!
//! A share is a run of neighbouring chunks with about as many requests as every other share. Chunks are
//! ordered by model, so few models are asked of more than one worker, and the shares of a step follow
//! from its chunks alone: the same chunks go to the same workers whenever they run.

use std::ops::Range;

use gra_synth::request::{Embedding, ModelName, Reply, Request};

use crate::abreast::{at_once, complete_all};
use crate::engine::{Engine, EngineError, Hear, Progress};
use crate::score::{Passage, Score};

/// Answers with workers that are alike: any of them can answer for every model.
pub struct Crew {
    workers: Vec<Box<dyn Engine>>,
}

impl Crew {
    /// An engine of these workers.
    ///
    /// # Panics
    /// When there are none.
    #[must_use]
    pub fn new(workers: Vec<Box<dyn Engine>>) -> Self {
        assert!(!workers.is_empty(), "a crew has workers");
        Self { workers }
    }

    fn first(&mut self) -> &mut dyn Engine {
        &mut *self.workers[0]
    }

    /// Gives every worker its part of some items. The results come in the order of the items.
    fn each_part<R: Send>(
        &mut self,
        items: usize,
        watch: &mut dyn FnMut(Progress),
        ask: impl Fn(&mut dyn Engine, Range<usize>, &mut dyn FnMut(Progress)) -> Answer<R> + Sync,
    ) -> Answer<R> {
        let count = self.workers.len();
        let ask = &ask;
        let tasks = self.workers.iter_mut().enumerate().map(|(at, worker)| {
            let part = at * items / count..(at + 1) * items / count;
            move |tell: &mut dyn FnMut(Progress)| ask(&mut **worker, part, tell)
        });
        let mut so_far = vec![Progress::default(); count];
        let done = at_once(tasks.collect(), |at, progress| {
            so_far[at] = progress;
            watch(so_far.iter().copied().sum());
        });
        let done: Vec<Vec<R>> = done.into_iter().collect::<Result<_, _>>()?;
        Ok(done.into_iter().flatten().collect())
    }
}

type Answer<R> = Result<Vec<R>, EngineError>;

/// Which chunks each worker answers, by their numbers of requests.
fn shares(requests: &[usize], workers: usize) -> Vec<Vec<usize>> {
    let all: usize = requests.iter().sum::<usize>().max(1);
    let mut shares = vec![Vec::new(); workers];
    let mut before = 0;
    for (place, count) in requests.iter().enumerate() {
        // A chunk belongs to the worker in whose part of all requests its middle lies.
        let worker = (2 * before + count) * workers / (2 * all);
        shares[worker.min(workers - 1)].push(place);
        before += count;
    }
    shares
}

impl Engine for Crew {
    fn complete(
        &mut self,
        chunk: &[Request],
        watch: &mut dyn FnMut(Progress),
    ) -> Result<Vec<Reply>, EngineError> {
        self.first().complete(chunk, watch)
    }

    fn complete_all(
        &mut self,
        chunks: &[&[Request]],
        hear: &mut Hear<'_>,
    ) -> Result<(), EngineError> {
        let requests: Vec<usize> = chunks.iter().map(|chunk| chunk.len()).collect();
        let shares = shares(&requests, self.workers.len());
        let workers = self.workers.iter_mut().map(|worker| &mut **worker as &mut dyn Engine);
        complete_all(workers.zip(shares).collect(), chunks, hear)
    }

    fn workers(&self, _model: &ModelName) -> usize {
        self.workers.len()
    }

    fn score(
        &mut self,
        passages: &[Passage],
        watch: &mut dyn FnMut(Progress),
    ) -> Result<Vec<Score>, EngineError> {
        self.each_part(passages.len(), watch, |worker, part, watch| {
            let from = part.start;
            worker.score(&passages[part], watch).map_err(|error| match error {
                EngineError::PassageTooLong { model, passage, tokens, context } => {
                    EngineError::PassageTooLong { model, passage: from + passage, tokens, context }
                }
                error => error,
            })
        })
    }

    fn embed(&mut self, texts: &[String]) -> Result<Vec<Embedding>, EngineError> {
        self.each_part(texts.len(), &mut |_| {}, |worker, part, _| worker.embed(&texts[part]))
    }

    fn fingerprint(&mut self, model: &ModelName) -> Result<String, EngineError> {
        self.first().fingerprint(model)
    }

    fn scoring_fingerprint(&mut self, model: &ModelName) -> Result<String, EngineError> {
        self.first().scoring_fingerprint(model)
    }

    fn encoder_fingerprint(&mut self) -> Result<String, EngineError> {
        self.first().encoder_fingerprint()
    }

    fn crashes(&self) -> u64 {
        self.workers.iter().map(|worker| worker.crashes()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::shares;

    #[test]
    fn shares_are_neighbours_of_about_the_same_size() {
        assert_eq!(shares(&[64, 64, 64, 64], 2), [[0, 1], [2, 3]]);
        assert_eq!(shares(&[64, 64, 8, 64, 64], 2), [vec![0, 1], vec![2, 3, 4]]);
        assert_eq!(shares(&[10, 1, 1, 1, 1], 2), [vec![0], vec![1, 2, 3, 4]]);
        assert_eq!(shares(&[7], 3), [vec![], vec![0], vec![]]);
        assert_eq!(shares(&[], 2), [[]; 2] as [[usize; 0]; 2]);
        assert_eq!(shares(&[5, 5, 5], 1), [[0, 1, 2]]);
    }
}

//! The engine at work: the chunks that it runs, and what its work costs: seconds, energy, crashes.
//!
//! Energy is that which the processors took, where Linux tells: the counters of its powercap interface (RAPL), package
//! by package. A package's counter holds everything that runs on it, idling and neighbours included, and nothing of a
//! GPU. Where there is no counter, or this user may not read it (most distributions keep it for root), the
//! energy is unknown and never 0.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::Result;
use gra_llm::engine::{ChunkEvent, Engine, EngineError};
use gra_llm::key::CompletionKey;
use gra_synth::request::{ModelName, Request, Stage};

use super::{Answering, Asking, Interrupted, TooManyLost};
use crate::progress::Progress;
use crate::store::{ChunkCost, PlannedChunk};

/// Calls of one model and stage: their requests share a role prompt.
pub(super) type Group = (ModelName, Stage);

/// Where Linux shows its counters.
const POWERCAP: &str = "/sys/class/powercap";

/// What answering a trial has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Paid {
    /// Calls that the engine answered.
    pub calls: u64,
    /// Calls that the store answered.
    pub stored: u64,
    /// Seconds that the engine was busy, with one chunk or several.
    pub engine_seconds: f64,
    /// How often the engine died and was started again.
    pub crashes: u64,
    /// Joules that the processors took meanwhile; `None` where the machine does not tell, or nothing was
    /// asked of an engine.
    pub joules: Option<f64>,
}

impl Answering<'_> {
    /// The chunks that will answer what is missing, by model: recorded unfinished ones that can be
    /// run whole as they were, then new ones. What another caller recorded and cannot be used here
    /// stays open for that caller.
    pub(super) fn plan(
        &mut self,
        asking: Asking<'_>,
        missing: BTreeMap<Group, Vec<CompletionKey>>,
    ) -> Result<Vec<(Group, PlannedChunk)>> {
        let name = asking.to_string();
        let all: usize = missing.values().map(Vec::len).sum();
        let (mut again, mut forget, mut new) = (Vec::new(), Vec::new(), Vec::new());
        for (group, mut left) in missing {
            for (planned_for, chunk) in self.store.open_chunks(&group.0, group.1)? {
                // A reply depends on what it was batched with, so a chunk runs again whole or not at all.
                if chunk.keys.iter().all(|key| left.contains(key)) {
                    left.retain(|key| !chunk.keys.contains(key));
                    again.push((group.clone(), chunk));
                } else if planned_for == name {
                    forget.push(chunk.id);
                }
            }
            // No chunk is larger than a worker's part of the step.
            let size = self.chunk.min(all.div_ceil(self.engine.workers(&group.0).max(1))).max(1);
            new.extend(left.chunks(size).map(|keys| (group.clone(), keys.to_vec())));
        }
        if !new.is_empty() || !forget.is_empty() {
            let planned = self.store.plan_chunks(&name, &forget, &new)?;
            again.extend(new.into_iter().map(|(group, _)| group).zip(planned));
        }
        // By model, old chunks and new ones, so that a model is loaded once for all of them.
        again.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(again)
    }

    /// Runs chunks and stores the replies of each when it is done.
    pub(super) fn run(
        &mut self,
        planned: &[(Group, PlannedChunk)],
        missing: &BTreeMap<CompletionKey, &Request>,
    ) -> Result<()> {
        if planned.is_empty() {
            return Ok(());
        }
        if self.stop.load(Ordering::Relaxed) {
            return Err(Interrupted.into());
        }
        let requests = |(_, chunk): &(Group, PlannedChunk)| {
            chunk.keys.iter().map(|key| missing[key].clone()).collect()
        };
        let chunks: Vec<Vec<Request>> = planned.iter().map(requests).collect();
        let asked: Vec<&[Request]> = chunks.iter().map(Vec::as_slice).collect();
        let started = self.start();
        let (mut begun, mut slots) = (vec![None; planned.len()], vec![0; planned.len()]);
        let (mut left, mut failure) = (planned.len(), None);
        // A copy: the calls are counted for good when all replies of the step are read back.
        let mut tally = self.tally.clone();
        let max_failed = self.tolerance.max_failed;
        let Self { store, engine, progress, stop, fingerprints, paid, .. } = &mut *self;
        let ended = engine.complete_all(&asked, &mut |place, event| {
            let ((model, _), chunk) = &planned[place];
            match event {
                ChunkEvent::Begun => begun[place] = Some(Instant::now()),
                ChunkEvent::Progress(so_far) => {
                    slots[place] = so_far.slots;
                    progress.in_chunk(place, so_far);
                }
                ChunkEvent::Answered { replies, crashes } => {
                    progress.end_chunk(place, replies.len());
                    paid.calls += replies.len() as u64;
                    paid.crashes += crashes;
                    let answered: Vec<_> = chunks[place].iter().zip(replies).collect();
                    for (request, reply) in &answered {
                        tally.count(request, reply, true);
                    }
                    let verdict = tally.check_failed(max_failed);
                    // A model that answers nothing is away: its calls have not failed.
                    let is_away = matches!(&verdict, Err(TooManyLost::Unanswered { last, .. })
                        if last.model == *model);
                    if let Err(lost) = verdict {
                        // The first verdict is the reason; chunks that were under way only add to it.
                        failure.get_or_insert(lost.into());
                    }
                    if is_away {
                        return ControlFlow::Break(());
                    }
                    let seconds =
                        begun[place].map_or(0.0, |at: Instant| at.elapsed().as_secs_f64());
                    let cost = ChunkCost { seconds, slots: slots[place], crashes };
                    match store.finish_chunk(chunk, &fingerprints[model], cost, &answered) {
                        Ok(()) => left -= 1,
                        // What could not be saved is told first: nothing goes on without the store.
                        Err(error) => failure = Some(error),
                    }
                }
            }
            if failure.is_some() || stop.load(Ordering::Relaxed) {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        self.pay(&started);
        failure.map_or_else(|| end(ended, left), Err)
    }

    /// Has the engine work for a while, and counts what that takes.
    pub(super) fn work<T>(
        &mut self,
        work: impl FnOnce(&mut dyn Engine, &mut Progress) -> Result<T, EngineError>,
    ) -> Result<T> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Interrupted.into());
        }
        let (started, crashes) = (self.start(), self.engine.crashes());
        let done = work(self.engine, self.progress)?;
        self.pay(&started);
        self.paid.crashes += self.engine.crashes() - crashes;
        Ok(done)
    }

    fn start(&self) -> Started {
        (Instant::now(), self.meter.as_ref().and_then(Meter::read))
    }

    /// Adds what the engine's work since then took.
    fn pay(&mut self, (began, energy): &Started) {
        self.paid.engine_seconds += began.elapsed().as_secs_f64();
        let joules = self.meter.as_ref().zip(energy.as_ref());
        if let Some(joules) = joules.and_then(|(meter, earlier)| meter.since(earlier)) {
            *self.paid.joules.get_or_insert(0.0) += joules;
        }
    }
}

/// When some work of the engine began, and what the counters said then.
type Started = (Instant, Option<Reading>);

/// How a run ends whose chunks that are done were saved.
fn end(ended: Result<(), EngineError>, left: usize) -> Result<()> {
    match ended {
        Err(EngineError::Stopped) => Err(Interrupted.into()),
        Err(error) => Err(error.into()),
        // Stopped between two chunks, of which the engine knows nothing.
        Ok(()) if left > 0 => Err(Interrupted.into()),
        Ok(()) => Ok(()),
    }
}

/// The counters of this machine.
#[derive(Debug)]
pub(super) struct Meter {
    packages: Vec<Package>,
}

#[derive(Debug)]
struct Package {
    /// Microjoules since some time.
    counter: PathBuf,
    /// Where the counter starts again from 0.
    range: u64,
}

/// What the counters of the packages said.
type Reading = Vec<u64>;

impl Meter {
    /// The counters that can be read; `None` when there are none.
    pub(super) fn find() -> Option<Self> {
        Self::at(Path::new(POWERCAP))
    }

    fn at(folder: &Path) -> Option<Self> {
        let zones = fs::read_dir(folder).ok()?.filter_map(|zone| Some(zone.ok()?.path()));
        let mut zones: Vec<PathBuf> = zones.collect();
        zones.sort();
        // Parts of a package have counters too, and some machines count the whole board once more.
        let is_package = |zone: &PathBuf| {
            fs::read_to_string(zone.join("name")).is_ok_and(|name| name.starts_with("package"))
        };
        let package = |zone: PathBuf| {
            let (counter, range) = (zone.join("energy_uj"), zone.join("max_energy_range_uj"));
            Some(Package { range: number(&range)?, counter })
        };
        let packages = zones.into_iter().filter(is_package).map(package).collect::<Option<_>>()?;
        let meter = Self { packages };
        (!meter.packages.is_empty() && meter.read().is_some()).then_some(meter)
    }

    /// All counters now; `None` when one cannot be read.
    fn read(&self) -> Option<Reading> {
        self.packages.iter().map(|package| number(&package.counter)).collect()
    }

    /// Joules since a reading. A counter that started again did so once: they take minutes to hours.
    fn since(&self, earlier: &Reading) -> Option<f64> {
        let spent = self.packages.iter().zip(earlier).zip(self.read()?);
        let microjoules = spent.map(|((package, &earlier), now)| {
            now.checked_sub(earlier).unwrap_or_else(|| package.range.saturating_sub(earlier) + now)
        });
        #[expect(clippy::cast_precision_loss, reason = "counters are far below 2^53")]
        let microjoules = microjoules.sum::<u64>() as f64;
        Some(microjoules / 1e6)
    }
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(folder: &Path, zone: &str, name: &str, counter: &str) {
        let folder = folder.join(zone);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("name"), format!("{name}\n")).unwrap();
        fs::write(folder.join("max_energy_range_uj"), "1000000000\n").unwrap();
        fs::write(folder.join("energy_uj"), format!("{counter}\n")).unwrap();
    }

    #[test]
    fn packages_are_added_and_nothing_is_counted_twice() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        zone(folder, "intel-rapl:0", "package-0", "5000000");
        zone(folder, "intel-rapl:0:0", "core", "4000000");
        zone(folder, "intel-rapl:1", "package-1", "999000000");
        zone(folder, "intel-rapl:2", "psys", "7000000");
        let meter = Meter::at(folder).unwrap();
        let before = meter.read().unwrap();
        zone(folder, "intel-rapl:0", "package-0", "8500000");
        // Started again.
        zone(folder, "intel-rapl:1", "package-1", "2000000");
        assert_eq!(meter.since(&before), Some(3.5 + 3.0));
    }

    #[test]
    fn what_cannot_be_read_is_unknown() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Meter::at(&folder.path().join("nowhere")).is_none());
        assert!(Meter::at(folder.path()).is_none());
        zone(folder.path(), "intel-rapl:0", "package-0", "no number");
        assert!(Meter::at(folder.path()).is_none());
        zone(folder.path(), "intel-rapl:0", "package-0", "5");
        let meter = Meter::at(folder.path()).unwrap();
        let before = meter.read().unwrap();
        fs::remove_file(folder.path().join("intel-rapl:0/energy_uj")).unwrap();
        assert_eq!(meter.since(&before), None);
    }
}

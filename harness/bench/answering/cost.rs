//! What the engine's work costs while it goes on: seconds, energy, crashes; and how much of the replies was thought.
//!
//! Energy is that which the processors took, where Linux tells: the counters of its powercap interface (RAPL), package
//! by package. A package's counter holds everything that runs on it, idling and neighbours included, and nothing of a
//! GPU. Where there is no counter, or this user may not read it (most distributions keep it for root), the
//! energy is unknown and never 0.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use gra_synth::request::Reply;
use serde::Serialize;

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

impl Paid {
    /// Adds what the engine's work since `started` took.
    pub(super) fn add(&mut self, started: &Started, meter: Option<&Meter>) {
        self.engine_seconds += started.at.elapsed().as_secs_f64();
        let joules = meter.zip(started.energy.as_ref());
        if let Some(joules) = joules.and_then(|(meter, earlier)| meter.since(earlier)) {
            *self.joules.get_or_insert(0.0) += joules;
        }
    }
}

/// When some work of the engine began.
pub(super) struct Started {
    pub(super) at: Instant,
    energy: Option<Reading>,
}

impl Started {
    pub(super) fn now(meter: Option<&Meter>) -> Self {
        Self { at: Instant::now(), energy: meter.and_then(Meter::read) }
    }
}

/// How much of one model's replies to a trial was thought: counted over every call, paid now or earlier, so that a replay
/// counts the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Thoughts {
    /// Its replies.
    pub calls: u64,
    /// Those with a thought.
    pub calls_with_thought: u64,
    /// Tokens of all its replies.
    pub reply_tokens: u64,
    /// Those of thoughts, by their share of each reply's characters.
    pub thought_tokens: u64,
}

impl Thoughts {
    /// Counts a reply.
    pub fn count(&mut self, reply: &Reply) {
        let tokens = reply.thought_tokens();
        self.calls += 1;
        self.calls_with_thought += u64::from(tokens > 0);
        self.reply_tokens += u64::from(reply.reply_tokens);
        self.thought_tokens += u64::from(tokens);
    }

    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.calls_with_thought += other.calls_with_thought;
        self.reply_tokens += other.reply_tokens;
        self.thought_tokens += other.thought_tokens;
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

/// What the counters said.
#[derive(Clone, Debug)]
struct Reading(Vec<u64>);

impl Meter {
    /// The counters that can be read; `None` when there are none.
    pub(super) fn find() -> Option<Self> {
        Self::at(Path::new(POWERCAP))
    }

    fn at(folder: &Path) -> Option<Self> {
        let mut zones: Vec<PathBuf> =
            fs::read_dir(folder).ok()?.filter_map(|zone| Some(zone.ok()?.path())).collect();
        zones.sort();
        // Parts of a package have counters too, and some machines count the whole board once more.
        let is_package = |zone: &PathBuf| {
            fs::read_to_string(zone.join("name")).is_ok_and(|name| name.starts_with("package"))
        };
        let packages: Vec<Package> = zones
            .into_iter()
            .filter(is_package)
            .map(|zone| {
                let (counter, range) = (zone.join("energy_uj"), zone.join("max_energy_range_uj"));
                Some(Package { range: number(&range)?, counter })
            })
            .collect::<Option<_>>()?;
        let meter = Self { packages };
        (!meter.packages.is_empty() && meter.read().is_some()).then_some(meter)
    }

    /// All counters now; `None` when one cannot be read.
    fn read(&self) -> Option<Reading> {
        let counters = self.packages.iter().map(|package| number(&package.counter));
        counters.collect::<Option<_>>().map(Reading)
    }

    /// Joules since a reading. A counter that started again did so once: they take minutes to hours.
    fn since(&self, earlier: &Reading) -> Option<f64> {
        let Reading(now) = self.read()?;
        let spent = self.packages.iter().zip(&earlier.0).zip(now);
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

//! How far a trial is that ends with a number of samples, and how long the rest takes.

use std::collections::BTreeMap;
use std::time::Instant;

/// Samples that are wanted, and those that there are.
#[derive(Debug)]
pub(super) struct Goal {
    wanted: usize,
    accepted: BTreeMap<u32, usize>,
    /// When the first call was paid, and how many samples there were: what the store answers says nothing of time.
    paying_since: Option<(Instant, usize)>,
    /// When the last samples came, and seconds that each has taken.
    last: Option<(Instant, f64)>,
}

impl Goal {
    pub(super) const fn new(wanted: usize) -> Self {
        Self { wanted, accepted: BTreeMap::new(), paying_since: None, last: None }
    }

    fn samples(&self) -> usize {
        self.accepted.values().sum()
    }

    /// Calls are about to be paid.
    pub(super) fn begin_paying(&mut self, now: Instant) {
        let samples = self.samples();
        self.paying_since.get_or_insert((now, samples));
    }

    /// A round has so many samples.
    pub(super) fn set(&mut self, round: u32, accepted: usize, now: Instant) {
        let before = self.samples();
        self.accepted.insert(round, accepted);
        let samples = self.samples();
        if let Some((since, had)) = self.paying_since
            && samples > before.max(had)
        {
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let each = (now - since).as_secs_f64() / (samples - had) as f64;
            self.last = Some((now, each));
        }
    }

    /// The two in words. Time is not told before a wave has brought samples.
    pub(super) fn words(&self, now: Instant) -> String {
        let samples = self.samples();
        let words = format!("{samples} of {} samples", self.wanted);
        let left = self.wanted.saturating_sub(samples);
        match self.last {
            Some((then, each)) if left > 0 => {
                #[expect(clippy::cast_precision_loss, reason = "an estimate")]
                let seconds = each * left as f64 - (now - then).as_secs_f64();
                format!("{words}, about {} left", duration(seconds.max(1.0)))
            }
            _ => words,
        }
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn time_is_told_once_samples_were_paid() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut goal = Goal::new(50);
        // The first ten came from the store.
        goal.set(1, 10, start);
        assert_eq!(goal.words(start), "10 of 50 samples");
        goal.begin_paying(start);
        assert_eq!(goal.words(after(60)), "10 of 50 samples");
        goal.set(2, 4, after(80));
        assert_eq!(goal.words(after(80)), "14 of 50 samples, about 12 min left");
        assert_eq!(goal.words(after(140)), "14 of 50 samples, about 11 min left");
        goal.set(2, 40, after(400));
        assert_eq!(goal.words(after(400)), "50 of 50 samples");
    }
}

//! How far a trial is that ends with a number of samples, and how long the rest takes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

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

    pub(super) fn words(&self) -> String {
        format!("{} of {} samples", self.samples(), self.wanted)
    }

    /// Time for the rest; not told before a wave has brought samples.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        let left = self.wanted.saturating_sub(self.samples());
        let (then, each) = self.last.filter(|_| left > 0)?;
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let seconds = each * left as f64 - (now - then).as_secs_f64();
        Some(Duration::from_secs_f64(seconds.max(1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_told_once_samples_were_paid() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut goal = Goal::new(50);
        // The first ten came from the store.
        goal.set(1, 10, start);
        assert_eq!(goal.words(), "10 of 50 samples");
        goal.begin_paying(start);
        assert_eq!(goal.left(after(60)), None);
        goal.set(2, 4, after(80));
        assert_eq!(goal.words(), "14 of 50 samples");
        assert_eq!(goal.left(after(80)), Some(Duration::from_secs(720)));
        assert_eq!(goal.left(after(140)), Some(Duration::from_secs(660)));
        goal.set(2, 40, after(400));
        assert_eq!((goal.words(), goal.left(after(400))), ("50 of 50 samples".to_owned(), None));
    }
}

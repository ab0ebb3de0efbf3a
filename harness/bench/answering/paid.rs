//! What the engine's work costs while it goes on: seconds, energy, crashes.

use std::time::Instant;

use crate::energy::{Meter, Reading};

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

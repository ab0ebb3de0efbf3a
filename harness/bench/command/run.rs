//! `run` and `ablation`: every variant and run seed of an experiment, and the table.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;

use super::engines;
use crate::calibration::CalibrationRecord;
use crate::cli::Places;
use crate::experiment::{Experiment, Overrides};
use crate::failure::note;
use crate::progress::{Progress, Verbosity};
use crate::store::Store;
use crate::suite::{self, SeedReport, SeedSweep};
use crate::terminal::{self, Printed};
use crate::{builtin, interrupt, overwrite, publish, rows};

/// What `run` and `ablation` share.
pub(crate) struct Run {
    pub(crate) experiment: PathBuf,
    pub(crate) overrides: Overrides,
    pub(crate) places: Places,
    pub(crate) verbosity: Verbosity,
    pub(crate) json: bool,
    /// Whether trials of the same name and other settings are replaced.
    pub(crate) replace: bool,
}

impl Run {
    pub(crate) async fn start(self) -> Result<()> {
        interrupt::hearing(move |stop| self.run(stop)).await
    }

    fn run(&self, stop: &Arc<AtomicBool>) -> Result<()> {
        let Self { places, verbosity, .. } = self;
        if *verbosity != Verbosity::Quiet && builtin::is_built_in(&self.experiment) {
            let file = self.experiment.display();
            note(&format!("{file}: the file that is built in; gra-bench init DIR writes it out"));
        }
        let experiment = Experiment::load(&self.experiment, &places.models, &self.overrides)?;
        publish::check_writable(&places.results)?;
        let mut store = Store::open(&places.store())?;
        suite::check_files(&experiment, &store)?;
        let mut progress = Progress::new(*verbosity);
        for line in reviewer_warnings(&experiment, &places.results)? {
            progress.say(&line);
        }
        let around = engines::Around { places, progress: &progress, stop };
        let mut engine = engines::engine(&experiment.pool, &experiment.engine, &around)?;
        let differing = overwrite::differing(&experiment, &mut *engine, &store, &places.results)?;
        overwrite::settle(differing, self.replace, &places.results)?;
        let reports = suite::run_all(
            &experiment,
            &mut *engine,
            &mut store,
            &places.results,
            &mut progress,
            stop,
        );
        interrupt::say_how_to_go_on(&reports, &progress);
        drop(progress);
        let reports = reports?;
        let sweep = SeedSweep::of(&experiment, &reports, &places.results)?;
        let mut out = terminal::stdout(Printed::json(self.json));
        if self.json {
            let reports = reports.iter().map(SeedReport::json).collect::<Result<_>>()?;
            writeln!(out, "{}", rows::document(reports))?;
            return Ok(());
        }
        for report in &reports {
            report.print(&experiment, &places.results, &mut out)?;
        }
        match sweep {
            Some(sweep) => sweep.print(&mut out),
            None => Ok(()),
        }
    }
}

/// What the pool's last calibration says against its reviewers, or that there was none.
fn reviewer_warnings(experiment: &Experiment, results: &Path) -> Result<Vec<String>> {
    if experiment.variants.iter().all(|variant| variant.reviews() == 0) {
        return Ok(Vec::new());
    }
    let pool = &experiment.pool.name;
    let tau = f64::from(experiment.method.tau);
    Ok(match CalibrationRecord::find(results, pool, &experiment.prompts_sha256)? {
        Some(record) => record.warnings(&experiment.members, tau),
        None if experiment.demonstration => Vec::new(),
        None => vec![format!(
            "the models of pool `{pool}` were not calibrated with these prompts: whether they can review is not \
             known (gra-bench calibrate --pool FILE)"
        )],
    })
}

//! Every trial of an experiment, the table that compares its variants, and those that compare its run seeds and its
//! seed sets.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use csv::StringRecord;
use gra_analysis::ablation::sweep::{SweepAxis, SweepPlace, sweep};
use gra_analysis::ablation::{AblationTable, RunCost};
use gra_analysis::foreign_text::CsvWriter;
use gra_analysis::stats::measure::MeasureTable;
use gra_analysis::trial::TrialFacts;
use gra_files::write_atomic;
use gra_llm::engine::EngineError;
use serde::Deserialize;

use crate::answering::Answering;
use crate::experiment::{Experiment, Experiments};
use crate::publish::LongTexts;
use crate::store::Store;
use crate::trial::running::{self, CompletedTrial};
use crate::trial::{Fingerprints, TrialId, TrialRecord};
use crate::{publish, rows};

/// Runs every variant for every run seed, publishes each trial as it ends and a table per seed.
///
/// # Errors
/// When results cannot be written, the engine or the store fails, or the run was interrupted. What
/// was finished is saved; running again goes on from there.
pub fn run_all(
    experiment: &Experiment,
    fingerprints: &Fingerprints,
    answering: &mut Answering<'_>,
    results: &Path,
) -> Result<Vec<SeedReport>> {
    for note in experiment.seed_set.account().notes(&experiment.seed_file) {
        answering.progress().say(&note);
    }
    let mut reports = Vec::new();
    for &seed in &experiment.seeds {
        answering.next_run_seed(experiment.tolerance);
        let mut trials = Vec::new();
        for variant in &experiment.variants {
            // Variants follow each other in the file's order: the first asks what later ones find in the store.
            let record = TrialRecord::new(experiment, variant, seed, fingerprints);
            let trial = running::run(experiment, variant, record, answering)?;
            publish::write(experiment, &trial, results)?;
            trials.push(trial);
        }
        let mut report = SeedReport::new(experiment, seed, trials)?;
        report.write(experiment, results)?;
        reports.push(report);
    }
    Ok(reports)
}

/// What several run seeds, or several seed sets, say together.
#[derive(Debug)]
pub struct Sweep {
    title: &'static str,
    table: MeasureTable,
    markdown: PathBuf,
    /// Places and variants that only an earlier table has, which is therefore kept.
    kept: Vec<String>,
}

impl Sweep {
    /// Puts the run seeds of an experiment side by side and writes the table as CSV and Markdown; nothing for one
    /// seed.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn over_seeds(
        experiment: &Experiment,
        reports: &[SeedReport],
        results: &Path,
    ) -> Result<Option<Self>> {
        let places = reports.iter().map(|report| SweepPlace {
            name: report.seed.to_string(),
            runs: vec![report.facts().collect()],
        });
        let places: Vec<SweepPlace<'_>> = places.collect();
        Self::write(SweepAxis::RunSeed, &places, experiment, &results.join(&experiment.name))
    }

    /// Puts the seed sets of an experiment file side by side, likewise. `reports`: of each experiment.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn over_seed_sets(
        experiments: &Experiments,
        reports: &[Vec<SeedReport>],
        results: &Path,
    ) -> Result<Option<Self>> {
        let places = experiments.each.iter().zip(reports).map(|(experiment, reports)| SweepPlace {
            name: experiment.seed_set_name(),
            runs: reports.iter().map(|report| report.facts().collect()).collect(),
        });
        let places: Vec<SweepPlace<'_>> = places.collect();
        let folder = results.join(&experiments.name);
        Self::write(SweepAxis::SeedSet, &places, &experiments.each[0], &folder)
    }

    fn write(
        axis: SweepAxis,
        places: &[SweepPlace<'_>],
        experiment: &Experiment,
        folder: &Path,
    ) -> Result<Option<Self>> {
        if places.len() < 2 {
            return Ok(None);
        }
        let (title, file) = match axis {
            SweepAxis::RunSeed => ("Over run seeds", "seeds"),
            SweepAxis::SeedSet => ("Over seed sets", "seed-sets"),
        };
        let table = sweep(axis, places);
        let [path, markdown] = ["csv", "md"].map(|ending| folder.join(format!("{file}.{ending}")));
        let ran: Vec<&str> = experiment.variants.iter().map(|one| one.name.as_str()).collect();
        let names: Vec<&str> = places.iter().map(|place| place.name.as_str()).collect();
        // A run of some variants or seeds must not put less in the place of more.
        let one = axis.one();
        let kept = EarlierTable::others(&path, |table| {
            // As in `acceptance, seed set alpaca`: only measures of one place name it, those over all do not.
            let before = format!(", {one} ");
            let places = table.column("measure")?.map(|measure| {
                let (_, place) = measure.rsplit_once(&before)?;
                (!names.contains(&place)).then(|| format!("{one} {place}"))
            });
            let variants = table.column("data_set")?;
            let variants = variants.map(|name| (!ran.contains(&name)).then(|| name.to_owned()));
            Ok(places
                .zip(variants)
                .flat_map(|(place, variant)| place.into_iter().chain(variant))
                .collect())
        })?;
        if kept.is_empty() {
            write_table(&table, &path, &markdown)?;
        }
        Ok(Some(Self { title, table, markdown, kept }))
    }

    /// Prints the table and where it is.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn print(&self, out: &mut impl Write) -> Result<()> {
        writeln!(out, "\n{}\n\n{}", self.title, self.table.terminal(false))?;
        writeln!(out, "Table:   {}", self.markdown.display())?;
        say_kept(&self.kept, out)
    }
}

/// Writes a table over places as CSV and as Markdown.
pub(crate) fn write_table(table: &MeasureTable, csv: &Path, markdown: &Path) -> Result<()> {
    let mut bytes = Vec::new();
    table.write_csv(&mut bytes)?;
    write_atomic(csv, &bytes)?;
    Ok(write_atomic(markdown, table.markdown().as_bytes())?)
}

/// Checks the model files of every trial that is not finished: a pinned file's hash is known without it, and
/// a trial should not find out half-way that it is not there or not whole.
///
/// # Errors
/// Names the first file that is missing or cannot be used.
pub(crate) fn check_files(experiment: &Experiment, store: &Store) -> Result<(), EngineError> {
    for variant in &experiment.variants {
        // A store that cannot tell is one more reason to look at the files.
        let finished = |&seed: &u64| {
            store
                .has_finished(&TrialId::new(&experiment.name, &variant.name, seed))
                .unwrap_or_default()
        };
        if !experiment.seeds.iter().all(finished) {
            experiment.check_files(variant)?;
        }
    }
    Ok(())
}

/// What a run of a trial took on this machine: a row of its experiment's `seed-N.measured.csv`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct RunMeasurement {
    variant: String,
    /// Calls that the engine answered.
    pub paid_calls: u64,
    /// Calls that the store answered.
    pub stored_calls: u64,
    /// From the trial's start to its end.
    pub wall_s: f64,
    /// Of the processors, where the machine told.
    #[serde(default)]
    pub energy_j: Option<f64>,
}

impl RunMeasurement {
    /// Reads those of a trial, the earliest first; none where the file is missing.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn read(results: &Path, trial: &TrialId) -> Result<Vec<Self>> {
        let path = measured_path(results, &trial.experiment, trial.seed);
        if !path.exists() {
            return Ok(Vec::new());
        }
        let read =
            || -> csv::Result<Vec<Self>> { csv::Reader::from_path(&path)?.deserialize().collect() };
        let rows = read().with_context(|| format!("cannot read {}", path.display()))?;
        Ok(rows.into_iter().filter(|row| row.variant == trial.variant).collect())
    }
}

pub(crate) fn measured_path(results: &Path, experiment: &str, seed: u64) -> PathBuf {
    results.join(experiment).join(format!("seed-{seed}.measured.csv"))
}

/// Columns of `seed-N.measured.csv`.
const MEASURED: [&str; 7] =
    ["variant", "paid_calls", "stored_calls", "engine_s", "wall_s", "energy_j", "crashes"];

/// The table of one run seed.
#[derive(Debug)]
pub struct SeedReport {
    seed: u64,
    table: AblationTable,
    /// What a reader of the table must know.
    notes: Vec<String>,
    /// The table's files, made before anything measured was added: the same inputs, the same bytes.
    csv: Vec<u8>,
    markdown: Vec<u8>,
    /// The trials, the reference first.
    pub trials: Vec<CompletedTrial>,
    /// Variants that only an earlier table has, which is therefore kept.
    kept: Vec<String>,
}

impl SeedReport {
    fn new(experiment: &Experiment, seed: u64, trials: Vec<CompletedTrial>) -> Result<Self> {
        let facts: Vec<_> = trials.iter().map(|trial| trial.facts.clone()).collect();
        let reference = &experiment.variants[0].name;
        let mut table = AblationTable::new(&facts, reference, seed)?;
        // Rows stand in the order of the trials.
        for (row, trial) in table.rows.iter_mut().zip(&trials) {
            row.target = trial.record.target();
        }
        let mut csv = Vec::new();
        table.write_csv(&mut csv)?;
        let notes = publish::notes(experiment, &trials);
        let markdown = format!("{}\n{}\n", table.markdown(), notes.join("\n\n")).into_bytes();
        for (row, trial) in table.rows.iter_mut().zip(&trials) {
            row.measured = Some(RunCost {
                paid_calls: trial.paid.calls,
                answered_from_store: trial.paid.stored,
                engine_seconds: trial.paid.engine_seconds,
                wall_seconds: trial.seconds,
            });
        }
        Ok(Self { seed, table, notes, csv, markdown, trials, kept: Vec::new() })
    }

    fn facts(&self) -> impl Iterator<Item = &TrialFacts> {
        self.trials.iter().map(|trial| &trial.facts)
    }

    fn path(&self, experiment: &Experiment, results: &Path, ending: &str) -> PathBuf {
        results.join(&experiment.name).join(format!("seed-{}.{ending}", self.seed))
    }

    /// Writes the table as CSV and Markdown, and beside them what this run took on this machine. A run of
    /// some variants leaves an earlier table of more as it is.
    fn write(&mut self, experiment: &Experiment, results: &Path) -> Result<()> {
        let csv = self.path(experiment, results, "csv");
        let ran: Vec<&str> = self.trials.iter().map(|trial| trial.facts.variant.as_str()).collect();
        self.kept = EarlierTable::others(&csv, |table| {
            let others = table.column("variant")?.filter(|name| !ran.contains(name));
            Ok(others.map(str::to_owned).collect())
        })?;
        if self.kept.is_empty() {
            write_atomic(&csv, &self.csv)?;
            write_atomic(&self.path(experiment, results, "md"), &self.markdown)?;
        }
        let measured = measured_path(results, &experiment.name, self.seed);
        // Where the earlier file cannot be read, nothing of it is left to keep.
        let earlier = EarlierTable::read(&measured).ok().flatten();
        Ok(write_atomic(&measured, &self.measured_csv(earlier)?)?)
    }

    /// What earlier runs took, and below it what this one did. A replay from the store costs nothing, and says nothing
    /// of a trial that an earlier run paid for.
    fn measured_csv(&self, earlier: Option<EarlierTable>) -> Result<Vec<u8>> {
        // Another release had other columns: its rows would stand under wrong names.
        let earlier = earlier.filter(|table| table.header == MEASURED[..]);
        let rows = earlier.map(|table| table.rows).unwrap_or_default();
        let known: BTreeSet<&str> = rows.iter().filter_map(|row| row.get(0)).collect();
        let mut csv = CsvWriter::from_writer(Vec::new());
        csv.write_record(MEASURED)?;
        rows.iter().try_for_each(|row| csv.write_record(row))?;
        let is_news = |trial: &&CompletedTrial| {
            trial.paid.calls > 0 || !known.contains(trial.facts.variant.as_str())
        };
        for trial in self.trials.iter().filter(is_news) {
            csv.write_record([
                trial.facts.variant.clone(),
                trial.paid.calls.to_string(),
                trial.paid.stored.to_string(),
                format!("{:.3}", trial.paid.engine_seconds),
                format!("{:.3}", trial.seconds),
                trial.paid.joules.map_or_else(String::new, |joules| format!("{joules:.3}")),
                trial.paid.crashes.to_string(),
            ])?;
        }
        Ok(csv.into_inner()?)
    }

    /// Prints the table, what a reader must know, and where everything is.
    /// `place`: what a command must say of where the results are.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn print(
        &self,
        experiment: &Experiment,
        results: &Path,
        place: &str,
        out: &mut impl Write,
    ) -> Result<()> {
        writeln!(out, "{}, run seed {}: {}\n", experiment.name, self.seed, experiment.question)?;
        writeln!(out, "{}", self.table.terminal())?;
        for note in &self.notes {
            writeln!(out, "{note}")?;
        }
        let folder = results.join(&experiment.name);
        let files = ["md", "csv"].map(|ending| self.path(experiment, results, ending));
        writeln!(out, "\nTable:   {}", files[0].display())?;
        writeln!(out, "         {}", files[1].display())?;
        say_kept(&self.kept, out)?;
        let seed = self.seed;
        writeln!(out, "Samples: {}/<variant>/seed-{seed}/", folder.display())?;
        let reference = &self.trials[0];
        // One that became a sample has the longest trail.
        let example = reference.facts.candidates.iter().find(|candidate| candidate.is_sample());
        if let Some(sample) = example.or(reference.facts.candidates.first()) {
            let id = &reference.record.id;
            writeln!(out, "Trail:   gra-bench inspect {id} {}{place}", sample.id)?;
        }
        Ok(())
    }

    /// One JSON object: the CSV's columns per variant, and what this run measured.
    ///
    /// # Errors
    /// When the table cannot be rendered.
    pub fn json(&self) -> Result<serde_json::Value> {
        let mut rows = rows::json(&self.csv)?;
        for (row, trial) in rows.iter_mut().zip(&self.trials) {
            row.insert("paid_calls".into(), trial.paid.calls.into());
            row.insert("stored_calls".into(), trial.paid.stored.into());
            row.insert("engine_s".into(), trial.paid.engine_seconds.into());
            row.insert("wall_s".into(), trial.seconds.into());
            row.insert("crashes".into(), trial.paid.crashes.into());
            row.insert("energy_j".into(), trial.paid.joules.into());
            let long = LongTexts::of(&trial.facts.candidates, &trial.seeds);
            row.insert("long_instructions".into(), long.candidates.into());
            row.insert("long_seed_items".into(), long.seed_items.into());
        }
        // Rows bear no name of the experiment, which several seed sets tell apart.
        let experiment = self.trials.first().map(|trial| &trial.record.id.experiment);
        Ok(serde_json::json!({ "experiment": experiment, "seed": self.seed, "rows": rows }))
    }
}

/// Says that a table is an earlier run's, and why.
fn say_kept(others: &[String], out: &mut impl Write) -> Result<()> {
    if !others.is_empty() {
        let others = others.join(", ");
        writeln!(
            out,
            "         as an earlier run wrote it, because it also has {others}; remove it to have it \
             written anew"
        )?;
    }
    Ok(())
}

/// A table that an earlier run of the same experiment left.
struct EarlierTable {
    header: StringRecord,
    rows: Vec<StringRecord>,
}

impl EarlierTable {
    /// `None` where there is no file.
    fn read(path: &Path) -> Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        let mut csv = csv::Reader::from_path(path)?;
        let header = csv.headers()?.clone();
        Ok(Some(Self { header, rows: csv.into_records().collect::<csv::Result<_>>()? }))
    }

    /// What of a table this run has not, in words and each once.
    ///
    /// # Errors
    /// When the file is no such table.
    fn others(path: &Path, find: impl FnOnce(&Self) -> Result<Vec<String>>) -> Result<Vec<String>> {
        let found = Self::read(path).and_then(|table| table.as_ref().map(find).transpose());
        let found = found.with_context(|| {
            format!(
                "{} is no table that an earlier run wrote\nhint: move it away, and run again",
                path.display()
            )
        })?;
        let mut others: Vec<String> = Vec::new();
        for other in found.unwrap_or_default() {
            if !others.contains(&other) {
                others.push(other);
            }
        }
        Ok(others)
    }

    /// The fields of a column.
    fn column(&self, name: &str) -> Result<impl Iterator<Item = &str>> {
        let place = self.header.iter().position(|column| column == name);
        let place = place.with_context(|| format!("it has no column `{name}`"))?;
        Ok(self.rows.iter().map(move |row| row.get(place).unwrap_or_default()))
    }
}

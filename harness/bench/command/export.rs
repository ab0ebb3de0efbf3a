//! `export`: data sets in the formats of other tools.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use gra_files::write_atomic;
use gra_synth::candidate::{Candidate, Outcome};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::experiment::{Experiments, Overrides};
use crate::export::{
    self, Export, ExportedFile, Extent, MANIFEST, PreferenceFormat, ScoredAnswers, TestSplit,
    TrainingFormat,
};
use crate::failure::bad_input;
use crate::numbers::several;
use crate::raters::{BlindedSheet, KEY, PAGE, SHEET};
use crate::session::GlobalArgs;
use crate::store::{Store, TrialRow};
use crate::trial::TrialId;
use crate::trial::stored::{StoredTrial, TrialSelection};
use crate::{comparison, terminal};

/// Write data sets in the formats of other tools: a trial's samples, or everything that an experiment names.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
#[command(after_help = "Examples:
  gra-bench export ablation/gra/seed-42 --out data/gra
  gra-bench export ablation/gra/seed-42 --out data/split --format alpaca,messages --split 0.05
  gra-bench export experiments/main.toml --out data/main   # each variant and source: a folder
  gra-bench export experiments/refine.toml --sets gra-integrated --out data/integrated
  gra-bench export experiments/refine.toml --preferences dpo --out data/pairs
  gra-bench export ablation/gra/seed-42 --out raters --for-raters --n 100
  gra-bench export ablation --out tables --tidy

Sources of an experiment file are the data sets that take no run: the seed set, rounds 1 to n,
several data sets together, files of others.")]
pub(crate) struct ExportArgs {
    /// EXPERIMENT/VARIANT/seed-N, an experiment file, or a folder that `synth` made; with --tidy and --preferences
    /// also an EXPERIMENT.
    pub(super) trial: String,
    /// Folder to write to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Only these formats, separated by commas.
    #[arg(long, value_name = "FORMATS", value_delimiter = ',')]
    format: Vec<TrainingFormat>,
    /// Of an experiment file: only these variants and sources, separated by commas.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    sets: Vec<String>,
    /// Of an experiment file that was run with `--base`: the same file.
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
    /// Of an experiment file that was run with `--seed-set`: the same seed set.
    #[arg(long, value_name = "FILE")]
    seed_set: Option<PathBuf>,
    /// Hold out this share of the samples, above 0 and below 1, in a folder `test`.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    split: Option<f64>,
    /// Write preference data instead: `dpo` pairs each answer that review rejected with the best accepted answer to
    /// the same instruction, from all finished trials; `kto` labels every reviewed answer.
    #[arg(long, value_name = "KIND", conflicts_with_all = ["format", "split", "tidy", "for_raters"])]
    preferences: Option<PreferenceFormat>,
    /// Write what was recorded as four CSV tables in long form (candidates, samples, reviews, calls), for polars
    /// and R; all finished trials of an experiment together.
    #[arg(long, conflicts_with_all = ["format", "split", "sets", "for_raters"])]
    tidy: bool,
    /// Write a sheet of candidates for people to rate, half of them accepted and half rejected without telling
    /// which, its key, and how to rate. `stats --raters` reads it back.
    #[arg(long, conflicts_with_all = ["format", "split", "sets"])]
    for_raters: bool,
    /// At most N rows of the sheet.
    #[arg(long, value_name = "N", default_value_t = 50, requires = "for_raters",
          value_parser = clap::value_parser!(u16).range(2..))]
    n: u16,
    /// Run seed of an experiment file's trials [default: its first]; seed of a sheet's rows and their order
    /// [default: the trial's].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Write over another export, or over a sheet that is there, filled in or not, and its key.
    #[arg(long)]
    replace: bool,
    /// Print JSON: what was written.
    #[arg(long, conflicts_with_all = ["tidy", "for_raters"])]
    json: bool,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..1.0).contains(share) && *share > 0.0);
    share.ok_or_else(|| "a share above 0 and below 1 is wanted, such as 0.05".to_owned())
}

pub(crate) fn run(args: &ExportArgs, global: &GlobalArgs) -> Result<()> {
    let file = Path::new(&args.trial);
    // The name of a trial has no ending, and a folder that `synth` made is its trial by now.
    if file.extension().is_some_and(|ending| ending == "toml") {
        return args.experiment(file, global);
    }
    let store = global.read_store()?;
    if args.tidy {
        return tidy(args, &store);
    }
    // Answers to one instruction are of several trials, mostly: a name may mean an experiment.
    if let Some(kind) = args.preferences {
        let selection = TrialSelection { names: vec![args.trial.clone()], seed: args.seed };
        return args.preferences(kind, &args.trial, &selection, &store);
    }
    // From here on one trial is meant.
    if !args.sets.is_empty() {
        let what = "is one trial, of which --sets chooses nothing\nhint: give the experiment file";
        return Err(bad_input(anyhow!("{} {what}", args.trial)));
    }
    let trial = StoredTrial::open_finished(&store, &args.trial.parse()?)?;
    let (id, candidates) = (trial.id(), store.candidates(trial.row)?);
    if args.for_raters {
        return for_raters(args, id, &candidates);
    }
    check_samples(id, &candidates, &id.to_string())?;
    let export = Export::of_trial(&trial.record, &candidates)?;
    let written = args.write(&export, &args.out, id.seed)?;
    let said = format!("{} samples of {id}", export.len());
    args.say(&[written], &said)
}

/// Of an earlier export's manifest: which files it wrote.
#[derive(Default, Deserialize)]
struct ExportedFiles {
    files: BTreeMap<String, String>,
}

/// A data set that was written.
#[derive(Serialize)]
struct Written {
    #[serde(rename = "data_set")]
    name: String,
    samples: usize,
    files: Vec<PathBuf>,
}

impl ExportArgs {
    /// Writes the data sets of an experiment file, a folder each; one alone goes to the folder itself.
    fn experiment(&self, file: &Path, global: &GlobalArgs) -> Result<()> {
        let overrides = Overrides {
            base: self.base.clone(),
            seed_set: self.seed_set.clone(),
            seeds: self.seed.into_iter().collect(),
            ..Overrides::default()
        };
        let experiments = Experiments::load(file, &global.models, &overrides)?;
        let store = global.read_store_or_empty()?;
        if let Some(kind) = self.preferences {
            let names = experiments.each.iter().map(|experiment| experiment.name.clone()).collect();
            let selection = TrialSelection { names, seed: self.seed };
            return self.preferences(kind, &experiments.name, &selection, &store);
        }
        let mut written = Vec::new();
        for experiment in &experiments.each {
            let sets = comparison::data_sets(experiment, &self.sets, &store, file, "export")?;
            let is_alone = sets.len() == 1 && experiments.each.len() == 1;
            for set in &sets {
                let id = TrialId::new(&experiment.name, &set.name, experiment.seeds[0]);
                let folder = if is_alone { self.out.clone() } else { self.out.join(id.joined()) };
                let export = Export::of_data_set(id.joined(), set);
                if export.is_empty() {
                    bail!("no sample of {} has a response to train on", set.name);
                }
                written.push(self.write(&export, &folder, id.seed)?);
            }
        }
        let sets = several(written.len(), "data set");
        self.say(&written, &format!("{sets} of {}", experiments.name))
    }

    fn write(&self, export: &Export<'_>, folder: &Path, seed: u64) -> Result<Written> {
        let all = TrainingFormat::value_variants();
        let formats = if self.format.is_empty() { all } else { &self.format };
        let test = self.split.map(|share| TestSplit { share, seed });
        let files = export.files(&Extent { test, ..Extent::whole(formats) })?;
        let files = self.write_files(&files, folder)?;
        Ok(Written { name: export.name().to_owned(), samples: export.len(), files })
    }

    /// Writes files into a folder. One that holds another export, or other files of these names, is left alone unless they
    /// are to be replaced.
    fn write_files(&self, files: &[ExportedFile], folder: &Path) -> Result<Vec<PathBuf>> {
        // An export that lacks one of the files is another one; of other files only those of the same names matter.
        let has_export = folder.join(MANIFEST).exists();
        let is_kept = |file: &ExportedFile| match std::fs::read(folder.join(&file.name)) {
            Ok(bytes) => bytes == file.bytes,
            Err(_) => !has_export && !folder.join(&file.name).exists(),
        };
        if !self.replace && !files.iter().all(is_kept) {
            let what = if has_export { "another export" } else { "other files of the same names" };
            let hint = "hint: name a new folder with --out; --replace writes into this one";
            return Err(bad_input(anyhow!("{} holds {what}\n{hint}", folder.display())));
        }
        // The manifest of another export would say that the folder is whole while it is of two.
        let manifest = folder.join(MANIFEST);
        if let Ok(bytes) = std::fs::read(&manifest) {
            let cannot = || format!("cannot replace {}", manifest.display());
            std::fs::remove_file(&manifest).with_context(cannot)?;
            // What another export wrote and this one does not would pass for a part of it.
            let earlier = serde_json::from_slice::<ExportedFiles>(&bytes).unwrap_or_default();
            for name in earlier.files.keys().filter(|name| files.iter().all(|f| f.name != **name)) {
                // A manifest can be edited: it must not name what lies outside the folder.
                if Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
                    let _ = std::fs::remove_file(folder.join(name));
                }
            }
        }
        let write = |file: &ExportedFile| {
            let path = folder.join(&file.name);
            write_atomic(&path, &file.bytes)?;
            Ok(path)
        };
        files.iter().map(write).collect()
    }

    /// Writes pairs or labelled answers of all finished trials.
    fn preferences(
        &self,
        kind: PreferenceFormat,
        named: &str,
        selection: &TrialSelection,
        store: &Store,
    ) -> Result<()> {
        let is_wanted = |row: &&TrialRow| {
            row.finished && (self.sets.is_empty() || self.sets.contains(&row.id.variant))
        };
        let mut trials: Vec<(String, Vec<Candidate>)> = Vec::new();
        for row in selection.find(store)?.iter().filter(is_wanted) {
            let trial = StoredTrial::read(store, row)?;
            trials.push((row.id.to_string(), store.candidates(trial.row)?));
        }
        let given: Vec<(&str, &[Candidate])> =
            trials.iter().map(|(id, candidates)| (id.as_str(), candidates.as_slice())).collect();
        let answers = ScoredAnswers::gather(&given);
        let name = named.replace('/', "-");
        let (files, records) = answers.files(kind, &name)?;
        if records == 0 {
            let (missing, way_out) = match kind {
                PreferenceFormat::Dpo => (
                    "instruction with both an accepted and a rejected answer",
                    "variants that answer the seed set's own instructions have them \
                     (experiments/refine.toml); `--preferences kto` takes single answers",
                ),
                PreferenceFormat::Kto => (
                    "answer that all of its committee scored",
                    "reviews that could change no verdict are left out; an experiment with `economy = false` asks \
                     them all",
                ),
            };
            let trials = several(trials.len(), "finished trial");
            bail!("there is no {missing} in {trials} of {named}\nhint: {way_out}");
        }
        let files = self.write_files(&files, &self.out)?;
        let what = match kind {
            PreferenceFormat::Dpo => "pair",
            PreferenceFormat::Kto => "labelled answer",
        };
        let said = format!("{} of {named}", several(records, what));
        self.say(&[Written { name, samples: records, files }], &said)
    }

    fn say(&self, written: &[Written], said: &str) -> Result<()> {
        let mut out = terminal::json_or_text(self.json);
        if self.json {
            return Ok(writeln!(out, "{}", json!({ "written": written }))?);
        }
        for set in written {
            for file in &set.files {
                writeln!(out, "{}", file.display())?;
            }
            if written.len() > 1 {
                writeln!(out, "  {}: {} samples", set.name, set.samples)?;
            }
        }
        Ok(writeln!(out, "{said}")?)
    }
}

/// Writes the tables of trials.
fn tidy(args: &ExportArgs, store: &Store) -> Result<()> {
    let selection = TrialSelection { names: vec![args.trial.clone()], seed: None };
    let mut trials = Vec::new();
    // A trial under way would end in the middle of a round.
    for row in selection.find(store)?.iter().filter(|row| row.finished) {
        let trial = StoredTrial::read(store, row)?;
        trials.push((row.id.clone(), trial.facts(store)?));
    }
    if trials.is_empty() {
        let hint = "hint: run its experiment again; it goes on where it was";
        bail!("no trial of {} is finished\n{hint}", args.trial);
    }
    let mut out = terminal::stdout();
    for file in export::tidy::tables(&trials)? {
        let path = args.out.join(file.name);
        write_atomic(&path, &file.bytes)?;
        writeln!(out, "{}", path.display())?;
    }
    Ok(writeln!(out, "{} of {}", several(trials.len(), "trial"), args.trial)?)
}

/// How many samples there are; an error where there is none. `named`: the trial as commands are to name it.
pub(super) fn check_samples(id: &TrialId, candidates: &[Candidate], named: &str) -> Result<usize> {
    let samples = candidates.iter().filter(|candidate| candidate.is_sample()).count();
    if samples == 0 {
        let (all, outcomes) = (candidates.len(), outcomes(candidates));
        let hint = if candidates
            .iter()
            .any(|candidate| matches!(candidate.outcome, Some(Outcome::Failed { .. })))
        {
            "--retry-failed with the command that made it asks the failed calls again".to_owned()
        } else {
            format!("gra-bench rescore {named} says what other thresholds would have accepted")
        };
        bail!(
            "{id} has no sample to export: of its {all} candidates none was accepted ({outcomes})\n\
             hint: gra-bench inspect {named} says why each ended; {hint}"
        );
    }
    Ok(samples)
}

/// Writes a sheet for people to rate.
fn for_raters(args: &ExportArgs, id: &TrialId, candidates: &[Candidate]) -> Result<()> {
    // Another seed draws another sheet of the same trial.
    let seed = args.seed.unwrap_or(id.seed);
    let sheet = BlindedSheet::draw(id, candidates, args.n.into(), seed)?;
    let mut out = terminal::stdout();
    for path in sheet.write(&args.out, args.replace)? {
        writeln!(out, "{}", path.display())?;
    }
    let (rows, copies) = (sheet.describe(), args.out.join("sheet-NAME.csv"));
    let copies = copies.display();
    Ok(writeln!(
        out,
        "{rows}\nGive raters {SHEET} and {PAGE}, and keep {KEY} to yourself. When copies are filled in:\n  \
         gra-bench stats --raters {copies}"
    )?)
}

/// How candidates ended, by outcome.
pub(super) fn outcomes(candidates: &[Candidate]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for candidate in candidates {
        *counts.entry(candidate.outcome.map_or("undecided", Outcome::name)).or_default() += 1;
    }
    let counts = counts.iter().map(|(outcome, count)| format!("{count} {outcome}"));
    counts.collect::<Vec<_>>().join(", ")
}

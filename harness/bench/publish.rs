//! The published files of a trial: facts as tables, samples as data sets, and a manifest that is
//! written last, so that its existence means the rest is complete. The same inputs give the same
//! bytes: no times, no machine. And what a reader must know beside them, in sentences. What is read of a manifest again is
//! with trials' records.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::Path;

use anyhow::{Context, Result, bail};
use gra_analysis::frames;
use gra_synth::annotate::AnnotatedSeed;
use gra_synth::candidate::Candidate;
use gra_synth::committee::Decision;
use gra_synth::method::Method;
use gra_synth::request::ModelName;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use sha2::{Digest, Sha256};

use crate::answering::Thoughts;
use crate::experiment::Experiment;
use crate::export::{self, Export, ExportedFile, Extent, TrainingFormat};
use crate::seeds::Account;
use crate::store::tried_for_a_moment;
use crate::trial::manifest_path;
use crate::trial::running::CompletedTrial;
use gra_files::{make_folder, remove_if_any, write_atomic};

/// The record of how a trial's files were made.
///
/// Published: names and order of its fields stay.
#[derive(Serialize)]
struct Manifest<'a> {
    format: u32,
    gra_bench: &'a str,
    engine: &'a str,
    trial: String,
    question: &'a str,
    demonstration: bool,
    /// Raw: written within the manifest's indented JSON it stays on one line, as it was always published.
    settings: &'a RawValue,
    /// How much of the replies was thought, by model; absent where none was.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    thoughts: &'a BTreeMap<ModelName, Thoughts>,
    seed_set: SeedFile<'a>,
    /// Instructions that the encoder does not read at once.
    long_texts: LongTexts,
    /// SHA-256 of every file beside this one.
    files: BTreeMap<String, String>,
}

/// What was read of the seed set, and what was not.
#[derive(Serialize)]
struct SeedFile<'a> {
    file: &'a str,
    sha256: &'a str,
    #[serde(flatten)]
    account: Account,
}

/// Writes a trial's files under `results`.
///
/// # Errors
/// When a file cannot be written; the manifest is then missing.
pub(crate) fn write(experiment: &Experiment, trial: &CompletedTrial, results: &Path) -> Result<()> {
    let id = &trial.record.id;
    let folder = results.join(id.to_string());
    let manifest = manifest_path(results, id);
    // Without a manifest the files count as incomplete until the last of them is written.
    remove_if_any(&manifest).with_context(|| format!("cannot replace {}", manifest.display()))?;
    // Of the bytes that were made, not of what the disk gives back: a file that was damaged there is found out.
    let mut hashes = BTreeMap::new();
    for ExportedFile { name, bytes } in files(trial)? {
        write_atomic(&folder.join(&name), &bytes)?;
        hashes.insert(name, hex::encode(Sha256::digest(&bytes)));
    }
    let settings = to_raw_value(&trial.record.settings)?;
    let content = Manifest {
        format: 1,
        gra_bench: env!("CARGO_PKG_VERSION"),
        engine: gra_llm::llama::LLAMA_VERSION,
        trial: id.to_string(),
        question: &experiment.question,
        demonstration: experiment.demonstration,
        settings: &settings,
        thoughts: &trial.thoughts,
        seed_set: SeedFile {
            file: &experiment.seed_file,
            sha256: &experiment.seed_set.sha256,
            account: experiment.seed_set.account(),
        },
        long_texts: LongTexts::of(&trial.facts.candidates, &trial.seeds),
        files: hashes,
    };
    let mut bytes = serde_json::to_vec_pretty(&content)?;
    bytes.push(b'\n');
    Ok(write_atomic(&manifest, &bytes)?)
}

/// Every file but the manifest, by name.
fn files(trial: &CompletedTrial) -> Result<Vec<ExportedFile>> {
    let candidates = &trial.facts.candidates;
    let mut files = Vec::new();
    let frames = [
        ("candidates", frames::candidates(candidates)?),
        ("reviews", frames::reviews(candidates)?),
    ];
    for (name, frame) in frames {
        let (mut csv, mut parquet) = (Vec::new(), Vec::new());
        frames::write_csv(&frame, &mut csv)?;
        frames::write_parquet(&frame, &mut parquet)?;
        files.push(ExportedFile::new(format!("{name}.csv"), csv));
        files.push(ExportedFile::new(format!("{name}.parquet"), parquet));
    }
    let annotations = export::lines(trial.seeds.iter())?;
    files.push(ExportedFile::new("seed-annotations.jsonl", annotations));
    // The trial's manifest stands for that of the export.
    let extent = Extent::whole(&TrainingFormat::PUBLISHED);
    let exported = Export::of_trial(&trial.record, candidates)?.files(&extent)?;
    files.extend(exported.into_iter().filter(|file| file.name != export::MANIFEST));
    Ok(files)
}

/// Makes a folder for results, and fails early where it cannot be written, before anything is paid for.
///
/// # Errors
/// Names the folder.
pub(crate) fn check_writable(folder: &Path) -> Result<()> {
    make_folder(folder)
        .and_then(|()| tempfile::NamedTempFile::new_in(folder).map(drop))
        .with_context(|| {
            format!(
                "cannot write to the results folder {}\nhint: choose another with --results or --out",
                folder.display()
            )
        })
}

/// Holds an experiment's folder for one run, until the file is closed: two runs with stores of their own would each find
/// no trial of the other, and publish over it.
///
/// # Errors
/// When another run holds it, or it cannot be made.
pub(crate) fn hold(folder: &Path) -> Result<Option<File>> {
    let cannot = || format!("cannot make the folder {}", folder.display());
    make_folder(folder).with_context(cannot)?;
    // Where folders cannot be locked (some network file systems, systems other than Unix) nothing is.
    let Ok(held) = File::open(folder) else { return Ok(None) };
    if let Err(TryLockError::WouldBlock) = tried_for_a_moment(&held) {
        bail!(
            "another gra-bench is writing to {}\nhint: wait for it, or take another --name or --results",
            folder.display()
        );
    }
    Ok(Some(held))
}

/// What a reader of the table must know: demonstration or not, thresholds beside the paper's, what the recorded reviews
/// would mean at the paper's, and then what befell this run.
pub(crate) fn notes(experiment: &Experiment, trials: &[CompletedTrial]) -> Vec<String> {
    let mut notes: Vec<String> = experiment.starter_warning().into_iter().collect();
    if experiment.demonstration {
        notes.push(
            "This is a demonstration on a very small model: it shows the mechanics and is no result."
                .to_owned(),
        );
    }
    notes.extend(threshold_notes(&experiment.method, trials.first()));
    if !experiment.expectation.is_empty() {
        let numbers = experiment.expectation.iter();
        let numbers: Vec<String> =
            numbers.map(|number| format!("{} {}", number.about, number.printed)).collect();
        notes.push(format!("The paper prints: {}.", numbers.join("; ")));
    }
    notes.extend(thought_notes(trials));
    for CompletedTrial { facts, seeds, .. } in trials {
        let failed = seeds.iter().filter(|seed| !seed.failed.is_empty()).count();
        if failed > 0 {
            let (variant, all) = (&facts.variant, seeds.len());
            notes.push(format!(
                "`{variant}`: the annotation of {failed} of {all} seed items failed because the engine could not \
                 answer; they are left out of sampling."
            ));
        }
    }
    notes.extend(experiment.seed_set.account().notes(&experiment.seed_file));
    let long = |trial: &CompletedTrial| LongTexts::of(&trial.facts.candidates, &trial.seeds);
    let long = trials.iter().map(|trial| (trial.facts.variant.as_str(), long(trial)));
    notes.extend(LongTexts::in_words(long));
    notes
}

/// Our thresholds and the paper's, and where they differ, what the reference would have accepted at the paper's.
fn threshold_notes(ours: &Method, reference: Option<&CompletedTrial>) -> Vec<String> {
    let paper = Method::default();
    let mut notes = vec![format!(
        "Thresholds: tau {} (paper {}), delta {} (paper {}), cosine limit {} (paper {}).",
        ours.tau, paper.tau, ours.delta, paper.delta, ours.cosine_limit, paper.cosine_limit
    )];
    let changed = (ours.tau, ours.delta) != (paper.tau, paper.delta);
    if let (true, Some(reference)) = (changed, reference) {
        let decided = reference.facts.candidates.iter().filter_map(|candidate| {
            let whole = candidate.tally().map(|tally| tally.decide(paper.tau, paper.delta));
            // Reviews that were broken off could not reach our tau, so no higher one either.
            whole.or(candidate.decision.filter(|_| paper.tau >= ours.tau))
        });
        let decisions: Vec<Decision> = decided.collect();
        let [accepted, disputed, rejected] =
            [Decision::Accept, Decision::Dispute, Decision::Reject]
                .map(|of| decisions.iter().filter(|&&decision| decision == of).count());
        let (reviewed, variant) = (decisions.len(), &reference.facts.variant);
        notes.push(format!(
            "At the paper's thresholds the {reviewed} reviewed candidates of `{variant}` would be: {accepted} accepted, \
             {disputed} disputed, {rejected} rejected."
        ));
    }
    notes
}

/// What each model's thoughts took of its replies, over all trials.
fn thought_notes(trials: &[CompletedTrial]) -> Vec<String> {
    let mut models: BTreeMap<&ModelName, Thoughts> = BTreeMap::new();
    for (model, counted) in trials.iter().flat_map(|trial| &trial.thoughts) {
        models.entry(model).or_default().add(*counted);
    }
    let note = |(model, counted): (&ModelName, Thoughts)| {
        format!(
            "`{model}` thought in {} of {} replies, about {} of their {} tokens; thoughts are no part of \
             samples, scores and lengths.",
            counted.calls_with_thought, counted.calls, counted.thought_tokens, counted.reply_tokens
        )
    };
    models.into_iter().map(note).collect()
}

/// How many instructions of a trial are longer than the encoder reads at once. Deduplication compares these window by
/// window (METHOD.md, D1), and a reader must know that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct LongTexts {
    /// Of candidates that were compared.
    pub(crate) candidates: usize,
    /// Of seed items.
    pub(crate) seed_items: usize,
}

impl LongTexts {
    pub(crate) fn of(candidates: &[Candidate], seeds: &[AnnotatedSeed]) -> Self {
        Self {
            candidates: candidates.iter().filter(|candidate| candidate.long).count(),
            seed_items: seeds.iter().filter(|seed| seed.long).count(),
        }
    }

    /// What the counts of an experiment's variants say together; `None` where no text is long. Variants under one
    /// run seed have the same seed items.
    pub(crate) fn in_words<'a>(
        variants: impl IntoIterator<Item = (&'a str, Self)>,
    ) -> Option<String> {
        let variants: Vec<(&str, Self)> = variants.into_iter().collect();
        let seed_items = variants.iter().map(|(_, long)| long.seed_items).max().unwrap_or(0);
        let candidates = variants.iter().filter(|(_, long)| long.candidates > 0);
        let candidates = candidates.map(|(name, long)| format!("{} of `{name}`", long.candidates));
        let candidates: Vec<String> = candidates.collect();
        let parts = [
            (seed_items > 0).then(|| format!("{seed_items} of the seed items")),
            (!candidates.is_empty()).then(|| format!("candidates ({})", candidates.join(", "))),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| {
            format!(
                "Longer than the encoder reads at once, or in letters that it does not know, are the instructions of {}: they were compared in windows \
                 (METHOD.md, D1).",
                parts.join(" and ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_counted_by_variant_and_nothing_is_said_of_nothing() {
        let long = |candidates, seed_items| LongTexts { candidates, seed_items };
        assert_eq!(LongTexts::in_words([("gra", long(0, 0)), ("other", long(0, 0))]), None);
        insta::assert_snapshot!(
            LongTexts::in_words([("gra", long(3, 2)), ("a", long(0, 2)), ("b", long(1, 0))]).unwrap(),
            @"Longer than the encoder reads at once, or in letters that it does not know, are the instructions of 2 of the seed items and candidates (3 of `gra`, 1 of `b`): they were compared in windows (METHOD.md, D1)."
        );
        insta::assert_snapshot!(LongTexts::in_words([("gra", long(0, 1))]).unwrap(), @"Longer than the encoder reads at once, or in letters that it does not know, are the instructions of 1 of the seed items: they were compared in windows (METHOD.md, D1).");
    }
}

//! Running programs on this machine: the trainer of what was prepared, and llama.cpp's converter, which makes a GGUF file
//! of the trained model.
//!
//! A training that was interrupted goes on from its newest whole checkpoint. A disk that is full, or a process that is
//! killed, leaves one that is cut off, and LLaMA-Factory resumes from the newest one whatever is in it: so those that are
//! cut off are found here and put aside.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::TrainingError::{self, Unusable};
use super::base::whole_safetensors;
use super::outputs::{LogReader, TrainingProgress, from_python};
use super::record::{self, TrainingInputs, TrainingRecord};
use super::{convert, entries, file};
use crate::engine::{Ending, EngineProcess, Environment, ProgramError};

/// How long a trainer that was killed may take to give its memory back and be gone.
const TO_DIE: Duration = Duration::from_secs(5);

/// Time between two looks at it.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How a ZIP archive ends, which torch's files are: 22 bytes that begin so.
const ZIP_END: [u8; 4] = *b"PK\x05\x06";
const ZIP_END_SIZE: i64 = 22;

/// What is shown of a running training.
#[derive(Clone, Debug, PartialEq)]
pub enum TrainingEvent {
    /// A checkpoint was cut off and is not resumed from: where it is now, and what is wrong with it.
    PutAside(PathBuf, String),
    /// It goes on after this step.
    ResumedFrom(u64),
    /// A step was logged.
    Step(TrainingProgress),
}

/// Runs a prepared training and records it. One that is finished already is not run again; one that was interrupted goes on
/// from its newest whole checkpoint. Everything that the trainer says is appended to `train.log`.
///
/// When `stop` is set, the trainer is ended, and the training can be run again.
///
/// # Errors
/// When nothing was prepared there, the trainer fails, or its loss becomes no number.
pub fn train(
    folder: &Path,
    environment: &Environment,
    stop: &AtomicBool,
    show: &mut dyn FnMut(TrainingEvent),
) -> Result<TrainingRecord, TrainingError> {
    let inputs = TrainingInputs::prepared(folder)?;
    if let Some(record) = TrainingRecord::read(folder)? {
        return Ok(record);
    }
    inputs.check_files(folder)?;
    check_not_running(folder)?;
    let model = folder.join(file::MODEL);
    // The trainer's last file: where it is there, only the record is missing.
    if !model.join("all_results.json").is_file() {
        let found = prepare_to_resume(&model)?;
        for (path, why) in found.put_aside {
            show(TrainingEvent::PutAside(path, why));
        }
        found.newest.into_iter().for_each(|step| show(TrainingEvent::ResumedFrom(step)));
        run(folder, environment, stop, show)?;
    }
    record::write(folder, inputs)
}

fn run(
    folder: &Path,
    environment: &Environment,
    stop: &AtomicBool,
    show: &mut dyn FnMut(TrainingEvent),
) -> Result<(), TrainingError> {
    let mut command = Command::new("sh");
    command.arg(file::SHELL).current_dir(folder).env("PATH", path_with(environment)?);
    // These are for other machines: here the base is where train.yaml says.
    command.env_remove("BASE");
    let mut log = LogReader::at_end(folder.join(file::MODEL).join("trainer_log.jsonl"));
    // Set by us as well: hours of a training whose loss is no number are lost hours.
    let end = AtomicBool::new(false);
    let mut broken = None;
    let program = EngineProcess::start(command, &folder.join(file::LOG))?;
    let mut look = || {
        for progress in log.new_steps() {
            if !progress.loss.is_finite() && broken.is_none() {
                broken = Some(progress.step);
            }
            show(TrainingEvent::Step(progress));
        }
        end.store(broken.is_some() || stop.load(Ordering::Relaxed), Ordering::Relaxed);
    };
    let ending = program.wait(&end, &mut look);
    // What was logged between the last look and the end.
    look();
    if let Some(step) = broken {
        return Err(TrainingError::LossIsNoNumber { step });
    }
    match ending {
        Ok(Ending::Done) => Ok(()),
        Ok(Ending::Stopped) => Err(TrainingError::Stopped),
        Err(failure) => Err(explained(folder, failure)),
    }
}

/// torch says of a full disk that a position in a file is not what it expected.
fn explained(folder: &Path, failure: ProgramError) -> TrainingError {
    let model = folder.join(file::MODEL);
    let Ok(Some((checkpoint, problem))) = newest_cut_off(&model) else {
        return failure.into();
    };
    let free = rustix::fs::statvfs(&model).map_or(0, |disk| disk.f_bavail * disk.f_frsize);
    let (checkpoint, free_mb) = (checkpoint.display(), free >> 20);
    TrainingError::CheckpointCutOff(format!(
        "{failure}\nit ended while it wrote {checkpoint} ({problem}); {free_mb} MB are free on that disk\n\
         hint: make room where the disk is full, and repeat the command: it goes on from the checkpoint before"
    ))
}

/// The environment's programs first: `torchrun` is looked up by LLaMA-Factory itself.
fn path_with(environment: &Environment) -> Result<OsString, TrainingError> {
    let cli = environment.program("llamafactory-cli");
    let cli = std::path::absolute(&cli).map_err(TrainingError::from_io(&cli))?;
    let folder = cli.parent().map(Path::to_owned);
    let old = env::var_os("PATH").unwrap_or_default();
    let folders = folder.into_iter().chain(env::split_paths(&old));
    env::join_paths(folders).map_err(|_| {
        let folder = environment.folder.display();
        let said = "has ':' in its name, so its programs cannot be put on PATH";
        Unusable(format!("the environment's folder {folder} {said}"))
    })
}

/// A trainer outlives a gra-bench that was killed. It holds a lock while it runs; a second one would write into the same
/// folder.
fn check_not_running(folder: &Path) -> Result<(), TrainingError> {
    let path = folder.join(".running");
    let file = File::create(&path).map_err(TrainingError::from_io(&path))?;
    let deadline = Instant::now() + TO_DIE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(LOOK_EVERY),
            Err(TryLockError::WouldBlock) => return Err(TrainingError::Running(folder.to_owned())),
            Err(TryLockError::Error(error)) => return Err(TrainingError::from_io(&path)(error)),
        }
    }
}

/// The checkpoints of a model folder.
#[derive(Debug, Default, PartialEq, Eq)]
struct Checkpoints {
    /// Step of the newest whole one.
    newest: Option<u64>,
    /// Where cut-off ones are now, and what is wrong with each.
    put_aside: Vec<(PathBuf, String)>,
}

/// Finds the newest whole checkpoint. Newer ones that are cut off are renamed to `cut-off-STEP`, so that they are not
/// resumed from.
///
/// # Errors
/// When the folder cannot be read or a checkpoint not be renamed.
fn prepare_to_resume(model: &Path) -> Result<Checkpoints, TrainingError> {
    let mut found = Checkpoints::default();
    for (step, folder) in newest_first(model)? {
        let Err(problem) = check(&folder, step) else {
            found.newest = Some(step);
            break;
        };
        let aside = model.join(format!("cut-off-{step}"));
        let failed = TrainingError::from_io(&aside);
        // Of an earlier try: one is enough to look at, and each is as large as three models.
        if aside.exists() {
            fs::remove_dir_all(&aside).map_err(&failed)?;
        }
        fs::rename(&folder, &aside).map_err(failed)?;
        found.put_aside.push((aside, problem));
    }
    Ok(found)
}

/// The newest checkpoint and what is wrong with it, where something is.
fn newest_cut_off(model: &Path) -> Result<Option<(PathBuf, String)>, TrainingError> {
    let Some((step, folder)) = newest_first(model)?.into_iter().next() else { return Ok(None) };
    Ok(check(&folder, step).err().map(|problem| (folder, problem)))
}

/// Removes all checkpoints of a model folder, also those that were put aside; what it frees, in bytes.
pub(super) fn remove_checkpoints(model: &Path) -> Result<u64, TrainingError> {
    let mut freed = 0;
    for entry in fs::read_dir(model).map_err(TrainingError::from_io(model))? {
        let path = entry.map_err(TrainingError::from_io(model))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if step_of(&name, "checkpoint-").or(step_of(&name, "cut-off-")).is_some() {
            freed += size(&path);
            fs::remove_dir_all(&path).map_err(TrainingError::from_io(&path))?;
        }
    }
    Ok(freed)
}

fn newest_first(model: &Path) -> Result<Vec<(u64, PathBuf)>, TrainingError> {
    let with_step = |path: PathBuf| {
        let step = step_of(&path.file_name()?.to_string_lossy(), "checkpoint-")?;
        Some((step, path))
    };
    let mut found: Vec<(u64, PathBuf)> =
        entries(model)?.into_iter().filter_map(with_step).collect();
    // By number: as text, 900 would come after 1000.
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

fn step_of(name: &str, beginning: &str) -> Option<u64> {
    name.strip_prefix(beginning)?.parse().ok()
}

fn size(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else {
        return fs::symlink_metadata(path).map_or(0, |metadata| metadata.len());
    };
    entries.flatten().map(|entry| size(&entry.path())).sum()
}

/// Whether a checkpoint is whole, or what is wrong with it. The state is written last, so where it is there all else was
/// written; lengths are looked at as well, since a crash of the machine may lose what was written.
fn check(folder: &Path, step: u64) -> Result<(), String> {
    #[derive(Deserialize)]
    struct State {
        global_step: u64,
    }
    let text = fs::read_to_string(folder.join("trainer_state.json"));
    let text = text.map_err(|error| format!("trainer_state.json: {error}"))?;
    let state = from_python::<State>(&text);
    let state = state.map_err(|error| format!("trainer_state.json: {error}"))?;
    if state.global_step != step {
        return Err(format!("trainer_state.json is of step {}", state.global_step));
    }
    let mut has_weights = false;
    let mut folders = vec![folder.to_owned()];
    while let Some(here) = folders.pop() {
        for entry in fs::read_dir(&here).map_err(|error| error.to_string())? {
            let path = entry.map_err(|error| error.to_string())?.path();
            let named = |problem: String| {
                format!("{}: {problem}", path.strip_prefix(folder).unwrap_or(&path).display())
            };
            let end = path.extension().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                // DeepSpeed keeps the optimizer's state in a folder of its own.
                folders.push(path);
            } else if end == "safetensors" {
                has_weights = true;
                whole_safetensors(&path).map_err(named)?;
            } else if matches!(end.as_ref(), "pt" | "pth" | "bin") {
                whole_torch_file(&path).map_err(named)?;
                has_weights |= end == "bin" && here == folder;
            }
        }
    }
    if has_weights { Ok(()) } else { Err("no weights".to_owned()) }
}

/// A file of torch is a ZIP archive, whose end is written last.
fn whole_torch_file(path: &Path) -> Result<(), String> {
    let read = || -> io::Result<bool> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(-ZIP_END_SIZE))?;
        let mut end = [0; 4];
        file.read_exact(&mut end)?;
        Ok(end == ZIP_END)
    };
    // Seeking before a file's beginning fails: it is shorter than any archive.
    if read().unwrap_or(false) { Ok(()) } else { Err("cut off".to_owned()) }
}

/// Makes `model.F16.gguf` of a trained model: weights as 16-bit floats, the tokenizer and the chat template that the
/// training saved. A file that is there already is left alone.
///
/// # Errors
/// When the training is not finished, or the converter fails; its log is `gguf.log`.
pub fn to_gguf(
    folder: &Path,
    environment: &Environment,
    stop: &AtomicBool,
) -> Result<PathBuf, TrainingError> {
    let out = folder.join(file::GGUF);
    let record = folder.join(file::RECORD);
    if !record.is_file() {
        return Err(TrainingError::missing(&record));
    }
    if out.is_file() {
        return Ok(out);
    }
    let part = folder.join("model.F16.gguf.part");
    let mut command = Command::new(environment.program("hf-to-gguf"));
    command.arg(folder.join(file::MODEL)).arg("--outfile").arg(&part).args(["--outtype", "f16"]);
    // Otherwise the model in the file is called after its folder, `model`.
    if let Some(name) = folder.file_name() {
        command.arg("--model-name").arg(name);
    }
    command.env("HF_HUB_OFFLINE", "1");
    convert(command, &folder.join("gguf.log"), stop)?;
    let mut magic = [0; 4];
    let read = File::open(&part).and_then(|mut file| {
        file.read_exact(&mut magic)?;
        // On disk before it has its name.
        file.sync_all()
    });
    read.map_err(TrainingError::from_io(&part))?;
    if magic != *b"GGUF" {
        return Err(TrainingError::damaged(&part, "the converter wrote no GGUF"));
    }
    fs::rename(&part, &out).map_err(TrainingError::from_io(&out))?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn safetensors(data: usize) -> Vec<u8> {
        let header = br#"{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}"#;
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header);
        bytes.resize(bytes.len() + data, 0);
        bytes
    }

    fn torch_file() -> Vec<u8> {
        let mut bytes = b"PK\x03\x04 content ".to_vec();
        bytes.extend_from_slice(&ZIP_END);
        bytes.resize(bytes.len() + 18, 0);
        bytes
    }

    fn write_checkpoint(model: &Path, step: u64) -> PathBuf {
        let folder = model.join(format!("checkpoint-{step}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("model.safetensors"), safetensors(8)).unwrap();
        fs::write(folder.join("optimizer.pt"), torch_file()).unwrap();
        let state = format!("{{\"global_step\": {step}, \"log_history\": [{{\"loss\": NaN}}]}}");
        fs::write(folder.join("trainer_state.json"), state).unwrap();
        folder
    }

    #[test]
    fn the_newest_whole_one_is_taken() {
        let cases: [(&str, Option<&[u8]>, &str); 6] = [
            ("trainer_state.json", None, "trainer_state.json: No such file"),
            ("trainer_state.json", Some(b"{\"global_step\": 1"), "trainer_state.json: EOF"),
            ("trainer_state.json", Some(b"{\"global_step\": 10}"), "is of step 10"),
            ("optimizer.pt", Some(b"PK\x03\x04 content "), "optimizer.pt: cut off"),
            ("model.safetensors", Some(&safetensors(5)), "model.safetensors: "),
            ("model.safetensors", None, "no weights"),
        ];
        for (file, bytes, said) in cases {
            let folder = tempfile::tempdir().unwrap();
            let model = folder.path();
            for step in [2, 4, 12] {
                write_checkpoint(model, step);
            }
            let path = model.join("checkpoint-12").join(file);
            match bytes {
                Some(bytes) => fs::write(path, bytes).unwrap(),
                None => fs::remove_file(path).unwrap(),
            }
            let found = prepare_to_resume(model).unwrap();
            assert_eq!(found.newest, Some(4), "{file}");
            let (aside, problem) = &found.put_aside[0];
            assert!(problem.contains(said), "{problem}");
            assert!(aside.ends_with("cut-off-12") && aside.is_dir());
            assert!(!model.join("checkpoint-12").exists() && model.join("checkpoint-2").exists());
            // A second look finds nothing more to do.
            let again = Checkpoints { newest: Some(4), put_aside: Vec::new() };
            assert_eq!(prepare_to_resume(model).unwrap(), again);
            assert!(remove_checkpoints(model).unwrap() > 0);
            assert_eq!(fs::read_dir(model).unwrap().count(), 0);
        }
        assert_eq!(prepare_to_resume(Path::new("/nothing")).unwrap(), Checkpoints::default());
    }
}

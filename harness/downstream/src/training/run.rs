//! Running programs on this machine: the trainer of what was prepared, and llama.cpp's converter, which makes a GGUF file
//! of the trained model.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::checkpoints;
use super::inputs::TrainingInputs;
use super::outputs::{LogReader, TrainingProgress};
use super::record::{self, TrainingRecord};
use super::{TrainingError, convert, file};
use crate::environment::Environment;
use crate::program::{Ending, EngineProcess, ProgramError};

/// How long a trainer that was killed may take to give its memory back and be gone.
const TO_DIE: Duration = Duration::from_secs(5);

/// Time between two looks at it.
const LOOK_EVERY: Duration = Duration::from_millis(100);

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
        let found = checkpoints::prepare_to_resume(&model)?;
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
    let Ok(Some((checkpoint, problem))) = checkpoints::newest_cut_off(&model) else {
        return failure.into();
    };
    let free = rustix::fs::statvfs(&model).map_or(0, |disk| disk.f_bavail * disk.f_frsize);
    let free_mb = free >> 20;
    TrainingError::CheckpointCutOff { checkpoint, problem, free_mb, failure: Box::new(failure) }
}

/// The environment's programs first: `torchrun` is looked up by LLaMA-Factory itself.
fn path_with(environment: &Environment) -> Result<OsString, TrainingError> {
    let cli = environment.program("llamafactory-cli");
    let cli = std::path::absolute(&cli).map_err(TrainingError::from_io(&cli))?;
    let folder = cli.parent().map(Path::to_owned);
    let old = env::var_os("PATH").unwrap_or_default();
    let folders = folder.into_iter().chain(env::split_paths(&old));
    env::join_paths(folders)
        .map_err(|_| TrainingError::FolderWithSeparator(environment.folder.clone()))
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
        return Err(TrainingError::FileMissing(record));
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

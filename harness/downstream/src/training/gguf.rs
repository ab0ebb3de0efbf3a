//! A trained model becomes a GGUF file, by llama.cpp's own converter.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use super::{TrainingError, file};
use crate::environment::Environment;
use crate::program::{Ending, EngineProcess};

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
        return Err(TrainingError::FileMissing { file: record });
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
    let program = EngineProcess::start(command, &folder.join("gguf.log"))?;
    if program.wait(stop, || ())? == Ending::Stopped {
        return Err(TrainingError::Stopped);
    }
    let mut magic = [0; 4];
    let read = File::open(&part).and_then(|mut file| {
        file.read_exact(&mut magic)?;
        // On disk before it has its name.
        file.sync_all()
    });
    read.map_err(TrainingError::from_io(&part))?;
    if magic != *b"GGUF" {
        let problem = "the converter wrote no GGUF".to_owned();
        return Err(TrainingError::Damaged { file: part, problem });
    }
    fs::rename(&part, &out).map_err(TrainingError::from_io(&out))?;
    Ok(out)
}

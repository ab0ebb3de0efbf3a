//! Checkpoints of a training: which are whole. A disk that is full, or a process that is killed, leaves one that is cut
//! off, and LLaMA-Factory resumes from the newest one whatever is in it.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{TrainingError, entries};

/// How a ZIP archive ends, which torch's files are: 22 bytes that begin so.
const ZIP_END: [u8; 4] = *b"PK\x05\x06";
const ZIP_END_SIZE: i64 = 22;

/// Longest header of a safetensors file; the format's own limit.
const LONGEST_HEADER: u64 = 100 << 20;

/// The checkpoints of a model folder.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Checkpoints {
    /// Step of the newest whole one.
    pub(super) newest: Option<u64>,
    /// Where cut-off ones are now, and what is wrong with each.
    pub(super) put_aside: Vec<(PathBuf, String)>,
}

/// Finds the newest whole checkpoint. Newer ones that are cut off are renamed to `cut-off-STEP`, so that they are not
/// resumed from.
///
/// # Errors
/// When the folder cannot be read or a checkpoint not be renamed.
pub(super) fn prepare_to_resume(model: &Path) -> Result<Checkpoints, TrainingError> {
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
pub(super) fn newest_cut_off(model: &Path) -> Result<Option<(PathBuf, String)>, TrainingError> {
    let Some((step, folder)) = newest_first(model)?.into_iter().next() else { return Ok(None) };
    Ok(check(&folder, step).err().map(|problem| (folder, problem)))
}

/// Removes all checkpoints, also those that were put aside; what it frees, in bytes.
pub(super) fn remove_all(model: &Path) -> Result<u64, TrainingError> {
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
    let state = super::outputs::from_python::<State>(&text);
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

/// A safetensors file is as long as its header says.
pub(super) fn whole_safetensors(path: &Path) -> Result<(), String> {
    let read = || -> io::Result<(u64, u64)> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut size = [0; 8];
        file.read_exact(&mut size)?;
        let size = u64::from_le_bytes(size).min(LONGEST_HEADER);
        let mut header = Vec::new();
        file.take(size).read_to_end(&mut header)?;
        let tensors: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&header)?;
        let end = |tensor: &serde_json::Value| tensor.get("data_offsets")?.get(1)?.as_u64();
        let data = tensors.values().filter_map(end).max().unwrap_or(0);
        Ok((8 + size + data, length))
    };
    match read() {
        Ok((expected, length)) if expected == length => Ok(()),
        Ok((expected, length)) => Err(format!("{length} bytes of {expected}")),
        Err(error) => Err(error.to_string()),
    }
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
            assert!(remove_all(model).unwrap() > 0);
            assert_eq!(fs::read_dir(model).unwrap().count(), 0);
        }
        assert_eq!(prepare_to_resume(Path::new("/nothing")).unwrap(), Checkpoints::default());
    }
}

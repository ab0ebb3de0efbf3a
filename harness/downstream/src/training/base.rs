//! The model that a training starts from: a Hugging Face folder, a name of the Hugging Face hub, or a GGUF file, which is
//! made into a folder first.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use gra_files::digest::DigestCache;
use serde::{Deserialize, Serialize};

use super::TrainingError::{self, Unusable};
use super::{convert, is_plain};
use crate::engine::Environment;

/// Says of a folder that was made from a GGUF file which file that was.
const ORIGIN: &str = "converted-from.json";

/// Longest header of a safetensors file; the format's own limit.
const LONGEST_HEADER: u64 = 100 << 20;

/// A base model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// A Hugging Face folder: `config.json`, weights, tokenizer.
    Folder(PathBuf),
    /// A repository of the hub. LLaMA-Factory downloads it.
    Hub {
        /// `OWNER/NAME`.
        name: String,
        /// A commit, tag or branch; without one, what `main` is on the day of the training.
        revision: Option<String>,
    },
    /// A GGUF file. [`Base::converted`] makes a folder of it.
    Gguf(PathBuf),
}

/// What a training remembers of its base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseRecord {
    /// The folder's name, or the hub's.
    pub name: String,
    /// Of a hub's model, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The GGUF file that the folder was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gguf: Option<GgufOrigin>,
    /// `config.json`, weights and tokenizer by their names; empty for a hub's model.
    pub files: BTreeMap<String, FileRecord>,
}

/// The GGUF file that a folder was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GgufOrigin {
    /// Its name.
    pub file: String,
    /// SHA-256 of it.
    pub sha256: String,
}

/// A file's size and content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of it.
    pub sha256: String,
}

impl Base {
    /// What an argument of the command line means.
    ///
    /// # Errors
    /// When it is none of the three.
    pub fn parse(text: &str) -> Result<Self, TrainingError> {
        let is_gguf = |path: &Path| path.extension().is_some_and(|end| end == "gguf");
        let path = Path::new(text);
        if path.is_dir() {
            return Ok(Self::Folder(path.to_owned()));
        }
        if path.is_file() && is_gguf(path) {
            return Ok(Self::Gguf(path.to_owned()));
        }
        let (name, revision) =
            text.split_once('@').map_or((text, None), |(name, revision)| (name, Some(revision)));
        // `models/base` that is not there is a slip, and looks like a hub's name all the same: the hub then says so.
        let is_hubs = name.split_once('/').is_some_and(|(owner, model)| {
            is_plain(owner) && is_plain(model) && !is_gguf(Path::new(name))
        });
        if !is_hubs || !revision.is_none_or(is_plain) {
            return Err(Unusable(format!(
                "no base model {text}: it is no folder, no GGUF file and no OWNER/NAME of the Hugging Face hub"
            )));
        }
        Ok(Self::Hub { name: name.to_owned(), revision: revision.map(str::to_owned) })
    }

    /// Makes a Hugging Face folder of a GGUF file, below `root`, and is that folder; every other base stays as it is. A
    /// file that was converted before is not converted again.
    ///
    /// # Errors
    /// When the file cannot be read or is not converted.
    pub fn converted(
        self,
        root: &Path,
        environment: &Environment,
        digests: &mut DigestCache,
        stop: &AtomicBool,
    ) -> Result<Self, TrainingError> {
        let Self::Gguf(file) = self else { return Ok(self) };
        let sha256 = digests.sha256(&file).map_err(unreadable(&file))?;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        // Another file of the same name has another hash, and with it another folder.
        let folder = root.join(format!("{stem}-{}", &sha256[..12]));
        let origin = folder.join(ORIGIN);
        // Written last, so its being there means that the folder is whole.
        if !origin.is_file() {
            fs::create_dir_all(root).map_err(TrainingError::from_io(root))?;
            let mut command = Command::new(environment.program("gguf-to-hf"));
            command.arg(&file).arg(&folder).env("HF_HUB_OFFLINE", "1");
            convert(command, &root.join(format!("{stem}.log")), stop)?;
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            super::write_json(&origin, &GgufOrigin { file: name, sha256 })?;
        }
        Ok(Self::Folder(folder))
    }

    /// What `model_name_or_path` is. A folder's path is absolute, as the trainer runs in another working directory.
    pub(super) fn location(&self) -> Result<String, TrainingError> {
        match self {
            Self::Hub { name, .. } => Ok(name.clone()),
            Self::Folder(path) | Self::Gguf(path) => {
                let absolute = fs::canonicalize(path).map_err(unreadable(path))?;
                Ok(absolute.display().to_string())
            }
        }
    }

    /// Checks that it can be trained, and hashes it.
    pub(super) fn record(
        &self,
        template_of: Option<&str>,
        digests: &mut DigestCache,
    ) -> Result<BaseRecord, TrainingError> {
        match self {
            Self::Gguf(file) => Err(Unusable(format!(
                "base model {} is a GGUF file, which is converted before it is trained",
                file.display()
            ))),
            Self::Hub { name, revision } => Ok(BaseRecord {
                name: name.clone(),
                revision: revision.clone(),
                gguf: None,
                files: BTreeMap::new(),
            }),
            Self::Folder(folder) => record_folder(folder, template_of, digests),
        }
    }
}

fn record_folder(
    folder: &Path,
    template_of: Option<&str>,
    digests: &mut DigestCache,
) -> Result<BaseRecord, TrainingError> {
    let shown = folder.display();
    let incomplete = |missing: &str, hint: &str| {
        Unusable(format!("base model {shown}: no {missing} in it\nhint: {hint}"))
    };
    if !folder.join("config.json").is_file() {
        return Err(incomplete("config.json", "give the folder that holds config.json"));
    }
    // A download that was interrupted leaves an index that names more files than there are.
    for shard in shards(folder)? {
        if !folder.join(&shard).is_file() {
            return Err(incomplete(&shard, "download the model again"));
        }
    }
    let files = hashed_files(folder, digests)?;
    if !files.keys().any(|name| is_weights(name)) {
        return Err(incomplete("*.safetensors", "download the model again, with its weights"));
    }
    let tokenizers = ["tokenizer.json", "tokenizer.model", "vocab.json"];
    if !tokenizers.iter().any(|name| files.contains_key(*name)) {
        let hint = "add tokenizer.json and tokenizer_config.json of the model it was made from";
        return Err(incomplete("tokenizer", hint));
    }
    if let Some(recipe) = template_of
        && !has_chat_template(folder)
    {
        return Err(Unusable(format!(
            "base model {shown} has no chat template, and recipe {recipe} names none\n\
             hint: add `template = \"default\"` to the recipe, as the paper does, or add \
             chat_template.jinja to the folder"
        )));
    }
    let origin = fs::read(folder.join(ORIGIN)).ok();
    let gguf = origin.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let absolute = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let name = absolute.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(BaseRecord { name, revision: None, gguf, files })
}

/// What the system says of a base model, or a parser of a file of it.
fn unreadable<E: Display>(path: &Path) -> impl Fn(E) -> TrainingError {
    let path = path.to_owned();
    move |problem| Unusable(format!("cannot read base model {}: {problem}", path.display()))
}

fn is_weights(name: &str) -> bool {
    let end = Path::new(name).extension().unwrap_or_default();
    end == "safetensors" || (end == "bin" && name.starts_with("pytorch_model"))
}

/// The files that an index of several weight files names.
fn shards(folder: &Path) -> Result<Vec<String>, TrainingError> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let path = folder.join("model.safetensors.index.json");
    let Ok(bytes) = fs::read(&path) else { return Ok(Vec::new()) };
    let index: Index = serde_json::from_slice(&bytes).map_err(unreadable(&path))?;
    let mut names: Vec<String> = index.weight_map.into_values().collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// What a training depends on: the configuration, the tokenizer, the weights.
pub(super) fn hashed_files(
    folder: &Path,
    digests: &mut DigestCache,
) -> Result<BTreeMap<String, FileRecord>, TrainingError> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
        let entry = entry.map_err(unreadable(folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let counts = ["config.json", "chat_template.jinja", "vocab.json", "merges.txt"];
        if counts.contains(&name.as_str()) || name.starts_with("tokenizer") || is_weights(&name) {
            let path = entry.path();
            // Through links: the hub's cache consists of them.
            let bytes = fs::metadata(&path).map_err(unreadable(&path))?.len();
            let sha256 = digests.sha256(&path).map_err(unreadable(&path))?;
            files.insert(name, FileRecord { bytes, sha256 });
        }
    }
    Ok(files)
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

fn has_chat_template(folder: &Path) -> bool {
    // Older models have it within the tokenizer's configuration.
    let in_config = || {
        let bytes = fs::read(folder.join("tokenizer_config.json")).ok()?;
        let config: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
        config.get("chat_template").map(|template| !template.is_null())
    };
    folder.join("chat_template.jinja").is_file() || in_config().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments() {
        let folder = tempfile::tempdir().unwrap();
        let gguf = folder.path().join("a.gguf");
        fs::write(&gguf, "GGUF").unwrap();
        let hub = |name: &str, revision: Option<&str>| Base::Hub {
            name: name.to_owned(),
            revision: revision.map(ToOwned::to_owned),
        };
        let cases = [
            (folder.path().to_str().unwrap(), Base::Folder(folder.path().to_owned())),
            (gguf.to_str().unwrap(), Base::Gguf(gguf.clone())),
            ("Qwen/Qwen2.5-7B", hub("Qwen/Qwen2.5-7B", None)),
            ("Qwen/Qwen2.5-7B@d149729", hub("Qwen/Qwen2.5-7B", Some("d149729"))),
        ];
        for (text, base) in cases {
            assert_eq!(Base::parse(text).unwrap(), base);
        }
        for text in ["", "Qwen2.5-7B", "/nothing/there", "a/b/c", "models/missing.gguf", "a/b@"] {
            let error = Base::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("no base model {text}: ")), "{error}");
        }
    }

    #[test]
    fn a_folder_without_a_part_is_named_with_what_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let base = Base::Folder(path.to_owned());
        let mut digests = DigestCache::in_memory();
        let steps = [
            ("config.json", "{}", "no config.json in it"),
            (
                "model.safetensors.index.json",
                r#"{"weight_map": {"a": "w-1.safetensors"}}"#,
                "no *.safetensors in it",
            ),
            ("w-1.safetensors", "x", "no w-1.safetensors in it"),
            ("tokenizer.json", "{}", "no tokenizer in it"),
            ("chat_template.jinja", "x", "no chat template, and recipe mine names none"),
        ];
        let mut errors = Vec::new();
        for (name, text, _) in steps {
            errors.push(base.record(Some("mine"), &mut digests).unwrap_err().to_string());
            fs::write(path.join(name), text).unwrap();
        }
        // The index is optional: without it, missing weights are noticed as well.
        let said = [
            "no config.json",
            "no *.safetensors",
            "no w-1.safetensors",
            "no tokenizer",
            "no chat template",
        ];
        for (error, said) in errors.iter().zip(said) {
            assert!(error.contains(said) && error.contains("hint: "), "{error}");
        }
        let record = base.record(Some("mine"), &mut digests).unwrap();
        assert_eq!(record.files["w-1.safetensors"].bytes, 1);

        fs::remove_file(path.join("chat_template.jinja")).unwrap();
        fs::write(path.join("tokenizer_config.json"), r#"{"chat_template": "x"}"#).unwrap();
        assert!(base.record(Some("mine"), &mut digests).is_ok());
        let gguf = Base::Gguf("a.gguf".into()).record(None, &mut digests).unwrap_err();
        assert!(gguf.to_string().contains("is a GGUF file"));
    }
}

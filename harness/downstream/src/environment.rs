//! Where an engine is installed: a Python environment of its own, made by `scripts/engines`, whose file `engine.json`
//! says what is in it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Name of the file in an environment that says what is in it.
const MANIFEST: &str = "engine.json";

/// An engine that trains, serves or scores models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineKind {
    /// Trains: LLaMA-Factory, with the converters from and to GGUF.
    #[serde(rename = "llamafactory")]
    LlamaFactory,
    /// Scores: OpenCompass, the paper's engine.
    #[serde(rename = "opencompass")]
    OpenCompass,
    /// Scores: EleutherAI's lm-evaluation-harness.
    LmEval,
    /// Serves a GGUF file: llama.cpp's own server.
    LlamaServer,
    /// Serves a Hugging Face folder.
    Vllm,
}

impl EngineKind {
    /// Its name as an argument of `scripts/engines`, and its folder.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::LlamaFactory => "llamafactory",
            Self::OpenCompass => "opencompass",
            Self::LmEval => "lm-eval",
            Self::LlamaServer => "llama-server",
            Self::Vllm => "vllm",
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

/// An installed engine, as `scripts/engines` writes its manifest.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Environment {
    /// Which.
    pub engine: EngineKind,
    /// The environment's folder.
    #[serde(skip)]
    pub folder: PathBuf,
    /// Versions of its packages by their names, of Python under `python`.
    pub packages: BTreeMap<String, String>,
}

/// An engine is not there, or not whole; what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}\nhint: scripts/engines {1}")]
pub struct EnvironmentError(String, EngineKind);

impl Environment {
    /// Looks an engine up among the environments of `root`. The manifest is written last, so its being there means
    /// that the installation is whole.
    ///
    /// # Errors
    /// When it is not there or its manifest cannot be read.
    pub fn find(root: &Path, engine: EngineKind) -> Result<Self, EnvironmentError> {
        let folder = root.join(engine.id());
        let file = folder.join(MANIFEST);
        // Whatever keeps it from being read, what helps is to install the engine.
        let bytes = std::fs::read(&file).map_err(|_| {
            EnvironmentError(format!("{engine} is not installed in {}", folder.display()), engine)
        })?;
        let broken = |problem: String| {
            let said = format!("{} does not say what is installed: {problem}", file.display());
            EnvironmentError(said, engine)
        };
        let found: Self =
            serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))?;
        // A folder that was copied or renamed says another engine than the one that is looked for.
        if found.engine != engine {
            return Err(broken(format!("it is of {}", found.engine)));
        }
        Ok(Self { folder, ..found })
    }

    /// A program of the environment, such as `python` or `llamafactory-cli`.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }

    /// The version of a package; empty where it is not there.
    #[must_use]
    pub fn version(&self, package: &str) -> &str {
        self.packages.get(package).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_what_its_manifest_says() {
        let root = tempfile::tempdir().unwrap();
        let find = |engine| Environment::find(root.path(), engine);
        let missing = find(EngineKind::LmEval).unwrap_err().to_string();
        assert!(missing.ends_with("hint: scripts/engines lm-eval"), "{missing}");

        let folder = root.path().join("lm-eval");
        std::fs::create_dir(&folder).unwrap();
        let write = |text: &str| std::fs::write(folder.join(MANIFEST), text).unwrap();
        write(r#"{"engine": "lm-eval", "packages": {"lm-eval": "0.4.13"}}"#);
        let found = find(EngineKind::LmEval).unwrap();
        assert_eq!((found.version("lm-eval"), found.version("torch")), ("0.4.13", ""));
        assert_eq!(found.program("python"), folder.join("bin/python"));

        for (text, said) in [
            ("{", "does not say what is installed"),
            (r#"{"engine": "vllm", "packages": {}}"#, "it is of vllm"),
        ] {
            write(text);
            let error = find(EngineKind::LmEval).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}

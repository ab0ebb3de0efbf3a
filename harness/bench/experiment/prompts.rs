//! Folders of prompt templates: an experiment's own set, and what a variant words in another way.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use gra_llm::key::FieldHash;
use gra_synth::prompt::{PromptSet, REWRITE_TEMPLATE, TEMPLATES};
use gra_synth::request::Stage;

use super::ExperimentError;
use crate::builtin;

/// A prompt set, as it was read.
#[derive(Clone, Debug)]
pub struct PromptFiles {
    /// The templates.
    pub set: PromptSet,
    /// SHA-256 over the texts of those in use, in the order of their names.
    pub sha256: String,
    folder: PathBuf,
    /// By file name; of the tenth, which shows an old response, where the folder has it.
    texts: BTreeMap<String, String>,
}

impl PromptFiles {
    /// Reads a folder that has every template.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn read(folder: &Path) -> Result<Self, ExperimentError> {
        let mut texts = BTreeMap::new();
        for (name, ..) in TEMPLATES {
            let text = read_template(folder, name);
            let text = text.map_err(|error| unreadable(folder, name, &error))?;
            texts.insert(name.to_owned(), text);
        }
        let (name, _) = REWRITE_TEMPLATE;
        // Only variants that show old responses use it, so an experiment may do without.
        texts.extend(read_if_any(folder, name)?.map(|text| (name.to_owned(), text)));
        Self::parse(folder, texts)
    }

    /// This set with the template that shows an old response in Prompt 7's place.
    ///
    /// # Errors
    /// When it is missing or not usable.
    pub(super) fn rewriting(&self) -> Result<Self, ExperimentError> {
        let set = self.set.clone().rewriting(&self.texts);
        let set = set.map_err(|error| unusable(&self.folder, error))?;
        // Another template in use is another prompt set, though the texts of both are the same.
        let mut hash = FieldHash::default();
        hash.text(&self.sha256);
        hash.text(&self.texts[REWRITE_TEMPLATE.0]);
        Ok(Self { set, sha256: hex::encode(hash.finish()), ..self.clone() })
    }

    /// This set with the templates of another folder in place of those of the same names. Annotation is no
    /// variant's, so its templates have to be the same.
    ///
    /// # Errors
    /// Names the file and what is wrong with it; also when the folder has no template.
    pub(super) fn reworded(&self, folder: &Path) -> Result<Self, ExperimentError> {
        let mut texts = self.texts.clone();
        let mut found = false;
        // Stages are in the order of the method, and those before the keywords annotate.
        let annotates = |stages: &[Stage]| stages[0] < Stage::Keywords;
        let nine = TEMPLATES.map(|(name, stages, _)| (name, annotates(stages)));
        for (name, annotates) in nine.into_iter().chain([(REWRITE_TEMPLATE.0, false)]) {
            let Some(text) = read_if_any(folder, name)? else { continue };
            if annotates && text != texts[name] {
                let reason = format!(
                    "`{name}` is not the experiment's: Prompts 1 to 3 annotate the seed set, which is the same \
                     for every variant\n  hint: remove it there, or change the experiment's own `prompts`"
                );
                return Err(unusable(folder, reason));
            }
            found = true;
            texts.insert(name.to_owned(), text);
        }
        // A name with a slip would leave the experiment's template in use without a word.
        let files = folder.read_dir().into_iter().flatten().flatten();
        let texts_of_folder =
            files.filter(|file| file.path().extension().is_some_and(|e| e == "txt"));
        let mut names = texts_of_folder.map(|file| file.file_name().to_string_lossy().into_owned());
        let stray = names.find(|name| !texts.contains_key(name));
        let reason = match stray {
            Some(name) => format!("`{name}` is no template"),
            None if !found => "has no template".to_owned(),
            None => return Self::parse(folder, texts),
        };
        let hint =
            "its templates are named as those of experiments/prompts, e.g. 8-response-review.txt";
        Err(unusable(folder, format_args!("{reason}\n  hint: {hint}")))
    }

    fn parse(folder: &Path, texts: BTreeMap<String, String>) -> Result<Self, ExperimentError> {
        let set = PromptSet::parse(&texts);
        let set = set.map_err(|error| unusable(folder, error))?;
        let mut hash = FieldHash::default();
        for (name, ..) in TEMPLATES {
            hash.text(&texts[name]);
        }
        let folder = folder.to_owned();
        Ok(Self { set, sha256: hex::encode(hash.finish()), folder, texts })
    }
}

/// A folder on disk is not filled up with templates that are built in.
fn read_template(folder: &Path, name: &str) -> io::Result<String> {
    let path = folder.join(name);
    if folder.is_dir() { std::fs::read_to_string(path) } else { builtin::read_to_string(&path) }
}

/// Likewise, of a folder that need not have it.
fn read_if_any(folder: &Path, name: &str) -> Result<Option<String>, ExperimentError> {
    match read_template(folder, name) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(folder, name, &error)),
    }
}

pub(super) fn unusable(folder: &Path, reason: impl Display) -> ExperimentError {
    ExperimentError::Invalid(format!("prompts {}: {reason}", folder.display()))
}

fn unreadable(folder: &Path, name: &str, error: &io::Error) -> ExperimentError {
    let hint = "a prompt set needs all nine templates; experiments/prompts has them";
    ExperimentError::unreadable("prompt", &folder.join(name), error, hint)
}

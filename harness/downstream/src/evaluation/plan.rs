//! What determines an evaluation, kept in its folder: an evaluation goes on only as what it began as.

use std::fs;
use std::path::{Path, PathBuf};

use super::record::{EVALUATION_FILE, Evaluation};

/// Name of the file. It is an evaluation's record without any benchmark.
const PLAN: &str = "plan.json";

/// Folders that an evaluation makes below its own.
const MADE: [&str; 3] = ["opencompass", "lm-eval", "cache"];

/// The folder of an evaluation cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// It holds an evaluation of something else.
    #[error("{} holds an evaluation with another {}\nhint: --replace removes it, or choose another folder with --out", .folder.display(), .differs.join(" and "))]
    Other {
        /// The folder.
        folder: PathBuf,
        /// What differs.
        differs: Vec<&'static str>,
    },
    /// Its plan cannot be read.
    #[error("{}: {problem}\nhint: --replace begins anew", .file.display())]
    Form {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// It cannot be written to.
    #[error("cannot write to {}: {source}", .folder.display())]
    Io {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// Takes a folder for an evaluation: an empty one, one of the same plan, or with `replace` any that holds an
/// evaluation.
pub(super) fn take(folder: &Path, plan: &Evaluation, replace: bool) -> Result<(), PlanError> {
    let failed = |source| PlanError::Io { folder: folder.to_owned(), source };
    let file = folder.join(PLAN);
    let form = |problem: String| PlanError::Form { file: file.clone(), problem };
    let json = serde_json::to_vec_pretty(plan).map_err(|error| form(error.to_string()))?;
    if let Ok(bytes) = fs::read(&file) {
        let differs = match serde_json::from_slice::<Evaluation>(&bytes) {
            Ok(before) => differences(&before, plan),
            Err(error) if !replace => return Err(form(error.to_string())),
            Err(_) => vec!["form"],
        };
        if !differs.is_empty() {
            if !replace {
                return Err(PlanError::Other { folder: folder.to_owned(), differs });
            }
            for made in MADE {
                remove(&folder.join(made)).map_err(failed)?;
            }
        }
    }
    // Written last, so it must not be there while an evaluation is on its way.
    remove(&folder.join(EVALUATION_FILE)).map_err(failed)?;
    gra_files::write_atomic(&file, &json).map_err(failed)
}

fn differences(before: &Evaluation, now: &Evaluation) -> Vec<&'static str> {
    // A server that is there has no hash, so its model is compared by name.
    let compared = [
        ("model", before.model != now.model),
        ("engine", before.protocol != now.protocol),
        ("suite", before.suite != now.suite),
        ("data", before.data != now.data),
        ("set of packages", before.packages != now.packages),
    ];
    compared.into_iter().filter(|(_, differs)| *differs).map(|(what, _)| what).collect()
}

fn remove(path: &Path) -> std::io::Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{ScoredModel, ScoringProtocol};
    use super::super::suite::Suite;
    use super::*;

    #[test]
    fn a_folder_is_taken_for_one_plan() {
        let folder = tempfile::tempdir().unwrap();
        let made = folder.path().join("opencompass/run");
        let mut plan = Evaluation::new(ScoredModel::default(), ScoringProtocol::OpenCompass);
        take(folder.path(), &plan, false).unwrap();
        fs::create_dir_all(&made).unwrap();
        fs::write(folder.path().join(EVALUATION_FILE), "{}").unwrap();
        take(folder.path(), &plan, false).unwrap();
        assert!(made.is_dir() && !folder.path().join(EVALUATION_FILE).exists());

        plan.suite = Some(Suite::smoke());
        plan.model.name = "other".to_owned();
        let error = take(folder.path(), &plan, false).unwrap_err().to_string();
        assert!(error.contains("another model and suite\nhint: --replace"), "{error}");
        assert!(made.is_dir());
        take(folder.path(), &plan, true).unwrap();
        assert!(!made.exists());
        fs::write(folder.path().join(PLAN), "{").unwrap();
        assert!(take(folder.path(), &plan, false).unwrap_err().to_string().contains("plan.json"));
        take(folder.path(), &plan, true).unwrap();
    }
}

//! Where a verb that looks back on a trial writes: beside the trial's folder, whose files are whole and
//! hashed, or into a folder that the user names.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::artifact::write_atomic;
use crate::cli::Places;
use crate::store::TrialId;

/// The place of one trial's files.
pub(crate) struct Beside<'a> {
    pub(crate) trial: &'a TrialId,
    /// Part of the files' names.
    pub(crate) verb: &'static str,
    pub(crate) places: &'a Places,
    /// What the user asked for.
    pub(crate) out: Option<&'a Path>,
}

/// Files that were written.
pub(crate) struct Written(Vec<PathBuf>);

impl Beside<'_> {
    /// `results/ablation/gra/seed-42.rescore.csv`, or `DIR/ablation-gra-seed-42.rescore.csv`.
    fn path(&self, ending: &str) -> PathBuf {
        let name = self.trial.to_string();
        let file = |name: &str| format!("{name}.{}.{ending}", self.verb);
        match self.out {
            Some(folder) => folder.join(file(&name.replace('/', "-"))),
            None => self.places.results.join(file(&name)),
        }
    }

    /// Writes files by their endings.
    pub(crate) fn write(&self, files: &[(&str, &[u8])]) -> Result<Written> {
        let write = |(ending, bytes): &(&str, &[u8])| {
            let path = self.path(ending);
            write_atomic(&path, bytes).map(|()| path)
        };
        files.iter().map(write).collect::<Result<_>>().map(Written)
    }
}

impl Written {
    /// Says where they are.
    pub(crate) fn print(&self, out: &mut impl Write) -> Result<()> {
        writeln!(out)?;
        for path in &self.0 {
            writeln!(out, "{}", path.display())?;
        }
        Ok(())
    }
}

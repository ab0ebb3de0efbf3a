//! `init`: the files that are built into the program, written out to be changed.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;

use crate::builtin;
use crate::terminal;
use gra_files::write_atomic;

/// Write out the experiments, pools, prompts and seed set that are built in, to change them.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  gra-bench init mine && cd mine && gra-bench plan experiments/ablation.toml

Without it, a path such as experiments/ablation.toml means the file that is built in where there is
none on disk.")]
pub(crate) struct InitArgs {
    /// Folder that the folder `experiments` is made in.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(crate) fn run(args: &InitArgs) -> Result<()> {
    let files = builtin::files();
    // What an earlier `init` wrote is no obstacle: where one was cut off, the same command goes on.
    let is_other = |path: &PathBuf, bytes: &[u8]| {
        path.symlink_metadata().is_ok() && fs::read(path).ok().as_deref() != Some(bytes)
    };
    let there: Vec<PathBuf> = files
        .iter()
        .map(|(path, bytes)| (args.folder.join(path), bytes))
        .filter(|(path, bytes)| is_other(path, bytes))
        .map(|(path, _)| path)
        .collect();
    if let Some(first) = there.first() {
        bail!(
            "{} is there already and differs{}, and nothing was written\nhint: name another folder",
            first.display(),
            if there.len() > 1 {
                format!(" (and {} more)", there.len() - 1)
            } else {
                String::new()
            },
        );
    }
    for (path, bytes) in &files {
        write_atomic(&args.folder.join(path), bytes)?;
    }
    let mut out = terminal::stdout();
    writeln!(out, "{} files in {}", files.len(), args.folder.join("experiments").display())?;
    let here = args.folder == Path::new(".");
    let change =
        if here { String::new() } else { format!("cd {} && ", terminal::shell_path(&args.folder)) };
    writeln!(out, "{change}gra-bench plan experiments/ablation.toml")?;
    Ok(())
}

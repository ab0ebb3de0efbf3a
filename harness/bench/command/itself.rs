//! `init`, `schema`, `completions` and `man`: what the program has in itself: the files that are built in, written out
//! to be changed, and what it says of its files and of itself, for editors, shells and `man`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;
use gra_files::write_atomic;

use super::{Cli, pretty};
use crate::{builtin, schema, terminal};

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

/// Print the JSON Schema of experiment or pool files, or the reference of their keys.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  gra-bench schema experiment > experiment.schema.json

With the first line `#:schema experiment.schema.json` an editor that knows taplo (Even Better TOML
in VS Code) completes the keys of an experiment file, explains them and marks unknown ones.")]
pub(crate) struct SchemaArgs {
    /// What to print.
    #[arg(value_name = "WHAT")]
    what: Described,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Described {
    /// JSON Schema of experiment files.
    Experiment,
    /// JSON Schema of model pools.
    Pool,
    /// Every key of both, as Markdown.
    Keys,
}

/// Print completions of verbs and options for a shell.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gra-bench completions bash > ~/.local/share/bash-completion/completions/gra-bench
  gra-bench completions zsh > ~/.zfunc/_gra-bench     with fpath+=~/.zfunc before compinit
  gra-bench completions fish > ~/.config/fish/completions/gra-bench.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(super) fn init(args: &InitArgs) -> Result<()> {
    let files = builtin::files();
    // What an earlier `init` wrote is no obstacle: where one was cut off, the same command goes on.
    let is_other = |path: &PathBuf, bytes: &[u8]| {
        path.symlink_metadata().is_ok() && fs::read(path).ok().as_deref() != Some(bytes)
    };
    let places = files.iter().map(|(path, bytes)| (args.folder.join(path), bytes));
    let mut there = places.filter(|(path, bytes)| is_other(path, bytes));
    if let Some((first, _)) = there.next() {
        let more = match there.count() {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        let first = first.display();
        bail!(
            "{first} is there already and differs{more}, and nothing was written\nhint: name another folder"
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

pub(super) fn schema(args: &SchemaArgs) -> Result<()> {
    let text = match args.what {
        Described::Experiment => pretty(&schema::of_experiments())?,
        Described::Pool => pretty(&schema::of_pools())?,
        Described::Keys => schema::key_reference(),
    };
    Ok(terminal::stdout().write_all(text.as_bytes())?)
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<()> {
    // Into memory first: the generator panics where it cannot write, as into a closed pipe.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "gra-bench", &mut script);
    Ok(terminal::stdout().write_all(&script)?)
}

/// One page for the program and all its verbs.
pub(super) fn manual() -> Result<()> {
    let program = Cli::command();
    let mut page = Vec::new();
    Man::new(program.clone()).render(&mut page)?;
    // Verbs have sections of this page, not pages of their own.
    let verbs = String::from_utf8(page)?
        .replace("\ngra\\-bench\\-", "\ngra\\-bench ")
        .replace("(1)\n", "\n");
    let mut page = verbs.into_bytes();
    for verb in program.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let name = format!("gra-bench {}", verb.get_name());
        writeln!(page, ".SH {}", name.to_uppercase())?;
        let has_examples = verb.get_after_help().is_some();
        let verb = Man::new(verb.clone().bin_name(name));
        let mut parts = Vec::new();
        verb.render_description_section(&mut parts)?;
        verb.render_synopsis_section(&mut parts)?;
        verb.render_options_section(&mut parts)?;
        if has_examples {
            verb.render_extra_section(&mut parts)?;
        }
        // Sections of a page of its own are parts of the verb's section here.
        page.extend(String::from_utf8(parts)?.replace(".SH ", ".SS ").into_bytes());
    }
    Ok(terminal::stdout().write_all(&page)?)
}

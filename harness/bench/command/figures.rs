//! `figures`: pictures of what was measured.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use clap::{Args, ValueEnum};
use gra_analysis::figure::Figure;
use gra_analysis::figure::font::{Fonts, MARK};
use serde_json::{Value, json};

use crate::failure::bad_input;
use crate::gallery::{self, FigureKind, GalleryEntry, MissingFigure, Sources};
use crate::numbers::several;
use crate::session::GlobalArgs;
use crate::terminal;
use gra_files::write_atomic;

/// Draw what was measured, beside the paper's numbers, as SVG and PNG; asks no model.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gra-bench figures
  gra-bench figures ablation --only 4,funnel,agreement
  gra-bench figures ablation/gra/seed-42 --out pictures --format svg
  gra-bench figures --only 1,3 --json

What cannot be drawn is listed with the command that makes its data. Figures 5 to 8 are of what
`stats` wrote; they look for data sets named vanilla, gra and distill-large.")]
pub(crate) struct FiguresArgs {
    /// Trials (EXPERIMENT/VARIANT/seed-N) and experiments of the store [default: all].
    #[arg(value_name = "TRIAL|EXPERIMENT")]
    wanted: Vec<String>,
    /// Only these figures, separated by commas; numbers are the paper's.
    #[arg(long, value_name = "FIGURES", value_delimiter = ',')]
    only: Vec<FigureKind>,
    /// Folder to write to.
    #[arg(long, value_name = "DIR", default_value = "figures")]
    out: PathBuf,
    /// What `stats` wrote [default: what `compare` wrote of an experiment, else stats in the results folder].
    #[arg(long, value_name = "DIR")]
    stats: Option<PathBuf>,
    /// Formats, separated by commas.
    #[arg(long, value_name = "FORMATS", value_delimiter = ',', default_value = "svg,png")]
    format: Vec<Format>,
    /// Draw letters that the bundled font lacks (Chinese, Arabic, emoji) in PNG files with this machine's
    /// fonts; the files then depend on the machine.
    #[arg(long)]
    system_fonts: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A picture's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Text stays text.
    Svg,
    /// Twice the size, with the bundled font; letters that it lacks are marked.
    Png,
}

pub(crate) fn run(args: &FiguresArgs, global: &GlobalArgs) -> Result<()> {
    let only = args.only.as_slice();
    // Each kind once, in the order of the paper and then of ours.
    let mut kinds = if only.is_empty() { FigureKind::value_variants() } else { only }.to_vec();
    kinds.sort_unstable();
    kinds.dedup();
    let store = global.read_store_if_any()?;
    // What `compare` wrote goes before it, trial by trial; a folder that the user names is of all of them.
    let sources = Sources {
        results: global.results(),
        stats: args.stats.clone().unwrap_or_else(|| global.results().join("stats")),
        store: store.as_ref(),
        wanted: &args.wanted,
    };
    let fonts = fonts(args.system_fonts);
    let (mut drawn, mut missing, mut names) = (Vec::new(), Vec::new(), BTreeSet::new());
    for GalleryEntry { kind, about, figure } in gallery::draw(&kinds, &sources)? {
        match figure {
            Ok(figure) => {
                let files = write(args, &figure, &fonts, &mut names)?;
                drawn.push(Drawn { kind, about, figure, files });
            }
            Err(reason) => missing.push((kind, about, reason)),
        }
    }
    // Of files that cannot be read one is named, but where something was drawn: then the list names them.
    let unreadable = missing.iter().find(|(_, _, reason)| reason.is_unreadable);
    if let Some((_, _, reason)) = unreadable.filter(|_| drawn.is_empty()) {
        return Err(bad_input(anyhow!(reason.why.clone())));
    }
    let lacking = lacking(args, &drawn, &fonts);
    let mut out = terminal::json_or_text(args.json);
    if args.json {
        writeln!(out, "{}", as_json(&drawn, &missing, &lacking))?;
    } else {
        print(&mut out, &drawn, &missing)?;
        if let Some(note) = lacking_in_words(&lacking, args.system_fonts) {
            writeln!(out, "\n{note}")?;
        }
    }
    if drawn.is_empty() {
        bail!("nothing was drawn: what the figures asked for need is not there");
    }
    Ok(())
}

/// A figure that was drawn, and its files.
struct Drawn {
    kind: FigureKind,
    about: Option<String>,
    figure: Figure,
    files: Vec<PathBuf>,
}

/// A figure that was not drawn: of what, and why.
type NotDrawn = (FigureKind, Option<String>, MissingFigure);

/// The bundled font, and those of the machine where they are asked for.
fn fonts(of_system: bool) -> Fonts {
    let mut others = fontdb::Database::new();
    if of_system {
        others.load_system_fonts();
    }
    Fonts::with(&others)
}

/// Letters that are marked in PNG files because no font has them. SVG files keep them as text.
fn lacking(args: &FiguresArgs, drawn: &[Drawn], fonts: &Fonts) -> BTreeSet<char> {
    if !args.format.contains(&Format::Png) {
        return BTreeSet::new();
    }
    drawn.iter().flat_map(|drawn| drawn.figure.lacking(fonts)).collect()
}

fn lacking_in_words(lacking: &BTreeSet<char>, with_system_fonts: bool) -> Option<String> {
    const SHOWN: usize = 20;
    let shown: String = lacking.iter().take(SHOWN).collect();
    let more = if lacking.len() > SHOWN { ".." } else { "" };
    let them = if lacking.len() == 1 { "it" } else { "them" };
    let what_to_do = if with_system_fonts {
        "no font of this machine has them"
    } else {
        "--system-fonts draws them with this machine's fonts"
    };
    (!lacking.is_empty()).then(|| {
        format!(
            "Drawn as {MARK} in PNG files, because the font lacks {them}: {shown}{more} ({what_to_do}; SVG files \
             keep them)."
        )
    })
}

/// Writes a figure's files. Names that differ only in letters that files cannot have get a number.
fn write(
    args: &FiguresArgs,
    figure: &Figure,
    fonts: &Fonts,
    names: &mut BTreeSet<String>,
) -> Result<Vec<PathBuf>> {
    let mut name = figure.name.clone();
    let mut copy = 2;
    while !names.insert(name.clone()) {
        name = format!("{}-{copy}", figure.name);
        copy += 1;
    }
    let mut files = Vec::new();
    let mut write = |ending: &str, bytes: &[u8]| {
        files.push(args.out.join(format!("{name}.{ending}")));
        write_atomic(&files[files.len() - 1], bytes)
    };
    if args.format.contains(&Format::Svg) {
        write("svg", figure.svg.as_bytes())?;
    }
    if args.format.contains(&Format::Png) {
        write("png", &figure.png(fonts)?)?;
    }
    Ok(files)
}

fn print(out: &mut impl Write, drawn: &[Drawn], missing: &[NotDrawn]) -> std::io::Result<()> {
    for Drawn { figure, files, .. } in drawn {
        writeln!(out, "{}", figure.title)?;
        for file in files {
            writeln!(out, "  {}", file.display())?;
        }
    }
    if !missing.is_empty() {
        writeln!(out, "{}Not drawn:", if drawn.is_empty() { "" } else { "\n" })?;
    }
    for (kind, about, MissingFigure { why, command, .. }) in missing {
        let about = about.as_ref().map_or_else(String::new, |about| format!(" of {about}"));
        writeln!(out, "  {}{about}: {why}", kind.name())?;
        if let Some(command) = command {
            writeln!(out, "    {command}")?;
        }
    }
    writeln!(out, "\n{} drawn, {} not.", several(drawn.len(), "figure"), missing.len())
}

fn as_json(drawn: &[Drawn], missing: &[NotDrawn], lacking: &BTreeSet<char>) -> Value {
    let drawn = drawn.iter().map(|Drawn { kind, about, figure, files }| {
        json!({
            "figure": kind.name(),
            "about": about,
            "title": figure.title,
            "caption": figure.caption,
            "files": files,
        })
    });
    let missing = missing.iter().map(|(kind, about, MissingFigure { why, command, .. })| {
        json!({ "figure": kind.name(), "about": about, "why": why, "command": command })
    });
    json!({
        "drawn": drawn.collect::<Vec<_>>(),
        "missing": missing.collect::<Vec<_>>(),
        "letters_marked": lacking,
    })
}

//! `gra-bench seed`: imports and describes seed sets.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::pretty;
use crate::failure::bad_input;
use crate::seeds::describe::{Description, Quartiles, describe};
use crate::seeds::{self, Account, Field, Format, Group, LoadOptions, SeedSet, Speaker};
use crate::terminal;
use gra_files::write_atomic;

/// Import or describe a seed set.
#[derive(Debug, Args)]
pub(crate) struct SeedArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write a seed set in the normalised form: JSON Lines with inputs joined, repeats dropped.
    #[command(after_help = "Examples:
  gra-bench seed import alpaca_data.json --out seeds/alpaca.jsonl
  gra-bench seed import sharegpt.jsonl.gz --out seeds/sharegpt.jsonl --limit 10000
  gra-bench seed import tickets.csv --out seeds/tickets.jsonl \\
      --field instruction=question --field output=answer

Numbers of records in messages count from 0. An experiment can name any of these files directly;
importing is for looking at what was kept, and for fixing it.")]
    Import(ImportArgs),
    /// Say what a seed set is like: counts, lengths, domains, repeats, the longest records.
    #[command(after_help = "Examples:
  gra-bench seed describe alpaca_data.json
  gra-bench seed describe wizardlm.json --json | jq .instructions.words
  gra-bench seed describe chats.json --format sharegpt --max-bad 500")]
    Describe(DescribeArgs),
}

#[derive(Debug, Args)]
struct ImportArgs {
    #[command(flatten)]
    source: Source,
    /// File to write; replaced as a whole when it exists.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, Args)]
struct DescribeArgs {
    #[command(flatten)]
    source: Source,
}

/// A seed set and how to read it.
#[derive(Debug, Args)]
struct Source {
    /// The seed set; may be packed with gzip.
    file: PathBuf,
    /// Its format [default: found from content and extension].
    #[arg(long, value_name = "FORMAT")]
    format: Option<FormatName>,
    /// Name of a field in the file, such as instruction=prompt; may be given several times.
    /// Fields are instruction, input, output, conversations, system, history, domain, summary and
    /// keywords.
    #[arg(long = "field", value_name = "FIELD=NAME", value_parser = seeds::assignment)]
    fields: Vec<(Field, String)>,
    /// Who speaks under a role of the file's conversations, such as question=user; may be given several
    /// times. Speakers are user, assistant, system and tool.
    #[arg(long = "role", value_name = "ROLE=WHO", value_parser = seeds::role)]
    roles: Vec<(String, Speaker)>,
    /// Keep the first N items only.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Bad records to tolerate [default: 1% of the records or 10, whichever is larger].
    #[arg(long, value_name = "N")]
    max_bad: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The formats as typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatName {
    /// A JSON array of records with instruction, input, output (Alpaca, WizardLM, Condor).
    Alpaca,
    /// Conversations, in an array or one a line (ShareGPT, WizardLM).
    Sharegpt,
    /// One record a line.
    Jsonl,
    /// Values separated by commas, semicolons, tabs or bars, with a header.
    Csv,
    /// Apache Parquet.
    Parquet,
}

impl From<FormatName> for Format {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Alpaca => Self::Alpaca,
            FormatName::Sharegpt => Self::ShareGpt,
            FormatName::Jsonl => Self::JsonLines,
            FormatName::Csv => Self::Csv,
            FormatName::Parquet => Self::Parquet,
        }
    }
}

impl Source {
    fn load(&self) -> Result<SeedSet> {
        let options = LoadOptions {
            format: self.format.map(Into::into),
            mapping: self.fields.iter().cloned().collect(),
            roles: self.roles.iter().cloned().collect(),
            limit: self.limit.and_then(|limit| usize::try_from(limit).ok()),
            max_bad: self.max_bad,
            keep_repeats: false,
        };
        Ok(seeds::load(&self.file, &options)?)
    }
}

pub(crate) fn run(args: &SeedArgs) -> Result<()> {
    let (is_json, text) = match &args.action {
        Action::Import(args) => (args.source.json, import(args)?),
        Action::Describe(DescribeArgs { source }) => {
            let described = describe(&source.load()?);
            let pretty = || pretty(&described);
            (source.json, if source.json { pretty()? } else { description_text(&described)? })
        }
    };
    Ok(terminal::json_or_text(is_json).write_all(text.as_bytes())?)
}

/// What an import did.
#[derive(Serialize)]
struct Imported<'a> {
    file: &'a Path,
    out: &'a Path,
    format: Format,
    sha256: &'a str,
    #[serde(flatten)]
    account: Account,
    with_response: usize,
    with_annotation: usize,
}

/// Writes the normalised set; the text says what was done.
fn import(args: &ImportArgs) -> Result<String> {
    let set = args.source.load()?;
    // After it was read: a link or another spelling of the path may mean the same file.
    if is_same_file(&args.source.file, &args.out) {
        return Err(bad_input(anyhow!(
            "--out would replace the seed set {} itself\nhint: give --out another name",
            args.out.display()
        )));
    }
    let bytes = seeds::to_json_lines(&set.items).context("writing the items as JSON")?;
    // A bare file name has no folder to put the temporary file in.
    let out = std::path::absolute(&args.out).context("finding the folder of --out")?;
    write_atomic(&out, &bytes)?;
    let imported = Imported {
        file: &args.source.file,
        out: &args.out,
        format: set.format,
        sha256: &set.sha256,
        account: set.account(),
        with_response: set.items.iter().filter(|item| item.response.is_some()).count(),
        with_annotation: set.items.iter().filter(|item| item.annotation.is_some()).count(),
    };
    if args.source.json { pretty(&imported) } else { Ok(import_text(&imported)?) }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// What an import did, for people.
fn import_text(imported: &Imported<'_>) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(text, "{} ({})", imported.file.display(), imported.format)?;
    writeln!(text, "sha256 {}\n", imported.sha256)?;
    let Imported { account, with_response, with_annotation, .. } = imported;
    kept(&mut text, account, [*with_response, *with_annotation])?;
    beyond_limit(&mut text, account)?;
    lost(&mut text, account)?;
    writeln!(text, "\nwrote {}", imported.out.display())?;
    Ok(text)
}

/// What a seed set is like, for people.
fn description_text(described: &Description) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(text, "{}, sha256 {}\n", described.format, described.sha256)?;
    let Description { account, with_response, with_annotation, .. } = described;
    kept(&mut text, account, [*with_response, *with_annotation])?;
    row(&mut text, "  beyond ASCII", described.non_ascii_items)?;
    beyond_limit(&mut text, account)?;
    // Of characters, beside the items above: one foreign name makes no foreign text.
    let percent = 100.0 * described.non_ascii_share;
    writeln!(text, "\n{percent:.2}% of the instructions' characters are beyond ASCII")?;
    lost(&mut text, account)?;
    // All seven, also those without an item: a domain that is missing is worth knowing.
    if !described.domains.is_empty() {
        writeln!(text, "\ndomains of the annotations")?;
        for (domain, count) in &described.domains {
            row(&mut text, &format!("  {domain}"), *count)?;
        }
    }
    writeln!(
        text,
        "\n{:<26}{:>8}{:>8}{:>8}{:>8}{:>8}",
        "lengths", "min", "25%", "median", "75%", "max"
    )?;
    quartiles(&mut text, "instruction, characters", &described.instructions.characters)?;
    quartiles(&mut text, "instruction, words", &described.instructions.words)?;
    if let Some(responses) = &described.responses {
        quartiles(&mut text, "response, characters", &responses.characters)?;
        quartiles(&mut text, "response, words", &responses.words)?;
    }
    writeln!(text, "\nlongest instructions")?;
    writeln!(text, "  {:>8} {:>10}  begins", "record", "characters")?;
    // Records and not items: their numbers lead to the lines of the file.
    for long in &described.longest {
        writeln!(text, "  {:>8} {:>10}  {}", long.number, long.characters, long.begins)?;
    }
    Ok(text)
}

/// How many records are items, and of them those with a response and with an annotation.
fn kept(text: &mut String, account: &Account, with: [usize; 2]) -> std::fmt::Result {
    row(text, "records", account.records)?;
    row(text, "kept", account.kept)?;
    row(text, "  with a response", with[0])?;
    row(text, "  with an annotation", with[1])
}

fn beyond_limit(text: &mut String, account: &Account) -> std::fmt::Result {
    if account.over_limit > 0 { row(text, "beyond --limit", account.over_limit) } else { Ok(()) }
}

fn row(text: &mut String, label: &str, count: usize) -> std::fmt::Result {
    writeln!(text, "{label:<26}{count:>8}")
}

fn quartiles(text: &mut String, label: &str, of: &Quartiles) -> std::fmt::Result {
    let Quartiles { min, first, median, third, max } = of;
    writeln!(text, "  {label:<24}{min:>8}{first:>8}{median:>8}{third:>8}{max:>8}")
}

/// What was not read.
fn lost(text: &mut String, account: &Account) -> std::fmt::Result {
    // From the whole record to its fields.
    groups(text, "skipped", &account.skipped)?;
    groups(text, "set aside of kept records", &account.remarks)?;
    if !account.unread.is_empty() {
        writeln!(text, "\nfields that were not read, and the records that have them")?;
        for field in &account.unread {
            row(text, &format!("  {}", field.name), field.records)?;
        }
    }
    Ok(())
}

fn groups(text: &mut String, title: &str, groups: &[Group]) -> std::fmt::Result {
    if groups.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n{title}")?;
    for group in groups {
        row(text, &format!("  {}", group.name), group.count)?;
        for example in &group.examples {
            writeln!(text, "      {example}")?;
        }
    }
    Ok(())
}

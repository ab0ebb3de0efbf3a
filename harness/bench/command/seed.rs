//! `gra-bench seed`: imports and describes seed sets.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use crate::artifact::write_atomic;
use crate::seeds::describe::{Description, Quartiles, describe};
use crate::seeds::{self, Field, Format, Group, LoadOptions, SeedSet, jsonl};

/// Import or describe a seed set.
#[derive(Debug, Args)]
pub struct SeedArgs {
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
    /// Fields are instruction, input, output, conversations, domain, summary and keywords.
    #[arg(long = "field", value_name = "FIELD=NAME", value_parser = seeds::assignment)]
    fields: Vec<(Field, String)>,
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
    /// Comma-separated values with a header.
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
            limit: self.limit.and_then(|limit| usize::try_from(limit).ok()),
            max_bad: self.max_bad,
        };
        Ok(seeds::load(&self.file, &options)?)
    }
}

/// Does what the arguments say.
///
/// # Errors
/// When the seed set is unfit, or the output cannot be written.
pub fn run(args: SeedArgs) -> Result<()> {
    print(&match args.action {
        Action::Import(args) => import(&args)?,
        Action::Describe(args) => {
            let described = describe(&args.source.load()?);
            if args.source.json { json(&described)? } else { table(&described)? }
        }
    })
}

/// What an import did.
#[derive(Serialize)]
struct Imported<'a> {
    file: &'a Path,
    out: &'a Path,
    format: Format,
    sha256: &'a str,
    records: usize,
    kept: usize,
    over_limit: usize,
    with_response: usize,
    with_annotation: usize,
    skipped: Vec<Group>,
    remarks: Vec<Group>,
}

/// Writes the normalised set; the text says what was done.
fn import(args: &ImportArgs) -> Result<String> {
    let set = args.source.load()?;
    if is_same_file(&args.source.file, &args.out) {
        bail!(
            "--out would replace the seed set {} itself\nhint: give --out another name",
            args.out.display()
        );
    }
    let bytes = jsonl::from_items(&set.items).context("writing the items as JSON")?;
    // A bare file name has no folder to put the temporary file in.
    let out = std::path::absolute(&args.out).context("finding the folder of --out")?;
    write_atomic(&out, &bytes)?;
    let imported = Imported {
        file: &args.source.file,
        out: &args.out,
        format: set.format,
        sha256: &set.sha256,
        records: set.records,
        kept: set.items.len(),
        over_limit: set.over_limit,
        with_response: set.items.iter().filter(|item| item.response.is_some()).count(),
        with_annotation: set.items.iter().filter(|item| item.annotation.is_some()).count(),
        skipped: Group::of_skipped(&set.skipped),
        remarks: Group::of_remarks(&set.remarks),
    };
    if args.source.json { json(&imported) } else { Ok(summary(&imported)?) }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn summary(imported: &Imported<'_>) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(text, "{} ({})", imported.file.display(), imported.format)?;
    writeln!(text, "sha256 {}\n", imported.sha256)?;
    row(&mut text, "records", imported.records)?;
    row(&mut text, "kept", imported.kept)?;
    row(&mut text, "  with a response", imported.with_response)?;
    row(&mut text, "  with an annotation", imported.with_annotation)?;
    if imported.over_limit > 0 {
        row(&mut text, "beyond --limit", imported.over_limit)?;
    }
    groups(&mut text, "skipped", &imported.skipped)?;
    groups(&mut text, "set aside of kept records", &imported.remarks)?;
    writeln!(text, "\nwrote {}", imported.out.display())?;
    Ok(text)
}

fn table(described: &Description) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(text, "{}, sha256 {}\n", described.format, described.sha256)?;
    row(&mut text, "records", described.records)?;
    row(&mut text, "kept", described.kept)?;
    row(&mut text, "  with a response", described.with_response)?;
    row(&mut text, "  with an annotation", described.with_annotation)?;
    row(&mut text, "  beyond ASCII", described.non_ascii_items)?;
    if described.over_limit > 0 {
        row(&mut text, "beyond --limit", described.over_limit)?;
    }
    let percent = 100.0 * described.non_ascii_share;
    writeln!(text, "\n{percent:.2}% of the instructions' characters are beyond ASCII")?;
    groups(&mut text, "skipped", &described.skipped)?;
    groups(&mut text, "set aside of kept records", &described.remarks)?;
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
    for long in &described.longest {
        writeln!(text, "  {:>8} {:>10}  {}", long.number, long.characters, long.begins)?;
    }
    Ok(text)
}

fn row(text: &mut String, label: &str, count: usize) -> std::fmt::Result {
    writeln!(text, "{label:<26}{count:>8}")
}

fn quartiles(text: &mut String, label: &str, of: &Quartiles) -> std::fmt::Result {
    let Quartiles { min, first, median, third, max } = of;
    writeln!(text, "  {label:<24}{min:>8}{first:>8}{median:>8}{third:>8}{max:>8}")
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

fn json(value: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// Writes to standard output. A reader that has seen enough (`| head`) is no error.
fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("writing to standard output")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: SeedArgs,
    }

    const SET: &str = concat!(
        r#"{"instruction": "Name a prime.", "output": "Seven.", "domain": "math", "#,
        r#""summary": "A prime number", "keywords": ["prime"]}"#,
        "\n",
        r#"{"instruction": "Grüße die Gäste.", "keywords": ["greeting"]}"#,
        "\n{broken\n",
        r#"{"instruction": " Name a prime. "}"#,
        "\n",
    );

    /// Imports [`SET`] in a folder of its own; what was said and what was written.
    fn imported(more: &[&str]) -> Result<(String, String)> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("set.jsonl"), SET)?;
        let (set, out) = (path("set.jsonl"), path("out.jsonl"));
        let words = ["seed", "import", &set, "--out", &out].into_iter().chain(more.iter().copied());
        let Action::Import(args) = Cli::try_parse_from(words)?.args.action else { bail!("import") };
        let said = import(&args)?.replace(&path(""), "");
        Ok((said, std::fs::read_to_string(out)?))
    }

    #[test]
    fn import_says_what_it_kept_and_writes_it() {
        let (said, written) = imported(&[]).unwrap();
        insta::assert_snapshot!(said, @"");
        insta::assert_snapshot!(written, @"");
    }

    #[test]
    fn import_as_json_and_with_a_limit() {
        let (said, written) = imported(&["--json", "--limit", "1"]).unwrap();
        assert_eq!(written.lines().count(), 1);
        insta::assert_snapshot!(said, @"");
    }

    #[test]
    fn import_never_replaces_its_source() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.jsonl");
        std::fs::write(&path, SET).unwrap();
        let name = path.to_str().unwrap();
        let Action::Import(args) =
            Cli::parse_from(["seed", "import", name, "--out", name]).args.action
        else {
            panic!("import");
        };
        assert!(import(&args).unwrap_err().to_string().contains("itself"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), SET);
    }

    #[test]
    fn describe_is_a_table() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.jsonl");
        std::fs::write(&path, SET).unwrap();
        let set = seeds::load(&path, &LoadOptions::default()).unwrap();
        insta::assert_snapshot!(table(&describe(&set)).unwrap(), @"");
    }
}

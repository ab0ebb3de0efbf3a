//! What makes a whole file unfit as a seed set.

use std::path::{Path, PathBuf};

use super::skip::latin_hint;
use super::{Field, Group, Skipped};

/// A file that could not be read as a seed set.
///
/// Its text has a last line that begins with `hint:` and says what to do next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use {} as a seed set: {fault}\nhint: {}", path.display(), fault.hint(path))]
pub struct SeedError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It could not be read from disk.
    #[error("{0}")]
    Read(String),
    /// It is a folder.
    #[error("it is a folder")]
    Folder {
        /// Those of its files that may be data sets.
        files: Vec<PathBuf>,
    },
    /// Its gzip stream is broken or cut off.
    #[error("it does not unpack: {0}")]
    Gzip(String),
    /// It has more bytes (unpacked) or rows than record numbers can count.
    #[error("it is larger than 4 GiB")]
    TooLarge,
    /// Neither its content nor its extension tells what it is.
    #[error("its format is none of the known ones")]
    UnknownFormat,
    /// It is not what its `--format` says.
    #[error("it is no {0}")]
    OtherFormat(&'static str),
    /// It is in an encoding that is not read: UTF-8 is, and UTF-16 with a byte order mark.
    #[error("it is {0}, which is not read")]
    Encoding(&'static str),
    /// It is no data set but something that such files are kept in.
    #[error("it is {what}")]
    Foreign {
        /// What it is.
        what: &'static str,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A JSON array or CSV header with bytes that are no UTF-8.
    #[error("it is not UTF-8: byte {offset}, on line {line}")]
    NotUtf8 {
        /// Place of the first wrong byte in the unpacked file, from 0.
        offset: usize,
        /// Line of that byte, from 1.
        line: usize,
    },
    /// Broken JSON that is not in lines.
    #[error("broken JSON on line {line}, column {column}: {message}")]
    BrokenJson {
        /// Line, from 1.
        line: usize,
        /// Column, in bytes, from 1.
        column: usize,
        /// What the parser says.
        message: String,
    },
    /// An object with more than one list of records.
    #[error("it has several lists of records: {}", listed(names))]
    SeveralLists {
        /// Their keys.
        names: Vec<String>,
    },
    /// A table kept by columns whose columns do not fit each other.
    #[error("its fields are lists of different lengths: {}", lengths_listed(lengths))]
    UnevenColumns {
        /// Each field and its length.
        lengths: Vec<(String, usize)>,
    },
    /// The CSV reader gave up.
    #[error("its CSV cannot be read: {0}")]
    Csv(String),
    /// The Parquet reader gave up.
    #[error("its Parquet cannot be read: {0}")]
    Parquet(String),
    /// A Parquet column of a type that holds no text.
    #[error("column `{name}`, its {field}, is of type {found}, not text")]
    Column {
        /// What the column should hold.
        field: Field,
        /// The column's name.
        name: String,
        /// The column's type.
        found: String,
    },
    /// No record has the field.
    #[error("no record has a field `{name}`; the first one's fields: {}", listed(found))]
    NoField {
        /// What was looked for.
        field: Field,
        /// Under which name.
        name: String,
        /// The keys of the first record.
        found: Vec<String>,
    },
    /// It is empty, or an empty list.
    #[error("it has no records")]
    NoRecords,
    /// Every record was skipped.
    #[error("none of its {records} record(s) can be used; {first}")]
    NothingKept {
        /// Records in the file.
        records: usize,
        /// The first of them.
        first: Box<Skipped>,
    },
    /// More bad records than tolerated.
    #[error(
        "{bad} of its {records} records are bad, and {tolerated} are tolerated: {}; {first}",
        counts_listed(reasons)
    )]
    TooManyBad {
        /// Bad records.
        bad: usize,
        /// Records in the file.
        records: usize,
        /// How many may be bad.
        tolerated: usize,
        /// How many have which reason, the most frequent first.
        reasons: Vec<Group>,
        /// The first of them.
        first: Box<Skipped>,
    },
}

impl Fault {
    /// What to type next. Options are shown on `seed import`, because its output fits wherever a
    /// seed set is asked for, while experiments take no reading options.
    fn hint(&self, path: &Path) -> String {
        let path = &path.display().to_string();
        let import =
            |options: &str| format!("gra-bench seed import {path} {options} --out OUT.jsonl");
        match self {
            Self::Read(_) if path.contains("://") => format!("fetch the file first: curl -LO '{path}'"),
            Self::Read(_) if is_hub_name(path) => format!(
                "a data set of the Hugging Face Hub has to be fetched first: hf download {path} --repo-type dataset \
                 --local-dir FOLDER; else check the path: ls -l {path}"
            ),
            Self::Read(_) => format!("check the path: ls -l {path}"),
            Self::Folder { files } => match files.as_slice() {
                [] => format!("name a file of it: ls {path}"),
                [file] => format!("name its file: {}", file.display()),
                [file, ..] => format!(
                    "name one of its {} files, such as {}; parts of one data set have to be put together first (JSON \
                     Lines with cat)",
                    files.len(),
                    file.display()
                ),
            },
            Self::Gzip(_) => format!("check it: gzip -t {path}; fetch it again if that fails"),
            // `l/4` cuts between lines, so that no record is torn.
            Self::TooLarge => format!("split it: split -n l/4 {path} part-"),
            Self::UnknownFormat => format!(
                "say what it is (alpaca, sharegpt, jsonl, csv or parquet): {}",
                import("--format csv")
            ),
            Self::OtherFormat(_) => "leave --format out to have the format found".to_owned(),
            Self::Encoding(_) => {
                format!("convert it: iconv -f UTF-16LE -t UTF-8 {path} > OUT; iconv -l lists encodings")
            }
            Self::Foreign { remedy, .. } => (*remedy).to_owned(),
            Self::NotUtf8 { .. } => latin_hint(path),
            Self::BrokenJson { line, .. } => format!(
                "look at it: sed -n {line}p {path}; an array must be whole, but in a .jsonl file, \
                 with one record a line, broken lines are skipped and counted"
            ),
            Self::SeveralLists { names } => format!(
                "choose one: jq '.\"{}\"' {path} > OUT.json",
                names.first().map_or("NAME", String::as_str)
            ),
            Self::UnevenColumns { .. } => {
                "a file by columns must have the same rows in each; write it as .jsonl, a record a line"
                    .to_owned()
            }
            Self::NoField { found, .. } if are_messages(found) => {
                "each of its records is a single message: write a conversation a record, as \
                 {\"messages\": [{\"role\": .., \"content\": ..}, ..]}"
                    .to_owned()
            }
            Self::Csv(_) | Self::Column { field: Field::Conversations, .. } => {
                "write it as .jsonl, with one record a line".to_owned()
            }
            Self::Parquet(_) => "fetch it again, or convert it to .jsonl".to_owned(),
            Self::Column { field, .. } => format!(
                "convert the file to .jsonl, or name a text column: {}",
                import(&format!("--field {field}=NAME"))
            ),
            Self::NoField { field: Field::Instruction, .. } => format!(
                "a file without instructions (a list of tags, say) is no seed set; if they have \
                 another name, say which: {} (or conversations=NAME, where it is a list of turns)",
                import("--field instruction=NAME")
            ),
            Self::NoField { field, .. } => {
                format!("name a field that the records have: --field {field}=NAME")
            }
            Self::NoRecords => {
                "a seed set needs at least one record with an instruction".to_owned()
            }
            Self::NothingKept { first, .. } => first.reason.hint(path, import).unwrap_or_else(|| {
                format!("see whether --format and --field fit the file: head -c 500 {path}")
            }),
            Self::TooManyBad { bad, first, .. } => {
                let tolerate = format!(
                    "repair the file, or say how many may be bad (else it is 1% of the records or 10, \
                     whichever is larger): {}",
                    import(&format!("--max-bad {bad}"))
                );
                match first.reason.hint(path, import) {
                    Some(hint) => format!("{hint}; else {tolerate}"),
                    None => tolerate,
                }
            }
        }
    }
}

impl From<csv::Error> for Fault {
    fn from(error: csv::Error) -> Self {
        Self::Csv(error.to_string())
    }
}

/// Keys as a message lists them: the first dozen.
fn listed(keys: &[String]) -> String {
    const SHOWN: usize = 12;
    if keys.is_empty() {
        return "no fields at all".to_owned();
    }
    let shown = keys.iter().take(SHOWN).map(|key| format!("`{key}`")).collect::<Vec<_>>();
    let more = keys.len().saturating_sub(SHOWN);
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{tail}", shown.join(", "))
}

/// Whether a path that leads to nothing may be meant as a data set's name on the hub: owner and name.
fn is_hub_name(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let is_name = |part: &&str| !part.is_empty() && !part.starts_with('.');
    parts.len() == 2 && parts.iter().all(is_name) && Path::new(path).extension().is_none()
}

/// Whether records with these keys are messages, as OASST has them: one a record, by turns of a tree.
fn are_messages(keys: &[String]) -> bool {
    let has = |name: &str| keys.iter().any(|key| key == name);
    (has("role") && (has("text") || has("content"))) || (has("from") && has("value"))
}

fn lengths_listed(lengths: &[(String, usize)]) -> String {
    let lengths = lengths.iter().map(|(name, length)| format!("`{name}` {length}"));
    lengths.collect::<Vec<_>>().join(", ")
}

fn counts_listed(groups: &[Group]) -> String {
    let counts = groups.iter().map(|group| format!("{} {}", group.name, group.count));
    counts.collect::<Vec<_>>().join(", ")
}

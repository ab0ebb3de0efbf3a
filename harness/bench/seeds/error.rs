//! What makes a whole file unfit as a seed set.

use std::path::{Path, PathBuf};

use super::{Field, Skipped};

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
    /// It is encoded as UTF-16.
    #[error("it is UTF-16, and only UTF-8 is read")]
    Utf16,
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
        first: Skipped,
    },
    /// More bad records than tolerated.
    #[error("{bad} of its {records} records are bad, and {tolerated} are tolerated; {first}")]
    TooManyBad {
        /// Bad records.
        bad: usize,
        /// Records in the file.
        records: usize,
        /// How many may be bad.
        tolerated: usize,
        /// The first of them.
        first: Skipped,
    },
}

impl Fault {
    /// What to type next. Options are shown on `seed import`, because its output fits wherever a
    /// seed set is asked for, while experiments take no reading options.
    fn hint(&self, path: &Path) -> String {
        let path = path.display();
        let import =
            |options: &str| format!("gra-bench seed import {path} {options} --out OUT.jsonl");
        match self {
            Self::Read(_) => format!("check the path: ls -l {path}"),
            Self::Gzip(_) => format!("check it: gzip -t {path}; fetch it again if that fails"),
            Self::TooLarge => format!("split it: split -n l/4 {path} part-"),
            Self::UnknownFormat => format!(
                "say what it is (alpaca, sharegpt, jsonl, csv or parquet): {}",
                import("--format csv")
            ),
            Self::OtherFormat(_) => "leave --format out to have the format found".to_owned(),
            Self::Utf16 => format!("convert it: iconv -f UTF-16 -t UTF-8 {path} > OUT"),
            Self::NotUtf8 { .. } => {
                format!("if it is Latin-1, convert it: iconv -f LATIN1 -t UTF-8 {path} > OUT")
            }
            Self::BrokenJson { line, .. } => format!(
                "look at it: sed -n {line}p {path}; an array must be whole, but in a .jsonl file, \
                 with one record a line, broken lines are skipped and counted"
            ),
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
                 another name, say which: {}",
                import("--field instruction=NAME")
            ),
            Self::NoField { field, .. } => {
                format!("name a field that the records have: --field {field}=NAME")
            }
            Self::NoRecords => {
                "a seed set needs at least one record with an instruction".to_owned()
            }
            Self::NothingKept { .. } => {
                format!("see whether --format and --field fit the file: head -c 500 {path}")
            }
            Self::TooManyBad { bad, .. } => format!(
                "repair the file, or say how many may be bad (else it is 1% of the records or 10, \
                 whichever is larger): {}",
                import(&format!("--max-bad {bad}"))
            ),
        }
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

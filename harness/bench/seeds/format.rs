//! What a file is: which format, which layout of records.

use std::fmt;
use std::path::Path;

use super::{Fault, json};

/// A format in which seed sets are published. Each of them may be packed with gzip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A JSON array of records with `instruction`, `input` and `output`; WizardLM's
    /// instruction/output form and Condor's records too. The array may stand in an object.
    Alpaca,
    /// Conversations, in a JSON array or one a line: `conversations` of `from`/`value` turns or
    /// `messages` of `role`/`content` turns; WizardLM's conversation form too.
    ShareGpt,
    /// A JSON object a line, with the same fields as Alpaca; also the normalised form that
    /// [`super::jsonl`] writes, with annotations.
    #[serde(rename = "jsonl")]
    JsonLines,
    /// Values separated by commas, semicolons, tabs or bars, with a header.
    Csv,
    /// Apache Parquet.
    Parquet,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Alpaca => "Alpaca JSON",
            Self::ShareGpt => "ShareGPT conversations",
            Self::JsonLines => "JSON Lines",
            Self::Csv => "CSV",
            Self::Parquet => "Parquet",
        })
    }
}

/// How records lie in the bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// One JSON array.
    Array,
    /// A JSON object a line.
    Lines,
    /// JSON objects one after the other, not in lines; a single object is such a file.
    Objects,
    /// Separated values with a header.
    Csv,
    /// Apache Parquet.
    Parquet,
}

const PARQUET_MAGIC: &[u8] = b"PAR1";

/// Finds the layout: as asked, else by content, else by extension.
pub(super) fn detect(content: &[u8], path: &Path, asked: Option<Format>) -> Result<Layout, Fault> {
    let start = content.trim_ascii_start();
    if start.is_empty() {
        return Err(Fault::NoRecords);
    }
    let is_parquet = content.starts_with(PARQUET_MAGIC);
    match asked {
        Some(Format::Csv) => return Ok(Layout::Csv),
        Some(Format::Parquet) if is_parquet => return Ok(Layout::Parquet),
        Some(Format::Parquet) => return Err(Fault::OtherFormat("Parquet file")),
        Some(Format::Alpaca) if start[0] == b'[' => return Ok(Layout::Array),
        Some(Format::Alpaca) if start[0] == b'{' => return Ok(Layout::Objects),
        Some(Format::Alpaca) => return Err(Fault::OtherFormat("JSON array")),
        Some(Format::JsonLines) => return Ok(Layout::Lines),
        Some(Format::ShareGpt) | None => {}
    }
    if is_parquet {
        return Ok(Layout::Parquet);
    }
    let extension = extension(path);
    match (start[0], extension.as_str()) {
        (_, "csv" | "tsv" | "tab") if asked.is_none() => Ok(Layout::Csv),
        (b'[', _) => Ok(Layout::Array),
        (_, "jsonl" | "ndjson") => Ok(Layout::Lines),
        // Many a .json file holds one record a line.
        (b'{', _) if first_line_is_whole(start) => Ok(Layout::Lines),
        (b'{', _) | (_, "json") => Ok(Layout::Objects),
        _ => Err(Fault::UnknownFormat),
    }
}

/// The extension, in small letters, beneath `.gz`.
fn extension(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.rsplit_once('.').map(|(_, extension)| extension.to_owned()).unwrap_or_default()
}

fn first_line_is_whole(start: &[u8]) -> bool {
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    std::str::from_utf8(line).is_ok_and(json::is_whole)
}

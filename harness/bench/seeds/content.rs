//! From a file's bytes to its content: gzip and text encodings undone, and what the file is told, its format and
//! the layout of its records. Files that are something else entirely are named.

use std::borrow::Cow;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use polars_buffer::Buffer;
use serde_json::value::RawValue;

use super::Fault;
use super::value::without_nan;
use crate::builtin;

/// Record numbers are `u32`. A record takes more than a byte, so this many bytes hold no more
/// records than can be numbered.
const MAX_BYTES: u64 = u32::MAX as u64;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const PARQUET_MAGIC: &[u8] = b"PAR1";
const UTF8_BOM: &[u8] = b"\xef\xbb\xbf";
const UTF32_LE_BOM: &[u8] = &[0xff, 0xfe, 0, 0];

/// Files that stand where a data set should be: how they begin, what they are, what to do.
const FOREIGN: [(&[u8], &str, &str); 20] = [
    (
        b"PK\x03\x04",
        "a ZIP archive or an Excel workbook",
        "unpack it, or save its sheet as CSV UTF-8",
    ),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "save its sheet as CSV UTF-8"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", "unpack it with zstd -d"),
    (b"\x04\x22\x4d\x18", "packed with lz4", "unpack it with lz4 -d"),
    (b"BZh", "packed with bzip2", "unpack it with bunzip2"),
    (b"\xfd7zXZ\0", "packed with xz", "unpack it with unxz"),
    (b"7z\xbc\xaf", "a 7z archive", "unpack it with 7z x"),
    (b"Rar!", "a RAR archive", "unpack it with unrar x"),
    (b"ARROW1", "an Arrow file", ARROW_REMEDY),
    // A stream of messages, as the `datasets` library keeps them: no mark of its own but the first message's.
    (b"\xff\xff\xff\xff", "an Arrow stream", ARROW_REMEDY),
    (b"\x80\x03", "a Python pickle", PICKLE_REMEDY),
    (b"\x80\x04", "a Python pickle", PICKLE_REMEDY),
    (b"\x80\x05", "a Python pickle", PICKLE_REMEDY),
    (b"Obj\x01", "an Avro file", "write it as .parquet or .jsonl"),
    (b"SQLite format 3\0", "an SQLite database", "write its table as .csv or .jsonl"),
    (b"%PDF", "a PDF", "write its instructions into a table: .csv or .jsonl"),
    (b"GGUF", "a model", "name a file of instructions"),
    (
        b"version https://git-lfs",
        "a Git LFS pointer, not the data",
        "fetch the data with git lfs pull",
    ),
    (b"<!DOCTYPE", "a web page", "fetch the file itself, not the page about it"),
    (b"<html", "a web page", "fetch the file itself, not the page about it"),
];

const ARROW_REMEDY: &str = "write it as .parquet or .jsonl: load_from_disk(FOLDER).to_json(\"OUT.jsonl\") in Python, \
                            with the `datasets` library";
const PICKLE_REMEDY: &str = "write it as .jsonl: pd.read_pickle(FILE).to_json(\"OUT.jsonl\", orient=\"records\", \
                             lines=True) in Python, with pandas";

/// What tells a tar archive, and where it stands.
const TAR_MAGIC: (usize, &[u8]) = (257, b"ustar");

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
    /// [`super::to_json_lines`] writes, with annotations.
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

/// What a file holds once nothing is packed any more.
pub(super) struct Content {
    /// Shared, because each row group of a Parquet file keeps a part of them.
    pub(super) bytes: Buffer<u8>,
    pub(super) layout: Layout,
    /// The format that was asked for.
    pub(super) asked: Option<Format>,
    /// The text without numbers that are none, where JSON has some.
    nan_free: Option<String>,
}

impl Content {
    /// Unpacks a file's bytes and finds out what they are: as asked, else by content, else by extension.
    pub(super) fn from_file(
        bytes: Vec<u8>,
        path: &Path,
        asked: Option<Format>,
    ) -> Result<Self, Fault> {
        let bytes = unpack(bytes)?;
        let layout = detect(&bytes, path, asked)?;
        let is_json = matches!(layout, Layout::Array | Layout::Lines | Layout::Objects);
        // What is no text is told by those who need it to be one: a file of lines may have a line that is none.
        let text = std::str::from_utf8(&bytes).ok().filter(|_| is_json);
        let nan_free = match text.map(without_nan) {
            Some(Cow::Owned(text)) => Some(text),
            Some(Cow::Borrowed(_)) | None => None,
        };
        Ok(Self { bytes: bytes.into(), layout, asked, nan_free })
    }

    /// The text of a file in JSON, as the parser can read it.
    pub(super) fn text(&self) -> Result<&str, Fault> {
        self.nan_free.as_deref().map_or_else(|| utf8(&self.bytes), Ok)
    }

    /// The format that a seed set is said to have.
    pub(super) const fn format(&self, begins_with_conversation: bool) -> Format {
        match (self.asked, self.layout) {
            (Some(asked), _) => asked,
            (None, Layout::Csv) => Format::Csv,
            (None, Layout::Parquet) => Format::Parquet,
            (None, _) if begins_with_conversation => Format::ShareGpt,
            (None, Layout::Array) => Format::Alpaca,
            (None, Layout::Lines | Layout::Objects) => Format::JsonLines,
        }
    }
}

/// The text of a file that cannot be skipped through line by line.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|error| {
        let offset = error.valid_up_to();
        let line = bytes[..offset].split(|byte| *byte == b'\n').count();
        Fault::NotUtf8 { offset, line }
    })
}

/// The bytes of a file, on disk or built in.
pub(super) fn file_bytes(path: &Path) -> Result<Vec<u8>, Fault> {
    if path.is_dir() {
        return Err(Fault::Folder { files: data_files(path, 2) });
    }
    builtin::read(path).map(Cow::into_owned).map_err(|error| Fault::Read(error.to_string()))
}

/// Files in a folder, or so many folders below it, that may be data sets, by their paths.
fn data_files(folder: &Path, depth: usize) -> Vec<PathBuf> {
    const KNOWN: [&str; 9] =
        ["json", "jsonl", "ndjson", "csv", "tsv", "tab", "parquet", "arrow", "zst"];
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    let files = |path: PathBuf| {
        if path.is_dir() && depth > 0 {
            return data_files(&path, depth - 1);
        }
        Vec::from_iter(KNOWN.contains(&&*extension(&path)).then_some(path))
    };
    paths.into_iter().flat_map(files).collect()
}

/// Unpacks gzip, decodes UTF-16 and takes byte order marks off.
pub(super) fn unpack(bytes: Vec<u8>) -> Result<Vec<u8>, Fault> {
    let content = if bytes.starts_with(GZIP_MAGIC) {
        let mut unpacked = Vec::new();
        // Several members in a row are one file, as gzip itself has it. One byte more than may be is enough to
        // know that there are too many, however far a small file would unfold.
        MultiGzDecoder::new(bytes.as_slice())
            .take(MAX_BYTES + 1)
            .read_to_end(&mut unpacked)
            .map_err(|error| Fault::Gzip(error.to_string()))?;
        unpacked
    } else {
        bytes
    };
    if content.len() as u64 > MAX_BYTES {
        return Err(Fault::TooLarge);
    }
    // A web page may be written in any capitals.
    let is = |begins: &[u8]| {
        content.get(..begins.len()).is_some_and(|start| start.eq_ignore_ascii_case(begins))
    };
    if let Some((_, what, remedy)) = FOREIGN.into_iter().find(|(begins, ..)| is(begins)) {
        return Err(Fault::Foreign { what, remedy });
    }
    if content.get(TAR_MAGIC.0..).is_some_and(|header| header.starts_with(TAR_MAGIC.1)) {
        let remedy = "unpack it with tar -xf, and name a file of it";
        return Err(Fault::Foreign { what: "a tar archive", remedy });
    }
    decode(content)
}

/// The content in UTF-8, as far as its byte order mark tells; other encodings are found out later, where
/// the record that they spoil can be named.
fn decode(mut content: Vec<u8>) -> Result<Vec<u8>, Fault> {
    // Before UTF-16, whose mark this one begins with.
    if content.starts_with(UTF32_LE_BOM) {
        return Err(Fault::Encoding("UTF-32"));
    }
    let utf16 = match content.as_slice() {
        [0xff, 0xfe, units @ ..] => Some((units, u16::from_le_bytes as fn([u8; 2]) -> u16)),
        [0xfe, 0xff, units @ ..] => Some((units, u16::from_be_bytes as fn([u8; 2]) -> u16)),
        _ => None,
    };
    if let Some((bytes, unit)) = utf16 {
        // Half a unit at the end means that the file was cut.
        let (pairs, rest) = bytes.as_chunks::<2>();
        let text = String::from_utf16(&pairs.iter().copied().map(unit).collect::<Vec<_>>());
        let text = text.ok().filter(|_| rest.is_empty()).ok_or(Fault::Encoding("damaged UTF-16"));
        return text.map(String::into_bytes);
    }
    if is_utf16(&content) {
        return Err(Fault::Encoding("UTF-16 without a byte order mark"));
    }
    // Some tools write one mark after the other.
    let marks = content.chunks_exact(UTF8_BOM.len()).take_while(|mark| *mark == UTF8_BOM).count();
    content.drain(..marks * UTF8_BOM.len());
    Ok(content)
}

/// Whether every other of the first bytes is zero, as it is in UTF-16 that begins with ASCII.
fn is_utf16(content: &[u8]) -> bool {
    const LOOKED_AT: usize = 8;
    let zeros = |first: usize| {
        content.len() >= LOOKED_AT
            && content[..LOOKED_AT].iter().skip(first).step_by(2).all(|byte| *byte == 0)
    };
    zeros(0) != zeros(1)
}

/// Finds the layout: as asked, else by content, else by extension.
fn detect(content: &[u8], path: &Path, asked: Option<Format>) -> Result<Layout, Fault> {
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
        // Conversations come in every layout.
        Some(Format::ShareGpt) | None => {}
    }
    if is_parquet {
        return Ok(Layout::Parquet);
    }
    let extension = extension(path);
    match (start[0], extension.as_str()) {
        // Before the brackets: a header may begin with anything.
        (_, "csv" | "tsv" | "tab") if asked.is_none() => Ok(Layout::Csv),
        // A line may be a list too: of the turns of a conversation.
        (b'[', "jsonl" | "ndjson") if first_line_is_whole(start) && has_lines(start) => {
            Ok(Layout::Lines)
        }
        (b'[', _) => Ok(Layout::Array),
        // Written over several lines, which no record of a file of lines is.
        (b'{', "jsonl" | "ndjson") if first_line(start).trim_ascii() == b"{" => Ok(Layout::Objects),
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
    let line = first_line(start);
    let is_whole = |text| serde_json::from_str::<&RawValue>(&without_nan(text)).is_ok();
    std::str::from_utf8(line).is_ok_and(is_whole)
}

fn first_line(start: &[u8]) -> &[u8] {
    start.split(|byte| *byte == b'\n').next().unwrap_or_default()
}

/// Whether something stands below the first line.
fn has_lines(start: &[u8]) -> bool {
    !start[first_line(start).len()..].trim_ascii().is_empty()
}

//! From a file's bytes to its content: gzip and text encodings undone, and files that are something else
//! entirely named.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::Fault;

/// Record numbers are `u32`. A record takes more than a byte, so this many bytes hold no more
/// records than can be numbered.
const MAX_BYTES: u64 = u32::MAX as u64;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const UTF8_BOM: &[u8] = b"\xef\xbb\xbf";
const UTF32_LE_BOM: &[u8] = &[0xff, 0xfe, 0, 0];

/// Files that stand where a data set should be: how they begin, what they are, what to do.
const FOREIGN: [(&[u8], &str, &str); 9] = [
    (
        b"PK\x03\x04",
        "a ZIP archive or an Excel workbook",
        "unpack it, or save its sheet as CSV UTF-8",
    ),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", "unpack it with zstd -d"),
    (b"BZh", "packed with bzip2", "unpack it with bunzip2"),
    (b"\xfd7zXZ\0", "packed with xz", "unpack it with unxz"),
    (b"ARROW1", "an Arrow file", "write it as .parquet or .jsonl"),
    (b"SQLite format 3\0", "an SQLite database", "write its table as .csv or .jsonl"),
    (
        b"version https://git-lfs",
        "a Git LFS pointer, not the data",
        "fetch the data with git lfs pull",
    ),
    (b"<!DOCTYPE", "a web page", "fetch the file itself, not the page about it"),
    (b"<html", "a web page", "fetch the file itself, not the page about it"),
];

/// Unpacks gzip, decodes UTF-16 and takes byte order marks off.
pub(super) fn unpack(bytes: Vec<u8>) -> Result<Vec<u8>, Fault> {
    let content = if bytes.starts_with(GZIP_MAGIC) {
        let mut unpacked = Vec::new();
        // Several members in a row are one file, as gzip itself has it.
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
    let is = |begins: &[u8]| {
        content.get(..begins.len()).is_some_and(|start| start.eq_ignore_ascii_case(begins))
    };
    if let Some((_, what, remedy)) = FOREIGN.into_iter().find(|(begins, ..)| is(begins)) {
        return Err(Fault::Foreign { what, remedy });
    }
    decode(content)
}

/// The content in UTF-8, as far as its byte order mark tells; other encodings are found out later, where
/// the record that they spoil can be named.
fn decode(mut content: Vec<u8>) -> Result<Vec<u8>, Fault> {
    if content.starts_with(UTF32_LE_BOM) {
        return Err(Fault::Encoding("UTF-32"));
    }
    let utf16 = match content.as_slice() {
        [0xff, 0xfe, units @ ..] => Some((units, u16::from_le_bytes as fn([u8; 2]) -> u16)),
        [0xfe, 0xff, units @ ..] => Some((units, u16::from_be_bytes as fn([u8; 2]) -> u16)),
        _ => None,
    };
    if let Some((bytes, unit)) = utf16 {
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

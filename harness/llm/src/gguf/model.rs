//! A model's files read as one: a single file, or all parts of a model that was split. Parts have the names that
//! llama.cpp's gguf-split gives them and llama.cpp looks for: `NAME-00001-of-00003.gguf` to
//! `NAME-00003-of-00003.gguf`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::{GgufError, GgufHeader};

/// Digits of a part's number.
const DIGITS: usize = 5;

/// Most parts that llama.cpp counts.
const MOST: u32 = u16::MAX as u32;

/// What the files of a model say about it.
#[derive(Clone, Debug, PartialEq)]
pub struct GgufModel {
    /// The first file's facts, with the tensors of all files. A tensor's offset is counted in its own file.
    pub header: GgufHeader,
    /// Bytes of all files.
    pub size: u64,
}

impl GgufModel {
    /// Reads the header of every file of a model and finds the files whole: long enough for their tensors, and
    /// belonging together. `first` is the only file, or the first part.
    ///
    /// # Errors
    /// Says what is wrong, and in which part.
    pub fn read(first: &Path) -> Result<Self, GgufError> {
        let mut header = GgufHeader::read(first)?;
        let size = file_size(first)?;
        let name = SplitName::of_path(first);
        let count = header.number("split.count").unwrap_or(1).max(1);
        check_name(name.as_ref(), &header, count)?;
        // The first file's facts count for all: the others hold tensors and little else.
        let mut model = Self { size, header: GgufHeader::default() };
        for (path, number) in files(first).iter().zip(1_u64..).skip(1) {
            let part = GgufHeader::read(path).and_then(|part| {
                model.size += file_size(path)?;
                header.add_part(part, number - 1, count)
            });
            part.map_err(|error| GgufError::InPart {
                file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                error: Box::new(error),
            })?;
        }
        // A part of another model can have the right name and number; its tensors give it away.
        let expected = header.number("split.tensors.count").filter(|_| count > 1);
        let found = header.tensors.len() as u64;
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            return Err(GgufError::Split(format!(
                "its {count} parts hold {found} tensors together, and the first says {expected}; are they \
                 all of one model?"
            )));
        }
        model.header = header;
        Ok(model)
    }
}

impl GgufHeader {
    /// Adds the tensors of another part, which should be number `index`, counted from 0.
    fn add_part(&mut self, part: Self, index: u64, count: u64) -> Result<(), GgufError> {
        let says = |key| part.number(key);
        if says("split.no") != Some(index) || says("split.count").is_some_and(|n| n != count) {
            let is = match (says("split.no"), says("split.count")) {
                (Some(no), Some(count)) => format!("part {} of {count}", no.saturating_add(1)),
                _ => "no part of a model".to_owned(),
            };
            return Err(GgufError::Split(format!(
                "by its header it is {is}, and it should be part {} of {count}",
                index + 1
            )));
        }
        for (name, tensor) in part.tensors {
            if self.tensors.insert(name.clone(), tensor).is_some() {
                return Err(GgufError::Split(format!(
                    "it holds {name}, which another part has too"
                )));
            }
        }
        Ok(())
    }
}

/// Refuses files whose name and header do not say the same: llama.cpp finds parts by their names.
fn check_name(name: Option<&SplitName>, header: &GgufHeader, count: u64) -> Result<(), GgufError> {
    // Headers count parts from 0, names from 1.
    let number = header.number("split.no").unwrap_or(0).saturating_add(1);
    let said = name.map_or((1, 1), |name| (u64::from(name.number), u64::from(name.count)));
    // A whole model may be named as the only part of itself.
    let fits = if count == 1 { said.1 == 1 } else { number == 1 && said == (1, count) };
    if fits {
        return Ok(());
    }
    Err(GgufError::Split(match (name, count) {
        (_, 1) => format!(
            "its name says that it is one of {} parts, and its header that it is a whole model; if it was \
             merged, give it a name without -of-",
            said.1
        ),
        _ => format!(
            "by its header it is part {number} of a model in {count} parts; they are found by their names, so \
             let those end in -00001-of-{count:05}.gguf and so on, and name the first one"
        ),
    }))
}

fn file_size(path: &Path) -> Result<u64, GgufError> {
    Ok(fs::metadata(path).map_err(GgufError::Read)?.len())
}

/// What a part's name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SplitName {
    stem: String,
    /// Which part it is, from 1.
    pub(crate) number: u32,
    /// How many parts there are.
    pub(crate) count: u32,
}

impl SplitName {
    /// Reads a file's name or path; `None` where it is no part's.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        // Read from the end: the stem may hold anything, numbers too.
        let (rest, count) = strip_number(name.strip_suffix(".gguf")?)?;
        let (rest, number) = strip_number(rest.strip_suffix("-of")?)?;
        let is_a_part = !rest.is_empty() && (1..=count).contains(&number) && count <= MOST;
        is_a_part.then(|| Self { stem: rest.to_owned(), number, count })
    }

    /// Reads a path's last component.
    pub(crate) fn of_path(path: &Path) -> Option<Self> {
        Self::parse(path.file_name().and_then(OsStr::to_str)?)
    }

    /// The name of another part of the model.
    pub(crate) fn part(&self, number: u32) -> String {
        format!("{}-{number:05}-of-{:05}.gguf", self.stem, self.count)
    }

    /// A pattern of a shell that fits the names of all parts.
    pub(crate) fn pattern(&self) -> String {
        format!("{}-*-of-{:05}.gguf", self.stem, self.count)
    }

    /// The names of all parts.
    pub(crate) fn parts(&self) -> impl Iterator<Item = String> + '_ {
        (1..=self.count).map(|number| self.part(number))
    }
}

/// Takes `-00003` off the end.
fn strip_number(text: &str) -> Option<(&str, u32)> {
    let (rest, number) = text.split_at_checked(text.len().checked_sub(DIGITS)?)?;
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit());
    Some((rest.strip_suffix('-')?, is_plain.then(|| number.parse().ok())??))
}

/// Every file of a model whose first file this is: itself, or itself and its other parts.
pub(crate) fn files(first: &Path) -> Vec<PathBuf> {
    SplitName::of_path(first).map_or_else(
        || vec![first.to_owned()],
        |name| name.parts().map(|part| first.with_file_name(part)).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_parts_are_told_from_other_names() {
        let check = |name: &str, expected: Option<(u32, u32)>| {
            let read = SplitName::parse(name);
            assert_eq!(read.as_ref().map(|read| (read.number, read.count)), expected, "{name}");
            if let Some(read) = read {
                assert_eq!(read.part(read.number), name, "what is written is what was read");
            }
        };
        check("a-00001-of-00003.gguf", Some((1, 3)));
        check("Q4_K_M/a.b-00002-of-00012.gguf", Some((2, 12)));
        check("a-00001-of-00001.gguf", Some((1, 1)));
        check("a--00001-of-00002.gguf", Some((1, 2)));
        for name in [
            "a.gguf",
            "a-00004-of-00003.gguf",
            "a-00000-of-00003.gguf",
            "a-00001-of-99999.gguf",
            "a-0001-of-0003.gguf",
            "a-000001-of-000003.gguf",
            "a-00001-of-00003.jsonl",
            "a-+0001-of-00003.gguf",
            "-00001-of-00003.gguf",
            "a-00001-of-ü0003.gguf",
            "00001-of-00003.gguf",
        ] {
            check(name, None);
        }
        let files = files(Path::new("x/a-00001-of-00002.gguf"));
        assert_eq!(
            files,
            ["x/a-00001-of-00002.gguf", "x/a-00002-of-00002.gguf"].map(PathBuf::from)
        );
    }
}

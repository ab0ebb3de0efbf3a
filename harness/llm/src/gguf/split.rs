//! Names of the parts of a model, as llama.cpp's gguf-split makes them and as llama.cpp looks for them:
//! `NAME-00001-of-00003.gguf` to `NAME-00003-of-00003.gguf`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Digits of a part's number.
const DIGITS: usize = 5;

/// Most parts that llama.cpp counts.
const MOST: u32 = u16::MAX as u32;

/// What a part's name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitName {
    stem: String,
    /// Which part it is, from 1.
    pub number: u32,
    /// How many parts there are.
    pub count: u32,
}

impl SplitName {
    /// Reads a file's name or path; `None` where it is no part's.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        // Read from the end: the stem may hold anything, numbers too.
        let (rest, count) = strip_number(name.strip_suffix(".gguf")?)?;
        let (rest, number) = strip_number(rest.strip_suffix("-of")?)?;
        let is_a_part = !rest.is_empty() && (1..=count).contains(&number) && count <= MOST;
        is_a_part.then(|| Self { stem: rest.to_owned(), number, count })
    }

    /// Reads a path's last component.
    #[must_use]
    pub fn of_path(path: &Path) -> Option<Self> {
        Self::parse(path.file_name().and_then(OsStr::to_str)?)
    }

    /// The name of another part of the model.
    #[must_use]
    pub fn part(&self, number: u32) -> String {
        format!("{}-{number:05}-of-{:05}.gguf", self.stem, self.count)
    }

    /// A pattern of a shell that fits the names of all parts.
    #[must_use]
    pub fn pattern(&self) -> String {
        format!("{}-*-of-{:05}.gguf", self.stem, self.count)
    }

    /// The names of all parts.
    pub fn parts(&self) -> impl Iterator<Item = String> + '_ {
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
#[must_use]
pub fn files(first: &Path) -> Vec<PathBuf> {
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

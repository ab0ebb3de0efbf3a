//! A model's files read as one: a single file, or all parts of a model that was split.

use std::fs;
use std::path::Path;

use super::split::{SplitName, files};
use super::{GgufError, GgufHeader};

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

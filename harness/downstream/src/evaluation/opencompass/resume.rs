//! What a killed run left behind: files of predictions that were cut off while they were written.
//!
//! OpenCompass writes predictions over the old file after every batch, so a run that is killed can leave half a file.
//! It would then ask everything again, or, where the file has its last name, fail for ever. The whole entries of such
//! a file are kept, and a file without any is put aside.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// What an entry of predictions begins with, and of nothing else: quotes in texts are escaped.
const ENTRY: &str = "\"origin_prompt\":";

/// How the name of a file begins while a data set is being asked.
const PASSING: &str = "tmp_";

/// What ends an entry and comes before the next, as four spaces of indentation have it.
const BETWEEN: &str = "\n    },\n";

/// Mends or puts aside what cannot be read below a run's folder. Results are put aside only: they are made again from
/// predictions at no cost.
pub(super) fn mend(run: &Path, model: &str) -> io::Result<()> {
    for file in files(&run.join("predictions").join(model), "json") {
        let text = fs::read_to_string(&file)?;
        if is_whole(&text) {
            continue;
        }
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let passing = file.with_file_name(format!("tmp_{name}"));
        if name.starts_with(PASSING) {
            match whole_entries(&text) {
                Some(kept) => gra_files::write_atomic(&file, kept.as_bytes())?,
                None => put_aside(&file)?,
            }
        } else if passing.is_file() {
            // The run was killed between writing the last file and removing the passing one, which has as much.
            put_aside(&file)?;
        } else {
            if let Some(kept) = whole_entries(&text) {
                // Under its passing name, so that the run goes on after the entries that are there.
                gra_files::write_atomic(&passing, kept.as_bytes())?;
            }
            put_aside(&file)?;
        }
    }
    for file in files(&run.join("results").join(model), "json") {
        if !is_whole(&fs::read_to_string(&file)?) {
            put_aside(&file)?;
        }
    }
    Ok(())
}

fn put_aside(file: &Path) -> io::Result<()> {
    fs::rename(file, file.with_extension("json.unreadable"))
}

fn is_whole(text: &str) -> bool {
    serde_json::from_str::<Map<String, Value>>(text).is_ok_and(|all| !all.is_empty())
}

/// The entries of a cut-off file that are whole, as a file; `None` where there are none.
fn whole_entries(text: &str) -> Option<String> {
    let end = text.rfind(BETWEEN)?;
    let kept = format!("{}\n    }}\n}}", &text[..end]);
    is_whole(&kept).then_some(kept)
}

/// How many items of a data set have been answered.
pub(super) fn answered(run: &Path, model: &str, dataset: &str) -> u64 {
    let folder = run.join("predictions").join(model);
    let read = |name: String| fs::read_to_string(folder.join(name)).ok();
    let text = read(format!("{dataset}.json")).or_else(|| read(format!("tmp_{dataset}.json")));
    let count = text.map_or(0, |text| text.matches(ENTRY).count());
    u64::try_from(count).unwrap_or_default()
}

/// Files of a folder with this ending, by name; none where there is no folder.
pub(crate) fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == ending));
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictions(count: usize) -> String {
        let entry = |place: usize| {
            (
                place.to_string(),
                serde_json::json!({"origin_prompt": "say \"origin_prompt\": {\n    },\n", "prediction": "x"}),
            )
        };
        let all: Map<String, Value> = (0..count).map(entry).collect();
        let mut bytes = Vec::new();
        let indent = serde_json::ser::PrettyFormatter::with_indent(b"    ");
        let mut writer = serde_json::Serializer::with_formatter(&mut bytes, indent);
        serde::Serialize::serialize(&all, &mut writer).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn whole_entries_of_cut_off_files_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("predictions/model");
        fs::create_dir_all(&below).unwrap();
        let whole = predictions(3);
        for (name, text) in [
            ("whole.json", whole.as_str()),
            ("last.json", &whole[..whole.len() - 10]),
            ("tmp_passing.json", &whole[..whole.len() - 30]),
            ("none.json", &whole[..20]),
            ("empty.json", ""),
            ("both.json", &whole[..whole.len() - 10]),
            ("tmp_both.json", &whole),
        ] {
            fs::write(below.join(name), text).unwrap();
        }
        mend(folder.path(), "model").unwrap();
        let count = |dataset| answered(folder.path(), "model", dataset);
        let counts = ["whole", "last", "passing", "both", "none", "empty"].map(count);
        assert_eq!(counts, [3, 2, 2, 3, 0, 0]);
        let aside = files(&below, "unreadable");
        assert_eq!(aside.len(), 4);
    }
}

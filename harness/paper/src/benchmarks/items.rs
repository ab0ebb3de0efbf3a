//! Results of single items of benchmarks, which pair two models: both answered the same questions.
//!
//! A file holds one evaluation. Its CSV has a line per item: `benchmark`, `item`, and `right`, the share of it that was
//! right, from 0 to 1. A benchmark of several tasks whose mean is over tasks (BBH, MMLU) names its items `TASK/ITEM`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::Benchmark;
use crate::lines::{self, LineError};

/// The items of one benchmark in one evaluation, by their names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ItemScores {
    right: BTreeMap<Arc<str>, f32>,
}

impl FromIterator<(Arc<str>, f32)> for ItemScores {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, f32)>>(items: I) -> Self {
        Self { right: items.into_iter().collect() }
    }
}

impl ItemScores {
    /// Reads a file of items. Names are kept once for all files that are read with the same `names`.
    ///
    /// # Errors
    /// Names the first line that is not as the module describes.
    pub fn read(
        csv: &[u8],
        names: &mut BTreeSet<Arc<str>>,
    ) -> Result<BTreeMap<Benchmark, Arc<Self>>, LineError> {
        let mut items: BTreeMap<Benchmark, Self> = BTreeMap::new();
        for line in lines::read(csv)? {
            let of = items.entry(line.read("benchmark")?).or_default();
            let name = line.text("item")?;
            let text = line.text("right")?;
            let right = text.parse().ok().filter(|right| (0.0..=1.0).contains(right));
            let right = right.ok_or_else(|| {
                line.field_error("right", format!("`{text}` is no share from 0 to 1"))
            })?;
            let name = names.get(name).cloned().unwrap_or_else(|| {
                let name: Arc<str> = name.into();
                names.insert(Arc::clone(&name));
                name
            });
            if of.right.insert(name, right).is_some() {
                return Err(line.line_error("an earlier line has this item"));
            }
        }
        Ok(items.into_iter().map(|(benchmark, items)| (benchmark, Arc::new(items))).collect())
    }

    /// The names of the items, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.right.keys()
    }

    /// The share of an item that was right.
    pub(super) fn get(&self, name: &str) -> Option<f64> {
        self.right.get(name).map(|right| f64::from(*right))
    }
}

/// The task that an item is of, where its benchmark has several.
pub(super) fn task(name: &str) -> &str {
    name.split_once('/').map_or("", |(task, _)| task)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_the_items_of_several_benchmarks() {
        let csv = b"benchmark,item,right\ngsm8k,1,1\ngsm8k,2,0\nbbh,navigate/0,0.5\n";
        let items = ItemScores::read(csv, &mut BTreeSet::new()).unwrap();
        assert_eq!(items[&Benchmark::Gsm8k].get("2"), Some(0.0));
        assert_eq!(
            items[&Benchmark::Bbh].names().map(|name| task(name)).collect::<Vec<_>>(),
            ["navigate"]
        );
        for (line, said) in [
            ("gsm8k,1,2\n", "line 2, column `right`: `2` is no share from 0 to 1"),
            ("gsm8k,1,1\ngsm8k,1,1\n", "line 3: an earlier line has this item"),
            ("gsm9k,1,1\n", "`gsm9k` is no benchmark"),
        ] {
            let csv = format!("benchmark,item,right\n{line}");
            let error = ItemScores::read(csv.as_bytes(), &mut BTreeSet::new()).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}

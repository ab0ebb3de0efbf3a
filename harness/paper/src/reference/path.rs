//! Every number of the paper by a name: `table1/qwen2.5-7b/alpaca/gra/avg`, `claims/P28`.

use super::Reference;
use crate::exact::{self, Ratio};
use crate::vocabulary::Benchmark;

/// Names as near as this to a known one are taken for a slip of the pen.
const NEAR: f64 = 0.8;

/// A number of the paper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// As printed: `51.4`, `>0`, `true`.
    pub text: String,
    /// As a number, where it is one.
    pub number: Option<Ratio>,
}

impl Quoted {
    fn of(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { number: exact::parse(&text), text }
    }
}

/// A name that leads to no number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// There is no such name.
    #[error("the paper has no number `{path}`{}", suggestion(nearest.as_deref()))]
    Unknown {
        /// What was asked for.
        path: String,
        /// The known name that is most like it, if one is.
        nearest: Option<String>,
    },
    /// The claim is in words alone.
    #[error("the paper prints no number for `{0}`")]
    NothingPrinted(String),
}

fn suggestion(nearest: Option<&str>) -> String {
    let hint = |nearest| format!("\nhint: is it `{nearest}`?");
    nearest.map_or_else(
        || {
            "\nhint: names begin with table1/, table2/, table3/, figure1/ to figure8/ or claims/"
                .into()
        },
        hint,
    )
}

impl Reference {
    /// The number of this name.
    ///
    /// # Errors
    /// When there is none, with the nearest known name.
    pub fn number(&self, path: &str) -> Result<Quoted, PathError> {
        let known = self.numbers();
        let Some((_, quoted)) = known.iter().find(|(name, _)| name == path) else {
            let likeness = |name: &str| strsim::normalized_damerau_levenshtein(name, path);
            let scored = known.iter().map(|(name, _)| (likeness(name), name));
            let nearest = scored.reduce(|best, next| if next.0 > best.0 { next } else { best });
            let nearest = nearest.filter(|(likeness, _)| *likeness >= NEAR);
            let nearest = nearest.map(|(_, name)| name.clone());
            return Err(PathError::Unknown { path: path.to_owned(), nearest });
        };
        if quoted.text.is_empty() {
            return Err(PathError::NothingPrinted(path.to_owned()));
        }
        Ok(quoted.clone())
    }

    /// Every name, in the order of the tables.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        self.numbers().into_iter().map(|(name, _)| name).collect()
    }

    fn numbers(&self) -> Vec<(String, Quoted)> {
        let mut numbers = Vec::new();
        let mut cells = |row: &str, scores: &super::Scores| {
            for benchmark in Benchmark::ALL {
                let cell = Quoted::of(exact::fixed(scores.of(benchmark), 2));
                numbers.push((format!("{row}/{benchmark}"), cell));
            }
            numbers.push((format!("{row}/avg"), Quoted::of(exact::fixed(scores.average, 2))));
        };
        for ((base, seed, source), scores) in &self.main {
            cells(&format!("table1/{base}/{seed}/{source}"), scores);
        }
        for ((base, seed, round), iteration) in &self.iterations {
            cells(&format!("table3/{base}/{seed}/{round}"), &iteration.scores);
        }
        for ((base, seed, source), average) in &self.seed_data {
            let path = format!("table2/{base}/{seed}/{source}/avg");
            numbers.push((path, Quoted::of(exact::fixed(*average, 2))));
        }
        for number in &self.figures {
            let path = format!("figure{}/{}/{}", number.figure, number.series, number.x);
            numbers.push((path.replace(' ', "-"), Quoted::of(exact::fixed(number.value, 2))));
        }
        for claim in &self.claims {
            numbers.push((format!("claims/{}", claim.id), Quoted::of(&claim.printed)));
        }
        numbers
    }
}

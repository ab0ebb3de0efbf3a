//! Every number of the paper by a name: `table1/qwen2.5-7b/alpaca/gra/avg`, `claims/P28`.

use super::Reference;
use crate::exact::{self, Ratio};
use crate::vocabulary::Benchmark;

/// Least similarity (normalized Damerau-Levenshtein) at which a known name is suggested for an unknown one.
const NEAR: f64 = 0.8;

/// A number of the paper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// The printed text: `51.40`, `>0`, `true`.
    pub text: String,
    /// The number, where the text is one.
    pub number: Option<Ratio>,
}

impl Quoted {
    fn parse(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { number: exact::parse(&text), text }
    }
}

/// A name has no number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The name is not known.
    #[error("the paper has no number `{path}`{}", suggestion(nearest.as_deref()))]
    Unknown {
        /// The name that was asked for.
        path: String,
        /// The most similar known name, if one is similar enough.
        nearest: Option<String>,
    },
    /// The name is known, of a claim in words for which the paper prints no number.
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
    /// Looks a number up by its name.
    ///
    /// # Errors
    /// When the name has no number; suggests the nearest known name.
    pub fn number(&self, path: &str) -> Result<Quoted, PathError> {
        let known = self.numbers();
        let Some((_, quoted)) = known.iter().find(|(name, _)| name == path) else {
            // A typing error deserves a suggestion; a name of another kind is told how names begin.
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

    /// Every name: Table 1, Table 3, Table 2, figures, claims, each in the order of its rows.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        self.numbers().into_iter().map(|(name, _)| name).collect()
    }

    fn numbers(&self) -> Vec<(String, Quoted)> {
        let mut numbers = Vec::new();
        let mut cells = |row: &str, scores: &super::PrintedScores| {
            for benchmark in Benchmark::ALL {
                let cell = Quoted::parse(exact::fixed(scores.column(benchmark), 2));
                numbers.push((format!("{row}/{benchmark}"), cell));
            }
            numbers.push((format!("{row}/avg"), Quoted::parse(exact::fixed(scores.average, 2))));
        };
        for ((base, seed, source), scores) in &self.main {
            cells(&format!("table1/{base}/{seed}/{source}"), scores);
        }
        for ((base, seed, round), iteration) in &self.iterations {
            cells(&format!("table3/{base}/{seed}/{round}"), &iteration.scores);
        }
        for ((base, seed, source), average) in &self.seed_data {
            let path = format!("table2/{base}/{seed}/{source}/avg");
            numbers.push((path, Quoted::parse(exact::fixed(*average, 2))));
        }
        for number in &self.figures {
            let path = format!("figure{}/{}/{}", number.figure, number.series, number.x);
            // Series have names of several words in the file; paths hold no blanks.
            numbers.push((path.replace(' ', "-"), Quoted::parse(exact::fixed(number.value, 2))));
        }
        for claim in &self.claims {
            numbers.push((format!("claims/{}", claim.id), Quoted::parse(&claim.printed)));
        }
        numbers
    }
}

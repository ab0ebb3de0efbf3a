//! The `[[source]]` entries of an experiment file: data sets that stand beside those of its variants and
//! take no run (METHOD.md, B1 to B5).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use gra_analysis::checks::CHECKS;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{plain_name, suggestion};
use crate::builtin;

/// A `[[source]]` as written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceEntry {
    /// Its name in tables; also names files.
    name: String,
    /// Where its samples come from.
    from: From,
    /// Of `from = "file"`.
    path: Option<PathBuf>,
    /// Of `from = "trial"`: `EXPERIMENT/VARIANT`, with the run seed of the comparison.
    trial: Option<String>,
    /// Of `from = "rounds"`.
    variant: Option<String>,
    /// Of `from = "rounds"`: rounds 1 to this one.
    rounds: Option<u32>,
    /// Of `from = "union"`, and the one of `from = "filtered"`.
    of: Option<Vec<String>>,
    /// Of `from = "filtered"`: names of checks that samples must not fail.
    checks: Option<Vec<String>>,
    /// Of `from = "filtered"`: files and folders of benchmarks whose items samples must not hold.
    benchmarks: Option<Vec<PathBuf>>,
    /// Cut to so many samples.
    n: Option<usize>,
    /// Cut to the size of another data set.
    size_of: Option<String>,
    /// Which samples a cut keeps.
    #[serde(default)]
    keep: Keep,
}

/// Which samples a cut keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// Drawn by the run seed.
    #[default]
    Drawn,
    /// Those that the committee scored highest, earlier ones among equals: the best of all that were written.
    HighestMu,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum From {
    /// The experiment's seed set.
    SeedSet,
    /// `path`, read like a seed set.
    File,
    /// `trial`, of another experiment.
    Trial,
    /// What `variant` had after `rounds` of its rounds.
    Rounds,
    /// The data sets of `of` together, exact repeats left out.
    Union,
    /// The samples of the one data set of `of` that no check finds a fault in.
    Filtered,
}

/// A data set that takes no run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name in tables; also names files.
    pub name: String,
    /// Where its samples come from.
    pub content: Content,
    /// How many of them it has.
    pub size: Size,
    /// Which of them.
    pub keep: Keep,
}

/// Where a source's samples come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The experiment's seed set (METHOD.md, B3).
    SeedSet,
    /// Anybody's file, read like a seed set: a distilled set that its authors released, for one.
    File(PathBuf),
    /// A trial of another experiment.
    Trial {
        /// Its name.
        experiment: String,
        /// The variant.
        variant: String,
    },
    /// What a variant of this experiment had after some of its rounds (METHOD.md, I4).
    Rounds {
        /// The variant.
        variant: String,
        /// The last round that counts.
        until: u32,
    },
    /// Other data sets together, exact repeats left out (METHOD.md, B5).
    Union(Vec<String>),
    /// The samples of another data set in which nothing is found.
    Filtered {
        /// Its name.
        of: String,
        /// Columns of [`CHECKS`] that must not be true.
        checks: Vec<String>,
        /// Files and folders of benchmarks that must not be in them.
        benchmarks: Vec<PathBuf>,
    },
}

/// How many samples a source has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Size {
    /// All.
    Full,
    /// At most so many, drawn by the run seed.
    Samples(usize),
    /// At most as many as this data set.
    Of(String),
}

/// The sources of a file. They may name variants, and sources that stand above them.
pub(super) fn sources(entries: &[SourceEntry], variants: &[String]) -> Result<Vec<Source>, String> {
    let mut known: Vec<String> = variants.to_vec();
    let mut sources: Vec<Source> = Vec::new();
    for entry in entries {
        plain_name("source", &entry.name)?;
        if known.contains(&entry.name) {
            return Err(format!("two data sets are named `{}`", entry.name));
        }
        sources.push(entry.resolve(variants, &known)?);
        // Known from here on, so that no source stands on itself or on one below it.
        known.push(entry.name.clone());
    }
    Ok(sources)
}

impl SourceEntry {
    fn resolve(&self, variants: &[String], known: &[String]) -> Result<Source, String> {
        self.check_keys()?;
        let lacks = |key: &str| format!("source `{}` needs `{key}`", self.name);
        let content = match self.from {
            From::SeedSet => Content::SeedSet,
            From::File => {
                let path = self.path.clone().ok_or_else(|| lacks("path"))?;
                self.check_file(&path)?;
                Content::File(path)
            }
            From::Trial => {
                let trial = self.trial.as_deref().ok_or_else(|| lacks("trial"))?;
                let (experiment, variant) = trial
                    .split_once('/')
                    .ok_or_else(|| self.wrong("a trial is written EXPERIMENT/VARIANT"))?;
                plain_name("trial", experiment)?;
                plain_name("trial", variant)?;
                Content::Trial { experiment: experiment.to_owned(), variant: variant.to_owned() }
            }
            From::Rounds => {
                let variant = self.variant.clone().ok_or_else(|| lacks("variant"))?;
                self.check_known(&variant, variants)?;
                Content::Rounds { variant, until: self.rounds.ok_or_else(|| lacks("rounds"))? }
            }
            From::Union => {
                let of = self.of.clone().ok_or_else(|| lacks("of"))?;
                // A data set that is named twice is one.
                if of.iter().collect::<BTreeSet<_>>().len() < 2 {
                    return Err(self.wrong("a union is of two or more"));
                }
                of.iter().try_for_each(|part| self.check_known(part, known))?;
                Content::Union(of)
            }
            From::Filtered => self.filtered(known)?,
        };
        let size = match (self.n, &self.size_of) {
            (None, None) => Size::Full,
            (Some(0), _) => return Err(self.wrong("`n` is at least 1")),
            (Some(n), None) => Size::Samples(n),
            (None, Some(other)) => {
                self.check_known(other, known)?;
                Size::Of(other.clone())
            }
            (Some(_), Some(_)) => return Err(self.wrong("give `n` or `size_of`")),
        };
        if self.keep != Keep::Drawn && size == Size::Full {
            return Err(self.wrong("`keep` has no effect without `n` or `size_of`"));
        }
        // Of a union some samples may have scores and some none; of these two none ever has.
        if self.keep != Keep::Drawn && matches!(self.from, From::SeedSet | From::File) {
            return Err(self.wrong("no committee scored what `keep` is to choose from"));
        }
        Ok(Source { name: self.name.clone(), content, size, keep: self.keep })
    }

    fn filtered(&self, known: &[String]) -> Result<Content, String> {
        let [of] = self.of.as_deref().unwrap_or_default() else {
            return Err(self.wrong("`of` names the one data set that is filtered"));
        };
        self.check_known(of, known)?;
        let (checks, benchmarks) =
            (self.checks.clone().unwrap_or_default(), self.benchmarks.clone().unwrap_or_default());
        if checks.is_empty() && benchmarks.is_empty() {
            return Err(format!("source `{}` needs `checks` or `benchmarks`", self.name));
        }
        let columns = || CHECKS.iter().map(|check| check.column);
        if let Some(check) = checks.iter().find(|check| !columns().any(|column| column == *check)) {
            let meant = suggestion(check, columns());
            return Err(self.wrong(&format!("there is no check `{check}`\n  hint: {meant}")));
        }
        Ok(Content::Filtered { of: of.clone(), checks, benchmarks })
    }

    /// A key that another kind of source has would be without effect.
    fn check_keys(&self) -> Result<(), String> {
        for (key, is_given, belongs) in [
            ("of", self.of.is_some(), &[From::Union, From::Filtered][..]),
            ("path", self.path.is_some(), &[From::File]),
            ("trial", self.trial.is_some(), &[From::Trial]),
            ("variant", self.variant.is_some(), &[From::Rounds]),
            ("rounds", self.rounds.is_some(), &[From::Rounds]),
            ("checks", self.checks.is_some(), &[From::Filtered]),
            ("benchmarks", self.benchmarks.is_some(), &[From::Filtered]),
        ] {
            if is_given && !belongs.contains(&self.from) {
                let names = belongs.iter().map(|from| format!("\"{from:?}\"").to_lowercase());
                let names = names.collect::<Vec<_>>().join(" or ");
                return Err(self.wrong(&format!("`{key}` has no effect without from = {names}")));
            }
        }
        Ok(())
    }

    /// An error of this entry.
    fn wrong(&self, reason: &str) -> String {
        format!("source `{}`: {reason}", self.name)
    }

    fn check_file(&self, path: &Path) -> Result<(), String> {
        if builtin::exists(path) {
            return Ok(());
        }
        Err(self.wrong(&format!(
            "there is no file {}\n  hint: a data set on Hugging Face comes by \
             `hf download REPO FILE --repo-type dataset --local-dir DIR`",
            path.display()
        )))
    }

    fn check_known(&self, other: &str, known: &[String]) -> Result<(), String> {
        if known.iter().any(|name| name == other) {
            return Ok(());
        }
        let name = &self.name;
        let meant = suggestion(other, known.iter().map(String::as_str));
        Err(format!(
            "source `{name}` names `{other}`, which is no data set above it\n  hint: {meant}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> Result<Vec<Source>, String> {
        #[derive(Deserialize)]
        struct File {
            source: Vec<SourceEntry>,
        }
        let file: File = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        sources(&file.source, &["gra".to_owned(), "refined".to_owned()])
    }

    #[test]
    fn a_source_may_stand_on_variants_and_on_sources_above_it() {
        let sources = resolved(
            "[[source]]\nname = 'all'\nfrom = 'union'\nof = ['gra', 'refined']\n\
             [[source]]\nname = 'cut'\nfrom = 'seed-set'\nsize_of = 'all'\n\
             [[source]]\nname = 'gra-1'\nfrom = 'rounds'\nvariant = 'gra'\nrounds = 1\n\
             [[source]]\nname = 'clean'\nfrom = 'filtered'\nof = ['all']\nchecks = ['refusal']\nn = 5\n\
             keep = 'highest-mu'",
        )
        .unwrap();
        assert_eq!(sources[0].content, Content::Union(vec!["gra".into(), "refined".into()]));
        assert_eq!(sources[1].size, Size::Of("all".into()));
        let filtered = Content::Filtered {
            of: "all".into(),
            checks: vec!["refusal".into()],
            benchmarks: vec![],
        };
        assert_eq!((&sources[3].content, sources[3].keep), (&filtered, Keep::HighestMu));
        assert_eq!(sources[2].content, Content::Rounds { variant: "gra".into(), until: 1 });
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            ("name = 'a'\nfrom = 'file'", "source `a` needs `path`"),
            ("name = 'gra'\nfrom = 'seed-set'", "two data sets are named `gra`"),
            ("name = 'a/b'\nfrom = 'seed-set'", "source `a/b` must be up to 100 letters"),
            (
                "name = 'a'\nfrom = 'seed-set'\npath = 'x'",
                "`path` has no effect without from = \"file\"",
            ),
            ("name = 'a'\nfrom = 'union'\nof = ['gra', 'refind']", "did you mean `refined`?"),
            ("name = 'a'\nfrom = 'union'\nof = ['gra', 'gra']", "a union is of two or more"),
            (
                "name = 'a'\nfrom = 'rounds'\nvariant = 'zebra'\nrounds = 1",
                "there are gra, refined",
            ),
            ("name = 'a'\nfrom = 'file'\npath = 'none.json'", "there is no file none.json"),
            ("name = 'a'\nfrom = 'seed-set'\nn = 3\nsize_of = 'gra'", "give `n` or `size_of`"),
            ("name = 'a'\nfrom = 'trial'\ntrial = 'x'", "written EXPERIMENT/VARIANT"),
            ("name = 'a'\nfrom = 'filtered'\nof = ['gra']", "needs `checks` or `benchmarks`"),
            (
                "name = 'a'\nfrom = 'filtered'\nof = ['gra']\nchecks = ['refusals']",
                "did you mean `refusal`?",
            ),
            ("name = 'a'\nfrom = 'seed-set'\nof = ['gra']", "`of` has no effect without"),
            ("name = 'a'\nfrom = 'seed-set'\nkeep = 'highest-mu'", "`keep` has no effect without"),
            ("name = 'a'\nfrom = 'seed-set'\nn = 3\nkeep = 'highest-mu'", "no committee scored"),
        ];
        for (text, expected) in cases {
            let error = resolved(&format!("[[source]]\n{text}")).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}

//! Experiment files: a question, and everything that determines its answer.
//!
//! The file as written ([`ExperimentFile`]) is apart from what it means ([`Experiment`]), which
//! holds the loaded pool, prompts and seed set and has passed every check. Nothing runs before that.
//! Data sets come from variants, which are run, and from [`sources`](Source), which are not.
//!
//! Seed sets are an axis: a file that names several is one experiment for each of them ([`Experiments`]). They share
//! everything but seed set and name. What joins them is named as the file is, and each of them as it would be with
//! `--seed-set`: a run of one of them alone is the same experiment.

mod file;
mod made;
mod prompts;
mod sources;
mod variants;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::RangedU64ValueParser;
use gra_llm::engine::EngineError;
use gra_llm::llama::settings::EngineSettings;
use gra_llm::model_pool::{ModelPool, PoolError, PoolModel};
use gra_paper::Reference;
use gra_synth::method::{Member, Method};
use gra_synth::request::ModelName;
use gra_synth::variant::{Instructions, Rewrite, Variant};
use serde::Serialize;

use crate::answering::Tolerance;
use crate::builtin;
use crate::seeds::{self, LoadOptions, SeedError, SeedSet};
use crate::trial::plain_name;
pub use file::{CompareEntry, ExperimentFile, RescoreEntry};
pub(crate) use file::{default_chunk, read};
pub(crate) use made::{MadeExperiment, path_from};
pub use prompts::PromptFiles;
pub use sources::{Content, Keep, Size, Source};
pub use variants::VariantEntry;

/// What the command line changes of an experiment file. The comments are the options' help.
#[derive(Clone, Debug, Default, Args)]
pub struct Overrides {
    /// Another file under the experiment's: the same question at another scale; its results are named
    /// after it.
    #[arg(long, value_name = "FILE")]
    pub base: Option<PathBuf>,
    /// Only these variants, separated by commas; the first of the file is the reference.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub variants: Vec<String>,
    /// Only the first N seed items.
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub limit: Option<usize>,
    /// Another seed set; its results are named after it.
    #[arg(long, value_name = "FILE")]
    pub seed_set: Option<PathBuf>,
    /// Another model pool.
    #[arg(long, value_name = "FILE")]
    pub pool: Option<PathBuf>,
    /// Another folder of prompt templates.
    #[arg(long, value_name = "DIR")]
    pub prompts: Option<PathBuf>,
    /// Another name for the results.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Run seeds; the file's where there are none. Verbs differ in how they are given.
    #[arg(skip)]
    pub seeds: Vec<u64>,
    /// Whether `base` is an experiment whose models the file was not written for: what it compares by is left out where
    /// the pool lacks the model, and so is what was found elsewhere.
    #[arg(skip)]
    pub is_like: bool,
    /// Whether calls that the store knows as failed are asked again, which only verbs that run trials offer.
    #[arg(skip)]
    pub retry_failed: bool,
}

impl Overrides {
    /// The name of the results: another scale or seed set is another experiment, which stands beside the file's own.
    fn derived_name(&self, own: &str) -> String {
        let others = [&self.base, &self.seed_set].into_iter().flatten();
        let derived =
            || others.fold(own.to_owned(), |name, other| format!("{name}-{}", stem(other)));
        self.name.clone().unwrap_or_else(derived)
    }
}

/// An experiment, ready to run.
#[derive(Debug)]
pub struct Experiment {
    /// Folder name of its results.
    pub name: String,
    /// What it asks.
    pub question: String,
    /// Where the paper asks it.
    pub paper: String,
    /// What the paper reports.
    pub expectation: Vec<Expectation>,
    /// What was found.
    pub analysis: String,
    /// Whether it only shows how things work.
    pub demonstration: bool,
    /// Run seeds, as given.
    pub seeds: Vec<u64>,
    /// The method's parameters.
    pub method: Method,
    /// How the engine runs.
    pub engine: EngineSettings,
    /// Most requests that run together.
    pub chunk: usize,
    /// What is done about failed calls and malformed replies; nothing of it changes a reply.
    pub tolerance: Tolerance,
    /// The variants, the reference first.
    pub variants: Vec<Variant>,
    /// How many times the method's candidates some variants draw, by name.
    scales: BTreeMap<String, f64>,
    /// Data sets that take no run.
    pub sources: Vec<Source>,
    /// How data sets are compared.
    pub compare: CompareEntry,
    /// Thresholds under which the first variant's reviews are decided again.
    pub rescore: Option<RescoreEntry>,
    /// The model pool.
    pub pool: ModelPool,
    /// The pool's members as the method sees them.
    pub members: Vec<Member>,
    /// Its teachers.
    pub teachers: Vec<Member>,
    /// The prompts: of annotation, of a judge, and of every variant that names no others.
    pub prompts: PromptFiles,
    /// Those of variants that do.
    variant_prompts: BTreeMap<String, PromptFiles>,
    /// File name of the seed set.
    pub seed_file: String,
    /// The seed set.
    pub seed_set: SeedSet,
}

impl Experiment {
    /// Loads an experiment of one seed set with everything that it names, and checks it. [`Experiments::load`] loads those
    /// of several.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn load(
        path: &Path,
        models: &Path,
        overrides: &Overrides,
    ) -> Result<Self, ExperimentError> {
        let mut file = file::read(path, overrides.base.as_deref())?;
        let invalid = |reason| ExperimentError::of_file(path, reason);
        let or_own =
            |given: &Option<PathBuf>, own: &Path| given.as_deref().unwrap_or(own).to_owned();
        let seed_path = file.seed_set(overrides.seed_set.as_ref()).map_err(invalid)?;
        let name = overrides.derived_name(&file.name);
        // Before anything that the file names is read: that may be missing, or take long.
        plain_name("name", &name).and_then(|()| file.check_numbers()).map_err(invalid)?;

        let pool = builtin::read_pool(&or_own(&overrides.pool, &file.pool), models)?;
        // What was found with the models of one pool says nothing about those of another.
        if overrides.is_like {
            file.analysis.clear();
            file.compare.keep_models_of(&pool);
        }
        let member = |model: &PoolModel| model.member(file.sampling);
        let members: Vec<Member> = pool.models.iter().map(member).collect();
        let teachers: Vec<Member> = pool.teachers.iter().map(member).collect();
        let variants = variants::variants(&file, &pool, (&members, &teachers), &overrides.variants)
            .map_err(invalid)?;
        let sources = checked_sources(&file, &pool).map_err(invalid)?;
        let expectation = expectation(file.expectation).map_err(invalid)?;
        let seeds = run_seeds(file.seeds, &overrides.seeds).map_err(invalid)?;
        let prompts = PromptFiles::read(&or_own(&overrides.prompts, &file.prompts))?;
        let variant_prompts = variants::prompts(&file.variants, &prompts)?;
        let options =
            LoadOptions { limit: overrides.limit.or(file.limit), ..LoadOptions::default() };
        let seed_set = seeds::load(&seed_path, &options)?;
        check_shown(&variants, &seed_set, &seed_path).map_err(invalid)?;

        Ok(Self {
            name,
            question: file.question,
            paper: file.paper,
            expectation,
            analysis: file.analysis,
            demonstration: file.demonstration,
            seeds,
            method: file.method,
            engine: file.engine,
            chunk: file.chunk,
            tolerance: Tolerance {
                max_failed: file.max_failed,
                retry_failed: overrides.retry_failed,
                allow_malformed_stages: file.allow_malformed_stages,
            },
            variants,
            scales: variants::scales(&file.variants),
            sources,
            compare: file.compare,
            rescore: file.rescore,
            pool,
            members,
            teachers,
            prompts,
            variant_prompts,
            seed_file: seed_path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            seed_set,
        })
    }

    /// What a reader must know of the seed set before any number: that it is the starter set, where the experiment
    /// claims to be more than a demonstration.
    pub(crate) fn starter_warning(&self) -> Option<String> {
        let is_starter = builtin::is_starter_set(&self.seed_set.sha256) && !self.demonstration;
        is_starter.then(|| {
            format!(
                "Seed set: {} items of the starter set; the paper's have tens of thousands. Yours is better: `synth FILE`, or --seed-set FILE.",
                self.seed_set.items.len()
            )
        })
    }

    /// The seed set's name in tables: its file's, without endings.
    pub(crate) fn seed_set_name(&self) -> String {
        stem(Path::new(&self.seed_file))
    }

    /// The method's parameters in a trial of this variant.
    #[must_use]
    pub fn method_of(&self, variant: &Variant) -> Method {
        let Some(scale) = self.scales.get(&variant.name) else { return self.method.clone() };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive; a number that is too large becomes the largest"
        )]
        let scaled = |n: u32| ((f64::from(n) * scale).round() as u32).max(1);
        let Method { target, samples, cap, wave, .. } = self.method;
        let (target, cap, wave) = (scaled(target), scaled(cap), scaled(wave));
        Method { target, samples: samples.map(scaled), cap, wave, ..self.method.clone() }
    }

    /// The prompts that a trial of this variant asks with.
    #[must_use]
    pub fn prompts_of(&self, variant: &Variant) -> &PromptFiles {
        self.variant_prompts.get(&variant.name).unwrap_or(&self.prompts)
    }
}

/// Which models an experiment needs. No other is looked for: a pool may name models that are not here.
impl Experiment {
    /// The models that a trial of this variant may ask: those that annotate the seed set, where it has
    /// to be, and those that serve the variant.
    #[must_use]
    pub fn serving<'a>(&'a self, variant: &'a Variant) -> BTreeSet<&'a ModelName> {
        let mut serving = variant.serving(&self.members);
        if self.annotates(variant) {
            serving.extend(self.members.iter().map(|member| &member.name));
        }
        serving
    }

    /// Whether a trial of this variant asks for annotations.
    #[must_use]
    pub fn annotates(&self, variant: &Variant) -> bool {
        let open = self.seed_set.items.iter().any(|item| item.annotation.is_none());
        open && variant.instructions == Instructions::New
    }

    /// Everyone who serves any variant, in pool order.
    pub fn models(&self) -> impl Iterator<Item = &ModelName> {
        let serves = |name: &ModelName| {
            self.variants.iter().any(|variant| self.serving(variant).contains(name))
        };
        let everyone = self.members.iter().chain(&self.teachers).map(|member| &member.name);
        everyone.filter(move |name| serves(name))
    }

    /// Finds the files that a trial of this variant may need there and whole, the encoder's too: a night's run should
    /// not end at a file that was cut short.
    ///
    /// # Errors
    /// Names the first model whose file is missing or cannot be used, and what to type or what is wrong with it.
    pub fn check_files(&self, variant: &Variant) -> Result<(), EngineError> {
        let serving = self.serving(variant);
        for model in self.pool.members_and_teachers().filter(|m| serving.contains(&m.name)) {
            model.check_usable()?;
        }
        self.pool.encoder.check_usable()
    }
}

/// The experiments of a file: one, or one for each of its seed sets.
#[derive(Debug)]
pub struct Experiments {
    /// Folder name of what joins them.
    pub name: String,
    /// In the order of the file; at least one.
    pub each: Vec<Experiment>,
}

impl Experiments {
    /// Loads the experiments of a file with everything that they name, and checks them.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn load(
        path: &Path,
        models: &Path,
        overrides: &Overrides,
    ) -> Result<Self, ExperimentError> {
        let file = file::read(path, overrides.base.as_deref())?;
        if overrides.seed_set.is_some() || file.seed_sets.is_empty() {
            let only = Experiment::load(path, models, overrides)?;
            return Ok(Self { name: only.name.clone(), each: vec![only] });
        }
        let invalid = |reason| ExperimentError::of_file(path, reason);
        let stems: Vec<String> = file.seed_sets.iter().map(|seed_set| stem(seed_set)).collect();
        if let Some(twice) = repeated(&stems) {
            return Err(invalid(format!(
                "seed_sets has two files called `{twice}`, and results are named after them\n  hint: rename one"
            )));
        }
        // All at once, so that they are fetched at once. Of a set without a command, loading says that it is not there.
        let missing = file.seed_sets.iter().filter(|seed_set| !builtin::exists(seed_set));
        let missing: Vec<String> = missing
            .filter_map(|set| {
                // As the command names it that gets it: `base/../seeds` is `seeds`.
                let tidy = builtin::plain(set).unwrap_or_else(|| set.clone());
                Some(format!("  {}: {}", tidy.display(), file.fetch_command(set)?))
            })
            .collect();
        if !missing.is_empty() {
            return Err(invalid(format!(
                "it needs seed sets that are not there:\n{}\n  hint: fetch them as shown, or take another: \
                 `run` and `plan` have --seed-set FILE",
                missing.join("\n")
            )));
        }
        let name = overrides.derived_name(&file.name);
        plain_name("name", &name).map_err(invalid)?;
        // A derived name has the set's in it already, as with `--seed-set`; a name that was given gets it here.
        let one = |(seed_set, stem): (&PathBuf, &String)| {
            let name = overrides.name.as_ref().map(|name| format!("{name}-{stem}"));
            let seed_set = Some(seed_set.clone());
            Experiment::load(path, models, &Overrides { seed_set, name, ..overrides.clone() })
        };
        let each = file.seed_sets.iter().zip(&stems).map(one).collect::<Result<_, _>>()?;
        Ok(Self { name, each })
    }
}

/// A number that the paper reports on the question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Expectation {
    /// What it is about.
    pub about: String,
    /// Its name among the reference tables, e.g. `claims/P28`.
    pub cell: String,
    /// As printed.
    pub printed: String,
}

/// Looks the numbers up.
fn expectation(named: BTreeMap<String, String>) -> Result<Vec<Expectation>, String> {
    let reference = Reference::embedded().map_err(|error| error.to_string())?;
    let found = named.into_iter().map(|(about, cell)| match reference.number(&cell) {
        Ok(quoted) => Ok(Expectation { about, cell, printed: quoted.text }),
        Err(error) => Err(format!("[expectation] \"{about}\": {error}")),
    });
    found.collect()
}

/// The sources of a file, and the names that its comparison gives.
fn checked_sources(file: &ExperimentFile, pool: &ModelPool) -> Result<Vec<Source>, String> {
    // Data sets share one space of names: sources stand on variants, and comparisons name both.
    let mut sets: Vec<String> = file.variants.iter().map(|entry| entry.name.clone()).collect();
    let sources = sources::sources(&file.sources, &sets)?;
    sets.extend(sources.iter().map(|source| source.name.clone()));
    file.compare.check(&sets, pool)?;
    Ok(sources)
}

/// The run seeds that are given, or else the file's own. Trials are named after them.
fn run_seeds(own: Vec<u64>, given: &[u64]) -> Result<Vec<u64>, String> {
    let seeds = if given.is_empty() { own } else { given.to_vec() };
    if seeds.is_empty() {
        return Err("seeds is empty; give at least one run seed".to_owned());
    }
    match repeated(&seeds) {
        Some(twice) => Err(format!("seeds names {twice} twice")),
        None => Ok(seeds),
    }
}

/// A variant that shows the seed set's responses needs all of them.
fn check_shown(variants: &[Variant], seed_set: &SeedSet, path: &Path) -> Result<(), String> {
    let without = seed_set.items.iter().filter(|item| item.response.is_none()).count();
    let shown = variants.iter().find(|variant| variant.rewrite == Rewrite::Shown);
    let (Some(variant), 1..) = (shown, without) else { return Ok(()) };
    Err(format!(
        "variant `{}`: `rewrite = \"shown\"` shows the seed set's responses, and {without} of {} items of {} \
         have none\n  hint: take these items out of the seed set, or the key out of the variant",
        variant.name,
        seed_set.items.len(),
        path.display()
    ))
}

/// The first of these that stands before it too.
fn repeated<T: PartialEq>(all: &[T]) -> Option<&T> {
    let mut places = all.iter().enumerate();
    places.find(|(at, one)| all[..*at].contains(one)).map(|(_, one)| one)
}

/// A file's name without its endings, as part of a folder name.
pub(crate) fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.split('.').next().unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    stem.chars().map(plain).collect()
}

/// An experiment cannot be run as written: which file, what is wrong, what is allowed, which word was meant.
#[derive(Debug, thiserror::Error)]
pub enum ExperimentError {
    /// The file, or a folder of prompts that it names, cannot be read or breaks a rule.
    #[error("{0}")]
    Invalid(String),
    /// The pool is not usable.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// The seed set is not usable.
    #[error(transparent)]
    Seeds(#[from] SeedError),
}

impl ExperimentError {
    /// An experiment file breaks a rule. `reason`: what is wrong and what is allowed.
    fn of_file(path: &Path, reason: impl Display) -> Self {
        Self::Invalid(format!("experiment {}: {reason}", path.display()))
    }

    /// A file cannot be read. `what`: of which kind it is.
    fn unreadable(what: &str, path: &Path, error: &io::Error, hint: &str) -> Self {
        Self::Invalid(format!("cannot read {what} {}: {error}\n  hint: {hint}", path.display()))
    }
}

/// How alike two words must be, from 0 to 1, for one to be taken for the other.
const ALIKE: f64 = 0.6;

/// The likest of the known words, if any is like it at all (normalised Damerau-Levenshtein distance).
fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |known: &str| {
        strsim::normalized_damerau_levenshtein(&word.to_lowercase(), &known.to_lowercase())
    };
    let alike = known.into_iter().map(|known| (likeness(known), known));
    let best = alike.filter(|(likeness, _)| *likeness >= ALIKE);
    best.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1))).map(|(_, known)| known)
}

/// What to type in place of a word that is not known: the likest of the known ones, or else all of them.
fn suggestion<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    match nearest(word, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("there are {}", known.join(", ")),
    }
}

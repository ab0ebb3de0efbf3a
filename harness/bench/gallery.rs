//! Every figure that can be drawn from what is stored, and why the others cannot: reads the store's
//! finished trials and the files of `stats`; asks no model and writes nothing.

mod measured;
mod trials;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::ValueEnum;
use gra_analysis::figure::averages::Averages;
use gra_analysis::figure::rounds::Rounds;
use gra_analysis::figure::{Figure, FigureError};
use gra_paper::benchmarks::Benchmarks;
use gra_paper::{BaseModel, DataSource, Reference};

use crate::benchmark_scores::BENCHMARKS;
use crate::failure::bad_input;
use crate::store::Store;
use crate::trial::stored::TrialGroup;
use measured::Measured;
pub(crate) use measured::folder;
pub(crate) use trials::of_trial;

/// A kind of figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum FigureKind {
    /// Benchmark averages by source (the paper's Fig. 1).
    #[value(name = "1")]
    Averages,
    /// Benchmark averages along the rounds (Fig. 3).
    #[value(name = "3")]
    Rounds,
    /// Measures of an ablation's variants (Fig. 4).
    #[value(name = "4")]
    Variants,
    /// Map of seed set and GRA (Fig. 5).
    #[value(name = "5")]
    SeedMap,
    /// Map of a distilled set and GRA (Fig. 6).
    #[value(name = "6")]
    DistilledMap,
    /// Scores by committee and judge (Fig. 7).
    #[value(name = "7")]
    Raters,
    /// Instruction-following difficulty (Fig. 8).
    #[value(name = "8")]
    Difficulty,
    /// What became of a trial's candidates.
    Funnel,
    /// Scores by reviewer.
    Reviewers,
    /// Agreement of each two reviewers.
    Agreement,
    /// Acceptance by generator and domain.
    Domains,
    /// Acceptance under other thresholds.
    Sensitivity,
    /// Precision and recall of those who decide about responses.
    Classifier,
    /// Operations per accepted sample.
    Compute,
    /// Operations per accepted sample against what a judge gives to them.
    CostQuality,
}

impl FigureKind {
    /// As it is asked for.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// A figure, or why there is none.
#[derive(Debug)]
pub(crate) struct GalleryEntry {
    /// Which kind.
    pub(crate) kind: FigureKind,
    /// The trial, experiment or data set that it is of; `None` where there is only one.
    pub(crate) about: Option<String>,
    /// The picture.
    pub(crate) figure: Result<Figure, MissingFigure>,
}

/// Why a figure cannot be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MissingFigure {
    /// What is not there.
    pub(crate) why: String,
    /// What makes it, where a command does.
    pub(crate) command: Option<String>,
    /// Whether a file is there that cannot be read.
    pub(crate) is_unreadable: bool,
}

impl MissingFigure {
    fn new(why: impl Into<String>, command: &str) -> Self {
        Self { command: Some(command.to_owned()), ..Self::without_command(why) }
    }

    fn without_command(why: impl Into<String>) -> Self {
        Self { why: why.into(), command: None, is_unreadable: false }
    }

    /// A file is damaged: that costs the figures that are drawn from it, and no other.
    fn unreadable(error: &anyhow::Error) -> Self {
        Self { is_unreadable: true, ..Self::without_command(format!("{error:#}")) }
    }
}

impl From<FigureError> for MissingFigure {
    fn from(error: FigureError) -> Self {
        Self::without_command(match error {
            FigureError::Nothing(what) => what.to_owned(),
            other => other.to_string(),
        })
    }
}

/// Most bytes of a file's name that say what a figure is of.
const LONGEST_NAME: usize = 180;

impl GalleryEntry {
    fn new(kind: FigureKind, figure: Result<Figure, MissingFigure>) -> Self {
        Self { kind, about: None, figure }
    }

    /// Names the figure's file after what it is of.
    fn about(kind: FigureKind, about: &str, figure: Result<Figure, MissingFigure>) -> Self {
        let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' };
        let slug: String = about.chars().map(plain).collect();
        // File systems take names of 255 bytes; what is of one name then gets a number. No letter is cut in two.
        let ends = slug.char_indices().map(|(at, letter)| at + letter.len_utf8());
        let end = ends.take_while(|end| *end <= LONGEST_NAME).last().unwrap_or(0);
        let slug = &slug[..end];
        let figure = figure.map(|mut figure| {
            figure.name = format!("{}.{slug}", figure.name);
            figure
        });
        Self { kind, about: Some(about.to_owned()), figure }
    }
}

/// Where figures are drawn from.
#[derive(Debug)]
pub(crate) struct Sources<'a> {
    /// The results folder: `benchmarks.csv` lies in it.
    pub(crate) results: &'a Path,
    /// What `stats` wrote.
    pub(crate) stats: PathBuf,
    /// The store; `None` when there is none.
    pub(crate) store: Option<&'a Store>,
    /// Trials and experiments that were named; all when empty.
    pub(crate) wanted: &'a [String],
}

impl Sources<'_> {
    /// Whether there are scores of trained models.
    pub(crate) fn has_benchmarks(&self) -> bool {
        self.results.join(BENCHMARKS).is_file()
    }
}

/// The base model whose benchmark scores are drawn.
const MODEL: BaseModel = BaseModel::Qwen;

/// Draws figures of these kinds, in the order of the kinds and then by name.
///
/// # Errors
/// When a trial or experiment that was named does not exist, or the store or a folder cannot be read.
pub(crate) fn draw(kinds: &[FigureKind], sources: &Sources<'_>) -> Result<Vec<GalleryEntry>> {
    let mut entries = Vec::new();
    // Those of trials come last: each trial is read once for all its kinds.
    let mut of_trials = Vec::new();
    let reference = Reference::embedded()?;
    let benchmarks = crate::measured::benchmarks(sources.results);
    // Read once for all figures that need it.
    let measured = Measured::read(&sources.stats).map_err(bad_input)?;
    for &kind in kinds {
        let of_scores = |draw: &dyn Fn(&Benchmarks) -> Result<Figure, FigureError>| {
            let scores = benchmarks.as_ref().map_err(MissingFigure::unreadable);
            GalleryEntry::new(kind, scores.and_then(|scores| Ok(draw(scores)?)))
        };
        match kind {
            FigureKind::Averages => {
                entries.push(of_scores(&|scores| Averages::of(&reference, MODEL, scores).figure()));
            }
            FigureKind::Rounds => {
                entries.push(of_scores(&|scores| Rounds::of(&reference, MODEL, scores).figure()));
            }
            // Besides what is measured of variants' data: scores of models that were trained on it.
            FigureKind::Variants if sources.has_benchmarks() => {
                of_trials.push(kind);
                entries.push(of_scores(&|scores| {
                    // The one whose values the paper prints, where both were trained.
                    let mut bases = [BaseModel::Llama, BaseModel::Qwen].into_iter();
                    let what = "no model was trained on the data of an ablation's variant";
                    let base = bases.find(|base| has_ablations(scores, *base));
                    let base = base.ok_or(FigureError::Nothing(what))?;
                    Averages::of_variants(&reference, base, scores).figure()
                }));
            }
            FigureKind::SeedMap | FigureKind::DistilledMap => {
                entries.push(GalleryEntry::new(kind, measured.map(kind)));
            }
            FigureKind::Raters => entries.extend(measured.raters()),
            FigureKind::Difficulty => entries.extend(measured.difficulty()),
            _ => of_trials.push(kind),
        }
    }
    // A name that means no trial is an error, whatever is to be drawn.
    if !of_trials.is_empty() || !sources.wanted.is_empty() {
        entries.extend(trials::draw(&of_trials, sources, &measured)?);
    }
    entries.sort_by(|a, b| (a.kind, &a.about).cmp(&(b.kind, &b.about)));
    Ok(entries)
}

/// Figures of the finished trials of a group, by kind, with what the results folder holds of a judge's scores.
///
/// # Errors
/// When the folder cannot be listed.
pub(crate) fn draw_group(
    kinds: &[FigureKind],
    group: &TrialGroup,
    results: &Path,
    store: &Store,
) -> Result<Vec<GalleryEntry>> {
    let measured = Measured::read(&folder(results, group)).map_err(bad_input)?;
    let mut entries = trials::of_group(kinds, group, &measured, store);
    entries.sort_by_key(|entry| entry.kind);
    Ok(entries)
}

/// Whether models of this base were trained on the data of an ablation.
fn has_ablations(scores: &Benchmarks, base: BaseModel) -> bool {
    let ablations = [DataSource::NoReviewer, DataSource::SingleReviewer, DataSource::MajorityVote];
    scores.models().any(|model| model.base == base && ablations.contains(&model.source))
}

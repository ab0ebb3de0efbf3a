//! Figures of what `stats` measured: its frames of samples (`<data set>.parquet`) and its map (`map.csv`).

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use gra_analysis::figure::Figure;
use gra_analysis::figure::Role;
use gra_analysis::figure::plane::Plane;
use gra_analysis::figure::raters::committee_and_judge;
use gra_analysis::figure::violins::Violins;
use gra_analysis::frames::{self, RowMeasure, RowValues};
use gra_synth::candidate::Candidate;
use gra_synth::pool::ItemId;
use polars::prelude::{ParquetReader, SerReader};
use serde::Deserialize;

use super::{FigureKind, GalleryEntry, MissingFigure};
use crate::comparison;
use crate::evidence::{self, Fit};
use crate::measured::{StatsLine, stats_lines};
use crate::scoring::read_scores;
use crate::trial::TrialId;
use crate::trial::stored::TrialGroup;

/// The paper's tau, which its figure 7 divides scores by.
pub(super) const THRESHOLD: f64 = 8.0;

/// What a folder of `stats` holds.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// The folder that was read.
    pub(super) folder: PathBuf,
    /// By data set; of one that could not be read, why.
    sets: BTreeMap<String, Result<SampleValues>>,
    map: Option<Result<FittedMap>>,
    /// Measures of the data sets' diversity, from the table of `stats`; empty where it cannot be read.
    diversity: Vec<StatsLine>,
}

/// A map of data sets.
#[derive(Debug)]
struct FittedMap {
    /// Places by data set.
    places: BTreeMap<String, Vec<[f64; 2]>>,
    /// How it was fitted; maps of earlier releases do not say.
    fit: Option<Fit>,
}

/// What figures show of each sample, beside its items.
pub(super) type SampleValues = RowValues<String>;

/// Places among the measures of [`SampleValues`].
const MU: usize = 0;
pub(super) const JUDGE: usize = 1;
const LOSS_RATIO: usize = 2;
const JUDGE_HIGH: usize = 3;

/// A line of the map.
#[derive(Deserialize)]
struct Place {
    data_set: String,
    x: f64,
    y: f64,
}

impl Measured {
    /// Reads a folder; one that does not exist holds nothing. A file that cannot be read costs only the figures
    /// that need it.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let mut measured = Self { folder: folder.to_owned(), ..Self::default() };
        if !folder.is_dir() {
            return Ok(measured);
        }
        let entries = std::fs::read_dir(folder)
            .with_context(|| format!("cannot look into {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_none_or(|ending| ending != "parquet") {
                continue;
            }
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let samples = read_samples(&path)
                .with_context(|| format!("{} is no frame of samples", path.display()));
            measured.sets.insert(name, samples);
        }
        if folder.join("map.csv").is_file() {
            measured.map = Some(FittedMap::read(folder));
            // Numbers beside the map: it is drawn without them too.
            let table = std::fs::read(folder.join("stats.csv")).unwrap_or_default();
            let lines = stats_lines(&table).filter_map(Result::ok);
            measured.diversity = lines.filter(|line| line.group == "diversity").collect();
        }
        Ok(measured)
    }

    /// A trial's data set.
    ///
    /// # Errors
    /// When its file is damaged.
    pub(super) fn of_trial(&self, trial: &TrialId) -> Result<Option<&SampleValues>, MissingFigure> {
        let samples = self.sets.get(&data_set_name(&self.folder, trial));
        samples.map(Result::as_ref).transpose().map_err(MissingFigure::unreadable)
    }

    /// The data sets that could be read.
    fn readable(&self) -> impl Iterator<Item = (&str, &SampleValues)> {
        self.sets.iter().filter_map(|(name, samples)| Some((name.as_str(), samples.as_ref().ok()?)))
    }

    /// An entry for every data set that could not be read.
    fn unreadable(&self, kind: FigureKind) -> impl Iterator<Item = GalleryEntry> {
        let errors = self.sets.values().filter_map(|samples| samples.as_ref().err());
        errors.map(move |error| GalleryEntry::new(kind, Err(MissingFigure::unreadable(error))))
    }

    /// Seed set or distilled set beside GRA.
    pub(super) fn map(&self, kind: FigureKind) -> Result<Figure, MissingFigure> {
        const COMMAND: &str = "gra-bench stats vanilla=SEEDS.json distill-large=DISTILLED.json \
                               gra=EXPERIMENT/gra/seed-N --map";
        let none = || {
            MissingFigure::new(format!("there is no map.csv in {}", self.folder.display()), COMMAND)
        };
        let map = self.map.as_ref().ok_or_else(none)?;
        let FittedMap { places, fit } = map.as_ref().map_err(MissingFigure::unreadable)?;
        let names: Vec<&str> = places.keys().map(String::as_str).collect();
        let other = if kind == FigureKind::SeedMap { Role::Seeds } else { Role::Distilled };
        let mut sets = Vec::new();
        // Both must be there: the paper's figures are of pairs.
        for role in [other, Role::Gra] {
            let Some(name) = role.find(&names).map(|place| names[place]) else {
                let why =
                    format!("the map has no data set named {role}; it has {}", names.join(", "));
                return Err(MissingFigure::new(why, COMMAND));
            };
            sets.push((name, places[name].as_slice()));
        }
        let [(a, in_a), (b, in_b)] = [sets[0], sets[1]];
        let made = fit.map_or_else(
            || "t-SNE of instruction embeddings, fitted together.".to_owned(),
            |fit| fit.in_words(),
        );
        let caption = format!(
            "{made} n = {} of {a} and {} of {b}. Neighbours mean something here, distances and areas do not.{}",
            in_a.len(),
            in_b.len(),
            self.covered(&[a, b])
        );
        let name = if kind == FigureKind::SeedMap { "figure-5" } else { "figure-6" };
        Ok(Plane::pair(name, &caption, [(a, in_a), (b, in_b)]).figure()?)
    }

    /// What of a reference set these data sets cover, and how far they lie from it, for a caption.
    fn covered(&self, data_sets: &[&str]) -> String {
        let lines = self.diversity.iter().filter(|line| {
            let is_of_reference =
                ["precision", "coverage"].iter().any(|name| line.measure.starts_with(name));
            is_of_reference && data_sets.contains(&line.data_set.as_str())
        });
        let said = lines.filter_map(|line| {
            Some(format!("{} of {} {:.2}", line.measure, line.data_set, line.value?))
        });
        let said = said.collect::<Vec<String>>().join(", ");
        if said.is_empty() { said } else { format!(" Measured in the embeddings: {said}.") }
    }

    /// One figure per data set that committee and judge have scored.
    pub(super) fn raters(&self) -> Vec<GalleryEntry> {
        let mut entries = Vec::new();
        for (name, samples) in self.readable() {
            // Scores of committee and judge, where both have scored.
            let both = samples.values(MU).iter().zip(samples.values(JUDGE));
            let pairs: Vec<(f64, f64)> = both.filter_map(|(mu, judge)| (*mu).zip(*judge)).collect();
            if !pairs.is_empty() {
                let interval = samples.mean(JUDGE_HIGH).interval;
                let figure = committee_and_judge(name, &pairs, THRESHOLD, interval);
                let figure = figure.map_err(MissingFigure::from);
                entries.push(GalleryEntry::about(FigureKind::Raters, name, figure));
            }
        }
        entries.extend(self.unreadable(FigureKind::Raters));
        if entries.is_empty() {
            let folder = self.folder.display();
            let why = format!("no samples in {folder} have scores of committee and judge");
            let command = "gra-bench stats EXPERIMENT/VARIANT/seed-N --judge MODEL";
            let missing = Err(MissingFigure::new(why, command));
            entries.push(GalleryEntry::new(FigureKind::Raters, missing));
        }
        entries
    }

    /// One figure of all data sets with losses.
    pub(super) fn difficulty(&self) -> Vec<GalleryEntry> {
        // Where some data sets cannot be read, a figure of the others is still one.
        let figure = self.violins();
        let mut entries: Vec<GalleryEntry> = self.unreadable(FigureKind::Difficulty).collect();
        if figure.is_ok() || entries.is_empty() {
            entries.push(GalleryEntry::new(FigureKind::Difficulty, figure));
        }
        entries
    }

    fn violins(&self) -> Result<Figure, MissingFigure> {
        let losses = |samples: &SampleValues| -> Vec<f64> {
            samples.values(LOSS_RATIO).iter().copied().flatten().collect()
        };
        let sets = self.readable().map(|(name, samples)| (name, losses(samples)));
        let sets: Vec<(&str, Vec<f64>)> = sets.filter(|(_, ratios)| !ratios.is_empty()).collect();
        if sets.is_empty() {
            let why = format!("no samples in {} have losses", self.folder.display());
            let command =
                "gra-bench stats vanilla=SEEDS.json gra=EXPERIMENT/gra/seed-N --ifd MODEL";
            return Err(MissingFigure::new(why, command));
        }
        let names: Vec<&str> = sets.iter().map(|(name, _)| *name).collect();
        // A data set that the paper has too gets its colour and its place.
        let role =
            |place: usize| Role::ALL.into_iter().find(|role| role.find(&names) == Some(place));
        let sets = sets.iter().enumerate();
        let sets =
            sets.map(|(place, (name, ratios))| ((*name).to_owned(), role(place), ratios.clone()));
        Ok(Violins::difficulty(sets.collect()).figure()?)
    }
}

/// Where a run seed's trials were measured: by `compare`, or else by `stats`.
pub(crate) fn folder(results: &Path, group: &TrialGroup) -> PathBuf {
    let compared = comparison::folder(results, &group.experiment, group.seed);
    if compared.is_dir() { compared } else { results.join("stats") }
}

/// What a trial's data set is called in a folder: `compare` names it after its variant, `stats` after the whole trial.
fn data_set_name(folder: &Path, trial: &TrialId) -> String {
    let compared = comparison::folder(Path::new(""), &trial.experiment, trial.seed);
    if folder.ends_with(compared) { trial.variant.clone() } else { trial.joined() }
}

/// A judge's scores of a trial's candidates, from such a folder; empty where none was asked.
///
/// # Errors
/// When the file is damaged.
pub(super) fn judge(
    folder: &Path,
    trial: &TrialId,
    candidates: &[Candidate],
) -> Result<BTreeMap<ItemId, f64>, MissingFigure> {
    let file = folder.join(format!("{}{}", data_set_name(folder, trial), evidence::JUDGE));
    if !file.is_file() {
        return Ok(BTreeMap::new());
    }
    read_scores(&file, candidates).map_err(|error| MissingFigure::unreadable(&error))
}

fn read_samples(path: &Path) -> Result<SampleValues> {
    let frame = ParquetReader::new(Cursor::new(std::fs::read(path)?)).finish()?;
    let [mu, judge] = ["mu", "judge"].map(|column| RowMeasure::column(column).score());
    let loss_ratio = RowMeasure::column("loss_ratio");
    let is_high = |score: f64| Some(f64::from(u8::from(score > THRESHOLD)));
    let judge_high = RowMeasure::number("judge", is_high).share();
    // In the order of the places above.
    let measures = [mu, judge, loss_ratio, judge_high];
    Ok(RowValues::from_frame(frames::items(&frame)?, &frame, measures)?)
}

impl FittedMap {
    fn read(folder: &Path) -> Result<Self> {
        let (map, fit) = (folder.join("map.csv"), folder.join("map.json"));
        let places = read_map(&map).with_context(|| format!("cannot read {}", map.display()))?;
        let read = || Ok::<Fit, anyhow::Error>(serde_json::from_slice(&std::fs::read(&fit)?)?);
        let fit =
            fit.is_file().then(|| read().with_context(|| format!("cannot read {}", fit.display())));
        Ok(Self { places, fit: fit.transpose()? })
    }
}

fn read_map(path: &Path) -> Result<BTreeMap<String, Vec<[f64; 2]>>> {
    let mut map: BTreeMap<String, Vec<[f64; 2]>> = BTreeMap::new();
    for (line, place) in csv::Reader::from_path(path)?.deserialize().enumerate() {
        let Place { data_set, x, y } = place?;
        if !(x.is_finite() && y.is_finite()) {
            // The header is line 1.
            bail!("line {}: a place is no number", line + 2);
        }
        map.entry(data_set).or_default().push([x, y]);
    }
    Ok(map)
}

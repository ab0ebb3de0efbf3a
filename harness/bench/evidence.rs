//! What was measured of data sets: asks models for what is missing, and hands it to the analysis.
//!
//! Three things need a model: embeddings of instructions, losses of responses
//! and a judge's scores (both [`crate::scoring`]). All are kept in the store, so a
//! measurement that was interrupted goes on, and one that is repeated asks nothing.

mod caveats;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use gra_analysis::contamination::{Contamination, SampleTexts};
use gra_analysis::diversity::tsne::Map;
use gra_analysis::figure::plane::{MOST_SETS, Plane};
use gra_analysis::foreign_text::CsvWriter;
use gra_analysis::frames;
use gra_analysis::reviewers::classifier::Classifiers;
use gra_analysis::reviewers::raters::FilledSheet;
use gra_analysis::stats::diversity::{self, Diversity, EmbeddedSet};
use gra_analysis::stats::measure::MeasureValue;
use gra_analysis::stats::{self, Findings, MeasuredSet, Settings};
use gra_analysis::trial::TrialFacts;
use gra_llm::model_pool::ModelPool;
use gra_synth::committee::Tally;
use gra_synth::pool::ItemId;
use gra_synth::request::ModelName;
use serde::{Deserialize, Serialize};

use crate::answering::Answering;
use crate::benchmarks::BenchmarkFiles;
use crate::dataset::{DataSet, SourceTrial};
use crate::scoring::{self, Bench, Judgements, Scoring};
use crate::seeds::Account;
use gra_files::{remove_if_any, write_atomic};

/// The file of samples that hold items of benchmarks.
const CONTAMINATION: &str = "contamination.csv";
/// The file of means by domain, generator and round.
const GROUPS: &str = "groups.csv";
/// How the file of a judge's scores of a trial ends.
pub(crate) const JUDGE: &str = ".judge.csv";

/// What is to be measured.
#[derive(Clone, Debug)]
pub(crate) struct Plan<'a> {
    /// How the table is made.
    pub(crate) settings: Settings,
    /// Names the streams of what is drawn: matched samples, starts of clusters and maps.
    pub(crate) run_seed: u64,
    /// The pool that names families.
    pub(crate) pool: &'a ModelPool,
    /// Whose losses make the difficulty.
    pub(crate) difficulty: Option<Scoring<'a>>,
    /// Who judges.
    pub(crate) judge: Option<Bench<'a>>,
    /// Who judges as well, so that the two can be held against each other.
    pub(crate) second_judge: Option<Bench<'a>>,
    /// What is made of embeddings.
    pub(crate) embedding: Embedded,
    /// What contamination is looked for in; `None` where none was asked for.
    pub(crate) benchmarks: Option<&'a BenchmarkFiles>,
    /// The place of the trial that people have rated, and what they said.
    pub(crate) raters: Option<(usize, &'a [FilledSheet])>,
}

impl Plan<'_> {
    /// Whether a model or the encoder is asked, and so something may be stored.
    pub(crate) fn asks_models(&self) -> bool {
        let judges = [&self.judge, &self.second_judge];
        judges.iter().any(|judge| judge.is_some())
            || self.difficulty.is_some()
            || self.embedding != Embedded::Nothing
    }
}

/// What is made of the instructions' embeddings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Embedded {
    /// Nothing: no encoder is needed.
    Nothing,
    /// Diversity, against the data set at this place.
    Diversity {
        /// The reference.
        reference: usize,
        /// Samples of each; `None` for as many as the smallest has.
        matched: Option<usize>,
        /// Whether a map is drawn as well.
        map: bool,
    },
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Evidence {
    /// A frame of samples per data set.
    pub(crate) measured: Vec<MeasuredSet>,
    /// The numbers.
    pub(crate) findings: Findings,
    /// Where the samples lie on a map, where one was asked for; or why there is none.
    pub(crate) map: Option<Result<SampleMap, String>>,
    /// What the data sets hold of benchmarks, where some were named.
    pub(crate) contamination: Option<Contamination>,
    /// What a reader must know besides the table: data sets that are one, judges that are no outsiders, what of the files
    /// was skipped or not read, instructions that the encoder does not read at once, what was not checked for
    /// contamination, and why there is no map. Each in a line.
    pub(crate) notes: Vec<String>,
}

impl Evidence {
    /// Measures data sets.
    ///
    /// # Errors
    /// When an engine or the store fails, or the run was interrupted.
    pub(crate) fn gather(
        data_sets: &[DataSet],
        plan: &Plan<'_>,
        answering: &mut Answering<'_>,
    ) -> Result<Self> {
        let run_seed = plan.run_seed;
        let (mut diversity, mut map, mut long) = (None, None, Vec::new());
        if let Embedded::Diversity { reference, matched, map: is_mapped } = plan.embedding {
            // Diversity grows with the number of samples, so all data sets are measured on equally many.
            let smallest = data_sets.iter().map(|data_set| data_set.samples.len()).min();
            let matched = matched.or(smallest).unwrap_or(0);
            let sets = embed(data_sets, answering)?;
            long = sets.iter().map(EmbeddedSet::long).collect();
            diversity = Some(Diversity::of(&sets, matched, reference, run_seed));
            map = is_mapped.then(|| SampleMap::fitted(&sets, data_sets, matched, run_seed));
        }
        let mut measured = Vec::new();
        for (place, data_set) in data_sets.iter().enumerate() {
            let nearest = match &diversity {
                Some(diversity) => diversity.nearest_distances(place),
                None => vec![None; data_set.samples.len()],
            };
            let mut set = measure(data_set, nearest, plan, answering)?;
            // People have rated one trial, whatever stands beside it.
            let raters = plan.raters.filter(|(of, _)| *of == place);
            if let (Some(trial), Some((_, sheets))) = (&mut set.trial, raters) {
                trial.raters = sheets.to_vec();
            }
            measured.push(set);
        }
        let mut findings = stats::findings(&measured, diversity.as_ref(), plan.settings)?;
        let contamination = plan.benchmarks.map(|named| {
            let texts: Vec<SampleTexts> = data_sets.iter().map(DataSet::texts).collect();
            Contamination::of(&texts, &named.benchmarks)
        });
        if let Some(contamination) = &contamination {
            contamination.describe(&mut findings.table);
        }
        // Not for people, who are told elsewhere: a claim of the paper is never decided by such a data set.
        let demonstrated = data_sets.iter().map(|set| {
            let n = set.samples.len();
            let none = MeasureValue::Inapplicable("it is of no demonstration");
            if set.is_demonstration { MeasureValue::count(n, n) } else { none }
        });
        findings.table.push_detail("data", "samples of a demonstration", demonstrated.collect());

        let mut notes = caveats::twins(data_sets);
        notes.extend(caveats::insiders(plan, data_sets));
        let of_benchmarks = plan.benchmarks.iter().flat_map(|named| named.notes.iter().cloned());
        for note in data_sets.iter().flat_map(DataSet::notes).chain(of_benchmarks) {
            // Several data sets may be from one file.
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        notes.extend(caveats::long_texts(data_sets, &long));
        notes.extend(contamination.iter().flat_map(Contamination::notes));
        let mut evidence = Self { measured, findings, map, contamination, notes };
        let no_map = evidence.no_map().map(|why| format!("No map was drawn: {why}."));
        evidence.notes.extend(no_map);
        Ok(evidence)
    }

    /// Why a map that was asked for is not there.
    pub(crate) fn no_map(&self) -> Option<&str> {
        self.map.as_ref()?.as_ref().err().map(String::as_str)
    }

    /// Says where readers find groups, contaminated samples and map of a folder that was written.
    pub(crate) fn print_files(&self, folder: &Path, out: &mut impl Write) -> Result<()> {
        writeln!(out, "Groups:  {}", folder.join(GROUPS).display())?;
        if self.contamination.is_some() {
            writeln!(out, "List:    {}", folder.join(CONTAMINATION).display())?;
        }
        if let Some(Ok(_)) = self.map {
            writeln!(out, "Map:     {}", folder.join("map.svg").display())?;
        }
        Ok(())
    }

    /// Writes the table as CSV and Markdown, what was measured of each sample as Parquet, a judge's scores of a trial's
    /// candidates, its deciders as classifiers and the list of contaminated samples as CSV, and the map as CSV and SVG,
    /// with how it was fitted as JSON. A map that could not be drawn leaves none of an earlier time.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        for (data_set, classifiers) in self.measured.iter().zip(&self.findings.classifiers) {
            let file = |ending: &str| folder.join(format!("{}{ending}", data_set.name));
            let samples = made(|out| frames::write_parquet(&data_set.samples, out))?;
            write_atomic(&file(".parquet"), &samples)?;
            let Some(trial) = &data_set.trial else { continue };
            // Scores of a part of a trial would be taken for those of all of it.
            let is_whole = !trial.judge.is_empty() && !trial.is_cut;
            let judge = is_whole.then(|| scoring::scores_csv(&trial.judge)).transpose()?;
            write_or_remove(&file(JUDGE), judge.as_deref())?;
            let table = (!classifiers.is_empty())
                .then(|| made(|out| Classifiers::write_csv(classifiers, out)))
                .transpose()?;
            write_or_remove(&file(".classifier.csv"), table.as_deref())?;
        }
        if let Some(map) = &self.map {
            let map = map.as_ref().ok();
            let fit = map.map(|map| serde_json::to_vec_pretty(&map.fit)).transpose()?;
            write_or_remove(&folder.join("map.csv"), map.map(|map| &*map.csv))?;
            write_or_remove(&folder.join("map.json"), fit.as_deref())?;
            write_or_remove(&folder.join("map.svg"), map.map(|map| map.svg.as_bytes()))?;
        }
        let found = self.contamination.as_ref();
        let list = found.map(|found| made(|out| found.write_csv(out))).transpose()?;
        write_or_remove(&folder.join(CONTAMINATION), list.as_deref())?;
        let Findings { table, groups, .. } = &self.findings;
        for (table, name) in [(table, "stats.csv"), (groups, GROUPS)] {
            write_atomic(&folder.join(name), &made(|out| table.write_csv(out))?)?;
        }
        let mut page = format!("{}\n{}", table.markdown(), groups.markdown());
        page.extend(self.notes.iter().map(|note| format!("\n{note}\n")));
        Ok(write_atomic(&folder.join("stats.md"), page.as_bytes())?)
    }
}

/// The bytes that something writes.
fn made<E: Into<anyhow::Error>>(
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write(&mut bytes).map_err(Into::into)?;
    Ok(bytes)
}

/// Writes a file. Where there is nothing to write, one of an earlier time is removed, which would be taken for one of
/// these data sets.
fn write_or_remove(path: &Path, bytes: Option<&[u8]>) -> Result<()> {
    match bytes {
        Some(bytes) => Ok(write_atomic(path, bytes)?),
        None => remove_if_any(path).with_context(|| format!("cannot remove {}", path.display())),
    }
}

/// A data set's samples, with what the models say.
fn measure(
    data_set: &DataSet,
    nearest: Vec<Option<f64>>,
    plan: &Plan<'_>,
    answering: &mut Answering<'_>,
) -> Result<MeasuredSet> {
    answering.progress().begin_work(&data_set.name);
    let difficulty = match plan.difficulty {
        Some(scoring) => {
            scoring.measure(&data_set.samples, answering)?.into_iter().map(Some).collect()
        }
        None => vec![None; data_set.samples.len()],
    };
    let mut ask = |bench: &Option<Bench<'_>>| match bench {
        Some(bench) => bench.judge(data_set, answering),
        None => Ok(Judgements::new()),
    };
    let (judgements, second) = (ask(&plan.judge)?, ask(&plan.second_judge)?);
    let score = |of: &Judgements, id: &ItemId| Some(of.get(id)?.scores?.mean());
    let judge_of = |id: &ItemId| score(&judgements, id);
    let rows = data_set.samples.iter().zip(difficulty).zip(nearest);
    let rows = rows.map(|((sample, difficulty), nearest_distance)| frames::MeasuredSample {
        id: sample.id.to_string(),
        items: sample.items.clone(),
        domain: sample.domain,
        generator: sample.generator.as_ref().map(ToString::to_string),
        round: sample.id.round(),
        instruction: sample.instruction.clone(),
        response: sample.response.clone(),
        mu: sample.tally.map(Tally::mu),
        sigma: sample.tally.map(Tally::sigma),
        judge: judge_of(&sample.id),
        second_judge: score(&second, &sample.id),
        difficulty,
        nearest_distance,
    });
    let rows: Vec<frames::MeasuredSample> = rows.collect();
    let trial =
        data_set.trial.as_ref().map(|SourceTrial { facts, rule, judged }| stats::TrialEvidence {
            facts: facts.clone(),
            rule: *rule,
            is_cut: judged.is_some(),
            families: families(facts, plan.pool),
            // Of the one trial that was rated; `gather` knows which.
            raters: Vec::new(),
            judge: judgements.keys().filter_map(|id| Some((*id, judge_of(id)?))).collect(),
            parameters: parameters(plan.pool),
        });
    let (name, seed_set) = (data_set.name.clone(), data_set.seed_set.clone());
    // A trial has no files, and so no records that could be lost.
    let sum = |of: fn(&Account) -> usize| data_set.files.values().map(of).sum();
    let records = (!data_set.files.is_empty()).then(|| stats::RecordCounts {
        found: sum(|file| file.records),
        skipped: sum(Account::skipped_records),
    });
    Ok(MeasuredSet { name, samples: frames::samples(&rows)?, seed_set, records, trial })
}

/// The family of every model that took part; one that the pool does not know is its own.
fn families(facts: &TrialFacts, pool: &ModelPool) -> BTreeMap<ModelName, String> {
    let family = |name: &ModelName| {
        let family = pool.model(name).and_then(|model| model.family.clone());
        (name.clone(), family.unwrap_or_else(|| name.to_string()))
    };
    let roles = facts.candidates.iter().map(|candidate| &candidate.roles);
    // A family is what reviewers are suspected to favour, so generators have one too.
    let models = roles.flat_map(|roles| roles.reviewers.iter().chain([&roles.generator]));
    models.map(family).collect()
}

/// How many parameters the pool's models have, where it says so.
pub(crate) fn parameters(pool: &ModelPool) -> BTreeMap<ModelName, u64> {
    let models = pool.members_and_teachers();
    models.filter_map(|model| Some((model.name.clone(), model.parameters?))).collect()
}

/// Embeds the instructions of every data set.
fn embed(data_sets: &[DataSet], answering: &mut Answering<'_>) -> Result<Vec<EmbeddedSet>> {
    let embed = |data_set: &DataSet| {
        answering.progress().begin_work(&data_set.name);
        let samples = data_set.samples.iter();
        let instructions: Vec<String> = samples.map(|sample| sample.instruction.clone()).collect();
        Ok(EmbeddedSet {
            name: data_set.name.clone(),
            embeddings: answering.embed(&instructions)?,
            instructions,
        })
    };
    data_sets.iter().map(embed).collect()
}

/// How a map was fitted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fit {
    /// Of t-SNE.
    pub(crate) perplexity: f64,
    /// Kullback-Leibler divergence that is left, in nats.
    pub(crate) divergence: f64,
}

impl Fit {
    /// For a caption.
    pub(crate) fn in_words(&self) -> String {
        format!(
            "t-SNE of instruction embeddings (all-MiniLM-L6-v2), fitted together, perplexity {:.0}, \
             Kullback-Leibler divergence {:.3} nats.",
            self.perplexity, self.divergence
        )
    }
}

/// Samples of several data sets on one map (the paper's Figs. 5 and 6).
#[derive(Debug)]
pub(crate) struct SampleMap {
    /// A line per sample: data set, id, place.
    csv: Vec<u8>,
    fit: Fit,
    /// The picture.
    svg: String,
}

impl SampleMap {
    /// Fits and draws the map.
    ///
    /// # Errors
    /// Says why there is none, in a sentence's end: that is no reason to be without the table.
    fn fitted(
        sets: &[EmbeddedSet],
        data_sets: &[DataSet],
        matched: usize,
        run_seed: u64,
    ) -> Result<Self, String> {
        if data_sets.len() > MOST_SETS {
            let sets = data_sets.len();
            return Err(format!("a map shows at most {MOST_SETS} data sets, and these are {sets}"));
        }
        let (places, map) = diversity::map(sets, matched, run_seed)
            .map_err(|why| format!("the samples on it: {why}"))?;
        let fit = Fit { perplexity: map.perplexity, divergence: map.divergence };
        let in_windows = match sets.iter().map(EmbeddedSet::long).sum::<usize>() {
            0 => String::new(),
            long => format!(
                " {long} of {} instructions are longer than the encoder reads at once, or in letters that it \
                 does not know: one vector stands for each.",
                sets.iter().map(|set| set.embeddings.len()).sum::<usize>()
            ),
        };
        let caption = format!(
            "{} Neighbours mean something here, distances and areas do not.{in_windows}",
            fit.in_words()
        );
        let names = data_sets.iter().map(|data_set| data_set.name.as_str());
        // A data set with too few samples is not on the map, and not in its legend.
        let points = names.zip(&map.sets).filter(|(_, points)| !points.is_empty());
        let plane = Plane {
            name: "map",
            title: "Where the instructions lie",
            caption: &caption,
            sets: points.map(|(name, points)| (name, points.as_slice())).collect(),
        };
        let svg = plane.figure().map_err(|error| error.to_string())?.svg;
        let csv = map_csv(data_sets, &places, &map).map_err(|error| error.to_string())?;
        Ok(Self { csv, fit, svg })
    }
}

/// The map has a drawn part of each data set, all of one size: `places` among its samples.
fn map_csv(data_sets: &[DataSet], places: &[Vec<usize>], map: &Map) -> Result<Vec<u8>> {
    let mut csv = CsvWriter::from_writer(Vec::new());
    csv.write_record(["data_set", "id", "x", "y"])?;
    for ((set, places), points) in data_sets.iter().zip(places).zip(&map.sets) {
        for (place, [x, y]) in places.iter().zip(points) {
            let id = set.samples[*place].id.to_string();
            csv.write_record([&set.name, &id, &x.to_string(), &y.to_string()])?;
        }
    }
    Ok(csv.into_inner()?)
}

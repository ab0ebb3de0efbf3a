//! What was measured of data sets: asks models for what is missing, and hands it to the analysis.
//!
//! Three things need a model: embeddings of instructions, losses of responses
//! ([`crate::difficulty`]) and a judge's scores ([`crate::judging`]). All are kept in the store, so a
//! measurement that was interrupted goes on, and one that is repeated asks nothing.

mod caveats;
mod map;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use gra_analysis::contamination::{Contamination, SampleTexts};
use gra_analysis::frames;
use gra_analysis::reviewers::classifier::Classifiers;
use gra_analysis::reviewers::raters::FilledSheet;
use gra_analysis::stats::diversity::{Diversity, EmbeddedSet};
use gra_analysis::stats::measure::MeasureValue;
use gra_analysis::stats::{self, Findings, MeasuredSet, Settings};
use gra_analysis::trial::TrialFacts;
use gra_llm::model_pool::ModelPool;
use gra_synth::committee::Tally;
use gra_synth::pool::ItemId;
use gra_synth::request::ModelName;

use crate::answering::Answering;
use crate::benchmarks::BenchmarkFiles;
use crate::dataset::{DataSet, SourceTrial};
use crate::difficulty::Scoring;
use crate::judging::{self, Bench, Judgements};
use crate::seeds::Account;
use gra_files::{remove_if_any, write_atomic};
use map::SampleMap;

pub(crate) use map::Fit;

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
    /// What of the files was skipped or not read, a sentence each.
    file_notes: Vec<String>,
    /// Judges and scorers that wrote some of the samples, or are of one family with who did.
    insiders: Vec<String>,
    /// How many instructions of each data set the encoder does not read at once, where it was asked.
    long: Vec<usize>,
    /// Data sets that are one and the same, a sentence each.
    twins: Vec<String>,
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
        let (mut diversity, mut sample_map, mut long) = (None, None, Vec::new());
        if let Embedded::Diversity { reference, matched, map: is_mapped } = plan.embedding {
            // Diversity grows with the number of samples, so all data sets are measured on equally many.
            let smallest = data_sets.iter().map(|data_set| data_set.samples.len()).min();
            let matched = matched.or(smallest).unwrap_or(0);
            let sets = map::embed(data_sets, answering)?;
            long = sets.iter().map(EmbeddedSet::long).collect();
            diversity = Some(Diversity::of(&sets, matched, reference, run_seed));
            if is_mapped {
                sample_map = Some(SampleMap::of(&sets, data_sets, matched, run_seed));
            }
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
        let mut file_notes: Vec<String> = data_sets.iter().flat_map(DataSet::notes).collect();
        let contamination = plan.benchmarks.map(|named| {
            file_notes.extend(named.notes.iter().cloned());
            let texts: Vec<SampleTexts> = data_sets.iter().map(DataSet::texts).collect();
            Contamination::of(&texts, &named.benchmarks)
        });
        if let Some(contamination) = &contamination {
            contamination.describe(&mut findings.table);
        }
        // Of a file that several data sets are from.
        let mut said = BTreeSet::new();
        file_notes.retain(|note| said.insert(note.clone()));
        // Not for people, who are told elsewhere: a claim of the paper is never decided by such a data set.
        let demonstrated = data_sets.iter().map(|set| {
            let n = set.samples.len();
            let none = MeasureValue::Inapplicable("it is of no demonstration");
            if set.is_demonstration { MeasureValue::count(n, n) } else { none }
        });
        findings.table.push_detail("data", "samples of a demonstration", demonstrated.collect());
        let judges = [("judge", &plan.judge), ("second judge", &plan.second_judge)];
        let judges = judges
            .into_iter()
            .filter_map(|(role, bench)| Some((role, &bench.as_ref()?.judge.name)));
        let scorer = plan.difficulty.map(|scoring| ("model whose losses are taken", scoring.model));
        let asked = judges.chain(scorer);
        let insiders = asked.filter_map(|(role, model)| {
            caveats::not_an_outsider(role, model, data_sets, plan.pool)
        });
        let (insiders, twins) = (insiders.collect(), caveats::twins(data_sets));
        let map = sample_map;
        Ok(Self { measured, findings, map, contamination, file_notes, insiders, long, twins })
    }

    /// What a reader must know besides the table: data sets that are one, judges that are no outsiders, what of the files was skipped or not
    /// read, instructions that the encoder does not read at once, what was not checked for contamination, and why
    /// there is no map. Each in a line.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = [&*self.twins, &*self.insiders, &*self.file_notes].concat();
        let sets = self.measured.iter().zip(&self.long).filter(|(_, long)| **long > 0);
        let sets =
            sets.map(|(set, long)| format!("{} {long} of {}", set.name, set.samples.height()));
        let sets: Vec<String> = sets.collect();
        if !sets.is_empty() {
            notes.push(format!(
                "Longer than the encoder reads at once, or in letters that it does not know, are instructions of {}: in \
                 the diversity of a data set and on a map one vector stands for each, which says less of it.",
                sets.join(", ")
            ));
        }
        notes.extend(self.contamination.iter().flat_map(Contamination::notes));
        notes.extend(self.no_map().map(|why| format!("No map was drawn: {why}.")));
        notes
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

    /// Writes the table as CSV and Markdown, what was measured of each sample as Parquet, a judge's
    /// scores of a trial's candidates, its deciders as classifiers and the list of contaminated samples as CSV, and the map as CSV and SVG, with how
    /// it was fitted as JSON. A map that could not be drawn leaves none of an earlier time.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        for (data_set, classifiers) in self.measured.iter().zip(&self.findings.classifiers) {
            let path = folder.join(format!("{}.parquet", data_set.name));
            write_made(&path, |out| frames::write_parquet(&data_set.samples, out))?;
            let Some(trial) = &data_set.trial else { continue };
            // Scores of a part of a trial would be taken for those of all of it.
            let path = folder.join(format!("{}{JUDGE}", data_set.name));
            if trial.judge.is_empty() || trial.is_cut {
                remove(&path)?;
            } else {
                write_atomic(&path, &judging::scores_csv(&trial.judge)?)?;
            }
            let path = folder.join(format!("{}.classifier.csv", data_set.name));
            if classifiers.is_empty() {
                remove(&path)?;
            } else {
                write_made(&path, |out| Classifiers::write_csv(classifiers, out))?;
            }
        }
        match &self.map {
            Some(Ok(map)) => {
                write_atomic(&folder.join("map.csv"), &map.csv()?)?;
                write_atomic(&folder.join("map.json"), &serde_json::to_vec_pretty(&map.fit())?)?;
                write_atomic(&folder.join("map.svg"), map.svg().as_bytes())?;
            }
            Some(Err(_)) => ["map.csv", "map.json", "map.svg"]
                .iter()
                .try_for_each(|name| remove(&folder.join(name)))?,
            None => {}
        }
        let list = folder.join(CONTAMINATION);
        match &self.contamination {
            Some(contamination) => write_made(&list, |out| contamination.write_csv(out))?,
            None => remove(&list)?,
        }
        let Findings { table, groups, .. } = &self.findings;
        for (table, name) in [(table, "stats.csv"), (groups, GROUPS)] {
            write_made(&folder.join(name), |out| table.write_csv(out))?;
        }
        let mut page = format!("{}\n{}", table.markdown(), groups.markdown());
        page.extend(self.notes().iter().map(|note| format!("\n{note}\n")));
        Ok(write_atomic(&folder.join("stats.md"), page.as_bytes())?)
    }
}

/// Writes a file whose bytes something makes.
fn write_made<E: Into<anyhow::Error>>(
    path: &Path,
    make: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<()> {
    let mut bytes = Vec::new();
    make(&mut bytes).map_err(Into::into)?;
    Ok(write_atomic(path, &bytes)?)
}

/// Removes a file of an earlier time, which would be taken for one of these data sets.
fn remove(path: &Path) -> Result<()> {
    remove_if_any(path).with_context(|| format!("cannot remove {}", path.display()))
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
        round: match sample.id {
            ItemId::Candidate { round, .. } => Some(round),
            ItemId::Seed(_) => None,
        },
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

//! `compare`: the data sets of an experiment side by side on every measure, and in words.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use gra_analysis::ablation::sweep::{SweepAxis, join};
use gra_analysis::stats::measure::MeasureTable;
use gra_analysis::stats::{Settings, in_words};
use gra_paper::grid;
use gra_synth::method::{Member, Method};
use serde_json::json;

use super::rescore::{self, Decided, RescoreArgs};
use super::stats;
use crate::benchmarks::BenchmarkFiles;
use crate::dataset::DataSet;
use crate::difficulty::{Protocol, Scoring};
use crate::evidence::{CONTAMINATION, Embedded, Evidence, GROUPS, JUDGE, Plan};
use crate::experiment::{Experiment, Experiments, Overrides, RescoreEntry};
use crate::failure::bad_input;
use crate::judging::Bench;
use crate::progress::Verbosity;
use crate::session::{GlobalArgs, Session};
use crate::store::Store;
use crate::trial::TrialId;
use crate::{comparison, publish, rows, terminal};
use gra_files::write_atomic;

/// Put the data sets of an experiment side by side, and say what can be told apart.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gra-bench compare experiments/refine.toml
  gra-bench compare experiments/distill.toml --sets gra,distill-large --judge teacher-large
  gra-bench compare experiments/refine.toml --no-embeddings --json

Compares what `run` has made under one run seed, and the file's sources. What models say is kept in
the store: a comparison that was interrupted goes on when the same command is given again.")]
pub(crate) struct CompareArgs {
    /// The experiment file, or a folder that `synth` made.
    pub(super) experiment: PathBuf,
    /// Run seed of the trials that are compared [default: the file's first].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Only these data sets, separated by commas; the first is the one that others are compared with.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    sets: Vec<String>,
    #[command(flatten)]
    overrides: Overrides,
    /// Have responses scored by this model [default: the file's].
    #[arg(long, value_name = "MODEL")]
    judge: Option<String>,
    /// Measure IFD with the losses of this model [default: the file's].
    #[arg(long, value_name = "MODEL")]
    ifd: Option<String>,
    /// Leave out diversity, which needs the pool's encoder.
    #[arg(long)]
    no_embeddings: bool,
    /// Folder to write to [default: EXPERIMENT/seed-N.compare in the results folder].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print JSON: an object, and a list of them for several seed sets.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &CompareArgs, global: &GlobalArgs) -> Result<()> {
    let seeds = args.seed.into_iter().collect();
    let overrides = Overrides { seeds, ..args.overrides.clone() };
    let experiments = Experiments::load(&args.experiment, &global.models, &overrides)?;
    let stored = global.read_store_if_any()?.map_or_else(Store::in_memory, Ok)?;
    let is_joined = experiments.each.len() > 1;
    // Those of several seed sets differ in nothing else.
    let first = &experiments.each[0];
    let plan = args.plan(first, first.seeds[0])?;
    let sides = |experiment| SeedSetSide::load(args, experiment, is_joined, &stored, global);
    let sides = experiments.each.iter().map(sides).collect::<Result<Vec<SeedSetSide<'_>>>>()?;
    drop(stored);
    let store = Store::open(&global.store_path())?;
    let session = Session::start(global, store, &first.pool, &first.engine)?;
    let found = session.ask(first.chunk, |answering| {
        let gather = |side: &SeedSetSide<'_>| {
            Evidence::gather(&side.data_sets, plan.as_plan(side.experiment), answering)
        };
        sides.iter().map(gather).collect::<Result<Vec<Evidence>>>()
    })?;
    let mut out = terminal::json_or_text(args.json);
    let mut documents = Vec::new();
    for (side, evidence) in sides.iter().zip(&found) {
        let words = side.write(evidence)?;
        let again = |entry| side.decide_again(args, entry, global);
        let decided = side.experiment.rescore.as_ref().map(again).transpose()?;
        if args.json {
            documents.push(side.json(evidence, &words, decided.as_ref())?);
            continue;
        }
        print(&mut out, side.experiment, evidence, &words, &side.folder, global.verbosity())?;
        decided.map_or(Ok(()), |decided| decided.print(&mut out))?;
    }
    if is_joined {
        let own = || comparison::folder(global.results(), &experiments.name, first.seeds[0]);
        let folder = args.out.clone().unwrap_or_else(own);
        let tables: Vec<&MeasureTable> = found.iter().map(|found| &found.findings.table).collect();
        let (joined, mut csv) = (join(SweepAxis::SeedSet, &tables), Vec::new());
        joined.write_csv(&mut csv)?;
        let path = |ending: &str| folder.join(format!("seed-sets.{ending}"));
        write_atomic(&path("csv"), &csv)?;
        write_atomic(&path("md"), joined.markdown().as_bytes())?;
        if !args.json {
            let table = joined.terminal(global.verbosity() == Verbosity::Verbose);
            writeln!(out, "\nOver seed sets\n\n{table}\nTable:   {}", path("md").display())?;
        }
    }
    if args.json {
        writeln!(out, "{}", rows::document(documents))?;
    }
    Ok(())
}

/// The comparison of an experiment's data sets: of one seed set, where the file names several.
struct SeedSetSide<'a> {
    experiment: &'a Experiment,
    run_seed: u64,
    data_sets: Vec<DataSet>,
    folder: PathBuf,
}

impl<'a> SeedSetSide<'a> {
    /// Everything that needs no model, checked before any is asked.
    fn load(
        args: &CompareArgs,
        experiment: &'a Experiment,
        is_joined: bool,
        stored: &Store,
        global: &GlobalArgs,
    ) -> Result<Self> {
        let run_seed = experiment.seeds[0];
        let names = if args.sets.is_empty() { &experiment.compare.sets } else { &args.sets };
        comparison::check_sets(experiment, names).map_err(bad_input)?;
        let mut data_sets = comparison::data_sets(experiment, run_seed, names, stored)
            .with_context(|| {
                format!(
                    "cannot compare {}\nhint: gra-bench run {}",
                    experiment.name,
                    args.experiment.display()
                )
            })?;
        experiment.compare.cut(&mut data_sets, run_seed);
        let folder = match &args.out {
            Some(out) if is_joined => out.join(&experiment.name),
            Some(out) => out.clone(),
            None => comparison::folder(global.results(), &experiment.name, run_seed),
        };
        publish::check_writable(&folder)?;
        Ok(Self { experiment, run_seed, data_sets, folder })
    }

    /// Writes what was found, and returns it in words.
    fn write(&self, evidence: &Evidence) -> Result<String> {
        evidence.write(&self.folder)?;
        let words = in_words(&self.data_sets[0].name, &evidence.findings.contrasts);
        let page = page(self.experiment, self.run_seed, &words, evidence);
        write_atomic(&self.folder.join("compare.md"), page.as_bytes())?;
        write_atomic(&self.folder.join(comparison::WORDS), words.as_bytes())?;
        Ok(words)
    }

    /// Decides the first variant's reviews again under the file's thresholds.
    fn decide_again(
        &self,
        args: &CompareArgs,
        entry: &RescoreEntry,
        global: &GlobalArgs,
    ) -> Result<Decided> {
        let Experiment { name, variants, .. } = self.experiment;
        let (experiment, variant) = (name.clone(), variants[0].name.clone());
        let trial = TrialId { experiment, variant, seed: self.run_seed };
        let judged = self.folder.join(format!("{}{JUDGE}", trial.variant));
        let judge = judged.exists().then_some(judged);
        rescore::decide(&RescoreArgs::of(trial.to_string(), entry, judge, args.out.clone()), global)
    }

    fn json(
        &self,
        evidence: &Evidence,
        words: &str,
        decided: Option<&Decided>,
    ) -> Result<serde_json::Value> {
        let measures = stats::json(evidence, &self.data_sets);
        let words: Vec<&str> = words.lines().collect();
        let decided = decided.map(Decided::json).transpose()?;
        let name = &self.experiment.name;
        Ok(json!({
            "experiment": name, "words": words, "data_sets": measures, "rescore": decided,
        }))
    }
}

/// A judge's model, a scorer and what is made of embeddings.
struct Resolved<'a> {
    judge: Option<Member>,
    second_judge: Option<Member>,
    difficulty: Option<Scoring<'a>>,
    embedding: Embedded,
    benchmarks: Option<BenchmarkFiles>,
    run_seed: u64,
    method: Method,
}

impl CompareArgs {
    fn plan<'a>(&self, experiment: &'a Experiment, run_seed: u64) -> Result<Resolved<'a>> {
        let asked = &experiment.compare;
        let named = |given: &Option<String>, own: &Option<String>| given.clone().or(own.clone());
        let model = |name: &String| stats::member(&experiment.pool, name);
        let judge = named(&self.judge, &asked.judge).as_ref().map(model).transpose()?;
        let second = asked.second_judge.as_ref().map(model).transpose()?;
        let scorer = named(&self.ifd, &asked.ifd).as_ref().map(model).transpose()?;
        let embedding = if self.no_embeddings {
            Embedded::Nothing
        } else {
            Embedded::Diversity { reference: 0, matched: asked.matched, map: asked.map }
        };
        Ok(Resolved {
            judge: judge.map(stats::as_judge),
            second_judge: second.map(stats::as_judge),
            difficulty: scorer.map(|model| stats::scoring(model, Protocol::default())),
            embedding,
            benchmarks: stats::named_benchmarks(&asked.benchmarks)?,
            run_seed,
            method: Method::default(),
        })
    }
}

impl Resolved<'_> {
    fn as_plan<'a>(&'a self, experiment: &'a Experiment) -> Plan<'a> {
        // The paper's tau divides a judge's high scores from others, whatever this scale's is.
        let threshold = f64::from(self.method.tau);
        let bench = |judge| Bench {
            judge,
            prompts: &experiment.prompts.set,
            method: &self.method,
            run_seed: self.run_seed,
        };
        Plan {
            settings: Settings { threshold, margins: experiment.compare.margins },
            run_seed: self.run_seed,
            pool: &experiment.pool,
            difficulty: self.difficulty,
            judge: self.judge.as_ref().map(bench),
            second_judge: self.second_judge.as_ref().map(bench),
            embedding: self.embedding,
            benchmarks: self.benchmarks.as_ref(),
            raters: None,
        }
    }
}

/// What the comparison says, for readers.
fn page(experiment: &Experiment, run_seed: u64, words: &str, evidence: &Evidence) -> String {
    let (table, groups) = (&evidence.findings.table, &evidence.findings.groups);
    let (notes, table) = (evidence.notes(), format!("{}\n{}", table.markdown(), groups.markdown()));
    let mut page =
        format!("# {}, run seed {run_seed}\n\n{}\n\n", experiment.name, experiment.question);
    if experiment.demonstration {
        page.push_str("This is a demonstration on a very small model and no result.\n\n");
    }
    for line in words.lines().chain(notes.iter().map(String::as_str)) {
        let _ = writeln!(page, "- {line}");
    }
    for number in &experiment.expectation {
        let _ =
            writeln!(page, "- The paper: {} {} (`{}`).", number.about, number.printed, number.cell);
    }
    if !experiment.analysis.is_empty() {
        let _ = writeln!(page, "\n{}", experiment.analysis.trim());
    }
    let _ = write!(
        page,
        "\nDifferences are of means, with 95% intervals. *Differs*: a Holm-corrected p <= 0.05 over all of them. *Alike*: \
         the 90% interval lies within the margin that the experiment states. \"N a side would tell\": so many samples \
         of each find a difference of the margin, or without one of the size seen, four times in five.\n\n{table}"
    );
    page
}

fn print(
    out: &mut impl Write,
    experiment: &Experiment,
    evidence: &Evidence,
    words: &str,
    folder: &Path,
    verbosity: Verbosity,
) -> Result<()> {
    let table = &evidence.findings.table;
    writeln!(out, "{}: {}\n", experiment.name, experiment.question)?;
    if experiment.demonstration {
        writeln!(out, "This is a demonstration on a very small model and no result.\n")?;
    }
    // What was found comes first; the numbers that it was found in stand below.
    let mut said = String::new();
    for line in words.lines().chain(evidence.notes().iter().map(String::as_str)) {
        grid::wrap(&mut said, line);
        said.push('\n');
    }
    write!(out, "{said}{}", table.terminal(verbosity == Verbosity::Verbose))?;
    writeln!(out)?;
    writeln!(out, "Page:    {}", folder.join("compare.md").display())?;
    writeln!(out, "Table:   {}", folder.join("stats.csv").display())?;
    writeln!(out, "Groups:  {}", folder.join(GROUPS).display())?;
    if evidence.contamination.is_some() {
        writeln!(out, "List:    {}", folder.join(CONTAMINATION).display())?;
    }
    if let Some(Ok(_)) = evidence.map {
        writeln!(out, "Map:     {}", folder.join("map.svg").display())?;
    }
    Ok(())
}

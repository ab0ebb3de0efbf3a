//! `compare`: the data sets of an experiment side by side on every measure, and in words.

use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use gra_analysis::ablation::sweep::{SweepAxis, join};
use gra_analysis::stats::measure::MeasureTable;
use gra_analysis::stats::{Settings, in_words};
use gra_llm::model_pool::PoolModel;
use gra_paper::grid;
use gra_synth::method::Method;
use serde_json::{Value, json};

use super::recorded::{self, Decided};
use super::stats;
use crate::dataset::DataSet;
use crate::evidence::{Embedded, Evidence, JUDGE, Plan};
use crate::experiment::{Expectation, Experiment, Experiments, Overrides, RescoreEntry};
use crate::progress::Verbosity;
use crate::scoring::{Bench, Protocol};
use crate::session::{GlobalArgs, Session};
use crate::store::Store;
use crate::trial::TrialId;
use crate::{comparison, publish, rows, suite, terminal};
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
    let stored = global.read_store_or_empty()?;
    let (each, is_joined) = (&experiments.each, experiments.each.len() > 1);
    // A judge is asked as the paper's is, whatever the experiment changes.
    let method = Method::default();
    let plans = each.iter().map(|experiment| args.plan(experiment, &method));
    let plans = plans.collect::<Result<Vec<Plan<'_>>>>()?;
    // Those of several seed sets differ in nothing else.
    let first = &each[0];
    let benchmarks = stats::named_benchmarks(&first.compare.benchmarks)?;
    let sides = each.iter().map(|one| SeedSetSide::load(args, one, is_joined, &stored, global));
    let sides = sides.collect::<Result<Vec<SeedSetSide<'_>>>>()?;
    let store = if plans.iter().any(Plan::asks_models) {
        // Only now is the store opened for writing: what is wrong so far has taken no lock.
        drop(stored);
        Store::open(&global.store_path())?
    } else {
        stored
    };
    let session = Session::start(global, store, &first.pool, &first.engine)?;
    let found = session.ask(first.chunk, |answering| {
        let gather = |(side, plan): (&SeedSetSide<'_>, Plan<'_>)| {
            let plan = Plan { benchmarks: benchmarks.as_ref(), ..plan };
            Evidence::gather(&side.data_sets, &plan, answering)
        };
        sides.iter().zip(plans).map(gather).collect::<Result<Vec<Evidence>>>()
    })?;
    let mut out = terminal::json_or_text(args.json);
    let mut documents = Vec::new();
    for (side, evidence) in sides.iter().zip(&found) {
        // All files of a seed set before those of the next: what is printed is on disk.
        let words = side.write(evidence)?;
        let again = |entry| side.decide_again(args, entry, global);
        let decided = side.experiment.rescore.as_ref().map(again).transpose()?;
        if args.json {
            documents.push(side.json(evidence, &words, decided.as_ref())?);
            continue;
        }
        side.print(evidence, &words, global.verbosity(), &mut out)?;
        decided.map_or(Ok(()), |decided| decided.print(&mut out))?;
    }
    if is_joined {
        let own = || comparison::folder(global.results(), &experiments.name, first.seeds[0]);
        let folder = args.out.clone().unwrap_or_else(own);
        let tables: Vec<&MeasureTable> = found.iter().map(|found| &found.findings.table).collect();
        let joined = join(SweepAxis::SeedSet, &tables);
        let markdown = folder.join("seed-sets.md");
        suite::write_table(&joined, &folder.join("seed-sets.csv"), &markdown)?;
        if !args.json {
            let table = joined.terminal(global.verbosity() == Verbosity::Verbose);
            writeln!(out, "\nOver seed sets\n\n{table}\nTable:   {}", markdown.display())?;
        }
    }
    if args.json {
        writeln!(out, "{}", rows::document(documents))?;
    }
    Ok(())
}

impl CompareArgs {
    /// What is measured of an experiment's data sets, but for benchmarks, whose files are read once for all.
    fn plan<'a>(&self, experiment: &'a Experiment, method: &'a Method) -> Result<Plan<'a>> {
        let asked = &experiment.compare;
        let model = |given: Option<&String>, own: Option<&String>| {
            given.or(own).map(|name| stats::member(&experiment.pool, name)).transpose()
        };
        let run_seed = experiment.seeds[0];
        let bench = |judge: &PoolModel| {
            let (judge, prompts) = (stats::as_judge(judge), &experiment.prompts.set);
            Bench { judge, prompts, method, run_seed }
        };
        let judge = model(self.judge.as_ref(), asked.judge.as_ref())?.map(bench);
        let second_judge = model(None, asked.second_judge.as_ref())?.map(bench);
        let scorer = model(self.ifd.as_ref(), asked.ifd.as_ref())?;
        // The paper's tau divides a judge's high scores from others, whatever this experiment's is.
        let threshold = f64::from(method.tau);
        Ok(Plan {
            settings: Settings { threshold, margins: asked.margins },
            run_seed,
            pool: &experiment.pool,
            difficulty: scorer.map(|model| stats::scoring(model, Protocol::default())),
            judge,
            second_judge,
            embedding: if self.no_embeddings {
                Embedded::Nothing
            } else {
                Embedded::Diversity { reference: 0, matched: asked.matched, map: asked.map }
            },
            benchmarks: None,
            raters: None,
        })
    }
}

/// The comparison of an experiment's data sets: of one seed set, where the file names several.
struct SeedSetSide<'a> {
    experiment: &'a Experiment,
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
        let file = &args.experiment;
        let mut data_sets = comparison::data_sets(experiment, names, stored, file, "compare")?;
        experiment.compare.cut(&mut data_sets, run_seed);
        let folder = match &args.out {
            Some(out) if is_joined => out.join(&experiment.name),
            Some(out) => out.clone(),
            None => comparison::folder(global.results(), &experiment.name, run_seed),
        };
        publish::check_writable(&folder)?;
        Ok(Self { experiment, data_sets, folder })
    }

    /// Writes what was found, and returns it in words.
    fn write(&self, evidence: &Evidence) -> Result<String> {
        evidence.write(&self.folder)?;
        let words = in_words(&self.data_sets[0].name, &evidence.findings.contrasts);
        let page = page(self.experiment, &words, evidence);
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
        let Experiment { name, variants, seeds, .. } = self.experiment;
        let trial = TrialId::new(name, &variants[0].name, seeds[0]);
        // The scores that `write` has just written, where the judge was asked about all of the trial.
        let judge = self.folder.join(format!("{}{JUDGE}", trial.variant));
        let judge = judge.exists().then_some(judge);
        let (trial, out) = (trial.to_string(), args.out.as_deref());
        recorded::decide(&trial, entry, judge.as_deref(), out, global)
    }

    fn json(&self, evidence: &Evidence, words: &str, decided: Option<&Decided>) -> Result<Value> {
        Ok(json!({
            "experiment": self.experiment.name,
            "words": words.lines().collect::<Vec<_>>(),
            "data_sets": stats::json(evidence, &self.data_sets),
            "rescore": decided.map(Decided::json).transpose()?,
        }))
    }

    fn print(
        &self,
        evidence: &Evidence,
        words: &str,
        verbosity: Verbosity,
        out: &mut impl Write,
    ) -> Result<()> {
        let Self { experiment, folder, .. } = self;
        writeln!(out, "{}: {}\n", experiment.name, experiment.question)?;
        if experiment.demonstration {
            writeln!(out, "{DEMONSTRATION}\n")?;
        }
        // What was found comes first; the numbers that it was found in stand below.
        let mut said = String::new();
        for line in words.lines().chain(evidence.notes.iter().map(String::as_str)) {
            grid::wrap(&mut said, line);
            said.push('\n');
        }
        let table = evidence.findings.table.terminal(verbosity == Verbosity::Verbose);
        writeln!(out, "{said}{table}")?;
        writeln!(out, "Page:    {}", folder.join("compare.md").display())?;
        writeln!(out, "Table:   {}", folder.join("stats.csv").display())?;
        evidence.print_files(folder, out)
    }
}

/// What a reader of a demonstration's comparison must know.
const DEMONSTRATION: &str = "This is a demonstration on a very small model and no result.";

/// What the comparison says, for readers.
fn page(experiment: &Experiment, words: &str, evidence: &Evidence) -> String {
    let (table, groups) = (&evidence.findings.table, &evidence.findings.groups);
    let (notes, table) = (&evidence.notes, format!("{}\n{}", table.markdown(), groups.markdown()));
    let Experiment { name, question, seeds, .. } = experiment;
    let mut page = format!("# {name}, run seed {}\n\n{question}\n\n", seeds[0]);
    if experiment.demonstration {
        let _ = write!(page, "{DEMONSTRATION}\n\n");
    }
    for line in words.lines().chain(notes.iter().map(String::as_str)) {
        let _ = writeln!(page, "- {line}");
    }
    for Expectation { about, printed, cell, .. } in &experiment.expectation {
        let _ = writeln!(page, "- The paper: {about} {printed} (`{cell}`).");
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

//! `compare`: the data sets of an experiment side by side on every measure, and in words.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use gra_analysis::stats::{Settings, in_words};
use gra_synth::method::Method;
use serde_json::json;

use super::rescore::{self, Decided, RescoreArgs};
use super::stats;
use crate::artifact::write_atomic;
use crate::benchmarks::Benchmarks;
use crate::difficulty::{Protocol, Scoring};
use crate::evidence::{CONTAMINATION, Embedded, Evidence, Plan};
use crate::experiment::{Experiment, Overrides, RescoreEntry};
use crate::failure::bad_input;
use crate::judging::Bench;
use crate::progress::Verbosity;
use crate::session::{GlobalArgs, Session};
use crate::store::Store;
use crate::trial::TrialId;
use crate::{comparison, publish, terminal};

/// Put the data sets of an experiment side by side, and say what can be told apart.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gra-bench compare experiments/refine.toml
  gra-bench compare experiments/distill.toml --sets gra,distill-large --judge teacher-large
  gra-bench compare experiments/refine.toml --no-embeddings --json

Compares what `run` has made under one run seed, and the file's sources. What models say is kept in
the store: a comparison that was interrupted goes on when the same command is given again.")]
pub(crate) struct CompareArgs {
    /// The experiment file.
    experiment: PathBuf,
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
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &CompareArgs, global: &GlobalArgs) -> Result<()> {
    let seeds = args.seed.into_iter().collect();
    let overrides = Overrides { seeds, ..args.overrides.clone() };
    let experiment = Experiment::load(&args.experiment, &global.models, &overrides)?;
    let run_seed = experiment.seeds[0];
    let names = if args.sets.is_empty() { &experiment.compare.sets } else { &args.sets };
    check_sets(&experiment, names).map_err(bad_input)?;
    let stored = global.read_store_if_any()?.map_or_else(Store::in_memory, Ok)?;
    let mut data_sets =
        comparison::data_sets(&experiment, run_seed, names, &stored).with_context(|| {
            format!(
                "cannot compare {}\nhint: gra-bench run {}",
                experiment.name,
                args.experiment.display()
            )
        })?;
    for data_set in &mut data_sets {
        data_set.subsample(experiment.compare.n.unwrap_or(usize::MAX), run_seed);
    }
    drop(stored);
    let plan = args.plan(&experiment, run_seed)?;
    let own = || comparison::folder(&global.results, &experiment.name, run_seed);
    let folder = args.out.clone().unwrap_or_else(own);
    publish::check_writable(&folder)?;
    let store = Store::open(&global.store_path())?;
    let session = Session::start(global, store, &experiment.pool, &experiment.engine)?;
    let evidence = session.ask(experiment.chunk, |answering| {
        Evidence::gather(&data_sets, plan.as_plan(&experiment), answering)
    })?;
    evidence.write(&folder)?;
    let words = in_words(&data_sets[0].name, &evidence.findings.contrasts);
    let page = page(&experiment, run_seed, &words, &evidence);
    write_atomic(&folder.join("compare.md"), page.as_bytes())?;
    write_atomic(&folder.join(comparison::WORDS), words.as_bytes())?;
    let (name, variant) = (experiment.name.clone(), experiment.variants[0].name.clone());
    let first = TrialId { experiment: name, variant, seed: run_seed };
    let again = |entry| decide_again(args, entry, &first, &folder, global);
    let decided = experiment.rescore.as_ref().map(again).transpose()?;
    let mut out = terminal::json_or_text(args.json);
    if args.json {
        let measures = stats::json(&evidence, &data_sets);
        let words: Vec<&str> = words.lines().collect();
        let decided = decided.as_ref().map(Decided::json).transpose()?;
        let name = &experiment.name;
        let json = json!({
            "experiment": name, "words": words, "data_sets": measures, "rescore": decided,
        });
        writeln!(out, "{json}")?;
        return Ok(());
    }
    print(&mut out, &experiment, &evidence, &words, &folder, global.verbosity())?;
    match decided {
        Some(decided) => decided.print(&mut out),
        None => Ok(()),
    }
}

/// A judge's model, a scorer and what is made of embeddings.
struct Resolved<'a> {
    judge: Option<gra_synth::method::Member>,
    difficulty: Option<Scoring<'a>>,
    embedding: Embedded,
    benchmarks: Option<Benchmarks>,
    run_seed: u64,
    method: Method,
}

impl CompareArgs {
    fn plan<'a>(&self, experiment: &'a Experiment, run_seed: u64) -> Result<Resolved<'a>> {
        let asked = &experiment.compare;
        let named = |given: &Option<String>, own: &Option<String>| given.clone().or(own.clone());
        let model = |name: &String| stats::member(&experiment.pool, name);
        let judge = named(&self.judge, &asked.judge).as_ref().map(model).transpose()?;
        let scorer = named(&self.ifd, &asked.ifd).as_ref().map(model).transpose()?;
        let embedding = if self.no_embeddings {
            Embedded::Nothing
        } else {
            Embedded::Diversity { reference: 0, matched: asked.matched, map: asked.map }
        };
        Ok(Resolved {
            judge: judge.map(stats::as_judge),
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
        Plan {
            settings: Settings { threshold, margins: experiment.compare.margins },
            run_seed: self.run_seed,
            pool: &experiment.pool,
            difficulty: self.difficulty,
            judge: self.judge.as_ref().map(|judge| Bench {
                judge,
                prompts: &experiment.prompts.set,
                method: &self.method,
                run_seed: self.run_seed,
            }),
            embedding: self.embedding,
            benchmarks: self.benchmarks.as_ref(),
        }
    }
}

fn check_sets(experiment: &Experiment, names: &[String]) -> Result<()> {
    let variants = experiment.variants.iter().map(|variant| variant.name.as_str());
    let known: Vec<&str> =
        variants.chain(experiment.sources.iter().map(|source| source.name.as_str())).collect();
    match names.iter().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(unknown) => bail!(
            "{} has no data set `{unknown}`\nhint: there are {}",
            experiment.name,
            known.join(", ")
        ),
    }
}

/// What the comparison says, for readers.
fn page(experiment: &Experiment, run_seed: u64, words: &str, evidence: &Evidence) -> String {
    let (notes, table) = (evidence.notes(), evidence.findings.table.markdown());
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
    writeln!(out, "{}", table.terminal(verbosity == Verbosity::Verbose))?;
    for line in words.lines().chain(evidence.notes().iter().map(String::as_str)) {
        writeln!(out, "{line}\n")?;
    }
    if experiment.demonstration {
        writeln!(out, "This is a demonstration on a very small model and no result.\n")?;
    }
    writeln!(out, "Page:    {}", folder.join("compare.md").display())?;
    writeln!(out, "Table:   {}", folder.join("stats.csv").display())?;
    if evidence.contamination.is_some() {
        writeln!(out, "List:    {}", folder.join(CONTAMINATION).display())?;
    }
    if let Some(Ok(_)) = evidence.map {
        writeln!(out, "Map:     {}", folder.join("map.svg").display())?;
    }
    Ok(())
}

/// Decides the first variant's reviews again under the file's thresholds.
fn decide_again(
    args: &CompareArgs,
    entry: &RescoreEntry,
    trial: &TrialId,
    folder: &Path,
    global: &GlobalArgs,
) -> Result<Decided> {
    let judged = folder.join(format!("{}.judge.csv", trial.variant));
    let judge = judged.exists().then_some(judged);
    rescore::decide(&RescoreArgs::of(trial.to_string(), entry, judge, args.out.clone()), global)
}

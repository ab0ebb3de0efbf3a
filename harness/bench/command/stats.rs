//! `stats`: data sets side by side.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use gra_analysis::stats::measure::{MeasureTable, MeasureValue};
use gra_analysis::stats::{Margins, Settings};
use gra_llm::model_pool::{DEFAULT_CONTEXT, ModelPool, PoolModel};
use gra_synth::method::{Member, Method};
use gra_synth::request::{ModelName, Sampling};
use serde_json::{Map, Value, json};

use crate::benchmarks::BenchmarkFiles;
use crate::dataset::{self, DataSet, Named};
use crate::evidence::{Embedded, Evidence, Plan};
use crate::experiment::{self, PromptFiles};
use crate::failure::bad_input;
use crate::progress::Verbosity;
use crate::raters::FilledSheets;
use crate::scoring::{Bench, Protocol, Scoring};
use crate::session::{GlobalArgs, Session, engine_settings};
use crate::store::Store;
use crate::{builtin, publish, terminal};

/// The pool that stands in where none is named.
const DEFAULT_POOL: &str = "experiments/pools/demo.toml";

/// Measure data sets side by side: lengths, scores, difficulty, diversity.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gra-bench stats ablation/gra/seed-42 alpaca.json wizardlm.json
  gra-bench stats seeds=alpaca.json gra=ablation/gra/seed-42 --n 500 --json
  gra-bench stats alpaca.json wizardlm.json --n 200 --ifd smollm2-q8_0
  gra-bench stats ablation/gra/seed-42 --judge smollm2-q8_0
  gra-bench stats alpaca.json --benchmarks opencompass/data/gsm8k mmlu.parquet
  gra-bench stats --raters raters/sheet-anna.csv raters/sheet-ben.csv

What models say is kept in the store: a measurement that was interrupted goes on when the same
command is given again.")]
pub(crate) struct StatsArgs {
    /// Trials (EXPERIMENT/VARIANT/seed-N), folders that `synth` made, and files, as SOURCE or NAME=SOURCE. Files are read like
    /// seed sets: Alpaca, `ShareGPT`, JSON Lines, CSV, Parquet, also gzipped.
    #[arg(required_unless_present = "raters", value_name = "SOURCE")]
    pub(super) sources: Vec<String>,
    /// At most N samples of each, drawn by the seed.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    n: Option<u32>,
    /// Seed of subsamples, intervals and the judge's sampling.
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// The data set that precision, recall, density and coverage are against [default: the first].
    #[arg(long, value_name = "NAME")]
    reference: Option<String>,
    /// Samples of each that diversity is measured on, because it depends on their number; data sets
    /// with fewer are left out of it [default: as many as the smallest has].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    matched: Option<u32>,
    /// Also fit a map of all data sets by t-SNE.
    #[arg(long, conflicts_with = "no_embeddings")]
    map: bool,
    /// Leave out diversity, which needs the pool's encoder.
    #[arg(long)]
    no_embeddings: bool,
    /// Look for texts of these benchmarks in the samples: files, and folders of files, of JSON, JSON
    /// Lines, CSV or Parquet.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    benchmarks: Vec<PathBuf>,
    /// Sheets of `export --for-raters` that people have filled in, as FILE or NAME=FILE: how far they agree with
    /// the committee, its adjudicator, the judge and each other. Without sources their trial is measured.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    raters: Vec<String>,
    /// The key of these sheets [default: key.csv beside the first one].
    #[arg(long, value_name = "FILE", requires = "raters")]
    key: Option<PathBuf>,
    /// Measure IFD with the losses of this model of the pool.
    #[arg(long, value_name = "MODEL")]
    ifd: Option<String>,
    /// How the losses are taken.
    #[arg(long, value_name = "PROTOCOL", default_value = "apart", requires = "ifd")]
    ifd_protocol: Protocol,
    /// Have responses scored by this model of the pool (Prompt 8, temperature 0.2, `top_p` 0.9 unless
    /// the pool says otherwise); of a trial, rejected ones too.
    #[arg(long, value_name = "MODEL")]
    judge: Option<String>,
    /// Have them scored by another model as well, and say how far the two agree.
    #[arg(long, value_name = "MODEL", requires = "judge")]
    second_judge: Option<String>,
    /// What divides a judge's high scores from others; the default is the paper's tau.
    #[arg(long, value_name = "SCORE", default_value_t = 8.0, value_parser = super::score)]
    judge_threshold: f64,
    /// The model pool that encoder, scorer and judge come from [default:
    /// experiments/pools/demo.toml, and no diversity where its encoder is not here].
    #[arg(long, value_name = "FILE")]
    pool: Option<PathBuf>,
    /// The prompt templates that the judge is asked with.
    #[arg(long, value_name = "DIR", default_value = "experiments/prompts")]
    prompts: PathBuf,
    /// Threads of llama.cpp [default: all cores].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Folder to write to [default: stats in the results folder].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &StatsArgs, global: &GlobalArgs) -> Result<()> {
    // Sheets first: without sources they say which trial is measured.
    let filled = FilledSheets::read_any(&args.raters, args.key.as_deref())?;
    let named = args.named(filled.as_ref())?;
    let file = args.pool.as_deref().unwrap_or(Path::new(DEFAULT_POOL));
    let pool = builtin::read_pool(file, &global.models)?;
    let model = |name: &Option<String>| name.as_ref().map(|name| member(&pool, name)).transpose();
    let (scorer, judge) = (model(&args.ifd)?, model(&args.judge)?);
    let second = model(&args.second_judge)?;
    // Only a judge is asked with prompts; a folder without them is no error otherwise.
    let prompts = judge.map(|_| PromptFiles::read(&args.prompts)).transpose()?;
    let benchmarks = named_benchmarks(&args.benchmarks)?;
    let embedding = args.embedding(&named, &pool)?;
    let asks = judge.is_some() || scorer.is_some();
    let of_trials = named.iter().any(|named| named.trial().is_some());
    // Only a trial's embeddings, losses and scores are kept: what looks at files alone needs no store.
    let stored = if of_trials { global.read_store()? } else { Store::in_memory()? };
    let rated = filled.as_ref().map(|filled| filled.place(&named, &stored)).transpose()?;
    let mut data_sets = dataset::load(named, &stored)?;
    // What can be refused is refused before the first model is asked.
    let folder = args.out.clone().unwrap_or_else(|| global.results().join("stats"));
    publish::check_writable(&folder)?;
    let store = if asks || (of_trials && embedding != Embedded::Nothing) {
        // What models say is kept, so the store is opened again, for writing.
        drop(stored);
        Store::open(&global.store_path())?
    } else {
        stored
    };
    for data_set in &mut data_sets {
        data_set.subsample(args.n.map_or(usize::MAX, |n| n as usize), args.seed);
    }

    let method = &Method::default();
    let bench = |judge: Option<&PoolModel>| {
        let prompts = &prompts.as_ref()?.set;
        Some(Bench { judge: as_judge(judge?), prompts, method, run_seed: args.seed })
    };
    let plan = Plan {
        settings: Settings { threshold: args.judge_threshold, margins: Margins::default() },
        run_seed: args.seed,
        pool: &pool,
        difficulty: scorer.map(|model| scoring(model, args.ifd_protocol)),
        judge: bench(judge),
        second_judge: bench(second),
        embedding,
        benchmarks: benchmarks.as_ref(),
        raters: rated.zip(filled.as_ref().map(|filled| filled.sheets.as_slice())),
    };

    let session = Session::start(global, store, &pool, &engine_settings(args.threads))?;
    let evidence = session.ask(experiment::default_chunk(), |answering| {
        Evidence::gather(&data_sets, &plan, answering)
    })?;
    evidence.write(&folder)?;
    if args.json {
        return Ok(writeln!(terminal::json_or_text(true), "{}", json(&evidence, &data_sets))?);
    }
    print(&evidence, &folder, global.verbosity() == Verbosity::Verbose)
}

/// Prints the table, what a reader must know of it, and where the rest is.
fn print(evidence: &Evidence, folder: &Path, shows_all: bool) -> Result<()> {
    let mut out = terminal::stdout();
    writeln!(out, "{}", evidence.findings.table.terminal(shows_all))?;
    if !shows_all {
        writeln!(out, "More in the files, or with --verbose.")?;
    }
    for note in &evidence.notes {
        writeln!(out, "{note}")?;
    }
    writeln!(out, "Table:   {}", folder.join("stats.md").display())?;
    writeln!(out, "         {}", folder.join("stats.csv").display())?;
    evidence.print_files(folder, &mut out)?;
    if let Some(Ok(_)) = evidence.map {
        writeln!(out, "         {}", folder.join("map.csv").display())?;
    }
    Ok(writeln!(out, "Samples: {}", folder.join("<data set>.parquet").display())?)
}

impl StatsArgs {
    /// The data sets that are named; those of filled sheets alone are their trial.
    fn named(&self, filled: Option<&FilledSheets>) -> Result<Vec<Named>> {
        let of_sheets = filled.filter(|_| self.sources.is_empty());
        let of_sheets = of_sheets.map(|filled| filled.trial.to_string());
        let named = self.sources.iter().chain(of_sheets.iter()).map(|source| Named::parse(source));
        named.collect::<Result<_>>().map_err(bad_input)
    }

    /// What is made of embeddings. Without a pool of the user's, and without its own encoder, nothing.
    fn embedding(&self, named: &[Named], pool: &ModelPool) -> Result<Embedded> {
        if self.no_embeddings {
            return Ok(Embedded::Nothing);
        }
        let encoder = &pool.encoder;
        let is_asked_for = self.pool.is_some() || self.map || self.matched.is_some();
        if !is_asked_for && let Err(error) = encoder.source.locate(&encoder.name) {
            terminal::say(&format!("diversity is not measured, which needs an encoder: {error}"));
            return Ok(Embedded::Nothing);
        }
        let matched = self.matched.map(|n| n as usize);
        Ok(Embedded::Diversity { reference: self.reference(named)?, matched, map: self.map })
    }

    /// The place of the data set that others are compared with.
    fn reference(&self, named: &[Named]) -> Result<usize> {
        let Some(name) = &self.reference else { return Ok(0) };
        let found = named.iter().position(|data_set| data_set.name == *name);
        let unknown = || {
            let known: Vec<&str> = named.iter().map(|data_set| data_set.name.as_str()).collect();
            format!("there is no data set `{name}` here\nhint: there are {}", known.join(", "))
        };
        found.with_context(unknown).map_err(bad_input)
    }
}

/// The benchmarks of these paths; none where none was named.
pub(super) fn named_benchmarks(paths: &[PathBuf]) -> Result<Option<BenchmarkFiles>> {
    (!paths.is_empty()).then(|| BenchmarkFiles::read(paths)).transpose()
}

/// A model of a pool by its name, teachers too.
pub(super) fn member<'a>(pool: &'a ModelPool, name: &str) -> Result<&'a PoolModel> {
    let unknown = || {
        let known = pool.members_and_teachers().map(|model| model.name.as_str());
        let (pool, known) = (&pool.name, known.collect::<Vec<&str>>().join(", "));
        format!("pool `{pool}` has no model `{name}`\nhint: it has {known}; --pool names another")
    };
    pool.model(&ModelName::new(name)).with_context(unknown).map_err(bad_input)
}

/// A model as a judge: asked as the paper's models are, unless the pool says otherwise.
pub(super) fn as_judge(model: &PoolModel) -> Member {
    model.member(Sampling::default())
}

/// A model as the one whose losses make the difficulty.
pub(super) fn scoring(model: &PoolModel, protocol: Protocol) -> Scoring<'_> {
    let context = model.context.unwrap_or(DEFAULT_CONTEXT);
    Scoring { model: &model.name, context, protocol }
}

/// Measures by data set: `{"seeds": {"text": {"words of instruction, mean": {"value": ..}}}}`; what was read
/// of a data set's files is among them, under `files`, and where a map was asked for that there is none of, each
/// says why.
pub(super) fn json(evidence: &Evidence, data_sets: &[DataSet]) -> Value {
    let mut json = measures(&evidence.findings.table);
    for data_set in data_sets {
        // A data set of which nothing was measured is not in the table.
        let Some(of_set) = json.get_mut(&data_set.name) else { continue };
        if !data_set.files.is_empty() {
            of_set["files"] = json!(data_set.files);
        }
        if let Some(why) = evidence.no_map() {
            of_set["map"] = json!({ "points": { "absent": why } });
        }
    }
    json
}

/// Measures by name of a table's columns.
pub(super) fn measures(table: &MeasureTable) -> Value {
    let data_sets = table.data_sets().iter().enumerate().map(|(place, name)| {
        let mut groups: Map<String, Value> = Map::new();
        for measure in table.measures() {
            let group = groups.entry(measure.group).or_insert_with(|| json!({}));
            group[&measure.name] = cell(&measure.cells[place]);
        }
        (name.clone(), Value::Object(groups))
    });
    Value::Object(data_sets.collect())
}

fn cell(cell: &MeasureValue) -> Value {
    if let Some(why) = cell.why_absent() {
        return json!({ "absent": why });
    }
    let interval = cell.interval().map(|interval| [interval.low, interval.high]);
    json!({ "value": cell.value(), "interval": interval, "n": cell.n() })
}

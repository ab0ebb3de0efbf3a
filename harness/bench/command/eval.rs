//! `eval`: models are scored on benchmarks, by OpenCompass or lm-eval, and their scores go into the tables; `eval data`
//! looks at the benchmarks' files, and `eval import` takes what was scored elsewhere.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, anyhow};
use clap::builder::PossibleValue;
use clap::{Args, Subcommand, ValueEnum};
use gra_downstream::evaluation::data_cache::FileReport;
use gra_downstream::evaluation::record::EVALUATION_FILE;
use gra_downstream::evaluation::{
    self, BenchmarkOutcome, DataCache, Evaluation, EvaluationPlan, EvaluationProgress,
    ScoringProtocol, ServingOptions, Suite, Target, data_cache,
};
use gra_files::digest::DigestCache;
use gra_files::write_atomic;
use gra_paper::Benchmark;
use gra_paper::grid::{self, Align, Column};
use serde_json::json;

use crate::answering::Interrupted;
use crate::benchmark_scores::{
    BENCHMARKS, Evaluated, NamedSubject, SUBJECT, TrainedSubject, subject,
};
use crate::failure::bad_input;
use crate::numbers::or_dash;
use crate::progress::{ProgramProgress, Progress};
use crate::session::{DownstreamArgs, GlobalArgs, HASHES, with_programs};
use crate::{builtin, experiment, terminal};

/// Score models on benchmarks, with OpenCompass or lm-eval.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:
  gra-bench eval results/trained/main-gra-seed-42/qwen2.5-7b/seed-*
  gra-bench eval model.gguf --suite smoke --as smollm2-135m/starter/vanilla
  gra-bench eval qwen --url http://127.0.0.1:8000/v1 --only gsm8k,math
  gra-bench eval results/trained/main-gra-seed-42/qwen2.5-7b/seed-0 --engine lm-eval
  gra-bench eval data --data opencompass-data            # which of the benchmarks' files are there
  gra-bench eval import outputs/20261130_101500 --as qwen2.5-7b/alpaca/gra/5 --training-seed 1

Scores and the results of single items go into `evaluated` of the results folder, scores of models
whose training data is known also into benchmarks.csv, from which `tables`, `claims` and `figures`
take them. Scores of other suites and engines than the paper's stand in blocks of their own. An
interrupted evaluation goes on when the same command is given again.
`scripts/engines opencompass llama-server` installs what it takes."
)]
pub(crate) struct EvalArgs {
    #[command(subcommand)]
    action: Option<EvalAction>,
    /// Folders of trainings, GGUF files, Hugging Face folders; with --url names of models.
    #[arg(required = true, value_name = "MODEL")]
    scored: Vec<String>,
    /// A server that is there, instead of one that is started.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// `paper`: all items of the ten benchmarks; `smoke`: a few, to see the whole way.
    #[arg(long, value_name = "SUITE", default_value = "paper")]
    suite: String,
    /// Only these benchmarks, separated by commas.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<Benchmark>,
    /// The engine. The paper's tables are of OpenCompass.
    #[arg(long, value_enum, default_value_t = EvalEngine::Opencompass)]
    engine: EvalEngine,
    /// Folder of the benchmarks' files, as OpenCompass lays them out [default: of `smoke`, items that come with the program].
    #[arg(long, value_name = "DIR", env = "COMPASS_DATA_CACHE")]
    data: Option<PathBuf>,
    /// For `smoke`: a folder of JSON Lines of benchmark items, which are laid out, instead of those of the program.
    #[arg(long, value_name = "DIR", conflicts_with = "data")]
    items: Option<PathBuf>,
    /// What the model is in tables, where no training's folder says so: BASE/SEED-SET/SOURCE or BASE/SEED-SET/gra/ROUNDS.
    #[arg(long = "as", value_name = "SUBJECT", value_parser = subject)]
    subject: Option<NamedSubject>,
    /// Its training seed, likewise.
    #[arg(long, value_name = "N", default_value_t = 0)]
    training_seed: u64,
    /// Requests that are answered at the same time.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    parallel: u32,
    /// Threads of the server that is started [default: its own choice].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    threads: Option<u32>,
    /// Remove evaluations of something else that stand in the same folders.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    downstream: DownstreamArgs,
}

/// Besides scoring.
#[derive(Debug, Subcommand)]
enum EvalAction {
    /// Take what OpenCompass or lm-eval wrote elsewhere.
    Import(ImportArgs),
    /// Look at the benchmarks' files: which are there and whole, where to get the others, their licences.
    Data(DataArgs),
}

#[derive(Debug, Args)]
struct ImportArgs {
    /// The folder of one OpenCompass run, a summary.csv, or the results file or folder of lm-eval.
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Which of several models that are in it, by the name that the engine knows it by.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// What the model is in tables: BASE/SEED-SET/SOURCE or BASE/SEED-SET/gra/ROUNDS. Without it, benchmarks.csv is left
    /// as it is.
    #[arg(long = "as", value_name = "SUBJECT", value_parser = subject)]
    subject: Option<NamedSubject>,
    /// Its training seed.
    #[arg(long, value_name = "N", default_value_t = 0)]
    training_seed: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct DataArgs {
    /// Folder of the files, as OpenCompass lays them out.
    #[arg(long, value_name = "DIR", env = "COMPASS_DATA_CACHE")]
    data: PathBuf,
    /// The suite that is to be scored.
    #[arg(long, value_name = "SUITE", default_value = "paper")]
    suite: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// An engine that scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EvalEngine {
    /// The paper's engine, with its prompts.
    Opencompass,
    /// EleutherAI's harness, with its own prompts: never in the paper's tables.
    LmEval,
}

impl EvalEngine {
    const fn protocol(self) -> ScoringProtocol {
        match self {
            Self::Opencompass => ScoringProtocol::OpenCompass,
            Self::LmEval => ScoringProtocol::LmEval,
        }
    }
}

/// A model that is to be scored.
struct EvalTarget {
    target: Target,
    /// Below `evaluated` of the results folder.
    folder: PathBuf,
    subject: Option<TrainedSubject>,
}

pub(crate) fn run(args: &EvalArgs, global: &GlobalArgs) -> Result<()> {
    match &args.action {
        Some(EvalAction::Import(import)) => return import.run(global),
        Some(EvalAction::Data(data)) => return data.run(),
        None => {}
    }
    let evaluate = |stop: &_, progress: &mut _| args.evaluate(global, stop, progress);
    say(&with_programs(global, evaluate)?, global.results(), args.downstream.json)
}

impl EvalArgs {
    fn evaluate(
        &self,
        global: &GlobalArgs,
        stop: &AtomicBool,
        progress: &mut Progress,
    ) -> Result<Vec<Evaluated>> {
        let mut suite = Suite::named(&self.suite).map_err(bad_input)?;
        if !self.only.is_empty() {
            suite = suite.only(&self.only).map_err(bad_input)?;
        }
        // All are looked for before the first is scored, which may take days.
        let targets = self.scored.iter().map(|model| self.target(model));
        let targets = targets.collect::<Result<Vec<EvalTarget>>>()?;
        let data = self.data(&suite, global.results())?;
        let mut digests = DigestCache::at(&global.results().join(HASHES));
        let engine = self.engine.to_possible_value();
        let engine = engine.as_ref().map_or("", PossibleValue::get_name);
        let mut evaluated = Vec::new();
        for EvalTarget { target, folder, subject } in targets {
            // Scores of other engines and suites stand beside each other, never in one folder.
            let folder = global.results().join("evaluated").join(folder);
            let folder = folder.join(format!("{engine}-{}", suite.name));
            let plan = EvaluationPlan {
                target,
                serving: ServingOptions {
                    parallel: self.parallel,
                    threads: self.threads,
                    ..ServingOptions::default()
                },
                suite: suite.clone(),
                protocol: self.engine.protocol(),
                data: data.clone(),
                folder: folder.clone(),
                replace: self.replace,
                answer_within: 600,
            };
            let what = folder.display().to_string();
            let mut show = |now: &EvaluationProgress| tell(&what, now, progress);
            // A finished one needs no server.
            let evaluation = match finished(&plan, &mut digests) {
                Some(finished) => finished,
                None => evaluation::evaluate(&plan, &self.downstream.engines, stop, &mut show)?
                    .ok_or(Interrupted)?,
            };
            // Recorded one by one: an interrupted command has lost no score.
            evaluated.push(Evaluated::record(folder, subject, evaluation, global.results())?);
        }
        Ok(evaluated)
    }

    /// What an argument means, and where its evaluation is kept.
    fn target(&self, model: &str) -> Result<EvalTarget> {
        let given = self.subject.clone().map(|subject| subject.trained(self.training_seed));
        if let Some(url) = &self.url {
            let target = Target::Url { url: url.clone(), model: Some(model.to_owned()) };
            let folder = PathBuf::from(model.replace(['/', ':'], "-"));
            return Ok(EvalTarget { target, folder, subject: given });
        }
        let path = Path::new(model);
        if path.join(SUBJECT).is_file() {
            // The GGUF file where there is one: llama-server serves it, with or without a GPU.
            let gguf = path.join("model.F16.gguf");
            let trained = if gguf.is_file() { gguf } else { path.join("model") };
            let target = Target::from_path(&trained)
                .with_context(|| format!("{model} holds no trained model\nhint: gra-bench train"))
                .map_err(bad_input)?;
            // DATA/BASE/seed-N, as below `trained`.
            let absolute =
                std::path::absolute(path).context("cannot tell the working directory")?;
            let names: Vec<_> = absolute.components().rev().take(3).collect();
            let folder = names.into_iter().rev().collect();
            let subject = given.map_or_else(|| TrainedSubject::read(path), Ok)?;
            return Ok(EvalTarget { target, folder, subject: Some(subject) });
        }
        let target = Target::from_path(path).map_err(bad_input)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(EvalTarget { target, folder: PathBuf::from(name), subject: given })
    }

    /// The benchmarks' files: those of a data cache, or for a few items those that come with the program.
    fn data(&self, suite: &Suite, results: &Path) -> Result<DataCache> {
        if let Some(data) = DataCache::find(self.data.as_deref()).filter(|_| self.items.is_none()) {
            return Ok(data);
        }
        if suite.is_whole() {
            return Err(bad_input(anyhow!(
                "the whole suite needs the benchmarks' files\nhint: name OpenCompass's data cache with --data \
                 or COMPASS_DATA_CACHE; --suite smoke needs none"
            )));
        }
        let name = self.items.as_deref().map_or_else(|| "built-in".to_owned(), experiment::stem);
        let cache = DataCache { folder: results.join("benchmark-items").join(name) };
        let from = self.items.clone().unwrap_or_else(|| cache.folder.join("source"));
        // Engines read folders, so the program's own items become one first.
        if self.items.is_none() {
            for (name, bytes) in builtin::files_in("benchmarks") {
                write_atomic(&from.join(name), bytes)?;
            }
        }
        data_cache::lay_out(&from, &cache)
            .with_context(|| format!("cannot lay out the items of {}", from.display()))
            .map_err(bad_input)?;
        Ok(cache)
    }
}

impl ImportArgs {
    /// The last two names of the path and the model's, so that two imports do not share a folder.
    fn folder_name(&self) -> Result<String> {
        let path = std::path::absolute(&self.path).context("cannot tell the working directory")?;
        let names: Vec<String> =
            path.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        let last = names[names.len().saturating_sub(2)..].iter().chain(&self.model);
        let names: Vec<&str> = last.map(String::as_str).collect();
        let plain = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' };
        Ok(names.join("-").chars().map(plain).collect())
    }

    fn run(&self, global: &GlobalArgs) -> Result<()> {
        let evaluation =
            evaluation::import(&self.path, self.model.as_deref()).map_err(bad_input)?;
        let subject = self.subject.clone().map(|subject| subject.trained(self.training_seed));
        let folder = global.results().join("evaluated/imported").join(self.folder_name()?);
        // Kept as if it were of here: the folder that it is from may go.
        evaluation.write(&folder)?;
        let one = Evaluated::record(folder, subject, evaluation, global.results())?;
        say(&[one], global.results(), self.json)
    }
}

impl DataArgs {
    fn run(&self) -> Result<()> {
        let suite = Suite::named(&self.suite).map_err(bad_input)?;
        let cache = DataCache { folder: self.data.clone() };
        let files = cache.check(&suite);
        let mut out = terminal::json_or_text(self.json);
        if self.json {
            return Ok(writeln!(out, "{}", json!({ "files": files }))?);
        }
        let column = |title: &str, cell: fn(&FileReport) -> String| {
            terminal::column(title, Align::Left, &files, |file| Some(cell(file)))
        };
        let columns = [
            column("benchmark", |file| file.benchmark.to_owned()),
            column("file", |file| file.file.clone()),
            column("rows", |file| file.rows.to_string()),
            column("found", |file| file.state.to_string()),
        ];
        writeln!(out, "{}", grid::terminal(&columns))?;
        // Files of one benchmark stand behind each other and have one source.
        for of_one in files.chunk_by(|one, next| one.benchmark == next.benchmark) {
            let FileReport { benchmark, source, licence, .. } = &of_one[0];
            writeln!(out, "{benchmark}: {source} ({licence})")?;
        }
        Ok(())
    }
}

/// The evaluation of the same weights by the same suite, where all of it was scored. What a server serves is not known.
fn finished(plan: &EvaluationPlan, digests: &mut DigestCache) -> Option<Evaluation> {
    let read = Evaluation::read(&plan.folder.join(EVALUATION_FILE)).ok()?;
    let is_same = read.protocol == plan.protocol && read.suite.as_ref() == Some(&plan.suite);
    let is_whole = read.benchmarks.len() == plan.suite.scopes.len() && read.failures().count() == 0;
    // A model of the same name may be another: the hash tells.
    let sha256 = plan.target.sha256(|file| digests.sha256(file)).ok()??;
    (is_same && is_whole && read.model.sha256 == Some(sha256)).then_some(read)
}

/// Shows how far an evaluation is.
fn tell(what: &str, now: &EvaluationProgress, progress: &mut Progress) {
    match now {
        EvaluationProgress::Serving => progress.say(&format!("{what}: loading the model")),
        EvaluationProgress::Scoring { benchmark, place, of, answered, items } => {
            let note = format!("{} is {place} of {of} benchmarks", benchmark.title());
            progress.of_program(&ProgramProgress {
                what,
                done: *answered,
                of: *items,
                left: None,
                note: &note,
            });
        }
        EvaluationProgress::Done { benchmark, result } => {
            let title = benchmark.title();
            progress.say(&match result {
                Ok(score) => format!("{what}: {title} {score:.2}"),
                Err(reason) => format!("{what}: {title} failed: {reason}"),
            });
        }
    }
}

fn say(evaluated: &[Evaluated], results: &Path, is_json: bool) -> Result<()> {
    let mut out = terminal::json_or_text(is_json);
    if is_json {
        return Ok(writeln!(out, "{}", json!({ "evaluated": evaluated }))?);
    }
    let titles: Vec<&str> =
        Benchmark::ALL.map(Benchmark::title).into_iter().chain(["AVG"]).collect();
    let title = |title: &&str| Some((*title).to_owned());
    let mut columns = vec![terminal::column("per cent", Align::Left, &titles, title)];
    for (number, one) in evaluated.iter().enumerate() {
        let cell = |benchmark| match one.evaluation.outcome(benchmark) {
            None => "-".to_owned(),
            Some(BenchmarkOutcome::Failed(_)) => "failed".to_owned(),
            Some(BenchmarkOutcome::Scored(scored)) => {
                let n = scored.n.map(|n| format!(" of {n}")).unwrap_or_default();
                format!("{:.2}{n}", scored.score)
            }
        };
        let average = or_dash(one.evaluation.average().map(|all| format!("{all:.2}")));
        columns.push(Column {
            // Folders are too long for a title; their list stands below.
            title: format!("[{}]", number + 1),
            cells: Benchmark::ALL.map(cell).into_iter().chain([average]).collect(),
            align: Align::Right,
        });
    }
    writeln!(out, "{}", grid::terminal(&columns))?;
    for (number, one) in evaluated.iter().enumerate() {
        writeln!(out, "[{}] {} ({})", number + 1, one.folder.display(), one.protocol)?;
        for (benchmark, reason) in one.evaluation.failures() {
            writeln!(out, "    {benchmark} failed: {reason}")?;
        }
        for benchmark in Benchmark::ALL {
            for note in one.evaluation.scored(benchmark).iter().flat_map(|scored| &scored.notes) {
                writeln!(out, "    {benchmark}: {note}")?;
            }
        }
    }
    if evaluated.iter().all(|one| one.subject.is_none()) {
        let without = "No training's folder says what it is; with --as it goes into";
        return Ok(writeln!(out, "{without} {BENCHMARKS}.")?);
    }
    let scores = results.join(BENCHMARKS);
    Ok(writeln!(out, "Scores:  {}\nNext:    gra-bench tables", scores.display())?)
}

//! `doctor`: whether this machine can run a pool.

mod coverage;
mod forms;
mod needs;
mod templates;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::Args;
use gra_files::digest::DigestCache;
use gra_llm::llama::runtime;
use gra_llm::llama::settings::EngineSettings;
use gra_llm::model_pool::check::{FoundFile, FoundModel, HashCheck, ModelCheck, PoolPart};
use gra_llm::model_pool::{Backend, ModelPool, Server};
use gra_llm::server::{RetryPolicy, ServerEngine};
use gra_synth::request::ModelName;
use serde::Serialize;

use super::calibrate::{CalibrateArgs, Calibrated, calibrate};
use crate::pin::{self, Pin};
use crate::session::GlobalArgs;
use crate::{builtin, engines, terminal};
use coverage::Coverage;
use forms::FormFinding;
use gra_files::write_atomic;
use needs::Needs;
use templates::Template;

/// Why a server's reply to a form may be another text, where its model thinks.
const THOUGHT_FIRST: &str = "its model thinks first: switch that off with template = { enable_thinking = false \
                             } in the pool, or start the server with a parser for thoughts (for vLLM and SGLang \
                             --reasoning-parser) and give it room with thought_tokens";

/// What `doctor` found.
#[derive(Serialize)]
struct Findings {
    gra_bench: &'static str,
    engine: &'static str,
    system: String,
    threads: u32,
    devices: Vec<DeviceFinding>,
    disk_free_bytes: Vec<(String, Option<u64>)>,
    pool: String,
    models: Vec<ModelFinding>,
    templates: Vec<Template>,
    /// Files whose hashes were written into the pool just now.
    pinned: Vec<String>,
    servers: Vec<ServerFinding>,
    needs: Vec<Needs>,
    coverage: Coverage,
    /// Teachers that are not here; a pool runs without them.
    notes: Vec<String>,
    /// What `calibrate` found, where `--judge` asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reviewers: Option<serde_json::Value>,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct DeviceFinding {
    name: String,
    description: String,
    memory_total: u64,
    memory_free: u64,
}

#[derive(Serialize)]
struct ModelFinding {
    name: String,
    part: &'static str,
    /// Of its first file.
    path: String,
    /// Of all its files together.
    size: Option<u64>,
    /// What stands for the model in store keys: the file's hash, or one of the hashes of all parts.
    sha256: Option<String>,
    /// Whether the files are the pinned ones.
    hash: &'static str,
    files: Vec<FileFinding>,
    architecture: Option<String>,
    trained_context: Option<u64>,
    /// `None` where no header was read, and of encoders, which need none.
    chat_template: Option<bool>,
}

#[derive(Serialize)]
struct FileFinding {
    path: String,
    size: u64,
    sha256: String,
}

#[derive(Serialize)]
struct ServerFinding {
    name: String,
    url: String,
    dialect: &'static str,
    model: String,
    /// What the server says of its model; `None` when it does not answer.
    identity: Option<String>,
    /// Whether it held a reply to a form; `None` when it does not answer.
    constrains: Option<bool>,
    /// Whether a free reply began with a thought; `None` when it does not answer.
    thinks: Option<bool>,
    /// The pool's budget of a thought, in tokens.
    thought_tokens: u32,
    /// How the form of each stage fared; empty when the server does not answer.
    forms: Vec<FormFinding>,
}

/// Instructions of each domain that a model reviews for `--judge`: minutes for small models, and enough to tell
/// most that cannot review.
const JUDGED_PER_DOMAIN: u16 = 3;

/// Check this machine: devices, models and their hashes, disk, threads.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gra-bench doctor
  gra-bench doctor --pool experiments/pools/laptop.toml
  gra-bench doctor --pool experiments/pools/laptop.toml --pin    once its files are here
  gra-bench doctor --pool experiments/pools/small.toml --judge   also whether they can review")]
pub(crate) struct DoctorArgs {
    /// The model pool to check.
    #[arg(long, value_name = "FILE", default_value = "experiments/pools/demo.toml")]
    pool: PathBuf,
    /// Write the hash of every file that is here and not pinned yet into the pool file.
    #[arg(long)]
    pin: bool,
    /// Also have every member review texts of known quality, as `calibrate --per-domain 3` does, and keep what
    /// was found for `run`.
    #[arg(long)]
    judge: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &DoctorArgs, global: &GlobalArgs) -> Result<()> {
    let pool = builtin::read_pool(&args.pool, &global.models)?;
    let mut digests = DigestCache::of_reader(&global.results().join(engines::HASHES));
    let checks = pool.check(&mut digests);
    // A pool runs without its teachers; what is wrong with one that is here should be mended all the same.
    let is_absent_teacher =
        |check: &&ModelCheck| check.part == PoolPart::Teacher && check.found.is_err();
    let (absent, others): (Vec<&ModelCheck>, Vec<&ModelCheck>) =
        checks.iter().partition(is_absent_teacher);
    let mut problems: Vec<String> = others.into_iter().filter_map(ModelCheck::problem).collect();
    let mut notes: Vec<String> = absent.into_iter().filter_map(ModelCheck::problem).collect();
    let told = (&mut problems, &mut notes);
    let templates = templates::try_out(&pool, &checks, global.results(), told)?;
    problems.extend(cannot_write(global.results()));
    let servers = ask_servers(&pool, &mut problems)?;
    let devices = runtime::devices();
    let memory = devices.iter().map(|device| device.memory_total).max();
    let needs = vec![
        Needs::of("members", &checks, &[PoolPart::Member, PoolPart::Encoder]),
        Needs::of("teachers", &checks, &[PoolPart::Teacher]),
    ];
    problems.extend(needs[0].shortage(memory, disk_of_missing(&checks)));
    // Models that are not sound need no calibration.
    let reviewers = if args.judge && problems.is_empty() {
        let brief = CalibrateArgs::brief(&args.pool, JUDGED_PER_DOMAIN)?;
        Some(calibrate(&brief, global)?)
    } else {
        None
    };
    let findings = Findings {
        gra_bench: env!("CARGO_PKG_VERSION"),
        engine: gra_llm::llama::LLAMA_VERSION,
        system: runtime::system_info(),
        threads: EngineSettings::default().threads,
        devices: devices
            .into_iter()
            .map(|device| DeviceFinding {
                name: device.name,
                description: device.description,
                memory_total: device.memory_total,
                memory_free: device.memory_free,
            })
            .collect(),
        disk_free_bytes: [global.results(), &global.models]
            .map(|folder| (folder.display().to_string(), free_bytes(folder)))
            .to_vec(),
        pool: pool.name.clone(),
        coverage: Coverage::of(&checks, &servers, reviewers.is_some()),
        models: checks.iter().map(finding).collect(),
        templates,
        pinned: if args.pin { pin(&args.pool, &checks)? } else { Vec::new() },
        servers,
        needs,
        notes,
        reviewers: reviewers.as_ref().map(Calibrated::json).transpose()?,
        problems,
    };
    let mut out = terminal::json_or_text(args.json);
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&findings)?)?;
    } else {
        out.write_all(findings.text()?.as_bytes())?;
        match &reviewers {
            Some(reviewers) => {
                write!(out, "\nwhether its members can review\n{}", reviewers.text())?;
            }
            None if args.judge => {
                writeln!(
                    out,
                    "\nwhether its members can review was not asked: mend the problems first"
                )?;
            }
            None => {}
        }
    }
    match findings.problems.len() {
        0 => Ok(()),
        1 => bail!("1 problem found"),
        n => bail!("{n} problems found"),
    }
}

/// Writes the hashes of models that are not pinned into the pool; the models' names. A model that cannot be used is
/// not pinned: its file has to be fetched again.
fn pin(path: &Path, checks: &[ModelCheck]) -> Result<Vec<String>> {
    let unpinned = |check: &ModelCheck| {
        let found = check.found.as_ref().ok().filter(|_| check.problem().is_none())?;
        let (part, name, sha256) = (check.part, check.name.clone(), found.hashes());
        matches!(found.hash, HashCheck::Unpinned).then_some(Pin { part, name, sha256 })
    };
    let pins: Vec<Pin> = checks.iter().filter_map(unpinned).collect();
    if pins.is_empty() {
        return Ok(Vec::new());
    }
    if builtin::is_built_in(path) {
        bail!(
            "{} is built into the program, which cannot be pinned\n\
             hint: gra-bench init DIR writes it out; pin that file with --pool",
            path.display()
        );
    }
    let text = std::fs::read_to_string(path)?;
    let (text, added) = pin::pinned(&text, pins)?;
    write_atomic(path, text.as_bytes())?;
    Ok(added.into_iter().map(|pin| pin.name).collect())
}

/// Asks every server of the pool what it serves, and for one short reply.
fn ask_servers(pool: &ModelPool, problems: &mut Vec<String>) -> Result<Vec<ServerFinding>> {
    // Members that are one model of one server have one set of forms.
    let mut tried: BTreeMap<String, Vec<FormFinding>> = BTreeMap::new();
    let mut engine = ServerEngine::new(pool, RetryPolicy::short(), Arc::default());
    let served = pool.members_and_teachers().filter_map(|model| match &model.backend {
        Backend::Server(server) => Some((&model.name, server, model.thought_tokens)),
        Backend::LlamaCpp(_) => None,
    });
    let ask = |(name, server, thought_tokens): (&ModelName, &Server, u32)| {
        let showing = engine.look(name).map_err(|error| problems.push(error.to_string())).ok();
        if showing.as_ref().is_some_and(|showing| !showing.constrains) {
            let why = if showing.as_ref().is_some_and(|showing| showing.thinks) {
                THOUGHT_FIRST.to_owned()
            } else {
                let dialect = server.dialect.name();
                format!("is dialect = \"{dialect}\" right, and its version new enough?")
            };
            problems.push(format!(
                "the server of model `{name}` does not hold replies to a form; {why}"
            ));
        }
        if showing.as_ref().is_some_and(|showing| showing.all_thought) {
            problems.push(format!(
                "the server of model `{name}` tells whole replies as thoughts, so that no answer is left: start it \
                 without a parser for thoughts (for vLLM and SGLang --reasoning-parser), or with the one of its model"
            ));
        }
        let forms = if showing.is_some() {
            let served = format!("{} {} {}", server.url, server.dialect.name(), server.model);
            let forms = match tried.remove(&served) {
                Some(forms) => forms,
                None => forms::try_all(&mut engine, name, thought_tokens)?,
            };
            tried.insert(served, forms.clone());
            forms
        } else {
            Vec::new()
        };
        problems.extend(forms::problem(name, &forms));
        Ok(ServerFinding {
            forms,
            name: name.to_string(),
            url: server.url.clone(),
            dialect: server.dialect.name(),
            model: server.model.clone(),
            constrains: showing.as_ref().map(|showing| showing.constrains),
            thinks: showing.as_ref().map(|showing| showing.thinks),
            thought_tokens,
            identity: showing.map(|showing| showing.identity),
        })
    };
    served.map(ask).collect()
}

/// Bytes that are free where the first missing file of a member would be.
fn disk_of_missing(checks: &[ModelCheck]) -> Option<u64> {
    let missing = |check: &&ModelCheck| check.found.is_err() && check.part != PoolPart::Teacher;
    free_bytes(checks.iter().find(missing)?.path.parent()?)
}

fn finding(check: &ModelCheck) -> ModelFinding {
    let found = check.found.as_ref().ok();
    let header = found.and_then(|found| found.header.as_ref().ok());
    let files = found.map(|found| found.files.iter().map(FileFinding::of).collect());
    ModelFinding {
        name: check.name.clone(),
        part: coverage::part_name(check.part),
        path: check.path.display().to_string(),
        size: found.map(FoundModel::size),
        sha256: found.map(FoundModel::sha256),
        files: files.unwrap_or_default(),
        hash: match found.map(|found| &found.hash) {
            None if check.present > 0 => "a part is missing",
            None => "no file",
            Some(HashCheck::Matches) => "matches",
            Some(HashCheck::Differs { .. }) => "differs",
            Some(HashCheck::Unpinned) if check.problem().is_some() => "not pinned, unusable",
            Some(HashCheck::Unpinned) => "not pinned",
        },
        architecture: header.and_then(|header| header.architecture().map(str::to_owned)),
        trained_context: header.and_then(gra_llm::gguf::GgufHeader::trained_context),
        chat_template: header
            .filter(|_| check.part != PoolPart::Encoder)
            .map(|header| header.chat_template().is_some()),
    }
}

/// Why results could not be written, told without writing: of the folder or its closest existing parent.
fn cannot_write(results: &Path) -> Option<String> {
    let existing = existing(results)?;
    let why = if existing.is_dir() {
        let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        rustix::fs::access(&existing, access).err()?.to_string()
    } else {
        format!("{} is no folder", existing.display())
    };
    Some(format!("cannot write to the results folder {}: {why}", results.display()))
}

impl ModelFinding {
    /// The parts of a model that has several, and what to write into the pool where it is not pinned.
    fn write_files(&self, pinned_now: bool, text: &mut String) -> Result<()> {
        let name = &self.name;
        if self.files.len() > 1 {
            for (number, file) in (1..).zip(&self.files) {
                let (count, size) = (self.files.len(), file.size / 1_000_000);
                writeln!(text, "    {name}: part {number} of {count}, {size} MB: {}", file.path)?;
            }
        }
        if self.hash == "not pinned" {
            let what = if pinned_now { "pinned now" } else { "to pin it" };
            let quoted = |file: &FileFinding| format!("\"{}\"", file.sha256);
            let hashes: Vec<String> = self.files.iter().map(quoted).collect();
            let hashes = match hashes.as_slice() {
                [whole] => whole.clone(),
                parts => format!("[{}]", parts.join(", ")),
            };
            writeln!(text, "    {name}: {what}: sha256 = {hashes}")?;
        }
        Ok(())
    }
}

impl FileFinding {
    fn of(file: &FoundFile) -> Self {
        let path = file.path.display().to_string();
        Self { path, size: file.size, sha256: file.sha256.clone() }
    }
}

/// Bytes that may still be written to the disk of a folder, or of its closest existing parent.
fn free_bytes(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(&existing(folder)?).ok()?;
    Some(stat.f_bavail * stat.f_frsize)
}

impl ServerFinding {
    /// How much room its thoughts have, and how they are switched off.
    fn about_thoughts(&self) -> String {
        let room = match self.thought_tokens {
            0 => "without room of their own, so that they may cut a reply off; thought_tokens = 1024 in \
                  the pool gives them room"
                .to_owned(),
            tokens => format!("with room for {tokens} tokens"),
        };
        format!(
            "thoughts before its replies, {room}; template = {{ enable_thinking = false }} switches them \
             off where its chat template knows the word"
        )
    }
}

/// The folder, or its closest parent that exists.
fn existing(folder: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(folder).ok()?;
    absolute.ancestors().find(|ancestor| ancestor.exists()).map(Path::to_owned)
}

impl Findings {
    fn text(&self) -> Result<String> {
        let mut text = String::new();
        writeln!(text, "gra-bench {}, {}", self.gra_bench, self.engine)?;
        writeln!(text, "threads   {} (setting: [engine] threads)", self.threads)?;
        writeln!(text, "system    {}", self.system.trim())?;
        writeln!(text, "\ndevices")?;
        for device in &self.devices {
            let (free, total) = (gib(device.memory_free), gib(device.memory_total));
            writeln!(text, "  {:<8} {}, {free} of {total} free", device.name, device.description)?;
        }
        writeln!(text, "\ndisk")?;
        for (folder, free) in &self.disk_free_bytes {
            let free = free.map_or_else(|| "unknown".to_owned(), gib);
            writeln!(text, "  {free:>10} free for {folder}")?;
        }
        writeln!(text, "\npool {}", self.pool)?;
        for model in &self.models {
            let size = model
                .size
                .map_or_else(|| "-".to_owned(), |size| format!("{} MB", size / 1_000_000));
            let context = model.trained_context.map_or_else(|| "-".to_owned(), |n| n.to_string());
            writeln!(
                text,
                "  {:<28} {size:>9}  {:<8} context {context:<6} chat template {:<3}  hash {}",
                model.name,
                model.architecture.as_deref().unwrap_or("-"),
                match model.chat_template {
                    None => "-",
                    Some(true) => "yes",
                    Some(false) => "no",
                },
                model.hash,
            )?;
            model.write_files(self.pinned.contains(&model.name), &mut text)?;
            if let Some(template) = self.templates.iter().find(|one| one.is_of(&model.name)) {
                template.write(&mut text)?;
            }
        }
        for server in &self.servers {
            writeln!(text, "  {:<28} {} at {}", server.name, server.dialect, server.url)?;
            match (&server.identity, server.constrains) {
                (Some(identity), Some(constrains)) => {
                    let form = if constrains { "held to form" } else { "not held to form" };
                    writeln!(text, "    {}: identity = \"{identity}\"", server.name)?;
                    let (name, model) = (&server.name, &server.model);
                    writeln!(text, "    {name}: asked as `{model}`, replies {form}")?;
                    if server.thinks == Some(true) {
                        writeln!(text, "    {name}: thinks: {}", server.about_thoughts())?;
                    }
                    for line in forms::lines(&server.forms) {
                        writeln!(text, "    {name}: {line}")?;
                    }
                }
                _ => writeln!(text, "    {}: does not answer", server.name)?,
            }
        }
        for needs in &self.needs {
            needs.write(&mut text)?;
        }
        self.coverage.write(&mut text)?;
        if !self.notes.is_empty() {
            writeln!(text, "\nteachers that are not here; only what names them needs them")?;
            for note in &self.notes {
                writeln!(text, "  - {}", in_one_line(note))?;
            }
        }
        if self.problems.is_empty() {
            writeln!(text, "\nno problems found in what was looked at")?;
        } else {
            writeln!(text, "\nproblems")?;
            for problem in &self.problems {
                writeln!(text, "  - {}", in_one_line(problem))?;
            }
        }
        Ok(text)
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

/// A message with its hint in one line, which names the model that it is about.
fn in_one_line(message: &str) -> String {
    message.lines().map(str::trim).collect::<Vec<_>>().join("; ")
}

//! `doctor`: whether this machine can run a pool.

mod models;
mod servers;

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use gra_files::digest::DigestCache;
use gra_files::write_atomic;
use gra_llm::llama::runtime::{self, Device};
use gra_llm::llama::settings::EngineSettings;
use gra_llm::model_pool::check::{FoundModel, HashCheck, ModelCheck, PoolPart};
use serde::Serialize;

use super::calibrate::{CalibrateArgs, Calibrated, calibrate};
use super::pretty;
use crate::numbers::several;
use crate::pool_files::{self, Pin};
use crate::session::{GlobalArgs, HASHES};
use crate::{builtin, terminal};
use models::{ModelFinding, Needs, Template};
use servers::ServerFinding;

/// What `doctor` found.
#[derive(Serialize)]
struct Findings {
    gra_bench: &'static str,
    engine: &'static str,
    system: String,
    threads: u32,
    devices: Vec<Device>,
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

/// What was looked at, and what was not: "no problems found" is said of nothing else. Two lists of short sentences
/// without a full stop; what was not looked at is named model by model.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Coverage {
    looked_at: Vec<String>,
    not_looked_at: Vec<String>,
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
    let (findings, reviewers) = Findings::gather(args, global)?;
    let mut out = terminal::json_or_text(args.json);
    if args.json {
        out.write_all(pretty(&findings)?.as_bytes())?;
    } else {
        out.write_all(findings.text()?.as_bytes())?;
        if let Some(reviewers) = &reviewers {
            write!(out, "\nwhether its members can review\n{}", reviewers.text())?;
        } else if args.judge {
            let whether = "whether its members can review was not asked";
            writeln!(out, "\n{whether}: mend the problems first")?;
        }
    }
    match findings.problems.len() {
        0 => Ok(()),
        n => bail!("{} found", several(n, "problem")),
    }
}

impl Findings {
    /// Looks at everything; also the calibration as `--judge` prints it.
    fn gather(args: &DoctorArgs, global: &GlobalArgs) -> Result<(Self, Option<Calibrated>)> {
        let pool = builtin::read_pool(&args.pool, &global.models)?;
        let checks = pool.check(&mut DigestCache::of_reader(&global.results().join(HASHES)));
        // A pool runs without its teachers; what is wrong with one that is here should be mended all the same.
        let is_absent_teacher =
            |check: &&ModelCheck| check.part == PoolPart::Teacher && check.found.is_err();
        let (absent, others): (Vec<&ModelCheck>, Vec<&ModelCheck>) =
            checks.iter().partition(is_absent_teacher);
        let mut problems: Vec<String> =
            others.into_iter().filter_map(ModelCheck::problem).collect();
        let mut notes: Vec<String> = absent.into_iter().filter_map(ModelCheck::problem).collect();
        let told = (&mut problems, &mut notes);
        let templates = Template::try_all(&pool, &checks, global.results(), told)?;
        problems.extend(cannot_write(global.results()));
        let servers = servers::ask_all(&pool, &mut problems)?;
        let devices = runtime::devices();
        let memory = devices.iter().map(|device| device.memory_total).max();
        let needs = vec![
            Needs::of("members", &checks, &[PoolPart::Member, PoolPart::Encoder]),
            Needs::of("teachers", &checks, &[PoolPart::Teacher]),
        ];
        // Members must fit; a teacher that does not is no problem until it is asked.
        problems.extend(needs[0].shortage(memory, disk_of_missing(&checks)));
        // Models that are not sound need no calibration.
        let reviewers = if args.judge && problems.is_empty() {
            let brief = CalibrateArgs::brief(&args.pool, JUDGED_PER_DOMAIN)?;
            Some(calibrate(&brief, global)?)
        } else {
            None
        };
        let findings = Self {
            gra_bench: env!("CARGO_PKG_VERSION"),
            engine: gra_llm::llama::LLAMA_VERSION,
            system: runtime::system_info(),
            threads: EngineSettings::default().threads,
            devices,
            disk_free_bytes: [global.results(), &global.models]
                .map(|folder| (folder.display().to_string(), free_bytes(folder)))
                .to_vec(),
            pool: pool.name.clone(),
            coverage: Coverage::of(&checks, &servers, reviewers.is_some()),
            models: checks.iter().map(ModelFinding::of).collect(),
            templates,
            pinned: if args.pin { pin(&args.pool, &checks)? } else { Vec::new() },
            servers,
            needs,
            notes,
            reviewers: reviewers.as_ref().map(Calibrated::json).transpose()?,
            problems,
        };
        Ok((findings, reviewers))
    }

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
            model.write(self.pinned.contains(&model.name), &mut text)?;
            if let Some(found) = self.templates.iter().find(|found| found.model == model.name) {
                found.write(&mut text)?;
            }
        }
        self.servers.iter().try_for_each(|server| server.write(&mut text))?;
        self.needs.iter().try_for_each(|needs| needs.write(&mut text))?;
        let teachers = "teachers that are not here; only what names them needs them";
        for (title, lines) in [
            ("looked at", &self.coverage.looked_at),
            ("not looked at", &self.coverage.not_looked_at),
            (teachers, &self.notes),
            ("problems", &self.problems),
        ] {
            if !lines.is_empty() {
                writeln!(text, "\n{title}")?;
            }
            for line in lines {
                writeln!(text, "  - {}", in_one_line(line))?;
            }
        }
        if self.problems.is_empty() {
            writeln!(text, "\nno problems found in what was looked at")?;
        }
        Ok(text)
    }
}

impl Coverage {
    fn of(checks: &[ModelCheck], servers: &[ServerFinding], were_judged: bool) -> Self {
        let (mut looked_at, mut not_looked_at) = (Vec::new(), Vec::new());
        let mut looked = |checks: &[&ModelCheck], what: &str| {
            looked_at.extend(counted(checks).map(|models| format!("{models}: {what}")));
        };
        let with = |is: fn(&FoundModel) -> bool| -> Vec<&ModelCheck> {
            checks.iter().filter(|check| check.found.as_ref().is_ok_and(is)).collect()
        };
        let whole = "all files here, headers read, each file long enough for its tensors";
        looked(&with(|found| found.header.is_ok()), whole);
        looked(&with(|found| found.hash == HashCheck::Matches), "hashes as the pool pins them");
        let answered = servers.iter().filter(|server| server.identity.is_some()).count();
        if answered > 0 {
            looked_at.push(format!("servers of {answered} models: asked for one short reply each"));
        }

        // One by one, so that what the last line of `doctor` does not vouch for has a name.
        for check in checks.iter().filter(|check| check.found.is_err()) {
            let (part, name) = (part_name(check.part), &check.name);
            not_looked_at.push(format!("{part} `{name}`: not all of its files are here"));
        }
        for server in servers.iter().filter(|server| server.identity.is_none()) {
            not_looked_at.push(format!("model `{}`: its server did not answer", server.name));
        }
        let unpinned = with(|found| found.hash == HashCheck::Unpinned);
        let names: Vec<String> = unpinned.iter().map(|check| format!("`{}`", check.name)).collect();
        if !names.is_empty() {
            let names = names.join(", ");
            not_looked_at
                .push(format!("whether the files of {names} are the right ones: not pinned"));
        }
        if were_judged {
            looked_at.push("members: asked to review texts of known quality".to_owned());
        } else if !checks.is_empty() {
            not_looked_at.push("what models in files write: none was asked".to_owned());
        }
        Self { looked_at, not_looked_at }
    }
}

/// As findings and messages have it.
const fn part_name(part: PoolPart) -> &'static str {
    match part {
        PoolPart::Member => "member",
        PoolPart::Teacher => "teacher",
        PoolPart::Encoder => "encoder",
    }
}

/// `5 members, 1 teacher and the encoder`; `None` of no models.
fn counted(checks: &[&ModelCheck]) -> Option<String> {
    let count = |part: PoolPart| match checks.iter().filter(|check| check.part == part).count() {
        0 => None,
        _ if part == PoolPart::Encoder => Some("the encoder".to_owned()),
        count => Some(several(count, part_name(part))),
    };
    let parts = [PoolPart::Member, PoolPart::Teacher, PoolPart::Encoder];
    let parts: Vec<String> = parts.into_iter().filter_map(count).collect();
    let (last, others) = parts.split_last()?;
    Some(if others.is_empty() { last.clone() } else { format!("{} and {last}", others.join(", ")) })
}

/// Writes the hashes of models that are not pinned into the pool; the models' names. A model that cannot be used is
/// not pinned: its file has to be fetched again.
fn pin(path: &Path, checks: &[ModelCheck]) -> Result<Vec<String>> {
    let unpinned = |check: &ModelCheck| {
        let found = check.found.as_ref().ok().filter(|_| check.problem().is_none())?;
        let (part, name, sha256) = (check.part, check.name.clone(), found.hashes());
        (found.hash == HashCheck::Unpinned).then_some(Pin { part, name, sha256 })
    };
    let pins: Vec<Pin> = checks.iter().filter_map(unpinned).collect();
    if pins.is_empty() {
        return Ok(Vec::new());
    }
    if builtin::is_built_in(path) {
        let hint = "hint: gra-bench init DIR writes it out; pin that file with --pool";
        bail!("{} is built into the program, which cannot be pinned\n{hint}", path.display());
    }
    let text = std::fs::read_to_string(path)?;
    let (text, added) = pool_files::pinned(&text, pins)?;
    write_atomic(path, text.as_bytes())?;
    Ok(added.into_iter().map(|pin| pin.name).collect())
}

/// Bytes that are free where the first missing file of a member would be.
fn disk_of_missing(checks: &[ModelCheck]) -> Option<u64> {
    let missing = |check: &&ModelCheck| check.found.is_err() && check.part != PoolPart::Teacher;
    free_bytes(checks.iter().find(missing)?.path.parent()?)
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

/// Bytes that may still be written to the disk of a folder, or of its closest existing parent.
fn free_bytes(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(&existing(folder)?).ok()?;
    Some(stat.f_bavail * stat.f_frsize)
}

/// The folder, or its closest parent that exists.
fn existing(folder: &Path) -> Option<PathBuf> {
    // A relative path that is not there has no parent of its own but the working directory.
    let absolute = std::path::absolute(folder).ok()?;
    absolute.ancestors().find(|ancestor| ancestor.exists()).map(Path::to_owned)
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

/// A message with its hint in one line, which names the model that it is about.
fn in_one_line(message: &str) -> String {
    message.lines().map(str::trim).collect::<Vec<_>>().join("; ")
}

//! The models of a pool's files as `doctor` finds them: what is on disk and in their headers, what their chat
//! templates make of the method's prompts, and what all of them take of the machine.

use std::fmt::{self, Write as _};
use std::path::Path;

use anyhow::Result;
use gra_llm::chat_template::{ProbedCall, TemplateFinding, TemplateQuestion};
use gra_llm::engine::Engine;
use gra_llm::gguf::GgufHeader;
use gra_llm::llama::settings::EngineSettings;
use gra_llm::model_pool::check::{
    Footprint, FoundFile, FoundModel, HashCheck, ModelCheck, PoolPart,
};
use gra_llm::model_pool::{Backend, ModelPool, PoolModel};
use gra_synth::method::Method;
use gra_synth::request::Stage;
use gra_synth::step;
use serde::Serialize;

use super::{gib, part_name};
use crate::numbers::{or_dash, several};
use crate::progress::{Progress, Verbosity};
use crate::session;

/// A message in which a tokenizer's habits show: quotes, accents, another script, line breaks, digits.
const MESSAGE: &str = "Say \"hello\", naïve 世界!\n\n1. Name 42 things:\n\t- <b>one</b>";

/// Characters of a template's own text that are shown.
const SHOWN: usize = 100;

#[derive(Serialize)]
pub(super) struct ModelFinding {
    pub(super) name: String,
    part: &'static str,
    /// Of its first file.
    path: String,
    /// Of all its files together.
    size: Option<u64>,
    /// What stands for the model in store keys: the file's hash, or one of the hashes of all parts.
    sha256: Option<String>,
    /// Whether the files are the pinned ones.
    hash: &'static str,
    files: Vec<FoundFile>,
    architecture: Option<String>,
    trained_context: Option<u64>,
    /// `None` where no header was read, and of encoders, which need none.
    chat_template: Option<bool>,
}

impl ModelFinding {
    pub(super) fn of(check: &ModelCheck) -> Self {
        let found = check.found.as_ref().ok();
        let header = found.and_then(|found| found.header.as_ref().ok());
        Self {
            name: check.name.clone(),
            part: part_name(check.part),
            path: check.path.display().to_string(),
            size: found.map(FoundModel::size),
            sha256: found.map(FoundModel::sha256),
            files: found.map(|found| found.files.clone()).unwrap_or_default(),
            hash: match found.map(|found| &found.hash) {
                None if check.present > 0 => "a part is missing",
                None => "no file",
                Some(HashCheck::Matches) => "matches",
                Some(HashCheck::Differs { .. }) => "differs",
                Some(HashCheck::Unpinned) if check.problem().is_some() => "not pinned, unusable",
                Some(HashCheck::Unpinned) => "not pinned",
            },
            architecture: header.and_then(|header| header.architecture().map(str::to_owned)),
            trained_context: header.and_then(GgufHeader::trained_context),
            chat_template: header
                .filter(|_| check.part != PoolPart::Encoder)
                .map(|header| header.chat_template().is_some()),
        }
    }

    /// Its line, the parts of a model that has several, and what to write into the pool where it is not pinned.
    pub(super) fn write(&self, pinned_now: bool, text: &mut String) -> fmt::Result {
        let Self { name, hash, files, .. } = self;
        let size = or_dash(self.size.map(|size| format!("{} MB", size / 1_000_000)));
        let context = or_dash(self.trained_context.map(|tokens| tokens.to_string()));
        let architecture = self.architecture.as_deref().unwrap_or("-");
        let template = match self.chat_template {
            None => "-",
            Some(true) => "yes",
            Some(false) => "no",
        };
        writeln!(
            text,
            "  {name:<28} {size:>9}  {architecture:<8} context {context:<6} chat template {template:<3}  hash {hash}"
        )?;
        if files.len() > 1 {
            for (number, file) in (1..).zip(files) {
                let (count, size) = (files.len(), file.size / 1_000_000);
                let path = file.path.display();
                writeln!(text, "    {name}: part {number} of {count}, {size} MB: {path}")?;
            }
        }
        if *hash == "not pinned" {
            let what = if pinned_now { "pinned now" } else { "to pin it" };
            let hashes: Vec<String> =
                files.iter().map(|file| format!("\"{}\"", file.sha256)).collect();
            let hashes = match hashes.as_slice() {
                [whole] => whole.clone(),
                parts => format!("[{}]", parts.join(", ")),
            };
            writeln!(text, "    {name}: {what}: sha256 = {hashes}")?;
        }
        Ok(())
    }
}

/// What a model's template does.
#[derive(Serialize)]
pub(super) struct Template {
    pub(super) model: String,
    /// The pool's budget of a thought, in tokens.
    thought_tokens: u32,
    #[serde(flatten)]
    found: TemplateFinding,
}

impl Template {
    /// Tries the template of every model whose file is here; what keeps one from a call is a problem, of a teacher a note.
    pub(super) fn try_all(
        pool: &ModelPool,
        checks: &[ModelCheck],
        results: &Path,
        (problems, notes): (&mut Vec<String>, &mut Vec<String>),
    ) -> Result<Vec<Self>> {
        let is_one = |model: &PoolModel, is: &dyn Fn(&ModelCheck) -> bool| {
            checks.iter().any(|check| check.name == model.name.as_str() && is(check))
        };
        let is_usable = |model: &&PoolModel| {
            matches!(model.backend, Backend::LlamaCpp(_))
                && is_one(model, &|check| check.problem().is_none())
        };
        let models: Vec<&PoolModel> = pool.members_and_teachers().filter(is_usable).collect();
        // An engine is started only for a model that it can load.
        if models.is_empty() {
            return Ok(Vec::new());
        }
        let progress = Progress::new(Verbosity::Quiet);
        // One worker: templates are tried one after the other.
        let settings = EngineSettings { workers: Some(1), ..EngineSettings::default() };
        let mut engine = session::local_engine(pool, &settings, results, &progress)?;
        let mut templates = Vec::new();
        for model in models {
            let is_teacher = is_one(model, &|check| check.part == PoolPart::Teacher);
            let told = if is_teacher { &mut *notes } else { &mut *problems };
            match Self::of_model(&mut engine, model) {
                Ok(template) => {
                    let faults = template.found.faults.iter();
                    told.extend(faults.map(|fault| format!("model `{}`: {fault}", model.name)));
                    templates.push(template);
                }
                Err(error) => told.push(error.to_string()),
            }
        }
        Ok(templates)
    }

    fn of_model(engine: &mut dyn Engine, model: &PoolModel) -> Result<Self> {
        let method = Method::default();
        let call = |stage: Stage| ProbedCall {
            purpose: format!("as {} ({stage})", role(stage)),
            message: MESSAGE.to_owned(),
            shape: step::shape(stage, &method).behind_thought(model.thought_tokens),
        };
        let calls = Stage::ALL.map(call).to_vec();
        let found =
            engine.probe_template(&TemplateQuestion { model: model.name.clone(), calls })?;
        Ok(Self { model: model.name.to_string(), thought_tokens: model.thought_tokens, found })
    }

    pub(super) fn write(&self, text: &mut String) -> fmt::Result {
        let (name, found) = (&self.model, &self.found);
        if found.faults.is_empty() {
            let frame = found.frame_tokens;
            writeln!(text, "    {name}: chat template: renders, {frame} tokens around a message")?;
        }
        if let Some(added) = &found.added_text {
            let shown = match added.char_indices().nth(SHOWN) {
                Some((end, _)) => format!("{} ..", &added[..end]),
                None => added.clone(),
            };
            writeln!(text, "    {name}: chat template: adds \"{shown}\"")?;
        }
        let off = found.thinking_switch.as_ref().map_or_else(String::new, |switch| {
            format!("; {switch} in the pool switches thinking off")
        });
        // A budget of 0 says that the pool counts on a model that does not think.
        match (&found.opens_thought, self.thought_tokens) {
            (None, 0) if off.is_empty() => Ok(()),
            (None, 0) => {
                writeln!(text, "    {name}: thinks: may think where no form holds it{off}")
            }
            (Some(tag), 0) => writeln!(
                text,
                "    {name}: thinks: its template opens {tag}, which is closed at once{off}; thought_tokens = 1024 \
                 gives it room"
            ),
            (_, tokens) => {
                writeln!(text, "    {name}: thinks: up to {tokens} tokens before each reply{off}")
            }
        }
    }
}

/// Who is asked at a stage.
const fn role(stage: Stage) -> &'static str {
    match stage {
        Stage::SeedDomain | Stage::SeedSummary | Stage::SeedKeywords => "annotator",
        Stage::Keywords | Stage::Instruction | Stage::Response => "generator",
        Stage::InstructionReview | Stage::ResponseReview | Stage::ReviewComment => "reviewer",
        Stage::Adjudication => "adjudicator",
        Stage::Summary => "summariser",
    }
}

/// What members or teachers take.
#[derive(Serialize)]
pub(super) struct Needs {
    part: &'static str,
    disk_bytes: u64,
    /// Of those, still to be fetched.
    missing_bytes: u64,
    /// Models whose files are not all here and whose size the pool does not state.
    files_of_unknown_size: usize,
    /// Of the largest model, with the KV cache of one sequence.
    memory_bytes: Option<u64>,
    largest: Option<String>,
}

impl Needs {
    /// Of the files of these parts.
    pub(super) fn of(part: &'static str, checks: &[ModelCheck], parts: &[PoolPart]) -> Self {
        let Footprint { disk: disk_bytes, missing: missing_bytes, unknown, largest } =
            Footprint::of(checks, parts);
        let (largest, memory_bytes) = largest.unzip();
        let files_of_unknown_size = unknown;
        Self { part, disk_bytes, missing_bytes, files_of_unknown_size, memory_bytes, largest }
    }

    /// What a machine of this memory, with so much free where the missing files would be, is short of.
    pub(super) fn shortage(&self, memory: Option<u64>, free: Option<u64>) -> Vec<String> {
        let mut shortage = Vec::new();
        if let Some(free) = free.filter(|&free| free < self.missing_bytes) {
            let (wanted, free) = (gigabytes(self.missing_bytes), gigabytes(free));
            shortage.push(format!("{wanted} are still to be fetched, and {free} are free"));
        }
        // Models are loaded one after the other where memory is short, so the largest decides.
        if let (Some(memory), Some(wanted), Some(model)) =
            (memory, self.memory_bytes, &self.largest)
            && wanted > memory
        {
            let (wanted, memory) = (gib(wanted), gib(memory));
            shortage
                .push(format!("model `{model}` takes {wanted} of memory, and there are {memory}"));
        }
        shortage
    }

    pub(super) fn write(&self, text: &mut String) -> fmt::Result {
        // Pools without teachers, and those whose models are on servers, take nothing here.
        let Some((largest, memory)) = self.largest.as_ref().zip(self.memory_bytes) else {
            return Ok(());
        };
        write!(text, "  {:<8} take {} on disk", self.part, gigabytes(self.disk_bytes))?;
        if self.missing_bytes > 0 {
            write!(text, " ({} still to fetch)", gigabytes(self.missing_bytes))?;
        }
        if self.files_of_unknown_size > 0 {
            write!(text, " and {} of unknown size", several(self.files_of_unknown_size, "model"))?;
        }
        writeln!(text, ", and at least {} of memory for {largest}", gib(memory))
    }
}

/// As model hubs show sizes of files.
#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_is_too_small_is_told_in_what() {
        let needs = Needs {
            part: "members",
            disk_bytes: 24_340_000_000,
            missing_bytes: 4_920_000_000,
            files_of_unknown_size: 1,
            memory_bytes: Some(6 << 30),
            largest: Some("llama-3.1-8b".to_owned()),
        };
        let enough = (Some(8 << 30), Some(5_000_000_000));
        assert!(needs.shortage(enough.0, enough.1).is_empty());
        assert!(needs.shortage(None, None).is_empty(), "what is not known is not held against it");
        let mut text = needs.shortage(Some(4 << 30), Some(1_000_000_000)).join("\n");
        text.push('\n');
        needs.write(&mut text).unwrap();
        insta::assert_snapshot!(text, @"
        4.9 GB are still to be fetched, and 1.0 GB are free
        model `llama-3.1-8b` takes 6.0 GiB of memory, and there are 4.0 GiB
          members  take 24.3 GB on disk (4.9 GB still to fetch) and 1 model of unknown size, and at least 6.0 GiB of memory for llama-3.1-8b
        ");
    }
}

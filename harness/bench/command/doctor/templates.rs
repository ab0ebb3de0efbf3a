//! What the chat templates of a pool's files make of the method's prompts.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use gra_llm::chat_template::{ProbedCall, TemplateFinding, TemplateQuestion};
use gra_llm::engine::Engine;
use gra_llm::llama::settings::EngineSettings;
use gra_llm::model_pool::check::{ModelCheck, PoolPart};
use gra_llm::model_pool::{Backend, ModelPool, PoolModel};
use gra_synth::method::Method;
use gra_synth::request::Stage;
use gra_synth::step;
use serde::Serialize;

use crate::engines;
use crate::progress::{Progress, Verbosity};

/// A message in which a tokenizer's habits show: quotes, accents, another script, line breaks, digits.
const MESSAGE: &str = "Say \"hello\", naïve 世界!\n\n1. Name 42 things:\n\t- <b>one</b>";

/// What a model's template does.
#[derive(Serialize)]
pub(super) struct Template {
    model: String,
    /// The pool's budget of a thought, in tokens.
    thought_tokens: u32,
    #[serde(flatten)]
    found: TemplateFinding,
}

/// Tries the template of every model whose file is here; what keeps one from a call is a problem.
pub(super) fn try_out(
    pool: &ModelPool,
    checks: &[ModelCheck],
    results: &Path,
    (problems, notes): (&mut Vec<String>, &mut Vec<String>),
) -> Result<Vec<Template>> {
    let usable = |model: &&PoolModel| {
        let found =
            |check: &&ModelCheck| check.name == model.name.as_str() && check.problem().is_none();
        matches!(model.backend, Backend::LlamaCpp(_)) && checks.iter().any(|check| found(&check))
    };
    let models: Vec<&PoolModel> = pool.members_and_teachers().filter(usable).collect();
    if models.is_empty() {
        return Ok(Vec::new());
    }
    let progress = Progress::new(Verbosity::Quiet);
    let settings = EngineSettings { workers: Some(1), ..EngineSettings::default() };
    let mut engine = engines::local(pool, &settings, results, &progress)?;
    let mut templates = Vec::new();
    for model in models {
        let is_teacher = checks
            .iter()
            .any(|check| check.name == model.name.as_str() && check.part == PoolPart::Teacher);
        let told = if is_teacher { &mut *notes } else { &mut *problems };
        match of_model(&mut engine, model) {
            Ok(template) => {
                told.extend(
                    template
                        .found
                        .faults
                        .iter()
                        .map(|fault| format!("model `{}`: {fault}", template.model)),
                );
                templates.push(template);
            }
            Err(error) => told.push(error.to_string()),
        }
    }
    Ok(templates)
}

fn of_model(engine: &mut dyn Engine, model: &PoolModel) -> Result<Template> {
    let method = Method::default();
    let call = |stage: Stage| ProbedCall {
        purpose: format!("as {} ({stage})", role(stage)),
        message: MESSAGE.to_owned(),
        shape: step::shape(stage, &method).behind_thought(model.thought_tokens),
    };
    let calls = Stage::ALL.map(call).to_vec();
    let found = engine.probe_template(&TemplateQuestion { model: model.name.clone(), calls })?;
    Ok(Template { model: model.name.to_string(), thought_tokens: model.thought_tokens, found })
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

impl Template {
    /// Whether it is this model's.
    pub(super) fn is_of(&self, model: &str) -> bool {
        self.model == model
    }

    pub(super) fn write(&self, text: &mut String) -> Result<()> {
        let (name, found) = (&self.model, &self.found);
        if found.faults.is_empty() {
            let frame = found.frame_tokens;
            writeln!(text, "    {name}: chat template: renders, {frame} tokens around a message")?;
        }
        if let Some(added) = &found.added_text {
            writeln!(text, "    {name}: chat template: adds \"{}\"", shortened(added))?;
        }
        let off = found.thinking_switch.as_ref().map_or_else(String::new, |switch| {
            format!("; {switch} in the pool switches thinking off")
        });
        match (&found.opens_thought, self.thought_tokens) {
            (None, 0) if off.is_empty() => {}
            (None, 0) => {
                writeln!(text, "    {name}: thinks: may think where no form holds it{off}")?;
            }
            (Some(tag), 0) => writeln!(
                text,
                "    {name}: thinks: its template opens {tag}, which is closed at once{off}; thought_tokens = 1024 \
                 gives it room"
            )?,
            (_, tokens) => {
                writeln!(text, "    {name}: thinks: up to {tokens} tokens before each reply{off}")?;
            }
        }
        Ok(())
    }
}

/// The beginning of a text.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 100;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} ..", &text[..end]),
        None => text.to_owned(),
    }
}

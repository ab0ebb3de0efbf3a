//! Whether a server holds each stage's reply to its form: tried with the stage's real prompt about one
//! short sample, and read literally.

use std::collections::BTreeMap;

use anyhow::Result;
use gra_llm::adherence::{Adherence, adherence};
use gra_llm::engine::Engine;
use gra_llm::server::ServerEngine;
use gra_synth::method::{Method, TokenLimits};
use gra_synth::pool::ItemId;
use gra_synth::prompt::PromptSet;
use gra_synth::request::{
    ModelName, Portion, Reply, Request, RequestId, Sampling, ScoreReading, Stage,
};
use gra_synth::shape::{Part, Shape};
use gra_synth::step;
use gra_synth::thought;
use serde::Serialize;

/// The prompts of the repository.
const PROMPTS: [(&str, &str); 9] = [
    ("1-domain.txt", include_str!("../../../../experiments/prompts/1-domain.txt")),
    ("2-summary.txt", include_str!("../../../../experiments/prompts/2-summary.txt")),
    ("3-seed-keywords.txt", include_str!("../../../../experiments/prompts/3-seed-keywords.txt")),
    ("4-keywords.txt", include_str!("../../../../experiments/prompts/4-keywords.txt")),
    ("5-instruction.txt", include_str!("../../../../experiments/prompts/5-instruction.txt")),
    (
        "6-instruction-review.txt",
        include_str!("../../../../experiments/prompts/6-instruction-review.txt"),
    ),
    ("7-response.txt", include_str!("../../../../experiments/prompts/7-response.txt")),
    (
        "8-response-review.txt",
        include_str!("../../../../experiments/prompts/8-response-review.txt"),
    ),
    ("9-adjudication.txt", include_str!("../../../../experiments/prompts/9-adjudication.txt")),
];

/// What the prompts are about here.
const SAMPLE: [(&str, &str); 7] = [
    ("domain", "Math"),
    ("examples", "1. keywords: triangle, angle; summary: Find the third angle of a triangle."),
    ("keywords", "percentage, discount, price"),
    ("summaries", "1. Find the third angle of a triangle from the other two."),
    ("instruction", "A coat costs 80 euros and is sold at 25% off. What does it cost now?"),
    ("response", "25% of 80 euros is 20 euros, so the coat costs 60 euros."),
    ("reviews", "1. Right and short.\n2. The step is shown.\n3. Clear."),
];

/// How one stage's form fared.
#[derive(Clone, Serialize)]
pub(super) struct FormFinding {
    stage: &'static str,
    held: bool,
    /// The literal reply; empty when there was none.
    reply: String,
    /// Where the reply leaves the form, or why there is none.
    problem: Option<String>,
}

/// Asks a server for one reply of every form of the method.
/// Its model may think before each for so many tokens.
pub(super) fn try_all(
    engine: &mut ServerEngine,
    model: &ModelName,
    thought_tokens: u32,
) -> Result<Vec<FormFinding>> {
    let files = PROMPTS.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let prompts = PromptSet::parse(&BTreeMap::from(files))?;
    // Short texts, closed at their budgets: the form is looked at, and the wait is.
    let method = Method {
        close_long_texts: true,
        limits: TokenLimits { keyword: 8, summary: 24, comment: 24, instruction: 32, response: 32 },
        ..Method::default()
    };
    let mut findings = Vec::new();
    for stage in Stage::ALL {
        let request = request(stage, model, &prompts, &method);
        // A late comment has the form of its review, and a response has none.
        let is_free = matches!(request.shape.parts.as_slice(), [Part::Text { .. }]);
        if stage == Stage::ReviewComment || is_free {
            continue;
        }
        let request = Request {
            shape: request.shape.behind_thought(thought_tokens),
            max_tokens: step::max_tokens_with_thought(stage, &method, thought_tokens),
            ..request
        };
        let reply = engine.complete(std::slice::from_ref(&request), &mut |_| {});
        findings.push(match reply.map(|replies| replies.into_iter().next()) {
            Ok(Some(reply)) => finding(&request, reply)?,
            Ok(None) => FormFinding::without_reply(stage, "the server gave no reply".to_owned()),
            Err(error) => FormFinding::without_reply(stage, error.to_string()),
        });
    }
    Ok(findings)
}

fn request(stage: Stage, model: &ModelName, prompts: &PromptSet, method: &Method) -> Request {
    Request {
        id: RequestId { subject: ItemId::Seed(0), stage, seat: 0, attempt: 0 },
        model: model.clone(),
        prompt: prompts.prompt(stage, prompts.sample(stage, &SAMPLE)),
        shape: step::shape(stage, method),
        portion: Portion::Whole,
        score_reading: ScoreReading::Sampled,
        sampling: Sampling::default(),
        max_tokens: step::max_tokens(stage, method),
        seed: 1,
    }
}

fn finding(request: &Request, reply: Reply) -> Result<FormFinding> {
    let (_, parts) = request.shape.thought_and_answer();
    let shape = Shape { parts: parts.to_vec() };
    let problem = match adherence(&shape, &thought::part(&reply.text).answer)? {
        Adherence::Whole => None,
        Adherence::Departs(departure) => Some(departure.to_string()),
        Adherence::Unfinished => Some(format!(
            "it ends before the form does, as {:?} after {:?}",
            reply.finish, reply.text
        )),
    };
    let (stage, held) = (request.id.stage.name(), problem.is_none());
    Ok(FormFinding { stage, held, reply: reply.text, problem })
}

impl FormFinding {
    fn without_reply(stage: Stage, problem: String) -> Self {
        Self { stage: stage.name(), held: false, reply: String::new(), problem: Some(problem) }
    }

    /// What is wrong with this form, for a line of its own.
    fn words(&self) -> Option<String> {
        let problem = self.problem.as_ref()?;
        Some(format!("form of stage {} not held: {problem}", self.stage))
    }
}

/// Lines about a server's forms.
pub(super) fn lines(findings: &[FormFinding]) -> Vec<String> {
    let held: Vec<&str> = findings.iter().filter(|form| form.held).map(|form| form.stage).collect();
    let mut lines = vec![format!("forms held: {} of {}", held.len(), findings.len())];
    lines.extend(findings.iter().filter_map(FormFinding::words));
    lines
}

/// The problem of a server that does not hold every form.
pub(super) fn problem(model: &ModelName, findings: &[FormFinding]) -> Option<String> {
    let broken: Vec<&FormFinding> = findings.iter().filter(|form| !form.held).collect();
    let first = broken.first()?;
    let stages: Vec<&str> = broken.iter().map(|form| form.stage).collect();
    Some(format!(
        "the server of model `{model}` does not hold the form of {} of {} stages ({}); {}: {}",
        broken.len(),
        findings.len(),
        stages.join(", "),
        first.stage,
        first.problem.as_deref().unwrap_or("no reply"),
    ))
}

//! The servers of a pool as `doctor` finds them: what they serve, and whether they hold each stage's reply to its
//! form, which is tried with the stage's real prompt about one short sample, and read literally.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use gra_llm::adherence::{Adherence, adherence};
use gra_llm::engine::Engine;
use gra_llm::model_pool::{Backend, ModelPool, PoolModel, Server};
use gra_llm::server::{RetryPolicy, ServerEngine};
use gra_synth::method::{Method, TokenLimits};
use gra_synth::pool::ItemId;
use gra_synth::request::{
    ModelName, Portion, Reply, Request, RequestId, Sampling, ScoreReading, Stage,
};
use gra_synth::shape::{Part, Shape};
use gra_synth::step;
use gra_synth::thought;
use serde::Serialize;

use crate::experiment::PromptFiles;

/// Why a server's reply to a form may be another text, where its model thinks.
const THOUGHT_FIRST: &str = "its model thinks first: switch that off with template = { enable_thinking = false \
                             } in the pool, or start the server with a parser for thoughts (for vLLM and SGLang \
                             --reasoning-parser) and give it room with thought_tokens";

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

#[derive(Serialize)]
pub(super) struct ServerFinding {
    pub(super) name: String,
    url: String,
    dialect: &'static str,
    model: String,
    /// What the server says of its model; `None` when it does not answer.
    pub(super) identity: Option<String>,
    /// Whether it held a reply to a form; `None` when it does not answer.
    constrains: Option<bool>,
    /// Whether a free reply began with a thought; `None` when it does not answer.
    thinks: Option<bool>,
    /// The pool's budget of a thought, in tokens.
    thought_tokens: u32,
    /// How the form of each stage fared; empty when the server does not answer.
    forms: Vec<FormFinding>,
}

/// How one stage's form fared.
#[derive(Clone, Serialize)]
struct FormFinding {
    stage: &'static str,
    held: bool,
    /// The literal reply; empty when there was none.
    reply: String,
    /// Where the reply leaves the form, or why there is none.
    problem: Option<String>,
}

/// Asks every server of the pool what it serves, for one short reply, and for one of every form.
pub(super) fn ask_all(pool: &ModelPool, problems: &mut Vec<String>) -> Result<Vec<ServerFinding>> {
    // Members that are one model of one server have one set of forms.
    let mut tried: BTreeMap<String, Vec<FormFinding>> = BTreeMap::new();
    let mut engine = ServerEngine::new(pool, RetryPolicy::short(), Arc::default());
    let mut findings = Vec::new();
    for model in pool.members_and_teachers() {
        let Backend::Server(server) = &model.backend else { continue };
        let (name, dialect) = (&model.name, server.dialect.name());
        let showing = engine.look(name).map_err(|error| problems.push(error.to_string())).ok();
        let mut forms = Vec::new();
        if let Some(showing) = &showing {
            if !showing.constrains {
                problems.push(not_held(name, server, showing.thinks));
            }
            if showing.all_thought {
                problems.push(format!(
                    "the server of model `{name}` tells whole replies as thoughts, so that no answer is left: start it \
                     without a parser for thoughts (for vLLM and SGLang --reasoning-parser), or with the one of its model"
                ));
            }
            forms = match tried.entry(format!("{} {dialect} {}", server.url, server.model)) {
                Entry::Occupied(known) => known.get().clone(),
                Entry::Vacant(place) => place.insert(try_forms(&mut engine, model)?).clone(),
            };
        }
        problems.extend(problem(name, &forms));
        findings.push(ServerFinding {
            forms,
            name: name.to_string(),
            url: server.url.clone(),
            dialect,
            model: server.model.clone(),
            constrains: showing.as_ref().map(|showing| showing.constrains),
            thinks: showing.as_ref().map(|showing| showing.thinks),
            thought_tokens: model.thought_tokens,
            identity: showing.map(|showing| showing.identity),
        });
    }
    Ok(findings)
}

fn not_held(name: &ModelName, server: &Server, thinks: bool) -> String {
    let why = if thinks {
        THOUGHT_FIRST.to_owned()
    } else {
        format!("is dialect = \"{}\" right, and its version new enough?", server.dialect.name())
    };
    format!("the server of model `{name}` does not hold replies to a form; {why}")
}

/// Asks a server for one reply of every form of the method. Its model may think before each.
fn try_forms(engine: &mut ServerEngine, model: &PoolModel) -> Result<Vec<FormFinding>> {
    let prompts = PromptFiles::read(Path::new("built-in:prompts"))?.set;
    // Short texts, closed at their budgets: the form is looked at, and the wait is.
    let method = Method {
        close_long_texts: true,
        limits: TokenLimits { keyword: 8, summary: 24, comment: 24, instruction: 32, response: 32 },
        ..Method::default()
    };
    let mut findings = Vec::new();
    for stage in Stage::ALL {
        let shape = step::shape(stage, &method);
        // A late comment has the form of its review, and a response has none.
        if stage == Stage::ReviewComment || matches!(shape.parts[..], [Part::Text { .. }]) {
            continue;
        }
        let request = Request {
            id: RequestId { subject: ItemId::Seed(0), stage, seat: 0, attempt: 0 },
            model: model.name.clone(),
            prompt: prompts.prompt(stage, prompts.sample(stage, &SAMPLE)),
            shape: shape.behind_thought(model.thought_tokens),
            portion: Portion::Whole,
            score_reading: ScoreReading::Sampled,
            sampling: Sampling::default(),
            max_tokens: step::max_tokens_with_thought(stage, &method, model.thought_tokens),
            seed: 1,
        };
        let reply = engine.complete(std::slice::from_ref(&request), &mut |_| {});
        let (reply, problem) = match reply.map(|replies| replies.into_iter().next()) {
            Ok(Some(reply)) => {
                let problem = departure(&request, &reply)?;
                (reply.text, problem)
            }
            Ok(None) => (String::new(), Some("the server gave no reply".to_owned())),
            Err(error) => (String::new(), Some(error.to_string())),
        };
        let (stage, held) = (stage.name(), problem.is_none());
        findings.push(FormFinding { stage, held, reply, problem });
    }
    Ok(findings)
}

/// Where a reply leaves its form.
fn departure(request: &Request, reply: &Reply) -> Result<Option<String>> {
    // What a model thinks is free; only the answer has a form.
    let (_, parts) = request.shape.thought_and_answer();
    let shape = Shape { parts: parts.to_vec() };
    Ok(match adherence(&shape, &thought::part(&reply.text).answer)? {
        Adherence::Whole => None,
        Adherence::Departs(departure) => Some(departure.to_string()),
        Adherence::Unfinished => Some(format!(
            "it ends before the form does, as {:?} after {:?}",
            reply.finish, reply.text
        )),
    })
}

/// The problem of a server that does not hold every form.
fn problem(model: &ModelName, forms: &[FormFinding]) -> Option<String> {
    let broken: Vec<&FormFinding> = forms.iter().filter(|form| !form.held).collect();
    // One line for all of them: the reason is mostly the same.
    let first = broken.first()?;
    let stages: Vec<&str> = broken.iter().map(|form| form.stage).collect();
    Some(format!(
        "the server of model `{model}` does not hold the form of {} of {} stages ({}); {}: {}",
        broken.len(),
        forms.len(),
        stages.join(", "),
        first.stage,
        first.problem.as_deref().unwrap_or("no reply"),
    ))
}

impl ServerFinding {
    pub(super) fn write(&self, text: &mut String) -> fmt::Result {
        let Self { name, url, dialect, model, forms, .. } = self;
        writeln!(text, "  {name:<28} {dialect} at {url}")?;
        let Some((identity, constrains)) = self.identity.as_ref().zip(self.constrains) else {
            return writeln!(text, "    {name}: does not answer");
        };
        let form = if constrains { "held to form" } else { "not held to form" };
        writeln!(text, "    {name}: identity = \"{identity}\"")?;
        writeln!(text, "    {name}: asked as `{model}`, replies {form}")?;
        if self.thinks == Some(true) {
            writeln!(text, "    {name}: thinks: {}", self.about_thoughts())?;
        }
        let held = forms.iter().filter(|form| form.held).count();
        writeln!(text, "    {name}: forms held: {held} of {}", forms.len())?;
        for FormFinding { stage, problem, .. } in forms {
            if let Some(problem) = problem {
                writeln!(text, "    {name}: form of stage {stage} not held: {problem}")?;
            }
        }
        Ok(())
    }

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

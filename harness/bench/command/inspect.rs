//! `inspect`: the whole trail of one candidate or seed item, from its draws to its fate.

mod experience;

use std::fmt::Write as _;
use std::io::Write;

use anyhow::{Context, Result, bail};
use clap::Args;
use gra_synth::adaptive::Experience;
use gra_synth::annotate::AnnotatedSeed;
use gra_synth::candidate::{Candidate, FailedCall, Outcome, ResponseReview};
use gra_synth::committee::DIMENSIONS;
use gra_synth::domain::Domain;
use gra_synth::method::Method;
use gra_synth::pool::ItemId;
use gra_synth::request::ModelName;
use gra_synth::variant::{Instructions, RoleAssignment};

use crate::failure::bad_input;
use crate::finished::TrialSettings;
use crate::long_texts::{self, LongTexts};
use crate::ruling;
use crate::session::GlobalArgs;
use crate::store::{CallRow, Store, TrialId, TrialRow};
use crate::terminal;

/// Said of an instruction that the encoder does not read at once.
const LONG: &str = "instruction longer than the encoder reads at once: compared in windows";

/// Show the whole trail of one candidate or seed item.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gra-bench inspect ablation/gra/seed-42             lists the candidates
  gra-bench inspect ablation/gra/seed-42 r1-00003    draws, prompts, raw replies, scores, rule
  gra-bench inspect ablation/gra/seed-42 r1-00003 --brief")]
pub(crate) struct InspectArgs {
    /// EXPERIMENT/VARIANT/seed-N
    trial: String,
    /// r1-00003 for a candidate, s00012 for a seed item; without it, all candidates are listed.
    subject: Option<String>,
    /// Leave out prompts and raw replies.
    #[arg(long)]
    brief: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &InspectArgs, global: &GlobalArgs) -> Result<()> {
    let store = global.read_store()?;
    let id: TrialId = args.trial.parse()?;
    let trial = store.trial(&id)?;
    let text = match &args.subject {
        None => list(&store, &trial, args.json)?,
        Some(subject) => {
            let parsed = subject.parse::<ItemId>();
            let subject = parsed.map_err(|error| bad_input(error.into()))?;
            trail(&store, &trial, subject, args)?
        }
    };
    terminal::json_or_text(args.json).write_all(text.as_bytes())?;
    Ok(())
}

/// One line per candidate.
fn list(store: &Store, trial: &TrialRow, json: bool) -> Result<String> {
    let candidates = store.candidates(trial.row)?;
    if json {
        return Ok(serde_json::to_string(&candidates)? + "\n");
    }
    let mut text = String::new();
    for candidate in &candidates {
        let scores = candidate.tally().map_or_else(String::new, |tally| {
            format!("mu {:.2} sigma {:.2}", tally.mu(), tally.sigma())
        });
        writeln!(
            text,
            "{:<9} {:<17} {:<9} {scores:<20} {}",
            candidate.id,
            outcome(candidate),
            candidate.domain.map_or("-", Domain::name),
            shortened(candidate.instruction.as_deref().unwrap_or_default(), 60),
        )?;
    }
    let long = LongTexts::of(&candidates, &[]);
    if let Some(note) = long_texts::in_words(&[(&trial.id.variant, long)]) {
        writeln!(text, "\n{note}")?;
    }
    if candidates.is_empty() {
        writeln!(text, "{} has no finished round yet", trial.id)?;
    }
    Ok(text)
}

fn trail(store: &Store, trial: &TrialRow, subject: ItemId, args: &InspectArgs) -> Result<String> {
    let calls = store.calls(trial.row, Some(subject))?;
    let mut text = String::new();
    match subject {
        ItemId::Seed(_) => {
            let seeds = store.seed_items(trial.row, &[subject])?;
            let missing = || format!("{} has no {subject}", trial.id);
            let seed = seeds.first().with_context(missing)?;
            if args.json {
                return Ok(seed.facts.clone() + "\n");
            }
            let facts: AnnotatedSeed = serde_json::from_str(&seed.facts)?;
            writeln!(text, "{} {subject}", trial.id)?;
            block(&mut text, "instruction", &seed.instruction);
            match &facts.annotation {
                Some(annotation) => {
                    writeln!(text, "domain: {}", annotation.domain)?;
                    writeln!(text, "keywords: {}", annotation.keywords.join(", "))?;
                    writeln!(text, "summary: {}", annotation.summary)?;
                }
                None if facts.annotator.is_none() => {
                    writeln!(text, "not annotated: this trial draws no examples")?;
                }
                None => writeln!(text, "not annotated: left out of sampling")?,
            }
            describe_failed(&mut text, &facts.failed)?;
            match &facts.annotator {
                Some(model) => writeln!(text, "annotator: {model}")?,
                None if facts.annotation.is_none() => {}
                None => writeln!(text, "annotation: brought by the seed set")?,
            }
            if facts.long {
                writeln!(text, "{LONG}")?;
            }
        }
        ItemId::Candidate { .. } => {
            let candidates = store.candidates(trial.row)?;
            let Some(candidate) = candidates.iter().find(|candidate| candidate.id == subject)
            else {
                bail!(
                    "{} has no candidate {subject}\nhint: `gra-bench inspect {}` lists them",
                    trial.id,
                    trial.id
                );
            };
            if args.json {
                return Ok(serde_json::to_string(candidate)? + "\n");
            }
            describe(&mut text, store, trial, (candidate, &candidates))?;
        }
    }
    describe_calls(&mut text, store, &calls, args.brief)?;
    Ok(text)
}

fn describe(
    text: &mut String,
    store: &Store,
    trial: &TrialRow,
    (candidate, all): (&Candidate, &[Candidate]),
) -> Result<()> {
    let TrialSettings { method, variant, .. } = trial.read_settings()?;
    let roles = &candidate.roles;
    let names =
        |models: &[ModelName]| models.iter().map(ModelName::as_str).collect::<Vec<_>>().join(", ");
    writeln!(text, "{} {}: {}", trial.id, candidate.id, outcome(candidate))?;
    writeln!(text, "\ndrawn")?;
    if let Some(domain) = candidate.domain {
        writeln!(text, "  domain       {domain}")?;
    }
    writeln!(text, "  generator    {}", roles.generator)?;
    if !roles.reviewers.is_empty() {
        writeln!(text, "  reviewers    {}", names(&roles.reviewers))?;
    }
    if let Some(adjudicator) = &roles.adjudicator {
        writeln!(text, "  adjudicator  {adjudicator}")?;
    }
    let example = match variant.instructions {
        Instructions::New => {
            writeln!(text, "  summariser   {}", roles.summariser)?;
            "example"
        }
        Instructions::Seed => "seed item",
    };
    for id in &candidate.examples {
        let seed = store.seed_items(trial.row, &[*id])?;
        let shown = seed.first().map_or_else(String::new, |seed| shortened(&seed.instruction, 70));
        writeln!(text, "  {example:<12} {id} {shown}")?;
    }
    if variant.roles == RoleAssignment::Adaptive {
        let experience = Experience::before(candidate, all, method.tau);
        experience::describe(text, candidate, &experience)?;
    }
    if !candidate.keywords.is_empty() {
        writeln!(text, "\nkeywords: {}", candidate.keywords.join(", "))?;
        if let Some(written) = &candidate.emitted_domain {
            writeln!(text, "domain as written: {written}")?;
        }
    }
    if let Some(instruction) = &candidate.instruction {
        block(text, "instruction", instruction);
    }
    if !candidate.instruction_reviews.is_empty() {
        writeln!(text, "\ninstruction review (reasonable, complete, clear)")?;
        for review in &candidate.instruction_reviews {
            let bits = review.bits.map(u8::from);
            writeln!(text, "  {:?}  {}", bits, review.reviewer)?;
        }
    }
    if let Some(response) = &candidate.response {
        block(text, "response", response);
    }
    if !candidate.response_reviews.is_empty() {
        writeln!(text, "\nresponse review ({})", DIMENSIONS.join(", "))?;
        for review in &candidate.response_reviews {
            scores(text, review)?;
        }
    }
    describe_decision(text, candidate, &method)?;
    if let Some(nearest) = ruling::nearest(candidate, &method) {
        writeln!(text, "\nnearest: {nearest}")?;
    }
    if candidate.long {
        writeln!(text, "{LONG}")?;
    }
    if let Some(summary) = &candidate.summary {
        writeln!(text, "\nsummary: {summary}")?;
    }
    for reply in &candidate.malformed {
        let (stage, seat, attempt) = (reply.stage, reply.seat, reply.attempt);
        writeln!(
            text,
            "malformed: {stage}, seat {seat}, attempt {attempt}: {}",
            reply.reason.name()
        )?;
    }
    describe_failed(text, &candidate.failed)
}

fn describe_failed(text: &mut String, failed: &[FailedCall]) -> Result<()> {
    for FailedCall { stage, seat, attempt, failure } in failed {
        writeln!(text, "failed: {stage}, seat {seat}, attempt {attempt}: {failure}")?;
    }
    Ok(())
}

/// Scores, rule and adjudicator's word.
fn describe_decision(text: &mut String, candidate: &Candidate, method: &Method) -> Result<()> {
    if let Some(rule) = ruling::committee(candidate, method) {
        writeln!(text, "\n{rule}")?;
    }
    if let Some(word) = &candidate.adjudication {
        writeln!(text, "\nadjudication")?;
        scores(text, word)?;
        writeln!(text, "  {}", ruling::adjudicator(word, method))?;
    }
    Ok(())
}

fn scores(text: &mut String, review: &ResponseReview) -> Result<()> {
    let list: Vec<String> =
        review.scores.values().iter().map(|score| format!("{score:>2}")).collect();
    let (mean, by) = (review.scores.mean(), &review.reviewer);
    let comment = review.comment.as_deref().map(in_one_line);
    let comment = comment.unwrap_or_else(|| "(no comment was needed)".to_owned());
    writeln!(text, "  {}  mean {mean:>5.2}  {by}: {comment}", list.join(" "))?;
    Ok(())
}

fn describe_calls(text: &mut String, store: &Store, calls: &[CallRow], brief: bool) -> Result<()> {
    writeln!(text, "\ncalls")?;
    for call in calls {
        let id = &call.id;
        let thought = store.reply(&call.key)?.map_or(0, |reply| reply.thought_tokens());
        let thought =
            if thought > 0 { format!(" (about {thought} of them thought)") } else { String::new() };
        writeln!(
            text,
            "  {:<18} seat {} attempt {}  {}  {} + {} tokens{thought}  reply {:.12}{}",
            id.stage,
            id.seat,
            id.attempt,
            call.model,
            call.prompt_tokens,
            call.reply_tokens,
            call.key.to_string(),
            if call.shared { "  (shared with an earlier variant)" } else { "" },
        )?;
        let reply = store.reply(&call.key)?;
        if let Some((failure, reply)) = reply.and_then(|reply| Some((reply.failure()?, reply))) {
            writeln!(text, "    failed, {failure}: {}", in_one_line(&reply.text))?;
        }
    }
    if brief {
        return Ok(());
    }
    for call in calls {
        let Some(completion) = store.completion(&call.key)? else { continue };
        writeln!(text, "\n--- {} by {} ---", call.id, call.model)?;
        writeln!(text, "answered by {}", completion.fingerprint)?;
        let sampling = completion.settings.sampling;
        writeln!(
            text,
            "temperature {}, top_p {}, at most {} tokens, seed {}, finish {:?}",
            sampling.temperature,
            sampling.top_p,
            completion.settings.max_tokens,
            completion.settings.seed,
            completion.reply.finish
        )?;
        block(text, "prompt", &completion.prompt);
        let answered = completion.reply.failure().is_none();
        let title = if answered { "raw reply" } else { "no reply; the engine said" };
        block(text, title, &completion.reply.text);
    }
    Ok(())
}

fn outcome(candidate: &Candidate) -> String {
    match candidate.outcome {
        Some(Outcome::Malformed { stage }) => format!("malformed {stage}"),
        Some(Outcome::Failed { stage }) => {
            let why = candidate.failed.iter().find(|call| call.stage == stage);
            why.map_or_else(
                || format!("failed {stage}"),
                |call| format!("failed {stage}: {}", call.failure),
            )
        }
        Some(outcome) => outcome.name().to_owned(),
        None => "under way".to_owned(),
    }
}

/// A text under a title, indented.
fn block(text: &mut String, title: &str, body: &str) {
    // Writing to a string cannot fail.
    let _ = write!(text, "\n{title}\n");
    for line in body.lines() {
        let _ = writeln!(text, "  | {line}");
    }
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn shortened(text: &str, length: usize) -> String {
    let line = in_one_line(text);
    if line.chars().count() <= length {
        return line;
    }
    line.chars().take(length - 2).chain("..".chars()).collect()
}

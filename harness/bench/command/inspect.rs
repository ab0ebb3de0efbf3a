//! `inspect`: the whole trail of one candidate or seed item, from its draws to its fate.

use std::fmt::{self, Write as _};
use std::io::Write;

use anyhow::{Result, anyhow};
use clap::Args;
use gra_analysis::foreign_text::plain;
use gra_paper::grid::{self, Align};
use gra_synth::annotate::AnnotatedSeed;
use gra_synth::candidate::{Candidate, FailedCall, MalformedReply, Outcome, ResponseReview};
use gra_synth::committee::{DIMENSIONS, Decision, Tally};
use gra_synth::domain::Domain;
use gra_synth::pool::{Annotation, ItemId};
use gra_synth::request::{ModelName, RequestId};
use gra_synth::roles::{Agreement, Count, Experience};
use gra_synth::variant::{Instructions, RoleAssignment, Variant};
use serde::Serialize;

use crate::failure::bad_input;
use crate::publish::LongTexts;
use crate::session::GlobalArgs;
use crate::store::{SeedRow, Store};
use crate::terminal;
use crate::trail::{Trail, TrailCall, TrailReader};
use crate::trial::stored::StoredTrial;

/// Said of an instruction that the encoder does not read at once.
const LONG: &str = "instruction longer than the encoder reads at once, or in letters that it does not know: \
                    compared in windows";

/// Fewest and most characters of an instruction in a list.
const NARROWEST: usize = 20;
const WIDEST: usize = 100;

/// Show the whole trail of one candidate or seed item.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gra-bench inspect ablation/gra/seed-42             lists the candidates
  gra-bench inspect ablation/gra/seed-42 r1-00003    draws, prompts, raw replies, scores, rule
  gra-bench inspect ablation/gra/seed-42 r1-00003 --brief
  gra-bench inspect data/ --outcome disputed --domain Math")]
pub(crate) struct InspectArgs {
    /// EXPERIMENT/VARIANT/seed-N, or a folder that `synth` made
    pub(super) trial: String,
    /// r1-00003 for a candidate, s00012 for a seed item; without it, all candidates are listed.
    subject: Option<String>,
    /// List only candidates that ended so (accepted, rejected, vetoed, duplicate, ...), or that were disputed.
    #[arg(long, value_name = "OUTCOME", conflicts_with = "subject", value_parser = OUTCOMES)]
    outcome: Option<String>,
    /// List only candidates of this domain.
    #[arg(long, value_name = "DOMAIN", conflicts_with = "subject", value_parser = domain)]
    domain: Option<Domain>,
    /// Leave out prompts and raw replies.
    #[arg(long)]
    brief: bool,
    /// Print JSON: the facts of every candidate, or the whole trail of one and of those that are picked.
    #[arg(long)]
    json: bool,
}

/// What `--outcome` takes: the names of outcomes, and of one way to get there.
const OUTCOMES: [&str; 11] = [
    "accepted",
    "disputed",
    "rejected",
    "adjudicated-out",
    "voted-out",
    "vetoed",
    "duplicate",
    "surplus",
    "malformed",
    "repeated-keywords",
    "failed",
];

fn domain(text: &str) -> Result<Domain, String> {
    let names = || Domain::ALL.map(Domain::name).join(", ");
    Domain::parse(text).ok_or_else(|| format!("the domains are {}", names()))
}

impl InspectArgs {
    fn picks(&self) -> bool {
        self.outcome.is_some() || self.domain.is_some()
    }

    fn is_picked(&self, candidate: &Candidate) -> bool {
        let ended = |wanted: &str| match wanted {
            "disputed" => candidate.decision == Some(Decision::Dispute),
            wanted => candidate.outcome.is_some_and(|outcome| outcome.name() == wanted),
        };
        self.outcome.as_deref().is_none_or(ended)
            && self.domain.is_none_or(|domain| candidate.domain == Some(domain))
    }
}

pub(crate) fn run(args: &InspectArgs, global: &GlobalArgs) -> Result<()> {
    let store = global.read_store()?;
    let trial = StoredTrial::open(&store, &args.trial.parse()?)?;
    let text = match &args.subject {
        None => list(&store, &trial, args)?,
        Some(subject) => {
            let subject = subject.parse::<ItemId>().map_err(bad_input)?;
            one(&store, &trial, subject, args)?
        }
    };
    if args.json {
        return Ok(terminal::json_or_text(true).write_all(text.as_bytes())?);
    }
    Ok(terminal::page(&text)?)
}

/// One line per candidate.
fn list(store: &Store, trial: &StoredTrial, args: &InspectArgs) -> Result<String> {
    let mut candidates = store.candidates(trial.row)?;
    let all = candidates.len();
    candidates.retain(|candidate| args.is_picked(candidate));
    if args.json && args.picks() {
        let mut reader = TrailReader::new(store, trial, !args.brief);
        let trails = candidates.into_iter().map(|candidate| reader.read(candidate));
        return line(&trails.collect::<Result<Vec<Trail>>>()?);
    }
    if args.json {
        return line(&candidates);
    }
    // A table without rows would be a line of titles.
    let mut text = if candidates.is_empty() { String::new() } else { table(&candidates) };
    let long = LongTexts::of(&candidates, &[]);
    if let Some(note) = LongTexts::in_words([(trial.id().variant.as_str(), long)]) {
        writeln!(text, "\n{note}")?;
    }
    if args.picks() {
        writeln!(text, "{} of {all} candidates", candidates.len())?;
    }
    if all == 0 {
        writeln!(text, "{} has no finished round yet", trial.id())?;
    }
    Ok(text)
}

/// JSON in a line.
fn line(value: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string(value)? + "\n")
}

/// A row for each candidate; its instruction takes what the others leave of the terminal.
fn table(candidates: &[Candidate]) -> String {
    let column = |title: &str, align: Align, cell: &dyn Fn(&Candidate) -> String| {
        terminal::column(title, align, candidates, |one| Some(cell(one)))
    };
    let score = |value: fn(Tally) -> f64| {
        move |one: &Candidate| {
            one.tally().map_or_else(String::new, |tally| format!("{:.2}", value(tally)))
        }
    };
    let domain = |one: &Candidate| one.domain.map_or("-", Domain::name).to_owned();
    let mut columns = vec![
        column("", Align::Left, &|one| one.id.to_string()),
        column("outcome", Align::Left, &outcome),
        column("domain", Align::Left, &domain),
        column("mu", Align::Right, &score(Tally::mu)),
        column("sigma", Align::Right, &score(Tally::sigma)),
    ];
    // The width of the other columns is known once they are laid out.
    let taken = grid::terminal(&columns).lines().map(|line| line.chars().count()).max();
    let room = grid::line_width().saturating_sub(taken.unwrap_or(0) + 2).clamp(NARROWEST, WIDEST);
    columns.push(column("instruction", Align::Left, &|one| {
        shortened(&plain(one.instruction.as_deref().unwrap_or_default()), room)
    }));
    grid::terminal(&columns)
}

/// A seed item or a candidate, with its calls.
fn one(store: &Store, trial: &StoredTrial, subject: ItemId, args: &InspectArgs) -> Result<String> {
    let id = trial.id();
    let mut reader = TrailReader::new(store, trial, !args.brief);
    let mut text = String::new();
    let calls = match subject {
        ItemId::Seed(_) => {
            let seed = store.seed_item(trial.row, subject)?;
            let seed = seed.ok_or_else(|| bad_input(anyhow!("{id} has no {subject}")))?;
            if args.json {
                return line(&seed.annotated);
            }
            writeln!(text, "{id} {subject}")?;
            describe_seed(&mut text, &seed)?;
            reader.calls(subject)?
        }
        ItemId::Candidate { .. } => {
            let candidate = store.candidate(trial.row, subject)?.ok_or_else(|| {
                bad_input(anyhow!(
                    "{id} has no candidate {subject}\nhint: `gra-bench inspect {id}` lists them"
                ))
            })?;
            let trail = reader.read(candidate)?;
            if args.json {
                return line(&trail);
            }
            writeln!(text, "{id} {subject}: {}", outcome(&trail.candidate))?;
            let variant = &trial.record.settings.variant;
            describe_draws(&mut text, &trail, variant)?;
            if variant.roles == RoleAssignment::Adaptive {
                // Roles were drawn from what earlier waves and rounds had shown of the models.
                let all = store.candidates(trial.row)?;
                let tau = trial.record.settings.method.tau;
                let known = Experience::before(&trail.candidate, &all, tau);
                describe_known(&mut text, &trail.candidate, &known)?;
            }
            describe(&mut text, &trail)?;
            trail.calls
        }
    };
    describe_calls(&mut text, &calls, args.brief)?;
    Ok(text)
}

fn describe_seed(text: &mut String, seed: &SeedRow) -> fmt::Result {
    let AnnotatedSeed { annotator, annotation, long, failed, .. } = &seed.annotated;
    block(text, "instruction", &seed.instruction)?;
    match annotation {
        Some(Annotation { domain, keywords, summary }) => {
            let keywords = keywords.join(", ");
            writeln!(text, "domain: {domain}\nkeywords: {keywords}\nsummary: {summary}")?;
        }
        // No model was asked: the seed set's own instructions are answered.
        None if annotator.is_none() => {
            writeln!(text, "not annotated: this trial draws no examples")?;
        }
        None => writeln!(text, "not annotated: left out of sampling")?,
    }
    describe_failed(text, failed)?;
    match annotator {
        Some(model) => writeln!(text, "annotator: {model}")?,
        None if annotation.is_none() => {}
        None => writeln!(text, "annotation: brought by the seed set")?,
    }
    if *long { writeln!(text, "{LONG}") } else { Ok(()) }
}

/// What was drawn before any model was asked.
fn describe_draws(text: &mut String, trail: &Trail, variant: &Variant) -> fmt::Result {
    let Candidate { domain, roles, .. } = &trail.candidate;
    let is_new = variant.instructions == Instructions::New;
    let names: Vec<&str> = roles.reviewers.iter().map(ModelName::as_str).collect();
    writeln!(text, "\ndrawn")?;
    for (role, drawn) in [
        ("domain", domain.map(Domain::name)),
        ("generator", Some(roles.generator.as_str())),
        ("reviewers", Some(names.join(", ").as_str()).filter(|names| !names.is_empty())),
        ("adjudicator", roles.adjudicator.as_ref().map(ModelName::as_str)),
        ("summariser", is_new.then_some(roles.summariser.as_str())),
    ] {
        if let Some(drawn) = drawn {
            writeln!(text, "  {role:<12} {drawn}")?;
        }
    }
    let example = if is_new { "example" } else { "seed item" };
    for item in &trail.examples {
        let shown = item.instruction.as_ref().map(|instruction| shortened(instruction, 70));
        writeln!(text, "  {example:<12} {} {}", item.id, shown.unwrap_or_default())?;
    }
    Ok(())
}

/// Each model's record in earlier waves and rounds, in the order of its roles.
fn describe_known(text: &mut String, candidate: &Candidate, known: &Experience) -> fmt::Result {
    let roles = &candidate.roles;
    let drawn = std::iter::once(&roles.generator).chain(&roles.reviewers).chain(&roles.adjudicator);
    let domain = candidate.domain.map_or("any domain", Domain::name);
    writeln!(text, "\nwhat was known of them ({domain}; agreed with the rest of the committee)")?;
    let share = |Count { yes, no }: Count| format!("{yes} of {}", yes + no);
    for model in drawn {
        let passed = share(known.generated(model, candidate.domain));
        let Agreement { passing, failing } = known.judged(model);
        let (passing, failing) = (share(passing), share(failing));
        writeln!(
            text,
            "  {model:<20} passed {passed}, agreed {passing} when it let pass, {failing} when not"
        )?;
    }
    Ok(())
}

/// What was written, said and decided, in the order of the method.
fn describe(text: &mut String, trail: &Trail) -> fmt::Result {
    let candidate = &trail.candidate;
    if !candidate.keywords.is_empty() {
        writeln!(text, "\nkeywords: {}", candidate.keywords.join(", "))?;
        if let Some(written) = &candidate.emitted_domain {
            writeln!(text, "domain as written: {written}")?;
        }
    }
    if let Some(instruction) = &candidate.instruction {
        block(text, "instruction", instruction)?;
    }
    if !candidate.instruction_reviews.is_empty() {
        writeln!(text, "\ninstruction review (reasonable, complete, clear)")?;
        for review in &candidate.instruction_reviews {
            writeln!(text, "  {:?}  {}", review.bits.map(u8::from), review.reviewer)?;
        }
    }
    if let Some(response) = &candidate.response {
        block(text, "response", response)?;
    }
    if !candidate.response_reviews.is_empty() {
        writeln!(text, "\nresponse review ({})", DIMENSIONS.join(", "))?;
        for review in &candidate.response_reviews {
            describe_scores(text, review)?;
        }
    }
    describe_decision(text, trail)?;
    if candidate.long {
        writeln!(text, "{LONG}")?;
    }
    if let Some(summary) = &candidate.summary {
        writeln!(text, "\nsummary: {summary}")?;
    }
    for MalformedReply { stage, seat, attempt, reason } in &candidate.malformed {
        writeln!(text, "malformed: {stage}, seat {seat}, attempt {attempt}: {reason}")?;
    }
    describe_failed(text, &candidate.failed)
}

/// The rules that settled the candidate, with what the adjudicator said.
fn describe_decision(text: &mut String, trail: &Trail) -> fmt::Result {
    if let Some(rule) = &trail.committee_rule {
        writeln!(text, "\n{rule}")?;
    }
    let adjudication = trail.candidate.adjudication.as_ref();
    if let Some((word, rule)) = adjudication.zip(trail.adjudicator_rule.as_ref()) {
        writeln!(text, "\nadjudication")?;
        describe_scores(text, word)?;
        writeln!(text, "  {rule}")?;
    }
    trail.nearest_rule.iter().try_for_each(|rule| writeln!(text, "\nnearest: {rule}"))
}

fn describe_failed(text: &mut String, failed: &[FailedCall]) -> fmt::Result {
    for FailedCall { stage, seat, attempt, failure } in failed {
        writeln!(text, "failed: {stage}, seat {seat}, attempt {attempt}: {failure}")?;
    }
    Ok(())
}

fn describe_scores(text: &mut String, review: &ResponseReview) -> fmt::Result {
    let list: Vec<String> =
        review.scores.values().iter().map(|score| format!("{score:>2}")).collect();
    let (mean, by) = (review.scores.mean(), &review.reviewer);
    let comment = review.comment.as_deref().map(in_one_line);
    let comment = comment.unwrap_or_else(|| "(no comment was needed)".to_owned());
    writeln!(text, "  {}  mean {mean:>5.2}  {by}: {comment}", list.join(" "))
}

/// The calls in a line each, and unless it is to be brief every prompt and reply.
fn describe_calls(text: &mut String, calls: &[TrailCall], brief: bool) -> fmt::Result {
    writeln!(text, "\ncalls")?;
    for TrailCall { id, model, prompt_tokens, reply_tokens, shared, key, reply } in calls {
        let RequestId { stage, seat, attempt, .. } = id;
        let thought = match reply.as_ref().map_or(0, |reply| reply.thought_tokens) {
            0 => String::new(),
            thought => format!(" (about {thought} of them thought)"),
        };
        let shared = if *shared { "  (shared with an earlier variant)" } else { "" };
        writeln!(
            text,
            "  {stage:<18} seat {seat} attempt {attempt}  {model}  {prompt_tokens} + {reply_tokens} tokens{thought}  \
             reply {key}{shared}"
        )?;
        if let Some(reply) = reply
            && let Some(failure) = &reply.failure
        {
            writeln!(text, "    failed, {failure}: {}", in_one_line(&reply.text))?;
        }
    }
    if brief {
        return Ok(());
    }
    // Below the list, because a prompt fills a screen.
    for TrailCall { id, model, reply, .. } in calls {
        let Some(reply) = reply else { continue };
        writeln!(text, "\n--- {id} by {model} ---")?;
        writeln!(text, "answered by {}", reply.fingerprint)?;
        writeln!(
            text,
            "temperature {}, top_p {}, at most {} tokens, seed {}, finish {}",
            reply.temperature, reply.top_p, reply.max_tokens, reply.seed, reply.finish
        )?;
        block(text, "prompt", reply.prompt.as_deref().unwrap_or_default())?;
        let title = if reply.failure.is_some() { "no reply; the engine said" } else { "raw reply" };
        block(text, title, &reply.text)?;
    }
    Ok(())
}

fn outcome(candidate: &Candidate) -> String {
    match candidate.outcome {
        Some(Outcome::Malformed { stage }) => format!("malformed {stage}"),
        // The reason is with the call that ended the candidate.
        Some(Outcome::Failed { stage }) => {
            match candidate.failed.iter().find(|call| call.stage == stage) {
                Some(call) => format!("failed {stage}: {}", call.failure),
                None => format!("failed {stage}"),
            }
        }
        Some(outcome) => outcome.name().to_owned(),
        None => "under way".to_owned(),
    }
}

/// A text under a title, indented.
fn block(text: &mut String, title: &str, body: &str) -> fmt::Result {
    writeln!(text, "\n{title}")?;
    body.lines().try_for_each(|line| writeln!(text, "  | {line}"))
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

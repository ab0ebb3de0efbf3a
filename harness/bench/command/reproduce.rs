//! `reproduce`: the whole story in one command, from seeds to the paper's tables.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;

use anyhow::{Context, Result};
use clap::{Args, Parser};
use gra_downstream::evaluation::Suite;
use gra_downstream::evaluation::suite::Scope;
use gra_files::write_atomic;
use serde_json::json;

use super::plan::{self, Plan};
use super::{Cli, Verb};
use crate::answering::Interrupted;
use crate::scale::{ReproductionScale, ReproductionStage, StageCommand};
use crate::session::{GlobalArgs, stop_flag};
use crate::{experiment, terminal};

/// Run the whole story: data, training, evaluation, tables, figures, claims and reports.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gra-bench reproduce --scale smoke               # half an hour of CPU time, with engines installed
  gra-bench reproduce --scale paper --dry-run     # what it takes, with the paper's seed sets here
  gra-bench reproduce --scale laptop --only run,export

It gives the commands that --dry-run lists, one after the other. What is finished is not done again,
so the same command goes on where it was interrupted; a stage that was done elsewhere is taken from
the results folder. Trainings on a cluster: the list's `train` commands with --emit-only, then
`gra-bench train import`.")]
pub(crate) struct ReproduceArgs {
    /// `smoke`, `laptop`, `paper`, or a TOML file of your own.
    #[arg(long, value_name = "SCALE")]
    scale: String,
    /// Only these stages, separated by commas.
    #[arg(long, value_name = "STAGES", value_delimiter = ',')]
    only: Vec<ReproductionStage>,
    /// List the commands and what they take, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// With --dry-run: print JSON.
    #[arg(long, requires = "dry_run")]
    json: bool,
}

pub(crate) fn run(args: &ReproduceArgs, global: &GlobalArgs) -> Result<()> {
    let scale = ReproductionScale::read(&args.scale)?;
    let name = experiment::stem(args.scale.as_ref());
    let mut commands = scale.commands(&name, global)?;
    commands.retain(|command| args.only.is_empty() || args.only.contains(&command.stage));
    if args.dry_run {
        return price(args, &scale, &commands, global);
    }
    // Ctrl-C reaches the command that is under way, which saves what it has; this one ends after it.
    let stop = stop_flag()?;
    let of = commands.len();
    for (number, command) in commands.iter().enumerate() {
        terminal::say(&format!("[{} of {of}] gra-bench {}", number + 1, command.shown()));
        let status = command.start(global)?;
        if stop.load(Ordering::Relaxed) || status == Some(130) {
            terminal::say("to go on, give the same command again");
            return Err(Interrupted.into());
        }
        if status != Some(0) {
            terminal::say("to go on after it is mended, give the same command again");
            // It has said what is wrong, and its exit code tells scripts the same.
            std::process::exit(status.unwrap_or(1));
        }
    }
    let out = global.results().join("reproduce").join(&name);
    Ok(writeln!(terminal::stdout(), "{}", out.display())?)
}

impl StageCommand {
    /// Its words as a shell takes them.
    fn shown(&self) -> String {
        let words: Vec<String> = self.words.iter().map(|word| terminal::shell_word(word)).collect();
        words.join(" ")
    }

    /// Runs it, and gives its exit code; `None` where a signal ended it. A file gets the output of a command that
    /// succeeded: one that failed leaves the file as it was.
    fn start(&self, global: &GlobalArgs) -> Result<Option<i32>> {
        const CANNOT: &str = "cannot run gra-bench itself";
        let program = std::env::current_exe().context("cannot tell where gra-bench is")?;
        let mut command = Command::new(program);
        // The list shows commands without these; all of them work on the results of this one.
        command.args(&self.words);
        command.arg("--results").arg(global.results());
        command.arg("--store").arg(global.store_path());
        command.arg("--models").arg(&global.models);
        let Some(path) = &self.into else { return Ok(command.status().context(CANNOT)?.code()) };
        // What it has to say of its errors goes where this one's goes.
        let done = command.stderr(Stdio::inherit()).output().context(CANNOT)?;
        if done.status.success() {
            write_atomic(path, &done.stdout)?;
        }
        Ok(done.status.code())
    }
}

/// Floating-point operations that a training takes per parameter and token (Kaplan et al. 2020, section 2.1).
const OPERATIONS_PER_TOKEN: f64 = 6.0;

/// Tokens of a sample, for an estimate: about those of Alpaca's and `WizardLM`'s mean.
const TOKENS_PER_SAMPLE: f64 = 400.0;

/// What an H100 makes of 16-bit operations in training: 40% of its peak, per hour.
const OPERATIONS_PER_GPU_HOUR: f64 = 0.4 * 989e12 * 3600.0;

/// Bytes of a trained model with its GGUF file, per parameter.
const BYTES_PER_PARAMETER: f64 = 4.0;

/// Says which commands there are and what they take.
fn price(
    args: &ReproduceArgs,
    scale: &ReproductionScale,
    commands: &[StageCommand],
    global: &GlobalArgs,
) -> Result<()> {
    #[expect(clippy::cast_precision_loss, reason = "a few seeds")]
    let seeds = scale.training.seeds.len() as f64;
    let (plans, trained_samples) = plans(commands, global);
    // Least and most, over all experiments; what a plan does not know counts as nothing.
    let sum = |of: fn(&Plan) -> [f64; 2]| {
        plans.iter().map(of).fold([0.0, 0.0], |sum, one| [sum[0] + one[0], sum[1] + one[1]])
    };
    let calls = sum(|plan| plan.calls.floats());
    let tokens = sum(|plan| plan.reply_tokens.floats());
    let hours = sum(|plan| plan.hours.unwrap_or_default().into());
    let suite = Suite::named(&scale.evaluation.suite)?;
    let count = |stage| commands.iter().filter(|command| command.stage == stage).count();
    #[expect(clippy::cast_precision_loss, reason = "estimates")]
    let (trainings, evaluations, items) = (
        count(ReproductionStage::Train) as f64 * seeds,
        count(ReproductionStage::Eval) as f64,
        suite.scopes.iter().map(Scope::expected_items).sum::<u64>() as f64,
    );
    let operations =
        seeds * trained_samples * TOKENS_PER_SAMPLE * OPERATIONS_PER_TOKEN * scale.parameters;
    let gpu_hours = operations / OPERATIONS_PER_GPU_HOUR;
    let gigabytes = trainings * scale.parameters * BYTES_PER_PARAMETER / 1e9;
    let requests = evaluations * items;
    let mut out = terminal::json_or_text(args.json);
    if args.json {
        let document = json!({
            "commands": commands,
            "run": { "calls": calls, "reply_tokens": tokens, "hours": hours },
            "train": { "trainings": trainings, "gpu_hours": gpu_hours, "disk_gigabytes": gigabytes },
            "eval": { "evaluations": evaluations, "requests": requests },
        });
        return Ok(writeln!(out, "{document:#}")?);
    }
    for command in commands {
        let into = command.into.as_ref().map(|path| format!(" > {}", terminal::shell_path(path)));
        writeln!(out, "gra-bench {}{}", command.shown(), into.unwrap_or_default())?;
    }
    let ([few, many], [least, most], [from, to]) = (calls, tokens.map(|sum| sum / 1e6), hours);
    Ok(writeln!(
        out,
        "\nData:        {few:.0} to {many:.0} calls, {least:.2} to {most:.2} million reply tokens, {from:.1} to {to:.1} \
         hours here (gra-bench plan)\n\
         Training:    {trainings:.0} trainings, about {gpu_hours:.1} hours of an H100 at 40% of its peak, for \
         {TOKENS_PER_SAMPLE:.0} tokens a sample;\n             {gigabytes:.0} GB of models\n\
         Evaluation:  {evaluations:.0} evaluations of {items:.0} items, {requests:.0} requests"
    )?)
}

/// What `plan` says of every run, and the samples that the trainings of one seed are on.
fn plans(commands: &[StageCommand], global: &GlobalArgs) -> (Vec<Plan>, f64) {
    let (mut plans, mut samples, mut trained) = (Vec::new(), 0.0, 0.0);
    for command in commands {
        match command.stage {
            ReproductionStage::Run => {
                let of_run = plan(command, global);
                // Fewest candidates are as many as the rounds want samples.
                samples = of_run.first().map_or(0.0, Plan::fewest_candidates);
                plans.extend(of_run);
            }
            // Trainings on an experiment's data follow its run.
            ReproductionStage::Train => trained += samples,
            _ => {}
        }
    }
    (plans, trained)
}

/// What `plan` says of an experiment that a command runs, for each of its seed sets.
fn plan(run: &StageCommand, global: &GlobalArgs) -> Vec<Plan> {
    // The arguments of `run` are those of `plan`.
    let words = ["gra-bench", "plan"].into_iter();
    match Cli::try_parse_from(words.chain(run.words[1..].iter().map(String::as_str))) {
        // An experiment that cannot be planned is told of when it is run.
        Ok(Cli { verb: Verb::Plan(args), .. }) => plan::plans(&args, global).unwrap_or_default().1,
        _ => Vec::new(),
    }
}

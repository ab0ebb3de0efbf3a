//! `calibrate`: whether the models of a pool can review, before a night of computing is spent on them.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Args, Command, FromArgMatches};
use gra_analysis::figure::font::Fonts;
use gra_analysis::foreign_text::CsvWriter;
use gra_analysis::reviewers::calibration::Rating;
use gra_analysis::reviewers::calibration::table::{self, Rated};
use gra_llm::model_pool::{ModelPool, PoolModel};
use gra_synth::committee::Thousandths;
use gra_synth::method::{Method, ReviewForm};
use gra_synth::request::ScoreReading;

use super::pretty;
use super::stats::{as_judge, measures, member};
use crate::calibration::{
    self, Calibration, CalibrationItem, CalibrationRecord, RaterRecord, Reviewed,
};
use crate::experiment::{self, PromptFiles};
use crate::failure::bad_input;
use crate::session::{GlobalArgs, Session, engine_settings};
use crate::store::Store;
use crate::{builtin, publish, terminal};
use gra_files::write_atomic;

/// Measure whether the models of a pool can review, on texts whose quality is known.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gra-bench calibrate
  gra-bench calibrate --pool my-pool.toml --per-domain 5
  gra-bench calibrate --pool my-pool.toml --prompts my-prompts --score-reading expected
  gra-bench calibrate --pool my-pool.toml --set my-texts.jsonl --json

For every model and every committee size: how often a good response scores above a faulty one (AUC),
what tau lets pass, and which instructions pass. Run it before a long run: `run` warns of models
that failed it. What models say is kept in the store: a calibration that was interrupted goes on
when the same command is given again.")]
pub(crate) struct CalibrateArgs {
    /// The model pool.
    #[arg(long, value_name = "FILE", default_value = "experiments/pools/demo.toml")]
    pool: PathBuf,
    /// Only these models of the pool, teachers too, separated by commas [default: all members].
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    raters: Vec<String>,
    /// The calibration set: JSON Lines with versions of an instruction and responses of known quality.
    #[arg(long, value_name = "FILE", default_value = "experiments/calibration/starter.jsonl")]
    set: PathBuf,
    /// Only the first N items of each domain: quicker, with wider intervals.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    per_domain: Option<u16>,
    /// The prompt templates; 6 and 8 are used.
    #[arg(long, value_name = "DIR", default_value = "experiments/prompts")]
    prompts: PathBuf,
    /// The threshold that scores are held against.
    #[arg(long, value_name = "SCORE", default_value_t = 8.0, value_parser = super::score)]
    tau: f64,
    /// How scores are read: as they are written, or as the mean over all that could stand there.
    #[arg(long, value_name = "READING", default_value = "sampled", value_parser = ["sampled", "expected"])]
    score_reading: String,
    /// The form of a reply: bare scores first, scores with the names of their criteria, or the comment first.
    #[arg(long, value_name = "FORM", default_value = "scores-first",
          value_parser = ["scores-first", "named", "comment-first"])]
    review_form: String,
    /// Show the example scores of Prompt 8 in one of six orders, drawn with each call.
    #[arg(long)]
    rotate_examples: bool,
    /// Let the models answer freely, and count what cannot be read.
    #[arg(long)]
    free: bool,
    /// Seed of the models' sampling and of the intervals.
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// Threads of llama.cpp [default: all cores].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Folder to write to [default: calibration/POOL in the results folder, where `run` looks for it].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl CalibrateArgs {
    /// `calibrate --pool POOL --per-domain N`.
    pub(super) fn brief(pool: &Path, per_domain: u16) -> Result<Self> {
        // By way of the parser, so that all other options have their defaults.
        let per_domain = per_domain.to_string();
        let typed = [OsStr::new("calibrate"), OsStr::new("--per-domain"), OsStr::new(&per_domain)];
        let typed = typed.into_iter().chain([OsStr::new("--pool"), pool.as_os_str()]);
        let matches = Self::augment_args(Command::new("calibrate")).try_get_matches_from(typed)?;
        Ok(Self::from_arg_matches(&matches)?)
    }
}

pub(crate) fn run(args: &CalibrateArgs, global: &GlobalArgs) -> Result<()> {
    let calibrated = calibrate(args, global)?;
    let text = if args.json { pretty(&calibrated.json()?)? } else { calibrated.text() };
    Ok(terminal::json_or_text(args.json).write_all(text.as_bytes())?)
}

/// A calibration as it was written.
pub(super) struct Calibrated {
    record: CalibrationRecord,
    rated: Vec<Rated>,
    folder: PathBuf,
}

/// Has the models of a pool review texts of known quality, and writes what was found.
pub(super) fn calibrate(args: &CalibrateArgs, global: &GlobalArgs) -> Result<Calibrated> {
    let pool = builtin::read_pool(&args.pool, &global.models)?;
    let raters = raters(&pool, &args.raters)?;
    let items = calibration::load(&args.set, args.per_domain.map(usize::from))?;
    let prompts = PromptFiles::read(&args.prompts)?;
    let method = method(args).map_err(bad_input)?;
    publish::check_writable(global.results())?;
    let store = Store::open(&global.store_path())?;
    let calibration = Calibration {
        items: &items,
        prompts: &prompts.set,
        method: &method,
        reading: match args.score_reading.as_str() {
            "expected" => ScoreReading::Expected,
            _ => ScoreReading::Sampled,
        },
        run_seed: args.seed,
    };
    let session = Session::start(global, store, &pool, &engine_settings(args.threads))?;
    // Model after model, so that each is loaded once.
    let (fingerprints, reviewed) = session.ask(experiment::default_chunk(), |answering| {
        let names = raters.iter().map(|model| &model.name);
        let fingerprints: Vec<String> =
            names.map(|name| answering.engine().fingerprint(name)).collect::<Result<_, _>>()?;
        let reviewed = raters.iter().map(|model| calibration.review(&as_judge(model), answering));
        Ok((fingerprints, reviewed.collect::<Result<Vec<Reviewed>>>()?))
    })?;
    // Of each size all committees that these models can form are rated together.
    let sizes: Vec<usize> = (2..=raters.len()).collect();
    let rated = calibration::rate(&reviewed, &sizes, args.tau);
    // Committees come behind the models, and have no fingerprint of their own.
    let fingerprints = fingerprints.iter().map(String::as_str).chain(std::iter::repeat(""));
    let mut record = CalibrationRecord {
        pool: pool.name.clone(),
        prompts_sha256: prompts.sha256,
        tau: args.tau,
        items: items.len(),
        raters: rated.iter().zip(fingerprints).map(|(of, at)| RaterRecord::of(of, at)).collect(),
    };
    for (of, reviewed) in record.raters.iter_mut().zip(&reviewed) {
        of.failed_calls = reviewed.failed_calls;
    }
    let folder =
        args.out.clone().unwrap_or_else(|| CalibrationRecord::folder(global.results(), &pool.name));
    write(&folder, &record, &items, &reviewed, &rated)?;
    Ok(Calibrated { record, rated, folder })
}

impl Calibrated {
    /// The record with every estimate.
    pub(super) fn json(&self) -> Result<serde_json::Value> {
        let mut value = serde_json::to_value(&self.record)?;
        value["measures"] = measures(&table::measures(&self.rated));
        Ok(value)
    }

    /// The tables, who cannot review, and where the rest is.
    pub(super) fn text(&self) -> String {
        let mut text = table::terminal(&self.rated, self.record.tau);
        text.push('\n');
        for of in &self.record.raters {
            let words: Vec<&str> = of.weaknesses.iter().map(|weakness| weakness.words()).collect();
            let verdict = if words.is_empty() { "can review".to_owned() } else { words.join("; ") };
            let threshold = of.tau_of_precision_90;
            let threshold = threshold.map(|tau| format!(" (precision 0.9 from tau {tau:.2})"));
            let _ = writeln!(text, "{}: {verdict}{}", of.rater, threshold.unwrap_or_default());
            if of.failed_calls > 0 {
                let _ = writeln!(
                    text,
                    "{}: {} of its calls failed and count as malformed here; the same command asks them again",
                    of.rater, of.failed_calls
                );
            }
        }
        text.push('\n');
        for (what, name) in [
            ("Table:  ", "calibration.md"),
            ("Figure: ", "calibration.svg"),
            ("Reviews:", "reviews.csv"),
        ] {
            let _ = writeln!(text, "{what} {}", self.folder.join(name).display());
        }
        text
    }
}

/// The models that are asked: those named, or the pool's members.
fn raters<'a>(pool: &'a ModelPool, names: &[String]) -> Result<Vec<&'a PoolModel>> {
    if names.is_empty() {
        return Ok(pool.models.iter().collect());
    }
    names.iter().map(|name| member(pool, name)).collect()
}

fn method(args: &CalibrateArgs) -> Result<Method> {
    let tau = Thousandths::try_from(args.tau).context("--tau")?;
    let review_form = match args.review_form.as_str() {
        "named" => ReviewForm::Named,
        "comment-first" => ReviewForm::CommentFirst,
        _ => ReviewForm::ScoresFirst,
    };
    // An expected score is the mean over the digits that the form allows at its place.
    ensure!(
        !(args.free && args.score_reading == "expected"),
        "expected scores need replies of a form\nhint: leave out --free, or --score-reading expected"
    );
    let mut method = Method {
        tau,
        review_form,
        rotate_examples: args.rotate_examples,
        constrained: !args.free,
        ..Method::default()
    };
    // A free reply may take as many tokens as a response; a review needs no more than a comment and its frame.
    method.limits.response = 256;
    method.check()?;
    Ok(method)
}

fn write(
    folder: &Path,
    record: &CalibrationRecord,
    items: &[CalibrationItem],
    reviewed: &[Reviewed],
    rated: &[Rated],
) -> Result<()> {
    let measures = table::measures(rated);
    let mut csv = Vec::new();
    measures.write_csv(&mut csv)?;
    write_atomic(&folder.join("calibration.csv"), &csv)?;
    write_atomic(&folder.join("calibration.md"), measures.markdown().as_bytes())?;
    write_atomic(&folder.join("reviews.csv"), &reviews_csv(items, reviewed)?)?;
    let figure = table::figure(&record.pool, record.items, rated)?;
    write_atomic(&folder.join("calibration.svg"), figure.svg.as_bytes())?;
    write_atomic(&folder.join("calibration.png"), &figure.png(&Fonts::bundled())?)?;
    // Last: `run` takes a record for a calibration that is whole.
    record.write(folder)
}

/// What every model said of every text; `written` beside expected scores.
fn reviews_csv(items: &[CalibrationItem], reviewed: &[Reviewed]) -> Result<Vec<u8>> {
    let mut csv = CsvWriter::from_writer(Vec::new());
    csv.write_record(["model", "item", "domain", "text", "kind", "said", "written"])?;
    let score = |said: Option<f64>| said.map(|score| score.to_string()).unwrap_or_default();
    for of in reviewed {
        let mut row = |item: usize, text, kind: &str, [said, written]: [String; 2]| {
            let CalibrationItem { id, domain, .. } = &items[item];
            csv.write_record([&of.responses.rater, id, domain.name(), text, kind, &said, &written])
        };
        for Rating { item, kind, said } in &of.instructions.rows {
            let said = said.map(|passes| u8::from(passes).to_string()).unwrap_or_default();
            row(*item, "instruction", kind, [said, String::new()])?;
        }
        // Both sheets of a rater have the same texts in the same order.
        for (place, Rating { item, kind, said }) in of.responses.rows.iter().enumerate() {
            let written = of.written.as_ref().and_then(|sheet| sheet.rows[place].said);
            row(*item, "response", kind, [score(*said), score(written)])?;
        }
    }
    Ok(csv.into_inner()?)
}

//! Our side of `scripts/bench-engine`: an engine that stays warm and answers one chunk of reviews per
//! line.
//!
//! `reviews MODEL` reads orders from standard input, one JSON object per line, and answers each with
//! one line of JSON:
//!
//! - `{"ask": "about"}`: what this is built from and for
//! - `{"ask": "prompts", "round": 1, "requests": 64}`: the prompts within the model's chat template
//! - `{"ask": "run", "round": 1, "requests": 64, "settings": {"slots": 16}}`: answers the requests as one
//!   chunk, or with `"alone": true` each as a chunk of its own. `settings` are those of
//!   [`EngineSettings`]. What the first run with some settings pays (loading and hashing the model)
//!   is paid before the clock starts.

#[path = "../benches/workload/mod.rs"]
mod workload;

use std::error::Error;
use std::fs;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use gra_llm::chat_template::{ChatTemplate, TemplateFrame, TemplateVariables};
use gra_llm::engine::{ChunkProgress, Engine};
use gra_llm::gguf::GgufHeader;
use gra_llm::llama::settings::EngineSettings;
use gra_llm::llama::{LLAMA_VERSION, LlamaEngine, runtime};
use gra_llm::pattern::{GrammarReader, Pattern, grammar};
use serde::{Deserialize, Serialize};

type Failure = Box<dyn Error>;

/// A line of standard input.
#[derive(Deserialize)]
#[serde(tag = "ask", rename_all = "lowercase", deny_unknown_fields)]
enum Order {
    About,
    Prompts { round: u32, requests: u32 },
    Run(Run),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    round: u32,
    requests: u32,
    #[serde(default)]
    alone: bool,
    #[serde(default)]
    settings: EngineSettings,
}

#[derive(Serialize)]
struct About {
    version: &'static str,
    system: String,
    threads: u32,
    slots: u32,
    temperature: f32,
    top_p: f32,
    /// The form of a review in llama.cpp's notation.
    grammar: String,
}

/// What a run took.
#[derive(Serialize)]
struct Measured {
    seconds: f64,
    /// Prompt tokens evaluated; a shared prefix counts once per chunk.
    prompt_tokens: u64,
    /// Tokens of each reply, forced ones included.
    reply_tokens: Vec<u32>,
    /// Tokens of each prompt.
    prompt_lengths: Vec<u32>,
    /// Replies that have their shape.
    parsed: usize,
    /// First bytes of a hash of all replies; equal replies give equal ones.
    digest: String,
    /// Most memory of this process so far, bytes. 0 where the system does not tell.
    peak_rss: u64,
    /// The model's file and the largest KV cache of this process so far, bytes.
    model_and_kv: u64,
}

/// The one engine that is kept, with its settings.
struct Warm {
    model: PathBuf,
    engine: Option<(EngineSettings, LlamaEngine)>,
    kv: Arc<Mutex<KvCaches>>,
}

impl Warm {
    fn run(&mut self, run: Run) -> Result<Measured, Failure> {
        let Run { round, requests, alone, settings } = run;
        let chunk = workload::requests(requests, round);
        let kv = Arc::clone(&self.kv);
        let engine = self.engine(settings)?;
        kv.lock().unwrap_or_else(PoisonError::into_inner).made.clear();
        let size = if alone { 1 } else { chunk.len().max(1) };
        let mut replies = Vec::with_capacity(chunk.len());
        let mut prompt_tokens = 0;
        let start = Instant::now();
        for part in chunk.chunks(size) {
            let mut last = ChunkProgress::default();
            replies.extend(engine.complete(part, &mut |progress| last = progress)?);
            prompt_tokens += last.prompt_tokens;
            kv.lock().unwrap_or_else(PoisonError::into_inner).end_chunk();
        }
        let seconds = start.elapsed().as_secs_f64();
        let texts: Vec<&str> = replies.iter().map(|reply| reply.text.as_str()).collect();
        Ok(Measured {
            seconds,
            prompt_tokens,
            reply_tokens: replies.iter().map(|reply| reply.reply_tokens).collect(),
            prompt_lengths: replies.iter().map(|reply| reply.prompt_tokens).collect(),
            parsed: replies.iter().filter(|reply| workload::parses(reply)).count(),
            digest: digest(&texts),
            peak_rss: peak_rss(),
            model_and_kv: fs::metadata(&self.model)?.len() + self.kv_bytes(),
        })
    }

    /// The kept engine, or a new one that has answered once.
    fn engine(&mut self, settings: EngineSettings) -> Result<&mut LlamaEngine, Failure> {
        if self.engine.as_ref().is_none_or(|(kept, _)| *kept != settings) {
            self.engine = None;
            let mut engine = workload::engine(&self.model, settings.clone())?;
            engine.complete(&workload::requests(1, u32::MAX), &mut |_| {})?;
            self.engine = Some((settings, engine));
        }
        let kept = self.engine.as_mut().ok_or("no engine")?;
        Ok(&mut kept.1)
    }

    fn kv_bytes(&self) -> u64 {
        self.kv.lock().unwrap_or_else(PoisonError::into_inner).largest
    }
}

/// Sizes of KV caches, from llama.cpp's log: `.. KV buffer size = 12.34 MiB` for each context.
#[derive(Default)]
struct KvCaches {
    line: String,
    /// Of the contexts made since this was emptied, bytes.
    made: Vec<u64>,
    /// The most that were there at once, bytes.
    largest: u64,
}

impl KvCaches {
    fn hear(&mut self, piece: &str) {
        self.line.push_str(piece);
        let Some(line) = self.line.strip_suffix('\n') else { return };
        if let Some((_, size)) = line.split_once("KV buffer size")
            && let Some(mebibytes) = size.split_whitespace().find_map(|word| word.parse().ok())
        {
            self.made.push(bytes(mebibytes));
        }
        self.line.clear();
    }

    /// A chunk is done. Where it had several lanes, its first context was gone when they were made.
    fn end_chunk(&mut self) {
        let made = std::mem::take(&mut self.made);
        let lanes = if made.len() > 1 { &made[1..] } else { &made };
        self.largest = self.largest.max(lanes.iter().sum());
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a size in bytes")]
fn bytes(mebibytes: f64) -> u64 {
    (mebibytes * 1_048_576.0).round() as u64
}

fn digest(texts: &[&str]) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    // Keyed with constants, so the same in every process.
    let mut hasher = DefaultHasher::new();
    texts.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The high-water mark of this process's memory, where there is a `/proc`.
fn peak_rss() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

/// The prompts as text. Special tokens are only in the template: the requests spell none.
fn prompts(model: &Path, round: u32, requests: u32) -> Result<Vec<String>, Failure> {
    let header = GgufHeader::read(model)?;
    let (text, variables) =
        (header.chat_template().ok_or("no chat template")?, TemplateVariables::default());
    let frame =
        TemplateFrame::render(ChatTemplate { text, bos: "", eos: "", variables: &variables })?;
    let requests = workload::requests(requests, round);
    Ok(requests.iter().map(|request| frame.text(&request.prompt.text())).collect())
}

fn about() -> Result<About, Failure> {
    let settings = EngineSettings::default();
    let sampling = gra_synth::request::Sampling::default();
    let form = Pattern::of(&workload::review().parts)?.ok_or("a review has a form")?;
    Ok(About {
        version: LLAMA_VERSION,
        system: runtime::system_info(),
        threads: settings.threads,
        slots: settings.slots,
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        grammar: grammar(&form, GrammarReader::LlamaCpp),
    })
}

fn main() -> Result<(), Failure> {
    let model = PathBuf::from(std::env::args_os().nth(1).ok_or("which model? reviews MODEL")?);
    let kv = Arc::new(Mutex::new(KvCaches::default()));
    let listener = Arc::clone(&kv);
    runtime::log_to(Some(Box::new(move |piece| {
        listener.lock().unwrap_or_else(PoisonError::into_inner).hear(piece);
    })));
    let mut warm = Warm { model, engine: None, kv };
    #[expect(clippy::disallowed_methods, reason = "an example prints its own text")]
    let mut output = io::stdout();
    for line in io::stdin().lock().lines() {
        let answer = match serde_json::from_str(&line?)? {
            Order::About => serde_json::to_string(&about()?)?,
            Order::Prompts { round, requests } => {
                serde_json::to_string(&prompts(&warm.model, round, requests)?)?
            }
            Order::Run(run) => serde_json::to_string(&warm.run(run)?)?,
        };
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}

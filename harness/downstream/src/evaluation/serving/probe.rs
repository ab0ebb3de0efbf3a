//! A server is asked which models it has, and for a reply of one token.

use std::time::Duration;

use serde_json::{Value, json};
use ureq::{Agent, RequestBuilder};

use super::super::scoring::choose;

/// Most characters of an answer that an error shows.
const SHOWN: usize = 300;

/// Environment variable that holds the key of a server that wants one. It is sent and never written.
const KEY: &str = "OPENAI_API_KEY";

/// A server does not answer as it should.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It cannot be reached.
    #[error("no server answers at {url}: {problem}\nhint: start it, or check --url")]
    Away {
        /// What was asked for.
        url: String,
        /// What the system says.
        problem: String,
    },
    /// It takes a request and does not answer it.
    #[error("the server hangs: {url} gave no answer within {seconds} s\nhint: curl {url}")]
    Hangs {
        /// What was asked for.
        url: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// It answers with an error.
    #[error(
        "the server answers {status} to {url}: {said}\nhint: read the server's log; nothing was scored yet"
    )]
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
        /// What it says, shortened.
        said: String,
    },
    /// Its answer is not of the OpenAI form.
    #[error(
        "{url} answers, but not as an OpenAI-compatible server: {said}\nhint: --url takes the address before /v1/chat/completions"
    )]
    Form {
        /// What was asked for.
        url: String,
        /// What it says, shortened.
        said: String,
    },
    /// It has several models and none was named, or not the one that was.
    #[error("{url} has {}, {wanted}\nhint: --model NAME", .has.join(", "))]
    Model {
        /// What was asked for.
        url: String,
        /// The models that it has.
        has: Vec<String>,
        /// What was wanted.
        wanted: String,
    },
}

/// Asks one server.
#[derive(Debug)]
pub(super) struct Probe {
    agent: Agent,
    /// The server's address, ending with `/v1`.
    pub(super) base: String,
}

impl Probe {
    /// Of a server's address, with or without `/v1`.
    pub(super) fn new(url: &str) -> Self {
        let url = url.trim_end_matches('/');
        let base = if url.ends_with("/v1") { url.to_owned() } else { format!("{url}/v1") };
        // Statuses are answers here, not errors: their bodies say what is wrong.
        let config = Agent::config_builder().http_status_as_error(false).max_redirects(0);
        Self { agent: config.build().new_agent(), base }
    }

    /// The ids of its models.
    pub(super) fn models(&self, within: Duration) -> Result<Vec<String>, ProbeError> {
        let url = format!("{}/models", self.base);
        let request = prepared(self.agent.get(&url), within);
        let body = read(&url, within, request.call())?;
        let ids = |answer: Value| {
            let models = answer["data"].as_array()?.iter();
            models.map(|model| Some(model["id"].as_str()?.to_owned())).collect()
        };
        let found = serde_json::from_str(&body).ok().and_then(ids);
        found.ok_or_else(|| ProbeError::Form { url, said: shortened(&body) })
    }

    /// The model of this name, or the only one.
    pub(super) fn model(
        &self,
        wanted: Option<&str>,
        within: Duration,
    ) -> Result<String, ProbeError> {
        choose(self.models(within)?, wanted).map_err(|has| {
            let one = || "and one is scored at a time".to_owned();
            let wanted = wanted.map_or_else(one, |name| format!("not the model `{name}`"));
            ProbeError::Model { url: self.base.clone(), has, wanted }
        })
    }

    /// Asks for one token.
    pub(super) fn ask(&self, model: &str, within: Duration) -> Result<(), ProbeError> {
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
        if has_choices { Ok(()) } else { Err(ProbeError::Form { url, said: shortened(&answer) }) }
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
) -> Result<String, ProbeError> {
    // A server that hangs is there, and is mended otherwise than one that is away.
    let failed = |error: ureq::Error| match error {
        ureq::Error::Timeout(_) => {
            ProbeError::Hangs { url: url.to_owned(), seconds: within.as_secs() }
        }
        other => ProbeError::Away { url: url.to_owned(), problem: other.to_string() },
    };
    let mut answer = answer.map_err(failed)?;
    let status = answer.status().as_u16();
    let body = answer.body_mut().read_to_string().map_err(failed)?;
    if status == 200 {
        return Ok(body);
    }
    Err(ProbeError::Status { url: url.to_owned(), status, said: shortened(&body) })
}

fn shortened(text: &str) -> String {
    let text = gra_paper::foreign_text::plain(text.trim());
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push_str(" ..");
    }
    if shown.is_empty() { "nothing".to_owned() } else { shown }
}

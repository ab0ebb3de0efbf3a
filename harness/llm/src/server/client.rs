//! HTTP to a server: who is told what, what is tried again, and when to give up.
//!
//! Tried again are what passes: no connection, a connection lost, and the statuses 408, 429 and 5xx,
//! after a wait that doubles, or as long as the server's `Retry-After` says. Nothing else is: a 400
//! is 400 the next time too. All tries of a request share its time limit.
//!
//! What is left then is of two kinds. A server that is away, busy or does not know us answers no request:
//! no connection, and the statuses 401 to 405, 407, 429, 502, 503 and redirections. Everything else may be
//! about one request while others are answered, and makes a failed call ([`ServerError::Failed`]). A status of the
//! first kind can be about one request as well ([`ServerError::Unavailable`]): a gateway forbids a text, a worker dies of
//! it.
//!
//! The environment's proxy is asked for servers elsewhere, never for those of this machine; `SSL_CERT_FILE` names the
//! certificates that servers are known by.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use gra_synth::request::{Failure, ModelName};
use serde_json::Value;
use ureq::http::{HeaderMap, Response, Uri};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, RequestBuilder, Timeout};

use super::wire;
use crate::engine::EngineError;
use crate::model_pool::Server;

/// Most bytes of an answer; a reply of a million tokens is shorter.
const LONGEST_ANSWER: u64 = 64 << 20;

/// How long a sleeping try takes to notice that it should end.
const NAP: Duration = Duration::from_millis(50);

/// Longest wait for a connection; a host that drops what it is sent never refuses one.
const LONGEST_CONNECT: Duration = Duration::from_secs(20);

/// Longest wait for an answer to a question about a model. Servers of several models load it first.
const LONGEST_LOOK: Duration = Duration::from_secs(120);

/// Most tries of a request that the server is there for and fails on. What a hiccup is passes sooner than
/// a server that is away comes back.
const TRIES_WHEN_ANSWERED: u32 = 3;

/// How often a request is tried, and how long it waits in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Most tries, the first one included.
    pub tries: u32,
    /// The wait after the first try; each further one is twice as long.
    pub first_wait: Duration,
    /// The longest of these waits. A `Retry-After` may be longer.
    pub longest_wait: Duration,
}

impl Default for RetryPolicy {
    /// Eight tries over about two minutes: as long as a server takes to start again.
    fn default() -> Self {
        Self { tries: 8, first_wait: Duration::from_secs(1), longest_wait: Duration::from_secs(60) }
    }
}

impl RetryPolicy {
    /// For someone who waits for the answer to a question: three tries over three seconds.
    #[must_use]
    pub fn short() -> Self {
        Self { tries: 3, ..Self::default() }
    }
}

/// Why a server did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ServerError {
    /// No server answers there.
    Silent(String),
    /// It answered that it will not, and would say so to any request.
    Refused(String),
    /// It answered with a status that says the same, as a rule.
    Unavailable(u16, String),
    /// It failed on this request.
    Failed(Failure, String),
    /// The engine was stopped, or another request of the chunk failed.
    Halted,
}

impl ServerError {
    pub(super) fn into_engine_error(self, model: &ModelName, server: &Server) -> EngineError {
        match self {
            Self::Silent(reason)
            | Self::Refused(reason)
            | Self::Unavailable(_, reason)
            | Self::Failed(_, reason) => {
                EngineError::Server { model: model.to_string(), url: server.url.clone(), reason }
            }
            Self::Halted => EngineError::Stopped,
        }
    }
}

/// What a server answered, after every try.
#[derive(Debug)]
pub(super) enum ServerAnswer {
    /// A status from 200 to 299.
    Done(Value),
    /// Another one that would be the same the next time.
    Declined {
        status: u16,
        /// The body; JSON where it is one.
        body: Value,
    },
}

/// What one try brought.
struct HttpReply {
    status: u16,
    retry_after: Option<Duration>,
    /// Where a redirection leads.
    location: Option<String>,
    body: Vec<u8>,
}

/// One try's failure.
struct FailedTry {
    reason: String,
    /// How long the server asks to wait.
    wait: Option<Duration>,
    /// What is the matter when there is no other try.
    matter: Matter,
}

/// What a try failed of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Matter {
    /// The call, or the server with this one call.
    Call(Failure),
    /// The server is away or busy, by this status.
    Status(u16),
    /// There is no server.
    Silence,
}

#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    /// The same, with a new connection for each request.
    fresh: Agent,
    retries: RetryPolicy,
}

impl Client {
    /// A client that keeps up to `connections` open.
    pub(super) fn new(retries: RetryPolicy, connections: u32) -> Self {
        let connections = usize::try_from(connections).unwrap_or(usize::MAX);
        let agent = |connections: usize| {
            // Statuses are answers here, not errors: their bodies say what is wrong.
            let config = Agent::config_builder()
                .http_status_as_error(false)
                // Prompts and keys go where the pool says, and nowhere else.
                .max_redirects(0)
                .max_redirects_will_error(false)
                .timeout_connect(Some(LONGEST_CONNECT))
                .tls_config(TlsConfig::builder().root_certs(root_certs()).build())
                .max_idle_connections(connections.saturating_mul(2))
                .max_idle_connections_per_host(connections)
                .user_agent(concat!("gra-bench/", env!("CARGO_PKG_VERSION")));
            config.build().new_agent()
        };
        Self { agent: agent(connections), fresh: agent(0), retries }
    }

    /// The same, with no more tries than these.
    pub(super) fn with_tries(&self, tries: u32) -> Self {
        let tries = self.retries.tries.min(tries);
        let (agent, fresh) = (self.agent.clone(), self.fresh.clone());
        Self { agent, fresh, retries: RetryPolicy { tries, ..self.retries } }
    }

    pub(super) fn get(
        &self,
        server: &Server,
        url: &str,
        halted: &dyn Fn() -> bool,
    ) -> Result<ServerAnswer, ServerError> {
        let limit = server.timeout().min(LONGEST_LOOK);
        self.insist(server, limit, halted, |agent, left, key| {
            hear(prepared(agent.get(url), left, key).call()?)
        })
    }

    pub(super) fn post(
        &self,
        server: &Server,
        url: &str,
        body: &[u8],
        halted: &dyn Fn() -> bool,
    ) -> Result<ServerAnswer, ServerError> {
        self.insist(server, server.timeout(), halted, |agent, left, key| {
            let request = prepared(agent.post(url), left, key);
            hear(request.header("content-type", "application/json").send(body)?)
        })
    }

    /// Tries until there is an answer, `timeout` at most. An attempt is told how long it may take, and the key.
    fn insist(
        &self,
        server: &Server,
        timeout: Duration,
        halted: &dyn Fn() -> bool,
        attempt: impl Fn(&Agent, Duration, Option<&str>) -> Result<HttpReply, ureq::Error>,
    ) -> Result<ServerAnswer, ServerError> {
        let key = key(server)?;
        let started = Instant::now();
        let mut wait = self.retries.first_wait;
        let mut tries = 0;
        loop {
            if halted() {
                return Err(ServerError::Halted);
            }
            tries += 1;
            let left = timeout.saturating_sub(started.elapsed());
            // Each try has what is left of the request's time, so that all of them keep to it.
            // Only the first goes over a connection that was left open: the server may be closing it.
            let agent = if tries == 1 { &self.agent } else { &self.fresh };
            let miss = match attempt(agent, left, key.as_deref()) {
                Ok(heard) => match heard.answer()? {
                    Ok(answer) => return Ok(answer),
                    Err(miss) => miss,
                },
                Err(error) => self.miss(&error, server, timeout)?,
            };
            // The server's wish counts where it is longer than our own wait. A first connection that is lost may
            // be one that the server had closed meanwhile, and is no reason to wait.
            let is_lost = miss.matter == Matter::Call(Failure::ConnectionLost);
            let pause = match miss.wait {
                None if is_lost && tries == 1 => Duration::ZERO,
                asked => asked.map_or(wait, |asked| asked.max(wait)),
            };
            // No use in waiting for a try that could not be finished.
            let spent = started.elapsed().saturating_add(pause) >= timeout;
            let is_call = matches!(miss.matter, Matter::Call(_));
            let most = if is_call { TRIES_WHEN_ANSWERED } else { u32::MAX };
            if tries >= self.retries.tries.min(most) || spent {
                return Err(miss.given_up(tries, pause, spent));
            }
            sleep(pause, halted)?;
            wait = wait.saturating_mul(2).min(self.retries.longest_wait);
        }
    }
}

impl Client {
    /// A failed try that may pass; an error when it will not.
    fn miss(
        &self,
        error: &ureq::Error,
        server: &Server,
        timeout: Duration,
    ) -> Result<FailedTry, ServerError> {
        use ureq::Error;
        let (reason, matter) = match error {
            Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
                let seconds = LONGEST_CONNECT.as_secs();
                (format!("no connection within {seconds} s"), Matter::Silence)
            }
            Error::Timeout(_) => {
                let seconds = timeout.as_secs();
                let hint = if timeout == server.timeout() {
                    "\n  hint: raise the model's `timeout_s`, or lower its `concurrency`"
                } else {
                    ""
                };
                let reason = format!("no answer within {seconds} s{hint}");
                // Not tried again: all tries share one limit, and it is over.
                return Err(ServerError::Failed(Failure::TimedOut, reason));
            }
            Error::HostNotFound => ("there is no host of this name".to_owned(), Matter::Silence),
            // What TLS refuses, it refuses the next time too.
            Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
                return Err(ServerError::Refused(untrusted(&error.to_string())));
            }
            Error::Rustls(error) => {
                return Err(ServerError::Refused(untrusted(&error.to_string())));
            }
            Error::Io(error) => {
                let reason = format!("the connection failed ({error}){}", self.by_proxy(server));
                (reason, lost(error.kind()))
            }
            Error::ConnectionFailed => {
                (format!("the connection failed{}", self.by_proxy(server)), Matter::Silence)
            }
            Error::Protocol(error) => (
                format!("what it answers is no HTTP ({error})"),
                Matter::Call(Failure::NoCompletion),
            ),
            Error::BodyExceedsLimit(bytes) => {
                let reason = format!("its answer is longer than {bytes} bytes");
                return Err(ServerError::Failed(Failure::NoCompletion, reason));
            }
            other => return Err(ServerError::Refused(other.to_string() + &self.by_proxy(server))),
        };
        Ok(FailedTry { reason, wait: None, matter })
    }

    /// The proxy through which a server is asked, for messages; empty without one.
    fn by_proxy(&self, server: &Server) -> String {
        let uri: Option<Uri> = server.url.parse().ok().filter(|uri| !is_here(uri));
        let proxy = self.agent.config().proxy().zip(uri);
        let Some((proxy, _)) = proxy.filter(|(proxy, uri)| !proxy.is_no_proxy(uri)) else {
            return String::new();
        };
        let (host, port) = (proxy.host(), proxy.port());
        format!(
            ", asked through the environment's proxy {host}:{port}; NO_PROXY names hosts that are asked directly"
        )
    }
}

/// Why no connection is trusted, with the way out.
fn untrusted(error: &str) -> String {
    let file = std::env::var("SSL_CERT_FILE").ok();
    let hint = match file.filter(|_| matches!(root_certs(), RootCerts::WebPki)) {
        Some(file) => format!("SSL_CERT_FILE names {file}, which holds no certificate"),
        None if error.contains("CaUsedAsEndEntity") => {
            "the server's certificate is an authority's own; let it have one that the authority signed".to_owned()
        }
        None if error.contains("certificate") => {
            "export SSL_CERT_FILE=FILE.pem, with the certificate of the authority that signed the server's".to_owned()
        }
        None => "is it https:// at all?".to_owned(),
    };
    format!("no secure connection ({error})\n  hint: {hint}")
}

impl HttpReply {
    /// The answer, or what passes. Errors are what does not.
    fn answer(self) -> Result<Result<ServerAnswer, FailedTry>, ServerError> {
        let Self { status, retry_after, location, body } = self;
        let body = match String::from_utf8(body) {
            Ok(body) => body,
            Err(_) if (200..300).contains(&status) => {
                let reason = "its answer is no text in UTF-8; is it compressed, or from a proxy?";
                return Err(ServerError::Failed(Failure::NoCompletion, reason.to_owned()));
            }
            Err(bytes) => String::from_utf8_lossy(bytes.as_bytes()).into_owned(),
        };
        let parsed: Result<Value, _> = serde_json::from_str(&body);
        if matches!(status, 408 | 429 | 500..) {
            let words = parsed.as_ref().map_or_else(|_| wire::shortened(&body), wire::words);
            let reason = format!("HTTP status {status}: {words}");
            // Busy, or a gateway whose server is away: about no request in particular.
            let matter = match status {
                429 | 502 | 503 => Matter::Status(status),
                _ => Matter::Call(Failure::Status(status)),
            };
            return Ok(Err(FailedTry { reason, wait: retry_after, matter }));
        }
        if let Some(location) = location.filter(|_| (300..400).contains(&status)) {
            let body = Value::String(format!("it sends to {location}"));
            return Ok(Ok(ServerAnswer::Declined { status, body }));
        }
        if !(200..300).contains(&status) {
            let body = parsed.unwrap_or(Value::String(body));
            return Ok(Ok(ServerAnswer::Declined { status, body }));
        }
        match parsed {
            Ok(value) => Ok(Ok(ServerAnswer::Done(value))),
            // Half an answer: the connection was lost where nothing says how long it is.
            Err(error) if error.is_eof() => {
                let reason = "its answer broke off".to_owned();
                let matter = Matter::Call(Failure::ConnectionLost);
                Ok(Err(FailedTry { reason, wait: None, matter }))
            }
            Err(error) => {
                let reason = format!("its answer is no JSON ({error}): {}", wire::shortened(&body));
                Err(ServerError::Failed(Failure::NoCompletion, reason))
            }
        }
    }
}

impl FailedTry {
    fn given_up(self, tries: u32, pause: Duration, spent: bool) -> ServerError {
        let times = if tries == 1 { "once".to_owned() } else { format!("{tries} times") };
        let why = if spent {
            let (wait, hint) = (pause.as_secs_f64(), "raise the model's `timeout_s`");
            format!(
                "; asked {times}, and the next wait of {wait:.0} s outlasts its time\n  hint: {hint}"
            )
        } else {
            format!("; asked {times}")
        };
        let reason = self.reason + &why;
        match self.matter {
            Matter::Call(failure) => ServerError::Failed(failure, reason),
            Matter::Status(status) => ServerError::Unavailable(status, reason),
            Matter::Silence => ServerError::Silent(reason),
        }
    }
}

/// A request with its time limit and key.
fn prepared<B>(request: RequestBuilder<B>, left: Duration, key: Option<&str>) -> RequestBuilder<B> {
    let is_here = request.uri_ref().is_some_and(is_here);
    let config = request.config().timeout_global(Some(left));
    // A proxy would look for this machine's server on its own.
    let request = if is_here { config.proxy(None).build() } else { config.build() };
    match key {
        Some(key) => request.header("authorization", key),
        None => request,
    }
}

fn hear(mut response: Response<ureq::Body>) -> Result<HttpReply, ureq::Error> {
    let status = response.status().as_u16();
    let retry_after = retry_after(response.headers());
    let location = response.headers().get("location");
    let location = location.and_then(|address| Some(address.to_str().ok()?.to_owned()));
    let body = response.body_mut().with_config().limit(LONGEST_ANSWER).read_to_vec()?;
    Ok(HttpReply { status, retry_after, location, body })
}

/// What the `Retry-After` header says in seconds. Its other form, a date, is not read: it would need the
/// clocks of both to agree.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Whether an address is one of this machine.
fn is_here(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_own = |address: IpAddr| address.is_loopback() || address.is_unspecified();
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_own)
}

/// The certificates of the file that `SSL_CERT_FILE` names, as for OpenSSL and Python; without one those of public
/// authorities.
fn root_certs() -> RootCerts {
    let file = std::env::var_os("SSL_CERT_FILE").and_then(|path| std::fs::read(path).ok());
    let certificates: Vec<_> = parse_pem(file.as_deref().unwrap_or_default())
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return RootCerts::WebPki;
    }
    RootCerts::new_with_certs(&certificates)
}

/// Whether a connection was there and got lost, which one request can bring about, or there was none.
fn lost(kind: ErrorKind) -> Matter {
    let lost = matches!(
        kind,
        ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof
    );
    if lost { Matter::Call(Failure::ConnectionLost) } else { Matter::Silence }
}

/// The authorization header's value. The error names the variable, never what it holds.
fn key(server: &Server) -> Result<Option<String>, ServerError> {
    let Some(name) = &server.api_key_env else { return Ok(None) };
    match std::env::var(name) {
        Ok(key) if !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(Some(format!("Bearer {key}")))
        }
        Ok(_) => Err(ServerError::Refused(format!("the environment variable {name} holds no key"))),
        Err(_) => Err(ServerError::Refused(format!(
            "needs a key, and the environment variable {name} is not set\n  hint: export {name}=..."
        ))),
    }
}

/// Sleeps, in naps, so that a halt is noticed.
fn sleep(pause: Duration, halted: &dyn Fn() -> bool) -> Result<(), ServerError> {
    let until = Instant::now() + pause;
    loop {
        if halted() {
            return Err(ServerError::Halted);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(NAP));
    }
}

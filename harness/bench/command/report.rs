//! `report` and `view`: an experiment or a trial as one HTML file, and its candidates in a browser, served from the
//! store, for data sets too large for one file.
//!
//! The server only reads: the store is opened read-only, and every route answers GET alone. It listens on this
//! machine alone unless an address is given, answers only requests that name it by an address or as
//! `localhost` (a page elsewhere cannot reach it through a name that it points here), and sends headers
//! that let a page run nothing but its own script.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use axum::extract::{Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use clap::Args;
use gra_files::write_atomic;
use gra_synth::pool::ItemId;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::browser::{self, BrowserIndex, ListQuery, RowIndex, TrialNote};
use crate::html::Html;
use crate::session::{GlobalArgs, on_interrupt};
use crate::store::Store;
use crate::trail::{Trail, TrailReader};
use crate::trial::TrialId;
use crate::trial::stored::{StoredTrial, TrialSelection};
use crate::{report, terminal};

const STYLE: &str = include_str!("../report/report.css");
const SOURCE: &str = include_str!("../browser/server.js");

/// Write one HTML file about an experiment or a trial: verdict, tables, figures, every sample.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gra-bench report ablation                          results/ablation/report.html
  gra-bench report ablation --seed 42 --out ablation.html
  gra-bench report ablation/gra/seed-42

The file needs no network and no server. Trials that are not finished are told as far as they got.")]
pub(crate) struct ReportArgs {
    /// EXPERIMENT, EXPERIMENT/VARIANT/seed-N, or a folder that `synth` made
    pub(super) subject: String,
    /// Only this run seed.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// File to write [default: report.html in the experiment's results, or TRIAL.report.html].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn report(args: &ReportArgs, global: &GlobalArgs) -> Result<()> {
    let store = global.read_store()?;
    let html = report::render(&store, global.results(), &args.subject, args.seed)?;
    let path = args.out.clone().unwrap_or_else(|| default_path(args, global));
    write_atomic(&path, html.as_bytes())?;
    Ok(writeln!(terminal::stdout(), "{}", path.display())?)
}

fn default_path(args: &ReportArgs, global: &GlobalArgs) -> PathBuf {
    let name = args.subject.trim_end_matches('/');
    let file = match (name.parse::<TrialId>(), args.seed) {
        (Ok(trial), _) => format!("{trial}.report.html"),
        (Err(_), Some(seed)) => format!("{name}/seed-{seed}.report.html"),
        (Err(_), None) => format!("{name}/report.html"),
    };
    global.results().join(file)
}

/// Browse candidates and their trails in a web browser, served from the store.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gra-bench view                                     every trial of the store
  gra-bench view ablation --port 8080
  gra-bench view ablation/gra/seed-42

It reads the store and changes nothing, and listens on this machine alone unless --host names
another address.")]
pub(crate) struct ViewArgs {
    /// EXPERIMENT, EXPERIMENT/VARIANT/seed-N, or a folder that `synth` made [default: all trials of the store].
    pub(super) subject: Option<String>,
    /// Only this run seed.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Port to listen on; 0 takes a free one.
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
    /// Address to listen on. Any other than this machine's own shows the store to every machine that reaches it.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
}

pub(crate) fn view(args: &ViewArgs, global: &GlobalArgs) -> Result<()> {
    let selection =
        TrialSelection { names: args.subject.iter().cloned().collect(), seed: args.seed };
    let viewer = Viewer::load(global.read_store()?, &selection)?;
    Runtime::new()?.block_on(serve(viewer, SocketAddr::new(args.host, args.port)))
}

async fn serve(viewer: Viewer, address: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}\nhint: --port 0, the default, takes a free port")
    })?;
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        terminal::say(
            "everyone who can reach this address can read all prompts, replies and seed items of the \
             store; nothing can be changed",
        );
    }
    // Ctrl-C is heard by a thread, and the server waits for it as for a request.
    let (stop, stopped) = oneshot::channel();
    on_interrupt(move || {
        // A server that ended by itself hears nothing.
        let _ = stop.send(());
    })?;
    let mut out = terminal::stdout();
    let candidates = viewer.index.len();
    writeln!(out, "{candidates} candidates at http://{address}/ until Ctrl-C")?;
    // A script that starts it reads the address at once; nothing else is written while it serves.
    out.flush()?;
    drop(out);
    let guard = axum::middleware::from_fn_with_state(Guard::new(address), watch);
    axum::serve(listener, routes(Arc::new(viewer)).layer(guard))
        .with_graceful_shutdown(async { stopped.await.unwrap_or_default() })
        .await
        .context("the server stopped")
}

/// What is served.
struct Viewer {
    store: Mutex<Store>,
    title: String,
    trials: Vec<StoredTrial>,
    about: BrowserIndex,
    index: RowIndex,
}

impl Viewer {
    /// Reads the candidates of trials as far as they are on record, and indexes them.
    ///
    /// # Errors
    /// When there is no such trial, or the store cannot be read.
    fn load(store: Store, selection: &TrialSelection) -> Result<Self> {
        let (mut trials, mut candidates) = (Vec::new(), Vec::new());
        for trial in selection.find(&store)? {
            candidates.push(store.candidates(trial.row)?);
            trials.push(StoredTrial::read(&store, &trial)?);
        }
        if trials.is_empty() {
            bail!("the store holds no trial\nhint: run an experiment first");
        }
        let (index, clip) = RowIndex::new(&candidates);
        let about = BrowserIndex::new(trials.iter().map(TrialNote::new).collect(), clip);
        // Rows hold what the list needs; the candidates are read again one by one.
        drop(candidates);
        // After so much was freed the allocator tidies up at the next large request: at this one, not
        // while a reader waits.
        let _ = index.answer(&ListQuery::default(), &about.trials);
        let title = match selection.names.as_slice() {
            [] => "all trials".to_owned(),
            names => names.join(", "),
        };
        Ok(Self { store: Mutex::new(store), title, trials, about, index })
    }

    fn trail(&self, asked: &AskedTrail) -> Result<Option<Trail>> {
        let (Some(trial), Ok(id)) = (self.trials.get(asked.trial), asked.id.parse::<ItemId>())
        else {
            return Ok(None);
        };
        // A request that panicked has left nothing half-done: the store is only read.
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(candidate) = store.candidate(trial.row, id)? else { return Ok(None) };
        let trail = TrailReader::new(&store, trial, true).read(candidate);
        trail.with_context(|| format!("{} {id}", trial.id())).map(Some)
    }
}

#[derive(Debug, Deserialize)]
struct AskedTrail {
    trial: usize,
    id: String,
}

fn routes(viewer: Arc<Viewer>) -> Router {
    let style = async || ([(header::CONTENT_TYPE, "text/css")], [STYLE, browser::STYLE].concat());
    let script =
        async || ([(header::CONTENT_TYPE, "text/javascript")], [browser::SCRIPT, SOURCE].concat());
    Router::new()
        .route("/", get(page))
        .route("/style.css", get(style))
        .route("/script.js", get(script))
        .route("/api/about", get(about))
        .route("/api/candidates", get(candidates))
        .route("/api/trail", get(trail))
        .with_state(viewer)
}

async fn about(State(viewer): State<Arc<Viewer>>) -> Json<BrowserIndex> {
    Json(viewer.about.clone())
}

async fn page(State(viewer): State<Arc<Viewer>>) -> axum::response::Html<String> {
    let title = Html::text(&viewer.title);
    let unfinished = viewer.about.trials.iter().filter(|trial| !trial.finished).map(|trial| {
        let name = Html::text(&trial.name);
        format!(
            "<p class=\"warning\" role=\"note\">Trial {name} is not finished; shown is what was on record \
             when this was started.</p>\n"
        )
    });
    let unfinished: String = unfinished.collect();
    axum::response::Html(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} \u{b7} gra-bench view</title>\n<link rel=\"stylesheet\" href=\"/style.css\">\n\
         <link rel=\"icon\" href=\"data:,\">\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#samples\">To the samples</a>\n\
         <header>\n<p class=\"kicker\">gra-bench view</p>\n<h1>{title}</h1>\n{unfinished}</header>\n\
         <main id=\"main\">\n{list}</main>\n<script src=\"/script.js\"></script>\n</body>\n</html>\n",
        list = browser::MARKUP,
    ))
}

async fn candidates(State(viewer): State<Arc<Viewer>>, Query(query): Query<ListQuery>) -> Response {
    match viewer.index.answer(&query, &viewer.about.trials) {
        Ok(page) => Json(page).into_response(),
        Err(reason) => (StatusCode::BAD_REQUEST, reason).into_response(),
    }
}

async fn trail(State(viewer): State<Arc<Viewer>>, Query(asked): Query<AskedTrail>) -> Response {
    // SQLite blocks; other requests go on meanwhile.
    let told = tokio::task::spawn_blocking(move || viewer.trail(&asked)).await;
    match told {
        Ok(Ok(Some(trail))) => Json(trail).into_response(),
        Ok(Ok(None)) => (StatusCode::NOT_FOUND, "there is no such candidate").into_response(),
        Ok(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")).into_response(),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "reading the trail failed").into_response(),
    }
}

/// Which names are answered.
///
/// A page on another site can make a browser ask this server under that site's name (DNS rebinding). Such a request
/// names the site as its host, so only addresses and `localhost` are answered.
#[derive(Clone, Copy, Debug)]
struct Guard {
    /// Only this machine asks.
    loopback: bool,
}

impl Guard {
    fn new(address: SocketAddr) -> Self {
        Self { loopback: address.ip().is_loopback() }
    }

    /// Whether a request that names this host is answered. The port is the connection's in any case.
    fn admits(self, host: &str) -> bool {
        // An IPv6 address stands in brackets before its port.
        let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address,
            None => host.rsplit_once(':').map_or(host, |(name, _)| name),
        };
        match name.parse::<IpAddr>() {
            Ok(address) => address.is_loopback() || !self.loopback,
            Err(_) => name.eq_ignore_ascii_case("localhost"),
        }
    }
}

/// What every answer carries.
const HEADERS: [(header::HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Answers or refuses a request.
async fn watch(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let mut response = if host.is_some_and(|host| guard.admits(host)) {
        next.run(request).await
    } else {
        let reason = "this server answers to its address and to localhost only";
        (StatusCode::FORBIDDEN, reason).into_response()
    };
    // Refusals too.
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_localhost_are_answered() {
        let cases = [
            // host, on this machine alone, on all addresses
            ("127.0.0.1:8000", true, true),
            ("localhost:8000", true, true),
            ("LOCALHOST", true, true),
            ("[::1]:8000", true, true),
            ("192.168.1.7:8000", false, true),
            ("[2001:db8::7]:80", false, true),
            ("rebound.example:8000", false, false),
            ("127.0.0.1.example", false, false),
            ("localhost.example:80", false, false),
            ("", false, false),
        ];
        for (host, here, everywhere) in cases {
            assert_eq!(Guard { loopback: true }.admits(host), here, "{host}");
            assert_eq!(Guard { loopback: false }.admits(host), everywhere, "{host}");
        }
    }
}

//! `view`: the browser of candidates served from the store, for data sets too large for one file.
//!
//! It only reads: the store is opened read-only, and every route answers GET alone. It listens on this
//! machine alone unless an address is given, answers only requests that name it by an address or as
//! `localhost` (a page elsewhere cannot reach it through a name that it points here), and sends headers
//! that let a page run nothing but its own script.
//!
//! # Layout
//!
//! - `index`: rows in memory, made once; questions about them
//! - `server.js`: where the page's list finds its rows

mod index;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use axum::extract::{Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use gra_synth::pool::ItemId;
use serde::Deserialize;
use tokio::net::TcpListener;

use crate::browser::{self, BrowserIndex, TrialNote};
use crate::html::Html;
use crate::store::Store;
use crate::trail::{Trail, TrailReader};
use crate::trial::stored::{StoredTrial, TrialSelection};
use index::{Index, ListQuery};

const STYLE: &str = include_str!("report/report.css");
const SOURCE: &str = include_str!("view/server.js");

/// What is served.
pub(crate) struct Viewer {
    store: Mutex<Store>,
    title: String,
    trials: Vec<StoredTrial>,
    about: BrowserIndex,
    index: Index,
}

impl Viewer {
    /// Reads the candidates of trials as far as they are on record, and indexes them.
    ///
    /// # Errors
    /// When there is no such trial, or the store cannot be read.
    pub(crate) fn load(store: Store, selection: &TrialSelection) -> Result<Self> {
        let (mut trials, mut candidates) = (Vec::new(), Vec::new());
        for trial in selection.find(&store)? {
            candidates.push(store.candidates(trial.row)?);
            trials.push(StoredTrial::read(&store, &trial)?);
        }
        if trials.is_empty() {
            bail!("the store holds no trial\nhint: run an experiment first");
        }
        let (index, clip) = Index::new(&candidates);
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

    /// How many candidates there are.
    pub(crate) fn candidates(&self) -> usize {
        self.index.len()
    }

    /// Serves until `stop` ends.
    ///
    /// # Errors
    /// When the listener fails.
    pub(crate) async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<()> {
        let guard = Guard::new(listener.local_addr().context("the listener has no address")?);
        let routes =
            routes(Arc::new(self)).layer(axum::middleware::from_fn_with_state(guard, watch));
        axum::serve(listener, routes)
            .with_graceful_shutdown(stop)
            .await
            .context("the server stopped")
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

/// Listens on an address.
///
/// # Errors
/// When it is taken, or not this machine's.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}\nhint: --port 0, the default, takes a free port")
    })
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
        format!(
            "<p class=\"warning\" role=\"note\">Trial {} is not finished; shown is what was on record \
             when this was started.</p>\n",
            Html::text(&trial.name)
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

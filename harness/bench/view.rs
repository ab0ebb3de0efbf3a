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
//! - `guard`: who may ask, and the headers of every answer
//! - `server.js`: where the page's list finds its rows

mod guard;
mod index;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use gra_synth::method::Method;
use gra_synth::pool::ItemId;
use serde::Deserialize;
use tokio::net::TcpListener;

use crate::browser::{self, About, Depth, Teller, Trail, TrialNote};
use crate::report::{self, Scope, select};
use crate::store::{Store, TrialId};
use guard::Guard;
use index::{Index, Question};

const STYLE: &str = include_str!("report/report.css");
const SOURCE: &str = include_str!("view/server.js");

/// What is served.
pub struct Viewer {
    store: Mutex<Store>,
    title: String,
    trials: Vec<Viewed>,
    about: About,
    index: Index,
}

/// A trial that is served.
struct Viewed {
    row: i64,
    id: TrialId,
    method: Method,
}

impl Viewer {
    /// Reads the candidates of a scope's trials as far as they are on record, and indexes them.
    ///
    /// # Errors
    /// When there is no such trial, or the store cannot be read.
    pub fn load(store: Store, scope: &Scope) -> Result<Self> {
        let (mut trials, mut notes, mut candidates) = (Vec::new(), Vec::new(), Vec::new());
        for trial in select(&store, scope)? {
            let of_trial = store.candidates(trial.row)?;
            notes.push(TrialNote::new(&trial.id, trial.finished, of_trial.len()));
            let method = trial.read_settings()?.method;
            trials.push(Viewed { row: trial.row, id: trial.id, method });
            candidates.push(of_trial);
        }
        let (index, clip) = Index::new(&candidates);
        let about = About::new(notes, clip);
        drop(candidates);
        // After so much was freed the allocator tidies up at the next large request: at this one, not
        // while a reader waits.
        let _ = index.answer(&Question::default(), &about.trials);
        let title = scope.name.clone().unwrap_or_else(|| "all trials".to_owned());
        Ok(Self { store: Mutex::new(store), title, trials, about, index })
    }

    /// How many candidates there are.
    #[must_use]
    pub fn candidates(&self) -> usize {
        self.index.len()
    }

    /// Serves until `stop` ends.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<()> {
        let guard = Guard::new(listener.local_addr().context("the listener has no address")?);
        let routes =
            routes(Arc::new(self)).layer(axum::middleware::from_fn_with_state(guard, guard::watch));
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
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(candidate) = store.candidate(trial.row, id)? else { return Ok(None) };
        let mut instructions = BTreeMap::new();
        for named in Trail::named(&candidate) {
            let instruction = match named {
                ItemId::Seed(_) => {
                    store.seed_items(trial.row, &[named])?.pop().map(|seed| seed.instruction)
                }
                ItemId::Candidate { .. } => {
                    store.candidate(trial.row, named)?.and_then(|sample| sample.instruction)
                }
            };
            instructions.extend(instruction.map(|instruction| (named, instruction)));
        }
        let teller = Teller {
            store: &store,
            trial: trial.row,
            method: &trial.method,
            depth: Depth::Prompts,
            instructions: &instructions,
        };
        teller.tell(candidate).with_context(|| format!("{} {id}", trial.id)).map(Some)
    }
}

/// Listens on an address.
///
/// # Errors
/// When it is taken, or not this machine's.
pub async fn listen(address: SocketAddr) -> Result<TcpListener> {
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

async fn about(State(viewer): State<Arc<Viewer>>) -> Json<About> {
    Json(viewer.about.clone())
}

async fn page(State(viewer): State<Arc<Viewer>>) -> Html<String> {
    let title = report::escaped(&viewer.title);
    let unfinished = viewer.about.trials.iter().filter(|trial| !trial.finished).map(|trial| {
        format!(
            "<p class=\"warning\" role=\"note\">Trial {} is not finished; shown is what was on record \
             when this was started.</p>\n",
            report::escaped(&trial.name)
        )
    });
    let unfinished: String = unfinished.collect();
    Html(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} \u{b7} gra-bench view</title>\n<link rel=\"stylesheet\" href=\"/style.css\">\n\
         <link rel=\"icon\" href=\"data:,\">\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#samples\">To the samples</a>\n\
         <header>\n<p class=\"kicker\">gra-bench view</p>\n<h1>{title}</h1>\n{unfinished}</header>\n\
         <main id=\"main\">\n{list}</main>\n<script src=\"/script.js\"></script>\n</body>\n</html>\n",
        list = browser::markup(),
    ))
}

async fn candidates(
    State(viewer): State<Arc<Viewer>>,
    Query(question): Query<Question>,
) -> Response {
    match viewer.index.answer(&question, &viewer.about.trials) {
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

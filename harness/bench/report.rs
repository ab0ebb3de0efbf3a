//! One self-contained HTML file about a trial or an experiment: what came out, what was run and how,
//! tables, figures, and every candidate with its trail. It needs no network and no server, holds no
//! time and no machine but what `measured.csv` recorded, and the same store gives the same bytes.
//!
//! What others wrote (models, experiment files) is escaped on its way into the page, or is data that
//! the page's own script shows as text; a content security policy lets nothing else run.
//!
//! # Layout
//!
//! - `subject`: what is read for it, from the store and the results
//! - `verdict`, `tables`, `compared`, `figures`, `trained`, `claims`, `making`: its sections
//! - `samples`: rows and trails as compressed blocks, within a budget
//! - `report.css`, `file.js`: how it looks; where its browser of samples finds its data

mod claims;
mod compared;
mod figures;
mod making;
mod samples;
mod subject;
mod tables;
mod trained;
mod verdict;

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use base64::prelude::{BASE64_STANDARD, Engine};
use gra_analysis::figure::font;
use sha2::{Digest, Sha256};

use crate::browser;
use crate::html::Html;
use crate::numbers::grouped;
use crate::store::Store;
use samples::EmbeddedSamples;
use subject::{ReportSubject, SeedResults};

const STYLE: &str = include_str!("report/report.css");
const SOURCE: &str = include_str!("report/file.js");

/// Room for what stands around the data, beyond sections and figures; most of it the font.
const FRAME: usize = 700_000;

/// Renders the report of an experiment or a trial by its name; `seed`: only this run seed.
///
/// # Errors
/// When there is no such trial or experiment, or the store cannot be read.
pub fn render(store: &Store, results: &Path, name: &str, seed: Option<u64>) -> Result<String> {
    let subject = &ReportSubject::read(store, results, name, seed)?;
    let mut main = Html::default();
    let mut contents = Vec::new();
    let mut section = |id: &'static str, title: &'static str, content: &Html| {
        contents.push((id, title));
        main.push(&Html::trusted(format!(
            "<section id=\"{id}\" aria-labelledby=\"{id}-title\">\n<h2 id=\"{id}-title\">{title}</h2>\n\
             {content}</section>\n"
        )));
    };
    section("verdict", "What came out", &by_seed(subject, |seed| Ok(verdict::verdict(seed)))?);
    let cards = by_seed(subject, |seed| Ok(samples::cards(seed)))?;
    if cards.len() > 0 {
        section("examples", "The first of each kind", &cards);
    }
    let mut found = by_seed(subject, |seed| Ok(tables::tables(seed)))?;
    found.push(&tables::over_seeds(subject));
    section("tables", "Tables", &found);
    // `compare` puts the variants of an experiment side by side; a trial is not compared by itself.
    let experiment = subject.experiment();
    let compared = by_seed(subject, |SeedResults { group, .. }| match experiment {
        Some(experiment) => compared::compared(results, experiment, group.seed),
        None => Ok(Html::default()),
    })?;
    if compared.len() > 0 {
        section("compared", "Data sets compared", &compared);
    }
    let mut drawn = by_seed(subject, |seed| {
        let mut drawn = figures::of_reference(seed, results, store);
        if let Some(experiment) = experiment {
            drawn.extend(figures::of_comparison(results, experiment, seed.group.seed)?);
        }
        Ok(figures::html(&drawn))
    })?;
    drawn.push(&figures::html(&figures::over_variants(subject, results, store)?));
    section("figures", "Figures", &drawn);
    let trained = trained::trained(results)?;
    if trained.len() > 0 {
        section("trained", "Models trained on such data", &trained);
    }
    section("claims", "The paper’s claims", &claims::claims(results)?);
    let mut run = making::making(subject);
    run.push(&by_seed(subject, |seed| Ok(making::measured(seed)))?);
    section("making", "What was run, and how", &run);
    contents.push(("samples", "Samples"));

    // Last: what is left of the file's size is for rows and trails.
    let data = EmbeddedSamples::pack(subject, store, main.len() + FRAME)?;
    let style = [&fonts(), STYLE, browser::STYLE].concat();
    let script = [browser::SCRIPT, SOURCE].concat();
    // Nothing runs or is drawn but what these hashes name.
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; font-src data:; img-src data:; base-uri 'none'; \
         form-action 'none'",
        hash(&script),
        hash(&style)
    );
    let title = Html::text(&subject.title);
    let (top, note) = (header(subject, &contents), left_out(subject, &data));
    let samples = browser::MARKUP;
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"generator\" content=\"gra-bench {version}\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{title} \u{b7} gra-bench report</title>\n<style>{style}</style>\n</head>\n<body>\n\
         {top}<main id=\"main\">\n{main}{note}{samples}</main>\n\
         <footer><p>Written by gra-bench {version}. The same store gives the same bytes.</p></footer>\n\
         {blocks}<script>{script}</script>\n</body>\n</html>\n",
        version = env!("CARGO_PKG_VERSION"),
        blocks = data.blocks,
    ))
}

/// The font that drawings are laid out for. The page is set in it too, so it looks alike everywhere.
fn fonts() -> String {
    let face = |(weight, file): (u32, &[u8])| {
        format!(
            "@font-face {{ font-family: \"Open Sans\"; font-weight: {weight}; \
             src: url(data:font/ttf;base64,{}); }}\n",
            BASE64_STANDARD.encode(file)
        )
    };
    font::files().map(face).concat()
}

fn hash(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text)))
}

fn header(subject: &ReportSubject, contents: &[(&str, &str)]) -> Html {
    let title = Html::text(&subject.title);
    let question = subject.manifest.as_ref().map(|manifest| Html::text(&manifest.question));
    let question = question.map(|question| Html::element("p", "question", &question));
    let mut html = format!(
        "<a class=\"skip\" href=\"#main\">To the report</a>\n<header>\n\
         <p class=\"kicker\">gra-bench report</p>\n<h1>{title}</h1>{}{}\n\
         <nav class=\"contents\" aria-label=\"Contents\"><ul>",
        question.unwrap_or_default(),
        verdict::warnings(subject)
    );
    for (id, title) in contents {
        let _ = write!(html, "<li><a href=\"#{id}\">{title}</a></li>");
    }
    html.push_str("</ul></nav>\n");
    if subject.seeds.len() > 1 {
        html.push_str("<p><label id=\"choose-seed-label\">Run seed <select id=\"choose-seed\">");
        for SeedResults { group, .. } in &subject.seeds {
            let seed = group.seed;
            let _ = write!(html, "<option value=\"{seed}\">{seed}</option>");
        }
        html.push_str("<option value=\"\">all</option></select></label></p>\n");
    }
    html.push_str("</header>\n");
    Html::trusted(html)
}

/// A part per run seed that has one, under its own heading where there are several.
fn by_seed(subject: &ReportSubject, part: impl Fn(&SeedResults) -> Result<Html>) -> Result<Html> {
    // Under one run seed a heading would say nothing.
    let several = subject.seeds.len() > 1;
    let of = |results: &SeedResults| -> Result<Html> {
        let (seed, content) = (results.group.seed, part(results)?);
        if !several || content.len() == 0 {
            return Ok(content);
        }
        let heading = format!("<h3>Run seed {seed}</h3>");
        Ok(Html::trusted(format!("<div data-seed=\"{seed}\">\n{heading}\n{content}</div>\n")))
    };
    subject.seeds.iter().map(of).collect()
}

/// What the browser of samples does not hold, and where it is.
fn left_out(subject: &ReportSubject, data: &EmbeddedSamples) -> Html {
    let mut text = Vec::new();
    if data.trails < data.candidates {
        text.push(format!(
            "This file holds {} of {} trails, those of disputed candidates first, so that it stays small.",
            grouped(data.trails as u64),
            grouped(data.candidates as u64)
        ));
    }
    if !data.prompts {
        text.push("Trails are without the exact prompts.".to_owned());
    }
    if text.is_empty() {
        return Html::default();
    }
    let experiment = &subject.reference().id().experiment;
    let text = Html::text(text.join(" ") + " All of it: ");
    let command = Html::element("code", "", &Html::text(format!("gra-bench view {experiment}")));
    Html::element("p", "hint", &[text, command].into_iter().collect())
}

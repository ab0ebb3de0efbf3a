//! One self-contained HTML file about a trial or an experiment: what came out, what was run and how,
//! tables, figures, and every candidate with its trail. It needs no network and no server, holds no
//! time and no machine but what `measured.csv` recorded, and the same store gives the same bytes.
//!
//! What others wrote (models, experiment files) is escaped on its way into the page, or is data that
//! the page's own script shows as text; a content security policy lets nothing else run.
//!
//! # Layout
//!
//! - this file: what is read for it, from the store and the results, and the page around its sections
//! - `outcomes`, `results`, `making`: its sections
//! - `samples`: rows and trails as compressed blocks, within a budget
//! - `report.css`, `file.js`: how it looks; where its browser of samples finds its data

mod making;
mod outcomes;
mod results;
mod samples;

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use base64::prelude::{BASE64_STANDARD, Engine};
use gra_analysis::ablation::AblationTable;
use gra_analysis::figure::font;
use gra_analysis::trial::TrialFacts;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::html::Html;
use crate::numbers::grouped;
use crate::store::Store;
use crate::trial::stored::{StoredTrial, TrialGroup, TrialSelection};
use crate::trial::{PublishedManifest, TrialId};
use crate::{browser, rows, suite};
use samples::EmbeddedSamples;

const STYLE: &str = include_str!("report/report.css");
const SOURCE: &str = include_str!("report/file.js");

/// Room for what stands around the data, beyond sections and figures; most of it the font.
const FRAME: usize = 700_000;

/// Renders the report of an experiment or a trial by its name, with what the results folder holds of it; `seed`: only
/// this run seed.
///
/// # Errors
/// When there is no such trial or experiment, or the store cannot be read.
pub(crate) fn render(
    store: &Store,
    folder: &Path,
    name: &str,
    seed: Option<u64>,
) -> Result<String> {
    let subject = &ReportSubject::read(store, folder, name, seed)?;
    let (mut main, mut contents) = (Html::default(), Vec::new());
    for (id, title, content) in sections(subject, store, folder)? {
        contents.push((id, title));
        main.push(&Html::trusted(format!(
            "<section id=\"{id}\" aria-labelledby=\"{id}-title\">\n<h2 id=\"{id}-title\">{title}</h2>\n\
             {content}</section>\n"
        )));
    }
    contents.push(("samples", "Samples"));

    // Last: what is left of the file's size is for rows and trails.
    let data = EmbeddedSamples::pack(subject, store, main.len() + FRAME)?;
    let style = [&fonts(), STYLE, browser::STYLE].concat();
    // What comes last calls the browser with the data of this file.
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

/// A section of the page: its id, its title and what stands below it.
type Section = (&'static str, &'static str, Html);

/// All sections but that of samples, in the order of the page.
fn sections(subject: &ReportSubject, store: &Store, folder: &Path) -> Result<Vec<Section>> {
    let mut tables = by_seed(subject, |seed| Ok(outcomes::tables(seed)))?;
    tables.push(&outcomes::over_seeds(subject));
    // `compare` puts the variants of an experiment side by side; a trial is not compared by itself.
    let experiment = subject.experiment();
    let compared = by_seed(subject, |SeedResults { group, .. }| match experiment {
        Some(experiment) => results::compared(folder, experiment, group.seed),
        None => Ok(Html::default()),
    })?;
    let mut drawn = by_seed(subject, |seed| {
        let mut drawn = results::of_reference(seed, folder, store);
        if let Some(experiment) = experiment {
            drawn.extend(results::of_comparison(folder, experiment, seed.group.seed)?);
        }
        Ok(results::cards(&drawn))
    })?;
    drawn.push(&results::cards(&results::over_variants(subject, folder, store)?));
    let mut run = making::making(subject);
    run.push(&by_seed(subject, |seed| Ok(making::measured(seed)))?);
    let mut sections = vec![
        ("verdict", "What came out", by_seed(subject, |seed| Ok(outcomes::verdict(seed)))?),
        ("examples", "The first of each kind", by_seed(subject, |seed| Ok(samples::cards(seed)))?),
        ("tables", "Tables", tables),
        ("compared", "Data sets compared", compared),
        ("figures", "Figures", drawn),
        ("trained", "Models trained on such data", results::trained(subject, folder)?),
        ("claims", "The paper’s claims", results::claims(folder)?),
        ("making", "What was run, and how", run),
    ];
    // Where there is nothing of these, a page has no place for it.
    let is_shown = |id| !["examples", "compared", "trained"].contains(&id);
    sections.retain(|(id, _, content)| content.len() > 0 || is_shown(*id));
    Ok(sections)
}

/// Everything that a report tells of.
struct ReportSubject {
    /// What the page is called.
    title: String,
    /// By run seed.
    seeds: Vec<SeedResults>,
    /// What the experiment asked, where a manifest says it.
    manifest: Option<PublishedManifest>,
}

/// What one run seed gave.
struct SeedResults {
    /// Its trials, the reference first.
    group: TrialGroup,
    table: AblationTable,
    /// Columns and lines of `seed-N.measured.csv`, where there is one.
    measured: Vec<Map<String, Value>>,
}

impl ReportSubject {
    /// Reads an experiment, or a trial; `seed`: only this run seed.
    fn read(store: &Store, results: &Path, name: &str, seed: Option<u64>) -> Result<Self> {
        let selection = TrialSelection { names: vec![name.to_owned()], seed };
        let selected = selection.find(store)?;
        let title = match name.parse::<TrialId>() {
            Ok(trial) => trial.to_string(),
            Err(_) => selected[0].id.experiment.clone(),
        };
        // A report needs no published files; what cannot be read of them is left out.
        let manifest = |id| PublishedManifest::read(results, id).ok().flatten();
        let manifest = selected.iter().find_map(|trial| manifest(&trial.id));
        let seeds = TrialGroup::read_all(store, &selected)
            .map(|group| SeedResults::new(group?, results))
            .collect::<Result<_>>()?;
        Ok(Self { title, seeds, manifest })
    }

    /// The first trial of the page.
    fn reference(&self) -> &StoredTrial {
        &self.seeds[0].group.trials[0]
    }

    /// The experiment's name; `None` of a report about one trial.
    fn experiment(&self) -> Option<&str> {
        let experiment = &self.reference().id().experiment;
        (self.title == *experiment).then_some(experiment)
    }

    /// Every trial, in the order of the page.
    fn trials(&self) -> impl Iterator<Item = (&StoredTrial, &TrialFacts)> {
        self.seeds.iter().flat_map(|seed| seed.group.each())
    }
}

impl SeedResults {
    fn new(group: TrialGroup, results: &Path) -> Result<Self> {
        let mut table = AblationTable::new(&group.facts, &group.facts[0].variant, group.seed)?;
        // Rows stand in the order of the trials.
        for (row, trial) in table.rows.iter_mut().zip(&group.trials) {
            row.target = trial.record.target().filter(|_| trial.finished);
        }
        let measured = suite::measured_path(results, &group.experiment, group.seed);
        // What runs took is told where it is there and can be read; a report is about the rest.
        let csv = std::fs::read(&measured).unwrap_or_default();
        let measured =
            rows::json(&csv).with_context(|| format!("cannot read {}", measured.display()))?;
        Ok(Self { group, table, measured })
    }
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
    let manifest = subject.manifest.as_ref();
    let question = manifest.map(|manifest| Html::worded("p", "question", &manifest.question));
    let mut html = format!(
        "<a class=\"skip\" href=\"#main\">To the report</a>\n<header>\n\
         <p class=\"kicker\">gra-bench report</p>\n<h1>{title}</h1>{}{}\n\
         <nav class=\"contents\" aria-label=\"Contents\"><ul>",
        question.unwrap_or_default(),
        outcomes::warnings(subject)
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
    let [held, all] = [data.trails, data.candidates].map(|count| grouped(count as u64));
    if data.trails < data.candidates {
        text.push(format!(
            "This file holds {held} of {all} trails, those of disputed candidates first, so that it stays small."
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
    let command = Html::worded("code", "", format!("gra-bench view {experiment}"));
    Html::element("p", "hint", &Html::from_iter([text, command]))
}

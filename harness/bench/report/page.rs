//! The file as a whole.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use gra_analysis::figure::font;
use sha2::{Digest, Sha256};

use super::base64;
use super::embedded::Embedded;
use super::markup::Html;
use super::material::{Material, SeedMaterial};
use super::verdict::grouped;
use super::{claims, compared, figures, making, tables, verdict};
use crate::browser;
use crate::store::Store;

const STYLE: &str = include_str!("report.css");
const SOURCE: &str = include_str!("file.js");

/// Room for what stands around the data, beyond sections and figures; most of it the font.
const FRAME: usize = 700_000;

pub(super) fn render(material: &Material, store: &Store, results: &Path) -> Result<String> {
    let mut main = Html::default();
    let mut contents = Vec::new();
    let mut section = |id: &'static str, title: &'static str, content: &Html| {
        contents.push((id, title));
        main.push(&Html::ours(format!(
            "<section id=\"{id}\" aria-labelledby=\"{id}-title\">\n<h2 id=\"{id}-title\">{title}</h2>\n\
             {content}</section>\n"
        )));
    };
    section("verdict", "What came out", &by_seed(material, |_, group| verdict::verdict(group)));
    let mut found = by_seed(material, |_, group| tables::tables(group));
    found.push(&tables::over_seeds(material));
    section("tables", "Tables", &found);
    let mut comparisons = Vec::new();
    let mut pictures = Vec::new();
    for group in &material.seeds {
        comparisons.push(match material.experiment() {
            Some(experiment) => compared::compared(results, experiment, group.seed)?,
            None => Html::default(),
        });
        let mut drawn = figures::pictures(group)?;
        if let Some(experiment) = material.experiment() {
            drawn.extend(figures::of_comparison(results, experiment, group.seed)?);
        }
        pictures.push(figures::html(&drawn));
    }
    if comparisons.iter().any(|found| found.len() > 0) {
        let found = by_seed(material, |place, _| comparisons[place].clone());
        section("compared", "Data sets compared", &found);
    }
    let mut drawn = by_seed(material, |place, _| pictures[place].clone());
    drawn.push(&figures::html(&figures::over_variants(material, store, results)?));
    section("figures", "Figures", &drawn);
    section("claims", "The paper’s claims", &claims::claims(results)?);
    let mut run = making::making(material);
    run.push(&by_seed(material, |_, group| making::measured(group)));
    section("making", "What was run, and how", &run);
    contents.push(("samples", "Samples"));

    let data = Embedded::new(material, store, main.len() + FRAME)?;
    let style = [&fonts(), STYLE, browser::STYLE].concat();
    let script = [browser::SCRIPT, SOURCE].concat();
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; font-src data:; img-src data:; base-uri 'none'; \
         form-action 'none'",
        hash(&script),
        hash(&style)
    );
    let title = Html::text(&material.title);
    let (top, note) = (header(material, &contents), left_out(material, &data));
    let samples = browser::markup();
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
            base64::encode(file)
        )
    };
    font::files().map(face).concat()
}

fn hash(text: &str) -> String {
    format!("sha256-{}", base64::encode(&Sha256::digest(text)))
}

fn header(material: &Material, contents: &[(&str, &str)]) -> Html {
    let mut html = String::from("<a class=\"skip\" href=\"#main\">To the report</a>\n<header>\n");
    html.push_str("<p class=\"kicker\">gra-bench report</p>\n");
    html.push_str(&Html::element("h1", "", &Html::text(&material.title)).into_string());
    if let Some(manifest) = &material.manifest {
        let question = Html::text(&manifest.question);
        html.push_str(&Html::element("p", "question", &question).into_string());
    }
    html.push_str(&verdict::warnings(material).into_string());
    html.push_str("\n<nav class=\"contents\" aria-label=\"Contents\"><ul>");
    for (id, title) in contents {
        let _ = write!(html, "<li><a href=\"#{id}\">{title}</a></li>");
    }
    html.push_str("</ul></nav>\n");
    if material.seeds.len() > 1 {
        html.push_str("<p><label id=\"choose-seed-label\">Run seed <select id=\"choose-seed\">");
        for group in &material.seeds {
            let seed = group.seed;
            let _ = write!(html, "<option value=\"{seed}\">{seed}</option>");
        }
        html.push_str("<option value=\"\">all</option></select></label></p>\n");
    }
    html.push_str("</header>\n");
    Html::ours(html)
}

/// A part per run seed, under its own heading where there are several.
fn by_seed(material: &Material, part: impl Fn(usize, &SeedMaterial) -> Html) -> Html {
    let several = material.seeds.len() > 1;
    let of = |(place, group): (usize, &SeedMaterial)| {
        let (seed, content) = (group.seed, part(place, group));
        if !several {
            return content;
        }
        let heading = format!("<h3>Run seed {seed}</h3>");
        Html::ours(format!("<div data-seed=\"{seed}\">\n{heading}\n{content}</div>\n"))
    };
    material.seeds.iter().enumerate().map(of).collect()
}

/// What the browser of samples does not hold, and where it is.
fn left_out(material: &Material, data: &Embedded) -> Html {
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
    let experiment = &material.seeds[0].reference().row.id.experiment;
    let text = Html::text(text.join(" ") + " All of it: ");
    let command = Html::element("code", "", &Html::text(format!("gra-bench view {experiment}")));
    Html::element("p", "hint", &[text, command].into_iter().collect())
}

//! What the paper claims, what its own tables give, and what these results measured of it.

use std::path::Path;

use anyhow::Result;
use gra_paper::claims::{self, Finding, Measurement};
use gra_paper::{Kind, Reference};

use crate::html::{Html, HtmlTable};
use crate::measured;
use crate::numbers::{MISSING, or_missing};

/// Verdicts in the order in which they are counted, and how a sentence says them of several.
const VERDICTS: [(&str, &str); 4] = [
    ("holds", "hold"),
    ("off", "are off"),
    ("contradicted", "are contradicted"),
    ("not measurable yet", "are not measurable yet"),
];

/// The audit, with what the results folder holds.
///
/// # Errors
/// When a file of measurements is damaged.
pub(super) fn claims(results: &Path) -> Result<Html> {
    let findings = claims::audit(&Reference::embedded()?, &measured::load(results, None)?);
    let said = |kind: Kind| {
        let of_kind: Vec<&Finding> =
            findings.iter().filter(|finding| finding.claim.kind == kind).collect();
        let count = |word: &str| of_kind.iter().filter(|finding| verdict(finding) == word).count();
        let told = VERDICTS.iter().map(|(word, said)| (count(word), said));
        let told = told.filter(|(n, _)| *n > 0).map(|(n, said)| format!("{n} {said}"));
        format!("{}: {}", of_kind.len(), told.collect::<Vec<_>>().join(", "))
    };
    let mut html = Html::element(
        "p",
        "",
        &Html::text(format!(
            "What the paper finds, recomputed from its own printed tables, {}. What it says of its own set-up, prompts \
             and sums, {}.",
            said(Kind::Finding),
            said(Kind::Bookkeeping)
        )),
    );
    // Claims that these results measure stand open; all of them are folded.
    let is_here = |finding: &&Finding| matches!(finding.here, Measurement::Measured { .. });
    let here: Vec<&Finding> = findings.iter().filter(is_here).collect();
    if here.is_empty() {
        html.push(&Html::trusted(
            "<p class=\"hint\">None of them is measured by these results yet; <code>gra-bench claims\
             </code> says what each would take.</p>\n",
        ));
    } else {
        html.push(&table("Claims that these results measure", &here));
    }
    let all: Vec<&Finding> = findings.iter().collect();
    html.push(&Html::folded(&format!("All {} claims", all.len()), &table("All claims", &all)));
    Ok(html)
}

/// `off by 2` counts as off.
fn verdict(finding: &Finding) -> String {
    let verdict = finding.claim.verdict.to_string();
    if verdict.starts_with("off") { "off".to_owned() } else { verdict }
}

fn table(caption: &str, findings: &[&Finding]) -> Html {
    let head = ["Claim", "where", "what", "printed", "recomputed", "verdict", "here", "why"];
    let mut table = HtmlTable::new(caption, head);
    for finding in findings {
        let Finding { claim, here, .. } = finding;
        let here = match here {
            Measurement::Measured { from, .. } => {
                format!("{} ({from})", here.number().unwrap_or_default())
            }
            Measurement::Missing(what) => (*what).to_owned(),
            Measurement::Inapplicable => MISSING.to_owned(),
        };
        table.row([
            claim.id.clone(),
            claim.section.clone(),
            claim.claim.clone(),
            or_missing(Some(&claim.printed).filter(|text| !text.is_empty()), String::clone),
            or_missing(finding.recomputed_text(), |text| text),
            claim.verdict.to_string(),
            here,
            claim.note.clone(),
        ]);
    }
    table.html()
}

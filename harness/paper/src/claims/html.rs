//! Findings as an HTML fragment: no style, no script, nothing fetched.

use std::fmt::Write;

use super::table::{by_kind, counts, here, or_missing, place, recomputed};
use super::{Finding, Here};
use crate::grid::Align;
use crate::markup::escape;

/// Counts, and a table per kind of claim. A claim's row has its id (`claim-P13`) and the class of its
/// verdict (`verdict-off`); all text is escaped.
#[must_use]
pub fn html(findings: &[Finding]) -> String {
    let mut out = String::from("<section class=\"claims\">\n<table class=\"counts\">\n<tr>");
    let counts = counts(findings);
    for column in &counts {
        let _ = write!(out, "<th scope=\"col\">{}</th>", escape(&column.title));
    }
    out.push_str("</tr>\n");
    for row in 0..counts[0].cells.len() {
        out.push_str("<tr>");
        for column in &counts {
            let tag = if column.align == Align::Left { "th" } else { "td" };
            let _ = write!(out, "<{tag}>{}</{tag}>", escape(&column.cells[row]));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table>\n");
    for (kind, of_kind) in by_kind(findings, |_| true) {
        let _ = writeln!(out, "<table>\n<caption>{}</caption>\n<thead><tr>", escape(kind.title()));
        for title in ["id", "where", "claim", "printed", "recomputed", "verdict", "here"] {
            let _ = write!(out, "<th scope=\"col\">{title}</th>");
        }
        out.push_str("</tr></thead>\n<tbody>\n");
        for finding in of_kind {
            row(&mut out, finding);
        }
        out.push_str("</tbody>\n</table>\n");
    }
    out.push_str("</section>\n");
    out
}

fn row(out: &mut String, finding: &Finding) {
    let claim = &finding.claim;
    let (id, word) = (escape(&claim.id), claim.verdict.word());
    let _ =
        write!(out, "<tr id=\"claim-{id}\" class=\"verdict-{word}\"><th scope=\"row\">{id}</th>");
    let _ = write!(out, "<td>{}</td><td>{}", escape(&place(&claim.section)), escape(&claim.claim));
    if !claim.formula.is_empty() {
        let _ = write!(out, "<br><code>{}</code>", escape(&claim.formula));
    }
    if !claim.note.is_empty() {
        let _ = write!(out, "<br><small>{}</small>", escape(&claim.note));
    }
    let from = match &finding.here {
        Here::Measured { from, .. } => from.as_str(),
        Here::Missing(what) => what,
        Here::Inapplicable => "",
    };
    let from = if from.is_empty() {
        String::new()
    } else {
        format!("<br><small>{}</small>", escape(from))
    };
    let _ = writeln!(
        out,
        "</td><td>{}</td><td>{}</td><td>{}</td><td>{}{from}</td></tr>",
        escape(&or_missing(&claim.printed)),
        escape(&recomputed(finding)),
        escape(&claim.verdict.to_string()),
        escape(&here(finding)),
    );
}

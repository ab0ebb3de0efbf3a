//! Findings as CSV, Markdown and terminal text: counts by verdict first, then every claim by its kind.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::{Finding, Measurement};
use crate::exact;
use crate::foreign_text::CsvWriter;
use crate::grid::{self, Align, Column, MISSING, left};
use crate::{Claim, ClaimVerdict, Kind};

/// Columns that a claim's text is indented by in a terminal.
const INDENT: usize = 5;

/// Those of `results/paper/claims.csv`, and what was measured; in [`write_csv`]'s order.
const COLUMNS: &str = "id kind section claim formula printed recomputed verdict note \
    here here_low here_high here_verdict here_from here_missing";

/// One line per claim: the columns of `results/paper/claims.csv`, then `here`, `here_low`, `here_high`, `here_verdict`,
/// `here_from`, and in `here_missing` the command or file that would measure it.
///
/// # Errors
/// When the writer fails.
pub fn write_csv<'a>(
    findings: impl IntoIterator<Item = &'a Finding>,
    writer: impl Write,
) -> io::Result<()> {
    let mut csv = CsvWriter::from_writer(writer);
    csv.write_record(COLUMNS.split(' '))?;
    for finding in findings {
        let claim = &finding.claim;
        let (recomputed, verdict) =
            (finding.recomputed_text().unwrap_or_default(), claim.verdict.to_string());
        let as_printed = [
            &claim.id,
            claim.kind.id(),
            &claim.section,
            &claim.claim,
            &claim.formula,
            &claim.printed,
            &recomputed,
            &verdict,
            &claim.note,
        ];
        // Value, ends of its interval, verdict, and where it is from; or else what would measure it.
        let mut here: [String; 6] = Default::default();
        match &finding.here {
            Measurement::Measured { value, interval, from, verdict } => {
                let [low, high] =
                    interval.map(|(low, high)| [low, high].map(exact::shown)).unwrap_or_default();
                let verdict = verdict.map(|verdict| verdict.to_string()).unwrap_or_default();
                here = [value.to_string(), low, high, verdict, from.clone(), String::new()];
            }
            Measurement::Missing(what) => (*what).clone_into(&mut here[5]),
            Measurement::Inapplicable => {}
        }
        csv.write_record(as_printed.into_iter().chain(here.iter().map(String::as_str)))?;
    }
    csv.flush()
}

/// Counts of all findings, and those that are shown, as Markdown.
#[must_use]
pub fn markdown(findings: &[Finding], is_shown: impl Fn(&Finding) -> bool) -> String {
    let mut out = format!("{}\n", grid::markdown(&counts(findings)));
    for (kind, of_kind) in by_kind(findings, is_shown) {
        let column = |title, cell: fn(&Finding) -> String| left(title, &of_kind, |one| cell(one));
        let columns = [
            column("id", |f| f.claim.id.clone()),
            column("where", |f| place(&f.claim.section)),
            column("claim", |f| prose(&f.claim.claim)),
            column("formula", |f| code(&f.claim.formula)),
            column("printed", |f| prose(&or_missing(&f.claim.printed))),
            column("recomputed", recomputed),
            column("verdict", |f| f.claim.verdict.to_string()),
            column("here", here),
            column("why", |f| prose(&f.claim.note)),
        ];
        let _ = writeln!(out, "## {}\n\n{}", kind.title(), grid::markdown(&columns));
    }
    out
}

/// Some claims are about tags, which Markdown would take for its own.
fn prose(text: &str) -> String {
    text.replace('<', "&lt;")
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

/// Counts of all findings, and those that are shown, for a terminal: a claim is a few short lines.
#[must_use]
pub fn terminal(findings: &[Finding], is_shown: impl Fn(&Finding) -> bool) -> String {
    let mut out = grid::terminal(&counts(findings));
    for (kind, of_kind) in by_kind(findings, is_shown) {
        let _ = writeln!(out, "\n{}", kind.title());
        for finding in of_kind {
            out.push('\n');
            claim_lines(&mut out, finding);
        }
    }
    out
}

/// Writes a claim as a few lines:
///
/// ```text
/// P13  off by 0.2; section 4.2
///      Mean gain over vanilla seed data, Llama base
///      printed 6.18, recomputed 6.38: mean_s T1(L,s,gra) - mean_s T1(L,s,vanilla)
///      reproduced only with ...
///      here: ...
/// ```
fn claim_lines(out: &mut String, finding: &Finding) {
    let claim = &finding.claim;
    let _ = writeln!(out, "{:<INDENT$}{}; {}", claim.id, claim.verdict, place(&claim.section));
    let mut line = |text: &str| grid::hang(out, &" ".repeat(INDENT), text, INDENT);
    line(&claim.claim);
    let (printed, recomputed) = (or_missing(&claim.printed), recomputed(finding));
    line(&match claim.formula.as_str() {
        // There is no formula, and what stands in its place is a sentence.
        _ if claim.is_stated() => format!("printed {printed}; {recomputed}"),
        "" => format!("printed {printed}, recomputed {recomputed}"),
        formula => format!("printed {printed}, recomputed {recomputed}: {formula}"),
    });
    if !claim.note.is_empty() {
        line(&claim.note);
    }
    match &finding.here {
        Measurement::Measured { from, .. } => line(&format!("here {}: {from}", here(finding))),
        Measurement::Missing(what) => line(&format!("here not measured yet; takes {what}")),
        Measurement::Inapplicable => {}
    }
}

/// A row per verdict, with how many claims of each kind have it.
fn counts(findings: &[Finding]) -> Vec<Column> {
    let words = ["holds", "off", "contradicted", "not-measurable", "derived"];
    let verdicts = words.map(|word| word.replace("not-measurable", "not measurable yet")).to_vec();
    let verdicts = Column { title: "verdict".to_owned(), cells: verdicts, align: Align::Left };
    let counted = |title: &str, is_counted: &dyn Fn(&Claim) -> bool| {
        let claims = || findings.iter().map(|finding| &finding.claim).filter(|one| is_counted(one));
        let count = |word| claims().filter(|claim| claim.verdict.word() == word).count();
        let cells = words.map(|word| count(word).to_string()).to_vec();
        Column { title: title.to_owned(), cells, align: Align::Right }
    };
    let kinds = Kind::ALL.map(|kind| counted(kind.id(), &|claim| claim.kind == kind));
    [verdicts].into_iter().chain(kinds).chain([counted("all", &|_| true)]).collect()
}

fn by_kind(
    findings: &[Finding],
    is_shown: impl Fn(&Finding) -> bool,
) -> impl Iterator<Item = (Kind, Vec<&Finding>)> {
    Kind::ALL.into_iter().filter_map(move |kind| {
        let is_one = |finding: &&Finding| finding.claim.kind == kind && is_shown(finding);
        let of_kind: Vec<&Finding> = findings.iter().filter(is_one).collect();
        (!of_kind.is_empty()).then_some((kind, of_kind))
    })
}

fn recomputed(finding: &Finding) -> String {
    finding.recomputed_text().unwrap_or_else(|| MISSING.to_owned())
}

fn here(finding: &Finding) -> String {
    match &finding.here {
        Measurement::Measured { verdict, .. } => {
            let number = finding.here.number().unwrap_or_default();
            match verdict {
                // Neither compares numbers: it would repeat the paper's own verdict.
                Some(ClaimVerdict::NotMeasurable | ClaimVerdict::Derived) | None => number,
                Some(verdict) => format!("{number} ({verdict})"),
            }
        }
        Measurement::Missing(_) => "not yet".to_owned(),
        Measurement::Inapplicable => MISSING.to_owned(),
    }
}

/// A claim's place in words: `section 4.2`, `Appendix D`, `Table 1`.
fn place(section: &str) -> String {
    match section {
        "repo" => "the authors' repository".to_owned(),
        "abstract" => section.to_owned(),
        _ if section.starts_with(|c: char| c.is_ascii_digit()) => format!("section {section}"),
        _ => match section.strip_prefix("table") {
            Some(number) => format!("Table {number}"),
            None => format!("Appendix {section}"),
        },
    }
}

fn or_missing(text: &str) -> String {
    if text.is_empty() { MISSING.to_owned() } else { text.to_owned() }
}

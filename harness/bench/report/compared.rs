//! What `compare` found about an experiment's data sets, where it was run: in words, and measure by measure.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use crate::html::{Html, HtmlTable};
use crate::numbers::{MISSING, measure};
use crate::{comparison, rows};

/// A line of `stats.csv` by column.
type StatsLine = Map<String, Value>;

/// The comparison under one run seed; nothing where there is none.
///
/// # Errors
/// When a file that is there cannot be read.
pub(super) fn compared(results: &Path, experiment: &str, seed: u64) -> Result<Html> {
    let folder = comparison::folder(results, experiment, seed);
    let Ok(csv) = std::fs::read(folder.join("stats.csv")) else { return Ok(Html::default()) };
    let lines =
        rows::json(&csv).with_context(|| format!("cannot read {}/stats.csv", folder.display()))?;
    // An interrupted `compare` may have left the table without the words.
    let words = std::fs::read_to_string(folder.join(comparison::WORDS)).unwrap_or_default();
    let item = |line: &str| Html::element("li", "", &Html::text(line));
    let mut html = Html::element("ul", "verdict", &words.lines().map(item).collect());
    let mut data_sets: Vec<String> = Vec::new();
    for line in &lines {
        let name = text(line, "data_set");
        if !data_sets.contains(&name) {
            data_sets.push(name);
        }
    }
    // Measures for those who look closer come behind all others.
    let mut groups: Vec<(String, Vec<&StatsLine>)> = Vec::new();
    for line in &lines {
        let name = text(line, "group");
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, group)) => group.push(line),
            None => groups.push((name, vec![line])),
        }
    }
    for (name, group) in &groups {
        html.push(&Html::folded(&format!("Measured: {name}"), &table(name, group, &data_sets)));
    }
    Ok(html)
}

fn table(name: &str, group: &[&StatsLine], data_sets: &[String]) -> Html {
    let names = data_sets.iter().map(|name| format!("#{name}"));
    let head = std::iter::once("Measure".to_owned()).chain(names);
    let caption = format!("{name}: values, 95% intervals and numbers of samples behind them");
    let mut table = HtmlTable::new(&caption, head);
    // Lines come by measure, and within one by data set.
    for measure in group.chunk_by(|a, b| a.get("measure") == b.get("measure")) {
        let of = |name: &String| measure.iter().find(|line| text(line, "data_set") == *name);
        let cells =
            data_sets.iter().map(|name| of(name).map_or_else(Html::default, |line| cell(line)));
        let name = Html::text(text(measure[0], "measure"));
        table.row(std::iter::once(name).chain(cells));
    }
    table.html()
}

/// Value, interval and n, or why there is no value.
fn cell(line: &StatsLine) -> Html {
    let number = |column: &str| line.get(column).and_then(Value::as_f64);
    let Some(value) = number("value") else {
        let why = text(line, "absent");
        return Html::text(if why.is_empty() { MISSING } else { &why });
    };
    let interval = number("low").zip(number("high"));
    // Without an interval a whole number is a count.
    let is_count = interval.is_none() && value.fract() == 0.0;
    let mut html = Html::unbroken(if is_count { value.to_string() } else { measure(value) });
    let mut more = Vec::new();
    if let Some((low, high)) = interval {
        more.push(format!("{} to {}", measure(low), measure(high)));
    }
    if let Some(n) = number("n") {
        more.push(format!("n = {n}"));
    }
    for part in more {
        html.push(&Html::trusted("<br>"));
        html.push(&Html::element("small", "nowrap", &Html::text(part)));
    }
    html
}

/// A name may look like a number.
fn text(line: &StatsLine, column: &str) -> String {
    match line.get(column) {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

//! The ablation table as stacked blocks for a terminal.

use super::columns;
use super::delimited::CANDIDATE_STAGES;
use super::{AblationTable, Row};
use crate::grid::{self, Column, count, wrap};

pub(super) fn render(table: &AblationTable) -> String {
    let rows = table.rows();
    let mut out = String::new();
    block(&mut out, rows, "What became of the candidates", columns::outcomes(rows));

    let mut committee = columns::disputes(rows);
    committee.extend(columns::scores(rows));
    block(&mut out, rows, "Committee", committee);

    let mut differences = columns::acceptance_difference(rows).to_vec();
    differences.extend(columns::mu_difference(rows));
    let title = format!("Differences to the reference, {}", table.reference);
    block(&mut out, rows, &title, differences);

    let mut cost = columns::cost(rows);
    cost.push(columns::column("malformed\nreplies", rows, |row| {
        count(row.funnel.malformed_replies_total())
    }));
    block(&mut out, rows, "Cost", cost);

    let left_out = columns::savings(rows);
    if !left_out.is_empty() {
        block(
            &mut out,
            rows,
            "Left out by economy: no answer could have changed a sample",
            left_out,
        );
    }

    if rows.iter().any(|row| row.funnel.malformed_replies_total() > 0) {
        let by_stage = CANDIDATE_STAGES.map(|stage| columns::malformed_replies(rows, stage));
        let title = "Malformed replies by stage, retried ones included";
        block(&mut out, rows, title, by_stage.to_vec());
    }
    if rows.iter().any(|row| row.funnel.failed_calls_total() > 0) {
        let by_stage = CANDIDATE_STAGES.map(|stage| columns::failed_calls(rows, stage));
        block(&mut out, rows, "Failed calls by stage", by_stage.to_vec());
    }
    for note in columns::notes(&table.reference, rows) {
        wrap(&mut out, &note);
    }
    out
}

fn block(out: &mut String, rows: &[Row], title: &str, columns: Vec<Column>) {
    let mut all = vec![columns::variant(rows)];
    all.extend(columns);
    out.push_str(title);
    out.push('\n');
    out.push_str(&grid::terminal(&all));
    out.push('\n');
}

//! The ablation table as two Markdown tables: decisions, and scores with cost.

use std::fmt::Write;

use super::columns::{self, column};
use super::delimited::CANDIDATE_STAGES;
use super::{AblationTable, Row};
use crate::grid::{self, Align, Column, count};

pub(super) fn render(table: &AblationTable) -> String {
    let rows = table.rows();
    let mut decisions = vec![columns::variant(rows)];
    decisions.extend(columns::outcomes(rows));
    decisions.extend(columns::acceptance_difference(rows));
    decisions.extend(columns::disputes(rows));

    let mut cost = vec![columns::variant(rows)];
    cost.extend(columns::scores(rows));
    cost.extend(columns::mu_difference(rows));
    cost.extend(columns::cost(rows));
    cost.push(Column {
        align: Align::Left,
        ..column("malformed replies", rows, malformed_replies)
    });

    let mut out = format!(
        "### Decisions\n\n{}\n### Scores and cost\n\n{}\n",
        grid::markdown(&decisions),
        grid::markdown(&cost)
    );
    let left_out = columns::savings(rows);
    if !left_out.is_empty() {
        let mut savings = vec![columns::variant(rows)];
        savings.extend(left_out);
        let _ = write!(out, "### Left out by economy\n\n{}\n", grid::markdown(&savings));
    }
    for note in columns::notes(&table.reference, rows) {
        let _ = writeln!(out, "- {note}");
    }
    out
}

/// `3 (keywords 2, response 1)`.
fn malformed_replies(row: &Row) -> String {
    let total = count(row.funnel.malformed_replies_total());
    let stages = CANDIDATE_STAGES.iter().filter_map(|stage| {
        let replies = row.funnel.malformed_replies.get(stage)?;
        Some(format!("{stage} {}", count(*replies)))
    });
    let stages: Vec<String> = stages.collect();
    if stages.is_empty() { total } else { format!("{total} ({})", stages.join(", ")) }
}

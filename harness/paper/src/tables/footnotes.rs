//! Notes on averages that are not the mean of their columns, and on numbers that the paper prints differently in
//! another place.

use super::{Cell, Table, TableNumber, best_by_columns};
use crate::exact::{self, Ratio, fixed};
use crate::{BaseModel, DataSource, ITERATIONS, PrintedScores, Reference, SeedDataset};

/// Gives every cell that needs one a footnote, numbered in the order of reading.
pub(super) fn add(table: &mut Table, paper: &Reference) {
    let number = table.number;
    for block in &mut table.blocks {
        let by_columns = best_by_columns(block);
        let best = by_columns.map(|place| block.rows[place].label.clone());
        for (place, row) in block.rows.iter_mut().enumerate() {
            for cell in &mut row.cells {
                let mut parts: Vec<String> = mean(cell).into_iter().collect();
                parts.extend(elsewhere(number, cell, paper));
                // A marked best that the recomputed averages deny is the strongest thing that a table can get wrong.
                let is_best = cell.is_best && cell.recomputed.is_some();
                if let Some(best) = best.as_ref().filter(|_| is_best && by_columns != Some(place)) {
                    let denied = "By the means of the columns the best of the block is";
                    parts.push(format!("{denied} {best}."));
                }
                if !parts.is_empty() {
                    table.notes.push(parts.join(" "));
                    cell.note = Some(table.notes.len());
                }
            }
        }
    }
}

/// A note on an average that is not the mean of its columns, rounded.
fn mean(cell: &Cell) -> Option<String> {
    let (mean, printed) = cell.recomputed.zip(cell.printed)?;
    if exact::round(mean, 2) == printed {
        return None;
    }
    let shown = fixed(mean, 2);
    let off = fixed(printed - mean, 3);
    // A minus comes with the number, a plus does not.
    let sign = if off.starts_with('-') { "" } else { "+" };
    let printed = fixed(printed, 2);
    Some(format!("Printed {printed}; the mean of the ten columns is {shown} ({sign}{off})."))
}

/// Notes on other numbers that the paper prints for the same average of GRA.
fn elsewhere(number: TableNumber, cell: &Cell, paper: &Reference) -> Vec<String> {
    // Only averages are printed in several places; a cell's path says which row it is of.
    let parts: Vec<&str> = cell.path.split('/').collect();
    let [_, base, seed, row, "avg"] = parts.as_slice() else { return Vec::new() };
    let (Ok(base), Ok(seed), Some(here)) = (base.parse(), seed.parse(), cell.printed) else {
        return Vec::new();
    };
    // A number of another place as it is printed there, where it differs.
    let other =
        |there: Option<Ratio>| there.filter(|there| *there != here).map(|there| fixed(there, 2));
    let table_1 = paper.main(base, seed, DataSource::Gra).map(|scores| scores.average);
    let table_2 = paper.seed_data(base, seed, DataSource::Gra);
    let table_3 = |round| Some(paper.iteration(base, seed, round)?.scores.average);
    // The round of Table 3 that Table 1's row repeats, column by column.
    let repeated = paper.matched_rounds(base, seed).first().copied();
    let source = round_of_table_2(paper, base, seed);
    let which = match source {
        Some((round, true)) => format!(", round {round} of Table 3"),
        Some((round, false)) => format!(", the mean of the columns of round {round} of Table 3"),
        None => ", no round of Table 3".to_owned(),
    };
    let notes = match (number, row.parse()) {
        (TableNumber::Main, _) if *row == "gra" => {
            let same_columns = |round| {
                let there = other(table_3(round))?;
                Some(format!("Table 3 prints {there} for the same ten columns (round {round})."))
            };
            // Section 5.1 compares random with fixed roles on one base model and seed set, and gives GRA another number.
            let is_theirs = (base, seed) == (BaseModel::Qwen, SeedDataset::Alpaca);
            let random_roles = paper.number("claims/P29").ok().filter(|_| is_theirs);
            let section = other(random_roles.and_then(|quoted| quoted.number));
            vec![
                repeated.and_then(same_columns),
                other(table_2).map(|there| format!("Table 2 prints {there}{which}.")),
                section.map(|there| format!("Section 5.1 gives GRA {there} on this base model.")),
            ]
        }
        (TableNumber::SeedData, _) if *row == "gra" => {
            let this = which.replace(',', "");
            vec![other(table_1).map(|there| format!("Table 1 prints {there}; this is{this}."))]
        }
        (TableNumber::Iterations, Ok(round)) => {
            let table_1 = other(table_1.filter(|_| repeated == Some(round)));
            let table_2 = other(table_2.filter(|_| source == Some((round, false))));
            vec![
                table_1.map(|there| format!("Table 1 prints {there} for the same ten columns.")),
                table_2.map(|there| format!("Table 2 prints {there}.")),
            ]
        }
        _ => Vec::new(),
    };
    notes.into_iter().flatten().collect()
}

/// The round of Table 3 whose average of GRA Table 2 prints: as it is printed there (`true`), or recomputed.
fn round_of_table_2(paper: &Reference, base: BaseModel, seed: SeedDataset) -> Option<(u8, bool)> {
    let average = paper.seed_data(base, seed, DataSource::Gra)?;
    let scores = |round| Some(&paper.iteration(base, seed, round)?.scores);
    let find = |of: &dyn Fn(&PrintedScores) -> Ratio| {
        ITERATIONS.into_iter().find(|round| scores(*round).map(of) == Some(average))
    };
    // Printed averages first: a mean that happens to agree is the weaker explanation.
    let printed = find(&|scores| scores.average).map(|round| (round, true));
    printed.or_else(|| Some((find(&|scores| exact::round(scores.mean(), 2))?, false)))
}

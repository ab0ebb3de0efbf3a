//! Notes on averages that are not the mean of their columns, and on numbers that the paper prints differently in
//! another place.

use super::{Cell, Table, TableNumber, best_by_columns};
use crate::exact::{self, Ratio, fixed};
use crate::{BaseModel, DataSource, ITERATIONS, Reference, SeedDataset};

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
    let average = GraAverage { paper, base, seed, here };
    let notes = match (number, row.parse()) {
        (TableNumber::Main, _) if *row == "gra" => average.notes_of_table_1(),
        (TableNumber::SeedData, _) if *row == "gra" => vec![average.note_of_table_2()],
        (TableNumber::Iterations, Ok(round)) => average.notes_of_table_3(round),
        _ => Vec::new(),
    };
    notes.into_iter().flatten().collect()
}

/// An average of GRA, and what the tables print for the same base model and seed set.
struct GraAverage<'a> {
    paper: &'a Reference,
    base: BaseModel,
    seed: SeedDataset,
    /// As the cell prints it.
    here: Ratio,
}

impl GraAverage<'_> {
    fn table_1(&self) -> Option<Ratio> {
        Some(self.paper.main(self.base, self.seed, DataSource::Gra)?.average)
    }

    fn table_2(&self) -> Option<Ratio> {
        self.paper.seed_data(self.base, self.seed, DataSource::Gra)
    }

    fn table_3(&self, round: u8) -> Option<Ratio> {
        Some(self.paper.iteration(self.base, self.seed, round)?.scores.average)
    }

    /// The round of Table 3 that Table 1's row repeats, column by column.
    fn repeated(&self) -> Option<u8> {
        self.paper.matched_rounds(self.base, self.seed).first().copied()
    }

    /// The round of Table 3 whose average Table 2 prints, as printed there or recomputed.
    fn round_of_table_2(&self) -> Option<(u8, bool)> {
        let average = self.table_2()?;
        let mean = |round| {
            let row = self.paper.iteration(self.base, self.seed, round)?;
            Some(exact::round(row.scores.mean(), 2))
        };
        let mut rounds = ITERATIONS.into_iter();
        // Printed averages first: a mean that happens to agree is the weaker explanation.
        if let Some(round) = rounds.clone().find(|round| self.table_3(*round) == Some(average)) {
            return Some((round, true));
        }
        Some((rounds.find(|round| mean(*round) == Some(average))?, false))
    }

    /// A number of another place as it is printed there, where it differs.
    fn other(&self, there: Option<Ratio>) -> Option<String> {
        there.filter(|there| *there != self.here).map(|there| fixed(there, 2))
    }

    fn notes_of_table_1(&self) -> Vec<Option<String>> {
        let of_round = |round| {
            let there = self.other(self.table_3(round))?;
            Some(format!("Table 3 prints {there} for the same ten columns (round {round})."))
        };
        let table_2 = self.other(self.table_2());
        // Section 5.1 compares random with fixed roles on one base model and seed set, and gives GRA another number.
        let is_theirs = (self.base, self.seed) == (BaseModel::Qwen, SeedDataset::Alpaca);
        let random_roles = self.paper.number("claims/P29").ok().filter(|_| is_theirs);
        let section = self.other(random_roles.and_then(|quoted| quoted.number));
        vec![
            self.repeated().and_then(of_round),
            table_2.map(|there| format!("Table 2 prints {there}{}.", self.which_round())),
            section.map(|there| format!("Section 5.1 gives GRA {there} on this base model.")),
        ]
    }

    fn note_of_table_2(&self) -> Option<String> {
        let there = self.other(self.table_1())?;
        Some(format!("Table 1 prints {there}; this is{}.", self.which_round().replace(',', "")))
    }

    fn notes_of_table_3(&self, round: u8) -> Vec<Option<String>> {
        let is_repeated = self.repeated() == Some(round);
        let is_recomputed = self.round_of_table_2() == Some((round, false));
        let table_1 = self.other(self.table_1().filter(|_| is_repeated));
        let table_2 = self.other(self.table_2().filter(|_| is_recomputed));
        vec![
            table_1.map(|there| format!("Table 1 prints {there} for the same ten columns.")),
            table_2.map(|there| format!("Table 2 prints {there}.")),
        ]
    }

    /// `, round 5 of Table 3`, as far as Table 2's number is known.
    fn which_round(&self) -> String {
        match self.round_of_table_2() {
            Some((round, true)) => format!(", round {round} of Table 3"),
            Some((round, false)) => {
                format!(", the mean of the columns of round {round} of Table 3")
            }
            None => ", no round of Table 3".to_owned(),
        }
    }
}

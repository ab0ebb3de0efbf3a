//! Tables as CSV: a line per cell, the form that other programs read.

use std::io::{self, Write};

use super::{Cell, Table, layout};
use crate::exact::{fixed, shown};
use crate::foreign_text::CsvWriter;

const HEADER: [&str; 21] = [
    "table",
    "path",
    "block",
    "row",
    "column",
    "printed",
    "recomputed",
    "is_best",
    "here",
    "low",
    "high",
    "n",
    "trainings",
    "spread",
    "less_paper",
    "reference",
    "less_reference",
    "less_low",
    "less_high",
    "is_paired",
    "note",
];

impl Table {
    /// A line per cell: `table`, its path, `block`, `row`, `column`, then `printed`, `recomputed` and
    /// `is_best`, then `here`, `low`, `high`, `n`, `trainings`, `spread` and `less_paper`, then
    /// what it is less the row `reference` of its block (`less_reference`, `less_low`, `less_high`, `is_paired`: item
    /// by item), then its `note`.
    /// Fields are empty where there is no number.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write_csv(tables: &[Self], writer: impl Write) -> io::Result<()> {
        let mut csv = CsvWriter::from_writer(writer);
        csv.write_record(HEADER)?;
        for table in tables {
            for block in &table.blocks {
                for row in &block.rows {
                    for (heading, cell) in table.headings.iter().zip(&row.cells) {
                        let number = table.number.number().to_string();
                        let names = [&number, &cell.path, &block.title, &row.label, heading.title];
                        let numbers = numbers(cell, block.reference.as_deref());
                        let note = cell.note.and_then(|note| table.notes.get(note - 1));
                        let note = note.map_or("", String::as_str);
                        let fields = names.into_iter().chain(numbers.iter().map(String::as_str));
                        csv.write_record(fields.chain([note]))?;
                    }
                }
            }
        }
        csv.flush()
    }
}

fn numbers(cell: &Cell, reference: Option<&str>) -> [String; 15] {
    // Floats in full, so that a program reads back what was computed; printed scores as they are printed.
    let text = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let here = cell.here;
    let interval = here.and_then(|score| score.interval);
    let less = cell.less_reference;
    let less_interval = less.and_then(|less| less.interval);
    [
        cell.printed.map(|printed| fixed(printed, 2)).unwrap_or_default(),
        cell.recomputed.map(shown).unwrap_or_default(),
        cell.is_best.to_string(),
        here.map(|score| shown(score.mean)).unwrap_or_default(),
        text(interval.map(|interval| interval.low)),
        text(interval.map(|interval| interval.high)),
        here.map(|score| score.n.to_string()).unwrap_or_default(),
        here.map(|score| score.trainings.to_string()).unwrap_or_default(),
        text(here.and_then(|score| score.spread)),
        layout::less_paper(cell).unwrap_or_default(),
        less.and(reference).unwrap_or_default().to_owned(),
        text(less.map(|less| less.value)),
        text(less_interval.map(|interval| interval.low)),
        text(less_interval.map(|interval| interval.high)),
        less.map(|less| less.is_paired.to_string()).unwrap_or_default(),
    ]
}

//! What the tables of this crate share: columns made of rows, CSV lines whose fields carry their names, and what stands
//! where there is no value.
//!
//! How columns are laid out is in [`crate::grid`]; which columns there are, in the module of each table. What people
//! read is rounded and has a sign for what does not exist; what programs read is neither: data frames take an empty
//! field for null.

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::foreign_text::CsvWriter;
use crate::grid::{Align, Column};

/// Stands for what does not exist, where people read.
pub(crate) const MISSING: &str = "-";

/// A column of numbers with a cell for each row. The title's lines are stacked in the terminal.
pub(crate) fn right<R>(title: &str, rows: &[R], cell: impl Fn(&R) -> String) -> Column {
    let cells = rows.iter().map(cell).collect();
    Column { title: title.to_owned(), cells, align: Align::Right }
}

/// A column of names or other texts.
pub(crate) fn left<R>(title: &str, rows: &[R], cell: impl Fn(&R) -> String) -> Column {
    Column { align: Align::Left, ..right(title, rows, cell) }
}

/// Appends how to read a table, as a Markdown list.
pub(crate) fn list(out: &mut String, notes: &[String]) {
    for note in notes {
        let _ = writeln!(out, "- {note}");
    }
}

/// A value as people read it.
pub(crate) fn or_missing<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| MISSING.to_owned(), show)
}

/// A value with two decimals: shares, scores and their differences are read no closer.
pub(crate) fn hundredths(value: Option<f64>) -> String {
    or_missing(value, |value| format!("{value:.2}"))
}

/// A value as programs read it: a number in the shortest text that reads back as the same; empty without one.
pub(crate) fn field(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Writes lines whose fields have the same names as CSV. Names and values stand side by side, so that the header and the
/// lines cannot come apart.
pub(crate) fn write_csv<N: AsRef<str>>(
    writer: impl Write,
    lines: impl IntoIterator<Item: IntoIterator<Item = (N, String)>>,
) -> io::Result<()> {
    let mut csv = CsvWriter::from_writer(writer);
    for (number, line) in lines.into_iter().enumerate() {
        let (names, values): (Vec<N>, Vec<String>) = line.into_iter().unzip();
        // The first line also names the columns.
        if number == 0 {
            csv.write_record(names)?;
        }
        csv.write_record(values)?;
    }
    csv.flush()
}

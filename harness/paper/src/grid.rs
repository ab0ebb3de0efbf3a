//! Columns of text, made of rows, and aligned for a terminal or as a Markdown table; what stands in their cells; and notes
//! broken into lines.
//!
//! What people read is rounded and has a sign for what does not exist. What programs read is neither, and is written by
//! [`crate::foreign_text`].

use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Longest line of a table and of a note, in characters: what a terminal has unless it was widened.
static WIDTH: AtomicUsize = AtomicUsize::new(80);

/// Lets tables and notes be as wide as the terminal that shows them. Said once, at the program's start; 80 columns are the
/// least, and what files and pipes have.
pub fn widen_to(columns: usize) {
    WIDTH.fetch_max(columns, Ordering::Relaxed);
}

/// Widest that a note is made: longer lines are hard to read.
const NOTE: usize = 100;

/// Longest line of a table and of a note, in characters.
#[must_use]
pub fn line_width() -> usize {
    WIDTH.load(Ordering::Relaxed)
}

/// Narrowest that a column of names is made, and widest that the names before the numbers may be, in characters.
const NAMES: (usize, usize) = (18, 46);

/// The side of a column at which its cells are aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// For names.
    Left,
    /// For numbers.
    Right,
}

/// A column of text with its title.
#[derive(Clone, Debug)]
pub struct Column {
    /// The title; its lines are stacked in a terminal and joined in Markdown: by a space, or into one word where
    /// a line ends in a hyphen.
    pub title: String,
    /// One cell per row; all columns of a table have equally many.
    pub cells: Vec<String>,
    /// The side at which its cells are aligned.
    pub align: Align,
}

/// A column of numbers with a cell for each row.
pub fn right<R>(title: &str, rows: &[R], cell: impl Fn(&R) -> String) -> Column {
    let cells = rows.iter().map(cell).collect();
    Column { title: title.to_owned(), cells, align: Align::Right }
}

/// A column of names or other texts.
pub fn left<R>(title: &str, rows: &[R], cell: impl Fn(&R) -> String) -> Column {
    Column { align: Align::Left, ..right(title, rows, cell) }
}

/// Stands for what does not exist, where people read.
pub const MISSING: &str = "-";

/// A value as people read it.
pub fn or_missing<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| MISSING.to_owned(), show)
}

/// A value with two decimals: shares, scores and their differences are read no closer.
#[must_use]
pub fn hundredths(value: Option<f64>) -> String {
    or_missing(value, |value| format!("{value:.2}"))
}

/// Sets columns two spaces apart, under titles that end on the same line. A row's last cell is not padded. A table that
/// is wider than a terminal has its names broken at spaces, or else its columns in several blocks below each other, each
/// beside the names. A name or a cell that is too long by itself runs over: paths must not be cut.
#[must_use]
pub fn terminal(columns: &[Column]) -> String {
    let room = |columns: &[Column]| -> usize {
        columns.iter().map(|column| width(column) + 2).sum::<usize>().saturating_sub(2)
    };
    if room(columns) <= line_width() {
        return aligned(columns);
    }
    let names = columns.iter().take_while(|column| column.align == Align::Left).count().max(1);
    let (keys, values) = columns.split_at(names.min(columns.len()));
    let mut keys = keys.to_vec();
    // First to what lets all columns stand side by side, else to what leaves room for some.
    let over = room(columns) - line_width();
    let widest = (0..keys.len()).max_by_key(|place| width(&keys[*place])).unwrap_or(0);
    let wanted = width(&keys[widest]).saturating_sub(over);
    if wanted >= NAMES.0 {
        keys[widest] = keys[widest].narrowed(wanted);
        let all = [keys.as_slice(), values].concat();
        if room(&all) <= line_width() {
            return aligned(&all);
        }
    }
    let over = room(&keys).saturating_sub(NAMES.1);
    keys[widest] = keys[widest].narrowed(width(&keys[widest]).saturating_sub(over).max(NAMES.0));
    let (mut blocks, mut block) = (Vec::new(), keys.clone());
    for column in values {
        if block.len() > keys.len() && room(&block) + 2 + width(column) > line_width() {
            blocks.push(aligned(&block));
            block.clone_from(&keys);
        }
        block.push(column.clone());
    }
    blocks.push(aligned(&block));
    blocks.join("\n")
}

/// One line of columns side by side for each line of their cells.
fn aligned(columns: &[Column]) -> String {
    let heading = columns.iter().map(|column| column.title.lines().count()).max().unwrap_or(0);
    let widths: Vec<usize> = columns.iter().map(width).collect();
    let mut lines: Vec<Vec<&str>> = Vec::new();
    for line in 0..heading {
        let title = columns.iter().map(|column| {
            // Titles end on the same line, so shorter ones begin further down.
            let missing = heading - column.title.lines().count();
            line.checked_sub(missing).and_then(|line| column.title.lines().nth(line))
        });
        lines.push(title.map(Option::unwrap_or_default).collect());
    }
    for row in 0..columns.first().map_or(0, |column| column.cells.len()) {
        let height = columns.iter().map(|column| column.cells[row].lines().count()).max();
        for line in 0..height.unwrap_or(1).max(1) {
            let cells = columns.iter().map(|column| column.cells[row].lines().nth(line));
            lines.push(cells.map(Option::unwrap_or_default).collect());
        }
    }
    let mut out = String::new();
    for line in lines {
        let mut text = String::new();
        for ((cell, column), width) in line.iter().zip(columns).zip(&widths) {
            // Padded by characters: texts here hold no letters that take two columns.
            let _ = match column.align {
                Align::Left => write!(text, "{cell:<width$}  "),
                Align::Right => write!(text, "{cell:>width$}  "),
            };
        }
        // No blanks at the ends of lines: editors and `diff` make them visible.
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

/// Makes a pipe table. What would end a cell or a line is escaped.
#[must_use]
pub fn markdown(columns: &[Column]) -> String {
    let mut out = String::new();
    let mut push = |cells: Vec<String>| {
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    };
    push(columns.iter().map(|column| escape(&column.title.replace("-\n", ""))).collect());
    let rule = |column: &Column| match column.align {
        Align::Left => "---".to_owned(),
        Align::Right => "---:".to_owned(),
    };
    push(columns.iter().map(rule).collect());
    for row in 0..columns.first().map_or(0, |column| column.cells.len()) {
        push(columns.iter().map(|column| escape(&column.cells[row])).collect());
    }
    out
}

fn escape(cell: &str) -> String {
    cell.replace('\\', "\\\\").replace('|', "\\|").replace(['\n', '\r'], " ")
}

impl Column {
    /// The same with its cells broken at spaces; the lines after the first are indented.
    fn narrowed(&self, most: usize) -> Self {
        let broken = |cell: &String| {
            let mut out = String::new();
            fill(&mut out, cell, most, 2);
            out
        };
        Self { cells: self.cells.iter().map(broken).collect(), ..self.clone() }
    }
}

fn width(column: &Column) -> usize {
    let cells = column.cells.iter().flat_map(|cell| cell.lines());
    cells.chain(column.title.lines()).map(|cell| cell.chars().count()).max().unwrap_or(0)
}

/// A number with commas between thousands: `1,234`.
#[must_use]
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    // Groups of three from the right: the first one may be shorter.
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(",")
}

/// A number with so many decimals; what rounds to zero has no sign.
#[must_use]
pub fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let is_zero = text.bytes().all(|byte| matches!(byte, b'-' | b'0' | b'.'));
    if is_zero { text.trim_start_matches('-').to_owned() } else { text }
}

/// The same with the sign of what is not zero.
#[must_use]
pub fn signed(value: f64, decimals: usize) -> String {
    let text = fixed(value, decimals);
    let is_positive =
        text.bytes().any(|byte| matches!(byte, b'1'..=b'9')) && !text.starts_with('-');
    if is_positive { format!("+{text}") } else { text }
}

/// Appends notes as a Markdown list.
pub fn list(out: &mut String, notes: &[String]) {
    for note in notes {
        let _ = writeln!(out, "- {note}");
    }
}

/// Appends text broken at spaces; the lines after the first are indented.
pub fn wrap(out: &mut String, text: &str) {
    hang(out, "", text, 2);
}

/// Appends a lead and text broken at spaces; the lines after the first are indented by so many columns.
pub fn hang(out: &mut String, lead: &str, text: &str, indent: usize) {
    out.push_str(lead);
    fill(out, text, line_width().min(NOTE), indent);
    out.push('\n');
}

/// Appends text broken at spaces into lines of at most so many characters; lines after the first are indented.
pub fn fill(out: &mut String, text: &str, most: usize, indent: usize) {
    let mut width = out.rsplit('\n').next().map_or(0, |line| line.chars().count());
    for (place, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        // A word longer than the line stands alone and runs over: paths and formulas must not be cut.
        if place > 0 && width + 1 + length > most {
            let _ = write!(out, "\n{:indent$}", "");
            width = indent;
        } else if place > 0 {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<Column> {
        let column = |title: &str, cells: [&str; 2], align| Column {
            title: title.to_owned(),
            cells: cells.map(str::to_owned).to_vec(),
            align,
        };
        vec![
            column("variant", ["gra", "a|b\n\u{e9}"], Align::Left),
            column("reply\ntokens", ["7", "1,234"], Align::Right),
        ]
    }

    #[test]
    fn titles_stack_and_numbers_align() {
        let mut columns = columns();
        columns[0].cells[1] = "no-reviewer".to_owned();
        insta::assert_snapshot!(terminal(&columns), @"
                      reply
        variant      tokens
        gra               7
        no-reviewer   1,234
        ");
    }

    #[test]
    fn markdown_cells_cannot_break_out() {
        insta::assert_snapshot!(markdown(&columns()), @r"
        | variant | reply tokens |
        | --- | ---: |
        | gra | 7 |
        | a\|b é | 1,234 |
        ");
    }

    #[test]
    fn counts_are_grouped() {
        let grouped = [0, 999, 1_000, 12_345, 1_234_567].map(count);
        assert_eq!(grouped, ["0", "999", "1,000", "12,345", "1,234,567"]);
    }

    #[test]
    fn a_wide_table_breaks_its_names_or_its_columns() {
        let column = |title: &str, cell: &str, align| Column {
            title: title.to_owned(),
            cells: vec![cell.to_owned(); 2],
            align,
        };
        let number = |n: usize| column(&format!("column {n}"), "123,456.78", Align::Right);
        let name = column("measure", "last sentence of a response without an end", Align::Left);
        let some: Vec<Column> = [name.clone()].into_iter().chain((0..4).map(number)).collect();
        let many: Vec<Column> = [name].into_iter().chain((0..7).map(number)).collect();
        insta::assert_snapshot!(terminal(&some), @"
        measure                        column 0    column 1    column 2    column 3
        last sentence of a response  123,456.78  123,456.78  123,456.78  123,456.78
          without an end
        last sentence of a response  123,456.78  123,456.78  123,456.78  123,456.78
          without an end
        ");
        insta::assert_snapshot!(terminal(&many), @"
        measure                                       column 0    column 1    column 2
        last sentence of a response without an end  123,456.78  123,456.78  123,456.78
        last sentence of a response without an end  123,456.78  123,456.78  123,456.78

        measure                                       column 3    column 4    column 5
        last sentence of a response without an end  123,456.78  123,456.78  123,456.78
        last sentence of a response without an end  123,456.78  123,456.78  123,456.78

        measure                                       column 6
        last sentence of a response without an end  123,456.78
        last sentence of a response without an end  123,456.78
        ");
        for table in [terminal(&some), terminal(&many)] {
            assert!(table.lines().all(|line| line.chars().count() <= line_width()), "{table}");
        }
    }

    #[test]
    fn what_rounds_to_zero_has_no_sign() {
        let shown = [-0.00004, 0.0, -0.0, -0.00006, 1.5].map(|value| fixed(value, 4));
        assert_eq!(shown, ["0.0000", "0.0000", "0.0000", "-0.0001", "1.5000"]);
        assert_eq!(
            [-0.004, 0.004, 0.25, -2.0].map(|value| signed(value, 2)),
            ["0.00", "0.00", "+0.25", "-2.00"]
        );
    }

    #[test]
    fn nothing_is_nothing() {
        assert_eq!(terminal(&[]), "");
    }
}

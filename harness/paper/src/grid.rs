//! Columns of text, aligned for a terminal or as a Markdown table; counts with commas, and notes broken into
//! lines.

use std::fmt::Write;

/// Longest line of a note, in characters.
const WIDTH: usize = 100;

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

/// Sets columns two spaces apart, under titles that end on the same line. A row's last cell is not padded.
#[must_use]
pub fn terminal(columns: &[Column]) -> String {
    let heading = columns.iter().map(|column| column.title.lines().count()).max().unwrap_or(0);
    let widths: Vec<usize> = columns.iter().map(width).collect();
    let mut lines: Vec<Vec<&str>> = Vec::new();
    // Titles end on the same line, so shorter ones begin further down.
    for line in 0..heading {
        let title = |column: &'_ Column| {
            let missing = heading - column.title.lines().count();
            line.checked_sub(missing)
        };
        let nth = |column| title(column).and_then(|at| column.title.lines().nth(at));
        lines.push(columns.iter().map(|column| nth(column).unwrap_or_default()).collect());
    }
    for row in 0..columns.first().map_or(0, |column| column.cells.len()) {
        lines.push(columns.iter().map(|column| column.cells[row].as_str()).collect());
    }
    let mut out = String::new();
    for line in lines {
        let mut text = String::new();
        for ((cell, column), width) in line.iter().zip(columns).zip(&widths) {
            // Counted in characters: texts here hold no letters that take two columns.
            let padding = " ".repeat(width - cell.chars().count());
            let (before, after) = match column.align {
                Align::Left => ("", padding.as_str()),
                Align::Right => (padding.as_str(), ""),
            };
            let _ = write!(text, "{before}{cell}{after}  ");
        }
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

fn width(column: &Column) -> usize {
    let cells = column.cells.iter().map(String::as_str);
    cells.chain(column.title.lines()).map(|cell| cell.chars().count()).max().unwrap_or(0)
}

/// A number with commas between thousands: `1,234`.
#[must_use]
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        // A comma stands where a multiple of three digits is left.
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Appends text broken at spaces; the lines after the first are indented.
pub fn wrap(out: &mut String, text: &str) {
    hang(out, "", text, 2);
}

/// Appends a lead and text broken at spaces; the lines after the first are indented by so many columns.
pub fn hang(out: &mut String, lead: &str, text: &str, indent: usize) {
    out.push_str(lead);
    let mut width = lead.chars().count();
    for (place, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        // A word longer than the line stands alone and runs over: paths and formulas must not be cut.
        if place > 0 && width + 1 + length > WIDTH {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            width = indent;
        } else if place > 0 {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += length;
    }
    out.push('\n');
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
    fn nothing_is_nothing() {
        assert_eq!(terminal(&[]), "");
    }
}

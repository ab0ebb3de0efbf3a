//! The lines that terminal, Markdown, LaTeX and HTML show: the paper's row, and below it what was measured.

use std::fmt::Write;

use super::{Block, Cell, Heading, Row, Table, TableNumber};
use crate::exact::fixed;
use crate::grid::{self, Align, Column};

/// Stands where there is no number.
pub(super) const MISSING: &str = "-";

/// A line of text cells, as a format shows it.
pub(super) struct Line {
    pub(super) label: String,
    pub(super) cells: Vec<Text>,
    /// Whether it shows measurements, not the printed row.
    pub(super) is_here: bool,
}

/// The text of a cell, with its marks.
#[derive(Default)]
pub(super) struct Text {
    pub(super) value: String,
    pub(super) is_best: bool,
    pub(super) note: Option<usize>,
}

/// Picks one text of a cell, e.g. the mean; `None` where the cell has none.
type Show = fn(&Cell) -> Option<String>;

/// The paper's row; where the table has measurements, also what was measured, with dashes for what was not.
pub(super) fn lines(table: &Table, block: &Block, row: &Row) -> Vec<Line> {
    let printed = |cell: &Cell| Text {
        value: cell.printed.map_or_else(String::new, |printed| fixed(printed, 2)),
        is_best: cell.is_best,
        note: cell.note,
    };
    let cells = row.cells.iter().map(printed).collect();
    let mut lines = vec![Line { label: row.label.clone(), cells, is_here: false }];
    // Where nothing of the paper's rows was measured, a line of dashes below each of them would say no more.
    let has_printed = row.cells.iter().any(|cell| cell.printed.is_some());
    let is_measured = |cell: &Cell| cell.here.is_some() && cell.printed.is_some() == has_printed;
    if !table.cells().any(is_measured) {
        return lines;
    }
    let mut add = |label: String, show: Show| {
        let text = |cell: &Cell| Text {
            value: show(cell).unwrap_or_else(|| MISSING.to_owned()),
            ..Text::default()
        };
        let cells = row.cells.iter().map(text).collect();
        lines.push(Line { label, cells, is_here: true });
    };
    // Table 1 does not say how many rounds its GRA data is of; what was measured does.
    let round = row.rounds.filter(|_| has_printed && table.number == TableNumber::Main);
    let here = round.map_or_else(|| "here".to_owned(), |round| format!("here, {round} rounds"));
    add(here, |cell| cell.here.map(|score| fixed(score.mean, 2)));
    // One line of dashes says that a row was not measured; seven would say no more.
    if row.cells.iter().all(|cell| cell.here.is_none()) {
        return lines;
    }
    if has_printed {
        add("here less paper".to_owned(), |cell| {
            less_paper(cell).map(|difference| signed(&difference))
        });
    }
    add("95% from".to_owned(), |cell| cell.here?.interval.map(|i| format!("{:.2}", i.low)));
    add("95% to".to_owned(), |cell| cell.here?.interval.map(|i| format!("{:.2}", i.high)));
    add("items".to_owned(), |cell| cell.here.map(|score| score.n.to_string()));
    let has_several = |cell: &Cell| cell.here.is_some_and(|score| score.trainings > 1);
    if row.cells.iter().any(has_several) {
        add("trainings".to_owned(), |cell| cell.here.map(|score| score.trainings.to_string()));
        add("spread".to_owned(), |cell| cell.here?.spread.map(|spread| format!("{spread:.2}")));
    }
    let compared = row.cells.iter().any(|cell| cell.less_reference.is_some());
    if let Some(reference) = block.reference.as_ref().filter(|_| compared) {
        add(format!("less {reference}"), |cell| cell.less_reference.map(|less| points(less.value)));
        add("95% from".to_owned(), |cell| Some(points(cell.less_reference?.interval?.low)));
        add("95% to".to_owned(), |cell| Some(points(cell.less_reference?.interval?.high)));
    }
    lines
}

/// What was measured, less what was printed, in points.
pub(super) fn less_paper(cell: &Cell) -> Option<String> {
    let (here, printed) = cell.here.zip(cell.printed)?;
    Some(fixed(here.mean - printed, 2))
}

fn points(difference: f64) -> String {
    signed(&format!("{difference:.2}"))
}

fn signed(difference: &str) -> String {
    if difference.starts_with('-') { difference.to_owned() } else { format!("+{difference}") }
}

/// Sentences below the table: what is marked, and what the lines below a row are.
pub(super) fn remarks(table: &Table) -> Vec<String> {
    let mut remarks = vec![
        "Per cent. The largest printed value of a column in its block is marked; printed values are never \
         corrected."
            .to_owned(),
    ];
    if !table.is_measured() {
        remarks.push("Nothing of this table was measured here.".to_owned());
        return remarks;
    }
    remarks.push(
        "here: the mean over trainings. The 95% interval is binomial, for other items of the same kind \
         (Wilson's; for an average from the ten variances); it does not cover other trainings, whose \
         standard deviation is the spread. A dash was not measured; an average needs all ten benchmarks."
            .to_owned(),
    );
    if table.cells().any(|cell| cell.printed.is_none()) {
        remarks.push(
            "Blocks with three names are not the paper's: another base model, seed set or source, or scored in the \
             way that the third name says."
                .to_owned(),
        );
    }
    if table.cells().any(|cell| cell.less_reference.is_some()) {
        remarks.push(
            "less ..: a difference to the named row, item by item and training by training where both have them; \
             its 95% interval is for other items and, with several trainings, for other trainings."
                .to_owned(),
        );
    }
    if table.number != TableNumber::Iterations {
        remarks.push(
            "GRA here is the data of most rounds that was scored; the paper takes the round that scores best."
                .to_owned(),
        );
    }
    remarks
}

impl Table {
    /// Aligned lines for a terminal, with footnotes.
    #[must_use]
    pub fn terminal(&self) -> String {
        let mut out = format!("{}. {}\n\n", self.number, self.number.title());
        out += &grid::terminal(&columns(self, true));
        out.push('\n');
        for (number, note) in self.notes.iter().enumerate() {
            grid::hang(&mut out, &format!("{:>5} ", format!("[{}]", number + 1)), note, 6);
        }
        for remark in remarks(self) {
            grid::wrap(&mut out, &remark);
        }
        out
    }

    /// A Markdown section with the table and its footnotes.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = format!("## {}. {}\n\n", self.number, self.number.title());
        out += &grid::markdown(&columns(self, false));
        out.push('\n');
        for (number, note) in self.notes.iter().enumerate() {
            let _ = writeln!(out, "- [{}] {note}", number + 1);
        }
        for remark in remarks(self) {
            let _ = writeln!(out, "- {remark}");
        }
        out
    }
}

impl Text {
    /// The value with its marks: whether it is the best, and the number of its footnote.
    fn marked(&self, is_terminal: bool) -> String {
        let Self { value, is_best, note } = self;
        let note = note.map(|note| format!("[{note}]")).unwrap_or_default();
        let space = if is_terminal || note.is_empty() { "" } else { " " };
        match (is_terminal, is_best) {
            // A terminal's mark takes a column behind every number, so that they stay below each other.
            (true, true) => format!("{value}*{note}"),
            (true, false) => format!("{value} {note}"),
            (false, true) => format!("**{value}**{space}{note}"),
            (false, false) => format!("{value}{space}{note}"),
        }
    }
}

/// Labels, then a column per heading; blocks begin with a line of their title.
fn columns(table: &Table, is_terminal: bool) -> Vec<Column> {
    let (between, indent, space) = if is_terminal { ("\n", "  ", " ") } else { (": ", "", "") };
    let title = |(place, heading): (usize, &Heading)| {
        // In a terminal a group's name stands over its first column only; Markdown repeats it.
        let is_first = place == 0 || table.headings[place - 1].group != heading.group;
        let has_group = !heading.group.is_empty() && (is_first || !is_terminal);
        let group = if has_group { [heading.group, between].concat() } else { String::new() };
        format!("{group}{}{space}", heading.title)
    };
    let column = |title| Column { title, cells: Vec::new(), align: Align::Right };
    let titles = table.headings.iter().enumerate().map(title);
    let mut columns: Vec<Column> = titles.map(column).collect();
    let mut labels = Vec::new();
    for block in &table.blocks {
        let title = &block.title;
        labels.push(if is_terminal { title.clone() } else { format!("**{title}**") });
        // The line of a block's title has no numbers.
        for column in &mut columns {
            column.cells.push(String::new());
        }
        for line in block.rows.iter().flat_map(|row| lines(table, block, row)) {
            // What was measured stands below the paper's row, one step further in.
            let deeper = if line.is_here { indent } else { "" };
            labels.push(format!("{indent}{deeper}{}", line.label));
            for (column, text) in columns.iter_mut().zip(&line.cells) {
                column.cells.push(text.marked(is_terminal));
            }
        }
    }
    if is_terminal {
        pad_notes(&mut columns);
    }
    columns.insert(0, Column { title: String::new(), cells: labels, align: Align::Left });
    columns
}

/// In a terminal a footnote's mark stands behind its number; cells without one get room for it, so that the
/// numbers of a column stay below each other.
fn pad_notes(columns: &mut [Column]) {
    let mark = |cell: &str| cell.find('[').map_or(0, |at| cell.len() - at);
    for column in columns {
        let widest = column.cells.iter().map(|cell| mark(cell)).max().unwrap_or(0);
        for cell in &mut column.cells {
            *cell += &" ".repeat(widest - mark(cell));
        }
        column.title += &" ".repeat(widest);
    }
}

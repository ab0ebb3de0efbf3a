//! A table as text. The lines that terminal, Markdown, LaTeX and HTML show are the paper's row, and below it what was
//! measured; an HTML fragment (no style, no script, nothing fetched) and a LaTeX float are made by a template each. CSV
//! has a line per cell.

use std::fmt::Write as _;
use std::io::{self, Write};

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Value, context};

use super::{Block, Cell, Heading, Row, Table, TableNumber};
use crate::exact::{fixed, shown};
use crate::foreign_text::CsvWriter;
use crate::grid::{self, Align, Column};

/// A line of text cells, as a format shows it.
struct Line {
    label: String,
    cells: Vec<Text>,
    /// Whether it shows measurements, not the printed row.
    is_here: bool,
}

/// The text of a cell, with its marks.
#[derive(Default)]
struct Text {
    value: String,
    is_best: bool,
    note: Option<usize>,
}

/// Picks one text of a cell, e.g. the mean; `None` where the cell has none.
type Show = fn(&Cell) -> Option<String>;

/// The paper's row; where the table has measurements, also what was measured, with dashes for what was not.
fn lines(table: &Table, block: &Block, row: &Row) -> Vec<Line> {
    let printed = |cell: &Cell| Text {
        value: cell.printed.map(|printed| fixed(printed, 2)).unwrap_or_default(),
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
            value: grid::or_missing(show(cell), |text| text),
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
fn less_paper(cell: &Cell) -> Option<String> {
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
fn remarks(table: &Table) -> Vec<&'static str> {
    let has = |is: fn(&Cell) -> bool| table.cells().any(is);
    let is_measured = table.is_measured();
    let remarks = [
        (
            true,
            "Per cent. The largest printed value of a column in its block is marked; printed values are never \
             corrected.",
        ),
        (!is_measured, "Nothing of this table was measured here."),
        (
            is_measured,
            "here: the mean over trainings. The 95% interval is binomial, for other items of the same kind \
             (Wilson's; for an average from the ten variances); it does not cover other trainings, whose \
             standard deviation is the spread. A dash was not measured; an average needs all ten benchmarks.",
        ),
        (
            is_measured && has(|cell| cell.printed.is_none()),
            "Blocks with three names are not the paper's: another base model, seed set or source, or scored in the \
             way that the third name says.",
        ),
        (
            is_measured && has(|cell| cell.less_reference.is_some()),
            "less ..: a difference to the named row, item by item and training by training where both have them; \
             its 95% interval is for other items and, with several trainings, for other trainings.",
        ),
        (
            is_measured && table.number != TableNumber::Iterations,
            "GRA here is the data of most rounds that was scored; the paper takes the round that scores best.",
        ),
    ];
    remarks.into_iter().filter(|(is_said, _)| *is_said).map(|(_, text)| text).collect()
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
            grid::wrap(&mut out, remark);
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

/// Columns of the CSV, as [`Table::write_csv`] describes them.
const COLUMNS: &str = "table path block row column printed recomputed is_best \
    here low high n trainings spread less_paper \
    reference less_reference less_low less_high is_paired note";

/// What HTML would take for markup or for the end of a quoted attribute.
const HTML: &[(char, &str)] =
    &[('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;"), ('\'', "&#39;")];

/// What LaTeX would take for a command.
const LATEX: &[(char, &str)] = &[
    ('&', r"\&"),
    ('%', r"\%"),
    ('$', r"\$"),
    ('#', r"\#"),
    ('_', r"\_"),
    ('{', r"\{"),
    ('}', r"\}"),
    ('\\', r"\textbackslash{}"),
    ('~', r"\textasciitilde{}"),
    ('^', r"\textasciicircum{}"),
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
        csv.write_record(COLUMNS.split(' '))?;
        for table in tables {
            let number = table.number.number().to_string();
            for block in &table.blocks {
                for row in &block.rows {
                    for (heading, cell) in table.headings.iter().zip(&row.cells) {
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

    /// An HTML fragment: a `section` with a `table` and its footnotes. All text is escaped.
    #[must_use]
    pub fn html(&self) -> String {
        render(self, include_str!("table.html.jinja"), HTML)
    }

    /// A LaTeX float; needs the packages `booktabs` and `graphicx`.
    #[must_use]
    pub fn latex(&self) -> String {
        render(self, include_str!("table.tex.jinja"), LATEX)
    }
}

fn render(table: &Table, template: &str, escapes: &'static [(char, &'static str)]) -> String {
    let mut syntax = SyntaxConfig::builder();
    // A line that holds nothing but a tag leaves nothing behind.
    syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
    let mut environment = Environment::new();
    environment.set_syntax(syntax.build().expect("delimiters as usual"));
    // Templates escape every text by this filter: what minijinja escapes by itself is HTML alone.
    environment.add_filter("text", move |text: String| escape(&text, escapes));
    let cell =
        |cell: Text| context! { value => cell.value, is_best => cell.is_best, note => cell.note };
    let line = |line: Line| {
        let cells: Vec<Value> = line.cells.into_iter().map(cell).collect();
        context! { label => line.label, is_here => line.is_here, cells }
    };
    let block = |block: &Block| {
        let lines = block.rows.iter().flat_map(|row| lines(table, block, row));
        context! { title => block.title.as_str(), lines => lines.map(line).collect::<Vec<_>>() }
    };
    let headings: Vec<&str> = table.headings.iter().map(|heading| heading.title).collect();
    let context = context! {
        number => table.number.number(),
        title => table.number.title(),
        groups => groups(table),
        headings,
        missing => grid::MISSING,
        blocks => table.blocks.iter().map(block).collect::<Vec<_>>(),
        notes => table.notes.clone(),
        remarks => remarks(table),
    };
    environment.render_str(template, context).expect("tests render both templates")
}

/// Headings over several columns, with the columns that they span; none where no column has one.
fn groups(table: &Table) -> Vec<Value> {
    if table.headings.iter().all(|heading| heading.group.is_empty()) {
        return Vec::new();
    }
    // The first column holds the labels.
    let mut first = 2;
    let groups = table.headings.chunk_by(|a, b| a.group == b.group).map(|group| {
        // LaTeX draws its rules by column numbers, HTML spans columns by their count.
        let columns = group.len();
        let last = first + columns - 1;
        let value = context! { name => group[0].group, columns, first, last };
        first = last + 1;
        value
    });
    groups.collect()
}

fn escape(text: &str, escapes: &[(char, &str)]) -> String {
    let shown = |letter: char| {
        let special = escapes.iter().find(|(special, _)| *special == letter);
        special.map_or_else(|| letter.to_string(), |(_, instead)| (*instead).to_owned())
    };
    text.chars().map(shown).collect()
}

/// The fields from `printed` to `is_paired`.
fn numbers(cell: &Cell, reference: Option<&str>) -> [String; 15] {
    let (here, less) = (cell.here, cell.less_reference);
    let interval = here.and_then(|score| score.interval);
    let less_interval = less.and_then(|less| less.interval);
    // Floats in full, so that a program reads back what was computed; printed scores as they are printed.
    let fields = [
        cell.printed.map(|printed| fixed(printed, 2)),
        cell.recomputed.map(shown),
        Some(cell.is_best.to_string()),
        here.map(|score| shown(score.mean)),
        interval.map(|interval| interval.low.to_string()),
        interval.map(|interval| interval.high.to_string()),
        here.map(|score| score.n.to_string()),
        here.map(|score| score.trainings.to_string()),
        here.and_then(|score| score.spread).map(|spread| spread.to_string()),
        less_paper(cell),
        less.and(reference).map(str::to_owned),
        less.map(|less| less.value.to_string()),
        less_interval.map(|interval| interval.low.to_string()),
        less_interval.map(|interval| interval.high.to_string()),
        less.map(|less| less.is_paired.to_string()),
    ];
    fields.map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(escape("<b a=\"'\">&", HTML), "&lt;b a=&quot;&#39;&quot;&gt;&amp;");
        assert_eq!(
            escape(r"95% of a_b & {x}\~^$#", LATEX),
            r"95\% of a\_b \& \{x\}\textbackslash{}\textasciitilde{}\textasciicircum{}\$\#"
        );
    }
}

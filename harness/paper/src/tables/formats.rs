//! A table for other programs: as CSV, a line per cell; as an HTML fragment (no style, no script, nothing fetched) and as
//! a LaTeX float, a template each.

use std::io::{self, Write};

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Value, context};

use super::layout::{self, Line, Text};
use super::{Block, Cell, Table};
use crate::exact::{fixed, shown};
use crate::foreign_text::CsvWriter;

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
        let lines = block.rows.iter().flat_map(|row| layout::lines(table, block, row));
        context! { title => block.title.as_str(), lines => lines.map(line).collect::<Vec<_>>() }
    };
    let headings: Vec<&str> = table.headings.iter().map(|heading| heading.title).collect();
    let context = context! {
        number => table.number.number(),
        title => table.number.title(),
        groups => groups(table),
        headings,
        missing => layout::MISSING,
        blocks => table.blocks.iter().map(block).collect::<Vec<_>>(),
        notes => table.notes.clone(),
        remarks => layout::remarks(table),
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
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match escapes.iter().find(|(special, _)| *special == letter) {
            Some((_, instead)) => out.push_str(instead),
            None => out.push(letter),
        }
    }
    out
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
        layout::less_paper(cell),
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

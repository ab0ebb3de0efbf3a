//! A table as an HTML fragment (no style, no script, nothing fetched) and as a LaTeX float: one template each.

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Value, context};

use super::layout::{self, Line, Text};
use super::{Block, Table};

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

//! A table as LaTeX, with `booktabs` rules, scaled to the text's width (`graphicx`).

use std::fmt::Write;

use super::layout::{self, Line};
use super::{Heading, Table};

pub(super) fn render(table: &Table) -> String {
    let mut out = String::from("% Needs \\usepackage{booktabs} and \\usepackage{graphicx}.\n");
    let columns = "r".repeat(table.headings.len());
    let _ = writeln!(
        out,
        "\\begin{{table*}}\n\\centering\n\\caption{{{}}}\n\\label{{tab:gra-{}}}\n\\resizebox{{\\textwidth}}{{!}}{{%\n\\begin{{tabular}}{{l{columns}}}\n\\toprule",
        escape(table.number.title()),
        table.number.number()
    );
    heading(&mut out, &table.headings);
    let width = table.headings.len() + 1;
    for block in &table.blocks {
        let title = escape(&block.title);
        let _ =
            writeln!(out, "\\midrule\n\\multicolumn{{{width}}}{{l}}{{\\textbf{{{title}}}}} \\\\");
        for line in block.rows.iter().flat_map(|row| layout::lines(table, row)) {
            body(&mut out, &line);
        }
    }
    out.push_str("\\bottomrule\n\\end{tabular}}\n\\par\\smallskip\\raggedright\\footnotesize\n");
    for (number, note) in table.notes.iter().enumerate() {
        let _ = writeln!(out, "\\textsuperscript{{{}}}~{}\\\\", number + 1, escape(note));
    }
    for remark in layout::remarks(table) {
        let _ = writeln!(out, "{}\\\\", escape(&remark));
    }
    out.push_str("\\end{table*}\n");
    out
}

/// Writes a line of group headings, where there are any, and a line of the columns' headings.
fn heading(out: &mut String, headings: &[Heading]) {
    let groups: Vec<&[Heading]> = headings.chunk_by(|a, b| a.group == b.group).collect();
    if headings.iter().any(|heading| !heading.group.is_empty()) {
        let (mut rules, mut first) = (String::new(), 2);
        for group in groups {
            let (name, last) = (escape(group[0].group), first + group.len() - 1);
            let _ = write!(out, " & \\multicolumn{{{}}}{{c}}{{{name}}}", group.len());
            if !name.is_empty() {
                let _ = write!(rules, "\\cmidrule(lr){{{first}-{last}}}");
            }
            first = last + 1;
        }
        let _ = writeln!(out, " \\\\\n{rules}");
    }
    for heading in headings {
        let _ = write!(out, " & {}", escape(heading.title));
    }
    out.push_str(" \\\\\n");
}

fn body(out: &mut String, line: &Line) {
    let label = escape(&line.label);
    let _ = if line.is_here {
        write!(out, "\\quad\\textit{{{label}}}")
    } else {
        write!(out, "{label}")
    };
    for cell in &line.cells {
        let text =
            if cell.value == layout::MISSING { "--".to_owned() } else { escape(&cell.value) };
        let text = if cell.is_best { format!("\\textbf{{{text}}}") } else { text };
        let _ = write!(out, " & {text}");
        if let Some(note) = cell.note {
            let _ = write!(out, "\\textsuperscript{{{note}}}");
        }
    }
    out.push_str(" \\\\\n");
}

/// Escapes what LaTeX would take for a command.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => out.extend(['\\', letter]),
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(
            escape(r"95% of a_b & {x}\~^$#"),
            r"95\% of a\_b \& \{x\}\textbackslash{}\textasciitilde{}\textasciicircum{}\$\#"
        );
    }
}

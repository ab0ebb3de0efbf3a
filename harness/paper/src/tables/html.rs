//! A table as an HTML fragment: no style, no script, nothing fetched.

use std::fmt::Write;

use super::layout::{self, Line};
use super::{Heading, Table};

pub(super) fn render(table: &Table) -> String {
    let id = format!("table{}", table.number.number());
    let mut out = format!("<section class=\"paper-table\" id=\"{id}\">\n<table>\n");
    let _ = writeln!(out, "<caption>{}. {}</caption>", table.number, escape(table.number.title()));
    heading(&mut out, &table.headings);
    let width = table.headings.len() + 1;
    for block in &table.blocks {
        let title = escape(&block.title);
        let _ = writeln!(
            out,
            "<tbody>\n<tr><th class=\"block\" colspan=\"{width}\" scope=\"rowgroup\">{title}</th></tr>"
        );
        for line in block.rows.iter().flat_map(|row| layout::lines(table, row)) {
            body(&mut out, &id, &line);
        }
        out.push_str("</tbody>\n");
    }
    out.push_str("</table>\n");
    if !table.notes.is_empty() {
        out.push_str("<ol class=\"notes\">\n");
        for (number, note) in table.notes.iter().enumerate() {
            let _ = writeln!(out, "<li id=\"{id}-note-{}\">{}</li>", number + 1, escape(note));
        }
        out.push_str("</ol>\n");
    }
    for remark in layout::remarks(table) {
        let _ = writeln!(out, "<p>{}</p>", escape(&remark));
    }
    out.push_str("</section>\n");
    out
}

fn heading(out: &mut String, headings: &[Heading]) {
    out.push_str("<thead>\n");
    if headings.iter().any(|heading| !heading.group.is_empty()) {
        out.push_str("<tr><td></td>");
        for group in headings.chunk_by(|a, b| a.group == b.group) {
            let (columns, name) = (group.len(), escape(group[0].group));
            let _ = match name.as_str() {
                "" => write!(out, "<td colspan=\"{columns}\"></td>"),
                name => write!(out, "<th colspan=\"{columns}\" scope=\"colgroup\">{name}</th>"),
            };
        }
        out.push_str("</tr>\n");
    }
    out.push_str("<tr><td></td>");
    for heading in headings {
        let _ = write!(out, "<th scope=\"col\">{}</th>", escape(heading.title));
    }
    out.push_str("</tr>\n</thead>\n");
}

fn body(out: &mut String, id: &str, line: &Line) {
    let class = if line.is_here { " class=\"here\"" } else { "" };
    let _ = write!(out, "<tr{class}><th scope=\"row\">{}</th>", escape(&line.label));
    for cell in &line.cells {
        let text = escape(&cell.value);
        let text = if cell.is_best { format!("<strong>{text}</strong>") } else { text };
        let mark = |note| format!("<sup><a href=\"#{id}-note-{note}\">{note}</a></sup>");
        let mark = cell.note.map(mark).unwrap_or_default();
        let _ = write!(out, "<td>{text}{mark}</td>");
    }
    out.push_str("</tr>\n");
}

/// Text as HTML text: what would begin markup or end a quoted attribute is escaped.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
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
        assert_eq!(escape("<b a=\"'\">&"), "&lt;b a=&quot;&#39;&quot;&gt;&amp;");
    }
}

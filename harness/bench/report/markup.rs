//! HTML, and the only way into it: a foreign text is escaped when it becomes [`Html`].

use std::fmt::{self, Write};

/// A piece of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Html(String);

impl Html {
    /// A text as it is to be read.
    pub(super) fn text(text: impl fmt::Display) -> Self {
        let mut html = String::new();
        for character in text.to_string().chars() {
            match character {
                '&' => html.push_str("&amp;"),
                '<' => html.push_str("&lt;"),
                '>' => html.push_str("&gt;"),
                '"' => html.push_str("&quot;"),
                '\'' => html.push_str("&#39;"),
                other => html.push(other),
            }
        }
        Self(html)
    }

    /// A text on one line.
    pub(super) fn unbroken(text: impl fmt::Display) -> Self {
        Self::element("span", "nowrap", &Self::text(text))
    }

    /// Markup of our own.
    pub(super) fn ours(markup: impl Into<String>) -> Self {
        Self(markup.into())
    }

    /// An element with a class, which may be empty.
    pub(super) fn element(tag: &str, class: &str, content: &Self) -> Self {
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        Self(format!("<{tag}{class}>{content}</{tag}>"))
    }

    pub(super) fn push(&mut self, other: &Self) {
        self.0.push_str(&other.0);
    }

    /// Bytes.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromIterator<Html> for Html {
    fn from_iter<I: IntoIterator<Item = Html>>(pieces: I) -> Self {
        let mut html = Self::default();
        for piece in pieces {
            html.push(&piece);
        }
        html
    }
}

/// A table in a box that scrolls by itself. The first cell of a row names it.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// What is shown; read out before the table.
    pub(super) caption: String,
    /// Titles, with whether numbers stand below.
    pub(super) head: Vec<(String, bool)>,
    /// Cells by row.
    pub(super) rows: Vec<Vec<Html>>,
}

impl Table {
    /// Titles that begin with `#` stand over numbers.
    pub(super) fn new(caption: &str, head: &[&str]) -> Self {
        let title = |title: &&str| match title.strip_prefix('#') {
            Some(number) => (number.to_owned(), true),
            None => ((*title).to_owned(), false),
        };
        let (caption, head) = (caption.to_owned(), head.iter().map(title).collect());
        Self { caption, head, rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: Vec<Html>) {
        self.rows.push(cells);
    }

    pub(super) fn html(&self) -> Html {
        let class = |number: bool| if number { " class=\"number\"" } else { "" };
        let caption = Html::text(&self.caption);
        let mut html = format!(
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\">\n<table>\
             <caption><span>{caption}</span></caption>\n<thead><tr>"
        );
        for (title, number) in &self.head {
            let _ = write!(html, "<th scope=\"col\"{}>{}</th>", class(*number), Html::text(title));
        }
        html.push_str("</tr></thead>\n<tbody>\n");
        for row in &self.rows {
            html.push_str("<tr>");
            for (place, (cell, (_, number))) in row.iter().zip(&self.head).enumerate() {
                let (tag, scope) = if place == 0 { ("th", " scope=\"row\"") } else { ("td", "") };
                let _ = write!(html, "<{tag}{scope}{}>{cell}</{tag}>", class(*number));
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody></table>\n</div>\n");
        Html(html)
    }
}

/// JSON that may stand in a `script` element: nothing in it can end the element or begin a comment.
pub(super) fn json_in_script(json: &str) -> Html {
    let mut html = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            // Within JSON these stand in strings only, where an escape means the same.
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(html, "\\u{:04x}", u32::from(character));
            }
            other => html.push(other),
        }
    }
    Html(html)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_texts_cannot_leave_their_place() {
        let text = Html::text("<img src=x onerror='alert(\"1\")'> & so on");
        let escaped = "&lt;img src=x onerror=&#39;alert(&quot;1&quot;)&#39;&gt; &amp; so on";
        assert_eq!(text.to_string(), escaped);
        let hostile = "\"</script><!-- \u{2028}\"";
        let json = json_in_script(hostile).into_string();
        assert!(!json.contains(['<', '>', '\u{2028}']), "{json}");
        let read: String = serde_json::from_str(&json).unwrap();
        assert_eq!(format!("\"{read}\""), hostile);
    }

    #[test]
    fn a_table_names_its_rows_and_columns() {
        let mut table = Table::new("Counts", &["variant", "#kept"]);
        table.row(vec![Html::text("a<b"), Html::text(3)]);
        let html = table.html().into_string();
        assert!(html.contains("<th scope=\"col\" class=\"number\">kept</th>"), "{html}");
        assert!(
            html.contains("<th scope=\"row\">a&lt;b</th><td class=\"number\">3</td>"),
            "{html}"
        );
    }
}

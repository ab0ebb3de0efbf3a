//! HTML of pages, and the only way into it: a foreign text is escaped when it becomes [`Html`].

use std::fmt::{self, Write};

use gra_analysis::foreign_text::legible;

/// A piece of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Html(String);

impl Html {
    /// A text as it is to be read: what a browser would act on, or hide, is shown as on a terminal.
    pub(crate) fn text(text: impl fmt::Display) -> Self {
        let mut html = String::new();
        for character in legible(&text.to_string()).chars() {
            // Both quotes too: a text may stand in an attribute.
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
    pub(crate) fn unbroken(text: impl fmt::Display) -> Self {
        Self::worded("span", "nowrap", text)
    }

    /// Markup of our own, in which every foreign text is escaped already.
    pub(crate) fn trusted(markup: impl Into<String>) -> Self {
        Self(markup.into())
    }

    /// An element with a class, which may be empty.
    pub(crate) fn element(tag: &str, class: &str, content: &Self) -> Self {
        // Classes are ours, and need no escaping.
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        Self(format!("<{tag}{class}>{content}</{tag}>"))
    }

    /// An element that holds a text.
    pub(crate) fn worded(tag: &str, class: &str, text: impl fmt::Display) -> Self {
        Self::element(tag, class, &Self::text(text))
    }

    /// A block that is folded to its title.
    pub(crate) fn folded(title: &str, content: &Self) -> Self {
        let title = Self::text(title);
        Self(format!("<details>\n<summary>{title}</summary>\n{content}</details>\n"))
    }

    pub(crate) fn push(&mut self, other: &Self) {
        self.0.push_str(&other.0);
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromIterator<Html> for Html {
    fn from_iter<I: IntoIterator<Item = Html>>(pieces: I) -> Self {
        Self(pieces.into_iter().map(|piece| piece.0).collect())
    }
}

impl From<&str> for Html {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Html {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

/// A table in a box that scrolls by itself; its caption is read out before it. Titles that begin with `#` stand over
/// numbers, and the first cell of a row names it. Texts are escaped.
pub(crate) fn table<T, R, C>(
    caption: &str,
    head: impl IntoIterator<Item = T>,
    rows: impl IntoIterator<Item = R>,
) -> Html
where
    T: AsRef<str>,
    R: IntoIterator<Item = C>,
    C: Into<Html>,
{
    // Numbers stand to the right, so that their digits can be compared.
    let title = |title: T| match title.as_ref().strip_prefix('#') {
        Some(number) => (Html::text(number), " class=\"number\""),
        None => (Html::text(title.as_ref()), ""),
    };
    let head: Vec<(Html, &str)> = head.into_iter().map(title).collect();
    let caption = Html::text(caption);
    let mut html = format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\">\n<table>\
         <caption><span>{caption}</span></caption>\n<thead><tr>"
    );
    for (title, class) in &head {
        let _ = write!(html, "<th scope=\"col\"{class}>{title}</th>");
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        html.push_str("<tr>");
        // The first cell is the row's header, for readers that hear the table.
        for (place, (cell, (_, class))) in row.into_iter().zip(&head).enumerate() {
            let (tag, scope) = if place == 0 { ("th", " scope=\"row\"") } else { ("td", "") };
            let _ = write!(html, "<{tag}{scope}{class}>{}</{tag}>", cell.into());
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table>\n</div>\n");
    Html(html)
}

/// JSON that may stand in a `script` element: nothing in it can end the element or begin a comment.
pub(crate) fn json_in_script(json: &str) -> Html {
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
        let turned = Html::text("pay \u{202e}001\u{1b}[2J\r\nnow");
        assert_eq!(turned.to_string(), "pay \\u{202e}001\\u{1b}[2J\r\nnow");
        let hostile = "\"</script><!-- \u{2028}\"";
        let json = json_in_script(hostile).to_string();
        assert!(!json.contains(['<', '>', '\u{2028}']), "{json}");
        let read: String = serde_json::from_str(&json).unwrap();
        assert_eq!(format!("\"{read}\""), hostile);
    }

    #[test]
    fn a_table_names_its_rows_and_columns() {
        let html = table("Counts", ["variant", "#kept"], [["a<b", "3"]]).to_string();
        assert!(html.contains("<th scope=\"col\" class=\"number\">kept</th>"), "{html}");
        assert!(
            html.contains("<th scope=\"row\">a&lt;b</th><td class=\"number\">3</td>"),
            "{html}"
        );
    }
}

//! Makes texts from models, data sets and files safe for programs that act on them: a terminal obeys control
//! characters and changes the direction of text, a spreadsheet runs what looks like a formula.
//!
//! Parquet and JSON files keep texts as they are.

use std::borrow::Cow;
use std::io::{self, Write};

/// Whether a terminal acts on a character: controls, and those that override, embed or isolate the
/// direction of writing (U+202A to U+202E, U+2066 to U+2069). Line feeds and tabs are text.
fn controls_terminal(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text with an escape such as `\u{1b}` for every character that a terminal acts on.
#[must_use]
pub fn plain(text: &str) -> Cow<'_, str> {
    escaped(text, controls_terminal, |c| c.escape_unicode().to_string())
}

/// JSON with an escape for every character that a terminal acts on: within JSON such characters stand in strings only,
/// where the escape means the same.
#[must_use]
pub fn plain_json(json: &str) -> Cow<'_, str> {
    escaped(json, controls_terminal, |c| format!("\\u{:04x}", u32::from(c)))
}

fn escaped(text: &str, is_bad: fn(char) -> bool, escape: fn(char) -> String) -> Cow<'_, str> {
    if !text.contains(is_bad) {
        return Cow::Borrowed(text);
    }
    let shown = |c: char| if is_bad(c) { escape(c) } else { c.to_string() };
    Cow::Owned(text.chars().map(shown).collect())
}

/// The text for a page or a file: plain, except that carriage returns stay, which are line ends there.
#[must_use]
pub fn legible(text: &str) -> Cow<'_, str> {
    escaped(text, |c| controls_terminal(c) && c != '\r', |c| c.escape_unicode().to_string())
}

/// A field of a CSV: legible, and with an apostrophe before what a
/// spreadsheet would run. Numbers are not changed.
fn harmless(text: &str) -> Cow<'_, str> {
    let plain = legible(text);
    // Spreadsheets also run what begins with the full-width forms of these signs. A sign alone, and numbers with
    // one, are harmless and stay as they are.
    let is_formula = plain.starts_with([
        '=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ]) && plain.chars().nth(1).is_some()
        && !plain.split_whitespace().all(|word| word.parse::<f64>().is_ok());
    if is_formula { Cow::Owned(format!("'{plain}")) } else { plain }
}

/// The only way into a CSV file: writes records whose fields no spreadsheet runs and no terminal obeys.
pub struct CsvWriter<W: Write>(csv::Writer<W>);

impl<W: Write> CsvWriter<W> {
    /// Starts a table on this writer.
    #[expect(clippy::disallowed_methods, reason = "the only place that may")]
    pub fn from_writer(writer: W) -> Self {
        Self(csv::Writer::from_writer(writer))
    }

    /// Writes a record.
    ///
    /// # Errors
    /// When the writer fails, or the record has more or fewer fields than those before.
    pub fn write_record<T: AsRef<str>>(
        &mut self,
        fields: impl IntoIterator<Item = T>,
    ) -> csv::Result<()> {
        for text in fields {
            self.0.write_field(harmless(text.as_ref()).as_bytes())?;
        }
        // Ends the record; the csv crate compares its length with the first one's here.
        self.0.write_record(None::<&[u8]>)
    }

    /// Passes everything to the writer below.
    ///
    /// # Errors
    /// When it fails.
    pub fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }

    /// Gives the writer back, with everything written.
    ///
    /// # Errors
    /// When it fails.
    pub fn into_inner(self) -> io::Result<W> {
        // Flushes first; a failure there would otherwise be lost when the writer is dropped.
        self.0.into_inner().map_err(csv::IntoInnerError::into_error)
    }
}

/// A value as programs read it: a number in the shortest text that reads back as the same; empty without one, as data
/// frames take it for null.
pub fn field(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Writes lines whose fields have the same names as CSV. Names and values stand side by side, so that the header and the
/// lines cannot come apart.
///
/// # Errors
/// When the writer fails.
pub fn write_lines<N: AsRef<str>>(
    writer: impl Write,
    lines: impl IntoIterator<Item: IntoIterator<Item = (N, String)>>,
) -> io::Result<()> {
    let mut csv = CsvWriter::from_writer(writer);
    for (number, line) in lines.into_iter().enumerate() {
        let (names, values): (Vec<N>, Vec<String>) = line.into_iter().unzip();
        // The first line also names the columns.
        if number == 0 {
            csv.write_record(names)?;
        }
        csv.write_record(values)?;
    }
    csv.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_run_is_text_and_numbers_are_numbers() {
        for (text, expected) in [
            ("=HYPERLINK(\"http://x\")", "'=HYPERLINK(\"http://x\")"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-2+3", "'-2+3"),
            ("+1 more", "'+1 more"),
            ("\t=1+1", "'\t=1+1"),
            ("\n=1+1", "'\n=1+1"),
            ("\u{ff1d}1+1", "'\u{ff1d}1+1"),
            ("- a list item", "'- a list item"),
            ("-12.5", "-12.5"),
            ("+3e-7", "+3e-7"),
            ("-0.79 7.96", "-0.79 7.96"),
            ("-", "-"),
            ("a=b", "a=b"),
            ("", ""),
        ] {
            assert_eq!(harmless(text), expected);
        }
    }

    #[test]
    fn nothing_turns_text_around_or_steers_a_terminal() {
        let text = "pay \u{202e}001\u{202c} to\u{1b}[2J \u{2066}x\u{2069}\n\tend \u{5d0}";
        let expected = "pay \\u{202e}001\\u{202c} to\\u{1b}[2J \\u{2066}x\\u{2069}\n\tend \u{5d0}";
        assert_eq!(plain(text), expected);
        assert_eq!(harmless(text), expected);
        assert_eq!((plain("a\r\nb"), harmless("a\r\nb")), ("a\\u{d}\nb".into(), "a\r\nb".into()));
        let json = "{\"text\": \"a\u{9b}2J\u{202e}b\"}\n";
        assert_eq!(plain_json(json), "{\"text\": \"a\\u009b2J\\u202eb\"}\n");
        let mut csv = CsvWriter::from_writer(Vec::new());
        csv.write_record(["id", "text"]).unwrap();
        csv.write_record(["=1", "two\nlines, \u{202e}\""]).unwrap();
        let csv = String::from_utf8(csv.into_inner().unwrap()).unwrap();
        assert_eq!(csv, "id,text\n'=1,\"two\nlines, \\u{202e}\"\"\"\n");
    }

    #[test]
    fn records_are_as_long_as_the_first() {
        let mut csv = CsvWriter::from_writer(Vec::new());
        csv.write_record(["a", "b"]).unwrap();
        assert!(csv.write_record(["1"]).is_err());
    }
}

//! The only ways onto a terminal: texts of models, data sets and servers may hold characters that steer it or
//! turn text around, and are shown escaped.

use std::io::{self, StdoutLock, Write};

use gra_analysis::foreign_text::plain;

/// What a verb prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Printed {
    /// Text for people.
    Text,
    /// JSON, which keeps texts as they are.
    Json,
}

impl Printed {
    /// By a verb's `--json`.
    pub(crate) const fn json(is_json: bool) -> Self {
        if is_json { Self::Json } else { Self::Text }
    }
}

/// Standard output.
#[expect(clippy::disallowed_methods, reason = "the only place that may")]
pub(crate) fn stdout(printed: Printed) -> Output<StdoutLock<'static>> {
    Output { inner: io::stdout().lock(), printed }
}

/// A writer that escapes what steers a terminal, unless it is handed JSON.
pub(crate) struct Output<W> {
    inner: W,
    printed: Printed,
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The formatting macros hand on whole strings; bytes that are none are a file's, passed through.
        match std::str::from_utf8(bytes) {
            Ok(text) if self.printed == Printed::Text => {
                self.inner.write_all(plain(text).as_bytes())?;
                Ok(bytes.len())
            }
            _ => self.inner.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A line on standard error. Nothing is left to do when that is closed.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{}", plain(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(printed: Printed, text: &str) -> String {
        let mut output = Output { inner: Vec::new(), printed };
        writeln!(output, "{text}").unwrap();
        String::from_utf8(output.inner).unwrap()
    }

    #[test]
    fn text_is_plain_and_json_is_itself() {
        let text = "\u{1b}]0;x\u{7} \u{202e}abc\tü";
        assert_eq!(printed(Printed::Text, text), "\\u{1b}]0;x\\u{7} \\u{202e}abc\tü\n");
        assert_eq!(printed(Printed::Json, text), format!("{text}\n"));
    }
}

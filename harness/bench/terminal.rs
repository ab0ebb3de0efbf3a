//! The only ways onto a terminal: texts of models, data sets and servers may hold characters that steer it or
//! turn text around, and are shown escaped.

use std::env;
use std::io::{self, StdoutLock, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use gra_analysis::foreign_text::{plain, plain_json};
use gra_paper::grid::{self, Align, Column};
use signal_hook::consts::SIGINT;

/// Standard output for text that people read: what would steer a terminal is escaped.
pub(crate) fn stdout() -> Output<StdoutLock<'static>> {
    json_or_text(false)
}

/// Standard output by a verb's `--json`: of JSON the same is escaped, in its own way.
#[expect(clippy::disallowed_methods, reason = "the only place that may")]
pub(crate) fn json_or_text(is_json: bool) -> Output<StdoutLock<'static>> {
    Output { inner: io::stdout().lock(), is_json }
}

/// A writer that escapes what steers a terminal.
pub(crate) struct Output<W> {
    inner: W,
    is_json: bool,
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The formatting macros hand on whole strings; bytes that are none are a file's, passed through.
        let Ok(text) = std::str::from_utf8(bytes) else { return self.inner.write(bytes) };
        let shown = if self.is_json { plain_json(text) } else { plain(text) };
        self.inner.write_all(shown.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A column of a table that has a row for each thing, and a dash where a cell says nothing.
pub(crate) fn column<T>(
    title: &str,
    align: Align,
    rows: &[T],
    cell: impl Fn(&T) -> Option<String>,
) -> Column {
    let cells = rows.iter().map(|row| cell(row).unwrap_or_else(|| "-".to_owned())).collect();
    Column { title: title.to_owned(), cells, align }
}

/// Columns of the terminal that standard error is; 80 where it is none.
pub(crate) fn width() -> usize {
    terminal_size::terminal_size_of(io::stderr()).map_or(80, |(width, _)| width.0.into())
}

/// Gives tables and notes the columns of the terminal that standard output is, where it is one.
#[expect(clippy::disallowed_methods, reason = "it is asked for its size")]
pub(crate) fn use_its_width() {
    if let Some((columns, _)) = terminal_size::terminal_size_of(io::stdout()) {
        grid::widen_to(columns.0.into());
    }
}

/// Prints a text, through the pager where standard output is a terminal that it is too long for: the command of `PAGER`, or
/// `less`, which leaves the text on the screen. An empty `PAGER` or `cat` is none.
#[expect(clippy::disallowed_methods, reason = "it is asked for its size")]
pub(crate) fn page(text: &str) -> io::Result<()> {
    let rows = terminal_size::terminal_size_of(io::stdout()).map(|(_, rows)| usize::from(rows.0));
    let command = env::var("PAGER").unwrap_or_else(|_| "less".to_owned());
    let is_wanted = !matches!(command.trim(), "" | "cat");
    let is_long = rows.is_some_and(|rows| text.lines().count() >= rows);
    if is_long && is_wanted && is_shown_by(&command, text)? {
        return Ok(());
    }
    stdout().write_all(text.as_bytes())
}

/// Hands a text to a pager and waits for its end; whether it was shown.
fn is_shown_by(command: &str, text: &str) -> io::Result<bool> {
    // Ctrl-C is the pager's, which ends a search by it. Without the owner it would go on alone, with the shell at its keys.
    let ignored = signal_hook::flag::register(SIGINT, Arc::default())?;
    let pager = Command::new("sh")
        .args(["-c", command])
        // As git has it: end at once where one screen is enough, pass escapes of colours, do not clear the screen.
        .env("LESS", env::var("LESS").unwrap_or_else(|_| "FRX".to_owned()))
        .stdin(Stdio::piped())
        .spawn();
    let Ok(mut pager) = pager else { return Ok(false) };
    if let Some(mut input) = pager.stdin.take() {
        // A pager that the reader leaves early closes its end.
        let _ = input.write_all(plain(text).as_bytes());
    }
    let ended = pager.wait();
    signal_hook::low_level::unregister(ignored);
    // A shell that does not find the command ends with 127, and nothing was shown.
    Ok(ended?.code() != Some(127))
}

/// A line on standard error. Nothing is left to do when that is closed.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{}", plain(text));
}

/// A word of a command that is shown, as a shell takes it.
pub(crate) fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./,:=@+%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// The same of a path.
pub(crate) fn shell_path(path: &Path) -> String {
    shell_word(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(is_json: bool, text: &str) -> String {
        let mut output = Output { inner: Vec::new(), is_json };
        writeln!(output, "{text}").unwrap();
        String::from_utf8(output.inner).unwrap()
    }

    #[test]
    #[cfg(unix)]
    fn an_interrupt_ends_the_pager_at_most() {
        let folder = tempfile::tempdir().unwrap();
        let seen = folder.path().join("seen");
        let pager = format!("kill -INT $PPID; cat > {}", shell_path(&seen));
        assert!(is_shown_by(&pager, "a long text\n").unwrap());
        assert_eq!(std::fs::read_to_string(seen).unwrap(), "a long text\n");
        assert!(!is_shown_by("no-such-pager-here 2> /dev/null", "a long text\n").unwrap());
    }

    #[test]
    fn words_are_what_a_shell_takes_them_for() {
        for (word, shown) in [
            ("results/a-b_c.toml", "results/a-b_c.toml"),
            ("my data", "'my data'"),
            ("it's; rm *", "'it'\\''s; rm *'"),
            ("", "''"),
            ("données", "données"),
        ] {
            assert_eq!(shell_word(word), shown);
        }
    }

    #[test]
    fn nothing_steers_a_terminal() {
        let text = "\u{1b}]0;x\u{7} \u{202e}abc\tü";
        assert_eq!(printed(false, text), "\\u{1b}]0;x\\u{7} \\u{202e}abc\tü\n");
        let json = serde_json::to_string(text).unwrap();
        let shown = printed(true, &json);
        assert_eq!(shown, "\"\\u001b]0;x\\u0007 \\u202eabc\\tü\"\n");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
    }
}

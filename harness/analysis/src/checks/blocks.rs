//! A text in lines of prose and fenced blocks of code.

/// A text taken apart.
pub(super) struct Blocks<'t> {
    /// The text as it is.
    pub(super) text: &'t str,
    /// Lines outside fences, without their inline code.
    pub(super) prose: Vec<String>,
    /// Fenced blocks in their order; the last one may be open.
    pub(super) code: Vec<Code<'t>>,
    /// Whether the last block has no closing fence.
    pub(super) is_open: bool,
}

/// A fenced block.
pub(super) struct Code<'t> {
    /// The first word after the opening fence, e.g. `python`; may be empty.
    pub(super) language: &'t str,
    /// Its lines, as they are.
    pub(super) lines: Vec<&'t str>,
}

impl<'t> Blocks<'t> {
    /// Takes a text apart. Fences are those of `CommonMark`, and besides such as models write: an opening fence behind
    /// words, and a closing one behind code.
    pub(super) fn of(text: &'t str) -> Self {
        let (mut prose, mut code, mut fence) = (Vec::new(), Vec::new(), None);
        for line in text.lines() {
            match fence {
                None => match opening(line) {
                    Some((before, mark, language)) => {
                        prose.push(without_inline_code(before));
                        code.push(Code { language, lines: Vec::new() });
                        fence = Some(mark);
                    }
                    None => prose.push(without_inline_code(line)),
                },
                Some(mark) => {
                    let (before, is_closed) = match line.find(mark) {
                        Some(at) => (&line[..at], true),
                        None => (line, false),
                    };
                    let block: Option<&mut Code<'t>> = code.last_mut();
                    if let Some(block) = block.filter(|_| !is_closed || !before.trim().is_empty()) {
                        block.lines.push(before);
                    }
                    if is_closed {
                        fence = None;
                    }
                }
            }
        }
        Self { text, prose, code, is_open: fence.is_some() }
    }
}

/// What stands before the fence that a line opens, the fence, and the language behind it.
fn opening(line: &str) -> Option<(&str, &'static str, &str)> {
    for mark in ["```", "~~~"] {
        // A line that closes what it opens is inline code.
        if line.matches(mark).count() != 1 {
            continue;
        }
        let Some((before, behind)) = line.split_once(mark) else { continue };
        if mark == "~~~" && !before.trim().is_empty() {
            continue;
        }
        let behind = behind.trim_start_matches(['`', '~']).trim();
        let language = behind.split([' ', '{', ',', ':']).find(|part| !part.is_empty());
        return Some((before, mark, language.unwrap_or_default()));
    }
    None
}

/// A line with a space for each piece of inline code.
fn without_inline_code(line: &str) -> String {
    // Before an odd last mark nothing is code.
    let pieces: Vec<&str> = line.split('`').collect();
    if pieces.len().is_multiple_of(2) {
        return line.to_owned();
    }
    let outside: Vec<&str> = pieces.into_iter().step_by(2).collect();
    outside.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text, lines of prose, language and lines of each block, whether the last is open.
    type Case = (&'static str, usize, &'static [(&'static str, usize)], bool);

    #[test]
    fn fences_as_models_write_them() {
        let cases: [Case; 6] = [
            ("a\n```python\nx = 1\n```\nb", 2, &[("python", 1)], false),
            ("Like this: ```python\nx = 1```\nb", 2, &[("python", 1)], false),
            ("  ````json {.numbers}\n{}\n  ````", 0, &[("json", 1)], false),
            ("a ```b``` c", 1, &[], false),
            ("```\nx\n```\n```", 0, &[("", 1), ("", 0)], true),
            ("~~~R\nx ~ y\n~~~", 0, &[("R", 1)], false),
        ];
        for (text, prose, blocks, is_open) in cases {
            let found = Blocks::of(text);
            let lines = found.prose.iter().filter(|line| !line.trim().is_empty()).count();
            let code: Vec<(&str, usize)> =
                found.code.iter().map(|code| (code.language, code.lines.len())).collect();
            assert_eq!((lines, &*code, found.is_open), (prose, blocks, is_open), "{text}");
        }
    }

    #[test]
    fn inline_code_is_no_prose() {
        assert_eq!(without_inline_code("a `b c` d"), "a   d");
        assert_eq!(without_inline_code("it`s"), "it`s");
    }
}

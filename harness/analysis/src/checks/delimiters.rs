//! Code fences and LaTeX delimiters without their counterpart.

use super::blocks::Blocks;

/// Pairs of delimiters; both of `$$` are alike.
const PAIRS: [(&str, &str); 2] = [("\\[", "\\]"), ("\\(", "\\)")];

/// Whether a code fence, `$$`, `\[`, `\(` or `\begin{..}` is open at the end of the text, or closed without having been
/// opened. Single `$` are money as often as formulas, and are not looked at. `None` without any of these marks.
pub(super) fn are_unbalanced(text: &Blocks<'_>) -> Option<bool> {
    let prose = text.prose.join("\n");
    let mut found = (!text.code.is_empty()).then_some(text.is_open);
    let mut add = |is_unbalanced: bool| found = Some(found.unwrap_or(false) || is_unbalanced);
    let dollars = prose.matches("$$").count();
    // Passwords and prices have "$$" too, and no formula.
    if dollars > 0 && prose.contains(['\\', '^']) {
        add(dollars % 2 == 1);
    }
    for (open, close) in PAIRS {
        let opened = count(&prose, open);
        let closed = count(&prose, close);
        // Regular expressions and Swift's texts have such brackets too.
        if opened + closed > 0 && is_latex(&prose) {
            add(opened != closed);
        }
    }
    let (begun, ended) = (environments(&prose, "\\begin{"), environments(&prose, "\\end{"));
    if !(begun.is_empty() && ended.is_empty()) {
        add(begun != ended);
    }
    found
}

/// How often a delimiter stands there; a backslash before it makes it a line break (`\\[2pt]`).
fn count(prose: &str, delimiter: &str) -> usize {
    prose.match_indices(delimiter).filter(|(at, _)| !prose[..*at].ends_with('\\')).count()
}

/// Commands that formulas have and programs do not.
const COMMANDS: [&str; 26] = [
    "frac", "sqrt", "sum", "int", "text", "times", "cdot", "left", "begin", "alpha", "beta",
    "theta", "pi", "mathbb", "mathrm", "mathbf", "leq", "geq", "neq", "infty", "lim", "vec",
    "overline", "boxed", "div", "pm",
];

/// Whether a text with escaped brackets is LaTeX: it has a formula's command, or both of a pair.
fn is_latex(prose: &str) -> bool {
    let is_command = |piece: &str| {
        let length = piece.chars().take_while(char::is_ascii_alphabetic).count();
        COMMANDS.contains(&&piece[..length])
    };
    let is_pattern = ["\\d", "\\w+", "\\s", "[^", ".*"].iter().any(|mark| prose.contains(mark));
    let has_pair = PAIRS.iter().any(|(open, close)| prose.contains(open) && prose.contains(close));
    !is_pattern && (has_pair || prose.split('\\').skip(1).any(is_command))
}

/// The names behind `\begin{` or `\end{`, sorted.
fn environments<'t>(prose: &'t str, mark: &str) -> Vec<&'t str> {
    let pieces = prose.split(mark).skip(1);
    let mut names: Vec<&str> =
        pieces.filter_map(|piece| piece.split_once('}')).map(|(name, _)| name).collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_their_counterparts() {
        let cases = [
            ("No marks, and $5.", None),
            ("```\nx\n```", Some(false)),
            ("```\nx", Some(true)),
            ("$$a^2 + b^2$$ and $$c", Some(true)),
            ("The password is pa$$w0rd_1.", None),
            ("\\[a\\] and \\(b\\)", Some(false)),
            ("\\[a\\] and \\(b", Some(true)),
            ("\\begin{align} a \\\\[2pt] b \\end{align}", Some(false)),
            ("\\begin{align} a \\\\ b", Some(true)),
            ("\\begin{align} a \\end{aligned}", Some(true)),
            ("\\(\\frac{1}{2} is a half.", Some(true)),
            ("It matches \\(\\d+ and stops.", None),
            ("print(\"The sum is \\(a + b) \\nAnd more\")", None),
            ("```\n\\[\n```", Some(false)),
        ];
        for (text, expected) in cases {
            assert_eq!(are_unbalanced(&Blocks::of(text)), expected, "{text}");
        }
    }
}

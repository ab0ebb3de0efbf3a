//! Stated arithmetic (`a op b = c`) computed again, in exact fractions.
//!
//! A statement is one where all of the left side and all of the right side are numbers, operators and brackets. What
//! has variables, units between the numbers, powers or functions is none, and neither is one that the text itself
//! calls wrong.

mod expression;
mod tokens;

use gra_paper::exact::Ratio;

use super::blocks::Blocks;
use expression::{Side, value};
use tokens::{Token, tokens};

/// Words that give digits and operators another meaning wherever they stand in the text.
const OTHER_ARITHMETIC: [&str; 17] = [
    "binary",
    "hexadecimal",
    "octal",
    "modulo",
    "modular",
    " mod ",
    "in base",
    "base-",
    "bitwise",
    "xor",
    "roman",
    "matrix",
    "matrices",
    "vector",
    "boolean",
    "operator",
    "puzzle",
];

/// Words that make a statement one about a wrong or an imagined equation.
const DENIALS: [&str; 14] = [
    "incorrect",
    "wrong",
    "false",
    "not ",
    "n't",
    "instead",
    "error",
    "mistake",
    "invalid",
    "untrue",
    "suppose",
    "if ",
    "guess",
    "typo",
];

/// Words behind a result that change it, or go on computing.
const CONTINUATIONS: [&str; 16] = [
    "remainder",
    "r",
    "rem",
    "mod",
    "times",
    "plus",
    "minus",
    "divided",
    "multiplied",
    "hundred",
    "thousand",
    "million",
    "billion",
    "trillion",
    "x",
    "with",
];

/// Words before an expression that make it a part of a larger one.
const OPERATIONS: [&str; 22] = [
    "of", "times", "plus", "minus", "over", "by", "sqrt", "log", "ln", "sin", "cos", "tan", "max",
    "min", "root", "exp", "abs", "floor", "ceil", "sum", "percent", "than",
];

/// Whether a statement of the prose is wrong; `None` where there is none.
pub(super) fn is_wrong(text: &Blocks<'_>) -> Option<bool> {
    let small = text.text.to_lowercase();
    if OTHER_ARITHMETIC.iter().any(|word| small.contains(word)) {
        return None;
    }
    let statements = text.prose.iter().flat_map(|line| statements(line));
    statements.reduce(|some, other| some || other)
}

/// Whether each statement of a line is wrong.
fn statements(line: &str) -> Vec<bool> {
    let small = line.to_lowercase();
    if !line.contains('=') || DENIALS.iter().any(|word| small.contains(word)) {
        return Vec::new();
    }
    let tokens = tokens(line);
    let equals = (0..tokens.len()).filter(|at| tokens[*at] == Token::Equals);
    let statement = |at: usize| {
        let left = left_of(&tokens, at)?;
        let right = right_of(&tokens, at)?;
        let has_operator = left.iter().skip(1).any(|token| matches!(token, Token::Operator(_)));
        has_operator.then(|| differ(left, right)).flatten()
    };
    equals.filter_map(statement).collect()
}

/// The expression that ends where the equals sign stands, when it is whole.
fn left_of(tokens: &[Token], equals: usize) -> Option<&[Token]> {
    let before = &tokens[..equals];
    let start = before.iter().rposition(|token| !token.is_of_expression()).map_or(0, |at| at + 1);
    let mut run = &before[start..];
    let is_whole = match start.checked_sub(1).map(|at| &before[at]) {
        None | Some(Token::Equals | Token::Pause) => true,
        Some(Token::Word(word)) => {
            word.chars().count() >= 2 && !OPERATIONS.contains(&word.as_str())
        }
        Some(_) => false,
    };
    // The bracket of a remark: "(3 + 4 = 7)".
    if expression::depth(run) > 0 && run.first() == Some(&Token::Open) {
        run = &run[1..];
    }
    (is_whole && !run.is_empty()).then_some(run)
}

/// The expression behind the equals sign, when it is whole.
fn right_of(tokens: &[Token], equals: usize) -> Option<&[Token]> {
    let behind = &tokens[equals + 1..];
    let end = behind.iter().position(|token| !token.is_of_expression()).unwrap_or(behind.len());
    let is_whole = match behind.get(end) {
        None | Some(Token::Equals | Token::Pause) => true,
        Some(Token::Word(word)) => {
            word.chars().count() >= 2 && !CONTINUATIONS.contains(&word.as_str())
        }
        Some(_) => false,
    };
    let mut run = &behind[..end];
    while let [rest @ .., Token::Open] = run {
        run = rest;
    }
    while let [rest @ .., Token::Close] = run {
        if expression::depth(run) >= 0 {
            break;
        }
        run = rest;
    }
    (is_whole && !run.is_empty()).then_some(run)
}

/// Whether the sides have different values; `None` where one cannot be computed.
///
/// A result with decimals may be rounded or cut off. Where operands are rounded themselves, or are divided, it may
/// be off by 1% besides. In a chain such as `2 + 3 = 5 * 4 = 20` a side may go on from the result. A percent sign may
/// be part of the value or of its unit.
fn differ(left: &[Token], right: &[Token]) -> Option<bool> {
    let first =
        right.iter().position(|token| matches!(token, Token::Operator(_))).unwrap_or(right.len());
    let results = [right, &right[..first.max(1)]];
    let is_percent = left.iter().chain(right).any(|token| *token == Token::Percent);
    let mut is_known = false;
    for side in results {
        for (percent, of_result) in [(true, true), (false, false), (true, false), (false, true)] {
            let (Some(computed), Some(stated)) = (value(left, percent), value(side, of_result))
            else {
                continue;
            };
            is_known = true;
            if is_near(computed, stated) {
                return Some(false);
            }
            if !is_percent {
                break;
            }
        }
    }
    is_known.then_some(true)
}

/// Whether a stated value can be the computed one, rounded.
fn is_near(computed: Side, stated: Side) -> bool {
    let off = gra_paper::exact::distance(computed.value, stated.value);
    if off == Ratio::ZERO {
        return true;
    }
    // A fraction is stated as it is, and a sum of whole numbers too.
    let is_rounded = (computed.is_rounded || stated.is_rounded) && !stated.divides;
    let unit = Ratio::new(1, 10_i128.pow(stated.decimals));
    let size = computed.value.max(-computed.value);
    is_rounded && (off < unit || off * 100 <= size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_computed_again() {
        let cases = [
            ("The sum is 12 + 7 = 19.", Some(false)),
            ("The sum is 12 + 7 = 18.", Some(true)),
            ("3 x 4 = 12, and (2 + 3) × 4 = 20 apples", Some(false)),
            ("- 1,200 * 3 = 3,600", Some(false)),
            ("Total: $5.25 + $3.10 = $8.35", Some(false)),
            ("Total: $5.25 + $3.10 = $9.35", Some(true)),
            ("10 / 3 = 3.33 and 2 / 3 = 0.67", Some(false)),
            ("10 / 4 = 3.5", Some(true)),
            ("33.33 * 3 = 100", Some(false)),
            ("\\frac{1}{2} + \\frac{1}{3} = \\frac{5}{6}", Some(false)),
            ("\\[ \\frac{1}{2} + \\frac{1}{3} = \\frac{2}{5} \\]", Some(true)),
            ("4 \\times 5 = 21", Some(true)),
            ("50 * 20% = 10", Some(false)),
            ("(3 / 12) * 100 = 25%", Some(false)),
            ("2 + 3 = 5 * 4 = 20", Some(false)),
            ("2x + 3 * 4 = 12", None),
            ("x + 3 + 4 = 12", None),
            ("3^2 + 4 = 13", None),
            ("7 / 2 = 3 remainder 1", None),
            ("17 * 3 = 51x", None),
            ("It says 2 + 2 = 5, which is wrong.", None),
            ("In binary, 1 + 1 = 10.", None),
            ("10:30 + 2 = 12", None),
            ("`1 + 1 = 3`", None),
            ("f(2) + 3 = 9", None),
            ("if x == 3 + 4: y = 2", None),
            ("99999999999999 * 99999999999999 * 99999999999999 * 99999999999999 = 1", None),
            ("1 / 0 = 1", None),
        ];
        for (text, expected) in cases {
            assert_eq!(is_wrong(&Blocks::of(text)), expected, "{text}");
        }
    }
}

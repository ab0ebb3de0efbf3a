//! Stated arithmetic (`a op b = c`) computed again, in exact fractions.
//!
//! A statement is one where all of the left side and all of the right side are numbers, operators and brackets. What
//! has variables, units between the numbers, powers or functions is none, and neither is one that the text itself
//! calls wrong. How a line becomes tokens is in `tokens`.

mod tokens;

use gra_paper::exact::{Ratio, distance};
use num_traits::{CheckedAdd, CheckedDiv, CheckedMul, CheckedSub};

use super::prose::{Blocks, lists};
use tokens::{Token, tokens};

/// Words that give digits and operators another meaning wherever they stand in the text.
const OTHER_ARITHMETIC: &str = concat!(
    "binary|hexadecimal|octal|modulo|modular| mod |in base|base-|bitwise|xor|roman|matrix|",
    "matrices|vector|boolean|operator|puzzle",
);

/// Words that make a statement one about a wrong or an imagined equation.
const DENIALS: &str =
    "incorrect|wrong|false|not |n't|instead|error|mistake|invalid|untrue|suppose|if |guess|typo";

/// Words behind a result that change it, or go on computing.
const CONTINUATIONS: &str = "remainder rem mod times plus minus divided multiplied hundred thousand million billion \
                             trillion with";

/// Words before an expression that make it a part of a larger one.
const OPERATIONS: &str = "of times plus minus over by sqrt log ln sin cos tan max min root exp abs floor ceil sum \
                          percent than";

/// Whether a statement of the prose is wrong; `None` where there is none.
pub(super) fn is_wrong(text: &Blocks<'_>) -> Option<bool> {
    let small = text.text.to_lowercase();
    if OTHER_ARITHMETIC.split('|').any(|word| small.contains(word)) {
        return None;
    }
    let statements = text.prose.iter().flat_map(|line| statements(line));
    statements.reduce(|some, other| some || other)
}

/// Whether each statement of a line is wrong.
fn statements(line: &str) -> Vec<bool> {
    let small = line.to_lowercase();
    if !line.contains('=') || DENIALS.split('|').any(|word| small.contains(word)) {
        return Vec::new();
    }
    let tokens = tokens(line);
    let equals = (0..tokens.len()).filter(|at| tokens[*at] == Token::Equals);
    let statement = |at: usize| {
        let (left, right) = (left_of(&tokens, at)?, right_of(&tokens, at)?);
        // A sign alone computes nothing: "-5 = x" states no result.
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
    let is_whole = delimits(before[..start].last(), OPERATIONS);
    // The bracket of a remark: "(3 + 4 = 7)".
    if depth(run) > 0 && run.first() == Some(&Token::Open) {
        run = &run[1..];
    }
    (is_whole && !run.is_empty()).then_some(run)
}

/// The expression behind the equals sign, when it is whole.
fn right_of(tokens: &[Token], equals: usize) -> Option<&[Token]> {
    let behind = &tokens[equals + 1..];
    let end = behind.iter().position(|token| !token.is_of_expression()).unwrap_or(behind.len());
    let is_whole = delimits(behind.get(end), CONTINUATIONS);
    // Brackets that belong to the sentence: "(.. = 7)" and "= 7 (so ..".
    let mut run = &behind[..end];
    while let [rest @ .., Token::Open] = run {
        run = rest;
    }
    while let [rest @ .., Token::Close] = run {
        if depth(run) >= 0 {
            break;
        }
        run = rest;
    }
    (is_whole && !run.is_empty()).then_some(run)
}

/// Whether an expression is whole where it meets this token: a single letter is a variable, and some words compute.
fn delimits(token: Option<&Token>, computing: &str) -> bool {
    match token {
        None | Some(Token::Equals | Token::Pause) => true,
        Some(Token::Word(word)) => word.chars().count() >= 2 && !lists(computing, word),
        Some(_) => false,
    }
}

/// Whether the sides have different values; `None` where one cannot be computed.
///
/// A result with decimals may be rounded or cut off. Where operands are rounded themselves, or are divided, it may
/// be off by 1% besides. In a chain such as `2 + 3 = 5 * 4 = 20` a side may go on from the result. A percent sign may
/// be part of the value or of its unit.
fn differ(left: &[Token], right: &[Token]) -> Option<bool> {
    // Of a chain the whole side, and its first number: a bracket or sign belongs to that.
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
    let off = distance(computed.value, stated.value);
    if off == Ratio::ZERO {
        return true;
    }
    // A fraction is stated as it is, and a sum of whole numbers too.
    let is_rounded = (computed.is_rounded || stated.is_rounded) && !stated.divides;
    let unit = Ratio::new(1, 10_i128.pow(stated.decimals));
    let size = computed.value.max(-computed.value);
    // One unit of the last decimal covers rounding and cutting off; a hundredth covers operands rounded before.
    is_rounded && (off < unit || off * 100 <= size)
}

/// What a side of an equation comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Side {
    value: Ratio,
    /// The most decimals that a number of it has.
    decimals: u32,
    /// Whether its numbers or its value may be rounded: it has decimals or a division.
    is_rounded: bool,
    /// Whether it is a fraction, or has one.
    divides: bool,
}

/// Computes an expression; percent signs divide by 100 or are units. `None` for what is no expression, for a division
/// by 0, and beyond the numbers of an `i128`.
fn value(tokens: &[Token], percent: bool) -> Option<Side> {
    let mut reader = Reader { tokens, percent };
    let value = reader.sum()?;
    // What is left over makes it something else than an expression.
    if !reader.tokens.is_empty() {
        return None;
    }
    let decimals = tokens.iter().filter_map(|token| match token {
        Token::Number(_, decimals) => Some(*decimals),
        _ => None,
    });
    let decimals = decimals.max().unwrap_or(0);
    let has = |sought: &Token| tokens.iter().any(|token| token == sought);
    let divides = has(&Token::Operator('/'));
    Some(Side {
        value,
        decimals,
        is_rounded: decimals > 0 || divides || has(&Token::Percent),
        divides,
    })
}

/// Opening brackets less closing ones.
fn depth(tokens: &[Token]) -> i64 {
    let step = |token: &Token| match token {
        Token::Open => 1,
        Token::Close => -1,
        _ => 0,
    };
    tokens.iter().map(step).sum()
}

/// Recursive descent: sums of products of signed numbers and brackets.
struct Reader<'t> {
    tokens: &'t [Token],
    percent: bool,
}

impl Reader<'_> {
    fn sum(&mut self) -> Option<Ratio> {
        let mut value = self.product()?;
        while let [Token::Operator(sign @ ('+' | '-')), rest @ ..] = self.tokens {
            self.tokens = rest;
            let next = self.product()?;
            value =
                if *sign == '+' { value.checked_add(&next)? } else { value.checked_sub(&next)? };
        }
        Some(value)
    }

    fn product(&mut self) -> Option<Ratio> {
        let mut value = self.signed()?;
        while let [Token::Operator(sign @ ('*' | '/')), rest @ ..] = self.tokens {
            self.tokens = rest;
            let next = self.signed()?;
            if *sign == '/' && next == Ratio::ZERO {
                return None;
            }
            value =
                if *sign == '*' { value.checked_mul(&next)? } else { value.checked_div(&next)? };
        }
        Some(value)
    }

    fn signed(&mut self) -> Option<Ratio> {
        if let [Token::Minus, rest @ ..] = self.tokens {
            self.tokens = rest;
            return self.signed().map(|value| -value);
        }
        let value = self.atom()?;
        let [Token::Percent, rest @ ..] = self.tokens else { return Some(value) };
        self.tokens = rest;
        if self.percent { value.checked_div(&Ratio::from_integer(100)) } else { Some(value) }
    }

    fn atom(&mut self) -> Option<Ratio> {
        match self.tokens {
            [Token::Number(value, _), rest @ ..] => {
                self.tokens = rest;
                Some(*value)
            }
            [Token::Open, rest @ ..] => {
                self.tokens = rest;
                let value = self.sum()?;
                let [Token::Close, rest @ ..] = self.tokens else { return None };
                self.tokens = rest;
                Some(value)
            }
            _ => None,
        }
    }
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

//! The value of an expression of numbers, operators and brackets, in exact fractions.

use gra_paper::exact::Ratio;
use num_traits::{CheckedAdd, CheckedDiv, CheckedMul, CheckedSub};

use super::tokens::Token;

/// What a side of an equation comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) value: Ratio,
    /// The most decimals that a number of it has.
    pub(super) decimals: u32,
    /// Whether its numbers or its value may be rounded: it has decimals or a division.
    pub(super) is_rounded: bool,
    /// Whether it is a fraction, or has one.
    pub(super) divides: bool,
}

/// Computes an expression; percent signs divide by 100 or are units. `None` for what is no expression, for a division
/// by 0, and beyond the numbers of an `i128`.
pub(super) fn value(tokens: &[Token], percent: bool) -> Option<Side> {
    let mut reader = Reader { tokens, percent };
    let value = reader.sum()?;
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
pub(super) fn depth(tokens: &[Token]) -> i64 {
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
        match self.tokens {
            [Token::Percent, rest @ ..] => {
                self.tokens = rest;
                if self.percent {
                    value.checked_div(&Ratio::from_integer(100))
                } else {
                    Some(value)
                }
            }
            _ => Some(value),
        }
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

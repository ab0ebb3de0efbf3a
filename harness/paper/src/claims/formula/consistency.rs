//! Claims about the printing: numbers that should be the same in two places, averages that should be means.

use super::super::scorebook::{Scorebook, pairs};
use super::super::value::Value;
use super::{Alpaca, Condor, Gra, L, Q, Vanilla, WizardLm, count};
use crate::exact;
use crate::{DataSource, ITERATIONS, Reference};

pub(super) fn value(id: &str, t: &Scorebook, paper: &Reference) -> Option<Value> {
    match id {
        "P12" => count(pairs().map(|(b, s)| {
            let matched = paper.matched_rounds(b, s);
            let scores = ITERATIONS.map(|round| t.t3(b, s, round));
            let best = scores.iter().max()?;
            let first = scores.iter().position(|score| score == best)?;
            Some(matched == [ITERATIONS[first]])
        })),
        "P25" => count(pairs().flat_map(|(b, s)| {
            ITERATIONS.map(|round| {
                Some(paper.iteration(b, s, round)?.thousands == 10 * i128::from(round))
            })
        })),
        "P56" => count(pairs().flat_map(|(b, s)| {
            DataSource::MAIN.map(|d| Some(exact::round(t.m1(b, s, d)?, 2) == t.t1(b, s, d)?))
        })),
        "P57" => count(pairs().flat_map(|(b, s)| {
            ITERATIONS.map(|round| Some(exact::round(t.m3(b, s, round)?, 2) == t.t3(b, s, round)?))
        })),
        "X01" | "X07" => t.t1(L, Alpaca, Gra).map(Value::Number),
        "X02" | "X08" => t.t1(L, WizardLm, Gra).map(Value::Number),
        "X03" | "X09" => t.t1(L, Condor, Gra).map(Value::Number),
        "X04" | "X10" => t.t1(Q, Alpaca, Gra).map(Value::Number),
        "X05" | "X11" => t.t1(Q, WizardLm, Gra).map(Value::Number),
        "X06" | "X12" => t.t1(Q, Condor, Gra).map(Value::Number),
        "X13" => count(pairs().map(|(b, s)| Some(t.t2(b, s, Vanilla)? == t.t1(b, s, Vanilla)?))),
        _ => None,
    }
}

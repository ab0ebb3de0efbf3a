//! Verdicts on instructions: are clear ones let pass, and faulty ones not?

use super::{CLEAR, Sheet};
use crate::bootstrap::{Bootstrap, Estimate};

/// How well one rater checks instructions. An instruction passes when all three bits are 1.
#[derive(Clone, Debug, PartialEq)]
pub struct InstructionSkill {
    /// Mean of the share of clear instructions that pass and the share of faulty ones that do not; 0.5 for a coin,
    /// and for a rater that says one thing only.
    pub balanced_accuracy: Estimate,
    /// Share that passes by kind, in the set's order.
    pub passes_by_kind: Vec<(String, Estimate)>,
    /// Share of calls without a readable reply.
    pub malformed: f64,
}

impl InstructionSkill {
    /// Measures a rater's verdicts.
    #[must_use]
    pub fn of(sheet: &Sheet<bool>, bootstrap: Bootstrap) -> Self {
        let (rows, clusters) = sheet.read();
        let of_kind = |is_counted: fn(&str) -> bool| -> Vec<Option<bool>> {
            rows.iter().map(|row| is_counted(row.0).then_some(row.1)).collect()
        };
        let (clear, faulty) = (of_kind(|kind| kind == CLEAR), of_kind(|kind| kind != CLEAR));
        let name = ["calibration", "balanced", &sheet.rater];
        let [balanced_accuracy] = bootstrap.estimate(&clusters, &name, |weights| {
            let clear = super::weighted_share(&clear, weights);
            let faulty = super::weighted_share(&faulty, weights);
            [clear.zip(faulty).map(|(clear, faulty)| f64::midpoint(clear, 1.0 - faulty))]
        });
        let passes = |kind: &&str| {
            let name = ["calibration", "instruction", &sheet.rater, kind];
            sheet.share(&name, bootstrap, |other| other == *kind, |passes| passes)
        };
        let kinds = sheet.kinds();
        Self {
            balanced_accuracy,
            passes_by_kind: kinds.iter().map(|kind| ((*kind).to_owned(), passes(kind))).collect(),
            malformed: sheet.malformed(),
        }
    }
}

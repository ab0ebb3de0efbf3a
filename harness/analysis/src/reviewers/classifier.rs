//! Committee, vote, adjudicator and each reviewer as classifiers: how many of the responses that they let pass are good,
//! and how many of the good ones pass (what the paper's Fig. 4 is about)?
//!
//! What is good is said by others ([`Truth`]): a judge, or checks that need no opinion. Neither is the truth. A judge
//! that is kin to a reviewer favours it, and the checks see only what can be looked up.
//!
//! Asked is about every response, whatever became of it; vetoed candidates have none. tau varies, delta is the trial's.
//! What a committee would have said under another tau follows from the record ([`crate::rescore`]) or is not known, and
//! takes no part then: below the tau of a trial with economy, that leaves out responses whose review was broken off.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Write};

use gra_synth::candidate::{Candidate, ResponseReview};
use gra_synth::committee::{Tally, Thousandths};
use gra_synth::pool::ItemId;
use gra_synth::request::ModelName;
use gra_synth::variant::DisputeRule;

use crate::checks::Checks;
use crate::foreign_text::{CsvWriter, field};
use crate::proportion::Proportion;
use crate::rescore::{Rule, lets_pass};
use crate::statistics::dependence::Dependence;
use crate::statistics::inference::{self, Estimate, indicator};
use crate::statistics::rank::roc_area;
use crate::trial::lineage;

/// Who says which responses are good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Truth<'a> {
    /// A judge: scores of this threshold or more. Responses that it has not scored take no part.
    Judge {
        /// By candidate, 1 to 10.
        scores: &'a BTreeMap<ItemId, f64>,
        /// 8 in the paper.
        threshold: f64,
    },
    /// [`Checks`]: those in which none of them finds a fault.
    Checks,
}

/// Who lets responses pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decider {
    /// The committee, and what this rule does with its disputes.
    Committee(DisputeRule),
    /// A reviewer alone, where it reviewed: its mean score reaches tau.
    Reviewer(ModelName),
}

/// A decider over all tau.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Who decides.
    pub decider: Decider,
    /// Of its mean score, good responses against others; no value for a committee whose disputes are not decided by it.
    pub auc: Estimate,
    /// At the trial's tau: the share of those that pass that is good, in [0, 1].
    pub precision: Estimate,
    /// At the trial's tau: the share of the good ones that passes, in [0, 1].
    pub recall: Estimate,
    /// At every tau of [`taus`], and at the trial's.
    pub points: Vec<PassedCounts>,
}

/// What a decider lets pass at one tau, of the responses on which its word is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassedCounts {
    /// Least mean score that passes.
    pub tau: Thousandths,
    /// Those that pass.
    pub passed: u64,
    /// Those that are good.
    pub good: u64,
    /// Those that pass and are good.
    pub both: u64,
}

/// All deciders of a trial, by one truth.
#[derive(Clone, Debug, PartialEq)]
pub struct Classifiers {
    /// `judge >= 8`, or `no check fails`.
    pub truth: String,
    /// The trial's own.
    pub tau: Thousandths,
    /// Share of good responses among all: the precision of letting everything pass.
    pub good: Estimate,
    /// Committees by their rule for disputes, then reviewers by name.
    pub curves: Vec<Curve>,
}

/// From 1 to 10 in steps of half a point.
#[must_use]
pub fn taus() -> Vec<Thousandths> {
    let halves = (2_u16..=20).map(|half| f64::from(half) / 2.0);
    halves.filter_map(|tau| Thousandths::try_from(tau).ok()).collect()
}

/// A response, and whether it is good.
struct Case<'a> {
    candidate: &'a Candidate,
    is_good: bool,
}

impl Truth<'_> {
    fn name(&self) -> String {
        match self {
            Self::Judge { threshold, .. } => format!("judge >= {threshold}"),
            Self::Checks => "no check fails".to_owned(),
        }
    }

    fn case<'a>(&self, candidate: &'a Candidate) -> Option<Case<'a>> {
        let response = candidate.response.as_deref()?;
        let is_good = match self {
            Self::Judge { scores, threshold } => *scores.get(&candidate.id)? >= *threshold,
            Self::Checks => {
                let found = Checks::of(candidate.instruction.as_deref()?, Some(response));
                found.faults().next().is_none()
            }
        };
        Some(Case { candidate, is_good })
    }
}

impl fmt::Display for Decider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Committee(DisputeRule::Adjudicator) => f.write_str("committee and adjudicator"),
            Self::Committee(DisputeRule::MajorityVote) => f.write_str("committee and vote"),
            Self::Committee(DisputeRule::Accept) => f.write_str("committee's mean"),
            Self::Reviewer(model) => model.fmt(f),
        }
    }
}

impl Decider {
    /// The score that is held against tau.
    fn score(&self, candidate: &Candidate) -> Option<f64> {
        match self {
            Self::Committee(DisputeRule::Accept) => candidate.tally().map(Tally::mu),
            Self::Committee(_) => None,
            Self::Reviewer(model) => Some(review_by(candidate, model)?.scores.mean()),
        }
    }

    /// Whether a response passes; `None` where that is not known.
    fn passes(&self, candidate: &Candidate, rule: &Rule) -> Option<bool> {
        match self {
            Self::Committee(dispute) => lets_pass(candidate, &Rule { dispute: *dispute, ..*rule }),
            Self::Reviewer(model) => Some(review_by(candidate, model)?.scores.reach(rule.tau)),
        }
    }
}

/// A model's review of a response; the first where it held two seats.
fn review_by<'a>(candidate: &'a Candidate, model: &ModelName) -> Option<&'a ResponseReview> {
    candidate.response_reviews.iter().find(|review| review.reviewer == *model)
}

impl Classifiers {
    /// Measures a trial that ran under a rule; `None` where no committee reviewed a response whose truth is known.
    #[must_use]
    pub fn of(candidates: &[Candidate], rule: &Rule, truth: Truth<'_>) -> Option<Self> {
        let cases = candidates.iter().filter(|candidate| !candidate.response_reviews.is_empty());
        let cases: Vec<Case> = cases.filter_map(|candidate| truth.case(candidate)).collect();
        if cases.is_empty() {
            return None;
        }
        let rules = [DisputeRule::Adjudicator, DisputeRule::MajorityVote, DisputeRule::Accept];
        // One review has no disputes: its mean decides, and stands below under the reviewer's name.
        let committees = rules.into_iter().filter(|_| rule.reviewers > 1).map(Decider::Committee);
        let reviews = cases.iter().flat_map(|case| &case.candidate.response_reviews);
        let reviewers: BTreeSet<&ModelName> = reviews.map(|review| &review.reviewer).collect();
        let deciders = committees.chain(reviewers.into_iter().cloned().map(Decider::Reviewer));
        let dependence = Dependence::by_items(cases.iter().map(|c| lineage(c.candidate)));
        let good: Vec<Option<f64>> =
            cases.iter().map(|case| Some(indicator(case.is_good))).collect();
        Some(Self {
            truth: truth.name(),
            tau: rule.tau,
            good: inference::mean(&good, &dependence).within(0.0, 1.0),
            curves: deciders.map(|decider| Curve::of(decider, &cases, &dependence, rule)).collect(),
        })
    }

    /// Measures a trial by a judge, where it has scored any, and by the checks.
    #[must_use]
    pub fn of_trial(
        candidates: &[Candidate],
        rule: &Rule,
        judge: &BTreeMap<ItemId, f64>,
        threshold: f64,
    ) -> Vec<Self> {
        let truths = [Truth::Judge { scores: judge, threshold }, Truth::Checks];
        truths.into_iter().filter_map(|truth| Self::of(candidates, rule, truth)).collect()
    }

    /// Writes a header and one line per decider and tau; those of several truths behind each other.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write_csv(truths: &[Self], writer: impl Write) -> io::Result<()> {
        let mut csv = CsvWriter::from_writer(writer);
        let counts = ["passed", "good", "both", "precision", "recall"];
        csv.write_record(["truth", "decider", "tau"].into_iter().chain(counts))?;
        for of in truths {
            for (curve, at) in of.curves.iter().flat_map(|c| c.points.iter().map(move |at| (c, at)))
            {
                let counts = [at.passed, at.good, at.both].map(|count| count.to_string());
                let names = [of.truth.clone(), curve.decider.to_string(), at.tau.to_string()];
                let shares = [at.precision(), at.recall()].map(field);
                csv.write_record(names.into_iter().chain(counts).chain(shares))?;
            }
        }
        csv.flush()
    }
}

impl Curve {
    fn of(decider: Decider, cases: &[Case], dependence: &Dependence, rule: &Rule) -> Self {
        let rows = || cases.iter().filter_map(|c| Some((c, decider.score(c.candidate)?)));
        let scores: Vec<f64> = rows().map(|(_, score)| score).collect();
        let is_good: Vec<bool> = rows().map(|(case, _)| case.is_good).collect();
        let of_rows = Dependence::by_items(rows().map(|(case, _)| lineage(case.candidate)));
        let taus: BTreeSet<Thousandths> = taus().into_iter().chain([rule.tau]).collect();
        let points = taus.into_iter().map(|tau| {
            let passes = |case: &Case| decider.passes(case.candidate, &Rule { tau, ..*rule });
            let known = cases.iter().filter_map(|case| Some((case.is_good, passes(case)?)));
            let none = PassedCounts { tau, passed: 0, good: 0, both: 0 };
            known.fold(none, |sum, (is_good, passes)| PassedCounts {
                passed: sum.passed + u64::from(passes),
                good: sum.good + u64::from(is_good),
                both: sum.both + u64::from(passes && is_good),
                ..sum
            })
        });
        let points = points.collect();
        // Precision is a mean over what passes, recall one over what is good.
        let own: Vec<Option<bool>> =
            cases.iter().map(|case| decider.passes(case.candidate, rule)).collect();
        let mean = |value: fn(bool, bool) -> Option<bool>| {
            let rows = cases.iter().zip(&own);
            let values = rows.map(|(case, passes)| value(case.is_good, (*passes)?).map(indicator));
            let values: Vec<Option<f64>> = values.collect();
            inference::mean(&values, dependence).within(0.0, 1.0)
        };
        Self {
            auc: roc_area(&scores, &is_good, &of_rows),
            precision: mean(|is_good, passes| passes.then_some(is_good)),
            recall: mean(bool::then_some),
            points,
            decider,
        }
    }
}

impl PassedCounts {
    /// Share of those that pass that is good; `None` where nothing passes.
    #[must_use]
    pub fn precision(self) -> Option<f64> {
        Proportion { yes: self.both, no: self.passed - self.both }.value()
    }

    /// Share of the good ones that passes; `None` where nothing is good.
    #[must_use]
    pub fn recall(self) -> Option<f64> {
        Proportion { yes: self.both, no: self.good - self.both }.value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::tests::{every_outcome, id};

    const RULE: Rule = Rule {
        tau: Thousandths::whole(8),
        delta: Thousandths::whole(1),
        reviewers: 3,
        dispute: DisputeRule::Adjudicator,
        cosine_limit: 0.9,
    };

    /// By decider: how many pass, precision and recall at the trial's tau.
    fn found(of: &Classifiers) -> BTreeMap<String, (usize, Option<f64>, Option<f64>)> {
        let curves = of.curves.iter().map(|curve| {
            let own = curve.points.iter().find(|at| at.tau == of.tau).unwrap();
            let Curve { precision, recall, .. } = curve;
            assert_eq!((own.precision(), own.recall()), (precision.value, recall.value));
            (curve.decider.to_string(), (precision.n, precision.value, recall.value))
        });
        curves.collect()
    }

    #[test]
    fn each_decider_is_held_against_the_judge() {
        let scores = [(3, 5.0), (4, 9.0), (5, 5.0), (6, 9.0), (7, 5.0), (8, 8.0)];
        let scores = scores.map(|(number, score)| (id(number), score)).into();
        let truth = Truth::Judge { scores: &scores, threshold: 8.0 };
        let of = Classifiers::of(&every_outcome(), &RULE, truth).unwrap();
        assert_eq!((of.good.n, of.good.value), (6, Some(0.5)));
        let found = found(&of);
        // The adjudicator throws out 4, which is good, and was not asked about 5.
        assert_eq!(found["committee and adjudicator"], (3, Some(2.0 / 3.0), Some(2.0 / 3.0)));
        assert_eq!(found["committee and vote"], (4, Some(0.75), Some(1.0)));
        assert_eq!(found["committee's mean"], (5, Some(0.6), Some(1.0)));
        assert_eq!(found["internlm"], (5, Some(0.6), Some(1.0)));
        // mu: 8.33, 8.33 and 8.67 of the good, 7, 8 and 8 of the others.
        assert_eq!(of.curves[2].auc.value, Some(1.0));
        let at_10 = of.curves[2].points.last().unwrap();
        assert_eq!((at_10.passed, at_10.precision(), at_10.recall()), (0, None, Some(0.0)));
    }

    #[test]
    fn checks_need_no_judge() {
        let mut candidates = every_outcome();
        candidates[8].response = Some("As an AI model, I am unable to answer.".to_owned());
        let of = Classifiers::of(&candidates, &RULE, Truth::Checks).unwrap();
        // Of seven responses with reviews one is a refusal, and the committee accepts it.
        assert_eq!((of.good.n, of.good.value), (7, Some(6.0 / 7.0)));
        assert_eq!(found(&of)["committee and adjudicator"].1, Some(2.0 / 3.0));
        let none = Classifiers::of(&candidates[9..], &RULE, Truth::Checks);
        assert_eq!(none, None, "nothing was reviewed");
    }

    #[test]
    fn a_line_per_decider_and_tau() {
        let of = Classifiers::of(&every_outcome(), &RULE, Truth::Checks).unwrap();
        let mut csv = Vec::new();
        Classifiers::write_csv(&[of], &mut csv).unwrap();
        let csv = String::from_utf8(csv).unwrap();
        assert_eq!(csv.lines().count(), 1 + 6 * 19);
        let at_8 = csv.lines().find(|line| line.starts_with("no check fails,committee's mean,8,"));
        assert_eq!(at_8, Some("no check fails,committee's mean,8,5,6,5,1,0.8333333333333334"));
    }
}

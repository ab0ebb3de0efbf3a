//! Which rule settled a candidate, in words, with the numbers that it was settled by.

use gra_synth::candidate::{Candidate, Outcome, ResponseReview};
use gra_synth::committee::Decision;
use gra_synth::method::Method;

/// What the committee's scores led to; `None` for candidates that no committee decided.
#[must_use]
pub fn committee(candidate: &Candidate, method: &Method) -> Option<String> {
    let (tau, delta) = (method.tau, method.delta);
    if let (Some(tally), Some(decision)) = (candidate.tally(), candidate.decision) {
        let rule = match decision {
            Decision::Reject => format!("mu < tau {tau}: rejected"),
            Decision::Accept => format!("mu >= tau {tau} and sigma <= delta {delta}: accepted"),
            Decision::Dispute => format!("mu >= tau {tau} and sigma > delta {delta}: disputed"),
        };
        return Some(format!("mu {:.4}, sigma {:.4}; {rule}", tally.mu(), tally.sigma()));
    }
    let left = candidate.roles.reviewers.len().checked_sub(candidate.response_reviews.len())?;
    (candidate.decision == Some(Decision::Reject)).then(|| {
        format!("nothing but tens from {left} more could not lift mu to tau {tau}: rejected")
    })
}

/// What the adjudicator's scores led to.
#[must_use]
pub fn adjudicator(word: &ResponseReview, method: &Method) -> String {
    let tau = method.tau;
    let (sign, verdict) =
        if word.scores.reach(tau) { (">=", "accepted") } else { ("<", "rejected") };
    format!("s_A {:.4} {sign} tau {tau}: {verdict}", word.scores.mean())
}

/// What the nearest item of the pool led to; `None` for candidates that were not compared.
#[must_use]
pub fn nearest(candidate: &Candidate, method: &Method) -> Option<String> {
    let nearest = candidate.nearest?;
    let is_duplicate = candidate.outcome == Some(Outcome::Duplicate);
    let (sign, verdict) = if is_duplicate { (">=", "duplicate") } else { ("<", "kept") };
    let limit = method.cosine_limit;
    Some(format!("{} at cosine {:.4} {sign} {limit}: {verdict}", nearest.id, nearest.cosine))
}

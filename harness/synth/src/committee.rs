//! The committee's decision, in integers (paper, section 3.3; METHOD.md, section 2).
//!
//! With `t_i` the sum of reviewer i's six scores, `S` the sum of the `t_i` and `n` reviewers, the mean of
//! the reviewers' means is `S / 6n` and the population variance of those means is
//! `(n * sum(t_i^2) - S^2) / 36n^2`. Comparing these with tau and delta needs no division, so the
//! boundaries are exact; both belong to the accepting side.

use serde::{Deserialize, Serialize};

use crate::method::Thousandths;

/// The dimensions that a response is scored on, in prompt order.
pub const DIMENSIONS: [&str; 6] =
    ["correctness", "clarity", "completeness", "relevance", "coherence", "ethicality"];

/// One speaker's six scores, each from 0 to 10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scores(pub [u8; 6]);

impl Scores {
    /// The sum of the six.
    #[must_use]
    pub fn total(self) -> u32 {
        self.0.iter().map(|&score| u32::from(score)).sum()
    }

    /// The mean of the six.
    #[must_use]
    pub fn mean(self) -> f64 {
        f64::from(self.total()) / 6.0
    }

    /// Whether the mean reaches tau.
    #[must_use]
    pub fn reach(self, tau: Thousandths) -> bool {
        self.total() * 1000 >= 6 * tau.thousandths()
    }
}

/// What the committee's scores say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// mu < tau.
    Reject,
    /// mu >= tau and sigma <= delta.
    Accept,
    /// mu >= tau and sigma > delta.
    Dispute,
}

/// The sums that a decision needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// `n`, at least 1.
    pub reviewers: u32,
    /// `S`: sum of all scores.
    pub sum: u32,
    /// Sum of the squares of the `t_i`.
    pub squares: u32,
}

impl Tally {
    /// Sums up reviews; `None` when there are none.
    #[must_use]
    pub fn of(reviews: impl IntoIterator<Item = Scores>) -> Option<Self> {
        let zero = Self { reviewers: 0, sum: 0, squares: 0 };
        let tally = reviews.into_iter().map(Scores::total).fold(zero, |tally, total| Self {
            reviewers: tally.reviewers + 1,
            sum: tally.sum + total,
            squares: tally.squares + total * total,
        });
        (tally.reviewers > 0).then_some(tally)
    }

    /// mu: the mean of the reviewers' means.
    #[must_use]
    pub fn mu(self) -> f64 {
        f64::from(self.sum) / f64::from(6 * self.reviewers)
    }

    /// `n * sum(t_i^2) - S^2`, which is `36 n^2 sigma^2`.
    fn scaled_variance(self) -> u64 {
        u64::from(self.reviewers) * u64::from(self.squares) - u64::from(self.sum).pow(2)
    }

    /// sigma: the population standard deviation of the reviewers' means (Case 1: 2.4758).
    #[must_use]
    pub fn sigma(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let variance = self.scaled_variance() as f64;
        variance.sqrt() / f64::from(6 * self.reviewers)
    }

    /// Whether mu stays below tau even if `left` more reviewers give nothing but tens.
    #[must_use]
    pub fn cannot_reach(self, left: u32, tau: Thousandths) -> bool {
        let best = u64::from(self.sum) + 60 * u64::from(left);
        let reviewers = u64::from(self.reviewers) + u64::from(left);
        best * 1000 < 6 * reviewers * u64::from(tau.thousandths())
    }

    /// Compares mu with tau and sigma with delta.
    #[must_use]
    pub fn decide(self, tau: Thousandths, delta: Thousandths) -> Decision {
        let reviewers = u64::from(self.reviewers);
        if u64::from(self.sum) * 1000 < 6 * reviewers * u64::from(tau.thousandths()) {
            return Decision::Reject;
        }
        let bound = 36 * reviewers.pow(2) * u64::from(delta.thousandths()).pow(2);
        if self.scaled_variance() * 1_000_000 > bound {
            Decision::Dispute
        } else {
            Decision::Accept
        }
    }
}

/// Whether more than half of the reviewers' means reach tau (METHOD.md, V4).
#[must_use]
pub fn majority_reaches(reviews: &[Scores], tau: Thousandths) -> bool {
    2 * reviews.iter().filter(|scores| scores.reach(tau)).count() > reviews.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decide(reviews: &[[u8; 6]]) -> Decision {
        let tally = Tally::of(reviews.iter().copied().map(Scores)).unwrap();
        tally.decide(Thousandths::whole(8), Thousandths::try_from(1.5).unwrap())
    }

    #[test]
    fn case_1_of_the_paper() {
        let reviews = [[9, 10, 10, 10, 10, 10], [9, 9, 10, 10, 10, 10], [6, 4, 5, 4, 5, 3]];
        let tally = Tally::of(reviews.map(Scores)).unwrap();
        assert_eq!(format!("{} {:.4}", tally.mu(), tally.sigma()), "8 2.4758");
        assert_eq!(decide(&reviews), Decision::Dispute);
        assert!(majority_reaches(&reviews.map(Scores), Thousandths::whole(8)));
    }

    #[test]
    fn both_boundaries_accept() {
        // mu = 8 exactly, no spread.
        assert_eq!(decide(&[[8; 6]; 3]), Decision::Accept);
        // One point less of 144.
        assert_eq!(decide(&[[8; 6], [8; 6], [8, 8, 8, 8, 8, 7]]), Decision::Reject);
        // Two reviewers at 10 and 7: mu = 8.5, sigma = 1.5 exactly.
        assert_eq!(decide(&[[10; 6], [7; 6]]), Decision::Accept);
        // One point lower: sigma just above 1.5.
        assert_eq!(decide(&[[10; 6], [7, 7, 7, 7, 7, 6]]), Decision::Dispute);
    }

    #[test]
    fn a_bound_is_exact() {
        let tau = Thousandths::whole(8);
        let of = |sum| Tally { reviewers: 1, sum, squares: sum * sum };
        // 24 + 2 * 60 = 144 = 3 * 48: tau can just be reached.
        assert!(!of(24).cannot_reach(2, tau));
        assert!(of(23).cannot_reach(2, tau));
        assert!(!of(48).cannot_reach(0, tau));
        assert!(of(47).cannot_reach(0, tau));
    }

    #[test]
    fn one_reviewer_never_disputes() {
        assert_eq!(decide(&[[8; 6]]), Decision::Accept);
        assert_eq!(decide(&[[10, 10, 10, 10, 4, 4]]), Decision::Accept);
        assert_eq!(decide(&[[8, 8, 8, 8, 8, 7]]), Decision::Reject);
    }

    #[test]
    fn nearly_every_dispute_at_three_reviewers_has_a_majority() {
        // METHOD.md, section 2: 1,623 of 1,641 ordered triples of sums.
        let (tau, delta) = (Thousandths::whole(8), Thousandths::try_from(1.5).unwrap());
        let (mut disputed, mut majority) = (0, 0);
        for a in 0..=60_u32 {
            for b in 0..=60 {
                for c in 0..=60 {
                    let sum = a + b + c;
                    let tally = Tally { reviewers: 3, sum, squares: a * a + b * b + c * c };
                    if tally.decide(tau, delta) == Decision::Dispute {
                        disputed += 1;
                        majority += u32::from([a, b, c].iter().filter(|&&t| t >= 48).count() >= 2);
                    }
                }
            }
        }
        assert_eq!((majority, disputed), (1623, 1641));
    }

    proptest! {
        #[test]
        fn the_order_of_reviewers_does_not_matter(
            mut reviews in prop::collection::vec(prop::array::uniform6(0_u8..=10), 1..6),
            swap in any::<(prop::sample::Index, prop::sample::Index)>(),
        ) {
            let before = Tally::of(reviews.iter().copied().map(Scores));
            let (a, b) = (swap.0.index(reviews.len()), swap.1.index(reviews.len()));
            reviews.swap(a, b);
            prop_assert_eq!(before, Tally::of(reviews.iter().copied().map(Scores)));
        }

        #[test]
        fn integers_agree_with_reals_away_from_the_boundary(
            reviews in prop::collection::vec(prop::array::uniform6(0_u8..=10), 1..6),
        ) {
            let means: Vec<f64> = reviews.iter().map(|r| Scores(*r).mean()).collect();
            #[expect(clippy::cast_precision_loss, reason = "at most five")]
            let n = means.len() as f64;
            let mu = means.iter().sum::<f64>() / n;
            let sigma = (means.iter().map(|m| (m - mu).powi(2)).sum::<f64>() / n).sqrt();
            prop_assume!((mu - 8.0).abs() > 1e-9 && (sigma - 1.5).abs() > 1e-9);
            let expected = match (mu >= 8.0, sigma <= 1.5) {
                (false, _) => Decision::Reject,
                (true, true) => Decision::Accept,
                (true, false) => Decision::Dispute,
            };
            prop_assert_eq!(decide(&reviews), expected);
        }
    }
}

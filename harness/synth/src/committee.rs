//! The committee's decision, in integers (paper, section 3.3; METHOD.md, section 2).
//!
//! A score is kept in thousandths. With `t_i` the sum of reviewer i's six scores, `S` the sum of the `t_i`
//! and `n` reviewers, the mean of the reviewers' means is `S / 6n` and the population variance of those
//! means is `(n * sum(t_i^2) - S^2) / 36n^2`. Comparing these with tau and delta needs no division, so
//! the boundaries are exact; both belong to the accepting side.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A decimal with at most three places, kept as an integer so that comparisons are exact.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "f64", into = "f64")]
pub struct Thousandths(u32);

/// The number has more than three decimal places, or lies outside [0, 1000].
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{0} must lie between 0 and 1000 and have at most three decimal places")]
pub struct ThousandthsError(f64);

impl Thousandths {
    /// The number with this many thousandths.
    pub(crate) const fn new(thousandths: u32) -> Self {
        Self(thousandths)
    }

    /// A whole number.
    #[must_use]
    pub const fn whole(value: u16) -> Self {
        Self(value as u32 * 1000)
    }

    /// The number times a thousand.
    #[must_use]
    pub const fn thousandths(self) -> u32 {
        self.0
    }
}

impl TryFrom<f64> for Thousandths {
    type Error = ThousandthsError;

    fn try_from(value: f64) -> Result<Self, Self::Error> {
        let scaled = (value * 1000.0).round();
        if !(0.0..=1_000_000.0).contains(&scaled) || (scaled / 1000.0 - value).abs() > 1e-9 {
            return Err(ThousandthsError(value));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be an integer in 0..=1_000_000"
        )]
        Ok(Self(scaled as u32))
    }
}

impl From<Thousandths> for f64 {
    fn from(value: Thousandths) -> Self {
        Self::from(value.0) / 1000.0
    }
}

impl fmt::Display for Thousandths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", f64::from(*self))
    }
}

/// The dimensions that a response is scored on, in prompt order.
pub const DIMENSIONS: [&str; 6] =
    ["correctness", "clarity", "completeness", "relevance", "coherence", "ethicality"];

/// The highest score.
const PERFECT: Thousandths = Thousandths::whole(10);

/// One speaker's six scores, each from 0 to 10: whole numbers as a model writes them, or expected values
/// ([`ScoreReading`](crate::request::ScoreReading)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[WrittenScore; 6]", into = "[WrittenScore; 6]")]
pub struct Scores([Thousandths; 6]);

/// A whole score is written without a fraction.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WrittenScore {
    Whole(u8),
    Exact(Thousandths),
}

impl From<[WrittenScore; 6]> for Scores {
    fn from(written: [WrittenScore; 6]) -> Self {
        Self(written.map(|score| match score {
            WrittenScore::Whole(score) => Thousandths::whole(score.into()),
            WrittenScore::Exact(score) => score,
        }))
    }
}

impl From<Scores> for [WrittenScore; 6] {
    fn from(scores: Scores) -> Self {
        scores.0.map(|score| match u8::try_from(score.thousandths() / 1000) {
            Ok(whole) if Thousandths::whole(whole.into()) == score => WrittenScore::Whole(whole),
            _ => WrittenScore::Exact(score),
        })
    }
}

impl Scores {
    /// Scores in whole points, as a model writes them.
    #[must_use]
    pub fn whole(scores: [u8; 6]) -> Self {
        Self(scores.map(|score| Thousandths::whole(score.into())))
    }

    /// Expected scores; `None` unless there are six, none above 10.
    pub(crate) fn expected(scores: &[Thousandths]) -> Option<Self> {
        // A mean over a model's probabilities lies within the scale; a server may still send anything.
        let scores: [Thousandths; 6] = scores.try_into().ok()?;
        scores.iter().all(|&score| score <= PERFECT).then_some(Self(scores))
    }

    /// The six scores, in points.
    #[must_use]
    pub fn values(self) -> [f64; 6] {
        self.0.map(f64::from)
    }

    /// The sum of the six, in thousandths.
    #[must_use]
    pub fn total(self) -> u32 {
        self.0.iter().map(|score| score.thousandths()).sum()
    }

    /// The mean of the six.
    #[must_use]
    pub fn mean(self) -> f64 {
        f64::from(self.total()) / 6000.0
    }

    /// Whether the mean reaches tau.
    #[must_use]
    pub fn reach(self, tau: Thousandths) -> bool {
        self.total() >= 6 * tau.thousandths()
    }
}

/// The outcome of comparing a committee's scores with tau and delta.
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

/// The sums of a committee's scores, from which mu and sigma follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// `n`, at least 1.
    pub reviewers: u32,
    /// `S`: sum of all scores, in thousandths.
    pub sum: u32,
    /// Sum of the squares of the `t_i`, in millionths.
    pub squares: u64,
}

impl Tally {
    /// Sums up reviews; `None` when there are none.
    #[must_use]
    pub fn from_scores(reviews: impl IntoIterator<Item = Scores>) -> Option<Self> {
        let zero = Self { reviewers: 0, sum: 0, squares: 0 };
        let tally = reviews.into_iter().map(Scores::total).fold(zero, |tally, total| Self {
            reviewers: tally.reviewers + 1,
            sum: tally.sum + total,
            squares: tally.squares + u64::from(total).pow(2),
        });
        (tally.reviewers > 0).then_some(tally)
    }

    /// mu: the mean of the reviewers' means.
    #[must_use]
    pub fn mu(self) -> f64 {
        f64::from(self.sum) / f64::from(6000 * self.reviewers)
    }

    /// The variance of the reviewers' means, free of division: `n * sum(t_i^2) - S^2`, which is `36 n^2 sigma^2`, in
    /// millionths.
    fn scaled_variance(self) -> u64 {
        // [R4] Of the population: the committee is all the reviewers that there are.
        u64::from(self.reviewers) * self.squares - u64::from(self.sum).pow(2)
    }

    /// sigma: the population standard deviation of the reviewers' means (Case 1: 2.4758).
    #[must_use]
    pub fn sigma(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let variance = self.scaled_variance() as f64;
        (variance / 1e6).sqrt() / f64::from(6 * self.reviewers)
    }

    /// Whether mu stays below tau even if `left` more reviewers give nothing but tens.
    #[must_use]
    pub fn cannot_reach(self, left: u32, tau: Thousandths) -> bool {
        // The bound holds if every reviewer left gives six tens: 1000 (S + 60 (n - k)) < 6 n T.
        let perfect = 6 * u64::from(PERFECT.thousandths());
        let reviewers = u64::from(self.reviewers) + u64::from(left);
        u64::from(self.sum) + perfect * u64::from(left)
            < 6 * reviewers * u64::from(tau.thousandths())
    }

    /// Compares mu with tau and sigma with delta.
    #[must_use]
    pub fn decide(self, tau: Thousandths, delta: Thousandths) -> Decision {
        // mu < tau, times 6000 n. Equality accepts.
        let reviewers = u64::from(self.reviewers);
        if u64::from(self.sum) < 6 * reviewers * u64::from(tau.thousandths()) {
            return Decision::Reject;
        }
        // sigma > delta, squared and times 36 n^2 10^6, so that no root and no division is taken.
        let bound = 36 * reviewers.pow(2) * u64::from(delta.thousandths()).pow(2);
        if self.scaled_variance() > bound { Decision::Dispute } else { Decision::Accept }
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
        let tally = Tally::from_scores(reviews.iter().copied().map(Scores::whole)).unwrap();
        tally.decide(Thousandths::whole(8), Thousandths::try_from(1.5).unwrap())
    }

    #[test]
    fn case_1_of_the_paper() {
        let reviews = [[9, 10, 10, 10, 10, 10], [9, 9, 10, 10, 10, 10], [6, 4, 5, 4, 5, 3]];
        let tally = Tally::from_scores(reviews.map(Scores::whole)).unwrap();
        assert_eq!(format!("{} {:.4}", tally.mu(), tally.sigma()), "8 2.4758");
        assert_eq!(decide(&reviews), Decision::Dispute);
        assert!(majority_reaches(&reviews.map(Scores::whole), Thousandths::whole(8)));
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
        let of = |points: u32| {
            let sum = 1000 * points;
            Tally { reviewers: 1, sum, squares: u64::from(sum).pow(2) }
        };
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
                    let (sum, squares) = (a + b + c, u64::from(a * a + b * b + c * c));
                    let tally =
                        Tally { reviewers: 3, sum: 1000 * sum, squares: 1_000_000 * squares };
                    if tally.decide(tau, delta) == Decision::Dispute {
                        disputed += 1;
                        majority += u32::from([a, b, c].iter().filter(|&&t| t >= 48).count() >= 2);
                    }
                }
            }
        }
        assert_eq!((majority, disputed), (1623, 1641));
    }

    #[test]
    fn expected_scores_are_exact_too() {
        let expected = |text: &str| serde_json::from_str::<Scores>(text).unwrap();
        let tau = Thousandths::whole(8);
        let scores = expected("[7.999,8.001,8,8,8,8]");
        assert!(scores.reach(tau));
        assert_eq!(serde_json::to_string(&scores).unwrap(), "[7.999,8.001,8,8,8,8]");
        let below = expected("[7.999,8,8,8,8,8]");
        assert_eq!(Tally::from_scores([below]).unwrap().decide(tau, tau), Decision::Reject);
        assert_eq!(Scores::whole([8; 6]), expected("[8,8,8,8,8,8]"));
        let seven = [Thousandths::whole(8); 7];
        assert_eq!((Scores::expected(&seven[..5]), Scores::expected(&seven)), (None, None));
        assert_eq!(Scores::expected(&[Thousandths::whole(11); 6]), None);
    }

    proptest! {
        #[test]
        fn the_order_of_reviewers_does_not_matter(
            mut reviews in prop::collection::vec(prop::array::uniform6(0_u8..=10), 1..6),
            swap in any::<(prop::sample::Index, prop::sample::Index)>(),
        ) {
            let before = Tally::from_scores(reviews.iter().copied().map(Scores::whole));
            let (a, b) = (swap.0.index(reviews.len()), swap.1.index(reviews.len()));
            reviews.swap(a, b);
            prop_assert_eq!(before, Tally::from_scores(reviews.iter().copied().map(Scores::whole)));
        }

        #[test]
        fn integers_agree_with_reals_away_from_the_boundary(
            reviews in prop::collection::vec(prop::array::uniform6(0_u8..=10), 1..6),
        ) {
            let means: Vec<f64> = reviews.iter().map(|r| Scores::whole(*r).mean()).collect();
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

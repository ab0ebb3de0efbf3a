//! Do the committee and a judge agree on what is good (paper, section 5.4 and Fig. 7)?
//!
//! The paper says that a 72B judge gives high scores to 87.3% of "GRA-curated data (scores > 8)" and at
//! most 8 to the other 12.7%. It leaves open whether 8 itself is high for the committee, whose threshold
//! includes it, and what the judge gives to what was rejected. Both readings of 8 are reported, and the
//! accepted share stands beside the rejected one: without that, a judge that likes everything agrees
//! with every committee.
//!
//! Scores given, not made: no model is asked here. A sample that the judge has not scored, because its
//! reply stayed malformed or it was never asked, is counted and takes no part in the rest.

use gra_synth::pool::ItemId;

use crate::proportion::Proportion;
use crate::statistics::dependence::Dependence;
use crate::statistics::inference::{Estimate, jackknife};
use crate::statistics::rank::Pairs;
use crate::statistics::rank::{NotFinite, Resolution};

/// One candidate that the whole committee has scored.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// What it goes back to ([`crate::trial::lineage`]).
    pub items: Vec<ItemId>,
    /// Whether its data set holds it.
    pub accepted: bool,
    /// Whether review or deduplication ended it. Surplus is neither: it passed, and was not needed.
    pub rejected: bool,
    /// The committee's mu, 1 to 10.
    pub mu: f64,
    /// The judge's score of the same response on the same scale; `None` where there is none.
    pub judge: Option<f64>,
}

/// What counts as a high score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HighScore {
    /// Above the threshold, as the paper's section 5.4 writes.
    Above,
    /// The threshold or more, as the committee decides.
    AtLeast,
}

impl HighScore {
    /// Both, in the order in which they are reported.
    pub const ALL: [Self; 2] = [Self::Above, Self::AtLeast];

    /// Whether a score is high.
    #[must_use]
    pub fn holds(self, score: f64, threshold: f64) -> bool {
        match self {
            Self::Above => score > threshold,
            Self::AtLeast => score >= threshold,
        }
    }
}

/// Committee and judge on the same candidates.
#[derive(Clone, Debug, PartialEq)]
pub struct Quality {
    /// Candidates that became samples.
    pub accepted: JudgeAgreement,
    /// Those that review or deduplication ended.
    pub rejected: JudgeAgreement,
    /// Every candidate that the committee scored, surplus included.
    pub all: JudgeAgreement,
    /// Who finds how many high, over all that the judge scored, by [`HighScore::ALL`].
    pub tables: [HighScoreCounts; 2],
    /// The judge's share of high scores among the accepted less that among the rejected, in [-1, 1], by
    /// [`HighScore::ALL`]: what the committee's choice adds in the judge's eyes.
    pub lift: [Estimate; 2],
}

/// Committee and judge on some candidates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JudgeAgreement {
    /// Candidates that the judge scored; all below is about these.
    pub judged: u64,
    /// Candidates without a judge's score.
    pub unjudged: u64,
    /// Share to which the judge gives a high score, by [`HighScore::ALL`]. Over the accepted this is the
    /// paper's 87.3%, and its `no` the 12.7%.
    pub high: [HighShare; 2],
    /// Spearman's rho of mu and the judge's score.
    pub spearman: Estimate,
    /// Kendall's tau-b of the two.
    pub kendall: Estimate,
    /// How finely the committee's mu tells them apart.
    pub committee: Resolution,
    /// How finely the judge does.
    pub judge: Resolution,
}

/// A share: as counts, and with an interval that knows which candidates depend on each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HighShare {
    /// The counts.
    pub counts: Proportion,
    /// The share with its interval.
    pub estimate: Estimate,
}

/// Candidates by what the two find high.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HighScoreCounts {
    /// Both do.
    pub both: u64,
    /// Only the committee does.
    pub committee: u64,
    /// Only the judge does.
    pub judge: u64,
    /// Neither does.
    pub neither: u64,
}

/// A candidate with both scores.
struct Pair<'a> {
    row: &'a Scored,
    judge: f64,
    /// Whether the judge's score is high, by reading.
    high: [bool; 2],
}

impl Quality {
    /// Compares the two. `threshold`: 8 in the paper.
    ///
    /// # Errors
    /// When a score is not finite.
    pub fn of(rows: &[Scored], threshold: f64) -> Result<Self, NotFinite> {
        let finite = |row: &Scored| row.mu.is_finite() && row.judge.is_none_or(f64::is_finite);
        if let Some(row) = rows.iter().position(|row| !finite(row)) {
            return Err(NotFinite { row });
        }
        // Surplus is in neither group: it passed, and is no sample.
        let of = |is_counted: fn(&Scored) -> bool| {
            let rows = || rows.iter().filter(|row| is_counted(row));
            let pairs: Vec<Pair> = rows().filter_map(|row| Pair::of(row, threshold)).collect();
            JudgeAgreement::of(&pairs, rows().count())
        };
        let pairs: Vec<Pair> = rows.iter().filter_map(|row| Pair::of(row, threshold)).collect();
        Ok(Self {
            accepted: of(|row| row.accepted)?,
            rejected: of(|row| row.rejected)?,
            all: of(|_| true)?,
            tables: HighScore::ALL.map(|reading| HighScoreCounts::of(&pairs, reading, threshold)),
            lift: lift(&pairs),
        })
    }
}

impl<'a> Pair<'a> {
    fn of(row: &'a Scored, threshold: f64) -> Option<Self> {
        let judge = row.judge?;
        let high = HighScore::ALL.map(|reading| reading.holds(judge, threshold));
        Some(Self { row, judge, high })
    }
}

impl JudgeAgreement {
    fn of(pairs: &[Pair], rows: usize) -> Result<Self, NotFinite> {
        let scores =
            Pairs::of(&pairs.iter().map(|pair| (pair.row.mu, pair.judge)).collect::<Vec<_>>())?;
        // All four from one pass of the jackknife, which tabulates the pairs anew for every row left out.
        let [above, at_least, spearman, kendall] = jackknife(&dependence(pairs), |weights| {
            let table = scores.table(weights);
            let [above, at_least] = shares(pairs, weights, |_| true);
            [above, at_least, table.spearman(), table.kendall()]
        });
        let share = |place: usize, estimate| HighShare {
            counts: Proportion::from_cases(pairs.iter().map(|pair| pair.high[place])),
            estimate: Estimate::within(estimate, 0.0, 1.0),
        };
        // Resolution is of the rows as they are: leaving rows out lowers entropy.
        let once = scores.table(&vec![1; pairs.len()]);
        let (committee, judge) = once.margins();
        Ok(Self {
            judged: pairs.len() as u64,
            unjudged: (rows - pairs.len()) as u64,
            high: [share(0, above), share(1, at_least)],
            spearman: spearman.within(-1.0, 1.0),
            kendall: kendall.within(-1.0, 1.0),
            committee: Resolution::of_counts(committee),
            judge: Resolution::of_counts(judge),
        })
    }
}

impl HighScoreCounts {
    fn of(pairs: &[Pair], reading: HighScore, threshold: f64) -> Self {
        let mut table = Self::default();
        for pair in pairs {
            let high = |score| reading.holds(score, threshold);
            *match (high(pair.row.mu), high(pair.judge)) {
                (true, true) => &mut table.both,
                (true, false) => &mut table.committee,
                (false, true) => &mut table.judge,
                (false, false) => &mut table.neither,
            } += 1;
        }
        table
    }
}

fn lift(pairs: &[Pair]) -> [Estimate; 2] {
    // Both shares under the same weights: a row left out may be one of either.
    let lift = jackknife(&dependence(pairs), |weights| {
        let rejected = shares(pairs, weights, |pair| pair.row.rejected);
        let accepted = shares(pairs, weights, |pair| pair.row.accepted);
        std::array::from_fn(|k| Some(accepted[k]? - rejected[k]?))
    });
    lift.map(|lift| lift.within(-1.0, 1.0))
}

fn dependence(pairs: &[Pair]) -> Dependence {
    Dependence::by_items(pairs.iter().map(|pair| &pair.row.items))
}

/// The judge's weighted shares of high scores among some pairs; `None` without weight.
fn shares(pairs: &[Pair], weights: &[u32], among: impl Fn(&Pair) -> bool) -> [Option<f64>; 2] {
    let (mut high, mut all) = ([0_u64; 2], 0);
    for (pair, &weight) in pairs.iter().zip(weights).filter(|(pair, _)| among(pair)) {
        all += u64::from(weight);
        for (sum, is_high) in high.iter_mut().zip(pair.high) {
            *sum += u64::from(weight) * u64::from(is_high);
        }
    }
    high.map(|high| Proportion { yes: high, no: all - high }.value())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(item: u32, mu: f64, judge: Option<f64>) -> Scored {
        Scored {
            items: vec![ItemId::Seed(item)],
            accepted: mu >= 8.0,
            rejected: mu < 8.0,
            mu,
            judge,
        }
    }

    /// The same pair of scores on several seed items.
    fn rows(n: u32, mu: f64, judge: Option<f64>) -> Vec<Scored> {
        (0..n).map(|item| row(item, mu, judge)).collect()
    }

    fn quality(rows: &[Scored]) -> Quality {
        Quality::of(rows, 8.0).unwrap()
    }

    #[test]
    fn eight_is_high_in_one_reading_only() {
        let mut all = rows(6, 9.0, Some(9.0));
        all.extend(rows(2, 8.0, Some(8.0)));
        all.extend(rows(1, 8.5, Some(7.0)));
        all.extend(rows(1, 9.0, None));
        all.extend(rows(3, 6.0, Some(8.0)));
        all.extend(rows(4, 6.0, Some(5.0)));
        let found = quality(&all);
        assert_eq!((found.accepted.judged, found.accepted.unjudged), (9, 1));
        assert_eq!((found.rejected.judged, found.all.judged, found.all.unjudged), (7, 16, 1));
        let counts = |agreement: &JudgeAgreement| agreement.high.map(|share| share.counts);
        let of = |yes, no| Proportion { yes, no };
        assert_eq!(counts(&found.accepted), [of(6, 3), of(8, 1)]);
        assert_eq!(counts(&found.rejected), [of(0, 7), of(3, 4)]);
        assert_eq!(
            found.tables[0],
            HighScoreCounts { both: 6, committee: 1, judge: 0, neither: 9 }
        );
        assert_eq!(
            found.tables[1],
            HighScoreCounts { both: 8, committee: 1, judge: 3, neither: 4 }
        );
        assert_eq!(found.lift[0].value, Some(6.0 / 9.0));
        assert_eq!(found.lift[1].value, Some(8.0 / 9.0 - 3.0 / 7.0));
    }

    #[test]
    fn likes_of_one_item_depend_on_each_other() {
        // The paper's 87.3% of 1,000, in 50 seed items that the judge likes to different degrees.
        let scored = |item: u32, place: u32| {
            let likes = if item < 13 { 16 } else { 18 };
            row(item, 9.0, Some(if place < likes { 9.0 } else { 7.0 }))
        };
        let all: Vec<Scored> =
            (0..50).flat_map(|item| (0..20).map(move |p| scored(item, p))).collect();
        let share = quality(&all).accepted.high[0];
        assert_eq!((share.counts.n(), share.estimate.n), (1000, 1000));
        assert_eq!(share.counts.value(), share.estimate.value);
        let (wilson, cluster) = (share.counts.wilson().unwrap(), share.estimate.interval.unwrap());
        let value = share.counts.value().unwrap();
        for interval in [wilson, cluster] {
            assert!(interval.low < value && value < interval.high, "{interval:?} {value}");
        }
        // Seed items differ less here than independent samples would.
        assert!(cluster.high - cluster.low < wilson.high - wilson.low);
    }

    #[test]
    fn ranks_and_resolution_are_of_the_same_rows() {
        let score = |i: u32| f64::from(i) / 4.0;
        let mut all: Vec<Scored> =
            (0..40).map(|i| row(i, score(i), Some(f64::from(i * i / 160)))).collect();
        all.push(row(40, 1.0, None));
        let found = quality(&all).all;
        assert_eq!(
            (found.committee.n, found.committee.distinct, found.judge.distinct),
            (40, 40, 10)
        );
        assert!(found.committee.entropy > found.judge.entropy);
        assert!(found.spearman.value.unwrap() > 0.95 && found.kendall.value.unwrap() < 1.0);
        let interval = found.kendall.interval.unwrap();
        assert!(interval.low > 0.8 && interval.high <= 1.0, "{interval:?}");
    }

    #[test]
    fn too_little_has_no_numbers() {
        let none = |estimate: Estimate| estimate.value.is_none() && estimate.interval.is_none();
        let nothing = quality(&[]);
        assert!(none(nothing.all.spearman) && none(nothing.lift[0]));
        assert_eq!(nothing.all.committee.entropy, None);
        // No sample was judged: all are counted, and nothing else.
        let unjudged = quality(&rows(5, 9.0, None));
        assert_eq!((unjudged.accepted.judged, unjudged.accepted.unjudged), (0, 5));
        assert!(none(unjudged.accepted.high[0].estimate));
        // Constant scores, nothing rejected: a share, no correlation, no lift.
        let constant = quality(&rows(5, 9.0, Some(9.0)));
        assert_eq!(constant.accepted.high[0].estimate.value, Some(1.0));
        assert!(
            none(constant.all.spearman) && none(constant.all.kendall) && none(constant.lift[1])
        );
        let bad = [row(0, 9.0, None), row(1, 9.0, Some(f64::NAN))];
        assert_eq!(Quality::of(&bad, 8.0), Err(NotFinite { row: 1 }));
    }
}

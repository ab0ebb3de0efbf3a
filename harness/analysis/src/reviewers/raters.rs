//! People as raters of a trial's candidates: whether they agree with its committee, its adjudicator, a judge and each
//! other. The paper speaks of *human-aligned correctness* (section 4.3) and asked no people.
//!
//! They rate a sheet that holds as many candidates that review let pass as it rejected, without being told which is
//! which. Kappa depends on that share: it is of the sheet, and not of the trial as a whole. Every number is over the
//! rows where both sides have said something, and those are its n.

use std::collections::BTreeMap;

use gra_synth::candidate::Candidate;
use gra_synth::pool::ItemId;

use super::agreement::{Ratings, cohen};
use super::quality::HighScore;
use crate::statistics::dependence::Dependence;
use crate::statistics::inference::{Estimate, indicator, jackknife, mean};
use crate::statistics::rank;
use crate::statistics::rank::NotFinite;
use crate::trial::{lineage, review_verdict};

/// What one person said of a candidate; `None` where the field was left empty.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RowRating {
    /// Whether the instruction is reasonable, complete and clear.
    pub instruction_ok: Option<bool>,
    /// Of the response, 1 to 10.
    pub score: Option<f64>,
    /// Whether the pair should be in the data.
    pub accepts: Option<bool>,
}

/// What one person said of every candidate on a sheet.
#[derive(Clone, Debug, PartialEq)]
pub struct FilledSheet {
    /// Names the person in tables.
    pub rater: String,
    /// Of every candidate on the sheet, rated or not.
    pub ratings: BTreeMap<ItemId, RowRating>,
}

/// Two that said yes or no to the same candidates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VerdictAgreement {
    /// Share of equal verdicts.
    pub equal: Estimate,
    /// Cohen's kappa; without value where one of the two says one thing only.
    pub kappa: Estimate,
}

/// One rater beside what the trial says of the same candidates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RaterAgreement {
    /// With review, disputes as they were settled, before deduplication.
    pub committee: VerdictAgreement,
    /// With the adjudicator, over the disputes that it settled.
    pub adjudicator: VerdictAgreement,
    /// With a judge, whose yes is a score of at least the threshold.
    pub judge: VerdictAgreement,
    /// Spearman's rho of the rater's score and the committee's mu.
    pub spearman: Estimate,
    /// Share that the rater accepts of what review let pass, and of what it rejected.
    pub accepts: [Estimate; 2],
    /// Share of instructions without fault.
    pub instruction_ok: Estimate,
}

impl VerdictAgreement {
    /// Compares two over the candidates of which both have said something.
    fn of<'a>(rows: impl Iterator<Item = (&'a Candidate, Option<bool>, Option<bool>)>) -> Self {
        let (mut items, mut pairs) = (Vec::new(), Vec::new());
        for (candidate, one, other) in rows {
            // An empty field is no verdict, and agrees with nothing.
            if let Some(pair) = one.zip(other) {
                items.push(lineage(candidate));
                pairs.push(pair);
            }
        }
        let [equal, kappa] =
            jackknife(&Dependence::by_items(items), |weights| cohen(&pairs, weights));
        Self { equal: equal.within(0.0, 1.0), kappa: kappa.within(-1.0, 1.0) }
    }

    /// Two raters' verdicts on a trial's candidates.
    #[must_use]
    pub fn of_two(one: &FilledSheet, other: &FilledSheet, candidates: &[Candidate]) -> Self {
        let accepts = |sheet: &FilledSheet, id| sheet.ratings.get(&id).and_then(|row| row.accepts);
        Self::of(candidates.iter().map(|c| (c, accepts(one, c.id), accepts(other, c.id))))
    }
}

impl RaterAgreement {
    /// Compares a rater with what a trial says of the candidates on the sheet. `judge`: scores by candidate, empty
    /// where none was asked; `threshold`: from where a judge's score counts as a yes.
    ///
    /// # Errors
    /// When a score is not finite.
    pub fn of(
        sheet: &FilledSheet,
        candidates: &[Candidate],
        judge: &BTreeMap<ItemId, f64>,
        threshold: f64,
    ) -> Result<Self, NotFinite> {
        let on_sheet = candidates.iter().filter_map(|c| Some((c, *sheet.ratings.get(&c.id)?)));
        let rows: Vec<(&Candidate, RowRating)> = on_sheet.collect();
        let with = |other: &dyn Fn(&Candidate) -> Option<bool>| {
            VerdictAgreement::of(rows.iter().map(|(c, row)| (*c, row.accepts, other(c))))
        };
        let dependence = Dependence::by_items(rows.iter().map(|(c, _)| lineage(c)));
        let share = |said: &dyn Fn(&Candidate, RowRating) -> Option<bool>| {
            let said = rows.iter().map(|(c, row)| said(c, *row));
            let said: Vec<Option<f64>> = said.map(|yes| Some(indicator(yes?))).collect();
            mean(&said, &dependence).within(0.0, 1.0)
        };
        Ok(Self {
            committee: with(&review_verdict),
            // A settled dispute ends as its adjudicator said.
            adjudicator: with(&|c| c.adjudication.as_ref().and_then(|_| review_verdict(c))),
            judge: with(&|c| Some(HighScore::AtLeast.holds(*judge.get(&c.id)?, threshold))),
            spearman: spearman(&rows)?,
            accepts: [true, false].map(|passed| {
                share(&|c, row| row.accepts.filter(|_| review_verdict(c) == Some(passed)))
            }),
            instruction_ok: share(&|_, row| row.instruction_ok),
        })
    }
}

/// Spearman's rho of a rater's scores and mu, over the candidates that the whole committee scored.
fn spearman(rows: &[(&Candidate, RowRating)]) -> Result<Estimate, NotFinite> {
    let (mut items, mut scores) = (Vec::new(), Vec::new());
    for (candidate, row) in rows {
        if let (Some(score), Some(tally)) = (row.score, candidate.tally()) {
            items.push(lineage(candidate));
            scores.push((score, tally.mu()));
        }
    }
    rank::spearman(&scores, &Dependence::by_items(items))
}

/// Krippendorff's alpha of several raters over the candidates that two of them or more have rated. Of yes and no as 1
/// and 0 the coefficient for intervals is that for categories.
///
/// # Errors
/// When a value is not finite.
pub fn alpha(
    sheets: &[FilledSheet],
    candidates: &[Candidate],
    value: impl Fn(&RowRating) -> Option<f64>,
) -> Result<Estimate, NotFinite> {
    let rated = candidates.iter().map(|candidate| {
        let rows = sheets.iter().filter_map(|sheet| sheet.ratings.get(&candidate.id));
        (lineage(candidate), rows.filter_map(&value).collect::<Vec<f64>>())
    });
    // A single rating agrees with nothing.
    let (items, units): (Vec<_>, Vec<_>) = rated.filter(|(_, values)| values.len() > 1).unzip();
    let ratings = Ratings::of(&units)?;
    let [alpha] =
        jackknife(&Dependence::by_items(items), |weights| [ratings.sums(weights).alpha()]);
    Ok(alpha.within(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::inference::{FEWEST, Interval};
    use crate::trial::tests::{accepted, every_outcome, rejected};

    fn sheet(rater: &str, rows: impl IntoIterator<Item = (ItemId, RowRating)>) -> FilledSheet {
        FilledSheet { rater: rater.to_owned(), ratings: rows.into_iter().collect() }
    }

    fn said(accepts: bool, score: f64) -> RowRating {
        RowRating { instruction_ok: Some(true), score: Some(score), accepts: Some(accepts) }
    }

    fn close(estimate: Estimate, value: f64, n: usize) {
        assert_eq!(estimate.n, n, "{estimate:?}");
        assert!((estimate.value.unwrap() - value).abs() < 1e-12, "{estimate:?} is not {value}");
    }

    /// Candidates without a common example, accepted and rejected, and how often a rater accepts them.
    fn rated(table: [usize; 4]) -> (Vec<Candidate>, FilledSheet) {
        let [both, rater, committee, neither] = table;
        let verdicts = [(both, true, true), (rater, true, false), (committee, false, true)];
        let verdicts = verdicts.into_iter().chain([(neither, false, false)]);
        let verdicts = verdicts.flat_map(|(n, one, other)| vec![(one, other); n]);
        let rows = (0..).zip(verdicts).map(|(number, (accepts, passed))| {
            let made = if passed { accepted(number) } else { rejected(number) };
            let examples = vec![ItemId::Seed(number)];
            (Candidate { examples, ..made }, said(accepts, if accepts { 9.0 } else { 4.0 }))
        });
        let (candidates, ratings): (Vec<Candidate>, Vec<RowRating>) = rows.unzip();
        let ids = candidates.iter().map(|candidate| candidate.id).collect::<Vec<_>>();
        (candidates, sheet("anna", ids.into_iter().zip(ratings)))
    }

    #[test]
    fn kappa_and_its_interval_are_those_of_the_textbook() {
        let (candidates, sheet) = rated([20, 5, 10, 15]);
        let found = RaterAgreement::of(&sheet, &candidates, &BTreeMap::new(), 8.0).unwrap();
        close(found.committee.kappa, 0.4, 50);
        close(found.committee.equal, 0.7, 50);
        close(found.accepts[0], 20.0 / 30.0, 30);
        close(found.accepts[1], 5.0 / 20.0, 20);
        // With numpy: the jackknife's standard error is 0.12993; that of Fleiss, Cohen and Everitt (1969) is 0.12700.
        // Student's t at 95% and 49 degrees of freedom is 2.00958.
        let Interval { low, high } = found.committee.kappa.interval.unwrap();
        assert!(((high - low) / 2.0 - 2.00958 * 0.129_933_7).abs() < 1e-4, "{low} {high}");
        // Two scores against two values of mu: rho is the phi coefficient of the table.
        let phi = (20.0 * 15.0 - 5.0 * 10.0) / f64::sqrt(25.0 * 25.0 * 30.0 * 20.0);
        close(found.spearman, phi, 50);
        assert_eq!(found.judge.kappa.value, None, "none was asked");
        // With fewer rows there is a value and no interval.
        let few: Vec<Candidate> = candidates.into_iter().step_by(5).collect();
        let few = RaterAgreement::of(&sheet, &few, &BTreeMap::new(), 8.0).unwrap();
        assert!(few.committee.kappa.n < FEWEST && few.committee.kappa.interval.is_none());
        assert!(few.committee.kappa.value.is_some());
    }

    #[test]
    fn each_side_is_compared_where_it_has_a_word() {
        // Review: rejected 3, adjudicated out 4, voted out 5, duplicate 6 (adjudicated in), surplus 7, accepted 8.
        let candidates = every_outcome();
        let verdicts = candidates.iter().map(review_verdict).collect::<Vec<_>>();
        let [no, yes] = [Some(false), Some(true)];
        assert_eq!(verdicts, [None, None, None, no, no, no, yes, yes, yes, None]);
        let ids = || candidates.iter().map(|candidate| candidate.id);
        let anna = sheet("anna", ids().zip(0..).map(|(id, n)| (id, said(n > 4, f64::from(n)))));
        let judge: BTreeMap<ItemId, f64> = ids().zip([8.0, 2.0].into_iter().cycle()).collect();
        let found = RaterAgreement::of(&anna, &candidates, &judge, 8.0).unwrap();
        close(found.committee.equal, 5.0 / 6.0, 6);
        close(found.adjudicator.kappa, 1.0, 2);
        close(found.judge.equal, 0.4, 10);
        // All but the malformed and the untouched have three reviews.
        assert_eq!(found.spearman.n, 6);
        // Ben leaves rows out.
        let few = ids().zip(0..).filter(|(_, n)| n % 2 == 0);
        let ben = sheet("ben", few.map(|(id, n)| (id, said(n > 5, 7.0))));
        let two = VerdictAgreement::of_two(&anna, &ben, &candidates);
        close(two.kappa, 1.0, 5);
        let sheets = [anna, ben];
        let accept = |row: &RowRating| Some(f64::from(u8::from(row.accepts?)));
        close(alpha(&sheets, &candidates, accept).unwrap(), 1.0, 5);
        assert!(alpha(&sheets, &candidates, |row| row.score).unwrap().value.unwrap() < 0.5);
        // A rater that accepts everything agrees no more than chance would have it.
        let carl = sheet("carl", ids().map(|id| (id, said(true, 9.0))));
        let found = RaterAgreement::of(&carl, &candidates, &judge, 8.0).unwrap();
        assert_eq!((found.committee.kappa.value, found.committee.equal.value), (None, Some(0.5)));
    }
}

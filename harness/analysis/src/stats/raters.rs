//! What people say of a trial's candidates, beside what the trial says ([`crate::reviewers::raters`]).

use super::{MeasuredSet, Settings, StatsError};
use crate::reviewers::raters::{RaterAgreement, RowRating, VerdictAgreement, alpha};
use crate::statistics::inference::Estimate;
use crate::stats::measure::{Measure, MeasureTable, MeasureValue};

/// One of a rater's fields, as a number.
type Field = fn(&RowRating) -> Option<f64>;

const CONSTANT: &str = "no row of both, or one of the two says one thing only";
const EMPTY: &str = "no rating of such a row";

/// Adds how far raters agree with what the trial says, and with each other.
pub(super) fn describe(
    data_sets: &[MeasuredSet],
    settings: Settings,
    table: &mut MeasureTable,
) -> Result<(), StatsError> {
    for (place, set) in data_sets.iter().enumerate() {
        let Some(trial) = &set.trial else { continue };
        let (sheets, candidates) = (&trial.raters, &trial.facts.candidates);
        let mut add = |is_detail, name: String, value: MeasureValue| {
            let mut cells = vec![MeasureValue::Inapplicable("no sheet is of it"); data_sets.len()];
            cells[place] = value;
            table.keep(Measure { group: "raters", name, cells, is_detail });
        };
        let share = |of: Estimate| MeasureValue::or_absent(of, EMPTY);
        let coefficient = |of: Estimate| MeasureValue::or_absent(of, CONSTANT);
        for sheet in sheets {
            let (name, rows) = (&sheet.rater, &sheet.ratings);
            let found = RaterAgreement::of(sheet, candidates, &trial.judge, settings.threshold)?;
            let rated = rows.values().filter(|row| **row != RowRating::default()).count();
            let rated = MeasureValue::count(rated, rows.len());
            add(false, format!("{name}: rows rated"), rated);
            let [accepted, rejected] = found.accepts.map(share);
            add(false, format!("{name}: accepts, share of accepted"), accepted);
            add(false, format!("{name}: accepts, share of rejected"), rejected);
            let mut others = vec![
                ("committee".to_owned(), found.committee),
                ("adjudicator".to_owned(), found.adjudicator),
            ];
            if !trial.judge.is_empty() {
                others.push((format!("judge >= {}", settings.threshold), found.judge));
            }
            for (other, VerdictAgreement { equal, kappa }) in others {
                add(false, format!("{name}: kappa with {other}"), coefficient(kappa));
                add(true, format!("{name}: same verdict as {other}, share"), share(equal));
            }
            let rho = coefficient(found.spearman);
            add(false, format!("{name}: Spearman's rho of score and mu"), rho);
            let instructions = share(found.instruction_ok);
            add(false, format!("{name}: instruction ok, share"), instructions);
        }
        for (at, one) in sheets.iter().enumerate() {
            for other in &sheets[at + 1..] {
                let names = format!("{} and {}", one.rater, other.rater);
                let found = VerdictAgreement::of_two(one, other, candidates);
                add(false, format!("{names}: kappa"), coefficient(found.kappa));
                add(true, format!("{names}: same verdict, share"), share(found.equal));
            }
        }
        let accept: Field = |row| Some(f64::from(u8::from(row.accepts?)));
        let fields: [(&str, Field); 2] = [("accept", accept), ("score", |row| row.score)];
        for (field, value) in fields.into_iter().filter(|_| sheets.len() > 1) {
            let found = coefficient(alpha(sheets, candidates, value)?);
            add(false, format!("all raters, {field}: Krippendorff's alpha"), found);
        }
    }
    Ok(())
}

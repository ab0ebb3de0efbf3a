//! What is said of and by those who rate: a trial's scores, how far committee and judge agree (paper, section 5.4 and
//! Fig. 7), who decides well, what people say, and how reviewers agree. The numbers come from [`crate::reviewers`]; here
//! they become rows of the table.

use std::collections::BTreeSet;

use gra_synth::request::ModelName;
use gra_synth::variant::DisputeRule;

use super::{MeasuredSet, Settings, StatsError, TrialEvidence, UNSCORED};
use crate::frames::RowMeasure;
use crate::proportion::Proportion;
use crate::reviewers::classifier::{Classifiers, Curve, Decider};
use crate::reviewers::committee::{Committee, Criterion, Scale, malformed_rates};
use crate::reviewers::quality::{HighScore, HighScoreCounts, HighShare, Quality, Scored};
use crate::reviewers::raters::{RaterAgreement, RowRating, VerdictAgreement, alpha};
use crate::statistics::dependence::Dependence;
use crate::statistics::inference::{Estimate, indicator};
use crate::statistics::rank::spearman;
use crate::statistics::rank::{Resolution, quantile};
use crate::stats::measure::{Measure, MeasureTable, MeasureValue, cells, size};
use crate::trial::{has_passed, lineage};

/// One of the numbers about what reviewers were asked.
type Coefficient<T> = fn(T) -> Estimate;

const NO_COMMITTEE: &str = "no committee reviewed it";
const UNDEFINED: &str = "not defined: no variation, or a single reviewer";

/// Adds how a trial's reviewers agree, and how each of them scores.
pub(super) fn committees(
    data_sets: &[MeasuredSet],
    table: &mut MeasureTable,
) -> Result<(), StatsError> {
    let committee = |set: &MeasuredSet| {
        let of = |trial: &TrialEvidence| Committee::of(&trial.facts.candidates, &trial.families);
        let committee = set.trial.as_ref().map(of).transpose()?;
        let committee = committee.filter(|committee| !committee.reviewers.is_empty());
        Ok::<_, StatsError>(committee.ok_or(MeasureValue::Inapplicable(NO_COMMITTEE)))
    };
    let committees = data_sets.iter().map(committee).collect::<Result<Vec<_>, _>>()?;
    let mut add = |is_detail, name: String, cell: &dyn Fn(&Committee) -> MeasureValue| {
        let cells = cells(&committees, cell);
        table.add(Measure { group: "committee", name, cells, is_detail });
    };
    add(false, "reviewed by all seats".to_owned(), &|of| {
        let coverage = of.responses.coverage;
        MeasureValue::count(size(coverage.whole), size(coverage.whole + coverage.part))
    });
    // All committees are measured on the same scales: any of them names the rows.
    let Some(any) = committees.iter().flatten().next() else { return Ok(()) };
    // The mean of the six first, the dimensions behind it for those who look closer.
    let mut scales: Vec<usize> = (0..any.responses.scales.len()).collect();
    scales.rotate_right(1);
    let of_scale: [(&str, Coefficient<Scale>); 3] =
        [("Krippendorff's alpha", |s| s.alpha), ("ICC(1,1)", |s| s.icc), ("spread", |s| s.spread)];
    for (name, estimate) in of_scale {
        for &place in &scales {
            let scale = any.responses.scales[place].name;
            add(scale != "mean", format!("{scale}: {name}"), &|of| {
                MeasureValue::or_absent(estimate(of.responses.scales[place]), UNDEFINED)
            });
        }
    }
    let of_bit: [(&str, Coefficient<Criterion>); 3] =
        [("share of ones", |c| c.ones), ("Gwet's AC1", |c| c.ac1), ("Fleiss' kappa", |c| c.fleiss)];
    for (name, estimate) in of_bit {
        for (place, criterion) in any.instructions.criteria.iter().enumerate() {
            add(name == "share of ones", format!("{}: {name}", criterion.name), &|of| {
                MeasureValue::or_absent(estimate(of.instructions.criteria[place]), UNDEFINED)
            });
        }
    }
    let reviewers: BTreeSet<&ModelName> =
        committees.iter().flatten().flat_map(|of| of.reviewers.keys()).collect();
    for model in reviewers {
        add(false, format!("{model}: leniency"), &|of| match of.reviewers.get(model) {
            Some(of) => MeasureValue::or_absent(of.leniency, "no other reviewer sat beside it"),
            None => MeasureValue::Inapplicable("it did not review"),
        });
    }
    add(false, "self-preference of families".to_owned(), &|of| {
        MeasureValue::or_absent(of.self_preference, "no family sat beside another on its own work")
    });
    add(false, "disputes overturned, share".to_owned(), &|of| {
        proportion(of.overturned, "nothing went to an adjudicator")
    });
    table.push("committee", "replies malformed, share", data_sets.iter().map(malformed).collect());
    Ok(())
}

/// The share of all replies about a trial's candidates that could not be read.
fn malformed(set: &MeasuredSet) -> MeasureValue {
    let Some(trial) = &set.trial else { return MeasureValue::Inapplicable("not a trial") };
    let rates = malformed_rates(&trial.facts.candidates, &trial.facts.calls);
    let all = rates.values().fold(Proportion::default(), |sum, rate| Proportion {
        yes: sum.yes + rate.yes,
        no: sum.no + rate.no,
    });
    proportion(all, "it asked nothing")
}

/// A share without interval: calls and disputes of one candidate, and of one model, depend on each other.
fn proportion(share: Proportion, missing: &'static str) -> MeasureValue {
    MeasureValue::exact(share.value(), size(share.n()), missing)
}

/// What a row of the judge's counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Row {
    /// The accepted and the rejected each by themselves: whole also where the two were cut to numbers of their own.
    BySide,
    /// All candidates together.
    Whole,
    /// The same, for those who look closer.
    Detail,
}

/// One of the four counts, and one of a decider's numbers.
type CountOf = fn(&HighScoreCounts) -> u64;
type EstimateOf = fn(&Curve) -> Estimate;

/// One of two raters.
type ResolutionOf = fn(&Quality) -> Resolution;

const CUT_APART: &str = "accepted and rejected were cut to numbers of their own";
const UNJUDGED: &str = "no judge scored candidates of it";
const ONE_SCORE: &str = "one of the two gives one score only";

/// Quantiles of mu over a trial's samples, linear between neighbours as in R and `NumPy`.
const QUANTILES: [(&str, f64); 3] = [("mu, 5%", 0.05), ("mu, median", 0.5), ("mu, 95%", 0.95)];

/// Adds the distribution of mu over a trial's samples.
pub(super) fn quantiles(data_sets: &[MeasuredSet], table: &mut MeasureTable) {
    for (name, share) in QUANTILES {
        let cell = |set: &MeasuredSet| match &set.trial {
            Some(trial) => quantile_of_mu(trial, share),
            None => MeasureValue::Inapplicable(UNSCORED),
        };
        table.push_detail("quality", name, data_sets.iter().map(cell).collect());
    }
}

fn quantile_of_mu(trial: &TrialEvidence, share: f64) -> MeasureValue {
    let samples = trial.facts.candidates.iter().filter(|candidate| candidate.is_sample());
    let mut scores: Vec<f64> =
        samples.filter_map(|candidate| Some(candidate.tally()?.mu())).collect();
    scores.sort_by(f64::total_cmp);
    let value = (!scores.is_empty()).then(|| quantile(&scores, share));
    MeasureValue::exact(value, scores.len(), UNSCORED)
}

/// Adds the agreement of committee and judge over all candidates that the committee scored.
pub(super) fn judged(
    data_sets: &[MeasuredSet],
    settings: Settings,
    table: &mut MeasureTable,
) -> Result<(), StatsError> {
    let of_set = |set: &MeasuredSet| {
        let Some(trial) = &set.trial else {
            return Ok(Err(MeasureValue::Inapplicable(UNJUDGED)));
        };
        let quality = quality(trial, settings)?.ok_or(MeasureValue::Absent(UNJUDGED));
        Ok::<_, StatsError>(quality.map(|quality| (quality, trial.is_cut)))
    };
    let judged = data_sets.iter().map(of_set).collect::<Result<Vec<_>, _>>()?;
    let mut push = |kind: Row, name: &str, cell: &dyn Fn(&Quality) -> MeasureValue| {
        let cells = cells(&judged, |(quality, is_cut)| match kind {
            // Numbers over all candidates would weigh the two sides as they were cut.
            Row::Whole | Row::Detail if *is_cut => MeasureValue::Absent(CUT_APART),
            _ => cell(quality),
        });
        let (name, is_detail) = (name.to_owned(), kind == Row::Detail);
        table.add(Measure { group: "judge", name, cells, is_detail });
    };
    for (place, reading) in HighScore::ALL.into_iter().enumerate() {
        let sign = if reading == HighScore::Above { ">" } else { ">=" };
        let high = format!("{sign} {}", settings.threshold);
        let accepted = format!("judge {high}, share of accepted");
        push(Row::BySide, &accepted, &|q| share(q.accepted.high[place]));
        let rejected = format!("judge {high}, share of rejected");
        push(Row::BySide, &rejected, &|q| share(q.rejected.high[place]));
        push(Row::BySide, &format!("judge {high}, accepted less rejected"), &|q| {
            MeasureValue::or_absent(q.lift[place], UNJUDGED)
        });
        let of_four: [(&str, CountOf); 4] = [
            ("both", |of| of.both),
            ("committee alone", |of| of.committee),
            ("judge alone", |of| of.judge),
            ("neither", |of| of.neither),
        ];
        for (name, count) in of_four {
            push(Row::Detail, &format!("{high}: {name}"), &|q| {
                counted(count(&q.tables[place]), q.all.judged)
            });
        }
    }
    push(Row::Whole, "Spearman's rho with mu", &|q| {
        MeasureValue::or_absent(q.all.spearman, ONE_SCORE)
    });
    push(Row::Whole, "Kendall's tau-b with mu", &|q| {
        MeasureValue::or_absent(q.all.kendall, ONE_SCORE)
    });
    let raters: [(&str, ResolutionOf); 2] =
        [("mu", |q| q.all.committee), ("judge", |q| q.all.judge)];
    for (name, resolution) in raters {
        push(Row::Detail, &format!("{name}: distinct scores"), &|q| {
            MeasureValue::count(resolution(q).distinct, size(resolution(q).n))
        });
        push(Row::Detail, &format!("{name}: entropy in bits"), &|q| {
            MeasureValue::exact(resolution(q).entropy, size(resolution(q).n), UNJUDGED)
        });
    }
    push(Row::Whole, "candidates without a judge's score", &|q| {
        counted(q.all.unjudged, q.all.judged + q.all.unjudged)
    });
    Ok(())
}

/// Adds how well those who decide tell good responses from others ([`crate::reviewers::classifier`]), at the trial's tau.
pub(super) fn deciders(
    data_sets: &[MeasuredSet],
    classifiers: &[Vec<Classifiers>],
    table: &mut MeasureTable,
) {
    let every = || classifiers.iter().flatten();
    let truths: BTreeSet<&str> = every().map(|of| of.truth.as_str()).collect();
    // A set would order committees among the reviewers.
    let mut deciders: Vec<&Decider> = Vec::new();
    for curve in every().flat_map(|of| &of.curves) {
        if !deciders.contains(&&curve.decider) {
            deciders.push(&curve.decider);
        }
    }
    deciders.sort_by_key(|decider| matches!(decider, Decider::Reviewer(_)));
    // What some trial decided by stands in front, the others are for those who look closer.
    let trials = || data_sets.iter().filter_map(|set| set.trial.as_ref());
    let decided = |decider: &Decider| {
        trials().any(|trial| match decider {
            Decider::Committee(rule) => trial.rule.reviewers > 1 && *rule == trial.rule.dispute,
            Decider::Reviewer(_) => trial.rule.reviewers == 1,
        })
    };
    for truth in truths {
        let mut add = |name: &str,
                       is_detail,
                       value: &dyn Fn(&Classifiers) -> Option<MeasureValue>| {
            let cell = |of_trial: &Vec<Classifiers>| {
                let of_truth = of_trial.iter().find(|of| of.truth == truth);
                of_truth.and_then(value).unwrap_or(MeasureValue::Inapplicable("it did not decide"))
            };
            let name = format!("{truth}: {name}");
            let cells = classifiers.iter().map(cell).collect();
            table.add(Measure { group: "classifier", name, cells, is_detail });
        };
        add("share of reviewed responses", false, &|of| {
            Some(MeasureValue::or_absent(of.good, "no response was reviewed"))
        });
        for decider in &deciders {
            let mut measures: Vec<(&str, EstimateOf, &str)> = vec![
                ("precision", |of| of.precision, "it let nothing pass"),
                ("recall", |of| of.recall, "no response is good"),
            ];
            // Where a vote or an adjudicator settles disputes, no score decides.
            if !matches!(decider, Decider::Committee(rule) if *rule != DisputeRule::Accept) {
                measures.push(("AUC", |of| of.auc, "all responses are good, or none is"));
            }
            for (name, of, why) in measures {
                add(&format!("{decider}, {name}"), !decided(decider), &|all| {
                    let curve = all.curves.iter().find(|curve| curve.decider == **decider)?;
                    Some(MeasureValue::or_absent(of(curve), why))
                });
            }
        }
    }
}

/// Adds how far two judges agree on the samples that both have scored.
pub(super) fn judges(
    data_sets: &[MeasuredSet],
    table: &mut MeasureTable,
) -> Result<(), StatsError> {
    let mut cells = Vec::new();
    for set in data_sets {
        let values = set.values(["judge", "second_judge"].map(RowMeasure::column))?;
        let both = values.values(0).iter().zip(values.values(1)).zip(values.items());
        let both = both.filter_map(|((one, other), items)| Some((((*one)?, (*other)?), items)));
        let (scores, items): (Vec<(f64, f64)>, Vec<&Vec<String>>) = both.unzip();
        let rho = spearman(&scores, &Dependence::by_items(items))?;
        let missing = if scores.is_empty() { "no second judge was asked" } else { ONE_SCORE };
        cells.push(MeasureValue::or_absent(rho, missing));
    }
    table.push("judge", "Spearman's rho of the two judges, samples", cells);
    Ok(())
}

/// Committee and judge on a trial; `None` without a judge.
fn quality(trial: &TrialEvidence, settings: Settings) -> Result<Option<Quality>, StatsError> {
    if trial.judge.is_empty() {
        return Ok(None);
    }
    let candidates = &trial.facts.candidates;
    let rows = candidates.iter().filter_map(|candidate| {
        Some(Scored {
            items: lineage(candidate),
            accepted: candidate.is_sample(),
            rejected: !has_passed(candidate),
            mu: candidate.tally()?.mu(),
            judge: trial.judge.get(&candidate.id).copied(),
        })
    });
    let rows: Vec<Scored> = rows.collect();
    Ok(Some(Quality::of(&rows, settings.threshold)?))
}

fn share(share: HighShare) -> MeasureValue {
    MeasureValue::or_absent(share.estimate, "none was judged")
}

fn counted(part: u64, of: u64) -> MeasureValue {
    MeasureValue::count(size(part), size(of))
}

/// One of a rater's fields, as a number.
type Field = fn(&RowRating) -> Option<f64>;

const CONSTANT: &str = "no row of both, or one of the two says one thing only";
const EMPTY: &str = "no rating of such a row";

/// Adds how far raters agree with what the trial says, and with each other.
pub(super) fn people(
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
            // A row counts as rated when any of its fields is filled in.
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
        // Each two raters once, then all of them together.
        for (at, one) in sheets.iter().enumerate() {
            for other in &sheets[at + 1..] {
                let names = format!("{} and {}", one.rater, other.rater);
                let found = VerdictAgreement::of_two(one, other, candidates);
                add(false, format!("{names}: kappa"), coefficient(found.kappa));
                add(true, format!("{names}: same verdict, share"), share(found.equal));
            }
        }
        let accept: Field = |row| Some(indicator(row.accepts?));
        let fields: [(&str, Field); 2] = [("accept", accept), ("score", |row| row.score)];
        for (field, value) in fields.into_iter().filter(|_| sheets.len() > 1) {
            let found = coefficient(alpha(sheets, candidates, value)?);
            add(false, format!("all raters, {field}: Krippendorff's alpha"), found);
        }
    }
    Ok(())
}

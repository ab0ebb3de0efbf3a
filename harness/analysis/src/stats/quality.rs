//! Scores: how they are distributed, and how far committee and judge agree (paper, section 5.4 and
//! Fig. 7).

use std::collections::BTreeSet;

use gra_synth::variant::DisputeRule;

use super::{MeasuredSet, Settings, StatsError, TrialEvidence, UNSCORED};
use crate::frames::RowMeasure;
use crate::reviewers::classifier::{Classifiers, Decider};
use crate::reviewers::quality::{HighScore, HighShare, Quality, Scored};
use crate::statistics::dependence::Dependence;
use crate::statistics::inference::jackknife;
use crate::statistics::levels::{Resolution, quantile};
use crate::statistics::rank::Pairs;
use crate::stats::measure::{Measure, MeasureTable, MeasureValue, size};
use crate::trial::{has_passed, lineage};

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

/// One of two raters.
type ResolutionOf = fn(&Quality) -> Resolution;

const CUT_APART: &str = "accepted and rejected were cut to numbers of their own";
const UNJUDGED: &str = "no judge scored candidates of it";

/// Quantiles of mu over a trial's samples, linear between neighbours as in R and `NumPy`.
const QUANTILES: [(&str, f64); 3] = [("mu, 5%", 0.05), ("mu, median", 0.5), ("mu, 95%", 0.95)];

/// Adds the distribution of mu over a trial's samples, and the agreement with a judge over all
/// candidates that the committee scored.
pub(super) fn describe(
    data_sets: &[MeasuredSet],
    settings: Settings,
    table: &mut MeasureTable,
) -> Result<(), StatsError> {
    let quantiles: Vec<Option<[MeasureValue; 3]>> =
        data_sets.iter().map(|set| set.trial.as_ref().map(quantiles)).collect();
    for (place, (name, _)) in QUANTILES.into_iter().enumerate() {
        let cell = |of: &Option<[MeasureValue; 3]>| match of {
            Some(of_trial) => of_trial[place].clone(),
            None => MeasureValue::Inapplicable(UNSCORED),
        };
        table.push_detail("quality", name, quantiles.iter().map(cell).collect());
    }
    let mut judged = Vec::new();
    for set in data_sets {
        let of =
            |trial: &TrialEvidence| Ok::<_, StatsError>((quality(trial, settings)?, trial.is_cut));
        judged.push(set.trial.as_ref().map(of).transpose()?);
    }
    let mut push = |kind: Row, name: String, cell: &dyn Fn(&Quality) -> MeasureValue| {
        let cell = |of: &Option<(Option<Quality>, bool)>| match of {
            Some((Some(_), true)) if kind != Row::BySide => MeasureValue::Absent(CUT_APART),
            Some((Some(quality), _)) => cell(quality),
            Some((None, _)) => MeasureValue::Absent(UNJUDGED),
            None => MeasureValue::Inapplicable(UNJUDGED),
        };
        table.add(Measure {
            group: "judge",
            name,
            cells: judged.iter().map(cell).collect(),
            is_detail: kind == Row::Detail,
        });
    };
    for (place, reading) in HighScore::ALL.into_iter().enumerate() {
        let sign = if reading == HighScore::Above { ">" } else { ">=" };
        let high = format!("{sign} {}", settings.threshold);
        push(Row::BySide, format!("judge {high}, share of accepted"), &|q| {
            share(q.accepted.high[place])
        });
        push(Row::BySide, format!("judge {high}, share of rejected"), &|q| {
            share(q.rejected.high[place])
        });
        push(Row::BySide, format!("judge {high}, accepted less rejected"), &|q| {
            MeasureValue::or_absent(q.lift[place], UNJUDGED)
        });
        let mut cell_of_four = |name: &str, of: &dyn Fn(&Quality) -> u64| {
            push(Row::Detail, format!("{high}: {name}"), &|q| counted(of(q), q.all.judged));
        };
        cell_of_four("both", &|q| q.tables[place].both);
        cell_of_four("committee alone", &|q| q.tables[place].committee);
        cell_of_four("judge alone", &|q| q.tables[place].judge);
        cell_of_four("neither", &|q| q.tables[place].neither);
    }
    let constant = "one of the two gives one score only";
    push(Row::Whole, "Spearman's rho with mu".to_owned(), &|q| {
        MeasureValue::or_absent(q.all.spearman, constant)
    });
    push(Row::Whole, "Kendall's tau-b with mu".to_owned(), &|q| {
        MeasureValue::or_absent(q.all.kendall, constant)
    });
    let raters: [(&str, ResolutionOf); 2] =
        [("mu", |q| q.all.committee), ("judge", |q| q.all.judge)];
    for (name, resolution) in raters {
        push(Row::Detail, format!("{name}: distinct scores"), &|q| {
            MeasureValue::count(resolution(q).distinct, size(resolution(q).n))
        });
        push(Row::Detail, format!("{name}: entropy in bits"), &|q| {
            MeasureValue::exact(resolution(q).entropy, size(resolution(q).n), UNJUDGED)
        });
    }
    push(Row::Whole, "candidates without a judge's score".to_owned(), &|q| {
        counted(q.all.unjudged, q.all.judged + q.all.unjudged)
    });
    Ok(())
}

/// Adds how well those who decide tell good responses from others ([`crate::reviewers::classifier`]), at the trial's tau.
pub(super) fn classify(
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
        let mut add = |name: String,
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
        let absent = MeasureValue::or_absent;
        add("share of reviewed responses".to_owned(), false, &|of| {
            Some(absent(of.good, "no response was reviewed"))
        });
        for decider in &deciders {
            let is_detail = !decided(decider);
            let of = |of: &Classifiers| of.curves.iter().find(|c| c.decider == **decider).cloned();
            add(format!("{decider}, precision"), is_detail, &|all| {
                Some(absent(of(all)?.precision, "it let nothing pass"))
            });
            add(format!("{decider}, recall"), is_detail, &|all| {
                Some(absent(of(all)?.recall, "no response is good"))
            });
            let has_score =
                !matches!(decider, Decider::Committee(rule) if *rule != DisputeRule::Accept);
            if has_score {
                add(format!("{decider}, AUC"), is_detail, &|all| {
                    Some(absent(of(all)?.auc, "all responses are good, or none is"))
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
        let both = both.filter_map(|((one, other), items)| Some(((*one)?, (*other)?, items)));
        let both: Vec<(f64, f64, &Vec<String>)> = both.collect();
        let pairs = Pairs::of(&both.iter().map(|row| (row.0, row.1)).collect::<Vec<_>>())?;
        let dependence = Dependence::by_items(both.iter().map(|row| row.2.iter()));
        let [rho] = jackknife(&dependence, |weights| [pairs.table(weights).spearman()]);
        let missing = if both.is_empty() {
            "no second judge was asked"
        } else {
            "one of the two gives one score only"
        };
        cells.push(MeasureValue::or_absent(rho.within(-1.0, 1.0), missing));
    }
    table.push("judge", "Spearman's rho of the two judges, samples", cells);
    Ok(())
}

/// [`QUANTILES`] of a trial.
fn quantiles(trial: &TrialEvidence) -> [MeasureValue; 3] {
    let samples = trial.facts.candidates.iter().filter(|candidate| candidate.is_sample());
    let mut scores: Vec<f64> =
        samples.filter_map(|candidate| Some(candidate.tally()?.mu())).collect();
    scores.sort_by(f64::total_cmp);
    QUANTILES.map(|(_, share)| {
        let value = (!scores.is_empty()).then(|| quantile(&scores, share));
        MeasureValue::exact(value, scores.len(), UNSCORED)
    })
}

/// Committee and judge on a trial; `None` without a judge.
fn quality(trial: &TrialEvidence, settings: Settings) -> Result<Option<Quality>, StatsError> {
    if trial.judge.is_empty() {
        return Ok(None);
    }
    let candidates = &trial.facts.candidates;
    let rows = candidates.iter().filter_map(|candidate| {
        let mu = candidate.tally()?.mu();
        let judge = trial.judge.get(&candidate.id).copied();
        Some(Scored {
            items: lineage(candidate),
            accepted: candidate.is_sample(),
            rejected: !has_passed(candidate),
            mu,
            judge,
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

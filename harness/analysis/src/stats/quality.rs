//! Scores: how they are distributed, and how far committee and judge agree (paper, section 5.4 and
//! Fig. 7).

use gra_synth::candidate::Candidate;

use super::{Settings, StatsError, Subject, Trial, UNSCORED};
use crate::bootstrap::Estimate;
use crate::distribution::{Distribution, QUANTILES};
use crate::funnel::has_passed;
use crate::lineage::seed_items;
use crate::measure::{Cell, Measure, MeasureTable};
use crate::quality::{Quality, Reading, Scored, Share};
use crate::resolution::Resolution;

/// A part of the comparison.
type Of<T> = fn(&Quality) -> T;

const UNJUDGED: &str = "no judge scored candidates of it";

/// Adds the distribution of mu over a trial's samples, and the agreement with a judge over all
/// candidates that the committee scored.
pub(super) fn describe(
    subjects: &[Subject],
    settings: Settings,
    table: &mut MeasureTable,
) -> Result<(), StatsError> {
    let mut of = Vec::new();
    for subject in subjects {
        of.push(subject.trial.as_ref().map(|trial| Found::of(trial, settings)).transpose()?);
    }
    let mut push =
        |(group, is_detail), name: String, missing, cell: &dyn Fn(&Found) -> Option<Cell>| {
            let cell = |found: &Option<Found>| match found {
                Some(found) => cell(found).unwrap_or(Cell::Absent(missing)),
                None => Cell::Inapplicable(missing),
            };
            let cells = of.iter().map(cell).collect();
            table.add(Measure { group, name, cells, is_detail });
        };
    for (place, name) in [(1, "5%"), (3, "median"), (5, "95%")] {
        debug_assert!(QUANTILES[place] > 0.0 && QUANTILES[place] < 1.0);
        push(("quality", true), format!("mu, {name}"), UNSCORED, &|found| {
            let value = found.samples.quantiles?[place];
            Some(Cell::exact(Some(value), count(found.samples.resolution.n), UNSCORED))
        });
    }
    let judge = |found: &Found| found.quality.clone();
    for (place, reading) in Reading::ALL.into_iter().enumerate() {
        let sign = if reading == Reading::Above { ">" } else { ">=" };
        let high = format!("judge {sign} {}", settings.threshold);
        push(("judge", false), format!("{high}, share of accepted"), UNJUDGED, &|found| {
            Some(share(judge(found)?.accepted.high[place]))
        });
        push(("judge", false), format!("{high}, share of rejected"), UNJUDGED, &|found| {
            Some(share(judge(found)?.rejected.high[place]))
        });
        push(("judge", false), format!("{high}, accepted less rejected"), UNJUDGED, &|found| {
            Some(Cell::or_absent(judge(found)?.lift[place], UNJUDGED))
        });
        for (name, cell) in [
            ("both", (|t| t.both) as fn(crate::quality::Table) -> u64),
            ("committee alone", |t| t.committee),
            ("judge alone", |t| t.judge),
            ("neither", |t| t.neither),
        ] {
            push(
                ("judge", true),
                format!("{sign} {}: {name}", settings.threshold),
                UNJUDGED,
                &|found| {
                    let quality = judge(found)?;
                    Some(Cell::count(count(cell(quality.tables[place])), count(quality.all.judged)))
                },
            );
        }
    }
    let estimates: [(&str, Of<Estimate>); 2] = [
        ("Spearman's rho with mu", |q| q.all.spearman),
        ("Kendall's tau-b with mu", |q| q.all.kendall),
    ];
    for (name, estimate) in estimates {
        push(("judge", false), name.to_owned(), UNJUDGED, &|found| {
            Some(Cell::or_absent(estimate(&judge(found)?), "one of the two gives one score only"))
        });
    }
    let raters: [(&str, Of<Resolution>); 2] =
        [("mu", |q| q.all.committee), ("judge", |q| q.all.judge)];
    for (name, resolution) in raters {
        push(("judge", true), format!("{name}: distinct scores"), UNJUDGED, &|found| {
            let resolution = resolution(&judge(found)?);
            Some(Cell::count(resolution.distinct, count(resolution.n)))
        });
        push(("judge", true), format!("{name}: entropy in bits"), UNJUDGED, &|found| {
            let resolution = resolution(&judge(found)?);
            Some(Cell::exact(resolution.entropy, count(resolution.n), UNJUDGED))
        });
    }
    push(("judge", false), "candidates without a judge's score".to_owned(), UNJUDGED, &|found| {
        let all = judge(found)?.all;
        Some(Cell::count(count(all.unjudged), count(all.judged + all.unjudged)))
    });
    Ok(())
}

/// What a trial's scores say.
struct Found {
    /// mu of the samples.
    samples: Distribution,
    /// `None` without a judge.
    quality: Option<Quality>,
}

impl Found {
    fn of(trial: &Trial, settings: Settings) -> Result<Self, StatsError> {
        let candidates = &trial.facts.candidates;
        let rows: Vec<(&Candidate, Scored)> = candidates
            .iter()
            .zip(seed_items(candidates))
            .filter_map(|(candidate, item)| {
                let mu = candidate.tally()?.mu();
                let judge = trial.judge.get(&candidate.id).copied();
                Some((candidate, Scored { item, accepted: has_passed(candidate), mu, judge }))
            })
            .collect();
        let samples = rows.iter().filter(|(candidate, _)| candidate.is_sample());
        let scores: Vec<_> = samples.map(|(_, row)| (row.item, row.mu)).collect();
        let all: Vec<Scored> = rows.iter().map(|(_, row)| *row).collect();
        let quality = (!trial.judge.is_empty())
            .then(|| Quality::of(&all, settings.threshold, settings.bootstrap))
            .transpose()?;
        Ok(Self { samples: Distribution::of(&scores, settings.bootstrap)?, quality })
    }
}

/// A share with the interval of its clusters; Wilson's where no variation was seen.
fn share(share: Share) -> Cell {
    let flat = share.estimate.interval.is_none_or(|interval| interval.low >= interval.high);
    let independent =
        Estimate { n: count(share.counts.n()), interval: share.counts.wilson(), ..share.estimate };
    Cell::or_absent(if flat { independent } else { share.estimate }, "none was judged")
}

fn count(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

//! Measures of an ablation's variants, one panel per measure (paper, Fig. 4).

use gra_synth::candidate::Candidate;
use gra_synth::committee::{Decision, Tally};
use plotters::style::text_anchor::HPos;

use super::axis::{self, Scale};
use super::canvas::{Area, Canvas, Drawn, Letters, SMALLEST};
use super::page::{LINE, TEXT, Words, lines, notice, page};
use super::{Figure, FigureError, palette};
use crate::bootstrap::{self, Clusters, Estimate};
use crate::funnel;
use crate::lineage::seed_items;

/// Variants side by side.
#[derive(Clone, Debug)]
pub struct Variants {
    /// Of what, e.g. the experiment.
    pub title: String,
    /// Names, in the order of the rows; the first is the reference.
    pub variants: Vec<String>,
    /// At most four.
    pub measures: Vec<Measure>,
    /// How to read it, and what the paper says.
    pub caption: String,
}

/// One panel.
#[derive(Clone, Debug)]
pub struct Measure {
    /// Name and unit.
    pub name: String,
    /// One per variant.
    pub cells: Vec<Option<Estimate>>,
    /// What to do when there is none at all.
    pub missing: String,
}

const ROW: f64 = 34.0;
const NAMES: f64 = 110.0;
const GAP: f64 = 22.0;

/// A trial of an ablation, as far as it is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Trial<'a> {
    /// Name of the variant.
    pub variant: &'a str,
    /// Every candidate of every round.
    pub candidates: &'a [Candidate],
    /// What a judge gave to samples, each with the origin that it is resampled by; empty when no judge was
    /// asked.
    pub judged: &'a [(String, f64)],
}

impl Variants {
    /// Acceptance, disputes and scores of the trials of one run seed. Intervals resample seed items.
    #[must_use]
    pub fn of(experiment: &str, run_seed: u64, trials: &[Trial<'_>]) -> Self {
        let measure = |name: &str, missing: &str, of: &dyn Fn(&Trial<'_>) -> Estimate| Measure {
            name: name.to_owned(),
            cells: trials
                .iter()
                .map(|trial| Some(of(trial)).filter(|e| e.value.is_some()))
                .collect(),
            missing: missing.to_owned(),
        };
        let candidates = |name: &'static str, of: fn(&Candidate) -> Option<f64>| {
            move |trial: &Trial<'_>| {
                let items = seed_items(trial.candidates);
                let rows = items.into_iter().zip(trial.candidates);
                let rows = rows.filter_map(|(item, candidate)| Some((item, of(candidate)?)));
                mean(rows, run_seed, name)
            }
        };
        let passed = |c: &Candidate| Some(f64::from(u8::from(funnel::passed(c)?)));
        let disputed = |c: &Candidate| Some(f64::from(u8::from(c.decision? == Decision::Dispute)));
        let mu = |c: &Candidate| c.tally().filter(|_| c.is_sample()).map(Tally::mu);
        let judge = "no judge was asked: gra-bench stats TRIAL --judge MODEL";
        let n = |trial: &Trial<'_>| format!("{} {}", trial.variant, trial.candidates.len());
        Self {
            title: format!("Variants of {experiment}, run seed {run_seed}"),
            variants: trials.iter().map(|trial| trial.variant.to_owned()).collect(),
            measures: vec![
                measure("acceptance", "no candidate has an outcome", &candidates("passed", passed)),
                measure("disputed", "no committee scored", &candidates("disputed", disputed)),
                measure("mu of samples", "no committee scored", &candidates("mu", mu)),
                measure("judge's mean", judge, &|trial| {
                    mean(trial.judged.iter().cloned(), run_seed, "judge")
                }),
            ],
            caption: format!(
                "n candidates: {}. Means with 95% intervals, seed items resampled; disputed: of those \
                 that a committee scored; a disc without whiskers had nothing that varies. The paper's figure 4 is about models trained on the variants' \
                 data: full GRA is 0.73 points above the variant without adjudicator, on a score that it \
                 calls human-aligned correctness (section 4.3). Nothing here is on that scale.",
                trials.iter().map(n).collect::<Vec<_>>().join(", ")
            ),
        }
    }

    /// Draws them.
    ///
    /// # Errors
    /// When there is no variant or no measure.
    pub fn figure(&self) -> Result<Figure, FigureError> {
        if self.variants.is_empty() || self.measures.is_empty() {
            return Err(FigureError::Nothing { what: "no variant was measured" });
        }
        let words = Words {
            name: "figure-4".to_owned(),
            title: self.title.clone(),
            caption: self.caption.clone(),
        };
        // A measure without values says what to do, in more lines than a row has.
        let is_missing =
            |measure: &Measure| measure.cells.iter().flatten().all(|c| c.value.is_none());
        let least = if self.measures.iter().any(is_missing) { 8.0 * LINE } else { 0.0 };
        let rows = (ROW * lines(self.variants.len())).max(least);
        let height = 1.6 * LINE + rows + 1.4 * LINE;
        page(words, height, |canvas, area| self.draw(canvas, area))
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Area) -> Drawn {
        let rows = area.without([0.0, 1.6 * LINE, 0.0, 1.4 * LINE]);
        let letters = Letters::new(TEXT, HPos::Left);
        for (row, variant) in self.variants.iter().enumerate() {
            let y = rows.y + (lines(row) + 0.5) * ROW;
            canvas.text(&letters.cut(variant, NAMES - 6.0), (rows.x, y), letters)?;
        }
        let width = (rows.width - NAMES + GAP) / lines(self.measures.len());
        for (place, measure) in self.measures.iter().enumerate() {
            let x = rows.x + NAMES + lines(place) * width;
            measure.draw(canvas, Area { x, width: width - GAP, ..rows })?;
        }
        Ok(())
    }
}

impl Measure {
    fn draw(&self, canvas: &mut Canvas<'_>, area: Area) -> Drawn {
        let bold = Letters::new(TEXT, HPos::Left).bold();
        canvas.text(&bold.cut(&self.name, area.width), (area.x, area.y - 12.0), bold)?;
        if self.cells.iter().flatten().all(|cell| cell.value.is_none()) {
            return notice(canvas, area, &self.missing);
        }
        let ends = self.cells.iter().flatten().flat_map(|cell| {
            let ends = cell.interval.map(|interval| [interval.low, interval.high]);
            cell.value.into_iter().chain(ends.into_iter().flatten())
        });
        let scale = Scale::around(ends, (area.x + 8.0, area.right() - 8.0));
        axis::below(canvas, area, scale, (area.width / 28.0).max(2.0))?;
        for (row, cell) in self.cells.iter().enumerate() {
            let y = area.y + (lines(row) + 0.5) * ROW + 6.0;
            let color = palette::KINDS[usize::from(row > 0)];
            let text = |value: f64| format!("{value:.2}");
            let Some((cell, value)) =
                cell.and_then(|cell| Some((cell, cell.value.filter(|value| value.is_finite())?)))
            else {
                let quiet = Letters::new(SMALLEST, HPos::Center).colored(palette::QUIET);
                canvas.text("no value", (area.middle().0, y - 6.0), quiet)?;
                continue;
            };
            if let Some(interval) = cell.interval {
                let (low, high) = (scale.at(interval.low), scale.at(interval.high));
                canvas.path([(low, y), (high, y)], color, 1.4)?;
                for x in [low, high] {
                    canvas.path([(x, y - 3.0), (x, y + 3.0)], color, 1.4)?;
                }
            }
            canvas.disc((scale.at(value), y), 3.6, color)?;
            let letters = Letters::new(TEXT, HPos::Center);
            let half = letters.width(&text(value)) / 2.0;
            let x = scale.at(value).min(area.right() - half).max(area.x + half);
            canvas.text(&text(value), (x, y - 13.0), letters)?;
        }
        Ok(())
    }
}

fn mean<K: Ord>(rows: impl Iterator<Item = (K, f64)>, run_seed: u64, name: &str) -> Estimate {
    let (keys, values): (Vec<K>, Vec<f64>) = rows.unzip();
    bootstrap::mean(&Clusters::by(keys).sums(&values), run_seed, &["figure-4", name])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::Interval;
    use crate::trial_by_hand::every_outcome;

    #[test]
    fn a_trial_has_its_measures() {
        let candidates = every_outcome();
        let judged = [("s00001".to_owned(), 7.0), ("s00002".to_owned(), 8.0)];
        let trial = Trial { variant: "gra", candidates: &candidates, judged: &judged };
        let found = Variants::of("ablation", 42, &[trial]);
        let values: Vec<f64> = found
            .measures
            .iter()
            .map(|measure| measure.cells[0].and_then(|cell| cell.value).unwrap())
            .collect();
        let count = |is: fn(&Candidate) -> bool| {
            lines(candidates.iter().filter(|candidate| is(candidate)).count())
        };
        let disputed = count(|c| c.decision == Some(Decision::Dispute));
        let expected = [
            count(crate::funnel::has_passed) / count(|c| c.outcome.is_some()),
            disputed / count(|c| c.decision.is_some()),
        ];
        assert_eq!(values[..2], expected);
        assert!((values[3] - 7.5).abs() < 1e-12);
        assert_eq!(found.figure().unwrap().collisions(), [""; 0]);
    }

    #[test]
    fn every_measure_has_a_panel_and_what_is_missing_is_said() {
        let estimate = |value: f64| {
            let interval = Some(Interval { low: value - 0.1, high: value + 0.2 });
            Some(Estimate { n: 40, value: Some(value), interval })
        };
        let measure = |name: &str, cells| Measure {
            name: name.to_owned(),
            cells,
            missing: "no judge was asked".to_owned(),
        };
        let figure = Variants {
            title: "Variants".to_owned(),
            variants: ["gra", "no-reviewer", "a-variant-with-a-very-long-name"]
                .map(str::to_owned)
                .to_vec(),
            measures: vec![
                measure("acceptance", vec![estimate(0.5), estimate(0.9), None]),
                measure("mean mu", vec![estimate(8.1), None, estimate(7.2)]),
                measure("judge", vec![None; 3]),
            ],
            caption: "n = 40 candidates each.".to_owned(),
        };
        let drawn = figure.figure().unwrap();
        assert_eq!(drawn.collisions(), [""; 0]);
        for text in ["0.50", "no value", "no judge was", "no-reviewer"] {
            assert!(drawn.svg.contains(text), "{text}");
        }
        assert!(Variants { variants: vec![], ..figure }.figure().is_err());
    }
}

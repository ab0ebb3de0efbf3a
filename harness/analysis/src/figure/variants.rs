//! Measures of an ablation's variants, one panel per measure (paper, Fig. 4).

use gra_synth::candidate::Candidate;
use gra_synth::pool::ItemId;
use plotters::style::RGBColor;

use super::axis::{self, Scale, ends};
use super::canvas::{Area, Canvas, Drawn, Letters, SMALLEST};
use super::{Figure, FigureError, LINE, lines, notice, page, palette};
use crate::frames::{DISPUTED, MU, PASSED, RowValues};
use crate::statistics::inference::Estimate;
use crate::trial;

/// Variants side by side.
#[derive(Clone, Debug)]
pub struct Variants {
    /// Of what, e.g. the experiment.
    pub title: String,
    /// Names, in the order of the rows; the first is the reference.
    pub variants: Vec<String>,
    /// One per measure, at most four.
    pub panels: Vec<VariantPanel>,
    /// How to read it, and what the paper says.
    pub caption: String,
}

/// One panel.
#[derive(Clone, Debug)]
pub struct VariantPanel {
    /// Name and unit.
    pub name: String,
    /// One per variant.
    pub cells: Vec<Option<Estimate>>,
    /// What to do when there is none at all.
    pub missing: String,
    /// What is measured; panels of the same have one axis.
    pub unit: &'static str,
}

const ROW: f64 = 34.0;
const NAMES: f64 = 110.0;
const GAP: f64 = 22.0;

/// A trial of an ablation, as far as it is drawn.
#[derive(Clone, Copy, Debug)]
pub struct VariantTrial<'a> {
    /// Name of the variant.
    pub variant: &'a str,
    /// Every candidate of every round.
    pub candidates: &'a [Candidate],
    /// The mean of what a judge gave to samples; `None` when no judge was asked.
    pub judge: Option<Estimate>,
}

impl Variants {
    /// Acceptance, disputes and scores of the trials of one run seed.
    #[must_use]
    pub fn of(experiment: &str, run_seed: u64, trials: &[VariantTrial<'_>]) -> Self {
        let values: Vec<RowValues<ItemId>> = trials
            .iter()
            .map(|trial| {
                let of_samples = MU.only("outcome", "accepted");
                trial::values(trial.candidates, [PASSED, DISPUTED, of_samples])
            })
            .collect();
        let panel = |name: &str, unit, missing: &str, cells: Vec<Option<Estimate>>| VariantPanel {
            name: name.to_owned(),
            unit,
            cells: cells.into_iter().map(|cell| cell.filter(|e| e.value.is_some())).collect(),
            missing: missing.to_owned(),
        };
        let means = |measure: usize| values.iter().map(|of| Some(of.mean(measure))).collect();
        let judge = "no judge was asked: gra-bench stats TRIAL --judge MODEL";
        Self {
            title: format!("Variants of {experiment}, run seed {run_seed} (after the paper's Fig. 4)"),
            variants: trials.iter().map(|trial| trial.variant.to_owned()).collect(),
            panels: vec![
                panel("acceptance", "share", "no candidate has an outcome", means(0)),
                panel("disputed", "share", "no committee scored", means(1)),
                panel("mu of samples", "points", "no committee scored", means(2)),
                panel("judge's mean", "points", judge, trials.iter().map(|trial| trial.judge).collect()),
            ],
            caption: "Means with 95% intervals that know which candidates were shown one example; n beside each: of \
                      candidates that came to an end, of those that a committee scored, of its samples, of the samples \
                      that the judge scored. A disc without whiskers has fewer than 12, or nothing that varies; one of n \
                      1 is pale. The paper's figure 4 is about models trained on the variants' data: full GRA is 0.73 \
                      points above the variant without adjudicator, on a score that it calls human-aligned correctness \
                      (section 4.3). Nothing here is on that scale."
                .to_owned(),
        }
    }

    /// Draws them.
    ///
    /// # Errors
    /// When there is no variant or no measure.
    pub fn figure(&self) -> Result<Figure, FigureError> {
        if self.variants.is_empty() || self.panels.is_empty() {
            return Err(FigureError::Nothing("no variant was measured"));
        }
        // A measure without values says what to do, in more lines than a row has.
        let is_missing =
            |panel: &VariantPanel| panel.cells.iter().flatten().all(|c| c.value.is_none());
        let least = if self.panels.iter().any(is_missing) { 8.0 * LINE } else { 0.0 };
        let rows = (ROW * lines(self.variants.len())).max(least);
        let height = 1.6 * LINE + rows + 1.4 * LINE;
        let caption = self.caption.clone();
        page("figure-4", &self.title, caption, height, |canvas, area| self.draw(canvas, area))
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Area) -> Drawn {
        let rows = area.without([0.0, 1.6 * LINE, 0.0, 1.4 * LINE]);
        let letters = Letters::LEFT;
        for (row, variant) in self.variants.iter().enumerate() {
            let y = rows.y + (lines(row) + 0.5) * ROW;
            canvas.text(&letters.cut(variant, NAMES - 6.0), (rows.x, y), letters)?;
        }
        let colors = palette::of_names(self.variants.iter().map(String::as_str));
        let width = (rows.width - NAMES + GAP) / lines(self.panels.len());
        for (place, panel) in self.panels.iter().enumerate() {
            let x = rows.x + NAMES + lines(place) * width;
            // Panels of one unit have one axis.
            let alike = self.panels.iter().filter(|other| other.unit == panel.unit);
            let ends = alike.flat_map(|panel| panel.cells.iter().flatten().flat_map(ends));
            panel.draw(canvas, Area { x, width: width - GAP, ..rows }, ends, &colors)?;
        }
        Ok(())
    }
}

impl VariantPanel {
    fn draw(
        &self,
        canvas: &mut Canvas<'_>,
        area: Area,
        ends: impl Iterator<Item = f64>,
        colors: &[RGBColor],
    ) -> Drawn {
        let bold = Letters::LEFT.bold();
        canvas.text(&bold.cut(&self.name, area.width), (area.x, area.y - 12.0), bold)?;
        if self.cells.iter().flatten().all(|cell| cell.value.is_none()) {
            return notice(canvas, area, &self.missing);
        }
        let scale = Scale::around(ends, (area.x + 8.0, area.right() - 8.0));
        axis::below(canvas, area, scale, (area.width / 28.0).max(2.0))?;
        for (row, cell) in self.cells.iter().enumerate() {
            let y = area.y + (lines(row) + 0.5) * ROW + 6.0;
            let color = colors[row];
            let Some((cell, value)) =
                cell.and_then(|cell| Some((cell, cell.value.filter(|value| value.is_finite())?)))
            else {
                let quiet = Letters { size: SMALLEST, ..Letters::CENTER }.colored(palette::QUIET);
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
            // A single candidate says nothing about a variant.
            let color = if cell.n < 2 { palette::pale(color, 0.6) } else { color };
            canvas.disc((scale.at(value), y), 3.6, color)?;
            let text = format!("{value:.2}, n {}", cell.n);
            let letters = Letters::CENTER.fitting(&text, area.width);
            let half = letters.width(&text) / 2.0;
            let x = scale.at(value).min(area.right() - half).max(area.x + half);
            canvas.text(&text, (x, y - 13.0), letters)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use gra_synth::committee::Decision;

    use super::*;
    use crate::statistics::inference::Interval;
    use crate::trial::tests::every_outcome;

    #[test]
    fn a_trial_has_its_measures() {
        let candidates = every_outcome();
        let judge = Some(Estimate { n: 2, value: Some(7.5), interval: None });
        let trial = VariantTrial { variant: "gra", candidates: &candidates, judge };
        let found = Variants::of("ablation", 42, &[trial]);
        let values: Vec<f64> = found
            .panels
            .iter()
            .map(|panel| panel.cells[0].and_then(|cell| cell.value).unwrap())
            .collect();
        let count = |is: fn(&Candidate) -> bool| {
            lines(candidates.iter().filter(|candidate| is(candidate)).count())
        };
        let disputed = count(|c| c.decision == Some(Decision::Dispute));
        let expected = [
            count(crate::trial::has_passed) / count(|c| c.outcome.is_some()),
            disputed / count(|c| c.decision.is_some()),
        ];
        assert_eq!(values[..2], expected);
        assert!((values[3] - 7.5).abs() < 1e-12);
        let drawn = found.figure().unwrap();
        assert_eq!(drawn.collisions(), [""; 0]);
        // Every measure is of other candidates; each n is that of its own.
        let sizes = found.panels.iter().map(|panel| panel.cells[0].unwrap().n);
        assert_eq!(sizes.collect::<Vec<_>>(), [9, 6, 1, 2]);
        for n in ["0.50, n 6", ", n 9", ", n 1", "7.50, n 2"] {
            assert!(drawn.svg.contains(n), "{n}: {}", drawn.svg);
        }
    }

    #[test]
    fn every_measure_has_a_panel_and_what_is_missing_is_said() {
        let estimate = |value: f64| {
            let interval = Some(Interval { low: value - 0.1, high: value + 0.2 });
            Some(Estimate { n: 40, value: Some(value), interval })
        };
        let panel = |name: &str, cells| VariantPanel {
            name: name.to_owned(),
            cells,
            missing: "no judge was asked".to_owned(),
            unit: "",
        };
        let figure = Variants {
            title: "Variants".to_owned(),
            variants: ["gra", "no-reviewer", "a-variant-with-a-very-long-name"]
                .map(str::to_owned)
                .to_vec(),
            panels: vec![
                panel("acceptance", vec![estimate(0.5), estimate(0.9), None]),
                panel("mean mu", vec![estimate(8.1), None, estimate(7.2)]),
                panel("judge", vec![None; 3]),
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

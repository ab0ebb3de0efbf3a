//! Measures of an ablation's variants, one panel per measure (paper, Fig. 4).

use plotters::style::text_anchor::HPos;

use super::axis::{self, Scale};
use super::canvas::{Area, Canvas, Drawn, Letters, SMALLEST};
use super::page::{LINE, TEXT, Words, lines, notice, page};
use super::{Figure, FigureError, palette};
use crate::bootstrap::Estimate;

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

impl Variants {
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
        let height = 1.6 * LINE + ROW * lines(self.variants.len()) + 1.4 * LINE;
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
            let Some((cell, value)) = cell.and_then(|cell| Some((cell, cell.value?))) else {
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
            let x = scale.at(value).clamp(area.x + half, area.right() - half);
            canvas.text(&text(value), (x, y - 13.0), letters)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::Interval;

    #[test]
    fn every_measure_has_a_panel_and_what_is_missing_is_said() {
        let estimate = |value: f64| {
            let interval = Some(Interval { low: value - 0.1, high: value + 0.2 });
            Some(Estimate { n: 40, value: Some(value), interval })
        };
        let measure = |name: &str, cells| Measure {
            name: name.to_owned(),
            cells,
            missing: "nobody was asked".to_owned(),
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
        for text in ["0.50", "no value", "nobody was", "no-reviewer"] {
            assert!(drawn.svg.contains(text), "{text}");
        }
        assert!(Variants { variants: vec![], ..figure }.figure().is_err());
    }
}

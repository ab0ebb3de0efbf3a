//! What samples cost against how good a judge finds them: a point per variant (after the paper's section 1, which claims
//! the quality of a large model for less compute).

use plotters::style::text_anchor::HPos;

use super::axis::{self, Scale};
use super::canvas::{Area, Canvas, Drawn, Letters};
use super::marks::{apart, whisker};
use super::page::{LINE, TEXT, Words, page};
use super::{Figure, FigureError, palette};
use crate::cost::compute::Compute;
use crate::statistics::inference::Estimate;

const HEIGHT: f64 = 320.0;
/// Right of the plane: names and what they stand for.
const NAMES: f64 = 200.0;

/// A variant.
#[derive(Clone, Debug)]
pub struct CostAndQuality {
    /// Its name.
    pub variant: String,
    /// What its trial's calls took.
    pub compute: Compute,
    /// The mean of what a judge gives to its samples.
    pub judge: Estimate,
}

/// A variant that has a place on the plane.
struct Point<'a> {
    name: &'a str,
    /// Power of ten of the operations per accepted sample.
    cost: f64,
    judge: &'a Estimate,
    value: f64,
}

/// The plane of some variants; those without samples, stated sizes or judged samples have no place on it.
///
/// # Errors
/// When none has a place.
pub fn cost_and_quality(title: &str, variants: &[CostAndQuality]) -> Result<Figure, FigureError> {
    let points: Vec<Point> = variants.iter().filter_map(Point::of).collect();
    if points.is_empty() {
        return Err(FigureError::Nothing {
            what: "no variant has judged samples and models whose sizes are stated",
        });
    }
    let sizes = variants.iter().map(|of| format!("{} {}", of.variant, of.judge.n));
    let without = variants.len() - points.len();
    let caption = format!(
        "n judged samples: {}. Operations are 2 per parameter and token, of all calls about candidates, rejected ones too, over \
         the accepted samples. Whiskers: 95% intervals of the judge's mean; none below 12 samples. Up and to the left is \
         better.{}",
        sizes.collect::<Vec<_>>().join(", "),
        match without {
            0 => String::new(),
            n => format!(
                " {n} without judged samples, or with models of unstated size, have no place."
            ),
        }
    );
    let title = format!("Cost and quality, {title}");
    page(Words { name: "cost-quality".to_owned(), title, caption }, HEIGHT, |canvas, area| {
        draw(canvas, area, &points)
    })
}

impl<'a> Point<'a> {
    fn of(of: &'a CostAndQuality) -> Option<Self> {
        let cost = of.compute.per_sample(of.compute.rounds().all.flop)?;
        let value = of.judge.value.filter(|value| value.is_finite())?;
        (cost > 0.0).then(|| Self {
            name: &of.variant,
            cost: cost.log10(),
            judge: &of.judge,
            value,
        })
    }
}

fn draw(canvas: &mut Canvas<'_>, area: Area, points: &[Point]) -> Drawn {
    let plot = area.without([34.0, 1.4 * LINE, NAMES, 2.4 * LINE]);
    let ends = points.iter().flat_map(|point| {
        let ends = point.judge.interval.map(|interval| [interval.low, interval.high]);
        std::iter::once(point.value).chain(ends.into_iter().flatten())
    });
    let y = Scale::around(ends, (plot.bottom(), plot.y));
    let costs = || points.iter().map(|point| point.cost);
    let low = costs().fold(f64::INFINITY, f64::min).floor();
    let high = costs().fold(f64::NEG_INFINITY, f64::max).ceil().max(low + 1.0);
    let x = Scale::new((low, high), (plot.x + 10.0, plot.right() - 10.0));
    axis::left(canvas, plot, y, 6.0)?;
    let quiet = Letters::new(TEXT, HPos::Center).colored(palette::QUIET);
    for tick in x.ticks((high - low).min(6.0)).iter().filter(|tick| tick.value.fract() == 0.0) {
        let at = x.at(tick.value);
        canvas.path([(at, plot.y), (at, plot.bottom())], palette::LINE, 0.8)?;
        canvas.text(&format!("1e{:.0}", tick.value), (at, plot.bottom() + 11.0), quiet)?;
    }
    let name = Letters::new(TEXT, HPos::Left);
    canvas.text("judge's mean", (area.x, area.y), name)?;
    let below = Letters::new(TEXT, HPos::Center);
    canvas.text(
        "operations per accepted sample",
        (plot.middle().0, plot.bottom() + 28.0),
        below,
    )?;
    // Names stand right of the plane in the order of the judge's means, each joined with its point.
    let mut order: Vec<&Point> = points.iter().collect();
    order.sort_by(|a, b| b.value.total_cmp(&a.value));
    let wanted: Vec<f64> = order.iter().map(|point| y.at(point.value)).collect();
    let labels = apart(&wanted, LINE);
    let place = |point: &Point| (x.at(point.cost), y.at(point.value));
    // Lines to the names lie under all points.
    for (label, point) in labels.iter().zip(&order) {
        let from = place(point);
        canvas.path([(from.0 + 6.0, from.1), (plot.right() + 4.0, *label)], palette::LINE, 0.8)?;
    }
    let names: Vec<&str> = points.iter().map(|point| point.name).collect();
    let colors = palette::of_names(&names);
    for (label, point) in labels.iter().zip(&order) {
        let number = points.iter().position(|other| std::ptr::eq(other, *point)).unwrap_or(0);
        let color = colors[number];
        whisker(canvas, y, x.at(point.cost), point.judge, color)?;
        canvas.disc(place(point), 4.2, color)?;
        let text = format!("{} {:.2}", point.name, point.value);
        let letters = name.colored(color);
        canvas.text(&letters.cut(&text, NAMES - 12.0), (plot.right() + 8.0, *label), letters)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use gra_synth::request::Stage;

    use super::*;
    use crate::cost::compute::{Parameters, TEACHER_PARAMETERS};
    use crate::statistics::inference::Interval;
    use crate::trial_by_hand::{calls, every_outcome, trial};

    fn point(name: &str, parameters: u64, value: Option<f64>) -> CostAndQuality {
        let facts = trial(name, every_outcome(), calls(Stage::Response, 9, false));
        let parameters = Parameters::Assumed(parameters);
        let interval = value.map(|value| Interval { low: value - 0.4, high: value + 0.3 });
        CostAndQuality {
            variant: name.to_owned(),
            compute: Compute::of(&facts, &parameters, TEACHER_PARAMETERS, BTreeMap::new()),
            judge: Estimate { n: 40, value, interval },
        }
    }

    #[test]
    fn every_judged_variant_has_a_place_and_a_name() {
        let names =
            ["gra", "single-reviewer", "majority-vote", "accept-all", "one", "two", "three"];
        let mut variants: Vec<_> =
            names.iter().map(|name| point(name, 7_600_000_000, Some(7.0))).collect();
        variants.push(point("a-teacher-whose-name-is-very-long", 72_700_000_000, Some(7.8)));
        variants.push(point("no-judge", 72_700_000_000, None));
        let figure = cost_and_quality("ablation, run seed 42", &variants).unwrap();
        assert_eq!(figure.collisions(), [""; 0]);
        assert!(names.iter().all(|name| figure.svg.contains(&format!("{name} 7.00"))));
        assert!(figure.svg.contains("1 without judged samples"), "{}", figure.svg);
        assert!(cost_and_quality("t", &variants[8..]).is_err());
    }
}

//! From values to places along a side: scales, the ticks that name their values, and the marks that several figures set
//! on them.

use gra_paper::benchmarks::BenchmarkScore;
use gra_paper::exact::to_f64;
use plotters::style::RGBColor;

use super::canvas::{Area, Canvas, Drawn, Letters};
use super::{FigureError, lines, palette};
use crate::statistics::inference::Estimate;

/// Values along a side of a drawing. Values beyond its ends count as those.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    values: (f64, f64),
    places: (f64, f64),
}

/// A place with its name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) value: f64,
    pub(super) text: String,
}

impl Scale {
    pub(super) const fn new(values: (f64, f64), places: (f64, f64)) -> Self {
        Self { values, places }
    }

    /// From the least to the most of some values, out to round ones; from 0 to 1 without any.
    pub(super) fn around(values: impl IntoIterator<Item = f64>, places: (f64, f64)) -> Self {
        let finite = values.into_iter().filter(|value| value.is_finite());
        let ends = finite.fold(None, |ends: Option<(f64, f64)>, value| {
            let (low, high) = ends.unwrap_or((value, value));
            Some((value.min(low), value.max(high)))
        });
        let (low, high) = ends.unwrap_or((0.0, 1.0));
        let (low, high) = if low < high { (low, high) } else { (low - 0.5, high + 0.5) };
        // About seven ticks fit a page, and ends at round values need no label of their own.
        let step = step((high - low) / 7.0);
        Self::new(((low / step).floor() * step, (high / step).ceil() * step), places)
    }

    pub(super) fn at(self, value: f64) -> f64 {
        let (low, high) = self.values;
        // Halved, or the width of a very wide scale would be infinite.
        let share = (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
        let share = if high > low && !share.is_nan() { share.clamp(0.0, 1.0) } else { 0.5 };
        self.places.0 + share * (self.places.1 - self.places.0)
    }

    /// Round values within, about so many.
    pub(super) fn ticks(self, about: f64) -> Vec<Tick> {
        let (low, high) = self.values;
        let step = step((high - low) / about);
        let decimals = decimals(step);
        let mut ticks = Vec::new();
        let mut count = (low / step - 1e-9).ceil();
        while count * step <= high + step * 1e-9 && ticks.len() < 50 {
            // Adding 0 makes -0 a 0.
            let value = count * step + 0.0;
            ticks.push(Tick { value, text: format!("{value:.decimals$}") });
            count += 1.0;
        }
        ticks
    }
}

/// The next of 1, 2, 5, 10, .. at or above a length.
fn step(length: f64) -> f64 {
    let length = if length.is_finite() && length > 1e-12 { length } else { 1.0 };
    let power = 10_f64.powf(length.log10().floor());
    let steps = [1.0, 2.0, 5.0].map(|step| step * power);
    steps.into_iter().find(|step| *step >= length * (1.0 - 1e-9)).unwrap_or(10.0 * power)
}

/// Decimals that tell multiples of a step apart.
fn decimals(step: f64) -> usize {
    (0..9)
        .find(|&places| (step * 10_f64.powi(places)).fract().abs() < 1e-6)
        .map_or(9, |places| usize::try_from(places).unwrap_or(0))
}

/// Faint lines across an area at the ticks of its left side, and their names left of it.
pub(super) fn left(canvas: &mut Canvas<'_>, area: Area, scale: Scale, about: f64) -> Drawn {
    for Tick { value, text } in scale.ticks(about) {
        let y = scale.at(value);
        canvas.path([(area.x, y), (area.right(), y)], palette::LINE, 0.8)?;
        let letters = Letters::RIGHT.colored(palette::QUIET);
        canvas.text(&text, (area.x - 6.0, y), letters)?;
    }
    Ok(())
}

/// How far a name below may reach beyond the sides of its drawing, so that it meets none of a neighbour's.
const OVERHANG: f64 = 10.0;

/// The same for its lower side, with names below, as many as there is room for.
pub(super) fn below(canvas: &mut Canvas<'_>, area: Area, scale: Scale, about: f64) -> Drawn {
    let letters = Letters::CENTER.colored(palette::QUIET);
    let mut free = f64::NEG_INFINITY;
    for Tick { value, text } in scale.ticks(about) {
        let (x, half) = (scale.at(value), letters.width(&text) / 2.0);
        canvas.path([(x, area.y), (x, area.bottom())], palette::LINE, 0.8)?;
        let at = x.max(area.x - OVERHANG + half).min(area.right() + OVERHANG - half);
        if at - half >= free {
            canvas.text(&text, (at, area.bottom() + 11.0), letters)?;
            free = at + half + 4.0;
        }
    }
    Ok(())
}

/// Powers of ten on the lower side of an area: faint lines across it, and names below. The scale is of the powers.
pub(super) fn decades(canvas: &mut Canvas<'_>, area: Area, scale: Scale) -> Drawn {
    let letters = Letters::CENTER.colored(palette::QUIET);
    let (low, high) = scale.values;
    // At most six steps, so that each of them is a whole power.
    for Tick { value, .. } in scale.ticks((high - low).min(6.0)) {
        // Of what took nothing the power is infinite, and has no place.
        if !value.is_finite() {
            continue;
        }
        let x = scale.at(value);
        canvas.path([(x, area.y), (x, area.bottom())], palette::LINE, 0.8)?;
        canvas.text(&format!("1e{value:.0}"), (x, area.bottom() + 11.0), letters)?;
    }
    Ok(())
}

/// A value and the ends of its interval, as far as there are any.
pub(super) fn ends(estimate: &Estimate) -> impl Iterator<Item = f64> + use<> {
    let [low, high] = estimate.ends();
    [estimate.value, low, high].into_iter().flatten()
}

/// A ring at a value, with its interval as a whisker, on an upright scale; gives the upper end.
pub(super) fn whisker(
    canvas: &mut Canvas<'_>,
    scale: Scale,
    x: f64,
    estimate: &Estimate,
    color: RGBColor,
) -> Result<f64, FigureError> {
    let Some(value) = estimate.value.filter(|value| value.is_finite()) else {
        return Ok(f64::INFINITY);
    };
    let mut top = scale.at(value) - 4.0;
    if let Some(interval) = estimate.interval {
        let (low, high) = (scale.at(interval.low), scale.at(interval.high));
        canvas.path([(x, low), (x, high)], palette::INK, 1.2)?;
        for y in [low, high] {
            canvas.path([(x - 3.5, y), (x + 3.5, y)], palette::INK, 1.2)?;
        }
        top = top.min(high);
    }
    canvas.ring((x, scale.at(value)), 4.2, color)?;
    Ok(top)
}

/// A benchmark score as an estimate.
pub(super) fn estimate(score: &BenchmarkScore) -> Estimate {
    let n = usize::try_from(score.n).unwrap_or(usize::MAX);
    Estimate { n, value: Some(to_f64(score.mean)), interval: score.interval }
}

/// A square on its corner: what the paper says.
pub(super) fn diamond(
    canvas: &mut Canvas<'_>,
    (x, y): (f64, f64),
    radius: f64,
    color: RGBColor,
) -> Drawn {
    canvas.polygon([(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)], color)
}

/// Places for labels that want these places, which rise: no two nearer than a gap, moved as little as
/// keeps their order.
pub(super) fn apart(wanted: &[f64], gap: f64) -> Vec<f64> {
    // Labels that are pushed together form a block around the mean of what they want.
    let mut blocks: Vec<(f64, usize)> = Vec::new();
    let start = |(mean, count): (f64, usize)| mean - gap * (lines(count) - 1.0) / 2.0;
    for &want in wanted {
        let mut block = (want, 1);
        // Merging may push a block into the one before it, so it is checked again.
        while let Some(&before) = blocks.last() {
            let end = start(before) + gap * lines(before.1);
            if end <= start(block) {
                break;
            }
            blocks.pop();
            let counts = [before.1, block.1].map(super::lines);
            let mean = (before.0 * counts[0] + block.0 * counts[1]) / (counts[0] + counts[1]);
            block = (mean, before.1 + block.1);
        }
        blocks.push(block);
    }
    let places =
        |block: (f64, usize)| (0..block.1).map(move |place| start(block) + gap * lines(place));
    blocks.into_iter().flat_map(places).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        let texts = |values: (f64, f64), about| -> Vec<String> {
            let ticks = Scale::new(values, (0.0, 1.0)).ticks(about);
            ticks.into_iter().map(|tick| tick.text).collect()
        };
        assert_eq!(texts((0.0, 1.0), 5.0), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(texts((46.0, 63.0), 4.0), ["50", "55", "60"]);
        assert_eq!(texts((-0.1, 0.1), 4.0), ["-0.10", "-0.05", "0.00", "0.05", "0.10"]);
        assert_eq!(texts((0.0, 0.25), 5.0).last().unwrap(), "0.25");
    }

    #[test]
    fn values_have_places_whatever_they_are() {
        let scale = Scale::around([48.0, 62.17], (100.0, 0.0));
        assert!((scale.at(45.0) - 100.0).abs() < 1e-9 && (scale.at(65.0)).abs() < 1e-9);
        assert!((scale.at(1e300)).abs() < 1e-9, "beyond the end");
        for odd in [vec![], vec![3.0], vec![f64::NAN, f64::INFINITY], vec![1e-300, 2e-300]] {
            let scale = Scale::around(odd.clone(), (0.0, 10.0));
            assert!((0.0..=10.0).contains(&scale.at(3.0)), "{odd:?}");
            assert!(scale.ticks(5.0).len() < 50, "{odd:?}");
        }
    }

    #[test]
    fn labels_that_have_room_stay_and_others_share_what_there_is() {
        let cases: [(&[f64], &[f64]); 5] = [
            (&[], &[]),
            (&[3.0], &[3.0]),
            (&[0.0, 20.0], &[0.0, 20.0]),
            (&[10.0, 10.0], &[5.0, 15.0]),
            (&[0.0, 18.0, 20.0, 22.0, 60.0], &[0.0, 10.0, 20.0, 30.0, 60.0]),
        ];
        for (wanted, expected) in cases {
            assert_eq!(apart(wanted, 10.0), expected, "{wanted:?}");
        }
    }
}

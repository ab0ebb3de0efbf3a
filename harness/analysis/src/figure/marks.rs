//! Marks that several figures share.

use gra_paper::benchmarks::BenchmarkScore;
use gra_paper::exact::to_f64;
use plotters::style::RGBColor;

use super::axis::Scale;
use super::canvas::{Canvas, Drawn};
use super::{FigureError, palette};
use crate::statistics::inference::Estimate;

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
    let start = |(mean, count): (f64, usize)| mean - gap * (super::page::lines(count) - 1.0) / 2.0;
    for &want in wanted {
        let mut block = (want, 1);
        // Merging may push a block into the one before it, so it is checked again.
        while let Some(&before) = blocks.last() {
            let end = start(before) + gap * super::page::lines(before.1);
            if end <= start(block) {
                break;
            }
            blocks.pop();
            let counts = [before.1, block.1].map(super::page::lines);
            let mean = (before.0 * counts[0] + block.0 * counts[1]) / (counts[0] + counts[1]);
            block = (mean, before.1 + block.1);
        }
        blocks.push(block);
    }
    let places = |block: (f64, usize)| {
        (0..block.1).map(move |place| start(block) + gap * super::page::lines(place))
    };
    blocks.into_iter().flat_map(places).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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

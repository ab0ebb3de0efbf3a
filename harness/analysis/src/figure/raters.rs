//! Distributions of scores, one lane per rater: the committee and a judge over the same samples (paper,
//! Fig. 7), and a committee's reviewers.
//!
//! A lane shows every distinct score where it is, unbinned: how finely a rater scores is what section 5.4
//! of the paper is about.

use std::collections::BTreeMap;

use super::axis::{self, Scale};
use super::canvas::{Area, Canvas, Drawn, Letters};
use super::{Figure, FigureError, LINE, lines, notice, page, palette};
use crate::proportion::Proportion;
use crate::statistics::inference::Interval;
use crate::statistics::rank::{Distinct, Resolution};

/// Who scored, and how.
struct Lane {
    /// E.g. the model.
    name: String,
    /// Which of the kinds' colours it has.
    kind: usize,
    /// On the scale of the scores, 1 to 10; what is no number is left out.
    scores: Vec<f64>,
    /// Stands where there are none.
    missing: &'static str,
}

const ROW: f64 = 86.0;
const NAMES: f64 = 120.0;
const FACTS: f64 = 150.0;

/// Width of the widest bar.
const WIDEST: f64 = 8.0;

/// Shares of accepted samples that the paper's judge scored above 8, and at most 8 (section 5.4).
const PAPER: [f64; 2] = [0.873, 0.127];

/// Scores of the same samples by committee and judge; `interval` is that of the share that the judge scored above the
/// threshold.
///
/// # Errors
/// When there are no samples.
pub fn committee_and_judge(
    trial: &str,
    pairs: &[(f64, f64)],
    threshold: f64,
    interval: Option<Interval>,
) -> Result<Figure, FigureError> {
    if pairs.is_empty() {
        return Err(FigureError::Nothing("no sample has scores of committee and judge"));
    }
    let lane = |kind: usize, name: &str, scores: Vec<f64>| Lane {
        name: name.to_owned(),
        kind,
        scores,
        missing: "",
    };
    let lanes = [
        lane(0, "committee's mean", pairs.iter().map(|pair| pair.0).collect()),
        lane(1, "judge's mean", pairs.iter().map(|pair| pair.1).collect()),
    ];
    let high = Proportion::from_cases(pairs.iter().map(|pair| pair.1 > threshold));
    let title =
        format!("The same samples of {trial}, scored by committee and judge (the paper's Fig. 7)");
    let caption = format!(
        "The paper's Fig. 7: n = {} accepted samples that both have scored. Every distinct score stands where it is, as \
         high as its share of the lane; coloured at or above {threshold}. Below: the share that the \
         judge scored above {threshold}, with its 95% interval, beside the paper's (section 5.4, \
         judge Qwen2.5-72B-Instruct, n not given).",
        pairs.len()
    );
    let shares = 4.4 * LINE;
    let height = ROW * 2.0 + 2.0 * LINE + shares;
    page("figure-7", &title, caption, height, |canvas, area| {
        draw(canvas, area.without([0.0, 0.0, 0.0, shares]), &lanes, threshold)?;
        let below = area.without([NAMES, area.height - shares + LINE, FACTS, 0.0]);
        let ours = high.value().unwrap_or(0.0);
        let interval = interval.map(|i| format!(" [{:.1}, {:.1}]", i.low * 100.0, i.high * 100.0));
        let text = format!("{:.1}%{}", ours * 100.0, interval.unwrap_or_default());
        let rows = [("here", ours, text), ("paper", PAPER[0], format!("{:.1}%", PAPER[0] * 100.0))];
        let letters = Letters::LEFT;
        for (row, (name, share, text)) in rows.into_iter().enumerate() {
            let bar = Area::new((below.x, below.y + lines(row) * 22.0), (below.width, 15.0));
            let y = bar.middle().1;
            let name = format!("above {threshold}, {name}");
            canvas.text(&name, (area.x, y), letters)?;
            canvas.fill(bar, palette::pale(palette::KINDS[1], 0.75))?;
            canvas.fill(Area { width: bar.width * share, ..bar }, palette::KINDS[1])?;
            canvas.text(&text, (bar.right() + 10.0, y), letters.bold())?;
        }
        Ok(())
    })
}

/// Scores by reviewer, the mean of six of every review of a response. A reviewer is its model's place in the pool, which
/// chooses its colour and its row, and its name.
///
/// # Errors
/// When no response was reviewed.
pub fn reviewers(
    trial: &str,
    scores: &BTreeMap<(usize, String), Vec<f64>>,
    tau: f64,
) -> Result<Figure, FigureError> {
    if scores.values().all(Vec::is_empty) {
        return Err(FigureError::Nothing("no response was reviewed"));
    }
    let lane = |((place, name), scores): (&(usize, String), &Vec<f64>)| Lane {
        name: name.clone(),
        kind: *place,
        scores: scores.clone(),
        missing: "reviewed nothing",
    };
    let lanes: Vec<Lane> = scores.iter().map(lane).collect();
    let title = format!("How the reviewers of {trial} score");
    let caption = format!(
        "n = {} reviews of responses, each the mean of six scores. Every distinct score stands where \
         it is, as high as its share of the lane; coloured at or above tau = {tau}. What was never \
         asked is missing: with economy, a response that cannot pass is not scored to the end.",
        scores.values().map(Vec::len).sum::<usize>()
    );
    let height = ROW * lines(lanes.len()) + 2.0 * LINE;
    page("reviewers", &title, caption, height, |canvas, area| draw(canvas, area, &lanes, tau))
}

fn draw(canvas: &mut Canvas<'_>, area: Area, lanes: &[Lane], threshold: f64) -> Drawn {
    let plot = area.without([NAMES, 0.0, FACTS, 2.0 * LINE]);
    let all = || lanes.iter().flat_map(|lane| lane.scores.iter().copied());
    // The axis reaches a point below the threshold, so that it never stands at the edge.
    let low = all().filter(|score| score.is_finite()).fold(threshold - 1.0, f64::min);
    // Half a bar hangs over either end.
    let ends = (plot.x + WIDEST / 2.0, plot.right() - WIDEST / 2.0);
    let scale = Scale::new((low.floor(), 10.0), ends);
    axis::below(canvas, plot, scale, 10.0)?;
    let x = scale.at(threshold);
    canvas.dashes((x, plot.y), (x, plot.bottom()), palette::INK, 1.0)?;
    for (row, lane) in lanes.iter().enumerate() {
        let area = Area { y: plot.y + lines(row) * ROW, height: ROW, ..plot };
        lane.draw(canvas, area, scale, threshold)?;
    }
    Ok(())
}

impl Lane {
    fn draw(&self, canvas: &mut Canvas<'_>, area: Area, scale: Scale, threshold: f64) -> Drawn {
        let letters = Letters::LEFT;
        let (middle, base) = (area.middle().1, area.bottom() - 1.0);
        let name = letters.bold();
        for (row, line) in name.wrapped(&self.name, NAMES - 10.0).iter().take(3).enumerate() {
            canvas.text(line, (area.x - NAMES, middle + lines(row) * LINE), name)?;
        }
        let scores: Vec<f64> = self.scores.iter().copied().filter(|s| s.is_finite()).collect();
        let levels = Distinct::levels(&scores).ok().filter(|levels| !levels.kinds.is_empty());
        let Some(levels) = levels else {
            return notice(canvas, area.within(8.0), self.missing);
        };
        let counts = levels.counts(&vec![1; scores.len()]);
        let peak = counts.iter().copied().max().unwrap_or(1);
        let nearest = levels.kinds.windows(2).map(|pair| scale.at(pair[1]) - scale.at(pair[0]));
        // Bars of neighbouring scores must not touch, or a fine scale would look like a coarse one.
        let width = nearest.fold(WIDEST, f64::min).clamp(1.6, WIDEST) * 0.8;
        canvas.path([(area.x, base), (area.right(), base)], palette::GREY, 0.8)?;
        for (&value, &count) in levels.kinds.iter().zip(&counts) {
            let height = (area.height - 14.0) * count as f64 / peak as f64;
            let color = palette::KINDS[self.kind % palette::KINDS.len()];
            let color = if value < threshold { palette::pale(color, 0.55) } else { color };
            let corner = (scale.at(value) - width / 2.0, base - height);
            canvas.fill(Area::new(corner, (width, height)), color)?;
        }
        let mean = scores.iter().sum::<f64>() / lines(scores.len());
        let high = Proportion::from_cases(scores.iter().map(|score| *score >= threshold));
        let high = 100.0 * high.value().unwrap_or(0.0);
        let distinct = Resolution::of(&scores).map_or(0, |resolution| resolution.distinct);
        let plural = if distinct == 1 { "" } else { "s" };
        let facts = [
            format!("mean {mean:.2}"),
            format!("{high:.1}% at {threshold} or more"),
            format!("n = {}", scores.len()),
            format!("{distinct} distinct value{plural}"),
        ];
        for (row, text) in facts.iter().enumerate() {
            let y = middle + (lines(row) - 1.2) * LINE;
            let text = letters.cut(text, FACTS - 12.0);
            canvas.text(&text, (area.right() + 12.0, y), letters.colored(palette::QUIET))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_raters_and_both_shares_are_there() {
        let pairs: Vec<(f64, f64)> =
            (0..180).map(|i| (8.0 + f64::from(i % 36) / 18.0, 7.0 + f64::from(i % 4))).collect();
        let interval = Some(Interval { low: 0.41, high: 0.59 });
        let figure = committee_and_judge("ablation/gra/seed-42", &pairs, 8.0, interval).unwrap();
        assert_eq!(figure.collisions(), [""; 0]);
        // Of 7, 8, 9 and 10, two are above 8 and three at 8 or more.
        for text in
            ["87.3%", "50.0% [41.0, 59.0]", "75.0% at 8 or more", "36 distinct values", "n = 180"]
        {
            assert!(figure.svg.contains(text), "{text}");
        }
        assert!(committee_and_judge("t", &[], 8.0, None).is_err());
    }

    #[test]
    fn every_reviewer_has_a_lane() {
        let scores = |n: u32| (0..n).map(|i| f64::from(i % 11)).collect::<Vec<f64>>();
        let by_name = |names: &[(&str, u32)]| {
            let places = names.iter().enumerate();
            places.map(|(at, (name, n))| ((at, (*name).to_owned()), scores(*n))).collect()
        };
        let names = [("a-reviewer-whose-name-is-very-long-q4_0", 50), ("b", 1), ("c", 0)];
        let figure = reviewers("e/v/seed-1", &by_name(&names), 8.0).unwrap();
        assert_eq!(figure.collisions(), [""; 0]);
        assert!(
            figure.svg.contains("reviewed nothing") && figure.svg.contains("1 distinct value\n")
        );
        assert!(reviewers("e/v/seed-1", &by_name(&[("c", 0)]), 8.0).is_err());
        let odd = BTreeMap::from([((0, "odd".to_owned()), vec![f64::NAN, 5.0])]);
        assert!(reviewers("e/v/seed-1", &odd, 8.0).unwrap().svg.contains("n = 1"));
    }
}

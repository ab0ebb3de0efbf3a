//! Decisions of a trial: what became of its candidates, step by step; and precision and recall of committee, vote,
//! adjudicator and reviewers along tau (after the paper's Fig. 4).

use gra_synth::variant::DisputeRule;
use plotters::style::RGBColor;

use super::axis::{self, Scale};
use super::canvas::{Area, Canvas, Drawn, Letters};
use super::{Figure, FigureError, LINE, lines, page, palette};
use crate::reviewers::classifier::{Classifiers, Curve, Decider};
use crate::statistics::inference::{FEWEST, INTERVALS};
use crate::trial::Funnel;

/// Who is left after a step, and why the others are not.
struct Step {
    name: &'static str,
    /// Candidates that fell out, by reason.
    lost: Vec<(u64, &'static str)>,
    note: Option<String>,
}

const ROW: f64 = 30.0;
const NAMES: f64 = 150.0;
const BARS: f64 = 240.0;

/// The picture of a trial's funnel.
///
/// # Errors
/// When there are no candidates.
pub fn funnel(trial: &str, funnel: &Funnel) -> Result<Figure, FigureError> {
    if funnel.candidates == 0 {
        return Err(FigureError::Nothing("the trial has no candidates"));
    }
    let steps = steps(funnel);
    let undecided = match funnel.undecided {
        0 => String::new(),
        n => {
            format!(" {n} are undecided: their round was interrupted; they count as accepted here.")
        }
    };
    let adjudicated = match funnel.adjudicated_in {
        0 => String::new(),
        kept => format!(" The adjudicator let {kept} of the disputed ones in."),
    };
    let caption = format!(
        "n = {} candidates of all rounds. Dark: left after the step. Light: fell out at it. Shares are of \
         all candidates drawn.{adjudicated}{undecided}",
        funnel.candidates
    );
    let title = format!("What became of the candidates of {trial}");
    let height = ROW * lines(steps.len());
    page("funnel", &title, caption, height, |canvas, area| draw_steps(canvas, area, funnel, &steps))
}

fn steps(funnel: &Funnel) -> Vec<Step> {
    let step = |name, lost: &[(u64, &'static str)]| Step {
        name,
        lost: lost.iter().copied().filter(|(lost, _)| *lost > 0).collect(),
        note: None,
    };
    let note = match funnel.disputed {
        0 => "none disputed".to_owned(),
        disputed => format!("{disputed} disputed"),
    };
    let out = [(funnel.adjudicated_out, "adjudicated out"), (funnel.voted_out, "voted out")];
    let mut steps = vec![
        step("drawn", &[]),
        step("calls were answered", &[(funnel.failed, "failed")]),
        step("replies could be read", &[(funnel.malformed, "malformed")]),
        step("keywords are new", &[(funnel.repeated_keywords, "repeated")]),
    ];
    // A variant without reviewers has no review that a candidate could pass.
    if funnel.instructions_reviewed > 0 {
        steps.push(step("instruction passed", &[(funnel.vetoed, "vetoed")]));
    }
    if funnel.responses_reviewed > 0 {
        steps.push(step("mean score reached tau", &[(funnel.rejected, "rejected")]));
        steps.push(Step { note: Some(note), ..step("disputes settled", &out) });
    }
    steps.push(step("no near-duplicate", &[(funnel.duplicates, "duplicate")]));
    steps.push(step("accepted", &[(funnel.surplus, "surplus")]));
    steps
}

fn draw_steps(canvas: &mut Canvas<'_>, area: Area, funnel: &Funnel, steps: &[Step]) -> Drawn {
    let share = |count: u64| count as f64 / funnel.candidates as f64;
    let letters = Letters::LEFT;
    let mut left = funnel.candidates;
    for (row, step) in steps.iter().enumerate() {
        let y = area.y + lines(row) * ROW;
        let middle = y + ROW / 2.0;
        let lost: u64 = step.lost.iter().map(|(lost, _)| lost).sum();
        // Each step starts with what the one before has left.
        left = left.saturating_sub(lost);
        let name = Letters::RIGHT;
        canvas.text(step.name, (area.x + NAMES - 8.0, middle), name)?;
        let bar = Area::new((area.x + NAMES, y + 4.0), (BARS * share(left), ROW - 8.0));
        let is_end = row + 1 == steps.len();
        let color = if is_end { palette::KINDS[2] } else { palette::KINDS[0] };
        canvas.fill(bar, color)?;
        let gone = Area { x: bar.right(), width: BARS * share(lost), ..bar };
        canvas.fill(gone, palette::pale(palette::ACCENT, 0.55))?;
        let x = area.x + NAMES + BARS + 10.0;
        let text = format!("{left} ({:.0}%)", 100.0 * share(left));
        canvas.text(&text, (x, middle), letters.bold())?;
        let lost = step.lost.iter().map(|(lost, why)| format!("-{lost} {why}"));
        let text: Vec<String> = step.note.clone().into_iter().chain(lost).collect();
        let x = x + 78.0;
        let quiet = letters.colored(palette::QUIET);
        // A dispute's note may need a line of its own.
        let rows = quiet.wrapped(&text.join("; "), area.right() - x);
        for (line, text) in rows.iter().take(2).enumerate() {
            let rise = (lines(rows.len().min(2)) - 1.0) * 6.5;
            canvas.text(text, (x, middle - rise + lines(line) * 13.0), quiet)?;
        }
    }
    Ok(())
}

const HEIGHT: f64 = 330.0;
const GAP: f64 = 34.0;

/// The picture of a trial's deciders, a panel for each truth.
///
/// # Errors
/// When nothing was reviewed, or nothing that was reviewed is good.
pub fn classifier(trial: &str, truths: &[Classifiers]) -> Result<Figure, FigureError> {
    let drawn = truths.iter().filter(|of| of.good.value.is_some_and(|share| share > 0.0));
    let drawn: Vec<&Classifiers> = drawn.take(2).collect();
    if drawn.is_empty() {
        return Err(FigureError::Nothing("no reviewed response is good"));
    }
    let panel = |of: &&Classifiers| {
        let share = 100.0 * of.good.value.unwrap_or(0.0);
        format!("{}: n {}, {share:.0}% good", of.truth, of.good.n)
    };
    // One line of the legend for each kind of decider, in the order of drawing.
    let mut kinds: Vec<Look> =
        drawn.iter().flat_map(|of| of.curves.iter().map(|curve| look(curve, of))).collect();
    kinds.sort_by_key(|kind| kind.rank);
    kinds.dedup_by_key(|kind| kind.rank);
    let disc =
        format!("; the disc is tau {}, as in the trial, with intervals: {INTERVALS}", drawn[0].tau);
    let caption = format!(
        "{}. Lines run from tau 1 (right) to tau 10 (left){}. Dashed: the precision of letting everything pass. A point \
         stands for at least {FEWEST} responses that pass. What is good is a judge's word, or what no check objects to; \
         neither is the truth. The axes need not start at 0.",
        drawn.iter().map(panel).collect::<Vec<_>>().join("; "),
        if kinds.iter().any(|kind| kind.has_disc) { &disc } else { "" },
    );
    let title = format!("What passes and what is good, {trial}");
    page("classifier", &title, caption, HEIGHT, |canvas, area| {
        legend(canvas, area, &kinds)?;
        let below = area.without([0.0, 2.6 * LINE, 0.0, 0.0]);
        let least = least(&drawn);
        let width = (below.width + GAP) / lines(drawn.len().max(2));
        for (place, of) in drawn.iter().enumerate() {
            let x = below.x + lines(place) * width;
            draw_panel(canvas, Area { x, width: width - GAP, ..below }, of, least)?;
        }
        Ok(())
    })
}

/// How a decider is drawn. What is drawn later is narrower, so that equal lines are all seen.
#[derive(Clone, Copy)]
struct Look {
    /// In the order of drawing.
    rank: u8,
    color: RGBColor,
    width: f64,
    name: &'static str,
    /// Whether it stands in front, with the trial's tau; reviewers of a committee stand back.
    has_disc: bool,
}

fn look(curve: &Curve, of: &Classifiers) -> Look {
    let (rank, color, width, name) = match curve.decider {
        Decider::Reviewer(_) if of.curves.len() == 1 => (4, palette::KINDS[0], 1.6, "the reviewer"),
        Decider::Reviewer(_) => (0, palette::GREY, 0.8, "one reviewer"),
        Decider::Committee(DisputeRule::Accept) => (1, palette::KINDS[2], 5.0, "mean alone"),
        Decider::Committee(DisputeRule::MajorityVote) => (2, palette::KINDS[1], 3.0, "with vote"),
        Decider::Committee(DisputeRule::Adjudicator) => {
            (3, palette::KINDS[0], 1.6, "with adjudicator")
        }
    };
    Look { rank, color, width, name, has_disc: rank > 0 }
}

fn legend(canvas: &mut Canvas<'_>, area: Area, kinds: &[Look]) -> Drawn {
    let letters = Letters::LEFT;
    let (mut x, y) = (area.x, area.y + 0.4 * LINE);
    for Look { color, width, name, .. } in kinds {
        canvas.path([(x, y), (x + 18.0, y)], *color, *width)?;
        canvas.text(name, (x + 24.0, y), letters)?;
        x += letters.width(name) + 48.0;
    }
    Ok(())
}

/// Recall and precision at the points that stand for enough responses.
fn shown(curve: &Curve) -> Vec<(f64, f64)> {
    let points = curve.points.iter().filter(|at| at.passed >= FEWEST as u64);
    points.filter_map(|at| Some((at.recall()?, at.precision()?))).collect()
}

/// Where the axes of all panels begin: a twentieth or more below what is drawn.
fn least(panels: &[&Classifiers]) -> f64 {
    let of_panel = |of: &&Classifiers| -> Vec<f64> {
        let points = of.curves.iter().flat_map(shown).flat_map(|(x, y)| [x, y]);
        let in_front = of.curves.iter().filter(|curve| look(curve, of).has_disc);
        let whiskers = in_front.flat_map(|curve| [curve.precision, curve.recall]);
        let lows = whiskers.filter_map(|of| Some(of.interval?.low));
        points.chain(lows).chain(of.good.value).collect()
    };
    let least = panels.iter().flat_map(of_panel).fold(1.0, f64::min);
    ((least * 10.0 - 0.5).floor() / 10.0).max(0.0)
}

fn draw_panel(canvas: &mut Canvas<'_>, area: Area, of: &Classifiers, least: f64) -> Drawn {
    let bold = Letters::LEFT.bold();
    let title = bold.cut(&format!("good: {}", of.truth), area.width);
    canvas.text(&title, (area.x, area.y - 8.0), bold)?;
    let plot = area.without([34.0, 6.0, 6.0, 2.4 * LINE]);
    // Both axes begin at one value: the precision of letting everything pass is compared with either.
    let x = Scale::new((least, 1.0), (plot.x, plot.right()));
    let y = Scale::new((least, 1.0), (plot.bottom(), plot.y));
    axis::left(canvas, plot, y, 5.0)?;
    axis::below(canvas, plot, x, 5.0)?;
    let name = Letters::CENTER;
    canvas.text("recall", (plot.middle().0, plot.bottom() + 27.0), name)?;
    canvas.text("precision", (plot.x + 26.0, plot.y + 8.0), name.colored(palette::QUIET))?;
    if let Some(good) = of.good.value {
        let at = y.at(good);
        let dashes = std::iter::successors(Some(plot.x), |from| Some(from + 8.0));
        for from in dashes.take_while(|from| *from < plot.right()) {
            let to = (from + 4.0).min(plot.right());
            canvas.path([(from, at), (to, at)], palette::GREY, 1.0)?;
        }
    }
    // Wide lines first: where two deciders agree, both are seen.
    let mut curves: Vec<&Curve> = of.curves.iter().collect();
    curves.sort_by_key(|curve| look(curve, of).rank);
    for curve in curves {
        let Look { color, width, has_disc, .. } = look(curve, of);
        let line =
            shown(curve).into_iter().map(|(recall, precision)| (x.at(recall), y.at(precision)));
        canvas.path(line.collect::<Vec<_>>(), color, width)?;
        let Curve { precision, recall, .. } = curve;
        let own = recall.value.zip(precision.value);
        // At the trial's tau, and only for those that stand in front.
        if let Some((at_recall, at_precision)) = own.filter(|_| has_disc && precision.n >= FEWEST) {
            let at = (x.at(at_recall), y.at(at_precision));
            if let Some(of) = precision.interval {
                canvas.path([(at.0, y.at(of.low)), (at.0, y.at(of.high))], color, 1.0)?;
            }
            if let Some(of) = recall.interval {
                canvas.path([(x.at(of.low), at.1), (x.at(of.high), at.1)], color, 1.0)?;
            }
            canvas.disc(at, 2.5 + width / 2.0, color)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use gra_synth::method::Method;
    use gra_synth::variant::Variant;

    use super::*;
    use crate::rescore::Rule;
    use crate::reviewers::classifier::Truth;
    use crate::trial::tests::{accepted, every_outcome, failed, id, rejected, written};

    #[test]
    fn what_is_left_is_what_was_accepted() {
        let candidates: Vec<_> = every_outcome().into_iter().chain([failed(10)]).collect();
        let facts = Funnel::of(&candidates);
        let figure = funnel("by/hand/seed-1", &facts).unwrap();
        assert_eq!(figure.collisions(), [""; 0]);
        let lost: u64 = steps(&facts).iter().flat_map(|step| &step.lost).map(|(n, _)| n).sum();
        assert_eq!(facts.candidates - lost, facts.accepted + facts.undecided);
        assert!(
            figure.svg.contains("-1 failed")
                && figure.svg.contains("vetoed")
                && figure.svg.contains("disputed")
        );
        assert!(funnel("nothing", &Funnel::default()).is_err());
    }

    #[test]
    fn a_step_that_no_candidate_took_is_not_shown() {
        let facts = Funnel::of(&[written(0), written(1)]);
        let svg = funnel("by/hand/seed-1", &facts).unwrap().svg;
        for review in ["instruction passed", "reached tau", "disputed"] {
            assert!(!svg.contains(review), "{review}");
        }
    }

    #[test]
    fn large_counts_have_room() {
        let facts = Funnel {
            candidates: 123_456,
            responses_reviewed: 120_000,
            disputed: 23_456,
            adjudicated_in: 12_345,
            adjudicated_out: 10_000,
            voted_out: 1_111,
            accepted: 112_345,
            ..Funnel::default()
        };
        let figure = funnel("an-experiment-of-a-long-name/gra/seed-42", &facts).unwrap();
        assert_eq!(figure.collisions(), [""; 0]);
    }

    #[test]
    fn two_truths_have_a_panel_each() {
        let candidates: Vec<_> = (0..20).map(accepted).chain((20..40).map(rejected)).collect();
        let rule = Rule::recorded(&Method::default(), &Variant::gra("gra"));
        let scores: BTreeMap<_, _> =
            (0_u32..40).map(|number| (id(number), f64::from(number % 3) + 7.0)).collect();
        let truths = [Truth::Judge { scores: &scores, threshold: 8.0 }, Truth::Checks];
        let truths = truths.map(|truth| Classifiers::of(&candidates, &rule, truth).unwrap());
        let figure = classifier("ablation/gra/seed-42", &truths).unwrap();
        assert_eq!(figure.collisions(), [""; 0]);
        for text in ["n 40, 65% good", "good: no check fails", "with adjudicator"] {
            assert!(figure.svg.contains(text), "{text}: {}", figure.svg);
        }
        assert!(!figure.svg.contains("the reviewer") && classifier("t", &[]).is_err());
        // One reviewer is who decides, and has the disc.
        let rule = Rule { reviewers: 1, ..rule };
        let alone = candidates.into_iter().map(|mut candidate| {
            candidate.roles.reviewers.truncate(1);
            candidate.response_reviews.truncate(1);
            candidate
        });
        let alone = Classifiers::of(&alone.collect::<Vec<_>>(), &rule, Truth::Checks).unwrap();
        let figure = classifier("ablation/one/seed-42", &[alone]).unwrap();
        assert!(figure.svg.contains("the reviewer") && figure.svg.contains("the disc is tau 8"));
        assert!(!figure.svg.contains("with adjudicator"), "{}", figure.svg);
    }
}

//! What became of a trial's candidates, step by step.

use plotters::style::text_anchor::HPos;

use super::canvas::{Area, Canvas, Drawn, Letters};
use super::page::{TEXT, Words, lines, page};
use super::{Figure, FigureError, palette};
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
        return Err(FigureError::Nothing { what: "the trial has no candidates" });
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
    let words = Words { name: "funnel".to_owned(), title, caption };
    page(words, ROW * lines(steps.len()), |canvas, area| draw(canvas, area, funnel, &steps))
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

fn draw(canvas: &mut Canvas<'_>, area: Area, funnel: &Funnel, steps: &[Step]) -> Drawn {
    let share = |count: u64| count as f64 / funnel.candidates as f64;
    let letters = Letters::new(TEXT, HPos::Left);
    let mut left = funnel.candidates;
    for (row, step) in steps.iter().enumerate() {
        let y = area.y + lines(row) * ROW;
        let middle = y + ROW / 2.0;
        let lost: u64 = step.lost.iter().map(|(lost, _)| lost).sum();
        // Each step starts with what the one before has left.
        left = left.saturating_sub(lost);
        let name = Letters { at: HPos::Right, ..letters };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial_by_hand::{every_outcome, failed, written};

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
}

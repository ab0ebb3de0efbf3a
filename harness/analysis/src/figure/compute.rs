//! Operations per accepted sample: by trial and stage, beside a large model that writes the same samples ([`compute`]);
//! and against how good a judge finds them, a point per variant ([`cost_and_quality`]; after the paper's section 1, which
//! claims the quality of a large model for less compute).

use std::collections::BTreeSet;

use gra_synth::request::Stage;

use super::axis::{self, Scale, apart, diamond, ends, whisker};
use super::canvas::{Area, Canvas, Drawn, Letters};
use super::{Figure, FigureError, LINE, lines, page, palette};
use crate::compute::{Compute, MEMBER_PARAMETERS};
use crate::statistics::inference::Estimate;

/// Stages that are shown as one, in the order of the method.
const PARTS: [(&str, &[Stage]); 5] = [
    ("writing", &[Stage::Keywords, Stage::Instruction, Stage::Response]),
    ("instruction review", &[Stage::InstructionReview]),
    ("response review", &[Stage::ResponseReview, Stage::ReviewComment]),
    ("adjudication", &[Stage::Adjudication]),
    ("summary", &[Stage::Summary]),
];

const ROW: f64 = 26.0;
/// Of the totals, which are said twice.
const TALL: f64 = 36.0;
const NAMES: f64 = 150.0;
const VALUES: f64 = 150.0;

/// What a variant's calls took, in two readings.
#[derive(Clone, Debug)]
pub struct ComputeReadings {
    /// The variant.
    pub name: String,
    /// Of the models that were asked.
    pub stated: Compute,
    /// As if each had as many parameters as the paper's ([`MEMBER_PARAMETERS`]).
    pub at_papers_size: Compute,
    /// Stated parameters of the models that the variant asks.
    pub sizes: Vec<u64>,
}

/// A trial's operations per accepted sample.
struct Row {
    name: String,
    /// With members of the paper's size.
    at_papers_size: Option<(f64, Option<f64>)>,
    /// By part of the method.
    parts: [f64; PARTS.len()],
    teacher: Option<f64>,
    /// What the teacher is called.
    large: String,
    ratio: Option<f64>,
}

/// The picture of some trials' compute, with how many samples each accepted.
///
/// # Errors
/// When no trial has samples whose operations are known.
pub fn compute(trials: &[ComputeReadings]) -> Result<Figure, FigureError> {
    let rows: Vec<Row> = trials.iter().filter_map(row).collect();
    let Some(first) = trials.first().filter(|_| !rows.is_empty()) else {
        return Err(FigureError::Nothing(
            "no trial has accepted samples and models whose sizes are stated",
        ));
    };
    let sizes = trials.iter().map(|trial| format!("{} {}", trial.name, trial.stated.samples));
    let asked: BTreeSet<u64> = trials.iter().flat_map(|trial| trial.sizes.clone()).collect();
    let asked = asked.first().zip(asked.last()).map_or_else(String::new, |(least, most)| {
        let range = if least == most { String::new() } else { format!(" to {}", billions(*most)) };
        format!("{}{range}", billions(*least))
    });
    let unknown = trials.len() - rows.len();
    let caption = format!(
        "n accepted samples: {}. Operations are 2 per parameter and token, of all calls about candidates, \
         rejected ones too; seed annotation is left out. Disc: the models that were asked, of {asked} parameters. Ring: \
         as if each had {}, as in the paper's pool. Diamond: a model of {} asked once for each of the same samples, \
         nothing rejected.{}",
        sizes.collect::<Vec<_>>().join(", "),
        billions(MEMBER_PARAMETERS),
        billions(first.stated.teacher.parameters),
        match unknown {
            0 => String::new(),
            n => format!(" {n} trials have no samples, or models of unstated size, and no row."),
        }
    );
    let title = "Operations per accepted sample, by stage";
    let height = (TALL + ROW) * lines(rows.len()) + 6.0 * LINE;
    page("compute", title, caption, height, |canvas, area| draw(canvas, area, &rows))
}

fn row(readings: &ComputeReadings) -> Option<Row> {
    let compute = &readings.stated;
    let mut parts = [0.0; PARTS.len()];
    for (part, (_, stages)) in parts.iter_mut().zip(PARTS) {
        // One stage of unknown operations leaves the trial without a row.
        let spent = stages.iter().filter_map(|stage| compute.stages.get(stage));
        *part = spent.map(|split| compute.per_sample(split.all.flop)).sum::<Option<f64>>()?;
    }
    let teacher = compute.per_sample(compute.teacher.spending.flop);
    let large = billions(compute.teacher.parameters);
    let at_papers_size = &readings.at_papers_size;
    let any = compute.samples > 0 && parts.iter().sum::<f64>() > 0.0;
    any.then(|| Row {
        name: readings.name.clone(),
        at_papers_size: at_papers_size
            .per_sample(at_papers_size.rounds().all.flop)
            .filter(|total| *total > 0.0)
            .map(|total| (total, at_papers_size.ratio())),
        parts,
        teacher,
        large,
        ratio: compute.ratio(),
    })
}

/// `7.6B`, `0.14B`.
fn billions(parameters: u64) -> String {
    let value = parameters as f64 / 1e9;
    if value < 1.0 { format!("{value:.2}B") } else { format!("{value:.1}B") }
}

fn draw(canvas: &mut Canvas<'_>, area: Area, rows: &[Row]) -> Drawn {
    let height = TALL * lines(rows.len());
    let top = area.without([NAMES, 1.4 * LINE, VALUES, 0.0]);
    totals(canvas, Area { height, ..top }, rows)?;
    let y = top.y + height + 4.4 * LINE;
    shares(canvas, Area { y, height: ROW * lines(rows.len()), ..top }, rows)
}

/// Totals on a scale of powers of ten: a small pool and a large model lie far apart.
fn totals(canvas: &mut Canvas<'_>, area: Area, rows: &[Row]) -> Drawn {
    let total = |row: &Row| row.parts.iter().sum::<f64>();
    let of_row = |row: &Row| {
        [Some(total(row)), row.at_papers_size.map(|(total, _)| total), row.teacher].into_iter()
    };
    let all = || rows.iter().flat_map(of_row).flatten();
    // Whole powers of ten at either end, at least one decade apart.
    let low = all().fold(f64::INFINITY, f64::min).log10().floor();
    let high = all().fold(0.0, f64::max).log10().ceil().max(low + 1.0);
    let scale = Scale::new((low, high), (area.x + 6.0, area.right() - 6.0));
    let letters = Letters::LEFT;
    let left = (area.x - NAMES, area.y - 12.0);
    canvas.text("Operations, powers of ten", left, letters.bold())?;
    axis::decades(canvas, area, scale)?;
    let colors = palette::of_names(rows.iter().map(|row| row.name.as_str()));
    for (place, row) in rows.iter().enumerate() {
        let y = area.y + (lines(place) + 0.5) * TALL;
        canvas.text(&letters.cut(&row.name, NAMES - 8.0), (area.x - NAMES, y), letters)?;
        let at = scale.at(total(row).log10());
        if let Some(teacher) = row.teacher.filter(|teacher| *teacher > 0.0) {
            let teacher = scale.at(teacher.log10());
            canvas.path([(at, y), (teacher, y)], palette::GREY, 1.0)?;
            diamond(canvas, (teacher, y), 5.0, palette::ACCENT)?;
        }
        canvas.disc((at, y), 4.5, colors[place])?;
        if let Some((total, _)) = row.at_papers_size {
            canvas.ring((scale.at(total.log10()), y), 4.5, colors[place])?;
        }
        let said = |(total, ratio): (f64, Option<f64>), before: &str| {
            let ratio = ratio
                .map_or_else(String::new, |ratio| format!(", {} x {}", digits(ratio), row.large));
            format!("{before}{total:.1e}{ratio}")
        };
        let size = format!("{}: ", billions(MEMBER_PARAMETERS));
        let second = row.at_papers_size.map(|reading| said(reading, &size));
        let first = said((total(row), row.ratio), "");
        for (text, y, letters) in [
            (first, y - 7.0, letters),
            (second.unwrap_or_default(), y + 7.0, letters.colored(palette::QUIET)),
        ] {
            let letters = letters.fitting(&text, VALUES - 8.0);
            canvas.text(&text, (area.right() + 8.0, y), letters)?;
        }
    }
    Ok(())
}

/// A ratio with two digits or so.
fn digits(ratio: f64) -> String {
    let decimals = match ratio {
        _ if ratio >= 10.0 => 0,
        _ if ratio >= 0.1 => 2,
        _ => 4,
    };
    format!("{ratio:.decimals$}")
}

/// Where a trial's own operations went.
fn shares(canvas: &mut Canvas<'_>, area: Area, rows: &[Row]) -> Drawn {
    let letters = Letters::LEFT;
    let left = (area.x - NAMES, area.y - 1.9 * LINE);
    canvas.text("Shares of the trial's own", left, letters.bold())?;
    let mut x = area.x - NAMES;
    for (part, (name, _)) in PARTS.iter().enumerate() {
        let y = area.y - 0.8 * LINE;
        canvas.fill(Area::new((x, y - 5.0), (10.0, 10.0)), palette::KINDS[part])?;
        canvas.text(name, (x + 14.0, y), letters)?;
        x += letters.width(name) + 34.0;
    }
    for (place, row) in rows.iter().enumerate() {
        let bar = Area::new((area.x, area.y + lines(place) * ROW + 4.0), (area.width, ROW - 8.0));
        let y = bar.middle().1;
        canvas.text(&letters.cut(&row.name, NAMES - 8.0), (area.x - NAMES, y), letters)?;
        let total = row.parts.iter().sum::<f64>();
        let mut x = bar.x;
        for (part, spent) in row.parts.iter().enumerate() {
            let piece = Area { x, width: bar.width * spent / total, ..bar };
            canvas.fill(piece, palette::KINDS[part])?;
            let text = format!("{:.0}%", 100.0 * spent / total);
            if piece.width > letters.width(&text) + 6.0 {
                let color = palette::on(palette::KINDS[part]);
                let inside = Letters::CENTER.colored(color);
                canvas.text(&text, piece.middle(), inside)?;
            }
            x += piece.width;
        }
    }
    Ok(())
}

const PLANE: f64 = 320.0;
/// Right of the plane: names and what they stand for.
const LABELS: f64 = 200.0;
/// Radius of a point.
const DISC: f64 = 4.2;
/// What of a point at the same place shows around it.
const RING: f64 = 2.6;

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
        return Err(FigureError::Nothing(
            "no variant has judged samples and models whose sizes are stated",
        ));
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
    page("cost-quality", &title, caption, PLANE, |canvas, area| draw_plane(canvas, area, &points))
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

fn draw_plane(canvas: &mut Canvas<'_>, area: Area, points: &[Point]) -> Drawn {
    let plot = area.without([34.0, 1.4 * LINE, LABELS, 2.4 * LINE]);
    let judged = points.iter().flat_map(|point| ends(point.judge));
    let y = Scale::around(judged, (plot.bottom(), plot.y));
    let costs = || points.iter().map(|point| point.cost);
    let low = costs().fold(f64::INFINITY, f64::min).floor();
    let high = costs().fold(f64::NEG_INFINITY, f64::max).ceil().max(low + 1.0);
    let x = Scale::new((low, high), (plot.x + 10.0, plot.right() - 10.0));
    axis::left(canvas, plot, y, 6.0)?;
    axis::decades(canvas, plot, x)?;
    let name = Letters::LEFT;
    canvas.text("judge's mean", (area.x, area.y), name)?;
    let (below, at) = (Letters::CENTER, (plot.middle().0, plot.bottom() + 28.0));
    canvas.text("operations per accepted sample", at, below)?;
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
    let colors = palette::of_names(points.iter().map(|point| point.name));
    for (drawn, (label, point)) in labels.iter().zip(&order).enumerate() {
        // Colours go by the order of the variants, which is not that of the judge's means.
        let number = points.iter().position(|other| std::ptr::eq(other, *point)).unwrap_or(0);
        let color = colors[number];
        whisker(canvas, y, x.at(point.cost), point.judge, color)?;
        // Of discs at one place each shows as a ring around the next: none hides another.
        let is_hidden = |other: &&&Point| {
            let (here, there) = (place(point), place(other));
            (here.0 - there.0).hypot(here.1 - there.1) < DISC / 2.0
        };
        let hiding = order[drawn + 1..].iter().filter(is_hidden).count();
        let rings = u32::try_from(hiding).map_or(0.0, f64::from);
        canvas.disc(place(point), DISC + RING * rings, color)?;
        let text = format!("{} {:.2}", point.name, point.value);
        let letters = name.colored(color);
        canvas.text(&letters.cut(&text, LABELS - 12.0), (plot.right() + 8.0, *label), letters)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::compute::{Parameters, TEACHER_PARAMETERS};
    use crate::statistics::inference::Interval;
    use crate::trial::tests::{calls, every_outcome, trial};

    fn of(name: &str, parameters: u64) -> ComputeReadings {
        let stages = [Stage::Keywords, Stage::Instruction, Stage::Response, Stage::Adjudication];
        let calls = stages.into_iter().flat_map(|stage| calls(stage, 9, false)).collect();
        let facts = trial("gra", every_outcome(), calls);
        let compute = |parameters| {
            let parameters = Parameters::Assumed(parameters);
            Compute::of(&facts, &parameters, 72_700_000_000, BTreeMap::new())
        };
        ComputeReadings {
            name: name.to_owned(),
            stated: compute(parameters),
            at_papers_size: compute(MEMBER_PARAMETERS),
            sizes: vec![parameters],
        }
    }

    #[test]
    fn every_trial_has_two_bars() {
        let trials = [
            of("an-experiment-of-a-long-name/gra/seed-42", 1_540_000_000),
            of("ablation/gra/seed-42", 135_000_000),
        ];
        let figure = compute(&trials).unwrap();
        assert_eq!(figure.collisions(), [""; 0]);
        assert!(figure.svg.contains("writing") && figure.svg.contains("72.7B"), "{}", figure.svg);
        assert!(
            figure.caption.contains("asked, of 0.14B to 1.5B parameters"),
            "{}",
            figure.caption
        );
        // What stands for the paper's pool does not depend on the pool that was asked.
        assert_eq!(figure.svg.matches("7.6B: ").count(), 2, "{}", figure.svg);
        assert!(compute(&[]).is_err());
    }

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
        // Seven at one place: seven radii, the largest below.
        let radii: Vec<&str> =
            figure.svg.split(" r=\"").skip(1).filter_map(|part| part.split('"').next()).collect();
        let distinct: std::collections::BTreeSet<&&str> = radii.iter().collect();
        assert!(distinct.len() >= names.len(), "{radii:?}");
        assert!(figure.svg.contains("1 without judged samples"), "{}", figure.svg);
        assert!(cost_and_quality("t", &variants[8..]).is_err());
    }
}

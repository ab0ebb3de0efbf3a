//! Points counted in cells.

use plotters::style::RGBColor;
use plotters::style::text_anchor::HPos;

use super::{Frame, Plane, heading};
use crate::figure::canvas::{Area, Canvas, Drawn, Letters};
use crate::figure::page::{LINE, ROOM, TEXT, lines, page};
use crate::figure::{Figure, FigureError, palette};

/// Cells along a side.
const CELLS: usize = 72;
/// Between maps.
const GAP: f64 = 16.0;
/// Above a map: its name.
const HEAD: f64 = 30.0;
/// Shades of a map.
const SHADES: usize = 7;

/// How many points of each set lie in each cell.
pub(super) struct Density<'a> {
    plane: &'a Plane<'a>,
    /// By set, then by row and column.
    counts: Vec<Vec<u32>>,
}

impl<'a> Density<'a> {
    pub(super) fn of(plane: &'a Plane<'a>, frame: Frame) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 72")]
        let cell = |share: f64| ((share * lines(CELLS)) as usize).min(CELLS - 1);
        let count = |points: &[[f64; 2]]| {
            let mut counts = vec![0; CELLS * CELLS];
            for (x, y) in points.iter().filter_map(|point| frame.place(*point)) {
                counts[cell(y) * CELLS + cell(x)] += 1;
            }
            counts
        };
        Self { plane, counts: plane.sets.iter().map(|(_, points)| count(points)).collect() }
    }

    pub(super) fn figure(&self) -> Result<Figure, FigureError> {
        let side = (ROOM - GAP) / 2.0;
        let compared = self.counts.len() == 2;
        let maps = self.counts.len() + usize::from(compared);
        let (rows, colors) = (lines(maps.div_ceil(2)), self.plane.colors());
        let more = "Cells are shaded by the square root of their share of the set's points, every map \
                    by its own fullest cell.";
        page(self.plane.words(more), rows * (side + HEAD), |canvas, area| {
            let map = |place: usize| {
                let (row, column) = (lines(place / 2), lines(place % 2));
                let y = area.y + row * (side + HEAD) + HEAD;
                Area::new((area.x + column * (side + GAP), y), (side, side))
            };
            for (set, counts) in self.counts.iter().enumerate() {
                let (name, points) = self.plane.sets[set];
                let heading_text = format!("{name}, n = {}", points.len());
                heading(canvas, map(set), &heading_text)?;
                draw(canvas, map(set), |cell| shade(colors[set], counts[cell], peak(counts)))?;
            }
            if compared {
                self.compare(canvas, map(2), map(3))?;
            }
            Ok(())
        })
    }

    /// Which of two sets has more of a cell, and what the colours say.
    fn compare(&self, canvas: &mut Canvas<'_>, area: Area, beside: Area) -> Drawn {
        heading(canvas, area, "Both: which has more")?;
        let totals = [0, 1].map(|set| self.plane.sets[set].1.len());
        let colors = self.plane.colors();
        let (first, second) = (colors[0], colors[1]);
        draw(canvas, area, |cell| {
            let [a, b] = [0, 1].map(|set| self.counts[set][cell]);
            leaning(share(a, totals[0]), share(b, totals[1]), [first, second])
        })?;
        let letters = Letters::new(TEXT, HPos::Left);
        let names = [0, 1].map(|set| letters.cut(self.plane.sets[set].0, 150.0));
        let only = |set: usize| format!("{} more than three times as dense", names[set]);
        let rows = [
            (first, only(0)),
            (palette::pale(first, 0.55), format!("{} denser", names[0])),
            (palette::LINE, "about as dense (within a half)".to_owned()),
            (palette::pale(second, 0.55), format!("{} denser", names[1])),
            (second, only(1)),
        ];
        for (row, (color, text)) in rows.into_iter().enumerate() {
            let y = beside.y + 8.0 + lines(row) * 1.4 * LINE;
            canvas.fill(Area::new((beside.x, y - 7.0), (14.0, 14.0)), color)?;
            canvas.text(&text, (beside.x + 22.0, y), letters)?;
        }
        let [only_a, only_b, both] = self.overlap();
        let quiet = letters.colored(palette::QUIET);
        let facts = [
            format!("Cells with points of both: {both}"),
            format!("of {} alone: {only_a}", names[0]),
            format!("of {} alone: {only_b}", names[1]),
        ];
        for (row, text) in facts.iter().enumerate() {
            let y = beside.y + 8.0 + 1.4 * LINE * 6.0 + lines(row) * LINE;
            canvas.text(text, (beside.x, y), quiet)?;
        }
        Ok(())
    }

    /// Cells of the first set alone, of the second alone, of both.
    fn overlap(&self) -> [usize; 3] {
        let cells = || self.counts[0].iter().zip(&self.counts[1]);
        let count =
            |is: fn(bool, bool) -> bool| cells().filter(|(a, b)| is(**a > 0, **b > 0)).count();
        [count(|a, b| a && !b), count(|a, b| b && !a), count(|a, b| a && b)]
    }
}

fn peak(counts: &[u32]) -> u32 {
    counts.iter().copied().max().unwrap_or(0)
}

fn share(count: u32, of: usize) -> f64 {
    if of == 0 { 0.0 } else { f64::from(count) / lines(of) }
}

/// The colour of a cell of one set.
fn shade(color: RGBColor, count: u32, peak: u32) -> Option<RGBColor> {
    // By the square root: else one full cell would leave all others nearly white.
    let dark = (f64::from(count) / f64::from(peak.max(1))).sqrt();
    let steps = lines(SHADES);
    let dark = (dark * steps).ceil() / steps;
    (count > 0).then(|| palette::pale(color, 0.85 * (1.0 - dark)))
}

/// The colour of a cell of two sets with these shares.
fn leaning(a: f64, b: f64, colors: [RGBColor; 2]) -> Option<RGBColor> {
    let (more, less, color) = if a > b { (a, b, colors[0]) } else { (b, a, colors[1]) };
    match more {
        0.0 => None,
        _ if more > 3.0 * less => Some(color),
        _ if more > 1.5 * less => Some(palette::pale(color, 0.55)),
        _ => Some(palette::LINE),
    }
}

/// How far a cell reaches under its neighbours, so that no seam shows between them.
const UNDER: f64 = 0.4;

/// Cells of one colour that lie side by side are one rectangle.
fn draw(canvas: &mut Canvas<'_>, area: Area, color: impl Fn(usize) -> Option<RGBColor>) -> Drawn {
    let inner = area.within(4.0);
    let size = (inner.width / lines(CELLS), inner.height / lines(CELLS));
    for row in 0..CELLS {
        let mut from = 0;
        while from < CELLS {
            let this = color(row * CELLS + from);
            let to = (from + 1..CELLS).find(|&to| color(row * CELLS + to) != this);
            let to = to.unwrap_or(CELLS);
            if let Some(this) = this {
                let corner = (inner.x + lines(from) * size.0, inner.y + lines(row) * size.1);
                let length = (lines(to - from) * size.0 + UNDER, size.1 + UNDER);
                canvas.fill(Area::new(corner, length), this)?;
            }
            from = to;
        }
    }
    canvas.frame(area, palette::GREY, 1.0)
}

//! Several sets of points in one plane (paper, Figs. 5 and 6): a map without axes, whose distances and
//! areas mean little.
//!
//! Few points are drawn as dots on one map, in turn, so that no set hides another by coming last. Many
//! would cover the page: they are counted in cells, one map per set, and two sets have a third map that
//! says which of them has more of a cell's points.

use plotters::style::RGBColor;

use super::canvas::{Area, Canvas, Drawn, Letters};
use super::{Figure, FigureError, LINE, MARGIN, ROOM, lines, page, palette};
use crate::statistics::inference::whole;

/// Sets of points with their names.
#[derive(Clone, Debug)]
pub struct Plane<'a> {
    /// Part of its file's name.
    pub name: &'a str,
    /// What it shows.
    pub title: &'a str,
    /// How it was made; stands below.
    pub caption: &'a str,
    /// At most as many as there are colours ([`MOST_SETS`]).
    pub sets: Vec<(&'a str, &'a [[f64; 2]])>,
}

/// Sets that can be told apart.
pub const MOST_SETS: usize = palette::KINDS.len();

/// Fewer points show no neighbourhoods: t-SNE then draws the chance of its start.
pub const FEWEST_DOTS: usize = 50;

/// Points that can be drawn as dots.
const MOST_DOTS: usize = 4_000;

/// Fewer are drawn larger.
const SPARSE: usize = 200;

impl<'a> Plane<'a> {
    /// Of the data sets on a map, those that the paper's figure 5 or 6 is about.
    #[must_use]
    pub fn pair(name: &'a str, caption: &'a str, sets: [(&'a str, &'a [[f64; 2]]); 2]) -> Self {
        let title = if name == "figure-5" {
            "Where the instructions of seed set and GRA lie (the paper's Fig. 5)"
        } else {
            "Where the instructions of a distilled set and GRA lie (the paper's Fig. 6)"
        };
        Self { name, title, caption, sets: sets.to_vec() }
    }
}

impl Plane<'_> {
    /// The picture.
    ///
    /// # Errors
    /// When there are no points, or more sets than colours.
    pub fn figure(&self) -> Result<Figure, FigureError> {
        if self.sets.len() > MOST_SETS {
            return Err(FigureError::TooMany { sets: self.sets.len(), most: MOST_SETS });
        }
        let frame = Frame::around(self.sets.iter().flat_map(|(_, points)| points.iter()))
            .ok_or(FigureError::Nothing("the map has no points"))?;
        let points: usize = self.sets.iter().map(|(_, points)| points.len()).sum();
        if points < FEWEST_DOTS {
            return Err(FigureError::TooFew { points, least: FEWEST_DOTS });
        }
        if points > MOST_DOTS { Density::of(self, frame).figure() } else { self.dots(frame) }
    }

    /// A colour per set.
    fn colors(&self) -> Vec<RGBColor> {
        palette::of_names(self.sets.iter().map(|(name, _)| *name))
    }

    fn dots(&self, frame: Frame) -> Result<Figure, FigureError> {
        let colors = self.colors();
        let names = self.names();
        let rows = names.last().map_or(0, |(.., row)| row + 1);
        let head = lines(rows) * LINE + 6.0;
        page(self.name, self.title, self.caption.to_owned(), head + ROOM, |canvas, area| {
            for ((name, x, row), color) in names.iter().zip(&colors) {
                let y = area.y + lines(*row) * LINE;
                canvas.disc((MARGIN + x + 5.0, y), 5.0, *color)?;
                canvas.text(name, (MARGIN + x + 16.0, y), Letters::LEFT)?;
            }
            let area = area.without([0.0, head, 0.0, 0.0]);
            canvas.frame(area, palette::GREY, 1.0)?;
            let inner = area.within(8.0);
            let sizes = || self.sets.iter().map(|(_, points)| points.len());
            let (is_sparse, longest) = (sizes().sum::<usize>() < SPARSE, sizes().max());
            // One point of each set in turn: no set is drawn over another as a whole.
            let longest = longest.unwrap_or(0);
            for place in 0..longest {
                for (set, (_, points)) in self.sets.iter().enumerate() {
                    if let Some((x, y)) = points.get(place).and_then(|&point| frame.place(point)) {
                        let at = (inner.x + x * inner.width, inner.y + y * inner.height);
                        if is_sparse {
                            canvas.disc(at, 4.5, colors[set])?;
                        } else {
                            canvas.dot(at, colors[set])?;
                        }
                    }
                }
            }
            Ok(())
        })
    }

    /// Sets with their sizes, in rows that fit: each with its distance from the left, and its row.
    fn names(&self) -> Vec<(String, f64, usize)> {
        let letters = Letters::LEFT;
        let (mut end, mut row) = (0.0, 0);
        let place = |(name, points): &(&str, &[[f64; 2]])| {
            let name = format!("{} ({} points)", letters.cut(name, 300.0), points.len());
            let wide = letters.width(&name) + 32.0;
            // A name that would leave the page begins the next row.
            if end > 0.0 && end + wide > ROOM {
                (end, row) = (0.0, row + 1);
            }
            let x = end;
            end += wide;
            (name, x, row)
        };
        self.sets.iter().map(place).collect()
    }
}

/// The smallest square around points.
#[derive(Clone, Copy, Debug)]
struct Frame {
    middle: [f64; 2],
    /// Half its side; 0 around points of one place.
    half: f64,
}

impl Frame {
    fn around<'a>(points: impl Iterator<Item = &'a [f64; 2]>) -> Option<Self> {
        let points = points.filter(|point| point.iter().all(|at| at.is_finite()));
        let ends = points.fold(None, |ends: Option<[f64; 4]>, &[x, y]| {
            let [left, top, right, bottom] = ends.unwrap_or([x, y, x, y]);
            Some([left.min(x), top.min(y), right.max(x), bottom.max(y)])
        });
        let [left, top, right, bottom] = ends?;
        // Halved first: the whole may be more than a number holds.
        let half = (right / 2.0 - left / 2.0).max(bottom / 2.0 - top / 2.0);
        Some(Self { middle: [f64::midpoint(left, right), f64::midpoint(top, bottom)], half })
    }

    /// Where a point lies in it, from 0 to 1 from its left and its top; `None` for what is no point. Points of
    /// one place lie in the middle.
    fn place(self, [x, y]: [f64; 2]) -> Option<(f64, f64)> {
        let share = |at: f64, middle: f64| match self.half {
            half if half > 0.0 => (0.5 + (at - middle) / half / 2.0).clamp(0.0, 1.0),
            _ => 0.5,
        };
        let [middle_x, middle_y] = self.middle;
        (x.is_finite() && y.is_finite()).then(|| (share(x, middle_x), share(y, middle_y)))
    }
}

/// The name of a map, above it.
fn heading(canvas: &mut Canvas<'_>, area: Area, text: &str) -> Drawn {
    let bold = Letters::LEFT.bold();
    canvas.text(&bold.cut(text, area.width), (area.x, area.y - 11.0), bold)
}

/// Cells along a side.
const CELLS: usize = 72;
/// Between maps.
const GAP: f64 = 16.0;
/// Above a map: its name.
const HEAD: f64 = 30.0;
/// Shades of a map.
const SHADES: usize = 7;

/// How many points of each set lie in each cell.
struct Density<'a> {
    plane: &'a Plane<'a>,
    /// By set, then by row and column.
    counts: Vec<Vec<u32>>,
}

impl<'a> Density<'a> {
    fn of(plane: &'a Plane<'a>, frame: Frame) -> Self {
        // The right and the lower edge belong to the last cells.
        let cell = |share: f64| whole(share * lines(CELLS)).min(CELLS - 1);
        let count = |points: &[[f64; 2]]| {
            let mut counts = vec![0; CELLS * CELLS];
            for (x, y) in points.iter().filter_map(|point| frame.place(*point)) {
                counts[cell(y) * CELLS + cell(x)] += 1;
            }
            counts
        };
        Self { plane, counts: plane.sets.iter().map(|(_, points)| count(points)).collect() }
    }

    fn figure(&self) -> Result<Figure, FigureError> {
        let side = (ROOM - GAP) / 2.0;
        let compared = self.counts.len() == 2;
        let maps = self.counts.len() + usize::from(compared);
        let (rows, colors) = (lines(maps.div_ceil(2)), self.plane.colors());
        let caption = format!(
            "{} Cells are shaded by the square root of their share of the set's points, every map by its own fullest cell.",
            self.plane.caption
        );
        let Plane { name, title, .. } = self.plane;
        page(name, title, caption, rows * (side + HEAD), |canvas, area| {
            let map = |place: usize| {
                let (row, column) = (lines(place / 2), lines(place % 2));
                let y = area.y + row * (side + HEAD) + HEAD;
                Area::new((area.x + column * (side + GAP), y), (side, side))
            };
            for (set, counts) in self.counts.iter().enumerate() {
                let (name, points) = self.plane.sets[set];
                heading(canvas, map(set), &format!("{name}, n = {}", points.len()))?;
                // By its own fullest cell: sets of unlike sizes are compared by shape.
                let peak = counts.iter().copied().max().unwrap_or(0);
                draw(canvas, map(set), |cell| shade(colors[set], counts[cell], peak))?;
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
            // Shares of the set, not counts: the larger one would lead everywhere.
            let [a, b] = [0, 1].map(|set| share(self.counts[set][cell], totals[set]));
            leaning(a, b, [first, second])
        })?;
        let letters = Letters::LEFT;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn plane<'a>(sets: Vec<(&'a str, &'a [[f64; 2]])>) -> Plane<'a> {
        Plane { name: "map", title: "Two sets", caption: "n 3 each.", sets }
    }

    #[test]
    fn points_of_all_sets_are_drawn_in_turn_and_stay_inside() {
        let ring = |n: u32, wide: f64| -> Vec<[f64; 2]> {
            (0..n).map(|i| [wide * f64::from(i).cos(), wide * f64::from(i).sin()]).collect()
        };
        let (a, b) = (ring(30, 1.0), ring(20, 2.0));
        let picture = plane(vec![("a & b", &a), ("c", &b)]).figure().unwrap();
        assert_eq!(picture.svg.matches("r=\"45\"").count(), 50, "{}", picture.svg);
        assert!(picture.svg.contains("a &amp; b") && picture.svg.contains("n 3 each"));
        assert_eq!(picture.collisions(), [""; 0]);
        assert_eq!(picture, plane(vec![("a & b", &a), ("c", &b)]).figure().unwrap());
        let few = plane(vec![("a", &a), ("c", &b[1..])]).figure().unwrap_err().to_string();
        assert_eq!(few, "a map of 49 points shows chance alone; it takes at least 50");
    }

    #[test]
    fn what_cannot_be_drawn_is_named() {
        let nothing = plane(vec![("a", &[])]).figure().unwrap_err().to_string();
        assert!(nothing.contains("no points"), "{nothing}");
        assert!(plane(vec![("a", &[[f64::NAN, 0.0]])]).figure().is_err());
        let point = [[1.0, 1.0]];
        let same = [point[0]; FEWEST_DOTS];
        assert!(plane(vec![("one", &same)]).figure().is_ok(), "points of one place have one");
        let middle = Frame::around(point.iter()).and_then(|frame| frame.place(point[0]));
        assert_eq!(middle, Some((0.5, 0.5)), "points of one place lie in the middle");
        let far = [[-1e308, 0.0], [1e308, 0.0]];
        let frame = Frame::around(far.iter()).unwrap();
        assert_eq!(far.map(|point| frame.place(point)), [Some((0.0, 0.5)), Some((1.0, 0.5))]);
        let many = vec![("a", &point[..]); MOST_SETS + 1];
        assert!(plane(many).figure().unwrap_err().to_string().contains("at most"));
    }

    #[test]
    fn fifty_thousand_points_make_a_picture_of_cells() {
        let spiral = |n: u32, turn: f64| -> Vec<[f64; 2]> {
            let point = |i: u32| {
                let at = f64::from(i) * 0.01;
                [at * (at + turn).cos(), at * (at + turn).sin()]
            };
            (0..n).map(point).collect()
        };
        let (a, b) = (spiral(25_000, 0.0), spiral(25_000, 2.0));
        let picture = plane(vec![("seeds", &a), ("gra", &b)]).figure().unwrap();
        assert_eq!(picture.collisions(), [""; 0]);
        assert!(picture.svg.len() < 2_000_000, "{} bytes", picture.svg.len());
        assert!(picture.svg.contains("which has more"), "two sets are compared");
    }
}

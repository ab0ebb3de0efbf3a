//! Several sets of points in one plane (paper, Figs. 5 and 6): a map without axes, whose distances and
//! areas mean little.

use plotters::style::text_anchor::HPos;

use super::canvas::{Area, Letters, svg, width, wrapped};
use super::{FigureError, palette};

/// Width of the page and of the square that holds the points, in pixels.
const WIDTH: i32 = 760;
const MARGIN: i32 = 30;
const LINE: i32 = 20;

/// Sets of points with their names.
#[derive(Clone, Debug)]
pub struct Plane<'a> {
    /// What it shows.
    pub title: &'a str,
    /// How it was made; stands below.
    pub caption: &'a str,
    /// At most as many as there are colours ([`MOST_SETS`]).
    pub sets: Vec<(&'a str, &'a [[f64; 2]])>,
}

/// Sets that can be told apart.
pub const MOST_SETS: usize = palette::KINDS.len();

impl Plane<'_> {
    /// The picture. Points of all sets are drawn in turn, so that none hides another by coming last.
    ///
    /// # Errors
    /// When there are no points, or more sets than colours.
    pub fn svg(&self) -> Result<String, FigureError> {
        if self.sets.len() > MOST_SETS {
            return Err(FigureError::TooMany { sets: self.sets.len(), most: MOST_SETS });
        }
        let frame = Frame::around(self.sets.iter().flat_map(|(_, points)| points.iter()))
            .ok_or(FigureError::Nothing { what: "the map has no points" })?;
        let side = WIDTH - 2 * MARGIN;
        let (title, caption) = (wrapped(self.title, 16.0, side), wrapped(self.caption, 12.0, side));
        let names = self.name_lines(side);
        let rows = |lines: usize| i32::try_from(lines).unwrap_or_default() * LINE;
        let top = MARGIN + rows(title.len()) + rows(names.len()) + 10;
        let height = top + side + 16 + rows(caption.len()) + MARGIN / 2;
        svg((WIDTH, height), |canvas| {
            let mut y = MARGIN;
            for line in &title {
                let letters = Letters { bold: true, ..Letters::new(16.0, HPos::Left) };
                canvas.text(line, (MARGIN, y), letters)?;
                y += LINE;
            }
            for line in &names {
                for &(set, x) in line {
                    canvas.disc((MARGIN + x + 6, y), 6, palette::KINDS[set])?;
                    let letters = Letters::new(13.0, HPos::Left);
                    canvas.text(self.sets[set].0, (MARGIN + x + 18, y), letters)?;
                }
                y += LINE;
            }
            let area = Area { x: MARGIN, y: top, width: side, height: side };
            canvas.frame(area, palette::GREY, 1)?;
            let longest = self.sets.iter().map(|(_, points)| points.len()).max().unwrap_or(0);
            for place in 0..longest {
                for (set, (_, points)) in self.sets.iter().enumerate() {
                    if let Some(point) = points.get(place) {
                        canvas.dot(frame.place(*point, area.within(8)), palette::KINDS[set])?;
                    }
                }
            }
            let mut y = top + side + 16;
            for line in &caption {
                let letters = Letters { color: palette::GREY, ..Letters::new(12.0, HPos::Left) };
                canvas.text(line, (MARGIN, y), letters)?;
                y += LINE;
            }
            Ok(())
        })
    }

    /// Sets in lines that fit, each with its distance from the left.
    fn name_lines(&self, room: i32) -> Vec<Vec<(usize, i32)>> {
        let mut lines: Vec<Vec<(usize, i32)>> = vec![Vec::new()];
        let mut x = 0;
        for (set, (name, _)) in self.sets.iter().enumerate() {
            #[expect(clippy::cast_possible_truncation, reason = "a name's width in pixels")]
            let wide = width(name, 13.0) as i32 + 36;
            if x > 0 && x + wide > room {
                lines.push(Vec::new());
                x = 0;
            }
            if let Some(line) = lines.last_mut() {
                line.push((set, x));
            }
            x += wide;
        }
        lines
    }
}

/// The smallest square around points.
#[derive(Clone, Copy)]
struct Frame {
    left: f64,
    top: f64,
    side: f64,
}

impl Frame {
    fn around<'a>(points: impl Iterator<Item = &'a [f64; 2]>) -> Option<Self> {
        let ends = points.fold(None, |ends: Option<[f64; 4]>, &[x, y]| {
            let [left, top, right, bottom] = ends.unwrap_or([x, y, x, y]);
            Some([left.min(x), top.min(y), right.max(x), bottom.max(y)])
        });
        let [left, top, right, bottom] = ends?;
        let side = (right - left).max(bottom - top).max(f64::MIN_POSITIVE);
        let (x, y) = (f64::midpoint(left, right), f64::midpoint(top, bottom));
        Some(Self { left: x - side / 2.0, top: y - side / 2.0, side })
    }

    fn place(self, [x, y]: [f64; 2], area: Area) -> (i32, i32) {
        #[expect(clippy::cast_possible_truncation, reason = "within the area")]
        let at = |share: f64, from: i32, length: i32| {
            from + (share.clamp(0.0, 1.0) * f64::from(length)).round() as i32
        };
        (
            at((x - self.left) / self.side, area.x, area.width),
            at((y - self.top) / self.side, area.y, area.height),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane<'a>(sets: Vec<(&'a str, &'a [[f64; 2]])>) -> Plane<'a> {
        Plane { title: "Two sets", caption: "n 3 each", sets }
    }

    #[test]
    fn points_of_all_sets_are_drawn_in_turn_and_stay_inside() {
        let (a, b) = ([[0.0, 0.0], [4.0, 1.0], [2.0, 2.0]], [[1.0, 0.5], [3.0, 0.0]]);
        let picture = plane(vec![("a & b", &a), ("c", &b)]).svg().unwrap();
        let dots: Vec<&str> =
            picture.lines().filter(|line| line.contains("opacity=\"0.6\"")).collect();
        assert_eq!(dots.len(), 5, "{picture}");
        assert!(picture.contains("a &amp; b") && picture.contains("n 3 each"));
        assert_eq!(picture, plane(vec![("a & b", &a), ("c", &b)]).svg().unwrap());
    }

    #[test]
    fn what_cannot_be_drawn_is_named() {
        let nothing = plane(vec![("a", &[])]).svg().unwrap_err().to_string();
        assert!(nothing.contains("no points"), "{nothing}");
        let point = [[1.0, 1.0]];
        assert!(plane(vec![("one", &point)]).svg().is_ok(), "a single point has a place");
        let many = vec![("a", &point[..]); MOST_SETS + 1];
        assert!(plane(many).svg().unwrap_err().to_string().contains("at most"));
    }
}

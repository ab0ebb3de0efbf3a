//! Distributions side by side as violins (paper, Fig. 8: instruction-following difficulty).
//!
//! A violin is a kernel density estimate with a Gaussian kernel and Silverman's rule of thumb for its
//! width (Silverman 1986, eq. 3.31), cut at the least and the largest value; all have one width at their
//! widest place. The box inside runs from the first to the third quartile. A few values have no shape: they
//! are drawn as dots.

use plotters::style::RGBColor;

use super::axis::{self, Scale, apart, diamond};
use super::canvas::{Area, Canvas, Drawn, Letters};
use super::{Figure, FigureError, LINE, Role, lines, notice, page, palette};
use crate::statistics::rank::quantile;

/// Violins.
#[derive(Clone, Debug)]
pub struct Violins {
    /// Part of the file's name.
    pub name: String,
    /// What is shown.
    pub title: String,
    /// Of what the values are; how to read them.
    pub caption: String,
    /// From left to right; at most six.
    pub violins: Vec<Violin>,
}

/// One distribution.
#[derive(Clone, Debug)]
pub struct Violin {
    /// E.g. the data set.
    pub name: String,
    /// Finite ones are drawn.
    pub values: Vec<f64>,
    /// Values that the paper gives, each with what it says there.
    pub paper: Vec<(f64, String)>,
    /// What to do when there are no values.
    pub missing: String,
}

const HEIGHT: f64 = 320.0;
/// Places where a density is taken.
const STEPS: usize = 96;
/// Up to so many values are dots.
const FEW: usize = 25;
/// From one dot to the next that would cover it.
const APART: f64 = 8.0;

impl Violins {
    /// Instruction-following difficulty of data sets, with what the paper's figure 8 says of them. A role
    /// of the paper's that no data set has stays empty.
    #[must_use]
    pub fn difficulty(sets: Vec<(String, Option<Role>, Vec<f64>)>) -> Self {
        let mut violins: Vec<(Option<Role>, Violin)> = Vec::new();
        for (name, role, values) in sets {
            let paper = role.map_or_else(Vec::new, Role::difficulty);
            let missing = "no losses: gra-bench stats SOURCE --ifd MODEL".to_owned();
            violins.push((role, Violin { name, values, paper, missing }));
        }
        let is_known = |role| violins.iter().any(|(known, _)| *known == Some(role));
        let unknown: Vec<Role> = Role::ALL.into_iter().filter(|role| !is_known(*role)).collect();
        violins.extend(unknown.into_iter().map(|role| {
            let missing =
                format!("no data set is named {role}: gra-bench stats {role}=SOURCE --ifd MODEL");
            let (name, paper) = (role.to_string(), role.difficulty());
            (Some(role), Violin { name, values: Vec::new(), paper, missing })
        }));
        // The roles in the paper's order, then the others as they came.
        violins.sort_by_key(|(role, _)| role.map_or(usize::MAX, |role| role as usize));
        violins.truncate(palette::KINDS.len());
        Self {
            name: "figure-8".to_owned(),
            title: "Instruction-following difficulty (the paper's Fig. 8)".to_owned(),
            caption: "The paper's Fig. 8. IFD is the loss of a response after its instruction over its loss without it \
                      (Cherry LLM); above 1 the instruction misleads. The paper names no model, and \
                      gives the seed set's value as 14.58 below GRA's, in points or relative."
                .to_owned(),
            violins: violins.into_iter().map(|(_, violin)| violin).collect(),
        }
    }

    /// Draws them.
    ///
    /// # Errors
    /// When there are none, or more than can be told apart.
    pub fn figure(&self) -> Result<Figure, FigureError> {
        let most = palette::KINDS.len();
        if self.violins.len() > most {
            return Err(FigureError::TooMany { sets: self.violins.len(), most });
        }
        if self.violins.is_empty() {
            return Err(FigureError::Nothing("no data set"));
        }
        let sorted: Vec<Vec<f64>> = self.violins.iter().map(Violin::sorted).collect();
        // A few far values would flatten all others: the axis ends where nearly all have.
        let end = sorted.iter().filter(|values| !values.is_empty());
        let end = end.map(|values| quantile(values, 0.995)).fold(f64::NEG_INFINITY, f64::max);
        let beyond: usize = sorted.iter().flatten().filter(|value| **value > end).count();
        let sizes = self.violins.iter().zip(&sorted);
        let sizes = sizes.map(|(violin, values)| format!("{} {}", violin.name, values.len()));
        let caption = format!(
            "n: {}. {} Box: quartiles; disc: mean; diamond: the paper's value.{}",
            sizes.collect::<Vec<_>>().join(", "),
            self.caption,
            match beyond {
                0 => String::new(),
                1 => format!(" One value above {end:.2} is not drawn, but counts."),
                n => format!(" {n} values above {end:.2} are not drawn, but count."),
            }
        );
        page(&self.name, &self.title, caption, HEIGHT, |canvas, area| {
            self.draw(canvas, area, &sorted, end)
        })
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Area, sorted: &[Vec<f64>], end: f64) -> Drawn {
        let plot = area.without([34.0, 8.0, 0.0, 1.6 * LINE]);
        let paper = self.violins.iter().flat_map(|violin| &violin.paper).map(|(value, _)| *value);
        let ends = sorted.iter().filter_map(|values| values.first().copied());
        let scale = Scale::around(paper.chain(ends).chain([end]), (plot.bottom(), plot.y));
        axis::left(canvas, plot, scale, 6.0)?;
        let width = plot.width / lines(self.violins.len());
        let colors = palette::of_names(self.violins.iter().map(|violin| violin.name.as_str()));
        for (place, (violin, values)) in self.violins.iter().zip(sorted).enumerate() {
            let area = Area { x: plot.x + lines(place) * width, width, ..plot };
            // The violin keeps to the left of its room, what is said about it to the right.
            let half = (area.width * 0.2).min(60.0);
            let x = area.x + 8.0 + half;
            let letters = Letters::CENTER.bold();
            let name = letters.cut(&violin.name, width - 16.0);
            // Under the violin, or as far left as its length allows.
            let left = x.max(area.x + 8.0 + letters.width(&name) / 2.0);
            canvas.text(&name, (left, plot.bottom() + 14.0), letters)?;
            let color = colors[place];
            violin.draw(canvas, area, &Body { values, end, x, half, scale, color })?;
        }
        Ok(())
    }
}

impl Violin {
    fn sorted(&self) -> Vec<f64> {
        let mut values: Vec<f64> = self.values.iter().copied().filter(|v| v.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Area, body: &Body<'_>) -> Drawn {
        let Body { values, x, half, scale, color, .. } = *body;
        // Where each stands, what it says at length and in short, and whether it is ours.
        let mut labels: Vec<(f64, [String; 2], bool)> = Vec::new();
        if values.is_empty() {
            let box_height = 120.0;
            let y = area.y + 0.5 * (area.height - box_height);
            let width = if self.paper.is_empty() { area.width - 16.0 } else { 2.0 * half };
            let room = Area::new((area.x + 8.0, y), (width, box_height));
            notice(canvas, room, &self.missing)?;
        } else {
            if values.len() > FEW {
                body.outline(canvas)?;
            } else {
                body.dots(canvas)?;
            }
            let [low, middle, high] = [0.25, 0.5, 0.75].map(|share| quantile(values, share));
            let (top, bottom) = (scale.at(high), scale.at(low));
            canvas.fill(Area::new((x - 3.5, top), (7.0, bottom - top)), color)?;
            let y = scale.at(middle);
            canvas.path([(x - 7.0, y), (x + 7.0, y)], color, 2.0)?;
            let mean = values.iter().sum::<f64>() / lines(values.len());
            canvas.disc((x, scale.at(mean)), 5.0, palette::INK)?;
            canvas.disc((x, scale.at(mean)), 3.2, palette::PAPER)?;
            labels.push((mean, [format!("mean {mean:.3}"), format!("{mean:.3}")], true));
        }
        for (value, what) in &self.paper {
            diamond(canvas, (x + half + 7.0, scale.at(*value)), 4.5, palette::ACCENT)?;
            labels.push((*value, [format!("{value:.4} {what}"), format!("{value:.4}")], false));
        }
        // From top to bottom, which is from large to small.
        labels.sort_by(|a, b| b.0.total_cmp(&a.0));
        let wanted: Vec<f64> = labels.iter().map(|(value, ..)| scale.at(*value)).collect();
        let left = x + half + 16.0;
        let room = area.right() - left - 2.0;
        for (y, (_, [long, short], ours)) in apart(&wanted, LINE).into_iter().zip(&labels) {
            let letters = Letters::LEFT;
            let letters = if *ours { letters.bold() } else { letters.colored(palette::QUIET) };
            let text = if letters.width(long) <= room { long } else { short };
            canvas.text(&letters.cut(text, room), (left, y), letters)?;
        }
        Ok(())
    }
}

/// What a violin draws of its values.
struct Body<'a> {
    /// Finite, rising.
    values: &'a [f64],
    /// Values beyond it are not drawn.
    end: f64,
    /// The middle.
    x: f64,
    /// Half the width of the widest place.
    half: f64,
    scale: Scale,
    color: RGBColor,
}

impl Body<'_> {
    /// Every value by itself, beside the box; those that would cover another step aside.
    fn dots(&self, canvas: &mut Canvas<'_>) -> Drawn {
        let mut taken: Vec<(f64, f64)> = Vec::new();
        for &value in self.values.iter().filter(|value| **value <= self.end) {
            let y = self.scale.at(value);
            let free = |x: f64| taken.iter().all(|(a, b)| (a - x).hypot(b - y) >= APART);
            let places = (1..).flat_map(|step| [lines(step) * APART, -lines(step) * APART]);
            let inside = places.take_while(|aside| aside.abs() < self.half + APART);
            let mut aside = inside.map(|aside| self.x + 4.0 * aside.signum() + aside);
            let place = (aside.find(|&x| free(x)).unwrap_or(self.x + self.half), y);
            taken.push(place);
            canvas.disc(place, 3.4, palette::pale(self.color, 0.6))?;
        }
        Ok(())
    }

    /// The density as a closed shape around the middle.
    fn outline(&self, canvas: &mut Canvas<'_>) -> Drawn {
        let (values, color) = (self.values, palette::pale(self.color, 0.6));
        let (low, high) = (values[0], values[values.len() - 1].min(self.end).max(values[0]));
        if low >= high {
            let y = self.scale.at(low);
            return canvas.path([(self.x - self.half, y), (self.x + self.half, y)], color, 3.0);
        }
        // Heights are relative to the peak: only shapes are compared, not numbers of samples.
        let width = bandwidth(values);
        let at = |step: usize| low + (high - low) * lines(step) / lines(STEPS - 1);
        let heights: Vec<f64> = (0..STEPS).map(|step| density(values, at(step), width)).collect();
        let peak = heights.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let side = |sign: f64| {
            let heights = &heights;
            move |step: usize| {
                (self.x + sign * self.half * heights[step] / peak, self.scale.at(at(step)))
            }
        };
        let points = (0..STEPS).map(side(-1.0)).chain((0..STEPS).rev().map(side(1.0)));
        canvas.polygon(points, color)
    }
}

/// Silverman's rule of thumb over sorted values: 0.9 min(sd, IQR / 1.34) n^(-1/5).
fn bandwidth(sorted: &[f64]) -> f64 {
    let n = lines(sorted.len());
    let mean = sorted.iter().sum::<f64>() / n;
    let variance =
        sorted.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let middle = (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / 1.34;
    let spread = if middle > 0.0 { variance.sqrt().min(middle) } else { variance.sqrt() };
    (0.9 * spread * n.powf(-0.2)).max(1e-9)
}

/// Up to a factor, which all places of a violin share. Values farther than five widths add nothing.
fn density(sorted: &[f64], at: f64, width: f64) -> f64 {
    let from = sorted.partition_point(|value| *value < at - 5.0 * width);
    let near = sorted[from..].iter().take_while(|value| **value <= at + 5.0 * width);
    near.map(|value| (-0.5 * ((value - at) / width).powi(2)).exp()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violin(name: &str, values: Vec<f64>, paper: &[f64]) -> Violin {
        let paper = paper.iter().map(|value| (*value, "in the paper".to_owned())).collect();
        let missing = "no losses: run gra-bench stats with --ifd MODEL".to_owned();
        Violin { name: name.to_owned(), values, paper, missing }
    }

    fn violins(violins: Vec<Violin>) -> Violins {
        let [name, title, caption] = ["v", "Violins", "IFD."].map(str::to_owned);
        Violins { name, title, caption, violins }
    }

    #[test]
    fn violins_of_any_values_can_be_drawn() {
        let wave = |n: u32| (0..n).map(|i| 0.6 + 0.3 * f64::from(i).sin()).collect::<Vec<f64>>();
        let figure = violins(vec![
            violin("seeds", wave(400), &[0.6124, 0.6617]),
            violin("gra", [vec![f64::NAN, 900.0], wave(1_000)].concat(), &[0.7582]),
            violin("distilled", vec![], &[0.7549]),
            violin("one value", vec![0.5; 7], &[]),
            violin("none", vec![], &[]),
        ]);
        let figure = figure.figure().unwrap();
        assert_eq!(figure.collisions(), [""; 0]);
        let all = format!("{}{}", figure.svg, figure.caption);
        for text in ["gra 1001", "distilled 0", "\n0.500\n", "6 values above 0.90"] {
            assert!(all.contains(text), "{text}: {}", figure.caption);
        }
    }

    #[test]
    fn every_role_has_a_place_in_the_papers_order() {
        let sets = vec![
            ("ablation-gra-seed-42".to_owned(), Some(Role::Gra), vec![0.7, 0.8]),
            ("other".to_owned(), None, vec![0.5, 0.6]),
        ];
        let found = Violins::difficulty(sets);
        let names: Vec<&str> = found.violins.iter().map(|violin| violin.name.as_str()).collect();
        assert_eq!(names, ["vanilla", "ablation-gra-seed-42", "distill-large", "other"]);
        let figure = found.figure().unwrap();
        assert_eq!(figure.collisions(), [""; 0]);
        assert!(figure.svg.contains("0.7549") && figure.svg.contains("0.6617"));
    }

    #[test]
    fn what_cannot_be_drawn_is_named() {
        assert!(violins(vec![]).figure().is_err());
        let many = violins(vec![violin("a", vec![1.0], &[]); 9]);
        assert!(many.figure().unwrap_err().to_string().contains("at most 8"));
    }

    #[test]
    fn silverman_agrees_with_r() {
        // R 4.2's definition of bw.nrd0: 0.9 * min(sd, IQR / 1.34) * n^(-1/5); 1..10 has sd 3.0277 and
        // IQR 4.5.
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        let expected = 0.9 * 3.027_650_354_097_491_7_f64.min(4.5 / 1.34) * 10_f64.powf(-0.2);
        assert!((bandwidth(&values) - expected).abs() < 1e-12);
    }
}

//! Benchmark averages along the rounds, one line per seed set (paper, Fig. 3; values of Table 3).

use gra_paper::benchmarks::{Benchmarks, Trained};
use gra_paper::exact::to_f64;
use gra_paper::{BaseModel, DataSource, ITERATIONS, Reference, SeedDataset};

use super::axis::{self, Scale, apart, ends, estimate, whisker};
use super::canvas::{Area, Canvas, Drawn, Letters};
use super::{Figure, FigureError, LINE, page, palette};
use crate::statistics::inference::Estimate;

/// Lines of averages.
#[derive(Clone, Debug)]
pub struct Rounds {
    /// Who was trained.
    pub model: String,
    /// One per seed set; at most six.
    pub series: Vec<Series>,
}

/// One line.
#[derive(Clone, Debug)]
pub struct Series {
    /// E.g. the seed set.
    pub name: String,
    /// Thousands of samples, and the average that the paper printed, in per cent; rising samples.
    pub paper: Vec<(f64, f64)>,
    /// Thousands of samples, and what was measured here.
    pub ours: Vec<(f64, Estimate)>,
}

const HEIGHT: f64 = 300.0;
/// Right of the lines: their names.
const NAMES: f64 = 120.0;

impl Rounds {
    /// The paper's, one line per seed set, with what was measured here.
    #[must_use]
    pub fn of(reference: &Reference, base: BaseModel, measured: &Benchmarks) -> Self {
        let series = |seed: SeedDataset| {
            let rows = ITERATIONS.into_iter().filter_map(|round| {
                let row = reference.iteration(base, seed, round)?;
                Some((round, to_f64(row.thousands.into()), row.scores.average))
            });
            // Ours stand where the paper's rounds do, by their thousands of samples.
            let ours = rows.clone().filter_map(|(round, thousands, _)| {
                let (source, round) = (DataSource::Gra, Some(round));
                let score = measured.of(Trained { base, seed, source, round })?.average()?;
                Some((thousands, estimate(&score)))
            });
            Series {
                name: seed.title().to_owned(),
                paper: rows.clone().map(|(_, at, printed)| (at, to_f64(printed))).collect(),
                ours: ours.collect(),
            }
        };
        let series = SeedDataset::ALL.into_iter().map(series).collect();
        Self { model: base.title().to_owned(), series }
    }

    /// Draws them: lines are the paper's, rings with whiskers are ours.
    ///
    /// # Errors
    /// When there is no point, or more lines than colours.
    pub fn figure(&self) -> Result<Figure, FigureError> {
        let most = palette::KINDS.len();
        if self.series.len() > most {
            return Err(FigureError::TooMany { sets: self.series.len(), most });
        }
        if self.series.iter().all(|line| line.paper.is_empty() && line.ours.is_empty()) {
            return Err(FigureError::Nothing("no round has a score"));
        }
        let ours: usize = self.series.iter().map(|line| line.ours.len()).sum();
        let caption = format!(
            "The paper's Fig. 3: mean of ten benchmarks in per cent, {}, trained on the data of the rounds so far. Lines: as \
             printed in the paper's Table 3 (neither n nor intervals); the axis does not start at 0. {}",
            self.model,
            match ours {
                0 => format!(
                    "No {} was trained on these and scored on all ten benchmarks here yet.",
                    self.model
                ),
                n => format!("Rings: measured here, with 95% intervals, {n} points."),
            }
        );
        let title = "Average score along the rounds (the paper's Fig. 3)";
        page("figure-3", title, caption, HEIGHT, |canvas, area| self.draw(canvas, area))
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Area) -> Drawn {
        let plot = area.without([28.0, 8.0, NAMES, 2.2 * LINE]);
        let paper = || self.series.iter().flat_map(|line| line.paper.iter().copied());
        let ours = || self.series.iter().flat_map(|line| &line.ours);
        let heights = paper().map(|(_, y)| y).chain(ours().flat_map(|(_, ours)| ends(ours)));
        let y = Scale::around(heights, (plot.bottom(), plot.y));
        let samples = paper().map(|(x, _)| x).chain(ours().map(|(x, _)| *x));
        let (low, high) =
            samples.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(x), b.max(x)));
        let inner = plot.without([16.0, 0.0, 10.0, 0.0]);
        let x = Scale::new((low, high), (inner.x, inner.right()));
        axis::left(canvas, plot, y, 6.0)?;
        for tick in x.ticks(5.0) {
            let letters = Letters::CENTER.colored(palette::QUIET);
            let at = (x.at(tick.value), plot.bottom() + 11.0);
            canvas.text(&format!("{}K", tick.text), at, letters)?;
        }
        let name = Letters::CENTER;
        let below = (plot.middle().0, plot.bottom() + 28.0);
        canvas.text("samples after each round", below, name)?;
        let mut last_points = Vec::new();
        for (line, color) in self.series.iter().zip(palette::KINDS) {
            // What is no number has no place.
            let numbers = || line.paper.iter().filter(|(_, value)| value.is_finite());
            let places = numbers().map(|&(at, value)| (x.at(at), y.at(value)));
            canvas.path(places.clone(), color, 2.0)?;
            for place in places.clone() {
                canvas.disc(place, 3.2, color)?;
            }
            for (at, ours) in &line.ours {
                whisker(canvas, y, x.at(*at), ours, color)?;
            }
            let last = numbers().next_back().map(|&(_, value)| value);
            // A line's name stands at its end, the paper's where it has one.
            let last = last.or(line.ours.last().and_then(|(_, ours)| ours.value));
            let last = last.filter(|value| value.is_finite());
            last_points.extend(last.map(|value| (y.at(value), value, &line.name, color)));
        }
        // Names are set from top to bottom and pushed apart where lines end close together.
        last_points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let wanted: Vec<f64> = last_points.iter().map(|point| point.0).collect();
        for (place, (_, value, name, color)) in apart(&wanted, LINE).into_iter().zip(last_points) {
            let letters = Letters::LEFT.bold().colored(color);
            let text = letters.cut(&format!("{name} {value:.1}"), NAMES - 8.0);
            canvas.text(&text, (plot.right() + 6.0, place), letters)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_lines_are_those_of_table_3() {
        let reference = Reference::embedded().unwrap();
        let rounds = Rounds::of(&reference, BaseModel::Qwen, &Benchmarks::default());
        assert_eq!(
            rounds.series.iter().map(|line| line.paper.len()).collect::<Vec<_>>(),
            [5, 5, 5]
        );
        assert_eq!(rounds.series[1].paper[4], (50.0, 62.17));
        assert_eq!(rounds.figure().unwrap().collisions(), [""; 0]);
    }

    #[test]
    fn lines_have_their_names_at_their_ends() {
        let line = |name: &str, last: f64| Series {
            name: name.to_owned(),
            paper: vec![(10.0, 52.23), (20.0, 55.72), (30.0, 60.36), (50.0, last)],
            ours: vec![(10.0, Estimate { n: 1, value: Some(50.0), interval: None })],
        };
        let series = vec![line("Alpaca", 59.79), line("WizardLM", 59.8), line("Condor", 59.81)];
        let figure = Rounds { model: "Qwen2.5-7B".to_owned(), series }.figure().unwrap();
        assert_eq!(figure.collisions(), [""; 0]);
        assert!(figure.svg.contains("50K") && figure.svg.contains("3 points"), "{}", figure.svg);
        let nothing = Rounds { model: String::new(), series: vec![] };
        assert!(nothing.figure().is_err());
    }
}

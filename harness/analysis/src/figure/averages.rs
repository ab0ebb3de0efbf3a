//! Benchmark averages by seed set and source of the training data (paper, Fig. 1; values of Table 1).

use gra_paper::benchmarks::Benchmarks;
use gra_paper::exact::to_f64;
use gra_paper::{BaseModel, DataSource, Reference, SeedDataset};
use plotters::style::RGBColor;
use plotters::style::text_anchor::HPos;

use super::axis::{self, Scale};
use super::canvas::{Area, Canvas, Drawn, Letters};
use super::marks::{estimate, whisker};
use super::page::{LINE, TEXT, Words, lines, notice, page};
use super::{Figure, FigureError, palette};
use crate::statistics::inference::Estimate;

/// Averages side by side.
#[derive(Clone, Debug)]
pub struct Averages {
    /// Who was trained.
    pub model: String,
    /// E.g. one per seed set.
    pub groups: Vec<BarGroup>,
}

/// What stands together.
#[derive(Clone, Debug)]
pub struct BarGroup {
    /// E.g. the seed set.
    pub name: String,
    /// In the order of the sources, the same in every group.
    pub bars: Vec<Bar>,
}

/// One source of data.
#[derive(Clone, Debug)]
pub struct Bar {
    /// A word that stands below the bar.
    pub source: String,
    /// What the paper printed, in per cent.
    pub paper: Option<f64>,
    /// What was measured here, in per cent.
    pub ours: Option<Estimate>,
}

const HEIGHT: f64 = 280.0;

impl Averages {
    /// The paper's, by seed set and over the three, with what was measured here.
    #[must_use]
    pub fn of(reference: &Reference, base: BaseModel, measured: &Benchmarks) -> Self {
        let bars = |seeds: &[SeedDataset]| {
            DataSource::MAIN
                .into_iter()
                .map(|source| {
                    let printed =
                        |seed: &SeedDataset| Some(reference.main(base, *seed, source)?.average);
                    let ours = |seed: &SeedDataset| {
                        let trained = measured.chosen(base, *seed, source)?;
                        Some(estimate(&measured.average(trained)?))
                    };
                    // Sums of printed hundredths over whole numbers of seed sets.
                    let paper: Option<Vec<f64>> =
                        seeds.iter().map(|seed| Some(to_f64(printed(seed)?))).collect();
                    Bar {
                        source: short(source).to_owned(),
                        paper: paper.map(|values| values.iter().sum::<f64>() / lines(seeds.len())),
                        // Means over seed sets of ours have no interval of their own: none is shown.
                        ours: seeds.first().filter(|_| seeds.len() == 1).and_then(ours),
                    }
                })
                .collect()
        };
        let group = |name: &str, seeds: &[SeedDataset]| BarGroup {
            name: name.to_owned(),
            bars: bars(seeds),
        };
        let sets = SeedDataset::ALL.iter().map(|seed| group(seed.title(), &[*seed]));
        let groups = sets.chain([group("mean of the three", &SeedDataset::ALL)]).collect();
        Self { model: base.title().to_owned(), groups }
    }

    /// Draws them: bars are the paper's, rings with whiskers are ours.
    ///
    /// # Errors
    /// When there is no bar.
    pub fn figure(&self) -> Result<Figure, FigureError> {
        if self.groups.iter().all(|group| group.bars.is_empty()) {
            return Err(FigureError::Nothing { what: "no source of data" });
        }
        let ours = self.bars().filter(|bar| bar.ours.is_some()).count();
        let caption = format!(
            "The paper's Fig. 1: mean of ten benchmarks in per cent, {}. Bars: as printed in its Table 1, \
             which gives neither n nor intervals; some of its averages are not those of its columns \
             (gra-bench tables). {}",
            self.model,
            match ours {
                0 => "Nothing was trained here yet: benchmark scores of your own go into \
                      benchmarks.csv in the results folder."
                    .to_owned(),
                n => format!(
                    "Rings: measured here, with 95% intervals, {n} of {}.",
                    self.bars().count()
                ),
            }
        );
        let title = "Average score by source of the training data (the paper's Fig. 1)".to_owned();
        let words = Words { name: "figure-1".to_owned(), title, caption };
        page(words, HEIGHT, |canvas, area| self.draw(canvas, area))
    }

    fn bars(&self) -> impl Iterator<Item = &Bar> {
        self.groups.iter().flat_map(|group| &group.bars)
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Area) -> Drawn {
        let plot = area.without([28.0, 14.0, 0.0, 2.5 * LINE]);
        // Bars start at 0, or their lengths would not compare.
        let highest = self.bars().flat_map(|bar| {
            let ours = bar.ours.and_then(|ours| ours.interval.map(|i| i.high).or(ours.value));
            bar.paper.into_iter().chain(ours)
        });
        let scale = Scale::around(highest.chain([0.0]), (plot.bottom(), plot.y));
        axis::left(canvas, plot, scale, 7.0)?;
        let width = plot.width / lines(self.groups.len());
        for (place, group) in self.groups.iter().enumerate() {
            let x = plot.x + lines(place) * width;
            let room = Area { x, width, ..plot }.without([8.0, 0.0, 8.0, 0.0]);
            let bold = Letters::new(TEXT, HPos::Center).bold();
            let at = (room.middle().0, plot.bottom() + 2.0 * LINE);
            canvas.text(&bold.cut(&group.name, room.width), at, bold)?;
            if group.bars.is_empty() {
                notice(canvas, room, "no data")?;
            }
            let slot = room.width / lines(group.bars.len().max(1));
            let names: Vec<&str> = group.bars.iter().map(|bar| bar.source.as_str()).collect();
            let colors = palette::of_names(&names);
            for ((source, bar), color) in group.bars.iter().enumerate().zip(colors) {
                let x = room.x + lines(source) * slot;
                bar.draw(canvas, scale, Area { x, width: slot, ..plot }, color)?;
            }
        }
        Ok(())
    }
}

impl Bar {
    fn draw(&self, canvas: &mut Canvas<'_>, scale: Scale, slot: Area, color: RGBColor) -> Drawn {
        let (x, _) = slot.middle();
        let letters = Letters::new(TEXT, HPos::Center);
        let name = letters.fitting(&self.source, slot.width - 2.0);
        canvas.text(&name.cut(&self.source, slot.width - 1.0), (x, slot.bottom() + 12.0), name)?;
        let half = (slot.width / 2.0 - 2.0).min(18.0);
        let mut top = slot.bottom();
        // What is no number has no place.
        let paper = self.paper.filter(|value| value.is_finite());
        let ours = self.ours.filter(|ours| ours.value.is_some_and(f64::is_finite));
        if let Some(paper) = paper {
            top = scale.at(paper);
            let corner = (x - half, top);
            let area = Area::new(corner, (2.0 * half, slot.bottom() - top));
            canvas.fill(area, palette::pale(color, 0.25))?;
        }
        if let Some(ours) = ours {
            top = top.min(whisker(canvas, scale, x, &ours, color)?);
            // Inside the paper's bar, below the whisker; without a bar the value stands on top. A bar that is lower than
            // two lines has no room for it.
            let has_room = paper.is_some() && slot.bottom() - top > 2.0 * LINE;
            if let Some(value) = ours.value.filter(|_| has_room) {
                let low = ours.interval.map_or(value, |interval| interval.low);
                let letters = letters_for(slot);
                let y = (scale.at(low) + 12.0).min(slot.bottom() - 8.0).max(top + 12.0);
                canvas.text(&format!("{value:.2}"), (x, y), letters.bold())?;
            }
        }
        let shown = paper.or(ours.and_then(|ours| ours.value));
        let text = shown.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
        canvas.text(&text, (x, top - 8.0), letters_for(slot))
    }
}

/// Of values over a bar of this width.
fn letters_for(slot: Area) -> Letters {
    Letters::new(TEXT, HPos::Center).fitting("00.00", slot.width - 4.0)
}

/// A word for a source.
const fn short(source: DataSource) -> &'static str {
    match source {
        DataSource::Vanilla => "seed",
        DataSource::Distill32b => "32B",
        DataSource::Distill72b => "72B",
        DataSource::Gra => "GRA",
        other => other.title(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::inference::Interval;

    #[test]
    fn the_papers_averages_are_those_of_table_1() {
        let reference = Reference::embedded().unwrap();
        let averages = Averages::of(&reference, BaseModel::Qwen, &Benchmarks::default());
        let figure = averages.figure().unwrap();
        assert_eq!(figure.collisions(), [""; 0]);
        // Table 1's Qwen block, and the means that follow from it.
        for value in ["49.32", "62.17", "54.93", "51.21", "48.55", "61.22", "54.21", "52.39"] {
            assert!(figure.svg.contains(value), "{value}");
        }
        assert!(figure.caption.contains("benchmarks.csv"));
    }

    #[test]
    fn bars_have_names_and_values_that_do_not_meet() {
        let interval = Some(Interval { low: 50.0, high: 58.0 });
        let ours = Some(Estimate { n: 3, value: Some(54.0), interval });
        let bar = |source: &str, paper, ours| Bar { source: source.to_owned(), paper, ours };
        let bars = vec![
            bar("seed", Some(49.32), None),
            bar("GRA", Some(60.36), ours),
            bar("32B", None, ours),
            bar("72B", None, None),
        ];
        let group = |name: &str| BarGroup { name: name.to_owned(), bars: bars.clone() };
        let groups = ["Alpaca", "WizardLM", "Condor", "mean"].map(group).to_vec();
        let figure = Averages { model: "Qwen2.5-7B".to_owned(), groups }.figure().unwrap();
        assert_eq!(figure.collisions(), [""; 0]);
        for text in ["60.36", "54.00", "Condor"] {
            assert!(figure.svg.contains(text), "{text}");
        }
        assert!(figure.caption.contains("8 of 16"), "{}", figure.caption);
        assert!(Averages { model: String::new(), groups: vec![] }.figure().is_err());
    }
}

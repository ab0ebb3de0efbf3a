//! Benchmark averages by seed set and source of the training data (paper, Fig. 1; values of Table 1), and of an
//! ablation's variants (Fig. 4).

use gra_paper::benchmarks::difference::{self, ScoreSum};
use gra_paper::benchmarks::{Benchmarks, ModelScores};
use gra_paper::exact::to_f64;
use gra_paper::reference::FigureNumber;
use gra_paper::{BaseModel, DataSource, Reference, SeedDataset};
use plotters::style::RGBColor;

use super::axis::{self, Scale, estimate, whisker};
use super::canvas::{Area, Canvas, Drawn, Letters};
use super::{Figure, FigureError, LINE, lines, notice, page, palette};
use crate::statistics::inference::{Estimate, Interval};

/// Averages side by side.
#[derive(Clone, Debug)]
pub struct Averages {
    /// Which of the paper's figures it is.
    pub figure: AveragesFigure,
    /// Who was trained.
    pub model: String,
    /// E.g. one per seed set.
    pub groups: Vec<BarGroup>,
}

/// One of the paper's figures of benchmark averages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AveragesFigure {
    /// Fig. 1: sources of data.
    Sources,
    /// Fig. 4: GRA and its ablations.
    Variants,
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
    /// That less what was measured of GRA, with its interval.
    pub less_gra: Option<ScoreSum>,
}

const HEIGHT: f64 = 280.0;

impl Averages {
    /// The paper's, by seed set and over the three, with what was measured here.
    #[must_use]
    pub fn of(reference: &Reference, base: BaseModel, measured: &Benchmarks) -> Self {
        let ours = OursOfBase { base, measured };
        let group = |name: &str, seeds: &[SeedDataset]| {
            let bar = |source: DataSource| {
                let printed =
                    |seed: &SeedDataset| Some(to_f64(reference.main(base, *seed, source)?.average));
                // Sums of printed hundredths over whole numbers of seed sets.
                let sum: Option<f64> = seeds.iter().map(printed).sum();
                let paper = sum.map(|sum| sum / lines(seeds.len()));
                // Means over seed sets of ours have no interval of their own: none is shown.
                match seeds {
                    [seed] => ours.bar(*seed, source, paper),
                    _ => Bar { paper, ..Bar::of(source) },
                }
            };
            BarGroup { name: name.to_owned(), bars: DataSource::MAIN.map(bar).to_vec() }
        };
        let sets = SeedDataset::ALL.iter().map(|seed| group(seed.title(), &[*seed]));
        let groups = sets.chain([group("mean of the three", &SeedDataset::ALL)]).collect();
        Self { figure: AveragesFigure::Sources, model: base.title().to_owned(), groups }
    }

    /// GRA and the ablations of Fig. 4 on the seed set that the paper shows, Alpaca, with what was measured here. The
    /// paper gives two of its values.
    #[must_use]
    pub fn of_variants(reference: &Reference, base: BaseModel, measured: &Benchmarks) -> Self {
        let ours = OursOfBase { base, measured };
        let printed = |series: &str| {
            let known = reference.figures.iter();
            let is_it = |known: &&FigureNumber| {
                (known.figure, known.x.as_str(), known.series.as_str()) == (4, "score", series)
            };
            // The values are those of one base model, which its Table 1 tells.
            let value = known.clone().find(is_it).map(|known| to_f64(known.value));
            value.filter(|_| base == BaseModel::Llama)
        };
        let sources = [
            (DataSource::Gra, "gra"),
            (DataSource::MajorityVote, "no-adjudicator"),
            (DataSource::SingleReviewer, "single-reviewer"),
            (DataSource::NoReviewer, "no-reviewer"),
        ];
        let bars =
            sources.map(|(source, series)| ours.bar(SeedDataset::Alpaca, source, printed(series)));
        let group = BarGroup { name: SeedDataset::Alpaca.title().to_owned(), bars: bars.to_vec() };
        let model = base.title().to_owned();
        Self { figure: AveragesFigure::Variants, model, groups: vec![group] }
    }

    /// Draws them: bars are the paper's, rings with whiskers are ours.
    ///
    /// # Errors
    /// When there is no bar.
    pub fn figure(&self) -> Result<Figure, FigureError> {
        if self.groups.iter().all(|group| group.bars.is_empty()) {
            return Err(FigureError::Nothing("no source of data"));
        }
        let ours = match self.bars().filter(|bar| bar.ours.is_some()).count() {
            0 => format!(
                "No {} was trained on these and scored on all ten benchmarks here yet: `gra-bench train` and `gra-bench \
                 eval` do it, and Table 1 has other models.",
                self.model
            ),
            n => format!(
                "Rings: measured here, with 95% intervals, {n} of {}.{}",
                self.bars().count(),
                self.differences()
            ),
        };
        let model = &self.model;
        let (name, title, caption) = match self.figure {
            AveragesFigure::Sources => (
                "figure-1",
                "Average score by source of the training data (the paper's Fig. 1)",
                format!(
                    "The paper's Fig. 1: mean of ten benchmarks in per cent, {model}. Bars: as printed in its Table 1, \
                     which gives neither n nor intervals; some of its averages are not those of its columns \
                     (gra-bench tables). {ours}"
                ),
            ),
            AveragesFigure::Variants => (
                "figure-4-scores",
                "Average score of GRA and its ablations (the paper's Fig. 4)",
                format!(
                    "The paper's Fig. 4: mean of ten benchmarks in per cent, {model}. {} {ours}",
                    if self.bars().any(|bar| bar.paper.is_some()) {
                        "Bars: GRA as printed in Table 1, without an adjudicator 0.73 less, as section 4.3 says; its other \
                         two values are not printed."
                    } else {
                        "The paper prints no value of this base model."
                    }
                ),
            ),
        };
        page(name, title, caption, HEIGHT, |canvas, area| self.draw(canvas, area))
    }

    /// What was measured less GRA, in words: item by item, where that is known.
    fn differences(&self) -> String {
        let said = |group: &BarGroup, bar: &Bar| {
            let ScoreSum { value, interval, .. } = bar.less_gra?;
            let (source, group, Interval { low, high }) = (&bar.source, &group.name, interval?);
            Some(format!("{source} ({group}) {value:+.2} [{low:+.2}, {high:+.2}]"))
        };
        let of_group = |group: &BarGroup| -> Vec<String> {
            group.bars.iter().filter_map(|bar| said(group, bar)).collect()
        };
        let words: Vec<String> = self.groups.iter().flat_map(of_group).collect();
        if words.is_empty() { String::new() } else { format!(" Less GRA: {}.", words.join("; ")) }
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
            let bold = Letters::CENTER.bold();
            let at = (room.middle().0, plot.bottom() + 2.0 * LINE);
            canvas.text(&bold.cut(&group.name, room.width), at, bold)?;
            if group.bars.is_empty() {
                notice(canvas, room, "no data")?;
            }
            let slot = room.width / lines(group.bars.len().max(1));
            let colors = palette::of_names(group.bars.iter().map(|bar| bar.source.as_str()));
            for ((source, bar), color) in group.bars.iter().enumerate().zip(colors) {
                let x = room.x + lines(source) * slot;
                bar.draw(canvas, scale, Area { x, width: slot, ..plot }, color)?;
            }
        }
        Ok(())
    }
}

/// What was measured of one base model.
#[derive(Clone, Copy)]
struct OursOfBase<'a> {
    base: BaseModel,
    measured: &'a Benchmarks,
}

impl OursOfBase<'_> {
    fn bar(self, seed: SeedDataset, source: DataSource, paper: Option<f64>) -> Bar {
        let scores = |source| self.measured.of(self.measured.chosen(self.base, seed, source)?);
        let average = scores(source).and_then(ModelScores::average);
        let gra = scores(DataSource::Gra).filter(|_| source != DataSource::Gra);
        let less_gra =
            scores(source).zip(gra).and_then(|(of, gra)| difference::of_averages(of, gra));
        Bar { paper, ours: average.map(|score| estimate(&score)), less_gra, ..Bar::of(source) }
    }
}

impl Bar {
    /// A bar of a source of which no number is known.
    fn of(source: DataSource) -> Self {
        Self { source: short(source).to_owned(), paper: None, ours: None, less_gra: None }
    }

    fn draw(&self, canvas: &mut Canvas<'_>, scale: Scale, slot: Area, color: RGBColor) -> Drawn {
        let (x, _) = slot.middle();
        let letters = Letters::CENTER;
        // A name of its own size where it fits, else smaller, and cut where it would be too small to read.
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
    Letters::CENTER.fitting("00.00", slot.width - 4.0)
}

/// A word for a source.
const fn short(source: DataSource) -> &'static str {
    match source {
        DataSource::Vanilla => "seed",
        DataSource::Distill32b => "32B",
        DataSource::Distill72b => "72B",
        DataSource::Gra => "GRA",
        DataSource::SingleReviewer => "one reviewer",
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
        assert!(
            figure.caption.contains("No Qwen2.5-7B was trained on these"),
            "{}",
            figure.caption
        );
    }

    #[test]
    fn ablations_are_what_figure_4_shows() {
        let reference = Reference::embedded().unwrap();
        let header =
            "base_model,seed_dataset,data_source,iteration,benchmark,score,n,training_seed\n";
        let lines = [("gra", "3", 52), ("no-reviewer", "", 47)].map(|(source, round, score)| {
            let line = |benchmark| {
                format!("llama-3.1-8b,alpaca,{source},{round},{benchmark},{score},100,0\n")
            };
            gra_paper::Benchmark::ALL.map(line).concat()
        });
        let measured = Benchmarks::read(format!("{header}{}", lines.concat()).as_bytes()).unwrap();
        let averages = Averages::of_variants(&reference, BaseModel::Llama, &measured);
        let figure = averages.figure().unwrap();
        assert_eq!(figure.collisions(), [""; 0]);
        for value in ["52.13", "51.40", "47.00"] {
            assert!(figure.svg.contains(value), "{value}");
        }
        // 1.96 times the root of 10 (0.52 x 0.48 + 0.47 x 0.53) / 100 x 1e4 / 100.
        let less = "no reviewer (Alpaca) -5.00 [-9.38, -0.62]";
        assert!(figure.caption.contains(less), "{}", figure.caption);
    }

    #[test]
    fn bars_have_names_and_values_that_do_not_meet() {
        let interval = Some(Interval { low: 50.0, high: 58.0 });
        let ours = Some(Estimate { n: 3, value: Some(54.0), interval });
        let bar = |source: &str, paper, ours| Bar {
            source: source.to_owned(),
            paper,
            ours,
            less_gra: None,
        };
        let bars = vec![
            bar("seed", Some(49.32), None),
            bar("GRA", Some(60.36), ours),
            bar("32B", None, ours),
            bar("72B", None, None),
        ];
        let group = |name: &str| BarGroup { name: name.to_owned(), bars: bars.clone() };
        let groups = ["Alpaca", "WizardLM", "Condor", "mean"].map(group).to_vec();
        let model = "Qwen2.5-7B".to_owned();
        let averages = Averages { figure: AveragesFigure::Sources, model, groups };
        let figure = averages.figure().unwrap();
        assert_eq!(figure.collisions(), [""; 0]);
        for text in ["60.36", "54.00", "Condor"] {
            assert!(figure.svg.contains(text), "{text}");
        }
        assert!(figure.caption.contains("8 of 16"), "{}", figure.caption);
        let (figure, model) = (AveragesFigure::Variants, String::new());
        assert!(Averages { figure, model, groups: vec![] }.figure().is_err());
    }
}

//! How often intervals hold what they estimate, and tests reject what is true, on simulated data sets whose truth is
//! known: the table of decision 21.
//!
//! `cargo run --release -p gra-analysis --example level_and_coverage [SETS]`, 2,000 sets a cell by default.
//!
//! Candidates are shown two to four of 56 seed items. Their values have a part that comes from these (none of the
//! variance, or 0.3 of it) and one of their own, and one of four shapes: normal, skewed (lognormal), bounded (piled up
//! at one end) and binary (0.3 are 1). Both sides of a difference have one distribution, so the true difference is 0
//! and every rejection is an error. A cell shows the larger of the errors with and without a part of the seed items.

#![expect(clippy::cast_precision_loss, reason = "counts of thousands")]

use gra_analysis::statistics::dependence::Dependence;
use gra_analysis::statistics::inference::{Inference, Side};
use gra_synth::stream::Stream;
use rayon::prelude::*;

const SEED_ITEMS: usize = 56;

#[derive(Clone, Copy)]
enum Shape {
    Normal,
    Skewed,
    Bounded,
    Binary,
}

const SHAPES: [Shape; 4] = [Shape::Normal, Shape::Skewed, Shape::Bounded, Shape::Binary];

/// Rows that were drawn: items and values.
#[derive(Default)]
struct Drawn {
    items: Vec<Vec<usize>>,
    values: Vec<Option<f64>>,
}

/// One simulated trial.
struct Simulation {
    draw: Stream,
    shape: Shape,
    /// Share of the variance that comes from what a candidate was shown.
    shared: f64,
    effects: Vec<f64>,
}

impl Simulation {
    fn new(design: &str, shape: Shape, shared: f64, set: usize) -> Self {
        let name = ["level", design, &format!("{shared}"), &set.to_string()];
        let mut draw = Stream::named(42, &name);
        let effects = (0..SEED_ITEMS).map(|_| normal(&mut draw)).collect();
        Self { draw, shape, shared, effects }
    }

    /// A value of standard normal size for a candidate that was shown these items.
    fn latent(&mut self, shown: &[usize], pool: &[f64]) -> f64 {
        let sum: f64 = shown.iter().map(|item| pool[*item]).sum();
        let own = normal(&mut self.draw);
        self.shared.sqrt() * sum / (shown.len() as f64).sqrt() + (1.0 - self.shared).sqrt() * own
    }

    fn value(&self, latent: f64) -> f64 {
        let below = 0.5 * (1.0 + erf(latent / std::f64::consts::SQRT_2));
        match self.shape {
            Shape::Normal => latent,
            Shape::Skewed => latent.exp(),
            Shape::Bounded => below.powi(3),
            Shape::Binary => f64::from(u8::from(below > 0.7)),
        }
    }

    fn examples(&mut self, pool: usize) -> Vec<usize> {
        let count = 2 + self.draw.below(3);
        self.draw.choose(pool, count)
    }

    fn candidates(&mut self, n: usize) -> Drawn {
        let mut drawn = Drawn::default();
        for _ in 0..n {
            let shown = self.examples(SEED_ITEMS);
            drawn.push(self, shown);
        }
        drawn
    }

    /// Two sides of candidates that draw from one seed set.
    fn sides(&mut self, first: usize, other: usize) -> Option<Inference> {
        let (first, other) = (self.candidates(first), self.candidates(other));
        difference(&first, other)
    }

    /// One candidate in two variants: each answers anew what it was shown.
    fn paired(&mut self, n: usize) -> Option<Inference> {
        let mut drawn = self.candidates(n);
        let other = drawn.items.clone().into_iter().map(|shown| self.answer(&shown));
        let other: Vec<f64> = other.collect();
        for (value, other) in drawn.values.iter_mut().zip(other) {
            *value = value.map(|value| other - value);
        }
        Inference::of_mean(&drawn.values, &Dependence::by_items(&drawn.items))
    }

    fn answer(&mut self, shown: &[usize]) -> f64 {
        let effects = std::mem::take(&mut self.effects);
        let latent = self.latent(shown, &effects);
        self.effects = effects;
        self.value(latent)
    }

    /// Round 1 against all rounds, which hold it.
    fn nested(&mut self) -> Option<Inference> {
        let mut all = self.candidates(200);
        for (row, items) in all.items.iter_mut().enumerate() {
            items.push(SEED_ITEMS + row);
        }
        let first = Drawn { items: all.items[..40].to_vec(), values: all.values[..40].to_vec() };
        difference(&first, all)
    }

    /// One sample of each seed item against five.
    fn one_to_five(&mut self) -> Option<Inference> {
        // What comes from the item is the rule here.
        self.shared = self.shared.max(0.3);
        let mut of_each = |n: usize| {
            let mut drawn = Drawn::default();
            for row in 0..n * SEED_ITEMS {
                drawn.push(self, vec![row % SEED_ITEMS]);
            }
            drawn
        };
        let (one, five) = (of_each(1), of_each(5));
        difference(&one, five)
    }

    /// Items that passed, answered anew without any effect, item by item: reviewers choose by what the item is worth.
    fn refined(&mut self) -> Option<Inference> {
        let mut drawn = Drawn::default();
        for item in 0..200 {
            let worth = normal(&mut self.draw);
            let [original, refined] = [(); 2].map(|()| {
                let latent = 0.5_f64.sqrt() * (worth + normal(&mut self.draw));
                self.value(latent)
            });
            if worth + normal(&mut self.draw) > 1.0 {
                drawn.items.push(vec![item]);
                drawn.values.push(Some(refined - original));
            }
        }
        Inference::of_mean(&drawn.values, &Dependence::by_items(&drawn.items))
    }

    /// Two trials of five rounds; from round 2 on candidates are shown what their own trial has made.
    fn rounds(&mut self) -> Option<Inference> {
        let [first, other] = [1, 2].map(|trial| {
            let mut drawn = Drawn::default();
            let mut pool: Vec<f64> = self.effects.clone();
            let mut names: Vec<usize> = (0..SEED_ITEMS).collect();
            for round in 0..5 {
                for number in 0..40 {
                    // A round draws from what was there before it.
                    let shown = self.examples(SEED_ITEMS + 40 * round);
                    let before = pool[..SEED_ITEMS + 40 * round].to_vec();
                    let latent = self.latent(&shown, &before);
                    let own = 1000 * trial + 40 * round + number;
                    let items = shown.iter().map(|place| names[*place]).chain([own]);
                    drawn.items.push(items.collect());
                    drawn.values.push(Some(self.value(latent)));
                    pool.push(latent);
                    names.push(own);
                }
            }
            drawn
        });
        difference(&first, other)
    }
}

impl Drawn {
    fn push(&mut self, simulation: &mut Simulation, shown: Vec<usize>) {
        self.values.push(Some(simulation.answer(&shown)));
        self.items.push(shown);
    }
}

fn difference(first: &Drawn, other: Drawn) -> Option<Inference> {
    let items = first.items.iter().cloned().chain(other.items);
    let sides =
        [Side { values: &first.values, weight: -1.0 }, Side { values: &other.values, weight: 1.0 }];
    Inference::of_sides(&sides, &Dependence::by_items(items))
}

/// Two draws of a uniform number give one of a normal one (Box and Muller 1958).
fn normal(draw: &mut Stream) -> f64 {
    let mut uniform = || (draw.below(1 << 30) as f64 + 0.5) / f64::from(1 << 30);
    let (length, turn) = (uniform(), uniform());
    (-2.0 * length.ln()).sqrt() * (std::f64::consts::TAU * turn).cos()
}

/// The error function, to 1.5e-7 (Abramowitz and Stegun 1964, 7.1.26).
fn erf(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let series = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let sum = series.iter().fold(0.0, |sum, factor| (sum + factor) * t);
    x.signum() * (1.0 - sum * (-x * x).exp())
}

type Design = (&'static str, fn(&mut Simulation) -> Option<Inference>);

/// Differences; a mean's error is that of its interval.
const DESIGNS: [Design; 10] = [
    ("48 against 6", |s| s.sides(48, 6)),
    ("48 against 12", |s| s.sides(48, 12)),
    ("48 against 48", |s| s.sides(48, 48)),
    ("200 against 200", |s| s.sides(200, 200)),
    ("200 candidates, paired", |s| s.paired(200)),
    ("2,000 against 200", |s| s.sides(2000, 200)),
    ("round 1 against rounds 1-5", Simulation::nested),
    ("1 against 5 of each item", Simulation::one_to_five),
    ("refined against original, no effect", Simulation::refined),
    ("two trials of 5 rounds", Simulation::rounds),
];

#[expect(clippy::print_stdout, reason = "the table")]
fn main() {
    let sets = std::env::args().nth(1).and_then(|sets| sets.parse().ok()).unwrap_or(2000);
    println!("| rejected at 5%, of {sets} sets | normal | skewed | bounded | binary |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    for (name, simulate) in DESIGNS {
        let cells = SHAPES.map(|shape| {
            let errors = [0.0, 0.3].map(|shared| {
                let ps = (0..sets).into_par_iter().filter_map(|set| {
                    simulate(&mut Simulation::new(name, shape, shared, set))?.p()
                });
                let ps: Vec<f64> = ps.collect();
                let rejected = ps.iter().filter(|p| **p <= 0.05).count();
                (!ps.is_empty()).then(|| 100.0 * rejected as f64 / ps.len() as f64)
            });
            match errors {
                [Some(without), Some(with)] => {
                    format!("{:.1} to {:.1}", without.min(with), without.max(with))
                }
                _ => "no test".to_owned(),
            }
        });
        println!("| {name} | {} |", cells.join(" | "));
    }
}

//! How varied data sets are, at matched n ([`crate::diversity`]; paper, section 5.3).
//!
//! Most of these numbers move with the size of a set. So equally many samples are drawn from each, by
//! the run seed and the data set's name, and everything is computed on these. A data set that has fewer
//! takes no part.

use gra_synth::request::Embedding;
use gra_synth::similarity::pack;

use crate::diversity::lexical::{MOST_TEXTS, NgramCounts, Words, self_bleu};
use crate::diversity::manifold::{self, Manifold, NEIGHBOURS};
use crate::diversity::tsne::{self, Map};
use crate::diversity::unit_vectors::{UnitVectors, nearest_distances};
use crate::diversity::{Undefined, clusters, subsample, vendi};
use crate::statistics::inference::indicator;
use crate::stats::measure::{MeasureTable, MeasureValue};

/// The longest word sequences whose variety is reported.
const LONGEST: usize = 3;

/// Samples of a set on the map, at most (METHOD.md, E6).
const MAPPED: usize = 5_000;

/// A data set with the embeddings of its instructions; one entry per sample in each.
#[derive(Clone, Debug)]
pub struct EmbeddedSet {
    /// The data set's name; names the draw of the matched samples.
    pub name: String,
    /// The instructions.
    pub instructions: Vec<String>,
    /// Embeddings of the instructions.
    pub embeddings: Vec<Embedding>,
}

impl EmbeddedSet {
    /// How many of its instructions the encoder does not read at once.
    #[must_use]
    pub fn long(&self) -> usize {
        self.embeddings.iter().filter(|embedding| embedding.is_long()).count()
    }
}

/// Diversity of several data sets at matched n.
#[derive(Clone, Debug)]
pub struct Diversity {
    matched: usize,
    sets: Vec<OfSet>,
    entropies: Entropies,
}

#[derive(Clone, Debug)]
struct OfSet {
    /// Samples of the data set.
    all: usize,
    /// Of these, texts that the encoder does not read at once.
    long: usize,
    /// Places of the matched ones, rising.
    chosen: Vec<usize>,
    vendi: Result<f64, Undefined>,
    nearest: Result<Vec<f64>, Undefined>,
    /// `None` for the reference.
    manifold: Option<Result<Manifold, Undefined>>,
    distinct: [NgramCounts; LONGEST],
    self_bleu: Result<Vec<f64>, Undefined>,
}

/// A measure's value for each row of the set, or of the reference.
type RowByRow = fn(&Manifold) -> Vec<f64>;

/// Clusters of a joint fit, and the entropy of each set over them.
type Entropies = Result<(usize, Vec<Result<f64, Undefined>>), Undefined>;

/// A data set's matched samples.
struct Matched {
    wanted: usize,
    chosen: Vec<usize>,
    values: Vec<f32>,
}

impl Matched {
    /// Draws `n` of them.
    fn draw(set: &EmbeddedSet, n: usize, run_seed: u64) -> Self {
        let name = ["diversity", &set.name];
        let chosen = subsample(set.embeddings.len(), n, run_seed, &name);
        let values = pack(chosen.iter().map(|&place| &set.embeddings[place]));
        Self { wanted: n, chosen, values }
    }

    /// # Errors
    /// When there were fewer than wanted.
    fn rows(&self) -> Result<UnitVectors<'_>, Undefined> {
        let (n, needed) = (self.chosen.len(), self.wanted);
        if n < needed {
            return Err(Undefined::TooFew { n, needed });
        }
        UnitVectors::new(&self.values, n)
    }
}

impl Diversity {
    /// Measures data sets at `matched` samples each, against the one at place `reference`.
    ///
    /// # Panics
    /// When there is no such data set, or one has not as many instructions as embeddings.
    #[must_use]
    pub fn of(sets: &[EmbeddedSet], matched: usize, reference: usize, run_seed: u64) -> Self {
        let drawn: Vec<Matched> =
            sets.iter().map(|set| Matched::draw(set, matched, run_seed)).collect();
        // A reference of too few samples leaves all sets without these four measures, not without the others.
        let against = drawn[reference].rows();
        let of_set = |(place, (set, drawn)): (usize, (&EmbeddedSet, &Matched))| {
            let text = |&place: &usize| set.instructions[place].as_str();
            let texts: Vec<&str> = drawn.chosen.iter().map(text).collect();
            let words = Words::read(&texts);
            let few = subsample(texts.len(), MOST_TEXTS, run_seed, &["self-bleu"]);
            let few: Vec<&str> = few.into_iter().map(|place| texts[place]).collect();
            let compared = || manifold::compare(drawn.rows()?, against?, NEIGHBOURS);
            OfSet {
                all: set.embeddings.len(),
                long: set.long(),
                chosen: drawn.chosen.clone(),
                vendi: drawn.rows().and_then(vendi),
                nearest: drawn.rows().and_then(nearest_distances),
                manifold: (place != reference).then(compared),
                distinct: std::array::from_fn(|n| words.distinct(n + 1)),
                self_bleu: self_bleu(&Words::read(&few)),
            }
        };
        let sets = sets.iter().zip(&drawn).enumerate().map(of_set).collect();
        Self { matched, sets, entropies: entropies(&drawn, run_seed) }
    }

    /// Distance of each sample of a data set to the nearest other one among the matched; `None` for
    /// samples that were not drawn.
    #[must_use]
    pub fn nearest_distances(&self, set: usize) -> Vec<Option<f64>> {
        let set = &self.sets[set];
        let mut distances = vec![None; set.all];
        if let Ok(nearest) = &set.nearest {
            for (&place, distance) in set.chosen.iter().zip(nearest) {
                distances[place] = Some(*distance);
            }
        }
        distances
    }

    /// Adds what was found.
    pub(super) fn describe(&self, table: &mut MeasureTable) {
        let n = self.matched;
        let mut push = |name: &str, cell: &dyn Fn(usize, &OfSet) -> MeasureValue| {
            let cells = self.sets.iter().enumerate().map(|(place, set)| cell(place, set));
            table.push("diversity", name, cells.collect());
        };
        push("samples compared", &|_, set| match &set.vendi {
            Err(why @ Undefined::TooFew { .. }) => absent(*why),
            _ => MeasureValue::count(n, set.all),
        });
        if self.sets.iter().any(|set| set.long > 0) {
            push("longer than the encoder reads at once, or in unknown letters", &|_, set| {
                MeasureValue::count(set.long, set.all)
            });
        }
        push("Vendi score", &|_, set| exact(set.vendi, n));
        push("distance to nearest, mean", &|_, set| match &set.nearest {
            Ok(distances) => without_interval(distances),
            Err(why) => absent(*why),
        });
        let entropies = self.entropies.as_ref();
        let clusters = entropies.map_or(0, |(count, _)| *count);
        push(&format!("entropy over {clusters} clusters, bits"), &|place, _| match entropies {
            Ok((_, sets)) => exact(sets[place], n),
            Err(why) => absent(*why),
        });
        let measures: [(&str, RowByRow); 4] = [
            // Whether or not, as 1 or 0: their means are the measures.
            ("precision", |m| numbers(&m.precision)),
            ("density", |m| m.density.clone()),
            ("recall", |m| numbers(&m.recall)),
            ("coverage", |m| numbers(&m.coverage)),
        ];
        for (name, values) in measures {
            push(&format!("{name} against the reference"), &|_, set| match &set.manifold {
                None => MeasureValue::Inapplicable("it is the reference"),
                Some(Err(why)) => absent(*why),
                Some(Ok(found)) => without_interval(&values(found)),
            });
        }
        for place in 0..LONGEST {
            push(&format!("distinct-{}", place + 1), &|_, set| {
                let NgramCounts { all, .. } = set.distinct[place];
                let share = set.distinct[place].share();
                // Words are counted of any number of samples, and compared at the matched one alone.
                match set.chosen.len() {
                    few if few < n => absent(Undefined::TooFew { n: few, needed: n }),
                    _ => MeasureValue::exact(share, all, "no instruction has so many words"),
                }
            });
        }
        push("self-BLEU, mean", &|_, set| match &set.self_bleu {
            Ok(scores) if set.chosen.len() == n => without_interval(scores),
            Ok(_) => absent(Undefined::TooFew { n: set.chosen.len(), needed: n }),
            Err(why) => absent(*why),
        });
    }
}

/// Clusters of the joint fit, and the entropy of each set over them: [`clusters::CLUSTERS`], or one for
/// every four samples where there are fewer.
fn entropies(drawn: &[Matched], run_seed: u64) -> Entropies {
    let rows: Vec<UnitVectors> = drawn.iter().filter_map(|set| set.rows().ok()).collect();
    let all: usize = rows.iter().map(|set| set.len()).sum();
    let fit = clusters::fit(&rows, clusters::CLUSTERS.min(all / 4).max(1), run_seed)?;
    // Sets with too few samples are not in the fit: the others are numbered without them.
    let mut places = 0..rows.len();
    let entropy = |set: &Matched| {
        set.rows()?;
        places.next().map_or(Err(Undefined::TooFew { n: 0, needed: 1 }), |at| fit.entropy(at))
    };
    Ok((fit.count, drawn.iter().map(entropy).collect()))
}

/// Several data sets in one plane, `matched` samples of each and at most [`MAPPED`]: the places of the
/// samples that are on it, and the map. A data set that has fewer is not on it.
///
/// # Errors
/// With too few samples, and when all are the same.
pub fn map(
    sets: &[EmbeddedSet],
    matched: usize,
    run_seed: u64,
) -> Result<(Vec<Vec<usize>>, Map), Undefined> {
    let n = matched.min(MAPPED);
    let drawn: Vec<Matched> = sets.iter().map(|set| Matched::draw(set, n, run_seed)).collect();
    let rows: Vec<UnitVectors> = drawn.iter().filter_map(|set| set.rows().ok()).collect();
    let Map { sets, divergence, perplexity, learning_rate } = tsne::fit(&rows, run_seed)?;
    // The fit has no points of sets with too few samples: the others' follow each other.
    let mut fitted = sets.into_iter();
    let of_set = |set: Matched| {
        let points = set.rows().ok().and_then(|_| fitted.next());
        points.map_or_else(Default::default, |points| (set.chosen, points))
    };
    let (chosen, points) = drawn.into_iter().map(of_set).unzip();
    Ok((chosen, Map { sets: points, divergence, perplexity, learning_rate }))
}

/// The mean over rows whose values depend on which other rows there are: a set's nearest neighbours lie farther apart
/// the fewer its samples, and no interval of such a mean is known to hold.
fn without_interval(values: &[f64]) -> MeasureValue {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    MeasureValue::exact(Some(mean).filter(|mean| mean.is_finite()), values.len(), "no samples")
}

fn numbers(flags: &[bool]) -> Vec<f64> {
    flags.iter().copied().map(indicator).collect()
}

fn exact(value: Result<f64, Undefined>, n: usize) -> MeasureValue {
    value.map_or_else(absent, |value| MeasureValue::exact(Some(value), n, ""))
}

fn absent(why: Undefined) -> MeasureValue {
    MeasureValue::Absent(match why {
        Undefined::TooFew { .. } => "too few samples",
        Undefined::Identical => "all of them are the same",
        Undefined::NotUnit { .. } => "an embedding is not of unit length",
        Undefined::Dimensions { .. } => "embeddings of two encoders",
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diversity::unit_vectors::by_hand::clustered;

    const DIM: usize = 16;

    fn embeddings(seed: u64, count: usize) -> Vec<Embedding> {
        let values = clustered(seed, count, DIM, 4);
        values.chunks(DIM).map(|row| Embedding::new(Arc::from(row))).collect()
    }

    /// Data sets of these sizes, measured at `matched`.
    fn described(sizes: &[usize], matched: usize) -> (Diversity, MeasureTable) {
        let names: Vec<String> = (0..sizes.len()).map(|set| format!("set{set}")).collect();
        let set = |(place, size): (usize, &usize)| {
            let texts: Vec<String> =
                (0..*size).map(|n| format!("Write line number {n} now")).collect();
            EmbeddedSet {
                name: names[place].clone(),
                instructions: texts,
                embeddings: embeddings(place as u64 + 1, *size),
            }
        };
        let sets: Vec<EmbeddedSet> = sizes.iter().enumerate().map(set).collect();
        let diversity = Diversity::of(&sets, matched, 0, 42);
        let mut table = MeasureTable::new(names.clone());
        diversity.describe(&mut table);
        (diversity, table)
    }

    #[test]
    fn every_measure_of_matched_sets() {
        let (_, table) = described(&[60, 40], 40);
        insta::assert_snapshot!(table.terminal(false), @"
        group      measure                         data set   value  95% interval    n
        diversity  samples compared                set0          40                 60
                                                   set1          40                 40
                   Vendi score                     set0       6.720                 40
                                                   set1       5.835                 40
                   distance to nearest, mean       set0      0.1408                 40
                                                   set1      0.1075                 40
                   entropy over 20 clusters, bits  set0       3.030                 40
                                                   set1       3.016                 40
                   precision against the           set1           0                 40
                     reference
                   density against the reference   set1           0                 40
                   recall against the reference    set1           0                 40
                   coverage against the reference  set1           0                 40
                   distinct-1                      set0      0.2200                200
                                                   set1      0.2200                200
                   distinct-2                      set0      0.5125                160
                                                   set1      0.5125                160
                   distinct-3                      set0      0.6750                120
                                                   set1      0.6750                120
                   self-BLEU, mean                 set0      0.2857                 40
                                                   set1      0.2857                 40
        ");
    }

    #[test]
    fn a_set_with_fewer_samples_takes_no_part_and_changes_nothing() {
        let (_, two) = described(&[60, 40], 40);
        let (diversity, three) = described(&[60, 40, 7], 40);
        for (with, without) in three.measures().iter().zip(two.measures()) {
            assert_eq!(with.cells[..2], without.cells[..], "{}", with.name);
            assert_eq!(with.cells[2], MeasureValue::Absent("too few samples"), "{}", with.name);
        }
        assert_eq!(diversity.nearest_distances(0).iter().flatten().count(), 40);
        assert_eq!(diversity.nearest_distances(2), vec![None; 7]);
    }

    #[test]
    fn too_little_has_reasons_and_no_numbers() {
        let (_, table) = described(&[1, 1], 1);
        let nearest = table.measures().iter().find(|m| m.name.starts_with("distance"));
        assert!(nearest.is_none(), "one sample has no neighbour: {table:?}");
        let values = table.measures().iter().flat_map(|m| &m.cells).filter_map(MeasureValue::value);
        assert!(values.into_iter().all(f64::is_finite));
    }
}

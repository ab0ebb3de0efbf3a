//! Data sets embedded, and their samples on a map (the paper's Figs. 5 and 6).

use anyhow::Result;
use gra_analysis::diversity::tsne::Map;
use gra_analysis::figure::FigureError;
use gra_analysis::figure::plane::{MOST_SETS, Plane};
use gra_analysis::foreign_text::CsvWriter;
use gra_analysis::stats::diversity::{self, EmbeddedSet};
use serde::{Deserialize, Serialize};

use crate::answering::Answering;
use crate::dataset::DataSet;

/// Embeds the instructions of every data set.
pub(super) fn embed(
    data_sets: &[DataSet],
    answering: &mut Answering<'_>,
) -> Result<Vec<EmbeddedSet>> {
    let embed = |data_set: &DataSet| {
        answering.progress().begin_work(&data_set.name);
        let samples = data_set.samples.iter();
        let instructions: Vec<String> = samples.map(|sample| sample.instruction.clone()).collect();
        Ok(EmbeddedSet {
            name: data_set.name.clone(),
            embeddings: answering.embed(&instructions)?,
            instructions,
        })
    };
    data_sets.iter().map(embed).collect()
}

/// How a map was fitted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fit {
    /// Of t-SNE.
    pub(crate) perplexity: f64,
    /// Kullback-Leibler divergence that is left, in nats.
    pub(crate) divergence: f64,
}

impl Fit {
    /// For a caption.
    pub(crate) fn in_words(&self) -> String {
        format!(
            "t-SNE of instruction embeddings (all-MiniLM-L6-v2), fitted together, perplexity {:.0}, \
             Kullback-Leibler divergence {:.3} nats.",
            self.perplexity, self.divergence
        )
    }
}

/// Samples of several data sets on one map.
#[derive(Debug)]
pub(crate) struct SampleMap {
    /// Names of the data sets.
    names: Vec<String>,
    /// Ids of the samples that are on the map, by data set.
    ids: Vec<Vec<String>>,
    map: Map,
    /// The picture.
    svg: String,
}

impl SampleMap {
    /// Fits and draws the map.
    ///
    /// # Errors
    /// Says why there is none, in a sentence's end: that is no reason to be without the table.
    pub(super) fn of(
        sets: &[EmbeddedSet],
        data_sets: &[DataSet],
        matched: usize,
        run_seed: u64,
    ) -> Result<Self, String> {
        if data_sets.len() > MOST_SETS {
            let sets = data_sets.len();
            return Err(format!("a map shows at most {MOST_SETS} data sets, and these are {sets}"));
        }
        let (places, map) = diversity::map(sets, matched, run_seed)
            .map_err(|why| format!("the samples on it: {why}"))?;
        // The map has a drawn part of each data set, all of one size.
        let ids = data_sets.iter().zip(places).map(|(data_set, places)| {
            places.into_iter().map(|place| data_set.samples[place].id.to_string()).collect()
        });
        let names = data_sets.iter().map(|data_set| data_set.name.clone()).collect();
        let mut drawn = Self { names, ids: ids.collect(), map, svg: String::new() };
        drawn.svg = drawn.draw(sets).map_err(|error| error.to_string())?;
        Ok(drawn)
    }

    /// One line per sample: data set, id, place.
    pub(super) fn csv(&self) -> Result<Vec<u8>> {
        let mut csv = CsvWriter::from_writer(Vec::new());
        csv.write_record(["data_set", "id", "x", "y"])?;
        for ((name, ids), points) in self.names.iter().zip(&self.ids).zip(&self.map.sets) {
            for (id, [x, y]) in ids.iter().zip(points) {
                csv.write_record([name, id, &x.to_string(), &y.to_string()])?;
            }
        }
        Ok(csv.into_inner()?)
    }

    /// How it was fitted.
    pub(super) const fn fit(&self) -> Fit {
        Fit { perplexity: self.map.perplexity, divergence: self.map.divergence }
    }

    /// The picture.
    pub(super) fn svg(&self) -> &str {
        &self.svg
    }

    fn draw(&self, sets: &[EmbeddedSet]) -> Result<String, FigureError> {
        let in_windows = match sets.iter().map(EmbeddedSet::long).sum::<usize>() {
            0 => String::new(),
            long => format!(
                " {long} of {} instructions are longer than the encoder reads at once, or in letters that it \
                 does not know: one vector stands for each.",
                sets.iter().map(|set| set.embeddings.len()).sum::<usize>()
            ),
        };
        let caption = format!(
            "{} Neighbours mean something here, distances and areas do not.{in_windows}",
            self.fit().in_words()
        );
        // A data set with too few samples is not on the map, and not in its legend.
        let points = self.names.iter().map(String::as_str).zip(self.map.sets.iter());
        let plane = Plane {
            name: "map",
            title: "Where the instructions lie",
            caption: &caption,
            sets: points
                .filter(|(_, points)| !points.is_empty())
                .map(|(name, points)| (name, points.as_slice()))
                .collect(),
        };
        Ok(plane.figure()?.svg)
    }
}

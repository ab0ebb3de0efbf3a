//! Data sets embedded, and their samples on a map (the paper's Figs. 5 and 6).

use anyhow::Result;
use gra_analysis::figure::FigureError;
use gra_analysis::figure::plane::{MOST_SETS, Plane};
use gra_analysis::foreign_text::CsvWriter;
use gra_analysis::stats::diversity::{self, Material};
use gra_analysis::tsne::Map;
use gra_synth::request::Embedding;
use serde::{Deserialize, Serialize};

use crate::answering::Answering;
use crate::dataset::DataSet;

/// What diversity is computed from, owned.
#[derive(Debug)]
pub(super) struct Drafts<'a> {
    data_sets: &'a [DataSet],
    origins: Vec<Vec<String>>,
    embeddings: Vec<Vec<Embedding>>,
}

impl<'a> Drafts<'a> {
    /// Embeds the instructions of every data set.
    pub(super) fn of(data_sets: &'a [DataSet], answering: &mut Answering<'_>) -> Result<Self> {
        let (mut origins, mut embeddings) = (Vec::new(), Vec::new());
        for data_set in data_sets {
            answering.progress().begin_work(&data_set.name);
            let samples = data_set.samples.iter();
            let texts: Vec<String> = samples.clone().map(|s| s.instruction.clone()).collect();
            embeddings.push(answering.embed(&texts)?);
            origins.push(samples.map(|sample| sample.origin.to_string()).collect());
        }
        Ok(Self { data_sets, origins, embeddings })
    }

    pub(super) fn materials(&self) -> Vec<Material<'_>> {
        let material = |place: usize| {
            let DataSet { name, samples, .. } = &self.data_sets[place];
            Material {
                name,
                instructions: samples.iter().map(|sample| sample.instruction.as_str()).collect(),
                origins: self.origins[place].iter().map(String::as_str).collect(),
                embeddings: &self.embeddings[place],
            }
        };
        (0..self.data_sets.len()).map(material).collect()
    }
}

/// How a map was fitted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// Of t-SNE.
    pub perplexity: f64,
    /// Kullback-Leibler divergence that is left, in nats.
    pub divergence: f64,
}

impl Fit {
    /// For a caption.
    #[must_use]
    pub fn in_words(&self) -> String {
        format!(
            "t-SNE of instruction embeddings (all-MiniLM-L6-v2), fitted together, perplexity {:.0}, \
             Kullback-Leibler divergence {:.3} nats.",
            self.perplexity, self.divergence
        )
    }
}

/// Samples of several data sets on one map.
#[derive(Debug)]
pub struct SampleMap {
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
        materials: &[Material],
        data_sets: &[DataSet],
        matched: usize,
        run_seed: u64,
    ) -> Result<Self, String> {
        if data_sets.len() > MOST_SETS {
            let sets = data_sets.len();
            return Err(format!("a map shows at most {MOST_SETS} data sets, and these are {sets}"));
        }
        let (places, map) = diversity::map(materials, matched, run_seed)
            .map_err(|why| format!("the samples on it: {why}"))?;
        let ids = data_sets.iter().zip(places).map(|(data_set, places)| {
            places.into_iter().map(|place| data_set.samples[place].id.to_string()).collect()
        });
        let names = data_sets.iter().map(|data_set| data_set.name.clone()).collect();
        let mut drawn = Self { names, ids: ids.collect(), map, svg: String::new() };
        drawn.svg = drawn.draw(materials).map_err(|error| error.to_string())?;
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

    fn draw(&self, materials: &[Material]) -> Result<String, FigureError> {
        let texts = || materials.iter().flat_map(|material| material.embeddings);
        let long = texts().filter(|text| text.is_long()).count();
        let in_windows = match long {
            0 => String::new(),
            long => format!(
                " {long} of {} instructions are longer than the encoder reads at once: each has the mean \
                 vector of its windows.",
                texts().count()
            ),
        };
        let caption = format!(
            "{} Neighbours mean something here, distances and areas do not.{in_windows}",
            self.fit().in_words()
        );
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

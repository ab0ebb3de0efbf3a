//! The `[compare]` and `[rescore]` tables of an experiment file.

use std::path::PathBuf;

use gra_analysis::stats::Margins;
use gra_llm::model_pool::ModelPool;
use gra_synth::request::ModelName;
use gra_synth::variant::DisputeRule;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::axis::{Seats, Values};
use crate::dataset::DataSet;
use crate::nearest::suggestion;

/// `[compare]` as written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CompareEntry {
    /// Which data sets, the one that others are compared with first; default: all, variants first.
    pub sets: Vec<String>,
    /// The model that scores every response and takes no other part (paper, section 5.4).
    pub judge: Option<String>,
    /// A second model that scores them, so that the two can be held against each other.
    pub second_judge: Option<String>,
    /// The model whose losses make the difficulty (paper, section 5.5).
    pub ifd: Option<String>,
    /// Samples of each data set at most, and responses that were rejected that the judge is asked about.
    pub n: Option<usize>,
    /// Whether every data set is cut to the size of the smallest, what was rejected apart from what was accepted. Means
    /// do not need it, and their intervals grow by it.
    pub equal_n: bool,
    /// Samples of each on which diversity is measured; default: as many as the smallest has.
    pub matched: Option<usize>,
    /// Whether a map of all data sets is drawn.
    pub map: bool,
    /// How large a difference of means still counts as none, by the measure's column: two data sets whose interval
    /// lies within are called alike.
    pub margins: Margins,
    /// Files and folders of benchmarks whose texts are looked for in the samples.
    pub benchmarks: Vec<PathBuf>,
}

/// `[rescore]` as written: ranges as the verb `rescore` takes them.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RescoreEntry {
    /// E.g. `7:9:0.5`.
    pub tau: Option<Values>,
    /// E.g. `0.5:2.5:0.5`.
    pub delta: Option<Values>,
    /// E.g. `1..3`.
    pub reviewers: Option<Seats>,
    /// E.g. `0.85:0.95:0.05`.
    pub cosine: Option<Values>,
    /// Rules for disputes.
    pub dispute: Vec<DisputeRule>,
}

impl CompareEntry {
    /// Cuts data sets to their sizes.
    pub fn cut(&self, data_sets: &mut [DataSet], run_seed: u64) {
        let n = self.n.unwrap_or(usize::MAX);
        let least = |sizes: &mut dyn Iterator<Item = usize>| sizes.min().unwrap_or(n).min(n);
        let (mut samples, mut rejected) = (n, n);
        if self.equal_n {
            samples = least(&mut data_sets.iter().map(|set| set.samples.len()));
            let sizes =
                data_sets.iter().filter_map(|set| Some(set.trial.as_ref()?.rejected().len()));
            // A variant that rejects nothing would leave none of the others'.
            rejected = least(&mut sizes.filter(|size| *size > 0));
        }
        for data_set in data_sets {
            data_set.cut(samples, rejected, run_seed);
        }
    }

    /// Leaves out the models that a pool does not have.
    pub(super) fn keep_models_of(&mut self, pool: &ModelPool) {
        for model in [&mut self.judge, &mut self.second_judge, &mut self.ifd] {
            *model = model.take().filter(|name| pool.model(&ModelName::new(name)).is_some());
        }
    }

    /// Checks the names.
    pub(super) fn check(&self, sets: &[String], pool: &ModelPool) -> Result<(), String> {
        for name in &self.sets {
            if !sets.contains(name) {
                let known = sets.iter().map(String::as_str);
                return Err(unknown("sets", name, "data set", known));
            }
        }
        let models =
            [("judge", &self.judge), ("second_judge", &self.second_judge), ("ifd", &self.ifd)];
        for (key, model) in models {
            let Some(model) = model else { continue };
            if pool.model(&ModelName::new(model)).is_none() {
                let known = pool.members_and_teachers().map(|model| model.name.as_str());
                return Err(unknown(key, model, "model of the pool", known));
            }
        }
        if self.second_judge.is_some() && (self.judge.is_none() || self.judge == self.second_judge)
        {
            return Err(
                "[compare] `second_judge` stands beside a `judge` that is another model".to_owned()
            );
        }
        if self.n == Some(0) || self.matched == Some(0) {
            return Err("[compare] `n` and `matched` are at least 1".to_owned());
        }
        Ok(())
    }
}

fn unknown<'a>(key: &str, name: &str, what: &str, known: impl Iterator<Item = &'a str>) -> String {
    let hint = suggestion(name, known);
    format!("[compare] {key} names `{name}`, which is no {what}\n  hint: {hint}")
}

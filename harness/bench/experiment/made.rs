//! The experiment file that `synth` makes: GRA alone, until a number of samples is accepted.

use std::fmt::Write;
use std::path::{Component, Path, PathBuf, absolute};

use gra_synth::method::Method;
use toml::Value;

use crate::builtin;

/// Rounds of a data set that is large enough for them, as in the paper: later ones draw on samples of earlier ones.
const ROUNDS: u32 = 5;

/// Samples of a round that is worth a wave of its own.
const LEAST_TARGET: u32 = 20;

/// Candidates of a round for each sample of its target: below an acceptance of one in four it adds fewer.
const CANDIDATES_PER_SAMPLE: u32 = 4;

/// What `synth` is told.
#[derive(Clone, Debug)]
pub(crate) struct MadeExperiment {
    /// Folder name of the results.
    pub(crate) name: String,
    /// Samples after which it ends.
    pub(crate) samples: u32,
    /// As [`path_from`] writes it.
    pub(crate) seed_set: String,
    pub(crate) limit: Option<usize>,
    /// Likewise.
    pub(crate) pool: String,
    pub(crate) seed: u64,
    /// Whether the pool is the demonstration's, whose models of 135M parameters take other thresholds.
    pub(crate) demonstration: bool,
}

impl MadeExperiment {
    /// The file's text. `run`: the command that runs it.
    pub(crate) fn text(&self, run: &str) -> String {
        let Self { samples, seed, .. } = *self;
        let text = |value: &str| Value::from(value).to_string();
        let rounds = (samples / LEAST_TARGET).clamp(1, ROUNDS);
        // Rounded up: the last round ends with the last sample that is wanted.
        let target = samples.div_ceil(rounds);
        let mut file = format!(
            "# GRA alone, until {samples} samples are accepted: made by gra-bench synth, yours to copy and change.\n\
             # Its keys and their defaults are in the guide, experiments.md. To run it without synth:\n\
             #   {run}\n\n\
             name = {}\nquestion = \"{samples} samples by GRA\"\n",
            text(&self.name)
        );
        if self.demonstration {
            file.push_str("# Thresholds, sampling and limits of a demonstration: its models are too small for data of use.\n");
            file.push_str("base = \"built-in:base/demonstration.toml\"\n");
        }
        let _ = writeln!(file, "seed_set = {}", text(&self.seed_set));
        if let Some(limit) = self.limit {
            let _ = writeln!(file, "limit = {limit}  # only the first items of the seed set");
        }
        // Twice the rounds that the samples take: a round whose candidates run out ends below its target.
        let _ = write!(
            file,
            "pool = {}\nprompts = \"built-in:prompts\"  # or a folder of your own\nseeds = [{seed}]\n\n\
             [method]\n\
             samples = {samples}  # the round that has them is the last, and so is one that adds none\n\
             rounds = {}  # at most\n\
             target = {target}  # samples of a round; the next one draws on them too\n\
             wave = {target}  # candidates that go through the stages together\n\
             cap = {}  # candidates after which a round gives up on its target\n",
            text(&self.pool),
            2 * rounds,
            target.saturating_mul(CANDIDATES_PER_SAMPLE)
        );
        if !self.demonstration {
            let Method { tau, delta, cosine_limit, .. } = Method::default();
            let _ = write!(
                file,
                "tau = {tau}  # least mean score of the reviewers, of 10 (the paper's value)\n\
                 delta = {delta}  # largest spread without an adjudicator (the paper's)\n\
                 cosine_limit = {cosine_limit}  # samples are less alike than this (the paper's)\n\n\
                 [method.limits]  # tokens; the paper allows 4096 everywhere\n\
                 instruction = 512\nresponse = 1024\n"
            );
        }
        file.push_str("\n[[variant]]\nname = \"gra\"\n");
        file
    }
}

/// A path as a file of this folder names it: relative where both are, so that they can be moved together.
pub(crate) fn path_from(folder: &Path, path: &Path) -> String {
    if let Some(marked) = builtin::mark(path) {
        return marked.to_string_lossy().into_owned();
    }
    let plain = |component: &Component<'_>| *component != Component::CurDir;
    let up = folder
        .components()
        .filter(plain)
        .map(|component| matches!(component, Component::Normal(_)).then_some(".."));
    let up: Option<PathBuf> = up.collect();
    let written = match up {
        Some(up) if path.is_relative() => up.join(path),
        _ => absolute(path).unwrap_or_else(|_| path.to_owned()),
    };
    written.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{Experiment, Overrides};

    #[test]
    fn what_is_made_loads_and_has_room_for_its_samples() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("experiment.toml");
        for (samples, demonstration, sizes) in
            [(1, true, (1, 2)), (39, false, (39, 2)), (40, true, (20, 4)), (500, false, (100, 10))]
        {
            let made = MadeExperiment {
                name: "mine".to_owned(),
                samples,
                seed_set: "built-in:seeds/starter.jsonl".to_owned(),
                limit: Some(30),
                pool: "built-in:pools/demo.toml".to_owned(),
                seed: 7,
                demonstration,
            };
            std::fs::write(&file, made.text("gra-bench run x")).unwrap();
            let overrides = Overrides::default();
            let read = Experiment::load(&file, Path::new("models"), &overrides).unwrap();
            let Method { target, rounds, samples: wanted, tau, .. } = read.method;
            assert_eq!(((target, rounds), wanted), (sizes, Some(samples)), "{samples}");
            assert_eq!((read.seeds.as_slice(), read.seed_set.items.len()), (&[7][..], 30));
            assert_eq!(read.demonstration, demonstration);
            assert_eq!(tau == Method::default().tau, !demonstration);
        }
    }

    #[test]
    fn paths_are_written_as_the_folder_sees_them() {
        let from = |folder: &str, path: &str| path_from(Path::new(folder), Path::new(path));
        assert_eq!(from("data/", "seeds/a.json"), "../seeds/a.json");
        assert_eq!(from("./runs/data", "a.json"), "../../a.json");
        assert_eq!(from("data", "/abs/a.json"), "/abs/a.json");
        let here = absolute("a.json").unwrap();
        assert_eq!(from("../data", "a.json"), here.to_string_lossy());
        assert_eq!(from("data", "built-in:pools/demo.toml"), "built-in:pools/demo.toml");
    }
}

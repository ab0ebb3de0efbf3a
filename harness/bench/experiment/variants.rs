//! The `[[variant]]` entries of an experiment file, and what they mean with its pool.

use std::collections::BTreeMap;
use std::path::PathBuf;

use gra_llm::model_pool::{Backend, ModelPool};
use gra_synth::method::{Member, Method};
use gra_synth::request::{ModelName, ScoreReading};
use gra_synth::variant::{DisputeRule, Instructions, Reviewers, Rewrite, RoleAssignment, Variant};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::prompts::unusable;
use super::{ExperimentError, ExperimentFile, PromptFiles, plain_name};

/// A `[[variant]]` as written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VariantEntry {
    /// Folder name of its results.
    pub name: String,
    /// Folder of templates in place of the experiment's of the same names.
    prompts: Option<PathBuf>,
    /// So many times the method's target, cap and wave; default 1.
    scale: Option<f64>,
    /// Where the instructions come from.
    #[serde(default)]
    instructions: Instructions,
    /// Of `instructions = "seed"`; default hidden.
    rewrite: Option<Rewrite>,
    /// How roles are given to the models of the pool.
    #[serde(default)]
    roles: RolesEntry,
    /// Of `roles = "single-model"`, member or teacher; default: the pool's first.
    model: Option<ModelName>,
    /// Of `roles = "fixed"`; default 0.
    rotation: Option<u8>,
    /// Who reviews.
    #[serde(default)]
    reviewers: ReviewersEntry,
    /// `N_R` of `reviewers = "committee"`; default 3.
    committee: Option<u8>,
    /// Of `reviewers = "single"`, member or teacher; default: the pool's first.
    reviewer: Option<ModelName>,
    /// What becomes of a candidate whose reviewers disagree.
    #[serde(default = "adjudicator")]
    dispute: DisputeRule,
    /// How the scores of a reply are read.
    #[serde(default)]
    score_reading: ScoreReading,
}

const fn adjudicator() -> DisputeRule {
    DisputeRule::Adjudicator
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum RolesEntry {
    /// Drawn for every candidate.
    #[default]
    Random,
    /// One model in every role (METHOD.md, V5).
    SingleModel,
    /// Pool order (V6).
    Fixed,
    /// Drawn by what the run has recorded of the models so far.
    Adaptive,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum ReviewersEntry {
    /// Several models of the pool.
    #[default]
    Committee,
    /// One model (V2, V3).
    Single,
    /// No review (V1).
    None,
}

/// The variants of a file; all are checked, and those are returned that the command line asks for.
pub(super) fn variants(
    file: &ExperimentFile,
    pool: &ModelPool,
    (members, teachers): (&[Member], &[Member]),
    only: &[String],
) -> Result<Vec<Variant>, String> {
    let known: Vec<&str> = file.variants.iter().map(|variant| variant.name.as_str()).collect();
    if let Some(unknown) = only.iter().find(|name| !known.contains(&name.as_str())) {
        let known = known.join(", ");
        return Err(format!("there is no variant `{unknown}`; it has {known}"));
    }
    if file.variants.is_empty() {
        return Err("has no [[variant]]".into());
    }
    let mut variants: Vec<Variant> = Vec::new();
    for entry in &file.variants {
        plain_name("variant", &entry.name)?;
        if variants.iter().any(|variant| variant.name == entry.name) {
            return Err(format!("two variants are named `{}`", entry.name));
        }
        entry.check_scale()?;
        let variant = entry.resolve(members)?;
        variant.check(members, teachers).map_err(|error| error.to_string())?;
        check_reading(&variant, (&file.method, members), pool)?;
        variants.push(variant);
    }
    // All were checked: a file is right or wrong whatever is run of it.
    variants.retain(|variant| only.is_empty() || only.contains(&variant.name));
    Ok(variants)
}

/// How many times the method's candidates variants draw that say so, by their names.
pub(super) fn scales(entries: &[VariantEntry]) -> BTreeMap<String, f64> {
    entries.iter().filter_map(|entry| Some((entry.name.clone(), entry.scale?))).collect()
}

/// The prompts of the variants that have others than the experiment's own, by their names.
pub(super) fn prompts(
    entries: &[VariantEntry],
    own: &PromptFiles,
) -> Result<BTreeMap<String, PromptFiles>, ExperimentError> {
    let of = |entry: &VariantEntry| Ok(entry.prompts(own)?.map(|set| (entry.name.clone(), set)));
    entries.iter().filter_map(|entry| of(entry).transpose()).collect()
}

/// Expected scores need scores that stand where a form puts them, and an engine that tells probabilities.
fn check_reading(
    variant: &Variant,
    (method, members): (&Method, &[Member]),
    pool: &ModelPool,
) -> Result<(), String> {
    if variant.score_reading == ScoreReading::Sampled {
        return Ok(());
    }
    let reason = |reason: String| {
        Err(format!("variant `{}`: `score_reading = \"expected\"` {reason}", variant.name))
    };
    if variant.reviews() == 0 {
        return reason("has no effect without reviewers".to_owned());
    }
    if !method.constrained {
        return reason("needs `constrained = true`".to_owned());
    }
    let of_server = |name: &&ModelName| {
        pool.model(name).is_some_and(|model| matches!(model.backend, Backend::Server(_)))
    };
    match variant.serving(members).into_iter().find(of_server) {
        None => Ok(()),
        Some(name) => reason(format!(
            "needs the probabilities of tokens, which the server of `{name}` does not tell; give the \
             model a GGUF file"
        )),
    }
}

impl VariantEntry {
    fn check_scale(&self) -> Result<(), String> {
        let Some(scale) = self.scale else { return Ok(()) };
        if !(0.01..=100.0).contains(&scale) {
            return Err(format!("variant `{}`: `scale` is from 0.01 to 100", self.name));
        }
        if self.instructions == Instructions::Seed {
            return Err(format!(
                "variant `{}`: `scale` has no effect with instructions = \"seed\", where every seed item is one candidate",
                self.name
            ));
        }
        Ok(())
    }

    /// The prompts of the variant, where they are not the experiment's.
    fn prompts(&self, own: &PromptFiles) -> Result<Option<PromptFiles>, ExperimentError> {
        let reworded = self.prompts.as_deref().map(|folder| own.reworded(folder)).transpose()?;
        if self.rewrite == Some(Rewrite::Shown) {
            return reworded.as_ref().unwrap_or(own).rewriting().map(Some);
        }
        match (&self.prompts, &reworded) {
            // Such a variant would be the reference under another name.
            (Some(folder), Some(set)) if set.sha256 == own.sha256 => {
                let reason = "asks nothing otherwise than the experiment's own prompts\n  hint: 7-rewrite.txt is used \
                              with rewrite = \"shown\" alone";
                Err(unusable(folder, reason))
            }
            _ => Ok(reworded),
        }
    }

    fn resolve(&self, members: &[Member]) -> Result<Variant, String> {
        let first = || members[0].name.clone();
        let misplaced = |key: &str, belongs: &str| {
            Err(format!("variant `{}`: `{key}` has no effect without {belongs}", self.name))
        };
        if self.rewrite.is_some() && self.instructions != Instructions::Seed {
            return misplaced("rewrite", "instructions = \"seed\"");
        }
        if self.model.is_some() && self.roles != RolesEntry::SingleModel {
            return misplaced("model", "roles = \"single-model\"");
        }
        if self.rotation.is_some() && self.roles != RolesEntry::Fixed {
            return misplaced("rotation", "roles = \"fixed\"");
        }
        if self.committee.is_some() && self.reviewers != ReviewersEntry::Committee {
            return misplaced("committee", "reviewers = \"committee\"");
        }
        if self.reviewer.is_some() && self.reviewers != ReviewersEntry::Single {
            return misplaced("reviewer", "reviewers = \"single\"");
        }
        Ok(Variant {
            name: self.name.clone(),
            instructions: self.instructions,
            rewrite: self.rewrite.unwrap_or_default(),
            roles: match self.roles {
                RolesEntry::Random => RoleAssignment::Random,
                RolesEntry::Adaptive => RoleAssignment::Adaptive,
                RolesEntry::SingleModel => {
                    RoleAssignment::SingleModel(self.model.clone().unwrap_or_else(first))
                }
                RolesEntry::Fixed => {
                    RoleAssignment::Fixed { rotation: self.rotation.unwrap_or_default() }
                }
            },
            reviewers: match self.reviewers {
                ReviewersEntry::Committee => Reviewers::Committee(self.committee.unwrap_or(3)),
                ReviewersEntry::Single => {
                    Reviewers::Named(self.reviewer.clone().unwrap_or_else(first))
                }
                ReviewersEntry::None => Reviewers::None,
            },
            dispute: self.dispute,
            score_reading: self.score_reading,
        })
    }
}

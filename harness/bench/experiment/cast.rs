//! Which models an experiment needs. Nobody else is looked for: a pool may name models that are not here.

use std::collections::BTreeSet;

use gra_llm::model_pool::PoolError;
use gra_synth::request::ModelName;
use gra_synth::variant::{Instructions, Variant};

use super::Experiment;

impl Experiment {
    /// The models that a trial of this variant may ask: those that annotate the seed set, where it has
    /// to be, and those that serve the variant.
    #[must_use]
    pub fn serving<'a>(&'a self, variant: &'a Variant) -> BTreeSet<&'a ModelName> {
        let mut serving = variant.serving(&self.members);
        if self.annotates(variant) {
            serving.extend(self.members.iter().map(|member| &member.name));
        }
        serving
    }

    /// Whether a trial of this variant asks for annotations.
    #[must_use]
    pub fn annotates(&self, variant: &Variant) -> bool {
        let open = self.seed_set.items.iter().any(|item| item.annotation.is_none());
        open && variant.instructions == Instructions::New
    }

    /// Everyone who serves any variant, in pool order.
    pub fn models(&self) -> impl Iterator<Item = &ModelName> {
        let serves = |name: &ModelName| {
            self.variants.iter().any(|variant| self.serving(variant).contains(name))
        };
        let everyone = self.members.iter().chain(&self.teachers).map(|member| &member.name);
        everyone.filter(move |name| serves(name))
    }

    /// Looks for the files that a trial of this variant may need.
    ///
    /// # Errors
    /// Names the first model whose file is not there, and what to type to get it.
    pub fn locate(&self, variant: &Variant) -> Result<(), PoolError> {
        let serving = self.serving(variant);
        for model in self.pool.members_and_teachers().filter(|m| serving.contains(&m.name)) {
            if let Some(source) = model.source() {
                source.locate(model.name.as_str())?;
            }
        }
        Ok(())
    }
}

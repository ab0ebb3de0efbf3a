//! Which models an experiment needs. No other is looked for: a pool may name models that are not here.

use std::collections::BTreeSet;

use gra_llm::engine::EngineError;
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

    /// Finds the files that a trial of this variant may need there and whole, the encoder's too: a night's run should
    /// not end at a file that was cut short.
    ///
    /// # Errors
    /// Names the first model whose file is missing or cannot be used, and what to type or what is wrong with it.
    pub fn check_files(&self, variant: &Variant) -> Result<(), EngineError> {
        let serving = self.serving(variant);
        for model in self.pool.members_and_teachers().filter(|m| serving.contains(&m.name)) {
            model.check_usable()?;
        }
        self.pool.encoder.check_usable()
    }
}

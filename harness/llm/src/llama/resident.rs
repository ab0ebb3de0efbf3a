//! Which models are loaded: as many as fit a budget, the least recently used go first.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::generator::Generator;
use super::settings::EngineSettings;
use crate::engine::EngineError;
use crate::model_pool::{ModelFiles, PoolModel};

/// Loaded models by file. Two names of one file with different contexts are two entries.
#[derive(Debug)]
pub(super) struct Resident {
    budget: u64,
    clock: u64,
    loaded: BTreeMap<(PathBuf, Option<u32>), (u64, Generator)>,
}

impl Resident {
    pub(super) const fn new(budget: u64) -> Self {
        Self { budget, clock: 0, loaded: BTreeMap::new() }
    }

    /// The model, loaded if it is not; others leave when the budget asks for it.
    pub(super) fn generator(
        &mut self,
        member: &PoolModel,
        files: &ModelFiles,
        settings: &EngineSettings,
    ) -> Result<&Generator, EngineError> {
        let key = (files.first().to_owned(), member.context);
        self.clock += 1;
        // Room is made before the load: both at once might not fit into memory.
        if !self.loaded.contains_key(&key) {
            self.make_room(files.size());
            let generator = Generator::load(member, files.first(), settings)?;
            self.loaded.insert(key.clone(), (0, generator));
        }
        match self.loaded.get_mut(&key) {
            Some((used, generator)) => {
                *used = self.clock;
                Ok(generator)
            }
            None => Err(EngineError::UnknownModel { model: member.name.clone() }),
        }
    }

    fn make_room(&mut self, size: u64) {
        let held =
            |loaded: &BTreeMap<_, (u64, Generator)>| loaded.values().map(|(_, g)| g.size).sum();
        loop {
            let held: u64 = held(&self.loaded);
            if held.saturating_add(size) <= self.budget {
                return;
            }
            let oldest = self.loaded.iter().min_by_key(|(_, (used, _))| *used);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else { return };
            self.loaded.remove(&key);
        }
    }
}

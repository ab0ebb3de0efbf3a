//! A loaded model that writes replies, and which models are loaded: as many as fit a budget, the least recently used
//! go first.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use gra_synth::shape::Shape;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;

use super::prompt::{PromptForm, tokens, vocabulary};
use super::runtime;
use super::settings::EngineSettings;
use crate::automaton::CompiledShape;
use crate::engine::{EngineError, EngineResult};
use crate::gguf::{GgufHeader, GgufModel};
use crate::model_pool::check::read_usable;
use crate::model_pool::{DEFAULT_CONTEXT, ModelFiles, PoolModel};
use crate::vocabulary::{Token, Vocabulary};

/// Rows that the kernels of every type of weights take at once: plain types need 2, repacked ones a
/// multiple of 4, K-quants 8 or more. Where numbers must not depend on what is computed beside them, rows come in
/// whole blocks: the last one is filled up behind a text's end, where nothing looks that counts.
pub(super) const BLOCK: usize = 8;

/// [`BLOCK`] as llama.cpp counts.
pub(super) fn block() -> u32 {
    u32::try_from(BLOCK).unwrap_or(1)
}

/// Weights whose kernels agree with each other from two rows on, by ggml's numbers: `F32`, `F16`, `Q4_0`,
/// `Q4_1` and `Q8_0`.
const PLAIN: [u32; 5] = [0, 1, 2, 3, 8];

/// Rows that are computed at once so that it does not matter how many times so many there are: 4 for plain
/// weights, which some CPUs take by fours when they are repacked; a whole block for all others.
fn rows(mut tensor_types: impl Iterator<Item = u32>) -> u32 {
    let is_plain = tensor_types.all(|kind| PLAIN.contains(&kind));
    if is_plain { 4 } else { block() }
}

/// A loaded model and what was drawn from its file.
#[derive(Debug)]
pub(super) struct Generator {
    pub(super) name: String,
    pub(super) model: LlamaModel,
    pub(super) vocabulary: Vocabulary,
    /// Its chat template, or why it cannot be used: a base model may score, and nothing more.
    form: Result<PromptForm, String>,
    /// Tokens that prompt and reply together may take.
    pub(super) context: u32,
    /// Bytes of KV cache per token of one sequence.
    pub(super) kv_bytes: u64,
    /// Whether it is a mixture of experts.
    pub(super) experts: bool,
    /// Rows that its kernels take at once, whatever the number of rows.
    pub(super) rows: u32,
    /// Bytes of its files.
    pub(super) size: u64,
}

impl Generator {
    pub(super) fn load(
        member: &PoolModel,
        path: &Path,
        settings: &EngineSettings,
    ) -> EngineResult<Self> {
        let name = member.name.as_str();
        let (header, model, size) = load(name, path, settings)?;
        // A model without a usable template still scores, so its fault is kept and told when a reply is asked.
        let vocabulary = vocabulary(&model);
        let form = PromptForm::of_model(&header, &member.template, &model, &vocabulary);
        let trained = model.n_ctx_train().max(1);
        Ok(Self {
            name: name.to_owned(),
            vocabulary,
            form,
            context: member.context.unwrap_or(DEFAULT_CONTEXT.min(trained)),
            kv_bytes: header.kv_bytes_per_token(
                model.n_layer().into(),
                model.n_head().into(),
                model.n_head_kv().into(),
                u64::try_from(model.n_embd()).unwrap_or(0),
            ),
            experts: header.of_architecture("expert_count").is_some_and(|experts| experts > 0),
            rows: rows(header.tensors.values().map(|tensor| tensor.kind)),
            size,
            model,
        })
    }

    /// Tokenises plain text.
    pub(super) fn tokens(&self, text: &str) -> Vec<Token> {
        tokens(&self.model, text, false)
    }

    /// The chat template.
    pub(super) fn form(&self) -> EngineResult<&PromptForm> {
        self.form.as_ref().map_err(|reason| self.unusable(reason))
    }

    /// Compiles a shape for this model.
    pub(super) fn plan(&self, shape: &Shape) -> EngineResult<CompiledShape> {
        let plan = self.form()?.plan(shape, &self.model, &self.vocabulary);
        plan.map_err(|error| self.unusable(error.to_string()))
    }

    /// Why it cannot be used for what is asked of it.
    pub(super) fn unusable(&self, reason: impl Into<String>) -> EngineError {
        EngineError::unusable(&self.name, reason)
    }

    /// Why something could not be evaluated with it.
    pub(super) fn failed(&self, reason: impl Into<String>) -> EngineError {
        EngineError::Evaluation { model: self.name.clone(), reason: reason.into() }
    }
}

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
    ) -> EngineResult<&Generator> {
        let key = (files.first().to_owned(), member.context);
        self.clock += 1;
        // Room is made before the load: both at once might not fit into memory.
        if !self.loaded.contains_key(&key) {
            self.make_room(files.size());
        }
        let (used, generator) = match self.loaded.entry(key) {
            Entry::Occupied(loaded) => loaded.into_mut(),
            Entry::Vacant(new) => {
                new.insert((0, Generator::load(member, files.first(), settings)?))
            }
        };
        *used = self.clock;
        Ok(generator)
    }

    fn make_room(&mut self, size: u64) {
        loop {
            let held: u64 = self.loaded.values().map(|(_, generator)| generator.size).sum();
            let oldest = self.loaded.iter().min_by_key(|(_, (used, _))| *used);
            match oldest.map(|(key, _)| key.clone()) {
                Some(key) if held.saturating_add(size) > self.budget => self.loaded.remove(&key),
                _ => return,
            };
        }
    }
}

/// Loads a file after everything that is known to make llama.cpp abort has been ruled out.
fn load(
    name: &str,
    path: &Path,
    settings: &EngineSettings,
) -> EngineResult<(GgufHeader, LlamaModel, u64)> {
    let failed = |reason| EngineError::load(name, path, reason);
    let GgufModel { header, size } = read_usable(name, path, false)?;
    let on_cpu = settings.gpu_layers() == 0;
    // For CPUs llama.cpp repacks most weights; a mapped file would stay in memory beside the copy.
    let parameters = LlamaModelParams::default()
        .with_n_gpu_layers(settings.gpu_layers())
        .with_split_mode(settings.split.mode())
        .with_use_mmap(!on_cpu)
        .with_devices(&runtime::places(settings.devices()))
        .map_err(|error| failed(error.to_string()))?;
    let model = runtime::load(path, &parameters).map_err(failed)?;
    Ok((header, model, size))
}

pub(super) const fn llama_token(token: Token) -> LlamaToken {
    LlamaToken(token.cast_signed())
}

#[cfg(test)]
mod tests {
    use super::rows;

    #[test]
    fn one_other_type_makes_whole_blocks() {
        assert_eq!([[0, 2, 8], [0, 2, 14]].map(|types| rows(types.into_iter())), [4, 8]);
    }
}

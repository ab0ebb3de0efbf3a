//! A chat template tried out with the vocabulary of its model's file; the weights are not loaded.

use std::path::Path;

use llama_cpp_2::model::LlamaModel;

use super::generator::vocabulary;
use super::prompt::{PromptForm, special_texts};
use super::runtime;
use crate::chat_template::{ChatTemplate, ProbedCall, TemplateFinding};
use crate::engine::{EngineError, EngineResult};
use crate::model_pool::PoolModel;
use crate::model_pool::check::read_usable;
use crate::vocabulary::{Token, TokenKind, Vocabulary};

/// Words from which on a template's text between special tokens is no name of a turn.
const FEWEST_WORDS: usize = 3;

/// Renders the model's template and tokenises the calls' prompts with it.
pub(super) fn probe(
    member: &PoolModel,
    path: &Path,
    calls: &[ProbedCall],
) -> EngineResult<TemplateFinding> {
    let name = member.name.as_str();
    let failed = |reason| EngineError::load(name, path, reason);
    let header = read_usable(name, path, false)?.header;
    let model = runtime::load_vocabulary(path).map_err(failed)?;
    let vocabulary = vocabulary(&model);
    let form = match PromptForm::of_model(&header, &member.template, &model, &vocabulary) {
        Ok(form) => form,
        Err(fault) => {
            return Ok(TemplateFinding { faults: vec![fault], ..TemplateFinding::default() });
        }
    };
    let text = header.chat_template().unwrap_or_default();
    let (bos, eos) = special_texts(&model, &vocabulary);
    let template = ChatTemplate { text, bos: &bos, eos: &eos, variables: &member.template };
    let prompts = PromptCheck { form: &form, model: &model, vocabulary: &vocabulary };
    let mut faults = prompts.tokenizer_faults();
    for call in calls {
        let of_call = prompts.call_faults(call).into_iter();
        faults.extend(of_call.map(|fault| format!("{}: {fault}", call.purpose)));
    }
    Ok(TemplateFinding {
        faults,
        frame_tokens: form.tokens(&model, "", false).len(),
        added_text: added_text(form.before(), &vocabulary),
        opens_thought: form.opened_thought().map(|(open, _)| open.to_owned()),
        thinking_switch: template.switch(),
        unset_variables: template.unset_variables().into_iter().collect(),
    })
}

/// What prompts are tried with.
struct PromptCheck<'a> {
    form: &'a PromptForm,
    model: &'a LlamaModel,
    vocabulary: &'a Vocabulary,
}

impl PromptCheck<'_> {
    /// What is wrong with every prompt.
    fn tokenizer_faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.vocabulary.ends().is_empty() {
            faults.push("its vocabulary has no token that ends a reply".to_owned());
        }
        let prompt = self.form.tokens(self.model, "Say hello.", false);
        let bos = self.model.vocab().bos().0.cast_unsigned();
        // A template that prints BOS, under a tokenizer that adds it, would give two.
        let begins = prompt.iter().take_while(|&&token| token == bos).count();
        if begins > 1 {
            faults
                .push(format!("its prompts begin with {begins} tokens that begin a text, not one"));
        }
        // A message that spells out everything that the template writes must get no special token by it.
        let forged = self.controls(&self.form.all_special_text());
        if forged != self.controls("Say hello.") {
            faults.push("a message can write the template's special tokens".to_owned());
        }
        faults
    }

    /// Special tokens of a message's prompt.
    fn controls(&self, message: &str) -> usize {
        let special = |token: &&Token| {
            self.vocabulary.kind(**token) != TokenKind::Text || self.form.is_marker(**token)
        };
        self.form.tokens(self.model, message, false).iter().filter(special).count()
    }

    /// What is wrong with a call.
    fn call_faults(&self, call: &ProbedCall) -> Vec<String> {
        let mut faults = Vec::new();
        let prompt = self.form.tokens(self.model, &call.message, false);
        let spelled = String::from_utf8_lossy(&self.vocabulary.bytes_of(&prompt)).into_owned();
        // Templates may trim a message; nothing else of it may be lost.
        if !spelled.contains(call.message.trim()) {
            faults.push("its tokenizer does not give the prompt's text back".to_owned());
        }
        if let Err(error) = self.form.plan(&call.shape, self.model, self.vocabulary) {
            faults.push(format!("a reply cannot be held to its form: {error}"));
        }
        faults
    }
}

/// The longest text between special tokens, when it is more than the name of a turn.
fn added_text(before: &str, vocabulary: &Vocabulary) -> Option<String> {
    let mut text = before.to_owned();
    let is_special = |token: &Token| vocabulary.kind(*token) != TokenKind::Text;
    for token in (0..).take(vocabulary.len()).filter(is_special) {
        let piece = String::from_utf8_lossy(vocabulary.piece(token));
        if !piece.is_empty() && text.contains(&*piece) {
            // A character that no template prints marks where text was cut.
            text = text.replace(&*piece, "\0");
        }
    }
    let words = |part: &&str| part.split_whitespace().count() >= FEWEST_WORDS;
    let longest = text.split('\0').filter(words).max_by_key(|part| part.len())?;
    Some(longest.split_whitespace().collect::<Vec<_>>().join(" "))
}

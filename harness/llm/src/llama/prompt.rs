//! A prompt as tokens: the model's chat template around an untrusted message; and [`probe`], which tries a template
//! out with the vocabulary of its model's file alone.

use std::collections::BTreeMap;
use std::path::Path;

use gra_synth::shape::Shape;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token_type::LlamaTokenAttr;

use super::runtime;
use crate::automaton::{CompiledShape, ShapeError};
use crate::chat_template::{
    ChatTemplate, FrameCut, ProbedCall, TemplateError, TemplateFinding, TemplateFrame,
    TemplateVariables,
};
use crate::engine::{EngineError, EngineResult};
use crate::gguf::GgufHeader;
use crate::model_pool::PoolModel;
use crate::model_pool::check::read_usable;
use crate::vocabulary::{Token, TokenKind, Vocabulary};

/// Words from which on a template's text between special tokens is no name of a turn.
const FEWEST_WORDS: usize = 3;

/// A model's chat template, tokenised but for the message.
#[derive(Debug)]
pub(super) struct PromptForm {
    frame: TemplateFrame,
    head: Vec<Token>,
    lead: String,
    /// What follows the message where the reply is an answer at once.
    answering: PromptEnd,
    /// The same where it may begin with a thought.
    thinking: PromptEnd,
    /// The answering tail up to its last special token.
    closed: Vec<Token>,
    /// The plain text behind that.
    open: String,
    /// The tags of a thought that the template opens.
    opened: Option<(&'static str, &'static str)>,
    /// Tokens by which the template marks turns and which the tokenizer takes for text, so that it would find
    /// them in a message too; each with what is written there instead.
    markers: BTreeMap<Token, Vec<Token>>,
}

/// Tokenises plain text, or text with special tokens in it. Adds neither BOS nor EOS.
pub(super) fn tokens(model: &LlamaModel, text: &str, special: bool) -> Vec<Token> {
    if text.is_empty() {
        return Vec::new();
    }
    let tokens = model.vocab().tokenize(text.as_bytes(), false, special);
    tokens.into_iter().map(|token| token.0.cast_unsigned()).collect()
}

/// The tokens of a model, as llama.cpp tells of them.
pub(super) fn vocabulary(model: &LlamaModel) -> Vocabulary {
    use llama_cpp_2::token_type::LlamaTokenAttr::{Control, Unknown, Unused};

    let vocab = model.vocab();
    Vocabulary::new(vocab.tokens().map(|token| {
        let kind = if vocab.is_eog(token) {
            TokenKind::End
        } else if vocab.attr(token).intersects(Control | Unknown | Unused) {
            TokenKind::Hidden
        } else {
            TokenKind::Text
        };
        (vocab.token_to_piece(token, true, None), kind)
    }))
}

/// Texts of the tokens that begin and end a text; empty where there is none.
fn special_texts(model: &LlamaModel, vocabulary: &Vocabulary) -> (String, String) {
    let vocab = model.vocab();
    let text = |token: LlamaToken| text_of(vocabulary, token.0.cast_unsigned());
    (text(vocab.bos()), text(vocab.eos()))
}

fn text_of(vocabulary: &Vocabulary, token: Token) -> String {
    String::from_utf8_lossy(vocabulary.piece(token)).into_owned()
}

/// The tokens of text in brackets that the frame holds and that the tokenizer finds in any text.
fn markers(frame: &TemplateFrame, model: &LlamaModel, vocabulary: &Vocabulary) -> Vec<Token> {
    let vocab = model.vocab();
    let marks = |token: LlamaToken| {
        let text = text_of(vocabulary, token.0.cast_unsigned());
        // Words that a tokenizer takes whole may be markers or mere vocabulary; the template's own wear brackets.
        let bracketed = [('<', '>'), ('[', ']')]
            .into_iter()
            .any(|(open, close)| text.len() > 2 && text.starts_with(open) && text.ends_with(close));
        bracketed && (frame.before.contains(&text) || frame.after.contains(&text))
    };
    let user_defined = |token: &LlamaToken| {
        vocab.attr(*token).contains(LlamaTokenAttr::UserDefined)
            && vocabulary.kind(token.0.cast_unsigned()) == TokenKind::Text
    };
    let found = vocab.tokens().filter(user_defined).filter(|token| marks(*token));
    found.map(|token| token.0.cast_unsigned()).collect()
}

/// A marker as the tokens of its first character and of the rest.
fn in_pieces(marker: Token, vocabulary: &Vocabulary) -> Option<Vec<Token>> {
    let (first, rest) = vocabulary.piece(marker).split_at_checked(1)?;
    Some([vocabulary.spell(first)?, vocabulary.spell(rest)?].concat())
}

/// What follows a message.
#[derive(Debug)]
struct PromptEnd {
    /// Plain text, tokenised with the message.
    trail: String,
    tail: Vec<Token>,
}

impl PromptEnd {
    fn new(cut: FrameCut<'_>, model: &LlamaModel) -> Self {
        Self { trail: cut.trail.to_owned(), tail: tokens(model, cut.tail, true) }
    }
}

/// Why a file without a template cannot be asked.
const NO_TEMPLATE: &str = "its file has no chat template (`tokenizer.chat_template`), so it is no \
                           instruct model; use an instruct model's GGUF";

impl PromptForm {
    /// That of the template in a model's file, or why it cannot be used.
    pub(super) fn of_model(
        header: &GgufHeader,
        variables: &TemplateVariables,
        model: &LlamaModel,
        vocabulary: &Vocabulary,
    ) -> Result<Self, String> {
        let text = header.chat_template().ok_or(NO_TEMPLATE)?;
        Self::new(text, variables, model, vocabulary).map_err(|error| error.to_string())
    }

    pub(super) fn new(
        text: &str,
        variables: &TemplateVariables,
        model: &LlamaModel,
        vocabulary: &Vocabulary,
    ) -> Result<Self, TemplateError> {
        let vocab = model.vocab();
        let (bos, eos) = special_texts(model, vocabulary);
        let template = ChatTemplate { text, bos: &bos, eos: &eos, variables };
        let thinking = TemplateFrame::render(template)?;
        let markers = markers(&thinking, model, vocabulary);
        // Everything that stands for a token other than text, as the template may spell it.
        let specials: Vec<String> = (0..)
            .take(vocabulary.len())
            .filter(|token| vocabulary.kind(*token) != TokenKind::Text || markers.contains(token))
            .map(|token| text_of(vocabulary, token))
            .collect();
        let opened = thinking.opened_thought();
        // Two ends: replies that may think follow the template; others begin behind a closed thought.
        let frame = thinking.clone().without_thought();
        let thinking = PromptEnd::new(thinking.cut(&specials), model);
        let cut = frame.cut(&specials);
        let mut head = tokens(model, cut.head, true);
        // The template prints BOS itself, or the tokenizer is meant to add it; never both.
        let bos = vocab.bos().0.cast_unsigned();
        if vocab.should_add_bos() && head.first() != Some(&bos) && bos != Token::MAX {
            head.insert(0, bos);
        }
        let lead = cut.lead.to_owned();
        // Where the tail's last special token ends: what follows is plain text that a reply would merge with.
        let ends = specials.iter().filter(|special| !special.is_empty());
        let ends = ends.filter_map(|s| Some(cut.tail.rfind(s.as_str())? + s.len()));
        let (closed, open) = cut.tail.split_at(ends.max().unwrap_or(0));
        let (closed, open) = (tokens(model, closed, true), open.to_owned());
        let answering = PromptEnd::new(cut, model);
        let markers = markers
            .into_iter()
            .filter_map(|marker| Some((marker, in_pieces(marker, vocabulary)?)))
            .collect();
        Ok(Self { frame, head, lead, answering, thinking, closed, open, opened, markers })
    }

    /// Compiles a shape for replies to such prompts. A thought goes between the tags that the template opens.
    pub(super) fn plan(
        &self,
        shape: &Shape,
        model: &LlamaModel,
        vocabulary: &Vocabulary,
    ) -> Result<CompiledShape, ShapeError> {
        let tokenize = |text: &str| tokens(model, text, false);
        let shape = shape.with_thought_as_text(self.opened);
        CompiledShape::compile(&shape, vocabulary, &tokenize)
    }

    /// The tags of a thought that the template opens.
    pub(super) const fn opened_thought(&self) -> Option<(&'static str, &'static str)> {
        self.opened
    }

    /// The text that the template puts before a message.
    fn before(&self) -> &str {
        &self.frame.before
    }

    /// The whole prompt of a reply that may begin with a thought, or is an answer at once. Special tokens
    /// that the message spells stay plain text.
    pub(super) fn tokens(&self, model: &LlamaModel, message: &str, thinking: bool) -> Vec<Token> {
        let end = if thinking { &self.thinking } else { &self.answering };
        let plain = [&self.lead, self.frame.message(message), &end.trail].concat();
        let mut prompt = self.head.clone();
        prompt.extend(self.plain_tokens(model, &plain));
        prompt.extend_from_slice(&end.tail);
        prompt
    }

    /// The prompt up to its last special token, and the plain text behind that: what the beginning
    /// of a reply would merge with.
    pub(super) fn open_tokens(&self, model: &LlamaModel, message: &str) -> (Vec<Token>, String) {
        let plain = [&self.lead, self.frame.message(message), &self.answering.trail].concat();
        let mut prompt = self.head.clone();
        if self.closed.is_empty() {
            return (prompt, plain + &self.open);
        }
        prompt.extend(self.plain_tokens(model, &plain));
        prompt.extend_from_slice(&self.closed);
        (prompt, self.open.clone())
    }

    /// Text as tokens of which none is special, nor a marker of the template.
    fn plain_tokens(&self, model: &LlamaModel, text: &str) -> Vec<Token> {
        let plain = tokens(model, text, false);
        if self.markers.is_empty() {
            return plain;
        }
        let pieces =
            |token: Token| self.markers.get(&token).cloned().unwrap_or_else(|| vec![token]);
        plain.into_iter().flat_map(pieces).collect()
    }

    /// Whether a token is one by which the template marks turns.
    fn is_marker(&self, token: Token) -> bool {
        self.markers.contains_key(&token)
    }

    /// What the template puts around a message, as a message might spell it.
    fn all_special_text(&self) -> String {
        [&self.frame.before, "Say hello.", &self.frame.after].concat()
    }
}

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

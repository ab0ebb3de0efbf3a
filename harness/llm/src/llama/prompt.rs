//! A prompt as tokens: the model's chat template around an untrusted message.

use std::collections::BTreeMap;

use gra_synth::shape::Shape;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token_type::LlamaTokenAttr;

use crate::automaton::{CompiledShape, ShapeError};
use crate::chat_template::{
    ChatTemplate, FrameCut, TemplateError, TemplateFrame, TemplateVariables,
};
use crate::gguf::GgufHeader;
use crate::vocabulary::{Token, TokenKind, Vocabulary};

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

/// Texts of the tokens that begin and end a text; empty where there is none.
pub(super) fn special_texts(model: &LlamaModel, vocabulary: &Vocabulary) -> (String, String) {
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
    pub(super) fn before(&self) -> &str {
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
    pub(super) fn is_marker(&self, token: Token) -> bool {
        self.markers.contains_key(&token)
    }

    /// What the template puts around a message, as a message might spell it.
    pub(super) fn all_special_text(&self) -> String {
        [&self.frame.before, "Say hello.", &self.frame.after].concat()
    }
}

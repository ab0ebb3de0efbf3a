//! A prompt as tokens: the model's chat template around an untrusted message.

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use super::generator::tokens;
use crate::chat_template::{Frame, TemplateError};
use crate::vocabulary::{Token, TokenKind, Vocabulary};

/// A model's chat template, tokenised but for the message.
#[derive(Debug)]
pub(super) struct PromptForm {
    frame: Frame,
    head: Vec<Token>,
    lead: String,
    trail: String,
    tail: Vec<Token>,
    /// The tail up to its last special token.
    closed: Vec<Token>,
    /// The plain text behind that.
    open: String,
}

impl PromptForm {
    pub(super) fn new(
        template: &str,
        model: &LlamaModel,
        vocabulary: &Vocabulary,
    ) -> Result<Self, TemplateError> {
        let vocab = model.vocab();
        let text_of = |token: LlamaToken| {
            let piece = vocabulary.piece(token.0.cast_unsigned());
            String::from_utf8_lossy(piece).into_owned()
        };
        let (bos, eos) = (vocab.bos(), vocab.eos());
        let frame = Frame::render(template, &text_of(bos), &text_of(eos))?;
        let specials: Vec<String> = (0..vocabulary.len())
            .filter_map(|token| Token::try_from(token).ok())
            .filter(|token| vocabulary.kind(*token) != TokenKind::Text)
            .map(|token| String::from_utf8_lossy(vocabulary.piece(token)).into_owned())
            .collect();
        let cut = frame.cut(&specials);
        let mut head = tokens(model, cut.head, true);
        // The template prints BOS itself, or the tokenizer is meant to add it; never both.
        let bos = bos.0.cast_unsigned();
        if vocab.should_add_bos() && head.first() != Some(&bos) && bos != Token::MAX {
            head.insert(0, bos);
        }
        let (lead, trail) = (cut.lead.to_owned(), cut.trail.to_owned());
        let ends = specials.iter().filter(|special| !special.is_empty());
        let ends = ends.filter_map(|s| Some(cut.tail.rfind(s.as_str())? + s.len()));
        let (closed, open) = cut.tail.split_at(ends.max().unwrap_or(0));
        let (closed, open) = (tokens(model, closed, true), open.to_owned());
        Ok(Self { head, lead, trail, tail: tokens(model, cut.tail, true), closed, open, frame })
    }

    /// The whole prompt. Special tokens that the message spells stay plain text.
    pub(super) fn tokens(&self, model: &LlamaModel, message: &str) -> Vec<Token> {
        let plain = [&self.lead, self.frame.message(message), &self.trail].concat();
        let mut prompt = self.head.clone();
        prompt.extend(tokens(model, &plain, false));
        prompt.extend_from_slice(&self.tail);
        prompt
    }

    /// The prompt up to its last special token, and the plain text behind that: what the beginning
    /// of a reply would merge with.
    pub(super) fn open_tokens(&self, model: &LlamaModel, message: &str) -> (Vec<Token>, String) {
        let plain = [&self.lead, self.frame.message(message), &self.trail].concat();
        let mut prompt = self.head.clone();
        if self.closed.is_empty() {
            return (prompt, plain + &self.open);
        }
        prompt.extend(tokens(model, &plain, false));
        prompt.extend_from_slice(&self.closed);
        (prompt, self.open.clone())
    }
}

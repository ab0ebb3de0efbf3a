//! A model's own chat template around one user message.
//!
//! The template is Jinja text in the model's file, rendered the way Hugging Face's tokenizers do
//! (trimmed blocks, Python string methods, `raise_exception`), with one difference: there is no
//! clock, so a template that prints today's date uses its own default.
//!
//! The message is untrusted: it may spell `<|im_end|>`. So the template is rendered once around a
//! placeholder, and only what stands around the placeholder is read as special tokens. See
//! [`Frame`].

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, context};

/// Stands for the message while the template is rendered. Plain letters, so that no template filter
/// changes it.
const PLACEHOLDER: &str = "GRAMESSAGEPLACEHOLDER";

/// Why a template cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// Jinja refuses it, or it raised an exception itself.
    #[error("its chat template cannot be rendered: {0}")]
    Render(#[from] Error),
    /// The rendered text does not hold the message exactly once.
    #[error("its chat template does not print the user's message exactly once")]
    NoMessage,
}

/// What a chat template puts around a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Text before the message, special tokens included.
    pub before: String,
    /// Text after it, up to where the model begins its reply.
    pub after: String,
    trim_start: bool,
    trim_end: bool,
}

impl Frame {
    /// Renders a template around a placeholder. `bos` and `eos` are the texts of the model's
    /// special tokens; empty where it has none.
    ///
    /// # Errors
    /// When the template is no valid Jinja, raises an exception, or loses the message.
    pub fn render(template: &str, bos: &str, eos: &str) -> Result<Self, TemplateError> {
        let mut jinja = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?;
        jinja.set_syntax(syntax);
        jinja.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        jinja.add_function("raise_exception", |message: String| -> Result<String, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
        // White space on both sides shows whether the template trims the message.
        let message = format!("\n {PLACEHOLDER} \n");
        let text = jinja.render_str(
            template,
            context! {
                messages => [context! { role => "user", content => message }],
                add_generation_prompt => true,
                bos_token => bos,
                eos_token => eos,
            },
        )?;
        let (before, after) = text.split_once(PLACEHOLDER).ok_or(TemplateError::NoMessage)?;
        if after.contains(PLACEHOLDER) {
            return Err(TemplateError::NoMessage);
        }
        let kept_start = before.strip_suffix("\n ");
        let kept_end = after.strip_prefix(" \n");
        Ok(Self {
            before: kept_start.unwrap_or(before).to_owned(),
            after: kept_end.unwrap_or(after).to_owned(),
            trim_start: kept_start.is_none(),
            trim_end: kept_end.is_none(),
        })
    }

    /// The message as the template prints it.
    #[must_use]
    pub fn message<'a>(&self, message: &'a str) -> &'a str {
        let message = if self.trim_start { message.trim_start() } else { message };
        if self.trim_end { message.trim_end() } else { message }
    }

    /// The whole prompt as text.
    #[must_use]
    pub fn text(&self, message: &str) -> String {
        [&self.before, self.message(message), &self.after].concat()
    }

    /// Cuts the frame at the special tokens nearest to the message: text up to and with the last
    /// one before it, plain text up to the message; plain text behind it, the rest from the first
    /// special token on. Plain text belongs to the message when it is tokenised: words and line
    /// breaks merge over that border.
    #[must_use]
    pub fn cut<'a>(&'a self, specials: &[String]) -> FrameCut<'a> {
        let specials = || specials.iter().filter(|special| !special.is_empty());
        let head = specials()
            .filter_map(|s| Some(self.before.rfind(s.as_str())? + s.len()))
            .max()
            .unwrap_or(0);
        let tail = specials()
            .filter_map(|s| self.after.find(s.as_str()))
            .min()
            .unwrap_or(self.after.len());
        FrameCut {
            head: &self.before[..head],
            lead: &self.before[head..],
            trail: &self.after[..tail],
            tail: &self.after[tail..],
        }
    }
}

/// A frame in the pieces in which it is tokenised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameCut<'a> {
    /// Read with special tokens.
    pub head: &'a str,
    /// Plain text right before the message.
    pub lead: &'a str,
    /// Plain text right after the message.
    pub trail: &'a str,
    /// Read with special tokens.
    pub tail: &'a str,
}

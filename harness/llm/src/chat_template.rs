//! A model's own chat template around one user message.
//!
//! The template is Jinja text in the model's file, rendered the way Hugging Face's tokenizers do: trimmed
//! blocks, Python string methods, `raise_exception`, `{% generation %}`, `tools` and `documents` as none, and
//! what the pool says under `template` as further variables. One thing differs: there is no clock.
//! `strftime_now` tells the same day for ever ([`DAY`]), so that a prompt does not depend on when it was made.
//!
//! The message is untrusted: it may spell `<|im_end|>`. So the template is rendered once around a
//! placeholder, and only what stands around the placeholder is read as special tokens. See
//! [`TemplateFrame`].

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use gra_synth::request::ModelName;
use gra_synth::shape::Shape;
use gra_synth::thought;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, Value, context};
use serde::{Deserialize, Serialize};

/// Stands for the message while the template is rendered. Plain letters, so that no template filter
/// changes it.
const PLACEHOLDER: &str = "GRAMESSAGEPLACEHOLDER";

/// The variables that every template is given, which a pool therefore cannot set.
pub(crate) const OWN_VARIABLES: [&str; 6] =
    ["messages", "add_generation_prompt", "bos_token", "eos_token", "tools", "documents"];

/// Variables by which templates switch thinking off, with the value that does: Qwen, `SmolLM`, GLM and Hunyuan know
/// the first, Granite and `DeepSeek` the second, Seed-OSS the third.
const SWITCHES: [(&str, &str); 3] =
    [("enable_thinking", "false"), ("thinking", "false"), ("thinking_budget", "0")];

/// The day that `strftime_now` tells, 26 July 2024, the one that Llama's templates print where there is no
/// clock: each format code with its text.
const DAY: [(&str, &str); 14] = [
    ("%-d", "26"),
    ("%-m", "7"),
    ("%d", "26"),
    ("%m", "07"),
    ("%Y", "2024"),
    ("%y", "24"),
    ("%B", "July"),
    ("%b", "Jul"),
    ("%A", "Friday"),
    ("%a", "Fri"),
    ("%H", "00"),
    ("%M", "00"),
    ("%S", "00"),
    ("%%", "%"),
];

/// What a pool sets for a template, by name.
pub type TemplateVariables = BTreeMap<String, serde_json::Value>;

/// The variables as part of a model's fingerprint; nothing where there are none.
pub(crate) fn fingerprint_part(variables: &TemplateVariables) -> String {
    if variables.is_empty() {
        return String::new();
    }
    format!(";template={}", serde_json::json!(variables))
}

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

/// A model's chat template, and what it is rendered with beside the message.
#[derive(Clone, Copy, Debug)]
pub struct ChatTemplate<'a> {
    /// Jinja text.
    pub text: &'a str,
    /// Text of the token that begins a text; empty where the model has none.
    pub bos: &'a str,
    /// Text of the token that ends one; empty where the model has none.
    pub eos: &'a str,
    /// What the pool sets.
    pub variables: &'a TemplateVariables,
}

impl ChatTemplate<'_> {
    /// Renders the template around a message. Where there are no tools, Hugging Face gives `tools` and `documents` as
    /// none and llama.cpp leaves them out, and templates are written for one or the other: the other rendering speaks
    /// of tools or fails. So the shorter one counts.
    fn render(&self, message: &str) -> Result<String, Error> {
        let none = self.render_with(message, context! { tools => (), documents => () });
        let absent = self.render_with(message, context! {});
        match (none, absent) {
            (Ok(none), Ok(absent)) if absent.len() < none.len() => Ok(absent),
            (Ok(text), _) | (Err(_), Ok(text)) => Ok(text),
            (Err(error), Err(_)) => Err(error),
        }
    }

    fn render_with(&self, message: &str, tools: Value) -> Result<String, Error> {
        let mut jinja = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?;
        jinja.set_syntax(syntax);
        jinja.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        jinja.add_function("raise_exception", |message: String| -> Result<String, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
        jinja.add_function("strftime_now", |format: String| strftime(&format));
        let own = context! {
            messages => [context! { role => "user", content => message }],
            add_generation_prompt => true,
            bos_token => self.bos,
            eos_token => self.eos,
        };
        // What the program gives comes first, so that a pool cannot take its place.
        let set = self.variables.iter().map(|(name, value)| (name.clone(), jinja_value(value)));
        let set = Value::from_pairs(set);
        jinja.render_str(&in_plain_jinja(self.text), context! { ..own, ..tools, ..set })
    }

    /// How the pool switches this model's thinking off, as it is written there; `None` where the template knows
    /// no such switch.
    #[must_use]
    pub fn switch(&self) -> Option<String> {
        let frame = |variables: &TemplateVariables| {
            TemplateFrame::render(ChatTemplate { variables, ..*self }).ok()
        };
        // A switch works where the template prints something else with it.
        let here = frame(self.variables)?;
        SWITCHES.into_iter().find_map(|(name, value)| {
            let mut variables = self.variables.clone();
            variables.insert(name.to_owned(), serde_json::from_str(value).ok()?);
            let off = frame(&variables)?;
            (off != here).then(|| format!("template = {{ {name} = {value} }}"))
        })
    }

    /// The variables that it reads and that are not given; empty where it is no valid Jinja.
    #[must_use]
    pub fn unset_variables(&self) -> BTreeSet<String> {
        let text = in_plain_jinja(self.text);
        let jinja = Environment::new();
        let Ok(template) = jinja.template_from_str(&text) else { return BTreeSet::new() };
        let given = |name: &String| {
            OWN_VARIABLES.contains(&name.as_str()) || self.variables.contains_key(name)
        };
        template.undeclared_variables(false).into_iter().filter(|name| !given(name)).collect()
    }
}

/// A pool's value as one of Jinja's.
fn jinja_value(value: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match value {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::from(whole),
            None => Value::from(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(values) => values.iter().map(jinja_value).collect(),
        Json::Object(values) => {
            Value::from_pairs(values.iter().map(|(name, value)| (name.clone(), jinja_value(value))))
        }
    }
}

/// [`DAY`] in a format of Python's `strftime`.
fn strftime(format: &str) -> Result<String, Error> {
    let (mut text, mut rest) = (String::new(), format);
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some((code, shown)) = DAY.into_iter().find(|(code, _)| rest.starts_with(code)) else {
            let reason = format!("strftime_now: this part of a format is not known: {rest}");
            return Err(Error::new(ErrorKind::InvalidOperation, reason));
        };
        text.push_str(shown);
        rest = &rest[code.len()..];
    }
    Ok(text + rest)
}

/// A template in the words that this program's Jinja knows. `{% generation %}`, by which trainers mark what the
/// model wrote, becomes an `if` that always holds, so that white space around it is kept or cut as it says; a line
/// break behind a backslash within a text goes, as Python reads it.
fn in_plain_jinja(template: &str) -> Cow<'_, str> {
    if !template.contains("generation") && !template.contains("\\\n") {
        return Cow::Borrowed(template);
    }
    let (mut text, mut rest) = (String::with_capacity(template.len()), template);
    while let Some(at) = rest.find('{').filter(|at| at + 1 < rest.len()) {
        // Only tags and expressions are rewritten; text between them stays as it is.
        let end = match &rest.as_bytes()[at + 1] {
            b'%' => rest[at..].find("%}"),
            b'{' => rest[at..].find("}}"),
            _ => Some(0),
        };
        let end = end.map_or(rest.len(), |end| at + end.max(1));
        text.push_str(&rest[..at]);
        text.push_str(&plain_tag(&rest[at..end]));
        rest = &rest[end..];
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// One tag, its end left out.
fn plain_tag(tag: &str) -> String {
    let word =
        tag.trim_start_matches("{%").trim_matches(|c: char| c.is_whitespace() || "-+".contains(c));
    match word {
        "generation" => tag.replace(word, "if true"),
        "endgeneration" => tag.replace(word, "endif"),
        _ => tag.replace("\\\n", ""),
    }
}

/// What a chat template puts around a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateFrame {
    /// Text before the message, special tokens included.
    pub before: String,
    /// Text after it, up to where the model begins its reply.
    pub after: String,
    trim_start: bool,
    trim_end: bool,
}

impl TemplateFrame {
    /// Renders a template around a placeholder.
    ///
    /// # Errors
    /// When the template is no valid Jinja, raises an exception, or loses the message.
    pub fn render(template: ChatTemplate<'_>) -> Result<Self, TemplateError> {
        // White space on both sides shows whether the template trims the message.
        let text = template.render(&format!("\n {PLACEHOLDER} \n"))?;
        // Twice would be a template that repeats what the user says.
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

    /// The tags of the thought in which the template lets every reply begin, the closing one unwritten.
    #[must_use]
    pub fn opened_thought(&self) -> Option<(&'static str, &'static str)> {
        thought::left_open(&self.after)
    }

    /// The frame of an answer without a thought: one that the template opens is closed at once, as Qwen's
    /// template writes it where thinking is switched off. gpt-oss answers in a channel of its own.
    #[must_use]
    pub fn without_thought(mut self) -> Self {
        if self.after.ends_with("<|start|>assistant") && self.before.contains("# Valid channels") {
            self.after.push_str("<|channel|>final<|message|>");
        }
        if let Some((_, close)) = self.opened_thought() {
            let line = if self.after.ends_with('\n') { "" } else { "\n" };
            self.after = format!("{}{line}\n{close}\n\n", self.after);
        }
        self
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
        // The last one that ends before the message.
        let head = specials()
            .filter_map(|s| Some(self.before.rfind(s.as_str())? + s.len()))
            .max()
            .unwrap_or(0);
        // The first one behind it.
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

/// A prompt that a model will get, and what for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbedCall {
    /// The role and stage, for people.
    pub purpose: String,
    /// The user message.
    pub message: String,
    /// The form of the reply.
    pub shape: Shape,
}

/// What `doctor` asks of a model's template: prompts it will get.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TemplateQuestion {
    /// The model.
    pub model: ModelName,
    /// What it will be asked.
    pub calls: Vec<ProbedCall>,
}

/// What `doctor` is told of the template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateFinding {
    /// What keeps the model from its calls, each with the call's purpose; empty where nothing does.
    pub faults: Vec<String>,
    /// Tokens that the template puts around a message.
    pub frame_tokens: usize,
    /// Text of its own that the template puts before the message, such as a default system turn.
    pub added_text: Option<String>,
    /// The tag of a thought in which the template lets every reply begin.
    pub opens_thought: Option<String>,
    /// What the pool would say to switch thinking off; `None` where the template knows no such switch, or it
    /// is off.
    pub thinking_switch: Option<String>,
    /// Variables that the template reads and that neither pool nor program sets.
    pub unset_variables: Vec<String>,
}

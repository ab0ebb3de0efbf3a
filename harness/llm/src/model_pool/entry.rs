//! One entry of a pool file: from what is written to what it means.

use std::path::{Path, PathBuf};

use gra_synth::request::ModelName;

use super::wire::{BackendName, EncoderEntry, Hashes, ModelEntry};
use super::{
    Backend, DEFAULT_CONCURRENCY, DEFAULT_TIMEOUT_S, ModelSource, PoolEncoder, PoolError,
    PoolModel, SamplingOverrides, Server, hub,
};
use crate::chat_template::OWN_VARIABLES;

/// A broken rule, before it is known where.
pub(super) struct BrokenRule {
    field: String,
    reason: String,
}

impl BrokenRule {
    pub(super) fn new(field: &str, reason: impl Into<String>) -> Self {
        Self { field: field.to_owned(), reason: reason.into() }
    }

    pub(super) fn of(self, file: &Path, table: &str) -> PoolError {
        let field = if table.is_empty() { self.field } else { format!("{table}.{}", self.field) };
        PoolError::Value { file: file.to_owned(), field, reason: self.reason }
    }
}

/// Holds the value of a field to a rule.
fn require(holds: bool, field: &str, reason: &str) -> Result<(), BrokenRule> {
    if holds { Ok(()) } else { Err(BrokenRule::new(field, reason)) }
}

/// The `[[model]]` or `[[teacher]]` tables of a file: `table` says which.
pub(super) fn models(
    table: &str,
    entries: Vec<ModelEntry>,
    file: &Path,
    folder: &Path,
) -> Result<Vec<PoolModel>, PoolError> {
    (0..)
        .zip(entries)
        .map(|(i, entry)| model(entry, folder).map_err(|bad| bad.of(file, &format!("{table}.{i}"))))
        .collect()
}

fn model(entry: ModelEntry, models: &Path) -> Result<PoolModel, BrokenRule> {
    let backend = backend(&entry, models)?;
    let files = match &backend {
        Backend::LlamaCpp(source) => source.count(),
        Backend::Server(_) => 0,
    };
    let in_context = entry.context != Some(0);
    require(in_context, "context", "is 0; give a number of tokens or leave it out")?;
    let sampling = entry.sampling.unwrap_or_default();
    let is_warm = sampling.temperature.is_none_or(|t| (0.0..=10.0).contains(&t));
    require(is_warm, "sampling.temperature", "must be from 0 to 10")?;
    let is_mass = sampling.top_p.is_none_or(|p| p > 0.0 && p <= 1.0);
    require(is_mass, "sampling.top_p", "must be above 0 and at most 1")?;
    template(&entry)?;
    Ok(PoolModel {
        name: ModelName::new(&name(entry.name)?),
        backend,
        sha256: sha256(entry.sha256, files)?,
        parameters: entry.parameters,
        licence: entry.licence,
        context: entry.context,
        size: entry.size_gb.map(bytes).transpose()?,
        family: entry.family,
        sampling: SamplingOverrides { temperature: sampling.temperature, top_p: sampling.top_p },
        template: entry.template,
        thought_tokens: entry.thought_tokens.unwrap_or_default(),
    })
}

/// Checks the variables of a chat template.
fn template(entry: &ModelEntry) -> Result<(), BrokenRule> {
    for (name, value) in &entry.template {
        let field = format!("template.{name}");
        let is_own = OWN_VARIABLES.contains(&name.as_str());
        require(!is_own, &field, "is given to every template by gra-bench; remove it")?;
        let is_plain = !value.is_object();
        require(is_plain, &field, "must be true, false, a number, a text or a list of them")?;
    }
    Ok(())
}

/// Who runs the model. Keys of another backend are errors: they would have no effect.
fn backend(entry: &ModelEntry, models: &Path) -> Result<Backend, BrokenRule> {
    let keys = FileKeys {
        path: entry.path.clone(),
        repo: entry.repo.clone(),
        file: entry.file.clone(),
        revision: entry.revision.clone(),
    };
    let kind = entry.backend.unwrap_or_default();
    if let Some(key) = entry.without_effect(kind) {
        let name = kind.name();
        let reason = format!("has no effect with backend = \"{name}\"; remove it");
        return Err(BrokenRule::new(key, reason));
    }
    match kind {
        BackendName::LlamaCpp => source(keys, models).map(Backend::LlamaCpp),
        BackendName::Server => server(entry).map(Backend::Server),
    }
}

/// A server's address without a slash at its end, or the rule that it breaks.
///
/// # Errors
/// The end of a sentence about the address.
pub fn server_url(url: &str) -> Result<String, &'static str> {
    let url = url.trim_end_matches('/');
    let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    // A key in an address would end up in messages and results.
    let is_plain = host.is_some_and(|host| !host.is_empty())
        && !url.contains(['?', '#', '@'])
        && !url.contains(char::is_whitespace)
        && !url.ends_with("/completions")
        && !url.ends_with("/models");
    if is_plain {
        return Ok(url.to_owned());
    }
    Err(
        "must begin with http:// or https:// and end before /chat/completions, without user, query or fragment",
    )
}

fn server(entry: &ModelEntry) -> Result<Server, BrokenRule> {
    let missing =
        |key: &str, example: &str| BrokenRule::new(key, format!("is missing, e.g. {example}"));
    let given = |value: &Option<String>| value.clone().filter(|text| !text.trim().is_empty());
    let url =
        given(&entry.url).ok_or_else(|| missing("url", "url = \"http://127.0.0.1:8080/v1\""))?;
    let url = server_url(&url).map_err(|rule| BrokenRule::new("url", rule))?;
    let model = given(&entry.model)
        .ok_or_else(|| missing("model", "model = \"the name that the server knows it by\""))?;
    let dialect = entry.dialect.ok_or_else(|| {
        missing("dialect", "dialect = \"vllm\"; it says how a reply's form is asked for")
    })?;
    let concurrency = entry.concurrency.unwrap_or(DEFAULT_CONCURRENCY);
    let in_range = (1..=1024).contains(&concurrency);
    require(in_range, "concurrency", "must be from 1 to 1024 requests at once")?;
    let timeout_s = entry.timeout_s.unwrap_or(DEFAULT_TIMEOUT_S);
    require(timeout_s > 0, "timeout_s", "is 0; give seconds or leave it out")?;
    let is_variable = |name: &str| !name.is_empty() && !name.contains(['=', '\0']);
    let is_named = entry.api_key_env.as_deref().is_none_or(is_variable);
    require(is_named, "api_key_env", "must be the name of an environment variable")?;
    Ok(Server {
        url,
        model,
        dialect,
        api_key_env: entry.api_key_env.clone(),
        concurrency,
        timeout_s,
        identity: given(&entry.identity),
        template: entry.template.clone(),
    })
}

pub(super) fn encoder(entry: EncoderEntry, models: &Path) -> Result<PoolEncoder, BrokenRule> {
    let EncoderEntry { path, repo, file, revision, .. } = entry;
    let source = source(FileKeys { path, repo, file, revision }, models)?;
    Ok(PoolEncoder {
        name: name(entry.name)?,
        sha256: sha256(entry.sha256, source.count())?,
        source,
    })
}

fn name(name: String) -> Result<String, BrokenRule> {
    require(!name.trim().is_empty(), "name", "is empty").map(|()| name)
}

/// The keys that say where a file is.
struct FileKeys {
    path: Option<PathBuf>,
    repo: Option<String>,
    file: Option<String>,
    revision: Option<String>,
}

fn source(keys: FileKeys, models: &Path) -> Result<ModelSource, BrokenRule> {
    let broken = |key, reason| Err(BrokenRule::new(key, reason));
    let has_revision = keys.revision.is_some();
    // The keys that may stand together, and a sentence for every other combination.
    let (key, source) = match (keys.path, keys.repo, keys.file) {
        (Some(path), None, None) if path.as_os_str().is_empty() => {
            return broken("path", "is empty");
        }
        (Some(path), None, None) => ("path", ModelSource::Path(models.join(from_home(path)))),
        (None, Some(repo), Some(file)) => ("file", of_hub(repo, file, keys.revision)?),
        (Some(_), _, _) => return broken("path", "give either `path`, or `repo` and `file`"),
        (None, Some(_), None) => return broken("file", "is missing; `repo` needs a `file`"),
        (None, None, Some(_)) => return broken("repo", "is missing; `file` needs a `repo`"),
        (None, None, None) => {
            return broken("path", "is missing; give `path`, or `repo` and `file`");
        }
    };
    if has_revision && key == "path" {
        return broken("revision", "has no effect with `path`; remove it");
    }
    match source.split_name() {
        Some(name) if name.number != 1 => {
            let (number, first) = (name.number, name.part(1));
            let reason = format!("is part {number} of a model; name the first, {first}");
            Err(BrokenRule::new(key, reason))
        }
        _ => Ok(source),
    }
}

fn of_hub(repo: String, file: String, revision: Option<String>) -> Result<ModelSource, BrokenRule> {
    let parts = repo.split_once('/');
    let is_repo = parts.is_some_and(|(owner, name)| hub::plain(owner) && hub::plain(name));
    let is_name = repo.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
    require(is_repo && is_name, "repo", "must look like ORGANISATION/NAME")?;
    require(hub::plain_path(&file), "file", "must be a file name of the repository")?;
    let is_revision = revision.as_deref().is_none_or(hub::plain_path);
    require(is_revision, "revision", "must be a branch, a tag or a commit")?;
    Ok(ModelSource::Hub { repo, file, revision })
}

/// A path that begins with `~` starts at the home folder.
fn from_home(path: PathBuf) -> PathBuf {
    match path.to_str() {
        Some(text) => hub::with_home(text, std::env::home_dir().as_deref()).into(),
        None => path,
    }
}

/// Gigabytes as model hubs show them, in thousands.
fn bytes(gigabytes: f64) -> Result<u64, BrokenRule> {
    let in_range = gigabytes > 0.0 && gigabytes <= 10_000.0;
    require(in_range, "size_gb", "must be above 0 and at most 10000 gigabytes")?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    Ok((gigabytes * 1e9).round() as u64)
}

/// The hashes of a model with so many files.
fn sha256(pinned: Option<Hashes>, files: usize) -> Result<Vec<String>, BrokenRule> {
    let pinned = match pinned {
        None => return Ok(Vec::new()),
        Some(Hashes::Whole(hash)) => vec![hash],
        Some(Hashes::Parts(hashes)) => hashes,
    };
    let is_hash = |hash: &String| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    require(pinned.iter().all(is_hash), "sha256", "must be 64 hexadecimal digits")?;
    if pinned.len() != files {
        let reason = match files {
            1 => "the model has one file, and these are several hashes".to_owned(),
            files => format!(
                "the model has {files} parts and needs a list of {files} hashes, in their order; without \
                 `sha256`, `doctor --pin` writes it"
            ),
        };
        return Err(BrokenRule::new("sha256", reason));
    }
    Ok(pinned.into_iter().map(|hash| hash.to_ascii_lowercase()).collect())
}

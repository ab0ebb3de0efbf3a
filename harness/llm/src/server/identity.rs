//! What a server says of its model. It stands where a file's hash stands elsewhere, and says less: a
//! name, a version, settings. Nothing of it depends on the address or on time.

use std::fmt::Write as _;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::client::{Client, ServerAnswer, ServerError};
use super::wire::{self, ModelCard, Models, Props, Version};
use crate::model_pool::{Dialect, Server};

/// A model that a server lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedModel {
    /// The name that the server knows it by.
    pub id: String,
    /// Which program serves it, in the server's words; empty where it does not say.
    pub program: String,
}

/// Asks a server which models it serves; of what `server` holds, its model and dialect are not looked at.
pub(super) fn list(client: &Client, server: &Server) -> Result<Vec<ListedModel>, ServerError> {
    let models: Models = get(client, server, &format!("{}/models", server.url), &|| false)?;
    let listed =
        |card: ModelCard| ListedModel { id: card.id, program: card.owned_by.unwrap_or_default() };
    Ok(models.data.into_iter().map(listed).collect())
}

/// Asks for it.
pub(super) fn ask(
    client: &Client,
    server: &Server,
    halted: &dyn Fn() -> bool,
) -> Result<String, ServerError> {
    let models: Models = get(client, server, &format!("{}/models", server.url), halted)?;
    let card = served(server, &models.data)?;
    let program = card.owned_by.as_deref().unwrap_or("unknown");
    // llama-server tells most: the file, its template and its build.
    if server.dialect == Dialect::LlamaServer {
        let root = server.url.strip_suffix("/v1").unwrap_or(&server.url);
        let props: Props =
            get(client, server, &format!("{root}/props"), halted).or_else(|error| match error {
                // A router of several models tells nothing of itself, and everything of a model that is named.
                ServerError::Refused(_) => {
                    let url = format!("{root}/props?model={}", in_query(&server.model));
                    get(client, server, &url, halted).map_err(|_| error)
                }
                other => Err(other),
            })?;
        return Ok(format!(
            "program={program};file={};build={};template={};context={}",
            last_part(&props.model_path),
            props.build_info,
            hex::encode(&Sha256::digest(&props.chat_template)[..8]),
            props.default_generation_settings.n_ctx,
        ));
    }
    let version = match server.dialect {
        Dialect::Vllm => format!("version={};", version(client, server, halted)?),
        _ => String::new(),
    };
    let root = weights(card.root.as_deref().unwrap_or("unknown"));
    let context = card.max_model_len.map_or_else(|| "unknown".to_owned(), |n| n.to_string());
    Ok(format!("program={program};{version}root={root};context={context}"))
}

/// vLLM's version. Where its own page for that is closed, as behind some gateways, a reply's
/// `system_fingerprint` tells it, and more: how the model is spread over devices, and a hash of settings.
fn version(
    client: &Client,
    server: &Server,
    halted: &dyn Fn() -> bool,
) -> Result<String, ServerError> {
    let root = server.url.strip_suffix("/v1").unwrap_or(&server.url);
    match get::<Version>(client, server, &format!("{root}/version"), halted) {
        Ok(Version { version }) => return Ok(version),
        Err(ServerError::Refused(_) | ServerError::Unavailable(..) | ServerError::Failed(..)) => {}
        Err(error) => return Err(error),
    }
    let answer = hello(client, server, halted)?;
    let said = match &answer {
        ServerAnswer::Done(value) => value.get("system_fingerprint").and_then(Value::as_str),
        ServerAnswer::Declined { .. } => None,
    };
    Ok(said.unwrap_or("unknown").to_owned())
}

/// The cheapest request there is: one token.
pub(super) fn hello(
    client: &Client,
    server: &Server,
    halted: &dyn Fn() -> bool,
) -> Result<ServerAnswer, ServerError> {
    let url = format!("{}/chat/completions", server.url);
    let body = json!({"model": server.model, "max_tokens": 1,
        "messages": [{"role": "user", "content": "Say hello."}]});
    client.post(server, &url, body.to_string().as_bytes(), halted)
}

/// Where the weights are from, as `root` says it: a repository, or a folder of the server's machine. Of a
/// folder its last two names and a hash of its path tell it from others; a folder of the Hugging Face
/// cache names repository and commit.
fn weights(root: &str) -> String {
    if !Path::new(root).is_absolute() {
        return root.to_owned();
    }
    let parts: Vec<&str> = root.split('/').filter(|part| !part.is_empty()).collect();
    if let [.., repository, "snapshots", commit] = parts.as_slice()
        && let Some(repository) = repository.strip_prefix("models--")
    {
        return format!("{}@{commit}", repository.replacen("--", "/", 1));
    }
    let last = parts[parts.len().saturating_sub(2)..].join("/");
    let digest = Sha256::digest(format!("/{}", parts.join("/")));
    format!("{last}~{}", hex::encode(&digest[..4]))
}

/// The model that answers to the name. llama-server has one, and answers to every name.
fn served<'a>(server: &Server, cards: &'a [ModelCard]) -> Result<&'a ModelCard, ServerError> {
    let named = cards.iter().find(|card| card.id == server.model);
    let only = cards.first().filter(|_| server.dialect == Dialect::LlamaServer);
    named.or(only).ok_or_else(|| {
        let ids: Vec<&str> = cards.iter().map(|card| card.id.as_str()).collect();
        let list = if ids.is_empty() { "nothing".to_owned() } else { ids.join(", ") };
        let name = &server.model;
        ServerError::Refused(format!(
            "does not serve `{name}`; it lists {list}\n  hint: correct `model`"
        ))
    })
}

fn get<T: DeserializeOwned>(
    client: &Client,
    server: &Server,
    url: &str,
    halted: &dyn Fn() -> bool,
) -> Result<T, ServerError> {
    match client.get(server, url, halted)? {
        ServerAnswer::Done(value) => serde_json::from_value(value).map_err(|error| {
            let dialect = server.dialect.name();
            ServerError::Refused(format!(
                "{url} is not answered as {dialect} does ({error})\n  hint: is `dialect` right?"
            ))
        }),
        ServerAnswer::Declined { status, body } => {
            // It is about the model, not about one call.
            Err(ServerError::Refused(format!(
                "{url} is answered with {}",
                wire::declined(status, &wire::words(&body))
            )))
        }
    }
}

/// A value as it stands in the query of an address.
fn in_query(value: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// The last part of a path of either kind.
fn last_part(path: &str) -> &str {
    path.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or(path)
}

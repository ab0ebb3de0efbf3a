//! Pool files that the program writes: one of the models that servers list, for `synth --server`, and the hashes of
//! files put into a pool that is there, for `doctor --pin`, which leaves the rest as it stands, comments and all.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use gra_llm::model_pool::check::PoolPart;
use gra_llm::model_pool::{Backend, Dialect, ModelPool, server_url};
use gra_llm::server::{self, ListedModel};
use toml_edit::{Array, DocumentMut, Item, TableLike, Value, value};

use crate::builtin;
use crate::failure::bad_input;

/// Members that full GRA takes: a generator, three reviewers and an adjudicator.
const MEMBERS: usize = 5;

/// Servers, and the variable that holds their key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Servers<'a> {
    /// As the user wrote them.
    pub(crate) urls: &'a [String],
    pub(crate) api_key_env: Option<&'a str>,
}

/// A model of a server, as it goes into the pool.
struct Served {
    url: String,
    id: String,
    dialect: Dialect,
}

impl Servers<'_> {
    /// Whether a pool file is of these servers and no others: they need not be asked again.
    pub(crate) fn are_those_of(self, pool: &str) -> bool {
        let Ok(pool) = ModelPool::parse(pool, Path::new("pool.toml"), Path::new("")) else {
            return false;
        };
        let served = pool.models.iter().filter_map(|model| match &model.backend {
            Backend::Server(server) => Some(server.url.clone()),
            Backend::LlamaCpp(_) => None,
        });
        let own: BTreeSet<String> = self.urls.iter().map(|url| address(url)).collect();
        served.collect::<BTreeSet<String>>() == own
    }

    /// Asks the servers what they serve and writes a pool of it: the file's text, and what a user must know of it.
    pub(crate) fn pool(self, name: &str) -> Result<(String, Vec<String>)> {
        let (mut served, mut said) = (Vec::new(), Vec::new());
        for url in self.urls {
            // Before it is asked: a password in it would be sent, and kept in the pool.
            server_url(url).map_err(|rule| bad_input(anyhow!("--server: the address {rule}")))?;
            let url = address(url);
            let models = server::list(&url, self.api_key_env)?;
            if models.is_empty() {
                return Err(bad_input(anyhow!(
                    "the server at {url} lists no model\nhint: load one, or name another --server"
                )));
            }
            // Replies are held to their form in a way that each program has of its own.
            for ListedModel { id, program } in models {
                let dialect =
                    Dialect::of_program(&program).ok_or_else(|| unknown(&url, &program))?;
                said.push(format!("{url} serves {id}, asked as {}", dialect.name()));
                served.push(Served { url: url.clone(), id, dialect });
            }
        }
        if served.len() < MEMBERS {
            said.push(format!(
                "GRA takes {MEMBERS} members and the servers list {}: models take part more than once, and agree \
                 more than different ones would. More of them with --server URL.",
                served.len()
            ));
        }
        Ok((self.text(name, &served)?, said))
    }

    /// The pool's text; fewer models than members stand in it more than once.
    fn text(self, name: &str, served: &[Served]) -> Result<String> {
        // The demonstration's encoder is everybody's.
        let own = builtin::read_to_string(Path::new(builtin::DEMONSTRATION_POOL))?;
        // As text, comments and all: the file is for people to go on with.
        let encoder = own.find("[encoder]").zip(own.find("[[model]]"));
        let encoder = encoder.map_or("", |(from, to)| &own[from..to]);
        let text = |value: &str| toml::Value::from(value).to_string();
        let mut pool = format!(
            "# The models that these servers listed, written by gra-bench synth.\n\nname = {}\n\n{encoder}",
            text(name)
        );
        let mut names = BTreeSet::new();
        // In turn, so that a model's second part follows those of all others.
        for Served { url, id, dialect } in served.iter().cycle().take(served.len().max(MEMBERS)) {
            let member = free_name(id, &mut names);
            let _ = write!(
                pool,
                "[[model]]\nname = {}\nbackend = \"server\"\nurl = {}\nmodel = {}\ndialect = {}\n",
                text(&member),
                text(url),
                text(id),
                text(dialect.name())
            );
            if let Some(variable) = self.api_key_env {
                let _ = writeln!(pool, "api_key_env = {}", text(variable));
            }
            pool.push('\n');
        }
        Ok(pool.trim_end().to_owned() + "\n")
    }
}

/// An address up to what comes before `/models`: `http://host:8080` means `http://host:8080/v1`.
fn address(url: &str) -> String {
    let url = url.trim_end_matches('/');
    let has_path = url.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
    if has_path { url.to_owned() } else { format!("{url}/v1") }
}

/// The last part of a model's name, or of its file's, with a number where it is taken.
fn free_name(id: &str, taken: &mut BTreeSet<String>) -> String {
    let plain = id.rsplit(['/', '\\']).next().unwrap_or(id).trim_end_matches(".gguf");
    let mut name = plain.to_owned();
    let mut number = 1;
    while !taken.insert(name.clone()) {
        number += 1;
        name = format!("{plain}-{number}");
    }
    name
}

fn unknown(url: &str, program: &str) -> anyhow::Error {
    let program = if program.is_empty() { "does not say which program it is" } else { program };
    bad_input(anyhow!(
        "the server at {url} is no llama-server, vLLM, SGLang or LMDeploy ({program}), so how it holds a reply to its \
         form is not known\nhint: if it follows one of them, write a pool file with its `url`, `model` and `dialect`, and \
         give it with --pool; the GGUF files of Ollama and LM Studio go into a pool as `path`, or to llama-server"
    ))
}

/// A model's place in a pool, and the hashes of its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pin {
    /// Which tables it stands in.
    pub(crate) part: PoolPart,
    /// The model's name.
    pub(crate) name: String,
    /// SHA-256 of each file, in hexadecimal digits.
    pub(crate) sha256: Vec<String>,
}

/// A pool's text with these hashes in it, and those that were added. A hash that is there already stays.
///
/// # Errors
/// When the text is no TOML.
pub(crate) fn pinned(text: &str, pins: Vec<Pin>) -> Result<(String, Vec<Pin>)> {
    let mut pool: DocumentMut = text.parse().context("the pool cannot be read as TOML")?;
    let mut added = Vec::new();
    for pin in pins {
        // A hash that stands there is the user's word on which file is meant, not ours to replace.
        if let Some(table) = table(&mut pool, &pin)
            && !table.contains_key("sha256")
        {
            table.insert("sha256", written(&pin.sha256));
            added.push(pin);
        }
    }
    Ok((pool.to_string(), added))
}

/// A model's hashes as a pool has them: of a single file the hash, of several parts a list with one a line.
fn written(sha256: &[String]) -> Item {
    if let [whole] = sha256 {
        return value(whole);
    }
    let mut list = Array::new();
    for hash in sha256 {
        list.push_formatted(Value::from(hash).decorated("\n    ", ""));
    }
    list.set_trailing("\n");
    list.set_trailing_comma(true);
    value(list)
}

/// The model's table, in either of the ways in which TOML writes a list of tables.
fn table<'a>(pool: &'a mut DocumentMut, pin: &Pin) -> Option<&'a mut dyn TableLike> {
    let key = match pin.part {
        PoolPart::Encoder => return pool.get_mut("encoder")?.as_table_like_mut(),
        PoolPart::Member => "model",
        PoolPart::Teacher => "teacher",
    };
    let is_it =
        |table: &dyn TableLike| table.get("name").and_then(Item::as_str) == Some(pin.name.as_str());
    match pool.get_mut(key)? {
        Item::ArrayOfTables(tables) => {
            tables.iter_mut().find(|table| is_it(*table)).map(|table| table as _)
        }
        item => {
            let mut tables = item.as_array_mut()?.iter_mut().filter_map(Value::as_inline_table_mut);
            tables.find(|table| is_it(*table)).map(|table| table as _)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_models_than_members_stand_in_the_pool_more_than_once() {
        let urls = ["http://127.0.0.1:1".to_owned()];
        let servers = Servers { urls: &urls, api_key_env: Some("KEY") };
        let served = ["org/a \"b\".gguf", "c"].map(|id| Served {
            url: address(&urls[0]),
            id: id.to_owned(),
            dialect: Dialect::Vllm,
        });
        let text = servers.text("mine", &served).unwrap();
        let pool = ModelPool::parse(&text, Path::new("pool.toml"), Path::new("models")).unwrap();
        let names: Vec<&str> = pool.models.iter().map(|model| model.name.as_str()).collect();
        assert_eq!(names, ["a \"b\"", "c", "a \"b\"-2", "c-2", "a \"b\"-3"]);
        assert_eq!(pool.encoder.name, "all-MiniLM-L6-v2");
        assert!(servers.are_those_of(&text));
        let others = ["http://127.0.0.1:1/v1/".to_owned(), "http://b/v1".to_owned()];
        assert!(!Servers { urls: &others, api_key_env: None }.are_those_of(&text));
        assert!(Servers { urls: &others[..1], api_key_env: None }.are_those_of(&text));
    }

    const POOL: &str = "\
# Mine.
name = \"mine\"

[encoder]
name = \"e\"
path = \"e.gguf\" # here

[[model]]
name = \"a\" # the first
path = \"a.gguf\"
sampling = { temperature = 0.3 }

[[model]]
name = \"b\"
path = \"b.gguf\"
sha256 = \"00\"

[[teacher]]
name = \"a\"
path = \"t.gguf\"
";

    #[test]
    fn hashes_are_added_and_nothing_else_changes() {
        let pin =
            |part, name: &str| Pin { part, name: name.to_owned(), sha256: vec!["ff".to_owned()] };
        let parts = ["01", "02"].map(str::to_owned).to_vec();
        let pins = [
            pin(PoolPart::Encoder, "e"),
            pin(PoolPart::Member, "a"),
            pin(PoolPart::Member, "b"),
            pin(PoolPart::Member, "absent"),
            Pin { part: PoolPart::Teacher, name: "a".to_owned(), sha256: parts },
        ];
        let expected = POOL
            .replace("# here\n", "# here\nsha256 = \"ff\"\n")
            .replace("0.3 }\n", "0.3 }\nsha256 = \"ff\"\n")
            .replace("t.gguf\"\n", "t.gguf\"\nsha256 = [\n    \"01\",\n    \"02\",\n]\n");
        let (text, added) = pinned(POOL, pins.to_vec()).unwrap();
        assert_eq!(text, expected);
        assert_eq!(added, [&pins[0], &pins[1], &pins[4]].map(Clone::clone));
        assert_eq!(pinned(POOL, Vec::new()).unwrap(), (POOL.to_owned(), Vec::new()));
        assert!(pinned("name = ", pins.to_vec()).is_err());
        let (text, added) =
            pinned("model = [{ name = \"a\", path = \"a.gguf\" }]\n", pins.to_vec()).unwrap();
        let expected = "model = [{ name = \"a\", path = \"a.gguf\" , sha256 = \"ff\" }]\n";
        assert_eq!((text.as_str(), added.len()), (expected, 1));
    }
}

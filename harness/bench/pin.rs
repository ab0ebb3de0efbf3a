//! Pins the files of a pool: writes their hashes into its TOML and leaves the rest as it stands, comments
//! and all.

use anyhow::{Context, Result};
use gra_llm::model_pool::check::Part;
use toml_edit::{DocumentMut, Table, value};

/// A file's place in a pool, and its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Which tables it stands in.
    pub part: Part,
    /// The model's name.
    pub name: String,
    /// SHA-256 in hexadecimal digits.
    pub sha256: String,
}

/// A pool's text with these hashes in it. A hash that is there already stays.
///
/// # Errors
/// When the text is no TOML.
pub fn pinned(text: &str, pins: &[Pin]) -> Result<String> {
    let mut pool: DocumentMut = text.parse().context("the pool cannot be read as TOML")?;
    for pin in pins {
        if let Some(table) = table(&mut pool, pin)
            && !table.contains_key("sha256")
        {
            table.insert("sha256", value(&pin.sha256));
        }
    }
    Ok(pool.to_string())
}

fn table<'a>(pool: &'a mut DocumentMut, pin: &Pin) -> Option<&'a mut Table> {
    let key = match pin.part {
        Part::Encoder => return pool.get_mut("encoder")?.as_table_mut(),
        Part::Member => "model",
        Part::Teacher => "teacher",
    };
    let mut tables = pool.get_mut(key)?.as_array_of_tables_mut()?.iter_mut();
    tables.find(|table| table.get("name").and_then(|name| name.as_str()) == Some(&pin.name))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let pin = |part, name: &str| Pin { part, name: name.to_owned(), sha256: "ff".to_owned() };
        let pins = [
            pin(Part::Encoder, "e"),
            pin(Part::Member, "a"),
            pin(Part::Member, "b"),
            pin(Part::Member, "nobody"),
        ];
        let expected = POOL
            .replace("# here\n", "# here\nsha256 = \"ff\"\n")
            .replace("0.3 }\n", "0.3 }\nsha256 = \"ff\"\n");
        assert_eq!(pinned(POOL, &pins).unwrap(), expected);
        assert_eq!(pinned(POOL, &[]).unwrap(), POOL);
        assert!(pinned("name = ", &pins).is_err());
    }
}

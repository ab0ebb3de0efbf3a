//! Pins the files of a pool: writes their hashes into its TOML and leaves the rest as it stands, comments
//! and all.

use anyhow::{Context, Result};
use gra_llm::model_pool::check::PoolPart;
use toml_edit::{Array, DocumentMut, Item, TableLike, Value, value};

/// A model's place in a pool, and the hashes of its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Which tables it stands in.
    pub part: PoolPart,
    /// The model's name.
    pub name: String,
    /// SHA-256 of each file, in hexadecimal digits.
    pub sha256: Vec<String>,
}

/// A pool's text with these hashes in it, and those that were added. A hash that is there already stays.
///
/// # Errors
/// When the text is no TOML.
pub fn pinned(text: &str, pins: Vec<Pin>) -> Result<(String, Vec<Pin>)> {
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

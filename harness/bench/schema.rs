//! JSON Schemas of experiment and pool files, and the reference of their keys in Markdown: made of the types that
//! read the files, so that neither can tell of a key that no file may have.

use std::fmt::Write as _;

use gra_llm::model_pool;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::experiment::ExperimentFile;

/// The schema of experiment files. No key is required: a file that stands on a `base` may leave out what the base says.
#[must_use]
pub fn of_experiments() -> Value {
    let mut schema = whole_experiments();
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("required");
    }
    schema
}

/// The schema of pool files.
#[must_use]
pub fn of_pools() -> Value {
    for_toml(model_pool::schema(generator()).to_value(), "Model pool of gra-bench")
}

/// The reference of every key, as `harness/guide/keys.md` holds it.
#[must_use]
pub fn key_reference() -> String {
    let mut page = String::from(
        "# Keys of experiment and pool files\n\n\
         Written by `gra-bench schema keys` from the types that read the files; a test holds this page against them.\n\
         [experiments.md](experiments.md) and [models-and-servers.md](models-and-servers.md) explain the keys in their\n\
         context and with the paper's values.\n",
    );
    for (title, schema) in [("Experiment files", whole_experiments()), ("Pool files", of_pools())] {
        let _ = write!(page, "\n## {title}\n");
        write_tables(&mut page, "", &schema);
    }
    page
}

/// The schema with the keys that must be there, in the file or in its base.
fn whole_experiments() -> Value {
    let mut schema = generator().into_root_schema_for::<ExperimentFile>().to_value();
    // The number of physical cores of the machine that makes the schema.
    if let Some(Value::Object(threads)) =
        schema.pointer_mut("/properties/engine/properties/threads")
    {
        threads.remove("default");
    }
    for_toml(schema, "Experiment of gra-bench")
}

/// Of the draft that editors of TOML read, and in one piece.
fn generator() -> SchemaGenerator {
    SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true).into_generator()
}

fn for_toml(mut schema: Value, title: &str) -> Value {
    without_null(&mut schema);
    schema["title"] = json!(title);
    schema
}

/// TOML has no null, and an optional key is left out. Widths of numbers are Rust's own, an `f32` gets the digits
/// that people write, and defaults of whole tables are those of their keys.
fn without_null(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(without_null),
        Value::Object(schema) => {
            schema.remove("format");
            if schema.get("default").is_some_and(|value| value.is_null() || value.is_object()) {
                schema.remove("default");
            }
            if let Some(Value::Array(types)) = schema.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [kind] = &types[..] {
                    let kind = kind.clone();
                    schema.insert("type".to_owned(), kind);
                }
            }
            // An `Option` of a table is a choice of the table and null.
            if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
                choices.retain(|choice| choice["type"] != "null");
                if let [Value::Object(only)] = &mut choices[..] {
                    let only = std::mem::take(only);
                    schema.remove("anyOf");
                    for (key, value) in only {
                        schema.entry(key).or_insert(value);
                    }
                }
            }
            schema.values_mut().for_each(without_null);
        }
        Value::Number(number) if number.is_f64() => {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a default that was an f32 keeps its digits so"
            )]
            let short = number.as_f64().map(|long| long as f32).map(|short| short.to_string());
            if let Some(short) = short.and_then(|digits| digits.parse::<f64>().ok()) {
                *value = json!(short);
            }
        }
        _ => {}
    }
}

/// The table of a schema's keys, and below it those of the tables that its keys hold.
fn write_tables(page: &mut String, path: &str, schema: &Value) {
    let Some(keys) = schema["properties"].as_object() else { return };
    page.push_str("\n| Key | Value | Default | Meaning |\n|---|---|---|---|\n");
    let required = schema["required"].as_array();
    for (key, schema) in keys {
        let is_required = required.is_some_and(|required| required.contains(&json!(key)));
        let default = match &schema["default"] {
            _ if is_required => "required".to_owned(),
            Value::Null => String::new(),
            default => format!("`{default}`"),
        };
        let row = format!("| `{key}` | {} | {default} | {} |\n", kind(schema), meaning(schema));
        page.push_str(&row);
    }
    let mut written: Vec<(&Value, String)> = Vec::new();
    for (key, schema) in keys {
        let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let choices = schema["anyOf"].as_array().into_iter().flatten();
        for table in choices.chain([schema, &schema["items"]]) {
            if table["properties"].is_object() {
                // By its place and not by its content: a table and a list of tables may look alike.
                let is_list = std::ptr::eq(table, &raw const schema["items"]);
                let heading = if is_list { format!("[[{below}]]") } else { format!("[{below}]") };
                let _ = write!(page, "\n### `{heading}`\n");
                // Tables that several keys hold, such as sampling, are described once.
                match written.iter().find(|(other, _)| *other == table) {
                    Some((_, other)) => {
                        let _ = write!(page, "\nThe keys of `{other}`.\n");
                    }
                    None => write_tables(page, &below, table),
                }
                written.push((table, heading));
            }
        }
    }
}

/// What a value may be, in a few words.
fn kind(schema: &Value) -> String {
    let each = |choices: &Value| -> Vec<String> {
        choices.as_array().into_iter().flatten().map(kind).collect()
    };
    if schema["const"].is_string() {
        return format!("`{}`", schema["const"]);
    }
    // Words with a description each are `oneOf`, other choices `anyOf`, and plain words `enum`.
    for choices in ["oneOf", "anyOf"] {
        if schema[choices].is_array() {
            return each(&schema[choices]).join(", ");
        }
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    }
    match schema["type"].as_str() {
        Some("array") => format!("list of {}", kind(&schema["items"])),
        Some("object") => "table".to_owned(),
        Some(kind) => kind.to_owned(),
        None => "any".to_owned(),
    }
}

/// A key's description, and those of the words that it may have.
fn meaning(schema: &Value) -> String {
    let described = |schema: &Map<String, Value>| schema.get("description")?.as_str().map(plain);
    let own = schema.as_object().and_then(described).unwrap_or_default();
    let words = schema["oneOf"].as_array().into_iter().flatten().filter_map(Value::as_object);
    let words =
        words.filter_map(|word| Some(format!(" `{}`: {}", word.get("const")?, described(word)?)));
    words.fold(own, |meaning, word| meaning + &word)
}

/// A doc comment as a cell of a table: in one line, without the marks of links.
fn plain(comment: &str) -> String {
    let line = comment.split_whitespace().collect::<Vec<_>>().join(" ");
    // A bar would end the cell.
    line.replace("[`", "`").replace("`]", "`").replace('|', "\\|")
}

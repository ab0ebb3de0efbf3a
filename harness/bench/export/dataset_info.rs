//! `dataset_info.json`: tells LLaMA-Factory what the training files are.
//!
//! Two traps of that format. Once `columns` is present, a column that it does not list is taken as
//! absent, so `query` is listed although our inputs are empty. And a column that it does list must be
//! in the data: `system` and `history`, which our records do not have, would fail at loading.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{ExportError, file, sharegpt};

#[derive(Serialize)]
struct Entry {
    file_name: &'static str,
    formatting: &'static str,
    columns: Columns,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Tags>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Columns {
    Alpaca { prompt: &'static str, query: &'static str, response: &'static str },
    ShareGpt { messages: &'static str },
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the format's names")]
struct Tags {
    role_tag: &'static str,
    content_tag: &'static str,
    user_tag: &'static str,
    assistant_tag: &'static str,
    system_tag: &'static str,
}

/// Name of the conversation form of a data set.
pub(super) fn conversations(name: &str) -> String {
    format!("{name}_sharegpt")
}

pub(super) fn render(name: &str) -> Result<Vec<u8>, ExportError> {
    let alpaca = Entry {
        file_name: file::ALPACA,
        formatting: "alpaca",
        columns: Columns::Alpaca { prompt: "instruction", query: "input", response: "output" },
        tags: None,
    };
    let sharegpt = Entry {
        file_name: file::SHAREGPT,
        formatting: "sharegpt",
        columns: Columns::ShareGpt { messages: "messages" },
        tags: Some(Tags {
            role_tag: "role",
            content_tag: "content",
            user_tag: sharegpt::USER,
            assistant_tag: sharegpt::ASSISTANT,
            system_tag: "system",
        }),
    };
    let entries = BTreeMap::from([(name.to_owned(), alpaca), (conversations(name), sharegpt)]);
    let mut bytes = serde_json::to_vec_pretty(&entries)?;
    bytes.push(b'\n');
    Ok(bytes)
}

//! Alpaca JSON: an array of `instruction`, `input`, `output`, one record per line.

use serde::Serialize;

use super::{ExportError, Sample};

#[derive(Serialize)]
struct Record<'a> {
    instruction: &'a str,
    /// Always empty: a seed item's input became part of its instruction (METHOD.md, S2), and
    /// generated instructions have none.
    input: &'a str,
    output: &'a str,
}

pub(super) fn render(samples: &[Sample]) -> Result<Vec<u8>, ExportError> {
    let mut bytes = b"[".to_vec();
    for (number, sample) in samples.iter().enumerate() {
        bytes.extend_from_slice(if number == 0 { b"\n" } else { b",\n" });
        let record = Record { instruction: sample.instruction, input: "", output: sample.response };
        serde_json::to_writer(&mut bytes, &record)?;
    }
    bytes.extend_from_slice(b"\n]\n");
    Ok(bytes)
}

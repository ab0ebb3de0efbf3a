//! What a pool's members or teachers take, and whether the machine has it.

use std::fmt::Write as _;

use anyhow::Result;
use gra_llm::model_pool::check::{Footprint, ModelCheck, PoolPart};
use serde::Serialize;

use super::gib;

/// What members or teachers take.
#[derive(Serialize)]
pub(super) struct Needs {
    part: &'static str,
    disk_bytes: u64,
    /// Of those, still to be fetched.
    missing_bytes: u64,
    /// Models whose files are not all here and whose size the pool does not state.
    files_of_unknown_size: usize,
    /// Of the largest model, with the KV cache of one sequence.
    memory_bytes: Option<u64>,
    largest: Option<String>,
}

impl Needs {
    /// Of the files of these parts.
    pub(super) fn of(part: &'static str, checks: &[ModelCheck], parts: &[PoolPart]) -> Self {
        let Footprint { disk, missing, unknown, largest } = Footprint::of(checks, parts);
        let (largest, memory_bytes) = largest.unzip();
        Self {
            part,
            disk_bytes: disk,
            missing_bytes: missing,
            files_of_unknown_size: unknown,
            memory_bytes,
            largest,
        }
    }

    /// What a machine of this memory, with so much free where the missing files would be, is short of.
    pub(super) fn shortage(&self, memory: Option<u64>, free: Option<u64>) -> Vec<String> {
        let mut shortage = Vec::new();
        if let Some(free) = free.filter(|&free| free < self.missing_bytes) {
            let wanted = gigabytes(self.missing_bytes);
            shortage.push(format!(
                "{wanted} are still to be fetched, and {} are free",
                gigabytes(free)
            ));
        }
        if let (Some(memory), Some(wanted), Some(model)) =
            (memory, self.memory_bytes, &self.largest)
            && wanted > memory
        {
            let (wanted, memory) = (gib(wanted), gib(memory));
            shortage
                .push(format!("model `{model}` takes {wanted} of memory, and there are {memory}"));
        }
        shortage
    }

    pub(super) fn write(&self, text: &mut String) -> Result<()> {
        let Some((largest, memory)) = self.largest.as_ref().zip(self.memory_bytes) else {
            return Ok(());
        };
        write!(text, "  {:<8} take {} on disk", self.part, gigabytes(self.disk_bytes))?;
        if self.missing_bytes > 0 {
            write!(text, " ({} still to fetch)", gigabytes(self.missing_bytes))?;
        }
        if self.files_of_unknown_size > 0 {
            let models = if self.files_of_unknown_size == 1 { "model" } else { "models" };
            write!(text, " and {} {models} of unknown size", self.files_of_unknown_size)?;
        }
        writeln!(text, ", and at least {} of memory for {largest}", gib(memory))?;
        Ok(())
    }
}

/// As model hubs show sizes of files.
#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_is_too_small_is_told_in_what() {
        let needs = Needs {
            part: "members",
            disk_bytes: 24_340_000_000,
            missing_bytes: 4_920_000_000,
            files_of_unknown_size: 1,
            memory_bytes: Some(6 << 30),
            largest: Some("llama-3.1-8b".to_owned()),
        };
        let enough = (Some(8 << 30), Some(5_000_000_000));
        assert!(needs.shortage(enough.0, enough.1).is_empty());
        assert!(needs.shortage(None, None).is_empty(), "what is not known is not held against it");
        let mut text = needs.shortage(Some(4 << 30), Some(1_000_000_000)).join("\n");
        text.push('\n');
        needs.write(&mut text).unwrap();
        insta::assert_snapshot!(text, @"
        4.9 GB are still to be fetched, and 1.0 GB are free
        model `llama-3.1-8b` takes 6.0 GiB of memory, and there are 4.0 GiB
          members  take 24.3 GB on disk (4.9 GB still to fetch) and 1 model of unknown size, and at least 6.0 GiB of memory for llama-3.1-8b
        ");
    }
}

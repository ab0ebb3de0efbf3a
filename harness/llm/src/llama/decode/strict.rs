//! Steps whose numbers do not depend on what is evaluated beside a reply.
//!
//! llama.cpp's CPU kernels for few rows add up in another order than those for many, and attention
//! has a kernel of its own for a sequence with one row. So here the request alone decides which kernel
//! computes a token: a prompt is evaluated by itself, in whole blocks of rows; every token of a reply
//! is one row of its sequence, in a batch of as many rows as kernels take, where idle sequences fill in.

use super::{DecodeLane, Slot};
use crate::engine::EngineResult;
use crate::llama::generator::{BLOCK, Generator, block};
use crate::llama::settings::{EngineSettings, FlashAttention};

/// Refuses what strictness was not measured for, or is known not to hold for.
pub(in crate::llama) fn check(
    generator: &Generator,
    settings: &EngineSettings,
) -> EngineResult<()> {
    let reason = if settings.gpu_layers() > 0 {
        "strict determinism is for the CPU; set `gpu_layers = 0`"
    } else if settings.flash_attention() != FlashAttention::Off {
        "strict determinism needs flash attention off"
    } else if generator.experts {
        "it is a mixture of experts: how many tokens an expert gets depends on the whole batch, so \
         strict determinism cannot be had"
    } else {
        return Ok(());
    };
    Err(generator.unusable(reason))
}

/// Sequences for this many slots of a model whose kernels take so many rows: idle ones fill them up.
pub(super) fn seats(slots: u32, rows: u32) -> u32 {
    slots.next_multiple_of(rows)
}

/// Rows of a batch or micro-batch: whole blocks, at least one.
pub(super) fn room(rows: u32) -> u32 {
    rows.next_multiple_of(block())
}

impl DecodeLane<'_> {
    /// Evaluates one prompt if there is one, else one token of every reply. Gives the seats that can
    /// draw now, with the place of their logits.
    pub(super) fn strict_step(
        &mut self,
        seats: &mut [Option<Slot>],
    ) -> EngineResult<Vec<(usize, i32)>> {
        for (seat, slot) in seats.iter_mut().enumerate() {
            if let Some(slot) = slot
                && !slot.writing
            {
                let logits_at = self.prompt(seat, slot)?;
                // An opening that was written before is fed as it was written, token by token.
                slot.pending = std::mem::take(&mut slot.job.behind);
                let can_draw = slot.pending.is_empty();
                return Ok(if can_draw { vec![(seat, logits_at)] } else { Vec::new() });
            }
        }
        self.tokens(seats)
    }

    /// Evaluates a prompt by itself. Its last block is filled up behind its end, and what filled it
    /// is forgotten.
    fn prompt(&mut self, seat: usize, slot: &mut Slot) -> EngineResult<i32> {
        let tokens = std::mem::take(&mut slot.pending);
        // Not empty: a job keeps one token of its own behind the shared beginning.
        let last = tokens.len() - 1;
        let end = tokens.len().next_multiple_of(BLOCK);
        for start in (0..end).step_by(self.room) {
            self.batch.clear();
            for at in start..(start + self.room).min(end) {
                // Whole blocks also of logits: the last layer's kernels depend on how many are asked for.
                let asked = at >= last / BLOCK * BLOCK;
                // Behind the end the last token stands again; its rows are forgotten below.
                let token = tokens[at.min(last)];
                self.add(token, slot.position + at, self.base + seat, asked)?;
            }
            self.evaluate()?;
        }
        slot.position += tokens.len();
        self.clear(seat, slot.position)?;
        self.count_prompt(slot, tokens.len());
        i32::try_from(last % self.room).map_err(|error| self.generator.failed(error.to_string()))
    }

    /// Evaluates the next token of every reply.
    fn tokens(&mut self, seats: &mut [Option<Slot>]) -> EngineResult<Vec<(usize, i32)>> {
        self.batch.clear();
        let mut drawn_from = Vec::new();
        for seat in 0..self.seats {
            let slot = seats.get_mut(seat).and_then(Option::as_mut);
            let Some(slot) = slot.filter(|slot| !slot.pending.is_empty()) else {
                self.clear(seat, 0)?;
                // Any token will do: nothing looks at its row.
                self.add(0, 0, self.base + seat, true)?;
                continue;
            };
            let token = slot.pending.remove(0);
            if slot.pending.is_empty() {
                drawn_from.push((seat, self.batch.n_tokens()));
            }
            self.add(token, slot.position, self.base + seat, true)?;
            slot.position += 1;
        }
        self.evaluate()?;
        Ok(drawn_from)
    }
}

#[cfg(test)]
mod tests {
    use super::seats;

    #[test]
    fn idle_sequences_fill_up_what_kernels_take() {
        assert_eq!([1, 4, 5].map(|slots| seats(slots, 4)), [4, 4, 8]);
    }
}

//! How many texts of a trial are longer than the encoder reads at once. Deduplication compares these window
//! by window (METHOD.md, D1), and a reader must know that.

use gra_synth::annotate::AnnotatedSeed;
use gra_synth::candidate::Candidate;
use serde::Serialize;

/// Counts of instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct LongTexts {
    /// Of candidates that were compared.
    pub(crate) candidates: usize,
    /// Of seed items.
    pub(crate) seed_items: usize,
}

impl LongTexts {
    pub(crate) fn of(candidates: &[Candidate], seeds: &[AnnotatedSeed]) -> Self {
        Self {
            candidates: candidates.iter().filter(|candidate| candidate.long).count(),
            seed_items: seeds.iter().filter(|seed| seed.long).count(),
        }
    }
}

/// What the counts of an experiment's variants say together; `None` where no text is long. Variants under one
/// run seed have the same seed items.
pub(crate) fn in_words(variants: &[(&str, LongTexts)]) -> Option<String> {
    let seed_items = variants.iter().map(|(_, long)| long.seed_items).max().unwrap_or(0);
    let candidates = variants.iter().filter(|(_, long)| long.candidates > 0);
    let candidates = candidates.map(|(name, long)| format!("{} of `{name}`", long.candidates));
    let candidates: Vec<String> = candidates.collect();
    let parts = [
        (seed_items > 0).then(|| format!("{seed_items} of the seed items")),
        (!candidates.is_empty()).then(|| format!("candidates ({})", candidates.join(", "))),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| {
        format!(
            "Longer than the encoder reads at once, or in letters that it does not know, are the instructions of {}: \
             they were compared in windows (METHOD.md, D1).",
            parts.join(" and ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_counted_by_variant_and_nothing_is_said_of_nothing() {
        let long = |candidates, seed_items| LongTexts { candidates, seed_items };
        assert_eq!(in_words(&[("gra", long(0, 0)), ("other", long(0, 0))]), None);
        insta::assert_snapshot!(
            in_words(&[("gra", long(3, 2)), ("a", long(0, 2)), ("b", long(1, 0))]).unwrap(),
            @"Longer than the encoder reads at once, or in letters that it does not know, are the instructions of 2 of the seed items and candidates (3 of `gra`, 1 of `b`): they were compared in windows (METHOD.md, D1)."
        );
        insta::assert_snapshot!(in_words(&[("gra", long(0, 1))]).unwrap(), @"Longer than the encoder reads at once, or in letters that it does not know, are the instructions of 1 of the seed items: they were compared in windows (METHOD.md, D1).");
    }
}

//! Words that an encoder has no tokens for, by their letters: texts that share few of them must not be taken for one
//! because the encoder reads nothing of either.

/// The sum of a vector for each run of three letters, edges of words included. Runs of other letters have vectors that
/// are nearly orthogonal, so the cosine of two such sums is about the share of runs that the texts have in common.
pub(super) fn vector(words: &[&str], width: usize) -> Vec<f32> {
    let mut sum = vec![0.0; width];
    for word in words {
        let letters: Vec<char> =
            [' '].into_iter().chain(word.to_lowercase().chars()).chain([' ']).collect();
        for run in letters.windows(3) {
            add(&mut sum, run);
        }
    }
    sum
}

/// Adds 1 or -1 in every place, by the bits of the run's hash (FNV-1a, then `SplitMix64` for as many bits as there are
/// places).
fn add(sum: &mut [f32], run: &[char]) {
    let fold = |hash: u64, letter: &char| {
        (hash ^ u64::from(u32::from(*letter))).wrapping_mul(0x0100_0000_01b3)
    };
    let mut state = run.iter().fold(0xcbf2_9ce4_8422_2325, fold);
    for places in sum.chunks_mut(64) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bits = mixed ^ (mixed >> 31);
        for (bit, place) in places.iter_mut().enumerate() {
            *place += if bits >> bit & 1 == 1 { 1.0 } else { -1.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use gra_synth::similarity::cosine;

    use super::*;
    use crate::llama::encoder::unit;

    #[test]
    fn texts_are_alike_by_the_letters_that_they_share() {
        let words = |text: &str| {
            let words: Vec<&str> = text.split_whitespace().collect();
            unit(&vector(&words, 384)).unwrap()
        };
        let like = |a: &str, b: &str| cosine(&words(a), &words(b));
        assert!((like("\u{e2a}\u{e27}\u{e19}", "\u{e2a}\u{e27}\u{e19}") - 1.0).abs() < 1e-6);
        let (red, blue) = ("describe the red garden wall", "describe the blue garden wall");
        assert!((0.6..0.95).contains(&like(red, blue)), "{}", like(red, blue));
        assert!(like(red, "seventeen ships sailed").abs() < 0.3);
        assert!(like("x", "y").abs() < 0.3, "one letter");
    }
}

//! What an encoder makes of a text: a unit vector and, for a text that it cannot read at once, one more of
//! every window that it reads instead (METHOD.md, D1).

use std::sync::Arc;

/// Cosine of two unit vectors: their dot product, summed in `f64`, in order, so that every machine rounds alike.
#[must_use]
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// The embedding of a text (384 dimensions for all-MiniLM-L6-v2).
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    vector: Arc<[f32]>,
    /// The windows' unit vectors, one behind another; empty for a text that is read at once.
    windows: Arc<[f32]>,
}

impl Embedding {
    /// Of a text that the encoder reads at once: its unit vector.
    #[must_use]
    pub fn new(vector: Arc<[f32]>) -> Self {
        Self { vector, windows: Arc::from([]) }
    }

    /// Of a longer text: a unit vector for all of it, and those of its windows, one behind another.
    ///
    /// # Panics
    /// When there is no window, or they are not of the vector's dimension.
    #[must_use]
    pub fn in_windows(vector: Arc<[f32]>, windows: Arc<[f32]>) -> Self {
        let fit = !windows.is_empty() && windows.len().is_multiple_of(vector.len());
        assert!(fit, "windows of another dimension than the text's vector");
        Self { vector, windows }
    }

    /// The unit vector that stands for the text.
    #[must_use]
    pub fn vector(&self) -> &[f32] {
        &self.vector
    }

    /// The windows' unit vectors, one behind another; empty for a text that is read at once.
    #[must_use]
    pub fn windows(&self) -> &[f32] {
        &self.windows
    }

    /// Whether the text is longer than the encoder reads at once.
    #[must_use]
    pub fn is_long(&self) -> bool {
        !self.windows.is_empty()
    }

    /// How alike two texts are, in [-1, 1]. Of two texts that the encoder reads at once it is the cosine of
    /// their vectors: a dot product summed in `f64`, in order, so that every machine rounds alike. Where one
    /// is longer it is the least of that cosine and of each window's largest cosine to a window of the other
    /// text: whatever only one of the texts says counts against them, wherever it stands.
    ///
    /// # Panics
    /// When the dimensions differ: vectors of two encoders were mixed.
    #[must_use]
    pub fn cosine(&self, other: &Self) -> f64 {
        let dim = self.vector.len();
        assert_eq!(dim, other.vector.len(), "embeddings of two encoders were mixed");
        let whole = cosine(&self.vector, &other.vector);
        if !self.is_long() && !other.is_long() {
            return whole;
        }
        // [D1] Both ways: every window of either text must be found in the other, so a shared beginning is not enough.
        let (own, others) = (self.parts(), other.parts());
        whole.min(least_covered(own, others, dim)).min(least_covered(others, own, dim))
    }

    /// The windows; of a text that is read at once, its vector.
    fn parts(&self) -> &[f32] {
        if self.is_long() { &self.windows } else { &self.vector }
    }
}

/// The least, over the rows of one text, of the largest cosine to a row of the other.
fn least_covered(rows: &[f32], others: &[f32], dim: usize) -> f64 {
    let best = |row: &[f32]| {
        let cosines = others.chunks_exact(dim).map(|other| cosine(row, other));
        cosines.fold(f64::NEG_INFINITY, f64::max)
    };
    rows.chunks_exact(dim).map(best).fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A unit vector in the plane, at an angle in degrees.
    fn at(degrees: f64) -> [f32; 2] {
        let (sine, cosine) = degrees.to_radians().sin_cos();
        #[expect(clippy::cast_possible_truncation, reason = "test vectors")]
        [cosine as f32, sine as f32]
    }

    /// A long text, by the angles of its vector and of its windows.
    fn long(vector: f64, windows: &[f64]) -> Embedding {
        let windows: Vec<f32> = windows.iter().flat_map(|degrees| at(*degrees)).collect();
        Embedding::in_windows(Arc::from(at(vector)), windows.into())
    }

    #[test]
    fn what_only_one_text_says_counts_wherever_it_stands() {
        let short = |degrees| Embedding::new(Arc::from(at(degrees)));
        for (one, other, angle) in [
            (short(0.0), short(20.0), 20.0),
            // The same beginning, other ends.
            (long(5.0, &[0.0, 10.0]), long(5.0, &[0.0, 70.0]), 60.0),
            // The same windows in another order.
            (long(5.0, &[0.0, 10.0]), long(5.0, &[10.0, 0.0]), 0.0),
            // One says more than the other.
            (long(5.0, &[0.0, 10.0]), long(5.0, &[0.0, 10.0, 50.0]), 40.0),
            (short(0.0), long(2.0, &[0.0, 4.0]), 4.0),
            // All windows are covered, the texts as a whole are not.
            (long(0.0, &[0.0, 30.0]), long(25.0, &[0.0, 30.0]), 25.0),
        ] {
            let cosine = one.cosine(&other);
            assert!((cosine - f64::to_radians(angle).cos()).abs() < 1e-6, "{one:?} {other:?}");
            assert_eq!(cosine.to_bits(), other.cosine(&one).to_bits(), "{one:?} {other:?}");
        }
    }

    #[test]
    #[should_panic(expected = "windows of another dimension")]
    fn windows_have_the_dimension_of_the_vector() {
        let _ = Embedding::in_windows(Arc::from([1.0, 0.0]), Arc::from([1.0, 0.0, 0.0]));
    }
}

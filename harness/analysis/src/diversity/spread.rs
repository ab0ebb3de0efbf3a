//! Distance to the nearest other text of a set. Near-duplicates pull its mean down, and so does a
//! set that is larger: compare at equal size.

use crate::neighbours::neighbours;
use crate::unit_vectors::{Undefined, UnitVectors};

/// For every row, 1 - cosine to the nearest other row, in [0, 2]. The caller averages, and
/// resamples for an interval.
///
/// # Errors
/// With fewer than two rows.
pub fn nearest_distances(rows: UnitVectors) -> Result<Vec<f64>, Undefined> {
    let nearest = neighbours(rows.at_least(2)?, 1);
    // Equal rows whose length was rounded up are not nearer than 0.
    Ok(nearest.iter().flatten().map(|near| (1.0 - near.cosine).max(0.0)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_of_known_angles() {
        let values = [1.0, 0.0, 0.8, 0.6, 0.0, 1.0, 0.0, 1.0, -1.0, 0.0];
        let found = nearest_distances(UnitVectors::new(&values, 5).unwrap()).unwrap();
        for (found, expected) in found.iter().zip([0.2, 0.2, 0.0, 0.0, 1.0]) {
            assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
        }
    }

    #[test]
    fn one_row_has_no_neighbour() {
        let check = |values: &[f32], n| {
            let found = nearest_distances(UnitVectors::new(values, n).unwrap());
            assert_eq!(found, Err(Undefined::TooFew { n, needed: 2 }));
        };
        check(&[0.6, 0.8], 1);
        check(&[], 0);
    }
}

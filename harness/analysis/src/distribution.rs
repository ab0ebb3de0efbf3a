//! How the scores of one data set are distributed (paper, Fig. 7).

use gra_synth::pool::ItemId;

use crate::bootstrap::{Bootstrap, Clusters, Estimate, quantile, weighted_mean};
use crate::levels::NotFinite;
use crate::resolution::Resolution;

/// Shares at which [`Distribution::quantiles`] are taken: both ends, the tails, the quarters.
pub const QUANTILES: [f64; 7] = [0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0];

/// Bins of the histogram: `[0, 0.5)`, `[0.5, 1)`, .. and `[9.5, 10]`, so that 8 begins one.
pub const BINS: usize = 20;

/// Width of a bin, on the scale of the scores.
pub const BIN_WIDTH: f64 = 0.5;

/// A data set's scores, on a scale from 0 to 10.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// Their mean, resampled by seed item.
    pub mean: Estimate,
    /// At the shares [`QUANTILES`]; `None` without scores.
    pub quantiles: Option<[f64; QUANTILES.len()]>,
    /// Scores in each bin.
    pub bins: [u64; BINS],
    /// Scores below 0 or above 10, which no bin holds.
    pub outside: u64,
    /// How many scores, how many different ones, and how evenly they are used.
    pub resolution: Resolution,
}

impl Distribution {
    /// Describes scores, each with the seed item that it goes back to ([`crate::lineage`]; an item of a
    /// foreign data set goes back to itself).
    ///
    /// # Errors
    /// When a score is not finite.
    pub fn of(scores: &[(ItemId, f64)], bootstrap: Bootstrap) -> Result<Self, NotFinite> {
        let clusters = Clusters::by(scores.iter().map(|(item, _)| *item));
        let mut values: Vec<f64> = scores.iter().map(|(_, score)| *score).collect();
        let resolution = Resolution::of(&values)?;
        let [mean] = bootstrap
            .estimate(&clusters, &["distribution"], |weights| [weighted_mean(&values, weights)]);
        let mut bins = [0; BINS];
        let mut outside = 0;
        for value in &values {
            *bin(*value).map_or(&mut outside, |place| &mut bins[place]) += 1;
        }
        values.sort_by(f64::total_cmp);
        let quantiles =
            (!values.is_empty()).then(|| QUANTILES.map(|share| quantile(&values, share)));
        Ok(Self { mean, quantiles, bins, outside, resolution })
    }
}

fn bin(score: f64) -> Option<usize> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a score on the scale lies in one of twenty bins"
    )]
    let place = || ((score / BIN_WIDTH) as usize).min(BINS - 1);
    (0.0..=10.0).contains(&score).then(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(scores: &[f64]) -> Result<Distribution, NotFinite> {
        let rows: Vec<(ItemId, f64)> =
            (0..).map(ItemId::Seed).zip(scores.iter().copied()).collect();
        Distribution::of(&rows, Bootstrap { run_seed: 42, replicates: 100 })
    }

    #[test]
    fn bins_are_closed_below() {
        let found = of(&[0.0, 0.5, 7.999, 8.0, 8.499, 8.5, 9.5, 10.0, 10.5, -1.0]).unwrap();
        let filled: Vec<(usize, u64)> =
            found.bins.iter().copied().enumerate().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(0, 1), (1, 1), (15, 1), (16, 2), (17, 1), (19, 2)]);
        assert_eq!((found.outside, found.resolution.n), (2, 10));
    }

    #[test]
    fn quantiles_run_from_least_to_most() {
        let scores: Vec<f64> = (0..=20).map(|step| f64::from(step) / 2.0).collect();
        let quantiles = of(&scores).unwrap().quantiles;
        assert_eq!(quantiles, Some([0.0, 0.5, 2.5, 5.0, 7.5, 9.5, 10.0]));
    }

    #[test]
    fn too_few_scores_have_defined_results() {
        let nothing = of(&[]).unwrap();
        assert_eq!((nothing.mean.n, nothing.mean.value, nothing.quantiles), (0, None, None));
        let one = of(&[8.0]).unwrap();
        assert_eq!((one.mean.value, one.mean.interval), (Some(8.0), None));
        assert_eq!(one.quantiles, Some([8.0; 7]));
        assert_eq!(of(&[1.0, f64::NAN]), Err(NotFinite { row: 1 }));
    }
}

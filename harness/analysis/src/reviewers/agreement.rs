//! How far raters agree, beyond what chance or scale would make them.
//!
//! | coefficient | ratings | a unit without some raters | 1 means |
//! |---|---|---|---|
//! | Krippendorff's alpha ([`Sums::alpha`]) | interval | allowed, if two are left | all ratings of a unit equal |
//! | ICC(1,1) ([`Sums::icc`]) | interval | allowed | the same |
//! | Gwet's AC1 ([`VoteSums::ac1`]) | nominal | allowed | the same |
//! | Fleiss' kappa ([`VoteSums::fleiss`]) | nominal | hand in whole units only | the same |
//! | Cohen's kappa ([`cohen`]) | yes and no of two raters | hand in whole units only | the same |
//!
//! 0 is agreement by chance, as each coefficient defines chance. Missing ratings are allowed where
//! they are missing for reasons of their own. Where a rating was left out *because* of what earlier
//! ratings said, a coefficient describes the ratings that there are and not the raters; the caller
//! reports how many units are thinned ([`crate::reviewers::committee::Coverage`]).
//!
//! Every coefficient is a function of sums over units, so leaving a unit out costs one pass:
//! [`Ratings::sums`] and [`Votes::tally`] take one weight per unit. A unit of weight w counts as w
//! units; for Krippendorff's alpha the expected disagreement then changes too, unlike in Krippendorff's own
//! procedure, which varies disagreements alone.

mod interval;
mod nominal;

pub use interval::{Ratings, Sums};
pub use nominal::{VoteSums, Votes, cohen};

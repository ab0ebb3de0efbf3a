//! Evidence: numbers from what trials recorded.
//!
//! Everything here is a pure function of recorded facts, and what it writes goes to a writer that the
//! caller brings. Nothing in this crate runs a model, opens a file, reads a clock or draws ambient
//! randomness, so the same facts give the same bytes on every machine. What comes from matrices and
//! descents ([`diversity::vendi()`], [`diversity::tsne`]) is the same for any number of threads; its last digits,
//! and where a descent ends, depend on the processor's vector instructions.
//!
//! A number that does not exist is `None`, a null cell or `-`; it is never `NaN`, and never 0 instead.
//!
//! # Layout
//!
//! - [`trial`]: what one trial recorded, what became of its candidates, which of them depend on each other, what calls
//!   it asked for and left out
//! - [`frames`]: candidates, reviews and samples as data frames, as Parquet and CSV
//! - [`statistics`]: intervals, tests, corrections and distributions of typed columns
//! - [`ablation`]: one row per variant; two variants on the same candidates; several run seeds
//! - [`stats`]: data sets side by side, by all of these
//! - [`reviewers`]: agreement, committees, judges, calibration
//! - [`diversity`]: how varied a data set is, from embeddings and from words; maps
//! - [`checks`]: faults of a sample's texts that can be looked up in them
//! - [`contamination`]: texts of benchmarks that samples hold
//! - [`ifd`]: how much instructions help a model to expect their responses
//! - [`compute`]: tokens as floating-point operations, beside a large model that writes the same samples
//! - [`rescore`]: a trial's recorded reviews under other thresholds
//! - [`figure`]: pictures of the above, as SVG
//! - [`foreign_text`], [`proportion`], `grid`: modules of `gra-paper`, which also holds the paper's tables that
//!   figures draw

#![expect(clippy::cast_precision_loss, reason = "counts of samples and calls are far below 2^53")]

pub mod ablation;
pub mod checks;
pub mod compute;
pub mod contamination;
pub mod diversity;
pub mod figure;
pub mod frames;
pub mod ifd;
pub mod rescore;
pub mod reviewers {
    //! Reviewers and judges: whether they agree, how each of them scores, and whether a model can review at all.
    //!
    //! # Layout
    //!
    //! - [`agreement`]: chance-corrected coefficients of any ratings
    //! - [`committee`]: how a trial's reviewers agree, and how each of them scores beside the others
    //! - [`quality`]: the committee's scores beside those of a judge that took no part (paper, section 5.4)
    //! - [`classifier`]: how much of what committee, vote, adjudicator and reviewers let pass is good
    //! - [`raters`]: people's verdicts beside those of committee, adjudicator, judge and each other
    //! - [`calibration`]: scores and verdicts on texts whose quality is known

    pub mod agreement;
    pub mod calibration;
    pub mod classifier;
    pub mod committee;
    pub mod quality;
    pub mod raters;
}
pub mod statistics {
    //! Statistics of typed columns: what the measures of this crate are computed with.
    //!
    //! Nothing here knows trials, reviews or data frames. A column comes in as a slice of numbers, beside which of
    //! its rows depend on each other, and an [`inference::Estimate`] or a p-value comes out.
    //!
    //! # Layout
    //!
    //! - [`dependence`]: which rows share an item
    //! - [`inference`]: intervals of means, their differences and other statistics, tests of differences, corrected
    //!   p-values of several tests
    //! - [`rank`]: the distinct values of a column; how finely a rater uses its scale; Spearman's and Kendall's
    //!   correlations from tables of counts

    pub mod dependence;
    pub mod inference;
    pub mod rank;
}
pub mod stats;
pub mod trial;

use gra_paper::grid;
pub use gra_paper::{foreign_text, proportion};

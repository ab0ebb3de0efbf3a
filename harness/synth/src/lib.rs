//! The GRA method as a pure state machine.
//!
//! Several small language models make instruction data together: a generator writes keywords, an
//! instruction and a response; reviewers check the instruction and score the response; an
//! adjudicator settles disputes; accepted candidates are deduplicated, summarised and join the
//! pool of the next round (paper, section 3).
//!
//! Nothing here does I/O, reads a clock or draws ambient randomness, and no thread is started but for
//! products of matrices, whose results cannot depend on it ([`similarity`]). A [`round::Round`] asks
//! ([`step::Step`]) and is answered ([`step::Answers`]); who answers is not its business.
//!
//! # From the paper to the code
//!
//! | Paper | Step | Code |
//! |---|---|---|
//! | 3, A | seed items get domain, summary and keywords: D(0) | [`annotate`], [`domain`], [`pool`] |
//! | 3 | roles without replacement; variants of them (4.3, 5.1) | [`roles`], [`variant`] |
//! | 3.2 | examples; keywords, instruction and response | [`round`] (`asking`) |
//! | 3.3 | three bits, six scores; mu and sigma; the decision | [`round`] (`deciding`), [`committee`] |
//! | 3.4 | disputes go to an adjudicator | [`round`] (`deciding`) |
//! | 3.5 | near-duplicates are dropped, samples summarised | [`dedup`], [`round`] |
//! | 5.4 | a judge scores samples from outside | [`judge`] |
//!
//! Read [`round`] first: it alone knows the order of the stages. An id in brackets, such as \[G6\], names an open
//! choice of the paper in METHOD.md, section 3; it stands in the code where the choice is made.
//!
//! # What these stand on
//!
//! - [`method`]: every number of the method; which calls are left out
//! - [`request`], [`shape`], [`step`]: what is asked, in which form, and what comes back
//! - [`prompt`], [`form`], [`thought`]: the text of a prompt; how its reply is read; what a model thinks before it
//!   answers
//! - [`candidate`]: the recorded facts of one candidate
//! - [`similarity`]: how alike two texts are; exact cosines of many vectors at once
//! - [`stream`]: named random streams

pub mod annotate;
pub mod candidate;
pub mod committee;
pub mod dedup;
pub mod domain;
pub mod form;
pub mod judge;
pub mod method;
pub mod pool;
pub mod prompt;
pub mod request;
pub mod roles;
pub mod round;
pub mod shape;
pub mod similarity;
pub mod step;
pub mod stream;
pub mod thought;
pub mod variant;

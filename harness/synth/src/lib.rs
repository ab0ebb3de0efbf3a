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
//! # Layout
//!
//! - [`domain`], [`pool`]: the seven domains; seed items, the pool D(t)
//! - [`method`], [`variant`], [`economy`]: every number of the method; what an ablation changes; what
//!   need not be asked
//! - [`request`], [`shape`], [`step`]: what is asked, in which form, and what comes back
//! - [`prompt`], [`form`], [`thought`]: the text of a prompt; the form of its reply and how that is read; what
//!   a model thinks before it answers
//! - [`roles`], [`committee`], [`dedup`]: who does what; the decision; near-duplicates
//! - [`adaptive`]: roles that learn from what the run has recorded
//! - [`annotate`], [`round`]: the two machines that put it together; [`judge`]: one that scores samples from
//!   outside
//! - [`candidate`]: the recorded facts of one candidate
//! - [`embedding`], [`similarity`]: how alike two texts are; exact cosines of many vectors at once
//! - [`stream`]: named random streams

pub mod adaptive;
pub mod annotate;
pub mod candidate;
pub mod committee;
pub mod dedup;
pub mod domain;
pub mod economy;
pub mod embedding;
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

//! What a candidate's adaptive roles were drawn from.

use std::fmt::Write as _;

use anyhow::Result;
use gra_synth::adaptive::{Agreement, Count, Experience};
use gra_synth::candidate::Candidate;
use gra_synth::domain::Domain;

/// Each model's record in earlier waves and rounds, in the order of its roles.
pub(super) fn describe(
    text: &mut String,
    candidate: &Candidate,
    experience: &Experience,
) -> Result<()> {
    let roles = &candidate.roles;
    let drawn = std::iter::once(&roles.generator).chain(&roles.reviewers).chain(&roles.adjudicator);
    let domain = candidate.domain.map_or("any domain", Domain::name);
    writeln!(text, "\nwhat was known of them ({domain}; agreed with the rest of the committee)")?;
    for model in drawn {
        let Count { yes, no } = experience.generated(model, candidate.domain);
        let Agreement { passing, failing } = experience.judged(model);
        writeln!(
            text,
            "  {model:<20} passed {yes} of {}, agreed {} of {} when it let pass, {} of {} when not",
            yes + no,
            passing.yes,
            passing.yes + passing.no,
            failing.yes,
            failing.yes + failing.no,
        )?;
    }
    Ok(())
}

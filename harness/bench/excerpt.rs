//! A candidate in a few lines of a terminal: its texts, who scored them how, and why it ended as it did.

use gra_paper::grid;
use gra_synth::candidate::{Candidate, Outcome};
use gra_synth::method::Method;

use crate::trail;

/// Columns that are filled.
const WIDTH: usize = 80;

/// Lines of a text that are shown.
const LINES: usize = 4;

/// A candidate that was accepted and one that was not, the first of each in the order of the method. Of what was not,
/// one whose response was reviewed tells more than one that ended before.
pub(crate) fn pair(candidates: &[Candidate]) -> impl Iterator<Item = &Candidate> {
    let ended = |candidate: &&Candidate| {
        use Outcome::{AdjudicatedOut, Malformed, Rejected, Vetoed, VotedOut};
        match candidate.outcome {
            Some(Rejected | AdjudicatedOut | VotedOut) => Some(0),
            Some(Vetoed) => Some(1),
            Some(Malformed { .. }) if candidate.instruction.is_some() => Some(2),
            _ => None,
        }
    };
    let accepted = candidates.iter().find(|candidate| candidate.is_sample());
    let others = candidates.iter().filter(|candidate| ended(candidate).is_some());
    // The first of the lowest rank.
    accepted.into_iter().chain(others.min_by_key(ended))
}

/// What is shown of a candidate, with line breaks.
pub(crate) fn text(candidate: &Candidate, method: &Method) -> String {
    let Candidate { id, roles, .. } = candidate;
    let outcome = candidate.outcome.map_or("under way", Outcome::name);
    let domain = candidate.domain.map_or_else(String::new, |domain| format!(", {domain}"));
    let mut lines = vec![format!("{outcome}: {id}{domain}, by {}", roles.generator)];
    lines.extend(filled(candidate.instruction.as_deref().unwrap_or_default(), "  | "));
    lines.extend(filled(candidate.response.as_deref().unwrap_or_default(), "  > "));
    lines.extend(filled(&reason(candidate, method), "  "));
    lines.join("\n")
}

/// Who scored it how, and the rule that ended it or let it pass.
fn reason(candidate: &Candidate, method: &Method) -> String {
    let mut said: Vec<String> = Vec::new();
    if candidate.outcome == Some(Outcome::Vetoed) {
        let zeros = candidate.instruction_reviews.iter().filter(|r| r.bits.contains(&false));
        let zeros: Vec<&str> = zeros.map(|review| review.reviewer.as_str()).collect();
        said.push(format!(
            "{} found the instruction not reasonable, complete and clear",
            zeros.join(", ")
        ));
    }
    let scored = candidate.response_reviews.iter();
    let scored = scored.map(|review| format!("{} {:.2}", review.reviewer, review.scores.mean()));
    let scored: Vec<String> = scored.collect();
    if !scored.is_empty() {
        said.push(scored.join(", "));
    }
    said.extend(trail::committee_rule(candidate, method));
    said.extend(candidate.adjudication.as_ref().map(|word| {
        format!("adjudicator {}: {}", word.reviewer, trail::adjudicator_rule(word, method))
    }));
    if let Some(Outcome::Malformed { stage }) = candidate.outcome {
        said.push(format!("no readable reply of the stage {stage}"));
    }
    said.join("; ")
}

/// A text of any length in lines of the terminal's width, the last of them cut with `..`; none for an empty text.
fn filled(text: &str, margin: &str) -> Vec<String> {
    let room = WIDTH - margin.len();
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut broken = String::new();
    grid::fill(&mut broken, &words.join(" "), room, 0);
    // A word that is longer than a line is cut like a text that is longer than its lines.
    let mut lines: Vec<String> =
        broken.lines().take(LINES).map(|line| line.chars().take(room).collect()).collect();
    if let Some(last) = lines.last_mut().filter(|_| broken.lines().nth(LINES).is_some()) {
        *last = last.chars().take(room - 3).chain(" ..".chars()).collect();
    }
    lines.into_iter().map(|line| format!("{margin}{line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_fills_its_lines_and_says_where_it_is_cut() {
        assert_eq!(filled("", "| "), Vec::<String>::new());
        assert_eq!(filled("one\n  two\tthree", "| "), ["| one two three"]);
        let long = filled(&"lengthy ".repeat(80), "  | ");
        assert_eq!(long.len(), LINES);
        assert!(long.iter().all(|line| line.chars().count() <= WIDTH), "{long:?}");
        assert!(long[LINES - 1].ends_with("lengthy .."), "{long:?}");
        let one_word = filled(&"x".repeat(200), "  > ");
        assert_eq!(one_word, [format!("  > {}", "x".repeat(WIDTH - 4))]);
    }
}

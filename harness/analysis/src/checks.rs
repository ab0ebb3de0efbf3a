//! Checks of a sample's texts that need no opinion: each can be looked up in the text, by anybody.
//!
//! Every check says whether a fault is there, or `None` where it does not apply. A check that is in doubt says that
//! there is no fault: false alarms would count against good data, and what is missed is the same for every data set
//! that is compared. How often each was right on samples that we read is in `harness/METHOD.md` (E9).
//!
//! Not here: whether a text is good or true. Stated arithmetic is computed again; no other claim is looked at.
//!
//! # Layout
//!
//! - `prose`: what of a text is code, and what is prose; prose as sentences
//! - `language`: whether it is English
//! - `response`: refusals, repetitions, missing ends
//! - `syntax`: fences, LaTeX, JSON and Python
//! - `request`: the form that the instruction asks for
//! - `arithmetic`: stated results

mod arithmetic;
mod language;
mod prose;
mod request;
mod response;
mod syntax;

pub use language::languages;
use prose::Blocks;

use Find::{Both, Instruction, Response};

/// A check, which says whether a sample has a fault.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Its column in [`crate::frames::samples`].
    pub column: &'static str,
    /// What a table calls the share of samples that fail it.
    pub measure: &'static str,
    find: Find,
}

/// Finds a fault in a text, taken apart; `None` where the check does not apply.
type InText = fn(&Blocks<'_>) -> Option<bool>;

/// Which text a check reads.
#[derive(Clone, Copy, Debug)]
enum Find {
    Instruction(InText),
    Response(InText),
    /// The response to this instruction.
    Both(fn(&str, &Blocks<'_>) -> Option<bool>),
}

/// The checks, in the order of the table.
pub const CHECKS: [Check; 11] = [
    check(
        "instruction_foreign",
        "instruction not in English, share",
        Instruction(language::is_foreign),
    ),
    check("response_foreign", "response not in English, share", Response(language::is_foreign)),
    check("refusal", "refusal, share", Response(|text| Some(response::is_refusal(text.text)))),
    check("repetition", "response repeats itself, share", Response(response::repeats)),
    check("unended", "last sentence without an end, share", Response(response::is_unended)),
    check(
        "instruction_unbalanced",
        "instruction: fence or LaTeX unbalanced, share",
        Instruction(syntax::are_unbalanced),
    ),
    check(
        "response_unbalanced",
        "response: fence or LaTeX unbalanced, share",
        Response(syntax::are_unbalanced),
    ),
    check("json_broken", "JSON block does not parse, share", Response(syntax::is_json_broken)),
    check(
        "python_broken",
        "Python block does not parse, share",
        Response(syntax::is_python_broken),
    ),
    check("format_unmet", "requested form not met, share", Both(request::is_unmet)),
    check("arithmetic_wrong", "stated arithmetic wrong, share", Response(arithmetic::is_wrong)),
];

const fn check(column: &'static str, measure: &'static str, find: Find) -> Check {
    Check { column, measure, find }
}

/// What each of [`CHECKS`] says of a sample; `None` where it does not apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checks(pub [Option<bool>; CHECKS.len()]);

impl Checks {
    /// Checks a sample. Without a response, or with a blank one, only the instruction is looked at.
    #[must_use]
    pub fn of(instruction: &str, response: Option<&str>) -> Self {
        let asked = Blocks::of(instruction);
        // Fences are found once: all checks of the response read the same blocks.
        let answered = response.filter(|text| !text.trim().is_empty()).map(Blocks::of);
        Self(CHECKS.map(|check| match check.find {
            Instruction(find) => find(&asked),
            Response(find) => find(answered.as_ref()?),
            Both(find) => find(instruction, answered.as_ref()?),
        }))
    }

    /// The columns of the checks that found a fault.
    pub fn faults(self) -> impl Iterator<Item = &'static str> {
        let found = CHECKS.into_iter().zip(self.0);
        found.filter(|(_, is_faulty)| *is_faulty == Some(true)).map(|(check, _)| check.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_response_only_the_instruction_is_checked() {
        let asked = "\\begin{align} Which numbers solve this equation? They are whole and they are all above ten.";
        for response in [None, Some(" \n")] {
            let expected = CHECKS.map(|check| match check.column {
                "instruction_foreign" => Some(false),
                "instruction_unbalanced" => Some(true),
                _ => None,
            });
            assert_eq!(Checks::of(asked, response), Checks(expected));
        }
    }

    #[test]
    fn each_column_has_its_check() {
        let response =
            "As an AI model, I am unable to answer.\n2 + 2 = 5.\nThis is how it goes on and";
        let found = Checks::of("Add two numbers.", Some(response));
        let faults: Vec<&str> = found.faults().collect();
        assert_eq!(faults, ["refusal", "unended", "arithmetic_wrong"]);
    }
}

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

/// What the checks say of a sample; `None` where a check does not apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    /// The instruction is not in English; `None` where its language cannot be told.
    pub instruction_foreign: Option<bool>,
    /// The response is not in English; `None` where its language cannot be told.
    pub response_foreign: Option<bool>,
    /// The response begins by declining.
    pub refusal: Option<bool>,
    /// The response repeats itself; `None` below 50 words, where no share means anything.
    pub repetition: Option<bool>,
    /// The last sentence of the response has no end; `None` where it holds no sentence.
    pub unended: Option<bool>,
    /// A code fence or a LaTeX delimiter of the instruction has no counterpart; `None` where it has no such marks.
    pub instruction_unbalanced: Option<bool>,
    /// The same of the response.
    pub response_unbalanced: Option<bool>,
    /// A block of the response that is marked as JSON does not parse; `None` without such blocks.
    pub json_broken: Option<bool>,
    /// A block of the response that is marked as Python does not parse; `None` without such blocks.
    pub python_broken: Option<bool>,
    /// The instruction asks for a form that the response does not have; `None` where it plainly asks for none.
    pub format_unmet: Option<bool>,
    /// The response states a result that its own operands do not give; `None` where it states none.
    pub arithmetic_wrong: Option<bool>,
}

/// What a check found in a sample.
type Found = fn(&Checks) -> Option<bool>;

impl Checks {
    /// The checks by the names of their columns in [`crate::frames::samples`], in the order of the table.
    pub const COLUMNS: [(&'static str, Found); 11] = [
        ("instruction_foreign", |c| c.instruction_foreign),
        ("response_foreign", |c| c.response_foreign),
        ("refusal", |c| c.refusal),
        ("repetition", |c| c.repetition),
        ("unended", |c| c.unended),
        ("instruction_unbalanced", |c| c.instruction_unbalanced),
        ("response_unbalanced", |c| c.response_unbalanced),
        ("json_broken", |c| c.json_broken),
        ("python_broken", |c| c.python_broken),
        ("format_unmet", |c| c.format_unmet),
        ("arithmetic_wrong", |c| c.arithmetic_wrong),
    ];

    /// The columns of the checks that found a fault.
    pub fn faults(&self) -> impl Iterator<Item = &'static str> {
        Self::COLUMNS.into_iter().filter(|(_, of)| of(self) == Some(true)).map(|(name, _)| name)
    }

    /// Checks a sample. Without a response, or with a blank one, only the instruction is looked at.
    #[must_use]
    pub fn of(instruction: &str, response: Option<&str>) -> Self {
        let asked = Blocks::of(instruction);
        let of_instruction = Self {
            instruction_foreign: language::is_foreign(&asked),
            instruction_unbalanced: syntax::are_unbalanced(&asked),
            ..Self::default()
        };
        let Some(response) = response.filter(|text| !text.trim().is_empty()) else {
            return of_instruction;
        };
        // Fences are found once: all checks of the response read the same blocks.
        let answered = Blocks::of(response);
        Self {
            response_foreign: language::is_foreign(&answered),
            refusal: Some(response::is_refusal(response)),
            repetition: response::repeats(&answered),
            unended: response::is_unended(&answered),
            response_unbalanced: syntax::are_unbalanced(&answered),
            json_broken: syntax::is_json_broken(&answered),
            python_broken: syntax::is_python_broken(&answered),
            format_unmet: request::is_unmet(instruction, &answered),
            arithmetic_wrong: arithmetic::is_wrong(&answered),
            ..of_instruction
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_response_only_the_instruction_is_checked() {
        let asked = "\\begin{align} Which numbers solve this equation? They are whole and they are all above ten.";
        for response in [None, Some(" \n")] {
            let expected = Checks {
                instruction_foreign: Some(false),
                instruction_unbalanced: Some(true),
                ..Checks::default()
            };
            assert_eq!(Checks::of(asked, response), expected);
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

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

/// A check, which says whether a sample has a fault.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Its column in [`crate::frames::samples`].
    pub column: &'static str,
    /// What a table calls the share of samples that fail it.
    pub measure: &'static str,
    find: fn(&Texts<'_>) -> Option<bool>,
}

/// A sample's texts, taken apart: fences are found once, and all checks of a text read the same blocks.
struct Texts<'t> {
    asked: Blocks<'t>,
    /// `None` without a response, or with a blank one.
    answered: Option<Blocks<'t>>,
}

/// The checks, in the order of the table.
pub const CHECKS: [Check; 11] = [
    // `None` where the language cannot be told.
    check("instruction_foreign", "instruction not in English, share", |texts| {
        language::is_foreign(&texts.asked)
    }),
    check("response_foreign", "response not in English, share", |texts| {
        language::is_foreign(texts.answered.as_ref()?)
    }),
    // The response begins by declining.
    check("refusal", "refusal, share", |texts| {
        Some(response::is_refusal(texts.answered.as_ref()?.text))
    }),
    // `None` below 50 words, where no share of repeated ones means anything.
    check("repetition", "response repeats itself, share", |texts| {
        response::repeats(texts.answered.as_ref()?)
    }),
    // `None` where the response holds no sentence.
    check("unended", "last sentence without an end, share", |texts| {
        response::is_unended(texts.answered.as_ref()?)
    }),
    // A code fence or a LaTeX delimiter has no counterpart; `None` without such marks.
    check("instruction_unbalanced", "instruction: fence or LaTeX unbalanced, share", |texts| {
        syntax::are_unbalanced(&texts.asked)
    }),
    check("response_unbalanced", "response: fence or LaTeX unbalanced, share", |texts| {
        syntax::are_unbalanced(texts.answered.as_ref()?)
    }),
    // Of blocks of the response that are marked so; `None` without any.
    check("json_broken", "JSON block does not parse, share", |texts| {
        syntax::is_json_broken(texts.answered.as_ref()?)
    }),
    check("python_broken", "Python block does not parse, share", |texts| {
        syntax::is_python_broken(texts.answered.as_ref()?)
    }),
    // `None` where the instruction plainly asks for no form.
    check("format_unmet", "requested form not met, share", |texts| {
        request::is_unmet(texts.asked.text, texts.answered.as_ref()?)
    }),
    // The response states a result that its own operands do not give; `None` where it states none.
    check("arithmetic_wrong", "stated arithmetic wrong, share", |texts| {
        arithmetic::is_wrong(texts.answered.as_ref()?)
    }),
];

const fn check(
    column: &'static str,
    measure: &'static str,
    find: fn(&Texts<'_>) -> Option<bool>,
) -> Check {
    Check { column, measure, find }
}

/// What each of [`CHECKS`] says of a sample; `None` where it does not apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checks(pub [Option<bool>; CHECKS.len()]);

impl Checks {
    /// Checks a sample. Without a response, or with a blank one, only the instruction is looked at.
    #[must_use]
    pub fn of(instruction: &str, response: Option<&str>) -> Self {
        let response = response.filter(|text| !text.trim().is_empty());
        let texts = Texts { asked: Blocks::of(instruction), answered: response.map(Blocks::of) };
        Self(CHECKS.map(|check| (check.find)(&texts)))
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

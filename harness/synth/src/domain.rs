//! The seven domains of instruction data (paper, section 3 and appendix A).

use std::fmt;

use serde::{Deserialize, Serialize};

/// What kind of task an instruction sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Domain {
    /// Writes, reads and repairs code.
    Coding,
    /// Computes and solves formal problems.
    Math,
    /// Gives factual or specialist answers.
    #[serde(rename = "QA")]
    Qa,
    /// Follows causes and logic over several steps.
    Reasoning,
    /// Speaks as a character or plays a situation.
    #[serde(rename = "Role Play")]
    RolePlay,
    /// Works on a given text: translates, summarises, classifies.
    Language,
    /// Writes original content to a style or theme.
    Creation,
}

impl Domain {
    /// Every domain, in the paper's order; the order of tables and of weighted draws.
    pub const ALL: [Self; 7] = [
        Self::Coding,
        Self::Math,
        Self::Qa,
        Self::Reasoning,
        Self::RolePlay,
        Self::Language,
        Self::Creation,
    ];

    /// The name that prompts and files use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Coding => "Coding",
            Self::Math => "Math",
            Self::Qa => "QA",
            Self::Reasoning => "Reasoning",
            Self::RolePlay => "Role Play",
            Self::Language => "Language",
            Self::Creation => "Creation",
        }
    }

    /// Reads a domain as models write it: case, spaces and punctuation do not count, and common
    /// synonyms are understood (METHOD.md, S4). `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // `Role-Play`, `role play` and `roleplay.` are one answer.
        let folded: String =
            text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        Some(match folded.as_str() {
            "coding" | "code" | "programming" | "softwaredevelopment" => Self::Coding,
            "math" | "maths" | "mathematics" | "mathematical" => Self::Math,
            "qa" | "questionanswering" | "questionandanswering" | "questionandanswer" | "qanda" => {
                Self::Qa
            }
            "reasoning" | "logic" | "logicalreasoning" => Self::Reasoning,
            "roleplay" | "roleplaying" => Self::RolePlay,
            "language" | "languages" | "nlp" | "linguistics" => Self::Language,
            "creation" | "creative" | "creativewriting" | "contentcreation" | "writing" => {
                Self::Creation
            }
            _ => return None,
        })
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_and_unknown_names_do_not() {
        for domain in Domain::ALL {
            assert_eq!(Domain::parse(domain.name()), Some(domain));
        }
        assert_eq!(Domain::parse(" role-play. "), Some(Domain::RolePlay));
        assert_eq!(Domain::parse("Q&A"), Some(Domain::Qa));
        assert_eq!(Domain::parse("Cooking"), None);
        assert_eq!(Domain::parse(""), None);
    }
}

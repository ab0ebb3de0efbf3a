//! How much of a cell follows from the record.

/// How much of a cell is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Knowledge {
    /// Every fate follows from the record.
    Exact,
    /// Some fates are unknown; the rate lies between all of them failing and all of them passing.
    Bounded,
    /// There were no embeddings and other candidates pass review than did: who is a duplicate is taken
    /// from the record.
    DuplicatesAsRecorded,
    /// A round before the last would have added other samples, and later rounds drew from them.
    LaterRounds,
    /// Roles were learnt from what the recorded rule decided; another rule would have taught otherwise
    /// and had later waves drawn with other roles.
    LearntRoles,
}

impl Knowledge {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Exact,
        Self::Bounded,
        Self::DuplicatesAsRecorded,
        Self::LaterRounds,
        Self::LearntRoles,
    ];

    /// Name used in tables and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Bounded => "bounded",
            Self::DuplicatesAsRecorded => "duplicates",
            Self::LaterRounds => "later-rounds",
            Self::LearntRoles => "learnt-roles",
        }
    }

    /// What it means, in a sentence.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Exact => {
                "every candidate's fate follows from the record, as a run under this rule would have \
                 recorded it."
            }
            Self::Bounded => {
                "some candidates were never asked what this rule needs to know; the rate lies between \
                 all of them failing and all of them passing (each taken as a duplicate of none)."
            }
            Self::DuplicatesAsRecorded => {
                "approximate; other candidates pass review than did, and without embeddings (trials of \
                 earlier releases do not say which encoder made theirs) duplicates are taken from the \
                 record."
            }
            Self::LaterRounds => {
                "approximate; an earlier round would have added other samples, and later rounds drew \
                 their examples from those that it did add."
            }
            Self::LearntRoles => {
                "approximate; roles were learnt from what the recorded rule decided, and another rule \
                 would have taught otherwise."
            }
        }
    }
}

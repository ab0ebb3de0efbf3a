//! Which data set is which of the paper's, by the names that they were given.

use std::fmt;

/// What a data set is in the paper's figures 5, 6 and 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The seed set.
    Seeds,
    /// What the pool of small models made.
    Gra,
    /// What one large model made.
    Distilled,
}

impl Role {
    /// In the order of the paper.
    pub const ALL: [Self; 3] = [Self::Seeds, Self::Gra, Self::Distilled];

    /// The name that a data set of this role should have.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seeds => "vanilla",
            Self::Gra => "gra",
            Self::Distilled => "distill-large",
        }
    }

    /// Which of the data sets has this role: the one of its name. Without such a name, GRA is the first
    /// that is called like a trial (`..-gra-seed-N`), and the seed set the first of those that are neither
    /// called like a trial nor `distill-large`.
    #[must_use]
    pub fn find(self, names: &[&str]) -> Option<usize> {
        let exact = names.iter().position(|name| *name == self.name());
        let is_trial = |name: &&str| name.contains("-seed-");
        let other = || match self {
            Self::Gra => names.iter().position(|name| name.contains("-gra-seed-")),
            Self::Seeds => names.iter().position(|name| {
                !is_trial(name) && !Self::ALL.iter().any(|role| role.name() == *name)
            }),
            Self::Distilled => None,
        };
        exact.or_else(other)
    }

    /// What the paper's section 5.5 says of its IFD; the seed set's value follows from a difference that
    /// can be read in two ways (`claims/P50`).
    pub(super) fn difficulty(self) -> Vec<(f64, String)> {
        let values: &[(f64, &str)] = match self {
            Self::Seeds => &[(0.6124, "if points"), (0.6617, "if relative")],
            Self::Gra => &[(0.7582, "in the paper")],
            Self::Distilled => &[(0.7549, "in the paper")],
        };
        values.iter().map(|(value, what)| (*value, (*what).to_owned())).collect()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_found_by_name_and_else_by_likeness() {
        let found = |names: &[&str]| Role::ALL.map(|role| role.find(names));
        let cases: [(&[&str], [Option<usize>; 3]); 5] = [
            (&["gra", "distill-large", "vanilla"], [Some(2), Some(0), Some(1)]),
            (&["alpaca", "ablation-gra-seed-42"], [Some(0), Some(1), None]),
            (&["ablation-no-reviewer-seed-42"], [None, None, None]),
            (&["a-gra-seed-1", "gra"], [None, Some(1), None]),
            (&[], [None, None, None]),
        ];
        for (names, expected) in cases {
            assert_eq!(found(names), expected, "{names:?}");
        }
    }
}

//! The names that the paper's tables are made of (paper, sections 4.1 and 5.3, Appendix C).

/// Text that is none of a set of names, e.g. of the paper's base models.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is no {what}; there are {allowed}")]
pub struct UnknownName {
    pub(crate) what: &'static str,
    pub(crate) found: String,
    pub(crate) allowed: String,
}

/// Makes an enum of names, each with the text that files use and the text that tables print.
macro_rules! names {
    ($(#[$doc:meta])* $name:ident, $what:literal, [$($(#[$about:meta])* $entry:ident $id:literal $title:literal),+ $(,)?]) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$about])* $entry),+
        }

        impl $name {
            /// Every name, in the order of the tables.
            pub const ALL: [Self; [$($id),+].len()] = [$(Self::$entry),+];

            /// The name in files and paths.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$entry => $id),+ }
            }

            /// The name in tables.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$entry => $title),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.pad(self.id())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::vocabulary::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let found = Self::ALL.into_iter().find(|name| name.id() == text);
                found.ok_or_else(|| $crate::vocabulary::UnknownName {
                    what: $what,
                    found: text.to_owned(),
                    allowed: [$($id),+].join(", "),
                })
            }
        }
    };
}

pub(crate) use names;

names! {
    /// The model that is trained.
    BaseModel, "base model", [
        /// Qwen2.5-7B, base.
        Qwen "qwen2.5-7b" "Qwen2.5-7B",
        /// Llama-3.1-8B, base.
        Llama "llama-3.1-8b" "Llama-3.1-8B",
    ]
}

names! {
    /// The data set whose items are the seed items.
    SeedDataset, "seed data set", [
        /// Alpaca (general instructions).
        Alpaca "alpaca" "Alpaca",
        /// `WizardLM` (evolved instructions).
        WizardLm "wizardlm" "WizardLM",
        /// Condor (knowledge-driven instructions).
        Condor "condor" "Condor",
    ]
}

names! {
    /// Where the training data is from.
    DataSource, "source of data", [
        /// The seed set itself.
        Vanilla "vanilla" "vanilla seed data",
        /// Made by GRA from the seed set.
        Gra "gra" "GRA",
        /// Written by Qwen2.5-32B-Instruct.
        Distill32b "distill-32b" "distilled, 32B",
        /// Written by Qwen2.5-72B-Instruct.
        Distill72b "distill-72b" "distilled, 72B",
        /// The seed set, its responses rewritten by GRA.
        GraRefined "gra-refined" "GRA, refined seed data",
        /// Synthetic and refined data together.
        GraIntegrated "gra-integrated" "GRA, integrated",
        /// Made by GRA without review (Fig. 4).
        NoReviewer "no-reviewer" "no reviewer",
        /// Made by GRA with Llama-3.1-8B as the only reviewer (Fig. 4).
        SingleReviewer "single-reviewer" "one reviewer",
        /// Made by GRA with disputes put to the vote (Fig. 4).
        MajorityVote "majority-vote" "no adjudicator",
        /// Made by GRA with one model in all roles (section 5.1).
        SingleModel "single-model" "one model",
        /// Made by GRA with fixed roles (section 5.1).
        FixedRoles "fixed-roles" "fixed roles",
    ]
}

impl DataSource {
    /// The rows of a block of Table 1.
    pub const MAIN: [Self; 4] = [Self::Vanilla, Self::Gra, Self::Distill32b, Self::Distill72b];

    /// The rows of a block of Table 2.
    pub const SEED_DATA: [Self; 4] =
        [Self::Vanilla, Self::GraRefined, Self::Gra, Self::GraIntegrated];
}

names! {
    /// What a trained model is scored on, in per cent.
    Benchmark, "benchmark", [
        /// Grade-school word problems.
        Gsm8k "gsm8k" "GSM8K",
        /// Competition problems.
        Math "math" "MATH",
        /// Python functions from their descriptions.
        HumanEval "humaneval" "HumanEval",
        /// Basic Python programs.
        Mbpp "mbpp" "MBPP",
        /// Endings of everyday scenes.
        HellaSwag "hellaswag" "HellaSwag",
        /// Science questions, challenge part.
        ArcC "arc_c" "ARC-C",
        /// Graduate-level science questions.
        Gpqa "gpqa" "GPQA",
        /// Hard tasks of BIG-Bench.
        Bbh "bbh" "BBH",
        /// Questions of 57 subjects.
        Mmlu "mmlu" "MMLU",
        /// Instructions whose following can be checked.
        IfEval "ifeval" "IFEval",
    ]
}

/// Headings over the benchmarks of Tables 1 and 3, with how many columns each spans.
pub const GROUPS: [(&str, usize); 4] =
    [("Math", 2), ("Coding", 2), ("Reasoning", 4), ("General", 2)];

/// The rounds of Table 3.
pub const ITERATIONS: [u8; 5] = [1, 2, 3, 4, 5];

impl Benchmark {
    /// How many items the paper's score is over, where its printed values show it: all but a few are
    /// multiples of one over this number (`claims/A27`, `claims/A28`).
    #[must_use]
    pub const fn grid(self) -> Option<u64> {
        match self {
            Self::HellaSwag | Self::Bbh | Self::Mmlu | Self::IfEval => None,
            _ => Some(self.items()),
        }
    }

    /// How many items the benchmark nominally has; used for standard errors only.
    #[must_use]
    pub const fn items(self) -> u64 {
        match self {
            // Validation or test sets as they are published.
            Self::HellaSwag => 10_042,
            Self::Bbh => 6511,
            Self::Mmlu => 14_042,
            Self::IfEval => 541,
            Self::Gsm8k => 1319,
            Self::Math => 5000,
            Self::HumanEval => 164,
            Self::Mbpp => 500,
            Self::ArcC => 295,
            Self::Gpqa => 198,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for benchmark in Benchmark::ALL {
            assert_eq!(benchmark.id().parse(), Ok(benchmark));
            assert!(benchmark.grid().is_none_or(|n| n == benchmark.items()), "{benchmark}");
        }
        assert_eq!(GROUPS.iter().map(|(_, columns)| columns).sum::<usize>(), Benchmark::ALL.len());
    }

    #[test]
    fn another_name_is_told_which_there_are() {
        let error = "Qwen".parse::<BaseModel>().unwrap_err();
        insta::assert_snapshot!(error, @"`Qwen` is no base model; there are qwen2.5-7b, llama-3.1-8b");
    }
}

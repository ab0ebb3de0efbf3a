//! The dataset card: a README that says what the data is, what made it and what it is not.
//!
//! Names and texts of others (models, experiments, the shown sample) cannot break out of the place
//! that they stand in: names are escaped, the sample stands in a fence longer than any run of
//! backticks in it.

use std::fmt::Write;

use gra_analysis::trial::funnel::Funnel;
use gra_synth::candidate::Candidate;
use gra_synth::variant::{Instructions, Rewrite, Variant};

use super::{ExportedSample, file, formats};
use crate::trial::{ModelDescription, TrialRecord};

/// Most characters of a text of the shown sample.
const SHOWN: usize = 2_000;

/// What a demonstration's card begins with.
const DEMONSTRATION: &str = "\
> **Demonstration data: do not train on it, do not quote its numbers.** It was made to show how the
> harness works, by models that are too small to write or to judge such texts.
";

const NO_LICENCE: &str = "\
**No licence has been chosen yet.** Before you publish this data set, choose one and put it into the
header of this file. It has to respect the terms of the seed set, from which the instructions derive,
and those of every model above, which wrote the texts: some licences restrict what may be done with a
model's output, training other models included.
";

/// What a card is about.
pub(super) struct Card<'a> {
    /// The data set's name, as training configurations have it.
    pub(super) name: &'a str,
    pub(super) trial: &'a TrialRecord,
    pub(super) candidates: &'a [Candidate],
    pub(super) samples: &'a [ExportedSample<'a>],
}

impl Card<'_> {
    pub(super) fn render(&self) -> String {
        let Self { name, trial, samples, .. } = *self;
        let mut card = front_matter(name, samples.len());
        let _ = write!(card, "\n# {}\n\n", inline(name));
        if trial.demonstration {
            let _ = writeln!(card, "{DEMONSTRATION}");
        }
        introduction(&mut card, &trial.settings.variant, samples);
        files(&mut card, name);
        making(&mut card, trial);
        outcomes(&mut card, &Funnel::of(self.candidates));
        models(&mut card, &trial.models);
        let _ = write!(card, "## Licence\n\n{NO_LICENCE}");
        if let Some(sample) = samples.first() {
            shown(&mut card, sample);
        }
        card
    }
}

/// The YAML header that model and data hubs read.
fn front_matter(name: &str, samples: usize) -> String {
    format!(
        "---\n\
         pretty_name: \"{name}\"\n\
         # Choose a licence before publishing; see the section on it below.\n\
         license: other\n\
         license_name: not-chosen-yet\n\
         task_categories:\n\
         - text-generation\n\
         size_categories:\n\
         - {}\n\
         tags:\n\
         - synthetic\n\
         - instruction-tuning\n\
         - gra\n\
         configs:\n\
         - config_name: default\n  \
         data_files: {}\n\
         ---\n",
        size_category(samples),
        file::TABLE,
    )
}

fn size_category(samples: usize) -> &'static str {
    match samples {
        0..1_000 => "n<1K",
        1_000..10_000 => "1K<n<10K",
        10_000..100_000 => "10K<n<100K",
        100_000..1_000_000 => "100K<n<1M",
        _ => "n>1M",
    }
}

fn introduction(card: &mut String, variant: &Variant, samples: &[ExportedSample]) {
    let origin = match variant.instructions {
        Instructions::New => "The seed set that they grew from is not part of the data.",
        Instructions::Seed if variant.rewrite == Rewrite::Shown => {
            "The instructions are the seed set's own; the responses were written with its responses in view."
        }
        Instructions::Seed => {
            "The instructions are the seed set's own; the responses were written anew."
        }
    };
    let _ = write!(
        card,
        "{} instruction-response pairs, made by language models with GRA (Generator, Reviewers, \
         Adjudicator; ACL 2025)\nor a variant of it. {origin}\n\n",
        samples.len()
    );
    // Variants without reviewers make samples that nothing has scored.
    let scored = samples.iter().filter(|sample| sample.candidate.tally().is_some()).count();
    if scored < samples.len() {
        let _ = write!(card, "**Without review: {} of them.**\n\n", samples.len() - scored);
    }
}

fn files(card: &mut String, name: &str) {
    let _ = write!(
        card,
        "## Files\n\n\
         | file | what |\n|---|---|\n\
         | `{}` | every sample with its domain, keywords, summary, scores and models |\n\
         | `{}` | instruction, input (empty), output |\n\
         | `{}` | the same as conversations |\n\
         | `{}` | for LLaMA-Factory: data sets `{name}` and `{}` |\n\n",
        file::TABLE,
        file::ALPACA,
        file::SHAREGPT,
        file::DATASET_INFO,
        formats::conversations(name),
    );
}

fn making(card: &mut String, trial: &TrialRecord) {
    let settings = &trial.settings;
    let method = &settings.method;
    let _ = write!(
        card,
        "## How it was made\n\n\
         | setting | value |\n|---|---|\n\
         | made with | gra-bench {} |\n\
         | experiment | {} |\n\
         | variant | {} |\n\
         | run seed | {} |\n\
         | seed set | {} |\n\
         | least mean score, tau | {} of 10 |\n\
         | largest spread without an adjudicator, delta | {} |\n",
        env!("CARGO_PKG_VERSION"),
        inline(&settings.experiment),
        inline(&settings.variant.name),
        trial.id.seed,
        inline(&settings.seed_set),
        method.tau,
        method.delta,
    );
    if settings.variant.instructions == Instructions::New {
        let _ = write!(
            card,
            "| cosine limit to other instructions | {} |\n\
             | rounds | {} |\n\
             | samples wanted per round | {} |\n\
             | most candidates per round | {} |\n",
            method.cosine_limit, method.rounds, method.target, method.cap,
        );
        if let Some(samples) = method.samples {
            let _ = writeln!(card, "| samples after which no round follows | {samples} |");
        }
    }
    card.push('\n');
}

/// One line per way to end; they add up to the candidates.
fn outcomes(card: &mut String, funnel: &Funnel) {
    let _ = write!(
        card,
        "## What became of the {} candidates\n\n| outcome | candidates |\n|---|---:|\n",
        funnel.candidates
    );
    // Only trials under way have undecided candidates.
    let undecided = (funnel.undecided > 0).then_some(("undecided", funnel.undecided));
    let outcomes = [
        ("accepted", funnel.accepted),
        ("passed, not needed for the round's target", funnel.surplus),
        ("near-duplicate", funnel.duplicates),
        ("rejected by the reviewers", funnel.rejected),
        ("disputed, rejected by the adjudicator", funnel.adjudicated_out),
        ("disputed, rejected by vote", funnel.voted_out),
        ("instruction vetoed", funnel.vetoed),
        ("keywords repeated from an example", funnel.repeated_keywords),
        ("reply malformed", funnel.malformed),
        ("engine could not answer", funnel.failed),
    ];
    for (outcome, count) in outcomes.into_iter().chain(undecided) {
        let _ = writeln!(card, "| {outcome} | {count} |");
    }
    card.push('\n');
}

fn models(card: &mut String, models: &[ModelDescription]) {
    let _ = write!(
        card,
        "## Models\n\nThe pool. `{}` names the generator and the reviewers of every sample.\n\n\
         | model | parameters | licence | source |\n|---|---:|---|---|\n",
        file::TABLE
    );
    for model in models {
        let parameters = model.parameters.map_or_else(|| "-".to_owned(), |n| n.to_string());
        let licence = model.licence.as_deref().unwrap_or("not stated");
        let _ = writeln!(
            card,
            "| {} | {parameters} | {} | {} |",
            inline(model.name.as_str()),
            inline(licence),
            inline(&model.source)
        );
    }
    card.push('\n');
}

fn shown(card: &mut String, sample: &ExportedSample) {
    let candidate = sample.candidate;
    let mut text = candidate.id.to_string();
    if let Some(domain) = candidate.domain {
        let _ = write!(text, ", {domain}");
    }
    if !candidate.keywords.is_empty() {
        let _ = write!(text, ", keywords: {}", candidate.keywords.join("; "));
    }
    text.push('\n');
    if let Some(tally) = candidate.tally() {
        let _ = writeln!(text, "mu {:.2}, sigma {:.2}", tally.mu(), tally.sigma());
    }
    let _ = writeln!(text, "\nInstruction:\n{}", start_of(sample.instruction));
    let _ = write!(text, "\nResponse:\n{}", start_of(sample.response));
    // A fence longer than any run of backticks in the text cannot be closed by it.
    let fence = "`".repeat(longest_run(&text, '`').max(2) + 1);
    let _ = write!(card, "\n## A sample\n\n{fence}text\n{text}\n{fence}\n");
}

/// The text, or its beginning and a word on what is missing.
fn start_of(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => {
            let left = text[end..].chars().count();
            format!("{} [.. {left} more characters]", &text[..end])
        }
    }
}

fn longest_run(text: &str, of: char) -> usize {
    text.split(|c| c != of).map(str::len).max().unwrap_or(0)
}

/// A name within a line or a table cell: one line, nothing that Markdown or HTML would act on.
fn inline(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '|' | '&' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_the_hub_s_categories() {
        let sizes = [0, 999, 1_000, 10_000, 51_000, 100_000, 1_000_000].map(size_category);
        insta::assert_compact_debug_snapshot!(sizes, @r#"["n<1K", "n<1K", "1K<n<10K", "10K<n<100K", "10K<n<100K", "100K<n<1M", "n>1M"]"#);
    }

    #[test]
    fn names_stay_in_their_cell() {
        assert_eq!(inline("a|b\n<script>`x`"), "a\\|b \\<script\\>\\`x\\`");
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let text = "\u{4e16}".repeat(SHOWN + 3);
        assert!(start_of(&text).ends_with("\u{4e16} [.. 3 more characters]"));
        assert_eq!(start_of("short"), "short");
    }
}

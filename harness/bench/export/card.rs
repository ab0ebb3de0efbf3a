//! The dataset card: a README that says what the data is, what made it and what it is not.
//!
//! Names and texts of others (models, experiments, the shown sample) cannot break out of the place
//! that they stand in: names are escaped, the sample stands in a fence longer than any run of
//! backticks in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use gra_analysis::checks::languages;
use gra_analysis::foreign_text::legible;
use gra_analysis::trial::Funnel;
use gra_synth::method::Method;
use gra_synth::variant::{Instructions, Rewrite};

use super::{DATASET_INFO, Export, Extent, MANIFEST, TEST, TrainingFormat};
use crate::dataset::Sample;
use crate::numbers::or_dash;
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

/// The card. `counts`: how many samples are trained on, and how many are held out.
pub(super) fn card(export: &Export<'_>, extent: &Extent, counts: (usize, usize)) -> String {
    let records = &export.set.records;
    let mut card = front_matter(export, extent);
    let _ = write!(card, "\n# {}\n\n", inline(&export.name));
    if export.set.is_demonstration {
        let _ = writeln!(card, "{DEMONSTRATION}");
    }
    introduction(&mut card, export);
    files(&mut card, export, extent, counts);
    for record in records {
        making(&mut card, record, records.len() > 1);
    }
    if !export.candidates.is_empty() {
        outcomes(&mut card, &Funnel::of(export.candidates));
    }
    models(&mut card, records);
    let _ = write!(card, "## Licence\n\n{NO_LICENCE}");
    // The first one and not the best: a reader sees what the data is like.
    if let Some(sample) = export.samples().next() {
        shown(&mut card, sample);
    }
    card
}

/// The YAML header that model and data hubs read. Its default configuration is the table, whose `messages` trainers
/// take as they are.
fn front_matter(export: &Export<'_>, extent: &Extent) -> String {
    let texts = export.samples().filter_map(|sample| sample.response.as_deref());
    let mut language = String::new();
    // A header without any language is better than a guess.
    for (place, code) in languages(texts).iter().enumerate() {
        let title = if place == 0 { "language:\n" } else { "" };
        let _ = writeln!(language, "{title}- {code}");
    }
    let mut header = format!(
        "---\n\
         pretty_name: \"{}\"\n\
         {language}\
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
         - gra\n",
        export.name,
        size_category(export.len()),
    );
    if extent.formats.contains(&TrainingFormat::Parquet) {
        let file = TrainingFormat::Parquet.file();
        header.push_str("configs:\n- config_name: default\n  data_files:\n");
        let _ = writeln!(header, "  - split: train\n    path: {file}");
        if extent.test.is_some() {
            let _ = writeln!(header, "  - split: test\n    path: {TEST}/{file}");
        }
    }
    header.push_str("---\n");
    header
}

/// Exactly the files that are written.
fn files(card: &mut String, export: &Export<'_>, extent: &Extent, counts: (usize, usize)) {
    card.push_str("## Files\n\n| file | what |\n|---|---|\n");
    for (file, what) in extent.formats.iter().map(|format| format.told()) {
        let _ = writeln!(card, "| `{file}` | {what} |");
    }
    let sets = extent.formats.iter().filter_map(|format| format.data_set(&export.name));
    let sets: Vec<String> = sets.map(|set| format!("`{set}`")).collect();
    if !sets.is_empty() {
        let _ = writeln!(card, "| `{DATASET_INFO}` | for LLaMA-Factory: {} |", sets.join(", "));
    }
    let _ = writeln!(card, "| `{MANIFEST}` | what made the samples, and hashes of the files |");
    let (train, test) = counts;
    if extent.test.is_some() {
        let _ = write!(
            card,
            "\n{train} samples are for training; {test}, drawn by the run seed, are held out in `{TEST}/`, \
             under the same names.\n"
        );
    }
    card.push('\n');
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

/// What the samples are. Of a trial it is known how they came about; of anything else it is said what they are of.
fn introduction(card: &mut String, export: &Export<'_>) {
    let is_whole_trial = !export.candidates.is_empty();
    let made = match export.set.records.first().filter(|_| is_whole_trial) {
        Some(record) => {
            let variant = &record.settings.variant;
            let origin = match (variant.instructions, variant.rewrite) {
                (Instructions::New, _) => {
                    "The seed set that they grew from is not part of the data."
                }
                (Instructions::Seed, Rewrite::Shown) => {
                    "The instructions are the seed set's own; the responses were written with its responses in view."
                }
                (Instructions::Seed, Rewrite::Hidden) => {
                    "The instructions are the seed set's own; the responses were written anew."
                }
            };
            format!(
                ", made by language models with GRA (Generator, Reviewers, Adjudicator; ACL 2025)\n\
                 or a variant of it. {origin}"
            )
        }
        None => format!(": {}.", inline(&export.set.content)),
    };
    let _ = write!(card, "{} instruction-response pairs{made}\n\n", export.len());
    // Of several data sets together: which sample is of which is a column of the table.
    let mut origins: BTreeMap<&str, usize> = BTreeMap::new();
    for origin in export.samples().filter_map(|sample| sample.origin.as_deref()) {
        *origins.entry(origin).or_default() += 1;
    }
    if !origins.is_empty() {
        let origins: Vec<String> =
            origins.iter().map(|(origin, n)| format!("{} {n}", inline(origin))).collect();
        let _ = write!(card, "By origin: {}.\n\n", origins.join(", "));
    }
    // Variants without reviewers make samples that nothing has scored.
    let made = export.samples().filter(|sample| sample.candidate.is_some());
    let unscored = made.filter(|sample| sample.tally.is_none()).count();
    if unscored > 0 {
        let _ = write!(card, "**Without review: {unscored} of them.**\n\n");
    }
    for note in export.notes() {
        let _ = write!(card, "{}\n\n", inline(&note));
    }
}

/// How a trial made its samples.
fn making(card: &mut String, trial: &TrialRecord, is_one_of_several: bool) {
    let settings = &trial.settings;
    let method = &settings.method;
    // A card of one trial has its name in the title.
    let name = inline(&trial.id.to_string());
    let of = if is_one_of_several { format!(": {name}") } else { String::new() };
    let _ = write!(
        card,
        "## How it was made{of}\n\n\
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
    // Over a seed set's own instructions there are no rounds, and nothing that is too near to another one.
    if settings.variant.instructions == Instructions::New {
        let Method { cosine_limit, rounds, target, cap, samples, .. } = method;
        let _ = write!(
            card,
            "| cosine limit to other instructions | {cosine_limit} |\n\
             | rounds | {rounds} |\n\
             | samples wanted per round | {target} |\n\
             | most candidates per round | {cap} |\n"
        );
        if let Some(samples) = samples {
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

/// The pools of all trials, each model once.
fn models(card: &mut String, records: &[Arc<TrialRecord>]) {
    // Several trials have one pool, mostly.
    let mut seen = BTreeSet::new();
    let models = records.iter().flat_map(|record| &record.models);
    let models: Vec<&ModelDescription> = models.filter(|model| seen.insert(&model.name)).collect();
    if models.is_empty() {
        return;
    }
    let _ = write!(
        card,
        "## Models\n\nThe pool. `{}` names the generator and the reviewers of every sample.\n\n\
         | model | parameters | licence | source |\n|---|---:|---|---|\n",
        TrainingFormat::Parquet.file()
    );
    for model in models {
        let parameters = or_dash(model.parameters.map(|n| n.to_string()));
        let licence = model.licence.as_deref().unwrap_or("not stated");
        let [name, licence, source] = [model.name.as_str(), licence, &model.source].map(inline);
        let _ = writeln!(card, "| {name} | {parameters} | {licence} | {source} |");
    }
    card.push('\n');
}

fn shown(card: &mut String, sample: &Sample) {
    let mut text = sample.id.to_string();
    if let Some(domain) = sample.domain {
        let _ = write!(text, ", {domain}");
    }
    let keywords = sample.candidate.as_ref().map_or(&[][..], |candidate| &candidate.keywords);
    if !keywords.is_empty() {
        let _ = write!(text, ", keywords: {}", keywords.join("; "));
    }
    text.push('\n');
    if let Some(tally) = sample.tally {
        let _ = writeln!(text, "mu {:.2}, sigma {:.2}", tally.mu(), tally.sigma());
    }
    let _ = writeln!(text, "\nInstruction:\n{}", start_of(&sample.instruction));
    let _ =
        write!(text, "\nResponse:\n{}", start_of(sample.response.as_deref().unwrap_or_default()));
    let text = legible(&text);
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

//! What import and describe print for a person.

use std::fmt::Write as _;

use super::Imported;
use crate::seeds::describe::{Description, Quartiles};
use crate::seeds::{Account, Group};

type Text = Result<String, std::fmt::Error>;

/// What an import did.
pub(super) fn of_import(imported: &Imported<'_>) -> Text {
    let mut text = String::new();
    writeln!(text, "{} ({})", imported.file.display(), imported.format)?;
    writeln!(text, "sha256 {}\n", imported.sha256)?;
    row(&mut text, "records", imported.account.records)?;
    row(&mut text, "kept", imported.account.kept)?;
    row(&mut text, "  with a response", imported.with_response)?;
    row(&mut text, "  with an annotation", imported.with_annotation)?;
    if imported.account.over_limit > 0 {
        row(&mut text, "beyond --limit", imported.account.over_limit)?;
    }
    lost(&mut text, &imported.account)?;
    writeln!(text, "\nwrote {}", imported.out.display())?;
    Ok(text)
}

/// What a seed set is like.
pub(super) fn of_description(described: &Description) -> Text {
    let mut text = String::new();
    writeln!(text, "{}, sha256 {}\n", described.format, described.sha256)?;
    row(&mut text, "records", described.account.records)?;
    row(&mut text, "kept", described.account.kept)?;
    row(&mut text, "  with a response", described.with_response)?;
    row(&mut text, "  with an annotation", described.with_annotation)?;
    row(&mut text, "  beyond ASCII", described.non_ascii_items)?;
    if described.account.over_limit > 0 {
        row(&mut text, "beyond --limit", described.account.over_limit)?;
    }
    let percent = 100.0 * described.non_ascii_share;
    writeln!(text, "\n{percent:.2}% of the instructions' characters are beyond ASCII")?;
    lost(&mut text, &described.account)?;
    if !described.domains.is_empty() {
        writeln!(text, "\ndomains of the annotations")?;
        for (domain, count) in &described.domains {
            row(&mut text, &format!("  {domain}"), *count)?;
        }
    }
    writeln!(
        text,
        "\n{:<26}{:>8}{:>8}{:>8}{:>8}{:>8}",
        "lengths", "min", "25%", "median", "75%", "max"
    )?;
    quartiles(&mut text, "instruction, characters", &described.instructions.characters)?;
    quartiles(&mut text, "instruction, words", &described.instructions.words)?;
    if let Some(responses) = &described.responses {
        quartiles(&mut text, "response, characters", &responses.characters)?;
        quartiles(&mut text, "response, words", &responses.words)?;
    }
    writeln!(text, "\nlongest instructions")?;
    writeln!(text, "  {:>8} {:>10}  begins", "record", "characters")?;
    for long in &described.longest {
        writeln!(text, "  {:>8} {:>10}  {}", long.number, long.characters, long.begins)?;
    }
    Ok(text)
}

fn row(text: &mut String, label: &str, count: usize) -> std::fmt::Result {
    writeln!(text, "{label:<26}{count:>8}")
}

fn quartiles(text: &mut String, label: &str, of: &Quartiles) -> std::fmt::Result {
    let Quartiles { min, first, median, third, max } = of;
    writeln!(text, "  {label:<24}{min:>8}{first:>8}{median:>8}{third:>8}{max:>8}")
}

/// What was not read.
fn lost(text: &mut String, account: &Account) -> std::fmt::Result {
    groups(text, "skipped", &account.skipped)?;
    groups(text, "set aside of kept records", &account.remarks)?;
    if !account.unread.is_empty() {
        writeln!(text, "\nfields that were not read, and the records that have them")?;
        for field in &account.unread {
            row(text, &format!("  {}", field.name), field.records)?;
        }
    }
    Ok(())
}

fn groups(text: &mut String, title: &str, groups: &[Group]) -> std::fmt::Result {
    if groups.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n{title}")?;
    for group in groups {
        row(text, &format!("  {}", group.name), group.count)?;
        for example in &group.examples {
            writeln!(text, "      {example}")?;
        }
    }
    Ok(())
}

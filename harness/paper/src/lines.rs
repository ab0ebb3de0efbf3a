//! Reads a CSV by the names of its columns; errors name line and column.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use crate::exact::{self, Ratio};

/// What is wrong with a table, and where: its line, counted from 1 with the header, and column, what is wrong there, and
/// what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LineError(String);

/// How files begin that spreadsheets save and that are no such table, and what to do.
const NO_TABLES: [(&[u8], &str); 4] = [
    (b"PK\x03\x04", "it is an Excel workbook\nhint: save its sheet as CSV UTF-8"),
    (b"\xff\xfe", "it is in UTF-16\nhint: save it as CSV UTF-8"),
    (b"\xfe\xff", "it is in UTF-16\nhint: save it as CSV UTF-8"),
    (b"sep=", "its first line names the separator, for Excel alone\nhint: delete that line"),
];

/// A line below the header, its fields by the names of the columns.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    number: u64,
    cells: BTreeMap<String, String>,
}

/// Reads the lines below the header; spaces around fields are dropped.
pub(crate) fn read(csv: &[u8]) -> Result<Vec<Line>, LineError> {
    let no_table = |error: csv::Error| LineError(error.to_string());
    // Spreadsheets begin a UTF-8 file with a byte order mark, which would be part of the first column's name.
    let csv = csv.strip_prefix(b"\xef\xbb\xbf").unwrap_or(csv);
    if let Some((_, what)) = NO_TABLES.into_iter().find(|(begins, _)| csv.starts_with(begins)) {
        return Err(LineError(what.to_owned()));
    }
    // People line fields up with spaces.
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(csv);
    let header = reader.headers().map_err(no_table)?.clone();
    // One column with a separator of another kind in its name: say so, instead of that every column is missing.
    let only = header.get(0).filter(|_| header.len() == 1).unwrap_or_default();
    if let Some(separator) = only.chars().find(|c| ";\t|".contains(*c)) {
        return Err(LineError(format!(
            "its columns are separated by {separator:?}\nhint: save it with commas between them, and with \
             points in numbers"
        )));
    }
    let repeated = header.iter().enumerate().find(|(place, name)| {
        !name.is_empty() && header.iter().take(*place).any(|earlier| earlier == *name)
    });
    if let Some((_, name)) = repeated {
        return Err(LineError(format!("it has two columns `{name}`")));
    }
    let mut lines = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| match error.kind() {
            csv::ErrorKind::UnequalLengths { pos: Some(place), expected_len, len } => {
                LineError(format!(
                    "line {}: {len} fields where the header has {expected_len}\nhint: write decimal points, not \
                     commas, and double quotes around a field that holds a comma",
                    first_line(csv, place)
                ))
            }
            _ => no_table(error),
        })?;
        // Spreadsheets write the separators of rows that were emptied.
        if record.iter().all(str::is_empty) {
            continue;
        }
        let number = record.position().map_or(0, |position| first_line(csv, position));
        let cells =
            header.iter().zip(&record).map(|(name, cell)| (name.to_owned(), cell.to_owned()));
        lines.push(Line { number, cells: cells.collect() });
    }
    Ok(lines)
}

/// The line that a record begins on; where blank lines come before it, the reader names the first of them.
fn first_line(csv: &[u8], position: &csv::Position) -> u64 {
    let rest =
        csv.get(usize::try_from(position.byte()).unwrap_or(usize::MAX)..).unwrap_or_default();
    let blank = rest.iter().take_while(|byte| matches!(byte, b'\n' | b'\r'));
    position.line() + blank.map(|byte| u64::from(*byte == b'\n')).sum::<u64>()
}

impl Line {
    /// The text of a field.
    pub(crate) fn text(&self, column: &'static str) -> Result<&str, LineError> {
        self.cells
            .get(column)
            .map(String::as_str)
            .ok_or_else(|| LineError(format!("there is no column `{column}`")))
    }

    /// The text of a field; `None` where the column is missing or the field is empty.
    pub(crate) fn optional(&self, column: &str) -> Option<&str> {
        self.cells.get(column).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// Parses a field.
    pub(crate) fn read<T>(&self, column: &'static str) -> Result<T, LineError>
    where
        T: FromStr<Err: Display>,
    {
        self.text(column)?.parse().map_err(|problem: T::Err| self.field_error(column, &problem))
    }

    /// Parses a field as an exact number.
    pub(crate) fn decimal(&self, column: &'static str) -> Result<Ratio, LineError> {
        let text = self.text(column)?;
        exact::parse(text)
            .ok_or_else(|| self.field_error(column, format!("`{text}` is not a number")))
    }

    /// Parses a field as a number of at most two decimals, as the paper's tables print them.
    pub(crate) fn cell(&self, column: &'static str) -> Result<Ratio, LineError> {
        let value = self.decimal(column)?;
        let is_short = exact::round(value, 2) == value;
        is_short.then_some(value).ok_or_else(|| self.field_error(column, "more than two decimals"))
    }

    /// An error about a field of this line.
    pub(crate) fn field_error(&self, column: &'static str, problem: impl Display) -> LineError {
        LineError(format!("line {}, column `{column}`: {problem}", self.number))
    }

    /// An error about this line as a whole.
    pub(crate) fn line_error(&self, problem: impl Display) -> LineError {
        LineError(format!("line {}: {problem}", self.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(csv: &str, expected: &str) {
        let lines = read(csv.as_bytes());
        let read = lines.and_then(|lines| lines.iter().map(|line| line.read::<u8>("n")).collect());
        let found = match read {
            Ok::<Vec<u8>, _>(numbers) => format!("{numbers:?}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn cells_have_two_decimals_and_no_more() {
        let lines = read(b"n\n45.5\n-0.04\n51.401\n1e2\n").unwrap();
        let cell = |line: &Line| match line.cell("n") {
            Ok(value) => exact::fixed(value, 2),
            Err(error) => error.to_string(),
        };
        let found: Vec<String> = lines.iter().map(cell).collect();
        insta::assert_snapshot!(found.join("\n"), @r"
        45.50
        -0.04
        line 4, column `n`: more than two decimals
        line 5, column `n`: `1e2` is not a number
        ");
    }

    #[test]
    fn fields_have_names_and_errors_have_places() {
        check("n,m\n1,x\n2,y\n", "[1, 2]");
        check("\u{feff}m,n\r\nx, 7 \r\n", "[7]");
        check("n\n", "[]");
        check("", "[]");
        check("m\nx\n", "there is no column `n`");
        check("n\n1\n\nmany\n", "line 4, column `n`: invalid digit found in string");
        let hint = "hint: write decimal points, not commas, and double quotes around a field that holds a \
                    comma";
        check("n,m\n1\n", &format!("line 2: 1 fields where the header has 2\n{hint}"));
        check("n,m\n\n1,5,2\n", &format!("line 3: 3 fields where the header has 2\n{hint}"));
        let hint = "hint: save it with commas between them, and with points in numbers";
        check("n;m\n1;2\n", &format!("its columns are separated by ';'\n{hint}"));
        check("n\tm\n1\t2\n", &format!("its columns are separated by '\\t'\n{hint}"));
        // As spreadsheets leave rows that were emptied.
        check("n,m\n1,x\n,\n , \n2,y\n", "[1, 2]");
        check("n,m,n\n1,x,2\n", "it has two columns `n`");
        check(
            "sep=,\nn,m\n1,x\n",
            "its first line names the separator, for Excel alone\nhint: delete that line",
        );
        check("PK\u{3}\u{4}x", "it is an Excel workbook\nhint: save its sheet as CSV UTF-8");
    }
}

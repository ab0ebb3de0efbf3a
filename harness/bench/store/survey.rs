//! Reads a store row by row, as far as its pages can be read, and says of each row whether it makes sense.
//!
//! SQLite stops at a page that is damaged. The rows behind it are reached from the other end, and from keys
//! in between, until what is left unread is as narrow as the damage.

use std::cmp::Ordering;

use anyhow::Result;
use gra_synth::annotate::AnnotatedSeed;
use gra_synth::candidate::Candidate;
use gra_synth::pool::ItemId;
use gra_synth::request::Finish;
use rusqlite::Connection;
use rusqlite::types::Value;

use super::completions::CallSettings;
use super::file;
use super::trials::stage_named;
use crate::trial::{TrialRecord, plain_name};

/// Starts of a search for rows behind a damaged page, in one table.
const MOST_STARTS: usize = 20_000;

/// How often what is unread is cut in two without a row being found.
const MOST_CUTS: usize = 7;

/// A table of the store.
#[derive(Clone, Debug)]
pub(super) struct StoreTable {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    /// Places of the primary key's columns, in its order.
    key: Vec<usize>,
    /// Declared types of those columns.
    types: Vec<String>,
}

/// A row as it was read.
pub(super) struct SurveyedRow<'a> {
    pub(super) table: &'a StoreTable,
    pub(super) values: Vec<Value>,
    /// Why it makes no sense; `None` for a sound row.
    pub(super) fault: Option<String>,
}

/// Keys between which rows may be that cannot be read; `None` is the table's end.
#[derive(Clone, Debug)]
pub(super) struct Gap {
    pub(super) after: Option<Vec<Value>>,
    /// Whether a row may be at `after` itself.
    includes_after: bool,
    pub(super) before: Option<Vec<Value>>,
}

/// The store's tables, as this version makes them.
pub(super) fn tables() -> Result<Vec<StoreTable>> {
    let db = file::empty()?;
    let mut find = db.prepare(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
         ORDER BY rowid",
    )?;
    let names = find.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    names.into_iter().map(|name| Ok(StoreTable::read(&db, name)?)).collect()
}

impl StoreTable {
    fn read(db: &Connection, name: String) -> rusqlite::Result<Self> {
        let mut find =
            db.prepare("SELECT name, type, pk FROM pragma_table_info(?) ORDER BY cid")?;
        let rows = find.query_map([&name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let rows: Vec<(String, String, u32)> = rows.collect::<rusqlite::Result<_>>()?;
        // `pk` is 0 for columns outside the primary key, else the place in it, from 1.
        let mut key: Vec<usize> = (0..rows.len()).filter(|&place| rows[place].2 > 0).collect();
        key.sort_by_key(|&place| rows[place].2);
        let types = key.iter().map(|&place| rows[place].1.clone()).collect();
        let columns = rows.into_iter().map(|(column, ..)| column).collect();
        Ok(Self { name, columns, key, types })
    }

    /// A row's value under a column.
    pub(super) fn value<'a>(&self, values: &'a [Value], column: &str) -> Option<&'a Value> {
        values.get(self.columns.iter().position(|name| name == column)?)
    }

    /// The key of a row in words.
    pub(super) fn name_of(&self, values: &[Value]) -> String {
        let words: Vec<String> = self.key.iter().map(|&place| word(&values[place])).collect();
        words.join(" ")
    }

    fn key_of(&self, values: &[Value]) -> Vec<Value> {
        self.key.iter().map(|&place| values[place].clone()).collect()
    }

    /// Reads all rows that can be read, each once, and returns where others may be.
    pub(super) fn read_rows(
        &self,
        db: &Connection,
        visit: &mut dyn FnMut(SurveyedRow<'_>) -> Result<()>,
    ) -> Result<Vec<Gap>> {
        let mut scan = TableScan { table: self, db, visit, starts: 0, gaps: Vec::new() };
        // First from the front, then from the back, and then into what is left between.
        let whole = Gap { after: None, includes_after: false, before: None };
        let rising = scan.scan(&whole, false)?;
        if rising.is_whole {
            return Ok(Vec::new());
        }
        let left = Gap { after: rising.last, ..whole };
        let falling = scan.scan(&left, true)?;
        if falling.is_whole {
            return Ok(vec![Gap { before: falling.last, ..left }]);
        }
        scan.narrow(Gap { before: falling.last, ..left }, 0)?;
        // The halves of what nothing was found in are one gap.
        let mut gaps: Vec<Gap> = Vec::new();
        for gap in scan.gaps {
            match gaps.last_mut() {
                Some(last) if last.before == gap.after => last.before = gap.before,
                _ => gaps.push(gap),
            }
        }
        Ok(gaps)
    }
}

struct TableScan<'a> {
    table: &'a StoreTable,
    db: &'a Connection,
    visit: &'a mut dyn FnMut(SurveyedRow<'_>) -> Result<()>,
    starts: usize,
    gaps: Vec<Gap>,
}

/// How far a scan came.
struct Scanned {
    /// Key of the last row that was read.
    last: Option<Vec<Value>>,
    /// Whether it came to the end of its range.
    is_whole: bool,
}

impl TableScan<'_> {
    /// Reads between two keys until a page cannot be read.
    fn scan(&mut self, range: &Gap, falling: bool) -> Result<Scanned> {
        self.starts += 1;
        let table = self.table;
        let keys: Vec<&str> =
            table.key.iter().map(|&place| table.columns[place].as_str()).collect();
        let mut conditions = Vec::new();
        let mut bound: Vec<Value> = Vec::new();
        let above = if range.includes_after { ">=" } else { ">" };
        // A key may be a prefix: row values are compared as far as it goes.
        for (end, sign) in [(&range.after, above), (&range.before, "<")] {
            let Some(end) = end else { continue };
            let marks = vec!["?"; end.len()].join(", ");
            conditions.push(format!("({}) {sign} ({marks})", keys[..end.len()].join(", ")));
            bound.extend(end.iter().cloned());
        }
        let order = if falling { " DESC" } else { "" };
        let order: Vec<String> = keys.iter().map(|key| format!("{key}{order}")).collect();
        let condition = match conditions.as_slice() {
            [] => String::new(),
            some => format!(" WHERE {}", some.join(" AND ")),
        };
        let (columns, name) = (table.columns.join(", "), &table.name);
        let order = order.join(", ");
        let sql = format!("SELECT {columns} FROM {name}{condition} ORDER BY {order}");
        let mut last = None;
        // An unreadable root page fails here already.
        let Ok(mut find) = self.db.prepare_cached(&sql) else {
            return Ok(Scanned { last, is_whole: false });
        };
        let Ok(mut rows) = find.query(rusqlite::params_from_iter(bound)) else {
            return Ok(Scanned { last, is_whole: false });
        };
        loop {
            let row = match rows.next() {
                Ok(Some(row)) => row,
                Ok(None) => return Ok(Scanned { last, is_whole: true }),
                Err(_) => return Ok(Scanned { last, is_whole: false }),
            };
            let mut values = Vec::new();
            let mut fault = None;
            for (place, column) in table.columns.iter().enumerate() {
                let stored = row.get_ref(place)?;
                // Only text that is no UTF-8 has no value; its bytes are kept, because a key may hold them.
                values.push(Value::try_from(stored).unwrap_or_else(|_| {
                    fault = Some(format!("`{column}` is no text"));
                    Value::Blob(stored.as_bytes().unwrap_or_default().to_vec())
                }));
            }
            last = Some(table.key_of(&values));
            let fault = fault.or_else(|| fault_of(table, &values));
            (self.visit)(SurveyedRow { table, values, fault })?;
        }
    }

    /// Reads what can be reached from keys within a gap; `cuts`: how many were tried for nothing.
    fn narrow(&mut self, gap: Gap, cuts: usize) -> Result<()> {
        let may_cut = cuts < MOST_CUTS && self.starts < MOST_STARTS;
        let middle = if may_cut { middle(&gap, &self.table.types) } else { None };
        let Some(middle) = middle else {
            self.gaps.push(gap);
            return Ok(());
        };
        // The middle belongs to one half alone, or its row would be visited twice.
        let upper = Gap { after: Some(middle.clone()), includes_after: true, before: gap.before };
        let lower = Gap { before: Some(middle), ..gap };
        for (half, falling) in [(lower, true), (upper, false)] {
            let scanned = self.scan(&half, falling)?;
            if scanned.is_whole {
                continue;
            }
            // A row that was found is progress: halving begins anew.
            let cuts = if scanned.last.is_some() { 0 } else { cuts + 1 };
            let left = match (falling, scanned.last) {
                (_, None) => half,
                (true, last) => Gap { before: last, ..half },
                (false, last) => Gap { after: last, includes_after: false, ..half },
            };
            self.narrow(left, cuts)?;
        }
        Ok(())
    }
}

/// A key between two; `None` when nothing lies between them.
fn middle(gap: &Gap, types: &[String]) -> Option<Vec<Value>> {
    let mut prefix = Vec::new();
    let (mut low_is_open, mut high_is_open) = (gap.after.is_none(), gap.before.is_none());
    for (place, kind) in types.iter().enumerate() {
        let low = gap.after.as_ref().filter(|_| !low_is_open).and_then(|key| key.get(place));
        let high = gap.before.as_ref().filter(|_| !high_is_open).and_then(|key| key.get(place));
        if let Some(value) = between(low, high, kind) {
            prefix.push(value);
            return Some(prefix);
        }
        // Neighbours: what lies between them begins with the lower one.
        let value = low.cloned()?;
        high_is_open |= high != Some(&value);
        low_is_open |= gap.after.as_ref().is_some_and(|key| key.len() <= place + 1);
        prefix.push(value);
    }
    None
}

/// A value strictly between two; `None` for neighbours. An end that is open is as far as values go.
fn between(low: Option<&Value>, high: Option<&Value>, kind: &str) -> Option<Value> {
    match kind {
        "INTEGER" => {
            let number = |value: Option<&Value>, open| match value {
                Some(Value::Integer(number)) => *number,
                _ => open,
            };
            // Row ids and places are never so large.
            let (low, high) = (number(low, -1), number(high, 1 << 32));
            let middle = low.midpoint(high);
            (low < middle && middle < high).then_some(Value::Integer(middle))
        }
        "TEXT" => {
            let letters = |value: Option<&Value>, open: &str| match value {
                Some(Value::Text(text)) => text.as_bytes().to_vec(),
                _ => open.as_bytes().to_vec(),
            };
            // Printable ASCII, in which ids and names are written.
            let digits = halfway(&letters(low, ""), &letters(high, "~"), 32, 95)?;
            String::from_utf8(digits).ok().map(Value::Text)
        }
        _ => {
            let bytes = |value: Option<&Value>, open: &[u8]| match value {
                Some(Value::Blob(bytes)) => bytes.clone(),
                _ => open.to_vec(),
            };
            // Keys are hashes, so four bytes already tell them apart.
            halfway(&bytes(low, &[]), &bytes(high, &[255; 4]), 0, 256).map(Value::Blob)
        }
    }
}

/// Digits halfway between two, at most six of them behind what both begin with; `base` digits from `zero`
/// on.
fn halfway(low: &[u8], high: &[u8], zero: u8, base: u64) -> Option<Vec<u8>> {
    const DIGITS: usize = 6;
    // Only the digits behind what both begin with fit into 64 bits.
    let same = low.iter().zip(high).take_while(|(a, b)| a == b).count();
    let number = |digits: &[u8]| {
        (same..same + DIGITS).fold(0_u64, |number, place| {
            let digit = digits.get(place).copied().unwrap_or(zero);
            number * base + u64::from(digit.saturating_sub(zero)).min(base - 1)
        })
    };
    let mut middle = number(low).midpoint(number(high));
    let mut digits = vec![zero; DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = zero + u8::try_from(middle % base).unwrap_or_default();
        middle /= base;
    }
    let found = [&low[..same], &digits].concat();
    (found.as_slice().cmp(low) == Ordering::Greater && found.as_slice() < high).then_some(found)
}

/// Why a row makes no sense.
fn fault_of(table: &StoreTable, values: &[Value]) -> Option<String> {
    fn json<T: serde::de::DeserializeOwned>(text: &str) -> bool {
        serde_json::from_str::<T>(text).is_ok()
    }
    let is_sound = |column: &str, text: &str| match (table.name.as_str(), column) {
        ("completion", "settings") => json::<CallSettings>(text),
        ("completion", "finish") => json::<Finish>(text),
        ("completion", "expected") => json::<serde_json::Value>(text),
        ("seed_item", "facts") => json::<AnnotatedSeed>(text),
        ("trial", "experiment" | "variant") => plain_name(column, text).is_ok(),
        ("trial", "record") => json::<TrialRecord>(text),
        ("candidate", "facts") => json::<Candidate>(text),
        ("candidate" | "seed_item", "id") | ("call", "subject") => text.parse::<ItemId>().is_ok(),
        ("call" | "chunk" | "completion", "stage") => stage_named(text).is_some(),
        _ => true,
    };
    for (column, value) in table.columns.iter().zip(values) {
        let sound = match value {
            Value::Text(text) => is_sound(column, text),
            Value::Blob(bytes) if column == "vector" => !bytes.is_empty() && bytes.len() % 4 == 0,
            _ => true,
        };
        if !sound {
            return Some(format!("`{column}` cannot be read"));
        }
    }
    None
}

/// A value in words.
fn word(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Blob(bytes) => hex::encode(&bytes[..bytes.len().min(6)]),
    }
}

impl Gap {
    /// Where rows may be missing, in words.
    pub(super) fn in_words(&self) -> String {
        let words = |key: &Option<Vec<Value>>, open: &str| match key {
            None => open.to_owned(),
            Some(key) => key.iter().map(word).collect::<Vec<_>>().join(" "),
        };
        format!("from {} to {}", words(&self.after, "the first"), words(&self.before, "the last"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_middle_lies_between() {
        let text = |text: &str| Value::Text(text.to_owned());
        let types = ["INTEGER".to_owned(), "TEXT".to_owned()];
        let gap = |after, before| Gap { after, includes_after: false, before };
        let one = |id: &str| Some(vec![Value::Integer(1), text(id)]);
        let two = |id: &str| Some(vec![Value::Integer(2), text(id)]);
        let found = |after, before| middle(&gap(after, before), &types);
        assert_eq!(
            found(Some(vec![Value::Integer(4)]), Some(vec![Value::Integer(10)])),
            Some(vec![Value::Integer(7)])
        );
        let Some(middle) = found(one("r1-00000"), one("r1-00100")) else { panic!("none") };
        let [Value::Integer(1), Value::Text(id)] = middle.as_slice() else { panic!("{middle:?}") };
        assert!("r1-00000" < id.as_str() && id.as_str() < "r1-00100", "{id}");
        // Neighbouring trials: behind the lower one's last row.
        let Some(middle) = found(one("s00007"), two("r1-00000")) else { panic!("none") };
        assert!(
            matches!(&middle[..], [Value::Integer(1), Value::Text(id)] if id.as_str() > "s00007")
        );
        assert!(found(None, one("x")).is_some() && found(one("x"), None).is_some());
    }

    #[test]
    fn halving_ends() {
        let (mut low, high) = (vec![1, 2, 3], vec![1, 2, 9]);
        let mut steps = 0;
        while let Some(middle) = halfway(&low, &high, 0, 256) {
            assert!(low < middle && middle < high, "{low:?} {middle:?}");
            (low, steps) = (middle, steps + 1);
            if steps > 200 {
                break;
            }
        }
        assert!(steps > 20);
        assert_eq!(halfway(&[5], &[5], 0, 256), None);
    }
}

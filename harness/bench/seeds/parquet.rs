//! Records from the columns of a Parquet file.
//!
//! Only the columns that the mapping asks for are read. Conversations are lists of structs, which
//! this build of polars does not read; such files say so and are converted to JSON Lines first.
//!
//! A file that is cut off is an error. One whose pages lie about their length can make polars ask
//! for more memory than there is, which ends the process; nothing in it can catch that.

use std::io::Cursor;
use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};

use polars::prelude::{
    ArrowDataType, ArrowSchema, Column, DataType, ParquetReader, PlSmallStr, PolarsError,
    SerReader, Series,
};
use serde_json::{Map, Value};

use super::{Collected, Fault, Field, FieldMapping};

/// Reads the rows.
pub(super) fn rows(
    bytes: Vec<u8>,
    mapping: &FieldMapping,
    into: &mut Collected<'_>,
) -> Result<(), Fault> {
    // polars returns an error for most damaged files and panics on some. Nothing of ours is shared
    // with the closure, so nothing of ours can be left half-changed.
    let columns = catch_unwind(AssertUnwindSafe(|| read(bytes, mapping)))
        .unwrap_or_else(|_| Err(Fault::Parquet("its structure is damaged".to_owned())))?;
    let height = columns.first().map_or(0, |(_, values)| values.len());
    if u32::try_from(height).is_err() {
        return Err(Fault::TooLarge);
    }
    let mut columns: Vec<_> =
        columns.into_iter().map(|(name, values)| (name, values.into_iter())).collect();
    for _ in 0..height {
        let named =
            columns.iter_mut().filter_map(|(name, values)| Some((name.clone(), values.next()?)));
        into.push(None, Ok(named.collect::<Map<_, _>>()));
    }
    Ok(())
}

/// A column's name and its values, as the JSON values that a record would hold.
type Named = (String, Vec<Value>);

/// The columns asked for.
fn read(bytes: Vec<u8>, mapping: &FieldMapping) -> Result<Vec<Named>, Fault> {
    let fault = |error: PolarsError| Fault::Parquet(error.to_string());
    let mut reader = ParquetReader::new(Cursor::new(bytes));
    let wanted = wanted(reader.schema().map_err(fault)?.as_ref(), mapping)?;
    let frame = reader.with_columns(Some(wanted.clone())).finish().map_err(fault)?;
    let named = |name: String| {
        let values = frame.column(&name).and_then(values).map_err(fault)?;
        Ok((name, values))
    };
    wanted.into_iter().map(named).collect()
}

/// Names of the columns to read, each once.
fn wanted(schema: &ArrowSchema, mapping: &FieldMapping) -> Result<Vec<String>, Fault> {
    let names: Vec<&str> = schema.iter_names().map(PlSmallStr::as_str).collect();
    let key = |field| mapping.key(field, || names.iter().copied());
    let missing = |field, name: &str| {
        let found = names.iter().map(ToString::to_string).collect();
        Fault::NoField { field, name: name.to_owned(), found }
    };
    if let Some((field, name)) = mapping.named().find(|(field, _)| key(*field).is_none()) {
        return Err(missing(field, name));
    }
    let text_field = if key(Field::Instruction).is_some() {
        Field::Instruction
    } else if key(Field::Conversations).is_some() {
        Field::Conversations
    } else {
        return Err(missing(Field::Instruction, "instruction"));
    };
    let others = [Field::Input, Field::Output, Field::Domain, Field::Summary, Field::Keywords];
    let mut wanted: Vec<String> = Vec::new();
    for field in iter::once(text_field).chain(others) {
        let Some(name) = key(field) else { continue };
        let found = schema.get(name).map_or(&ArrowDataType::Null, |column| &column.dtype);
        if !is_text(found) || field == Field::Conversations {
            let found = brief(found);
            return Err(Fault::Column { field, name: name.to_owned(), found });
        }
        if !wanted.iter().any(|known| known == name) {
            wanted.push(name.to_owned());
        }
    }
    Ok(wanted)
}

/// Whether a column holds text, what has one text form (numbers, booleans), or lists of text.
///
/// polars panics on types that it was built without (8-bit integers, structs and others), so the
/// types are named that it knows.
fn is_text(dtype: &ArrowDataType) -> bool {
    use ArrowDataType as D;
    match dtype {
        D::LargeList(item) | D::List(item) => is_string(&item.dtype),
        D::Dictionary(_, of, _) => is_string(of),
        D::Null | D::Boolean | D::Int32 | D::Int64 | D::UInt32 | D::UInt64 => true,
        other => is_string(other) || matches!(other, D::Float32 | D::Float64),
    }
}

const fn is_string(dtype: &ArrowDataType) -> bool {
    matches!(dtype, ArrowDataType::Utf8 | ArrowDataType::LargeUtf8 | ArrowDataType::Utf8View)
}

/// The first word of a type's name: a struct's whole type can fill a page.
fn brief(dtype: &ArrowDataType) -> String {
    match dtype {
        ArrowDataType::List(_) | ArrowDataType::LargeList(_) => "list".to_owned(),
        other => {
            let name = format!("{other:?}").to_lowercase();
            name.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
        }
    }
}

fn values(column: &Column) -> Result<Vec<Value>, PolarsError> {
    if let DataType::List(_) = column.dtype() {
        let lists = column.list()?;
        let list = |row| match lists.get_as_series(row) {
            Some(list) => texts(&list).map(Value::Array),
            None => Ok(Value::Null),
        };
        return (0..lists.len()).map(list).collect();
    }
    texts(column.as_materialized_series())
}

fn texts(series: &Series) -> Result<Vec<Value>, PolarsError> {
    let cast = series.cast(&DataType::String)?;
    Ok(cast.str()?.iter().map(|text| text.map_or(Value::Null, Value::from)).collect())
}

//! Rows from the columns of a Parquet file, as the JSON values that they would be in other files.
//!
//! Only columns that may hold a field are read; the others are named as not read. Arrays are read as Arrow
//! has them, without a data frame: frames would need every type that a file of others may have compiled in.
//!
//! A file that is cut off is an error. One whose pages lie about their length can make the reader ask
//! for more memory than there is, which ends the process; nothing in it can catch that.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use polars::error::PolarsError;
use polars::prelude::PlSmallStr;
use polars_arrow::array::{
    Array, BinaryViewArray, BooleanArray, DictionaryArray, DictionaryKey, FixedSizeListArray,
    ListArray, PrimitiveArray, StructArray, Utf8Array, Utf8ViewArray,
};
use polars_arrow::compute::concatenate::concatenate;
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field as Column, IntegerType};
use polars_arrow::types::NativeType;
use polars_buffer::Buffer;
use polars_parquet::read::{
    BasicDecompressor, PageReader, RowGroupMetadata, column_iter_to_arrays, infer_schema,
    read_metadata,
};
use serde_json::{Map, Value};

use super::{Row, Rows};
use crate::seeds::{Fault, Field, FieldMapping, Unread};

/// A column that is read.
struct Wanted {
    column: Column,
    /// The field that it must hold; `None` where the file can do without it.
    needed_for: Option<Field>,
}

/// The rows: of the columns that may hold a field, and of all of them without a mapping.
pub(super) fn rows(
    bytes: Buffer<u8>,
    mapping: Option<&FieldMapping>,
) -> Result<Rows<'static>, Fault> {
    let metadata = guarded(|| read_metadata(&mut Cursor::new(bytes.as_slice())))?;
    // Records are numbered by `u32`.
    if u32::try_from(metadata.num_rows).is_err() {
        return Err(Fault::TooLarge);
    }
    let schema = guarded(|| infer_schema(&metadata))?;
    let (wanted, others) = wanted(&schema, mapping)?;
    let unread = others.into_iter().map(|name| Unread { name, records: metadata.num_rows });
    let unread = unread.collect();
    let wanted = Rc::new(wanted);
    let rows = metadata.row_groups.into_iter().flat_map(move |group| {
        let columns = wanted.iter().map(|wanted| guarded(|| array(&bytes, &group, &wanted.column)));
        let columns = columns.collect::<Result<Vec<_>, _>>();
        let wanted = Rc::clone(&wanted);
        // The columns of one group are held at a time. A group that cannot be read is one error in place of its rows.
        let places = 0..columns.as_ref().map_or(1, |_| group.num_rows());
        places.map(move |place| row(&wanted, columns.as_ref().map_err(Clone::clone)?, place))
    });
    Ok(Rows { rows: Box::new(rows), unread })
}

/// A row of a group, out of the group's columns.
fn row(wanted: &[Wanted], columns: &[Box<dyn Array>], place: usize) -> Result<Row, Fault> {
    let (mut fields, mut unread) = (Map::new(), Vec::new());
    for (Wanted { column, needed_for }, array) in wanted.iter().zip(columns) {
        let name = column.name.to_string();
        match (value(array.as_ref(), place), *needed_for) {
            (Ok(value), _) => drop(fields.insert(name, value)),
            (Err(found), Some(field)) => return Err(Fault::Column { field, name, found }),
            (Err(_), None) => unread.push(name),
        }
    }
    Ok(Row { line: None, fields: Ok(fields), unread })
}

/// The reader returns an error for most damaged files and panics on some. Nothing of ours is shared with the
/// closure that could be left half-changed.
fn guarded<T>(read: impl FnOnce() -> Result<T, PolarsError>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(PolarsError::ComputeError("its structure is damaged".into())))
        .map_err(|error| Fault::Parquet(error.to_string()))
}

/// The columns that are read, and the names of the others.
fn wanted(
    schema: &ArrowSchema,
    mapping: Option<&FieldMapping>,
) -> Result<(Vec<Wanted>, Vec<String>), Fault> {
    let Some(mapping) = mapping else {
        let all = schema.iter_values().cloned();
        return Ok((all.map(|column| Wanted { column, needed_for: None }).collect(), Vec::new()));
    };
    let column_of = |field| mapping.name(field, schema.iter_names().map(PlSmallStr::as_str));
    // Before the columns are read, which may take long.
    let keys = || schema.iter_names().map(ToString::to_string).collect();
    mapping.check_found(|field| column_of(field).is_some(), Field::Instruction, keys)?;
    let is_needed = |field: Field| match field {
        Field::Instruction => true,
        Field::Conversations => column_of(Field::Instruction).is_none(),
        other => mapping.is_named(other),
    };
    let (mut wanted, mut others) = (Vec::new(), Vec::new());
    for column in schema.iter_values().cloned() {
        let name = column.name.as_str();
        // Also names that are not the preferred one: a record may hold nothing under that.
        if Field::ALL.into_iter().any(|field| mapping.name(field, [name]).is_some()) {
            let mut fields = Field::ALL.into_iter();
            let needed_for =
                fields.find(|field| column_of(*field) == Some(name) && is_needed(*field));
            wanted.push(Wanted { column, needed_for });
        } else {
            others.push(column.name.to_string());
        }
    }
    Ok((wanted, others))
}

/// A column of a row group.
fn array(
    bytes: &Buffer<u8>,
    group: &RowGroupMetadata,
    column: &Column,
) -> Result<Box<dyn Array>, PolarsError> {
    let damaged = || PolarsError::ComputeError("its structure is damaged".into());
    let (mut pages, mut types) = (Vec::new(), Vec::new());
    // A column of lists or structs lies in several parts, one for each of its leaves.
    for part in group.columns_under_root_iter(&column.name).ok_or_else(damaged)? {
        let range = part.byte_range();
        let (Ok(start), Ok(end)) = (usize::try_from(range.start), usize::try_from(range.end))
        else {
            return Err(damaged());
        };
        if start > end || end > bytes.len() {
            return Err(damaged());
        }
        let chunk = Cursor::new(bytes.clone().sliced(start..end));
        let reader = PageReader::new(chunk, part, Vec::new(), usize::MAX);
        pages.push(BasicDecompressor::new(reader, Vec::new()));
        types.push(&part.descriptor().descriptor.primitive_type);
    }
    let (arrays, _) = column_iter_to_arrays(pages, types, column.clone(), None)?;
    // Pages come as several arrays; rows are counted over all of them.
    let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
    let array = concatenate(&arrays)?;
    if array.len() == group.num_rows() { Ok(array) } else { Err(damaged()) }
}

/// What a cell would be in JSON; a number that is none is null.
///
/// # Errors
/// The first word of the type's name, when cells of the type have no such form.
fn value(array: &dyn Array, row: usize) -> Result<Value, String> {
    use ArrowDataType as D;
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    let unknown = || brief(array.dtype());
    let list = |items: Box<dyn Array>| {
        let items = (0..items.len()).map(|item| value(items.as_ref(), item));
        items.collect::<Result<_, _>>().map(Value::Array)
    };
    match array.dtype() {
        D::Null => Ok(Value::Null),
        D::Boolean => Ok(cast::<BooleanArray>(array)?.value(row).into()),
        D::Utf8View => Ok(cast::<Utf8ViewArray>(array)?.value(row).into()),
        D::Utf8 => Ok(cast::<Utf8Array<i32>>(array)?.value(row).into()),
        D::LargeUtf8 => Ok(cast::<Utf8Array<i64>>(array)?.value(row).into()),
        // Writers that do not mark texts as such leave them as bytes.
        D::BinaryView => std::str::from_utf8(cast::<BinaryViewArray>(array)?.value(row))
            .map(Value::from)
            .map_err(|_| unknown()),
        D::Int8 => number::<i8>(array, row),
        D::Int16 => number::<i16>(array, row),
        D::Int32 => number::<i32>(array, row),
        D::Int64 => number::<i64>(array, row),
        D::UInt8 => number::<u8>(array, row),
        D::UInt16 => number::<u16>(array, row),
        D::UInt32 => number::<u32>(array, row),
        D::UInt64 => number::<u64>(array, row),
        // By its own digits: as a number of double precision 0.1 would be 0.10000000149011612.
        D::Float32 => {
            let number = cast::<PrimitiveArray<f32>>(array)?.value(row);
            Ok(serde_json::from_str(&format!("{number:?}")).unwrap_or_default())
        }
        D::Float64 => number::<f64>(array, row),
        D::List(_) => list(cast::<ListArray<i32>>(array)?.value(row)),
        D::LargeList(_) => list(cast::<ListArray<i64>>(array)?.value(row)),
        D::FixedSizeList(..) => list(cast::<FixedSizeListArray>(array)?.value(row)),
        D::Struct(_) => {
            let record = cast::<StructArray>(array)?;
            let cells = record.values().iter().map(AsRef::as_ref);
            let cell = |(field, cells): (&Column, &dyn Array)| {
                // What has no form in JSON is no text: an object with its type for a key says so to a reader
                // of the field, and is left alone where it is none.
                let value = value(cells, row);
                let value = value.unwrap_or_else(|found| serde_json::json!({ found: null }));
                (field.name.to_string(), value)
            };
            Ok(Value::Object(record.fields().iter().zip(cells).map(cell).collect()))
        }
        D::Dictionary(IntegerType::UInt8, ..) => entry::<u8>(array, row),
        D::Dictionary(IntegerType::UInt16, ..) => entry::<u16>(array, row),
        D::Dictionary(IntegerType::UInt32, ..) => entry::<u32>(array, row),
        D::Dictionary(IntegerType::Int8, ..) => entry::<i8>(array, row),
        D::Dictionary(IntegerType::Int16, ..) => entry::<i16>(array, row),
        D::Dictionary(IntegerType::Int32, ..) => entry::<i32>(array, row),
        D::Dictionary(IntegerType::Int64, ..) => entry::<i64>(array, row),
        _ => Err(unknown()),
    }
}

/// The array as what its type says; an error where the reader made it something else.
fn cast<A: Array>(array: &dyn Array) -> Result<&A, String> {
    array.as_any().downcast_ref().ok_or_else(|| brief(array.dtype()))
}

fn number<T: NativeType + serde::Serialize>(
    array: &dyn Array,
    row: usize,
) -> Result<Value, String> {
    // JSON has no NaN, so that becomes null here.
    Ok(serde_json::to_value(cast::<PrimitiveArray<T>>(array)?.value(row)).unwrap_or_default())
}

fn entry<K: DictionaryKey>(array: &dyn Array, row: usize) -> Result<Value, String> {
    let array = cast::<DictionaryArray<K>>(array)?;
    value(array.values().as_ref(), array.key_value(row))
}

/// The first word of a type's name: a whole type can fill a page.
fn brief(dtype: &ArrowDataType) -> String {
    let name = format!("{dtype:?}").to_lowercase();
    name.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits() {
        let array = PrimitiveArray::<f32>::from_slice([0.1, 2.0, f32::NAN]);
        let texts = [0, 1, 2].map(|row| value(&array, row).unwrap().to_string());
        assert_eq!(texts, ["0.1", "2.0", "null"]);
    }

    #[test]
    fn no_row_is_named_by_its_type() {
        assert_eq!(brief(&ArrowDataType::Struct(Vec::new())), "struct");
    }
}

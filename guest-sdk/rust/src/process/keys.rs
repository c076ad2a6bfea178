//! The key columns of a call, by their positions.

use crate::column::batch::{Batch, Values};
use crate::schema::{DataType, Field};

/// Checks that the job's key columns can be read as these fields, one by one. A function learns the key columns only in a call,
/// so each call checks them. A function that reads no key accepts any.
///
/// # Errors
/// What the function reads, and what the job's key is.
pub(crate) fn check(wanted: &[Field], keys: &Batch) -> Result<(), String> {
    if wanted.is_empty() {
        return Ok(());
    }
    let columns = keys.columns();
    let fits = wanted.len() == columns.len()
        && wanted.iter().zip(columns).all(|(field, column)| {
            fits(field.data_type, &column.values) && (field.nullable || column.validity.is_none())
        });
    if fits {
        return Ok(());
    }
    let wanted: Vec<String> = wanted.iter().map(Field::to_string).collect();
    let given = columns.iter().map(|column| {
        let nullable = if column.validity.is_some() { "?" } else { "" };
        format!("{}{nullable}", name(&column.values))
    });
    Err(format!(
        "the function reads the key as ({}), but the job's key columns are ({}): give the operator a key of these types, in \
         this order",
        wanted.join(", "),
        given.collect::<Vec<_>>().join(", ")
    ))
}

fn fits(wanted: DataType, values: &Values) -> bool {
    wanted == DataType::Json && matches!(values, Values::Texts(_)) || wanted.name() == name(values)
}

fn name(values: &Values) -> &'static str {
    let data_type = match values {
        Values::Booleans(_) => DataType::Boolean,
        Values::Int64s(_) => DataType::Int64,
        Values::Float64s(_) => DataType::Float64,
        Values::Texts(_) => DataType::Text,
        Values::ByteStrings(_) => DataType::Bytes,
        Values::Timestamps(_) => DataType::Timestamp,
    };
    data_type.name()
}

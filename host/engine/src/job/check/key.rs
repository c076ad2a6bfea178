//! Key columns.

use super::checker::Checker;
use super::column::find;
use crate::job::problem::{At, Problem};
use crate::job::spec;
use crate::job::spec::KeyColumn;
use flowgate_base::schema::{DataType, Schema};

/// Returns the positions of the key columns of an operator with one input. Problems are added.
pub(super) fn key(
    checker: &mut Checker<'_>,
    operator: &spec::Operator,
    input_name: &str,
    schema: &Schema,
    at: &At,
) -> Vec<usize> {
    let mut key = Vec::new();
    for (i, column) in operator.key.iter().flatten().enumerate() {
        let place = at.field("key").field(i);
        let KeyColumn::Name(name) = column else {
            let message = format!("`{{ left, right }}` is for two inputs; `{input_name}` is the only one here");
            checker.error(Problem::error(place, message).help("name the column alone"));
            continue;
        };
        let Some(column) = key_column(checker, name, input_name, schema, place.clone()) else { continue };
        if key.contains(&column) {
            checker.error(Problem::error(place, format!("`{name}` is in the key already")));
        } else {
            key.push(column);
        }
    }
    key
}

/// Returns the positions of each key column on both inputs of an operator. The types are equal. Problems are added.
pub(super) fn pairs(
    checker: &mut Checker<'_>,
    operator: &spec::Operator,
    left: (&str, &Schema),
    right: (&str, &Schema),
    at: &At,
) -> Vec<(usize, usize)> {
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for (i, column) in operator.key.iter().flatten().enumerate() {
        let place = at.field("key").field(i);
        let l = key_column(checker, column.left(), left.0, left.1, place.clone());
        let r = key_column(checker, column.right(), right.0, right.1, place.clone());
        let (Some(l), Some(r)) = (l, r) else { continue };
        let (one, other) = (&left.1.fields[l], &right.1.fields[r]);
        if one.data_type != other.data_type {
            let message = format!(
                "`{}` of `{}` is {}, but `{}` of `{}` is {}",
                one.name,
                left.0,
                one.type_name(),
                other.name,
                right.0,
                other.type_name()
            );
            checker.error(Problem::error(place, message).help("key columns have the same type on both sides"));
        } else if pairs.contains(&(l, r)) {
            checker.error(Problem::error(place, format!("`{}` is in the key already", column.left())));
        } else {
            pairs.push((l, r));
        }
    }
    pairs
}

/// Returns the position of a column that can be part of a key; `None` after a problem.
fn key_column(checker: &mut Checker<'_>, name: &str, input_name: &str, schema: &Schema, place: At) -> Option<usize> {
    let column = match find(schema, name, &format!("`{input_name}`"), place.clone()) {
        Ok(column) => column,
        Err(problem) => {
            checker.error(problem);
            return None;
        }
    };
    let reason = match schema.fields[column].data_type {
        DataType::Float64 => "float64 values that look equal may differ in their last bit",
        DataType::Json => "equal JSON values may be written differently",
        _ => return Some(column),
    };
    let message = format!("`{name}` is {} and cannot be a key: {reason}", schema.fields[column].type_name());
    checker.error(Problem::error(place, message).help("keys are text, int64, boolean, timestamp or bytes"));
    None
}

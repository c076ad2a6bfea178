//! The columns of the rows that a join makes of its inputs.

use crate::job::graph::PairColumn;
use crate::job::spec::JoinType;
use flowgate_base::schema::{DataType, Field, Schema};
use flowgate_wall::binding::OutputBinding;

/// One column: its field, and its origin.
pub(super) type Made = (Field, PairColumn);

/// Whether a join emits left rows without a right one.
pub(super) fn keeps_left(join: JoinType) -> bool {
    matches!(join, JoinType::Left | JoinType::Full)
}

/// Whether a join emits right rows without a left one.
pub(super) fn keeps_right(join: JoinType) -> bool {
    matches!(join, JoinType::Right | JoinType::Full)
}

/// Whether a join emits only the left columns.
pub(super) fn is_left_only(join: JoinType) -> bool {
    matches!(join, JoinType::Semi | JoinType::Anti)
}

/// Returns the columns of a pair: the left ones, the right ones, and those of the window. A key column of the same name on both
/// sides is there once; other right columns with a name of the left have the prefix `right_`.
///
/// # Errors
/// Two columns have the same name, which is the error.
pub(super) fn columns(
    join: JoinType,
    keys: &[(usize, usize)],
    left: &Schema,
    right: &Schema,
    window: bool,
) -> Result<Vec<Made>, String> {
    let nullable = |field: &Field, absent: bool| Field { nullable: field.nullable || absent, ..field.clone() };
    let shared = |l: usize, r: usize| left.fields[l].name == right.fields[r].name;
    let mut made: Vec<Made> = Vec::new();
    for (l, field) in left.fields.iter().enumerate() {
        if is_left_only(join) {
            made.push((field.clone(), PairColumn::Left(l)));
            continue;
        }
        match keys.iter().find(|(kl, kr)| *kl == l && shared(*kl, *kr)) {
            Some((_, r)) => {
                // Rows without a key have no pair: they are emitted if unmatched rows are.
                let from_left = keeps_left(join) && field.nullable;
                let from_right = keeps_right(join) && right.fields[*r].nullable;
                made.push((Field { nullable: from_left || from_right, ..field.clone() }, PairColumn::Key(l, *r)));
            }
            None => made.push((nullable(field, keeps_right(join)), PairColumn::Left(l))),
        }
    }
    if is_left_only(join) {
        return Ok(made);
    }
    for (r, field) in right.fields.iter().enumerate() {
        if keys.iter().any(|(kl, kr)| *kr == r && shared(*kl, *kr)) {
            continue;
        }
        let mut field = nullable(field, keeps_left(join));
        if left.index_of(&field.name).is_some() {
            field.name = format!("right_{}", field.name);
        }
        made.push((field, PairColumn::Right(r)));
    }
    if window {
        made.push((Field::new("window_start", DataType::Timestamp), PairColumn::WindowStart));
        made.push((Field::new("window_end", DataType::Timestamp), PairColumn::WindowEnd));
    }
    for (i, (field, _)) in made.iter().enumerate() {
        if made[..i].iter().any(|(other, _)| other.name == field.name) {
            return Err(field.name.clone());
        }
    }
    Ok(made)
}

/// Returns the columns of one output of a join function: those that it makes and, if they pass through, those of the pair. A
/// made column replaces the pair's column of its name.
pub(super) fn compose(binding: &OutputBinding, pair: &[Made]) -> (Schema, Vec<PairColumn>) {
    let mut all: Vec<Made> = if binding.passthrough { pair.to_vec() } else { Vec::new() };
    for (i, field) in binding.columns.iter().enumerate() {
        match all.iter_mut().find(|(other, _)| other.name == field.name) {
            Some(place) => *place = (field.clone(), PairColumn::Made(i)),
            None => all.push((field.clone(), PairColumn::Made(i))),
        }
    }
    let (fields, columns) = all.into_iter().unzip();
    (Schema::new(fields), columns)
}

//! Columns on both ways through the wall, against Arrow's own safe constructors.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMillisecondArray,
};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use proptest::prelude::*;

use super::columns_in::columns_in;
use super::columns_out;
use super::wire::{AnswerRaw, ColumnIn, ColumnOut, RowFailure, RowsOutRaw, ValuesIn, ValuesOut, VarIn, VarValues};
use flowgate_base::schema::{DataType, Field};

type Row = (Option<bool>, Option<i64>, Option<f64>, Option<String>, Option<Vec<u8>>, Option<i64>);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (
        any::<Option<bool>>(),
        any::<Option<i64>>(),
        prop::option::of(-1e9..1e9),
        prop::option::of("[a-zé漢]{0,6}"),
        prop::option::of(prop::collection::vec(any::<u8>(), 0..6)),
        any::<Option<i64>>(),
    );
    prop::collection::vec(row, 0..100)
}

fn arrays(rows: &[Row]) -> Vec<ArrayRef> {
    vec![
        Arc::new(rows.iter().map(|r| r.0).collect::<BooleanArray>()),
        Arc::new(rows.iter().map(|r| r.1).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|r| r.2).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|r| r.3.as_deref()).collect::<StringArray>()),
        Arc::new(rows.iter().map(|r| r.4.as_deref()).collect::<BinaryArray>()),
        Arc::new(rows.iter().map(|r| r.5).collect::<TimestampMillisecondArray>()),
        Arc::new(rows.iter().map(|r| r.3.as_deref()).collect::<StringArray>()),
    ]
}

fn fields() -> Vec<Field> {
    DataType::ALL.iter().map(|t| Field::nullable(t.name(), *t)).collect()
}

/// A plugin that returns its input.
fn echo(column: &ColumnIn<'_>) -> ColumnOut {
    let var = |v: &VarIn<'_>| VarValues { offsets: v.offsets.to_vec(), data: v.data.to_vec() };
    let values = match &column.values {
        ValuesIn::Booleans(bits) => ValuesOut::Booleans(bits.to_vec()),
        ValuesIn::Int64s(v) => ValuesOut::Int64s(v.to_vec()),
        ValuesIn::Float64s(v) => ValuesOut::Float64s(v.to_vec()),
        ValuesIn::Texts(v) => ValuesOut::Texts(var(v)),
        ValuesIn::ByteStrings(v) => ValuesOut::ByteStrings(var(v)),
        ValuesIn::Timestamps(v) => ValuesOut::Timestamps(v.to_vec()),
    };
    ColumnOut { values, validity: column.validity.as_ref().map(|v| v.to_vec()) }
}

/// Arrow's own checks, or `None`.
fn arrow_text(values: &VarValues) -> Option<StringArray> {
    let offsets: Vec<i32> = values.offsets.iter().map(|o| i32::try_from(*o).ok()).collect::<Option<_>>()?;
    let ordered = offsets.first() == Some(&0) && offsets.is_sorted();
    if !ordered || offsets.last().map(|o| *o as usize) != Some(values.data.len()) {
        return None;
    }
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    StringArray::try_new(offsets, Buffer::from_vec(values.data.clone()), None).ok()
}

proptest! {
    /// What goes in and comes out unchanged is equal, for each slice of a batch.
    #[test]
    fn slices_come_back_as_they_went_in(rows in rows(), start in 0_usize..100, length in 0_usize..100) {
        let start = start.min(rows.len());
        let length = length.min(rows.len() - start);
        let arrays: Vec<ArrayRef> = arrays(&rows).iter().map(|a| a.slice(start, length)).collect();
        let sent = columns_in(&arrays, &fields(), length).unwrap();
        let received = columns_out::columns(sent.iter().map(echo).collect(), &fields(), length).unwrap();
        for (sent, received) in arrays.iter().zip(&received) {
            prop_assert_eq!(sent.to_data(), received.to_data());
        }
    }

    /// Text is accepted exactly where Arrow's safe constructor accepts it.
    #[test]
    fn text_is_judged_as_arrow_judges_it(
        offsets in prop::collection::vec(0_u32..8, 0..6),
        data in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..8),
            "[aé漢]{0,4}".prop_map(String::into_bytes),
        ],
        sorted in any::<bool>(),
    ) {
        let mut offsets = offsets;
        if sorted {
            offsets.sort_unstable();
            if let (Some(first), true) = (offsets.first_mut(), true) { *first = 0; }
            if let Some(last) = offsets.last_mut() { *last = data.len() as u32; }
        }
        let values = VarValues { offsets, data };
        let expected = arrow_text(&values);
        let rows = values.len();
        let field = [Field::new("t", DataType::Text)];
        let column = ColumnOut { values: ValuesOut::Texts(values), validity: None };
        let found = columns_out::columns(vec![column], &field, rows);
        prop_assert_eq!(expected.is_some(), found.is_ok(), "{:?} {:?}", expected, found);
        if let (Some(expected), Ok(found)) = (expected, found) {
            prop_assert_eq!(expected.to_data(), found[0].to_data());
        }
    }

    /// Rows of an answer: accepted exactly where every index is a given row, failures are distinct and not selected.
    #[test]
    fn rows_are_judged_as_a_naive_model_judges_them(
        row_count in 1_usize..6,
        selected in prop::option::of(prop::collection::vec(0_u32..7, 0..8)),
        failed in prop::collection::vec(0_u32..7, 0..4),
    ) {
        let chosen: Vec<u32> = selected.clone().unwrap_or_else(|| (0..row_count as u32).collect());
        let within = |rows: &[u32]| rows.iter().all(|r| (*r as usize) < row_count);
        let distinct = failed.iter().collect::<std::collections::HashSet<_>>().len() == failed.len();
        let apart = !failed.iter().any(|r| chosen.contains(r));
        let expected = within(&chosen) && within(&failed) && distinct && apart;
        let raw = AnswerRaw {
            outputs: vec![RowsOutRaw { rows: selected, columns: Vec::new() }],
            failures: failed.iter().map(|row| RowFailure { row: *row, message: "m".into() }).collect(),
        };
        prop_assert_eq!(columns_out::answer(raw, &[vec![]], row_count, 1_000, 100).is_ok(), expected);
    }
}

#[test]
fn a_flat_map_without_columns_is_bounded() {
    let raw = AnswerRaw {
        outputs: vec![RowsOutRaw { rows: Some(vec![0; 1_001]), columns: Vec::new() }],
        failures: Vec::new(),
    };
    let error = columns_out::answer(raw, &[vec![]], 1, 1_000, 100).unwrap_err();
    assert_eq!(error, "returned 1001 rows; 1000 is the most for one call");
}

#[test]
fn a_column_of_another_type_is_our_mistake() {
    let array: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let error = columns_in(&[array], &[Field::new("t", DataType::Text)], 1).err().unwrap();
    assert_eq!(error.fault(), flowgate_base::error::Fault::Internal);
}

//! Accumulators of every aggregate over every type, as columns of a snapshot and back.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMillisecondArray,
};

use super::accumulate::{Accumulate, InputRows, Times};
use super::native::accumulator;
use crate::job::graph::Aggregate;
use flowgate_base::schema::{DataType, Field, Schema};

/// Values of each type: some rows of three keys.
fn columns() -> Vec<(DataType, ArrayRef)> {
    vec![
        (DataType::Int64, Arc::new(Int64Array::from(vec![i64::MAX, 7, -3, i64::MAX, 7])) as ArrayRef),
        (DataType::Float64, Arc::new(Float64Array::from(vec![f64::MAX, f64::NAN, -0.0, f64::MAX, -1.5]))),
        (DataType::Text, Arc::new(StringArray::from(vec!["", "ä", "b", "zz", "0x"]))),
        (DataType::Boolean, Arc::new(BooleanArray::from(vec![true, false, true, false, false]))),
        (DataType::Timestamp, Arc::new(TimestampMillisecondArray::from(vec![5, -1, 0, 9, 9]))),
        (DataType::Bytes, Arc::new(BinaryArray::from(vec![&b"\xff"[..], b"", b"a", b"\0", b"b"]))),
        (DataType::Json, Arc::new(StringArray::from(vec!["1", "{}", "[]", "2", "3"]))),
    ]
}

fn encodings(accumulators: &dyn Accumulate) -> Vec<Vec<u8>> {
    let encoded = |group| {
        let mut out = Vec::new();
        accumulators.encode(group, &mut out);
        out
    };
    (0..4).map(encoded).collect()
}

/// Goal: what is restored is what was stored, whatever the type; the group without rows is empty again. The job's check decides which
/// types an aggregate accepts: those are tried that have accumulators.
#[test]
fn accumulators_are_restored_as_they_were() {
    let aggregates = [
        Aggregate::Count(Some(0)),
        Aggregate::Sum(0),
        Aggregate::Avg(0),
        Aggregate::Min(0),
        Aggregate::Max(0),
        Aggregate::First(0),
        Aggregate::Last(0),
        Aggregate::Distinct(0),
        Aggregate::ApproxDistinct(0),
        Aggregate::Quantile { column: 0, q: 0.5 },
        Aggregate::ArgExtreme { value: 0, by: 1, greatest: false },
        Aggregate::ArgExtreme { value: 1, by: 0, greatest: true },
        Aggregate::TopK { value: 0, by: 1, k: 2 },
    ];
    let other: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 2, 1, 3]));
    let mut tried = 0;
    for (data_type, values) in columns() {
        let schema = Schema::new(vec![Field::new("v", data_type), Field::new("n", DataType::Int64)]);
        for aggregate in &aggregates {
            let numeric = matches!(data_type, DataType::Int64 | DataType::Float64);
            if matches!(aggregate, Aggregate::Quantile { .. }) && !numeric {
                continue;
            }
            let Ok((mut filled, reads)) = accumulator(aggregate, &schema) else { continue };
            let all = [values.clone(), other.clone()];
            let columns: Vec<ArrayRef> = reads.iter().map(|column| all[*column].clone()).collect();
            filled.grow(4);
            let rows = InputRows { groups: &[0, 1, 2, 0, 1], columns: &columns, counted: None, times: Times::One(3) };
            filled.update(&rows).unwrap();
            let stored = filled.stored(&[2, 3, 0, 1]).unwrap();
            let types: Vec<_> = stored.iter().map(|column| column.data_type().clone()).collect();
            let fields: Vec<_> = filled.stored_fields().into_iter().map(|(_, data_type)| data_type).collect();
            assert_eq!(types, fields, "{aggregate:?} of {data_type}");
            let mut restored = filled.fresh();
            restored.grow(4);
            restored.restore(&[2, 3, 0, 1], &stored).unwrap();
            let mut both = [encodings(&*restored), encodings(&*filled)];
            if matches!(aggregate, Aggregate::Distinct(_)) {
                // The elements of a set are stored in any order.
                both.iter_mut().flatten().for_each(|bytes| bytes.sort_unstable());
            }
            assert_eq!(both[0], both[1], "{aggregate:?} of {data_type}");
            tried += 1;
        }
    }
    assert!(tried > 50, "only {tried} were tried");
}

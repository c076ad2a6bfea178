//! Aggregates in tests.

use crate::column::batch::{Batch, Values, VarValues};
use crate::function::aggregate::Aggregate;
use crate::function::plugin::{Call, Function};
use crate::row::contract::{ReadRow, WriteRow};
use crate::row::field::ReadField;
use crate::schema::Field;
use crate::testing::transform::{batch, checked_batch, project, read};

/// Maximum bytes that the host stores for an accumulator.
const ACCUMULATOR_BYTES_MAX: usize = 64 << 10;

/// Checks that an aggregate opens; the error is everything that is wrong, as the author of a job would see it.
///
/// # Errors
/// What is wrong with the config and the offered columns.
///
/// ```
/// # use flowgate_sdk::{Aggregate, DataType, Failure, Field, Row, testing};
/// # #[derive(Row)] struct Value { value: i64 }
/// # #[flowgate_sdk::aggregate] struct Sum;
/// # impl Aggregate for Sum {
/// #     type Row<'a> = Value; type Accumulator = i64; type Output = i64;
/// #     fn update(&self, sum: &mut i64, row: Value) -> Result<(), Failure> { *sum += row.value; Ok(()) }
/// #     fn merge(&self, left: &mut i64, right: i64) { *left += right }
/// #     fn finish(&self, sum: i64) -> i64 { sum }
/// # }
/// let offered = [Field::new("value", DataType::Int64, true)];
/// let problems = testing::open_aggregate::<Sum>("{}", &offered).unwrap_err();
/// assert!(problems[0].contains("Option<i64>"));
/// ```
pub fn open_aggregate<A: Aggregate>(config: &str, offered: &[Field]) -> Result<(), Vec<String>> {
    Function::aggregate::<A>().open(config, &[offered.to_vec()]).map(drop)
}

/// Opens an aggregate with this config (JSON). Adds the rows of each part to an accumulator of its own, which is encoded to bytes
/// after each row; merges the accumulators from left to right, and finishes.
///
/// # Errors
/// What is wrong with the config and the columns, or why the function as a whole failed.
///
/// ```
/// # use flowgate_sdk::{Aggregate, Failure, Row, testing};
/// # #[derive(Row)] struct Value { value: i64 }
/// # #[flowgate_sdk::aggregate] struct Sum;
/// # impl Aggregate for Sum {
/// #     type Row<'a> = Value; type Accumulator = i64; type Output = i64;
/// #     fn update(&self, sum: &mut i64, row: Value) -> Result<(), Failure> { *sum += row.value; Ok(()) }
/// #     fn merge(&self, left: &mut i64, right: i64) { *left += right }
/// #     fn finish(&self, sum: i64) -> i64 { sum }
/// # }
/// let parts = [vec![1, 2], vec![], vec![3]].map(|part| part.into_iter().map(|value| Value { value }));
/// assert_eq!(testing::aggregate::<Sum, _>("{}", parts).unwrap().value::<i64>(), 6);
/// ```
pub fn aggregate<A: Aggregate, R: WriteRow>(
    config: &str,
    parts: impl IntoIterator<Item = impl IntoIterator<Item = R>>,
) -> Result<AggregateResult, Vec<String>> {
    let opened = Function::aggregate::<A>().open(config, &[R::FIELDS.to_vec()])?;
    let Call::Aggregate(function) = &opened.call else { unreachable!("an aggregate was opened") };
    let failed = |problem| vec![problem];
    let mut merged = empty();
    let mut failures = Vec::new();
    let mut given = 0;
    for part in parts {
        let batch = project(batch(part), R::FIELDS, &opened.binding.inputs[0]);
        let mut accumulators = empty();
        if batch.rows() > 0 {
            let groups = vec![0; batch.rows()];
            let updated = function.update(&accumulators, &groups, &batch).map_err(failed)?;
            failures.extend(updated.failures.into_iter().map(|failure| (given + failure.row, failure.message)));
            accumulators = updated.accumulators;
        }
        given += batch.rows() as u32;
        merged = function.merge(&merged, &accumulators).map_err(failed)?;
        let bytes = merged.data.len();
        assert!(bytes <= ACCUMULATOR_BYTES_MAX, "an accumulator of {bytes} bytes; at most {ACCUMULATOR_BYTES_MAX}");
    }
    let fields = opened.binding.outputs.into_iter().next().map(|output| output.columns).unwrap_or_default();
    let columns = function.finish(&merged).map_err(failed)?;
    let batch = checked_batch(1, columns, &fields);
    Ok(AggregateResult { batch, fields, failures, accumulator: merged.data })
}

/// Returns one accumulator without rows.
fn empty() -> VarValues {
    VarValues { offsets: vec![0, 0], data: Vec::new() }
}

/// The result of an aggregate.
#[derive(Debug)]
pub struct AggregateResult {
    batch: Batch,
    fields: Vec<Field>,
    failures: Vec<(u32, String)>,
    accumulator: Vec<u8>,
}

impl AggregateResult {
    /// Returns the result of an aggregate that has one value. Panics where it is of another type.
    pub fn value<'a, T: ReadField<'a>>(&'a self) -> T {
        let [field] = &self.fields[..] else { panic!("the result is a row: {:?}", self.fields) };
        let fits = field.data_type == T::DATA_TYPE && (T::NULLABLE || !field.nullable);
        assert!(fits, "the result is another value than was asked for: {field}");
        T::get(&T::column(&self.batch.columns()[0], 1), 0)
    }

    /// Returns the result of an aggregate that returns a row. Panics where the struct has not exactly its columns.
    pub fn row<'a, R: ReadRow<'a>>(&'a self) -> R {
        read(&self.batch, &self.fields).pop().expect("there is one accumulator, hence one row")
    }

    /// The rows that failed, counted over all parts, with their messages.
    pub fn failures(&self) -> &[(u32, String)] {
        &self.failures
    }

    /// The merged accumulator, as the host stores it.
    pub fn accumulator(&self) -> &[u8] {
        &self.accumulator
    }

    /// Whether the result has a value in its first column.
    pub fn is_some(&self) -> bool {
        let column = &self.batch.columns()[0];
        let rows = !matches!(&column.values, Values::Booleans(bits) if bits.is_empty());
        rows && column.validity.as_ref().is_none_or(|bits| bits[0] & 1 == 1)
    }
}

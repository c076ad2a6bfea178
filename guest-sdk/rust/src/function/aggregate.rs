//! Aggregates: the author's trait, and the loops over rows and accumulators.

use crate::column::batch::{Batch, Column, VarValues};
use crate::failure::Failure;
use crate::function::accumulator::Accumulator;
use crate::function::answer::RowFailure;
use crate::function::config::FromConfig;
use crate::function::value::AggregateOutput;
use crate::row::contract::{BuildRow, ReadRow, Row};

/// Reduces many rows to one result per group. Aggregates are mergeable: the host aggregates rows in several workers and windows,
/// and merges the accumulators. [`#[aggregate]`](macro@crate::aggregate) above the struct sets its name and description.
///
/// The value itself is made from the config when the function is opened (see [`FromConfig`]); an aggregate without a config is a
/// unit struct.
///
/// ```
/// use flowgate_sdk::{Aggregate, Failure, Row};
///
/// #[derive(Row)]
/// struct Value { value: Option<f64> }
///
/// /// The mean of a column; no value for a group without values.
/// #[flowgate_sdk::aggregate]
/// struct Mean;
///
/// impl Aggregate for Mean {
///     type Row<'a> = Value;
///     type Accumulator = (f64, u64);
///     type Output = Option<f64>;
///
///     fn update(&self, (sum, count): &mut (f64, u64), row: Value) -> Result<(), Failure> {
///         if let Some(value) = row.value {
///             *sum += value;
///             *count += 1;
///         }
///         Ok(())
///     }
///
///     fn merge(&self, left: &mut (f64, u64), right: (f64, u64)) {
///         left.0 += right.0;
///         left.1 += right.1;
///     }
///
///     fn finish(&self, (sum, count): (f64, u64)) -> Option<f64> {
///         (count > 0).then(|| sum / count as f64)
///     }
/// }
///
/// flowgate_sdk::plugin! { aggregates: [Mean] }
///
/// let parts = [[1.0, 2.0], [3.0, 6.0]].map(|part| part.map(|value| Value { value: Some(value) }));
/// let out = flowgate_sdk::testing::aggregate::<Mean, _>("{}", parts).unwrap();
/// assert_eq!(out.value::<Option<f64>>(), Some(3.0));
/// ```
pub trait Aggregate: FromConfig + Named {
    /// The columns it reads.
    type Row<'a>: ReadRow<'a>;
    /// Its accumulator, kept for each group. The default stands for no rows.
    type Accumulator: Accumulator;
    /// Its result: a row, or one value.
    type Output: AggregateOutput;

    /// Adds a row. Where it fails, the accumulator must be unchanged; the row goes to the operator's `errors`.
    ///
    /// # Errors
    /// What is wrong with the row.
    fn update(&self, accumulator: &mut Self::Accumulator, row: Self::Row<'_>) -> Result<(), Failure>;

    /// Merges `right` into `left`, which then stands for the rows of both. Associative; the rows of `left` came first where an
    /// order matters.
    fn merge(&self, left: &mut Self::Accumulator, right: Self::Accumulator);

    /// Returns the result.
    fn finish(&self, accumulator: Self::Accumulator) -> Self::Output;
}

/// The name and description of an aggregate, by [`#[aggregate]`](macro@crate::aggregate).
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no name as an aggregate",
    label = "no name",
    note = "write `#[flowgate_sdk::aggregate]` above the struct"
)]
pub trait Named {
    /// The name under which a job finds it.
    const NAME: &'static str;
    /// Its doc comment.
    const DOC: &'static str;
}

/// The answer to `update`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Updated {
    /// One for each accumulator of the call, in their order.
    pub accumulators: VarValues,
    /// Rows that were not aggregated.
    pub failures: Vec<RowFailure>,
}

pub(crate) fn inputs<A: Aggregate>() -> &'static [crate::Field] {
    <A::Row<'static> as Row>::FIELDS
}

/// An opened aggregate, without its types.
pub(crate) trait OpenedAggregate {
    fn update(&self, accumulators: &VarValues, groups: &[u32], batch: &Batch) -> Result<Updated, String>;
    fn merge(&self, left: &VarValues, right: &VarValues) -> Result<VarValues, String>;
    fn finish(&self, accumulators: &VarValues) -> Result<Vec<Column>, String>;
}

impl<A: Aggregate> OpenedAggregate for A {
    fn update(&self, accumulators: &VarValues, groups: &[u32], batch: &Batch) -> Result<Updated, String> {
        let mut states = accumulators.iter().map(decode).collect::<Result<Vec<A::Accumulator>, _>>()?;
        let mut failures = Vec::new();
        let columns = <A::Row<'_> as ReadRow<'_>>::columns(batch);
        let groups = &groups[..batch.rows()];
        for (row, group) in groups.iter().enumerate() {
            let added = Aggregate::update(self, &mut states[*group as usize], A::Row::read(&columns, row));
            if let Err(failure) = added {
                failures.push(RowFailure { row: row as u32, message: failure.into_message() });
            }
        }
        Ok(Updated { accumulators: encode(&states, accumulators.data.len()), failures })
    }

    fn merge(&self, left: &VarValues, right: &VarValues) -> Result<VarValues, String> {
        let mut merged = Vec::with_capacity(left.len());
        for (left, right) in left.iter().zip(right.iter()) {
            let mut state = decode(left)?;
            if !right.is_empty() {
                Aggregate::merge(self, &mut state, decode(right)?);
            }
            merged.push(state);
        }
        Ok(encode::<A::Accumulator>(&merged, left.data.len() + right.data.len()))
    }

    fn finish(&self, accumulators: &VarValues) -> Result<Vec<Column>, String> {
        let mut columns = <A::Output as AggregateOutput>::Columns::with_capacity(accumulators.len(), 0);
        for bytes in accumulators.iter() {
            Aggregate::finish(self, decode(bytes)?).write(&mut columns);
        }
        Ok(columns.finish().into_iter().map(|(_, column)| column).collect())
    }
}

#[inline(always)]
fn decode<T: Accumulator>(bytes: &[u8]) -> Result<T, String> {
    if bytes.is_empty() {
        return Ok(T::default());
    }
    T::decode(bytes).ok_or_else(|| foreign(bytes.len()))
}

#[cold]
fn foreign(len: usize) -> String {
    format!("an accumulator of {len} bytes is none of this function: was it written by another version of the plugin?")
}

fn encode<T: Accumulator>(states: &[T], bytes: usize) -> VarValues {
    let mut values = VarValues::with_capacity(states.len(), bytes.max(size_of_val(states)));
    for state in states {
        state.encode(&mut values.data);
        values.end_value();
    }
    values
}

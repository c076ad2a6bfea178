//! Transforms in tests.

use crate::column::batch::{Batch, Column};
use crate::function::answer::{Answer, RowsOut, Selection};
use crate::function::binding::Binding;
use crate::function::plugin::{Call, Function};
use crate::function::transform::Transform;
use crate::row::contract::{BuildRow, ReadRow, WriteRow};
use crate::schema::Field;

/// Returns the rows as a batch.
pub(super) fn batch<R: WriteRow>(rows: impl IntoIterator<Item = R>) -> Batch {
    let mut columns = R::Columns::with_capacity(0, 0);
    let mut count = 0;
    for row in rows {
        row.write(&mut columns);
        count += 1;
    }
    checked_batch(count, columns.finish().into_iter().map(|(_, column)| column).collect(), R::FIELDS)
}

/// Returns the columns as a batch; panics where they are not one.
pub(super) fn checked_batch(rows: usize, columns: Vec<Column>, fields: &[Field]) -> Batch {
    assert_eq!(columns.len(), fields.len(), "columns and fields");
    for (column, field) in columns.iter().zip(fields) {
        if let Err(problem) = column.check(field.data_type, field.nullable, rows) {
            panic!("the column `{}` has {problem}", field.name);
        }
    }
    // SAFETY: `check` has checked every text.
    unsafe { Batch::new_unchecked(rows, columns) }
}

/// Returns the columns of `offered` that are in `wanted`.
pub(super) fn project(batch: Batch, offered: &[Field], wanted: &[Field]) -> Batch {
    let columns = wanted.iter().map(|field| {
        let position =
            offered.iter().position(|offer| offer.name == field.name).expect("open checked that it is there");
        batch.columns()[position].clone()
    });
    checked_batch(batch.rows(), columns.collect(), wanted)
}

/// Reads the rows of a batch as structs; panics where the struct reads other columns.
pub(super) fn read<'a, R: ReadRow<'a>>(batch: &'a Batch, fields: &[Field]) -> Vec<R> {
    assert_eq!(R::FIELDS.len(), fields.len(), "the row struct must have the output's columns: {fields:?}");
    for (wanted, made) in R::FIELDS.iter().zip(fields) {
        assert!(
            wanted.name == made.name && wanted.data_type == made.data_type && (wanted.nullable || !made.nullable),
            "the row struct must have the output's columns: it reads `{wanted}` where the output has `{made}`"
        );
    }
    let columns = R::columns(batch);
    (0..batch.rows()).map(|row| R::read(&columns, row)).collect()
}

/// Checks that a transform opens; the error is everything that is wrong, as the author of a job would see it.
///
/// # Errors
/// What is wrong with the config and the offered columns.
///
/// ```
/// use flowgate_sdk::{DataType, Field, Row, testing};
///
/// #[derive(Row)]
/// struct Order { total: i64 }
///
/// #[flowgate_sdk::transform]
/// fn large(order: Order) -> bool {
///     order.total > 1_000
/// }
///
/// let offered = [Field::new("totals", DataType::Int64, false)];
/// assert_eq!(
///     testing::open::<large>("{}", &offered).unwrap_err(),
///     ["there is no column `total` (int64 is wanted); the input has totals: int64; did you mean `totals`?"]
/// );
/// ```
pub fn open<T: Transform>(config: &str, offered: &[Field]) -> Result<(), Vec<String>> {
    Function::transform::<T>().open(config, &[offered.to_vec()]).map(drop)
}

/// Opens a transform with this config (JSON) for rows of this type and calls it with them as one batch. The answer is
/// checked as the host checks it.
///
/// # Errors
/// What is wrong with the config and the columns, or why the function as a whole failed.
///
/// ```
/// use flowgate_sdk::{Failure, Row, testing};
///
/// #[derive(Row)]
/// struct Line<'a> { text: &'a str }
///
/// #[derive(Row)]
/// struct Number { number: i64 }
///
/// #[flowgate_sdk::transform]
/// fn number(line: Line) -> Result<Number, Failure> {
///     Ok(Number { number: line.text.parse()? })
/// }
///
/// let out = testing::run::<number, _>("{}", ["1", "x", "3"].map(|text| Line { text })).unwrap();
/// assert_eq!(out.selection(), [0, 2]);
/// assert_eq!(out.rows::<Number>().iter().map(|row| row.number).collect::<Vec<_>>(), [1, 3]);
/// assert_eq!(out.failures(), [(1, "invalid digit found in string".to_string())]);
/// ```
pub fn run<T: Transform, R: WriteRow>(
    config: &str,
    rows: impl IntoIterator<Item = R>,
) -> Result<TransformResult, Vec<String>> {
    let opened = Function::transform::<T>().open(config, &[R::FIELDS.to_vec()])?;
    let batch = project(batch(rows), R::FIELDS, &opened.binding.inputs[0]);
    let Call::Transform(apply) = &opened.call else { unreachable!("a transform was opened") };
    let answer = apply(&batch).map_err(|problem| vec![problem])?;
    Ok(TransformResult::new(answer, opened.binding, batch.rows()))
}

/// The result of a transform for one batch.
///
/// ```
/// # use flowgate_sdk::{Row, testing};
/// # #[derive(Row)] struct Order { total: i64 }
/// #[flowgate_sdk::transform]
/// fn copy(order: Order) -> Order {
///     order
/// }
/// let out = testing::run::<copy, _>("{}", [Order { total: 3 }]).unwrap();
/// assert_eq!(out.selection(), [0]);
/// assert_eq!(out.rows::<Order>()[0].total, 3);
/// assert!(out.failures().is_empty());
/// ```
#[derive(Debug)]
pub struct TransformResult {
    outputs: Vec<(String, SideResult)>,
    failures: Vec<(u32, String)>,
}

impl TransformResult {
    pub(super) fn new(answer: Answer, binding: Binding, given: usize) -> Self {
        assert_eq!(answer.outputs.len(), binding.outputs.len(), "outputs");
        let failures: Vec<(u32, String)> =
            answer.failures.into_iter().map(|failure| (failure.row, failure.message)).collect();
        let outputs = answer.outputs.into_iter().zip(binding.outputs).map(|(rows, output)| {
            let result = SideResult::new(rows, output.columns, given);
            for (row, _) in &failures {
                assert!(!result.selection.contains(row), "row {row} failed, and is in the output `{}`", output.name);
            }
            (output.name, result)
        });
        TransformResult { outputs: outputs.collect(), failures }
    }

    /// Returns, for each row of the main output, the index of the given row that it comes from.
    pub fn selection(&self) -> &[u32] {
        self.outputs[0].1.selection()
    }

    /// Returns the made columns of the main output as rows. Panics where the struct has not exactly these columns.
    pub fn rows<'a, R: ReadRow<'a>>(&'a self) -> Vec<R> {
        self.outputs[0].1.rows()
    }

    /// Returns the side output of this name. Panics where there is none.
    pub fn side(&self, name: &str) -> &SideResult {
        let found = self.outputs[1..].iter().find(|(output, _)| output == name);
        &found.unwrap_or_else(|| panic!("the function has no side output `{name}`")).1
    }

    /// Returns the given rows that failed, with their messages.
    pub fn failures(&self) -> &[(u32, String)] {
        &self.failures
    }
}

/// One output of a transform.
///
/// ```
/// # use flowgate_sdk::{Row, SideOutput, testing};
/// # #[derive(Row)] struct Order { total: i64 }
/// #[flowgate_sdk::transform]
/// fn split(order: Order, small: &mut SideOutput<Order>) -> bool {
///     let large = order.total > 9;
///     if !large {
///         small.push(order);
///     }
///     large
/// }
/// let out = testing::run::<split, _>("{}", [Order { total: 3 }, Order { total: 30 }]).unwrap();
/// assert_eq!(out.side("small").rows::<Order>()[0].total, 3);
/// ```
#[derive(Debug)]
pub struct SideResult {
    selection: Vec<u32>,
    batch: Batch,
    fields: Vec<Field>,
}

impl SideResult {
    pub(super) fn new(rows: RowsOut, fields: Vec<Field>, given: usize) -> Self {
        let selection = match rows.selection {
            Selection::All => (0..given as u32).collect(),
            Selection::Rows(rows) => rows,
        };
        assert!(selection.iter().all(|row| (*row as usize) < given), "a selected row that was not given");
        let batch = checked_batch(selection.len(), rows.columns, &fields);
        SideResult { selection, batch, fields }
    }

    /// Returns, for each row, the index of the given row that it comes from.
    pub fn selection(&self) -> &[u32] {
        &self.selection
    }

    /// Returns the made columns as rows. Panics where the struct has not exactly these columns.
    pub fn rows<'a, R: ReadRow<'a>>(&'a self) -> Vec<R> {
        read(&self.batch, &self.fields)
    }
}

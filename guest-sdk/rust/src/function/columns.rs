//! The column API: functions over whole columns, for the greatest throughput.

use std::ops::Deref;

use crate::column::batch::Batch;
use crate::failure::Failure;
use crate::function::answer::{Answer, RowFailure, RowsOut, Selected};
use crate::function::binding::{OutputSpec, Signature};
use crate::row::contract::{BuildRow, ReadRow, Row, WriteRow};

/// The columns of a batch, as views under the names of the row's fields: `&[i64]`, `&[f64]`, `&[Timestamp]`,
/// [`TextColumn`](crate::TextColumn), [`BytesColumn`](crate::BytesColumn), [`BoolColumn`](crate::BoolColumn), and
/// [`OptionColumn`](crate::OptionColumn) of these. The first parameter of a `#[transform(columns)]`.
///
/// ```
/// use flowgate_sdk::{Columns, Output, Row};
///
/// #[derive(Row)]
/// struct Order { price: i64, count: i64 }
///
/// #[derive(Row)]
/// #[row(passthrough)]
/// struct Total { total: i64 }
///
/// /// Adds the column `total`.
/// #[flowgate_sdk::transform(columns)]
/// fn total(orders: Columns<'_, Order>, out: &mut Output<Total>) {
///     out.select_all();
///     out.columns.total.extend(orders.price.iter().zip(orders.count).map(|(price, count)| price * count));
/// }
/// let out = flowgate_sdk::testing::run::<total, _>("{}", [Order { price: 7, count: 3 }]).unwrap();
/// assert_eq!(out.rows::<Total>()[0].total, 21);
/// ```
pub struct Columns<'a, R: ReadRow<'a>> {
    rows: usize,
    columns: R::Columns,
}

impl<'a, R: ReadRow<'a>> Columns<'a, R> {
    /// Returns the number of rows; at least one.
    ///
    /// ```
    /// # use flowgate_sdk::{Columns, Output, Row};
    /// # #[derive(Row)] struct Order { price: i64 }
    /// #[flowgate_sdk::transform(columns)]
    /// fn last(orders: Columns<'_, Order>, out: &mut Output<()>) {
    ///     out.select(orders.len() - 1);
    /// }
    /// ```
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Returns one row. Panics where there is no such row.
    ///
    /// ```
    /// # use flowgate_sdk::{Columns, Output, Row};
    /// # #[derive(Row)] struct Order { price: i64 }
    /// #[flowgate_sdk::transform(columns)]
    /// fn copy(orders: Columns<'_, Order>, out: &mut Output<Order>) {
    ///     for row in 0..orders.len() {
    ///         out.push(row, orders.row(row));
    ///     }
    /// }
    /// ```
    #[inline(always)]
    pub fn row(&self, row: usize) -> R {
        R::read(&self.columns, row)
    }
}

impl<'a, R: ReadRow<'a>> Deref for Columns<'a, R> {
    type Target = R::Columns;
    fn deref(&self) -> &R::Columns {
        &self.columns
    }
}

impl<'a, R: ReadRow<'a>> std::fmt::Debug for Columns<'a, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Columns").field("rows", &self.rows).finish_non_exhaustive()
    }
}

/// One output of a `#[transform(columns)]`: the given rows that its rows come from, and the columns that it makes, built under
/// the names of the row's fields. The builder of `i64`, `f64` and `Timestamp` is a `Vec`; the others have `push`.
///
/// The first `&mut Output` parameter is the main output; further ones are side outputs, which the job reads as
/// `operator.parameter`. `Output<()>` makes no columns and keeps all others: a filter. At the end each column must have one value
/// for each selected row; otherwise the job fails with a message that names the column.
#[derive(Debug)]
pub struct Output<R: WriteRow> {
    /// The builders.
    pub columns: R::Columns,
    selected: Selected,
    failures: Vec<RowFailure>,
    given: u32,
}

impl<R: WriteRow> Output<R> {
    fn new(batch: &Batch) -> Self {
        Output {
            columns: R::Columns::with_capacity(batch.rows(), batch.var_bytes()),
            selected: Selected::with_capacity(batch.rows()),
            failures: Vec::new(),
            given: batch.rows() as u32,
        }
    }

    /// Selects given row `row` for the next output row. Add its values to `columns`.
    ///
    /// ```
    /// # use flowgate_sdk::{Columns, Output, Row};
    /// # #[derive(Row)] struct Order { price: i64 }
    /// #[flowgate_sdk::transform(columns)]
    /// fn large(orders: Columns<'_, Order>, out: &mut Output<()>) {
    ///     for (row, price) in orders.price.iter().enumerate() {
    ///         if *price > 1_000 {
    ///             out.select(row);
    ///         }
    ///     }
    /// }
    /// ```
    #[inline(always)]
    pub fn select(&mut self, row: usize) {
        self.selected.push(row as u32);
    }

    /// Selects all given rows: output row `i` comes from given row `i`.
    ///
    /// ```
    /// # use flowgate_sdk::{Columns, Output, Row};
    /// # #[derive(Row)] struct Order { price: i64 }
    /// #[flowgate_sdk::transform(columns)]
    /// fn copy(orders: Columns<'_, Order>, out: &mut Output<Order>) {
    ///     out.select_all();
    ///     out.columns.price.extend_from_slice(orders.price);
    /// }
    /// ```
    pub fn select_all(&mut self) {
        (0..self.given).for_each(|row| self.selected.push(row));
    }

    /// Adds a row that comes from given row `from`.
    ///
    /// ```
    /// # use flowgate_sdk::{Columns, Output, Row};
    /// # #[derive(Row)] struct Order { price: i64 }
    /// #[flowgate_sdk::transform(columns)]
    /// fn twice(orders: Columns<'_, Order>, out: &mut Output<Order>) {
    ///     for (row, price) in orders.price.iter().enumerate() {
    ///         out.push(row, Order { price: *price });
    ///         out.push(row, Order { price: *price });
    ///     }
    /// }
    /// ```
    #[inline(always)]
    pub fn push(&mut self, from: usize, row: R) {
        self.select(from);
        row.write(&mut self.columns);
    }

    /// Marks given row `row` as failed; it goes to the operator's `errors`. It must not be selected as well.
    ///
    /// ```
    /// # use flowgate_sdk::{Columns, Failure, Output, Row};
    /// # #[derive(Row)] struct Order { price: i64 }
    /// #[flowgate_sdk::transform(columns)]
    /// fn copy(orders: Columns<'_, Order>, out: &mut Output<Order>) {
    ///     for (row, price) in orders.price.iter().enumerate() {
    ///         match *price < 0 {
    ///             true => out.fail(row, Failure::new("a negative price")),
    ///             false => out.push(row, Order { price: *price }),
    ///         }
    ///     }
    /// }
    /// # let out = flowgate_sdk::testing::run::<copy, _>("{}", [Order { price: -1 }]).unwrap();
    /// # assert_eq!(out.failures(), [(0, "a negative price".to_string())]);
    /// ```
    pub fn fail(&mut self, row: usize, failure: Failure) {
        self.failures.push(RowFailure { row: row as u32, message: failure.into_message() });
    }

    fn finish(self, name: &str, failures: &mut Vec<RowFailure>) -> Result<RowsOut, String> {
        let rows = self.selected.len();
        let columns = self.columns.finish();
        for (field, (len, _)) in R::FIELDS.iter().zip(&columns) {
            if *len != rows {
                let output = if name.is_empty() { "the output".to_owned() } else { format!("the output `{name}`") };
                return Err(format!(
                    "the function is wrong: {output} has {rows} selected rows, but its column `{}` has {len} values",
                    field.name
                ));
            }
        }
        failures.extend(self.failures);
        let columns = columns.into_iter().map(|(_, column)| column).collect();
        Ok(RowsOut { selection: self.selected.finish(self.given as usize), columns })
    }
}

/// The outputs of one function over columns: a tuple of [`Output`]s, the main one first.
pub trait Outputs: Sized {
    /// The outputs' part of the binding, under these names.
    fn specs(names: &[&'static str]) -> Vec<OutputSpec>;
    /// Creates empty outputs for a batch.
    fn new(batch: &Batch) -> Self;
    /// Returns the answer; the error is the function's fault.
    fn finish(self, names: &[&'static str]) -> Result<Answer, String>;
}

macro_rules! outputs {
    ($($row:ident $index:tt),+) => {
        impl<$($row: WriteRow),+> Outputs for ($(Output<$row>,)+) {
            fn specs(names: &[&'static str]) -> Vec<OutputSpec> {
                vec![$(OutputSpec { name: names[$index], fields: <$row as Row>::FIELDS, passthrough: $row::PASSTHROUGH }),+]
            }
            #[inline]
            fn new(batch: &Batch) -> Self {
                ($(Output::<$row>::new(batch),)+)
            }
            #[inline]
            fn finish(self, names: &[&'static str]) -> Result<Answer, String> {
                let mut failures = Vec::new();
                let outputs = vec![$(self.$index.finish(names[$index], &mut failures)?),+];
                Ok(Answer { outputs, failures })
            }
        }
    };
}

outputs!(A 0);
outputs!(A 0, B 1);
outputs!(A 0, B 1, C 2);
outputs!(A 0, B 1, C 2, D 3);
outputs!(A 0, B 1, C 2, D 3, E 4);

/// The return value of a function over columns: nothing, or `Result<(), Failure>`, whose error fails the job.
#[diagnostic::on_unimplemented(
    message = "a function over columns cannot return `{Self}`",
    note = "it fills its `&mut Output` parameters and returns nothing, or `Result<(), Failure>` where it can fail as a whole"
)]
pub trait Done {
    /// Returns it as a result whose error fails the job.
    fn done(self) -> Result<(), String>;
}

impl Done for () {
    fn done(self) -> Result<(), String> {
        Ok(())
    }
}

impl Done for Result<(), Failure> {
    fn done(self) -> Result<(), String> {
        self.map_err(Failure::into_message)
    }
}

/// Returns what a function over columns reads and writes; of `function` only the type counts.
pub fn signature<'b, C, R, O, D, F>(_function: F, names: &[&'static str]) -> Signature
where
    C: 'b,
    R: ReadRow<'b>,
    O: Outputs,
    D: Done,
    F: Fn(Columns<'b, R>, &'b C, &mut O) -> D,
{
    Signature { inputs: vec![R::FIELDS.to_vec()], outputs: O::specs(names) }
}

/// Calls a function over columns for one batch.
#[inline]
pub fn apply<'b, C, R, O, D, F>(
    function: F,
    config: &'b C,
    batch: &'b Batch,
    names: &[&'static str],
) -> Result<Answer, String>
where
    R: ReadRow<'b>,
    O: Outputs,
    D: Done,
    F: Fn(Columns<'b, R>, &'b C, &mut O) -> D,
{
    let mut outputs = O::new(batch);
    let columns = Columns { rows: batch.rows(), columns: R::columns(batch) };
    function(columns, config, &mut outputs).done()?;
    outputs.finish(names)
}

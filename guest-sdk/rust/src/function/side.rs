//! Side outputs of functions over rows.

use crate::column::batch::Batch;
use crate::function::answer::RowsOut;
use crate::function::binding::OutputSpec;
use crate::function::output::RowSink;
use crate::row::contract::{BuildRow, Row, WriteRow};

/// A second output of a transform: a parameter `name: &mut SideOutput<SomeRow>` behind the row (and the config). The job
/// reads it as `operator.name`.
///
/// ```
/// use flowgate_sdk::{Row, SideOutput};
///
/// #[derive(Row)]
/// struct Order { total: i64 }
///
/// #[derive(Row)]
/// #[row(passthrough)]
/// struct Reason<'a> { reason: &'a str }
///
/// /// Lets orders through that are worth something; the others go to the output `rejected`.
/// #[flowgate_sdk::transform]
/// fn accept<'a>(order: Order, rejected: &mut SideOutput<Reason<'a>>) -> bool {
///     if order.total <= 0 {
///         rejected.push(Reason { reason: "worth nothing" });
///     }
///     order.total > 0
/// }
/// let out = flowgate_sdk::testing::run::<accept, _>("{}", [3, 0].map(|total| Order { total })).unwrap();
/// assert_eq!(out.selection(), [0]);
/// assert_eq!(out.side("rejected").selection(), [1]);
/// assert_eq!(out.side("rejected").rows::<Reason>()[0].reason, "worth nothing");
/// ```
#[derive(Debug)]
pub struct SideOutput<R: WriteRow> {
    sink: RowSink<R::Columns>,
    row: u32,
}

impl<R: WriteRow> SideOutput<R> {
    /// Adds a row; it comes from the row with which the function was called.
    ///
    /// ```
    /// # use flowgate_sdk::{Row, SideOutput};
    /// # #[derive(Row)] struct Order { total: i64 }
    /// fn copy(order: Order, copies: &mut SideOutput<Order>) {
    ///     copies.push(order);
    /// }
    /// ```
    #[inline]
    pub fn push<W: WriteRow<Columns = R::Columns>>(&mut self, row: W) {
        self.sink.selected.push(self.row);
        row.write(&mut self.sink.columns);
    }
}

/// One side output, as the loops over rows see it.
pub trait SideSink {
    /// Returns its part of the binding, under this name.
    fn spec(name: &'static str) -> OutputSpec;
    /// Creates an empty output for a batch.
    fn new(batch: &Batch) -> Self;
    /// Sets the given row that rows come from from now on.
    fn set_row(&mut self, row: u32);
    /// Removes what came from given row `row`, the last that was set.
    fn take_back(&mut self, row: u32);
    /// Returns its rows, for a batch of `given` rows.
    fn finish(self, given: usize) -> RowsOut;
}

impl<R: WriteRow> SideSink for SideOutput<R> {
    fn spec(name: &'static str) -> OutputSpec {
        OutputSpec { name, fields: <R as Row>::FIELDS, passthrough: R::PASSTHROUGH }
    }

    fn new(batch: &Batch) -> Self {
        SideOutput { sink: RowSink::new(0, batch.var_bytes() / 8), row: 0 }
    }

    #[inline(always)]
    fn set_row(&mut self, row: u32) {
        self.row = row;
    }

    #[cold]
    fn take_back(&mut self, row: u32) {
        self.sink.selected.take_back(row);
        self.sink.columns.truncate(self.sink.selected.len());
    }

    fn finish(self, given: usize) -> RowsOut {
        self.sink.finish(given)
    }
}

/// The side outputs of one function: a tuple of [`SideOutput`]s, or for a process function a struct of them:
///
/// ```
/// use flowgate_sdk::{Row, SideOutput, SideOutputs};
///
/// #[derive(Row)]
/// struct Reason<'a> { reason: &'a str }
///
/// /// The job reads them as `operator.late_orders` and `operator.rejected`.
/// #[derive(SideOutputs)]
/// struct Sides {
///     late_orders: SideOutput<Reason<'static>>,
///     rejected: SideOutput<Reason<'static>>,
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no set of side outputs",
    label = "no side outputs",
    note = "write `#[derive(flowgate_sdk::SideOutputs)]` on a struct whose fields are `SideOutput<Row>`"
)]
pub trait SideOutputs {
    /// Returns their part of the binding, under these names.
    fn specs(names: &[&'static str]) -> Vec<OutputSpec>;
    /// Creates empty outputs for a batch.
    fn new(batch: &Batch) -> Self;
    /// Sets the given row that rows come from from now on.
    fn set_row(&mut self, row: u32);
    /// Removes what came from given row `row`, the last that was set: it has failed.
    fn take_back(&mut self, row: u32);
    /// Returns the rows of each output.
    fn finish(self, given: usize) -> Vec<RowsOut>;
}

macro_rules! side_outputs {
    ($($row:ident $index:tt),*) => {
        impl<$($row: WriteRow),*> SideOutputs for ($(SideOutput<$row>,)*) {
            fn specs(names: &[&'static str]) -> Vec<OutputSpec> {
                let _ = names;
                vec![$(SideOutput::<$row>::spec(names[$index])),*]
            }
            #[allow(clippy::unused_unit)]
            fn new(batch: &Batch) -> Self {
                let _ = batch;
                ($(<SideOutput<$row> as SideSink>::new(batch),)*)
            }
            #[inline(always)]
            fn set_row(&mut self, row: u32) {
                let _ = row;
                $(self.$index.set_row(row);)*
            }
            #[cold]
            fn take_back(&mut self, row: u32) {
                let _ = row;
                $(self.$index.take_back(row);)*
            }
            fn finish(self, given: usize) -> Vec<RowsOut> {
                let _ = given;
                vec![$(self.$index.finish(given)),*]
            }
        }
    };
}

side_outputs!();
side_outputs!(A 0);
side_outputs!(A 0, B 1);
side_outputs!(A 0, B 1, C 2);
side_outputs!(A 0, B 1, C 2, D 3);

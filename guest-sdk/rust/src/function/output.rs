//! The return types of a transform: the kinds of transform, distinguished by type.

use crate::failure::Failure;
use crate::function::answer::{RowsOut, Selected, Selection};
use crate::row::contract::{BuildRow, WriteRow};
use crate::schema::Field;

/// The kinds of return value. They separate implementations that could otherwise overlap; nobody needs to name one.
pub mod kind {
    /// A row: map.
    #[derive(Debug)]
    pub struct Map;
    /// `Option` of a row: filter and map.
    #[derive(Debug)]
    pub struct FilterMap;
    /// `bool`: filter.
    #[derive(Debug)]
    pub struct Filter;
    /// An iterator of rows: flat-map.
    #[derive(Debug)]
    pub struct FlatMap;
    /// `Vec` of rows: flat-map.
    #[derive(Debug)]
    pub struct List;
    /// `Result` of another kind.
    #[derive(Debug)]
    pub struct Fallible<Kind>(Kind);
}

/// What a transform may return: a row (map), an `Option` of one (filter and map), `bool` (filter), an iterator or `Vec` of
/// rows (flat-map), or a `Result` of any of these with [`Failure`].
///
/// ```
/// # use flowgate_sdk::Row;
/// #[derive(Row)]
/// struct Order { total: i64 }
///
/// #[flowgate_sdk::transform]
/// fn large(order: Order) -> bool {
///     order.total > 1_000
/// }
/// # let out = flowgate_sdk::testing::run::<large, _>("{}", [1, 2_000].map(|total| Order { total })).unwrap();
/// # assert_eq!(out.selection(), [1]);
/// ```
#[diagnostic::on_unimplemented(
    message = "a transform cannot return `{Self}`",
    label = "no output of a transform",
    note = "return a row (a struct with `#[derive(Row)]`), `Option` of a row, `bool`, an iterator or `Vec` of rows, or \
            `Result<any of these, Failure>`"
)]
pub trait TransformOutput<Kind> {
    /// The columns that the function makes.
    const FIELDS: &'static [Field];
    /// Whether the input's other columns are forwarded next to them.
    const PASSTHROUGH: bool;
    /// Collects the output rows.
    type Sink;
    /// Creates an empty sink for a batch of `rows` rows and `bytes` bytes of text.
    fn sink(rows: usize, bytes: usize) -> Self::Sink;
    /// Adds what the function returned for given row `row`.
    ///
    /// # Errors
    /// What the function failed with. The sink then holds nothing of this row.
    fn deliver(self, row: u32, sink: &mut Self::Sink) -> Result<(), Failure>;
    /// Returns the rows of the output, for a batch of `given` rows.
    fn finish(sink: Self::Sink, given: usize) -> RowsOut;
}

/// Collects rows and the given rows that they come from.
#[doc(hidden)]
#[derive(Debug)]
pub struct RowSink<C> {
    pub(crate) selected: Selected,
    pub(crate) columns: C,
}

impl<C: BuildRow> RowSink<C> {
    pub(crate) fn new(rows: usize, bytes: usize) -> Self {
        RowSink { selected: Selected::with_capacity(rows), columns: C::with_capacity(rows, bytes) }
    }

    #[inline(always)]
    fn push<R: WriteRow<Columns = C>>(&mut self, row: u32, value: R) {
        self.selected.push(row);
        value.write(&mut self.columns);
    }

    pub(crate) fn finish(self, given: usize) -> RowsOut {
        let columns = self.columns.finish().into_iter().map(|(_, column)| column).collect();
        RowsOut { selection: self.selected.finish(given), columns }
    }
}

macro_rules! row_sink {
    ($row:ident) => {
        const FIELDS: &'static [Field] = $row::FIELDS;
        const PASSTHROUGH: bool = $row::PASSTHROUGH;
        type Sink = RowSink<$row::Columns>;
        #[inline]
        fn sink(rows: usize, bytes: usize) -> Self::Sink {
            RowSink::new(rows, bytes)
        }
        #[inline]
        fn finish(sink: Self::Sink, given: usize) -> RowsOut {
            sink.finish(given)
        }
    };
}

impl<R: WriteRow> TransformOutput<kind::Map> for R {
    row_sink!(R);
    #[inline(always)]
    fn deliver(self, row: u32, sink: &mut Self::Sink) -> Result<(), Failure> {
        sink.push(row, self);
        Ok(())
    }
}

impl<R: WriteRow> TransformOutput<kind::FilterMap> for Option<R> {
    row_sink!(R);
    #[inline(always)]
    fn deliver(self, row: u32, sink: &mut Self::Sink) -> Result<(), Failure> {
        if let Some(value) = self {
            sink.push(row, value);
        }
        Ok(())
    }
}

impl<R: WriteRow, I: Iterator<Item = R>> TransformOutput<kind::FlatMap> for I {
    row_sink!(R);
    #[inline(always)]
    fn deliver(self, row: u32, sink: &mut Self::Sink) -> Result<(), Failure> {
        self.for_each(|value| sink.push(row, value));
        Ok(())
    }
}

impl<R: WriteRow> TransformOutput<kind::List> for Vec<R> {
    row_sink!(R);
    #[inline(always)]
    fn deliver(self, row: u32, sink: &mut Self::Sink) -> Result<(), Failure> {
        self.into_iter().for_each(|value| sink.push(row, value));
        Ok(())
    }
}

/// Writes every given row to the vector's end; the end advances where the row is kept. No branch depends on a row.
#[doc(hidden)]
#[derive(Debug)]
pub struct FilterSink {
    rows: Vec<u32>,
    kept: usize,
}

impl TransformOutput<kind::Filter> for bool {
    const FIELDS: &'static [Field] = &[];
    const PASSTHROUGH: bool = true;
    type Sink = FilterSink;

    #[inline]
    fn sink(rows: usize, _bytes: usize) -> FilterSink {
        FilterSink { rows: vec![0; rows], kept: 0 }
    }

    #[inline(always)]
    fn deliver(self, row: u32, sink: &mut FilterSink) -> Result<(), Failure> {
        sink.rows[sink.kept] = row;
        sink.kept += usize::from(self);
        Ok(())
    }

    #[inline]
    fn finish(mut sink: FilterSink, given: usize) -> RowsOut {
        sink.rows.truncate(sink.kept);
        let selection = if sink.kept == given { Selection::All } else { Selection::Rows(sink.rows) };
        RowsOut { selection, columns: Vec::new() }
    }
}

impl<Kind, O: TransformOutput<Kind>> TransformOutput<kind::Fallible<Kind>> for Result<O, Failure> {
    const FIELDS: &'static [Field] = O::FIELDS;
    const PASSTHROUGH: bool = O::PASSTHROUGH;
    type Sink = O::Sink;

    #[inline]
    fn sink(rows: usize, bytes: usize) -> Self::Sink {
        O::sink(rows, bytes)
    }

    #[inline(always)]
    fn deliver(self, row: u32, sink: &mut Self::Sink) -> Result<(), Failure> {
        self?.deliver(row, sink)
    }

    #[inline]
    fn finish(sink: Self::Sink, given: usize) -> RowsOut {
        O::finish(sink, given)
    }
}

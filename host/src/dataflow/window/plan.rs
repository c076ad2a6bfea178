//! What all kinds of windows share: the key, the aggregates, and how results are put together.

use std::sync::Arc;

use arrow_array::{ArrayRef, StringArray, TimestampMillisecondArray};

use super::aggregate::Times;
use super::aggregator::{Aggregator, Columns};
use super::pane::{Accumulated, Pane};
use super::rounds::rounds;
use crate::connector::limits::BATCH_ROWS_DEFAULT;
use crate::dataflow::batch::{Batch, repeat_timestamp};
use crate::error::Result;
use crate::job::graph::Trigger;
use crate::plugin::{CallContext, RowFailure};
use crate::schema::Field;
use crate::state::index::KeyIndex;

/// Which result of a window it is; the column `window_result`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// More rows are to come.
    Early,
    /// No row is expected any more.
    Final,
    /// A row has come all the same.
    Corrected,
}

impl Mark {
    fn name(self) -> &'static str {
        match self {
            Mark::Early => "early",
            Mark::Final => "final",
            Mark::Corrected => "corrected",
        }
    }
}

/// The times of the windows of results.
pub enum Span {
    /// All results are of the window from the first time up to the second.
    One(i64, i64),
    /// Each is of its own: starts and ends.
    Each(Vec<i64>, Vec<i64>),
    /// Windows that do not go by time; each result is at this time, where the stream has times.
    At(Vec<i64>),
}

/// What became of rows.
#[derive(Default)]
pub struct Added {
    /// Rows that came too late for all of their windows.
    pub late: Vec<u32>,
    /// Rows whose time is out of range.
    pub out_of_range: Vec<u32>,
    /// Rows that a plugin aggregate failed.
    pub failures: Vec<RowFailure>,
    /// Results that they brought about: corrected ones, and early ones by count.
    pub results: Vec<Batch>,
}

/// The key, the aggregates, and which columns results have.
pub struct Plan {
    /// Positions of the key columns in the input.
    pub key: Vec<usize>,
    /// Their fields.
    pub key_fields: Vec<Field>,
    /// The results.
    pub aggregators: Vec<Aggregator>,
    /// Whether there is a column `window_result`.
    pub marks_results: bool,
    /// Whether results have an event time.
    pub has_event_time: bool,
    /// Windows that do not end at a time: a result is as late as the latest row of its key.
    pub dated_by_rows: bool,
    /// Results beside that at the end.
    pub trigger: Option<Trigger>,
}

/// Rows to add to windows.
pub struct NewRows<'a> {
    /// The rows.
    pub batch: &'a Batch,
    /// When they are.
    pub times: Times<'a>,
    /// When that is.
    pub context: &'a CallContext,
}

/// One kind of windows on one worker: what it keeps, and when it gives results.
pub trait Windows {
    /// Adds rows up.
    fn add(&mut self, plan: &mut Plan, rows: &NewRows<'_>) -> Result<Added>;

    /// Adds what another worker has added up: a batch as [`partial`](super::partial) describes it. Gives how many of its rows
    /// came too late, and results as [`Windows::add`].
    fn add_partials(&mut self, plan: &mut Plan, partials: &Batch) -> Result<(usize, Vec<Batch>)>;

    /// Time has come to this watermark: gives the results of the windows that fire, and forgets what is closed.
    fn advance(&mut self, plan: &mut Plan, watermark: i64, give: &mut dyn FnMut(Batch)) -> Result<()>;

    /// Gives early results of the keys that have changed since the last call.
    fn early(&mut self, plan: &mut Plan, give: &mut dyn FnMut(Batch)) -> Result<()>;

    /// The watermark at which the next window fires, if there is one to fire.
    fn next_firing(&self) -> Option<i64>;

    /// Keys in windows that have not given their result.
    fn open_groups(&self) -> usize;
}

/// Called with the keys of a pane that are to give a result by their number of rows.
pub type GiveFull<'a> = dyn FnMut(&mut Plan, &Pane, &[u32]) -> Result<()> + 'a;

impl Plan {
    /// A pane without keys.
    pub fn pane(&self) -> Pane {
        Pane::new(Accumulated::new(self))
    }

    /// Whether every aggregate can be taken out of others again.
    pub fn subtracts(&self) -> bool {
        self.aggregators.iter().all(Aggregator::subtracts)
    }

    /// Adds rows to a pane: row `i` belongs to key `groups[i]`. Gives those that a plugin failed. Where keys give results by
    /// number of rows, `full` is called with the keys that are to give one, behind the rows that bring it about.
    pub fn add(
        &mut self,
        pane: &mut Pane,
        rows: &NewRows<'_>,
        groups: &[u32],
        columns: &mut Columns<'_>,
        full: &mut GiveFull<'_>,
    ) -> Result<Vec<RowFailure>> {
        let Some(Trigger::Count(n)) = self.trigger else {
            return pane.values_mut().update(&mut self.aggregators, groups, columns, rows.times, rows.context);
        };
        let mut failures = Vec::new();
        for round in rounds(groups, &mut pane.values_mut().since, n) {
            let some = round.of(rows, groups);
            let (mut columns, times) = (Columns::of(&some.batch), Times::Each(&some.times));
            let values = pane.values_mut();
            let failed = values.update(&mut self.aggregators, &some.keys, &mut columns, times, rows.context)?;
            failures.extend(round.outside(failed));
            if !round.full.is_empty() {
                full(self, pane, &round.full)?;
            }
        }
        Ok(failures)
    }

    /// Results of these rows of a pane, or of all.
    pub fn results(&mut self, pane: &Pane, rows: Option<&[u32]>, span: Span, mark: Mark) -> Result<Vec<Batch>> {
        let free = pane.index().rows() != pane.index().len();
        let live: Vec<u32>;
        let rows = match rows {
            None if free => {
                live = pane.index().live().collect();
                Some(&live[..])
            }
            rows => rows,
        };
        self.results_of(pane.index(), pane.values(), rows, rows, span, mark)
    }

    /// Results of accumulators whose groups are not those of the index: `keys` are rows of the index, `groups` those of the
    /// accumulators, as many; `None`: all, in order.
    pub fn results_of(
        &mut self,
        index: &KeyIndex,
        values: &Accumulated,
        keys: Option<&[u32]>,
        groups: Option<&[u32]>,
        span: Span,
        mark: Mark,
    ) -> Result<Vec<Batch>> {
        let row_count = keys.map_or(index.rows(), <[u32]>::len);
        if row_count == 0 {
            return Ok(Vec::new());
        }
        let mut columns: Vec<ArrayRef> = match keys {
            None => index.columns(&self.key_fields)?,
            Some(keys) => index.columns_of(&self.key_fields, keys.iter().copied())?,
        };
        let times = |times: Vec<i64>| Arc::new(TimestampMillisecondArray::from(times)) as ArrayRef;
        let event_time = match span {
            Span::One(start, end) => {
                columns.push(repeat_timestamp(start, row_count));
                columns.push(repeat_timestamp(end, row_count));
                repeat_timestamp(end - 1, row_count)
            }
            Span::Each(starts, ends) => {
                let last = ends.iter().map(|end| end - 1).collect();
                columns.push(times(starts));
                columns.push(times(ends));
                times(last)
            }
            Span::At(at) => times(at),
        };
        if self.marks_results {
            columns.push(Arc::new(StringArray::from_iter_values(std::iter::repeat_n(mark.name(), row_count))));
        }
        for (aggregator, accumulators) in self.aggregators.iter_mut().zip(&values.aggregates) {
            columns.extend(aggregator.finish(accumulators, groups)?);
        }
        let whole = Batch::new(columns, row_count).with_event_time(self.has_event_time.then(|| event_time.into()));
        let most = BATCH_ROWS_DEFAULT as usize;
        let parts = (0..row_count).step_by(most).map(|start| whole.slice(start, most.min(row_count - start)));
        Ok(parts.collect())
    }
}

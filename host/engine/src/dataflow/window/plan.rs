//! What all kinds of windows share: the key, the aggregates, and how results are built.

use std::sync::Arc;

use arrow_array::{ArrayRef, StringArray, TimestampMillisecondArray};

use super::aggregate::{Times, chosen};
use super::aggregator::{Aggregator, LazyColumns};
use super::pane::{Accumulated, Pane};
use super::rounds::{Every, rounds};
use crate::dataflow::batch::{Batch, repeat_timestamp};
use crate::dataflow::checkpoint::state::StateVisitor;
use crate::dataflow::swap::fresh::Fresh;
use crate::job::graph::Trigger;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Field;
use flowgate_base::time::EventTime;
use flowgate_connect::limits::BATCH_ROWS_DEFAULT;
use flowgate_state::index::KeyIndex;
use flowgate_state::store::{SlotKind, StateStore};
use flowgate_state::walk::Walk;
use flowgate_wall::{CallContext, RowFailure};

/// The slot of the panes of all kinds of windows.
pub(crate) const PANES: &str = "panes";

/// A pane in memory of up to this number of keys emits its results in one step.
const KEYS_AT_ONCE: usize = 16 << 10;

/// The greatest number of keys for which a new pane reserves memory. Growing a larger pane costs little compared to its rows.
pub(crate) const ROOM_MAX: usize = 16 << 10;

/// Which result of a window and key a row is; the column `window_result`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResultKind {
    /// A result before the watermark has reached the window's end.
    Early,
    /// The first result from then on.
    Final,
    /// Every later result. It replaces the previous one; the result of a merged session replaces those of its parts.
    Corrected,
}

impl ResultKind {
    fn name(self) -> &'static str {
        match self {
            ResultKind::Early => "early",
            ResultKind::Final => "final",
            ResultKind::Corrected => "corrected",
        }
    }
}

/// The windows' start and end times in results.
#[derive(Clone)]
pub(crate) enum WindowSpan {
    /// The start and the end of the window of all results.
    One(i64, i64),
    /// The starts and the ends of windows, one for each result.
    Each(Vec<i64>, Vec<i64>),
    /// For windows that are not in time: the event time of a result is that of its latest row, where the stream has times.
    Latest,
}

/// Progress in emitting the results of all keys of a pane, some at a time. Until it is done, the pane must not change.
pub(crate) struct Emission {
    span: WindowSpan,
    kind: ResultKind,
    walk: Walk,
    begun: bool,
    done: bool,
}

impl Emission {
    /// Starts with the first key.
    pub(crate) fn new(span: WindowSpan, kind: ResultKind) -> Self {
        Emission { span, kind, walk: Walk::default(), begun: false, done: false }
    }
}

/// The outcome of adding rows.
#[derive(Default)]
pub(crate) struct Added {
    /// Rows whose windows are all closed.
    pub late: Vec<u32>,
    /// Rows whose time is out of range.
    pub out_of_range: Vec<u32>,
    /// Rows that a plugin aggregate failed.
    pub failures: Vec<RowFailure>,
    /// Results that the rows caused: corrected ones, and early ones by count.
    pub results: Vec<Batch>,
}

/// The key, the aggregates, and the columns of results.
pub(crate) struct Plan {
    /// Positions of the key columns in the input.
    pub key: Vec<usize>,
    /// The fields of the key columns.
    pub key_fields: Vec<Field>,
    /// The aggregates, in the order of their result columns.
    pub aggregators: Vec<Aggregator>,
    /// The names of the aggregates in the job.
    pub aggregate_names: Arc<[String]>,
    /// Whether there is a column `window_result`.
    pub marks_results: bool,
    /// Whether results have an event time.
    pub has_event_time: bool,
    /// Whether the windows do not end at a time: the event time of a result is that of its key's latest row.
    pub dated_by_rows: bool,
    /// When windows emit results before their end.
    pub trigger: Option<Trigger>,
}

/// Rows to add to windows.
pub(crate) struct NewRows<'a> {
    /// The rows.
    pub batch: &'a Batch,
    /// The times of the rows.
    pub times: Times<'a>,
    /// The context of calls of plugin aggregates.
    pub context: &'a CallContext,
}

/// Which results windows will emit without further rows (T4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// Nothing.
    Nothing,
    /// Results at the ends of windows that time has not reached.
    Windows,
    /// Results whose times may be anywhere.
    AtAnyTime,
}

/// The state of one kind of windows on one worker, and the rule when it emits results.
pub(crate) trait WindowState {
    /// Aggregates rows.
    fn add(&mut self, plan: &mut Plan, rows: &NewRows<'_>) -> Result<Added>;

    /// Merges partial aggregates of another worker: a batch as [`partial`](super::partial) describes it. Returns how many of its
    /// rows were late, and results as [`WindowState::add`] does.
    fn add_partials(&mut self, plan: &mut Plan, partials: &Batch) -> Result<(usize, Vec<Batch>)>;

    /// Fires windows up to a watermark: in processing time, the processing times before which all rows have arrived. [`WindowState::next`] returns their results; no rows may be added until it returns
    /// `None`.
    fn advance(&mut self, watermark: EventTime);

    /// Requests early results of the keys that have changed since the last early results. [`WindowState::next`] returns them.
    fn early(&mut self);

    /// Returns the next results, a bounded number at a time; `None` if there are no more for now.
    fn next(&mut self, plan: &mut Plan) -> Result<Option<Vec<Batch>>>;

    /// Returns the watermark at which the next window fires, if there is one.
    fn next_firing(&self) -> Option<EventTime>;

    /// Returns which results will be emitted without further rows.
    fn held(&self) -> Held;

    /// Shows the state, as [`Operator::state`](crate::dataflow::engine::Operator::state) does.
    fn state(&mut self, plan: &Plan, visit: &mut dyn StateVisitor) -> Result<()>;

    /// Returns the number of panes, or sessions, or keys of windows that are not in time. In constant time.
    fn open_windows(&self) -> usize;

    /// Returns the number of keys in windows that have not emitted their result.
    fn open_groups(&self) -> usize;
}

/// Receives the keys of a pane that are due to emit a result by their number of rows.
pub(crate) type EmitFull<'a> = dyn FnMut(&mut Plan, &Pane, &[u32]) -> Result<()> + 'a;

impl Plan {
    /// Creates an empty pane that stays in memory, for short use.
    pub(crate) fn pane(&self) -> Pane {
        Pane::new(Accumulated::new(self))
    }

    /// Creates an empty pane in the operator's state, with memory for about `keys` keys.
    pub(crate) fn kept_pane(&self, store: &StateStore, keys: usize) -> Pane {
        let pane = Pane::in_store(Accumulated::new(self), store, PANES, SlotKind::Window);
        if keys == 0 { pane } else { pane.with_room(keys.min(ROOM_MAX)) }
    }

    /// Takes new functions of plugin aggregates. They go on with the accumulators that are there.
    pub(crate) fn swap(&mut self, fresh: Fresh) -> Result<()> {
        let Fresh::Aggregates(fresh) = fresh else {
            return Err(Error::internal("a window is to take another kind of function"));
        };
        for (at, aggregator) in fresh {
            let place = self.aggregators.get_mut(at);
            let place = place.ok_or_else(|| Error::internal("an aggregate is swapped that is not there"))?;
            place.swap(aggregator);
        }
        Ok(())
    }

    /// Whether every aggregate is invertible.
    pub(crate) fn is_invertible(&self) -> bool {
        self.aggregators.iter().all(Aggregator::is_invertible)
    }

    /// Aggregates rows in a pane: row `i` belongs to key `groups[i]`. Returns the rows that a plugin failed. Where a trigger
    /// counts rows, calls `full` with the keys that are due, right after the rows that make them due.
    pub(crate) fn add(
        &mut self,
        pane: &mut Pane,
        rows: &NewRows<'_>,
        groups: &[u32],
        columns: &mut LazyColumns<'_>,
        full: &mut EmitFull<'_>,
    ) -> Result<Vec<RowFailure>> {
        let Some(Trigger::Count(n)) = self.trigger else {
            return pane.values_mut().update(&mut self.aggregators, groups, columns, rows.times, rows.context);
        };
        let mut failures = Vec::new();
        for round in rounds(groups, &mut pane.values_mut().counter, Every { rows: n, cut: 0 }) {
            let some = round.of(rows, groups);
            let (mut columns, times) = (LazyColumns::of(&some.batch), Times::Each(&some.times));
            let values = pane.values_mut();
            let failed = values.update(&mut self.aggregators, &some.keys, &mut columns, times, rows.context)?;
            failures.extend(round.in_batch(failed));
            if !round.full.is_empty() {
                full(self, pane, &round.full)?;
            }
        }
        Ok(failures)
    }

    /// Returns the results of some rows of a pane, or of all.
    pub(crate) fn results(
        &mut self,
        pane: &Pane,
        rows: Option<&[u32]>,
        span: WindowSpan,
        kind: ResultKind,
    ) -> Result<Vec<Batch>> {
        let free = pane.index().rows() != pane.index().len();
        let live: Vec<u32>;
        let rows = match rows {
            None if free => {
                live = pane.index().live().collect();
                Some(&live[..])
            }
            rows => rows,
        };
        self.results_of(pane.index(), pane.values(), rows, rows, span, kind)
    }

    /// Returns the next results of a pane; `None` if all keys are done.
    pub(crate) fn next_results(&mut self, pane: &mut Pane, emission: &mut Emission) -> Result<Option<Vec<Batch>>> {
        if emission.done {
            return Ok(None);
        }
        if !emission.begun && pane.spilled_keys() == 0 && pane.len() <= KEYS_AT_ONCE {
            emission.done = true;
            return self.results(pane, None, emission.span.clone(), emission.kind).map(Some);
        }
        emission.begun = true;
        let (span, kind, mut results) = (&emission.span, emission.kind, Vec::new());
        emission.done = !pane.walk(&mut emission.walk, |index, values, rows| {
            results = self.results_of(index, values, Some(rows), Some(rows), span.clone(), kind)?;
            Ok(())
        })?;
        Ok(Some(results))
    }

    /// Returns results of accumulators whose groups are not the rows of the index. `keys` are rows of the index, `groups` are
    /// groups of the accumulators; both have the same length. `None`: all, in order.
    pub(crate) fn results_of(
        &mut self,
        index: &KeyIndex,
        values: &Accumulated,
        keys: Option<&[u32]>,
        groups: Option<&[u32]>,
        span: WindowSpan,
        kind: ResultKind,
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
            WindowSpan::One(start, end) => {
                columns.push(repeat_timestamp(start, row_count));
                columns.push(repeat_timestamp(end, row_count));
                repeat_timestamp(end - 1, row_count)
            }
            WindowSpan::Each(starts, ends) => {
                let last = ends.iter().map(|end| end - 1).collect();
                columns.push(times(starts));
                columns.push(times(ends));
                times(last)
            }
            WindowSpan::Latest => times(chosen(&values.latest, groups)),
        };
        if self.marks_results {
            columns.push(Arc::new(StringArray::from_iter_values(std::iter::repeat_n(kind.name(), row_count))));
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

//! What all kinds of windows share: the key, the aggregates, and how results are built.

use std::sync::Arc;

use arrow_array::{ArrayRef, StringArray, TimestampMillisecondArray};

use super::aggregate::{Times, chosen};
use super::aggregator::{Aggregator, Columns};
use super::pane::{Accumulated, Pane};
use super::rounds::{Every, rounds};
use crate::dataflow::batch::{Batch, repeat_timestamp};
use crate::job::graph::Trigger;
use flowgate_base::error::Result;
use flowgate_base::schema::Field;
use flowgate_connect::limits::BATCH_ROWS_DEFAULT;
use flowgate_state::changes::Walk;
use flowgate_state::index::KeyIndex;
use flowgate_state::store::{SlotKind, StateStore};
use flowgate_wall::{CallContext, RowFailure};

/// The slot of the panes of all kinds of windows.
pub const PANES: &str = "panes";

/// Keys of a pane whose results are made at once, where all of them are in memory.
const KEYS_AT_ONCE: usize = 256 << 10;

/// A new pane has room for at most this number of keys: beyond that, growing is not what costs.
pub const ROOM_MAX: usize = 16 << 10;

/// Which result of a window and key it is; the column `window_result`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Before the watermark has reached the window's end.
    Early,
    /// The first one from then on.
    Final,
    /// Every further one: it replaces the one before. That of a session that others became part of replaces theirs.
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
#[derive(Clone)]
pub enum Span {
    /// All results are of the window from the first time up to the second.
    One(i64, i64),
    /// Each is of its own: starts and ends.
    Each(Vec<i64>, Vec<i64>),
    /// Windows that do not go by time: each result is at the time of its latest row, where the stream has times.
    Latest,
}

/// The results of all keys of a pane, which are given some at a time. In between, the pane must not change.
pub struct Giving {
    span: Span,
    mark: Mark,
    walk: Walk,
    begun: bool,
    done: bool,
}

impl Giving {
    /// None given yet.
    pub fn new(span: Span, mark: Mark) -> Self {
        Giving { span, mark, walk: Walk::default(), begun: false, done: false }
    }
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

/// What windows hold that will come out without further rows (T4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Nothing.
    Nothing,
    /// Results at the ends of windows that time has not reached.
    Windows,
    /// Results whose times may be anywhere.
    AtAnyTime,
}

/// One kind of windows on one worker: what it keeps, and when it gives results.
pub trait WindowState {
    /// Adds rows up.
    fn add(&mut self, plan: &mut Plan, rows: &NewRows<'_>) -> Result<Added>;

    /// Adds what another worker has added up: a batch as [`partial`](super::partial) describes it. Gives how many of its rows
    /// came too late, and results as [`WindowState::add`].
    fn add_partials(&mut self, plan: &mut Plan, partials: &Batch) -> Result<(usize, Vec<Batch>)>;

    /// Time has come to this watermark: windows are to fire up to it. [`WindowState::next`] gives their results; until it gives
    /// nothing more, nothing else may be added.
    fn advance(&mut self, watermark: i64);

    /// Early results of the keys that have changed since the last ones are to be given, by [`WindowState::next`] as well.
    fn early(&mut self);

    /// The next results, not too many at a time; `None`: that is all for now.
    fn next(&mut self, plan: &mut Plan) -> Result<Option<Vec<Batch>>>;

    /// The watermark at which the next window fires, if there is one to fire.
    fn next_firing(&self) -> Option<i64>;

    /// What is held that will come out without further rows.
    fn held(&self) -> Held;

    /// Keys in windows that have not given their result.
    fn open_groups(&self) -> usize;
}

/// Called with the keys of a pane that are to give a result by their number of rows.
pub type GiveFull<'a> = dyn FnMut(&mut Plan, &Pane, &[u32]) -> Result<()> + 'a;

impl Plan {
    /// A pane without keys, for a short time: it stays in memory.
    pub fn pane(&self) -> Pane {
        Pane::new(Accumulated::new(self))
    }

    /// A pane without keys, which is part of the operator's state, with room for about `keys` keys.
    pub fn kept_pane(&self, store: &StateStore, keys: usize) -> Pane {
        let pane = Pane::in_store(Accumulated::new(self), store, PANES, SlotKind::Window);
        if keys == 0 { pane } else { pane.with_room(keys.min(ROOM_MAX)) }
    }

    /// Whether every aggregate can be taken out of others again.
    pub fn is_invertible(&self) -> bool {
        self.aggregators.iter().all(Aggregator::is_invertible)
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
        for round in rounds(groups, &mut pane.values_mut().counter, Every { rows: n, cut: 0 }) {
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

    /// The next results of all keys of a pane.
    pub fn next_results(&mut self, pane: &mut Pane, giving: &mut Giving) -> Result<Option<Vec<Batch>>> {
        if giving.done {
            return Ok(None);
        }
        if !giving.begun && pane.spilled_keys() == 0 && pane.len() <= KEYS_AT_ONCE {
            giving.done = true;
            return self.results(pane, None, giving.span.clone(), giving.mark).map(Some);
        }
        giving.begun = true;
        let (span, mark, mut results) = (&giving.span, giving.mark, Vec::new());
        giving.done = !pane.walk(&mut giving.walk, |index, values, rows| {
            results = self.results_of(index, values, Some(rows), Some(rows), span.clone(), mark)?;
            Ok(())
        })?;
        Ok(Some(results))
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
            Span::Latest => times(chosen(&values.latest, groups)),
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

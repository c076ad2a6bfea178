//! The context of a process function's call.

use std::cell::OnceCell;

use crate::column::batch::Batch;
use crate::function::side::{SideOutput, SideOutputs, SideSink};
use crate::host::context;
use crate::process::any::AnyValue;
use crate::process::contract::Process;
use crate::process::timers::Timers;
use crate::row::contract::{ReadRow, WriteRow};
use crate::state::slot::State;
use crate::timestamp::Timestamp;

/// State, timers, outputs and time of the call, which a [`Process`] function receives with its row or timer. State and timers are
/// those of the row's key.
pub struct Context<'c, P: Process> {
    /// The state of the key.
    pub state: P::State,
    /// The key's timers.
    pub timers: Timers<P::Tag>,
    /// The main output; [`emit`](Self::emit) is shorter, but cannot emit a row that borrows from `state`.
    pub out: SideOutput<P::Output>,
    /// The side outputs.
    pub sides: P::Sides,
    keys: <P::Key<'c> as ReadRow<'c>>::Columns,
    given: Given<'c>,
    key: u32,
    row: u32,
    watermark: OnceCell<Option<Timestamp>>,
    processing_time: OnceCell<Timestamp>,
}

/// The input of the call.
#[derive(Clone, Copy)]
pub(crate) enum Given<'c> {
    /// Rows, and the position of the first column that the function chose.
    Rows(&'c Batch, usize),
    /// Timers.
    Timers,
}

impl<'c, P: Process> Context<'c, P> {
    pub(crate) fn new(keys: &'c Batch, given: Given<'c>) -> Self {
        let rows = match given {
            Given::Rows(rows, _) => rows,
            Given::Timers => keys,
        };
        Context {
            state: P::State::new(keys.rows()),
            timers: Timers::new(keys.rows()),
            out: SideSink::new(rows),
            sides: P::Sides::new(rows),
            keys: <P::Key<'c> as ReadRow<'c>>::columns(keys),
            given,
            key: 0,
            row: 0,
            watermark: OnceCell::new(),
            processing_time: OnceCell::new(),
        }
    }

    /// Adds a row to the main output; it comes from the row or timer with which the function was called, and has its event time.
    #[inline(always)]
    pub fn emit<W: WriteRow<Columns = <P::Output as WriteRow>::Columns>>(&mut self, row: W) {
        self.out.push(row);
    }

    /// Returns the key.
    #[inline(always)]
    pub fn key(&self) -> P::Key<'c> {
        P::Key::read(&self.keys, self.key as usize)
    }

    /// Returns the value of the row in the column that [`Process::choose`] named at this position. Panics where it named none,
    /// and for a timer, which has no row.
    #[inline(always)]
    pub fn chosen(&self, position: usize) -> AnyValue<'c> {
        match self.given {
            Given::Rows(rows, first) => AnyValue::read(&rows.columns()[first + position], self.row as usize),
            Given::Timers => panic!("a timer has no row whose columns could be read"),
        }
    }

    /// Returns the operator's watermark: no row with this event time or an earlier one is expected; `None` before the first,
    /// `Timestamp::MAX` when the input has ended. It advances between batches and is constant within a call.
    #[inline(always)]
    pub fn watermark(&self) -> Option<Timestamp> {
        *self.watermark.get_or_init(context::watermark)
    }

    /// Returns the job's processing time. Constant within a call.
    #[inline(always)]
    pub fn processing_time(&self) -> Timestamp {
        *self.processing_time.get_or_init(context::processing_time)
    }

    #[inline(always)]
    pub(crate) fn begin(&mut self, row: u32, key: u32) {
        (self.row, self.key) = (row, key);
        self.state.begin(row, key);
        self.timers.begin(key);
        self.out.set_row(row);
        self.sides.set_row(row);
    }

    #[cold]
    pub(crate) fn undo(&mut self) {
        self.state.undo();
        self.timers.undo();
        SideSink::take_back(&mut self.out, self.row);
        self.sides.take_back(self.row);
    }
}

impl<P: Process> std::fmt::Debug for Context<'_, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("row", &self.row).field("key", &self.key).finish_non_exhaustive()
    }
}

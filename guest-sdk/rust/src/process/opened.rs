//! An opened process function: the loops over rows and timers.

use crate::column::batch::{Batch, VarValues};
use crate::export::layout::RawTimer;
use crate::failure::Failure;
use crate::function::answer::{Answer, RowFailure};
use crate::function::side::{SideOutputs, SideSink};
use crate::process::context::{Context, Given};
use crate::process::contract::Process;
use crate::process::keys;
use crate::process::timers::{Clock, Timer, TimerTag};
use crate::row::contract::{ReadRow, Row};
use crate::state::slot::State;
use crate::timestamp::Timestamp;

/// An opened process function, without its types.
pub(crate) trait OpenedProcess {
    /// Handles rows of one input (0, or 1 for the second); row `i` is of key `key_of_row[i]`.
    fn on_batch(&self, input: u32, keys: &Batch, key_of_row: &[u32], rows: &Batch) -> Result<Answer, String>;
    /// Handles timers that are due.
    fn on_timers(&self, keys: &Batch, timers: &[RawTimer]) -> Result<Answer, String>;
    /// Migrates values of a slot that an older version wrote.
    fn migrate(&self, slot: &str, from_version: u32, values: &VarValues) -> Result<VarValues, String>;
}

impl<P: Process> OpenedProcess for P {
    fn on_batch(&self, input: u32, keys: &Batch, key_of_row: &[u32], rows: &Batch) -> Result<Answer, String> {
        match input {
            0 => batch::<P, P::Row<'_>>(
                keys,
                key_of_row,
                rows,
                |row, ctx| self.on_row(row, ctx),
                |row, state| self.prefetch(row, state),
            ),
            _ => batch::<P, P::Other<'_>>(
                keys,
                key_of_row,
                rows,
                |row, ctx| self.on_other(row, ctx),
                |row, state| self.prefetch_other(row, state),
            ),
        }
    }

    fn on_timers(&self, keys: &Batch, timers: &[RawTimer]) -> Result<Answer, String> {
        keys::check(<P::Key<'_> as Row>::FIELDS, keys)?;
        let mut context = Context::<P>::new(keys, Given::Timers);
        if P::PREFETCHES {
            for raw in timers {
                context.state.begin(u32::MAX, raw.key);
                if let Some(timer) = timer(raw) {
                    self.prefetch_timer(timer, &mut context.state);
                }
            }
            context.state.fetch();
        }
        let mut failures = Vec::new();
        for (row, raw) in (0..).zip(timers) {
            context.begin(row, raw.key);
            let fired = match timer(raw) {
                Some(timer) => self.on_timer(timer, &mut context),
                None => Err(Failure::new(format!(
                    "a timer has the tag {}, which this version of the function does not know",
                    raw.tag
                ))),
            };
            if let Err(failure) = fired {
                context.undo();
                failures.push(RowFailure { row, message: failure.into_message() });
            }
        }
        finish(context, failures, timers.len())
    }

    fn migrate(&self, slot: &str, from_version: u32, values: &VarValues) -> Result<VarValues, String> {
        P::State::migrate(slot, from_version, values)
    }
}

/// Returns the timer, if the function knows its tag.
fn timer<Tag: TimerTag>(raw: &RawTimer) -> Option<Timer<Tag>> {
    let clock = if raw.clock == 0 { Clock::EventTime } else { Clock::ProcessingTime };
    Some(Timer { clock, time: Timestamp::from_millis(raw.time), tag: Tag::of(raw.tag)? })
}

#[inline(always)]
fn batch<'c, P: Process, R: ReadRow<'c>>(
    keys: &'c Batch,
    key_of_row: &[u32],
    rows: &'c Batch,
    on_row: impl Fn(R, &mut Context<'c, P>) -> Result<(), Failure>,
    prefetch: impl Fn(R, &mut P::State),
) -> Result<Answer, String> {
    keys::check(<P::Key<'c> as Row>::FIELDS, keys)?;
    let mut context = Context::<P>::new(keys, Given::Rows(rows, R::FIELDS.len()));
    let columns = R::columns(rows);
    let key_of_row = &key_of_row[..rows.rows()];
    if P::PREFETCHES {
        for (row, key) in key_of_row.iter().enumerate() {
            context.state.begin(u32::MAX, *key);
            prefetch(R::read(&columns, row), &mut context.state);
        }
        context.state.fetch();
    }
    let mut failures = Vec::new();
    for (row, key) in key_of_row.iter().enumerate() {
        context.begin(row as u32, *key);
        if let Err(failure) = on_row(R::read(&columns, row), &mut context) {
            context.undo();
            failures.push(RowFailure { row: row as u32, message: failure.into_message() });
        }
    }
    finish(context, failures, rows.rows())
}

/// Writes back state and timers. Where stored state could not be read, the call fails, and nothing is written.
fn finish<P: Process>(context: Context<'_, P>, failures: Vec<RowFailure>, given: usize) -> Result<Answer, String> {
    let Context { state, timers, out, sides, .. } = context;
    state.check()?;
    state.write_back();
    timers.write_back();
    let mut outputs = vec![SideSink::finish(out, given)];
    outputs.extend(sides.finish(given));
    Ok(Answer { outputs, failures })
}

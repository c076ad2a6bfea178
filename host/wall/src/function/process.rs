//! Calls of process functions: over rows of one input and over timers, with state.
//!
//! What a call writes takes effect when its answer is valid, and is forgotten otherwise. Where a batch is cut or searched for rows
//! that trap, each part is a call of its own in this respect, over the keys of its rows alone.
//!
//! P1: what a call of a process function writes to state and timers takes effect exactly if the call succeeds and its answer is
//! valid; if it traps, the writes of those parts that succeed.

use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

use arrow_array::ArrayRef;
use wasmtime::Store;

use super::opened::Function;
use super::rows::row_number;
use crate::columns_in::{bytes_in, columns_in};
use crate::columns_out::Answer;
use crate::contract::Guest;
use crate::host_state::{CallContext, HostState};
use crate::keyed::{StateHandle, Timer};
use crate::keyed_call::KeyedCall;
use crate::memory_state::MemoryState;
use crate::pieces;
use crate::recorded::{Given, Rows};
use crate::search::Stop;
use crate::wire::AnswerRaw;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Field;

/// Bytes of a timer on its way in.
const TIMER_BYTES: usize = 32;

/// The keys of a call, each once: its number is its row here.
#[derive(Debug, Clone, Copy)]
pub struct KeyColumns<'a> {
    /// The job's key columns.
    pub fields: &'a [Field],
    /// One for each field, each of `count` rows.
    pub columns: &'a [ArrayRef],
    /// The number of keys.
    pub count: usize,
}

/// Rows of one input, with their keys.
#[derive(Debug, Clone, Copy)]
pub struct KeyedRows<'a> {
    /// Which input: 0, or 1 for the second.
    pub input: u32,
    /// The keys of the rows.
    pub keys: KeyColumns<'a>,
    /// For each row, the number of its key.
    pub key_of_row: &'a [u32],
    /// The columns that the binding reads of this input, each of as many rows as `key_of_row` has.
    pub columns: &'a [ArrayRef],
}

/// The keys of some of the rows or timers of a call.
struct BatchPart<'a> {
    columns: Cow<'a, [ArrayRef]>,
    count: usize,
    /// For each of the part's keys, its number among all; `None` where it is all of them.
    numbers: Option<Vec<u32>>,
    key_of: Cow<'a, [u32]>,
}

impl Function {
    /// Runs a process function over rows. `state` is that of the keys; what the function wrote for rows that did not trap
    /// is committed. Answers and errors as in [`Function::transform`]; the given rows are those of the input.
    pub fn on_batch(&mut self, rows: &KeyedRows<'_>, state: &mut StateHandle, context: &CallContext) -> Result<Answer> {
        let KeyedRows { input, keys, key_of_row, columns } = *rows;
        let row_count = key_of_row.len();
        check_keys(&keys, key_of_row.iter().copied())?;
        let reads = self.reads.clone();
        let fields = reads.get(input as usize).ok_or_else(|| Error::internal("rows of an input that is not there"))?;
        let bytes = |rows: &Range<usize>| {
            let own = bytes_in(&pieces::part(columns, rows, row_count), rows.len());
            own + 4 * rows.len() + key_bytes(&keys, key_of_row, rows)
        };
        self.answer(0..row_count, &bytes, &mut |function, rows, deadline| {
            let part = part(&keys, key_of_row, &rows)?;
            let given = pieces::part(columns, &rows, row_count);
            let given = columns_in(&given, fields, rows.len())?;
            let key_columns = columns_in(&part.columns, keys.fields, part.count)?;
            let count = row_number(part.count)?;
            let answer = function.call_keyed(&part, rows.len(), state, (deadline, context), |guest, store| {
                guest.on_batch(store, input, (count, &key_columns), &part.key_of, &given)
            });
            function.note_trap(answer, context, |function| {
                let Some(state) = function.state_before(&part, state)? else { return Ok(None) };
                Ok(Some(Given::Batch {
                    input,
                    rows: Rows::new(fields, &pieces::part(columns, &rows, row_count), rows.len()),
                    key_of_row: part.key_of.to_vec(),
                    keys: Rows::new(keys.fields, &part.columns, part.count),
                    state,
                }))
            })
        })
    }

    /// Hands a process function timers that are due, in their order; `timer.key` is a number of `keys`. Answers and errors
    /// as in [`Function::on_batch`]; the given rows are the timers.
    pub fn on_timers(
        &mut self,
        keys: KeyColumns<'_>,
        timers: &[Timer],
        state: &mut StateHandle,
        context: &CallContext,
    ) -> Result<Answer> {
        let key_of: Vec<u32> = timers.iter().map(|timer| timer.key).collect();
        check_keys(&keys, key_of.iter().copied())?;
        let bytes = |due: &Range<usize>| TIMER_BYTES * due.len() + key_bytes(&keys, &key_of, due);
        self.answer(0..timers.len(), &bytes, &mut |function, due, deadline| {
            let part = part(&keys, &key_of, &due)?;
            let key_columns = columns_in(&part.columns, keys.fields, part.count)?;
            let count = row_number(part.count)?;
            let own = timers[due.clone()].iter().zip(part.key_of.iter());
            let own: Vec<Timer> = own.map(|(timer, key)| Timer { key: *key, ..*timer }).collect();
            let answer = function.call_keyed(&part, due.len(), state, (deadline, context), |guest, store| {
                guest.on_timers(store, (count, &key_columns), &own)
            });
            function.note_trap(answer, context, |function| {
                let Some(state) = function.state_before(&part, state)? else { return Ok(None) };
                let keys = Rows::new(keys.fields, &part.columns, part.count);
                Ok(Some(Given::Timers { timers: own, keys, state }))
            })
        })
    }

    /// Copies the state of a part's keys, behind a call that was rolled back. Returns `None` if it is more than a record may have.
    fn state_before(&self, part: &BatchPart<'_>, state: &mut StateHandle) -> Result<Option<MemoryState>> {
        let all = || (0..part.count as u32).collect();
        let numbers = part.numbers.clone().unwrap_or_else(all);
        MemoryState::copy(&self.slots, &numbers, state.any()?, self.plugin.wall.limits.recorded_state_bytes_max)
    }

    /// One call with state: commits what it wrote if its answer is valid.
    fn call_keyed(
        &mut self,
        part: &BatchPart<'_>,
        given: usize,
        state: &mut StateHandle,
        (deadline, context): (Duration, &CallContext),
        call: impl FnOnce(&Guest, &mut Store<HostState>) -> wasmtime::Result<std::result::Result<AnswerRaw, String>>,
    ) -> std::result::Result<Answer, Stop> {
        let keys = row_number(part.count)?;
        let mut keyed = Some(KeyedCall::new(state.take()?, self.slots.clone(), keys, part.numbers.clone(), deadline));
        let raw = self.call_with(&mut keyed, deadline, context, call);
        if let Some(keyed) = keyed {
            state.put_back(keyed.state);
            if let Some(error) = keyed.failure {
                return Err(Stop::Operator(error));
            }
        }
        let answer = raw.and_then(|raw| self.accept_answer(raw, given));
        match answer {
            Ok(_) => state.any()?.commit()?,
            Err(_) => state.any()?.roll_back(),
        }
        answer
    }
}

fn check_keys(keys: &KeyColumns<'_>, mut key_of: impl Iterator<Item = u32>) -> Result<()> {
    if key_of.any(|key| key as usize >= keys.count) {
        return Err(Error::internal(format!("a row of a key that is not among the {} of the call", keys.count)));
    }
    Ok(())
}

/// The keys of these rows: all of them for all rows, else numbered again, in the order in which they arrive.
fn part<'a>(keys: &KeyColumns<'a>, key_of: &'a [u32], rows: &Range<usize>) -> Result<BatchPart<'a>> {
    if rows.len() == key_of.len() {
        let columns = Cow::Borrowed(keys.columns);
        return Ok(BatchPart { columns, count: keys.count, numbers: None, key_of: Cow::Borrowed(key_of) });
    }
    let mut new = vec![u32::MAX; keys.count];
    let mut numbers = Vec::new();
    let mut part_of = Vec::with_capacity(rows.len());
    for key in &key_of[rows.clone()] {
        let slot = &mut new[*key as usize];
        if *slot == u32::MAX {
            *slot = numbers.len() as u32;
            numbers.push(*key);
        }
        part_of.push(*slot);
    }
    let columns = Cow::Owned(pieces::take(keys.columns, &numbers)?);
    Ok(BatchPart { columns, count: numbers.len(), numbers: Some(numbers), key_of: Cow::Owned(part_of) })
}

/// Bytes of the keys of these rows. Keys that cannot be taken are an error when the call is made.
fn key_bytes(keys: &KeyColumns<'_>, key_of: &[u32], rows: &Range<usize>) -> usize {
    part(keys, key_of, rows).map_or(0, |part| bytes_in(&part.columns, part.count))
}

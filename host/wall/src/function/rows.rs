//! Calls over rows: transforms and joins. Every kind that answers with rows divides them in the same way where they are
//! too many for a call, or trap.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::ArrayRef;

use super::opened::Function;
use crate::columns_in::{bytes_in, columns_in};
use crate::columns_out;
use crate::columns_out::Answer;
use crate::error::FunctionError;
use crate::host_state::CallContext;
use crate::limits::Limits;
use crate::pieces;
use crate::pieces::Piece;
use crate::recorded::Given;
use crate::search::{Searched, Stop};
use crate::wire::{AnswerRaw, RowFailure};
use flowgate_base::error::{Error, Result};
use flowgate_base::quantity::Bytes;
use flowgate_base::schema::Field;

/// Calls a function over some of the rows, within a deadline.
type CallSome<'a> = &'a mut dyn FnMut(&mut Function, Range<usize>, Duration) -> std::result::Result<Answer, Stop>;

impl Function {
    /// Transforms a batch. `input` has the columns that the binding reads, each of `row_count` rows.
    ///
    /// A row on which the function traps, or for which it returns what is not valid, is among the answer's failures,
    /// with those that it failed itself. An error means that the operator cannot go on.
    pub fn transform(&mut self, input: &[ArrayRef], row_count: usize, context: &CallContext) -> Result<Answer> {
        let bytes = |rows: &Range<usize>| bytes_in(&pieces::part(input, rows, row_count), rows.len());
        self.answer(0..row_count, &bytes, &mut |function, rows, deadline| {
            let count = row_number(rows.len())?;
            let part = pieces::part(input, &rows, row_count);
            let columns = columns_in(&part, function.reads_of(0), rows.len())?;
            let raw = function.call(deadline, context, |guest, store| guest.apply(store, count, &columns));
            let answer = raw.and_then(|raw| function.accept_answer(raw, rows.len()));
            function.note_trap(answer, context, |function| {
                Ok(Some(Given::Transform { input: function.rows_of(0, &part, rows.len()) }))
            })
        })
    }

    /// Runs a join function over pairs: row `i` of `left` matched row `i` of `right`. Each side has the columns that the
    /// binding reads of its input, each of `row_count` rows; where a side has no match, its columns have no value.
    /// Answers and errors as in [`Function::transform`]; the given rows are the pairs.
    pub fn join(
        &mut self,
        left: &[ArrayRef],
        right: &[ArrayRef],
        row_count: usize,
        context: &CallContext,
    ) -> Result<Answer> {
        let of_side =
            |side: &[ArrayRef], rows: &Range<usize>| bytes_in(&pieces::part(side, rows, row_count), rows.len());
        let bytes = |rows: &Range<usize>| of_side(left, rows) + of_side(right, rows);
        let answer = self.answer(0..row_count, &bytes, &mut |function, rows, deadline| {
            let count = row_number(rows.len())?;
            let (left, right) = (pieces::part(left, &rows, row_count), pieces::part(right, &rows, row_count));
            let left_in = columns_in(&left, function.reads_of(0), rows.len())?;
            let right_in = columns_in(&right, function.reads_of(1), rows.len())?;
            let raw = function.call(deadline, context, |guest, store| guest.join(store, count, &left_in, &right_in));
            let answer = raw.and_then(|raw| function.accept_answer(raw, rows.len()));
            function.note_trap(answer, context, |function| {
                let of = |input, side| function.rows_of(input, side, rows.len());
                Ok(Some(Given::Join { left: of(0, &left), right: of(1, &right) }))
            })
        })?;
        match answer.gave_up {
            Some(error) => Err(error),
            None => Ok(answer),
        }
    }

    /// Answers `rows` in one or more calls: `bytes` returns the size of rows, `once` calls the function over
    /// some of them. Rows that are too large for one call are cut in two; where a call traps, the rows at fault are
    /// searched for, and fail. Calls come in row order. Where the answers are too much for one batch, it gives up.
    pub(super) fn answer(
        &mut self,
        rows: Range<usize>,
        bytes: &dyn Fn(&Range<usize>) -> usize,
        once: CallSome<'_>,
    ) -> Result<Answer> {
        let mut room = Room::of(&self.plugin.wall.limits);
        let answer = self.answer_within(&mut room, rows, bytes, once);
        self.tell_trap();
        answer
    }

    fn answer_within(
        &mut self,
        room: &mut Room,
        rows: Range<usize>,
        bytes: &dyn Fn(&Range<usize>) -> usize,
        once: CallSome<'_>,
    ) -> Result<Answer> {
        let limits = self.plugin.wall.limits.clone();
        let start = rows.start;
        if rows.is_empty() {
            return Ok(pieces::empty_answer(&self.makes));
        }
        if bytes(&rows) <= limits.input_bytes_max {
            let trapped = match once(self, rows.clone(), limits.deadline()) {
                Ok(mut answer) => {
                    answer.gave_up = room.take(&answer).err();
                    return Ok(answer);
                }
                Err(Stop::Operator(error) | Stop::GaveUp(error)) => return Err(error),
                Err(Stop::Trapped(trapped)) => trapped,
            };
            let mut answered = Vec::new();
            let searched = self.search(rows.len(), trapped, |function, part, deadline| {
                let answer = once(function, start + part.start..start + part.end, deadline)?;
                let taken = room.take(&answer);
                answered.push(Piece { rows: part, answer });
                taken.map_err(Stop::GaveUp)
            })?;
            return pieces::join(answered, searched, &self.makes);
        }
        if rows.len() == 1 {
            let max = limits.input_bytes_max;
            let message = format!("the row has more than {max} bytes, which is the most for one call");
            let failures = vec![RowFailure { row: 0, message }];
            return pieces::join(Vec::new(), Searched { failures, gave_up: None }, &self.makes);
        }
        let mut answered = Vec::with_capacity(2);
        for part in [0..rows.len() / 2, rows.len() / 2..rows.len()] {
            let answer = self.answer_within(room, start + part.start..start + part.end, bytes, once)?;
            let gave_up = answer.gave_up.is_some();
            answered.push(Piece { rows: part, answer });
            if gave_up {
                break;
            }
        }
        pieces::join(answered, Searched { failures: Vec::new(), gave_up: None }, &self.makes)
    }

    /// Checks an answer to this many given rows.
    pub(super) fn accept_answer(&mut self, raw: AnswerRaw, row_count: usize) -> std::result::Result<Answer, Stop> {
        let limits = self.plugin.wall.limits.clone();
        let makes = self.makes.clone();
        self.accept(columns_out::answer(raw, &makes, row_count, limits.output_rows_max, limits.message_bytes_max))
    }

    /// The columns that the function reads of an input.
    pub(super) fn reads_of(&self, input: usize) -> &[Field] {
        self.reads.get(input).map_or(&[], Vec::as_slice)
    }
}

/// What the answers to one batch may still take, however many calls they come from.
struct Room {
    rows: usize,
    bytes: usize,
    limits: Arc<Limits>,
}

impl Room {
    fn of(limits: &Arc<Limits>) -> Self {
        Room { rows: limits.batch_rows_max, bytes: limits.batch_bytes_max(), limits: Arc::clone(limits) }
    }

    /// Takes what the host holds of an answer. The error says that this was too much.
    fn take(&mut self, answer: &Answer) -> Result<()> {
        let size = answer.size();
        let left = self.rows.checked_sub(size.rows).zip(self.bytes.checked_sub(size.bytes));
        let Some((rows, bytes)) = left else {
            let (rows, bytes) = (self.limits.batch_rows_max, Bytes(self.limits.batch_bytes_max() as u64));
            return Err(FunctionError::BatchLimit(format!(
                "its answers to one batch have more than {rows} rows or {bytes}; smaller batches (`batch_rows` of the \
                 source) have smaller answers, and `limits: {{ output: ... }}` allows larger ones"
            ))
            .into());
        };
        (self.rows, self.bytes) = (rows, bytes);
        Ok(())
    }
}

/// A number of rows, as the contract has it.
pub(super) fn row_number(row_count: usize) -> std::result::Result<u32, Stop> {
    u32::try_from(row_count).map_err(|_| Stop::Operator(Error::internal("a batch has 4 billion rows")))
}

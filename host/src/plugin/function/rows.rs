//! Calls over rows: transforms and joins. How an answer comes about where rows are too many for a call, or trap, is the same
//! for every kind that answers with rows.

use std::ops::Range;
use std::time::Duration;

use arrow_array::ArrayRef;

use super::opened::Function;
use crate::error::{Error, Result};
use crate::plugin::columns_in::{bytes_in, columns_in};
use crate::plugin::columns_out::{self, Answer};
use crate::plugin::host_state::CallContext;
use crate::plugin::pieces::{self, Piece};
use crate::plugin::search::{Stop, search};
use crate::plugin::wire::{AnswerRaw, RowFailure};
use crate::schema::Field;

/// Calls a function over some of the rows, within a deadline.
type CallSome<'a> = &'a mut dyn FnMut(&mut Function, Range<usize>, Duration) -> std::result::Result<Answer, Stop>;

impl Function {
    /// Transforms a batch. `input` has the columns that the binding reads, each of `row_count` rows.
    ///
    /// A row on which the function traps, or for which it returns what is not valid, is among the answer's failures
    /// beside those that it failed itself. An error means that the operator cannot go on.
    pub fn transform(&mut self, input: &[ArrayRef], row_count: usize, context: &CallContext) -> Result<Answer> {
        let bytes = |rows: &Range<usize>| bytes_in(&pieces::part(input, rows, row_count), rows.len());
        self.answer(0..row_count, &bytes, &mut |function, rows, deadline| {
            let count = row_number(rows.len())?;
            let part = pieces::part(input, &rows, row_count);
            let columns = columns_in(&part, function.reads_of(0), rows.len())?;
            let raw = function.call(deadline, context, |guest, store| guest.apply(store, count, &columns))?;
            function.believe_answer(raw, rows.len())
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
        self.answer(0..row_count, &bytes, &mut |function, rows, deadline| {
            let count = row_number(rows.len())?;
            let (left, right) = (pieces::part(left, &rows, row_count), pieces::part(right, &rows, row_count));
            let left = columns_in(&left, function.reads_of(0), rows.len())?;
            let right = columns_in(&right, function.reads_of(1), rows.len())?;
            let raw = function.call(deadline, context, |guest, store| guest.join(store, count, &left, &right))?;
            function.believe_answer(raw, rows.len())
        })
    }

    /// The answer to `rows`, in as many calls as it takes: `bytes` says what rows weigh, `once` calls the function over
    /// some of them. Rows that are too heavy for one call are cut in two; where a call traps, the rows at fault are
    /// searched for, and fail. Calls come in row order.
    pub(super) fn answer(
        &mut self,
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
            let message = match once(self, rows.clone(), limits.deadline()) {
                Ok(answer) => return Ok(answer),
                Err(Stop::Operator(error)) => return Err(error),
                Err(Stop::Trapped(message)) => message,
            };
            let mut answered = Vec::new();
            let failures = search(rows.len(), &limits, message, |part, deadline| {
                let answer = once(self, start + part.start..start + part.end, deadline)?;
                answered.push(Piece { rows: part, answer });
                Ok(())
            })?;
            return pieces::join(answered, failures, &self.makes);
        }
        if rows.len() == 1 {
            let max = limits.input_bytes_max;
            let message = format!("the row has more than {max} bytes, which is the most for one call");
            return pieces::join(Vec::new(), vec![RowFailure { row: 0, message }], &self.makes);
        }
        let mut answered = Vec::with_capacity(2);
        for part in [0..rows.len() / 2, rows.len() / 2..rows.len()] {
            let answer = self.answer(start + part.start..start + part.end, bytes, once)?;
            answered.push(Piece { rows: part, answer });
        }
        pieces::join(answered, Vec::new(), &self.makes)
    }

    /// Checks an answer to this many given rows.
    pub(super) fn believe_answer(&mut self, raw: AnswerRaw, row_count: usize) -> std::result::Result<Answer, Stop> {
        let limits = self.plugin.wall.limits.clone();
        let makes = self.makes.clone();
        self.believe(columns_out::answer(raw, &makes, row_count, limits.output_rows_max, limits.message_bytes_max))
    }

    /// The columns that the function reads of an input.
    pub(super) fn reads_of(&self, input: usize) -> &[Field] {
        self.reads.get(input).map_or(&[], Vec::as_slice)
    }
}

/// A number of rows, as the contract has it.
pub(super) fn row_number(row_count: usize) -> std::result::Result<u32, Stop> {
    u32::try_from(row_count).map_err(|_| Stop::Operator(Error::internal("a batch has 4 billion rows")))
}

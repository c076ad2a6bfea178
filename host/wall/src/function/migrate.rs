//! Values of state that an older version of the plugin wrote, into the encoding of this one.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::builder::{ArrayBuilder, BinaryBuilder};
use arrow_array::{Array, BinaryArray};

use super::opened::Function;
use crate::columns_in::var_in;
use crate::columns_out;
use crate::error::{CallError, FunctionError};
use crate::host_state::CallContext;
use crate::limits::Limits;
use crate::recorded::Given;
use crate::search::Stop;
use crate::wire::VarValues;
use flowgate_base::error::{Error, Result};
use flowgate_base::quantity::Bytes;
use flowgate_base::shown::one_line;

/// Migrated values of a slot.
#[derive(Debug, Clone, PartialEq)]
pub struct Migrated {
    /// One for each given value, in their order; null where it failed.
    pub values: BinaryArray,
    /// Position and reason of each value that failed, in their order. A reason is safe to show, at most 4,096 bytes.
    pub failures: Vec<(u32, String)>,
}

/// A slot and the version of the values that are migrated.
#[derive(Clone, Copy)]
struct Old<'a> {
    slot: &'a str,
    version: u32,
}

impl Function {
    /// Whether the plugin can read values of older versions of its slots.
    pub fn migrates(&self) -> bool {
        self.plugin.migrates()
    }

    /// Migrates values of a slot that version `from_version` wrote; none of them is null. A value that the function fails
    /// or traps on is null in the answer and among its failures; the others are unaffected.
    ///
    /// # Errors
    /// The plugin does not migrate; too many values trap; or the answers are larger than the values by more than what a
    /// batch may return: the plugin's fault, so the user's.
    pub fn migrate(&mut self, slot: &str, from_version: u32, values: &BinaryArray) -> Result<Migrated> {
        let limits = Arc::clone(&self.plugin.wall.limits);
        let failed = |function: &Function, error: Error| {
            error.within(format_args!("function `{}` cannot migrate the slot `{slot}`", function.name()))
        };
        if !self.migrates() {
            let message = "the plugin does not export `migrate`, which reads the state of older versions";
            return Err(failed(self, FunctionError::GaveUp(message.into()).into()));
        }
        if values.null_count() > 0 {
            return Err(Error::internal("a value to migrate is null"));
        }
        let offsets = values.value_offsets();
        let bytes = offsets.last().zip(offsets.first()).map_or(0, |(last, first)| (last - first) as usize);
        let mut collected = Collected {
            values: BinaryBuilder::with_capacity(values.len(), bytes),
            failures: Vec::new(),
            bytes_max: bytes.saturating_add(limits.batch_bytes_max()).min(i32::MAX as usize),
            value_bytes_max: limits.state_value_bytes_max,
        };
        let old = Old { slot, version: from_version };
        for piece in pieces(values, &limits) {
            let migrated = self.migrate_piece(old, values, piece, &mut collected);
            self.tell_trap();
            migrated.map_err(|error| failed(self, error))?;
        }
        collected.skip_to(values.len());
        Ok(Migrated { values: collected.values.finish(), failures: collected.failures })
    }

    /// Migrates values that fit into one call. Where the call fails, the values at fault are searched for.
    fn migrate_piece(
        &mut self,
        old: Old<'_>,
        values: &BinaryArray,
        piece: Range<usize>,
        collected: &mut Collected,
    ) -> Result<()> {
        let limits = Arc::clone(&self.plugin.wall.limits);
        let trapped = match self.migrate_once(old, &values.slice(piece.start, piece.len()), limits.deadline()) {
            Ok(migrated) => return collected.add(piece.start, &migrated),
            Err(Stop::Operator(error) | Stop::GaveUp(error)) => return Err(error),
            Err(Stop::Trapped(trapped)) => trapped,
        };
        let searched = self.search(piece.len(), trapped, |function, part, deadline| {
            let start = piece.start + part.start;
            let migrated = function.migrate_once(old, &values.slice(start, part.len()), deadline)?;
            collected.add(start, &migrated).map_err(Stop::Operator)
        })?;
        if let Some(error) = searched.gave_up {
            return Err(error);
        }
        let failures = searched.failures.into_iter();
        collected.failures.extend(failures.map(|failure| (failure.row + piece.start as u32, failure.message)));
        // Values that are too long failed without a trap.
        collected.failures.sort_by_key(|(position, _)| *position);
        Ok(())
    }

    fn migrate_once(
        &mut self,
        old: Old<'_>,
        values: &BinaryArray,
        deadline: Duration,
    ) -> std::result::Result<VarValues, Stop> {
        let count = values.len();
        let given = var_in(values.offsets(), values.values())
            .ok_or_else(|| Error::internal("values to migrate have offsets beyond their data"))?;
        // An error of the call is about some of its values, as a trap is: it does not end the operator.
        let answer = self.call(deadline, &CallContext::default(), |guest, store| {
            guest.migrate(store, old.slot, old.version, &given).map(Ok)
        });
        let migrated = answer.and_then(|answer| {
            answer.map_err(|message| {
                let message = one_line(&message, self.plugin.wall.limits.message_bytes_max);
                Stop::Trapped(CallError::Failed(message))
            })
        });
        let migrated = migrated.and_then(|migrated| self.accept(columns_out::migrated(migrated, count)));
        self.note_trap(migrated, &CallContext::default(), |_| {
            let values = (0..count).map(|position| values.value(position)).collect();
            Ok(Some(Given::Migrate { slot: old.slot.to_string(), from_version: old.version, values }))
        })
    }
}

/// What was migrated so far, in the order of the values.
struct Collected {
    values: BinaryBuilder,
    failures: Vec<(u32, String)>,
    /// Of all values together.
    bytes_max: usize,
    value_bytes_max: usize,
}

impl Collected {
    /// Adds migrated values, of which the first is at `start`. Those before it that are not there have failed.
    fn add(&mut self, start: usize, migrated: &VarValues) -> Result<()> {
        self.skip_to(start);
        if self.values.values_slice().len().saturating_add(migrated.data.len()) > self.bytes_max {
            let max = Bytes(self.bytes_max as u64);
            let message = format!("the migrated values of one batch are more than {max}");
            return Err(FunctionError::BatchLimit(message).into());
        }
        for (position, value) in (start..).zip(migrated.iter()) {
            if value.len() <= self.value_bytes_max {
                self.values.append_value(value);
                continue;
            }
            let (bytes, max) = (value.len(), Bytes(self.value_bytes_max as u64));
            self.failures.push((position as u32, format!("returned a value of {bytes} bytes; {max} is the most")));
            self.values.append_null();
        }
        Ok(())
    }

    fn skip_to(&mut self, end: usize) {
        self.values.append_nulls(end.saturating_sub(self.values.len()));
    }
}

/// Cuts values so that one call takes a piece: within its bytes and number of values, or one value.
fn pieces(values: &BinaryArray, limits: &Limits) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for i in 0..values.len() {
        let own = values.value(i).len();
        let is_full = bytes + own > limits.input_bytes_max || i - start == limits.migrated_values_max;
        if i > start && is_full {
            pieces.push(start..i);
            (start, bytes) = (i, 0);
        }
        bytes += own;
    }
    if start < values.len() {
        pieces.push(start..values.len());
    }
    pieces
}

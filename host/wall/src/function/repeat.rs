//! A recorded call, made again.

use std::collections::BTreeMap;

use arrow_array::{ArrayRef, BinaryArray};
use flowgate_base::error::Result;

use super::migrate::Migrated;
use super::opened::Function;
use super::process::{KeyColumns, KeyedRows};
use crate::binding::StateSlot;
use crate::columns_out::{Answer, Updated};
use crate::keyed::StateHandle;
use crate::memory_state::MemoryState;
use crate::recorded::{Given, RecordedCall, Rows};
use crate::wire::VarValues;

/// What came of a call that was made again.
#[derive(Debug)]
pub enum Repeated {
    /// Of a transform or a join function.
    Rows(Answer),
    /// Of a process function, with the state of its keys afterwards.
    Keyed(Answer, MemoryState),
    /// Of an update.
    Updated(Updated),
    /// Of a merge.
    Merged(VarValues),
    /// Results of accumulators.
    Finished(Vec<ArrayRef>),
    /// Migrated values.
    Migrated(Migrated),
}

impl Function {
    /// Makes a recorded call again, and returns what came of it. Rows at fault are searched for, as in a job, where it traps over several.
    ///
    /// # Errors
    /// Says how this function is another one than the recorded: it reads other columns, or has other slots.
    pub fn repeat(&mut self, call: &RecordedCall) -> std::result::Result<Result<Repeated>, String> {
        let context = &call.context;
        Ok(match &call.given {
            Given::Transform { input } => {
                let columns = self.given(0, input)?;
                self.transform(&columns, input.count, context).map(Repeated::Rows)
            }
            Given::Join { left, right } => {
                let (left_columns, right_columns) = (self.given(0, left)?, self.given(1, right)?);
                self.join(&left_columns, &right_columns, left.count, context).map(Repeated::Rows)
            }
            Given::Batch { input, rows, key_of_row, keys, state } => {
                let columns = self.given(*input as usize, rows)?;
                let mut state = StateHandle::new(self.state_of(&call.slots, state)?);
                let given = KeyedRows { input: *input, keys: keys_of(keys), key_of_row, columns: &columns };
                let answer = self.on_batch(&given, &mut state, context);
                answer.and_then(|answer| Ok(Repeated::Keyed(answer, std::mem::take(state.state()?))))
            }
            Given::Timers { timers, keys, state } => {
                let mut state = StateHandle::new(self.state_of(&call.slots, state)?);
                let answer = self.on_timers(keys_of(keys), timers, &mut state, context);
                answer.and_then(|answer| Ok(Repeated::Keyed(answer, std::mem::take(state.state()?))))
            }
            Given::Update { accumulators, groups, input } => {
                let columns = self.given(0, input)?;
                self.update(accumulators.clone(), groups, &columns, input.count, context).map(Repeated::Updated)
            }
            Given::Merge { left, right } => self.merge(left, right).map(Repeated::Merged),
            Given::Finish { accumulators } => self.finish(accumulators).map(Repeated::Finished),
            Given::Migrate { slot, from_version, values } => {
                let values = BinaryArray::from_iter_values(values.iter());
                self.migrate(slot, *from_version, &values).map(Repeated::Migrated)
            }
        })
    }

    /// Returns the columns that the function reads of an input, which another version may read in another order.
    fn given(&self, input: usize, rows: &Rows) -> std::result::Result<Vec<ArrayRef>, String> {
        let column = |wanted: &flowgate_base::schema::Field| {
            let found = rows.fields.iter().zip(&rows.columns).find(|(field, _)| {
                field.name == wanted.name && field.data_type == wanted.data_type && wanted.nullable >= field.nullable
            });
            found.map(|(_, column)| column.clone()).ok_or_else(|| {
                let has = rows.fields.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                format!("it reads `{wanted}`; the recorded call has {has}")
            })
        };
        self.reads_of(input).iter().map(column).collect()
    }

    /// Returns the recorded state for the slots of this function, by their names.
    fn state_of(&self, recorded: &[StateSlot], state: &MemoryState) -> std::result::Result<MemoryState, String> {
        let at: BTreeMap<&str, usize> =
            recorded.iter().enumerate().map(|(at, slot)| (slot.name.as_str(), at)).collect();
        let mut own = MemoryState::empty(&self.slots, state.key_count());
        for (position, slot) in self.slots.iter().enumerate() {
            let Some((was, kept)) =
                at.get(slot.name.as_str()).and_then(|at| recorded.get(*at).zip(state.slots().get(*at)))
            else {
                continue;
            };
            if (was.kind, was.version) != (slot.kind, slot.version) {
                let (name, is, had) = (&slot.name, slot.kind.name(), was.kind.name());
                return Err(format!(
                    "its slot `{name}` is a {is} of version {}; the recorded one is a {had} of version {}",
                    slot.version, was.version
                ));
            }
            own.replace(position, kept.clone()).map_err(|error| error.message)?;
        }
        Ok(own)
    }
}

fn keys_of(keys: &Rows) -> KeyColumns<'_> {
    KeyColumns { fields: &keys.fields, columns: &keys.columns, count: keys.count }
}

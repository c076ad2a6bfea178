//! A process function beside that of a job: for a share of the keys, with a copy of their state.
//!
//! The worker copies the state of the chosen keys before the call of the job's version, and once more behind it. The new version gets the first
//! copy, so that both begin from the same, and what it wrote is compared with the second one.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, Int64Array, TimestampMillisecondArray, UInt32Array};

use super::beside::{Given, Outcome, Shows, States, answered};
use super::compare::Answered;
use super::point::{Beginning, Call, Canary, CanaryPoint};
use super::shape::{Compared, compared};
use super::written::states;
use crate::dataflow::batch::{Batch, Column, take};
use crate::dataflow::process::arrangement::{Arrangement, CallInput};
use crate::dataflow::process::keyed::ProcessState;
use crate::dataflow::process::operator::timer_schema;
use crate::dataflow::slot::{columns_for, gather};
use crate::dataflow::swap::fresh::FreshProcess;
use crate::dataflow::swap::slot_plan::Fate;
use crate::job::graph::{Node, ProcessNode};
use flowgate_base::clock;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::{Field, Schema};
use flowgate_wall::binding::StateSlot;
use flowgate_wall::{
    Answer, CallContext, Function, KeptValue, KeyColumns, KeyedRows, MemoryState, StateHandle, Timer, TimerChange,
};

/// Bytes of the state of the keys of one call.
const STATE_BYTES_MAX: usize = 4 << 20;

/// What is called.
pub(crate) enum KeyedInput {
    /// Rows of an input.
    Rows(usize, Batch),
    /// Timers, with the columns of their keys.
    Timers(Batch, Vec<Timer>),
}

/// A call over keys, of which some are compared. Keys and rows that are chosen are numbered from 0 on.
pub(crate) struct Keyed {
    input: KeyedInput,
    /// The columns of the chosen keys.
    key_columns: Vec<ArrayRef>,
    chosen: Choice,
    before: MemoryState,
    after: MemoryState,
    /// The timers of the chosen keys that the version of the job has set and cleared.
    timers: Vec<TimerChange>,
}

/// The keys and rows of a call that are compared.
#[derive(Debug, PartialEq, Eq)]
struct Choice {
    /// The numbers of the keys in the call.
    keys: Vec<u32>,
    /// The numbers of the rows, or timers, in the call.
    rows: Vec<u32>,
    /// For each of these rows, its key among those that are chosen.
    key_of_row: Vec<u32>,
}

impl Choice {
    /// Chooses of keys with these hashes. `None`: none of them.
    fn of(canary: &Canary, hashes: &[u64], key_of: &[u32]) -> Option<Choice> {
        let chosen = |key: &u32| canary.chooses_key(hashes[*key as usize]);
        let keys: Vec<u32> = (0..hashes.len() as u32).filter(chosen).collect();
        if keys.is_empty() {
            return None;
        }
        let places = numbered(&keys, hashes.len());
        let of = key_of.iter().enumerate().filter_map(|(row, key)| Some((row as u32, places[*key as usize]?)));
        let (rows, key_of_row) = of.unzip();
        Some(Choice { keys, rows, key_of_row })
    }
}

/// Returns the place of each of `count` numbers among those that are chosen.
fn numbered(chosen: &[u32], count: usize) -> Vec<Option<u32>> {
    let mut places = vec![None; count];
    chosen.iter().zip(0..).for_each(|(number, place)| places[*number as usize] = Some(place));
    places
}

/// A call of the job's version that is going to be compared.
pub(crate) struct Chosen {
    beginning: Beginning,
    choice: Choice,
    before: MemoryState,
}

impl CanaryPoint {
    /// Chooses of the keys of a call that begins, if a canary compares some of them, and copies their state. `key_of` has the key of each row
    /// or timer.
    ///
    /// # Errors
    /// The state cannot be read.
    pub(crate) fn choose(
        &self,
        key_of: &[u32],
        slots: &[StateSlot],
        state: &mut ProcessState,
    ) -> Result<Option<Chosen>> {
        match self.canary() {
            Some(canary) => Chosen::of(canary, key_of, slots, state),
            None => Ok(None),
        }
    }
}

impl Chosen {
    fn of(
        canary: Arc<Canary>,
        key_of: &[u32],
        slots: &[StateSlot],
        state: &mut ProcessState,
    ) -> Result<Option<Chosen>> {
        let Some(choice) = Choice::of(&canary, &state.keys().hashes(), key_of) else { return Ok(None) };
        let Some(mut beginning) = Beginning::of(canary) else { return Ok(None) };
        let Some(before) = beginning.copy(|_| MemoryState::copy(slots, &choice.keys, state, STATE_BYTES_MAX))? else {
            beginning.skip_large();
            return Ok(None);
        };
        state.note_timers();
        beginning.calls();
        Ok(Some(Chosen { beginning, choice, before }))
    }

    /// Hands the call over, which has just ended. `key_columns` are those of all keys of the call, `rows` its rows or timers.
    ///
    /// # Errors
    /// The state cannot be read.
    pub(crate) fn offer(
        mut self,
        input: KeyedInput,
        (key_columns, rows): (&[ArrayRef], usize),
        answer: &Answer,
        context: CallContext,
        (slots, state): (&[StateSlot], &mut ProcessState),
    ) -> Result<()> {
        let took = self.beginning.took();
        let places = numbered(&self.choice.keys, state.keys().len());
        let timers = state.noted_timers()?.into_iter().filter_map(|change| {
            let key = places[change.timer.key as usize]?;
            Some(TimerChange { timer: Timer { key, ..change.timer }, ..change })
        });
        let timers = timers.collect();
        let keys = &self.choice.keys;
        let copied = self.beginning.copy(|_| {
            let after = MemoryState::copy(slots, keys, state, STATE_BYTES_MAX)?;
            let numbers = UInt32Array::from(keys.clone());
            Ok::<_, Error>((after, take(key_columns, &numbers, "the keys of a canary")?))
        });
        let (Some(after), key_columns) = copied? else {
            self.beginning.skip_large();
            return Ok(());
        };
        let keyed = Keyed { input, key_columns, chosen: self.choice, before: self.before, after, timers };
        self.beginning.offer(Given::Keyed(Box::new(keyed)), Some(answer.clone()), context, (rows, took));
        Ok(())
    }
}

/// A process function's new version.
pub(crate) struct KeysBeside {
    compared: Compared,
    /// The columns of the rows of each input.
    schemas: Vec<Schema>,
    key_fields: Vec<Field>,
    /// The outputs of the version of the job.
    outputs: Vec<Arrangement>,
    new: FreshProcess,
}

impl KeysBeside {
    /// Of a node as it runs, with these outputs, and as it is checked with the new version. `schemas` are those of its inputs.
    pub(super) fn new(
        nodes: [&Node; 2],
        of: [&ProcessNode; 2],
        schemas: Vec<Schema>,
        outputs: Vec<Arrangement>,
        new: FreshProcess,
    ) -> Result<Self> {
        let mut compared = compared(nodes, [&of[0].outputs, &of[1].outputs]);
        for (slot, fate) in new.slots.iter().zip(&new.plan.fates) {
            match fate {
                Fate::Kept(_) => {}
                Fate::Migrated(_, version) => compared.notes.push(format!(
                    "the state slot `{}` is migrated from version {version} to {} for each call, and what is written to it is not compared",
                    slot.name, slot.version
                )),
                Fate::New => compared.notes.push(format!("only the new version has the state slot `{}`: it is always empty", slot.name)),
            }
        }
        let mut key_fields: Vec<Field> = Vec::new();
        for (key, schema) in of[0].keys.iter().zip(&schemas) {
            for (position, column) in key.iter().enumerate() {
                let field = schema.fields.get(*column).ok_or_else(|| Error::internal("a key without its column"))?;
                match key_fields.get_mut(position) {
                    Some(known) => known.nullable |= field.nullable,
                    None => key_fields.push(field.clone()),
                }
            }
        }
        Ok(KeysBeside { compared, schemas, key_fields, outputs, new })
    }

    /// What is not compared.
    pub(super) fn notes(&self) -> &[String] {
        &self.compared.notes
    }

    pub(super) fn run(&mut self, call: &mut Call) -> Result<Outcome<'_>> {
        let (Given::Keyed(keyed), Some(old)) = (&call.given, call.answer.take()) else {
            return Err(Error::internal("a process function is compared with another kind of function"));
        };
        let Keyed { input, key_columns, chosen, before, after, timers } = &**keyed;
        let outputs = &self.compared.outputs;
        let (given, rows) = (chosen.rows.len(), chosen.rows.clone().into());
        let count = chosen.keys.len();
        let (whole, part) = match input {
            KeyedInput::Rows(input, batch) => (CallInput::Rows(*input, batch), batch.select(&rows)),
            KeyedInput::Timers(keys, _) => (CallInput::Timers(keys), keys.select(&rows)),
        };
        let (CallInput::Rows(_, all) | CallInput::Timers(all)) = whole;
        let old = answered(outputs, 0, all.row_count(), Ok(old), |at, rows| {
            self.outputs.get_mut(at).ok_or_else(missing)?.rows(whole, rows)
        })?;
        let old = old.only(&numbered(&chosen.rows, all.row_count()))?;
        let began = clock::monotonic();
        let (state, failed) = migrated(before, &self.new.slots, &self.new.plan.fates, &mut self.new.function)?;
        let mut state = StateHandle::new(state);
        let keys = KeyColumns { fields: &self.key_fields, columns: key_columns, count };
        let (answer, with) = match input {
            KeyedInput::Rows(input, _) => {
                let reads = self.new.reads.get(*input).ok_or_else(missing)?;
                let columns = columns_for(reads, |column| gather(&part, column))?;
                let rows = KeyedRows { input: *input as u32, keys, key_of_row: &chosen.key_of_row, columns: &columns };
                (self.new.function.on_batch(&rows, &mut state, &call.context), CallInput::Rows(*input, &part))
            }
            KeyedInput::Timers(_, timers) => {
                let of = chosen
                    .rows
                    .iter()
                    .zip(&chosen.key_of_row)
                    .filter_map(|(row, key)| timers.get(*row as usize).map(|timer| Timer { key: *key, ..*timer }));
                let of: Vec<Timer> = of.collect();
                (self.new.function.on_timers(keys, &of, &mut state, &call.context), CallInput::Timers(&part))
            }
        };
        let took = began.elapsed();
        let mut new = answered(outputs, 1, given, answer, |at, rows| {
            self.new.outputs.get_mut(at).ok_or_else(missing)?.rows(with, rows)
        })?;
        fail(&mut new, &chosen.key_of_row, &failed);
        let wrote = state.state::<MemoryState>()?;
        let states = states((after, timers), wrote, &self.new.slots, &self.new.plan.fates, &failed);
        let shows = match input {
            KeyedInput::Rows(input, _) => {
                let schema = self.schemas.get(*input).ok_or_else(missing)?.clone();
                Shows { schema, rows: part, places: None }
            }
            KeyedInput::Timers(_, timers) => self.shows_timers(&part, timers, &chosen.rows)?,
        };
        let keys = Shows {
            schema: Schema::new(self.key_fields.clone()),
            rows: Batch::new(key_columns.clone(), count),
            places: None,
        };
        let states = Some(States { keys, count: count as u64, differ: states });
        Ok(Outcome { outputs, given, old, new, new_took: (given as u64, took), shows, states })
    }

    fn shows_timers(&self, keys: &Batch, timers: &[Timer], rows: &[u32]) -> Result<Shows> {
        let of: Vec<&Timer> = rows.iter().filter_map(|row| timers.get(*row as usize)).collect();
        let times: ArrayRef = Arc::new(TimestampMillisecondArray::from_iter_values(of.iter().map(|timer| timer.time)));
        // As in a dead letter: the bits of the tag.
        let tags: ArrayRef = Arc::new(Int64Array::from_iter_values(of.iter().map(|timer| timer.tag.cast_signed())));
        let own = [Column::from(times), Column::from(tags)];
        let rows = keys.with_columns(keys.columns().iter().cloned().chain(own).collect());
        Ok(Shows { schema: timer_schema(&self.key_fields), rows, places: None })
    }
}

fn missing() -> Error {
    Error::internal("a process function lacks an output or an input")
}

/// Fails the rows of keys whose state could not be migrated, whatever was made of them.
fn fail(answered: &mut Answered, key_of_row: &[u32], failed: &BTreeMap<u32, String>) {
    if failed.is_empty() {
        return;
    }
    let own = std::mem::take(&mut answered.failures).into_iter();
    let mut failures: BTreeMap<u32, String> = own.collect();
    for (row, key) in (0..).zip(key_of_row) {
        if let Some(why) = failed.get(key) {
            failures.insert(row, why.clone());
        }
    }
    answered.failures = failures.into_iter().collect();
}

/// Returns the state of keys in the slots of the new version, and the keys whose values it cannot migrate, and why.
fn migrated(
    before: &MemoryState,
    slots: &[StateSlot],
    fates: &[Fate],
    function: &mut Function,
) -> Result<(MemoryState, BTreeMap<u32, String>)> {
    let count = before.key_count();
    let mut state = MemoryState::empty(slots, count);
    let mut failed = BTreeMap::new();
    for (at, (slot, fate)) in slots.iter().zip(fates).enumerate() {
        let (Fate::Kept(from) | Fate::Migrated(from, _)) = *fate else { continue };
        let mut values = before.slots().get(from).cloned().ok_or_else(missing)?;
        if let Fate::Migrated(_, version) = *fate {
            migrate(&mut values, (&slot.name, version), function, &mut failed)?;
        }
        state.replace(at, values)?;
    }
    Ok((state, failed))
}

/// Migrates what each key has in a slot.
fn migrate(
    kept: &mut [KeptValue],
    (slot, version): (&str, u32),
    function: &mut Function,
    failed: &mut BTreeMap<u32, String>,
) -> Result<()> {
    let mut values: Vec<(u32, &mut Vec<u8>)> = Vec::new();
    for (key, kept) in (0..).zip(kept) {
        let of: Vec<&mut Vec<u8>> = match kept {
            KeptValue::Value(value) => value.iter_mut().collect(),
            KeptValue::Map(entries) => entries.values_mut().collect(),
            KeptValue::List(elements) => elements.iter_mut().collect(),
        };
        values.extend(of.into_iter().map(|value| (key, value)));
    }
    if values.is_empty() {
        return Ok(());
    }
    let given = BinaryArray::from_iter_values(values.iter().map(|(_, value)| value.as_slice()));
    let reason = |why: &str| format!("its state slot `{slot}` cannot be migrated: {why}");
    let migrated = match function.migrate(slot, version, &given) {
        Ok(migrated) => migrated,
        Err(error) if error.fault() == flowgate_base::error::Fault::Internal => return Err(error),
        Err(error) => {
            failed.extend(values.iter().map(|(key, _)| (*key, reason(&error.message))));
            return Ok(());
        }
    };
    for (at, why) in &migrated.failures {
        if let Some((key, _)) = values.get(*at as usize) {
            failed.entry(*key).or_insert_with(|| reason(why));
        }
    }
    for (new, (_, value)) in migrated.values.iter().zip(values) {
        if let Some(new) = new {
            *value = new.to_vec();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn rows_of_chosen_keys_are_numbered_again() {
        let canary = Canary::new("f", (0.5, 1), sync_channel(1).0);
        let (low, high) = (0, u64::MAX);
        let chosen = Choice::of(&canary, &[high, low, high, low], &[3, 0, 1, 3, 2]).unwrap();
        assert_eq!(chosen, Choice { keys: vec![1, 3], rows: vec![0, 2, 3], key_of_row: vec![1, 0, 1] });
        assert_eq!(Choice::of(&canary, &[high], &[0]), None);
    }
}

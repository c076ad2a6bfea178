//! What a call of a process function does with state and timers: the contract's rules and the wall's limits, and behind
//! them the operator's [`KeyedState`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::binding::{StateKind, StateSlot};
use super::columns_out::offsets_hold;
use super::error::CallError;
use super::host_state::HostState;
use super::keyed::{KeyedState, Timer};
use super::limits::Limits;
use super::wire::{OptionalValues, VarValues};
use flowgate_base::clock;
use flowgate_base::error::Error;
use flowgate_base::quantity::Bytes;

/// The state of a call, while it runs.
pub(super) struct KeyedCall {
    pub(super) state: Box<dyn KeyedState>,
    /// As in the binding.
    slots: Arc<[StateSlot]>,
    /// Keys of the call.
    key_count: u32,
    /// Where the call is over a part of the operator's keys: for each of the call's, its number there.
    part: Option<Vec<u32>>,
    written_bytes: usize,
    timers_set: usize,
    /// When the call has had its time. The host's work for it is no wasm code, which the deadline would interrupt.
    until: Option<Instant>,
    /// Entries served since the clock was read.
    served: u32,
    /// The state could not be read or written: not the function's fault, whose call ends all the same.
    pub(super) failure: Option<Error>,
}

/// Why an import is not served; the call traps. A text goes on behind the import's name, as in "called `state.set` on key 7".
pub(super) enum Refusal {
    /// The import was called with what the contract does not allow.
    Misuse(String),
    /// One argument or answer is too large.
    TooLarge(String),
    /// The call as a whole takes too much; says so without the import.
    CallLimit(String),
    /// The call's time is over.
    Late,
    /// The state is at fault.
    State(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::State(error)
    }
}

type Served<T> = Result<T, Refusal>;

/// Entries of one import after which the clock is read: some ten microseconds.
const ENTRIES_BETWEEN_CLOCKS: u32 = 256;

/// What each write takes, however short it is: the note that undoes it.
const WRITE_BYTES: usize = 128;

fn misuse<T>(why: String) -> Served<T> {
    Err(Refusal::Misuse(why))
}

fn call_limit<T>(why: String) -> Served<T> {
    Err(Refusal::CallLimit(why))
}

fn too_large<T>(why: String) -> Served<T> {
    Err(Refusal::TooLarge(why))
}

impl HostState {
    /// Serves one import of `state` or `timers`.
    pub(super) fn keyed<R>(
        &mut self,
        import: &str,
        serve: impl FnOnce(&mut KeyedCall, &Limits) -> Served<R>,
    ) -> wasmtime::Result<R> {
        let Some(call) = &mut self.keyed else {
            let why = "which only process functions may use, and only within `on-batch` and `on-timers`";
            return self.refuse(CallError::Trap(format!("called `{import}`, {why}")));
        };
        match call.in_time().and_then(|()| serve(call, &self.services.limits)) {
            Ok(answer) => Ok(answer),
            Err(Refusal::Misuse(why)) => self.refuse(CallError::Trap(format!("called `{import}` {why}"))),
            Err(Refusal::TooLarge(why)) => self.refuse(CallError::Limit(format!("called `{import}` {why}"))),
            Err(Refusal::CallLimit(why)) => self.refuse(CallError::Limit(why)),
            Err(Refusal::Late) => {
                self.refuse(CallError::Deadline(format!("called `{import}` after the deadline of the call")))
            }
            Err(Refusal::State(error)) => {
                call.failure.get_or_insert(error);
                self.refuse(CallError::Trap(format!("`{import}` failed")))
            }
        }
    }
}

impl KeyedCall {
    /// Creates the state of a call over `key_count` keys: all of the operator's batch, or `part` of them.
    pub(super) fn new(
        state: Box<dyn KeyedState>,
        slots: Arc<[StateSlot]>,
        key_count: u32,
        part: Option<Vec<u32>>,
        deadline: Duration,
    ) -> Self {
        let until = clock::monotonic().checked_add(deadline);
        KeyedCall { state, slots, key_count, part, written_bytes: 0, timers_set: 0, until, served: 0, failure: None }
    }

    fn in_time(&self) -> Served<()> {
        match self.until {
            Some(until) if clock::monotonic() > until => Err(Refusal::Late),
            _ => Ok(()),
        }
    }

    /// Counts an entry of an import that takes many.
    fn serve_entry(&mut self) -> Served<()> {
        self.served += 1;
        if self.served < ENTRIES_BETWEEN_CLOCKS {
            return Ok(());
        }
        self.served = 0;
        self.in_time()
    }

    /// Judges what a key has after a write.
    fn key_fits(&mut self, slot: u32, key: u32, limits: &Limits) -> Served<()> {
        if self.state.bytes(slot, key)? > limits.key_state_bytes_max {
            let name = self.slots.get(slot as usize).map_or("", |slot| slot.name.as_str());
            let max = Bytes(limits.key_state_bytes_max as u64);
            return too_large(format!(
                "so that slot `{name}` of one key has more than {max}; `limits: {{ key_state: ... }}` allows more"
            ));
        }
        Ok(())
    }

    fn slot(&self, slot: u32, kind: StateKind) -> Served<()> {
        match self.slots.get(slot as usize) {
            Some(found) if found.kind == kind => Ok(()),
            Some(found) => misuse(format!("on slot `{}`, which is a {}", found.name, found.kind.name())),
            None => misuse(format!("on slot {slot}; its binding has {}", self.slots.len())),
        }
    }

    /// The number of a key in the operator's batch.
    fn key(&self, key: u32) -> Served<u32> {
        if key >= self.key_count {
            return misuse(format!("on key {key}; the call has {}", self.key_count));
        }
        Ok(self.part.as_ref().map_or(key, |part| part[key as usize]))
    }

    fn fits(value: &[u8], limits: &Limits) -> Served<()> {
        if value.len() > limits.state_value_bytes_max {
            let (bytes, max) = (Bytes(value.len() as u64), Bytes(limits.state_value_bytes_max as u64));
            return too_large(format!("with a value of {bytes}; {max} is the most"));
        }
        Ok(())
    }

    fn entry_fits(entry: &[u8], limits: &Limits) -> Served<()> {
        if entry.len() > limits.state_entry_bytes_max {
            let (bytes, max) = (Bytes(entry.len() as u64), Bytes(limits.state_entry_bytes_max as u64));
            return too_large(format!("with an entry's key of {bytes}; {max} is the most"));
        }
        Ok(())
    }

    /// Counts what a call writes: it is kept next to the state until the call has succeeded.
    fn count_written(&mut self, bytes: usize, limits: &Limits) -> Served<()> {
        self.serve_entry()?;
        self.written_bytes = self.written_bytes.saturating_add(bytes).saturating_add(WRITE_BYTES);
        if self.written_bytes > limits.state_written_bytes_max {
            let max = Bytes(limits.state_written_bytes_max as u64);
            return call_limit(format!("wrote more than {max} of state in one call"));
        }
        Ok(())
    }

    pub(super) fn get_all(&mut self, slot: u32, limits: &Limits) -> Served<OptionalValues> {
        self.slot(slot, StateKind::Value)?;
        let mut given = Given::new(self.key_count as usize, limits);
        match &self.part {
            None => {
                let mut pushed = Ok(());
                self.state.get_all(slot, &mut |value| {
                    if pushed.is_ok() {
                        pushed = given.push(value);
                    }
                })?;
                pushed?;
            }
            Some(part) => part.iter().try_for_each(|key| given.push(self.state.get(slot, *key)?))?,
        }
        Ok(given.values)
    }

    pub(super) fn set_all(&mut self, slot: u32, keys: &[u32], values: &OptionalValues, limits: &Limits) -> Served<()> {
        self.slot(slot, StateKind::Value)?;
        optional_hold(values, keys.len())?;
        for (i, key) in keys.iter().enumerate() {
            self.set_one(slot, *key, values.get(i), limits)?;
        }
        Ok(())
    }

    pub(super) fn get(&mut self, slot: u32, key: u32) -> Served<Option<Vec<u8>>> {
        self.slot(slot, StateKind::Value)?;
        let key = self.key(key)?;
        Ok(self.state.get(slot, key)?.map(<[u8]>::to_vec))
    }

    pub(super) fn set(&mut self, slot: u32, key: u32, value: Option<&[u8]>, limits: &Limits) -> Served<()> {
        self.slot(slot, StateKind::Value)?;
        self.set_one(slot, key, value, limits)
    }

    fn set_one(&mut self, slot: u32, key: u32, value: Option<&[u8]>, limits: &Limits) -> Served<()> {
        let key = self.key(key)?;
        Self::fits(value.unwrap_or_default(), limits)?;
        self.count_written(value.map_or(0, <[u8]>::len), limits)?;
        Ok(self.state.set(slot, key, value)?)
    }

    pub(super) fn map_get(
        &mut self,
        slot: u32,
        keys: &[u32],
        entries: &VarValues,
        limits: &Limits,
    ) -> Served<OptionalValues> {
        self.slot(slot, StateKind::Map)?;
        values_hold(entries, keys.len())?;
        let mut given = Given::new(keys.len(), limits);
        for (key, entry) in keys.iter().zip(entries.iter()) {
            self.serve_entry()?;
            let key = self.key(*key)?;
            given.push(self.state.map_get(slot, key, entry)?)?;
        }
        Ok(given.values)
    }

    pub(super) fn map_set(
        &mut self,
        slot: u32,
        keys: &[u32],
        entries: &VarValues,
        values: &OptionalValues,
        limits: &Limits,
    ) -> Served<()> {
        self.slot(slot, StateKind::Map)?;
        values_hold(entries, keys.len())?;
        optional_hold(values, keys.len())?;
        for (i, (key, entry)) in keys.iter().zip(entries.iter()).enumerate() {
            let (key, value) = (self.key(*key)?, values.get(i));
            Self::entry_fits(entry, limits)?;
            Self::fits(value.unwrap_or_default(), limits)?;
            self.count_written(entry.len() + value.map_or(0, <[u8]>::len), limits)?;
            self.state.map_set(slot, key, entry, value)?;
            self.key_fits(slot, key, limits)?;
        }
        Ok(())
    }

    pub(super) fn map_entries(
        &mut self,
        slot: u32,
        key: u32,
        after: Option<&[u8]>,
        limit: u32,
        limits: &Limits,
    ) -> Served<Vec<(Vec<u8>, Vec<u8>)>> {
        self.slot(slot, StateKind::Map)?;
        let (key, limit) = (self.key(key)?, at_most(limit, limits)?);
        let mut entries = Vec::new();
        let mut bytes = 0;
        self.state.map_entries(slot, key, after, limit, &mut |entry, value| {
            bytes += entry.len() + value.len();
            if bytes <= limits.state_read_bytes_max {
                entries.push((entry.to_vec(), value.to_vec()));
            }
        })?;
        read_fits(bytes, limits)?;
        Ok(entries)
    }

    pub(super) fn map_clear(&mut self, slot: u32, keys: &[u32], limits: &Limits) -> Served<()> {
        self.slot(slot, StateKind::Map)?;
        for key in keys {
            let key = self.key(*key)?;
            self.count_written(0, limits)?;
            self.state.map_clear(slot, key)?;
        }
        Ok(())
    }

    pub(super) fn list_append(&mut self, slot: u32, keys: &[u32], elements: &VarValues, limits: &Limits) -> Served<()> {
        self.slot(slot, StateKind::List)?;
        values_hold(elements, keys.len())?;
        for (key, element) in keys.iter().zip(elements.iter()) {
            let key = self.key(*key)?;
            Self::fits(element, limits)?;
            self.count_written(element.len(), limits)?;
            self.state.list_append(slot, key, element)?;
            self.key_fits(slot, key, limits)?;
        }
        Ok(())
    }

    pub(super) fn list_elements(
        &mut self,
        slot: u32,
        key: u32,
        start: u32,
        limit: u32,
        limits: &Limits,
    ) -> Served<VarValues> {
        self.slot(slot, StateKind::List)?;
        let (key, limit) = (self.key(key)?, at_most(limit, limits)?);
        let mut elements = VarValues::default();
        let mut bytes = 0;
        self.state.list_elements(slot, key, start as usize, limit, &mut |element| {
            bytes += element.len();
            if bytes <= limits.state_read_bytes_max {
                elements.push(element);
            }
        })?;
        read_fits(bytes, limits)?;
        Ok(elements)
    }

    pub(super) fn list_clear(&mut self, slot: u32, keys: &[u32], limits: &Limits) -> Served<()> {
        self.slot(slot, StateKind::List)?;
        for key in keys {
            let key = self.key(*key)?;
            self.count_written(0, limits)?;
            self.state.list_clear(slot, key)?;
        }
        Ok(())
    }

    pub(super) fn set_timers(&mut self, timers: &[Timer], limits: &Limits) -> Served<()> {
        self.timers_set = self.timers_set.saturating_add(timers.len());
        if self.timers_set > limits.timers_per_call_max {
            return call_limit(format!("set more than {} timers in one call", limits.timers_per_call_max));
        }
        for timer in timers {
            self.serve_entry()?;
            let key = self.key(timer.key)?;
            self.state.set_timer(Timer { key, ..*timer })?;
        }
        Ok(())
    }

    pub(super) fn clear_timers(&mut self, timers: &[Timer], limits: &Limits) -> Served<()> {
        for timer in timers {
            let key = self.key(timer.key)?;
            self.count_written(0, limits)?;
            self.state.clear_timer(Timer { key, ..*timer })?;
        }
        Ok(())
    }
}

/// Values on their way to the function, of which one import returns at most `bytes_max` bytes.
struct Given<'a> {
    values: OptionalValues,
    limits: &'a Limits,
}

impl<'a> Given<'a> {
    fn new(count: usize, limits: &'a Limits) -> Self {
        let mut values = VarValues::default();
        values.offsets.reserve(count);
        let present = vec![0; count.div_ceil(8)];
        Given { values: OptionalValues { present, values }, limits }
    }

    fn push(&mut self, value: Option<&[u8]>) -> Served<()> {
        let at = self.values.values.len();
        if let Some(value) = value {
            read_fits(self.values.values.data.len() + value.len(), self.limits)?;
            self.values.present[at / 8] |= 1 << (at % 8);
        }
        self.values.values.push(value.unwrap_or_default());
        Ok(())
    }
}

/// More than fits is not cut short: less than the limit would say that there is no more.
fn read_fits(bytes: usize, limits: &Limits) -> Served<()> {
    if bytes > limits.state_read_bytes_max {
        let max = Bytes(limits.state_read_bytes_max as u64);
        return too_large(format!("for more than {max} of values; {max} is the most that it returns at once"));
    }
    Ok(())
}

fn at_most(limit: u32, limits: &Limits) -> Served<usize> {
    if limit as usize > limits.state_entries_max {
        return too_large(format!("with a limit of {limit}; {} is the most", limits.state_entries_max));
    }
    Ok(limit as usize)
}

fn values_hold(values: &VarValues, count: usize) -> Served<()> {
    if values.len() != count || values.offsets.is_empty() {
        return misuse(format!("with {} values for {count} keys", values.len()));
    }
    offsets_hold(values).or_else(|why| misuse(format!("with a list of values that {why}")))
}

fn optional_hold(values: &OptionalValues, count: usize) -> Served<()> {
    values_hold(&values.values, count)?;
    if values.present.len() != count.div_ceil(8) {
        return misuse(format!("with {} bytes of bits for {count} values", values.present.len()));
    }
    Ok(())
}

//! The state and the timers of one operator on one worker, for the keys of a call.

use super::next_state::Leaving;
use crate::dataflow::checkpoint::state::{SlotName, StateVisitor};
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Field;
use flowgate_base::time::ProcessingTime;
use flowgate_state::key::Keys;
use flowgate_state::slots::{SlotSpec, Slots};
use flowgate_state::store::{SlotKind, StateStore};
use flowgate_state::timers::{Clock, Timers};
use flowgate_wall::binding::{StateKind, StateSlot};
use flowgate_wall::{KeyedState, Timer, TimerChange, TimerClock};

/// The state and timers of a process function. Timers that a call sets and clears take effect when it has succeeded.
pub(crate) struct ProcessState {
    pub(super) slots: Slots,
    pub(super) specs: Vec<SlotSpec>,
    /// Slots of earlier versions of the function, until snapshots do not have them any more.
    pub(super) leaving: Vec<Leaving>,
    pub(super) store: StateStore,
    timers: Timers,
    /// The keys of the call.
    keys: Keys,
    /// The timers that the call sets (`true`) or clears, in order.
    changes: Vec<(bool, Timer)>,
    /// Those that took effect, while somebody wants to know.
    noted: Option<Vec<TimerChange>>,
}

/// Returns the clock of a timer as the state's type.
pub(crate) fn clock(clock: TimerClock) -> Clock {
    match clock {
        TimerClock::EventTime => Clock::EventTime,
        TimerClock::ProcessingTime => Clock::ProcessingTime,
    }
}

/// Returns the slots of a binding as the state's type.
pub(super) fn specs_of(slots: &[StateSlot]) -> Vec<SlotSpec> {
    let spec = |slot: &StateSlot| SlotSpec {
        name: slot.name.clone(),
        kind: match slot.kind {
            StateKind::Value => SlotKind::Value,
            StateKind::Map => SlotKind::Map,
            StateKind::List => SlotKind::List,
        },
        ttl_ms: slot.ttl_ms,
    };
    slots.iter().map(spec).collect()
}

impl ProcessState {
    /// Creates the state of a function that has no key yet; `slots` are those of its binding.
    pub(crate) fn new(slots: &[StateSlot], store: &StateStore) -> Result<Self> {
        let specs = specs_of(slots);
        Ok(ProcessState {
            slots: Slots::new(&specs, store)?,
            specs,
            leaving: Vec::new(),
            store: store.clone(),
            timers: Timers::new(store),
            keys: Keys::Unit(0),
            changes: Vec::new(),
            noted: None,
        })
    }

    /// Begins the calls of a batch. `keys` are its keys, each once; `now` is their processing time.
    pub(crate) fn begin(&mut self, keys: Keys, now: ProcessingTime) -> Result<()> {
        self.changes.clear();
        self.slots.begin(&keys, now.0)?;
        self.timers.settle()?;
        self.keys = keys;
        Ok(())
    }

    /// Shows the state of all keys, as [`Operator::state`](crate::dataflow::engine::Operator::state) does.
    pub(crate) fn show(&mut self, key: &[Field], visit: &mut dyn StateVisitor) -> Result<()> {
        if visit.freezes().is_some() {
            self.leaving.retain(|leaving| !leaving.is_said);
            self.leaving.iter_mut().for_each(|leaving| leaving.is_said = true);
        }
        // What they say is in front of what a later slot of the same name has.
        for Leaving { slots, specs, .. } in &mut self.leaving {
            for (position, spec) in specs.iter().enumerate() {
                let name = SlotName { kind: spec.kind, name: &spec.name };
                visit.slot(name, &mut *slots.snapshots(position, key)?)?;
            }
        }
        for (position, spec) in self.specs.iter().enumerate() {
            let name = SlotName { kind: spec.kind, name: &spec.name };
            visit.slot(name, &mut *self.slots.snapshots(position, key)?)?;
        }
        visit.slot(SlotName { kind: SlotKind::Timers, name: "timers" }, &mut self.timers.snapshots(key))
    }

    /// The keys of the call.
    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Notes the timers that the next call sets and clears.
    pub(crate) fn note_timers(&mut self) {
        self.noted = Some(Vec::new());
    }

    /// Returns the timers that were set and cleared since [`ProcessState::note_timers`], and notes no more.
    ///
    /// # Errors
    /// They were not to be noted: our mistake.
    pub(crate) fn noted_timers(&mut self) -> Result<Vec<TimerChange>> {
        self.noted.take().ok_or_else(|| Error::internal("the timers of a call were not noted"))
    }

    /// The timers of all keys.
    pub(crate) fn timers(&mut self) -> &mut Timers {
        &mut self.timers
    }
}

impl KeyedState for ProcessState {
    fn get(&mut self, slot: u32, key: u32) -> Result<Option<&[u8]>> {
        self.slots.get(slot, key)
    }

    fn get_all(&mut self, slot: u32, give: &mut dyn FnMut(Option<&[u8]>)) -> Result<()> {
        self.slots.get_all(slot, give)
    }

    fn set(&mut self, slot: u32, key: u32, value: Option<&[u8]>) -> Result<()> {
        self.slots.set(slot, key, value)
    }

    fn map_get(&mut self, slot: u32, key: u32, entry: &[u8]) -> Result<Option<&[u8]>> {
        self.slots.map_get(slot, key, entry)
    }

    fn map_set(&mut self, slot: u32, key: u32, entry: &[u8], value: Option<&[u8]>) -> Result<()> {
        self.slots.map_set(slot, key, entry, value)
    }

    fn map_entries(
        &mut self,
        slot: u32,
        key: u32,
        after: Option<&[u8]>,
        limit: usize,
        give: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<()> {
        self.slots.map_entries(slot, key, after, limit, give)
    }

    fn map_clear(&mut self, slot: u32, key: u32) -> Result<()> {
        self.slots.map_clear(slot, key)
    }

    fn list_append(&mut self, slot: u32, key: u32, element: &[u8]) -> Result<()> {
        self.slots.list_append(slot, key, element)
    }

    fn list_elements(
        &mut self,
        slot: u32,
        key: u32,
        start: usize,
        limit: usize,
        give: &mut dyn FnMut(&[u8]),
    ) -> Result<()> {
        self.slots.list_elements(slot, key, start, limit, give)
    }

    fn list_clear(&mut self, slot: u32, key: u32) -> Result<()> {
        self.slots.list_clear(slot, key)
    }

    fn bytes(&mut self, slot: u32, key: u32) -> Result<usize> {
        self.slots.bytes(slot, key)
    }

    fn set_timer(&mut self, timer: Timer) -> Result<()> {
        self.changes.push((true, timer));
        Ok(())
    }

    fn clear_timer(&mut self, timer: Timer) -> Result<()> {
        self.changes.push((false, timer));
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        for (is_set, timer) in self.changes.drain(..) {
            if let Some(noted) = &mut self.noted {
                noted.push(TimerChange { is_set, timer });
            }
            let key = self.keys.get(timer.key as usize);
            match is_set {
                true => self.timers.set(key, clock(timer.clock), timer.time, timer.tag)?,
                false => self.timers.clear(key, clock(timer.clock), timer.time, timer.tag)?,
            }
        }
        self.slots.commit();
        Ok(())
    }

    fn roll_back(&mut self) {
        self.changes.clear();
        self.slots.rollback();
    }
}

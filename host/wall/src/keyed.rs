//! State and timers of process functions, as the wall sees them: the operator brings something that has this trait.

use std::any::Any;

use flowgate_base::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// The clock of a timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimerClock {
    /// It fires when the operator's watermark reaches its time.
    EventTime,
    /// It fires when the job's processing time reaches its time.
    ProcessingTime,
}

/// One timer of a key of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Timer {
    /// Number of the key in the call.
    pub key: u32,
    /// By which clock.
    pub clock: TimerClock,
    /// Unix milliseconds.
    pub time: i64,
    /// The function's own; timers of a key that differ in it are different timers.
    pub tag: u64,
}

/// State and timers of the keys of one call. Keys are known by their number in the call, slots by their position in the
/// binding; the wall has checked that both are there and that the slot is of the right kind.
///
/// Reads see what the call has written. A write takes effect with [`KeyedState::commit`];
/// [`KeyedState::roll_back`] forgets those since the last commit. An error is never the function's fault.
pub trait KeyedState: Any + Send {
    /// Returns the value of a key.
    fn get(&mut self, slot: u32, key: u32) -> Result<Option<&[u8]>>;
    /// Passes the value of every key of the call to `emit`, in their order.
    fn get_all(&mut self, slot: u32, emit: &mut dyn FnMut(Option<&[u8]>)) -> Result<()>;
    /// Sets the value of a key; `None` clears it.
    fn set(&mut self, slot: u32, key: u32, value: Option<&[u8]>) -> Result<()>;

    /// Returns an entry of a key's map.
    fn map_get(&mut self, slot: u32, key: u32, entry: &[u8]) -> Result<Option<&[u8]>>;
    /// Sets an entry; `None` removes it.
    fn map_set(&mut self, slot: u32, key: u32, entry: &[u8], value: Option<&[u8]>) -> Result<()>;
    /// Passes the entries after `after` to `emit`, in the order of their bytes, at most `limit`.
    fn map_entries(
        &mut self,
        slot: u32,
        key: u32,
        after: Option<&[u8]>,
        limit: usize,
        emit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<()>;
    /// Removes all entries of a key.
    fn map_clear(&mut self, slot: u32, key: u32) -> Result<()>;

    /// Appends to a key's list.
    fn list_append(&mut self, slot: u32, key: u32, element: &[u8]) -> Result<()>;
    /// Passes the elements from position `start` on to `emit`, at most `limit`.
    fn list_elements(
        &mut self,
        slot: u32,
        key: u32,
        start: usize,
        limit: usize,
        emit: &mut dyn FnMut(&[u8]),
    ) -> Result<()>;
    /// Empties a key's list.
    fn list_clear(&mut self, slot: u32, key: u32) -> Result<()>;

    /// Returns the bytes that a key has in a slot.
    fn bytes(&mut self, slot: u32, key: u32) -> Result<usize>;

    /// Sets a timer, unless it is set already.
    fn set_timer(&mut self, timer: Timer) -> Result<()>;
    /// Clears a timer, if it is set.
    fn clear_timer(&mut self, timer: Timer) -> Result<()>;

    /// Makes what was written since the last commit take effect.
    fn commit(&mut self) -> Result<()>;
    /// Forgets what was written since the last commit.
    fn roll_back(&mut self);
}

/// An operator's state, which crosses to an instance for a call and comes back after it.
pub struct StateHandle(Option<Box<dyn KeyedState>>);

impl StateHandle {
    /// Creates a handle that holds `state`.
    pub fn new(state: impl KeyedState) -> Self {
        StateHandle(Some(Box::new(state)))
    }

    /// Returns the state, between calls.
    ///
    /// # Errors
    /// It is of another type, or was lost with a call that panicked: our mistake.
    pub fn state<S: KeyedState>(&mut self) -> Result<&mut S> {
        let state: Option<&mut dyn Any> = self.0.as_deref_mut().map(|state| state as &mut dyn Any);
        state.and_then(|state| state.downcast_mut()).ok_or_else(lost)
    }

    pub(super) fn take(&mut self) -> Result<Box<dyn KeyedState>> {
        self.0.take().ok_or_else(lost)
    }

    pub(super) fn put_back(&mut self, state: Box<dyn KeyedState>) {
        self.0 = Some(state);
    }

    pub(super) fn any(&mut self) -> Result<&mut dyn KeyedState> {
        self.0.as_deref_mut().ok_or_else(lost)
    }
}

fn lost() -> Error {
    Error::internal("an operator's state was lost in a call that panicked")
}

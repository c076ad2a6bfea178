//! Slots: the fields of a struct of state, each with the values of every key of a call.

use crate::column::batch::VarValues;
use crate::function::binding::{StateKind, StateSpec};
use crate::state::encode::StateValue;
use crate::state::migrate::not_migrated;

/// The state that a process function keeps for each key, by `#[derive(State)]`: a struct whose fields are
/// [`Value`](crate::Value), [`Map`](crate::Map) and [`List`](crate::List). `()` keeps nothing.
///
/// A field's name is that of its slot: state survives an update of the plugin under it. `#[state(...)]` on a field accepts
/// `name = "..."`, `version = 2` (of the encoding of its values; default: 1), `migrate(1 = widen)` (the function that turns a
/// value of version 1 into one of today) and `ttl = "1h"` (`ms`, `s`, `m`, `h` or `d` of processing time after the last write;
/// then the host may remove the value, entry or element).
///
/// ```
/// use flowgate_sdk::{List, Map, State, Value};
///
/// #[derive(State)]
/// struct Visits {
///     last_page: Value<String>,
///     #[state(ttl = "1d")]
///     pages: Map<String, u64>,
///     #[state(version = 2, migrate(1 = seconds))]
///     latencies: List<f64>,
/// }
///
/// /// Version 1 had milliseconds.
/// fn seconds(millis: u64) -> f64 {
///     millis as f64 / 1_000.0
/// }
/// ```
///
/// In a call, `ctx.state` has the state of all keys of the batch. The methods of its fields refer to the key of the row or timer
/// with which the function is called. Where the contract allows it, one call of the host fetches the values of all keys; one call
/// at the end writes all changes. Where a row or timer fails, its writes are undone.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no state",
    label = "no state",
    note = "write `#[derive(flowgate_sdk::State)]` on a struct whose fields are `Value`, `Map` and `List`"
)]
pub trait State: Sized {
    /// Whether one of the slots can read values of older versions.
    const MIGRATES: bool = false;
    /// The slots, in order.
    fn specs() -> Vec<StateSpec>;
    /// Creates the state of a call with this number of keys, nothing of which is fetched yet.
    fn new(keys: usize) -> Self;
    /// Makes `key` the current key, for given row `row`.
    fn begin(&mut self, row: u32, key: u32);
    /// Undoes the writes since `begin`.
    fn undo(&mut self);
    /// Fetches what was requested ahead.
    fn fetch(&mut self);
    /// Checks that all stored state could be read; otherwise nothing may be written back.
    ///
    /// # Errors
    /// Stored bytes are not an encoding of the slot's type.
    fn check(&self) -> Result<(), String>;
    /// Sends the host what was written.
    fn write_back(self);
    /// Returns values of a slot, which version `version` wrote, in today's encoding.
    ///
    /// # Errors
    /// The slot does not read this version, or one of the values cannot be migrated.
    fn migrate(slot: &str, version: u32, values: &VarValues) -> Result<VarValues, String> {
        let _ = values;
        Err(not_migrated(slot, version, &Self::specs()))
    }
}

impl State for () {
    fn specs() -> Vec<StateSpec> {
        Vec::new()
    }
    fn new(_keys: usize) -> Self {}
    #[inline(always)]
    fn begin(&mut self, _row: u32, _key: u32) {}
    fn undo(&mut self) {}
    fn fetch(&mut self) {}
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
    fn write_back(self) {}
}

/// One slot: a field of a [`State`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no slot of state",
    label = "no slot",
    note = "a field of a state is a `Value<T>`, a `Map<K, V>` or a `List<T>`"
)]
pub trait Slot: Sized {
    /// The kind of the slot.
    const KIND: StateKind;
    /// What is stored one by one, and so migrated: the value, the value of an entry, or an element.
    type Item: StateValue;
    /// Creates slot `number` of the binding, with nothing fetched yet.
    fn new(number: u32, keys: usize) -> Self;
    /// As [`State::begin`].
    fn begin(&mut self, row: u32, key: u32);
    /// As [`State::undo`].
    fn undo(&mut self);
    /// As [`State::fetch`].
    fn fetch(&mut self) {}
    /// Whether all stored values could be read.
    fn is_sound(&self) -> bool;
    /// As [`State::write_back`].
    fn write_back(self);
}

/// [`State::check`] of one slot.
pub fn check(is_sound: bool, name: &str) -> Result<(), String> {
    if is_sound {
        return Ok(());
    }
    Err(format!(
        "the stored state of `{name}` is not what this version of the function reads: give the slot the next version \
         (`#[state(version = ...)]`) when its type changes"
    ))
}

/// The key and row that a slot refers to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Current {
    pub(crate) row: u32,
    pub(crate) key: u32,
}

impl Current {
    /// Before the first row: no row has this number, because batches are smaller.
    pub(crate) const NONE: Current = Current { row: u32::MAX, key: 0 };

    #[inline(always)]
    pub(crate) fn key(self) -> usize {
        self.key as usize
    }
}

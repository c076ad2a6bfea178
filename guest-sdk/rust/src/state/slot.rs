//! Slots: the fields of a struct of state, each of them the values of every key of a call.

use crate::function::binding::{StateKind, StateSpec};

/// What a process function keeps for each key, by `#[derive(State)]`: a struct whose fields are [`Value`](crate::Value),
/// [`Map`](crate::Map) and [`List`](crate::List). `()` keeps nothing.
///
/// A field's name is that of its slot: state survives a change of the plugin under it. `#[state(...)]` on a field takes
/// `name = "..."`, `version = 2` (of the encoding of its values; 1 where it is left out) and `ttl = "1h"` (`ms`, `s`, `m`, `h`
/// or `d` of processing time after the last write, after which the host may forget the value, entry or element).
///
/// ```
/// use flowgate_sdk::{List, Map, State, Value};
///
/// #[derive(State)]
/// struct Visits {
///     last_page: Value<String>,
///     #[state(ttl = "1d")]
///     pages: Map<String, u64>,
///     #[state(version = 2)]
///     latencies: List<f64>,
/// }
/// ```
///
/// In a call, `ctx.state` has the state of all keys of the batch. The methods of its fields are about the key of the row or
/// timer that the function is called with. What is read is fetched for all keys by one call of the host where the contract
/// has one, and what is written is written by one call at the end. Where a row or timer fails, what was written for it is
/// undone.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no state",
    label = "no state",
    note = "write `#[derive(flowgate_sdk::State)]` on a struct whose fields are `Value`, `Map` and `List`"
)]
pub trait State: Sized {
    /// The slots, in order.
    fn specs() -> Vec<StateSpec>;
    /// Creates a slot of a call with this number of keys, of which nothing is fetched yet.
    fn new(keys: usize) -> Self;
    /// From now on it is about this key, for this given row.
    fn begin(&mut self, row: u32, key: u32);
    /// Undoes what was written since `begin`.
    fn undo(&mut self);
    /// Fetches what was asked for ahead.
    fn fetch(&mut self);
    /// Why what was read or written cannot stand; then nothing may be written back.
    ///
    /// # Errors
    /// What the host had stored is no such value.
    fn check(&self) -> Result<(), String>;
    /// Gives the host what was written.
    fn write_back(self);
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
    /// What it holds.
    const KIND: StateKind;
    /// Slot `number` of the binding; nothing fetched yet.
    fn new(number: u32, keys: usize) -> Self;
    /// As [`State::begin`].
    fn begin(&mut self, row: u32, key: u32);
    /// As [`State::undo`].
    fn undo(&mut self);
    /// As [`State::fetch`].
    fn fetch(&mut self) {}
    /// Whether everything that the host had stored could be read.
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

/// Which key and row a slot is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Current {
    pub(crate) row: u32,
    pub(crate) key: u32,
}

impl Current {
    /// Before the first row: no row has this number, the host gives fewer.
    pub(crate) const NONE: Current = Current { row: u32::MAX, key: 0 };

    #[inline(always)]
    pub(crate) fn key(self) -> usize {
        self.key as usize
    }
}

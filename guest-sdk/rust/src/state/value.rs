//! One value per key.

use crate::function::binding::StateKind;
use crate::host::state;
use crate::state::encode::{StateValue, decode_whole};
use crate::state::optional::OptionalBuilder;
use crate::state::slot::{Current, Slot};

/// One value for each key, or none. A field of a [`State`](trait@crate::State).
///
/// One call of the host fetches the values of all keys of the batch when the first is read, and one at the end writes those that
/// changed.
#[derive(Debug)]
pub struct Value<T> {
    number: u32,
    /// The number of keys in the call.
    count: usize,
    current: Current,
    /// One for each key, once a value was read or written.
    keys: Vec<Kept<T>>,
    /// The value of key `undo_key` before row `undo_row`.
    undo: Option<Kept<T>>,
    undo_row: u32,
    sound: bool,
}

#[derive(Debug)]
struct Kept<T> {
    value: Option<T>,
    changed: bool,
}

impl<T: StateValue> Value<T> {
    /// Returns the value of this key.
    #[inline(always)]
    pub fn get(&mut self) -> Option<&T> {
        self.kept().value.as_ref()
    }

    /// Whether this key has a value.
    #[inline(always)]
    pub fn is_some(&mut self) -> bool {
        self.kept().value.is_some()
    }

    /// Sets the value of this key. An equal value also counts as a write for the time-to-live.
    #[inline(always)]
    pub fn set(&mut self, value: T) {
        self.put(Some(value));
    }

    /// Clears the value of this key.
    #[inline(always)]
    pub fn clear(&mut self) {
        self.put(None);
    }

    /// Sets the value to the result of `change`. The old one is cloned, in case the row fails.
    #[inline(always)]
    pub fn update(&mut self, change: impl FnOnce(Option<T>) -> T)
    where
        T: Clone,
    {
        let old = self.get().cloned();
        self.put(Some(change(old)));
    }

    #[inline(always)]
    fn kept(&mut self) -> &mut Kept<T> {
        if self.keys.is_empty() {
            self.load();
        }
        &mut self.keys[self.current.key()]
    }

    #[inline(always)]
    fn put(&mut self, value: Option<T>) {
        let old = std::mem::replace(self.kept(), Kept { value, changed: true });
        if self.undo_row != self.current.row {
            self.undo_row = self.current.row;
            self.undo = Some(old);
        }
    }

    #[cold]
    fn load(&mut self) {
        let stored = state::get_all(self.number);
        self.keys.reserve_exact(self.count);
        for bytes in stored.iter() {
            let value = bytes.and_then(decode_whole);
            self.sound &= value.is_some() == bytes.is_some();
            self.keys.push(Kept { value, changed: false });
        }
    }
}

impl<T: StateValue> Slot for Value<T> {
    const KIND: StateKind = StateKind::Value;
    type Item = T;

    fn new(number: u32, keys: usize) -> Self {
        let (keys, count) = (Vec::new(), keys);
        Value { number, count, current: Current::NONE, keys, undo: None, undo_row: u32::MAX, sound: true }
    }

    #[inline(always)]
    fn begin(&mut self, row: u32, key: u32) {
        self.current = Current { row, key };
    }

    fn undo(&mut self) {
        if self.undo_row == self.current.row
            && let Some(old) = self.undo.take()
        {
            self.keys[self.current.key()] = old;
            self.undo_row = u32::MAX;
        }
    }

    fn is_sound(&self) -> bool {
        self.sound
    }

    fn write_back(self) {
        let changed = self.keys.iter().filter(|kept| kept.changed).count();
        if changed == 0 {
            return;
        }
        let mut keys = Vec::with_capacity(changed);
        let mut values = OptionalBuilder::with_capacity(changed, changed * size_of::<T>());
        for (key, kept) in (0..).zip(&self.keys).filter(|(_, kept)| kept.changed) {
            keys.push(key);
            values.push(kept.value.as_ref(), T::encode);
        }
        state::set_all(self.number, &keys, &values.finish());
    }
}

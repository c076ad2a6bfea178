//! Elements per key, in the order in which they were appended.

use crate::column::batch::VarValues;
use crate::function::binding::StateKind;
use crate::host::state;
use crate::state::encode::{StateValue, decode_whole};
use crate::state::slot::{Current, Slot};

/// Maximum elements that one call of the host fetches.
const FETCH_MAX: u32 = 4_096;

/// Elements for each key, in the order in which they were pushed. A field of a [`State`](trait@crate::State).
///
/// Pushing fetches nothing, and one call of the host writes all pushed elements. The elements of a key are fetched when they
/// are first read in a call.
#[derive(Debug)]
pub struct List<T> {
    number: u32,
    count: usize,
    current: Current,
    keys: Vec<Kept<T>>,
    undo: Undo<T>,
    undo_row: u32,
    sound: bool,
}

#[derive(Debug)]
struct Kept<T> {
    /// The fetched elements, then the pushed ones.
    items: Vec<T>,
    /// The number of fetched elements.
    fetched: usize,
    /// Whether all stored elements were fetched, or are hidden by a `clear`.
    whole: bool,
    cleared: bool,
}

/// The changes of this row.
#[derive(Debug)]
struct Undo<T> {
    /// The number of elements pushed since the last `clear`, before this row.
    pushed: usize,
    /// The elements that the row's first `clear` removed.
    cleared: Option<Kept<T>>,
}

impl<T: StateValue> List<T> {
    /// Appends an element to the list of this key.
    #[inline]
    pub fn push(&mut self, element: T) {
        self.remember();
        self.kept().items.push(element);
    }

    /// Returns the elements of this key; those pushed last are at the end.
    pub fn get(&mut self) -> &[T] {
        if !self.kept().whole {
            self.load();
        }
        &self.kept().items
    }

    /// Removes all elements of this key.
    pub fn clear(&mut self) {
        self.remember();
        let empty = Kept { items: Vec::new(), fetched: 0, whole: true, cleared: true };
        let old = std::mem::replace(self.kept(), empty);
        self.undo.cleared.get_or_insert(old);
    }

    /// Replaces the elements of this key.
    pub fn replace(&mut self, elements: impl IntoIterator<Item = T>) {
        let elements: Vec<T> = elements.into_iter().collect();
        self.clear();
        self.kept().items = elements;
    }

    #[inline(always)]
    fn kept(&mut self) -> &mut Kept<T> {
        if self.keys.is_empty() {
            let nothing = || Kept { items: Vec::new(), fetched: 0, whole: false, cleared: false };
            self.keys.resize_with(self.count, nothing);
        }
        &mut self.keys[self.current.key()]
    }

    #[inline(always)]
    fn remember(&mut self) {
        if self.undo_row != self.current.row {
            let kept = self.kept();
            let pushed = kept.items.len() - kept.fetched;
            self.undo = Undo { pushed, cleared: None };
            self.undo_row = self.current.row;
        }
    }

    #[cold]
    fn load(&mut self) {
        let (number, key) = (self.number, self.current.key);
        let mut items = Vec::new();
        loop {
            let chunk = state::list_elements(number, key, items.len() as u32, FETCH_MAX);
            for bytes in chunk.iter() {
                match decode_whole(bytes) {
                    Some(element) => items.push(element),
                    None => {
                        self.sound = false;
                        self.kept().whole = true;
                        return;
                    }
                }
            }
            if chunk.len() < FETCH_MAX as usize {
                break;
            }
        }
        let kept = self.kept();
        kept.fetched = items.len();
        items.append(&mut kept.items);
        kept.items = items;
        kept.whole = true;
    }
}

impl<T: StateValue> Slot for List<T> {
    const KIND: StateKind = StateKind::List;
    type Item = T;

    fn new(number: u32, keys: usize) -> Self {
        let undo = Undo { pushed: 0, cleared: None };
        let (keys, count) = (Vec::new(), keys);
        List { number, count, current: Current::NONE, keys, undo, undo_row: u32::MAX, sound: true }
    }

    #[inline(always)]
    fn begin(&mut self, row: u32, key: u32) {
        self.current = Current { row, key };
    }

    fn undo(&mut self) {
        if self.undo_row != self.current.row {
            return;
        }
        self.undo_row = u32::MAX;
        let Undo { pushed, cleared } = std::mem::replace(&mut self.undo, Undo { pushed: 0, cleared: None });
        let kept = self.kept();
        if let Some(old) = cleared {
            *kept = old;
        }
        kept.items.truncate(kept.fetched + pushed);
    }

    fn is_sound(&self) -> bool {
        self.sound
    }

    fn write_back(self) {
        let of_keys = || (0..).zip(&self.keys);
        let cleared: Vec<u32> = of_keys().filter(|(_, kept)| kept.cleared).map(|(key, _)| key).collect();
        if !cleared.is_empty() {
            state::list_clear(self.number, &cleared);
        }
        let mut keys = Vec::new();
        let mut elements = VarValues::with_capacity(0, 0);
        for (key, kept) in of_keys() {
            for element in &kept.items[kept.fetched..] {
                keys.push(key);
                element.encode(&mut elements.data);
                elements.end_value();
            }
        }
        if !keys.is_empty() {
            state::list_append(self.number, &keys, &elements);
        }
    }
}

//! The naive model of every kind of state: entries with the times of their writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, StringArray};
use proptest::prelude::*;

use super::KEY_GROUPS;
use crate::key::{KeyGroup, KeyGroups, Keys};
use flowgate_base::schema::{DataType, Field};

/// The number of keys.
pub(crate) const KEYS: u8 = 12;

/// The entry whose elements replace all of a list.
pub(crate) const REPLACE: u8 = 3;

/// What is seen: values by pane, key and entry.
pub(crate) type View = BTreeMap<(i64, u8, Vec<u8>), Vec<u8>>;

/// The columns of the key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum KeyType {
    Int,
    Text,
    Both,
}

/// Returns the fields of keys.
pub(crate) fn key_fields(key_type: KeyType) -> Vec<Field> {
    let (int, text) = (Field::nullable("i", DataType::Int64), Field::nullable("t", DataType::Text));
    match key_type {
        KeyType::Int => vec![int],
        KeyType::Text => vec![text],
        KeyType::Both => vec![int, text],
    }
}

/// Returns keys by their numbers; number 0 is null.
pub(crate) fn keys(numbers: &[u8], key_type: KeyType) -> Keys {
    let ints = numbers.iter().map(|n| (*n > 0).then_some(i64::from(*n) - 3)).collect::<Int64Array>();
    let text = |n: &u8| (*n > 0).then(|| "longer than a tag"[..usize::from(*n - 1)].to_string() + &format!("{n}"));
    let texts = numbers.iter().map(text).collect::<StringArray>();
    let columns: Vec<ArrayRef> = match key_type {
        KeyType::Int => vec![Arc::new(ints)],
        KeyType::Text => vec![Arc::new(texts)],
        KeyType::Both => vec![Arc::new(ints), Arc::new(texts)],
    };
    Keys::of(&columns, numbers.len()).unwrap()
}

/// Returns the key group of a key.
pub(crate) fn group_of(key: u8, key_type: KeyType) -> KeyGroup {
    KeyGroups::new(KEY_GROUPS).of(keys(&[key], key_type).hashes()[0])
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Set,
    Remove,
    RemoveKey,
    RemovePane,
}

/// A change. Each kind of state takes from it what it has.
#[derive(Debug, Clone)]
pub(crate) struct Op {
    pub(crate) what: What,
    pub(crate) pane: i64,
    pub(crate) key: u8,
    pub(crate) entry: u8,
    pub(crate) value: Vec<u8>,
    /// It is rolled back, where that is possible; else it does not happen.
    pub(crate) fails: bool,
}

pub(crate) fn op() -> impl Strategy<Value = Op> {
    use What::{Remove, RemoveKey, RemovePane, Set};
    let what = prop_oneof![8 => Just(Set), 2 => Just(Remove), 2 => Just(RemoveKey), 1 => Just(RemovePane)];
    let value = prop_oneof![prop::collection::vec(any::<u8>(), 0..4), prop::collection::vec(any::<u8>(), 20..40)];
    (what, 0i64..4, 0..KEYS, 0u8..4, value, prop::bool::weighted(0.1))
        .prop_map(|(what, pane, key, entry, value, fails)| Op { what, pane, key, entry, value, fails })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Rows,
    Value,
    Map,
    List,
    Panes,
    Timers,
}

/// An entry, its value, and when it was written.
type Entry = (Vec<u8>, Vec<u8>, i64);

/// The state.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    kind: Kind,
    ttl_ms: Option<i64>,
    pub(crate) now_ms: i64,
    /// By pane and key: entries in order, with their values and the times of their writes.
    entries: BTreeMap<(i64, u8), Vec<Entry>>,
    /// Timers in the order in which they were set.
    timers: Vec<Timer>,
}

/// A timer of a test: clock, time, key and tag.
pub(crate) type Timer = (u8, i64, u8, u64);

/// Returns the timer of a change.
pub(crate) fn timer_of(op: &Op) -> Timer {
    (op.entry % 2, op.pane, op.key, op.value.len() as u64 % 3)
}

/// Returns what is seen of timers in the order in which they fire.
pub(crate) fn timers_view(timers: impl Iterator<Item = Timer>) -> View {
    let mut view = View::new();
    let mut counts = BTreeMap::<(u8, u8), u8>::new();
    for (clock, time, key, tag) in timers {
        let count = counts.entry((clock, key)).or_default();
        view.insert((0, key, vec![clock, *count]), format!("{time} {tag}").into_bytes());
        *count += 1;
    }
    view
}

impl Model {
    pub(crate) fn new(kind: Kind, ttl_ms: Option<u64>) -> Self {
        let ttl_ms = ttl_ms.map(|ttl| ttl as i64).filter(|_| !matches!(kind, Kind::Panes | Kind::Timers));
        Model { kind, ttl_ms, now_ms: 0, entries: BTreeMap::new(), timers: Vec::new() }
    }

    /// Applies a change; one of timers of many keys to those of keys that are `there`.
    pub(crate) fn apply(&mut self, op: &Op, there: impl Fn(u8) -> bool) {
        if op.fails {
            return;
        }
        if self.kind == Kind::Timers {
            return self.apply_timer(op, there);
        }
        let pane = if self.kind == Kind::Panes { op.pane } else { 0 };
        let at = (pane, op.key);
        let entry = if self.kind == Kind::Map { vec![op.entry] } else { Vec::new() };
        let now_ms = self.now_ms;
        match op.what {
            What::Set => {
                let entries = self.entries.entry(at).or_default();
                match self.kind {
                    Kind::List if op.entry == REPLACE => entries.clear(),
                    Kind::List => {}
                    _ => entries.retain(|(name, ..)| *name != entry),
                }
                entries.push((entry, op.value.clone(), now_ms));
            }
            What::Remove if self.kind == Kind::List => {}
            What::Remove => {
                if let Some(entries) = self.entries.get_mut(&at) {
                    entries.retain(|(name, ..)| *name != entry);
                }
            }
            What::RemoveKey => drop(self.entries.remove(&at)),
            What::RemovePane if matches!(self.kind, Kind::Rows | Kind::Panes) => {
                self.entries.retain(|(of, _), _| *of != pane);
            }
            What::RemovePane => {}
        }
    }

    fn apply_timer(&mut self, op: &Op, there: impl Fn(u8) -> bool) {
        let timer = timer_of(op);
        match op.what {
            What::Set => {
                if !self.timers.contains(&timer) {
                    self.timers.push(timer);
                }
            }
            What::Remove | What::RemoveKey => self.timers.retain(|other| *other != timer),
            What::RemovePane => {
                self.timers.retain(|(clock, time, key, _)| *clock != timer.0 || *time > timer.1 || !there(*key));
            }
        }
    }

    pub(crate) fn view(&self) -> View {
        if self.kind == Kind::Timers {
            let mut sorted = self.timers.clone();
            sorted.sort_by_key(|(clock, time, ..)| (*clock, *time));
            return timers_view(sorted.into_iter());
        }
        let mut view = View::new();
        for ((pane, key), entries) in &self.entries {
            let seen = entries.iter().filter(|(.., at)| self.ttl_ms.is_none_or(|ttl| self.now_ms < at + ttl));
            for (i, (entry, value, _)) in seen.enumerate() {
                let entry = if self.kind == Kind::List { vec![i as u8] } else { entry.clone() };
                view.insert((*pane, *key, entry), value.clone());
            }
        }
        view
    }
}

//! Slots against a naive model: random calls, some of which fail, under a clock that moves.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, StringArray};
use proptest::prelude::*;

use super::key::Keys;
use super::slots::{ENTRY_BYTES_MAX, SlotSpec, Slots, VALUE_BYTES_MAX};
use super::store::{JobStores, SlotKind, StateStore};
use flowgate_base::code::Fault;

/// One thing that a function does with a key of its call (a position, modulo the number of keys).
#[derive(Debug, Clone)]
enum Op {
    Set(u8, Option<Vec<u8>>),
    MapSet(u8, Vec<u8>, Option<Vec<u8>>),
    MapClear(u8),
    Append(u8, Vec<u8>),
    ListClear(u8),
}

/// One call of a function.
#[derive(Debug, Clone)]
struct Call {
    /// Distinct key numbers; 0 is null.
    keys: Vec<u8>,
    /// By how much the clock has moved.
    later_ms: i64,
    ops: Vec<Op>,
    fails: bool,
}

const VALUE: u32 = 0;
const MAP: u32 = 1;
const LIST: u32 = 2;
const TTL_MS: u64 = 100;

fn value() -> impl Strategy<Value = Vec<u8>> {
    // Some fit in place, some do not; the bits of a NaN are bits like others.
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..4),
        prop::collection::vec(any::<u8>(), 20..60),
        Just(0x7ff8_dead_beef_0001u64.to_le_bytes().to_vec()),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let entry = || prop::collection::vec(0u8..2, 0..3);
    prop_oneof![
        3 => (any::<u8>(), prop::option::weighted(0.8, value())).prop_map(|(k, v)| Op::Set(k, v)),
        3 => (any::<u8>(), entry(), prop::option::weighted(0.7, value())).prop_map(|(k, e, v)| Op::MapSet(k, e, v)),
        1 => any::<u8>().prop_map(Op::MapClear),
        3 => (any::<u8>(), value()).prop_map(|(k, v)| Op::Append(k, v)),
        1 => any::<u8>().prop_map(Op::ListClear),
    ]
}

fn calls(keys: u8) -> impl Strategy<Value = Vec<Call>> {
    let call = (
        prop::collection::btree_set(0..keys, 1..6),
        prop_oneof![3 => Just(0i64), 2 => 1i64..60, 1 => Just(TTL_MS as i64)],
        prop::collection::vec(op(), 0..8),
        prop::bool::weighted(0.25),
    )
        .prop_map(|(keys, later_ms, ops, fails)| Call { keys: keys.into_iter().collect(), later_ms, ops, fails });
    prop::collection::vec(call, 1..30)
}

/// The columns that a function might be keyed by.
#[derive(Debug, Clone, Copy)]
enum KeyType {
    Int,
    Text,
    Both,
}

fn key_type() -> impl Strategy<Value = KeyType> {
    prop_oneof![Just(KeyType::Int), Just(KeyType::Text), Just(KeyType::Both)]
}

/// Keys by their numbers; number 0 is null.
fn keys(numbers: &[u8], key_type: KeyType) -> Keys {
    let ints: ArrayRef =
        Arc::new(numbers.iter().map(|n| (*n > 0).then_some(i64::from(*n) - 3)).collect::<Int64Array>());
    let text =
        |n: &u8| (*n > 0).then(|| "long enough to be hashed"[..usize::from(*n - 1) % 20].to_string() + &format!("{n}"));
    let texts: ArrayRef = Arc::new(numbers.iter().map(text).collect::<StringArray>());
    let columns = match key_type {
        KeyType::Int => vec![ints],
        KeyType::Text => vec![texts],
        KeyType::Both => vec![ints, texts],
    };
    Keys::of(&columns, numbers.len()).unwrap()
}

type Written = (Vec<u8>, i64);

/// The naive model.
#[derive(Debug, Clone, Default)]
struct Model {
    values: BTreeMap<u8, Written>,
    maps: BTreeMap<u8, BTreeMap<Vec<u8>, Written>>,
    lists: BTreeMap<u8, Vec<Written>>,
    now_ms: i64,
    ttl_ms: Option<i64>,
}

impl Model {
    fn new(ttl_ms: Option<u64>) -> Self {
        Model { ttl_ms: ttl_ms.map(|ttl| ttl as i64), ..Model::default() }
    }

    /// Applies a call that does not fail.
    fn apply(&mut self, call: &Call) {
        let now_ms = self.now_ms;
        let key = |k: &u8| call.keys[usize::from(*k) % call.keys.len()];
        for op in &call.ops {
            match op {
                Op::Set(k, Some(value)) => drop(self.values.insert(key(k), (value.clone(), now_ms))),
                Op::Set(k, None) => drop(self.values.remove(&key(k))),
                Op::MapSet(k, entry, Some(value)) => {
                    self.maps.entry(key(k)).or_default().insert(entry.clone(), (value.clone(), now_ms));
                }
                Op::MapSet(k, entry, None) => drop(self.maps.entry(key(k)).or_default().remove(entry)),
                Op::MapClear(k) => drop(self.maps.remove(&key(k))),
                Op::Append(k, element) => self.lists.entry(key(k)).or_default().push((element.clone(), now_ms)),
                Op::ListClear(k) => drop(self.lists.remove(&key(k))),
            }
        }
    }

    fn seen(&self, written: &Written) -> Option<Vec<u8>> {
        self.ttl_ms.is_none_or(|ttl| self.now_ms < written.1 + ttl).then(|| written.0.clone())
    }

    /// All that is seen of these keys.
    fn view(&self, numbers: &[u8]) -> View {
        let of = |n: &u8| KeyView {
            value: self.values.get(n).and_then(|v| self.seen(v)),
            map: self.maps.get(n).into_iter().flatten().filter_map(|(e, v)| Some((e.clone(), self.seen(v)?))).collect(),
            list: self.lists.get(n).into_iter().flatten().filter_map(|v| self.seen(v)).collect(),
        };
        numbers.iter().map(of).collect()
    }
}

#[derive(Debug, Clone, PartialEq)]
struct KeyView {
    value: Option<Vec<u8>>,
    map: Vec<(Vec<u8>, Vec<u8>)>,
    list: Vec<Vec<u8>>,
}

type View = Vec<KeyView>;

fn perform(slots: &mut Slots, call: &Call) {
    let key = |k: &u8| u32::from(*k) % call.keys.len() as u32;
    for op in &call.ops {
        match op {
            Op::Set(k, value) => slots.set(VALUE, key(k), value.as_deref()).unwrap(),
            Op::MapSet(k, entry, value) => slots.map_set(MAP, key(k), entry, value.as_deref()).unwrap(),
            Op::MapClear(k) => slots.map_clear(MAP, key(k)).unwrap(),
            Op::Append(k, element) => slots.list_append(LIST, key(k), element).unwrap(),
            Op::ListClear(k) => slots.list_clear(LIST, key(k)).unwrap(),
        }
    }
}

/// What the slots show of the call's keys; maps and lists are read in pages.
fn view(slots: &mut Slots) -> View {
    let mut all = Vec::new();
    slots.get_all(VALUE, |value| all.push(value.map(<[u8]>::to_vec))).unwrap();
    let of = |(key, value): (usize, Option<Vec<u8>>)| {
        let key = key as u32;
        assert_eq!(slots.get(VALUE, key).unwrap().map(<[u8]>::to_vec), value);
        let (mut map, mut list) = (Vec::<(Vec<u8>, Vec<u8>)>::new(), Vec::new());
        loop {
            let (before, after) = (map.len(), map.last().map(|(entry, _)| entry.clone()));
            slots.map_entries(MAP, key, after.as_deref(), 2, |e, v| map.push((e.into(), v.into()))).unwrap();
            if map.len() == before {
                break;
            }
        }
        for (entry, value) in &map {
            assert_eq!(slots.map_get(MAP, key, entry).unwrap(), Some(value.as_slice()));
        }
        loop {
            let before = list.len();
            slots.list_elements(LIST, key, before, 2, |element| list.push(element.to_vec())).unwrap();
            if list.len() == before {
                break;
            }
        }
        KeyView { value, map, list }
    };
    all.into_iter().enumerate().map(of).collect()
}

fn slots(store: &StateStore, ttl_ms: Option<u64>) -> Slots {
    let spec = |name: &str, kind| SlotSpec { name: name.into(), kind, ttl_ms };
    let specs = [spec("v", SlotKind::Value), spec("m", SlotKind::Map), spec("l", SlotKind::List)];
    Slots::new(&specs, store).unwrap()
}

/// Makes one call on both sides and compares what is seen before, inside and after it.
fn step(slots: &mut Slots, model: &mut Model, call: &Call, key_type: KeyType) {
    model.now_ms += call.later_ms;
    slots.begin(&keys(&call.keys, key_type), model.now_ms).unwrap();
    assert_eq!(view(slots), model.view(&call.keys), "before the call");
    let before = model.clone();
    perform(slots, call);
    model.apply(call);
    assert_eq!(view(slots), model.view(&call.keys), "a call sees what it has written");
    if call.fails {
        slots.rollback();
        *model = before;
    } else {
        slots.commit();
    }
    assert_eq!(view(slots), model.view(&call.keys), "after the call");
}

/// Compares all keys.
fn check_all(slots: &mut Slots, model: &Model, count: u8, key_type: KeyType) {
    let numbers: Vec<u8> = (0..count).collect();
    slots.begin(&keys(&numbers, key_type), model.now_ms).unwrap();
    assert_eq!(view(slots), model.view(&numbers), "at the end");
}

/// A store without a bound, one with room for almost nothing, and one with room for some.
fn store(memory_bytes_max: u64) -> StateStore {
    StateStore::new(&JobStores::new(memory_bytes_max, None, 7, 1)).of_operator("op")
}

fn memory() -> impl Strategy<Value = u64> {
    prop_oneof![Just(u64::MAX), Just(1), Just(4000)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Goal: slots are maps from keys to bytes, whatever calls do, fail or not, wherever state is, and what is expired is not
    /// seen.
    #[test]
    fn slots_are_like_maps(
        calls in calls(12), key_type in key_type(), ttl in prop::option::of(Just(TTL_MS)), memory in memory()
    ) {
        let mut slots = slots(&store(memory), ttl);
        let mut model = Model::new(ttl);
        for call in &calls {
            step(&mut slots, &mut model, call, key_type);
        }
        check_all(&mut slots, &model, 12, key_type);
    }
}

#[test]
fn values_at_the_limit_are_kept_and_larger_ones_are_refused() {
    let mut slots = slots(&StateStore::in_memory(), None);
    slots.begin(&Keys::Unit(1), 0).unwrap();
    let (value, entry) = (vec![7; VALUE_BYTES_MAX + 1], vec![8; ENTRY_BYTES_MAX + 1]);
    let (most, longest) = (&value[1..], &entry[1..]);
    slots.set(VALUE, 0, Some(most)).unwrap();
    slots.map_set(MAP, 0, longest, Some(most)).unwrap();
    slots.list_append(LIST, 0, most).unwrap();
    assert_eq!(slots.get(VALUE, 0).unwrap(), Some(most));
    assert_eq!(slots.map_get(MAP, 0, longest).unwrap(), Some(most));
    let error = slots.set(VALUE, 0, Some(&value)).unwrap_err();
    assert_eq!(error.message, "a state value has 16777217 bytes; at most 16777216 are possible");
    assert!(slots.map_set(MAP, 0, &entry, Some(b"")).is_err());
    assert!(slots.map_set(MAP, 0, b"", Some(&value)).is_err());
    assert!(slots.list_append(LIST, 0, &value).is_err());
    assert_eq!(slots.get(VALUE, 0).unwrap(), Some(most), "what is refused changes nothing");
}

#[test]
fn what_the_caller_should_have_checked_is_never_the_functions_fault() {
    let mut slots = slots(&StateStore::in_memory(), None);
    slots.begin(&keys(&[1, 2], KeyType::Int), 0).unwrap();
    let large = vec![0; VALUE_BYTES_MAX + 1];
    let errors = [
        slots.get(3, 0).unwrap_err(),
        slots.get(VALUE, 2).unwrap_err(),
        slots.map_get(VALUE, 0, b"x").unwrap_err(),
        slots.list_append(MAP, 0, b"x").unwrap_err(),
        slots.list_clear(VALUE, 0).unwrap_err(),
        slots.get_all(LIST, |_| ()).unwrap_err(),
        slots.get_all(3, |_| ()).unwrap_err(),
        slots.set(VALUE, 0, Some(&large)).unwrap_err(),
    ];
    assert!(errors.iter().all(|error| error.fault() == Fault::Internal), "{errors:?}");
    let messages: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
    assert_eq!(messages[0], "state slot 3 is used; there are 3");
    assert_eq!(messages[1], "state of key 2 is used; the call has 2 keys");
    assert_eq!(messages[2], "state slot `v` is used as a map; it is none");
}

/// Goal: no time-to-live and no time overflows, and what is written is seen at once. Method: the greatest and the least of each.
#[test]
fn extreme_times_and_times_to_live() {
    let store = StateStore::new(&JobStores::new(u64::MAX, None, 256, 1));
    let of = |name: &str, kind, ttl_ms| SlotSpec { name: name.into(), kind, ttl_ms };
    for ttl_ms in [1, 2, 1 << 60, (1 << 60) + 1, i64::MAX as u64, u64::MAX] {
        let kinds = [("v", SlotKind::Value), ("m", SlotKind::Map), ("l", SlotKind::List)];
        let specs = kinds.map(|(name, kind)| of(name, kind, Some(ttl_ms)));
        for times in [[0, i64::MAX], [i64::MIN, i64::MAX], [i64::MAX, i64::MIN], [1, i64::MAX - 1]] {
            let mut slots = Slots::new(&specs, &store).unwrap();
            for now_ms in times {
                let key: ArrayRef = Arc::new(Int64Array::from(vec![7]));
                slots.begin(&Keys::of(&[key], 1).unwrap(), now_ms).unwrap();
                slots.set(VALUE, 0, Some(b"v")).unwrap();
                slots.map_set(MAP, 0, b"e", Some(b"v")).unwrap();
                slots.list_append(LIST, 0, b"v").unwrap();
                slots.commit();
                assert_eq!(slots.get(VALUE, 0).unwrap(), Some(&b"v"[..]), "{ttl_ms} {now_ms}");
                assert_eq!(slots.map_get(MAP, 0, b"e").unwrap(), Some(&b"v"[..]), "{ttl_ms} {now_ms}");
                let mut seen = 0;
                slots.list_elements(LIST, 0, 0, 9, |_| seen += 1).unwrap();
                assert!(seen > 0, "{ttl_ms} {now_ms}");
            }
        }
    }
}

/// Goal: what a key has is counted as it comes and goes, with undo. Method: bytes of a key after each step, against what there was.
#[test]
fn bytes_of_a_key_follow_what_it_has() {
    let store = StateStore::new(&JobStores::new(u64::MAX, None, 256, 1));
    let of = |name: &str, kind| SlotSpec { name: name.into(), kind, ttl_ms: None };
    let specs = [of("v", SlotKind::Value), of("m", SlotKind::Map), of("l", SlotKind::List)];
    let mut slots = Slots::new(&specs, &store).unwrap();
    let key: ArrayRef = Arc::new(Int64Array::from(vec![7]));
    slots.begin(&Keys::of(&[key], 1).unwrap(), 0).unwrap();
    let bytes = |slots: &mut Slots| [VALUE, MAP, LIST].map(|slot| slots.bytes(slot, 0).unwrap());
    assert_eq!(bytes(&mut slots), [0; 3]);
    let large = vec![1; 1_000];
    slots.set(VALUE, 0, Some(&large)).unwrap();
    slots.map_set(MAP, 0, b"a", Some(&large)).unwrap();
    slots.list_append(LIST, 0, &large).unwrap();
    slots.commit();
    let one = bytes(&mut slots);
    assert!(one.iter().all(|bytes| (1_000..1_300).contains(bytes)), "{one:?}");
    slots.map_set(MAP, 0, b"b", Some(&large)).unwrap();
    slots.map_set(MAP, 0, b"a", None).unwrap();
    slots.list_append(LIST, 0, &large).unwrap();
    let two = bytes(&mut slots);
    assert_eq!([two[0], two[1]], [one[0], one[1]]);
    assert!(two[2] > 2_000);
    slots.map_clear(MAP, 0).unwrap();
    slots.list_clear(LIST, 0).unwrap();
    assert_eq!(bytes(&mut slots)[1..], [0, 0]);
    slots.rollback();
    assert_eq!(bytes(&mut slots), one);
}

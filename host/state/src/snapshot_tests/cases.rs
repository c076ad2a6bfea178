//! Single stories of snapshots.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt8Type, UInt16Type};
use arrow_array::{ArrayRef, Int64Array, RecordBatch};

use super::drain;
use crate::key::{Key, KeyGroups, Keys, hash};
use crate::short::Short;
use crate::slots::{SlotSpec, Slots};
use crate::snapshot::{Change, Extent, SlotState};
use crate::store::{JobStores, SlotKind, StateStore};
use crate::table::{Table, Values};
use crate::tables::Tables;
use crate::timers::{Clock, Timers};
use crate::value::ByteValues;
use flowgate_base::code::Fault;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::{DataType, Field};

/// Sums whose decoding adds, as that of accumulators does.
#[derive(Debug, Default)]
struct Sums(Vec<i64>);

impl Values for Sums {
    fn grow(&mut self, rows: usize) {
        self.0.resize(rows, 0);
    }

    fn clear(&mut self, row: u32) {
        self.0[row as usize] = 0;
    }

    fn encode(&self, row: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0[row as usize].to_le_bytes());
    }

    fn decode(&mut self, row: u32, bytes: &[u8]) -> Result<()> {
        self.0[row as usize] += i64::from_le_bytes(bytes.try_into().map_err(|_| Error::internal("no sum"))?);
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.0.len() * 8
    }
}

fn key() -> Vec<Field> {
    vec![Field::new("id", DataType::Int64)]
}

fn store(memory: u64) -> StateStore {
    StateStore::new(&JobStores::new(memory, None, 256, 1)).of_operator("op")
}

fn snapshot(state: &mut dyn SlotState, extent: Extent) -> Vec<RecordBatch> {
    state.freeze(extent).unwrap();
    drain(state, 1000)
}

fn row_count(parts: &[RecordBatch]) -> usize {
    parts.iter().map(RecordBatch::num_rows).sum()
}

fn changes(parts: &[RecordBatch]) -> Vec<u8> {
    parts.iter().flat_map(|part| part.column(1).as_primitive::<UInt8Type>().values().to_vec()).collect()
}

fn ints(keys: impl Iterator<Item = i64>) -> Keys {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(keys));
    Keys::of(&[Arc::clone(&column)], column.len()).unwrap()
}

/// Goal: a key that is in two snapshots has the value of the second, not the sum, whether they are restored one after another or as
/// one part, in memory or in the file.
#[test]
fn a_value_replaces_the_one_before() {
    for memory in [u64::MAX, 0] {
        let mut table = Table::in_store(Sums::default(), &store(memory), "sums", SlotKind::Window);
        table.track_changes().unwrap();
        let mut parts = Vec::new();
        for value in [5, 7] {
            let row = table.row_of(Key::Int(1)).unwrap();
            table.values_mut().0[row as usize] = value;
            parts.extend(snapshot(&mut table.snapshots(&key()), Extent::Changed));
            table.settle(0).unwrap();
        }
        let one = arrow_select::concat::concat_batches(&parts[0].schema(), &parts).unwrap();
        assert_eq!(one.num_rows(), 2);
        for parts in [parts, vec![one]] {
            let mut copy = Table::in_store(Sums::default(), &store(memory), "copy", SlotKind::Window);
            for part in &parts {
                copy.snapshots(&key()).restore(part, &(0..256)).unwrap();
            }
            let row = copy.find(Key::Int(1)).unwrap().unwrap();
            assert_eq!(copy.values().0[row as usize], 7, "with {memory} bytes");
        }
    }
}

/// Goal: columns are typed, and a part says of each row in which key group it is.
#[test]
fn parts_have_typed_columns() {
    let mut table = Table::in_store(Sums::default(), &store(u64::MAX), "sums", SlotKind::Window).with_ttl(Some(1000));
    let mut rows = Vec::new();
    table.settle(77).unwrap();
    table.rows_of(&ints(0..10), &mut rows).unwrap();
    let parts = snapshot(&mut table.snapshots(&key()), Extent::All);
    let names: Vec<String> = parts[0].schema().fields().iter().map(|field| field.to_string()).collect();
    assert_eq!(names.len(), 5);
    let types = ["UInt16", "UInt8", "Int64", "Binary", "Timestamp"];
    for ((text, name), of) in names.iter().zip(["key_group", "change", "id", "value", "written"]).zip(types) {
        assert!(text.contains(&format!("\"{name}\"")) && text.contains(of), "{text}");
    }
    let groups = parts[0].column(0).as_primitive::<UInt16Type>();
    for row in 0..10 {
        assert_eq!(u32::from(groups.value(row)), KeyGroups::new(256).of(hash(Key::Int(row as i64))).0);
    }
}

/// Goal: a pane that is gone is one row, and none if no snapshot has it.
#[test]
fn a_pane_that_is_gone_is_one_row() {
    for memory in [u64::MAX, 0] {
        let mut tables = Tables::new(ByteValues::default(), &store(memory), "panes", SlotKind::Window);
        tables.track_changes().unwrap();
        let mut rows = Vec::new();
        for pane in [10, 20, 30] {
            let table = tables.entry(pane, 0).unwrap();
            table.rows_of(&ints(0..500), &mut rows).unwrap();
            rows.iter().for_each(|row| _ = table.values_mut().set(*row, Some(Short::new(b"v"))));
        }
        tables.remove(30);
        tables.settle().unwrap();
        assert_eq!(row_count(&snapshot(&mut tables.snapshots(&key()), Extent::Changed)), 1000, "with {memory} bytes");
        tables.remove(10);
        tables.settle().unwrap();
        let parts = snapshot(&mut tables.snapshots(&key()), Extent::Changed);
        assert_eq!(changes(&parts), [Change::RemovePane as u8], "with {memory} bytes");
        assert_eq!(row_count(&snapshot(&mut tables.snapshots(&key()), Extent::Changed)), 0);
        assert_eq!(row_count(&snapshot(&mut tables.snapshots(&key()), Extent::All)), 500);
    }
}

fn slots(kind: SlotKind, ttl_ms: Option<u64>) -> Slots {
    let mut slots = Slots::new(&[SlotSpec { name: "s".into(), kind, ttl_ms }], &store(u64::MAX)).unwrap();
    slots.track_changes().unwrap();
    slots
}

fn call(slots: &mut Slots, now_ms: i64, call: impl FnOnce(&mut Slots)) {
    slots.begin(&ints(7..8), now_ms).unwrap();
    call(slots);
    slots.commit();
}

/// Goal: of a map of many entries and a list of many elements, a snapshot has those that have changed; also after a restore.
#[test]
fn a_changed_entry_is_one_row() {
    let (mut maps, mut lists) = (slots(SlotKind::Map, None), slots(SlotKind::List, None));
    let set = |slots: &mut Slots, entry: u32| slots.map_set(0, 0, &entry.to_be_bytes(), Some(b"v")).unwrap();
    call(&mut maps, 0, |slots| (0..1000).for_each(|entry| set(slots, entry)));
    call(&mut lists, 0, |slots| (0..1000).for_each(|_| slots.list_append(0, 0, b"v").unwrap()));
    let (mut copies, mut all) = ((slots(SlotKind::Map, None), slots(SlotKind::List, None)), Vec::new());
    for (slots, copy) in [(&mut maps, &mut copies.0), (&mut lists, &mut copies.1)] {
        let parts = snapshot(&mut *slots.snapshots(0, &key()).unwrap(), Extent::Changed);
        assert_eq!(row_count(&parts), 1001, "the key is new");
        parts.iter().for_each(|part| copy.snapshots(0, &key()).unwrap().restore(part, &(0..256)).unwrap());
        all.extend(parts);
    }
    for (mut maps, mut lists) in [(maps, lists), copies] {
        call(&mut maps, 0, |slots| {
            set(slots, 3);
            slots.map_set(0, 0, &4u32.to_be_bytes(), None).unwrap();
        });
        call(&mut lists, 0, |slots| slots.list_append(0, 0, b"w").unwrap());
        let parts = snapshot(&mut *maps.snapshots(0, &key()).unwrap(), Extent::Changed);
        assert_eq!(changes(&parts), [Change::Set as u8, Change::Remove as u8]);
        let parts = snapshot(&mut *lists.snapshots(0, &key()).unwrap(), Extent::Changed);
        assert_eq!(changes(&parts), [Change::Set as u8]);
    }
}

/// Goal: what expires needs no row in the next snapshot, and is not seen after a restore.
#[test]
fn what_expires_is_not_stored_as_removed() {
    for kind in [SlotKind::Value, SlotKind::Map, SlotKind::List] {
        let mut slots = slots(kind, Some(100));
        call(&mut slots, 0, |slots| match kind {
            SlotKind::Value => slots.set(0, 0, Some(b"v")).unwrap(),
            SlotKind::Map => slots.map_set(0, 0, b"e", Some(b"v")).unwrap(),
            _ => slots.list_append(0, 0, b"v").unwrap(),
        });
        let before = snapshot(&mut *slots.snapshots(0, &key()).unwrap(), Extent::Changed);
        assert!(row_count(&before) > 0);
        call(&mut slots, 200, |slots| assert_eq!(slots.bytes(0, 0).unwrap(), 0));
        assert_eq!(row_count(&snapshot(&mut *slots.snapshots(0, &key()).unwrap(), Extent::Changed)), 0, "{kind:?}");
        let mut copy = self::slots(kind, Some(100));
        copy.begin(&ints(0..0), 200).unwrap();
        before.iter().for_each(|part| copy.snapshots(0, &key()).unwrap().restore(part, &(0..256)).unwrap());
        call(&mut copy, 200, |slots| assert_eq!(slots.bytes(0, 0).unwrap(), 0));
    }
}

/// Goal: a part has at most the rows that were requested, and some MiB, however large values are.
#[test]
fn parts_are_bounded() {
    let mut slots = slots(SlotKind::Value, None);
    let keys = ints(0..100);
    slots.begin(&keys, 0).unwrap();
    (0..100).for_each(|key| slots.set(0, key, Some(&vec![7; 1 << 20])).unwrap());
    slots.commit();
    let parts = snapshot(&mut *slots.snapshots(0, &key()).unwrap(), Extent::Changed);
    assert_eq!(row_count(&parts), 100);
    assert!(parts.iter().all(|part| part.num_rows() <= 6), "of a MiB each");
    let mut state = slots.snapshots(0, &key()).unwrap();
    state.freeze(Extent::All).unwrap();
    assert!(drain(&mut *state, 2).iter().all(|part| part.num_rows() <= 2));
}

/// Goal: timers that were set and fired since the last snapshot are in none.
#[test]
fn timers_that_have_fired_are_not_stored() {
    let mut timers = Timers::new(&store(u64::MAX));
    timers.track_changes().unwrap();
    (0..100).for_each(|time| timers.set(Key::Int(1), Clock::EventTime, time, 0).unwrap());
    timers.due(Clock::EventTime, 89, usize::MAX).unwrap();
    assert_eq!(row_count(&snapshot(&mut timers.snapshots(&key()), Extent::Changed)), 10);
    timers.due(Clock::EventTime, 94, usize::MAX).unwrap();
    timers.set(Key::Int(1), Clock::EventTime, 94, 0).unwrap();
    let parts = snapshot(&mut timers.snapshots(&key()), Extent::Changed);
    assert_eq!(changes(&parts), [2, 2, 2, 2, 2, 0].map(|change| if change == 2 { Change::Remove as u8 } else { 0 }));
}

/// Goal: what the caller does wrong is reported as our mistake, and nothing is lost by it.
#[test]
fn misuse_is_our_mistake() {
    let mut table = Table::in_store(Sums::default(), &store(u64::MAX), "sums", SlotKind::Window);
    table.row_of(Key::Int(1)).unwrap();
    let untracked = table.snapshots(&key()).freeze(Extent::Changed).unwrap_err();
    let late = table.track_changes().unwrap_err();
    let parts = snapshot(&mut table.snapshots(&key()), Extent::All);
    let other = table.snapshots(&[]).restore(&parts[0], &(0..256)).unwrap_err();
    table.snapshots(&key()).freeze(Extent::All).unwrap();
    let twice = table.snapshots(&key()).freeze(Extent::All).unwrap_err();
    let frozen = table.snapshots(&key()).restore(&parts[0], &(0..256)).unwrap_err();
    for error in [untracked, late, other, twice, frozen] {
        assert_eq!(error.fault(), Fault::Internal, "{error:?}");
    }
    assert_eq!(row_count(&drain(&mut table.snapshots(&key()), 9)), 1);
}

/// Goal: a table that is emptied while everything is frozen returns each row once, as it was in memory, not as it was in the file.
#[test]
fn a_table_that_is_emptied_is_returned_as_it_was() {
    let mut table = Table::in_store(Sums::default(), &store(0), "sums", SlotKind::Window);
    // Half of them change in memory, the others are in the file alone.
    for (value, count) in [(1, 100), (2, 50)] {
        let mut rows = Vec::new();
        table.rows_of(&ints(0..count), &mut rows).unwrap();
        rows.iter().for_each(|row| table.values_mut().0[*row as usize] = value);
        if value == 1 {
            table.settle(0).unwrap();
        }
    }
    table.snapshots(&key()).freeze(Extent::All).unwrap();
    table.clear().unwrap();
    let parts = drain(&mut table.snapshots(&key()), 1000);
    assert_eq!(row_count(&parts), 100);
    for part in parts {
        let (keys, values) = (part.column(2).as_primitive::<Int64Type>(), part.column(3).as_binary::<i32>());
        for (key, value) in keys.values().iter().zip(values.iter().flatten()) {
            assert_eq!(value, if *key < 50 { 2i64 } else { 1 }.to_le_bytes());
        }
    }
}

/// Goal: notes of which rows in the file have changed do not stay there after their snapshot was returned.
#[test]
fn the_file_forgets_what_was_returned() {
    let mut table = Table::in_store(Sums::default(), &store(0), "sums", SlotKind::Window);
    let mut tables = Tables::new(ByteValues::default(), &store(0), "panes", SlotKind::Window);
    table.track_changes().unwrap();
    tables.track_changes().unwrap();
    let mut rows = Vec::new();
    for _ in 0..3 {
        table.rows_of(&ints(0..1000), &mut rows).unwrap();
        table.settle(0).unwrap();
        let pane = tables.entry(7, 0).unwrap();
        pane.rows_of(&ints(0..1000), &mut rows).unwrap();
        rows.iter().for_each(|row| _ = pane.values_mut().set(*row, Some(Short::new(b"v"))));
        tables.settle().unwrap();
        assert_eq!(table.notes_in_file(), 16, "parts of the key groups");
        assert_eq!(row_count(&snapshot(&mut table.snapshots(&key()), Extent::Changed)), 1000);
        assert_eq!(row_count(&snapshot(&mut tables.snapshots(&key()), Extent::Changed)), 1000);
        assert_eq!(table.notes_in_file(), 0);
        let left = tables.visit_one(7, |table| Ok(table.notes_in_file())).unwrap();
        assert_eq!(left, Some(0));
    }
}

/// Goal: state without key columns, and state whose only key is null, come back.
#[test]
fn state_without_a_key_comes_back() {
    for key in [Vec::new(), vec![Field::nullable("b", DataType::Boolean)], vec![Field::nullable("t", DataType::Text)]] {
        let mut table = Table::in_store(Sums::default(), &store(u64::MAX), "sums", SlotKind::Window);
        let row = table.row_of(Key::Nothing).unwrap();
        table.values_mut().0[row as usize] = 7;
        let parts = snapshot(&mut table.snapshots(&key), Extent::All);
        let mut copy = Table::in_store(Sums::default(), &store(u64::MAX), "copy", SlotKind::Window);
        copy.snapshots(&key).restore(&parts[0], &(0..256)).unwrap();
        assert_eq!(copy.len(), 1);
        let row = copy.row_of(Keys::of(&parts[0].columns()[2..2 + key.len()], 1).unwrap().get(0)).unwrap();
        assert_eq!(copy.values().0[row as usize], 7, "{key:?}");
    }
}

/// Goal: an entry that was removed does not come back because the rest of its map expired before the next snapshot.
#[test]
fn a_removed_entry_stays_removed_when_the_rest_expires() {
    let mut slots = slots(SlotKind::Map, Some(100));
    call(&mut slots, 0, |slots| slots.map_set(0, 0, b"old", Some(b"v")).unwrap());
    call(&mut slots, 80, |slots| slots.map_set(0, 0, b"new", Some(b"v")).unwrap());
    let mut parts = snapshot(&mut *slots.snapshots(0, &key()).unwrap(), Extent::Changed);
    call(&mut slots, 80, |slots| slots.map_set(0, 0, b"new", None).unwrap());
    call(&mut slots, 120, |slots| assert_eq!(slots.bytes(0, 0).unwrap(), 0));
    parts.extend(snapshot(&mut *slots.snapshots(0, &key()).unwrap(), Extent::Changed));
    let mut copy = self::slots(SlotKind::Map, Some(100));
    parts.iter().for_each(|part| copy.snapshots(0, &key()).unwrap().restore(part, &(0..256)).unwrap());
    call(&mut copy, 120, |slots| assert_eq!(slots.bytes(0, 0).unwrap(), 0));
}

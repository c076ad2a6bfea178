//! Process functions against the wall: what they may do with state and timers, and that what a failed call wrote is
//! forgotten. Each test has a guest of a few lines; the state behind the wall is a naive one.

#[path = "keyed_calls/recorded.rs"]
mod recorded;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};
use flowgate_base::error::Result;
use flowgate_base::schema::{DataType, Field, Schema};
use flowgate_wall::binding::OpenRequest;
use flowgate_wall::{
    Answer, CallContext, CompileIn, Function, KeyColumns, KeyedRows, KeyedState, Limits, Plugins, Selection, Settings,
    StateHandle, Timer, TimerClock,
};

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// State of keys by their number, and what the call that is running has made of it.
#[derive(Clone, Default, PartialEq, Debug)]
struct Kept {
    values: BTreeMap<(u32, u32), Vec<u8>>,
    maps: BTreeMap<(u32, u32), Entries>,
    lists: BTreeMap<(u32, u32), Vec<Vec<u8>>>,
    timers: BTreeSet<Timer>,
}

#[derive(Clone, Default)]
struct Naive {
    now: Kept,
    committed: Kept,
    commits: usize,
}

impl KeyedState for Naive {
    fn get(&mut self, slot: u32, key: u32) -> Result<Option<&[u8]>> {
        Ok(self.now.values.get(&(slot, key)).map(Vec::as_slice))
    }
    fn get_all(&mut self, slot: u32, give: &mut dyn FnMut(Option<&[u8]>)) -> Result<()> {
        (0..4).for_each(|key| give(self.now.values.get(&(slot, key)).map(Vec::as_slice)));
        Ok(())
    }
    fn set(&mut self, slot: u32, key: u32, value: Option<&[u8]>) -> Result<()> {
        match value {
            Some(value) => drop(self.now.values.insert((slot, key), value.to_vec())),
            None => drop(self.now.values.remove(&(slot, key))),
        }
        Ok(())
    }
    fn map_get(&mut self, slot: u32, key: u32, entry: &[u8]) -> Result<Option<&[u8]>> {
        Ok(self.now.maps.get(&(slot, key)).and_then(|map| map.get(entry)).map(Vec::as_slice))
    }
    fn map_set(&mut self, slot: u32, key: u32, entry: &[u8], value: Option<&[u8]>) -> Result<()> {
        let map = self.now.maps.entry((slot, key)).or_default();
        match value {
            Some(value) => drop(map.insert(entry.to_vec(), value.to_vec())),
            None => drop(map.remove(entry)),
        }
        Ok(())
    }
    fn map_entries(
        &mut self,
        slot: u32,
        key: u32,
        after: Option<&[u8]>,
        limit: usize,
        give: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<()> {
        let map = self.now.maps.entry((slot, key)).or_default();
        let later = map.iter().filter(|(entry, _)| after.is_none_or(|after| entry.as_slice() > after));
        later.take(limit).for_each(|(entry, value)| give(entry, value));
        Ok(())
    }
    fn map_clear(&mut self, slot: u32, key: u32) -> Result<()> {
        self.now.maps.remove(&(slot, key));
        Ok(())
    }
    fn list_append(&mut self, slot: u32, key: u32, element: &[u8]) -> Result<()> {
        self.now.lists.entry((slot, key)).or_default().push(element.to_vec());
        Ok(())
    }
    fn list_elements(
        &mut self,
        slot: u32,
        key: u32,
        start: usize,
        limit: usize,
        give: &mut dyn FnMut(&[u8]),
    ) -> Result<()> {
        let list = self.now.lists.entry((slot, key)).or_default();
        list.iter().skip(start).take(limit).for_each(|element| give(element));
        Ok(())
    }
    fn list_clear(&mut self, slot: u32, key: u32) -> Result<()> {
        self.now.lists.remove(&(slot, key));
        Ok(())
    }
    /// Of a list whose elements are of one size.
    fn bytes(&mut self, slot: u32, key: u32) -> Result<usize> {
        let list = self.now.lists.get(&(slot, key));
        Ok(list.map_or(0, |list| list.len() * list.last().map_or(0, Vec::len)))
    }
    fn set_timer(&mut self, timer: Timer) -> Result<()> {
        self.now.timers.insert(timer);
        Ok(())
    }
    fn clear_timer(&mut self, timer: Timer) -> Result<()> {
        self.now.timers.remove(&timer);
        Ok(())
    }
    fn commit(&mut self) -> Result<()> {
        self.committed = self.now.clone();
        self.commits += 1;
        Ok(())
    }
    fn roll_back(&mut self) {
        self.now = self.committed.clone();
    }
}

const IMPORTS: &str = r#"
    (import "flowgate:plugin/state@0.1.0" "get-all" (func $get_all (param i32 i32)))
    (import "flowgate:plugin/state@0.1.0" "set-all" (func $set_all (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "flowgate:plugin/state@0.1.0" "get" (func $get (param i32 i32 i32)))
    (import "flowgate:plugin/state@0.1.0" "set" (func $set (param i32 i32 i32 i32 i32)))
    (import "flowgate:plugin/state@0.1.0" "map-entries" (func $entries (param i32 i32 i32 i32 i32 i32 i32)))
    (import "flowgate:plugin/state@0.1.0" "list-append" (func $append (param i32 i32 i32 i32 i32 i32 i32)))
    (import "flowgate:plugin/timers@0.1.0" "set" (func $set_timers (param i32 i32)))
    (memory $memory 700)
"#;

/// The keys 0 to 3, of which row `i` has key `i % 4`.
struct Guest {
    _plugins: Plugins,
    function: Function,
    state: StateHandle,
}

impl Guest {
    fn new(lines: &str) -> Self {
        // What is over a limit ends before; on a busy machine, too.
        Guest::within(Limits { deadline_ms: 60_000, ..Limits::default() }, lines)
    }

    fn within(limits: Limits, lines: &str) -> Self {
        let settings = Settings { compile_in: CompileIn::ThisProcess, cache: None, ..Settings::new(limits) };
        Guest::with(settings, lines)
    }

    fn with(settings: Settings, lines: &str) -> Self {
        let plugins = Plugins::with(settings).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("guest.wasm");
        std::fs::write(&path, flowgate_hostile::process_plugin(&format!("{IMPORTS}{lines}"))).unwrap();
        let request = OpenRequest {
            operator: "keyed".into(),
            function: "f".into(),
            config: serde_json::json!({}),
            inputs: vec![Schema::new(vec![Field::new("x", DataType::Int64)])],
            files: BTreeMap::new(),
        };
        let function = Function::open(&plugins.load(&path).unwrap(), request).unwrap();
        Guest { _plugins: plugins, function, state: StateHandle::new(Naive::default()) }
    }

    /// A guest that does this for each batch.
    fn doing(what: &str) -> Self {
        Guest::new(&doing(what))
    }

    fn batch(&mut self, rows: &[i64]) -> Answer {
        let fields = [Field::new("k", DataType::Int64)];
        let keys: Vec<ArrayRef> = vec![Arc::new(Int64Array::from_iter_values(0..4))];
        let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from_iter_values(rows.iter().copied()))];
        let key_of_row: Vec<u32> = (0..rows.len() as u32).map(|row| row % 4).collect();
        let keys = KeyColumns { fields: &fields, columns: &keys, count: 4 };
        let rows = KeyedRows { input: 0, keys, key_of_row: &key_of_row, columns: &columns };
        self.function.on_batch(&rows, &mut self.state, &CallContext::default()).unwrap()
    }

    fn kept(&mut self) -> &Naive {
        self.state.state::<Naive>().unwrap()
    }
}

/// Lines of a guest that does this for each batch.
fn doing(what: &str) -> String {
    format!(
        "(func $batch (param i32 i32 i32 i32) (param $keys i32) (param i32) (param $rows i32) (param $columns i32) (param i32)
            (result i32) (local $i i32)
            {what} (call $all (local.get $rows)))"
    )
}

/// Appends each row to the list of its key, and traps on `poison`.
fn appending(poison: i64) -> String {
    doing(&format!(
        "(i64.store (i32.const 512) (i64.const 0x800000000))
         (block $done (loop $next
            (br_if $done (i32.eq (local.get $i) (local.get $rows)))
            (call $append (i32.const 2)
                (i32.add (local.get $keys) (i32.mul (local.get $i) (i32.const 4))) (i32.const 1)
                (i32.const 512) (i32.const 2)
                (i32.add (i32.load offset=4 (local.get $columns)) (i32.mul (local.get $i) (i32.const 8))) (i32.const 8))
            (if (i64.eq (i64.const {poison}) (i64.load
                    (i32.add (i32.load offset=4 (local.get $columns)) (i32.mul (local.get $i) (i32.const 8)))))
                (then unreachable))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br $next)))"
    ))
}

/// A guest that is refused on every row fails every row with this message, and leaves nothing behind.
fn is_refused(what: &str, expected: &str) {
    let mut guest = Guest::doing(what);
    let answer = guest.batch(&[1, 2]);
    assert_eq!(answer.failures.len(), 2, "{what}: {answer:?}");
    for failure in &answer.failures {
        assert!(failure.message.contains(expected), "`{}` should say `{expected}`", failure.message);
    }
    assert_eq!(guest.kept().now, Kept::default(), "{what}");
    assert_eq!(guest.kept().commits, 0);
}

const SET: &str = "(call $set (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16) (i32.const 1))";

#[test]
fn a_good_guest_keeps_what_it_writes() {
    let mut guest = Guest::doing(SET);
    let answer = guest.batch(&[1, 2, 3]);
    assert!(answer.failures.is_empty(), "{answer:?}");
    assert_eq!(answer.outputs[0].selection, Selection::All);
    assert_eq!(guest.kept().committed.values[&(0, 0)], b"f");
    assert_eq!(guest.kept().commits, 1);
}

#[test]
fn what_is_out_of_range_or_of_another_kind_traps() {
    is_refused(&SET.replace("(i32.const 0) (i32.const 0)", "(i32.const 9) (i32.const 0)"), "slot 9; its binding has 3");
    is_refused(&SET.replace("(i32.const 0) (i32.const 0)", "(i32.const 1) (i32.const 0)"), "slot `m`, which is a map");
    is_refused(&SET.replace("(i32.const 0) (i32.const 0)", "(i32.const 0) (i32.const 4)"), "on key 4; the call has 1");
    is_refused("(call $get (i32.const 2) (i32.const 0) (i32.const 512))", "slot `l`, which is a list");
    let entries = "(i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 70000) (i32.const 512)";
    is_refused(&format!("(call $entries (i32.const 1) {entries})"), "a limit of 70000; 65536 is the most");
    let timer = "(i32.store (i32.const 512) (i32.const 7)) (call $set_timers (i32.const 512) (i32.const 1))";
    is_refused(timer, "on key 7");
}

#[test]
fn lists_that_do_not_hold_trap() {
    // Two keys, no value.
    let none = "(i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)";
    is_refused(&format!("(call $set_all (i32.const 0) (i32.const 1024) (i32.const 2) {none})"), "0 values for 2 keys");
    // One key, offsets that end behind the data.
    let offsets = "(i32.store (i32.const 516) (i32.const 5)) ";
    let append = "(call $append (i32.const 2) (i32.const 1024) (i32.const 1) (i32.const 512) (i32.const 2) (i32.const 0) \
                  (i32.const 0))";
    is_refused(&format!("{offsets}{append}"), "offsets that end at 5");
    // One key with a value, but no bits that say whether it is there.
    let values = "(i32.const 0) (i32.const 0) (i32.const 600) (i32.const 2) (i32.const 0) (i32.const 0)";
    is_refused(&format!("(call $set_all (i32.const 0) (i32.const 1024) (i32.const 1) {values})"), "0 bytes of bits");
}

#[test]
fn too_much_traps() {
    is_refused(&SET.replace("(i32.const 1))", "(i32.const 1048577))"), "1MiB is the most");
    is_refused(&format!("(loop $again {SET} (br $again))"), "more than 64MiB of state");
    let timers = "(loop $again (call $set_timers (i32.const 65536) (i32.const 1000)) (br $again))";
    is_refused(timers, "more than 262144 timers");
    let answer = Guest::doing(timers).batch(&[1]);
    assert_eq!(
        answer.failures[0].message, "set more than 262144 timers in one call",
        "the call is at fault, not one import"
    );
}

/// An import that takes 400,000 keys, with an element of no bytes for each.
const MANY_APPENDS: &str = "(call $append (i32.const 2) (i32.const 65536) (i32.const 400000) (i32.const 1700000) \
                            (i32.const 400001) (i32.const 0) (i32.const 0))";

#[test]
fn what_one_key_keeps_is_bounded_and_the_setting_is_named() {
    let limits = Limits { key_state_bytes_max: 1_000, ..Limits::default() };
    // An element of 64 bytes.
    let append = "(i32.store (i32.const 516) (i32.const 64)) \
                  (call $append (i32.const 2) (i32.const 1024) (i32.const 1) (i32.const 512) (i32.const 2) (i32.const 0) \
                  (i32.const 64))";
    let mut guest = Guest::within(limits, &doing(append));
    (0..15).for_each(|_| assert!(guest.batch(&[1]).failures.is_empty()));
    let answer = guest.batch(&[1]);
    let message = &answer.failures[0].message;
    assert!(message.contains("slot `l` of one key has more than 1000") && message.contains("key_state"), "{message}");
    assert_eq!(guest.kept().now.lists[&(2, 0)].len(), 15, "the write that was refused is undone");
}

/// The host's work for a call counts as the call's, although no wasm code runs that the deadline could interrupt.
#[test]
fn one_import_with_many_entries_ends_at_the_deadline() {
    let mut guest = Guest::doing(MANY_APPENDS);
    assert!(guest.batch(&[1]).failures.is_empty(), "with time enough it goes well");
    assert_eq!(guest.kept().now.lists[&(2, 0)].len(), 400_000);
    let mut guest = Guest::within(Limits { deadline_ms: 1, ..Limits::default() }, &doing(MANY_APPENDS));
    let answer = guest.batch(&[1]);
    assert!(answer.failures[0].message.contains("after the deadline of the call"), "{answer:?}");
    assert_eq!(guest.kept().now, Kept::default());
}

#[test]
fn writes_and_timers_before_a_trap_are_forgotten() {
    let timer = "(call $set_timers (i32.const 1024) (i32.const 1))";
    is_refused(&format!("{SET} {timer} (unreachable)"), "unreachable");
}

#[test]
fn an_answer_that_is_not_valid_forgets_what_was_written() {
    let mut guest = Guest::new(&format!(
        "(func $batch (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) {SET} (call $all (i32.const 77)))"
    ));
    assert_eq!(guest.batch(&[1, 2]).failures.len(), 2);
    assert_eq!(guest.kept().now, Kept::default());
}

/// Goal: the rows that do not trap are processed once each, those of a key in their order. Method: a guest that appends each
/// row to the list of its key, after which it traps on some.
#[test]
fn poison_rows_are_found_and_the_others_are_kept_in_order() {
    let mut guest = Guest::new(&appending(13));
    let rows: Vec<i64> = (0..200).map(|i| if i % 50 == 17 { 13 } else { 1_000 + i }).collect();
    let answer = guest.batch(&rows);
    let failed: Vec<u32> = answer.failures.iter().map(|f| f.row).collect();
    assert_eq!(failed, [17, 67, 117, 167]);
    let Selection::Rows(selected) = &answer.outputs[0].selection else { panic!("some rows are left out") };
    assert_eq!(selected.len(), 196);
    for key in 0..4 {
        let expected: Vec<Vec<u8>> =
            (0..200).filter(|i| i % 4 == key && rows[*i] != 13).map(|i| rows[i].to_le_bytes().to_vec()).collect();
        assert_eq!(guest.kept().committed.lists[&(2, key as u32)], expected, "key {key}");
    }
}

/// Goal: state that is too much for one import is not a reason to fail rows. Method: large values, all requested at once.
#[test]
fn values_that_are_too_much_at_once_come_for_fewer_keys() {
    let mut guest = Guest::doing("(call $get_all (i32.const 0) (i32.const 512))");
    let kept = guest.state.state::<Naive>().unwrap();
    (0..4).for_each(|key| kept.set(0, key, Some(&vec![7; 6 << 20])).unwrap());
    kept.commit().unwrap();
    let answer = guest.batch(&[1, 2, 3, 4]);
    assert!(answer.failures.is_empty(), "{:?}", answer.failures.first());
    assert_eq!(guest.kept().commits, 3, "twice two keys");
}

#[test]
fn timers_that_trap_fail_and_the_others_are_handled() {
    let mut guest = Guest::new(
        "(func $timers (param i32 i32 i32) (param $due i32) (param $count i32) (result i32)
            (if (i64.eq (i64.load offset=8 (local.get $due)) (i64.const 30)) (then unreachable))
            (call $set_timers (local.get $due) (local.get $count))
            (call $all (local.get $count)))",
    );
    let fields = [Field::new("k", DataType::Int64)];
    let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from_iter_values(0..4))];
    let keys = KeyColumns { fields: &fields, columns: &columns, count: 4 };
    let timer = |key: u32, time| Timer { key, clock: TimerClock::ProcessingTime, time, tag: u64::MAX };
    let timers = [timer(3, 30), timer(2, 31), timer(3, 32), timer(0, 33)];
    let answer = guest.function.on_timers(keys, &timers, &mut guest.state, &CallContext::default()).unwrap();
    assert_eq!(answer.failures.iter().map(|f| f.row).collect::<Vec<_>>(), [0]);
    assert_eq!(answer.outputs[0].selection, Selection::Rows(vec![1, 2, 3]));
    let set: Vec<Timer> = guest.kept().committed.timers.iter().copied().collect();
    assert_eq!(set, [timer(0, 33), timer(2, 31), timer(3, 32)], "under the numbers of the whole call's keys");
}

//! Every kind of state, as the tests use it.

use super::KEY_GROUPS;
use super::model::{KEYS, KeyType, Kind, Op, REPLACE, View, What, key_fields, keys, timer_of, timers_view};
use crate::key::Key;
use crate::short::Short;
use crate::slots::{SlotSpec, Slots};
use crate::snapshot::SlotState;
use crate::store::{JobStores, SlotKind, StateStore};
use crate::table::Table;
use crate::tables::Tables;
use crate::timers::{Clock, Timers};
use crate::value::ByteValues;

/// State that is changed and viewed in the same way, whatever it is.
pub(crate) trait Kept {
    const KIND: Kind;
    fn new(memory: u64, ttl_ms: Option<u64>, key_type: KeyType) -> Self;
    fn track(&mut self);
    fn apply(&mut self, op: &Op, now_ms: i64);
    fn settle(&mut self, now_ms: i64);
    fn state(&mut self) -> Box<dyn SlotState + '_>;
    fn view(&mut self, now_ms: i64) -> View;
}

fn store(memory: u64) -> StateStore {
    StateStore::new(&JobStores::new(memory, None, KEY_GROUPS, 1)).of_operator("op")
}

/// Returns the number of a key.
pub(crate) fn number_of(key: Key<'_>, key_type: KeyType) -> u8 {
    let known = keys(&(0..KEYS).collect::<Vec<_>>(), key_type);
    (0..KEYS).find(|n| known.get(usize::from(*n)) == key).expect("a key is one of the tests")
}

/// A table by itself.
pub(crate) struct Rows {
    table: Table<ByteValues>,
    key_type: KeyType,
}

fn change(table: &mut Table<ByteValues>, op: &Op, key_type: KeyType) {
    let key = keys(&[op.key], key_type);
    match op.what {
        // In both ways to look up a key.
        What::Set => {
            let mut rows = Vec::new();
            match op.entry % 2 {
                0 => table.rows_of(&key, &mut rows).unwrap(),
                _ => rows.push(table.row_of(key.get(0)).unwrap()),
            }
            table.values_mut().set(rows[0], Some(Short::new(&op.value)));
        }
        What::Remove => {
            if let Some(row) = table.find(key.get(0)).unwrap() {
                table.remove(row);
            }
        }
        What::RemoveKey => {
            if table.find(key.get(0)).unwrap().is_some() {
                table.remove_key(key.get(0));
            }
        }
        What::RemovePane => table.clear().unwrap(),
    }
}

fn see(table: &mut Table<ByteValues>, pane: i64, key_type: KeyType, view: &mut View) {
    for number in 0..KEYS {
        let key = keys(&[number], key_type);
        if let Some(row) = table.find(key.get(0)).unwrap() {
            view.insert((pane, number, Vec::new()), table.values().get(row).unwrap().to_vec());
        }
    }
}

impl Kept for Rows {
    const KIND: Kind = Kind::Rows;

    fn new(memory: u64, ttl_ms: Option<u64>, key_type: KeyType) -> Self {
        let table = Table::in_store(ByteValues::default(), &store(memory), "rows", SlotKind::Window);
        Rows { table: table.with_ttl(ttl_ms), key_type }
    }

    fn track(&mut self) {
        self.table.track_changes().unwrap();
    }

    fn apply(&mut self, op: &Op, _: i64) {
        if !op.fails {
            change(&mut self.table, op, self.key_type);
        }
    }

    fn settle(&mut self, now_ms: i64) {
        self.table.settle(now_ms).unwrap();
    }

    fn state(&mut self) -> Box<dyn SlotState + '_> {
        Box::new(self.table.snapshots(&key_fields(self.key_type)))
    }

    fn view(&mut self, now_ms: i64) -> View {
        self.table.settle(now_ms).unwrap();
        let mut view = View::new();
        see(&mut self.table, 0, self.key_type, &mut view);
        view
    }
}

/// Panes.
pub(crate) struct Panes {
    tables: Tables<ByteValues>,
    key_type: KeyType,
}

impl Kept for Panes {
    const KIND: Kind = Kind::Panes;

    fn new(memory: u64, _: Option<u64>, key_type: KeyType) -> Self {
        let tables = Tables::new(ByteValues::default(), &store(memory), "panes", SlotKind::Window);
        Panes { tables, key_type }
    }

    fn track(&mut self) {
        self.tables.track_changes().unwrap();
    }

    fn apply(&mut self, op: &Op, _: i64) {
        if op.fails {
            return;
        }
        match op.what {
            // In both ways to remove a table.
            What::RemovePane if op.entry.is_multiple_of(2) && self.tables.first_from(i64::MIN) == Some(op.pane) => {
                self.tables.pop_before(op.pane + 1).unwrap();
            }
            What::RemovePane => _ = self.tables.remove(op.pane),
            What::Set => change(self.tables.entry(op.pane, 0).unwrap(), op, self.key_type),
            _ => {
                _ = self
                    .tables
                    .visit_one(op.pane, |table| {
                        change(table, op, self.key_type);
                        Ok(())
                    })
                    .unwrap()
            }
        }
    }

    fn settle(&mut self, _: i64) {
        self.tables.settle().unwrap();
    }

    fn state(&mut self) -> Box<dyn SlotState + '_> {
        Box::new(self.tables.snapshots(&key_fields(self.key_type)))
    }

    fn view(&mut self, _: i64) -> View {
        let mut view = View::new();
        for pane in self.tables.numbers(i64::MIN..i64::MAX) {
            let see = |table: &mut _| {
                see(table, pane, self.key_type, &mut view);
                Ok(())
            };
            self.tables.visit_one(pane, see).unwrap();
        }
        view
    }
}

/// A slot of a process function.
struct Slot {
    slots: Slots,
    key_type: KeyType,
}

impl Slot {
    fn new(kind: SlotKind, memory: u64, ttl_ms: Option<u64>, key_type: KeyType) -> Self {
        let slots = Slots::new(&[SlotSpec { name: "s".into(), kind, ttl_ms }], &store(memory)).unwrap();
        Slot { slots, key_type }
    }

    /// Makes a call for a key.
    fn call(&mut self, op: &Op, now_ms: i64, call: impl FnOnce(&mut Slots)) {
        self.slots.begin(&keys(&[op.key], self.key_type), now_ms).unwrap();
        call(&mut self.slots);
        if op.fails { self.slots.rollback() } else { self.slots.commit() }
    }

    fn view(&mut self, now_ms: i64, see: impl Fn(&mut Slots, u8, &mut View)) -> View {
        let numbers: Vec<u8> = (0..KEYS).collect();
        self.slots.begin(&keys(&numbers, self.key_type), now_ms).unwrap();
        let mut view = View::new();
        numbers.iter().for_each(|number| see(&mut self.slots, *number, &mut view));
        self.slots.commit();
        view
    }
}

macro_rules! slot {
    ($name:ident, $kind:ident, $apply:expr, $see:expr) => {
        pub(crate) struct $name(Slot);

        impl Kept for $name {
            const KIND: Kind = Kind::$kind;

            fn new(memory: u64, ttl_ms: Option<u64>, key_type: KeyType) -> Self {
                $name(Slot::new(SlotKind::$kind, memory, ttl_ms, key_type))
            }

            fn track(&mut self) {
                self.0.slots.track_changes().unwrap();
            }

            fn apply(&mut self, op: &Op, now_ms: i64) {
                let apply: fn(&mut Slots, &Op) = $apply;
                self.0.call(op, now_ms, |slots| apply(slots, op));
            }

            fn settle(&mut self, now_ms: i64) {
                self.0.slots.begin(&keys(&[], self.0.key_type), now_ms).unwrap();
            }

            fn state(&mut self) -> Box<dyn SlotState + '_> {
                self.0.slots.snapshots(0, &key_fields(self.0.key_type)).unwrap()
            }

            fn view(&mut self, now_ms: i64) -> View {
                self.0.view(now_ms, $see)
            }
        }
    };
}

slot!(
    ValueSlot,
    Value,
    |slots, op| match op.what {
        What::Set => slots.set(0, 0, Some(&op.value)).unwrap(),
        What::Remove | What::RemoveKey => slots.set(0, 0, None).unwrap(),
        What::RemovePane => {}
    },
    |slots, key, view| {
        if let Some(value) = slots.get(0, key.into()).unwrap() {
            view.insert((0, key, Vec::new()), value.to_vec());
        }
    }
);

slot!(
    MapSlot,
    Map,
    |slots, op| match op.what {
        What::Set => slots.map_set(0, 0, &[op.entry], Some(&op.value)).unwrap(),
        What::Remove => slots.map_set(0, 0, &[op.entry], None).unwrap(),
        What::RemoveKey => slots.map_clear(0, 0).unwrap(),
        What::RemovePane => {}
    },
    |slots, key, view| {
        let see = |entry: &[u8], value: &[u8]| _ = view.insert((0, key, entry.to_vec()), value.to_vec());
        slots.map_entries(0, key.into(), None, 99, see).unwrap();
    }
);

slot!(
    ListSlot,
    List,
    |slots, op| match op.what {
        What::Set => {
            if op.entry == REPLACE {
                slots.list_clear(0, 0).unwrap();
            }
            slots.list_append(0, 0, &op.value).unwrap();
        }
        What::RemoveKey => slots.list_clear(0, 0).unwrap(),
        What::Remove | What::RemovePane => {}
    },
    |slots, key, view| {
        let mut at = 0;
        let see = |element: &[u8]| {
            view.insert((0, key, vec![at]), element.to_vec());
            at += 1;
        };
        slots.list_elements(0, key.into(), 0, 99, see).unwrap();
    }
);

/// Timers.
pub(crate) struct TimerSlot {
    timers: Timers,
    key_type: KeyType,
}

impl Kept for TimerSlot {
    const KIND: Kind = Kind::Timers;

    fn new(memory: u64, _: Option<u64>, key_type: KeyType) -> Self {
        TimerSlot { timers: Timers::new(&store(memory)), key_type }
    }

    fn track(&mut self) {
        self.timers.track_changes().unwrap();
    }

    fn apply(&mut self, op: &Op, _: i64) {
        if op.fails {
            return;
        }
        let (clock, time, key, tag) = timer_of(op);
        let clock = Clock::ALL[usize::from(clock)];
        let key = keys(&[key], self.key_type);
        match op.what {
            What::Set => self.timers.set(key.get(0), clock, time, tag).unwrap(),
            What::Remove | What::RemoveKey => self.timers.clear(key.get(0), clock, time, tag).unwrap(),
            What::RemovePane => _ = self.timers.due(clock, time, usize::MAX).unwrap(),
        }
    }

    fn settle(&mut self, _: i64) {
        self.timers.settle().unwrap();
    }

    fn state(&mut self) -> Box<dyn SlotState + '_> {
        Box::new(self.timers.snapshots(&key_fields(self.key_type)))
    }

    fn view(&mut self, _: i64) -> View {
        let mut all = Vec::new();
        for clock in Clock::ALL {
            let see = |key: Key<'_>, time, tag| all.push((clock as u8, time, number_of(key, self.key_type), tag));
            self.timers.each(clock, see).unwrap();
        }
        timers_view(all.into_iter())
    }
}

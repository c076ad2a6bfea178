//! The state slots of a process function on one worker: values, maps and lists per key, bytes to the host.
//!
//! A call of the function reads its own writes. [`Slots::commit`] keeps them; [`Slots::rollback`] undoes them, as if the call had
//! never been made (P1). So every write first notes the old value.

use super::key::Keys;
use super::list::{List, Lists};
use super::map::{EntryValue, Map, Maps};
use super::marks::Mark;
use super::short::Short;
use super::snapshot::SlotState;
use super::store::{SlotKind, StateStore};
use super::table::{NO_ROW, Table, Values};
use super::value::ByteValues;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Field;

/// Bytes of one value, of one map entry's value, of one list element.
pub(crate) const VALUE_BYTES_MAX: usize = 16 << 20;

/// Bytes of the name of a map entry.
pub(crate) const ENTRY_BYTES_MAX: usize = 64 << 10;

/// A slot as the function declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotSpec {
    /// Unique within the function.
    pub name: String,
    /// Value, map or list.
    pub kind: SlotKind,
    /// Time-to-live: milliseconds of processing time after the last write for which a value, an entry or an element is visible; a
    /// value up to a thousandth longer. `None`: for ever.
    pub ttl_ms: Option<u64>,
}

/// All slots of one process operator on one worker. A slot is identified by its position among the specs, a key by its row in
/// the keys of the call. The caller has checked both, the kind of the slot and the sizes: a violation is an internal error,
/// never the function's fault.
#[derive(Debug)]
pub struct Slots {
    pub(super) slots: Vec<Slot>,
    pub(super) keys: Keys,
    pub(super) undo: Vec<Undo>,
    /// Slot and key of every row that was written in this call.
    pub(super) written: Vec<(u32, u32)>,
}

#[derive(Debug)]
pub(super) struct Slot {
    name: String,
    pub(super) table: SlotTable,
    /// By key of the call.
    rows: Vec<u32>,
    /// By key of the call: what the undo log has of it.
    noted: Vec<Noted>,
}

#[derive(Debug)]
pub(crate) enum SlotTable {
    Value(Table<ByteValues>),
    Map(Table<Maps>),
    List(Table<Lists>),
}

/// Calls `$body` with `$table` as the table of whichever kind.
macro_rules! each_kind {
    ($slot:expr, $table:ident => $body:expr) => {
        match $slot {
            SlotTable::Value($table) => $body,
            SlotTable::Map($table) => $body,
            SlotTable::List($table) => $body,
        }
    };
}

pub(super) use each_kind;

/// In place of a row that was not looked up yet.
const NOT_LOOKED_UP: u32 = u32::MAX - 1;

/// How much of a key's state in a slot the undo log has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Noted {
    Nothing,
    /// A list's length, or some entries of a map.
    Part,
    /// All of it: further writes need no note.
    Whole,
}

/// The state before a write.
#[derive(Debug)]
pub(super) enum Undo {
    Value { slot: u32, row: u32, old: Option<Short>, written: Mark },
    Entry { slot: u32, row: u32, entry: Short, old: Option<EntryValue> },
    Map { slot: u32, row: u32, old: Map },
    ListLength { slot: u32, row: u32, length: usize },
    List { slot: u32, row: u32, old: List },
}

/// The table of a slot, if the slot is of this kind.
macro_rules! table_of {
    ($slot:expr, $kind:ident) => {
        match &mut $slot.table {
            SlotTable::$kind(table) => Ok(table),
            _ => Err(Error::internal(format!(
                "state slot `{}` is used as a {}; it is none",
                $slot.name,
                SlotKind::$kind.name()
            ))),
        }
    };
}

fn check_size(what: &str, bytes: &[u8], most: usize) -> Result<()> {
    if bytes.len() > most {
        return Err(Error::internal(format!("{what} has {} bytes; at most {most} are possible", bytes.len())));
    }
    Ok(())
}

impl Slots {
    /// Creates the slots of an operator, without keys.
    ///
    /// # Errors
    /// A spec is of a kind that functions do not have: our mistake.
    pub fn new(specs: &[SlotSpec], store: &StateStore) -> Result<Self> {
        let slot = |spec: &SlotSpec| {
            let (name, kind) = (&spec.name, spec.kind);
            let table = match kind {
                SlotKind::Value => {
                    let table = Table::in_store(ByteValues::default(), store, name, kind);
                    SlotTable::Value(table.with_ttl(spec.ttl_ms))
                }
                SlotKind::Map => SlotTable::Map(Table::in_store(Maps::new(spec.ttl_ms), store, name, kind)),
                SlotKind::List => SlotTable::List(Table::in_store(Lists::new(spec.ttl_ms), store, name, kind)),
                _ => return Err(Error::internal(format!("a function has no slot of kind {}", kind.name()))),
            };
            Ok(Slot { name: name.clone(), table, rows: Vec::new(), noted: Vec::new() })
        };
        let slots = specs.iter().map(slot).collect::<Result<_>>()?;
        Ok(Slots { slots, keys: Keys::Unit(0), undo: Vec::new(), written: Vec::new() })
    }

    /// Begins a call. Its keys are the rows of `keys`, each of them once; its processing time is `now_ms`, in Unix milliseconds.
    /// Writes of the last call that were not committed are rolled back.
    ///
    /// # Errors
    /// The spill file cannot be read or written: the outside world's.
    pub fn begin(&mut self, keys: &Keys, now_ms: i64) -> Result<()> {
        self.rollback();
        for slot in &mut self.slots {
            each_kind!(&mut slot.table, table => table.settle(now_ms)?);
            slot.noted.clear();
            slot.noted.resize(keys.len(), Noted::Nothing);
            match &mut slot.table {
                // Most functions look at the value of every key.
                SlotTable::Value(table) => table.find_rows(keys, &mut slot.rows)?,
                _ => {
                    slot.rows.clear();
                    slot.rows.resize(keys.len(), NOT_LOOKED_UP);
                }
            }
        }
        self.keys = keys.clone();
        Ok(())
    }

    /// Starts to track changes, before there are any keys.
    ///
    /// # Errors
    /// There are keys: our mistake.
    pub fn track_changes(&mut self) -> Result<()> {
        self.slots.iter_mut().try_for_each(|slot| each_kind!(&mut slot.table, table => table.track_changes()))
    }

    /// Returns a slot as a checkpoint sees it, by its position; the keys are of these fields. Not within a call of the function.
    ///
    /// A value is a column `value`; entries of maps have a column `entry` with their bytes, elements of lists one with their number,
    /// both with a column `written`.
    ///
    /// # Errors
    /// There is no such slot: our mistake.
    pub fn snapshots(&mut self, slot: usize, key: &[Field]) -> Result<Box<dyn SlotState + '_>> {
        let count = self.slots.len();
        let outside = || Error::internal(format!("state slot {slot} is stored; there are {count}"));
        let slot = self.slots.get_mut(slot).ok_or_else(outside)?;
        Ok(each_kind!(&mut slot.table, table => Box::new(table.snapshots(key))))
    }

    /// Returns the slot, the row of a key in it ([`NO_ROW`] if there is none, unless `create` makes one), and the undo log.
    fn locate(&mut self, slot: u32, key: u32, create: bool) -> Result<(&mut Slot, u32, &mut Vec<Undo>)> {
        let count = self.slots.len();
        let outside = || Error::internal(format!("state slot {slot} is used; there are {count}"));
        let position = slot as usize;
        let Slots { slots, keys, undo, written } = self;
        let slot = slots.get_mut(position).ok_or_else(outside)?;
        let at = key as usize;
        let Some(row) = slot.rows.get_mut(at) else {
            return Err(Error::internal(format!("state of key {key} is used; the call has {} keys", keys.len())));
        };
        if *row == NOT_LOOKED_UP {
            *row = each_kind!(&mut slot.table, table => table.find(keys.get(at))?).unwrap_or(NO_ROW);
        }
        if create {
            if *row == NO_ROW {
                *row = each_kind!(&mut slot.table, table => table.row_of(keys.get(at))?);
            }
            if slot.noted[at] == Noted::Nothing {
                each_kind!(&mut slot.table, table => table.mark_changed(*row));
                written.push((position as u32, key));
            }
        }
        let row = *row;
        Ok((slot, row, undo))
    }

    /// Returns the value of a key.
    ///
    /// # Errors
    /// There is no such slot or key, or the slot is of another kind: our mistake. The spill file cannot be read: the outside
    /// world's. So with all calls for one key.
    pub fn get(&mut self, slot: u32, key: u32) -> Result<Option<&[u8]>> {
        let (slot, row, _) = self.locate(slot, key, false)?;
        let table = table_of!(slot, Value)?;
        Ok(if row == NO_ROW { None } else { table.values().get(row) })
    }

    /// Calls `visit` with the value of every key of the call, in their order.
    ///
    /// # Errors
    /// There is no such slot, or it is of another kind: our mistake.
    pub fn get_all(&mut self, slot: u32, mut visit: impl FnMut(Option<&[u8]>)) -> Result<()> {
        let count = self.slots.len();
        let outside = || Error::internal(format!("state slot {slot} is used; there are {count}"));
        let slot = self.slots.get_mut(slot as usize).ok_or_else(outside)?;
        let table = table_of!(slot, Value)?;
        let values = table.values();
        slot.rows.iter().for_each(|row| visit(if *row == NO_ROW { None } else { values.get(*row) }));
        Ok(())
    }

    /// Sets the value of a key; `None` clears it.
    ///
    /// # Errors
    /// As [`Slots::get`], or the value exceeds [`VALUE_BYTES_MAX`]: our mistake.
    pub fn set(&mut self, slot: u32, key: u32, value: Option<&[u8]>) -> Result<()> {
        check_size("a state value", value.unwrap_or_default(), VALUE_BYTES_MAX)?;
        let is_there = self.get(slot, key)?.is_some();
        if value.is_none() && !is_there {
            return Ok(());
        }
        let (kept, row, undo) = self.locate(slot, key, true)?;
        let table = table_of!(kept, Value)?;
        let written = table.written(row);
        let old = table.values_mut().set(row, value.map(Short::new));
        table.touch(row);
        if kept.noted[key as usize] == Noted::Nothing {
            kept.noted[key as usize] = Noted::Whole;
            undo.push(Undo::Value { slot, row, old, written });
        }
        Ok(())
    }

    /// Returns the value of an entry in the map of a key.
    ///
    /// # Errors
    /// As [`Slots::get`].
    pub fn map_get(&mut self, slot: u32, key: u32, entry: &[u8]) -> Result<Option<&[u8]>> {
        let (slot, row, _) = self.locate(slot, key, false)?;
        let table = table_of!(slot, Map)?;
        Ok(if row == NO_ROW { None } else { table.values().get(row, entry) })
    }

    /// Sets an entry in the map of a key; `None` removes it.
    ///
    /// # Errors
    /// As [`Slots::set`], or the entry's name exceeds [`ENTRY_BYTES_MAX`]: our mistake.
    pub fn map_set(&mut self, slot: u32, key: u32, entry: &[u8], value: Option<&[u8]>) -> Result<()> {
        check_size("a state value", value.unwrap_or_default(), VALUE_BYTES_MAX)?;
        check_size("the name of a map entry", entry, ENTRY_BYTES_MAX)?;
        let is_there = self.map_get(slot, key, entry)?.is_some();
        if value.is_none() && !is_there {
            return Ok(());
        }
        let (kept, row, undo) = self.locate(slot, key, true)?;
        let old = table_of!(kept, Map)?.values_mut().set(row, entry, value);
        let noted = &mut kept.noted[key as usize];
        if *noted != Noted::Whole {
            *noted = Noted::Part;
            undo.push(Undo::Entry { slot, row, entry: Short::new(entry), old });
        }
        Ok(())
    }

    /// Calls `visit` with up to `limit` entries of a key's map and their values, in the order of the entries' bytes, from after
    /// `after`.
    ///
    /// # Errors
    /// As [`Slots::get`].
    pub fn map_entries(
        &mut self,
        slot: u32,
        key: u32,
        after: Option<&[u8]>,
        limit: usize,
        visit: impl FnMut(&[u8], &[u8]),
    ) -> Result<()> {
        let (slot, row, _) = self.locate(slot, key, false)?;
        let table = table_of!(slot, Map)?;
        if row != NO_ROW {
            table.values().entries(row, after, limit, visit);
        }
        Ok(())
    }

    /// Removes every entry of a key's map.
    ///
    /// # Errors
    /// As [`Slots::get`].
    pub fn map_clear(&mut self, slot: u32, key: u32) -> Result<()> {
        let (kept, row, _) = self.locate(slot, key, false)?;
        table_of!(kept, Map)?;
        if row == NO_ROW {
            return Ok(());
        }
        let (kept, row, undo) = self.locate(slot, key, true)?;
        let old = table_of!(kept, Map)?.values_mut().take(row);
        let noted = &mut kept.noted[key as usize];
        if *noted != Noted::Whole {
            *noted = Noted::Whole;
            undo.push(Undo::Map { slot, row, old });
        }
        Ok(())
    }

    /// Appends an element to the list of a key.
    ///
    /// # Errors
    /// As [`Slots::set`], or the list would exceed 1 GiB: the user's.
    pub fn list_append(&mut self, slot: u32, key: u32, element: &[u8]) -> Result<()> {
        check_size("a list element", element, VALUE_BYTES_MAX)?;
        table_of!(self.locate(slot, key, false)?.0, List)?;
        let (kept, row, undo) = self.locate(slot, key, true)?;
        let lists = table_of!(kept, List)?.values_mut();
        let noted = &mut kept.noted[key as usize];
        if *noted == Noted::Nothing {
            *noted = Noted::Part;
            undo.push(Undo::ListLength { slot, row, length: lists.stored_len(row) });
        }
        lists.append(row, element)
    }

    /// Calls `visit` with up to `limit` elements of a key's list, from position `start` on.
    ///
    /// # Errors
    /// As [`Slots::get`].
    pub fn list_elements(
        &mut self,
        slot: u32,
        key: u32,
        start: usize,
        limit: usize,
        visit: impl FnMut(&[u8]),
    ) -> Result<()> {
        let (slot, row, _) = self.locate(slot, key, false)?;
        let table = table_of!(slot, List)?;
        if row != NO_ROW {
            table.values().elements(row, start, limit, visit);
        }
        Ok(())
    }

    /// Empties the list of a key.
    ///
    /// # Errors
    /// As [`Slots::get`].
    pub fn list_clear(&mut self, slot: u32, key: u32) -> Result<()> {
        let (kept, row, _) = self.locate(slot, key, false)?;
        table_of!(kept, List)?;
        if row == NO_ROW {
            return Ok(());
        }
        let (kept, row, undo) = self.locate(slot, key, true)?;
        let old = table_of!(kept, List)?.values_mut().take(row);
        let noted = &mut kept.noted[key as usize];
        if *noted != Noted::Whole {
            *noted = Noted::Whole;
            undo.push(Undo::List { slot, row, old });
        }
        Ok(())
    }

    /// Returns the bytes of a key's value, map or list in a slot.
    ///
    /// # Errors
    /// As [`Slots::get`].
    pub fn bytes(&mut self, slot: u32, key: u32) -> Result<usize> {
        let (slot, row, _) = self.locate(slot, key, false)?;
        Ok(match &slot.table {
            _ if row == NO_ROW => 0,
            SlotTable::Value(table) => table.values().get(row).map_or(0, <[u8]>::len),
            SlotTable::Map(table) => table.values().bytes_of(row),
            SlotTable::List(table) => table.values().bytes_of(row),
        })
    }

    /// Keeps the writes of the call.
    pub fn commit(&mut self) {
        self.undo.clear();
        self.end_call();
    }

    /// Undoes the writes of the call, which may continue or be made again.
    pub fn rollback(&mut self) {
        while let Some(undo) = self.undo.pop() {
            let (Undo::Value { slot, .. }
            | Undo::Entry { slot, .. }
            | Undo::Map { slot, .. }
            | Undo::ListLength { slot, .. }
            | Undo::List { slot, .. }) = undo;
            match (&mut self.slots[slot as usize].table, undo) {
                (SlotTable::Value(table), Undo::Value { row, old, written, .. }) => {
                    table.values_mut().set(row, old);
                    table.set_written(row, written);
                }
                (SlotTable::Map(table), Undo::Entry { row, entry, old, .. }) => {
                    table.values_mut().put_back(row, entry, old);
                }
                (SlotTable::Map(table), Undo::Map { row, old, .. }) => {
                    table.values_mut().replace(row, old);
                }
                (SlotTable::List(table), Undo::ListLength { row, length, .. }) => {
                    table.values_mut().truncate(row, length)
                }
                (SlotTable::List(table), Undo::List { row, old, .. }) => {
                    table.values_mut().replace(row, old);
                }
                _ => unreachable!("a slot's notes are of its kind"),
            }
        }
        self.end_call();
    }

    /// Removes keys whose state is empty.
    fn end_call(&mut self) {
        for (slot, key) in self.written.drain(..) {
            let (slot, at) = (&mut self.slots[slot as usize], key as usize);
            slot.noted[at] = Noted::Nothing;
            let row = slot.rows[at];
            if row == NO_ROW {
                continue;
            }
            let is_vacant = match &slot.table {
                SlotTable::Value(table) => table.values().get(row).is_none(),
                SlotTable::Map(table) => table.values().is_vacant(row),
                SlotTable::List(table) => table.values().is_vacant(row),
            };
            if is_vacant {
                each_kind!(&mut slot.table, table => table.remove(row));
                slot.rows[at] = NO_ROW;
            }
        }
    }
}

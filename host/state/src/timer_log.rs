//! The changes of timers since the last call, and how they are restored.
//!
//! A change's entry is drawn in [`timer_name`](super::timer_name). Its value is empty; what counts is the order, in which timers
//! were set.

use std::collections::BTreeMap;

use super::changes::{Change, ChangeVisitor};
use super::key::{Key, KeyGroups, hash};
use super::short::Short;
use super::spill::read_key;
use super::timer_name::{ENTRY, Named, no_timer, read_entry};
use super::timers::{Clock, Timers};
use flowgate_base::error::Result;

/// Timers that were set, fired or cleared.
#[derive(Debug, Default)]
pub(crate) struct TimerLog {
    /// By entry and key.
    changes: BTreeMap<Short, Logged>,
    count: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Logged {
    /// When it was set: the number of timers set until then; `None`: it has fired or was cleared.
    set: Option<u64>,
    /// It fired or was cleared before it was set.
    was_gone: bool,
}

fn name(key: Key<'_>, clock: Clock, time: i64, tag: u64) -> Short {
    let mut bytes = Vec::new();
    Named { key, clock, time, tag }.put(&mut bytes);
    Short::new(&bytes)
}

impl TimerLog {
    pub(crate) fn set(&mut self, key: Key<'_>, clock: Clock, time: i64, tag: u64) {
        self.count += 1;
        self.changes.entry(name(key, clock, time, tag)).or_default().set = Some(self.count);
    }

    pub(crate) fn gone(&mut self, key: Key<'_>, clock: Clock, time: i64, tag: u64) {
        self.changes.insert(name(key, clock, time, tag), Logged { set: None, was_gone: true });
    }
}

impl Timers {
    /// Starts to note changes; every timer that is set counts as changed.
    ///
    /// # Errors
    /// The spill file cannot be read: the outside world's.
    pub fn track_changes(&mut self) -> Result<()> {
        if self.log.is_some() {
            return Ok(());
        }
        let mut log = TimerLog::default();
        for clock in Clock::ALL {
            self.each(clock, |key, time, tag| log.set(key, clock, time, tag))?;
        }
        self.log = Some(log);
        Ok(())
    }

    /// Calls `visit` with each change since the last call.
    ///
    /// # Errors
    /// `visit` fails.
    pub fn changes(&mut self, visit: ChangeVisitor<'_>) -> Result<()> {
        let groups = self.home.as_ref().map_or(KeyGroups::new(1), |home| home.store.key_groups());
        let log = std::mem::take(self.log.get_or_insert_default());
        let mut sorted: Vec<_> = log.changes.into_iter().collect();
        // Timers that fired or were cleared come first, the others in the order in which they were set.
        sorted.sort_by_key(|(_, logged)| logged.set);
        for (name, logged) in sorted {
            let (entry, key) = name.as_slice().split_at(ENTRY);
            let (_, key) = read_key(key)?;
            let change = Change { key_group: groups.of(hash(key)), key, entry: Some(entry), value: None };
            if logged.was_gone {
                visit(change)?;
            }
            if logged.set.is_some() {
                visit(Change { value: Some(&[]), ..change })?;
            }
        }
        Ok(())
    }

    /// Restores a change that [`Timers::changes`] returned. The timer does not count as changed.
    ///
    /// # Errors
    /// The change is not of a timer, or the spill file cannot be read.
    pub fn restore(&mut self, change: Change<'_>) -> Result<()> {
        let Named { key, clock, time, tag } = read_entry(change.key, change.entry.ok_or_else(no_timer)?)?;
        let log = self.log.take();
        let result = match change.value {
            Some(_) => self.set(key, clock, time, tag),
            None => self.clear(key, clock, time, tag),
        };
        self.log = log;
        result
    }
}

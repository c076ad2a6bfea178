//! What has changed among timers since the last look, and how it is put back.
//!
//! A change's entry is 17 bytes: the clock (0: event time, 1: processing time), then the time and the tag, 8 bytes each,
//! big-endian. Its value is empty; what counts is the order, which is that of setting.

use std::collections::BTreeMap;

use super::changes::{Change, ChangeVisitor};
use super::key::{Key, KeyGroups, hash};
use super::short::Short;
use super::spill::{put_key, read_key};
use super::timers::{Clock, Timers};
use crate::error::{Error, Result};

/// Bytes of an entry.
const ENTRY: usize = 17;

/// Timers that were set or are gone.
#[derive(Debug, Default)]
pub(super) struct TimerLog {
    /// By entry and key.
    changes: BTreeMap<Short, Logged>,
    count: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Logged {
    /// When it was set: so many changes came before; `None`: it is gone.
    set: Option<u64>,
    /// It was gone before it was set.
    was_gone: bool,
}

/// A timer as one piece of bytes; without a key group, which is known when it is needed.
fn name(key: Key<'_>, clock: Clock, time: i64, tag: u64) -> Short {
    let mut bytes = vec![clock as u8];
    bytes.extend_from_slice(&time.to_be_bytes());
    bytes.extend_from_slice(&tag.to_be_bytes());
    put_key(0, key, &mut bytes);
    Short::new(&bytes)
}

impl TimerLog {
    pub(super) fn set(&mut self, key: Key<'_>, clock: Clock, time: i64, tag: u64) {
        self.count += 1;
        self.changes.entry(name(key, clock, time, tag)).or_default().set = Some(self.count);
    }

    pub(super) fn gone(&mut self, key: Key<'_>, clock: Clock, time: i64, tag: u64) {
        self.changes.insert(name(key, clock, time, tag), Logged { set: None, was_gone: true });
    }
}

impl Timers {
    /// From now on changes are noted; every timer that is set counts as changed.
    pub fn track_changes(&mut self) {
        if self.log.is_some() {
            return;
        }
        let mut log = TimerLog::default();
        for clock in [Clock::EventTime, Clock::ProcessingTime] {
            self.each(clock, |key, time, tag| log.set(key, clock, time, tag));
        }
        self.log = Some(log);
    }

    /// Calls `visit` with what has changed since the last call.
    ///
    /// # Errors
    /// What `visit` says.
    pub fn changes(&mut self, visit: ChangeVisitor<'_>) -> Result<()> {
        let groups = self.key_groups.unwrap_or(KeyGroups::new(1));
        let log = std::mem::take(self.log.get_or_insert_default());
        let mut sorted: Vec<_> = log.changes.into_iter().collect();
        // Those that are gone come first; the others as they were set.
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

    /// Puts back what [`Timers::changes`] gave. It does not count as changed.
    ///
    /// # Errors
    /// The change is not of a timer.
    pub fn restore(&mut self, change: Change<'_>) -> Result<()> {
        let wrong = || Error::internal("stored state of timers has an entry that is no timer");
        let entry: &[u8; ENTRY] = change.entry.and_then(|entry| entry.try_into().ok()).ok_or_else(wrong)?;
        let clock = match entry[0] {
            0 => Clock::EventTime,
            1 => Clock::ProcessingTime,
            _ => return Err(wrong()),
        };
        let eight = |at: usize| entry[at..].first_chunk::<8>().copied().ok_or_else(wrong);
        let (time, tag) = (i64::from_be_bytes(eight(1)?), u64::from_be_bytes(eight(9)?));
        let log = self.log.take();
        match change.value {
            Some(_) => self.set(change.key, clock, time, tag),
            None => self.clear(change.key, clock, time, tag),
        }
        self.log = log;
        Ok(())
    }
}

//! What two versions of a process function have written to the state of the same keys. Pure.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::beside::KeyDifference;
use super::report::{ColumnDifference, DifferenceOf};
use crate::dataflow::swap::slot_plan::Fate;
use flowgate_base::secret;
use flowgate_wall::binding::StateSlot;
use flowgate_wall::{KeptValue, MemoryState, TimerChange, TimerClock};

/// Bytes of state that are shown of a value.
const SHOWN_BYTES_MAX: usize = 48;

/// Returns how the state differs that both versions have written. `old` is what the version of the job has behind the call, and the timers that
/// it has changed.
pub(super) fn states(
    (after, timers): (&MemoryState, &[TimerChange]),
    new: &MemoryState,
    slots: &[StateSlot],
    fates: &[Fate],
    failed: &BTreeMap<u32, String>,
) -> Vec<KeyDifference> {
    let mut differ = Vec::new();
    for key in (0..after.key_count() as u32).filter(|key| !failed.contains_key(key)) {
        for (at, (slot, fate)) in slots.iter().zip(fates).enumerate() {
            let Fate::Kept(from) = *fate else { continue };
            let kept =
                |state: &MemoryState, at: usize| state.slots().get(at).and_then(|keys| keys.get(key as usize)).cloned();
            if let (Some(ours), Some(theirs)) = (kept(after, from), kept(new, at))
                && ours != theirs
            {
                let columns = values(&ours, &theirs);
                differ.push(KeyDifference { key, of: DifferenceOf::State(slot.name.clone()), columns });
            }
        }
        let (ours, theirs) = (changed(timers, key), changed(new.timers(), key));
        if ours != theirs {
            differ.push(KeyDifference { key, of: DifferenceOf::Timers, columns: timer_columns(&ours, &theirs) });
        }
    }
    differ
}

/// By timer of a key, whether it was set or cleared last.
type Changed = BTreeMap<(TimerClock, i64, u64), bool>;

fn changed(timers: &[TimerChange], key: u32) -> Changed {
    let of_key = timers.iter().filter(|change| change.timer.key == key);
    of_key.map(|change| ((change.timer.clock, change.timer.time, change.timer.tag), change.is_set)).collect()
}

fn timer_columns(ours: &Changed, theirs: &Changed) -> Vec<ColumnDifference> {
    let shown = |is_set: Option<&bool>| is_set.map(|is_set| if *is_set { "set".into() } else { "cleared".into() });
    let all: BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    let differ = all.into_iter().filter(|timer| ours.get(timer) != theirs.get(timer));
    let column = |timer: &(TimerClock, i64, u64)| {
        let clock = match timer.0 {
            TimerClock::EventTime => "event time",
            TimerClock::ProcessingTime => "processing time",
        };
        let column = format!("timer of {clock} {}, tag {}", timer.1, timer.2);
        ColumnDifference { column, old: shown(ours.get(timer)), new: shown(theirs.get(timer)) }
    };
    differ.map(column).collect()
}

/// Returns what differs in what a key has in a slot: its value, or the first of its entries or elements.
fn values(ours: &KeptValue, theirs: &KeptValue) -> Vec<ColumnDifference> {
    let difference = |column: String, old: Option<&Vec<u8>>, new: Option<&Vec<u8>>| {
        vec![ColumnDifference { column, old: old.map(|value| hex(value)), new: new.map(|value| hex(value)) }]
    };
    match (ours, theirs) {
        (KeptValue::Value(old), KeptValue::Value(new)) => difference("value".into(), old.as_ref(), new.as_ref()),
        (KeptValue::Map(old), KeptValue::Map(new)) => {
            let entry = old.keys().chain(new.keys()).filter(|entry| old.get(*entry) != new.get(*entry)).min();
            entry.map_or_else(Vec::new, |entry| {
                difference(format!("entry {}", hex(entry)), old.get(entry), new.get(entry))
            })
        }
        (KeptValue::List(old), KeptValue::List(new)) => {
            let at = (0..old.len().max(new.len())).find(|at| old.get(*at) != new.get(*at));
            at.map_or_else(Vec::new, |at| difference(format!("element {at}"), old.get(at), new.get(at)))
        }
        _ => Vec::new(),
    }
}

/// Bytes of state, which are the plugin's own.
fn hex(bytes: &[u8]) -> String {
    if let Cow::Owned(_) = secret::conceal(&String::from_utf8_lossy(bytes)) {
        return format!("{} bytes with a secret", bytes.len());
    }
    let shown: String = bytes.iter().take(SHOWN_BYTES_MAX).map(|byte| format!("{byte:02x}")).collect();
    match bytes.len() {
        0 => "0 bytes".into(),
        1..=SHOWN_BYTES_MAX => format!("0x{shown}"),
        count => format!("0x{shown}... ({count} bytes)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowgate_wall::Timer;

    #[test]
    fn state_that_differs_is_named_by_slot_entry_and_element() {
        let value = |bytes: &[u8]| KeptValue::Value(Some(bytes.to_vec()));
        let map = |entries: &[(&[u8], &[u8])]| {
            KeptValue::Map(entries.iter().map(|(e, v)| (e.to_vec(), v.to_vec())).collect())
        };
        let list = |elements: &[&[u8]]| KeptValue::List(elements.iter().map(|e| e.to_vec()).collect());
        let of = |ours: &KeptValue, theirs: &KeptValue| {
            let ColumnDifference { column, old, new } = values(ours, theirs).remove(0);
            (column, old, new)
        };
        let text = |column: &str, old: Option<&str>, new: Option<&str>| {
            (column.to_string(), old.map(String::from), new.map(String::from))
        };
        assert_eq!(of(&value(&[1]), &KeptValue::Value(None)), text("value", Some("0x01"), None));
        assert_eq!(
            of(&map(&[(b"a", b"1"), (b"b", b"2")]), &map(&[(b"a", b"1"), (b"b", b"")])),
            text("entry 0x62", Some("0x32"), Some("0 bytes"))
        );
        assert_eq!(of(&list(&[b"a"]), &list(&[b"a", b"c"])), text("element 1", None, Some("0x63")));
        assert!(hex(&[7; 100]).ends_with("07... (100 bytes)"));
    }

    #[test]
    fn only_the_last_change_of_a_timer_counts() {
        let change =
            |is_set, key, tag| TimerChange { is_set, timer: Timer { key, clock: TimerClock::EventTime, time: 9, tag } };
        let ours = changed(&[change(true, 0, 1), change(false, 0, 1), change(true, 1, 2)], 0);
        assert_eq!(ours, changed(&[change(false, 0, 1)], 0));
        let columns = timer_columns(&ours, &changed(&[change(true, 0, 1), change(true, 0, 5)], 0));
        let shown: Vec<_> =
            columns.iter().map(|of| (of.column.as_str(), of.old.as_deref(), of.new.as_deref())).collect();
        let expected = [
            ("timer of event time 9, tag 1", Some("cleared"), Some("set")),
            ("timer of event time 9, tag 5", None, Some("set")),
        ];
        assert_eq!(shown, expected);
    }
}

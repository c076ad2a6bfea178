//! `flowgate checkpoint diff`.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use serde_json::{Value, json};

use super::checkpoint_store::{Opened, StoreName, lost};
use super::{columns, terminal};
use flowgate_base::error::Result;
use flowgate_base::shown;
use flowgate_checkpoint::{Checkpoint, Difference, OperatorRecord, Reader, Slot, SplitRecord};
use flowgate_worker::figures::whole;

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate checkpoint diff ./checkpoints 11 12
  flowgate checkpoint diff ./checkpoints 11 12 --json | jq '.slots[] | select(.added > 0)'

Compares what the checkpoints restore to: rows of state by operator and slot, positions of sources, and the values that workers have \
outside of slots, such as watermarks. Ticks always grow, and are in --json alone.";

/// Arguments of `flowgate checkpoint diff`.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The store.
    #[command(flatten)]
    store: StoreName,
    /// The number of the earlier checkpoint, as `flowgate checkpoint list` shows it.
    #[arg(value_name = "A")]
    before: u64,
    /// The number of the later one.
    #[arg(value_name = "B")]
    after: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A value that differs: where it is, and its JSON before and after.
type Change = (Vec<String>, Option<Value>, Option<Value>);

pub(super) fn run(args: &DiffArgs) -> Result<()> {
    let opened = Opened::open(&args.store)?;
    let before = opened.choose(Some(args.before))?.checkpoint;
    let after = opened.choose(Some(args.after))?.checkpoint;
    let slots = match slots(&opened, &before, &after) {
        Err(error) if error.code == &flowgate_checkpoint::code::DAMAGED => {
            for number in [args.before, args.after] {
                if opened.has_lost(number)? {
                    return Err(lost(number));
                }
            }
            return Err(error);
        }
        slots => slots?,
    };
    let positions = changes(&positions(&before), &positions(&after));
    let values = changes(&values(&before), &values(&after));
    if args.json {
        let shown = as_json(&slots, &positions, &values);
        return terminal::print(&format!("{}\n", shown::json(&format!("{shown:#}"))));
    }
    terminal::print(&text(&slots, &positions, &values, terminal::width()))
}

/// Compares all slots.
fn slots(opened: &Opened, before: &Checkpoint, after: &Checkpoint) -> Result<Vec<(Slot, Difference)>> {
    let (before, after) = (Reader::new(&opened.store, before), Reader::new(&opened.store, after));
    let slots: BTreeSet<&Slot> = before.slots().into_iter().chain(after.slots()).collect();
    slots.into_iter().map(|slot| Ok((slot.clone(), Difference::of(slot, before, after)?))).collect()
}

/// Returns the values whose JSON differs.
fn changes(before: &BTreeMap<Vec<String>, Value>, after: &BTreeMap<Vec<String>, Value>) -> Vec<Change> {
    let places: BTreeSet<&Vec<String>> = before.keys().chain(after.keys()).collect();
    let differing = places.into_iter().filter(|place| before.get(*place) != after.get(*place));
    differing.map(|place| (place.clone(), before.get(place).cloned(), after.get(place).cloned())).collect()
}

/// Returns the positions of all splits, by source and split.
fn positions(checkpoint: &Checkpoint) -> BTreeMap<Vec<String>, Value> {
    let mut found = BTreeMap::new();
    for (source, splits) in &checkpoint.sources {
        for SplitRecord { split, position, ended, .. } in splits {
            let position = position.clone().unwrap_or(Value::Null);
            insert(&mut found, &[source, split], "position", position);
            insert(&mut found, &[source, split], "ended", json!(ended));
        }
    }
    found
}

/// Returns the values outside of slots, by operator, worker and name.
fn values(checkpoint: &Checkpoint) -> BTreeMap<Vec<String>, Value> {
    let mut found = BTreeMap::new();
    for OperatorRecord { name, scalars, .. } in &checkpoint.operators {
        for (worker, values) in scalars.iter().enumerate() {
            for (value, content) in values.as_object().into_iter().flatten() {
                insert(&mut found, &[name, &worker.to_string()], value, content.clone());
            }
        }
    }
    found
}

/// Inserts the values of nested objects one by one, under names such as `position.offset`.
fn insert(found: &mut BTreeMap<Vec<String>, Value>, place: &[&str], name: &str, value: Value) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                insert(found, place, &format!("{name}.{field}"), value);
            }
        }
        value => {
            let place = place.iter().copied().chain([name]);
            found.insert(place.map(String::from).collect(), value);
        }
    }
}

/// Merges the changes that several workers have in common: the worker of such a place is a list. Leaves out ticks, which always grow.
fn by_workers(values: &[Change]) -> Vec<Change> {
    let mut merged: Vec<Change> = Vec::new();
    for (place, before, after) in values.iter().filter(|(place, ..)| place.last().is_none_or(|name| !is_tick(name))) {
        let same = merged
            .iter_mut()
            .find(|(known, b, a)| (known.first(), known.last(), b, a) == (place.first(), place.last(), before, after));
        match (same, place.get(1)) {
            (Some((known, ..)), Some(worker)) => known[1] += &format!(",{worker}"),
            _ => merged.push((place.clone(), before.clone(), after.clone())),
        }
    }
    merged
}

fn is_tick(name: &str) -> bool {
    name.rsplit('.').next() == Some("tick")
}

fn text(slots: &[(Slot, Difference)], positions: &[Change], values: &[Change], cells: Option<u16>) -> String {
    let mut tables = Vec::new();
    let mut table = |head: &[&str], rows: Vec<Vec<String>>| {
        if !rows.is_empty() {
            tables.push(columns::table(head, &rows, cells));
        }
    };
    let slot = |(slot, of): &(Slot, Difference)| {
        let counts = [of.added, of.changed, of.removed, of.same].map(whole);
        [slot.operator.clone(), slot.kind.clone(), slot.slot.clone()].into_iter().chain(counts).collect()
    };
    let differing = slots.iter().filter(|(_, difference)| !difference.is_none());
    table(&["operator", "kind", "slot", "added", "changed", "removed", "same"], differing.map(slot).collect());
    let change = |(place, before, after): &Change| {
        let json = |value: &Option<Value>| value.as_ref().map_or_else(|| "-".into(), Value::to_string);
        place.iter().cloned().chain([json(before), json(after)]).collect()
    };
    table(&["source", "split", "value", "before", "after"], positions.iter().map(change).collect());
    table(&["operator", "worker", "value", "before", "after"], by_workers(values).iter().map(change).collect());
    match tables.is_empty() {
        true => "nothing differs\n".into(),
        false => tables.join("\n"),
    }
}

fn as_json(slots: &[(Slot, Difference)], positions: &[Change], values: &[Change]) -> Value {
    let slot = |(slot, of): &(Slot, Difference)| {
        json!({
            "operator": slot.operator, "kind": slot.kind, "slot": slot.slot,
            "added": of.added, "changed": of.changed, "removed": of.removed, "same": of.same,
        })
    };
    let position = |(place, before, after): &Change| {
        let (source, split, value) = (place.first(), place.get(1), place.get(2));
        json!({ "source": source, "split": split, "value": value, "before": before, "after": after })
    };
    let value = |(place, before, after): &Change| {
        let worker = place.get(1).and_then(|worker| worker.parse::<u64>().ok());
        json!({ "operator": place.first(), "worker": worker, "value": place.get(2), "before": before, "after": after })
    };
    json!({
        "slots": slots.iter().map(slot).collect::<Vec<_>>(),
        "positions": positions.iter().map(position).collect::<Vec<_>>(),
        "values": values.iter().map(value).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(name: &str, position: u64) -> SplitRecord {
        SplitRecord {
            split: name.into(),
            position: Some(json!({ "offset": position })),
            event_time: None,
            ended: false,
        }
    }

    fn checkpoint(splits: Vec<SplitRecord>, watermarks: &[i64]) -> Checkpoint {
        let shell = |at: &i64| json!({ "shell": { "forwarded": at, "tick": at * 2 } });
        let scalars = watermarks.iter().map(shell).collect();
        let record = OperatorRecord { name: "counts".into(), fingerprint: Value::Null, scalars, functions: vec![] };
        Checkpoint { operators: vec![record], sources: [("lines".into(), splits)].into(), ..Checkpoint::default() }
    }

    #[test]
    fn what_moved_and_changed_is_shown() {
        let ended = SplitRecord { ended: true, ..split("b", 4) };
        let before = checkpoint(vec![split("a", 1), split("b", 4), split("c", 9)], &[5, 5, 6]);
        let after = checkpoint(vec![split("a", 2), ended, split("d", 9)], &[7, 7, 6]);
        let moved = changes(&positions(&before), &positions(&after));
        let changed = changes(&values(&before), &values(&after));
        let lines = [
            "source  split  value            before  after",
            "lines   a      position.offset  1       2",
            "lines   b      ended            false   true",
            "lines   c      ended            false   -",
            "lines   c      position.offset  9       -",
            "lines   d      ended            -       false",
            "lines   d      position.offset  -       9",
            "",
            "operator  worker  value            before  after",
            "counts       0,1  shell.forwarded       5      7",
        ];
        assert_eq!(text(&[], &moved, &changed, None).lines().collect::<Vec<_>>(), lines);
        assert_eq!(text(&[], &changes(&positions(&before), &positions(&before)), &[], None), "nothing differs\n");
    }
}

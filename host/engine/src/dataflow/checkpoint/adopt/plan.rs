//! What becomes of the state of a savepoint in a job that has changed. Pure.
//!
//! Operators are matched by name. Of an operator of the same name and with the same settings, all state is kept. Of a process function whose
//! slots have changed, each slot is looked at: it is kept, added, dropped, or migrated to a later version. Anything else is a problem that
//! the user decides about, by saying that the operator begins without its state.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};

use flowgate_checkpoint::{Checkpoint, Slot};
use flowgate_wall::binding::StateSlot;

/// What a job has that a savepoint may have state of.
pub(crate) struct Names<'a> {
    /// By operator with state: what the format of the state depends on.
    pub(crate) fingerprints: &'a BTreeMap<String, Value>,
    pub(crate) operators: BTreeSet<&'a str>,
    pub(crate) sources: BTreeSet<&'a str>,
    pub(crate) sinks: BTreeSet<&'a str>,
    pub(crate) key_groups: u32,
    /// Whether the plugin of an operator reads values of older versions of its slots.
    pub(crate) migrates: &'a dyn Fn(&str) -> bool,
}

/// What becomes of the state of a savepoint.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Slots whose rows change, by operator, kind and name.
    pub(crate) changes: BTreeMap<(String, String, String), SlotChange>,
    /// Slots that are left out, by operator, kind and name.
    pub(crate) dropped: BTreeSet<(String, String, String)>,
    /// Operators, sources and sinks of which nothing is taken over.
    pub(crate) without: BTreeSet<String>,
    /// Why the job cannot start from the savepoint, for people.
    pub(crate) problems: Vec<String>,
    /// What the user wants to know before it starts, for people.
    pub(crate) notes: Vec<String>,
}

/// How the rows of a slot of a process function change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlotChange {
    /// The version whose values are migrated, and that to which they are.
    pub(crate) versions: Option<(u32, u32)>,
    /// Whether rows now have the time of their write, which they did not have, or the other way round.
    pub(crate) written: Option<bool>,
}

impl Plan {
    /// Compares a savepoint with a job. `drop`: what begins without its state, as the user says.
    pub(crate) fn of(checkpoint: &Checkpoint, job: &Names<'_>, drop: &[String]) -> Plan {
        let mut plan = Plan::default();
        if checkpoint.key_groups != job.key_groups {
            let (had, has) = (checkpoint.key_groups, job.key_groups);
            plan.problems.push(format!("`key_groups` was {had} and is {has}; it is fixed for the life of state"));
        }
        let of_savepoint = || {
            let operators = checkpoint.operators.iter().map(|record| record.name.as_str());
            operators
                .chain(checkpoint.sources.keys().map(String::as_str))
                .chain(checkpoint.sinks.keys().map(String::as_str))
        };
        for name in drop {
            if of_savepoint().any(|known| known == name) {
                plan.without.insert(name.clone());
            } else {
                let known: BTreeSet<&str> = of_savepoint().collect();
                let known = known.into_iter().collect::<Vec<_>>().join(", ");
                plan.problems.push(format!("--drop {name}: the savepoint has nothing of it; it has {known}"));
            }
        }
        plan.sources(checkpoint, job);
        plan.operators(checkpoint, job);
        plan.sinks(checkpoint, job);
        plan
    }

    /// Whether nothing of this operator, source or sink is taken over.
    pub(crate) fn drops(&self, name: &str) -> bool {
        self.without.contains(name)
    }

    /// Whether the rows of a slot are left out.
    pub(crate) fn drops_slot(&self, slot: &Slot) -> bool {
        self.drops(&slot.operator) || self.dropped.contains(&key_of(slot))
    }

    /// How the rows of a slot change.
    pub(crate) fn change(&self, slot: &Slot) -> Option<SlotChange> {
        self.changes.get(&key_of(slot)).copied()
    }

    fn sources(&mut self, checkpoint: &Checkpoint, job: &Names<'_>) {
        for source in checkpoint.sources.keys().filter(|source| !self.without.contains(*source)) {
            if !job.sources.contains(source.as_str()) {
                self.problems.push(format!(
                    "the source `{source}` is not in the job any more; `--drop {source}` forgets how far it was read"
                ));
            }
        }
        for source in job.sources.iter().filter(|source| !checkpoint.sources.contains_key(**source)) {
            self.notes.push(format!("the source `{source}` is new: it is read from its start"));
        }
    }

    fn sinks(&mut self, checkpoint: &Checkpoint, job: &Names<'_>) {
        let gone = checkpoint.sinks.keys().filter(|sink| !job.sinks.contains(sink.as_str()));
        for sink in gone.filter(|sink| !self.without.contains(*sink)).cloned().collect::<Vec<_>>() {
            self.notes
                .push(format!("the sink `{sink}` is not in the job any more: what it has written stays as it is"));
            self.without.insert(sink);
        }
    }

    fn operators(&mut self, checkpoint: &Checkpoint, job: &Names<'_>) {
        let mut known = BTreeSet::new();
        for record in &checkpoint.operators {
            known.insert(record.name.as_str());
            if self.without.contains(&record.name) {
                continue;
            }
            let (name, had) = (&record.name, &record.fingerprint);
            match job.fingerprints.get(name) {
                Some(has) if has == had => {}
                // Without state, there are only watermarks, which an operator of the same name takes over.
                None if had.is_null() => {
                    if !job.operators.contains(name.as_str()) {
                        self.without.insert(name.clone());
                    }
                }
                None => self.problems.push(format!(
                    "`{name}` has state and is not in the job any more, or keeps none; `--drop {name}` gives the state up"
                )),
                Some(_) if had.is_null() => {
                    self.notes.push(format!("`{name}` keeps state now: it begins without any"));
                    self.without.insert(name.clone());
                }
                Some(has) => self.operator(name, had, has, (job.migrates)(name)),
            }
        }
        for name in job.fingerprints.keys().filter(|name| !known.contains(name.as_str())) {
            self.notes.push(format!("`{name}` is new: it begins without state"));
        }
    }

    /// Compares the settings of one operator.
    fn operator(&mut self, name: &str, had: &Value, has: &Value, migrates: bool) {
        let empty = Map::new();
        let (had, has) = (had.as_object().unwrap_or(&empty), has.as_object().unwrap_or(&empty));
        let fields: BTreeSet<&String> = had.keys().chain(has.keys()).collect();
        let changed = fields.into_iter().filter(|field| had.get(*field) != has.get(*field) && *field != "slots");
        let changed: Vec<String> = changed
            .map(|field| {
                let shown = |value: Option<&Value>| value.map_or_else(|| "nothing".into(), Value::to_string);
                format!("`{field}` was {} and is {}", shown(had.get(field)), shown(has.get(field)))
            })
            .collect();
        if !changed.is_empty() {
            let changed = changed.join("; ");
            self.problems.push(format!(
                "the state of `{name}` does not fit: {changed}; `--drop {name}` begins it without state"
            ));
            return;
        }
        match (slots_of(had), slots_of(has)) {
            (Some(had), Some(has)) => self.slots(name, &had, &has, migrates),
            _ => self.problems.push(format!(
                "the state slots of `{name}` are described in a way that this Flowgate does not read; `--drop {name}` begins it \
                 without state"
            )),
        }
    }

    fn slots(
        &mut self,
        operator: &str,
        had: &BTreeMap<String, StateSlot>,
        has: &BTreeMap<String, StateSlot>,
        migrates: bool,
    ) {
        for (name, slot) in had {
            let key = (operator.to_string(), slot.kind.name().to_string(), name.clone());
            let Some(now) = has.get(name) else {
                self.notes.push(format!("`{operator}` has no state slot `{name}` any more: its state is given up"));
                self.dropped.insert(key);
                continue;
            };
            if now.kind != slot.kind {
                self.problems.push(format!(
                    "the state slot `{name}` of `{operator}` was a {} and is a {}; give it another name, or \
                     `--drop {operator}` begins it without state",
                    slot.kind.name(),
                    now.kind.name()
                ));
                continue;
            }
            let (old, new) = (slot.version, now.version);
            if new < old {
                self.problems.push(format!(
                    "the state slot `{name}` of `{operator}` was written by version {old}, and the plugin has version {new}, which \
                     is older; `--drop {operator}` begins it without state"
                ));
                continue;
            }
            if new > old && !migrates {
                self.problems.push(format!(
                    "the state slot `{name}` of `{operator}` has version {new} and was written by version {old}, but the plugin \
                     does not export `migrate`; `--drop {operator}` begins it without state"
                ));
                continue;
            }
            let versions = (new > old).then_some((old, new));
            // Entries of maps and elements of lists have the time of their write always.
            let written = (slot.kind.name() == "value" && slot.ttl_ms.is_some() != now.ttl_ms.is_some())
                .then_some(now.ttl_ms.is_some());
            if versions.is_some() || written.is_some() {
                self.changes.insert(key, SlotChange { versions, written });
            }
        }
        for name in has.keys().filter(|name| !had.contains_key(*name)) {
            self.notes.push(format!("`{operator}` has a new state slot `{name}`: it is empty"));
        }
    }
}

/// Returns the slots of a process function, by name; `None`: they are described in another way.
fn slots_of(fingerprint: &Map<String, Value>) -> Option<BTreeMap<String, StateSlot>> {
    let slots = Vec::<StateSlot>::deserialize(fingerprint.get("slots")?).ok()?;
    Some(slots.into_iter().map(|slot| (slot.name.clone(), slot)).collect())
}

fn key_of(slot: &Slot) -> (String, String, String) {
    (slot.operator.clone(), slot.kind.clone(), slot.slot.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use flowgate_checkpoint::{OperatorRecord, SplitRecord};

    fn slot(name: &str, kind: &str, version: u32, ttl_ms: Option<u64>) -> Value {
        json!({ "name": name, "kind": kind, "version": version, "ttl_ms": ttl_ms })
    }

    fn process(slots: Vec<Value>) -> Value {
        json!({ "kind": "process", "key": [["k", "int64"]], "function": ["p", "f"], "slots": slots })
    }

    fn savepoint(operators: &[(&str, Value)]) -> Checkpoint {
        let record = |(name, fingerprint): &(&str, Value)| OperatorRecord {
            name: (*name).into(),
            fingerprint: fingerprint.clone(),
            scalars: vec![],
            functions: vec![],
        };
        Checkpoint {
            key_groups: 256,
            operators: operators.iter().map(record).collect(),
            sources: [("in".to_string(), Vec::<SplitRecord>::new())].into(),
            sinks: [("out".to_string(), vec![])].into(),
            ..Checkpoint::default()
        }
    }

    /// Plans for a job of these operators, one source and one sink.
    fn plan(savepoint: &Checkpoint, operators: &[(&str, Value)], migrates: bool, drop: &[&str]) -> Plan {
        let with_state = operators.iter().filter(|(_, fingerprint)| !fingerprint.is_null());
        let fingerprints = with_state.map(|(name, fingerprint)| ((*name).to_string(), fingerprint.clone())).collect();
        let names = Names {
            fingerprints: &fingerprints,
            operators: operators.iter().map(|(name, _)| *name).collect(),
            sources: ["in"].into(),
            sinks: ["out"].into(),
            key_groups: 256,
            migrates: &|_| migrates,
        };
        Plan::of(savepoint, &names, &drop.iter().map(|name| (*name).to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn a_job_that_has_not_changed_keeps_everything() {
        let operators = [("p", process(vec![slot("a", "value", 1, None)])), ("s", Value::Null)];
        assert_eq!(plan(&savepoint(&operators), &operators, false, &[]), Plan::default());
    }

    #[test]
    fn a_slot_is_added_dropped_migrated_or_refused() {
        let had = process(vec![
            slot("same", "map", 1, None),
            slot("gone", "value", 1, None),
            slot("newer", "list", 1, Some(5)),
            slot("expires", "value", 3, None),
        ]);
        let has = process(vec![
            slot("same", "map", 1, Some(9)),
            slot("newer", "list", 4, Some(5)),
            slot("expires", "value", 3, Some(7)),
            slot("added", "value", 1, None),
        ]);
        let savepoint = savepoint(&[("p", had)]);
        let done = plan(&savepoint, &[("p", has.clone())], true, &[]);
        let key = |kind: &str, name: &str| ("p".to_string(), kind.to_string(), name.to_string());
        assert_eq!(done.problems, Vec::<String>::new());
        assert_eq!(done.dropped, [key("value", "gone")].into());
        let migrated = SlotChange { versions: Some((1, 4)), written: None };
        let dated = SlotChange { versions: None, written: Some(true) };
        assert_eq!(done.changes, [(key("list", "newer"), migrated), (key("value", "expires"), dated)].into());
        assert_eq!(done.notes.len(), 2, "{:?}", done.notes);
        let refused = plan(&savepoint, &[("p", has)], false, &[]);
        assert!(refused.problems[0].contains("does not export `migrate`"), "{:?}", refused.problems);
    }

    #[test]
    fn an_older_version_and_another_kind_are_refused() {
        let savepoint = savepoint(&[("p", process(vec![slot("a", "value", 2, None), slot("b", "value", 1, None)]))]);
        let has = process(vec![slot("a", "value", 1, None), slot("b", "map", 1, None)]);
        let problems = plan(&savepoint, &[("p", has.clone())], true, &[]).problems;
        assert!(problems[0].contains("version 1, which is older"), "{problems:?}");
        assert!(problems[1].contains("was a value and is a map"), "{problems:?}");
        assert_eq!(plan(&savepoint, &[("p", has)], true, &["p"]).problems, Vec::<String>::new());
    }

    #[test]
    fn slots_that_cannot_be_read_are_not_given_up() {
        let mut had = process(vec![]);
        had["slots"] = json!("of another version");
        let refused = plan(&savepoint(&[("p", had)]), &[("p", process(vec![slot("a", "value", 1, None)]))], true, &[]);
        assert!(refused.problems[0].contains("this Flowgate does not read"), "{:?}", refused.problems);
    }

    #[test]
    fn changed_windows_are_named_with_what_they_were() {
        let window = |size: u32| json!({ "kind": "window", "windows": { "tumbling": size }, "trigger": null });
        let savepoint = savepoint(&[("w", window(5))]);
        let problems = plan(&savepoint, &[("w", window(6))], false, &[]).problems;
        let expected = "the state of `w` does not fit: `windows` was {\"tumbling\":5} and is {\"tumbling\":6}; \
                        `--drop w` begins it without state";
        assert_eq!(problems, [expected]);
    }

    #[test]
    fn what_is_gone_is_a_problem_unless_it_is_dropped_by_name() {
        let mut savepoint = savepoint(&[("p", process(vec![])), ("s", Value::Null)]);
        savepoint.sources.insert("old".into(), vec![]);
        savepoint.sinks.insert("log".into(), vec![]);
        let refused = plan(&savepoint, &[], false, &[]);
        assert_eq!(refused.problems.len(), 2, "{:?}", refused.problems);
        let dropped = plan(&savepoint, &[], false, &["p", "old"]);
        assert_eq!(dropped.problems, Vec::<String>::new());
        assert_eq!(dropped.without, ["log", "old", "p", "s"].map(String::from).into());
        let typo = plan(&savepoint, &[], false, &["p", "old", "q"]);
        assert!(typo.problems[0].contains("--drop q: the savepoint has nothing of it"), "{:?}", typo.problems);
    }
}

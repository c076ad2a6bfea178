//! What becomes of the state slots of a process function in its next version. Pure.
//!
//! Slots are matched by name, as those of a savepoint are. What a running job cannot do between two rows is a problem, with what does it.

use std::collections::BTreeSet;

use flowgate_wall::binding::StateSlot;

/// What becomes of the slots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SlotPlan {
    /// For each slot of the next version, where its state comes from.
    pub(crate) fates: Vec<Fate>,
    /// Slots of the present version whose state is given up, by position.
    pub(crate) gone: Vec<usize>,
}

/// Where the state of a slot comes from. Positions are those of the present version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is that of a slot, as it is.
    Kept(usize),
    /// The values of a slot are migrated from this version.
    Migrated(usize, u32),
    /// It begins empty.
    New,
}

impl SlotPlan {
    /// Whether every slot stays as and where it is.
    pub(crate) fn is_same(&self) -> bool {
        let same = self.fates.iter().enumerate().all(|(at, fate)| *fate == Fate::Kept(at));
        self.gone.is_empty() && same
    }

    /// Whether something can fail, or takes long.
    pub(crate) fn tries(&self) -> bool {
        !self.gone.is_empty() || self.fates.iter().any(|fate| matches!(fate, Fate::Migrated(..)))
    }
}

/// Compares the slots of two versions of the function of an operator. `migrates`: the next version reads values of other versions. `drop`
/// names slots whose state may be given up.
///
/// # Errors
/// Why the next version cannot take the state over, a sentence each.
pub(crate) fn slot_plan(
    operator: &str,
    had: &[StateSlot],
    has: &[StateSlot],
    migrates: bool,
    drop: &[String],
) -> Result<SlotPlan, Vec<String>> {
    let mut problems = Vec::new();
    let mut plan = SlotPlan::default();
    for slot in has {
        let Some((at, old)) = had.iter().enumerate().find(|(_, old)| old.name == slot.name) else {
            plan.fates.push(Fate::New);
            continue;
        };
        let name = format!("the state slot `{}` of `{operator}`", slot.name);
        if old.kind != slot.kind {
            let (was, is) = (old.kind.name(), slot.kind.name());
            problems.push(format!("{name} was a {was} and is a {is}; give it another name"));
        } else if old.ttl_ms != slot.ttl_ms {
            let shown = |ttl: Option<u64>| ttl.map_or_else(|| "never".into(), |ttl| format!("after {ttl} ms"));
            problems.push(format!(
                "{name} expired {} and would expire {}; a running job keeps the time-to-live of a slot: stop it with a savepoint, and start it \
                 with the new version from there",
                shown(old.ttl_ms),
                shown(slot.ttl_ms)
            ));
        } else if old.version != slot.version && !migrates {
            problems.push(format!(
                "{name} has version {} and was written by version {}, but the plugin does not export `migrate`, which reads it",
                slot.version, old.version
            ));
        }
        plan.fates.push(if old.version == slot.version { Fate::Kept(at) } else { Fate::Migrated(at, old.version) });
    }
    for (at, old) in had.iter().enumerate().filter(|(_, old)| has.iter().all(|slot| slot.name != old.name)) {
        if drop.contains(&old.name) {
            plan.gone.push(at);
        } else {
            let name = &old.name;
            problems.push(format!(
                "`{operator}` has no state slot `{name}` any more; `--drop-state {name}` gives its state up"
            ));
        }
    }
    let names: BTreeSet<&str> = had.iter().map(|slot| slot.name.as_str()).collect();
    for name in drop.iter().filter(|name| plan.gone.iter().all(|at| had[*at].name != **name)) {
        let what =
            if names.contains(name.as_str()) { "the new version has this slot" } else { "there is no such slot" };
        let listed = names.iter().copied().collect::<Vec<_>>().join(", ");
        problems.push(format!("--drop-state {name}: {what}; `{operator}` has the slots {listed}"));
    }
    if problems.is_empty() { Ok(plan) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowgate_wall::binding::StateKind;

    fn slot(name: &str, kind: StateKind, version: u32, ttl_ms: Option<u64>) -> StateSlot {
        StateSlot { name: name.into(), kind, version, ttl_ms }
    }

    fn drops(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_string()).collect()
    }

    #[test]
    fn slots_are_kept_migrated_added_and_given_up() {
        let had = [
            slot("gone", StateKind::List, 1, None),
            slot("same", StateKind::Value, 3, Some(5)),
            slot("newer", StateKind::Map, 1, None),
            slot("older", StateKind::Value, 2, None),
        ];
        let has = [
            slot("added", StateKind::Value, 1, None),
            slot("newer", StateKind::Map, 4, None),
            slot("same", StateKind::Value, 3, Some(5)),
            slot("older", StateKind::Value, 1, None),
        ];
        let plan = slot_plan("p", &had, &has, true, &drops(&["gone"])).unwrap();
        assert_eq!(plan.fates, [Fate::New, Fate::Migrated(2, 1), Fate::Kept(1), Fate::Migrated(3, 2)]);
        assert_eq!((plan.gone.as_slice(), plan.tries(), plan.is_same()), (&[0][..], true, false));
        let same = slot_plan("p", &had, &had, false, &[]).unwrap();
        assert!(same.is_same() && !same.tries());
    }

    #[test]
    fn what_cannot_be_taken_over_is_refused_with_what_to_do() {
        let had = [
            slot("a", StateKind::Value, 1, None),
            slot("b", StateKind::Value, 1, None),
            slot("c", StateKind::List, 1, None),
        ];
        let has = [slot("a", StateKind::Map, 1, None), slot("b", StateKind::Value, 2, Some(9))];
        let problems = slot_plan("p", &had, &has, true, &drops(&["x", "a"])).unwrap_err();
        let expected = [
            "the state slot `a` of `p` was a value and is a map; give it another name",
            "expired never and would expire after 9 ms; a running job keeps",
            "`p` has no state slot `c` any more; `--drop-state c` gives its state up",
            "--drop-state x: there is no such slot; `p` has the slots a, b, c",
            "--drop-state a: the new version has this slot",
        ];
        assert_eq!(problems.len(), expected.len(), "{problems:?}");
        for (problem, part) in problems.iter().zip(expected) {
            assert!(problem.contains(part), "{problem}");
        }
        let newer = [slot("b", StateKind::Value, 2, None)];
        let problems = slot_plan("p", &had[1..2], &newer, false, &[]).unwrap_err();
        assert!(
            problems[0]
                .contains("has version 2 and was written by version 1, but the plugin does not export `migrate`")
        );
    }
}

//! The state of a process function in its next version, which is made beside the present one: until it is taken, nothing has changed.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};

use super::keyed::{ProcessState, specs_of};
use crate::dataflow::swap::fresh::Tried;
use crate::dataflow::swap::slot_plan::{Fate, SlotPlan};
use crate::dataflow::turn::Turn;
use flowgate_base::error::{Error, Fault, Result};
use flowgate_base::schema::Field;
use flowgate_state::slots::{SlotSpec, Slots};
use flowgate_state::snapshot::{Extent, Layout};
use flowgate_wall::Function;
use flowgate_wall::binding::StateSlot;

/// Rows that are migrated together.
const ROWS_AT_ONCE: usize = 4096;

/// The reasons that a refusal has.
const REASONS_MAX: usize = 3;

/// The state of the next version.
pub(crate) struct NextState {
    plan: SlotPlan,
    pub(super) slots: Slots,
    pub(super) specs: Vec<SlotSpec>,
    /// The slots of the next version before this one are done.
    at: usize,
    /// Whether the values of this slot are being read.
    reads: bool,
    migrated: u64,
    /// By slot whose values failed: its name, values, failures, and first reasons.
    failed: Vec<Failed>,
    /// Why the function cannot migrate at all.
    problem: Option<String>,
}

struct Failed {
    slot: String,
    failures: u64,
    reasons: Vec<String>,
}

impl NextState {
    /// Begins the state of a version with these slots.
    pub(crate) fn new(present: &ProcessState, slots: &[StateSlot], plan: SlotPlan) -> Result<Self> {
        let specs = specs_of(slots);
        Ok(NextState {
            plan,
            slots: Slots::new(&specs, &present.store)?,
            specs,
            at: 0,
            reads: false,
            migrated: 0,
            failed: Vec::new(),
            problem: None,
        })
    }

    /// Migrates values for a turn. The present state stays as it is; no snapshot of it is being taken. All values are tried, also behind
    /// one that fails: so the refusal counts them.
    ///
    /// # Errors
    /// The spill file cannot be read or written.
    pub(crate) fn step(&mut self, present: &mut ProcessState, key: &[Field], function: &mut Function) -> Result<Tried> {
        let turn = Turn::begin();
        while let Some(fate) = self.plan.fates.get(self.at).copied() {
            if let Fate::Migrated(from, version) = fate {
                if !self.reads {
                    present.slots.snapshots(from, key)?.freeze(Extent::All)?;
                    self.reads = true;
                }
                loop {
                    let (layout, part) = {
                        let mut slot = present.slots.snapshots(from, key)?;
                        (slot.layout(), slot.next_part(ROWS_AT_ONCE)?)
                    };
                    let Some(part) = part else { break };
                    self.migrate(key, function, version, layout, part)?;
                    if turn.is_over() {
                        return Ok(Tried::More);
                    }
                }
                self.reads = false;
            }
            self.at += 1;
        }
        Ok(self.outcome())
    }

    fn migrate(
        &mut self,
        key: &[Field],
        function: &mut Function,
        version: u32,
        layout: Layout,
        part: RecordBatch,
    ) -> Result<()> {
        if self.problem.is_some() || part.num_rows() == 0 {
            return Ok(());
        }
        let name = self.specs[self.at].name.clone();
        // Behind the key group, the change, the key, and what identifies an entry.
        let value_at = 2 + usize::from(layout.has_panes) + layout.keys + layout.entries;
        let values = part.columns().get(value_at).and_then(|values| values.as_binary_opt::<i32>());
        let values = values.ok_or_else(|| Error::internal(format!("the state slot `{name}` has no values")))?;
        let migrated = match function.migrate(&name, version, values) {
            Ok(migrated) => migrated,
            // The present version is not touched by what the next one does.
            Err(error) if error.fault() == Fault::User => {
                self.problem = Some(error.message);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.migrated += (values.len() - migrated.failures.len()) as u64;
        if !migrated.failures.is_empty() {
            if self.failed.last().is_none_or(|failed| failed.slot != name) {
                self.failed.push(Failed { slot: name, failures: 0, reasons: Vec::new() });
            }
            if let Some(failed) = self.failed.last_mut() {
                failed.failures += migrated.failures.len() as u64;
                let missing = REASONS_MAX.saturating_sub(failed.reasons.len());
                failed.reasons.extend(migrated.failures.into_iter().take(missing).map(|(_, reason)| reason));
            }
        }
        if !self.failed.is_empty() {
            return Ok(());
        }
        let mut columns = part.columns().to_vec();
        columns[value_at] = Arc::new(migrated.values);
        let part = RecordBatch::try_new(part.schema(), columns)
            .map_err(|e| Error::internal(format!("migrated rows do not fit: {e}")))?;
        match self.slots.take_over(self.at, key, &part) {
            // There may be no room for both versions.
            Err(error) if error.fault() == Fault::External => {
                self.problem = Some(error.message);
                Ok(())
            }
            taken => taken,
        }
    }

    fn outcome(&self) -> Tried {
        let failed = self.failed.iter().map(|failed| {
            let Failed { slot, failures, reasons } = failed;
            format!("{failures} values of the state slot `{slot}` cannot be migrated: {}", reasons.join("; "))
        });
        let problems: Vec<String> = failed.chain(self.problem.clone()).collect();
        if problems.is_empty() { Tried::Ready(self.migrated) } else { Tried::Refused(problems.join("; ")) }
    }
}

/// Slots that the present version does not have any more. A snapshot of changes says that their keys are gone; then they go.
pub(super) struct Leaving {
    pub(super) slots: Slots,
    pub(super) specs: Vec<SlotSpec>,
    /// Whether a snapshot says so already.
    pub(super) is_said: bool,
}

impl ProcessState {
    /// Takes the state of the next version, which has migrated what is to be migrated.
    ///
    /// # Errors
    /// The spill file cannot be read.
    pub(crate) fn become_next(&mut self, mut next: NextState) -> Result<()> {
        for (at, fate) in next.plan.fates.iter().enumerate() {
            if let Fate::Kept(from) = fate {
                next.slots.exchange(at, &mut self.slots, *from)?;
            }
        }
        let slots = std::mem::replace(&mut self.slots, next.slots);
        let specs = std::mem::replace(&mut self.specs, next.specs);
        if next.plan.gone.is_empty() || !self.store.tracks_changes() {
            return Ok(());
        }
        let mut leaving = Leaving {
            slots: slots.only(&next.plan.gone),
            specs: next.plan.gone.iter().filter_map(|at| specs.get(*at).cloned()).collect(),
            is_said: false,
        };
        for at in 0..leaving.specs.len() {
            leaving.slots.clear(at)?;
        }
        self.leaving.push(leaving);
        Ok(())
    }
}

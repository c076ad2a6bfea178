//! Merged panes: of a whole window, of some keys of a window, or of overlapping windows one after another.
//!
//! Panes and merged panes may be spilled in part: keys are merged some at a time.

use std::ops::Range;

use super::pane::{Accumulated, Pane};
use super::plan::Plan;
use flowgate_base::error::Result;
use flowgate_state::key::Keys;
use flowgate_state::store::{SlotKind, StateStore};
use flowgate_state::table::NO_ROW;
use flowgate_state::tables::Tables;

/// The slot of merged panes.
pub(super) const MERGED: &str = "merged";

/// Panes by their starts.
pub(crate) type Panes = Tables<Accumulated>;

/// Merges all panes of a window.
pub(crate) fn merge_all(plan: &mut Plan, store: &StateStore, panes: &mut Panes, window: Range<i64>) -> Result<Pane> {
    let mut merged = Pane::in_store(Accumulated::new(plan), store, MERGED, SlotKind::Window);
    panes.visit(window, |_, pane| add(plan, &mut merged, pane, |_, _| {}))?;
    Ok(merged)
}

/// Merges a pane into another; `added` is called with the rows of its keys.
pub(super) fn add(
    plan: &mut Plan,
    into: &mut Pane,
    pane: &mut Pane,
    added: fn(&mut Accumulated, &[u32]),
) -> Result<()> {
    let mut ours = Vec::new();
    pane.scan(|index, values, rows| {
        into.rows_of(&index.keys_of(rows)?, &mut ours)?;
        let pairs: Vec<(u32, u32)> = rows.iter().copied().zip(ours.iter().copied()).collect();
        into.values_mut().merge(&mut plan.aggregators, values, &pairs)?;
        added(into.values_mut(), &ours);
        into.settle(0)
    })
}

/// Keys that have changed, by pane.
pub(crate) type Changed = Vec<(i64, Keys)>;

/// Merges, from all panes of a window, the keys that have changed in some of them.
pub(crate) fn merge_some(
    plan: &mut Plan,
    panes: &mut Panes,
    window: Range<i64>,
    changed: &[(i64, Keys)],
) -> Result<Pane> {
    let (mut merged, mut rows) = (plan.pane(), Vec::new());
    for (_, keys) in changed.iter().filter(|(start, _)| window.contains(start)) {
        merged.rows_of(keys, &mut rows)?;
    }
    let all: Vec<u32> = merged.index().live().collect();
    let keys = merged.index().keys_of(&all)?;
    panes.visit(window, |_, pane| {
        pane.find_rows(&keys, &mut rows)?;
        let pairs = rows.iter().copied().zip(all.iter().copied());
        let pairs: Vec<(u32, u32)> = pairs.filter(|(theirs, _)| *theirs != NO_ROW).collect();
        merged.values_mut().merge(&mut plan.aggregators, pane.values(), &pairs)
    })?;
    Ok(merged)
}

/// The merged panes of an interval, which moves by merging panes at its end and retracting them at its start: each pane is merged
/// once and retracted once, however many windows it is in. For invertible aggregates.
///
/// The counter of a key is the number of panes of the interval that have it.
pub(crate) struct Running {
    pane: Pane,
    /// The start of the interval.
    from: i64,
    /// The end of the interval, exclusive.
    to: i64,
}

impl Running {
    /// Creates an empty interval that starts at `from`.
    pub(crate) fn new(plan: &Plan, store: &StateStore, from: i64) -> Self {
        let pane = Pane::in_store(Accumulated::counting(plan), store, MERGED, SlotKind::Window);
        Running { pane, from, to: from }
    }

    /// Returns the merged panes.
    pub(crate) fn pane(&mut self) -> &mut Pane {
        &mut self.pane
    }

    /// Whether the interval starts at `from`.
    pub(crate) fn starts_at(&self, from: i64) -> bool {
        self.from == from
    }

    /// Whether a pane is merged already.
    pub(crate) fn covers(&self, pane: i64) -> bool {
        (self.from..self.to).contains(&pane)
    }

    /// Extends the interval to `to`.
    pub(crate) fn extend(&mut self, plan: &mut Plan, panes: &mut Panes, to: i64) -> Result<()> {
        panes.visit(self.to..to.max(self.to), |_, pane| {
            add(plan, &mut self.pane, pane, |values, rows| {
                rows.iter().for_each(|row| values.counter[*row as usize] += 1);
            })
        })?;
        self.to = self.to.max(to);
        Ok(())
    }

    /// Retracts the panes before `from`.
    pub(crate) fn leave(&mut self, panes: &mut Panes, from: i64) -> Result<()> {
        let (running, mut ours) = (&mut self.pane, Vec::new());
        panes.visit(self.from..from, |_, pane| {
            pane.scan(|index, values, rows| {
                running.rows_of(&index.keys_of(rows)?, &mut ours)?;
                let pairs: Vec<(u32, u32)> = rows.iter().copied().zip(ours.iter().copied()).collect();
                running.values_mut().retract(values, &pairs)?;
                for row in &ours {
                    let held = &mut running.values_mut().counter[*row as usize];
                    *held -= 1;
                    if *held == 0 {
                        running.remove(*row);
                    }
                }
                running.settle(0)
            })
        })?;
        self.from = from;
        Ok(())
    }
}

//! Panes put together: all of a window's, some keys of them, or those of overlapping windows as they move on.

use std::collections::BTreeMap;

use super::pane::Pane;
use super::plan::Plan;
use crate::error::Result;

/// All panes put together.
pub fn merge_all<'a>(plan: &mut Plan, panes: impl Iterator<Item = (&'a i64, &'a Pane)>) -> Result<Pane> {
    let mut merged = plan.pane();
    for (_, pane) in panes {
        add(plan, &mut merged, pane)?;
    }
    Ok(merged)
}

/// Adds a pane's keys.
fn add(plan: &mut Plan, into: &mut Pane, pane: &Pane) -> Result<Vec<(u32, u32)>> {
    let mut pairs = Vec::with_capacity(pane.index().len());
    for row in pane.index().live() {
        pairs.push((row, into.row_of(pane.index().key(row))?));
    }
    into.values_mut().merge(&mut plan.aggregators, pane.values(), &pairs)?;
    Ok(pairs)
}

/// Rows that have changed, by pane.
pub type Changed<'a> = &'a [(i64, Vec<u32>)];

/// Those of a pane; one that is not listed has none.
pub fn changed_in(changed: Changed<'_>, start: i64) -> &[u32] {
    changed.iter().find(|(of, _)| *of == start).map_or(&[], |(_, rows)| rows)
}

/// The keys that have changed in some panes, put together from all panes.
pub fn merge_some<'a>(
    plan: &mut Plan,
    panes: impl Iterator<Item = (&'a i64, &'a Pane)> + Clone,
    changed: Changed<'_>,
) -> Result<Pane> {
    let mut merged = plan.pane();
    for (start, pane) in panes.clone() {
        for row in changed_in(changed, *start) {
            merged.row_of(pane.index().key(*row))?;
        }
    }
    for (_, pane) in panes {
        let mut pairs = Vec::new();
        for row in pane.index().live() {
            if let Some(ours) = merged.find(pane.index().key(row))? {
                pairs.push((row, ours));
            }
        }
        merged.values_mut().merge(&mut plan.aggregators, pane.values(), &pairs)?;
    }
    Ok(merged)
}

/// The panes of a stretch of time put together, which moves on by adding panes at its end and taking them out at its
/// beginning: each pane is added once and taken out once, however many windows it is in. For aggregates that subtract.
pub struct Running {
    pane: Pane,
    /// In how many panes of the stretch each key is.
    held: Vec<u32>,
    from: i64,
    to: i64,
}

impl Running {
    /// Nothing yet, from `from` on.
    pub fn new(plan: &Plan, from: i64) -> Self {
        Running { pane: plan.pane(), held: Vec::new(), from, to: from }
    }

    /// The panes put together.
    pub fn pane(&self) -> &Pane {
        &self.pane
    }

    /// Whether the stretch starts here.
    pub fn starts_at(&self, from: i64) -> bool {
        self.from == from
    }

    /// Whether a pane is added already.
    pub fn covers(&self, pane: i64) -> bool {
        (self.from..self.to).contains(&pane)
    }

    /// Adds the panes up to here.
    pub fn extend(&mut self, plan: &mut Plan, panes: &BTreeMap<i64, Pane>, to: i64) -> Result<()> {
        for (_, pane) in panes.range(self.to..to.max(self.to)) {
            let pairs = add(plan, &mut self.pane, pane)?;
            self.held.resize(self.pane.index().rows(), 0);
            pairs.iter().for_each(|(_, ours)| self.held[*ours as usize] += 1);
        }
        self.to = self.to.max(to);
        Ok(())
    }

    /// Takes out the panes before here.
    pub fn leave(&mut self, panes: &BTreeMap<i64, Pane>, from: i64) -> Result<()> {
        for (_, pane) in panes.range(self.from..from) {
            let mut pairs = Vec::with_capacity(pane.index().len());
            for row in pane.index().live() {
                if let Some(ours) = self.pane.find(pane.index().key(row))? {
                    pairs.push((row, ours));
                }
            }
            self.pane.values_mut().subtract(pane.values(), &pairs)?;
            for (_, ours) in pairs {
                let held = &mut self.held[ours as usize];
                *held -= 1;
                if *held == 0 {
                    self.pane.remove(ours);
                }
            }
        }
        self.from = from;
        Ok(())
    }
}

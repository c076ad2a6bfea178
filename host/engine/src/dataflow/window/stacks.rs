//! Merged panes of overlapping windows where aggregates are not invertible: the two-stacks algorithm for sliding aggregation, as in
//! Tangwongsan, Hirzel, Schneider, "Low-Latency Sliding-Window Aggregation in Worst-Case Constant Time", DEBS 2017
//! (doi:10.1145/3093742.3093925).
//!
//! A point divides the panes of an interval. The front stack has, for each pane before the point, the merge of the panes from it to
//! the point; the back has the merge of the panes after the point. A window merges one entry of the front and the back, however many
//! panes it has. The interval moves by dropping the earliest entry; when none is left, the point moves to the end of the interval.
//! A pane is merged three times, instead of once for each window that it is in.
//!
//! If most keys are in most panes, the front needs as much memory as the panes. Otherwise panes have few keys each, and merging all
//! of them for each window costs less than the window's results.

use super::pane::{Accumulated, Pane};
use super::plan::{Plan, ROOM_MAX};
use super::running::{MERGED, Panes, add};
use flowgate_base::error::{Error, Result};
use flowgate_state::store::{SlotKind, StateStore};

/// Stacks pay if a pane has, on average, at least one in this number of the keys of a window.
const SPARSE: usize = 4;

/// The two stacks of an interval.
pub(crate) struct Stacks {
    /// The front: by the start of a pane, the merge from there to the point.
    front: Panes,
    /// The back: the merge from the point on.
    back: Pane,
    /// The start of the interval.
    from: i64,
    /// The end of the interval, exclusive.
    to: i64,
}

/// Whether stacks pay for a window of `keys` keys and `panes` panes, with `keys_of_panes` keys in all panes together.
pub(crate) fn pays(panes: usize, keys_of_panes: usize, keys: usize) -> bool {
    keys_of_panes * SPARSE >= panes * keys
}

fn empty(plan: &Plan, store: &StateStore) -> Pane {
    Pane::in_store(Accumulated::new(plan), store, MERGED, SlotKind::Window)
}

/// Merges two panes, or only the later one, into the empty pane `both`.
fn merge_two(plan: &mut Plan, both: Pane, earlier: Option<&mut Pane>, later: &mut Pane) -> Result<Pane> {
    // Most keys are in both panes: `both` shares the rows of the later one, which saves the lookups.
    let shares = later.spilled_keys() == 0;
    let mut both = if shares { both.with_keys_of(later) } else { both.with_room(later.len().min(ROOM_MAX)) };
    if let Some(earlier) = earlier {
        add(plan, &mut both, earlier, |_, _| {})?;
    }
    // A key that was spilled may have another row after it is loaded again.
    if !shares || both.has_spilled() {
        add(plan, &mut both, later, |_, _| {})?;
        return Ok(both);
    }
    let pairs: Vec<(u32, u32)> = later.index().live().map(|row| (row, row)).collect();
    both.values_mut().merge(&mut plan.aggregators, later.values(), &pairs)?;
    both.settle(0)?;
    Ok(both)
}

impl Stacks {
    /// Creates the stacks of an interval, with the point at its end.
    pub(crate) fn over(plan: &mut Plan, store: &StateStore, panes: &mut Panes, from: i64, to: i64) -> Result<Self> {
        let mut front = Panes::new(Accumulated::new(plan), store, MERGED, SlotKind::Window);
        let mut later: Option<i64> = None;
        for start in panes.numbers(from..to).into_iter().rev() {
            let both = front.make();
            let later_pane = later.map_or(Ok(None), |later| front.get(later))?;
            let both = panes.visit_one(start, |pane| match later_pane {
                Some(later) => merge_two(plan, both, Some(pane), later),
                None => merge_two(plan, both, None, pane),
            })?;
            front.insert(start, both.ok_or_else(|| Error::internal("a pane of a window is gone"))?);
            front.settle()?;
            later = Some(start);
        }
        Ok(Stacks { front, back: empty(plan, store), from, to })
    }

    /// Whether the interval starts at `from`.
    pub(crate) fn starts_at(&self, from: i64) -> bool {
        self.from == from
    }

    /// Whether a pane is in the interval.
    pub(crate) fn covers(&self, pane: i64) -> bool {
        (self.from..self.to).contains(&pane)
    }

    /// Extends the interval to `to` and returns its merge. The next interval starts at `next`.
    pub(crate) fn merged(
        &mut self,
        plan: &mut Plan,
        store: &StateStore,
        panes: &mut Panes,
        to: i64,
        next: i64,
    ) -> Result<Pane> {
        panes.visit(self.to..to.max(self.to), |_, pane| add(plan, &mut self.back, pane, |_, _| {}))?;
        self.to = self.to.max(to);
        // An entry that starts before the next interval is not needed again.
        let mut merged = match self.front.pop_before(next)? {
            Some(front) => front,
            None => match self.front.first_from(i64::MIN) {
                Some(first) => {
                    let front =
                        self.front.visit_one(first, |front| merge_two(plan, empty(plan, store), None, front))?;
                    front.ok_or_else(|| Error::internal("a part of a window is gone"))?
                }
                None => empty(plan, store),
            },
        };
        add(plan, &mut merged, &mut self.back, |_, _| {})?;
        Ok(merged)
    }

    /// Drops the panes before `from`. Returns `None` if stacks do not pay any more.
    pub(crate) fn leave(
        mut self,
        plan: &mut Plan,
        store: &StateStore,
        panes: &mut Panes,
        from: i64,
    ) -> Result<Option<Self>> {
        while let Some(first) = self.front.first_from(i64::MIN).filter(|first| *first < from) {
            self.front.remove(first);
        }
        self.from = from;
        if !self.front.is_empty() {
            return Ok(Some(self));
        }
        let (count, keys) = panes.sizes(from..self.to);
        // All remaining panes are in the back.
        if count == 0 || !pays(count, keys, self.back.len()) {
            return Ok(None);
        }
        Stacks::over(plan, store, panes, from, self.to).map(Some)
    }

    /// Spills panes if memory is short.
    pub(crate) fn settle(&mut self) -> Result<()> {
        self.front.settle()?;
        self.back.settle(0)
    }
}

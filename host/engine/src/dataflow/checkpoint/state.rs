//! How an operator shows what decides its results: to be frozen at a boundary, and to be filled after a restart.
//!
//! One function, [`Operator::state`](crate::dataflow::engine::Operator::state), lists it for both, so that they cannot differ. Tables are
//! [slots](Slot); everything else (watermarks, what has fired) is a small structure.

use std::ops::Range;

use arrow_array::RecordBatch;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::boundary::Boundary;
use flowgate_base::error::{Error, Result};
use flowgate_base::time::EventTime;
use flowgate_state::snapshot::{Extent, Layout, SlotState};
use flowgate_state::store::SlotKind;

/// Names the state of a slot among that of its operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SlotName<'a> {
    /// Its kind.
    pub kind: SlotKind,
    /// Its name, unique among the slots of the kind.
    pub name: &'a str,
}

/// Values that decide results and that are in no table.
///
/// After a restart, perhaps with another number of workers, each worker continues from what all of them had: mostly the least.
pub(crate) trait Scalars: Serialize + DeserializeOwned {
    /// Returns what holds for a worker that continues for both.
    fn merged(self, other: Self) -> Self;
}

/// An object of [`Scalars`].
pub(crate) trait AnyScalars {
    /// Returns the values.
    fn save(&self) -> Result<Value>;

    /// Replaces the values by those that continue `earlier`, the values of all workers. If there are none, they stay.
    fn fill(&mut self, earlier: &[&Value]) -> Result<()>;
}

impl<T: Scalars> AnyScalars for T {
    fn save(&self) -> Result<Value> {
        serde_json::to_value(self).map_err(|e| Error::internal(format!("state that cannot be written: {e}")))
    }

    fn fill(&mut self, earlier: &[&Value]) -> Result<()> {
        let read = |value: &&Value| {
            T::deserialize(*value).map_err(|e| Error::internal(format!("state that cannot be read: {e}")))
        };
        let mut earlier = earlier.iter().map(read);
        if let Some(first) = earlier.next() {
            *self = earlier.try_fold(first?, |all, next| Ok::<_, Error>(all.merged(next?)))?;
        }
        Ok(())
    }
}

/// Visits the state of an operator.
pub(crate) trait StateVisitor {
    /// Visits values; `name` is unique within the operator.
    fn scalars(&mut self, name: &'static str, scalars: &mut dyn AnyScalars) -> Result<()>;

    /// Visits a slot.
    fn slot(&mut self, name: SlotName<'_>, slot: &mut dyn SlotState) -> Result<()>;

    /// Returns the boundary, if the state is being frozen.
    fn freezes(&self) -> Option<Boundary> {
        None
    }

    /// Whether the state is being filled: the operator schedules again what it had scheduled.
    fn fills(&self) -> bool {
        false
    }
}

/// Which state of an operator is on which worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owned {
    /// The keys of these key groups.
    KeyGroups(Range<u32>),
    /// All of it: the operator runs on this worker only.
    All,
    /// None of it: the operator runs on another worker.
    Nothing,
}

impl Owned {
    /// Returns the key groups of which the worker has the state.
    pub(crate) fn key_groups(&self) -> Range<u32> {
        match self {
            Owned::KeyGroups(groups) => groups.clone(),
            Owned::All => 0..u32::MAX,
            Owned::Nothing => 0..0,
        }
    }
}

/// Returns the key groups that are in both ranges.
#[cfg(test)]
pub(crate) fn both(one: &Range<u32>, other: &Range<u32>) -> Range<u32> {
    let start = one.start.max(other.start);
    start..one.end.min(other.end).max(start)
}

/// Freezes the state at a boundary, and collects the values.
pub(crate) struct Freeze {
    boundary: Boundary,
    extent: Extent,
    /// The values by name.
    pub(crate) values: serde_json::Map<String, Value>,
}

impl Freeze {
    /// Creates a visitor that freezes what is before the boundary.
    pub(crate) fn new(boundary: Boundary, extent: Extent) -> Self {
        Freeze { boundary, extent, values: serde_json::Map::new() }
    }
}

impl StateVisitor for Freeze {
    fn scalars(&mut self, name: &'static str, scalars: &mut dyn AnyScalars) -> Result<()> {
        let twice = self.values.insert(name.to_string(), scalars.save()?);
        debug_assert!(twice.is_none(), "two sets of values `{name}`");
        Ok(())
    }

    fn slot(&mut self, _name: SlotName<'_>, slot: &mut dyn SlotState) -> Result<()> {
        slot.freeze(self.extent)
    }

    fn freezes(&self) -> Option<Boundary> {
        Some(self.boundary)
    }
}

/// Receives a part of a slot.
pub(crate) type TakePart<'a> = &'a mut dyn FnMut(SlotName<'_>, Layout, RecordBatch) -> Result<()>;

/// Takes some parts of the frozen state.
pub(crate) struct Take<'a> {
    /// Rows of the next part.
    pub(crate) rows_max: usize,
    /// Receives the parts.
    pub(crate) part: TakePart<'a>,
    /// Whether more parts may be left.
    pub(crate) more: bool,
    /// Whether the time of this slice is over.
    pub(crate) is_over: &'a dyn Fn() -> bool,
}

impl StateVisitor for Take<'_> {
    fn scalars(&mut self, _name: &'static str, _scalars: &mut dyn AnyScalars) -> Result<()> {
        Ok(())
    }

    fn slot(&mut self, name: SlotName<'_>, slot: &mut dyn SlotState) -> Result<()> {
        while !self.more {
            let Some(part) = slot.next_part(self.rows_max)? else { return Ok(()) };
            (self.part)(name, slot.layout(), part)?;
            self.more = (self.is_over)();
        }
        Ok(())
    }
}

/// Restores the rows of a part that belong to some key groups.
pub(crate) type RestorePart<'a> = &'a mut dyn FnMut(&RecordBatch, &Range<u32>) -> Result<()>;

/// The state of an operator in the checkpoint from which a job continues.
pub(crate) trait Earlier {
    /// Returns the values of each worker.
    fn values(&self) -> Vec<&serde_json::Map<String, Value>>;

    /// Calls `restore` with the parts of a slot that may have keys of these key groups, in their order, each with those of the key groups
    /// that the worker had which wrote it.
    fn parts(&self, name: SlotName<'_>, groups: &Range<u32>, restore: RestorePart<'_>) -> Result<()>;
}

/// Fills the state of an operator on one worker.
pub(crate) struct Fill<'a> {
    /// The state of the checkpoint.
    pub(crate) earlier: &'a dyn Earlier,
    /// The key groups of the worker.
    pub(crate) groups: Range<u32>,
}

impl StateVisitor for Fill<'_> {
    fn scalars(&mut self, name: &'static str, scalars: &mut dyn AnyScalars) -> Result<()> {
        let earlier: Vec<&Value> = self.earlier.values().into_iter().filter_map(|values| values.get(name)).collect();
        scalars.fill(&earlier)
    }

    fn slot(&mut self, name: SlotName<'_>, slot: &mut dyn SlotState) -> Result<()> {
        let groups = self.groups.clone();
        if groups.is_empty() {
            return Ok(());
        }
        self.earlier.parts(name, &groups, &mut |part, groups| slot.restore(part, groups))
    }

    fn fills(&self) -> bool {
        true
    }
}

/// A watermark that an operator keeps, as its only value.
pub(crate) struct Watermark<'a>(pub(crate) &'a mut Option<EventTime>);

impl AnyScalars for Watermark<'_> {
    fn save(&self) -> Result<Value> {
        Known(*self.0).save()
    }

    fn fill(&mut self, earlier: &[&Value]) -> Result<()> {
        let mut known = Known(*self.0);
        known.fill(earlier)?;
        *self.0 = known.0;
        Ok(())
    }
}

/// See [`Watermark`].
#[derive(Serialize, Deserialize)]
struct Known(Option<EventTime>);

impl Scalars for Known {
    fn merged(self, other: Self) -> Self {
        Known(least(self.0, other.0))
    }
}

/// A watermark from which an operator continues: the least of all workers. Before the first one, nothing is known.
pub(crate) fn least(one: Option<EventTime>, other: Option<EventTime>) -> Option<EventTime> {
    one.zip(other).map(|(one, other)| one.min(other))
}

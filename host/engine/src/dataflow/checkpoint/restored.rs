//! The checkpoint from which a job continues, as its workers read it.

use std::ops::Range;

use serde_json::{Map, Value};

use super::link::EarlierJob;
use super::reports::TimedSplit;
use super::state::{Earlier, RestorePart, SlotName};
use crate::dataflow::engine::Tick;
use flowgate_base::error::Result;
use flowgate_checkpoint::store::Store;
use flowgate_checkpoint::{Checkpoint, OperatorRecord, Reader};
use flowgate_connect::source::{Position, Split, SplitState};

/// A checkpoint in a store.
pub(crate) struct Restored {
    store: Store,
    checkpoint: Checkpoint,
}

/// The value of an operator that has ended. It has no state, though files of earlier checkpoints still have some.
pub(crate) const ENDED: &str = "ended";

/// One operator of a checkpoint.
struct OfOperator<'a> {
    restored: &'a Restored,
    record: &'a OperatorRecord,
}

impl Restored {
    /// Creates it.
    pub(crate) fn new(store: Store, checkpoint: Checkpoint) -> Self {
        Restored { store, checkpoint }
    }
}

impl EarlierJob for Restored {
    fn operator(&self, name: &str) -> Option<Box<dyn Earlier + '_>> {
        let record = self.checkpoint.operators.iter().find(|record| record.name == name)?;
        Some(Box::new(OfOperator { restored: self, record }))
    }

    fn splits(&self, source: &str) -> Vec<TimedSplit> {
        let splits = self.checkpoint.sources.get(source).into_iter().flatten();
        let split = |record: &flowgate_checkpoint::SplitRecord| TimedSplit {
            state: SplitState {
                split: Split(record.split.clone()),
                position: record.position.clone().map(Position),
                has_ended: record.ended,
            },
            event_time: record.event_time.clone(),
        };
        splits.map(split).collect()
    }

    fn committables(&self, sink: &str) -> Vec<Value> {
        self.checkpoint.sinks.get(sink).into_iter().flatten().cloned().collect()
    }

    fn tick(&self) -> Tick {
        Tick(self.checkpoint.tick)
    }
}

impl Earlier for OfOperator<'_> {
    fn values(&self) -> Vec<&Map<String, Value>> {
        self.record.scalars.iter().filter_map(Value::as_object).collect()
    }

    fn parts(&self, name: SlotName<'_>, groups: &Range<u32>, restore: RestorePart<'_>) -> Result<()> {
        // All workers end, or none: what ends an operator comes from all of its senders to all of its workers.
        if self.values().iter().any(|values| values.contains_key(ENDED)) {
            return Ok(());
        }
        let reader = Reader::new(&self.restored.store, &self.restored.checkpoint);
        let last = groups.end.min(self.restored.checkpoint.key_groups).saturating_sub(1);
        let groups = groups.start as u16..=last as u16;
        let slots = reader.slots().into_iter().filter(|slot| {
            slot.operator == self.record.name && slot.kind == name.kind.name() && slot.slot == name.name
        });
        for slot in slots {
            for part in reader.parts(slot, groups.clone()) {
                let part = part?;
                restore(&part.rows, &(u32::from(part.groups.0)..u32::from(part.groups.1) + 1))?;
            }
        }
        Ok(())
    }
}

//! A table as the state of a slot: with the fields of its keys.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::Field;

use super::part::Shape;
use super::snapshot::{Extent, Layout, SlotState};
use super::table::{Table, Values};
use flowgate_base::error::Result;
use flowgate_base::schema;

/// A table and the fields of its keys.
#[derive(Debug)]
pub struct Keyed<'a, V> {
    table: &'a mut Table<V>,
    shape: Arc<Shape>,
}

impl<V: Values> Table<V> {
    /// Returns the table as a checkpoint sees it. The keys are of these fields.
    pub fn snapshots(&mut self, key: &[schema::Field]) -> Keyed<'_, V> {
        let shape =
            Shape::new(key, false, self.values.fields(), usize::from(self.values.has_entries()), self.clock.is_some());
        Keyed { table: self, shape }
    }
}

impl<V: Values> Keyed<'_, V> {
    /// Applies a part of a snapshot of another table, as [`SlotState::restore`] does; but it counts as changed.
    ///
    /// # Errors
    /// As [`SlotState::restore`].
    pub fn take_over(&mut self, part: &RecordBatch) -> Result<()> {
        self.table.restore_changed(&self.shape.read(part, &(0..u32::MAX))?)
    }
}

impl<V: Values> SlotState for Keyed<'_, V> {
    fn layout(&self) -> Layout {
        self.shape.layout()
    }

    fn fields(&self) -> Vec<Field> {
        self.shape.fields()
    }

    fn freeze(&mut self, extent: Extent) -> Result<()> {
        self.table.freeze(&self.shape, extent, None, None)
    }

    fn next_part(&mut self, rows_max: usize) -> Result<Option<RecordBatch>> {
        self.table.next_part(rows_max)
    }

    fn restore(&mut self, part: &RecordBatch, groups: &Range<u32>) -> Result<()> {
        self.table.restore(&self.shape.read(part, groups)?)
    }
}

//! A chain of snapshots of one operator's state, for tests.

use std::ops::Range;

use arrow_array::RecordBatch;
use serde_json::{Map, Value};

use super::boundary::Boundary;
use super::state::{Earlier, Fill, Freeze, RestorePart, SlotName, StateVisitor, Take};
use crate::dataflow::engine::Tick;
use flowgate_base::error::Result;
use flowgate_state::snapshot::Extent;

/// Shows the state of an operator to a visitor.
pub(crate) type Show<'a> = dyn FnMut(&mut dyn StateVisitor) -> Result<()> + 'a;

/// The snapshots that one operator has reported, in order.
#[derive(Default)]
pub(crate) struct Chain {
    values: Map<String, Value>,
    /// The slot of each part.
    pub(crate) parts: Vec<(String, RecordBatch)>,
}

fn named(name: SlotName<'_>) -> String {
    format!("{:?}/{}", name.kind, name.name)
}

impl Chain {
    /// Freezes the state. Its values are those of the chain from now on.
    pub(crate) fn freeze(&mut self, extent: Extent, show: &mut Show<'_>) {
        let boundary = Boundary { checkpoint: 1, tick: Tick(0) };
        let mut freeze = Freeze::new(boundary, extent);
        show(&mut freeze).expect("the state can be frozen");
        self.values = freeze.values;
    }

    /// Takes one part of the frozen state, of about `rows_max` rows. Returns whether there may be more.
    pub(crate) fn take_one(&mut self, rows_max: usize, show: &mut Show<'_>) -> bool {
        let parts = &mut self.parts;
        let mut part = |name: SlotName<'_>, _, part: RecordBatch| {
            parts.push((named(name), part));
            Ok(())
        };
        let mut take = Take { rows_max, part: &mut part, more: false, is_over: &|| true };
        show(&mut take).expect("the state can be taken");
        take.more
    }

    /// Takes all that is frozen.
    pub(crate) fn take(&mut self, show: &mut Show<'_>) {
        while self.take_one(3, show) {}
    }

    /// Fills the state of these key groups.
    pub(crate) fn fill(&self, groups: Range<u32>, show: &mut Show<'_>) {
        show(&mut Fill { earlier: self, groups }).expect("the state can be filled");
    }

    /// Returns the rows of the parts as texts, in the order of the texts.
    pub(crate) fn rows(&self) -> Vec<String> {
        let row = |(slot, part): &(String, RecordBatch), row: usize| {
            let columns = part.columns().iter().zip(part.schema_ref().fields());
            let cell = |(column, field): (_, &std::sync::Arc<arrow_schema::Field>)| {
                let column: &arrow_array::ArrayRef = column;
                format!("{}: {:?}", field.name(), column.slice(row, 1))
            };
            let cells: Vec<String> = columns.map(cell).collect();
            format!("{slot} {}", cells.join(", ").replace('\n', " "))
        };
        let of = |part| (0..row_count(part)).map(move |at| row(part, at));
        let mut rows: Vec<String> = self.parts.iter().flat_map(of).collect();
        rows.sort_unstable();
        rows
    }
}

fn row_count(part: &(String, RecordBatch)) -> usize {
    part.1.num_rows()
}

/// Returns the rows of all of the state, as [`Chain::rows`] does, without disturbing the chain of its changes.
pub(crate) fn whole(show: &mut Show<'_>) -> Vec<String> {
    let mut all = Chain::default();
    all.freeze(Extent::All, show);
    all.take(show);
    all.rows()
}

impl Earlier for Chain {
    fn values(&self) -> Vec<&Map<String, Value>> {
        vec![&self.values]
    }

    fn parts(&self, name: SlotName<'_>, groups: &Range<u32>, restore: RestorePart<'_>) -> Result<()> {
        let of_slot = self.parts.iter().filter(|(slot, _)| *slot == named(name));
        of_slot.into_iter().try_for_each(|(_, part)| restore(part, groups))
    }
}

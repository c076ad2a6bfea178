//! The aggregates of one window operator: built-in ones and plugins', behind one interface.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;

use super::aggregate::{Accumulate, InputRows, Pairs, StoredField, Times, accumulator, encoded};
use crate::dataflow::batch::Batch;
use crate::dataflow::canary::beside::Given;
use crate::dataflow::canary::groups::Groups;
use crate::dataflow::canary::point::CanaryPoint;
use crate::dataflow::slot::columns_for;
use crate::job::graph::{Aggregate, AggregateColumn, PluginFunction};
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Schema;
use flowgate_state::bytes::{put_sized, take_sized};
use flowgate_wall::{CallContext, Function, RowFailure, Updated, VarValues};

/// The accumulators of one aggregate, by group.
pub(crate) enum Accumulators {
    /// Accumulators of a built-in aggregate.
    BuiltIn(Box<dyn Accumulate>),
    /// Accumulators in the plugin's encoding; empty for a group without rows.
    Plugin(Vec<Vec<u8>>),
}

/// One aggregate, ready to run.
pub(crate) enum Aggregator {
    /// A built-in aggregate.
    BuiltIn {
        /// Positions of the columns that it reads.
        columns: Vec<usize>,
        /// Position of a boolean column: only rows where it is true count.
        filter: Option<usize>,
        /// Accumulators without groups.
        empty: Box<dyn Accumulate>,
    },
    /// An aggregate function of a plugin.
    Plugin(Box<PluginAggregator>),
}

/// A plugin's aggregate function and the columns that it reads.
pub(crate) struct PluginAggregator {
    spec: PluginFunction,
    function: Function,
    /// Where a canary of it is found, and its position in the window.
    canary: Option<(Arc<CanaryPoint>, usize)>,
    /// By group of the pane: its place among the groups of the current call, or [`NO_PLACE`].
    places: Vec<u32>,
}

/// The place of a group without rows in the call.
const NO_PLACE: u32 = u32::MAX;

impl Accumulators {
    fn of_another_aggregate() -> Error {
        Error::internal("accumulators of another aggregate")
    }

    /// Creates accumulators of the same aggregate, without groups.
    pub(crate) fn fresh(&self) -> Self {
        match self {
            Accumulators::BuiltIn(ours) => Accumulators::BuiltIn(ours.fresh()),
            Accumulators::Plugin(_) => Accumulators::Plugin(Vec::new()),
        }
    }

    /// Makes room for `groups` groups.
    pub(crate) fn grow(&mut self, groups: usize) {
        match self {
            Accumulators::BuiltIn(ours) => ours.grow(groups),
            Accumulators::Plugin(bytes) => bytes.resize(groups, Vec::new()),
        }
    }

    /// Makes a group's accumulator empty.
    pub(crate) fn clear(&mut self, group: usize) {
        match self {
            Accumulators::BuiltIn(ours) => ours.clear(group),
            Accumulators::Plugin(bytes) => bytes[group] = Vec::new(),
        }
    }

    /// Removes accumulators that were merged before.
    pub(crate) fn retract(&mut self, from: &Accumulators, pairs: Pairs<'_>) -> Result<()> {
        match (self, from) {
            (Accumulators::BuiltIn(ours), Accumulators::BuiltIn(theirs)) => {
                let theirs: &dyn Accumulate = theirs.as_ref();
                ours.retract(theirs, pairs)
            }
            _ => Err(Accumulators::of_another_aggregate()),
        }
    }

    /// Returns how many columns [`Accumulators::columns`] returns.
    pub(crate) fn column_count(&self) -> usize {
        match self {
            Accumulators::BuiltIn(ours) => ours.column_count(),
            Accumulators::Plugin(_) => 1,
        }
    }

    /// Returns the accumulators of some groups as columns, for another worker.
    pub(crate) fn columns(&self, groups: &[u32]) -> Vec<ArrayRef> {
        match self {
            Accumulators::BuiltIn(ours) => ours.columns(groups),
            Accumulators::Plugin(bytes) => vec![encoded(groups, |group, out| out.extend_from_slice(&bytes[group]))],
        }
    }

    /// Returns the columns of an accumulator in a snapshot, as [`Accumulate::stored_fields`] does.
    pub(crate) fn stored_fields(&self) -> Vec<StoredField> {
        match self {
            Accumulators::BuiltIn(ours) => ours.stored_fields(),
            Accumulators::Plugin(_) => vec![("", DataType::Binary)],
        }
    }

    /// Returns the accumulators of some groups as columns of a snapshot.
    pub(crate) fn stored(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        match self {
            Accumulators::BuiltIn(ours) => ours.stored(groups),
            Accumulators::Plugin(_) => Ok(self.columns(groups)),
        }
    }

    /// Sets accumulators to what [`Accumulators::stored`] returned: row `i` to group `groups[i]`, which is empty and occurs once.
    pub(crate) fn restore(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<()> {
        match self {
            Accumulators::BuiltIn(ours) => ours.restore(groups, columns),
            Accumulators::Plugin(ours) => {
                let stored = columns.first().and_then(|column| column.as_binary_opt::<i32>());
                let stored = stored.ok_or_else(|| Error::internal("stored accumulators of a plugin are not bytes"))?;
                for (group, bytes) in groups.iter().zip(stored) {
                    let bytes = bytes.ok_or_else(|| Error::internal("a stored accumulator of a plugin is missing"))?;
                    ours[*group as usize] = bytes.to_vec();
                }
                Ok(())
            }
        }
    }

    /// Appends the encoding of a group's accumulator.
    pub(crate) fn encode(&self, group: usize, out: &mut Vec<u8>) {
        match self {
            Accumulators::BuiltIn(ours) => ours.encode(group, out),
            Accumulators::Plugin(bytes) => put_sized(&bytes[group], out),
        }
    }

    /// Reads an encoding by [`Accumulators::encode`] into an empty group, and advances `bytes` past it.
    pub(crate) fn decode(&mut self, group: usize, bytes: &mut &[u8]) -> Result<()> {
        match self {
            Accumulators::BuiltIn(ours) => ours.merge_encoded(group, bytes),
            Accumulators::Plugin(accumulators) => {
                accumulators[group] = take_sized(bytes)?.to_vec();
                Ok(())
            }
        }
    }

    /// Returns the approximate memory in bytes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Accumulators::BuiltIn(ours) => ours.bytes(),
            Accumulators::Plugin(bytes) => bytes.iter().map(|b| b.capacity() + size_of::<Vec<u8>>()).sum(),
        }
    }
}

impl Aggregator {
    /// Creates the aggregator of a result column over an input; `open` opens a plugin's function.
    pub(crate) fn new(
        column: &AggregateColumn,
        input: &Schema,
        open: &mut dyn FnMut(&PluginFunction) -> Result<Function>,
    ) -> Result<Self> {
        if let Aggregate::Plugin(spec) = &column.aggregate {
            return Ok(Aggregator::Plugin(Box::new(PluginAggregator::new(spec, open(spec)?))));
        }
        let (empty, columns) = accumulator(&column.aggregate, input)?;
        Ok(Aggregator::BuiltIn { columns, filter: column.filter, empty })
    }

    /// Creates accumulators without groups.
    pub(crate) fn accumulators(&self) -> Accumulators {
        match self {
            Aggregator::BuiltIn { empty, .. } => Accumulators::BuiltIn(empty.fresh()),
            Aggregator::Plugin(_) => Accumulators::Plugin(Vec::new()),
        }
    }

    /// Sets where a canary of it is found, as the aggregate of this position.
    pub(crate) fn watch(&mut self, canary: &Arc<CanaryPoint>, at: usize) {
        if let Aggregator::Plugin(plugin) = self {
            plugin.canary = Some((Arc::clone(canary), at));
        }
    }

    /// Takes a new function, which goes on with the accumulators that there are.
    pub(crate) fn swap(&mut self, mut fresh: Box<PluginAggregator>) {
        if let Aggregator::Plugin(present) = self {
            fresh.canary = present.canary.take();
        }
        *self = Aggregator::Plugin(fresh);
    }

    /// Whether merged accumulators can be retracted.
    pub(crate) fn is_invertible(&self) -> bool {
        matches!(self, Aggregator::BuiltIn { empty, .. } if empty.is_invertible())
    }

    /// Aggregates rows: row `i` belongs to group `groups[i]`, for which there is room. Returns the rows that a plugin failed;
    /// they are not aggregated.
    pub(crate) fn update(
        &mut self,
        accumulators: &mut Accumulators,
        groups: &[u32],
        columns: &mut LazyColumns<'_>,
        times: Times<'_>,
        context: &CallContext,
    ) -> Result<Vec<RowFailure>> {
        match (self, accumulators) {
            (Aggregator::BuiltIn { columns: reads, filter, .. }, Accumulators::BuiltIn(ours)) => {
                let values = reads.iter().map(|c| columns.get(*c)).collect::<Result<Vec<_>>>()?;
                let mut counted: Option<NullBuffer> = None;
                for value in &values {
                    counted = NullBuffer::union(counted.as_ref(), value.nulls());
                }
                if let Some(filter) = filter {
                    let filter = columns.get(*filter)?;
                    let filter = filter.as_boolean();
                    let passes = NullBuffer::new(filter.values().clone());
                    counted = NullBuffer::union(counted.as_ref(), filter.nulls());
                    counted = NullBuffer::union(counted.as_ref(), Some(&passes));
                }
                let counted = counted.filter(|counted| counted.null_count() > 0);
                ours.update(&InputRows { groups, columns: &values, counted, times })?;
                Ok(Vec::new())
            }
            (Aggregator::Plugin(plugin), Accumulators::Plugin(bytes)) => plugin.update(bytes, groups, columns, context),
            _ => Err(Accumulators::of_another_aggregate()),
        }
    }

    /// Merges accumulators of another pane.
    pub(crate) fn merge(&mut self, into: &mut Accumulators, from: &Accumulators, pairs: Pairs<'_>) -> Result<()> {
        match (self, into, from) {
            (Aggregator::BuiltIn { .. }, Accumulators::BuiltIn(ours), Accumulators::BuiltIn(theirs)) => {
                let theirs: &dyn Accumulate = theirs.as_ref();
                ours.merge(theirs, pairs)
            }
            (Aggregator::Plugin(plugin), Accumulators::Plugin(ours), Accumulators::Plugin(theirs)) => {
                plugin.merge(ours, pairs.iter().map(|(t, o)| (theirs[*t as usize].as_slice(), *o)))
            }
            _ => Err(Accumulators::of_another_aggregate()),
        }
    }

    /// Merges columns that [`Accumulators::columns`] returned: row `i` into group `groups[i]`.
    pub(crate) fn merge_columns(
        &mut self,
        into: &mut Accumulators,
        groups: &[u32],
        columns: &[ArrayRef],
    ) -> Result<()> {
        match (self, into, columns) {
            (Aggregator::BuiltIn { .. }, Accumulators::BuiltIn(ours), columns) => ours.merge_columns(groups, columns),
            (Aggregator::Plugin(plugin), Accumulators::Plugin(ours), [column]) => {
                let theirs = column.as_binary::<i32>();
                for round in once_each(groups) {
                    plugin.merge(ours, round.iter().map(|row| (theirs.value(*row as usize), groups[*row as usize])))?;
                }
                Ok(())
            }
            _ => Err(Accumulators::of_another_aggregate()),
        }
    }

    /// Merges encoded accumulators, each into a different group; advances each of `bytes` past the part of this aggregate.
    pub(crate) fn merge_encoded(&mut self, into: &mut Accumulators, groups: &[u32], bytes: &mut [&[u8]]) -> Result<()> {
        match (self, into) {
            (Aggregator::BuiltIn { .. }, Accumulators::BuiltIn(ours)) => {
                groups.iter().zip(bytes).try_for_each(|(group, bytes)| ours.merge_encoded(*group as usize, bytes))
            }
            (Aggregator::Plugin(plugin), Accumulators::Plugin(ours)) => {
                let theirs = bytes.iter_mut().map(take_sized).collect::<Result<Vec<_>>>()?;
                plugin.merge(ours, theirs.into_iter().zip(groups.iter().copied()))
            }
            _ => Err(Accumulators::of_another_aggregate()),
        }
    }

    /// Returns the result columns, with one value for each of `groups`, or for all groups.
    pub(crate) fn finish(&mut self, accumulators: &Accumulators, groups: Option<&[u32]>) -> Result<Vec<ArrayRef>> {
        match (self, accumulators) {
            (Aggregator::BuiltIn { .. }, Accumulators::BuiltIn(ours)) => Ok(vec![ours.finish(groups)?]),
            (Aggregator::Plugin(plugin), Accumulators::Plugin(bytes)) => match groups {
                None => plugin.finish(bytes.iter().map(Vec::as_slice).collect()),
                Some(groups) => plugin.finish(groups.iter().map(|group| bytes[*group as usize].as_slice()).collect()),
            },
            _ => Err(Accumulators::of_another_aggregate()),
        }
    }
}

impl PluginAggregator {
    /// Creates the aggregator of a plugin's function.
    pub(crate) fn new(spec: &PluginFunction, function: Function) -> Self {
        PluginAggregator { function, spec: spec.clone(), canary: None, places: Vec::new() }
    }

    /// Counts rows into accumulators, row `i` into `groups[i]`.
    pub(crate) fn count_in(
        &mut self,
        accumulators: VarValues,
        groups: &[u32],
        rows: &Batch,
        context: &CallContext,
    ) -> Result<Updated> {
        let mut columns = LazyColumns::of(rows);
        let input = columns_for(&self.spec.inputs[0].reads, |c| columns.get(c))?;
        self.function.update(accumulators, groups, &input, groups.len(), context)
    }

    /// Returns the result columns of accumulators.
    pub(crate) fn results(&mut self, accumulators: &VarValues) -> Result<Vec<ArrayRef>> {
        self.finish(accumulators.iter().collect())
    }

    /// Sends only the groups of these rows across the wall, renumbered from 0.
    fn update(
        &mut self,
        bytes: &mut [Vec<u8>],
        groups: &[u32],
        columns: &mut LazyColumns<'_>,
        context: &CallContext,
    ) -> Result<Vec<RowFailure>> {
        self.places.resize(bytes.len().max(self.places.len()), NO_PLACE);
        let mut touched: Vec<u32> = Vec::new();
        let mut local = Vec::with_capacity(groups.len());
        for group in groups {
            let place = &mut self.places[*group as usize];
            if *place == NO_PLACE {
                *place = touched.len() as u32;
                touched.push(*group);
            }
            local.push(*place);
        }
        for group in &touched {
            self.places[*group as usize] = NO_PLACE;
        }
        let input = columns_for(&self.spec.inputs[0].reads, |c| columns.get(c))?;
        let accumulators = VarValues::from_iter(touched.iter().map(|g| bytes[*g as usize].as_slice()));
        let mut beside = self.canary.as_ref().and_then(|(canary, at)| canary.next_of(*at));
        let before = beside.as_mut().map(|beside| beside.copy(|_| accumulators.clone()));
        if let Some(beside) = &mut beside {
            beside.calls();
        }
        let updated = self.function.update(accumulators, &local, &input, groups.len(), context)?;
        if let (Some(beside), Some(before), Some((_, aggregate))) = (beside, before, &self.canary) {
            let took = (groups.len(), beside.took());
            let (rows, updated) = (columns.batch.clone(), updated.clone());
            let given = Groups { aggregate: *aggregate, before, groups: local, rows, updated };
            beside.offer(Given::Groups(Box::new(given)), None, *context, took);
        }
        for (value, group) in updated.accumulators.iter().zip(&touched) {
            let slot = &mut bytes[*group as usize];
            slot.clear();
            slot.extend_from_slice(value);
        }
        Ok(updated.failures)
    }

    /// Merges accumulators, each into a different group of `ours`.
    fn merge<'a>(&mut self, ours: &mut [Vec<u8>], theirs: impl Iterator<Item = (&'a [u8], u32)>) -> Result<()> {
        let (right, groups): (Vec<&[u8]>, Vec<u32>) = theirs.unzip();
        for (right, groups) in right.chunks(ACCUMULATORS_AT_ONCE).zip(groups.chunks(ACCUMULATORS_AT_ONCE)) {
            let left = VarValues::from_iter(groups.iter().map(|group| ours[*group as usize].as_slice()));
            let merged = self.function.merge(&left, &VarValues::from_iter(right.iter().copied()))?;
            for (value, group) in merged.iter().zip(groups) {
                ours[*group as usize] = value.to_vec();
            }
        }
        Ok(())
    }

    /// Returns the result columns of some accumulators.
    fn finish(&mut self, accumulators: Vec<&[u8]>) -> Result<Vec<ArrayRef>> {
        let mut parts = Vec::new();
        for chunk in accumulators.chunks(ACCUMULATORS_AT_ONCE) {
            parts.push(self.function.finish(&VarValues::from_iter(chunk.iter().copied()))?);
        }
        if parts.len() < 2 {
            return parts.pop().map_or_else(|| self.function.finish(&VarValues::default()), Ok);
        }
        let column = |position: usize| {
            let arrays: Vec<&dyn Array> = parts.iter().filter_map(|part| Some(part.get(position)?.as_ref())).collect();
            arrow_select::concat::concat(&arrays).map_err(|e| Error::internal(e.to_string()))
        };
        (0..parts[0].len()).map(column).collect()
    }
}

/// Accumulators that cross the wall in one call: up to 512 MiB if they are of the greatest size.
const ACCUMULATORS_AT_ONCE: usize = 8_192;

/// Divides rows into rounds in which each group occurs at most once: row `i` belongs to group `groups[i]`.
fn once_each(groups: &[u32]) -> Vec<Vec<u32>> {
    let (mut rounds, mut times) = (Vec::<Vec<u32>>::new(), BTreeMap::<u32, usize>::new());
    for (row, group) in groups.iter().enumerate() {
        let time = times.entry(*group).or_default();
        if *time == rounds.len() {
            rounds.push(Vec::new());
        }
        rounds[*time].push(row as u32);
        *time += 1;
    }
    rounds
}

/// The columns of a batch, each gathered when it is first read.
pub(crate) struct LazyColumns<'a> {
    batch: &'a Batch,
    gathered: Vec<Option<ArrayRef>>,
}

impl<'a> LazyColumns<'a> {
    /// Creates the columns of a batch; none is gathered yet.
    pub(crate) fn of(batch: &'a Batch) -> Self {
        LazyColumns { batch, gathered: vec![None; batch.columns().len()] }
    }

    /// Returns a column as one array.
    pub(crate) fn get(&mut self, column: usize) -> Result<ArrayRef> {
        let slot = self.gathered.get_mut(column).ok_or_else(|| Error::internal("a batch lacks a column"))?;
        if let Some(array) = slot {
            return Ok(array.clone());
        }
        let array = self.batch.columns()[column].gather()?;
        *slot = Some(array.clone());
        Ok(array)
    }
}

//! The aggregates of one window operator: built-in ones and plugins', behind one interface.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;

use super::aggregate::{Accumulate, Pairs, Rows, Times, accumulator, encoded};
use crate::dataflow::batch::Batch;
use crate::dataflow::slot::columns_for;
use crate::job::graph::{Aggregate, AggregateColumn, PluginFunction};
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Schema;
use flowgate_state::bytes::{put_sized, take_sized};
use flowgate_wall::{CallContext, Function, Metric, RowFailure, VarValues};

/// What one aggregate has added up, by group.
pub enum Accumulators {
    /// Built-in.
    BuiltIn(Box<dyn Accumulate>),
    /// A plugin's, as it encodes them; empty for a group without rows.
    Plugin(Vec<Vec<u8>>),
}

/// One aggregate, ready to run.
pub enum Aggregator {
    /// Built-in.
    BuiltIn {
        /// Positions of the columns that it reads.
        columns: Vec<usize>,
        /// A boolean column; only rows where it is true count.
        filter: Option<usize>,
        /// Accumulators without groups.
        empty: Box<dyn Accumulate>,
    },
    /// A plugin's.
    Plugin(Box<PluginAggregator>),
}

/// A plugin's aggregate function with what it reads.
pub struct PluginAggregator {
    spec: PluginFunction,
    function: Function,
    /// For each group of the pane: its place among the groups of the call in flight.
    places: Vec<u32>,
}

/// Not among the groups of the call.
const NO_PLACE: u32 = u32::MAX;

impl Accumulators {
    fn of_another_aggregate() -> Error {
        Error::internal("accumulators of another aggregate")
    }

    /// The same of no group.
    pub fn fresh(&self) -> Self {
        match self {
            Accumulators::BuiltIn(ours) => Accumulators::BuiltIn(ours.fresh()),
            Accumulators::Plugin(_) => Accumulators::Plugin(Vec::new()),
        }
    }

    /// Makes room for this many groups.
    pub fn grow(&mut self, groups: usize) {
        match self {
            Accumulators::BuiltIn(ours) => ours.grow(groups),
            Accumulators::Plugin(bytes) => bytes.resize(groups, Vec::new()),
        }
    }

    /// Makes a group's accumulator empty.
    pub fn clear(&mut self, group: usize) {
        match self {
            Accumulators::BuiltIn(ours) => ours.clear(group),
            Accumulators::Plugin(bytes) => bytes[group] = Vec::new(),
        }
    }

    /// Takes out accumulators that were merged before.
    pub fn retract(&mut self, from: &Accumulators, pairs: Pairs<'_>) -> Result<()> {
        match (self, from) {
            (Accumulators::BuiltIn(ours), Accumulators::BuiltIn(theirs)) => {
                let theirs: &dyn Accumulate = theirs.as_ref();
                ours.retract(theirs, pairs)
            }
            _ => Err(Accumulators::of_another_aggregate()),
        }
    }

    /// How many columns [`Accumulators::columns`] gives.
    pub fn column_count(&self) -> usize {
        match self {
            Accumulators::BuiltIn(ours) => ours.column_count(),
            Accumulators::Plugin(_) => 1,
        }
    }

    /// The accumulators of these groups as columns, for another worker.
    pub fn columns(&self, groups: &[u32]) -> Vec<ArrayRef> {
        match self {
            Accumulators::BuiltIn(ours) => ours.columns(groups),
            Accumulators::Plugin(bytes) => vec![encoded(groups, |group, out| out.extend_from_slice(&bytes[group]))],
        }
    }

    /// Appends the encoding of a group's accumulator.
    pub fn encode(&self, group: usize, out: &mut Vec<u8>) {
        match self {
            Accumulators::BuiltIn(ours) => ours.encode(group, out),
            Accumulators::Plugin(bytes) => put_sized(&bytes[group], out),
        }
    }

    /// Reads what [`Accumulators::encode`] wrote into an empty group, and moves `bytes` behind it.
    pub fn decode(&mut self, group: usize, bytes: &mut &[u8]) -> Result<()> {
        match self {
            Accumulators::BuiltIn(ours) => ours.merge_encoded(group, bytes),
            Accumulators::Plugin(accumulators) => {
                accumulators[group] = take_sized(bytes)?.to_vec();
                Ok(())
            }
        }
    }

    /// Bytes of memory that it takes up, about.
    pub fn bytes(&self) -> usize {
        match self {
            Accumulators::BuiltIn(ours) => ours.bytes(),
            Accumulators::Plugin(bytes) => bytes.iter().map(|b| b.capacity() + size_of::<Vec<u8>>()).sum(),
        }
    }
}

impl Aggregator {
    /// For an aggregate over this input; `open` opens a plugin's function.
    pub fn new(
        column: &AggregateColumn,
        input: &Schema,
        open: &mut dyn FnMut(&PluginFunction) -> Result<Function>,
    ) -> Result<Self> {
        if let Aggregate::Plugin(spec) = &column.aggregate {
            let plugin = PluginAggregator { function: open(spec)?, spec: spec.clone(), places: Vec::new() };
            return Ok(Aggregator::Plugin(Box::new(plugin)));
        }
        let (empty, columns) = accumulator(&column.aggregate, input)?;
        Ok(Aggregator::BuiltIn { columns, filter: column.filter, empty })
    }

    /// Accumulators of no group.
    pub fn accumulators(&self) -> Accumulators {
        match self {
            Aggregator::BuiltIn { empty, .. } => Accumulators::BuiltIn(empty.fresh()),
            Aggregator::Plugin(_) => Accumulators::Plugin(Vec::new()),
        }
    }

    /// Whether what was merged can be taken out again.
    pub fn is_invertible(&self) -> bool {
        matches!(self, Aggregator::BuiltIn { empty, .. } if empty.is_invertible())
    }

    /// Adds rows: row `i` belongs to group `groups[i]`, for which there is room. Gives the rows that a plugin failed; they
    /// are not counted in.
    pub fn update(
        &mut self,
        accumulators: &mut Accumulators,
        groups: &[u32],
        columns: &mut Columns<'_>,
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
                ours.update(&Rows { groups, columns: &values, counted, times })?;
                Ok(Vec::new())
            }
            (Aggregator::Plugin(plugin), Accumulators::Plugin(bytes)) => plugin.update(bytes, groups, columns, context),
            _ => Err(Accumulators::of_another_aggregate()),
        }
    }

    /// Adds accumulators of another pane.
    pub fn merge(&mut self, into: &mut Accumulators, from: &Accumulators, pairs: Pairs<'_>) -> Result<()> {
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

    /// Adds what [`Accumulators::columns`] gave: row `i` to group `groups[i]`.
    pub fn merge_columns(&mut self, into: &mut Accumulators, groups: &[u32], columns: &[ArrayRef]) -> Result<()> {
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

    /// Adds encoded accumulators, each to a group of its own; moves each of `bytes` behind what it had for this aggregate.
    pub fn merge_encoded(&mut self, into: &mut Accumulators, groups: &[u32], bytes: &mut [&[u8]]) -> Result<()> {
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

    /// The result columns, one value for each of these groups, or of all.
    pub fn finish(&mut self, accumulators: &Accumulators, groups: Option<&[u32]>) -> Result<Vec<ArrayRef>> {
        match (self, accumulators) {
            (Aggregator::BuiltIn { .. }, Accumulators::BuiltIn(ours)) => Ok(vec![ours.finish(groups)?]),
            (Aggregator::Plugin(plugin), Accumulators::Plugin(bytes)) => match groups {
                None => plugin.finish(bytes.iter().map(Vec::as_slice).collect()),
                Some(groups) => plugin.finish(groups.iter().map(|group| bytes[*group as usize].as_slice()).collect()),
            },
            _ => Err(Accumulators::of_another_aggregate()),
        }
    }

    /// What the plugin has published.
    pub fn plugin_metrics(&self) -> BTreeMap<String, Metric> {
        match self {
            Aggregator::BuiltIn { .. } => BTreeMap::new(),
            Aggregator::Plugin(plugin) => plugin.function.metrics(),
        }
    }
}

impl PluginAggregator {
    /// Only the groups of these rows cross the wall, numbered again from 0.
    fn update(
        &mut self,
        bytes: &mut [Vec<u8>],
        groups: &[u32],
        columns: &mut Columns<'_>,
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
        let updated = self.function.update(accumulators, &local, &input, groups.len(), context)?;
        for (value, group) in updated.accumulators.iter().zip(&touched) {
            let slot = &mut bytes[*group as usize];
            slot.clear();
            slot.extend_from_slice(value);
        }
        Ok(updated.failures)
    }

    /// Adds accumulators of others to ours, each to a group of its own.
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

    /// The result columns for these accumulators.
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

/// Accumulators that are gathered for the wall: of the largest, 512 MiB.
const ACCUMULATORS_AT_ONCE: usize = 8_192;

/// Divides rows so that no part has two of one group: row `i` belongs to group `groups[i]`.
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

/// The columns of a batch, gathered when they are first read.
pub struct Columns<'a> {
    batch: &'a Batch,
    gathered: Vec<Option<ArrayRef>>,
}

impl<'a> Columns<'a> {
    /// Of this batch.
    pub fn of(batch: &'a Batch) -> Self {
        Columns { batch, gathered: vec![None; batch.columns().len()] }
    }

    /// A column.
    pub fn get(&mut self, column: usize) -> Result<ArrayRef> {
        let slot = self.gathered.get_mut(column).ok_or_else(|| Error::internal("a batch lacks a column"))?;
        if let Some(array) = slot {
            return Ok(array.clone());
        }
        let array = self.batch.columns()[column].gather()?;
        *slot = Some(array.clone());
        Ok(array)
    }
}

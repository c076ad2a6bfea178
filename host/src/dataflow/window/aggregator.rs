//! The aggregates of one window operator: the host's own and plugins', behind one face.

use std::collections::BTreeMap;

use arrow_array::ArrayRef;

use super::accumulator::{Accumulators, Native, Ordered};
use crate::dataflow::slot::columns_for;
use crate::error::{Error, Result};
use crate::job::graph::{Aggregate, AggregateColumn, PluginFunction};
use crate::plugin::{CallContext, Function, Metric, RowFailure, VarValues};
use crate::schema::{DataType, Schema};

/// One aggregate, ready to run.
pub enum Aggregator {
    /// The host's own, over a column (none for counting rows).
    Native(Native, Option<usize>),
    /// A plugin's.
    Plugin(Box<PluginAggregator>),
}

/// A plugin's aggregate function with what it reads.
pub struct PluginAggregator {
    spec: PluginFunction,
    function: Function,
    /// For each group of the pane: its place among the groups of the call under way.
    places: Vec<u32>,
}

/// Not among the groups of the call.
const NO_PLACE: u32 = u32::MAX;

impl Aggregator {
    /// For an aggregate over this input; `open` opens a plugin's function.
    pub fn new(
        column: &AggregateColumn,
        input: &Schema,
        open: &mut dyn FnMut(&PluginFunction) -> Result<Function>,
    ) -> Result<Self> {
        let data_type = |column: &usize| {
            input
                .fields
                .get(*column)
                .map(|f| f.data_type)
                .ok_or_else(|| Error::internal("an aggregate reads a column that its input does not have"))
        };
        let no_such = |what: &str, t: DataType| Error::internal(format!("no {what} of {t} values"));
        Ok(match &column.aggregate {
            Aggregate::Count(column) => Aggregator::Native(Native::Count, *column),
            Aggregate::Sum(column) => {
                let native = match data_type(column)? {
                    DataType::Int64 => Native::SumInt,
                    DataType::Float64 => Native::SumFloat,
                    other => return Err(no_such("sum", other)),
                };
                Aggregator::Native(native, Some(*column))
            }
            Aggregate::Avg(column) => {
                let native = match data_type(column)? {
                    DataType::Int64 => Native::AvgInt,
                    DataType::Float64 => Native::AvgFloat,
                    other => return Err(no_such("average", other)),
                };
                Aggregator::Native(native, Some(*column))
            }
            Aggregate::Min(c) | Aggregate::Max(c) => {
                let data_type = data_type(c)?;
                let of = Ordered::of(data_type).ok_or_else(|| no_such("order", data_type))?;
                let greatest = matches!(column.aggregate, Aggregate::Max(_));
                Aggregator::Native(Native::Extreme { of, greatest }, Some(*c))
            }
            Aggregate::First(_)
            | Aggregate::Last(_)
            | Aggregate::Distinct(_)
            | Aggregate::ApproxDistinct(_)
            | Aggregate::Quantile { .. }
            | Aggregate::ArgExtreme { .. }
            | Aggregate::TopK { .. } => return Err(Error::internal("not yet")),
            Aggregate::Plugin(spec) => Aggregator::Plugin(Box::new(PluginAggregator {
                function: open(spec)?,
                spec: spec.clone(),
                places: Vec::new(),
            })),
        })
    }

    /// Accumulators of no group.
    pub fn accumulators(&self) -> Accumulators {
        match self {
            Aggregator::Native(native, _) => native.accumulators(),
            Aggregator::Plugin(_) => Accumulators::Plugin(Vec::new()),
        }
    }

    /// Adds rows: row `i` belongs to group `groups[i]`. Gives the rows that a plugin failed; they are not counted in.
    pub fn update(
        &mut self,
        accumulators: &mut Accumulators,
        group_count: usize,
        groups: &[u32],
        columns: &mut Columns<'_>,
        context: &CallContext,
    ) -> Result<Vec<RowFailure>> {
        match self {
            Aggregator::Native(native, column) => {
                let values = column.map(|c| columns.get(c)).transpose()?;
                native.update(accumulators, group_count, groups, values.as_ref())?;
                Ok(Vec::new())
            }
            Aggregator::Plugin(plugin) => {
                accumulators.grow(group_count);
                let Accumulators::Plugin(bytes) = accumulators else {
                    return Err(Error::internal("accumulators of another aggregate"));
                };
                plugin.update(bytes, groups, columns, context)
            }
        }
    }

    /// Adds the accumulators of another pane: its group `i` is our group `groups[i]`, where there is one.
    pub fn merge(
        &mut self,
        into: &mut Accumulators,
        group_count: usize,
        from: &Accumulators,
        groups: &[Option<u32>],
    ) -> Result<()> {
        match self {
            Aggregator::Native(native, _) => native.merge(into, group_count, from, groups),
            Aggregator::Plugin(plugin) => {
                into.grow(group_count);
                let (Accumulators::Plugin(ours), Accumulators::Plugin(theirs)) = (into, from) else {
                    return Err(Error::internal("accumulators of another aggregate"));
                };
                let pairs: Vec<(usize, usize)> =
                    groups.iter().enumerate().filter_map(|(t, o)| o.map(|o| (t, o as usize))).collect();
                let left = VarValues::from_iter(pairs.iter().map(|(_, o)| ours[*o].as_slice()));
                let right = VarValues::from_iter(pairs.iter().map(|(t, _)| theirs[*t].as_slice()));
                let merged = plugin.function.merge(&left, &right)?;
                for (value, (_, o)) in merged.iter().zip(&pairs) {
                    ours[*o] = value.to_vec();
                }
                Ok(())
            }
        }
    }

    /// The result columns, one value for each group.
    pub fn finish(&mut self, accumulators: &Accumulators) -> Result<Vec<ArrayRef>> {
        match (self, accumulators) {
            (Aggregator::Native(native, _), accumulators) => Ok(vec![native.finish(accumulators)?]),
            (Aggregator::Plugin(plugin), Accumulators::Plugin(bytes)) => {
                plugin.function.finish(&VarValues::from_iter(bytes.iter().map(Vec::as_slice)))
            }
            _ => Err(Error::internal("accumulators of another aggregate")),
        }
    }

    /// What the plugin has published.
    pub fn plugin_metrics(&self) -> BTreeMap<String, Metric> {
        match self {
            Aggregator::Native(..) => BTreeMap::new(),
            Aggregator::Plugin(plugin) => plugin.function.metrics(),
        }
    }
}

impl PluginAggregator {
    /// Only the groups of these rows cross the wall, numbered anew.
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
}

/// The columns of a batch, gathered when they are first read.
pub struct Columns<'a> {
    batch: &'a crate::dataflow::batch::Batch,
    gathered: Vec<Option<ArrayRef>>,
}

impl<'a> Columns<'a> {
    /// Of this batch.
    pub fn of(batch: &'a crate::dataflow::batch::Batch) -> Self {
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

//! Quantiles with a relative error of at most 1 %, by [`flowgate_sketch`]. Encoding: a length (u32) and the sketch.

use std::any::Any;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Float64Array};
use flowgate_sketch::Quantiles;

use super::accumulate::{Accumulate, InputRows, Pairs, each_group, each_pair, same};
use flowgate_base::error::{Error, Result};
use flowgate_state::bytes::{put_sized, take_sized};

/// A sketch for each group. Values that are not finite are ignored.
#[derive(Debug)]
pub(super) struct QuantileSketches {
    q: f64,
    sketches: Vec<Quantiles>,
}

impl QuantileSketches {
    pub(super) fn new(q: f64) -> Self {
        QuantileSketches { q, sketches: Vec::new() }
    }
}

impl Accumulate for QuantileSketches {
    fn grow(&mut self, groups: usize) {
        self.sketches.resize(groups, Quantiles::default());
    }

    fn clear(&mut self, group: usize) {
        self.sketches[group] = Quantiles::default();
    }

    fn update(&mut self, rows: &InputRows<'_>) -> Result<()> {
        let column = &rows.columns[0];
        let sketches = &mut self.sketches[..];
        let mut add = |group: usize, value: f64| {
            if value.is_finite() {
                sketches[group].add(value);
            }
        };
        match column.data_type() {
            arrow_schema::DataType::Int64 => {
                let values = column.as_primitive::<Int64Type>().values();
                rows.each(|row, group| add(group, values[row] as f64));
            }
            _ => {
                let values = column.as_primitive::<Float64Type>().values();
                rows.each(|row, group| add(group, values[row]));
            }
        }
        Ok(())
    }

    fn merge(&mut self, from: &dyn Any, pairs: Pairs<'_>) -> Result<()> {
        let from: &QuantileSketches = same(from)?;
        each_pair(pairs).for_each(|(theirs, ours)| self.sketches[ours].merge(&from.sketches[theirs]));
        Ok(())
    }

    fn encode(&self, group: usize, out: &mut Vec<u8>) {
        let mut bytes = Vec::new();
        self.sketches[group].encode(&mut bytes);
        put_sized(&bytes, out);
    }

    fn merge_encoded(&mut self, group: usize, bytes: &mut &[u8]) -> Result<()> {
        let sketch = Quantiles::decode(take_sized(bytes)?);
        self.sketches[group].merge(&sketch.ok_or_else(|| Error::internal("a quantile sketch does not decode"))?);
        Ok(())
    }

    fn finish(&self, groups: Option<&[u32]>) -> Result<ArrayRef> {
        let quantile = |group: usize| self.sketches[group].quantile(self.q);
        Ok(Arc::new(each_group(self.sketches.len(), groups).map(quantile).collect::<Float64Array>()))
    }

    fn bytes(&self) -> usize {
        let bins: usize = self.sketches.iter().map(Quantiles::bytes).sum();
        self.sketches.capacity() * size_of::<Quantiles>() + bins
    }

    fn fresh(&self) -> Box<dyn Accumulate> {
        Box::new(QuantileSketches::new(self.q))
    }
}

//! The approximate number of distinct values, by HyperLogLog sketches of Apache DataSketches. Encoding: a length (u32) and the
//! sketch in the format of DataSketches, which its libraries in other languages read.

use std::any::Any;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};
use datasketches::hash::value::raw_bytes;
use datasketches::hll::{HllSketch, HllType, HllUnion};

use super::accumulate::{Accumulate, InputRows, Pairs, each_group, each_pair, same};
use super::cell::Cells;
use flowgate_base::error::{Error, Result};
use flowgate_state::bytes::{put_sized, take_sized};

/// 4,096 registers: a standard error of 1.6 %, at most 2 KiB a group. A small number of values is kept and counted exactly.
const LG_REGISTERS: u8 = 12;

/// A sketch for each group that has a value.
#[derive(Default)]
pub(super) struct Approx(Vec<Option<HllSketch>>);

fn failed(e: impl std::fmt::Display) -> Error {
    Error::internal(format!("a sketch of different values failed: {e}"))
}

impl Approx {
    fn join(&mut self, group: usize, other: &HllSketch) -> Result<()> {
        self.0[group] = Some(match self.0[group].take() {
            None => other.clone(),
            Some(mine) => {
                let mut union = HllUnion::new(LG_REGISTERS).map_err(failed)?;
                union.update(&mine);
                union.update(other);
                union.to_sketch(HllType::Hll4)
            }
        });
        Ok(())
    }
}

impl Accumulate for Approx {
    fn grow(&mut self, groups: usize) {
        self.0.resize(groups, None);
    }

    fn clear(&mut self, group: usize) {
        self.0[group] = None;
    }

    fn update(&mut self, rows: &InputRows<'_>) -> Result<()> {
        let cells = Cells::of(&rows.columns[0])?;
        let empty = HllSketch::new(LG_REGISTERS, HllType::Hll4).map_err(failed)?;
        let is_bytes = cells.is_bytes();
        rows.each(|row, group| {
            let sketch = self.0[group].get_or_insert_with(|| empty.clone());
            match is_bytes {
                true => sketch.update(raw_bytes::from_slice(cells.bytes_at(row))),
                false => sketch.update(cells.int_at(row)),
            }
        });
        Ok(())
    }

    fn merge(&mut self, from: &dyn Any, pairs: Pairs<'_>) -> Result<()> {
        let from: &Approx = same(from)?;
        for (theirs, ours) in each_pair(pairs) {
            if let Some(sketch) = &from.0[theirs] {
                self.join(ours, sketch)?;
            }
        }
        Ok(())
    }

    fn encode(&self, group: usize, out: &mut Vec<u8>) {
        match &self.0[group] {
            None => put_sized(&[], out),
            Some(sketch) => put_sized(&sketch.serialize(), out),
        }
    }

    fn merge_encoded(&mut self, group: usize, bytes: &mut &[u8]) -> Result<()> {
        match take_sized(bytes)? {
            [] => Ok(()),
            sketch => self.join(group, &HllSketch::deserialize(sketch).map_err(failed)?),
        }
    }

    fn finish(&self, groups: Option<&[u32]>) -> Result<ArrayRef> {
        let estimate = |group: usize| self.0[group].as_ref().map_or(0, |sketch| sketch.estimate().round() as i64);
        Ok(Arc::new(Int64Array::from_iter_values(each_group(self.0.len(), groups).map(estimate))))
    }

    fn bytes(&self) -> usize {
        let sketches: usize = self.0.iter().flatten().map(HllSketch::estimated_size).sum();
        self.0.capacity() * size_of::<Option<HllSketch>>() + sketches
    }

    fn fresh(&self) -> Box<dyn Accumulate> {
        Box::new(Approx::default())
    }
}

//! Sums. Encoding: the number of values and the sum, 8 bytes each.

use std::any::Any;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{ArrayRef, Float64Array, Int64Array};

use super::accumulate::{Accumulate, Pairs, Rows, chosen, each_pair, nulls, same, take_array};
use crate::error::{Error, Result};

/// Sums of int64 values, and how many there were. An overflow is an error of the job.
#[derive(Debug, Default)]
pub(super) struct IntSums {
    sums: Vec<i64>,
    counts: Vec<u64>,
}

fn overflow() -> Error {
    Error::user("a sum of int64 values overflows")
}

impl Accumulate for IntSums {
    fn grow(&mut self, groups: usize) {
        self.sums.resize(groups, 0);
        self.counts.resize(groups, 0);
    }

    fn clear(&mut self, group: usize) {
        (self.sums[group], self.counts[group]) = (0, 0);
    }

    fn update(&mut self, rows: &Rows<'_>) -> Result<()> {
        let values = rows.columns[0].as_primitive::<Int64Type>().values();
        let (sums, counts) = (&mut self.sums[..], &mut self.counts[..]);
        let mut overflows = false;
        rows.each(|row, group| {
            let (sum, over) = sums[group].overflowing_add(values[row]);
            sums[group] = sum;
            counts[group] += 1;
            overflows |= over;
        });
        if overflows { Err(overflow()) } else { Ok(()) }
    }

    fn merge(&mut self, from: &dyn Any, pairs: Pairs<'_>) -> Result<()> {
        let from: &IntSums = same(from)?;
        for (theirs, ours) in each_pair(pairs) {
            self.sums[ours] = self.sums[ours].checked_add(from.sums[theirs]).ok_or_else(overflow)?;
            self.counts[ours] += from.counts[theirs];
        }
        Ok(())
    }

    fn subtracts(&self) -> bool {
        true
    }

    fn subtract(&mut self, from: &dyn Any, pairs: Pairs<'_>) -> Result<()> {
        let from: &IntSums = same(from)?;
        for (theirs, ours) in each_pair(pairs) {
            // What is left is the sum of the other panes, which overflowed if it does not fit.
            self.sums[ours] = self.sums[ours].checked_sub(from.sums[theirs]).ok_or_else(overflow)?;
            self.counts[ours] -= from.counts[theirs];
        }
        Ok(())
    }

    fn encode(&self, group: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.counts[group].to_le_bytes());
        out.extend_from_slice(&self.sums[group].to_le_bytes());
    }

    fn merge_encoded(&mut self, group: usize, bytes: &mut &[u8]) -> Result<()> {
        self.counts[group] += u64::from_le_bytes(take_array(bytes)?);
        let sum = i64::from_le_bytes(take_array(bytes)?);
        self.sums[group] = self.sums[group].checked_add(sum).ok_or_else(overflow)?;
        Ok(())
    }

    fn finish(&self, groups: Option<&[u32]>) -> Result<ArrayRef> {
        let seen = chosen(&self.counts, groups).into_iter().map(|n| n > 0).collect();
        Ok(Arc::new(Int64Array::new(chosen(&self.sums, groups).into(), nulls(seen))))
    }

    fn bytes(&self) -> usize {
        self.sums.capacity() * 16
    }

    fn fresh(&self) -> Box<dyn Accumulate> {
        Box::new(IntSums::default())
    }
}

/// Sums of float64 values, in the order in which they came, and how many there were.
#[derive(Debug, Default)]
pub(super) struct FloatSums {
    pub(super) sums: Vec<f64>,
    pub(super) counts: Vec<u64>,
}

impl Accumulate for FloatSums {
    fn grow(&mut self, groups: usize) {
        self.sums.resize(groups, 0.0);
        self.counts.resize(groups, 0);
    }

    fn clear(&mut self, group: usize) {
        (self.sums[group], self.counts[group]) = (0.0, 0);
    }

    fn update(&mut self, rows: &Rows<'_>) -> Result<()> {
        let values = rows.columns[0].as_primitive::<Float64Type>().values();
        let (sums, counts) = (&mut self.sums[..], &mut self.counts[..]);
        rows.each(|row, group| {
            sums[group] += values[row];
            counts[group] += 1;
        });
        Ok(())
    }

    fn merge(&mut self, from: &dyn Any, pairs: Pairs<'_>) -> Result<()> {
        let from: &FloatSums = same(from)?;
        for (theirs, ours) in each_pair(pairs) {
            self.sums[ours] += from.sums[theirs];
            self.counts[ours] += from.counts[theirs];
        }
        Ok(())
    }

    fn encode(&self, group: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.counts[group].to_le_bytes());
        out.extend_from_slice(&self.sums[group].to_le_bytes());
    }

    fn merge_encoded(&mut self, group: usize, bytes: &mut &[u8]) -> Result<()> {
        self.counts[group] += u64::from_le_bytes(take_array(bytes)?);
        self.sums[group] += f64::from_le_bytes(take_array(bytes)?);
        Ok(())
    }

    fn finish(&self, groups: Option<&[u32]>) -> Result<ArrayRef> {
        let seen = chosen(&self.counts, groups).into_iter().map(|n| n > 0).collect();
        Ok(Arc::new(Float64Array::new(chosen(&self.sums, groups).into(), nulls(seen))))
    }

    fn bytes(&self) -> usize {
        self.sums.capacity() * 16
    }

    fn fresh(&self) -> Box<dyn Accumulate> {
        Box::new(FloatSums::default())
    }
}

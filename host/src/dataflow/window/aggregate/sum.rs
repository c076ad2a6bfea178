//! Sums. Encoding: the number of values and the sum, 8 bytes each.

use std::any::Any;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float64Type, Int64Type, UInt64Type};
use arrow_array::{ArrayRef, PrimitiveArray};
use arrow_buffer::ArrowNativeType;

use super::accumulate::{Accumulate, Pairs, Rows, chosen, each_pair, nulls, numbers, same};
use crate::error::{Error, Result};
use crate::state::bytes::take_array;

/// What is summed up.
pub(super) trait Number: ArrowNativeType {
    /// Its column.
    type Arrow: ArrowPrimitiveType<Native = Self>;
    /// Whether subtracting undoes adding.
    const IS_EXACT: bool;

    /// The sum, and whether it overflows.
    fn plus(self, other: Self) -> (Self, bool);
    /// The difference, and whether it overflows.
    fn minus(self, other: Self) -> (Self, bool);
    fn to_bytes(self) -> [u8; 8];
    fn from_bytes(bytes: [u8; 8]) -> Self;
}

impl Number for i64 {
    type Arrow = Int64Type;
    const IS_EXACT: bool = true;

    #[inline]
    fn plus(self, other: Self) -> (Self, bool) {
        self.overflowing_add(other)
    }
    fn minus(self, other: Self) -> (Self, bool) {
        self.overflowing_sub(other)
    }
    fn to_bytes(self) -> [u8; 8] {
        self.to_le_bytes()
    }
    fn from_bytes(bytes: [u8; 8]) -> Self {
        i64::from_le_bytes(bytes)
    }
}

impl Number for f64 {
    type Arrow = Float64Type;
    const IS_EXACT: bool = false;

    #[inline]
    fn plus(self, other: Self) -> (Self, bool) {
        (self + other, false)
    }
    fn minus(self, other: Self) -> (Self, bool) {
        (self - other, false)
    }
    fn to_bytes(self) -> [u8; 8] {
        self.to_le_bytes()
    }
    fn from_bytes(bytes: [u8; 8]) -> Self {
        f64::from_le_bytes(bytes)
    }
}

/// Sums, in the order in which the values came, and how many there were. An overflow is an error of the job.
#[derive(Debug, Default)]
pub(super) struct Sums<T> {
    pub(super) sums: Vec<T>,
    pub(super) counts: Vec<u64>,
}

fn fits<T>((sum, overflows): (T, bool)) -> Result<T> {
    if overflows { Err(Error::user("a sum of int64 values overflows")) } else { Ok(sum) }
}

impl<T: Number> Accumulate for Sums<T> {
    fn grow(&mut self, groups: usize) {
        self.sums.resize(groups, T::default());
        self.counts.resize(groups, 0);
    }

    fn clear(&mut self, group: usize) {
        (self.sums[group], self.counts[group]) = (T::default(), 0);
    }

    fn update(&mut self, rows: &Rows<'_>) -> Result<()> {
        let values = rows.columns[0].as_primitive::<T::Arrow>().values();
        let (sums, counts) = (&mut self.sums[..], &mut self.counts[..]);
        let mut overflows = false;
        rows.each(|row, group| {
            let (sum, over) = sums[group].plus(values[row]);
            sums[group] = sum;
            counts[group] += 1;
            overflows |= over;
        });
        fits(((), overflows))
    }

    fn merge(&mut self, from: &dyn Any, pairs: Pairs<'_>) -> Result<()> {
        let from: &Sums<T> = same(from)?;
        for (theirs, ours) in each_pair(pairs) {
            self.sums[ours] = fits(self.sums[ours].plus(from.sums[theirs]))?;
            self.counts[ours] += from.counts[theirs];
        }
        Ok(())
    }

    fn subtracts(&self) -> bool {
        T::IS_EXACT
    }

    fn subtract(&mut self, from: &dyn Any, pairs: Pairs<'_>) -> Result<()> {
        let from: &Sums<T> = same(from)?;
        for (theirs, ours) in each_pair(pairs) {
            // What is left is the sum of the other panes, which overflowed if it does not fit.
            self.sums[ours] = fits(self.sums[ours].minus(from.sums[theirs]))?;
            self.counts[ours] -= from.counts[theirs];
        }
        Ok(())
    }

    fn encode(&self, group: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.counts[group].to_le_bytes());
        out.extend_from_slice(&self.sums[group].to_bytes());
    }

    fn merge_encoded(&mut self, group: usize, bytes: &mut &[u8]) -> Result<()> {
        self.counts[group] += u64::from_le_bytes(take_array(bytes)?);
        self.sums[group] = fits(self.sums[group].plus(T::from_bytes(take_array(bytes)?)))?;
        Ok(())
    }

    fn column_count(&self) -> usize {
        2
    }

    fn columns(&self, groups: &[u32]) -> Vec<ArrayRef> {
        let counts = PrimitiveArray::<UInt64Type>::new(chosen(&self.counts, Some(groups)).into(), None);
        let sums = PrimitiveArray::<T::Arrow>::new(chosen(&self.sums, Some(groups)).into(), None);
        vec![Arc::new(counts), Arc::new(sums)]
    }

    fn merge_columns(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<()> {
        let counts = numbers::<UInt64Type>(columns, 0)?.values();
        let sums = numbers::<T::Arrow>(columns, 1)?.values();
        for (group, (count, sum)) in groups.iter().zip(counts.iter().zip(sums)) {
            self.counts[*group as usize] += count;
            self.sums[*group as usize] = fits(self.sums[*group as usize].plus(*sum))?;
        }
        Ok(())
    }

    fn finish(&self, groups: Option<&[u32]>) -> Result<ArrayRef> {
        let seen = chosen(&self.counts, groups).into_iter().map(|n| n > 0).collect();
        Ok(Arc::new(PrimitiveArray::<T::Arrow>::new(chosen(&self.sums, groups).into(), nulls(seen))))
    }

    fn bytes(&self) -> usize {
        self.sums.capacity() * 16
    }

    fn fresh(&self) -> Box<dyn Accumulate> {
        Box::new(Sums::<T>::default())
    }
}

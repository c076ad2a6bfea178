//! Sums that fail only if the result does not fit: an overflow on the way is carried.
//!
//! A sum is a number and a carry, in units of twice the number's range. So neither the order of the values matters, nor how they
//! are divided among workers and panes: only the whole sum has to fit. Carries are rare, and take memory only if there is one.
//!
//! Encoding: the number of values, the number and the carry, 8 bytes each.

use std::any::Any;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float64Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, Int64Array, NullArray, PrimitiveArray};
use arrow_buffer::ArrowNativeType;
use arrow_schema::DataType;

use super::accumulate::{
    Accumulate, InputRows, Pairs, StoredField, chosen, each_group, each_pair, nulls, numbers, same,
};
use crate::error::RunError;
use flowgate_base::error::Result;
use flowgate_state::bytes::{take_array, take_int};

/// A type that can be summed.
pub(super) trait Number: ArrowNativeType {
    /// The type of its column.
    type Arrow: ArrowPrimitiveType<Native = Self>;
    /// Whether subtracting undoes adding.
    const IS_EXACT: bool;

    /// Returns the sum without the carry, and the carry: -1, 0 or 1.
    fn plus(self, other: Self) -> (Self, i64);
    /// Returns the difference without the carry, and the carry.
    fn minus(self, other: Self) -> (Self, i64);
    /// Returns the sum with its carry.
    ///
    /// # Errors
    /// It does not fit, and the type has no infinity: the user's fault.
    fn whole(self, carry: i64) -> Result<Self>;
    fn to_bytes(self) -> [u8; 8];
    fn from_bytes(bytes: [u8; 8]) -> Self;
}

/// The unit of the carry is 2^64. A sum fits exactly if the carry is 0.
impl Number for i64 {
    type Arrow = Int64Type;
    const IS_EXACT: bool = true;

    #[inline]
    fn plus(self, other: Self) -> (Self, i64) {
        let (sum, overflows) = self.overflowing_add(other);
        (sum, if overflows { other.signum() } else { 0 })
    }
    fn minus(self, other: Self) -> (Self, i64) {
        let (difference, overflows) = self.overflowing_sub(other);
        (difference, if overflows { if other < 0 { 1 } else { -1 } } else { 0 })
    }
    fn whole(self, carry: i64) -> Result<Self> {
        if carry == 0 {
            return Ok(self);
        }
        let sum = i128::from(self) + (i128::from(carry) << 64);
        Err(RunError::SumOverflow(sum))?
    }
    fn to_bytes(self) -> [u8; 8] {
        self.to_le_bytes()
    }
    fn from_bytes(bytes: [u8; 8]) -> Self {
        i64::from_le_bytes(bytes)
    }
}

/// The unit of the carry is 2^1024, the least power that a float cannot hold. The number is infinite only if a value is.
impl Number for f64 {
    type Arrow = Float64Type;
    const IS_EXACT: bool = false;

    #[inline]
    fn plus(self, other: Self) -> (Self, i64) {
        let sum = self + other;
        if sum.is_finite() { (sum, 0) } else { beyond(self, other) }
    }
    fn minus(self, other: Self) -> (Self, i64) {
        self.plus(-other)
    }
    fn whole(self, carry: i64) -> Result<Self> {
        // Half a carry fits into a float, and halves of such large numbers are exact.
        Ok(if carry == 0 || !self.is_finite() { self } else { 2.0 * (carry as f64 * HALF_CARRY + self / 2.0) })
    }
    fn to_bytes(self) -> [u8; 8] {
        self.to_le_bytes()
    }
    fn from_bytes(bytes: [u8; 8]) -> Self {
        f64::from_le_bytes(bytes)
    }
}

/// 2^1023: half the unit of a float's carry.
pub(super) const HALF_CARRY: f64 = f64::from_bits(0x7FE0_0000_0000_0000);

/// Adds floats whose sum is not finite. If both are finite, returns the sum without the carry, and the carry.
#[cold]
fn beyond(a: f64, b: f64) -> (f64, i64) {
    if !(a.is_finite() && b.is_finite()) {
        return (a + b, 0);
    }
    let half = a / 2.0 + b / 2.0;
    let carry = if half < 0.0 { -1 } else { 1 };
    (2.0 * (half - carry as f64 * HALF_CARRY), carry)
}

/// Sums in the order of arrival, and the number of values.
#[derive(Debug, Default)]
pub(super) struct Sums<T> {
    pub(super) sums: Vec<T>,
    pub(super) counts: Vec<u64>,
    /// By group; empty as long as every carry is 0.
    carries: Vec<i64>,
}

impl<T: Number> Sums<T> {
    /// Returns the carry of a group.
    pub(super) fn carry(&self, group: usize) -> i64 {
        self.carries.get(group).copied().unwrap_or(0)
    }

    #[inline]
    fn put(&mut self, group: usize, (sum, carry): (T, i64)) {
        self.sums[group] = sum;
        if carry != 0 {
            put_carry(&mut self.carries, self.sums.len(), group, carry);
        }
    }

    fn add(&mut self, group: usize, count: u64, sum: T, carry: i64) {
        self.counts[group] += count;
        let (sum, more) = self.sums[group].plus(sum);
        self.put(group, (sum, more + carry));
    }
}

#[cold]
fn put_carry(carries: &mut Vec<i64>, groups: usize, group: usize, carry: i64) {
    carries.resize(groups, 0);
    carries[group] += carry;
}

impl<T: Number> Accumulate for Sums<T> {
    fn grow(&mut self, groups: usize) {
        self.sums.resize(groups, T::default());
        self.counts.resize(groups, 0);
        if !self.carries.is_empty() {
            self.carries.resize(groups, 0);
        }
    }

    fn clear(&mut self, group: usize) {
        (self.sums[group], self.counts[group]) = (T::default(), 0);
        self.carries.get_mut(group).into_iter().for_each(|carry| *carry = 0);
    }

    fn update(&mut self, rows: &InputRows<'_>) -> Result<()> {
        let values = rows.columns[0].as_primitive::<T::Arrow>().values();
        let Sums { sums, counts, carries } = self;
        let (sums, counts) = (&mut sums[..], &mut counts[..]);
        rows.each(|row, group| {
            let (sum, carry) = sums[group].plus(values[row]);
            sums[group] = sum;
            counts[group] += 1;
            if carry != 0 {
                put_carry(carries, sums.len(), group, carry);
            }
        });
        Ok(())
    }

    fn merge(&mut self, from: &dyn Any, pairs: Pairs<'_>) -> Result<()> {
        let from: &Sums<T> = same(from)?;
        each_pair(pairs)
            .for_each(|(theirs, ours)| self.add(ours, from.counts[theirs], from.sums[theirs], from.carry(theirs)));
        Ok(())
    }

    fn is_invertible(&self) -> bool {
        T::IS_EXACT
    }

    fn retract(&mut self, from: &dyn Any, pairs: Pairs<'_>) -> Result<()> {
        let from: &Sums<T> = same(from)?;
        for (theirs, ours) in each_pair(pairs) {
            self.counts[ours] -= from.counts[theirs];
            let (sum, more) = self.sums[ours].minus(from.sums[theirs]);
            self.put(ours, (sum, more - from.carry(theirs)));
        }
        Ok(())
    }

    fn encode(&self, group: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.counts[group].to_le_bytes());
        out.extend_from_slice(&self.sums[group].to_bytes());
        out.extend_from_slice(&self.carry(group).to_le_bytes());
    }

    fn merge_encoded(&mut self, group: usize, bytes: &mut &[u8]) -> Result<()> {
        let (count, sum) = (u64::from_le_bytes(take_array(bytes)?), T::from_bytes(take_array(bytes)?));
        self.add(group, count, sum, take_int(bytes)?);
        Ok(())
    }

    fn column_count(&self) -> usize {
        3
    }

    /// The columns are counts, sums and carries; the third is of nulls if there is no carry.
    fn columns(&self, groups: &[u32]) -> Vec<ArrayRef> {
        let counts = PrimitiveArray::<UInt64Type>::new(chosen(&self.counts, Some(groups)).into(), None);
        let sums = PrimitiveArray::<T::Arrow>::new(chosen(&self.sums, Some(groups)).into(), None);
        let carries: ArrayRef = match self.carries.is_empty() {
            true => Arc::new(NullArray::new(groups.len())),
            false => Arc::new(Int64Array::from(chosen(&self.carries, Some(groups)))),
        };
        vec![Arc::new(counts), Arc::new(sums), carries]
    }

    fn merge_columns(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<()> {
        let counts = numbers::<UInt64Type>(columns, 0)?.values();
        let sums = numbers::<T::Arrow>(columns, 1)?.values();
        let carries = columns.get(2).filter(|column| *column.data_type() != DataType::Null);
        let carries = carries.map(|_| numbers::<Int64Type>(columns, 2)).transpose()?.map(|carries| carries.values());
        for (row, (group, (count, sum))) in groups.iter().zip(counts.iter().zip(sums)).enumerate() {
            self.add(*group as usize, *count, *sum, carries.map_or(0, |carries| carries[row]));
        }
        Ok(())
    }

    fn stored_fields(&self) -> Vec<StoredField> {
        vec![("count", DataType::UInt64), ("sum", T::Arrow::DATA_TYPE), ("carry", DataType::Int64)]
    }

    /// As [`Accumulate::columns`]; a carry of 0 is null.
    fn stored(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let mut columns = self.columns(groups);
        let carry = |group: &u32| Some(self.carry(*group as usize)).filter(|carry| *carry != 0);
        columns[2] = Arc::new(groups.iter().map(carry).collect::<Int64Array>());
        Ok(columns)
    }

    fn restore(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<()> {
        let (counts, sums) = (numbers::<UInt64Type>(columns, 0)?, numbers::<T::Arrow>(columns, 1)?);
        let carries = numbers::<Int64Type>(columns, 2)?;
        for (row, group) in groups.iter().enumerate() {
            let group = *group as usize;
            self.counts[group] = counts.value(row);
            self.put(group, (sums.value(row), if carries.is_valid(row) { carries.value(row) } else { 0 }));
        }
        Ok(())
    }

    fn finish(&self, groups: Option<&[u32]>) -> Result<ArrayRef> {
        let seen = chosen(&self.counts, groups).into_iter().map(|n| n > 0).collect();
        let sums = match self.carries.is_empty() {
            true => chosen(&self.sums, groups),
            false => {
                let whole = |group: usize| self.sums[group].whole(self.carry(group));
                each_group(self.sums.len(), groups).map(whole).collect::<Result<_>>()?
            }
        };
        Ok(Arc::new(PrimitiveArray::<T::Arrow>::new(sums.into(), nulls(seen))))
    }

    fn bytes(&self) -> usize {
        self.sums.capacity() * 16 + self.carries.capacity() * 8
    }

    fn fresh(&self) -> Box<dyn Accumulate> {
        Box::new(Sums::<T>::default())
    }
}

#[cfg(test)]
#[path = "sum_tests.rs"]
mod tests;

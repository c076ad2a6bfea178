//! Means. Encoding: of integers, the number of values (8 bytes) and the sum (16 bytes); of floats, the encoding of [`Sums`].

use std::any::Any;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type, UInt64Type};
use arrow_array::{ArrayRef, Decimal128Array, Float64Array, UInt64Array};
use arrow_schema::DataType;

use super::accumulate::{Accumulate, InputRows, Pairs, StoredField, each_group, each_pair, numbers, same};
use super::sum::{HALF_CARRY, Sums};
use flowgate_base::error::{Error, Result};
use flowgate_state::bytes::take_array;

/// Digits of a stored sum: enough for 10^19 values.
const SUM_DIGITS: u8 = 38;

/// Means of int64 values: an exact sum, divided once.
#[derive(Debug, Default)]
pub(super) struct IntMeans(Vec<(i128, u64)>);

impl Accumulate for IntMeans {
    fn grow(&mut self, groups: usize) {
        self.0.resize(groups, (0, 0));
    }

    fn clear(&mut self, group: usize) {
        self.0[group] = (0, 0);
    }

    fn update(&mut self, rows: &InputRows<'_>) -> Result<()> {
        let values = rows.columns[0].as_primitive::<Int64Type>().values();
        let means = &mut self.0[..];
        rows.each(|row, group| {
            means[group].0 += i128::from(values[row]);
            means[group].1 += 1;
        });
        Ok(())
    }

    fn merge(&mut self, from: &dyn Any, pairs: Pairs<'_>) -> Result<()> {
        let from: &IntMeans = same(from)?;
        for (theirs, ours) in each_pair(pairs) {
            self.0[ours].0 += from.0[theirs].0;
            self.0[ours].1 += from.0[theirs].1;
        }
        Ok(())
    }

    fn is_invertible(&self) -> bool {
        true
    }

    fn retract(&mut self, from: &dyn Any, pairs: Pairs<'_>) -> Result<()> {
        let from: &IntMeans = same(from)?;
        for (theirs, ours) in each_pair(pairs) {
            self.0[ours].0 -= from.0[theirs].0;
            self.0[ours].1 -= from.0[theirs].1;
        }
        Ok(())
    }

    fn encode(&self, group: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0[group].1.to_le_bytes());
        out.extend_from_slice(&self.0[group].0.to_le_bytes());
    }

    fn merge_encoded(&mut self, group: usize, bytes: &mut &[u8]) -> Result<()> {
        self.0[group].1 += u64::from_le_bytes(take_array(bytes)?);
        self.0[group].0 += i128::from_le_bytes(take_array(bytes)?);
        Ok(())
    }

    fn stored_fields(&self) -> Vec<StoredField> {
        vec![("count", DataType::UInt64), ("sum", DataType::Decimal128(SUM_DIGITS, 0))]
    }

    fn stored(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let all = || groups.iter().map(|group| self.0[*group as usize]);
        let sums = Decimal128Array::from_iter_values(all().map(|(sum, _)| sum)).with_precision_and_scale(SUM_DIGITS, 0);
        let sums = sums.map_err(|e| Error::internal(format!("the sums of a mean do not fit: {e}")))?;
        Ok(vec![Arc::new(UInt64Array::from_iter_values(all().map(|(_, count)| count))), Arc::new(sums)])
    }

    fn restore(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<()> {
        let (counts, sums) = (numbers::<UInt64Type>(columns, 0)?.values(), numbers::<Decimal128Type>(columns, 1)?);
        for (group, mean) in groups.iter().zip(sums.values().iter().copied().zip(counts.iter().copied())) {
            self.0[*group as usize] = mean;
        }
        Ok(())
    }

    fn finish(&self, groups: Option<&[u32]>) -> Result<ArrayRef> {
        let mean = |group: usize| {
            let (sum, n) = self.0[group];
            (n > 0).then(|| sum as f64 / n as f64)
        };
        Ok(Arc::new(each_group(self.0.len(), groups).map(mean).collect::<Float64Array>()))
    }

    fn bytes(&self) -> usize {
        self.0.capacity() * 32
    }

    fn fresh(&self) -> Box<dyn Accumulate> {
        Box::new(IntMeans::default())
    }
}

/// Means of float64 values: sums that are divided at the end. The mean of finite values is finite.
#[derive(Debug, Default)]
pub(super) struct FloatMeans(Sums<f64>);

impl Accumulate for FloatMeans {
    fn grow(&mut self, groups: usize) {
        self.0.grow(groups);
    }

    fn clear(&mut self, group: usize) {
        self.0.clear(group);
    }

    fn update(&mut self, rows: &InputRows<'_>) -> Result<()> {
        self.0.update(rows)
    }

    fn merge(&mut self, from: &dyn Any, pairs: Pairs<'_>) -> Result<()> {
        let from: &FloatMeans = same(from)?;
        self.0.merge(&from.0, pairs)
    }

    fn encode(&self, group: usize, out: &mut Vec<u8>) {
        self.0.encode(group, out);
    }

    fn merge_encoded(&mut self, group: usize, bytes: &mut &[u8]) -> Result<()> {
        self.0.merge_encoded(group, bytes)
    }

    fn column_count(&self) -> usize {
        self.0.column_count()
    }

    fn columns(&self, groups: &[u32]) -> Vec<ArrayRef> {
        self.0.columns(groups)
    }

    fn merge_columns(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<()> {
        self.0.merge_columns(groups, columns)
    }

    fn stored_fields(&self) -> Vec<StoredField> {
        self.0.stored_fields()
    }

    fn stored(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        self.0.stored(groups)
    }

    fn restore(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<()> {
        self.0.restore(groups, columns)
    }

    fn finish(&self, groups: Option<&[u32]>) -> Result<ArrayRef> {
        let mean = |group: usize| {
            let (sum, n) = (self.0.sums[group], self.0.counts[group]);
            (n > 0).then(|| match self.0.carry(group) {
                0 => sum / n as f64,
                carry => mean_beyond(sum, carry, n as f64),
            })
        };
        Ok(Arc::new(each_group(self.0.sums.len(), groups).map(mean).collect::<Float64Array>()))
    }

    fn bytes(&self) -> usize {
        self.0.bytes()
    }

    fn fresh(&self) -> Box<dyn Accumulate> {
        Box::new(FloatMeans::default())
    }
}

/// Returns the mean of values whose sum a float cannot hold.
fn mean_beyond(sum: f64, carry: i64, n: f64) -> f64 {
    if !sum.is_finite() {
        return sum;
    }
    // The whole sum of up to 2^64 values is scaled down; it is large, so that no significant digits are lost.
    const SCALE: f64 = 1.0 / (1u128 << 64) as f64;
    let mean = (carry as f64 * (HALF_CARRY * SCALE * 2.0) + sum * SCALE) / n / SCALE;
    // The mean is within the range of the values, however it was rounded.
    mean.clamp(f64::MIN, f64::MAX)
}

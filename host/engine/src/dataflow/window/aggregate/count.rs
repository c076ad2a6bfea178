//! Counts. Encoding: the count, 8 bytes.

use std::any::Any;
use std::sync::Arc;

use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array};
use arrow_schema::DataType;

use super::accumulate::{Accumulate, InputRows, Pairs, StoredField, chosen, each_pair, numbers, same};
use flowgate_base::error::Result;
use flowgate_state::bytes::take_array;

/// The number of rows that count, by group.
#[derive(Debug, Default)]
pub(super) struct Counts(Vec<i64>);

impl Accumulate for Counts {
    fn grow(&mut self, groups: usize) {
        self.0.resize(groups, 0);
    }

    fn clear(&mut self, group: usize) {
        self.0[group] = 0;
    }

    fn update(&mut self, rows: &InputRows<'_>) -> Result<()> {
        let counts = &mut self.0[..];
        rows.each(|_, group| counts[group] += 1);
        Ok(())
    }

    fn merge(&mut self, from: &dyn Any, pairs: Pairs<'_>) -> Result<()> {
        let from: &Counts = same(from)?;
        each_pair(pairs).for_each(|(theirs, ours)| self.0[ours] += from.0[theirs]);
        Ok(())
    }

    fn is_invertible(&self) -> bool {
        true
    }

    fn retract(&mut self, from: &dyn Any, pairs: Pairs<'_>) -> Result<()> {
        let from: &Counts = same(from)?;
        each_pair(pairs).for_each(|(theirs, ours)| self.0[ours] -= from.0[theirs]);
        Ok(())
    }

    fn encode(&self, group: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0[group].to_le_bytes());
    }

    fn merge_encoded(&mut self, group: usize, bytes: &mut &[u8]) -> Result<()> {
        self.0[group] += i64::from_le_bytes(take_array(bytes)?);
        Ok(())
    }

    fn columns(&self, groups: &[u32]) -> Vec<ArrayRef> {
        vec![Arc::new(Int64Array::from(chosen(&self.0, Some(groups))))]
    }

    fn merge_columns(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<()> {
        let counts = numbers::<Int64Type>(columns, 0)?.values();
        groups.iter().zip(counts).for_each(|(group, count)| self.0[*group as usize] += count);
        Ok(())
    }

    fn stored_fields(&self) -> Vec<StoredField> {
        vec![("", DataType::Int64)]
    }

    fn finish(&self, groups: Option<&[u32]>) -> Result<ArrayRef> {
        Ok(Arc::new(Int64Array::from(chosen(&self.0, groups))))
    }

    fn bytes(&self) -> usize {
        self.0.capacity() * 8
    }

    fn fresh(&self) -> Box<dyn Accumulate> {
        Box::new(Counts::default())
    }
}

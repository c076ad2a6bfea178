//! The values of the `k` rows that are greatest by another column. Encoding: the number of values (u32); for each, its `by` value
//! and the value.

use std::any::Any;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{Array, ArrayRef};

use super::accumulate::{Accumulate, InputRows, Pairs, each_group, each_pair, same};
use super::cell::{Cell, Cells, column};
use flowgate_base::error::Result;
use flowgate_base::schema::{DataType, Field, Schema};
use flowgate_connect::encode::json_row;
use flowgate_state::bytes::take_array;

/// By group, the pairs of `by` and value: the greatest `by` first; of equals, the least value first.
#[derive(Debug)]
pub(super) struct TopK {
    value: DataType,
    by: DataType,
    k: usize,
    best: Vec<Vec<(Cell, Cell)>>,
}

impl TopK {
    pub(super) fn new(value: DataType, by: DataType, k: usize) -> Self {
        TopK { value, by, k, best: Vec::new() }
    }

    fn offer(&mut self, group: usize, by: Cell, value: Cell) {
        let best = &mut self.best[group];
        let at = best.partition_point(|(b, v)| *b > by || (*b == by && *v <= value));
        if at < self.k {
            best.insert(at, (by, value));
            best.truncate(self.k);
        }
    }
}

impl Accumulate for TopK {
    fn grow(&mut self, groups: usize) {
        self.best.resize(groups, Vec::new());
    }

    fn clear(&mut self, group: usize) {
        self.best[group] = Vec::new();
    }

    fn update(&mut self, rows: &InputRows<'_>) -> Result<()> {
        let (values, by) = (Cells::of(&rows.columns[0])?, Cells::of(&rows.columns[1])?);
        rows.each(|row, group| {
            let best = &self.best[group];
            // Most rows are worse than the worst one that is kept.
            let worst = if best.len() == self.k { best.last() } else { None };
            if worst.is_none_or(|(worst, _)| worst.compare(&by, row).is_ge()) {
                self.offer(group, by.at(row), values.at(row));
            }
        });
        Ok(())
    }

    fn merge(&mut self, from: &dyn Any, pairs: Pairs<'_>) -> Result<()> {
        let from: &TopK = same(from)?;
        for (theirs, ours) in each_pair(pairs) {
            for (by, value) in &from.best[theirs] {
                self.offer(ours, by.clone(), value.clone());
            }
        }
        Ok(())
    }

    fn encode(&self, group: usize, out: &mut Vec<u8>) {
        let best = &self.best[group];
        out.extend_from_slice(&(best.len() as u32).to_le_bytes());
        for (by, value) in best {
            by.encode(out);
            value.encode(out);
        }
    }

    fn merge_encoded(&mut self, group: usize, bytes: &mut &[u8]) -> Result<()> {
        for _ in 0..u32::from_le_bytes(take_array(bytes)?) {
            let (by, value) = (Cell::decode(bytes)?, Cell::decode(bytes)?);
            self.offer(group, by, value);
        }
        Ok(())
    }

    fn finish(&self, groups: Option<&[u32]>) -> Result<ArrayRef> {
        let schema = Schema::new(vec![Field::nullable("value", self.value), Field::nullable("by", self.by)]);
        let mut texts = StringBuilder::new();
        for group in each_group(self.best.len(), groups) {
            let best = &self.best[group];
            let values = column(self.value, best.iter().map(|(_, value)| Some(value)))?;
            let by = column(self.by, best.iter().map(|(by, _)| Some(by)))?;
            let columns = [values, by];
            let rows: Vec<String> = (0..columns[0].len()).map(|row| json_row(&schema, &columns, row)).collect();
            texts.append_value(format!("[{}]", rows.join(",")));
        }
        Ok(Arc::new(texts.finish()))
    }

    fn bytes(&self) -> usize {
        let cell = |(by, value): &(Cell, Cell)| by.bytes() + value.bytes() + size_of::<(Cell, Cell)>();
        let cells: usize = self.best.iter().flatten().map(cell).sum();
        self.best.capacity() * size_of::<Vec<(Cell, Cell)>>() + cells
    }

    fn fresh(&self) -> Box<dyn Accumulate> {
        Box::new(TopK::new(self.value, self.by, self.k))
    }
}

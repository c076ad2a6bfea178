//! The least and the greatest values. Encoding: a byte 0 if there is none; or a byte 1 and the value.

use std::any::Any;
use std::sync::Arc;

use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array};

use super::accumulate::{
    Accumulate, InputRows, Pairs, StoredField, chosen, each_group, each_pair, nulls, numbers, same, stored,
};
use super::cell::{Cell, Cells, column};
use flowgate_base::error::Result;
use flowgate_base::schema::DataType;
use flowgate_state::bytes::take_array;

/// Extremes of values of up to 8 bytes, as integers with the same order.
#[derive(Debug)]
pub(super) struct Extremes {
    of: DataType,
    greatest: bool,
    /// By group: the extreme, or [`Extremes::empty`].
    values: Vec<i64>,
    seen: Vec<bool>,
}

impl Extremes {
    pub(super) fn new(of: DataType, greatest: bool) -> Self {
        Extremes { of, greatest, values: Vec::new(), seen: Vec::new() }
    }

    /// Returns the value to which every value is better or equal.
    fn empty(&self) -> i64 {
        if self.greatest { i64::MIN } else { i64::MAX }
    }

    fn offer(&mut self, group: usize, value: i64) {
        let best = self.values[group];
        self.values[group] = if self.greatest { best.max(value) } else { best.min(value) };
        self.seen[group] = true;
    }
}

impl Accumulate for Extremes {
    fn grow(&mut self, groups: usize) {
        let empty = self.empty();
        self.values.resize(groups, empty);
        self.seen.resize(groups, false);
    }

    fn clear(&mut self, group: usize) {
        self.values[group] = self.empty();
        self.seen[group] = false;
    }

    fn update(&mut self, rows: &InputRows<'_>) -> Result<()> {
        let cells = Cells::of(&rows.columns[0])?;
        let (best, seen) = (&mut self.values[..], &mut self.seen[..]);
        let mut all = |better: fn(i64, i64) -> i64| match cells {
            Cells::Ints(values) => rows.each(|row, group| {
                best[group] = better(best[group], values[row]);
                seen[group] = true;
            }),
            cells => rows.each(|row, group| {
                best[group] = better(best[group], cells.int_at(row));
                seen[group] = true;
            }),
        };
        if self.greatest {
            all(i64::max)
        } else {
            all(i64::min)
        }
        Ok(())
    }

    fn merge(&mut self, from: &dyn Any, pairs: Pairs<'_>) -> Result<()> {
        let from: &Extremes = same(from)?;
        for (theirs, ours) in each_pair(pairs).filter(|(theirs, _)| from.seen[*theirs]) {
            self.offer(ours, from.values[theirs]);
        }
        Ok(())
    }

    fn encode(&self, group: usize, out: &mut Vec<u8>) {
        out.push(self.seen[group].into());
        if self.seen[group] {
            out.extend_from_slice(&self.values[group].to_le_bytes());
        }
    }

    fn merge_encoded(&mut self, group: usize, bytes: &mut &[u8]) -> Result<()> {
        if take_array::<1>(bytes)? != [0] {
            let value = i64::from_le_bytes(take_array(bytes)?);
            self.offer(group, value);
        }
        Ok(())
    }

    fn columns(&self, groups: &[u32]) -> Vec<ArrayRef> {
        let seen = nulls(chosen(&self.seen, Some(groups)));
        vec![Arc::new(Int64Array::new(chosen(&self.values, Some(groups)).into(), seen))]
    }

    fn merge_columns(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<()> {
        let values = numbers::<Int64Type>(columns, 0)?;
        for (row, group) in groups.iter().enumerate().filter(|(row, _)| values.is_valid(*row)) {
            self.offer(*group as usize, values.value(row));
        }
        Ok(())
    }

    fn stored_fields(&self) -> Vec<StoredField> {
        vec![("", self.of.arrow())]
    }

    fn stored(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.finish(Some(groups))?])
    }

    fn restore(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<()> {
        let column = stored(columns, 0)?;
        let cells = Cells::of(column)?;
        for (row, group) in groups.iter().enumerate().filter(|(row, _)| column.is_valid(*row)) {
            self.offer(*group as usize, cells.int_at(row));
        }
        Ok(())
    }

    fn finish(&self, groups: Option<&[u32]>) -> Result<ArrayRef> {
        if self.of == DataType::Int64 {
            // Integers are kept as they are.
            let seen = nulls(chosen(&self.seen, groups));
            return Ok(Arc::new(Int64Array::new(chosen(&self.values, groups).into(), seen)));
        }
        let cells: Vec<Option<Cell>> = each_group(self.values.len(), groups)
            .map(|group| self.seen[group].then_some(Cell::Int(self.values[group])))
            .collect();
        column(self.of, cells.iter().map(Option::as_ref))
    }

    fn bytes(&self) -> usize {
        self.values.capacity() * 9
    }

    fn fresh(&self) -> Box<dyn Accumulate> {
        Box::new(Extremes::new(self.of, self.greatest))
    }
}

/// Extremes of texts, in the order of their bytes.
#[derive(Debug)]
pub(super) struct TextExtremes {
    greatest: bool,
    values: Vec<Option<Cell>>,
}

impl TextExtremes {
    pub(super) fn new(greatest: bool) -> Self {
        TextExtremes { greatest, values: Vec::new() }
    }

    fn is_better(&self, group: usize, value: &[u8]) -> bool {
        match &self.values[group] {
            Some(Cell::Bytes(best)) => {
                if self.greatest {
                    *value > **best
                } else {
                    *value < **best
                }
            }
            _ => true,
        }
    }
}

impl Accumulate for TextExtremes {
    fn grow(&mut self, groups: usize) {
        self.values.resize(groups, None);
    }

    fn clear(&mut self, group: usize) {
        self.values[group] = None;
    }

    fn update(&mut self, rows: &InputRows<'_>) -> Result<()> {
        let cells = Cells::of(&rows.columns[0])?;
        rows.each(|row, group| {
            if self.is_better(group, cells.bytes_at(row)) {
                self.values[group] = Some(cells.at(row));
            }
        });
        Ok(())
    }

    fn merge(&mut self, from: &dyn Any, pairs: Pairs<'_>) -> Result<()> {
        let from: &TextExtremes = same(from)?;
        for (theirs, ours) in each_pair(pairs) {
            if let Some(Cell::Bytes(value)) = &from.values[theirs]
                && self.is_better(ours, value)
            {
                self.values[ours] = Some(Cell::Bytes(value.clone()));
            }
        }
        Ok(())
    }

    fn encode(&self, group: usize, out: &mut Vec<u8>) {
        out.push(self.values[group].is_some().into());
        self.values[group].iter().for_each(|value| value.encode(out));
    }

    fn merge_encoded(&mut self, group: usize, bytes: &mut &[u8]) -> Result<()> {
        if take_array::<1>(bytes)? != [0]
            && let Cell::Bytes(value) = Cell::decode(bytes)?
            && self.is_better(group, &value)
        {
            self.values[group] = Some(Cell::Bytes(value));
        }
        Ok(())
    }

    fn stored_fields(&self) -> Vec<StoredField> {
        vec![("", DataType::Text.arrow())]
    }

    fn stored(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.finish(Some(groups))?])
    }

    fn restore(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<()> {
        let column = stored(columns, 0)?;
        let cells = Cells::of(column)?;
        for (row, group) in groups.iter().enumerate().filter(|(row, _)| column.is_valid(*row)) {
            self.values[*group as usize] = Some(cells.at(row));
        }
        Ok(())
    }

    fn finish(&self, groups: Option<&[u32]>) -> Result<ArrayRef> {
        column(DataType::Text, each_group(self.values.len(), groups).map(|group| self.values[group].as_ref()))
    }

    fn bytes(&self) -> usize {
        let texts: usize = self.values.iter().flatten().map(Cell::bytes).sum();
        self.values.capacity() * size_of::<Option<Cell>>() + texts
    }

    fn fresh(&self) -> Box<dyn Accumulate> {
        Box::new(TextExtremes::new(self.greatest))
    }
}

//! The value of the earliest or the latest row. Encoding: a byte 0 if there is none; or a byte 1, the time (8 bytes) and the value.

use std::any::Any;
use std::sync::Arc;

use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, ArrayRef, TimestampMillisecondArray};

use super::accumulate::{Accumulate, InputRows, Pairs, StoredField, each_group, each_pair, numbers, same, stored};
use super::cell::{Cell, Cells, column};
use flowgate_base::error::Result;
use flowgate_base::schema::DataType;
use flowgate_state::bytes::take_array;

/// The time and the value of the picked row, by group. Rows with the same time are ordered by arrival.
#[derive(Debug)]
pub(super) struct Picked {
    of: DataType,
    latest: bool,
    values: Vec<Option<(i64, Cell)>>,
}

impl Picked {
    pub(super) fn new(of: DataType, latest: bool) -> Self {
        Picked { of, latest, values: Vec::new() }
    }

    #[inline]
    fn is_better(&self, group: usize, time: i64) -> bool {
        match &self.values[group] {
            Some((best, _)) => {
                if self.latest {
                    time >= *best
                } else {
                    time < *best
                }
            }
            None => true,
        }
    }
}

impl Accumulate for Picked {
    fn grow(&mut self, groups: usize) {
        self.values.resize(groups, None);
    }

    fn clear(&mut self, group: usize) {
        self.values[group] = None;
    }

    fn update(&mut self, rows: &InputRows<'_>) -> Result<()> {
        let cells = Cells::of(&rows.columns[0])?;
        rows.each(|row, group| {
            let time = rows.times.at(row);
            if self.is_better(group, time) {
                self.values[group] = Some((time, cells.at(row)));
            }
        });
        Ok(())
    }

    fn merge(&mut self, from: &dyn Any, pairs: Pairs<'_>) -> Result<()> {
        let from: &Picked = same(from)?;
        for (theirs, ours) in each_pair(pairs) {
            if let Some((time, value)) = &from.values[theirs]
                && self.is_better(ours, *time)
            {
                self.values[ours] = Some((*time, value.clone()));
            }
        }
        Ok(())
    }

    fn encode(&self, group: usize, out: &mut Vec<u8>) {
        out.push(self.values[group].is_some().into());
        if let Some((time, value)) = &self.values[group] {
            out.extend_from_slice(&time.to_le_bytes());
            value.encode(out);
        }
    }

    fn merge_encoded(&mut self, group: usize, bytes: &mut &[u8]) -> Result<()> {
        if take_array::<1>(bytes)? != [0] {
            let time = i64::from_le_bytes(take_array(bytes)?);
            let value = Cell::decode(bytes)?;
            if self.is_better(group, time) {
                self.values[group] = Some((time, value));
            }
        }
        Ok(())
    }

    fn stored_fields(&self) -> Vec<StoredField> {
        vec![("time", DataType::Timestamp.arrow()), ("value", self.of.arrow())]
    }

    fn stored(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let time = |group: &u32| self.values[*group as usize].as_ref().map(|(time, _)| *time);
        let times: TimestampMillisecondArray = groups.iter().map(time).collect();
        Ok(vec![Arc::new(times), self.finish(Some(groups))?])
    }

    fn restore(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<()> {
        let (times, values) = (numbers::<TimestampMillisecondType>(columns, 0)?, stored(columns, 1)?);
        let cells = Cells::of(values)?;
        for (row, group) in groups.iter().enumerate().filter(|(row, _)| times.is_valid(*row)) {
            self.values[*group as usize] = Some((times.value(row), cells.at(row)));
        }
        Ok(())
    }

    fn finish(&self, groups: Option<&[u32]>) -> Result<ArrayRef> {
        let value = |group: usize| self.values[group].as_ref().map(|(_, value)| value);
        column(self.of, each_group(self.values.len(), groups).map(value))
    }

    fn bytes(&self) -> usize {
        let cells: usize = self.values.iter().flatten().map(|(_, cell)| cell.bytes()).sum();
        self.values.capacity() * size_of::<Option<(i64, Cell)>>() + cells
    }

    fn fresh(&self) -> Box<dyn Accumulate> {
        Box::new(Picked::new(self.of, self.latest))
    }
}

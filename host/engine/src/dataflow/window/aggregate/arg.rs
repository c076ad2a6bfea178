//! The value of a row with the greatest or the least of another column. Encoding: a byte 0, or a byte 1, that by which
//! it was chosen, and the value.

use std::any::Any;
use std::cmp::Ordering;

use arrow_array::ArrayRef;

use super::accumulate::{Accumulate, Pairs, Rows, each_group, each_pair, same};
use super::cell::{Cell, Cells, column};
use flowgate_base::error::Result;
use flowgate_base::schema::DataType;
use flowgate_state::bytes::take_array;

/// Of several rows that are equal in what they are chosen by, the one with the least value: so the result does not depend
/// on the order of rows.
#[derive(Debug)]
pub(super) struct ArgExtremes {
    of: DataType,
    greatest: bool,
    best: Vec<Option<(Cell, Cell)>>,
    /// By group, where rows are chosen by values of 8 bytes: a row with a lower value (see [`ArgExtremes::rank`]) is worse.
    least: Vec<i64>,
}

impl ArgExtremes {
    pub(super) fn new(of: DataType, greatest: bool) -> Self {
        ArgExtremes { of, greatest, best: Vec::new(), least: Vec::new() }
    }

    fn take(&mut self, group: usize, by: Cell, value: Cell) {
        let better = match &self.best[group] {
            None => true,
            Some((best, kept)) => match self.order(by.cmp(best)) {
                Ordering::Greater => true,
                Ordering::Equal => value < *kept,
                Ordering::Less => false,
            },
        };
        if better {
            if let Cell::Int(by) = by {
                self.least[group] = self.rank(by);
            }
            self.best[group] = Some((by, value));
        }
    }

    /// Higher is better.
    #[inline]
    fn rank(&self, by: i64) -> i64 {
        if self.greatest { by } else { !by }
    }

    /// `Greater` means better.
    fn order(&self, order: Ordering) -> Ordering {
        if self.greatest { order } else { order.reverse() }
    }
}

impl Accumulate for ArgExtremes {
    fn grow(&mut self, groups: usize) {
        self.best.resize(groups, None);
        self.least.resize(groups, i64::MIN);
    }

    fn clear(&mut self, group: usize) {
        self.best[group] = None;
        self.least[group] = i64::MIN;
    }

    fn update(&mut self, rows: &Rows<'_>) -> Result<()> {
        let (values, by) = (Cells::of(&rows.columns[0])?, Cells::of(&rows.columns[1])?);
        // Most rows are worse than the best: those are told apart without making a cell.
        if let Cells::Ints(ints) = by {
            let greatest = self.greatest;
            rows.each(|row, group| {
                let rank = if greatest { ints[row] } else { !ints[row] };
                if rank >= self.least[group] {
                    self.take(group, Cell::Int(ints[row]), values.at(row));
                }
            });
            return Ok(());
        }
        rows.each(|row, group| {
            let order = self.best[group].as_ref().map(|(best, _)| self.order(best.compare(&by, row)));
            if order != Some(Ordering::Less) {
                self.take(group, by.at(row), values.at(row));
            }
        });
        Ok(())
    }

    fn merge(&mut self, from: &dyn Any, pairs: Pairs<'_>) -> Result<()> {
        let from: &ArgExtremes = same(from)?;
        for (theirs, ours) in each_pair(pairs) {
            if let Some((by, value)) = &from.best[theirs] {
                self.take(ours, by.clone(), value.clone());
            }
        }
        Ok(())
    }

    fn encode(&self, group: usize, out: &mut Vec<u8>) {
        out.push(self.best[group].is_some().into());
        if let Some((by, value)) = &self.best[group] {
            by.encode(out);
            value.encode(out);
        }
    }

    fn merge_encoded(&mut self, group: usize, bytes: &mut &[u8]) -> Result<()> {
        if take_array::<1>(bytes)? != [0] {
            let (by, value) = (Cell::decode(bytes)?, Cell::decode(bytes)?);
            self.take(group, by, value);
        }
        Ok(())
    }

    fn finish(&self, groups: Option<&[u32]>) -> Result<ArrayRef> {
        let value = |group: usize| self.best[group].as_ref().map(|(_, value)| value);
        column(self.of, each_group(self.best.len(), groups).map(value))
    }

    fn bytes(&self) -> usize {
        let cells: usize = self.best.iter().flatten().map(|(by, value)| by.bytes() + value.bytes()).sum();
        self.best.capacity() * (size_of::<Option<(Cell, Cell)>>() + 8) + cells
    }

    fn fresh(&self) -> Box<dyn Accumulate> {
        Box::new(ArgExtremes::new(self.of, self.greatest))
    }
}

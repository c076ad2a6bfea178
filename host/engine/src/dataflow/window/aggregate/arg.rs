//! The value of the row that is greatest or least by another column. Encoding: a byte 0 if there is none; or a byte 1, the `by`
//! value and the value.

use std::any::Any;
use std::cmp::Ordering;

use arrow_array::{Array, ArrayRef};

use super::accumulate::{Accumulate, InputRows, Pairs, StoredField, each_group, each_pair, same, stored};
use super::cell::{Cell, Cells, column};
use flowgate_base::error::Result;
use flowgate_base::schema::DataType;
use flowgate_state::bytes::take_array;

/// The best row, by group. Of rows with equal `by` values, the one with the least value is best, so that the result does not depend
/// on the order of rows.
#[derive(Debug)]
pub(super) struct ArgExtremes {
    of: DataType,
    by: DataType,
    greatest: bool,
    best: Vec<Option<(Cell, Cell)>>,
    /// By group, for `by` values of up to 8 bytes: the best row's [`rank`](ArgExtremes::rank). A row of lower rank is worse.
    least: Vec<i64>,
}

impl ArgExtremes {
    pub(super) fn new(of: DataType, by: DataType, greatest: bool) -> Self {
        ArgExtremes { of, by, greatest, best: Vec::new(), least: Vec::new() }
    }

    fn offer(&mut self, group: usize, by: Cell, value: Cell) {
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

    /// Returns the rank of a `by` value: higher is better.
    #[inline]
    fn rank(&self, by: i64) -> i64 {
        if self.greatest { by } else { !by }
    }

    /// Returns `Greater` for better, given the order of `by` values.
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

    fn update(&mut self, rows: &InputRows<'_>) -> Result<()> {
        let (values, by) = (Cells::of(&rows.columns[0])?, Cells::of(&rows.columns[1])?);
        // Most rows are worse than the best one: they are skipped without making a cell.
        if let Cells::Ints(ints) = by {
            let greatest = self.greatest;
            rows.each(|row, group| {
                let rank = if greatest { ints[row] } else { !ints[row] };
                if rank >= self.least[group] {
                    self.offer(group, Cell::Int(ints[row]), values.at(row));
                }
            });
            return Ok(());
        }
        rows.each(|row, group| {
            let order = self.best[group].as_ref().map(|(best, _)| self.order(best.compare(&by, row)));
            if order != Some(Ordering::Less) {
                self.offer(group, by.at(row), values.at(row));
            }
        });
        Ok(())
    }

    fn merge(&mut self, from: &dyn Any, pairs: Pairs<'_>) -> Result<()> {
        let from: &ArgExtremes = same(from)?;
        for (theirs, ours) in each_pair(pairs) {
            if let Some((by, value)) = &from.best[theirs] {
                self.offer(ours, by.clone(), value.clone());
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
            self.offer(group, by, value);
        }
        Ok(())
    }

    fn stored_fields(&self) -> Vec<StoredField> {
        vec![("by", self.by.arrow()), ("value", self.of.arrow())]
    }

    fn stored(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let by = |group: &u32| self.best[*group as usize].as_ref().map(|(by, _)| by);
        Ok(vec![column(self.by, groups.iter().map(by))?, self.finish(Some(groups))?])
    }

    fn restore(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<()> {
        let (by, values) = (stored(columns, 0)?, stored(columns, 1)?);
        let (by_cells, cells) = (Cells::of(by)?, Cells::of(values)?);
        for (row, group) in groups.iter().enumerate().filter(|(row, _)| by.is_valid(*row)) {
            self.offer(*group as usize, by_cells.at(row), cells.at(row));
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
        Box::new(ArgExtremes::new(self.of, self.by, self.greatest))
    }
}

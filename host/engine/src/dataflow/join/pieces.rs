//! The rows of one side of a window join, in pieces with consecutive numbers.
//!
//! A piece is a batch of rows that arrived together, and is kept as it arrived. Keys are read when the window fires: one pass
//! over all keys of a window is much faster than a lookup for each row that arrives. Columns are kept as views through row
//! numbers, unless a small part of them is kept ([`may_be_views`]), so that only rows that the join emits are copied.
//!
//! A piece has rows of several key groups, and the key group of its number says nothing about them: when the number of workers
//! changes, its rows have to be divided by their keys.

use arrow_array::{Array, ArrayRef};

use super::layout::Layout;
use super::piece_track::PieceTrack;
use crate::dataflow::batch::{Batch, COLUMN_BYTES, Column, RowNumbers};
use crate::error::RunError;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::{DataType, Field};
use flowgate_base::time::ProcessingTime;
use flowgate_state::bytes::{at_end, take_count};
use flowgate_state::cell;
use flowgate_state::cell::ColumnBuilder;
use flowgate_state::key::Key;
use flowgate_state::store::{SlotKind, StateStore};
use flowgate_state::table::{Table, Values};

/// Returns the memory of rows in bytes, without other rows that share it. A column that is viewed through row numbers counts by
/// the share of its rows.
fn bytes_of(piece: &Batch) -> Result<usize> {
    let size = |column: &Column| -> Result<usize> {
        let (values, rows) = column.parts();
        let all = values
            .to_data()
            .get_slice_memory_size()
            .map_err(|e| Error::internal(format!("the rows of a join have no size: {e}")))?;
        Ok(rows.map_or(all, |rows| all * rows.len() / values.len().max(1)))
    };
    piece.columns().iter().map(|column| Ok(size(column)? + COLUMN_BYTES)).sum()
}

/// Returns whether each part of a batch may be kept as a view of its columns. `counts` are the rows of the parts, in the order
/// in which the parts will be forgotten; `among` is the number of rows of the columns, of which `workers` workers have such
/// parts. While a view is left, the views that are left on all workers have at least half of the rows: so they take at most
/// twice the memory of their rows.
pub(crate) fn may_be_views(counts: &[usize], among: usize, workers: usize) -> Vec<bool> {
    let mut views = vec![false; counts.len()];
    let mut rows = 0;
    for (view, count) in views.iter_mut().zip(counts).rev() {
        *view = (rows + count) * workers * 2 >= among;
        rows += if *view { *count } else { 0 };
    }
    views
}

/// Copies some rows of a piece, by their numbers in order, so that the memory of the others can be freed.
pub(crate) fn copied(piece: &Batch, rows: &RowNumbers) -> Result<Batch> {
    Ok(Batch::new(piece.choose(rows).gather()?, rows.len()))
}

/// Returns the number of rows of several pieces.
///
/// # Errors
/// There are more than a column can hold: the user's.
pub(crate) fn row_count_of(pieces: &[Batch]) -> Result<usize> {
    let row_count: usize = pieces.iter().map(Batch::row_count).sum();
    if row_count >= u32::MAX as usize {
        return Err(RunError::TooManyRows("one window of a join has more than 4 billion rows").into());
    }
    Ok(row_count)
}

/// Concatenates a column of several pieces.
///
/// # Errors
/// It does not fit into a column: the user's.
fn column_of(parts: &[ArrayRef]) -> Result<ArrayRef> {
    if let [one] = parts {
        return Ok(one.clone());
    }
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    let whole = arrow_select::concat::concat(&parts);
    Ok(whole.map_err(|e| RunError::column_full("the rows of one window of a join", &e))?)
}

/// Concatenates several pieces, of which there is at least one.
///
/// # Errors
/// As [`row_count_of`].
pub(crate) fn concat(pieces: Vec<Batch>) -> Result<Batch> {
    if let [one] = &pieces[..] {
        return Ok(one.clone());
    }
    let row_count = row_count_of(&pieces)?;
    let column = |i: usize| {
        let parts = pieces.iter().map(|piece| piece.columns()[i].gather()).collect::<Result<Vec<_>>>()?;
        column_of(&parts)
    };
    Ok(Batch::new((0..pieces[0].columns().len()).map(column).collect::<Result<_>>()?, row_count))
}

/// Concatenates the key columns of several pieces, of which there is at least one.
///
/// # Errors
/// As [`row_count_of`].
pub(crate) fn concat_keys(layout: &Layout, pieces: &[Batch]) -> Result<Vec<ArrayRef>> {
    let keys = pieces.iter().map(|piece| layout.key_of(piece)).collect::<Result<Vec<_>>>()?;
    let column = |i: usize| column_of(&keys.iter().map(|key| key[i].clone()).collect::<Vec<_>>());
    (0..keys[0].len()).map(column).collect()
}

/// The pieces in memory. Encoding: the number of rows (4 bytes, little-endian), then row by row a [`cell`] for each column.
#[derive(Debug, Default)]
struct Pieces {
    types: Vec<DataType>,
    /// The piece and its size in bytes, by the table's row.
    rows: Vec<Option<(Batch, usize)>>,
    /// Bytes of all pieces.
    bytes: usize,
}

impl Pieces {
    /// Stores a piece at a row that is empty. Returns its size in bytes.
    fn put(&mut self, row: u32, piece: Batch) -> Result<usize> {
        let bytes = bytes_of(&piece)?;
        self.bytes += bytes;
        self.rows[row as usize] = Some((piece, bytes));
        Ok(bytes)
    }

    fn get(&self, row: u32) -> Option<&Batch> {
        self.rows.get(row as usize)?.as_ref().map(|(piece, _)| piece)
    }
}

impl Values for Pieces {
    fn grow(&mut self, rows: usize) {
        self.rows.resize(rows, None);
    }

    fn clear(&mut self, row: u32) {
        let gone = self.rows[row as usize].take();
        self.bytes -= gone.map_or(0, |(_, bytes)| bytes);
    }

    fn encode(&self, row: u32, out: &mut Vec<u8>) {
        let Some(piece) = self.get(row) else { return out.extend_from_slice(&[0; 4]) };
        out.extend_from_slice(&(piece.row_count() as u32).to_le_bytes());
        let columns: Vec<_> = piece.columns().iter().map(Column::parts).collect();
        for row in 0..piece.row_count() {
            for (values, rows) in &columns {
                cell::put(values, rows.map_or(row, |rows| rows[row] as usize), out);
            }
        }
    }

    fn decode(&mut self, row: u32, mut bytes: &[u8]) -> Result<()> {
        let row_count = take_count(&mut bytes)? as usize;
        let mut columns: Vec<ColumnBuilder> =
            self.types.iter().map(|data_type| ColumnBuilder::new(*data_type)).collect();
        for _ in 0..row_count {
            for (column, data_type) in columns.iter_mut().zip(&self.types) {
                column.push(cell::take(*data_type, &mut bytes)?)?;
            }
        }
        at_end(bytes)?;
        let mut columns: Vec<ArrayRef> = columns.into_iter().map(ColumnBuilder::finish).collect();
        // Builders allocate memory for many rows.
        columns.iter_mut().for_each(|column| column.shrink_to_fit());
        self.put(row, Batch::new(columns, row_count))?;
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.bytes + self.rows.len() * size_of::<Option<(Batch, usize)>>()
    }
}

/// A reference to a kept piece, in memory or in the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PieceNote {
    /// The number of the piece.
    pub number: i64,
    /// The number of its first row.
    pub first_row: i64,
    /// The number of its rows.
    pub row_count: usize,
    /// The memory of its rows, in bytes.
    pub bytes: usize,
}

/// The pieces of one side on one worker, in memory and in the file.
#[derive(Debug)]
pub(crate) struct SidePieces {
    layout: Layout,
    table: Table<Pieces>,
    /// The number of the next piece.
    next: i64,
    /// The number of the next row: each row that was ever kept has a number of its own.
    next_row: i64,
    pub(super) track: PieceTrack,
}

impl SidePieces {
    /// Creates a side without pieces; pieces over the store's budget go to files. `fields` are those of the layout.
    pub(crate) fn new(layout: Layout, fields: Vec<Field>, store: &StateStore, slot: &str) -> Self {
        let pieces = Pieces { types: fields.iter().map(|field| field.data_type).collect(), ..Pieces::default() };
        let track = PieceTrack::new(layout.key_fields(&fields), fields, store.tracks_changes());
        let table = Table::in_store(pieces, store, slot, SlotKind::Join).without_tracking();
        SidePieces { layout, table, next: 0, next_row: 0, track }
    }

    /// The layout of the rows.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Keeps a piece of a pane, which has rows.
    pub(crate) fn insert(&mut self, pane: i64, piece: Batch) -> Result<PieceNote> {
        let note = self.put(piece)?;
        self.track.inserted(pane, note);
        Ok(note)
    }

    fn put(&mut self, piece: Batch) -> Result<PieceNote> {
        let (number, row_count) = (self.next, piece.row_count());
        self.next += 1;
        let first_row = self.next_row;
        self.next_row += row_count as i64;
        let row = self.table.row_of(Key::Int(number))?;
        let bytes = self.table.values_mut().put(row, piece)?;
        Ok(PieceNote { number, first_row, row_count, bytes })
    }

    /// Whether all of these pieces are in memory.
    pub(crate) fn are_in_memory(&self, notes: &[PieceNote]) -> bool {
        let is = |note: &PieceNote| self.table.index().find(Key::Int(note.number)).is_some();
        self.table.spilled_keys() == 0 || notes.iter().all(is)
    }

    /// Returns a kept piece. One that was in the file stays in memory until [`SidePieces::settle`] finds no room for it.
    pub(crate) fn get(&mut self, note: &PieceNote) -> Result<Batch> {
        let row = self.table.find(Key::Int(note.number))?;
        let piece = row.and_then(|row| self.table.values().get(row));
        piece.cloned().ok_or_else(|| Error::internal("rows of a window join are gone"))
    }

    /// Keeps a piece of an earlier snapshot.
    pub(super) fn restore(&mut self, piece: Batch) -> Result<PieceNote> {
        self.table.settle(0)?;
        self.put(piece)
    }

    /// Drops a piece that was restored.
    pub(super) fn drop_restored(&mut self, note: &PieceNote) {
        self.table.remove_key(Key::Int(note.number));
    }

    /// Numbers rows after this one, the last of an earlier snapshot.
    pub(super) fn continue_after(&mut self, last: Option<i64>) {
        self.next_row = self.next_row.max(last.map_or(0, |last| last + 1));
    }

    /// Returns several kept pieces.
    pub(crate) fn get_all(&mut self, notes: &[PieceNote]) -> Result<Vec<Batch>> {
        notes.iter().map(|note| self.get(note)).collect()
    }

    /// Forgets all pieces of a pane.
    pub(crate) fn forget(&mut self, pane: i64, notes: &[PieceNote]) -> Result<()> {
        for note in notes {
            if self.track.is_frozen(note) {
                let piece = self.get(note)?;
                self.track.keep(note, piece);
            }
            self.table.remove_key(Key::Int(note.number));
        }
        self.track.removed(pane, notes);
        Ok(())
    }

    /// Bytes of the pieces that are in memory.
    #[cfg(test)]
    pub(crate) fn memory_bytes(&self) -> usize {
        self.table.values().bytes
    }

    /// Makes room if memory is short. Called between batches, and between the pieces of a matching.
    pub(crate) fn settle(&mut self, now: ProcessingTime) -> Result<()> {
        self.table.settle(now.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_small_part_that_is_kept_long_is_copied() {
        assert_eq!(may_be_views(&[60, 40], 100, 1), [true, false]);
        assert_eq!(may_be_views(&[40, 60], 100, 1), [true, true]);
        assert_eq!(may_be_views(&[30, 20], 100, 2), [true, false]);
        assert_eq!(may_be_views(&[10, 10], 100, 2), [false, false]);
    }

    proptest! {
        /// Goal: views keep in memory at most twice their rows, and no part is copied needlessly. Method: parts are
        /// forgotten one after another.
        #[test]
        fn views_have_half_of_the_rows_until_the_last_is_forgotten(
            counts in prop::collection::vec(0usize..50, 1..8), others in 0usize..200, workers in 1usize..4,
        ) {
            let among = counts.iter().sum::<usize>() + others;
            let views = may_be_views(&counts, among, workers);
            let left = |from: usize| (from..counts.len()).filter(|i| views[*i]).map(|i| counts[i]).sum::<usize>();
            for first in 0..counts.len() {
                let is_half = |rows: usize| rows * workers * 2 >= among;
                let views_left = views[first..].contains(&true);
                prop_assert!(!views_left || is_half(left(first)), "behind {first}: {views:?}");
                prop_assert!(views[first] || !is_half(left(first) + counts[first]), "{first} is copied: {views:?}");
            }
        }
    }
}

//! Matching of a window whose rows are not all in memory: a grace hash join.
//!
//! The keys are divided into partitions by their hashes, so that one partition of the smaller side fits into memory. For each
//! partition, both sides are read piece by piece: the rows of the partition on the smaller side are put into lists, and those
//! on the other side are matched with the lists. So every piece is read once for each partition, and memory holds the rows of
//! one partition, one piece, and the results that are emitted next. All rows of a key are in one partition.

use std::collections::VecDeque;

use super::layout::{Layout, RowKeys};
use super::matches::{Listed, MatchResult};
use super::pieces::{PieceNote, SidePieces, copied};
use super::side::{LEFT, RIGHT, emits_unmatched};
use crate::dataflow::batch::Batch;
use crate::job::spec::JoinType;
use flowgate_base::error::Result;
use flowgate_base::time::ProcessingTime;
use flowgate_state::key::hash;

/// Partitions of a window: for each of them, the whole window is read once.
const PARTITIONS_MAX: usize = 256;

/// The matching of one window, which runs step by step.
pub(crate) struct Matching {
    join: JoinType,
    window: i64,
    pieces: [Vec<PieceNote>; 2],
    /// The side whose rows are put into lists.
    listed: usize,
    partitions: usize,
    /// The number of the current partition.
    partition: usize,
    /// The current partition, once it is begun.
    open: Option<Open>,
}

/// The current partition.
struct Open {
    /// Its rows on the listed side; `None`: it has none.
    list: Option<Listed>,
    /// The number of pieces of the other side that were matched with them.
    walked: usize,
}

impl Matching {
    /// Creates a matching of all rows of a window. The lists of one partition should take no more than `bytes_max` bytes.
    pub(crate) fn of_window(join: JoinType, window: i64, pieces: [Vec<PieceNote>; 2], bytes_max: usize) -> Self {
        let bytes = [LEFT, RIGHT].map(|side| pieces[side].iter().map(|note| note.bytes).sum::<usize>());
        let listed = if bytes[LEFT] < bytes[RIGHT] { LEFT } else { RIGHT };
        let row_count: usize = pieces[listed].iter().map(|note| note.row_count).sum();
        let needed = bytes[listed].div_ceil(bytes_max.max(1));
        let partitions = needed.min(row_count).clamp(1, PARTITIONS_MAX);
        Matching { join, window, pieces, listed, partitions, partition: 0, open: None }
    }

    /// Creates a matching of new rows of a side, which are in memory, with all rows of the other side.
    pub(crate) fn of_new_rows(
        join: JoinType,
        window: i64,
        (side, rows): (usize, Batch),
        layout: &Layout,
        others: Vec<PieceNote>,
    ) -> Result<Self> {
        let list = Listed::new(join, window, side, layout, vec![rows])?;
        let open = Some(Open { list: Some(list), walked: 0 });
        let mut pieces = [others, Vec::new()];
        pieces.swap(LEFT, 1 - side);
        Ok(Matching { join, window, pieces, listed: side, partitions: 1, partition: 0, open })
    }

    /// Matches the next piece, and adds the results to `results`. Returns whether there may be more.
    pub(crate) fn step(
        &mut self,
        sides: &mut [SidePieces; 2],
        now: ProcessingTime,
        results: &mut VecDeque<MatchResult>,
    ) -> Result<bool> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None if self.partition == self.partitions => return Ok(false),
            None => Open { list: self.list(sides, now)?, walked: 0 },
        };
        let walked = 1 - self.listed;
        match self.pieces[walked].get(open.walked) {
            Some(note) if open.list.is_some() || emits_unmatched(self.join, walked) => {
                let piece = self.rows_of(&mut sides[walked], note, now)?;
                match &mut open.list {
                    Some(list) => list.walk(&sides[walked].layout().key_of(&piece)?, piece, results)?,
                    None => results.push_back(MatchResult::alone(self.window, walked, piece)),
                }
                open.walked += 1;
                self.open = Some(open);
            }
            _ => {
                open.list.into_iter().for_each(|list| list.finish(results));
                self.partition += 1;
            }
        }
        Ok(true)
    }

    /// Lists the rows of the partition on the listed side by key.
    fn list(&self, sides: &mut [SidePieces; 2], now: ProcessingTime) -> Result<Option<Listed>> {
        let side = &mut sides[self.listed];
        let mut pieces = Vec::new();
        for note in &self.pieces[self.listed] {
            let piece = self.rows_of(side, note, now)?;
            if piece.row_count() > 0 {
                pieces.push(piece);
            }
        }
        if pieces.is_empty() {
            return Ok(None);
        }
        Listed::new(self.join, self.window, self.listed, side.layout(), pieces).map(Some)
    }

    /// Returns the rows of a piece that belong to the partition.
    fn rows_of(&self, side: &mut SidePieces, note: &PieceNote, now: ProcessingTime) -> Result<Batch> {
        let piece = side.get(note)?;
        side.settle(now)?;
        if self.partitions == 1 {
            return Ok(piece);
        }
        let keys = RowKeys::of(&side.layout().key_of(&piece)?, piece.row_count(), &[])?;
        let is_in = |row: &u32| {
            let row = *row as usize;
            let partition = match keys.has_key(row) {
                true => partition_of(hash(keys.keys.get(row)), self.partitions),
                // Rows without a key match nothing: they are spread over the partitions.
                false => row % self.partitions,
            };
            partition == self.partition
        };
        let rows = (0..piece.row_count() as u32).filter(is_in).collect();
        copied(&piece, &rows)
    }
}

/// Returns the partition of a hash: by its upper half, since the lower bits choose the worker of the key.
fn partition_of(hash: u64, partitions: usize) -> usize {
    (((hash >> 32) * partitions as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowgate_state::key::Key;

    fn note(row_count: usize, bytes: usize) -> PieceNote {
        PieceNote { number: 0, first_row: 0, row_count, bytes }
    }

    /// Goal: the smaller side is put into lists, in the number of partitions that its bytes need, within bounds.
    #[test]
    fn partitions_are_as_many_as_the_smaller_side_needs() {
        let partitions = |left: PieceNote, right: PieceNote, bytes_max: usize| {
            let matching = Matching::of_window(JoinType::Full, 0, [vec![left, left], vec![right]], bytes_max);
            (matching.listed, matching.partitions)
        };
        assert_eq!(partitions(note(9, 150), note(9, 1_000), 100), (LEFT, 3));
        assert_eq!(partitions(note(9, 501), note(9, 1_000), 100), (RIGHT, 9), "at most one for each row");
        assert_eq!(partitions(note(9, 501), note(900, 1_000), 100), (RIGHT, 10));
        assert_eq!(partitions(note(900, 501), note(900, 1_000), 0), (RIGHT, PARTITIONS_MAX));
        assert_eq!(partitions(note(0, 0), note(9, 1_000), 100), (LEFT, 1));
    }

    /// Goal: every partition has its share of the keys, also of the keys of one key group.
    #[test]
    fn the_keys_of_a_key_group_are_divided_evenly() {
        for partitions in [1, 3, 64, PARTITIONS_MAX] {
            let mut counts = vec![0; partitions];
            let hashes = (0..1_000_000).map(|key| hash(Key::Int(key))).filter(|hash| hash % 16 == 5);
            hashes.for_each(|hash| counts[partition_of(hash, partitions)] += 1);
            let mean = counts.iter().sum::<usize>() / partitions;
            assert!(counts.iter().all(|count| (mean / 2..mean * 2).contains(count)), "{counts:?}");
        }
    }
}

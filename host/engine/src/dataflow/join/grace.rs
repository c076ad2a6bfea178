//! Matches a window whose rows are not all in memory: a grace hash join.
//!
//! The keys are divided into partitions by their hashes, as many as are needed for one partition of the smaller side to have
//! room. For each of them both sides are gone through a piece at a time: the rows of the partition on the smaller side are put
//! into lists, those on the other are matched with them. So every piece is read once for each partition, and at no time are
//! more rows in memory than those of one partition, one piece, and the results that are about to be given. The rows of one key
//! are in one partition, however many they are.

use std::collections::VecDeque;

use super::layout::{Layout, RowKeys};
use super::matches::{Listed, Part};
use super::pieces::{PieceNote, SidePieces, copied};
use super::side::{LEFT, RIGHT, gives_unmatched};
use crate::dataflow::batch::Batch;
use crate::job::spec::JoinType;
use flowgate_base::error::Result;
use flowgate_state::key::hash;

/// Partitions of a window, at most: each is one more time that all of it is read.
const PARTITIONS_MAX: usize = 256;

/// The matching of one window, to be gone on with step by step.
pub struct Matching {
    join: JoinType,
    window: i64,
    pieces: [Vec<PieceNote>; 2],
    /// The side whose rows are put into lists.
    listed: usize,
    partitions: usize,
    /// The partition that is matched.
    partition: usize,
    /// What has begun of it.
    open: Option<Open>,
}

/// A partition that is matched.
struct Open {
    /// Its rows on the listed side; `None`: there are none.
    list: Option<Listed>,
    /// How many pieces of the other side were matched with them.
    walked: usize,
}

impl Matching {
    /// Of all rows of a window. Lists of the rows of one side should take up no more than `bytes_max`.
    pub fn of_window(join: JoinType, window: i64, pieces: [Vec<PieceNote>; 2], bytes_max: usize) -> Self {
        let bytes = [LEFT, RIGHT].map(|side| pieces[side].iter().map(|note| note.bytes).sum::<usize>());
        let listed = if bytes[LEFT] < bytes[RIGHT] { LEFT } else { RIGHT };
        let row_count: usize = pieces[listed].iter().map(|note| note.row_count).sum();
        let needed = bytes[listed].div_ceil(bytes_max.max(1));
        let partitions = needed.min(row_count).clamp(1, PARTITIONS_MAX);
        Matching { join, window, pieces, listed, partitions, partition: 0, open: None }
    }

    /// Of new rows of a side, which are in memory, with all rows of the other side.
    pub fn of_new_rows(
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

    /// Matches the next piece, and notes what comes out. Gives whether there may be more.
    pub fn step(&mut self, sides: &mut [SidePieces; 2], now: i64, parts: &mut VecDeque<Part>) -> Result<bool> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None if self.partition == self.partitions => return Ok(false),
            None => Open { list: self.list(sides, now)?, walked: 0 },
        };
        let walked = 1 - self.listed;
        match self.pieces[walked].get(open.walked) {
            Some(note) if open.list.is_some() || gives_unmatched(self.join, walked) => {
                let piece = self.rows_of(&mut sides[walked], note, now)?;
                match &mut open.list {
                    Some(list) => list.walk(&sides[walked].layout().key_of(&piece)?, piece, parts)?,
                    None => parts.push_back(Part::alone(self.window, walked, piece)),
                }
                open.walked += 1;
                self.open = Some(open);
            }
            _ => {
                open.list.into_iter().for_each(|list| list.finish(parts));
                self.partition += 1;
            }
        }
        Ok(true)
    }

    /// The rows of the partition on the listed side, by key.
    fn list(&self, sides: &mut [SidePieces; 2], now: i64) -> Result<Option<Listed>> {
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

    /// The rows of a piece that belong to the partition.
    fn rows_of(&self, side: &mut SidePieces, note: &PieceNote, now: i64) -> Result<Batch> {
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
                // Rows without a key match nothing: any partition will do, and each gets some.
                false => row % self.partitions,
            };
            partition == self.partition
        };
        let rows = (0..piece.row_count() as u32).filter(is_in).collect();
        copied(&piece, &rows)
    }
}

/// The partition of a hash: by its upper half, since the lower bits say which worker has the key.
fn partition_of(hash: u64, partitions: usize) -> usize {
    (((hash >> 32) * partitions as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowgate_state::key::Key;

    fn note(row_count: usize, bytes: usize) -> PieceNote {
        PieceNote { number: 0, row_count, bytes }
    }

    /// Goal: the smaller side is put into lists, in as many partitions as its bytes need, within bounds.
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

    /// Goal: every partition gets its part of the keys, also of those of one key group.
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

//! What comes out of one window of a join: the rows of one side in lists by key, those of the other walked through them, and
//! the results, of which some are made at a time.

use std::collections::VecDeque;
use std::rc::Rc;

use arrow_array::ArrayRef;

use super::key_lists::{KeyLists, Walk};
use super::layout::{Layout, RowKeys, numbers};
use super::pieces::{keys_together, row_count_of, together};
use super::side::{LEFT, RIGHT, ROWS_AT_ONCE, gives_unmatched};
use crate::dataflow::batch::Batch;
use crate::job::spec::JoinType;
use flowgate_base::error::Result;

/// Rows of a result that are still to be given.
pub enum Part {
    /// Pairs of the rows of a window.
    Pairs {
        /// Its start.
        window: i64,
        /// The side whose rows are in lists.
        listed: usize,
        /// These rows.
        list: Batch,
        /// By key.
        lists: Rc<KeyLists>,
        /// Rows of the other side.
        piece: Batch,
        /// Their way through the lists.
        walk: Walk,
    },
    /// Rows of one side.
    Alone {
        /// The start of their window.
        window: i64,
        /// Which side.
        side: usize,
        /// All of them.
        rows: Batch,
        /// How many were given.
        given: usize,
    },
}

impl Part {
    /// Rows of one side of a window.
    pub fn alone(window: i64, side: usize, rows: Batch) -> Self {
        Part::Alone { window, side, rows, given: 0 }
    }

    /// The next rows, up to [`ROWS_AT_ONCE`]: window, left and right, and how many. `None`: that was all.
    pub fn give(&mut self) -> Option<(i64, Option<Batch>, Option<Batch>, usize)> {
        match self {
            Part::Pairs { window, listed, list, lists, piece, walk } => {
                let (here, there) = walk.pairs(lists, ROWS_AT_ONCE);
                let count = here.len();
                let (walked, list) = (piece.select(&here.into()), list.select(&there.into()));
                let (left, right) = if *listed == LEFT { (list, walked) } else { (walked, list) };
                (count > 0).then_some((*window, Some(left), Some(right), count))
            }
            Part::Alone { window, side, rows, given } => {
                let count = (rows.row_count() - *given).min(ROWS_AT_ONCE);
                let part = (count < rows.row_count()).then(|| rows.slice(*given, count));
                let part = Some(part.unwrap_or_else(|| rows.clone()));
                *given += count;
                let (left, right) = if *side == LEFT { (part, None) } else { (None, part) };
                (count > 0).then_some((*window, left, right, count))
            }
        }
    }
}

/// Rows of one side of a window in lists by key, and which of the keys the other side has.
pub struct Listed {
    join: JoinType,
    window: i64,
    side: usize,
    /// In pieces; in one where pairs are made of them.
    rows: Vec<Batch>,
    lists: Rc<KeyLists>,
    /// By key, whether the other side has it.
    seen: Vec<bool>,
    /// Key columns that need not be looked at.
    same: Vec<usize>,
}

impl Listed {
    /// Of pieces of this layout, of which there is at least one.
    pub fn new(join: JoinType, window: i64, side: usize, layout: &Layout, pieces: Vec<Batch>) -> Result<Self> {
        let key = keys_together(layout, &pieces)?;
        Listed::of(join, window, side, pieces, &key, Vec::new())
    }

    /// The same, where the key columns are known; all rows of both sides are the same in those at the positions `same`.
    fn of(
        join: JoinType,
        window: i64,
        side: usize,
        pieces: Vec<Batch>,
        key: &[ArrayRef],
        same: Vec<usize>,
    ) -> Result<Self> {
        let lists = Rc::new(KeyLists::new(&RowKeys::of(key, row_count_of(&pieces)?, &same)?));
        let rows = if gives_pairs(join) { vec![together(pieces)?] } else { pieces };
        Ok(Listed { join, window, side, rows, lists, seen: Vec::new(), same })
    }

    /// Whether rows of a side come out alone, and whether because they have a pair.
    fn gives(&self, side: usize) -> (bool, bool) {
        let semi = self.join == JoinType::Semi;
        (if semi { side == LEFT } else { gives_unmatched(self.join, side) }, semi)
    }

    /// Matches rows of the other side, with these key columns, and notes what comes out.
    pub fn walk(&mut self, key: &[ArrayRef], piece: Batch, parts: &mut VecDeque<Part>) -> Result<()> {
        let walk = Walk::new(&self.lists, &RowKeys::of(key, piece.row_count(), &self.same)?);
        let walked = 1 - self.side;
        if let (true, _) = self.gives(self.side) {
            self.lists.note(&walk, &mut self.seen);
        }
        if let (true, semi) = self.gives(walked) {
            parts.push_back(Part::alone(self.window, walked, piece.choose(&walk.hit(semi).into())));
        }
        if gives_pairs(self.join) {
            let (window, listed) = (self.window, self.side);
            let (list, lists) = (self.rows[0].clone(), Rc::clone(&self.lists));
            parts.push_back(Part::Pairs { window, listed, list, lists, piece, walk });
        }
        Ok(())
    }

    /// Behind the last rows of the other side: notes what comes out of the lists.
    pub fn finish(self, parts: &mut VecDeque<Part>) {
        let (true, semi) = self.gives(self.side) else { return };
        let row_count = self.rows.iter().map(Batch::row_count).sum();
        let hit = self.lists.hit(&self.seen, row_count, semi);
        let (mut first, mut rest) = (0, &hit[..]);
        for piece in self.rows {
            let end = first + piece.row_count() as u32;
            let (here, behind) = rest.split_at(rest.partition_point(|row| *row < end));
            let here = here.iter().map(|row| row - first).collect();
            parts.push_back(Part::alone(self.window, self.side, piece.choose(&here)));
            (first, rest) = (end, behind);
        }
    }
}

/// Whether a join gives rows of both sides together.
fn gives_pairs(join: JoinType) -> bool {
    !matches!(join, JoinType::Semi | JoinType::Anti)
}

/// Matches the rows of a window, all of which are in memory, and notes what comes out.
pub fn match_whole(
    join: JoinType,
    window: i64,
    layouts: [&Layout; 2],
    sides: [Vec<Batch>; 2],
    parts: &mut VecDeque<Part>,
) -> Result<()> {
    let counts = [LEFT, RIGHT].map(|side| sides[side].iter().map(Batch::row_count).sum::<usize>());
    // The smaller side is put into lists: they stay in the cache while the other one goes by, piece by piece.
    let listed = if counts[LEFT] < counts[RIGHT] { LEFT } else { RIGHT };
    let [left, right] = sides;
    let (list, walked) = if listed == LEFT { (left, right) } else { (right, left) };
    if list.is_empty() {
        if gives_unmatched(join, 1 - listed) {
            parts.extend(walked.into_iter().map(|piece| Part::alone(window, 1 - listed, piece)));
        }
        return Ok(());
    }
    let key = keys_together(layouts[listed], &list)?;
    let walked_keys = walked.iter().map(|piece| layouts[1 - listed].key_of(piece)).collect::<Result<Vec<_>>>()?;
    let same = same_throughout(&key, &walked_keys);
    let mut list = Listed::of(join, window, listed, list, &key, same)?;
    for (piece, key) in walked.into_iter().zip(&walked_keys) {
        list.walk(key, piece, parts)?;
    }
    list.finish(parts);
    Ok(())
}

/// Positions of key columns that have one value throughout a window, on both sides (the window's own end, say, where the
/// inputs are results of windows): the others tell the keys apart, and one column is matched much faster than two.
fn same_throughout(key: &[ArrayRef], walked: &[Vec<ArrayRef>]) -> Vec<usize> {
    let is_same = |at: &usize| {
        let Some(values) = numbers(&key[*at]) else { return false };
        let all = |values: &[i64], value: i64| values.iter().all(|number| *number == value);
        let is = |walked: &Vec<ArrayRef>, value: i64| numbers(&walked[*at]).is_some_and(|n| all(n, value));
        values.first().is_some_and(|value| all(values, *value) && walked.iter().all(|walked| is(walked, *value)))
    };
    (0..key.len()).filter(is_same).take(key.len() - 1).collect()
}

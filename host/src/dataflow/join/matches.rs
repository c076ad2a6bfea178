//! What comes out of one window of a join: the rows of one side in lists by key, those of the other walked through them, and
//! the results, of which some are made at a time.

use std::collections::VecDeque;
use std::rc::Rc;

use super::key_lists::{KeyLists, Walk};
use super::layout::Layout;
use super::pieces::{Piece, together};
use super::side::{LEFT, RIGHT, ROWS_AT_ONCE, gives_unmatched};
use crate::dataflow::batch::Batch;
use crate::error::Result;
use crate::job::spec::JoinType;

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
    rows: Batch,
    lists: Rc<KeyLists>,
    /// By key, whether the other side has it.
    seen: Vec<bool>,
    /// Key columns that need not be looked at.
    same: Vec<usize>,
}

impl Listed {
    /// Of rows of this layout. All rows of both sides are the same in the key columns `same`, positions in the key.
    pub fn new(
        join: JoinType,
        window: i64,
        side: usize,
        layout: &Layout,
        rows: Piece,
        same: Vec<usize>,
    ) -> Result<Self> {
        let lists = Rc::new(KeyLists::new(&layout.keys_of(&rows.columns, rows.row_count, &same)?));
        Ok(Listed { join, window, side, rows: rows.batch(), lists, seen: Vec::new(), same })
    }

    /// Whether rows of a side come out alone, and whether because they have a pair.
    fn gives(&self, side: usize) -> (bool, bool) {
        let semi = self.join == JoinType::Semi;
        (if semi { side == LEFT } else { gives_unmatched(self.join, side) }, semi)
    }

    /// Matches rows of the other side, of this layout, and notes what comes out.
    pub fn walk(&mut self, layout: &Layout, piece: Piece, parts: &mut VecDeque<Part>) -> Result<()> {
        let walk = Walk::new(&self.lists, &layout.keys_of(&piece.columns, piece.row_count, &self.same)?);
        let piece = piece.batch();
        self.lists.note(&walk, &mut self.seen);
        let walked = 1 - self.side;
        if let (true, semi) = self.gives(walked) {
            parts.push_back(Part::alone(self.window, walked, chosen(&piece, walk.hit(semi))));
        }
        if !matches!(self.join, JoinType::Semi | JoinType::Anti) {
            let (window, listed) = (self.window, self.side);
            let (list, lists) = (self.rows.clone(), Rc::clone(&self.lists));
            parts.push_back(Part::Pairs { window, listed, list, lists, piece, walk });
        }
        Ok(())
    }

    /// Behind the last rows of the other side: notes what comes out of the lists.
    pub fn finish(self, parts: &mut VecDeque<Part>) {
        if let (true, semi) = self.gives(self.side) {
            let rows = self.lists.hit(&self.seen, self.rows.row_count(), semi);
            parts.push_back(Part::alone(self.window, self.side, chosen(&self.rows, rows)));
        }
    }
}

/// Matches the rows of a window, all of which are in memory, and notes what comes out.
pub fn match_whole(
    join: JoinType,
    window: i64,
    layouts: [&Layout; 2],
    sides: [Vec<Piece>; 2],
    parts: &mut VecDeque<Part>,
) -> Result<()> {
    let counts = [LEFT, RIGHT].map(|side| sides[side].iter().map(|piece| piece.row_count).sum::<usize>());
    // The smaller side is put into lists: they stay in the cache while the other one goes by, piece by piece.
    let listed = if counts[LEFT] < counts[RIGHT] { LEFT } else { RIGHT };
    let [left, right] = sides;
    let (list, walked) = if listed == LEFT { (left, right) } else { (right, left) };
    let Some(list) = together(list)? else {
        if gives_unmatched(join, 1 - listed) {
            parts.extend(walked.into_iter().map(|piece| Part::alone(window, 1 - listed, piece.batch())));
        }
        return Ok(());
    };
    let same = same_throughout([layouts[listed], layouts[1 - listed]], &list, &walked);
    let mut list = Listed::new(join, window, listed, layouts[listed], list, same)?;
    for piece in walked {
        list.walk(layouts[1 - listed], piece, parts)?;
    }
    list.finish(parts);
    Ok(())
}

/// Rows of a batch, by their numbers in order.
fn chosen(batch: &Batch, rows: Vec<u32>) -> Batch {
    if rows.len() == batch.row_count() { batch.clone() } else { batch.select(&rows.into()) }
}

/// Positions of key columns that have one value throughout a window, on both sides (the window's own end, say, where the
/// inputs are results of windows): the others tell the keys apart, and one column is matched much faster than two.
fn same_throughout([layout, walked_layout]: [&Layout; 2], list: &Piece, walked: &[Piece]) -> Vec<usize> {
    let is_same = |key: &usize| {
        let Some(numbers) = layout.numbers(&list.columns, *key) else { return false };
        let all = |numbers: &[i64], value: i64| numbers.iter().all(|number| *number == value);
        let is = |piece: &Piece, value: i64| walked_layout.numbers(&piece.columns, *key).is_some_and(|n| all(n, value));
        numbers.first().is_some_and(|value| all(numbers, *value) && walked.iter().all(|piece| is(piece, *value)))
    };
    (0..layout.key_len()).filter(is_same).take(layout.key_len() - 1).collect()
}

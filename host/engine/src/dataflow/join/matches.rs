//! Matching of one window of a join: the rows of one side are in lists by key, those of the other walk through the lists, and
//! results are made some at a time.

use std::collections::VecDeque;
use std::rc::Rc;

use arrow_array::ArrayRef;

use super::key_lists::{KeyLists, Walk};
use super::layout::{Layout, RowKeys, numbers};
use super::pieces::{concat, concat_keys, row_count_of};
use super::side::{LEFT, RIGHT, ROWS_AT_ONCE, emits_unmatched};
use crate::dataflow::batch::Batch;
use crate::job::spec::JoinType;
use flowgate_base::error::Result;

/// Rows of a result that have still to be emitted.
pub(crate) enum MatchResult {
    /// Pairs of the rows of a window.
    Pairs {
        /// The start of the window.
        window: i64,
        /// The side whose rows are in lists.
        listed: usize,
        /// The rows of the listed side.
        list: Batch,
        /// Their lists by key.
        lists: Rc<KeyLists>,
        /// Rows of the other side.
        piece: Batch,
        /// The walk of these rows through the lists.
        walk: Walk,
    },
    /// Rows of one side.
    Alone {
        /// The start of their window.
        window: i64,
        /// The side.
        side: usize,
        /// All of the rows.
        rows: Batch,
        /// The number of rows that were emitted.
        emitted: usize,
    },
}

impl MatchResult {
    /// Creates a result of rows of one side of a window.
    pub(crate) fn alone(window: i64, side: usize, rows: Batch) -> Self {
        MatchResult::Alone { window, side, rows, emitted: 0 }
    }

    /// Returns the next rows, up to [`ROWS_AT_ONCE`]: window, left rows, right rows, and their number. `None`: there are no more.
    pub(crate) fn next_rows(&mut self) -> Option<(i64, Option<Batch>, Option<Batch>, usize)> {
        match self {
            MatchResult::Pairs { window, listed, list, lists, piece, walk } => {
                let (here, there) = walk.pairs(lists, ROWS_AT_ONCE);
                let count = here.len();
                let (walked, list) = (piece.select(&here.into()), list.select(&there.into()));
                let (left, right) = if *listed == LEFT { (list, walked) } else { (walked, list) };
                (count > 0).then_some((*window, Some(left), Some(right), count))
            }
            MatchResult::Alone { window, side, rows, emitted } => {
                let count = (rows.row_count() - *emitted).min(ROWS_AT_ONCE);
                let part = (count < rows.row_count()).then(|| rows.slice(*emitted, count));
                let part = Some(part.unwrap_or_else(|| rows.clone()));
                *emitted += count;
                let (left, right) = if *side == LEFT { (part, None) } else { (None, part) };
                (count > 0).then_some((*window, left, right, count))
            }
        }
    }
}

/// Rows of one side of a window in lists by key, and the keys that the other side has.
pub(crate) struct Listed {
    join: JoinType,
    window: i64,
    side: usize,
    /// The rows in pieces; in one piece if the join emits pairs.
    rows: Vec<Batch>,
    lists: Rc<KeyLists>,
    /// Whether the other side has the key, by key.
    seen: Vec<bool>,
    /// Positions of key columns that have one value in all rows, and are not compared.
    same: Vec<usize>,
}

impl Listed {
    /// Lists the rows of pieces of this layout; there is at least one piece.
    pub(crate) fn new(join: JoinType, window: i64, side: usize, layout: &Layout, pieces: Vec<Batch>) -> Result<Self> {
        let key = concat_keys(layout, &pieces)?;
        Listed::of(join, window, side, pieces, &key, Vec::new())
    }

    /// Lists the rows of pieces with these key columns. At the positions `same`, all rows of both sides have one value.
    fn of(
        join: JoinType,
        window: i64,
        side: usize,
        pieces: Vec<Batch>,
        key: &[ArrayRef],
        same: Vec<usize>,
    ) -> Result<Self> {
        let lists = Rc::new(KeyLists::new(&RowKeys::of(key, row_count_of(&pieces)?, &same)?));
        let rows = if emits_pairs(join) { vec![concat(pieces)?] } else { pieces };
        Ok(Listed { join, window, side, rows, lists, seen: Vec::new(), same })
    }

    /// Whether rows of a side are emitted alone, and whether because they have a pair.
    fn emits_alone(&self, side: usize) -> (bool, bool) {
        let semi = self.join == JoinType::Semi;
        (if semi { side == LEFT } else { emits_unmatched(self.join, side) }, semi)
    }

    /// Matches rows of the other side, with these key columns, and adds the results to `results`.
    pub(crate) fn walk(&mut self, key: &[ArrayRef], piece: Batch, results: &mut VecDeque<MatchResult>) -> Result<()> {
        let walk = Walk::new(&self.lists, &RowKeys::of(key, piece.row_count(), &self.same)?);
        let walked = 1 - self.side;
        if let (true, _) = self.emits_alone(self.side) {
            self.lists.note(&walk, &mut self.seen);
        }
        if let (true, semi) = self.emits_alone(walked) {
            results.push_back(MatchResult::alone(self.window, walked, piece.choose(&walk.hit(semi).into())));
        }
        if emits_pairs(self.join) {
            let (window, listed) = (self.window, self.side);
            let (list, lists) = (self.rows[0].clone(), Rc::clone(&self.lists));
            results.push_back(MatchResult::Pairs { window, listed, list, lists, piece, walk });
        }
        Ok(())
    }

    /// Adds the results from the lists to `results`, after the last rows of the other side.
    pub(crate) fn finish(self, results: &mut VecDeque<MatchResult>) {
        let (true, semi) = self.emits_alone(self.side) else { return };
        let row_count = self.rows.iter().map(Batch::row_count).sum();
        let hit = self.lists.hit(&self.seen, row_count, semi);
        let (mut first, mut rest) = (0, &hit[..]);
        for piece in self.rows {
            let end = first + piece.row_count() as u32;
            let (here, behind) = rest.split_at(rest.partition_point(|row| *row < end));
            let here = here.iter().map(|row| row - first).collect();
            results.push_back(MatchResult::alone(self.window, self.side, piece.choose(&here)));
            (first, rest) = (end, behind);
        }
    }
}

/// Whether a join emits pairs.
fn emits_pairs(join: JoinType) -> bool {
    !matches!(join, JoinType::Semi | JoinType::Anti)
}

/// Matches the rows of a window, all of which are in memory, and adds the results to `results`.
pub(crate) fn match_whole(
    join: JoinType,
    window: i64,
    layouts: [&Layout; 2],
    sides: [Vec<Batch>; 2],
    results: &mut VecDeque<MatchResult>,
) -> Result<()> {
    let counts = [LEFT, RIGHT].map(|side| sides[side].iter().map(Batch::row_count).sum::<usize>());
    // The smaller side is put into lists: they stay in the cache while the other side is matched, piece by piece.
    let listed = if counts[LEFT] < counts[RIGHT] { LEFT } else { RIGHT };
    let [left, right] = sides;
    let (list, walked) = if listed == LEFT { (left, right) } else { (right, left) };
    if list.is_empty() {
        if emits_unmatched(join, 1 - listed) {
            results.extend(walked.into_iter().map(|piece| MatchResult::alone(window, 1 - listed, piece)));
        }
        return Ok(());
    }
    let key = concat_keys(layouts[listed], &list)?;
    let walked_keys = walked.iter().map(|piece| layouts[1 - listed].key_of(piece)).collect::<Result<Vec<_>>>()?;
    let same = same_throughout(&key, &walked_keys);
    let mut list = Listed::of(join, window, listed, list, &key, same)?;
    for (piece, key) in walked.into_iter().zip(&walked_keys) {
        list.walk(key, piece, results)?;
    }
    list.finish(results);
    Ok(())
}

/// Returns positions of key columns that have one value throughout a window, on both sides, such as the end of the window if
/// the inputs are results of windows. The others distinguish the keys, and one column is matched much faster than two.
fn same_throughout(key: &[ArrayRef], walked: &[Vec<ArrayRef>]) -> Vec<usize> {
    let is_same = |at: &usize| {
        let Some(values) = numbers(&key[*at]) else { return false };
        let all = |values: &[i64], value: i64| values.iter().all(|number| *number == value);
        let is = |walked: &Vec<ArrayRef>, value: i64| numbers(&walked[*at]).is_some_and(|n| all(n, value));
        values.first().is_some_and(|value| all(values, *value) && walked.iter().all(|walked| is(walked, *value)))
    };
    (0..key.len()).filter(is_same).take(key.len() - 1).collect()
}

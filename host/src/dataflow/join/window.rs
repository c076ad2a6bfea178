//! Joins within windows. No dataflow, no clock.
//!
//! Invariants: J1: each matching pair is given exactly once for each window that both rows are in. J2: a row without a pair
//! is given exactly once for each of its windows, when no pair can come. J3: a row is kept exactly as long as a pair can
//! come: while one of its windows is open.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use arrow_array::ArrayRef;

use super::key_lists::{KeyLists, Walk};
use super::layout::Layout;
use super::side::{Added, JoinState, Joined, LEFT, RIGHT, ROWS_AT_ONCE, gives_unmatched};
use crate::dataflow::batch::{Batch, repeat_timestamp};
use crate::dataflow::window::aggregate::Times;
use crate::dataflow::window::divide::{Divided, divide};
use crate::dataflow::window::shape::Shape;
use crate::error::{Error, Result};
use crate::job::spec::{JoinType, WindowTime};

/// Columns of rows that came together.
#[derive(Debug, Clone)]
struct Piece {
    columns: Vec<ArrayRef>,
    row_count: usize,
}

impl Piece {
    fn whole(self) -> Batch {
        Batch::new(self.columns, self.row_count)
    }
}

/// The rows of both sides in one stretch of time.
type Pane = [Vec<Piece>; 2];

/// All panes of a window join on one worker. Rows are kept once, in their pane, and matched when a window fires.
pub struct WindowJoin {
    shape: Shape,
    time: WindowTime,
    join: JoinType,
    layouts: [Layout; 2],
    panes: BTreeMap<i64, Pane>,
    /// Time up to which windows have fired.
    fired_to: Option<i64>,
    /// Time up to which they are to fire.
    target: Option<i64>,
    parts: VecDeque<Part>,
}

/// Rows of a result that are still to be given.
enum Part {
    /// Pairs of the rows of a window.
    Pairs { window: i64, listed: usize, list: Batch, lists: Rc<KeyLists>, piece: Batch, walk: Walk },
    /// Rows of one side.
    Alone { window: i64, side: usize, rows: Batch, given: usize },
}

impl WindowJoin {
    /// Without rows. A join with lateness is an inner one.
    pub fn new(shape: Shape, time: WindowTime, join: JoinType, layouts: [Layout; 2]) -> Self {
        debug_assert!(shape.lateness_ms == 0 || join == JoinType::Inner);
        WindowJoin {
            shape,
            time,
            join,
            layouts,
            panes: BTreeMap::new(),
            fired_to: None,
            target: None,
            parts: VecDeque::new(),
        }
    }

    fn add_to_pane(&mut self, side: usize, start: i64, batch: &Batch) -> Result<()> {
        let columns = self.layouts[side].gather(batch)?;
        let mut piece = Piece { columns, row_count: batch.row_count() };
        if !gives_unmatched(self.join, side) {
            // Rows without a key will never come out.
            if let Some(nulls) = self.layouts[side].nulls(&piece.columns) {
                let with: Vec<u32> = nulls.valid_indices().map(|row| row as u32).collect();
                let row_count = with.len();
                let rows = Batch::new(piece.columns, piece.row_count).select(&with.into());
                piece = Piece { columns: rows.gather()?, row_count };
            }
        }
        if piece.row_count == 0 {
            return Ok(());
        }
        if let Some(fired) = self.fired_to {
            // Windows that have fired and are still open get the pairs of the new rows alone.
            for window in self.shape.windows(start) {
                if self.shape.fires_at(window) <= fired && fired < self.shape.closes_at(window) {
                    let other = self.rows(window, 1 - side);
                    let mut sides = [other, vec![piece.clone()]];
                    if side == LEFT {
                        sides.swap(LEFT, RIGHT);
                    }
                    self.match_rows(window, sides)?;
                }
            }
        }
        self.panes.entry(start).or_default()[side].push(piece);
        Ok(())
    }

    /// The rows of a window on one side.
    fn rows(&self, window: i64, side: usize) -> Vec<Piece> {
        let panes = self.panes.range(window..window + self.shape.size_ms);
        panes.flat_map(|(_, pane)| pane[side].iter().cloned()).collect()
    }

    /// Matches the rows of a window, and notes what is to be given.
    fn match_rows(&mut self, window: i64, sides: [Vec<Piece>; 2]) -> Result<()> {
        let counts = [LEFT, RIGHT].map(|side| sides[side].iter().map(|piece| piece.row_count).sum::<usize>());
        // The smaller side is put into lists: they stay in the cache while the other one goes by, piece by piece.
        let listed = if counts[LEFT] < counts[RIGHT] { LEFT } else { RIGHT };
        let [left, right] = sides;
        let (list, walked) = if listed == LEFT { (left, right) } else { (right, left) };
        let Some(list) = together(list)? else {
            if gives_unmatched(self.join, 1 - listed) {
                self.parts.extend(walked.into_iter().map(|piece| alone(window, 1 - listed, piece.whole())));
            }
            return Ok(());
        };
        let (layout, walked_layout) = (&self.layouts[listed], &self.layouts[1 - listed]);
        let same = same_throughout([layout, walked_layout], &list, &walked);
        let lists = Rc::new(KeyLists::new(&layout.keys_of(&list.columns, list.row_count, &same)?));
        let list = list.whole();
        let semi = self.join == JoinType::Semi;
        let gives = |side: usize| if semi { side == LEFT } else { gives_unmatched(self.join, side) };
        let mut seen = Vec::new();
        for piece in walked {
            let walk = Walk::new(&lists, &walked_layout.keys_of(&piece.columns, piece.row_count, &same)?);
            let piece = piece.whole();
            lists.note(&walk, &mut seen);
            if gives(1 - listed) {
                self.parts.push_back(alone(window, 1 - listed, chosen(&piece, walk.hit(semi))));
            }
            if !matches!(self.join, JoinType::Semi | JoinType::Anti) {
                let (list, lists) = (list.clone(), Rc::clone(&lists));
                self.parts.push_back(Part::Pairs { window, listed, list, lists, piece, walk });
            }
        }
        if gives(listed) {
            let rows = lists.hit(&seen, list.row_count(), semi);
            self.parts.push_back(alone(window, listed, chosen(&list, rows)));
        }
        Ok(())
    }

    /// The next window that is to fire and has rows.
    fn next_window(&self, up_to: i64) -> Option<i64> {
        let window = self.next_start()?;
        (self.shape.fires_at(window) <= up_to).then_some(window)
    }

    fn next_start(&self) -> Option<i64> {
        let from = self.fired_to.map_or(i64::MIN, |fired| self.shape.first_unfired(fired));
        // Only windows that have a pane are looked at, however far apart they are.
        let (pane, _) = self.panes.range(from..).next()?;
        Some(from.max(self.shape.first_window(*pane)))
    }

    /// Forgets panes that are closed (J3).
    fn close(&mut self, watermark: i64) {
        while let Some(entry) = self.panes.first_entry() {
            if self.shape.closes_at(self.shape.last_window(*entry.key())) > watermark {
                break;
            }
            entry.remove();
        }
    }

    fn joined(&self, window: i64, left: Option<Batch>, right: Option<Batch>, row_count: usize) -> Joined {
        let event_time = Some(repeat_timestamp(self.shape.fires_at(window), row_count));
        Joined { left, right, row_count, event_time, window: Some(window) }
    }
}

impl JoinState for WindowJoin {
    fn add(&mut self, side: usize, batch: &Batch, times: Option<&[i64]>, now: i64) -> Result<Added> {
        let times = match (self.time, times) {
            (WindowTime::Event, Some(times)) => Times::Each(times),
            (WindowTime::Event, None) => {
                return Err(Error::internal("an event-time join over rows without event time"));
            }
            (WindowTime::Processing, _) => Times::One(now),
        };
        let Divided { parts, late, out_of_range } = divide(&self.shape, times, batch.row_count(), self.fired_to);
        for (pane, part) in parts {
            self.add_to_pane(side, pane, &part.of(batch))?;
        }
        Ok(Added { late, out_of_range })
    }

    fn advance(&mut self, watermark: i64) {
        if self.time == WindowTime::Event {
            self.target = self.target.max(Some(watermark));
        }
    }

    fn tick(&mut self, now: i64) {
        if self.time == WindowTime::Processing {
            self.target = self.target.max(Some(now - 1));
        }
    }

    fn next(&mut self) -> Result<Option<Joined>> {
        loop {
            if let Some(part) = self.parts.front_mut() {
                match part.next() {
                    Some((window, left, right, row_count)) => {
                        return Ok(Some(self.joined(window, left, right, row_count)));
                    }
                    None => self.parts.pop_front(),
                };
                continue;
            }
            let Some(target) = self.target else { return Ok(None) };
            match self.next_window(target) {
                Some(window) => {
                    let sides = [self.rows(window, LEFT), self.rows(window, RIGHT)];
                    self.fired_to = Some(self.shape.fires_at(window));
                    self.match_rows(window, sides)?;
                }
                None => {
                    self.target = None;
                    self.fired_to = self.fired_to.max(Some(target));
                    self.close(target);
                }
            }
        }
    }

    fn next_due(&self) -> Option<i64> {
        // A window fires when no row of its last millisecond can come any more.
        let window = (self.time == WindowTime::Processing).then(|| self.next_start())??;
        Some(self.shape.fires_at(window) + 1)
    }

    #[cfg(test)]
    fn kept_rows(&mut self) -> usize {
        self.panes.values().flatten().flatten().map(|piece| piece.row_count).sum()
    }
}

impl Part {
    fn next(&mut self) -> Option<(i64, Option<Batch>, Option<Batch>, usize)> {
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

fn alone(window: i64, side: usize, rows: Batch) -> Part {
    Part::Alone { window, side, rows, given: 0 }
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

/// Rows of several pieces as one; none of none.
fn together(mut pieces: Vec<Piece>) -> Result<Option<Piece>> {
    if pieces.len() <= 1 {
        return Ok(pieces.pop());
    }
    let row_count: usize = pieces.iter().map(|piece| piece.row_count).sum();
    if row_count >= u32::MAX as usize {
        return Err(Error::user("one window of a join has more than 4 billion rows on one worker"));
    }
    let column = |i: usize| {
        let parts: Vec<&dyn arrow_array::Array> = pieces.iter().map(|piece| piece.columns[i].as_ref()).collect();
        arrow_select::concat::concat(&parts)
            .map_err(|e| Error::user(format!("the rows of one window of a join do not fit into a column: {e}")))
    };
    let columns = (0..pieces[0].columns.len()).map(column).collect::<Result<Vec<_>>>()?;
    Ok(Some(Piece { columns, row_count }))
}

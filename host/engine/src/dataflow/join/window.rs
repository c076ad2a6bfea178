//! Joins within windows. No dataflow, no clock.
//!
//! J1, J2: pairs and rows without a pair are emitted when a window fires, once for each window. J3: a row is kept while one of
//! its windows is open.

use std::collections::{BTreeMap, VecDeque};

use super::grace::Matching;
use super::layout::{Layout, nulls};
use super::matches::{MatchResult, match_whole};
use super::piece_track::SideState;
use super::pieces::{PieceNote, SidePieces, copied, may_be_views};
use super::side::{Added, JoinState, Joined, LEFT, RIGHT, emits_unmatched};
use crate::dataflow::batch::{Batch, repeat_timestamp};
use crate::dataflow::checkpoint::state::{SlotName, StateVisitor, Watermark};
use crate::dataflow::window::aggregate::Times;
use crate::dataflow::window::divide::{Divided, divide};
use crate::dataflow::window::shape::Shape;
use crate::job::spec::{JoinType, WindowTime};
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Field;
use flowgate_base::time::{EventTime, ProcessingTime};
use flowgate_state::key::KeyGroups;
use flowgate_state::store::{SlotKind, StateStore};

/// A worker's memory over its part for the lists of a window whose rows are not all in memory.
const LISTS_PART: u64 = 4;

/// The pieces of both sides in one pane.
pub(super) type Pane = [Vec<PieceNote>; 2];

/// A window join on one worker. Rows are kept once, in their pane, and matched when a window fires.
pub(crate) struct WindowJoin {
    shape: Shape,
    time: WindowTime,
    join: JoinType,
    sides: [SidePieces; 2],
    panes: BTreeMap<i64, Pane>,
    /// The key groups of the job.
    key_groups: KeyGroups,
    /// The number of workers, each of which may have parts of the same columns.
    workers: usize,
    /// Bytes for the lists of a window whose rows are not all in memory.
    lists_bytes_max: usize,
    /// The time up to which windows have fired.
    fired_to: Option<i64>,
    /// The time up to which windows are due.
    target: Option<i64>,
    /// Processing time.
    now: ProcessingTime,
    results: VecDeque<MatchResult>,
    /// Windows that are matched piece by piece, after the results.
    matchings: VecDeque<Matching>,
}

impl WindowJoin {
    /// Creates a join without rows. A join with allowed lateness is an inner join. `fields` are those of the sides' layouts; rows
    /// over the store's budget go to files.
    pub(crate) fn new(
        shape: Shape,
        time: WindowTime,
        join: JoinType,
        layouts: [Layout; 2],
        fields: [Vec<Field>; 2],
        store: &StateStore,
    ) -> Self {
        debug_assert!(shape.lateness_ms == 0 || join == JoinType::Inner);
        let ([left, right], [left_fields, right_fields]) = (layouts, fields);
        WindowJoin {
            shape,
            time,
            join,
            sides: [
                SidePieces::new(left, left_fields, store, "left"),
                SidePieces::new(right, right_fields, store, "right"),
            ],
            panes: BTreeMap::new(),
            key_groups: store.key_groups(),
            workers: store.workers(),
            lists_bytes_max: usize::try_from(store.worker_bytes() / LISTS_PART).unwrap_or(usize::MAX),
            fired_to: None,
            target: None,
            now: ProcessingTime::default(),
            results: VecDeque::new(),
            matchings: VecDeque::new(),
        }
    }

    /// Keeps rows of one pane, as a view of their batch or as a copy.
    fn add_to_pane(&mut self, side: usize, start: i64, rows: &Batch, is_view: bool) -> Result<()> {
        let layout = self.sides[side].layout();
        let mut piece = if is_view {
            layout.keep(rows)?
        } else {
            let all = (0..rows.row_count() as u32).collect();
            Batch::new(layout.gather(&rows.select(&all))?, rows.row_count())
        };
        if !emits_unmatched(self.join, side) {
            // Rows without a key will never be emitted.
            if let Some(nulls) = nulls(&layout.key_of(&piece)?) {
                piece = copied(&piece, &nulls.valid_indices().map(|row| row as u32).collect())?;
            }
        }
        if piece.row_count() == 0 {
            return Ok(());
        }
        if let Some(fired) = self.fired_to {
            // Windows that have fired and are still open emit the pairs of the new rows only.
            for window in self.shape.windows(start) {
                if self.shape.fires_at(window) <= fired && fired < self.shape.closes_at(window) {
                    self.match_new(window, side, &piece)?;
                }
            }
        }
        let note = self.sides[side].insert(start, piece)?;
        self.panes.entry(start).or_default()[side].push(note);
        Ok(())
    }

    /// Returns the pieces of a window on one side.
    fn pieces(&self, window: i64, side: usize) -> Vec<PieceNote> {
        let panes = self.panes.range(window..window + self.shape.size_ms);
        panes.flat_map(|(_, pane)| pane[side].iter().copied()).collect()
    }

    /// Matches new rows of a side with the rows of a window on the other side, and adds the results.
    fn match_new(&mut self, window: i64, side: usize, piece: &Batch) -> Result<()> {
        let (others, piece) = (self.pieces(window, 1 - side), piece.clone());
        if !self.sides[1 - side].are_in_memory(&others) {
            let layout = self.sides[side].layout();
            self.matchings.push_back(Matching::of_new_rows(self.join, window, (side, piece), layout, others)?);
            return Ok(());
        }
        let mut sides = [self.sides[1 - side].get_all(&others)?, vec![piece]];
        sides.swap(RIGHT, side);
        let layouts = [self.sides[LEFT].layout(), self.sides[RIGHT].layout()];
        match_whole(self.join, window, layouts, sides, &mut self.results)
    }

    /// Matches the rows of a window, and adds the results.
    fn match_window(&mut self, window: i64) -> Result<()> {
        let pieces = [LEFT, RIGHT].map(|side| self.pieces(window, side));
        if [LEFT, RIGHT].iter().any(|side| !self.sides[*side].are_in_memory(&pieces[*side])) {
            self.matchings.push_back(Matching::of_window(self.join, window, pieces, self.lists_bytes_max));
            return Ok(());
        }
        let sides = [self.sides[LEFT].get_all(&pieces[LEFT])?, self.sides[RIGHT].get_all(&pieces[RIGHT])?];
        let layouts = [self.sides[LEFT].layout(), self.sides[RIGHT].layout()];
        match_whole(self.join, window, layouts, sides, &mut self.results)
    }

    /// Returns the next window that fires at `up_to` or earlier and has rows.
    fn next_window(&self, up_to: i64) -> Option<i64> {
        let window = self.next_start()?;
        (self.shape.fires_at(window) <= up_to).then_some(window)
    }

    fn next_start(&self) -> Option<i64> {
        let from = self.fired_to.map_or(i64::MIN, |fired| self.shape.first_unfired(fired));
        // Windows without a pane are skipped, however far apart the panes are.
        let (pane, _) = self.panes.range(from..).next()?;
        Some(from.max(self.shape.first_window(*pane)))
    }

    /// Forgets panes whose windows are all closed (J3).
    fn close(&mut self, watermark: i64) -> Result<()> {
        while let Some(entry) = self.panes.first_entry() {
            if self.shape.closes_at(self.shape.last_window(*entry.key())) > watermark {
                break;
            }
            let (start, pane) = entry.remove_entry();
            for (side, notes) in self.sides.iter_mut().zip(pane) {
                side.forget(start, &notes)?;
            }
        }
        Ok(())
    }

    fn joined(&self, window: i64, left: Option<Batch>, right: Option<Batch>, row_count: usize) -> Joined {
        let event_time = Some(repeat_timestamp(self.shape.fires_at(window), row_count));
        Joined { left, right, row_count, event_time, window: Some(window) }
    }
}

impl JoinState for WindowJoin {
    fn add(&mut self, side: usize, batch: &Batch, times: Option<&[i64]>, now: ProcessingTime) -> Result<Added> {
        self.now = self.now.max(now);
        let times = match (self.time, times) {
            (WindowTime::Event, Some(times)) => Times::Each(times),
            (WindowTime::Event, None) => {
                return Err(Error::internal("an event-time join over rows without event time"));
            }
            (WindowTime::Processing, _) => Times::One(now.0),
        };
        let Divided { parts, late, out_of_range } = divide(&self.shape, times, batch.row_count(), self.fired_to);
        // Panes are forgotten in order.
        let counts: Vec<usize> = parts.iter().map(|(_, part)| part.row_count(batch)).collect();
        let views = may_be_views(&counts, batch.stored_rows(), self.workers);
        for ((pane, part), is_view) in parts.iter().zip(views) {
            self.add_to_pane(side, *pane, &part.of(batch), is_view)?;
        }
        Ok(Added { late, out_of_range })
    }

    fn advance(&mut self, watermark: EventTime) {
        if self.time == WindowTime::Event {
            self.target = self.target.max(Some(watermark.0));
        }
    }

    fn tick(&mut self, now: ProcessingTime) {
        self.now = self.now.max(now);
        if self.time == WindowTime::Processing {
            self.target = self.target.max(Some(now.0 - 1));
        }
    }

    fn next(&mut self) -> Result<Option<Joined>> {
        loop {
            if let Some(result) = self.results.front_mut() {
                match result.next_rows() {
                    Some((window, left, right, row_count)) => {
                        return Ok(Some(self.joined(window, left, right, row_count)));
                    }
                    None => self.results.pop_front(),
                };
                continue;
            }
            if let Some(matching) = self.matchings.front_mut() {
                if !matching.step(&mut self.sides, self.now, &mut self.results)? {
                    self.matchings.pop_front();
                }
                continue;
            }
            let Some(target) = self.target else { break };
            // Panes that the last window closed make room before the next one is matched.
            self.fired_to.into_iter().try_for_each(|fired| self.close(fired))?;
            match self.next_window(target) {
                Some(window) => {
                    self.fired_to = Some(self.shape.fires_at(window));
                    self.match_window(window)?;
                }
                None => {
                    self.target = None;
                    self.fired_to = self.fired_to.max(Some(target));
                    self.close(target)?;
                }
            }
        }
        for side in &mut self.sides {
            side.settle(self.now)?;
        }
        Ok(None)
    }

    fn state(&mut self, visit: &mut dyn StateVisitor) -> Result<()> {
        let mut fired_to = self.fired_to.map(EventTime);
        visit.scalars("windows", &mut Watermark(&mut fired_to))?;
        self.fired_to = fired_to.map(|time| time.0);
        for (side, name) in [(LEFT, "left"), (RIGHT, "right")] {
            let mut pieces =
                SideState { side, pieces: &mut self.sides[side], panes: &mut self.panes, key_groups: self.key_groups };
            visit.slot(SlotName { kind: SlotKind::Join, name }, &mut pieces)?;
        }
        Ok(())
    }

    fn holds_results(&self) -> bool {
        self.next_start().is_some()
    }

    fn next_due(&self) -> Option<ProcessingTime> {
        // A window fires when no row of its last millisecond can arrive any more.
        let window = (self.time == WindowTime::Processing).then(|| self.next_start())??;
        Some(ProcessingTime(self.shape.fires_at(window) + 1))
    }

    #[cfg(test)]
    fn kept_rows(&mut self) -> usize {
        self.panes.values().flatten().flatten().map(|note| note.row_count).sum()
    }

    #[cfg(test)]
    fn memory_bytes(&self) -> usize {
        self.sides.iter().map(SidePieces::memory_bytes).sum()
    }
}

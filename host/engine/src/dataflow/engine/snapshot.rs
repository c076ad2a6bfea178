//! The snapshots of one operator on one worker: its state is frozen at a boundary, taken in short slices between batches, and
//! reported.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use serde::{Deserialize, Serialize};

use super::operator::{Operator, Tick};
use crate::dataflow::checkpoint::boundary::Boundary;
use crate::dataflow::checkpoint::link::Link;
use crate::dataflow::checkpoint::reports::{PartOf, Participant, Report, Role, Word};
use crate::dataflow::checkpoint::restored::ENDED;
use crate::dataflow::checkpoint::state::{AnyScalars, Fill, Freeze, Owned, Scalars, SlotName, StateVisitor, Take};
use crate::dataflow::watermark::START_OF_TIME;
use crate::dataflow::window::pre_aggregate;
use flowgate_base::clock;
use flowgate_base::error::Result;
use flowgate_base::id::Worker;
use flowgate_base::time::EventTime;
use flowgate_state::snapshot::Layout;

/// Rows of a part.
const PART_ROWS: usize = 1024;

/// The length of a slice: rows wait for no longer than this and the time of one part.
const SLICE: std::time::Duration = std::time::Duration::from_millis(1);

/// Where the values of the shell are among those of the operator.
const SHELL: &str = "shell";

/// The snapshots of one operator on one worker.
pub(super) struct Snapshots {
    participant: Participant,
    /// The key groups that the worker has of the operator.
    groups: Range<u32>,
    /// `None`: the job takes no checkpoints.
    link: Option<Arc<Link>>,
    taking: Option<Taking>,
}

/// A snapshot that is being taken.
struct Taking {
    boundary: Boundary,
    word: Word,
}

/// From where a shell continues: ticks and watermarks never go back (T1, T7), not across a restart either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Floor {
    /// The watermark that the senders had reached.
    pub(super) merged: EventTime,
    /// The watermark that was forwarded.
    pub(super) forwarded: EventTime,
    /// The tick of the boundary.
    pub(super) tick: Tick,
}

impl Scalars for Floor {
    fn merged(self, other: Self) -> Self {
        Floor {
            merged: self.merged.min(other.merged),
            forwarded: self.forwarded.min(other.forwarded),
            tick: self.tick.max(other.tick),
        }
    }
}

impl Snapshots {
    /// Creates the snapshots of an operator.
    pub(super) fn new(operator: &str, worker: Worker, owned: &Owned, link: Option<Arc<Link>>) -> Self {
        let participant = Participant { operator: operator.to_string(), worker, role: Role::Operator };
        link.iter().for_each(|link| link.join(&participant));
        Snapshots { participant, groups: owned.key_groups(), link, taking: None }
    }

    /// Fills the state of the operator, if the job continues from a checkpoint. Returns from where the shell continues.
    pub(super) fn fill(&self, operator: &mut dyn Operator) -> Result<Floor> {
        let mut floor = Floor { merged: START_OF_TIME, forwarded: START_OF_TIME, tick: Tick::START };
        let Some(link) = &self.link else { return Ok(floor) };
        let of_window = || link.earlier(pre_aggregate::of_window(&self.participant.operator)?);
        if let Some(earlier) = link.earlier(&self.participant.operator).or_else(of_window) {
            let mut fill = Fill { earlier: &*earlier, groups: self.groups.clone() };
            fill.scalars(SHELL, &mut floor)?;
            operator.state(&mut fill)?;
        }
        Ok(Floor { tick: floor.tick.max(link.first_tick()), ..floor })
    }

    /// Freezes the state of the operator. `merged` and `forwarded` are the shell's watermarks.
    pub(super) fn freeze(
        &mut self,
        boundary: Boundary,
        operator: &mut dyn Operator,
        (merged, forwarded): (EventTime, EventTime),
    ) -> Result<()> {
        let Some(link) = &self.link else { return Ok(()) };
        debug_assert!(self.taking.is_none(), "a boundary before the last snapshot has been taken");
        let began = clock::monotonic();
        let mut freeze = Freeze::new(boundary, link.extent(boundary));
        freeze.values.insert(SHELL.into(), Floor { merged, forwarded, tick: boundary.tick }.save()?);
        operator.state(&mut freeze)?;
        self.taking = Some(Taking { boundary, word: Word::Values(freeze.values) });
        link.note_pause(began.elapsed());
        Ok(())
    }

    /// Notes that the job is not idle.
    #[inline]
    pub(super) fn note_activity(&self) {
        self.link.iter().for_each(|link| link.note_activity());
    }

    /// Whether parts of the frozen state are left.
    pub(super) fn is_taking(&self) -> bool {
        self.taking.is_some()
    }

    /// Whether parts have to be staged before more are taken.
    pub(super) fn waits(&self) -> bool {
        self.link.as_ref().is_some_and(|link| !link.has_room())
    }

    /// Takes parts of the frozen state for a short time.
    pub(super) fn take_some(&mut self, operator: &mut dyn Operator) -> Result<()> {
        if self.taking.is_none() || self.waits() {
            return Ok(());
        }
        let began = clock::monotonic();
        let link = self.link.clone();
        let waits = || link.as_ref().is_some_and(|link| !link.has_room());
        self.take(operator, &|| began.elapsed() >= SLICE || waits())?;
        self.link.iter().for_each(|link| link.note_pause(began.elapsed()));
        Ok(())
    }

    /// Takes all parts that are left.
    pub(super) fn take_all(&mut self, operator: &mut dyn Operator) -> Result<()> {
        self.take(operator, &|| false)
    }

    fn take(&mut self, operator: &mut dyn Operator, is_over: &dyn Fn() -> bool) -> Result<()> {
        let (Some(link), Some(_)) = (&self.link, &self.taking) else { return Ok(()) };
        let mut part = |slot: SlotName<'_>, layout: Layout, part: RecordBatch| {
            let slot = PartOf { kind: slot.kind, name: slot.name.to_string(), layout };
            let groups = self.groups.clone();
            link.part_sent(part.get_array_memory_size() as u64);
            link.report(Report::Part { participant: self.participant.clone(), slot, groups, part });
            Ok(())
        };
        let mut take = Take { rows_max: PART_ROWS, part: &mut part, more: false, is_over };
        operator.state(&mut take)?;
        if !take.more
            && let Some(Taking { boundary, word }) = self.taking.take()
        {
            link.report(Report::Done { participant: self.participant.clone(), checkpoint: boundary.checkpoint, word });
        }
        Ok(())
    }

    /// Reports that the operator has ended, with all rows.
    pub(super) fn end(&mut self) {
        if let Some(link) = self.link.take() {
            let values = serde_json::Map::from_iter([(ENDED.to_string(), true.into())]);
            link.report(Report::Ended { participant: self.participant.clone(), word: Word::Values(values) });
        }
    }
}

//! Sources: rows are read at a tick, their event time is assigned, and reading waits while too much is in flight.
//!
//! A source gives rows only at ticks below the frontier of the control stream, so that every change that the control
//! stream carries takes effect between the same two rows everywhere. It gives up its tick when it has nothing to give,
//! and lets time pass only where somebody has something due.
//!
//! Invariant T7: a row's tick, its processing time, is not before the source looked for it; where the control stream has
//! not come so far, as after a pause, the source asks for ticks and looks again. What an operator makes of a row has no
//! earlier tick.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::alignment::Member;
use super::assign::Assigner;
use super::batch::Batch;
use super::dead_letter::DeadLetters;
use super::engine::{Outputs, Ports, SourceSeat, Tick, Wake};
use super::job_state::JobState;
use super::metrics::NodeMetrics;
use super::progress::SplitProgress;
use super::watermark::{Merge, Signal};
use flowgate_base::clock;
use flowgate_base::error::Result;
use flowgate_connect::source::{Poll, SplitReader};

/// How far ahead of the clock the control stream is kept while sources are busy, in milliseconds: the time that a stop
/// takes to reach them.
pub const LEAD_MS: u64 = 50;

const MAIN: usize = 0;
const ERRORS: usize = 1;

/// One split with what belongs to it.
pub struct OpenSplit {
    /// Reads it.
    pub reader: Box<dyn SplitReader>,
    /// Its event time, where the source assigns one.
    pub assigner: Option<Assigner>,
}

/// How much may be in flight on one worker.
#[derive(Debug, Clone, Copy)]
pub struct InFlight {
    /// Bytes of rows.
    pub bytes_max: u64,
    /// Distinct ticks.
    pub ticks_max: usize,
    /// Batches that a source gives before the rest of the dataflow gets its turn.
    pub batches_per_turn: usize,
}

/// What has been given and is still in flight.
pub struct Gate {
    limits: InFlight,
    seat: SourceSeat,
    given: VecDeque<(Tick, u64)>,
    bytes: u64,
}

impl Gate {
    /// Creates the gate of a source, which is open.
    pub fn new(limits: InFlight, seat: SourceSeat) -> Self {
        Gate { limits, seat, given: VecDeque::new(), bytes: 0 }
    }

    fn give(&mut self, tick: Tick, bytes: u64) {
        self.bytes += bytes;
        match self.given.back_mut() {
            Some((last, sum)) if *last == tick => *sum += bytes,
            _ => self.given.push_back((tick, bytes)),
        }
    }

    fn is_open(&mut self) -> bool {
        while let Some((tick, bytes)) = self.given.front().copied()
            && !(self.seat.is_in_flight)(tick)
        {
            self.given.pop_front();
            self.bytes -= bytes;
        }
        let open = self.bytes < self.limits.bytes_max && self.given.len() <= self.limits.ticks_max;
        self.seat.waits.set(!open);
        open
    }
}

/// A source on one worker.
pub struct SourceOperator {
    splits: Vec<Option<OpenSplit>>,
    /// Watermarks of the splits, together.
    time: Merge,
    dead_letters: DeadLetters,
    metrics: Arc<NodeMetrics>,
    progress: SplitProgress,
    gate: Gate,
    /// Its part in watermark alignment, if another source has to stay close to it.
    alignment: Option<Member>,
    job: Arc<JobState>,
    wake: Wake,
    next: usize,
    /// Why it ends before its splits do.
    cut: Option<Cut>,
    /// A wake-up is set for this time.
    wakes_at: Option<i64>,
}

/// Why a source ends before its splits do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// The job was stopped: what operators hold does not come out.
    Stopped,
    /// The job is drained: what operators hold comes out, as at the end of the splits.
    Drained,
}

/// What became of a source's turn.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    /// It may give rows at this tick or later ones.
    Holds(Tick),
    /// It gives nothing any more.
    Done,
}

/// What a look at a source gave.
enum Next {
    /// Rows were given: come again at once.
    More,
    /// Nothing before this time, or before somebody wakes it.
    Wait(Option<i64>),
    /// Too much is in flight, or the source is ahead of others: it is woken when that has changed.
    Shut,
    /// Nothing any more.
    Done,
}

impl SourceOperator {
    /// Over the splits that this worker reads.
    pub fn new(
        splits: Vec<OpenSplit>,
        dead_letters: DeadLetters,
        metrics: Arc<NodeMetrics>,
        gate: Gate,
        alignment: Option<Member>,
        job: Arc<JobState>,
    ) -> Self {
        SourceOperator {
            wake: gate.seat.wake.clone(),
            time: Merge::new(splits.len()),
            progress: SplitProgress::of(&splits, &metrics),
            splits: splits.into_iter().map(Some).collect(),
            dead_letters,
            metrics,
            gate,
            alignment,
            job,
            next: 0,
            cut: None,
            wakes_at: None,
        }
    }

    /// The job was stopped: no further rows, and what operators hold does not come out.
    pub fn stop(&mut self) {
        self.cut.get_or_insert(Cut::Stopped);
    }

    /// The job is drained: no further rows, and what operators hold comes out.
    pub fn drain(&mut self) {
        self.cut.get_or_insert(Cut::Drained);
    }

    /// One batch of the next split that has one.
    fn step(&mut self, tick: Tick, ports: &impl Ports, out: &mut Outputs) -> Result<Next> {
        if self.cut.is_some() || self.splits.iter().all(Option::is_none) {
            return Ok(Next::Done);
        }
        if !self.gate.is_open() || !ports.has_room(out) {
            return Ok(Next::Shut);
        }
        if self.alignment.as_ref().is_some_and(Member::is_ahead) {
            // Its ticks go on with those of others, so that what they give is not held up.
            self.gate.seat.waits.set(true);
            return Ok(Next::Shut);
        }
        let now = tick as i64;
        let mut until: Option<i64> = None;
        let mut sooner = |at: i64| until = Some(until.map_or(at, |u| u.min(at)));
        for _ in 0..self.splits.len() {
            let index = self.next;
            self.next = (self.next + 1) % self.splits.len();
            let Some(split) = &mut self.splits[index] else { continue };
            match split.reader.poll()? {
                Poll::Rows(rows) => {
                    self.progress.note(index, split.reader.progress());
                    self.metrics.rows_in.fetch_add((rows.row_count + rows.failures.len()) as u64, Relaxed);
                    self.metrics.rows_out.fetch_add(rows.row_count as u64, Relaxed);
                    let undecoded = self.dead_letters.undecoded(&rows.origin, &rows.failures);
                    let batch = Batch::new(rows.columns, rows.row_count).with_origin(rows.origin);
                    self.gate.give(tick, (batch.bytes() + undecoded.bytes()) as u64);
                    out.emit(ERRORS, undecoded);
                    match &mut split.assigner {
                        None => out.emit(MAIN, batch),
                        Some(assigner) if batch.row_count() > 0 => {
                            if let Some(signal) = assigner.wake_up(now) {
                                self.time.receive(index, signal).into_iter().for_each(|merged| out.signal(merged));
                            }
                            let (timed, refused) = assigner.assign(batch.clone())?;
                            let signal = assigner.signal();
                            out.emit(MAIN, timed);
                            out.emit(ERRORS, self.dead_letters.of(&batch, refused)?);
                            self.signal(index, signal, out);
                        }
                        Some(_) => {}
                    }
                    let watermark = self.time.merged().known_watermark();
                    self.alignment.iter_mut().for_each(|member| member.advance(watermark));
                    return Ok(Next::More);
                }
                Poll::Pending => {}
                Poll::PendingUntil(at) => sooner(at),
                Poll::End => {
                    self.progress.note_end(index);
                    let ended = self.splits[index].take().and_then(|split| split.assigner);
                    let signal = ended.map_or(Signal::START, |assigner| assigner.signal());
                    self.signal(index, Signal::ended(signal.watermark), out);
                    continue;
                }
            }
            if let Some(assigner) = self.splits[index].as_mut().and_then(|s| s.assigner.as_mut()) {
                let idle = assigner.becomes_idle(now).then(|| assigner.signal());
                assigner.idle_at(now).into_iter().for_each(&mut sooner);
                idle.into_iter().for_each(|signal| self.signal(index, signal, out));
            }
        }
        self.alignment.iter().for_each(Member::pause);
        Ok(if self.splits.iter().all(Option::is_none) { Next::Done } else { Next::Wait(until) })
    }

    fn signal(&mut self, split: usize, signal: Signal, out: &mut Outputs) {
        // The end is told when the source is done.
        if let Some(merged) = self.time.receive(split, signal).filter(|merged| !merged.is_end()) {
            out.signal(merged);
        }
    }

    /// Reads as much as one turn may, and arranges for the next. `granted`: the control stream has passed the ticks before this
    /// one; `held`: the tick that the source holds.
    ///
    /// # Errors
    /// What a reader returns. Rows that were read before that were sent.
    pub fn run(
        &mut self,
        granted: Option<Tick>,
        held: Tick,
        ports: &mut impl Ports,
        out: &mut Outputs,
    ) -> Result<Turn> {
        let mut tick = held;
        let mut next = Ok(Next::More);
        for _ in 0..self.gate.limits.batches_per_turn {
            // T7: the clock is read before the reader is asked.
            let now = (clock::now_ms().max(0) as Tick).max(tick);
            if self.cut.is_none() && granted.is_none_or(|granted| granted <= now) {
                // The control stream has not come so far: when it has, this source is scheduled again.
                self.job.want_ticks(now + LEAD_MS);
                ports.send(out, tick);
                return Ok(Turn::Holds(tick));
            }
            if now > tick {
                ports.send(out, tick);
                tick = now;
            }
            next = self.step(tick, ports, out);
            if !matches!(next, Ok(Next::More)) {
                break;
            }
        }
        // What was read before an error is given all the same.
        ports.send(out, tick);
        if granted.is_some_and(|granted| granted < tick + LEAD_MS / 2) {
            self.job.want_ticks(tick + LEAD_MS);
        }
        match next? {
            Next::More => self.wake.now(),
            Next::Wait(until) => {
                let due = self.job.next_due(tick).map(|due| due as i64);
                if let Some(at) = until.into_iter().chain(due).min() {
                    self.wake_at(at, tick as i64);
                }
                return Ok(Turn::Holds(tick + 1));
            }
            Next::Shut => return Ok(Turn::Holds(tick + 1)),
            Next::Done => {
                if self.cut != Some(Cut::Stopped) {
                    out.signal(Signal::ended(self.time.merged().watermark));
                    ports.send(out, tick);
                }
                return Ok(Turn::Done);
            }
        }
        Ok(Turn::Holds(tick))
    }

    fn wake_at(&mut self, at: i64, now: i64) {
        if self.wakes_at.is_none_or(|earlier| earlier <= now || at < earlier) {
            self.wakes_at = Some(at);
            self.wake.after_ms(at.saturating_sub(now).max(1) as u64);
        }
    }
}

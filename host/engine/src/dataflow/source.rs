//! Sources: read rows at a tick, assign their event times, and wait while too much is in flight.
//!
//! A source emits rows only at ticks below the frontier of the control stream, so that every change on the control stream takes
//! effect between the same two rows on all workers. A source without rows releases its tick, and lets time advance only to ticks that are due.
//!
//! Invariant T7: a row's tick, its processing time, is not before the time at which the source polled for it. If the control stream
//! has not reached that time, as after a pause, the source requests ticks and polls again. A row that an operator makes of another
//! has no earlier tick.
//!
//! Ticks may be ahead of the job's clock, by [`LEAD_MS`] behind a boundary. So sources request ticks, and wait, by the clock: with the tick as
//! measure, each boundary would take ticks further ahead.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::alarm::Alarm;
use super::alignment::Member;
use super::assign::Assigner;
use super::batch::Batch;
use super::checkpoint::boundary::Boundary;
use super::checkpoint::reports::{Participant, Report, Role, TimedSplit, Word};
use super::checkpoint::state::AnyScalars;
use super::dead_letter::DeadLetters;
use super::engine::{Outputs, Ports, SourceSeat, Tick, Wake};
use super::job_state::JobState;
use super::metrics::NodeMetrics;
use super::progress::SplitProgress;
use super::standing::Standing;
use super::watermark::{Merge, START_OF_TIME, Signal};
use flowgate_base::clock;
use flowgate_base::error::Result;
use flowgate_base::id::Worker;
use flowgate_base::time::ProcessingTime;
use flowgate_connect::source::{Poll, Split, SplitReader, SplitState};

/// How far the control stream is ahead of the clock while sources emit rows, in milliseconds: the time that a stop takes to reach
/// them.
pub(crate) const LEAD_MS: u64 = 50;

const MAIN: usize = 0;
const ERRORS: usize = 1;

/// One split that is being read.
pub(crate) struct OpenSplit {
    /// The split.
    pub split: Split,
    /// The reader of the split.
    pub reader: Box<dyn SplitReader>,
    /// The event time of the split, where the source assigns one.
    pub assigner: Option<Assigner>,
}

/// What one worker has of the splits of a source.
pub(crate) struct Share {
    /// The splits that it reads.
    pub splits: Vec<OpenSplit>,
    /// Those that had ended in the checkpoint from which the job continues.
    pub ended: Vec<TimedSplit>,
    /// The worker.
    pub worker: Worker,
}

/// The limits of rows in flight on one worker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InFlight {
    /// The greatest number of bytes of rows.
    pub bytes_max: u64,
    /// The greatest number of distinct ticks.
    pub ticks_max: usize,
    /// The greatest number of batches that a source emits in one turn.
    pub batches_per_turn: usize,
}

/// Counts the rows of a source that are in flight, and closes at the limits.
pub(crate) struct Gate {
    limits: InFlight,
    seat: SourceSeat,
    standing: Arc<Standing>,
    /// Ticks in flight, in order, with the bytes of their rows.
    in_flight: VecDeque<(Tick, u64)>,
    bytes: u64,
}

impl Gate {
    /// Creates the gate of a source, which is open.
    pub(crate) fn new(limits: InFlight, seat: SourceSeat, standing: Arc<Standing>) -> Self {
        Gate { limits, seat, standing, in_flight: VecDeque::new(), bytes: 0 }
    }

    fn note(&mut self, tick: Tick, bytes: u64) {
        self.bytes += bytes;
        match self.in_flight.back_mut() {
            Some((last, sum)) if *last == tick => *sum += bytes,
            _ => self.in_flight.push_back((tick, bytes)),
        }
    }

    fn is_open(&mut self) -> bool {
        while let Some((tick, bytes)) = self.in_flight.front().copied()
            && !(self.seat.is_in_flight)(tick)
        {
            self.in_flight.pop_front();
            self.bytes -= bytes;
        }
        let open = self.bytes < self.limits.bytes_max && self.in_flight.len() <= self.limits.ticks_max;
        self.seat.waits.set(!open);
        open
    }
}

/// A source on one worker.
pub(crate) struct SourceOperator {
    splits: Vec<SplitOf>,
    /// Merges the signals of the splits.
    time: Merge,
    dead_letters: DeadLetters,
    metrics: Arc<NodeMetrics>,
    progress: SplitProgress,
    gate: Gate,
    /// Its membership in an alignment group, if it is aligned with other sources.
    alignment: Option<Member>,
    job: Arc<JobState>,
    wake: Wake,
    /// The split to poll next.
    next: usize,
    /// Rows have this tick or a later one.
    first_tick: Tick,
    /// Whether the signals of the splits from which it continues have been sent.
    has_begun: bool,
    participant: Participant,
    /// Why the source ends before its splits do.
    cut: Option<Cut>,
    alarm: Alarm,
}

/// A split of a source.
enum SplitOf {
    /// It is being read.
    Open(OpenSplit),
    /// All of it has been read.
    Ended(TimedSplit),
}

impl SplitOf {
    fn open(&mut self) -> Option<&mut OpenSplit> {
        match self {
            SplitOf::Open(split) => Some(split),
            SplitOf::Ended(_) => None,
        }
    }

    fn has_ended(&self) -> bool {
        matches!(self, SplitOf::Ended(_))
    }

    /// Returns its state: exactly the rows before its position have been emitted.
    fn state(&self) -> Result<TimedSplit> {
        match self {
            SplitOf::Ended(state) => Ok(state.clone()),
            SplitOf::Open(open) => Ok(TimedSplit {
                state: SplitState {
                    split: open.split.clone(),
                    position: Some(open.reader.position()),
                    has_ended: false,
                },
                event_time: open.assigner.as_ref().map(AnyScalars::save).transpose()?,
            }),
        }
    }
}

/// Why a source ends before its splits do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// The job was stopped: operators drop what they hold.
    Stopped,
    /// The job is drained: operators emit what they hold, as at the end of the splits.
    Drained,
}

/// The outcome of a source's turn.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The source may emit rows at this tick or later ones.
    Holds(Tick),
    /// The source emits no more rows.
    Done,
}

/// The outcome of one step of a source.
enum Next {
    /// It emitted rows, and may have more.
    More,
    /// It has no rows before this time, or before somebody wakes it.
    Wait(Option<ProcessingTime>),
    /// Too much is in flight, or the source is ahead of others: it is woken when that has changed.
    Shut,
    /// It emits no more rows.
    Done,
}

impl SourceOperator {
    /// Creates a source on one worker.
    pub(crate) fn new(
        share: Share,
        dead_letters: DeadLetters,
        metrics: Arc<NodeMetrics>,
        gate: Gate,
        alignment: Option<Member>,
        job: Arc<JobState>,
    ) -> Self {
        let Share { splits, ended, worker } = share;
        let participant = Participant { operator: dead_letters.operator().to_string(), worker, role: Role::Source };
        job.checkpoints.iter().for_each(|link| link.join(&participant));
        let progress = SplitProgress::of(&splits, &metrics);
        let splits: Vec<SplitOf> =
            splits.into_iter().map(SplitOf::Open).chain(ended.into_iter().map(SplitOf::Ended)).collect();
        SourceOperator {
            wake: gate.seat.wake.clone(),
            time: Merge::new(splits.len()),
            progress,
            first_tick: job.checkpoints.as_ref().map_or(Tick::START, |link| link.first_tick()),
            has_begun: false,
            participant,
            splits,
            dead_letters,
            metrics,
            gate,
            alignment,
            job,
            next: 0,
            cut: None,
            alarm: Alarm::default(),
        }
    }

    /// Stops the source: it emits no further rows, and operators drop what they hold.
    pub(crate) fn stop(&mut self) {
        self.cut.get_or_insert(Cut::Stopped);
    }

    /// Drains the source: it emits no further rows, and operators emit what they hold.
    pub(crate) fn drain(&mut self) {
        self.cut.get_or_insert(Cut::Drained);
    }

    /// Takes the boundary of a checkpoint: what has been emitted is before it, and everything else behind it.
    ///
    /// # Errors
    /// An internal error.
    pub(crate) fn boundary(&mut self, boundary: Boundary, out: &mut Outputs) -> Result<()> {
        self.first_tick = self.first_tick.max(boundary.tick);
        let word = Word::Splits(self.splits.iter().map(SplitOf::state).collect::<Result<_>>()?);
        let report = Report::Done { participant: self.participant.clone(), checkpoint: boundary.checkpoint, word };
        self.job.checkpoints.iter().for_each(|link| link.report(report.clone()));
        out.boundary(boundary);
        Ok(())
    }

    /// Sends the signals of the splits from which the source continues.
    fn begin(&mut self, out: &mut Outputs) {
        self.has_begun = true;
        for index in 0..self.splits.len() {
            let signal = match &self.splits[index] {
                SplitOf::Open(OpenSplit { assigner: Some(assigner), .. }) => assigner.signal(),
                SplitOf::Open(_) => continue,
                // Its watermark is that of the operators behind it.
                SplitOf::Ended(_) => Signal::ended(START_OF_TIME),
            };
            if signal != Signal::START {
                self.signal(index, signal, out);
            }
        }
    }

    /// Emits one batch of the next split that has one.
    fn step(&mut self, tick: Tick, ports: &impl Ports, out: &mut Outputs) -> Result<Next> {
        if !self.has_begun {
            self.begin(out);
        }
        if self.cut.is_some() || self.splits.iter().all(SplitOf::has_ended) {
            return Ok(Next::Done);
        }
        let has_room = self.gate.is_open() && ports.has_room(out);
        self.gate.standing.note_room(has_room, true);
        if !has_room {
            return Ok(Next::Shut);
        }
        if self.alignment.as_ref().is_some_and(Member::is_ahead) {
            // Its tick advances with those of other sources, so that it does not delay their rows.
            self.gate.seat.waits.set(true);
            return Ok(Next::Shut);
        }
        let now = tick.processing_time();
        if let Some(pause) = self.job.quotas.pause_of_sources(&self.job, self.dead_letters.operator()) {
            return Ok(Next::Wait(Some(now.plus_ms(pause.as_millis() as i64 + 1))));
        }
        let mut until: Option<ProcessingTime> = None;
        let mut sooner = |at: ProcessingTime| until = Some(until.map_or(at, |u| u.min(at)));
        for _ in 0..self.splits.len() {
            let index = self.next;
            self.next = (self.next + 1) % self.splits.len();
            let Some(split) = self.splits[index].open() else { continue };
            match split.reader.poll()? {
                Poll::Rows(rows) => {
                    self.progress.note(index, split.reader.progress());
                    self.metrics.rows_in.fetch_add((rows.row_count + rows.failures.len()) as u64, Relaxed);
                    self.metrics.rows_out.fetch_add(rows.row_count as u64, Relaxed);
                    let undecoded = self.dead_letters.undecoded(&rows.origin, &rows.failures);
                    let batch = Batch::new(rows.columns, rows.row_count).with_origin(rows.origin);
                    self.gate.note(tick, (batch.bytes() + undecoded.bytes()) as u64);
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
                Poll::PendingUntil(at) => sooner(self.job.clock.of_wall(ProcessingTime(at))),
                Poll::End => {
                    self.progress.note_end(index);
                    let signal = split.assigner.as_ref().map_or(Signal::START, Assigner::signal);
                    let mut state = self.splits[index].state()?;
                    state.state.has_ended = true;
                    self.splits[index] = SplitOf::Ended(state);
                    self.signal(index, Signal::ended(signal.watermark), out);
                    continue;
                }
            }
            if let Some(assigner) = self.splits[index].open().and_then(|split| split.assigner.as_mut()) {
                let idle = assigner.becomes_idle(now).then(|| assigner.signal());
                assigner.idle_at(now).into_iter().for_each(&mut sooner);
                idle.into_iter().for_each(|signal| self.signal(index, signal, out));
            }
        }
        self.alignment.iter().for_each(Member::pause);
        Ok(if self.splits.iter().all(SplitOf::has_ended) { Next::Done } else { Next::Wait(until) })
    }

    fn signal(&mut self, split: usize, signal: Signal, out: &mut Outputs) {
        // The end is sent when the source is done.
        if let Some(merged) = self.time.receive(split, signal).filter(|merged| !merged.is_end()) {
            out.signal(merged);
        }
    }

    /// Takes one turn, and schedules the next. `granted`: the control stream has passed the ticks before this one; `held`: the tick
    /// that the source holds.
    ///
    /// # Errors
    /// The error of a reader. Rows that were read before it are sent.
    pub(crate) fn run(
        &mut self,
        granted: Option<Tick>,
        held: Tick,
        ports: &mut impl Ports,
        out: &mut Outputs,
    ) -> Result<Turn> {
        let begun = clock::monotonic();
        let turn = self.take_turn(granted, held, ports, out);
        self.gate.standing.traffic.note_turn(begun.elapsed(), out.emitted(MAIN));
        turn
    }

    fn take_turn(
        &mut self,
        granted: Option<Tick>,
        held: Tick,
        ports: &mut impl Ports,
        out: &mut Outputs,
    ) -> Result<Turn> {
        let mut tick = held.max(self.first_tick);
        let mut next = Ok(Next::More);
        for _ in 0..self.gate.limits.batches_per_turn {
            // T7: the clock is read before the reader is polled.
            let time = Tick::at(self.job.clock.now());
            let now = time.max(tick);
            if self.cut.is_none() && granted.is_none_or(|granted| granted <= now) {
                // The control stream has not reached `now`: when it has, this source is scheduled again.
                self.job.request_ticks(time.plus_ms(LEAD_MS).max(now.next()));
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
        // Rows that were read before an error are sent.
        ports.send(out, tick);
        let time = self.job.clock.now();
        if granted.is_some_and(|granted| granted < Tick::at(time).plus_ms(LEAD_MS / 2)) {
            self.job.request_ticks(Tick::at(time).plus_ms(LEAD_MS));
        }
        match next? {
            Next::More => self.wake.now(),
            Next::Wait(until) => {
                let due = self.job.next_due(tick).map(Tick::processing_time);
                if let Some(at) = until.into_iter().chain(due).min() {
                    self.wake_at(at, time);
                }
                return Ok(Turn::Holds(tick.next()));
            }
            Next::Shut => return Ok(Turn::Holds(tick.next())),
            Next::Done => {
                if self.cut != Some(Cut::Stopped) {
                    out.signal(Signal::ended(self.time.merged().watermark));
                    ports.send(out, tick);
                    let word = Word::Splits(self.splits.iter().map(SplitOf::state).collect::<Result<_>>()?);
                    let report = Report::Ended { participant: self.participant.clone(), word };
                    self.job.checkpoints.iter().for_each(|link| link.report(report.clone()));
                }
                return Ok(Turn::Done);
            }
        }
        Ok(Turn::Holds(tick))
    }

    fn wake_at(&mut self, at: ProcessingTime, time: ProcessingTime) {
        let delay_ms = at.ms_since(time).max(1) as u64;
        if self.alarm.has_to_be_set(Duration::from_millis(delay_ms), clock::monotonic()) {
            self.wake.after_ms(delay_ms);
        }
    }
}

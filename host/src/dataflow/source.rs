//! Sources: rows are read at a tick, their event time is assigned, and reading waits while too much is under way.
//!
//! A source gives rows only at ticks below the frontier of the control stream, so that every change that the control
//! stream carries takes effect between the same two rows everywhere. It gives up its tick when it has nothing to give,
//! and lets time pass only where somebody has something due.

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{ProbeHandle, Scope};

use super::assign::Assigner;
use super::batch::Batch;
use super::dead_letter::DeadLetters;
use super::engine::{Edge, Outputs, Ports, Route, Tick, Wake, pull, settle};
use super::job_state::JobState;
use super::message::{Control, Message, Messages};
use super::metrics::NodeMetrics;
use super::pace::Runner;
use super::progress::SplitProgress;
use super::watermark::{Merge, Signal};
use crate::clock;
use crate::connector::source::{Poll, SplitReader};
use crate::error::Result;

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

/// How much may be under way on one worker.
#[derive(Debug, Clone, Copy)]
pub struct InFlight {
    /// Bytes of rows.
    pub bytes_max: u64,
    /// Distinct ticks.
    pub ticks_max: usize,
    /// Batches that a source gives before the rest of the dataflow gets its turn.
    pub batches_at_once: usize,
}

/// What has been given and is still under way.
pub struct Gate {
    limits: InFlight,
    probe: ProbeHandle<Tick>,
    given: VecDeque<(Tick, u64)>,
    bytes: u64,
    /// Told to the worker's loop: wake this source when the probe moves.
    waits: Rc<Cell<bool>>,
}

impl Gate {
    /// Open; `waits` is set while it is shut.
    pub fn new(limits: InFlight, probe: ProbeHandle<Tick>, waits: Rc<Cell<bool>>) -> Self {
        Gate { limits, probe, given: VecDeque::new(), bytes: 0, waits }
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
            && !self.probe.less_equal(&tick)
        {
            self.given.pop_front();
            self.bytes -= bytes;
        }
        let open = self.bytes < self.limits.bytes_max && self.given.len() <= self.limits.ticks_max;
        self.waits.set(!open);
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
    /// Where it meets others.
    pace: Option<Runner>,
    /// What it has told last.
    watermark: Option<i64>,
    job: Arc<JobState>,
    wake: Wake,
    next: usize,
    stopped: bool,
    /// A wake-up is under way for this time.
    wakes_at: Option<i64>,
}

/// What a look at a source gave.
enum Next {
    /// Rows were given: come again at once.
    More,
    /// Nothing before this time, or before somebody wakes it.
    Wait(Option<i64>),
    /// Too much is under way, or the source is ahead of others: it is woken when that has changed.
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
        pace: Option<Runner>,
        job: Arc<JobState>,
        wake: Wake,
    ) -> Self {
        SourceOperator {
            time: Merge::new(splits.len()),
            progress: SplitProgress::of(&splits, &metrics),
            splits: splits.into_iter().map(Some).collect(),
            dead_letters,
            metrics,
            gate,
            pace,
            watermark: None,
            job,
            wake,
            next: 0,
            stopped: false,
            wakes_at: None,
        }
    }

    /// One batch of the next split that has one.
    fn step(&mut self, tick: Tick, out: &mut Outputs) -> Result<Next> {
        if self.stopped || self.splits.iter().all(Option::is_none) {
            return Ok(Next::Done);
        }
        if !self.gate.is_open() {
            return Ok(Next::Shut);
        }
        if self.pace.as_ref().is_some_and(Runner::is_ahead) {
            // Its ticks go on with those of others, so that what they give is not held up.
            self.gate.waits.set(true);
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
                    out.give(ERRORS, undecoded);
                    match &mut split.assigner {
                        None => out.give(MAIN, batch),
                        Some(assigner) if batch.row_count() > 0 => {
                            let (timed, signal, without) = assigner.assign(batch.clone(), now)?;
                            out.give(MAIN, timed);
                            let failures = without.into_iter().map(|row| (row, "no event time".to_string())).collect();
                            out.give(ERRORS, self.dead_letters.of(&batch, failures)?);
                            signal.into_iter().for_each(|s| self.signal(index, s, out));
                        }
                        Some(_) => {}
                    }
                    let watermark = self.watermark;
                    self.pace.iter_mut().for_each(|pace| pace.moved(watermark));
                    return Ok(Next::More);
                }
                Poll::Pending => {}
                Poll::PendingUntil(at) => sooner(at),
                Poll::End => {
                    self.progress.note_end(index);
                    self.splits[index] = None;
                    self.signal(index, Signal::End, out);
                    continue;
                }
            }
            if let Some(assigner) = self.splits[index].as_mut().and_then(|s| s.assigner.as_mut()) {
                let idle = assigner.check_idle(now);
                assigner.idle_at(now).into_iter().for_each(&mut sooner);
                idle.into_iter().for_each(|s| self.signal(index, s, out));
            }
        }
        self.pace.iter().for_each(Runner::rests);
        Ok(if self.splits.iter().all(Option::is_none) { Next::Done } else { Next::Wait(until) })
    }

    fn signal(&mut self, split: usize, signal: Signal, out: &mut Outputs) {
        let mut told = self.time.receive(split, signal);
        while let Some(signal) = told {
            // `End` is told when the source is done.
            if signal != Signal::End {
                out.pass_on(signal);
            }
            if let Signal::Watermark(watermark) = signal {
                self.watermark = Some(watermark);
            }
            told = self.time.further();
        }
    }

    /// Reads as much as one scheduling may, and arranges for the next. Gives whether the source is done.
    fn run(&mut self, granted: Option<Tick>, ports: &mut Ports, out: &mut Outputs) -> Result<bool> {
        let held = ports.tick().unwrap_or_default();
        let now = clock::now_ms().max(0) as Tick;
        let Some(granted) = granted.filter(|granted| *granted > held) else {
            // The control stream has not come so far: when it has, this source is scheduled again.
            self.job.want_ticks(now.max(held) + LEAD_MS);
            return Ok(self.stopped);
        };
        if granted < now + LEAD_MS / 2 {
            self.job.want_ticks(now + LEAD_MS);
        }
        let tick = now.min(granted - 1).max(held);
        ports.advance(tick);
        let mut next = Ok(Next::More);
        for _ in 0..self.gate.limits.batches_at_once {
            next = self.step(tick, out);
            if !matches!(next, Ok(Next::More)) {
                break;
            }
        }
        // What was read before an error is given all the same.
        ports.send(out, tick);
        match next? {
            Next::More => self.wake.now(),
            Next::Wait(until) => {
                ports.advance(tick + 1);
                let due = self.job.next_due(tick).map(|due| due as i64);
                if let Some(at) = until.into_iter().chain(due).min() {
                    self.wake_at(at, now as i64);
                }
            }
            Next::Shut => ports.advance(tick + 1),
            Next::Done => {
                if !self.stopped {
                    out.pass_on(Signal::End);
                    ports.send(out, tick);
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn wake_at(&mut self, at: i64, now: i64) {
        if self.wakes_at.is_none_or(|earlier| earlier <= now || at < earlier) {
            self.wakes_at = Some(at);
            self.wake.after_ms(at.saturating_sub(now).max(1) as u64);
        }
    }
}

/// Puts a source into the dataflow. Gives its main output and its dead letters.
pub fn add<'scope>(
    scope: &Scope<'scope, Tick>,
    name: &str,
    control: Edge<'scope>,
    job: &Arc<JobState>,
    make: impl FnOnce(Wake) -> Result<SourceOperator>,
) -> Result<Vec<Edge<'scope>>> {
    let mut builder = OperatorBuilder::new(name.to_string(), *scope);
    let mut pull = pull(&mut builder, control, Route::Addressed, 0);
    let mut outputs = Vec::new();
    let mut streams = Vec::new();
    for _ in [MAIN, ERRORS] {
        // The outputs' time is the source's own, not that of the control stream.
        let (output, stream) = builder.new_output_connection::<Messages, _>(Vec::new());
        outputs.push(OutputBuilder::from(output));
        streams.push(stream);
    }
    let wake = Wake::new(scope, &builder.operator_info().address);
    job.register_source(wake.from_any_thread());
    let mut source = match make(wake.clone()) {
        Ok(source) => source,
        Err(error) => {
            // The engine panics where an operator is left half made.
            builder.build(|_| |_| {});
            return Err(error);
        }
    };
    let mut out = Outputs::new(outputs.len(), scope.index());
    let (job, name) = (Arc::clone(job), name.to_string());
    wake.now();
    builder.build(move |capabilities| {
        let mut ports = Some(Ports::new(outputs, capabilities));
        move |frontiers| {
            let mut arrived = Vec::new();
            pull(&mut arrived);
            let stop = |messages: &Messages| {
                messages.0.iter().any(|(_, message)| matches!(message, Message::Control(Control::Stop)))
            };
            source.stopped |= arrived.iter().any(|(_, _, messages)| stop(messages));
            let Some(open) = ports.as_mut() else { return };
            if job.is_over() {
                ports = None;
                return;
            }
            let granted = frontiers[0].frontier().first().copied();
            match settle(catch_unwind(AssertUnwindSafe(|| source.run(granted, open, &mut out)))) {
                Ok(false) => {}
                Ok(true) => ports = None,
                Err(error) => {
                    job.fail_after_rows(error.within(format_args!("`{name}`")));
                    ports = None;
                }
            }
        }
    });
    Ok(streams)
}

//! The shell that wraps every operator. Pure: it receives the messages that have arrived, and returns messages to send.
//!
//! The shell's obligations, so that operators need not meet them:
//! - it merges the signals of all senders of all inputs (T1, T2), and forwards the signal that the operator promises, after the
//!   rows that the operator emitted for it;
//! - it ends the operator when all of its senders have ended (T5), or when the job was stopped;
//! - it sends a message at the tick of its cause or later (T7);
//! - it aligns boundaries (C1 to C3): flush, freeze the state, send the boundary, and only then what is behind it, and ticks;
//! - behind the boundary of a swap, it lets the operator take new functions before anything else reaches it (V1), and waits until the
//!   shells of the other workers can do so too (V2);
//! - it returns when its [`Turn`] is over, so that the other operators of its worker take their turns, and boundaries and ticks pass;
//! - messages that arrive after the operator has yielded, or while its outputs are full, wait in their order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::load::Ticket;
use super::operator::{Operator, Route, Tick};
use super::outputs::Outputs;
use super::snapshot::Snapshots;
use crate::dataflow::checkpoint::boundary::{Boundary, Cut};
use crate::dataflow::checkpoint::state::Owned;
use crate::dataflow::job_state::JobState;
use crate::dataflow::message::{Envelope, Message, Messages};
use crate::dataflow::standing::{Holder, Standing};
use crate::dataflow::swap::ballot::{Seat as SwapSeat, Verdict};
use crate::dataflow::swap::desk::Swap;
use crate::dataflow::swap::fresh::{Fresh, Tried};
use crate::dataflow::turn::Turn;
use crate::dataflow::watermark::{Merge, Signal};
use flowgate_base::clock;
use flowgate_base::error::{Fault, Result};
use flowgate_base::id::Worker;
use flowgate_connect::source::Waker;

/// Position of the main output.
const MAIN: usize = 0;

/// Messages by input, with their tick.
pub(in crate::dataflow) type Arrived = Vec<(usize, Tick, Messages)>;

/// The outputs of a shell in the engine.
pub(crate) trait Ports {
    /// Sends the emitted messages at this tick.
    fn send(&mut self, out: &mut Outputs, tick: Tick);

    /// Whether the operator may emit more, in addition to `out`, which is not sent yet. If not, it is woken when there is room.
    fn has_room(&self, out: &Outputs) -> bool;
}

/// The condition on which a shell runs again.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::dataflow) enum Next {
    /// Never: the operator is done.
    Done,
    /// When a message arrives. No row will be sent before this tick.
    Wait(Tick),
    /// Soon: the operator has yielded.
    Again,
    /// After this number of milliseconds, or when a message arrives: the operator has yielded, and rests.
    Later(u64),
    /// When it is woken: there is no room for more output.
    Full,
}

/// Messages of one input and tick that the operator has still to receive.
struct Waiting {
    input: usize,
    tick: Tick,
    messages: std::vec::IntoIter<Envelope>,
}

/// An operator in its shell, on one worker.
pub(in crate::dataflow) struct Shell {
    operator: Box<dyn Operator>,
    name: String,
    job: Arc<JobState>,
    worker: Worker,
    /// The number of the first sender of each input, and whether it is the only one.
    inputs: Vec<(usize, bool)>,
    /// The senders of all inputs.
    time: Merge,
    /// The signal that was forwarded last.
    forwarded: Signal,
    out: Outputs,
    /// The tick of the last call of the operator.
    at: Tick,
    /// The tick that the operator received last.
    ticked: Tick,
    ended: Option<End>,
    /// Messages that have arrived and that the operator has not received.
    backlog: VecDeque<Waiting>,
    cut: Cut,
    /// Messages that are behind the boundary.
    kept_back: VecDeque<Waiting>,
    snapshots: Snapshots,
    /// Its seat in votes about swaps.
    swap_seat: SwapSeat,
    /// New functions that the operator is to take before it receives anything.
    changing: Option<Changing>,
    /// What observers see.
    standing: Arc<Standing>,
}

/// The swap of an operator's functions, on one worker.
struct Changing {
    swap: Arc<Swap>,
    fresh: Fresh,
    /// When the boundary was complete.
    since: Instant,
    has_voted: bool,
}

/// How an operator has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// All rows have arrived.
    Complete,
    /// The job was stopped.
    Stopped,
}

impl Shell {
    /// Creates the shell of an operator, with its name in messages. `routes` are those of its inputs. If the job continues from a
    /// checkpoint, the operator's state is filled.
    ///
    /// # Errors
    /// The state of the checkpoint cannot be read.
    pub(in crate::dataflow) fn new(
        mut operator: Box<dyn Operator>,
        name: &str,
        routes: &[Route],
        out: Outputs,
        seat: Seat<'_>,
        owned: &Owned,
    ) -> Result<Self> {
        let (mut inputs, mut senders) = (Vec::new(), 0);
        for route in routes {
            inputs.push((senders, *route == Route::Local));
            senders += if *route == Route::Local { 1 } else { seat.workers };
        }
        let snapshots = Snapshots::new(name, seat.worker, owned, seat.job.checkpoints.clone());
        let floor = snapshots.fill(&mut *operator)?;
        let swap_seat = (name.to_string(), seat.worker);
        seat.job.swaps.join(&swap_seat);
        Ok(Shell {
            operator,
            name: name.to_string(),
            job: Arc::clone(seat.job),
            worker: seat.worker,
            inputs,
            time: Merge::new(senders).not_before(floor.merged),
            forwarded: Signal::active(floor.forwarded),
            out,
            at: floor.tick,
            ticked: floor.tick,
            ended: None,
            backlog: VecDeque::new(),
            cut: Cut::new(senders),
            kept_back: VecDeque::new(),
            snapshots,
            swap_seat,
            changing: None,
            standing: seat.job.metrics.standing(name, seat.worker),
        })
    }

    /// Sets what wakes it from any thread.
    pub(in crate::dataflow) fn wakes_with(&self, waker: Waker) {
        self.job.swaps.wakes(&self.swap_seat, waker);
    }

    /// Whether parts of a snapshot are left to take: the shell runs again soon.
    pub(in crate::dataflow) fn is_taking(&self) -> bool {
        self.snapshots.is_taking()
    }

    /// Whether parts that were taken have to be staged first.
    pub(in crate::dataflow) fn waits_for_staging(&self) -> bool {
        self.snapshots.waits()
    }

    /// The operator's name.
    pub(in crate::dataflow) fn name(&self) -> &str {
        &self.name
    }

    /// Processes the messages that have arrived. `frontier`: no message with an earlier tick will arrive; `None`: none will arrive.
    pub(in crate::dataflow) fn run(
        &mut self,
        arrived: Arrived,
        frontier: Option<Tick>,
        ports: &mut impl Ports,
    ) -> Result<Next> {
        let turn = Turn::begin();
        let next = self.take_turn(turn, arrived, frontier, ports);
        self.standing.traffic.note_turn(turn.so_far(), self.out.emitted(MAIN));
        next
    }

    fn take_turn(
        &mut self,
        turn: Turn,
        arrived: Arrived,
        frontier: Option<Tick>,
        ports: &mut impl Ports,
    ) -> Result<Next> {
        let waiting = |(input, tick, messages): (usize, Tick, Messages)| {
            let messages = messages.0.into_iter();
            Waiting { input, tick, messages }
        };
        self.backlog.extend(arrived.into_iter().map(waiting));
        if !self.change()? {
            return Ok(self.until_changed());
        }
        if self.operator.has_yielded() {
            if !self.has_room(ports) {
                return Ok(Next::Full);
            }
            self.operator.resume(&mut self.out)?;
            self.forward_signal();
            ports.send(&mut self.out, self.at);
        }
        let mut has_received = false;
        while !self.operator.has_yielded() {
            if let Some(boundary) = self.cut.complete() {
                self.pass(boundary, ports)?;
                if !self.change()? {
                    return Ok(self.until_changed());
                }
            }
            let Some(waiting) = self.backlog.front_mut() else {
                // Without a further message, nobody sends the boundary any more: a source has failed.
                if frontier.is_none() && self.cut.abandon() {
                    self.backlog = std::mem::take(&mut self.kept_back);
                    continue;
                }
                break;
            };
            let (input, tick) = (waiting.input, waiting.tick);
            if waiting.messages.len() == 0 {
                self.backlog.pop_front();
                ports.send(&mut self.out, self.at);
                continue;
            }
            if !self.has_room(ports) {
                ports.send(&mut self.out, self.at);
                return Ok(Next::Full);
            }
            if has_received && turn.is_over() {
                ports.send(&mut self.out, self.at);
                self.snapshots.take_some(&mut *self.operator)?;
                return Ok(Next::Again);
            }
            has_received = true;
            let Some(envelope) = self.backlog.front_mut().and_then(|waiting| waiting.messages.next()) else { continue };
            let sender = self.sender(input, &envelope);
            if self.cut.keeps_back(sender) {
                self.kept_back.push_back(Waiting { input, tick, messages: vec![envelope].into_iter() });
                continue;
            }
            self.at = self.at.max(tick);
            self.message((input, sender), envelope)?;
        }
        if !self.operator.has_yielded() {
            self.operator.flush(&mut self.out)?;
            self.forward_signal();
            ports.send(&mut self.out, self.at);
            self.advance_tick(frontier)?;
        }
        ports.send(&mut self.out, self.at);
        self.snapshots.take_some(&mut *self.operator)?;
        if self.operator.has_yielded() {
            return Ok(self.operator.rests_ms().map_or(Next::Again, Next::Later));
        }
        let next = match (self.operator.in_flight()?, frontier, self.ended) {
            (None, _, Some(_)) => Next::Done,
            (Some(tick), None, _) | (None, Some(tick), None) => Next::Wait(tick),
            (Some(in_flight), Some(tick), _) => Next::Wait(tick.min(in_flight)),
            (None, None, None) => Next::Done,
        };
        if self.ended == Some(End::Complete) {
            self.snapshots.take_all(&mut *self.operator)?;
            self.snapshots.end();
        } else if next == Next::Done {
            self.snapshots.take_all(&mut *self.operator)?;
        }
        Ok(next)
    }

    /// Returns the number of the sender of a message.
    fn sender(&self, input: usize, envelope: &Envelope) -> usize {
        let (first, is_only) = self.inputs[input];
        if is_only { first } else { first + envelope.from.index() }
    }

    /// Passes a boundary: the operator has received all rows before it, and none behind it.
    fn pass(&mut self, boundary: Boundary, ports: &mut impl Ports) -> Result<()> {
        let since = clock::monotonic();
        self.operator.flush(&mut self.out)?;
        debug_assert!(!self.operator.has_yielded(), "C3: `{}` yields while it flushes", self.name);
        self.forward_signal();
        let floor = (self.time.merged().watermark, self.forwarded.watermark);
        self.snapshots.freeze(boundary, &mut *self.operator, floor)?;
        self.out.boundary(boundary);
        ports.send(&mut self.out, self.at);
        let mut kept_back = std::mem::take(&mut self.kept_back);
        kept_back.append(&mut self.backlog);
        self.backlog = kept_back;
        if let Some((swap, fresh)) = self.job.swaps.at(boundary.checkpoint, &self.swap_seat) {
            self.changing = Some(Changing { swap, fresh, since, has_voted: false });
        }
        Ok(())
    }

    /// Continues the swap of the operator's functions, if there is one. Returns whether the operator may receive something.
    fn change(&mut self) -> Result<bool> {
        let Some(changing) = &mut self.changing else { return Ok(true) };
        if !changing.has_voted && changing.swap.tries() {
            // The state is read for the swap as for a snapshot, and one of both is taken at a time.
            self.snapshots.take_some(&mut *self.operator)?;
            if self.snapshots.is_taking() {
                return Ok(false);
            }
            match self.operator.try_swap(&mut changing.fresh) {
                Ok(Tried::More) => return Ok(false),
                Ok(Tried::Ready(migrated)) => changing.swap.ready(&self.swap_seat, migrated),
                Ok(Tried::Refused(reason)) => changing.swap.refuse(&self.swap_seat, reason),
                Err(error) if error.fault() == Fault::User => changing.swap.refuse(&self.swap_seat, error.message),
                Err(error) => return Err(error),
            }
        }
        changing.has_voted = true;
        let Some(verdict) = changing.swap.verdict() else { return Ok(false) };
        let Some(Changing { swap, fresh, since, .. }) = self.changing.take() else { return Ok(true) };
        if verdict == Verdict::Take {
            self.operator.swap(fresh)?;
            swap.taken(&self.swap_seat, since.elapsed());
        }
        self.job.swaps.conclude(&swap);
        Ok(true)
    }

    /// Returns when the shell of an operator whose functions are being swapped runs again.
    fn until_changed(&self) -> Next {
        let tries = self.changing.as_ref().is_some_and(|changing| !changing.has_voted);
        // The last vote wakes it, and so does room for its snapshot.
        if tries && !self.snapshots.waits() { Next::Again } else { Next::Full }
    }

    fn has_room(&mut self, ports: &impl Ports) -> bool {
        // Both are called, so that both will wake the operator.
        let (outputs, operator) = (ports.has_room(&self.out), self.operator.has_room());
        self.standing.note_room(outputs, operator);
        outputs && operator
    }

    /// Advances the tick, after the rows.
    fn advance_tick(&mut self, frontier: Option<Tick>) -> Result<()> {
        match frontier {
            _ if self.ended.is_some() => return Ok(()),
            Some(tick) if tick > self.ticked => {
                (self.ticked, self.at) = (tick, tick.max(self.at));
                self.operator.tick(tick, &mut self.out)?;
                if self.operator.has_yielded() || !self.out.is_empty() {
                    self.snapshots.note_activity();
                }
            }
            Some(_) => return Ok(()),
            None => self.end(End::Stopped)?,
        }
        self.forward_signal();
        Ok(())
    }

    fn end(&mut self, end: End) -> Result<()> {
        self.ended = Some(end);
        self.job.swaps.leave(&self.swap_seat);
        self.operator.end(end == End::Complete, self.at, &mut self.out)
    }

    fn message(&mut self, (input, sender): (usize, usize), envelope: Envelope) -> Result<()> {
        let Envelope { message, ticket, .. } = envelope;
        match message {
            Message::Batch(batch) => {
                self.snapshots.note_activity();
                let bytes = ticket.as_ref().map_or_else(|| batch.bytes() as u64, Ticket::bytes);
                self.standing.traffic.note_in(bytes);
                self.operator.batch(input, batch, self.at, &mut self.out)?;
            }
            Message::Signal(signal) => {
                self.snapshots.note_activity();
                if signal.is_end() {
                    self.cut.end(sender);
                }
                match self.time.receive(sender, signal) {
                    Some(merged) if merged.is_end() => self.end(End::Complete)?,
                    Some(merged) => self.operator.signal(merged, &mut self.out)?,
                    None => {}
                }
                self.note_time();
            }
            Message::Boundary(boundary) => self.cut.receive(sender, boundary),
            // Control messages concern sources alone.
            Message::Control(_) => {}
        }
        // The operator has taken the batch, or dropped it.
        drop(ticket);
        self.forward_signal();
        Ok(())
    }

    /// Forwards the signal that holds now, if it has changed.
    fn forward_signal(&mut self) {
        if self.operator.has_yielded() || self.forwarded.is_end() {
            return;
        }
        let signal = match self.ended {
            Some(End::Stopped) => return,
            // The operator gave rows up: downstream operators must not assume that they have received all rows.
            Some(End::Complete) if self.job.failure().is_some() => return,
            Some(End::Complete) => Signal::ended(self.forwarded.watermark),
            None => self.operator.promise(self.time.merged()),
        };
        let signal = Signal { watermark: signal.watermark.max(self.forwarded.watermark), ..signal };
        if signal != self.forwarded {
            self.forwarded = signal;
            self.out.signal(signal);
        }
    }

    /// Lets observers see the time, and which sender holds it back.
    fn note_time(&mut self) {
        let held_by = self.time.holder().and_then(|sender| {
            let input = self.inputs.iter().rposition(|(first, _)| *first <= sender)?;
            let (first, is_local) = self.inputs[input];
            let worker = if is_local { self.worker } else { Worker((sender - first) as u32) };
            Some(Holder { input, worker })
        });
        self.standing.note_time(self.time.merged(), held_by, self.at.processing_time());
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.job.swaps.leave(&self.swap_seat);
    }
}

/// The job and the worker of a shell.
#[derive(Clone, Copy)]
pub(in crate::dataflow) struct Seat<'a> {
    /// The job.
    pub(in crate::dataflow) job: &'a Arc<JobState>,
    /// The worker.
    pub(in crate::dataflow) worker: Worker,
    /// The number of workers.
    pub(in crate::dataflow) workers: usize,
}

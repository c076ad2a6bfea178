//! The shell that wraps every operator. Pure: it receives the messages that have arrived, and returns messages to send.
//!
//! The shell's obligations, so that operators need not meet them:
//! - it merges the signals of all senders of all inputs (T1, T2), and forwards the signal that the operator promises, after the
//!   rows that the operator emitted for it;
//! - it ends the operator when all of its senders have ended (T5), or when the job was stopped;
//! - it sends a message at the tick of its cause or later (T7);
//! - messages that arrive after the operator has yielded, or while its outputs are full, wait in their order.

use std::collections::VecDeque;
use std::sync::Arc;

use super::operator::{Operator, Route, Tick};
use super::outputs::Outputs;
use crate::dataflow::job_state::JobState;
use crate::dataflow::message::{Envelope, Message, Messages};
use crate::dataflow::standing::{Holder, Standing};
use crate::dataflow::watermark::{Merge, Signal};
use flowgate_base::error::Result;
use flowgate_base::id::Worker;

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
    /// What observers see.
    standing: Arc<Standing>,
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
    /// Creates the shell of an operator, with its name in messages. `routes` are those of its inputs.
    pub(in crate::dataflow) fn new(
        operator: Box<dyn Operator>,
        name: &str,
        routes: &[Route],
        out: Outputs,
        seat: Seat<'_>,
    ) -> Self {
        let (mut inputs, mut senders) = (Vec::new(), 0);
        for route in routes {
            inputs.push((senders, *route == Route::Local));
            senders += if *route == Route::Local { 1 } else { seat.workers };
        }
        Shell {
            operator,
            name: name.to_string(),
            job: Arc::clone(seat.job),
            worker: seat.worker,
            inputs,
            time: Merge::new(senders),
            forwarded: Signal::START,
            out,
            at: Tick::START,
            ticked: Tick::START,
            ended: None,
            backlog: VecDeque::new(),
            standing: seat.job.metrics.standing(name, seat.worker),
        }
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
        let waiting = |(input, tick, messages): (usize, Tick, Messages)| {
            let messages = messages.0.into_iter();
            Waiting { input, tick, messages }
        };
        self.backlog.extend(arrived.into_iter().map(waiting));
        if self.operator.has_yielded() {
            if !self.has_room(ports) {
                return Ok(Next::Full);
            }
            self.operator.resume(&mut self.out)?;
            self.forward_signal();
            ports.send(&mut self.out, self.at);
        }
        while !self.operator.has_yielded()
            && let Some(waiting) = self.backlog.front_mut()
        {
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
            if let Some(envelope) = self.backlog.front_mut().and_then(|waiting| waiting.messages.next()) {
                self.at = self.at.max(tick);
                self.message(input, envelope)?;
            }
        }
        if !self.operator.has_yielded() {
            self.operator.flush(&mut self.out)?;
            self.forward_signal();
            ports.send(&mut self.out, self.at);
            self.advance_tick(frontier)?;
        }
        ports.send(&mut self.out, self.at);
        if self.operator.has_yielded() {
            return Ok(Next::Again);
        }
        Ok(match (self.operator.in_flight()?, frontier, self.ended) {
            (None, _, Some(_)) => Next::Done,
            (Some(tick), None, _) | (None, Some(tick), None) => Next::Wait(tick),
            (Some(in_flight), Some(tick), _) => Next::Wait(tick.min(in_flight)),
            (None, None, None) => Next::Done,
        })
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
            }
            Some(_) => return Ok(()),
            None => self.end(End::Stopped)?,
        }
        self.forward_signal();
        Ok(())
    }

    fn end(&mut self, end: End) -> Result<()> {
        self.ended = Some(end);
        self.operator.end(end == End::Complete, self.at, &mut self.out)
    }

    fn message(&mut self, input: usize, envelope: Envelope) -> Result<()> {
        let Envelope { message, ticket, .. } = envelope;
        match message {
            Message::Batch(batch) => self.operator.batch(input, batch, self.at, &mut self.out)?,
            Message::Signal { from, signal } => {
                let (first, is_only) = self.inputs[input];
                let from = if is_only { first } else { first + from.index() };
                match self.time.receive(from, signal) {
                    Some(merged) if merged.is_end() => self.end(End::Complete)?,
                    Some(merged) => self.operator.signal(merged, &mut self.out)?,
                    None => {}
                }
                self.note_time();
            }
            // Boundaries concern sources alone so far.
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

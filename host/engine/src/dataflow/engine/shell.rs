//! What every operator is in. Pure: it is given what has arrived and says what to send.
//!
//! Obligations that the shell takes from operators:
//! - it merges the signals of all senders of all inputs (T1, T2) and passes on what the operator promises, behind the rows
//!   that a signal has brought about;
//! - it ends the operator when all of its senders have ended (T5), or when the job was stopped;
//! - what it sends is never at a tick before that of the message that has brought it about (T7);
//! - what arrives while the operator is busy, or while its receivers are behind, waits in its order.

use std::collections::VecDeque;
use std::sync::Arc;

use super::operator::{Operator, Route, Tick};
use super::outputs::Outputs;
use crate::dataflow::job_state::JobState;
use crate::dataflow::message::{Envelope, Message, Messages};
use crate::dataflow::watermark::{Merge, Signal};
use flowgate_base::error::Result;

/// Messages by input, with their tick.
pub(in crate::dataflow) type Arrived = Vec<(usize, Tick, Messages)>;

/// Where a shell sends.
pub trait Ports {
    /// Sends what was given, at this tick.
    fn send(&mut self, out: &mut Outputs, tick: Tick);

    /// Whether more may be given to the outputs, which have not sent this yet. If not, the operator is woken when there is room.
    fn has_room(&self, out: &Outputs) -> bool;
}

/// What a shell needs next.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::dataflow) enum Next {
    /// Nothing: the operator is done for good.
    Done,
    /// Something to arrive. No row will be sent before this tick.
    Wait(Tick),
    /// To run again soon: the operator has more to give.
    Again,
    /// To run again when it is woken: there is no room for more.
    Full,
}

/// Messages of one input and tick that are still to be taken.
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
    worker: usize,
    /// The number of the first sender of each input, and whether it is the only one.
    inputs: Vec<(usize, bool)>,
    /// The senders of all inputs.
    time: Merge,
    /// What was passed on last.
    told: Signal,
    out: Outputs,
    /// The tick of what the operator was called for last.
    at: Tick,
    /// The tick that the operator knows to have come.
    ticked: Tick,
    ended: Option<End>,
    /// What has arrived and was not taken.
    backlog: VecDeque<Waiting>,
    /// Who held the watermark back when it was last looked at: an input, and a worker that sends on it.
    held_by: Option<(usize, usize)>,
}

/// How an operator has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// All that was to come has come.
    Complete,
    /// The job was stopped.
    Stopped,
}

impl Shell {
    /// Puts an operator, named for messages, into its shell. `routes` are those of its inputs.
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
            told: Signal::START,
            out,
            at: 0,
            ticked: 0,
            ended: None,
            backlog: VecDeque::new(),
            held_by: None,
        }
    }

    /// The operator's name.
    pub(in crate::dataflow) fn name(&self) -> &str {
        &self.name
    }

    /// Does what has arrived brings about. `frontier`: no message will arrive with a tick before this one; `None`: none will.
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
            self.move_time_on(frontier)?;
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
        // Both are asked, so that both will wake the operator.
        let (outputs, operator) = (ports.has_room(&self.out), self.operator.has_room());
        outputs && operator
    }

    /// Time moves on behind the rows.
    fn move_time_on(&mut self, frontier: Option<Tick>) -> Result<()> {
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
                let from = if is_only { first } else { first + from as usize };
                match self.time.receive(from, signal) {
                    Some(merged) if merged.is_end() => self.end(End::Complete)?,
                    Some(merged) => self.operator.signal(merged, &mut self.out)?,
                    None => {}
                }
                self.note_holder();
            }
            // Boundaries concern sources alone so far.
            Message::Control(_) => {}
        }
        // The batch is in the operator's hands, or let go of.
        drop(ticket);
        self.forward_signal();
        Ok(())
    }

    /// Passes on what holds now, if that has changed.
    fn forward_signal(&mut self) {
        if self.operator.has_yielded() || self.told.is_end() {
            return;
        }
        let signal = match self.ended {
            Some(End::Stopped) => return,
            // Rows are missing that the operator gave up: those behind it are not to take theirs for all.
            Some(End::Complete) if self.job.failure().is_some() => return,
            Some(End::Complete) => Signal::ended(self.told.watermark),
            None => self.operator.promise(self.time.merged()),
        };
        let signal = Signal { watermark: signal.watermark.max(self.told.watermark), ..signal };
        if signal != self.told {
            self.told = signal;
            self.out.signal(signal);
        }
    }

    /// Tells the job who holds the watermark back, when that changes.
    fn note_holder(&mut self) {
        let held_by = self.time.holder().and_then(|sender| {
            let input = self.inputs.iter().rposition(|(first, _)| *first <= sender)?;
            Some((input, sender - self.inputs[input].0))
        });
        if held_by != self.held_by {
            self.held_by = held_by;
            self.job.metrics.note_holder(&self.name, self.worker, held_by);
        }
    }
}

/// Where a shell sits.
#[derive(Clone, Copy)]
pub(in crate::dataflow) struct Seat<'a> {
    /// The job.
    pub(in crate::dataflow) job: &'a Arc<JobState>,
    /// The worker.
    pub(in crate::dataflow) worker: usize,
    /// How many workers there are.
    pub(in crate::dataflow) workers: usize,
}

//! The one place that knows timely: an operator of ours in an operator of the engine.
//!
//! Obligations that the shell takes from operators:
//! - it holds a capability for each output at the input frontier, so that an operator can give rows whenever time moves,
//!   and lets go of it when the inputs have ended;
//! - it merges the signals of senders and inputs (T1, T2);
//! - an error or a panic of an operator fails the job; nothing unwinds through the engine, and a failed job's operators
//!   are not called again.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use timely::communication::Push;
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::{DistributorPact, Pipeline};
use timely::dataflow::channels::pushers::exchange::Distributor;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Scope, Stream};
use timely::progress::Stamp;
use timely::scheduling::{Activator, SyncActivator};

use super::batch::Batch;
use super::job_state::JobState;
use super::message::{Message, Messages};
use super::watermark::{Merge, Signal};
use crate::connector::source::Waker;
use crate::error::{Error, Result};

/// The engine's logical time: a tick, in Unix milliseconds of processing time.
pub type Tick = u64;

/// A stream of messages.
pub type Edge<'scope> = Stream<'scope, Tick, Messages>;

/// How messages reach an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// From the operator before it on the same worker.
    Local,
    /// From all workers; the shuffle before it has addressed each message.
    Addressed,
}

/// One operator on one worker: called by the shell, never concurrently.
pub trait Operator: 'static {
    /// Rows, at their tick.
    fn batch(&mut self, input: usize, batch: Batch, tick: Tick, out: &mut Outputs) -> Result<()>;

    /// What all senders of all inputs say together (never [`Signal::End`], see [`Operator::end`]). Must be passed on,
    /// behind the rows that it brings about.
    fn signal(&mut self, signal: Signal, out: &mut Outputs) -> Result<()> {
        out.pass_on(signal);
        Ok(())
    }

    /// No further rows will come with a tick before this one.
    fn tick(&mut self, _tick: Tick, _out: &mut Outputs) -> Result<()> {
        Ok(())
    }

    /// There are no more rows. `complete`: everything that was to come has come, which must be passed on; otherwise the
    /// job was stopped.
    fn end(&mut self, complete: bool, out: &mut Outputs) -> Result<()> {
        if complete {
            out.pass_on(Signal::End);
        }
        Ok(())
    }

    /// Whether there is more to give for the last call. Until there is not, only [`Operator::resume`] is called, and
    /// [`Operator::signal`] for what came with the last signal; the rest of the dataflow runs in between, so that results
    /// of any number need not be in memory at once.
    fn is_busy(&self) -> bool {
        false
    }

    /// Gives more, where the operator is busy.
    fn resume(&mut self, _out: &mut Outputs) -> Result<()> {
        Ok(())
    }

    /// All that has arrived so far was taken: an operator that holds rows back, to give fewer, gives them now. Time moves on
    /// behind them.
    fn flush(&mut self, _out: &mut Outputs) -> Result<()> {
        Ok(())
    }

    /// Called whenever the operator is scheduled, last. Gives the earliest tick whose rows are still under way here
    /// (at a thread that writes them, say): the job does not take this tick for done.
    fn under_way(&mut self) -> Result<Option<Tick>> {
        Ok(None)
    }
}

/// Gives on what it gets.
pub struct PassOn;

impl Operator for PassOn {
    fn batch(&mut self, _input: usize, batch: Batch, _tick: Tick, out: &mut Outputs) -> Result<()> {
        out.give(0, batch);
        Ok(())
    }
}

/// What an operator gives out during one call.
pub struct Outputs {
    messages: Vec<Vec<(u32, Message)>>,
    worker: u32,
}

impl Outputs {
    /// For an operator with this many outputs on this worker.
    pub fn new(outputs: usize, worker: usize) -> Self {
        Outputs { messages: vec![Vec::new(); outputs], worker: worker as u32 }
    }

    /// Gives rows to an output; no rows, no message.
    pub fn give(&mut self, output: usize, batch: Batch) {
        self.give_to(output, 0, batch);
    }

    /// Gives rows to one worker's side of an output.
    pub fn give_to(&mut self, output: usize, worker: usize, batch: Batch) {
        if batch.row_count() > 0 {
            self.messages[output].push((worker as u32, Message::Batch(batch)));
        }
    }

    /// Gives a signal to one worker's side of an output.
    pub fn signal_to(&mut self, output: usize, worker: usize, signal: Signal) {
        self.messages[output].push((worker as u32, Message::Signal { from: self.worker, signal }));
    }

    /// Gives a signal to every output.
    pub fn pass_on(&mut self, signal: Signal) {
        for output in 0..self.messages.len() {
            self.signal_to(output, 0, signal);
        }
    }

    /// Takes what was given to an output.
    pub fn take(&mut self, output: usize) -> Messages {
        Messages(std::mem::take(&mut self.messages[output]))
    }
}

/// Sends each message to the worker to which it is addressed, those to one worker in their order.
struct ByAddress;

impl Distributor<Messages> for ByAddress {
    fn partition<T: Clone, P: Push<timely::dataflow::channels::Message<T, Messages>>>(
        &mut self,
        messages: &mut Messages,
        stamp: &Stamp<T>,
        pushers: &mut [P],
    ) {
        // The engine counts what is under way by containers, on every worker: each worker gets one of these, not one a message.
        let mut shares: Vec<Messages> = pushers.iter().map(|_| Messages::default()).collect();
        for (to, message) in messages.0.drain(..) {
            shares[to as usize].0.push((to, message));
        }
        for (share, pusher) in shares.iter_mut().zip(pushers) {
            if !share.0.is_empty() {
                timely::dataflow::channels::Message::push_at(share, stamp.clone(), pusher);
            }
        }
    }

    fn flush<T: Clone, P: Push<timely::dataflow::channels::Message<T, Messages>>>(
        &mut self,
        _stamp: &Stamp<T>,
        _pushers: &mut [P],
    ) {
    }
}

/// Wakes an operator: from its own worker, later, or from any thread.
#[derive(Clone)]
pub struct Wake {
    here: Rc<Activator>,
    anywhere: SyncActivator,
}

impl Wake {
    /// For the operator at this address.
    pub fn new(scope: &Scope<'_, Tick>, address: &Rc<[usize]>) -> Self {
        let worker = scope.worker();
        Wake {
            here: Rc::new(worker.activator_for(Rc::clone(address))),
            anywhere: worker.sync_activator_for(address.to_vec()),
        }
    }

    /// Soon.
    pub fn now(&self) {
        self.here.activate();
    }

    /// After this many milliseconds.
    pub fn after_ms(&self, delay_ms: u64) {
        self.here.activate_after(std::time::Duration::from_millis(delay_ms));
    }

    /// A waker for other threads.
    pub fn from_any_thread(&self) -> Waker {
        let activator = self.anywhere.clone();
        // The error says that the worker has gone: nobody is left to wake.
        Arc::new(move || {
            let _ = activator.activate();
        })
    }
}

/// The outputs of an operator in the engine, with the capabilities that its shell holds for them.
pub(super) struct Ports {
    outputs: Vec<OutputBuilder<Tick, NoopBuilder<Messages>>>,
    held: Vec<Capability<Tick>>,
}

impl Ports {
    pub(super) fn new(outputs: Vec<OutputBuilder<Tick, NoopBuilder<Messages>>>, held: Vec<Capability<Tick>>) -> Self {
        Ports { outputs, held }
    }

    /// The tick that the shell holds.
    pub(super) fn tick(&self) -> Option<Tick> {
        self.held.first().map(|c| *c.time())
    }

    /// Sends what was given, at this tick or the one that is held, whichever is later.
    pub(super) fn send(&mut self, out: &mut Outputs, tick: Tick) {
        for (i, (output, held)) in self.outputs.iter_mut().zip(&self.held).enumerate() {
            let mut messages = out.take(i);
            if !messages.0.is_empty() {
                let at = held.delayed(&tick.max(*held.time()));
                output.activate().session_with_builder(&at).give_container(&mut messages);
            }
        }
    }

    /// Lets go of the ticks before this one.
    pub(super) fn advance(&mut self, tick: Tick) {
        for held in &mut self.held {
            if *held.time() < tick {
                held.downgrade(&tick);
            }
        }
    }
}

/// Messages of one input and tick that are still to be taken.
type Waiting = (usize, Tick, std::vec::IntoIter<(u32, Message)>);

/// An operator in its shell.
struct Shell {
    operator: Box<dyn Operator>,
    name: String,
    job: Arc<JobState>,
    /// One for each input: the signals of its senders.
    senders: Vec<Merge>,
    /// Of all inputs together.
    time: Merge,
    out: Outputs,
    ended: bool,
    /// What has arrived while the operator was busy.
    backlog: VecDeque<Waiting>,
    wake: Wake,
    worker: usize,
    /// Who held the watermark back when it was last looked at: an input, and a worker that sends on it.
    held_by: Option<(usize, usize)>,
}

impl Shell {
    /// Tells the job who holds the watermark back, when that changes.
    fn note_holder(&mut self) {
        let sender = |input: usize| Some((input, self.senders[input].holder()?));
        let held_by = self.time.holder().and_then(sender);
        if held_by != self.held_by {
            self.held_by = held_by;
            self.job.metrics.note_holder(&self.name, self.worker, held_by);
        }
    }

    fn message(&mut self, input: usize, tick: Tick, message: Message) -> Result<()> {
        match message {
            Message::Batch(batch) => self.operator.batch(input, batch, tick, &mut self.out),
            Message::Signal { from, signal } => {
                let from = if self.senders[input].is_single() { 0 } else { from as usize };
                let mut changed = self.senders[input].receive(from, signal);
                while let Some(signal) = changed {
                    let mut together = self.time.receive(input, signal);
                    while let Some(signal) = together {
                        // `End` goes on when the frontier is empty: the operator may have rows to give until then.
                        // Until then (it is that of all workers) nobody waits for this one, whose rows have ended; one
                        // that reads from all workers ends with them.
                        let local = self.senders.iter().all(Merge::is_single);
                        match signal {
                            Signal::End if local => self.operator.signal(Signal::Idle, &mut self.out)?,
                            Signal::End => {}
                            signal => self.operator.signal(signal, &mut self.out)?,
                        }
                        together = self.time.further();
                    }
                    changed = self.senders[input].further();
                }
                self.note_holder();
                Ok(())
            }
            // Boundaries concern sources alone so far.
            Message::Control(_) => Ok(()),
        }
    }

    /// Everything that a scheduling of the operator brings. Gives whether it is done for good.
    fn run(&mut self, arrived: Arrived, frontier: Option<Tick>, ports: &mut Ports) -> Result<bool> {
        self.backlog.extend(arrived.into_iter().map(|(input, tick, messages)| (input, tick, messages.0.into_iter())));
        if self.operator.is_busy() {
            self.operator.resume(&mut self.out)?;
            ports.send(&mut self.out, 0);
        }
        let mut latest = 0;
        while !self.operator.is_busy()
            && let Some((input, tick, mut messages)) = self.backlog.pop_front()
        {
            for (_, message) in messages.by_ref() {
                self.message(input, tick, message)?;
                if self.operator.is_busy() {
                    break;
                }
            }
            ports.send(&mut self.out, tick);
            latest = latest.max(tick);
            if messages.len() > 0 {
                self.backlog.push_front((input, tick, messages));
            }
        }
        if self.operator.is_busy() {
            self.wake.now();
            return Ok(false);
        }
        self.operator.flush(&mut self.out)?;
        ports.send(&mut self.out, latest);
        // Time moves on behind the rows.
        if let Some(tick) = frontier {
            if ports.tick().is_none_or(|held| held < tick) {
                self.operator.tick(tick, &mut self.out)?;
                ports.send(&mut self.out, tick);
            }
        } else if !self.ended {
            self.ended = true;
            self.operator.end(self.time.ended(), &mut self.out)?;
            ports.send(&mut self.out, 0);
        }
        if self.operator.is_busy() {
            self.wake.now();
            return Ok(false);
        }
        match (self.operator.under_way()?, frontier) {
            (None, None) => return Ok(true),
            (Some(tick), None) | (None, Some(tick)) => ports.advance(tick),
            (Some(under_way), Some(tick)) => ports.advance(tick.min(under_way)),
        }
        Ok(false)
    }
}

type Arrived = Vec<(usize, Tick, Messages)>;
type Pull = Box<dyn FnMut(&mut Arrived)>;

/// Puts an operator into the dataflow. Gives its outputs' streams.
pub fn add<'scope>(
    scope: &Scope<'scope, Tick>,
    name: &str,
    inputs: Vec<(Edge<'scope>, Route)>,
    output_count: usize,
    job: &Arc<JobState>,
    make: impl FnOnce(Wake) -> Box<dyn Operator>,
) -> Vec<Edge<'scope>> {
    let mut builder = OperatorBuilder::new(name.to_string(), *scope);
    let mut pulls: Vec<Pull> = Vec::new();
    let mut senders = Vec::new();
    for (edge, route) in inputs {
        let index = pulls.len();
        senders.push(Merge::new(if route == Route::Local { 1 } else { scope.peers() }));
        pulls.push(pull(&mut builder, edge, route, index));
    }
    let mut outputs = Vec::new();
    let mut streams = Vec::new();
    for _ in 0..output_count {
        let (output, stream) = builder.new_output::<Messages>();
        outputs.push(OutputBuilder::from(output));
        streams.push(stream);
    }
    let wake = Wake::new(scope, &builder.operator_info().address);
    let mut shell = Shell {
        operator: make(wake.clone()),
        name: name.to_string(),
        job: Arc::clone(job),
        time: Merge::new(senders.len()),
        senders,
        out: Outputs::new(output_count, scope.index()),
        ended: false,
        backlog: VecDeque::new(),
        wake,
        worker: scope.index(),
        held_by: None,
    };
    builder.build(move |capabilities| {
        let mut ports = Some(Ports::new(outputs, capabilities));
        move |frontiers| {
            let mut arrived = Arrived::new();
            for pull in &mut pulls {
                pull(&mut arrived);
            }
            let Some(open) = ports.as_mut() else { return };
            let frontier = frontiers.iter().filter_map(|f| f.frontier().first().copied()).min();
            let result = if shell.job.is_over() {
                Ok(true)
            } else {
                settle(catch_unwind(AssertUnwindSafe(|| shell.run(arrived, frontier, open))))
            };
            match result {
                Ok(false) => {}
                Ok(true) => ports = None,
                Err(error) => {
                    shell.job.fail(error.within(format_args!("`{}`", shell.name)));
                    ports = None;
                }
            }
        }
    });
    streams
}

/// Connects an input: takes over what has arrived, with its tick.
pub(super) fn pull<'scope>(
    builder: &mut OperatorBuilder<'scope, Tick>,
    edge: Edge<'scope>,
    route: Route,
    index: usize,
) -> Pull {
    match route {
        Route::Local => {
            let mut input = builder.new_input(edge, Pipeline);
            Box::new(move |arrived| {
                input.for_each(|at, messages| arrived.push((index, tick_of(at.stamp()), std::mem::take(messages))));
            })
        }
        Route::Addressed => {
            let mut input = builder.new_input(edge, DistributorPact(|_| ByAddress));
            Box::new(move |arrived| {
                input.for_each(|at, messages| arrived.push((index, tick_of(at.stamp()), std::mem::take(messages))));
            })
        }
    }
}

/// The tick of a message; ours have exactly one.
fn tick_of(stamp: &Stamp<Tick>) -> Tick {
    stamp.least().copied().unwrap_or_default()
}

/// An operator's panic is our mistake, and becomes an error like any other.
pub(super) fn settle<T>(guarded: std::thread::Result<Result<T>>) -> Result<T> {
    guarded.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(Error::internal(format!("panic: {}", said.unwrap_or("without a message"))))
    })
}

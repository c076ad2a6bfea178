//! The engine: Timely Dataflow. Only this file and the worker's loop depend on it.
//!
//! A shell holds a capability for each output at the input frontier, so that its operator can emit rows whenever time
//! advances, and drops it when the operator is done. An error or a panic of an operator fails the job; no panic unwinds
//! through the engine, and the operators of a failed job are not called again.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use timely::communication::Push;
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::{DistributorPact, Pipeline};
use timely::dataflow::channels::pushers::exchange::Distributor;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::{Capability, Probe};
use timely::dataflow::{ProbeHandle, Scope, Stream};
use timely::progress::Stamp;

use super::load::Load;
use super::operator::{Route, Tick};
use super::outputs::Outputs;
use super::shell::{self, Arrived, Next, Seat, Shell};
use super::stage::{MakeOperator, MakeSource, SourceSeat, Stage};
use super::wake::Wake;
use crate::dataflow::checkpoint::state::Owned;
use crate::dataflow::job_state::JobState;
use crate::dataflow::message::{Control, Message, Messages};
use crate::dataflow::source::Turn;
use crate::dataflow::taps::TapPoint;
use flowgate_base::error::{Error, Result};
use flowgate_base::id::Worker;

/// A stream of messages.
pub(super) type Edge<'scope> = Stream<'scope, u64, Messages>;

/// Sends each message to the worker to which it is addressed, in order for each worker.
struct ByAddress;

impl Distributor<Messages> for ByAddress {
    fn partition<T: Clone, P: Push<timely::dataflow::channels::Message<T, Messages>>>(
        &mut self,
        messages: &mut Messages,
        stamp: &Stamp<T>,
        pushers: &mut [P],
    ) {
        // The engine counts containers in flight, on every worker: each worker receives one container, not one for each message.
        let mut shares: Vec<Messages> = pushers.iter().map(|_| Messages::default()).collect();
        for envelope in messages.0.drain(..) {
            shares[envelope.to.index()].0.push(envelope);
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

type Output = OutputBuilder<u64, NoopBuilder<Messages>>;

/// An output in the engine.
struct Port {
    output: Output,
    load: Arc<Load>,
    /// Where it is tapped, if it is an output of a node of the graph.
    tap: Option<Arc<TapPoint>>,
}

/// The outputs of an operator in the engine, with the capabilities that its shell holds for them.
struct Ports {
    outputs: Vec<Port>,
    held: Vec<Capability<u64>>,
}

impl Ports {
    /// The tick of the capabilities.
    fn tick(&self) -> Tick {
        // An operator without outputs holds no capability, and sends nothing: for it, any tick will do.
        self.held.first().map_or(Tick::START, |held| Tick(*held.time()))
    }

    /// Gives up the ticks before this one.
    fn advance(&mut self, tick: Tick) {
        for held in &mut self.held {
            if *held.time() < tick.0 {
                held.downgrade(&tick.0);
            }
        }
    }
}

impl shell::Ports for Ports {
    fn send(&mut self, out: &mut Outputs, tick: Tick) {
        for (i, (Port { output, load, tap }, held)) in self.outputs.iter_mut().zip(&self.held).enumerate() {
            let mut messages = out.take(i);
            if !messages.0.is_empty() {
                if let Some(tap) = tap {
                    tap.offer(&messages);
                }
                for envelope in &mut messages.0 {
                    envelope.count_for(load);
                }
                let at = held.delayed(&tick.0.max(*held.time()));
                output.activate().session_with_builder(&at).give_container(&mut messages);
            }
        }
    }

    fn has_room(&self, out: &Outputs) -> bool {
        // All are called, so that each of them will wake the operator.
        let rooms = self.outputs.iter().enumerate().map(|(i, port)| port.load.has_room(out.bytes(i)));
        rooms.fold(true, |all, room| all & room)
    }
}

/// The dataflow of one worker.
pub(crate) struct TimelyStage<'a, 'scope> {
    scope: &'a Scope<'scope, u64>,
    control: Edge<'scope>,
    job: &'a Arc<JobState>,
    /// Bound of the bytes in flight from each output.
    in_flight_bytes: u64,
    /// Follows every sink.
    pub probe: ProbeHandle<u64>,
    /// Sources, and whether each waits for the probe to advance.
    pub sources: Vec<(Wake, Rc<Cell<bool>>)>,
}

impl<'a, 'scope> TimelyStage<'a, 'scope> {
    /// Creates the stage of a worker. `control` carries changes to sources; `in_flight_bytes` bounds the bytes in flight from each
    /// output of an operator.
    pub(crate) fn new(
        scope: &'a Scope<'scope, u64>,
        control: Edge<'scope>,
        job: &'a Arc<JobState>,
        in_flight_bytes: u64,
    ) -> Self {
        TimelyStage { scope, control, job, in_flight_bytes, probe: ProbeHandle::new(), sources: Vec::new() }
    }

    fn wake(&self, address: &Rc<[usize]>) -> Wake {
        let worker = self.scope.worker();
        let here = worker.activator_for(Rc::clone(address));
        let anywhere = worker.sync_activator_for(address.to_vec());
        let here = move |delay_ms: Option<u64>| match delay_ms {
            None => here.activate(),
            Some(delay_ms) => here.activate_after(Duration::from_millis(delay_ms)),
        };
        // An error means that the worker has ended: there is nothing to wake.
        let anywhere = move || _ = anywhere.activate();
        Wake::new(Rc::new(here), Arc::new(anywhere))
    }

    /// Returns the outputs of an operator of this name.
    fn outputs(&self, name: &str, builders: Vec<Output>, wake: &Wake) -> Vec<Port> {
        let taps = self.job.taps.points(name, builders.len());
        let port = |(output, tap)| Port { output, load: Load::new(self.in_flight_bytes, wake.waker()), tap };
        builders.into_iter().zip(taps).map(port).collect()
    }
}

impl<'scope> Stage for TimelyStage<'_, 'scope> {
    type Edge = Edge<'scope>;

    fn workers(&self) -> usize {
        self.scope.peers()
    }

    fn worker(&self) -> Worker {
        Worker(self.scope.index() as u32)
    }

    fn add(
        &mut self,
        name: &str,
        inputs: Vec<(Edge<'scope>, Route)>,
        outputs: &[Route],
        owned: &Owned,
        make: MakeOperator<'_>,
    ) -> Result<Vec<Edge<'scope>>> {
        let mut builder = OperatorBuilder::new(name.to_string(), *self.scope);
        let routes: Vec<Route> = inputs.iter().map(|(_, route)| *route).collect();
        let pulls = inputs.into_iter().enumerate();
        let mut pulls: Vec<Pull> = pulls.map(|(i, (edge, route))| pull(&mut builder, edge, route, i)).collect();
        let (mut builders, mut streams) = (Vec::new(), Vec::new());
        for _ in outputs {
            let (output, stream) = builder.new_output::<Messages>();
            builders.push(OutputBuilder::from(output));
            streams.push(stream);
        }
        let wake = self.wake(&builder.operator_info().address);
        let outs = self.outputs(name, builders, &wake);
        let seat = Seat { job: self.job, worker: self.worker(), workers: self.workers() };
        let out = Outputs::new(outputs, seat.worker, seat.workers);
        let mut shell = match Shell::new(make(wake.clone()), name, &routes, out, seat, owned) {
            Ok(shell) => shell,
            Err(error) => {
                // The engine panics if an operator is not built.
                builder.build(|_| |_| {});
                return Err(error.in_operator(name));
            }
        };
        shell.wakes_with(wake.waker());
        let job = Arc::clone(self.job);
        builder.build(move |held| {
            let mut ports = Some(Ports { outputs: outs, held });
            move |frontiers| {
                let mut arrived = Arrived::new();
                for pull in &mut pulls {
                    pull(&mut arrived);
                }
                let Some(open) = ports.as_mut() else { return };
                if job.is_over() {
                    ports = None;
                    return;
                }
                let frontier = frontiers.iter().filter_map(|f| f.frontier().first().copied().map(Tick)).min();
                match settle(catch_unwind(AssertUnwindSafe(|| shell.run(arrived, frontier, open)))) {
                    Ok(Next::Wait(tick)) => open.advance(tick),
                    Ok(Next::Again) => wake.now(),
                    Ok(Next::Later(ms)) => wake.after_ms(ms),
                    Ok(Next::Full) => {}
                    Ok(Next::Done) => ports = None,
                    Err(error) => {
                        job.fail(error.in_operator(shell.name()));
                        ports = None;
                    }
                }
                if shell.is_taking() {
                    if shell.waits_for_staging() { wake.after_ms(1) } else { wake.now() }
                }
            }
        });
        Ok(streams)
    }

    fn source(&mut self, name: &str, make: MakeSource<'_>) -> Result<Vec<Edge<'scope>>> {
        let mut builder = OperatorBuilder::new(name.to_string(), *self.scope);
        let mut pull = pull(&mut builder, self.control.clone(), Route::Addressed, 0);
        let outputs = [Route::Local; 2];
        let (mut builders, mut streams) = (Vec::new(), Vec::new());
        for _ in outputs {
            // The time of the outputs is that of the source, not that of the control stream.
            let (output, stream) = builder.new_output_connection::<Messages, _>(Vec::new());
            builders.push(OutputBuilder::from(output));
            streams.push(stream);
        }
        let wake = self.wake(&builder.operator_info().address);
        let outs = self.outputs(name, builders, &wake);
        self.job.register_source(wake.waker());
        let waits = Rc::new(Cell::new(false));
        self.sources.push((wake.clone(), Rc::clone(&waits)));
        let probe = self.probe.clone();
        let is_in_flight = Rc::new(move |tick: Tick| probe.less_equal(&tick.0));
        let mut source = match make(SourceSeat { wake: wake.clone(), is_in_flight, waits }) {
            Ok(source) => source,
            Err(error) => {
                // The engine panics if an operator is not built.
                builder.build(|_| |_| {});
                return Err(error);
            }
        };
        let mut out = Outputs::new(&outputs, self.worker(), self.workers());
        let (job, name) = (Arc::clone(self.job), name.to_string());
        wake.now();
        builder.build(move |held| {
            let mut ports = Some(Ports { outputs: outs, held });
            move |frontiers| {
                let mut arrived = Arrived::new();
                pull(&mut arrived);
                for envelope in arrived.iter().flat_map(|(_, _, messages)| &messages.0) {
                    match envelope.message {
                        Message::Control(Control::Stop) => source.stop(),
                        Message::Control(Control::Drain) => source.drain(),
                        Message::Control(Control::Checkpoint(boundary)) => {
                            if let Some(open) = ports.as_mut() {
                                let taken = source.boundary(boundary, &mut out);
                                let held = open.tick();
                                shell::Ports::send(open, &mut out, held);
                                open.advance(boundary.tick);
                                taken.err().into_iter().for_each(|error| job.fail(error.in_operator(&name)));
                            }
                        }
                        Message::Batch(_) | Message::Signal(_) | Message::Boundary(_) => {}
                    }
                }
                let Some(open) = ports.as_mut() else { return };
                if job.is_over() {
                    ports = None;
                    return;
                }
                let granted = frontiers[0].frontier().first().copied().map(Tick);
                let held = open.tick();
                let turn = settle(catch_unwind(AssertUnwindSafe(|| source.run(granted, held, open, &mut out))));
                match turn {
                    Ok(Turn::Holds(tick)) => open.advance(tick),
                    Ok(Turn::Done) => ports = None,
                    Err(error) => {
                        job.fail_after_rows(error.in_operator(&name));
                        ports = None;
                    }
                }
            }
        });
        Ok(streams)
    }

    fn finish(&mut self, edge: &Edge<'scope>) {
        edge.clone().probe_with(&self.probe);
    }
}

type Pull = Box<dyn FnMut(&mut Arrived)>;

/// Connects an input. The returned function moves the messages that have arrived, with their tick.
fn pull<'scope>(builder: &mut OperatorBuilder<'scope, u64>, edge: Edge<'scope>, route: Route, index: usize) -> Pull {
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

/// The tick of a message; each message here has exactly one.
fn tick_of(stamp: &Stamp<u64>) -> Tick {
    // The engine sends nothing without a tick. If it did, the earliest one would hold progress back and lose no row.
    stamp.least().map_or(Tick::START, |tick| Tick(*tick))
}

/// Turns an operator's panic, which is a defect of Flowgate, into an error.
fn settle<T>(guarded: std::thread::Result<Result<T>>) -> Result<T> {
    guarded.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(Error::internal(format!("panic: {}", said.unwrap_or("without a message"))))
    })
}

//! The link between the workers of a job in one process and the thread that keeps its checkpoints.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::boundary::Boundary;
use super::reports::{Participant, Report, TimedSplit};
use super::state::Earlier;
use crate::dataflow::engine::Tick;
use crate::dataflow::writing::ToWriter;
use flowgate_connect::sink::Committable;
use flowgate_state::snapshot::Extent;

/// The checkpoint from which a job continues, as its workers see it.
pub(crate) trait EarlierJob: Send + Sync {
    /// Returns the state of an operator; `None`: the checkpoint has no such operator.
    fn operator(&self, name: &str) -> Option<Box<dyn Earlier + '_>>;

    /// Returns the splits of a source.
    fn splits(&self, source: &str) -> Vec<TimedSplit>;

    /// Returns what commits the rows of a sink.
    fn committables(&self, sink: &str) -> Vec<Value>;

    /// Returns the tick of the boundary.
    fn tick(&self) -> Tick;
}

/// The link between the workers of a job and the thread that keeps its checkpoints.
pub(crate) struct Link {
    reports: Mutex<Sender<Report>>,
    earlier: Option<Arc<dyn EarlierJob>>,
    participants: Mutex<BTreeSet<Participant>>,
    /// The threads of sinks, by name.
    writers: Mutex<BTreeMap<String, Sender<ToWriter>>>,
    request: Mutex<Option<Request>>,
    requested: AtomicBool,
    /// Whether something has happened since this was last asked.
    active: AtomicBool,
    /// The longest time that a worker spent on checkpoints at a stretch, in microseconds, since this was last asked.
    pause_us: AtomicU64,
    /// The number of the checkpoint that has all state, if one was requested.
    whole: AtomicU64,
    /// Bytes of parts that were reported and are not staged.
    in_transit: AtomicU64,
}

/// Bytes of parts in transit over which workers wait before they take more: staging writes some 100 MB/s, so that this is a small part
/// of a second.
const IN_TRANSIT_BYTES_MAX: u64 = 16 << 20;

/// A request for a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request {
    /// Its number.
    pub checkpoint: u64,
    /// How much of the state it has.
    pub extent: Extent,
    /// Whether the job stops behind it.
    pub stops: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    /// Creates the link of a job that continues from `earlier`, or begins.
    pub(crate) fn new(reports: Sender<Report>, earlier: Option<Arc<dyn EarlierJob>>) -> Self {
        Link {
            reports: Mutex::new(reports),
            earlier,
            participants: Mutex::default(),
            writers: Mutex::default(),
            request: Mutex::default(),
            requested: AtomicBool::new(false),
            active: AtomicBool::new(true),
            pause_us: AtomicU64::new(0),
            whole: AtomicU64::new(u64::MAX),
            in_transit: AtomicU64::new(0),
        }
    }

    /// Adds a participant. All participants are added before the job runs.
    pub(crate) fn join(&self, participant: &Participant) {
        lock(&self.participants).insert(participant.clone());
    }

    /// Returns all participants.
    pub(crate) fn participants(&self) -> BTreeSet<Participant> {
        lock(&self.participants).clone()
    }

    /// Adds the thread of a sink.
    pub(crate) fn add_writer(&self, sink: &str, writer: Sender<ToWriter>) {
        lock(&self.writers).insert(sink.to_string(), writer);
    }

    /// Tells a sink that a checkpoint is complete. If its thread has ended, the job has failed, and whoever resumes it commits.
    pub(crate) fn commit(&self, sink: &str, checkpoint: u64, committables: Vec<Value>) {
        let committables = committables.into_iter().map(Committable).collect();
        if let Some(writer) = lock(&self.writers).get(sink) {
            let _ = writer.send(ToWriter::Commit { checkpoint, committables });
        }
    }

    /// Tells all sinks that there will be no further commit.
    pub(crate) fn close_writers(&self) {
        for writer in std::mem::take(&mut *lock(&self.writers)).values() {
            let _ = writer.send(ToWriter::Close);
        }
    }

    /// Sends a report. If nobody receives it any more, the job is at its end.
    pub(crate) fn report(&self, report: Report) {
        let _ = lock(&self.reports).send(report);
    }

    /// Notes that a part of this size has been reported.
    pub(crate) fn part_sent(&self, bytes: u64) {
        self.in_transit.fetch_add(bytes, Relaxed);
    }

    /// Notes that a part of this size has been staged.
    pub(crate) fn part_staged(&self, bytes: u64) {
        self.in_transit.fetch_sub(bytes, Relaxed);
    }

    /// Returns the bytes of parts that were reported and are not staged.
    pub(crate) fn in_transit(&self) -> u64 {
        self.in_transit.load(Relaxed)
    }

    /// Whether workers may take further parts.
    pub(crate) fn has_room(&self) -> bool {
        self.in_transit.load(Relaxed) < IN_TRANSIT_BYTES_MAX
    }

    /// Returns the state of an operator in the checkpoint from which the job continues.
    pub(crate) fn earlier(&self, operator: &str) -> Option<Box<dyn Earlier + '_>> {
        self.earlier.as_ref().and_then(|earlier| earlier.operator(operator))
    }

    /// Returns the checkpoint from which the job continues.
    pub(crate) fn earlier_job(&self) -> Option<&Arc<dyn EarlierJob>> {
        self.earlier.as_ref()
    }

    /// Returns the first tick of the job: ticks do not go back when it continues, nor when the clock does.
    pub(crate) fn first_tick(&self) -> Tick {
        self.earlier.as_ref().map_or(Tick::START, |earlier| earlier.tick())
    }

    /// Requests a checkpoint. The worker that has the control stream takes the request; it is woken by the caller.
    pub(crate) fn request(&self, request: Request) {
        if request.extent == Extent::All {
            self.whole.store(request.checkpoint, Relaxed);
        }
        *lock(&self.request) = Some(request);
        self.requested.store(true, Relaxed);
    }

    /// Takes the request, if there is one.
    pub(crate) fn take_request(&self) -> Option<Request> {
        if !self.requested.swap(false, Relaxed) {
            return None;
        }
        lock(&self.request).take()
    }

    /// Returns how much of the state a checkpoint has.
    pub(crate) fn extent(&self, boundary: Boundary) -> Extent {
        if self.whole.load(Relaxed) == boundary.checkpoint { Extent::All } else { Extent::Changed }
    }

    /// Notes that rows have arrived, or time has brought something about.
    pub(crate) fn note_activity(&self) {
        self.active.store(true, Relaxed);
    }

    /// Returns whether something has happened since the last call.
    pub(crate) fn take_activity(&self) -> bool {
        self.active.swap(false, Relaxed)
    }

    /// Notes how long a worker has worked on a checkpoint at a stretch.
    pub(crate) fn note_pause(&self, pause: Duration) {
        self.pause_us.fetch_max(pause.as_micros() as u64, Relaxed);
    }

    /// Returns the longest such time since the last call.
    pub(crate) fn take_pause(&self) -> Duration {
        Duration::from_micros(self.pause_us.swap(0, Relaxed))
    }
}

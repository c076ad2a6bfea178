//! What shells, the keeper of checkpoints and those who request swaps share. Within one process: several processes would each open functions
//! for their own workers, and send their votes to one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::ballot::{Ballot, Finish, Seat, Verdict};
use super::fresh::Fresh;
use super::request::Swapped;
use crate::dataflow::canary::point::Canary;
use crate::dataflow::checkpoint::link::Link;
use crate::dataflow::checkpoint::reports::Report;
use crate::error::RunError;
use crate::job::graph::JobGraph;
use flowgate_base::error::{Error, Result};
use flowgate_checkpoint::FunctionRecord;
use flowgate_connect::source::Waker;

/// By operator: its functions, with the content of their files.
pub(crate) type Versions = BTreeMap<String, Vec<FunctionRecord>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The swaps of a job.
#[derive(Default)]
pub(crate) struct SwapDesk {
    desk: Mutex<Desk>,
}

#[derive(Default)]
struct Desk {
    /// The job as it runs.
    running: Option<(JobGraph, Versions)>,
    /// The shells of operators that have not ended, and what wakes them.
    seats: BTreeMap<Seat, Option<Waker>>,
    state: State,
    /// The number of the last boundary of a job without checkpoints.
    boundaries: u64,
    /// The last canary, which may have ended.
    canary: Option<Arc<Canary>>,
    /// By operator, the savepoint of its last swap: the state of the version before.
    savepoints: BTreeMap<String, String>,
    is_closed: bool,
}

#[derive(Default)]
enum State {
    #[default]
    Idle,
    /// Somebody is opening functions.
    Opening,
    /// A swap is to happen at the next boundary, or is happening, or is not durable yet.
    Swapping(Arc<Swap>),
}

/// A swap.
pub(crate) struct Swap {
    /// The number of the boundary, once it has one.
    at: AtomicU64,
    ballot: Mutex<Ballot>,
    fresh: Mutex<BTreeMap<Seat, Fresh>>,
    wakers: Vec<Waker>,
    /// The job as it runs afterwards.
    pub(crate) graph: JobGraph,
    /// The versions with which it runs afterwards.
    pub(crate) versions: Versions,
    /// The operators whose functions change.
    operators: BTreeSet<String>,
    /// The name of its savepoint.
    savepoint: Option<String>,
    answer: Mutex<Option<Sender<Result<Swapped>>>>,
    /// `None`: the job takes no checkpoints.
    link: Option<Arc<Link>>,
}

impl std::fmt::Debug for Swap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Swap").field("operators", &self.operators).field("at", &self.at).finish_non_exhaustive()
    }
}

/// What a swap is made of.
pub(crate) struct Parts {
    pub(crate) fresh: BTreeMap<Seat, Fresh>,
    pub(crate) wakers: Vec<Waker>,
    pub(crate) graph: JobGraph,
    pub(crate) versions: Versions,
    pub(crate) operators: BTreeSet<String>,
    pub(crate) savepoint: Option<String>,
    pub(crate) answer: Sender<Result<Swapped>>,
    pub(crate) link: Option<Arc<Link>>,
}

impl Swap {
    /// Creates a swap that has no boundary yet.
    pub(crate) fn new(parts: Parts) -> Self {
        let tries = parts.fresh.values().any(Fresh::tries);
        Swap {
            at: AtomicU64::new(0),
            ballot: Mutex::new(Ballot::new(parts.fresh.keys().cloned(), tries)),
            fresh: Mutex::new(parts.fresh),
            wakers: parts.wakers,
            graph: parts.graph,
            versions: parts.versions,
            operators: parts.operators,
            savepoint: parts.savepoint,
            answer: Mutex::new(Some(parts.answer)),
            link: parts.link,
        }
    }

    /// Gives it the number of its boundary.
    pub(crate) fn happens_at(&self, boundary: u64) {
        self.at.store(boundary, SeqCst);
    }

    /// Whether shells try first, and wait for each other.
    pub(crate) fn tries(&self) -> bool {
        lock(&self.ballot).tries()
    }

    /// Changes the vote, and wakes those who wait for it.
    fn vote(&self, change: impl FnOnce(&mut Ballot)) {
        let (before, after) = {
            let mut ballot = lock(&self.ballot);
            let before = (ballot.verdict(), ballot.finish().is_some());
            change(&mut ballot);
            (before, (ballot.verdict(), ballot.finish().is_some()))
        };
        if before == after {
            return;
        }
        self.wakers.iter().for_each(|wake| wake());
        self.link.iter().for_each(|link| link.report(Report::Look));
    }

    /// A shell can take its new functions.
    pub(crate) fn ready(&self, seat: &Seat, migrated: u64) {
        self.vote(|ballot| ballot.ready(seat, migrated));
    }

    /// A shell cannot.
    pub(crate) fn refuse(&self, seat: &Seat, reason: String) {
        self.vote(|ballot| ballot.refuse(seat, reason));
    }

    /// A shell has taken them.
    pub(crate) fn taken(&self, seat: &Seat, gap: Duration) {
        self.vote(|ballot| ballot.taken(seat, gap.as_micros() as u64));
    }

    /// Returns what was decided, if it was.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        lock(&self.ballot).verdict()
    }

    /// Returns what has become of it, once nothing of it is left to do.
    pub(crate) fn finish(&self) -> Option<Finish> {
        lock(&self.ballot).finish()
    }

    /// Tells who has requested it.
    fn answer(&self, outcome: Result<Swapped>) {
        if let Some(answer) = lock(&self.answer).take() {
            // Whoever waits may have gone.
            let _ = answer.send(outcome);
        }
    }
}

impl SwapDesk {
    /// Notes what runs, before the workers start.
    pub(crate) fn runs(&self, graph: &JobGraph, versions: Versions) {
        lock(&self.desk).running = Some((graph.clone(), versions));
    }

    /// Returns what runs.
    ///
    /// # Errors
    /// It was not noted: our mistake.
    pub(crate) fn running(&self) -> Result<(JobGraph, Versions)> {
        lock(&self.desk).running.clone().ok_or_else(|| Error::internal("a job that does not know what it runs"))
    }

    /// Adds the shell of an operator.
    pub(crate) fn join(&self, seat: &Seat) {
        lock(&self.desk).seats.insert(seat.clone(), None);
    }

    /// Sets what wakes a shell.
    pub(crate) fn wakes(&self, seat: &Seat, waker: Waker) {
        if let Some(known) = lock(&self.desk).seats.get_mut(seat) {
            *known = Some(waker);
        }
    }

    /// Removes the shell of an operator, which processes no further row.
    pub(crate) fn leave(&self, seat: &Seat) {
        let swap = {
            let mut desk = lock(&self.desk);
            if desk.seats.remove(seat).is_none() {
                return;
            }
            match &desk.state {
                State::Swapping(swap) => Arc::clone(swap),
                State::Idle | State::Opening => return,
            }
        };
        swap.vote(|ballot| ballot.leave(seat));
        self.conclude(&swap);
    }

    /// The shells of these operators that have not ended, and what wakes them.
    pub(crate) fn seats(&self, operators: &BTreeSet<String>) -> Vec<(Seat, Option<Waker>)> {
        let desk = lock(&self.desk);
        let of = desk.seats.iter().filter(|((operator, _), _)| operators.contains(operator));
        of.map(|(seat, waker)| (seat.clone(), waker.clone())).collect()
    }

    /// Reserves the desk for one swap.
    ///
    /// # Errors
    /// Another one is on its way: the user's. The job has ended.
    pub(crate) fn reserve(&self) -> Result<Reserved<'_>> {
        let mut desk = lock(&self.desk);
        if desk.is_closed {
            return Err(RunError::SwapEnded("the job has ended".into()).into());
        }
        match &desk.state {
            State::Idle => {
                desk.state = State::Opening;
                Ok(Reserved { desk: self, is_used: false })
            }
            State::Opening => Err(RunError::SwapBusy("the new version of a function is being opened".into()).into()),
            State::Swapping(swap) => {
                let operators = swap.operators.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                Err(RunError::SwapBusy(format!("the swap of {operators} is not durable yet")).into())
            }
        }
    }

    /// Says whether a canary could begin.
    ///
    /// # Errors
    /// One runs: the user's.
    pub(crate) fn has_no_canary(&self) -> Result<()> {
        match lock(&self.desk).canary.as_ref().filter(|canary| !canary.is_over()) {
            Some(canary) => Err(RunError::CanaryBusy(canary.operator.clone()).into()),
            None => Ok(()),
        }
    }

    /// Returns the swap of a boundary, and the new functions of a shell at it.
    pub(crate) fn at(&self, boundary: u64, seat: &Seat) -> Option<(Arc<Swap>, Fresh)> {
        let swap = match &lock(&self.desk).state {
            State::Swapping(swap) if swap.at.load(SeqCst) == boundary && boundary > 0 => Arc::clone(swap),
            _ => return None,
        };
        let fresh = lock(&swap.fresh).remove(seat)?;
        Some((swap, fresh))
    }

    /// Takes the swap that has no boundary yet, and gives it one: of a job that takes no checkpoints. Returns the boundary's number.
    pub(crate) fn take_request(&self) -> Option<u64> {
        let mut desk = lock(&self.desk);
        let next = desk.boundaries + 1;
        match &desk.state {
            State::Swapping(swap) if swap.link.is_none() && swap.at.load(SeqCst) == 0 => swap.happens_at(next),
            _ => return None,
        }
        desk.boundaries = next;
        Some(next)
    }

    /// If the job takes no checkpoints, ends a swap of which nothing is left to do.
    pub(crate) fn conclude(&self, swap: &Arc<Swap>) {
        if swap.link.is_none() && swap.finish().is_some() {
            self.end(swap, None);
        }
    }

    /// Ends a swap of which nothing is left to do. `checkpoint`: the one that has the state of the new version.
    pub(crate) fn end(&self, swap: &Arc<Swap>, checkpoint: Option<u64>) {
        let outcome = match swap.finish() {
            None => return,
            Some(Finish::Swapped { gap_us, migrated }) => Ok(Swapped { gap_us, migrated, checkpoint }),
            Some(Finish::Refused(mut reasons)) => {
                reasons.extend(swap.operators.iter().filter_map(|operator| self.way_back(operator, &swap.graph)));
                Err(RunError::NotMigrated(reasons.join("\n")).into())
            }
            Some(Finish::Ended) => Err(RunError::SwapEnded("the operator has ended".into()).into()),
        };
        self.answer(swap, outcome);
    }

    /// Ends a swap that did not happen.
    pub(crate) fn give_up(&self, swap: &Arc<Swap>, error: Error) {
        self.answer(swap, Err(error));
    }

    fn answer(&self, swap: &Arc<Swap>, outcome: Result<Swapped>) {
        {
            let mut desk = lock(&self.desk);
            match &desk.state {
                State::Swapping(current) if Arc::ptr_eq(current, swap) => desk.state = State::Idle,
                _ => {}
            }
            if outcome.is_ok() {
                desk.running = Some((swap.graph.clone(), swap.versions.clone()));
                for operator in &swap.operators {
                    match &swap.savepoint {
                        Some(name) => desk.savepoints.insert(operator.clone(), name.clone()),
                        None => desk.savepoints.remove(operator),
                    };
                }
            }
        }
        lock(&swap.fresh).clear();
        swap.answer(outcome);
    }

    /// The job has ended: nothing of a swap will happen any more.
    pub(crate) fn close(&self) {
        let state = {
            let mut desk = lock(&self.desk);
            desk.is_closed = true;
            desk.end_canary("the job has ended");
            std::mem::take(&mut desk.state)
        };
        if let State::Swapping(swap) = state {
            swap.answer(Err(RunError::SwapEnded("the job ended before the swap was durable".into()).into()));
        }
    }

    /// Says which savepoint has the state of an operator before its last swap, if there is one.
    pub(crate) fn way_back(&self, operator: &str, graph: &JobGraph) -> Option<String> {
        let name = lock(&self.desk).savepoints.get(operator).cloned()?;
        let store = graph.checkpoint.as_ref().map_or("", |settings| settings.store.as_str());
        Some(format!(
            "the savepoint {name} has the state of `{operator}` before its last swap: `flowgate run JOB.yaml --from '{store}#{name}'` starts the \
             earlier version from there"
        ))
    }
}

/// The desk while one swap is prepared.
pub(crate) struct Reserved<'a> {
    desk: &'a SwapDesk,
    is_used: bool,
}

impl Reserved<'_> {
    /// Begins the swap: it happens at the next boundary.
    pub(crate) fn begin(mut self, swap: &Arc<Swap>) {
        self.is_used = true;
        {
            let mut desk = lock(&self.desk.desk);
            if desk.is_closed {
                drop(desk);
                return swap.answer(Err(RunError::SwapEnded("the job has ended".into()).into()));
            }
            desk.end_canary("a function of the job is swapped");
            desk.state = State::Swapping(Arc::clone(swap));
            // Who has left meanwhile does not vote.
            let seats: BTreeSet<Seat> = lock(&swap.fresh).keys().cloned().collect();
            for seat in seats.iter().filter(|seat| !desk.seats.contains_key(*seat)) {
                lock(&swap.ballot).leave(seat);
            }
        }
        self.desk.conclude(swap);
    }
}

impl Desk {
    fn end_canary(&mut self, why: &str) {
        if let Some(canary) = self.canary.take() {
            canary.end(why);
        }
    }
}

impl Reserved<'_> {
    /// Begins a canary instead of a swap.
    ///
    /// # Errors
    /// The job has ended.
    pub(crate) fn begin_canary(self, canary: &Arc<Canary>) -> Result<()> {
        let mut desk = lock(&self.desk.desk);
        if desk.is_closed {
            return Err(RunError::SwapEnded("the job has ended".into()).into());
        }
        desk.canary = Some(Arc::clone(canary));
        Ok(())
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if !self.is_used {
            lock(&self.desk.desk).state = State::Idle;
        }
    }
}

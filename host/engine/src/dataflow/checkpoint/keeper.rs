//! The thread that keeps the checkpoints of a job: it begins them, stages what workers report, and commits.
//!
//! It follows the job, and never holds it up: a store that is away for some time delays checkpoints, and what was staged for a checkpoint
//! that was not committed belongs to the next one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::background;
use super::collect::{Collected, Complete, Words};
use super::compose::{Committables, compose};
use super::facts::JobFacts;
use super::link::{Link, Request};
use super::reports::{Report, Role, Word};
use super::saving::{Saving, Wanted};
use super::scratch;
use super::staged::Staged;
use super::status::Taken;
use super::swapping::Carried;
use crate::dataflow::engine::Tick;
use crate::dataflow::job_state::JobState;
use crate::error::RunError;
use flowgate_base::clock;
use flowgate_base::error::{Error, Fault, Result};
use flowgate_checkpoint::{Attempt, Checkpoint, Compacted, DataFile, Stats, compaction_is_due};
use flowgate_state::snapshot::Extent;

/// The time between two looks at the job, and at what threads do for it, while something is going on.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long the last checkpoint of a job that is stopped is tried.
const LAST_TRIED_FOR: Duration = Duration::from_secs(30);

/// The time between tries of the last checkpoint.
const LAST_TRIED_EVERY: Duration = Duration::from_millis(500);

/// The keeper of a job's checkpoints.
pub(crate) struct Keeper {
    job: Arc<JobState>,
    link: Arc<Link>,
    facts: JobFacts,
    attempt: Arc<Attempt>,
    /// A thread that merges files of checkpoints.
    compaction: Option<JoinHandle<Result<Option<Compacted>>>>,
    /// Savepoints that are requested and not begun.
    wanted: Vec<Wanted>,
    /// Savepoints whose files are being merged. Meanwhile no other files are.
    saving: Option<Saving>,
    /// A swap that was requested, until it is durable.
    swap: Carried,
    reports: Receiver<Report>,
    /// The files of the last checkpoint.
    files: Vec<DataFile>,
    staged: Staged,
    /// By sink: what it takes to commit the rows of checkpoints, with their numbers, until the sink has committed them.
    committables: Committables,
    /// The scratch disk has no room; the next try is at this time.
    full_until: Option<Instant>,
    /// The number of the checkpoint that was begun last.
    number: u64,
    begun: Option<Begun>,
    /// Whether the last checkpoint was not committed.
    has_failed: bool,
}

/// The checkpoint that is being taken.
struct Begun {
    at: Instant,
    /// The tick of its boundary.
    tick: Tick,
    stops: bool,
    /// The savepoints that are made of it.
    savepoints: Vec<Wanted>,
    /// Who reported last.
    held_by: Option<String>,
    /// Whether it was said that it takes long.
    was_reported: bool,
}

impl Keeper {
    /// Creates the keeper of a job whose attempt has begun, from a checkpoint with these files.
    pub(crate) fn new(
        job: &Arc<JobState>,
        link: &Arc<Link>,
        facts: JobFacts,
        attempt: Attempt,
        reports: Receiver<Report>,
        files: Vec<DataFile>,
    ) -> Self {
        Keeper {
            job: Arc::clone(job),
            link: Arc::clone(link),
            attempt: Arc::new(attempt),
            compaction: None,
            wanted: Vec::new(),
            saving: None,
            swap: Carried::default(),
            reports,
            files,
            staged: Staged::new(facts.scratch.clone(), facts.key_groups),
            facts,
            committables: BTreeMap::new(),
            full_until: None,
            number: 0,
            begun: None,
            has_failed: false,
        }
    }

    /// Runs until the job has ended. An error fails the job.
    pub(crate) fn run(mut self) {
        self.facts.scratch.parent().into_iter().for_each(scratch::remove_left);
        if self.job.sinks.wait_for_start()
            && let Err(error) = self.keep()
        {
            self.job.fail(error);
        }
        self.link.close_writers();
        // Its files go with it.
        drop(self.staged);
        scratch::remove(&self.facts.scratch);
    }

    fn keep(&mut self) -> Result<()> {
        let mut collected = Collected::new(self.link.participants());
        let mut due = Instant::now() + self.facts.every;
        loop {
            match self.reports.recv_timeout(self.patience(due)) {
                Ok(report) => self.receive(report, &mut collected)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if self.job.failure().is_some() {
                return Ok(());
            }
            if self.full_until.is_some() {
                self.write_staged()?;
            }
            self.warn_of_delay(&collected);
            if let Some(Complete { number, words, last }) = collected.complete() {
                self.begun.iter_mut().for_each(|begun| begun.held_by = last.as_ref().map(|last| last.operator.clone()));
                let stops = self.begun.as_ref().is_some_and(|begun| begun.stops);
                if stops {
                    self.commit_at_last(number, &words, false)?;
                    return self.finish_saving().map_err(|error| RunError::Savepoint(error.message).into());
                }
                self.commit(number, &words, false)?;
                due = Instant::now() + self.facts.every;
            }
            if self.saving.as_ref().is_some_and(Saving::is_finished) {
                match self.finish_saving() {
                    // Who wants the savepoint has been told.
                    Err(error) if error.code == &flowgate_checkpoint::code::FENCED => return Err(error),
                    _ => {}
                }
            }
            if collected.is_taking() || self.swap.settle(&mut self.facts, &self.job) {
                continue;
            }
            if let Some(words) = collected.all_ended() {
                self.number += 1;
                let words = words.clone();
                return self.commit_at_last(self.number, &words, true);
            }
            if self.job.stop_requested() && !self.job.drain_requested() {
                self.begin(&mut collected, true);
            } else if self.wants_checkpoint() && !self.job.stop_requested() {
                self.begin(&mut collected, false);
            } else if Instant::now() >= due && !self.job.stop_requested() {
                if self.link.take_activity() || self.has_failed {
                    self.begin(&mut collected, false);
                } else {
                    due = Instant::now() + self.facts.every;
                }
            }
        }
    }

    /// Returns how long a report is waited for. While nothing is going on, that is until the next checkpoint is due: whatever else there is
    /// to do comes with a report.
    fn patience(&self, due: Instant) -> Duration {
        let is_at_rest = self.begun.is_none() && self.saving.is_none() && self.full_until.is_none();
        match is_at_rest && self.swap.is_none() && !self.job.stop_requested() {
            true => due.saturating_duration_since(Instant::now()),
            false => LOOK_EVERY,
        }
    }

    /// Says who delays a checkpoint, once. It is not given up: what is frozen, staged and prepared for it would be in none.
    fn warn_of_delay(&mut self, collected: &Collected) {
        let (timeout, job) = (self.facts.timeout, &self.job);
        let is_slow = |begun: &&mut Begun| !begun.was_reported && begun.at.elapsed().as_millis() >= timeout.0 as u128;
        let Some(begun) = self.begun.as_mut().filter(is_slow) else {
            return;
        };
        if let Some(missing) = collected.missing() {
            begun.was_reported = true;
            let error = RunError::SlowCheckpoint { waits_for: missing.operator.clone(), timeout };
            job.checkpoint_status.failed(&error.clone().into());
            job.warn("checkpoint", error.to_string());
        }
    }

    fn begin(&mut self, collected: &mut Collected, stops: bool) {
        self.number += 1;
        collected.begin(self.number);
        // What happens from here on is behind the boundary, or counts twice, which does no harm.
        self.link.take_activity();
        let may_save = self.may_save();
        let mut savepoints: Vec<Wanted> =
            self.wanted.extract_if(.., |wanted| stops || (may_save && !wanted.stops)).collect();
        match stops {
            true => self.swap.give_up(&self.job),
            false => savepoints.extend(self.swap.begin(self.number, may_save)),
        }
        self.begun = Some(Begun {
            at: Instant::now(),
            tick: Tick::START,
            stops,
            savepoints,
            held_by: None,
            was_reported: false,
        });
        self.link.request(Request { checkpoint: self.number, extent: Extent::Changed, stops });
        self.job.wake_workers();
    }

    fn receive(&mut self, report: Report, collected: &mut Collected) -> Result<()> {
        match report {
            Report::Part { participant, slot, groups, part } => {
                self.staged.add(&participant, &slot, &groups, &part)?;
                let written = self.write_staged();
                self.note_memory();
                written
            }
            Report::Done { participant, checkpoint, word } => collected.done(participant, checkpoint, word),
            Report::Ended { participant, word } => {
                collected.ended(participant, word);
                Ok(())
            }
            Report::Took { tick } => {
                self.begun.iter_mut().for_each(|begun| begun.tick = tick);
                Ok(())
            }
            Report::Committed { sink, checkpoint } => {
                if let Some(waiting) = self.committables.get_mut(&sink) {
                    waiting.retain(|(number, _)| *number > checkpoint);
                }
                Ok(())
            }
            Report::Savepoint(wanted) => {
                match self.begun.as_mut().filter(|begun| begun.stops) {
                    // Its boundary is behind everything that the job will read.
                    Some(begun) => begun.savepoints.push(wanted),
                    None => self.wanted.push(wanted),
                }
                Ok(())
            }
            Report::Swap(wanted) => {
                self.swap.want(wanted);
                Ok(())
            }
            Report::Look => Ok(()),
        }
    }

    /// Whether a savepoint or a swap waits for a checkpoint. One that has failed is tried again when the next one is due.
    fn wants_checkpoint(&self) -> bool {
        let saves = self.wanted.iter().any(|wanted| !wanted.stops) && self.may_save();
        saves || (self.swap.wants_checkpoint(self.may_save()) && !self.has_failed)
    }

    /// Writes what is staged, and lets workers go on. While the scratch disk has no room, they hold back further parts: nothing is lost, and
    /// the checkpoint is completed when there is room.
    fn write_staged(&mut self) -> Result<()> {
        if self.full_until.is_some_and(|until| Instant::now() < until) {
            return Ok(());
        }
        match self.staged.write() {
            Ok(written) => {
                self.full_until = None;
                self.link.part_staged(written);
                Ok(())
            }
            Err(error) if may_pass(&error) => {
                self.full_until = Some(Instant::now() + LOOK_EVERY);
                self.job.checkpoint_status.failed(&error);
                self.job.warn("checkpoint", format!("the checkpoint waits for room: {}", error.message));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Lets state spill for the parts that are in memory.
    fn note_memory(&self) {
        self.job.stores.note_snapshots(self.link.in_transit() + self.staged.memory_bytes());
    }

    /// Commits a checkpoint. That it cannot be committed now is not an error of the job, unless another attempt has begun.
    fn commit(&mut self, number: u64, words: &Words, ended: bool) -> Result<()> {
        match self.try_commit(number, words, ended) {
            Ok(()) => {
                self.has_failed = false;
                Ok(())
            }
            Err(error) if may_pass(&error) => {
                self.has_failed = true;
                let savepoints = self.begun.take().map_or_else(Vec::new, |begun| begun.savepoints);
                savepoints.iter().for_each(|wanted| wanted.answer(Err(error.clone())));
                self.job.checkpoint_status.failed(&error);
                self.job.warn(
                    "checkpoint",
                    format!("checkpoint {number} is not complete, the next one will be: {}", error.message),
                );
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Commits the last checkpoint of an attempt: it is tried for some time.
    fn commit_at_last(&mut self, number: u64, words: &Words, ended: bool) -> Result<()> {
        let until = Instant::now() + LAST_TRIED_FOR;
        loop {
            match self.try_commit(number, words, ended) {
                Ok(()) => return Ok(()),
                Err(error) if may_pass(&error) && Instant::now() < until => std::thread::sleep(LAST_TRIED_EVERY),
                Err(error) => return Err(RunError::LastCheckpoint(error.message.clone()).into()),
            }
        }
    }

    fn try_commit(&mut self, number: u64, words: &Words, ended: bool) -> Result<()> {
        let reported = Instant::now();
        self.note_committables(number, words);
        self.link.part_staged(self.staged.finish()?);
        self.note_memory();
        let (bytes, rows) = self.staged.totals();
        self.staged.upload(&self.attempt)?;
        let began = self.begun.as_ref().map_or(reported, |begun| begun.at);
        let pause = self.link.take_pause();
        let micros = |duration: Duration| duration.as_micros() as u64;
        let stats = Stats {
            bytes,
            rows,
            alignment_us: micros(reported - began),
            pause_us: micros(pause),
            duration_us: micros(began.elapsed()),
            held_by: self.begun.as_ref().and_then(|begun| begun.held_by.clone()),
        };
        let mut files = self.files.clone();
        files.extend(self.staged.uploaded().iter().cloned());
        // A job that has ended has no state.
        let mut files = if ended { Vec::new() } else { files };
        self.apply_compaction(&mut files)?;
        let tick = self.begun.as_ref().map_or(self.link.first_tick(), |begun| begun.tick);
        let fresh = Checkpoint { tick: tick.0, ended, files: files.clone(), stats, ..Checkpoint::default() };
        let checkpoint = compose(fresh, &self.facts, words, &self.committables);
        let manifest = self.attempt.commit(checkpoint)?;
        self.files = files;
        if let Some(checkpoint) = manifest.checkpoint() {
            let savepoints = self.begun.as_mut().map_or_else(Vec::new, |begun| std::mem::take(&mut begun.savepoints));
            if !savepoints.is_empty() {
                // An earlier savepoint is on its way only if the job stops. Who waits for it is told how it goes, and if another attempt has
                // begun, the next commit says so.
                let _ = self.finish_saving();
                let scratch = self.facts.scratch.clone();
                self.saving = Saving::start(&self.attempt, checkpoint, scratch, &self.link, savepoints);
            } else if self.saving.is_none() && compaction_is_due(checkpoint) {
                self.start_compaction(checkpoint.clone());
            }
        }
        self.staged.committed();
        self.swap.committed(manifest.number, &self.job);
        // The last commit is of everything.
        let number = if ended { u64::MAX } else { number };
        for (sink, committables) in &self.committables {
            self.link.commit(sink, number, committables.iter().map(|(_, value)| value.clone()).collect());
        }
        // Also sinks without anything to commit count their rows.
        for participant in words.keys().filter(|participant| participant.role == Role::Writer) {
            if !self.committables.contains_key(&participant.operator) {
                self.link.commit(&participant.operator, number, Vec::new());
            }
        }
        self.job.checkpoint_status.taken(Taken {
            number: manifest.number,
            at: clock::now(),
            bytes,
            duration: began.elapsed(),
            pause,
        });
        self.begun = None;
        match self.attempt.retire(self.facts.keep) {
            // What cannot be deleted now is deleted after the next checkpoint.
            Err(error) if may_pass(&error) => Ok(()),
            retired => retired,
        }
    }

    /// Whether the files of the next checkpoint may be merged for a savepoint: no other files are being merged.
    fn may_save(&self) -> bool {
        self.saving.is_none()
    }

    /// Waits for the savepoints whose files are being merged, and commits them.
    fn finish_saving(&mut self) -> Result<()> {
        self.saving.take().map_or(Ok(()), |saving| saving.finish(&self.attempt))
    }

    /// Merges files of a checkpoint, on a thread of its own, if that is not going on already.
    fn start_compaction(&mut self, checkpoint: Checkpoint) {
        if self.compaction.is_some() {
            return;
        }
        let (attempt, scratch) = (Arc::clone(&self.attempt), self.facts.scratch.clone());
        let compact = move || attempt.compact(&checkpoint, &scratch);
        match background::spawn("compaction", compact) {
            Ok(thread) => self.compaction = Some(thread),
            // It is tried again after a later checkpoint.
            Err(error) => {
                self.job.warn("checkpoint", format!("files of checkpoints are not merged: no thread: {error}"))
            }
        }
    }

    /// Puts merged files in the place of those that they stand for, if the merge is complete. One that has failed is begun again after a
    /// later checkpoint.
    fn apply_compaction(&mut self, files: &mut Vec<DataFile>) -> Result<()> {
        if self.saving.is_some() {
            // The files of its checkpoint stay until they are merged, since every later checkpoint names them.
            return Ok(());
        }
        let Some(thread) = self.compaction.take_if(|thread| thread.is_finished()) else { return Ok(()) };
        match thread.join() {
            Ok(Ok(None)) => Ok(()),
            Ok(Ok(Some(compacted))) if compacted.apply(files) => Ok(()),
            Ok(Ok(Some(compacted))) => self.attempt.discard(&compacted.files),
            Ok(Err(error)) => {
                self.job.warn("checkpoint", format!("files of checkpoints are not merged: {}", error.message));
                Ok(())
            }
            Err(_) => Err(Error::internal("the thread that merges files of checkpoints has panicked")),
        }
    }

    /// Adds what the sinks have prepared.
    fn note_committables(&mut self, number: u64, words: &Words) {
        for (participant, word) in words {
            let Word::Prepared(Some(committable)) = word else { continue };
            let of = self.committables.entry(participant.operator.clone()).or_default();
            if of.iter().all(|(known, _)| *known != number) {
                of.push((number, committable.clone()));
            }
        }
    }
}

/// Whether a store that has failed may be used again later: it was away, full, or refused access. Not if another attempt has begun.
fn may_pass(error: &Error) -> bool {
    error.fault() == Fault::External && error.code != &flowgate_checkpoint::code::FENCED
}

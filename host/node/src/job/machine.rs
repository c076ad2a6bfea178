//! The states of a job on a node, as a pure machine: what happens goes in, what to do comes out.
//!
//! J1: a job has at most one worker process. A new attempt begins after the end of the one before is known.
//! J2: a job that somebody has stopped is not restarted; one that nobody has stopped is, unless it would fail in the same way again.

use std::time::Duration;

use flowgate_api::job::{JobError, Phase};

use crate::limits::{HEALTHY_AFTER, RESTART_AFTER, RESTART_AFTER_MAX};

/// What happens.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Input {
    /// Somebody starts the job.
    Start,
    /// Somebody stops it: rows in flight reach their sinks.
    Stop { drain: bool, savepoint: Option<String> },
    /// Somebody ends it at once.
    Cancel,
    /// Somebody restarts it.
    Restart,
    /// The worker process does not stop as it was asked to: its reason is known to who asked.
    StopRefused,
    /// The worker process answers.
    Ready,
    /// A worker process of an earlier node was found.
    Found { since_ms: i64 },
    /// The worker process has ended.
    Exited(Exit),
    /// The pause before a restart is over.
    PauseOver,
}

/// How a worker process has ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Exit {
    /// Its sources have ended, and all rows are written.
    Finished,
    /// It was stopped: as the node requested, or by a signal.
    Stopped,
    /// With an error of the job, and whether it may go better another time.
    Failed { error: JobError, retry: bool },
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    /// Start a worker process for this attempt. If that fails, it has exited.
    Spawn { attempt: u64 },
    /// Ask the worker process to stop.
    AskToStop { drain: bool, savepoint: Option<String> },
    /// End the worker process.
    Kill,
    /// Wait, and then say [`Input::PauseOver`].
    Pause(Duration),
}

/// Why an input is refused, for people.
pub(crate) type Refused = &'static str;

/// The state of a job.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Machine {
    pub(crate) phase: Phase,
    /// The number of the last attempt.
    pub(crate) attempt: u64,
    /// When it began.
    pub(crate) attempt_ms: Option<i64>,
    /// Restarts since somebody started it.
    pub(crate) restarts: u64,
    /// Failures without a healthy attempt between them.
    pub(crate) failures_in_row: u32,
    /// Why its last attempt ended.
    pub(crate) failure: Option<JobError>,
    /// When the pause before a restart is over.
    pub(crate) next_attempt_ms: Option<i64>,
    /// Whether it starts again when it has stopped.
    starts_again: bool,
}

impl Machine {
    /// Creates the machine of a job that does not run.
    pub(crate) fn resting(phase: Phase, attempt: u64, restarts: u64, failure: Option<JobError>) -> Machine {
        Machine {
            phase,
            attempt,
            attempt_ms: None,
            restarts,
            failures_in_row: 0,
            failure,
            next_attempt_ms: None,
            starts_again: false,
        }
    }

    /// Whether the job has a worker process.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Running | Phase::Stopping)
    }

    /// Whether it counts for the quota of jobs that run.
    pub(crate) fn is_active(&self) -> bool {
        self.is_live() || self.phase == Phase::Restarting
    }

    /// Takes an input, at a time of the clock.
    ///
    /// # Errors
    /// The job is in a state in which that cannot be done. Nothing has changed.
    pub(crate) fn take(&mut self, input: Input, now_ms: i64) -> Result<Vec<Act>, Refused> {
        match (input, self.phase) {
            (Input::Start, phase) if !self.is_active() => {
                debug_assert!(!matches!(phase, Phase::Restarting));
                self.restarts = 0;
                self.failures_in_row = 0;
                Ok(self.begin(now_ms))
            }
            (Input::Start, Phase::Stopping) => Err("the job is being stopped; it can be started when it has stopped"),
            (Input::Start, Phase::Restarting) => Ok(self.begin(now_ms)),
            (Input::Start, _) => Err("the job runs already"),

            (Input::Stop { drain, savepoint }, Phase::Starting | Phase::Running) => {
                self.phase = Phase::Stopping;
                Ok(vec![Act::AskToStop { drain, savepoint }])
            }
            (Input::Stop { savepoint: None, .. } | Input::Cancel, Phase::Restarting) => {
                self.rest(Phase::Stopped);
                Ok(Vec::new())
            }
            (Input::Stop { .. }, Phase::Restarting) => {
                Err("the job does not run, so it takes no savepoint; start from its last checkpoint instead")
            }
            (Input::Stop { .. }, Phase::Stopping) => Err("the job is being stopped already; `cancel` ends it at once"),
            (Input::Cancel, _) if self.is_live() => {
                self.phase = Phase::Stopping;
                self.starts_again = false;
                Ok(vec![Act::Kill])
            }
            (Input::Stop { .. } | Input::Cancel, _) => Err("the job does not run"),

            (Input::Restart, Phase::Starting | Phase::Running) => {
                self.phase = Phase::Stopping;
                self.starts_again = true;
                Ok(vec![Act::AskToStop { drain: false, savepoint: None }])
            }
            (Input::Restart, Phase::Stopping) => Err("the job is being stopped"),
            (Input::Restart, _) => Ok(self.begin(now_ms)),

            (Input::StopRefused, Phase::Stopping) => {
                self.rest(Phase::Running);
                Ok(Vec::new())
            }
            // It has ended meanwhile.
            (Input::StopRefused, _) => Ok(Vec::new()),

            (Input::Ready, Phase::Starting) => {
                self.phase = Phase::Running;
                Ok(Vec::new())
            }
            (Input::Found { since_ms }, _) if !self.is_live() => {
                self.phase = Phase::Running;
                self.attempt_ms = Some(since_ms);
                Ok(Vec::new())
            }
            (Input::Ready | Input::Found { .. }, _) => Ok(Vec::new()),

            (Input::Exited(exit), _) if self.is_live() => Ok(self.exited(exit, now_ms)),
            (Input::Exited(_), _) => Ok(Vec::new()),

            (Input::PauseOver, Phase::Restarting) => {
                self.restarts += 1;
                Ok(self.begin(now_ms))
            }
            // The pause of a job that was stopped or started meanwhile.
            (Input::PauseOver, _) => Ok(Vec::new()),
        }
    }

    fn begin(&mut self, now_ms: i64) -> Vec<Act> {
        self.phase = Phase::Starting;
        self.attempt += 1;
        self.attempt_ms = Some(now_ms);
        self.next_attempt_ms = None;
        self.starts_again = false;
        vec![Act::Spawn { attempt: self.attempt }]
    }

    fn rest(&mut self, phase: Phase) {
        self.phase = phase;
        self.next_attempt_ms = None;
        self.starts_again = false;
    }

    fn exited(&mut self, exit: Exit, now_ms: i64) -> Vec<Act> {
        let healthy = self.attempt_ms.is_some_and(|since| {
            self.phase != Phase::Starting && now_ms.saturating_sub(since) >= HEALTHY_AFTER.as_millis() as i64
        });
        let stopping = self.phase == Phase::Stopping;
        match exit {
            Exit::Finished => {
                self.failure = None;
                self.rest(Phase::Finished);
                Vec::new()
            }
            Exit::Stopped if stopping && self.starts_again => {
                self.failure = None;
                self.begin(now_ms)
            }
            Exit::Stopped if stopping => {
                self.failure = None;
                self.rest(Phase::Stopped);
                Vec::new()
            }
            // By a signal that was not the node's, as when the machine shuts down: nobody wants it to rest.
            Exit::Stopped => {
                self.failure = None;
                self.pause(1, now_ms)
            }
            // What was requested has happened, if not well.
            Exit::Failed { error, .. } if stopping && !self.starts_again => {
                self.failure = Some(error);
                self.rest(Phase::Stopped);
                Vec::new()
            }
            Exit::Failed { error, retry } => {
                self.failure = Some(error);
                if !retry {
                    self.rest(Phase::Failed);
                    return Vec::new();
                }
                self.failures_in_row = if healthy { 1 } else { self.failures_in_row.saturating_add(1) };
                self.pause(self.failures_in_row, now_ms)
            }
        }
    }

    fn pause(&mut self, failures: u32, now_ms: i64) -> Vec<Act> {
        let pause = pause(failures);
        self.phase = Phase::Restarting;
        self.starts_again = false;
        self.next_attempt_ms = Some(now_ms.saturating_add(pause.as_millis() as i64));
        vec![Act::Pause(pause)]
    }
}

/// Returns the pause behind so many failures in a row: it doubles with each one.
fn pause(failures: u32) -> Duration {
    RESTART_AFTER.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(RESTART_AFTER_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowgate_api::job::Fault;
    use proptest::prelude::*;

    fn failed(fault: Fault) -> Input {
        let error = JobError { code: "FG0006".into(), fault, operator: None, message: "broken".into() };
        Input::Exited(Exit::Failed { error, retry: fault != Fault::User })
    }

    fn stop() -> Input {
        Input::Stop { drain: false, savepoint: None }
    }

    fn running() -> Machine {
        let mut job = Machine::resting(Phase::Stopped, 0, 0, None);
        assert_eq!(job.take(Input::Start, 0), Ok(vec![Act::Spawn { attempt: 1 }]));
        assert_eq!(job.take(Input::Ready, 1), Ok(vec![]));
        job
    }

    #[test]
    fn pauses_double_up_to_a_minute_and_start_over_behind_a_healthy_attempt() {
        let mut job = running();
        let mut now = 0;
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let acts = job.take(failed(Fault::External), now).unwrap();
            let [Act::Pause(pause)] = acts[..] else { panic!("{acts:?}") };
            pauses.push(pause.as_secs());
            now += pause.as_millis() as i64;
            job.take(Input::PauseOver, now).unwrap();
            job.take(Input::Ready, now).unwrap();
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!((job.restarts, job.attempt), (8, 9));
        now += HEALTHY_AFTER.as_millis() as i64;
        assert_eq!(job.take(failed(Fault::Internal), now), Ok(vec![Act::Pause(RESTART_AFTER)]));
    }

    #[test]
    fn a_fault_of_the_user_is_not_tried_again() {
        let mut job = running();
        assert_eq!(job.take(failed(Fault::User), 5), Ok(vec![]));
        assert_eq!(job.phase, Phase::Failed);
        assert_eq!(job.failure.as_ref().unwrap().message, "broken");
        assert_eq!(job.take(Input::Start, 6), Ok(vec![Act::Spawn { attempt: 2 }]));
    }

    #[test]
    fn a_job_that_has_used_up_its_memory_is_tried_again() {
        let mut job = running();
        let error = JobError { code: "FG0004".into(), fault: Fault::User, operator: None, message: "no memory".into() };
        let died = Input::Exited(Exit::Failed { error, retry: true });
        assert_eq!(job.take(died, 5), Ok(vec![Act::Pause(RESTART_AFTER)]));
    }

    #[test]
    fn a_stop_during_the_pause_ends_it() {
        let mut job = running();
        job.take(failed(Fault::External), 5).unwrap();
        assert_eq!(job.take(stop(), 6), Ok(vec![]));
        assert_eq!(job.phase, Phase::Stopped);
        assert_eq!(job.take(Input::PauseOver, 7), Ok(vec![]), "a pause that was ended starts nothing");
        assert_eq!(job.phase, Phase::Stopped);
    }

    #[test]
    fn a_restart_starts_again_when_the_job_has_stopped() {
        let mut job = running();
        assert_eq!(job.take(Input::Restart, 5), Ok(vec![Act::AskToStop { drain: false, savepoint: None }]));
        assert_eq!(job.take(Input::Exited(Exit::Stopped), 6), Ok(vec![Act::Spawn { attempt: 2 }]));
        job.take(Input::Ready, 7).unwrap();
        job.take(Input::Restart, 8).unwrap();
        job.take(Input::Cancel, 9).unwrap();
        assert_eq!(job.take(failed(Fault::External), 10), Ok(vec![]), "a cancel takes the restart back");
        assert_eq!(job.phase, Phase::Stopped);
    }

    #[test]
    fn a_job_that_nobody_stopped_runs_again() {
        let mut job = running();
        assert_eq!(job.take(Input::Exited(Exit::Stopped), 5), Ok(vec![Act::Pause(RESTART_AFTER)]));
        assert_eq!((job.phase, job.failure.is_none()), (Phase::Restarting, true));
    }

    #[test]
    fn a_stop_that_is_refused_leaves_the_job_running() {
        let mut job = running();
        let before = job.clone();
        job.take(Input::Stop { drain: false, savepoint: Some("taken".into()) }, 5).unwrap();
        job.take(Input::StopRefused, 6).unwrap();
        assert_eq!(job, before);
    }

    fn inputs() -> impl Strategy<Value = Input> {
        prop_oneof![
            Just(Input::Start),
            Just(stop()),
            Just(Input::Stop { drain: true, savepoint: None }),
            Just(Input::Stop { drain: false, savepoint: Some("s".into()) }),
            Just(Input::Cancel),
            Just(Input::Restart),
            Just(Input::StopRefused),
            Just(Input::Ready),
            Just(Input::PauseOver),
            Just(Input::Exited(Exit::Finished)),
            Just(Input::Exited(Exit::Stopped)),
            Just(failed(Fault::User)),
            Just(failed(Fault::External)),
            Just(failed(Fault::Internal)),
        ]
    }

    proptest! {
        /// J1, J2, and: a job that waits for a restart has a pause that ends; a refusal changes nothing; numbers of attempts grow.
        #[test]
        fn whatever_happens(all in prop::collection::vec((inputs(), 0i64..400_000), 1..60)) {
            let mut job = Machine::resting(Phase::Stopped, 0, 0, None);
            let (mut now, mut live, mut pausing) = (0, false, false);
            for (input, later) in all {
                now += later;
                let exits = matches!(input, Input::Exited(_));
                if exits && !live {
                    continue;
                }
                live &= !exits;
                pausing &= input != Input::PauseOver;
                let before = job.clone();
                match job.take(input.clone(), now) {
                    Err(_) => prop_assert_eq!(&job, &before),
                    Ok(acts) => for act in acts {
                        match act {
                            Act::Spawn { attempt } => {
                                prop_assert!(!live, "two worker processes");
                                prop_assert!(attempt > before.attempt);
                                live = true;
                            }
                            Act::AskToStop { .. } | Act::Kill => prop_assert!(live),
                            Act::Pause(_) => pausing = true,
                        }
                    },
                }
                prop_assert_eq!(job.is_live(), live);
                prop_assert_eq!(job.next_attempt_ms.is_some(), job.phase == Phase::Restarting);
                prop_assert!(pausing || job.phase != Phase::Restarting);
                let asked_to_rest = matches!(input, Input::Stop { .. } | Input::Cancel);
                prop_assert!(!asked_to_rest || !matches!(job.phase, Phase::Starting | Phase::Restarting | Phase::Running) || job == before);
            }
        }
    }
}

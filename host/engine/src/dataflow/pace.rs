//! A share of processor time, kept by the process itself: for machines on which no cgroup can be made.
//!
//! A [`Bucket`] fills with `share_cores` seconds a second, up to [`BURST`]; what the process uses is taken out of it. While it is in debt,
//! every worker sleeps between two batches. A batch is never interrupted, so a long one is paid for afterwards: over any time `t` that ends
//! with the bucket out of debt, the process has used at most `share_cores * t + BURST`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use flowgate_base::bucket::Bucket;
use flowgate_confine::cpu_used;

/// The processor time that a process may use at once after it was idle.
pub(super) const BURST: Duration = Duration::from_millis(100);
/// The least share: with less, a single batch would be paid for during minutes.
const SHARE_CORES_MIN: f64 = 0.01;
/// The longest sleep between two looks at the job.
const STEP: Duration = Duration::from_millis(20);
/// The least time between two readings of the clock, in microseconds.
const READ_EVERY_US: u64 = 1_000;

/// How long a process sleeps. Knows no clock: times are handed in.
#[derive(Debug, Clone)]
pub(super) struct Pacer {
    /// Seconds of processor time that may be used.
    bucket: Bucket,
    /// The processor time at the last call.
    used: Option<Duration>,
}

impl Pacer {
    /// Creates the pacer of a process that may use `share_cores` processors: 0.5 is half of one. At least 0.01.
    pub(super) fn new(share_cores: f64) -> Pacer {
        // `max` takes the other one where the share is no number.
        Pacer { bucket: Bucket::new(share_cores.max(SHARE_CORES_MIN), BURST.as_secs_f64()), used: None }
    }

    /// Returns how long the process has to sleep at the time `now`, by which it has used `used` of processor time. Both only grow;
    /// what was used before the first call does not count.
    pub(super) fn sleep(&mut self, now: Duration, used: Duration) -> Duration {
        let before = self.used.replace(used).unwrap_or(used);
        self.bucket.spend(now.as_secs_f64(), used.saturating_sub(before).as_secs_f64());
        Duration::from_secs_f64(self.bucket.until(0.0))
    }
}

/// The pace of a job's workers.
pub(super) struct Pace {
    pacer: Mutex<Pacer>,
    start: Instant,
    /// Microseconds after the start at which the processor time was read last.
    read_us: AtomicU64,
}

impl Pace {
    pub(super) fn new(share_cores: f64) -> Pace {
        Pace { pacer: Mutex::new(Pacer::new(share_cores)), start: Instant::now(), read_us: AtomicU64::new(0) }
    }

    /// Called by a worker between two batches: sleeps until the process is out of debt. `is_ending` jobs sleep for one step at
    /// most, so that they come to their end.
    pub(super) fn keep(&self, is_ending: impl Fn() -> bool) {
        let now_us = self.start.elapsed().as_micros() as u64;
        let read_us = self.read_us.load(Relaxed);
        if now_us < read_us + READ_EVERY_US {
            return;
        }
        // Another worker that reads it at the same time does no harm.
        self.read_us.store(now_us, Relaxed);
        loop {
            let debt = self.debt();
            if debt.is_zero() {
                return;
            }
            thread::sleep(debt.min(STEP));
            if is_ending() {
                return;
            }
        }
    }

    fn debt(&self) -> Duration {
        let mut pacer = self.pacer.lock().unwrap_or_else(PoisonError::into_inner);
        // Read within the lock: times only grow.
        pacer.sleep(self.start.elapsed(), cpu_used())
    }
}

//! A requested stop, for threads that wait.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use flowgate_base::clock;

/// Informs threads that wait for the outside world that the job is to stop.
#[derive(Debug, Default)]
pub struct Stop {
    asked_at: Mutex<Option<Instant>>,
    asked: Condvar,
}

impl Stop {
    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.asked_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests the stop. The first call counts.
    pub fn ask(&self) {
        self.lock().get_or_insert_with(clock::monotonic);
        self.asked.notify_all();
    }

    /// Returns the rest of `grace` since the stop; `None` where no stop was requested.
    pub fn left_of(&self, grace: Duration) -> Option<Duration> {
        self.lock().map(|asked_at| grace.saturating_sub(clock::monotonic() - asked_at))
    }

    /// Sleeps. Returns false, without delay, when `grace` has passed since the stop.
    pub fn sleep(&self, duration: Duration, grace: Duration) -> bool {
        let until = clock::monotonic() + duration;
        let mut asked_at = self.lock();
        loop {
            let now = clock::monotonic();
            let last = asked_at.map(|asked_at| asked_at + grace);
            if last.is_some_and(|last| last <= now) {
                return false;
            }
            if until <= now {
                return true;
            }
            let wait = last.map_or(until, |last| last.min(until)) - now;
            asked_at = self.asked.wait_timeout(asked_at, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_ends_a_sleep_when_the_grace_has_passed() {
        let (long, grace) = (Duration::from_secs(60), Duration::from_millis(100));
        let stop = Stop::default();
        assert!(stop.sleep(Duration::from_millis(1), grace));
        assert_eq!(stop.left_of(grace), None);
        let start = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(20));
                stop.ask();
            });
            assert!(!stop.sleep(long, grace));
        });
        assert!(start.elapsed() >= grace && start.elapsed() < long, "{:?}", start.elapsed());
        assert_eq!(stop.left_of(grace), Some(Duration::ZERO));
        assert!(!stop.sleep(Duration::ZERO, grace));
    }
}

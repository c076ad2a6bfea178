//! What all functions of a job share. Each has limits of its own; these hold for the sum.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use flowgate_base::allowance::Allowance;
use flowgate_base::bucket::Bucket;
use flowgate_base::clock;

/// Updates that a function takes from the rate at once: so that it is asked seldom.
const UPDATES_AT_ONCE: u32 = 64;

/// Limits of all functions that are loaded with the same settings. Default: none.
#[derive(Debug, Clone, Default)]
pub struct Shares {
    /// Linear memory of all instances, in bytes.
    pub memory: Option<Arc<Allowance>>,
    /// Granted files that functions have open, in bytes; each function has them open on each worker.
    pub files: Option<Arc<Allowance>>,
    /// Updates of metrics.
    pub updates: Option<Arc<UpdateRate>>,
}

/// A rate of updates of metrics.
#[derive(Debug)]
pub struct UpdateRate {
    at_once: u32,
    bucket: Mutex<Bucket>,
    start: Instant,
}

impl UpdateRate {
    /// Creates a rate of `per_s` updates a second, and as many at once after a pause.
    pub fn new(per_s: u32) -> Arc<UpdateRate> {
        let bucket = Mutex::new(Bucket::new(per_s.into(), per_s.into()));
        Arc::new(UpdateRate { at_once: per_s.clamp(1, UPDATES_AT_ONCE), bucket, start: clock::monotonic() })
    }

    /// Returns how many updates may be made before this is called again; 0: none now.
    fn take(&self) -> u32 {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        match bucket.take(self.start.elapsed().as_secs_f64(), self.at_once.into()) {
            Ok(()) => self.at_once,
            Err(_) => 0,
        }
    }
}

/// One function's part of a rate of updates.
#[derive(Debug)]
pub(super) struct Updates {
    rate: Option<Arc<UpdateRate>>,
    /// Updates that it may make without another look at the rate.
    left: u32,
}

impl Updates {
    pub(super) fn of(shares: &Shares) -> Updates {
        Updates { rate: shares.updates.clone(), left: 0 }
    }

    /// Whether another update may be made.
    pub(super) fn take(&mut self) -> bool {
        let Some(rate) = &self.rate else { return true };
        if self.left == 0 {
            self.left = rate.take();
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn functions_keep_to_one_rate_together() {
        let shares = Shares { updates: Some(UpdateRate::new(1_000)), ..Shares::default() };
        let begun = clock::monotonic();
        let mut functions = [Updates::of(&shares), Updates::of(&shares)];
        let mut made = 0;
        while begun.elapsed() < Duration::from_millis(300) {
            made += functions.iter_mut().filter_map(|function| function.take().then_some(())).count();
        }
        let most = 1_000 + begun.elapsed().as_millis() as usize;
        assert!(made >= 1_000 && made <= most, "{made} of {most}");
    }

    #[test]
    fn a_rate_of_none_makes_none_and_no_rate_makes_all() {
        let none = Shares { updates: Some(UpdateRate::new(0)), ..Shares::default() };
        assert!(!Updates::of(&none).take());
        let mut all = Updates::of(&Shares::default());
        assert!((0..1_000_000).all(|_| all.take()));
    }
}

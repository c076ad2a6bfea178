//! An amount that several share: who takes more than is left gets nothing of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What may be taken together at most, and what is taken.
#[derive(Debug)]
pub struct Allowance {
    max: u64,
    taken: AtomicU64,
}

impl Allowance {
    /// Creates an allowance of `max`, of which nothing is taken.
    pub fn new(max: u64) -> Arc<Allowance> {
        Arc::new(Allowance { max, taken: AtomicU64::new(0) })
    }

    /// The most that may be taken together.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// What is taken at present.
    pub fn taken(&self) -> u64 {
        self.taken.load(Relaxed)
    }

    /// Takes `more`. Returns false, and takes nothing, if that is not left.
    fn take(&self, more: u64) -> bool {
        let within = |taken: u64| taken.checked_add(more).filter(|sum| *sum <= self.max);
        self.taken.fetch_update(Relaxed, Relaxed, within).is_ok()
    }
}

/// One holder's part of an allowance, given back when it is dropped.
#[derive(Debug)]
pub struct Part {
    of: Arc<Allowance>,
    held: u64,
}

impl Part {
    /// Creates a holder of nothing.
    pub fn of(of: &Arc<Allowance>) -> Part {
        Part { of: Arc::clone(of), held: 0 }
    }

    /// The allowance.
    pub fn whole(&self) -> &Allowance {
        &self.of
    }

    /// Holds `held` from now on. Returns false, and holds what it held, if the allowance has not that much left.
    #[must_use]
    pub fn hold(&mut self, held: u64) -> bool {
        match held.checked_sub(self.held) {
            Some(more) if !self.of.take(more) => return false,
            Some(_) => {}
            None => drop(self.of.taken.fetch_sub(self.held - held, Relaxed)),
        }
        self.held = held;
        true
    }

    /// Holds `more` in addition, as [`Part::hold`] does.
    #[must_use]
    pub fn add(&mut self, more: u64) -> bool {
        self.hold(self.held.saturating_add(more))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.of.taken.fetch_sub(self.held, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_no_more_than_the_whole_and_give_it_back() {
        let whole = Allowance::new(100);
        let (mut one, mut other) = (Part::of(&whole), Part::of(&whole));
        assert!(one.hold(60) && other.hold(40));
        assert!(!other.add(1) && !one.hold(61) && !one.add(u64::MAX));
        assert_eq!(whole.taken(), 100);
        assert!(one.hold(10) && other.add(50));
        assert_eq!(whole.taken(), 100);
        drop(other);
        assert_eq!(whole.taken(), 10);
        drop(one);
        assert_eq!(whole.taken(), 0);
    }

    /// However many take at once, the maximum holds, and everything comes back.
    #[test]
    fn many_at_once_hold_no_more_than_the_whole() {
        let whole = Allowance::new(1_000);
        std::thread::scope(|scope| {
            for step in 1..=4 {
                let whole = &whole;
                scope.spawn(move || {
                    let mut part = Part::of(whole);
                    for at in 0..20_000_u64 {
                        let _ = part.hold(at * step % 700);
                        assert!(whole.taken() <= whole.max());
                    }
                });
            }
        });
        assert_eq!(whole.taken(), 0);
    }
}

//! Scheduling an operator again.

use std::rc::Rc;

use flowgate_connect::source::Waker;

/// Wakes an operator: from its own worker, later, or from any thread.
#[derive(Clone)]
pub struct Wake {
    /// Called with a delay in milliseconds; `None`: soon.
    here: Rc<dyn Fn(Option<u64>)>,
    anywhere: Waker,
}

impl Wake {
    /// Creates the wake of an operator. `here` schedules it from its own worker, after a delay in milliseconds if there is one;
    /// `anywhere` does so from any thread.
    pub fn new(here: Rc<dyn Fn(Option<u64>)>, anywhere: Waker) -> Self {
        Wake { here, anywhere }
    }

    /// Schedules the operator soon.
    pub fn now(&self) {
        (self.here)(None);
    }

    /// Schedules the operator after `delay_ms` milliseconds.
    pub fn after_ms(&self, delay_ms: u64) {
        (self.here)(Some(delay_ms));
    }

    /// Returns a waker for other threads.
    pub fn from_any_thread(&self) -> Waker {
        self.anywhere.clone()
    }
}

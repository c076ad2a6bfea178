//! Scheduling an operator again.

use std::rc::Rc;

use flowgate_connect::source::Waker;

/// Wakes an operator: from its own worker, later, or from any thread.
#[derive(Clone)]
pub(crate) struct Wake {
    /// Called with a delay in milliseconds; `None`: soon.
    here: Rc<dyn Fn(Option<u64>)>,
    anywhere: Waker,
}

impl Wake {
    /// Creates the wake of an operator. `here` schedules it from its own worker, after a delay in milliseconds if there is one;
    /// `anywhere` does so from any thread.
    pub(crate) fn new(here: Rc<dyn Fn(Option<u64>)>, anywhere: Waker) -> Self {
        Wake { here, anywhere }
    }

    /// Schedules the operator soon.
    pub(crate) fn now(&self) {
        (self.here)(None);
    }

    /// Schedules the operator after `delay_ms` milliseconds.
    pub(crate) fn after_ms(&self, delay_ms: u64) {
        (self.here)(Some(delay_ms));
    }

    /// Returns a waker for other threads.
    pub(crate) fn waker(&self) -> Waker {
        self.anywhere.clone()
    }
}

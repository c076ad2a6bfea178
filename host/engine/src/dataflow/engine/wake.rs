//! Has an operator scheduled again.

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
    /// Creates the wake of an operator: `here` schedules it on its own worker, after a delay in milliseconds if there is one,
    /// `anywhere` from any thread.
    pub fn new(here: Rc<dyn Fn(Option<u64>)>, anywhere: Waker) -> Self {
        Wake { here, anywhere }
    }

    /// Soon.
    pub fn now(&self) {
        (self.here)(None);
    }

    /// After this many milliseconds.
    pub fn after_ms(&self, delay_ms: u64) {
        (self.here)(Some(delay_ms));
    }

    /// A waker for other threads.
    pub fn from_any_thread(&self) -> Waker {
        self.anywhere.clone()
    }
}

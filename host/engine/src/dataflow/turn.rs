//! The turn of an operator: how long it works before the other operators of its worker take their turns.
//!
//! A worker runs one operator at a time. Boundaries, ticks and rows of others wait meanwhile, so that turns are short, and long work (a backlog
//! of messages, many windows or timers at one moment) is done in many of them. What cannot be divided is one step: a batch of rows, a call
//! of a function, the growth of a table.

use std::time::{Duration, Instant};

use flowgate_base::clock;

/// The length of a turn: half of what a worker may be blocked for, which leaves the other half for its last step.
const LENGTH: Duration = Duration::from_millis(5);

/// A turn that has begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    began: Instant,
}

impl Turn {
    /// Begins a turn.
    pub(crate) fn begin() -> Self {
        Turn { began: clock::monotonic() }
    }

    /// How long it has been.
    pub(crate) fn so_far(self) -> Duration {
        self.began.elapsed()
    }

    /// Whether the operator yields before its next step.
    pub(crate) fn is_over(self) -> bool {
        self.so_far() >= LENGTH
    }
}

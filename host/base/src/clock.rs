//! The one place where the wall clock is read.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::time::ProcessingTime;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub fn now_ms() -> i64 {
    // A clock before 1970 counts as 1970: ticks only have to go forward.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Returns the current processing time.
pub fn now() -> ProcessingTime {
    ProcessingTime(now_ms())
}

/// Now, on a clock that never goes back: for measuring how long something takes.
pub fn monotonic() -> std::time::Instant {
    std::time::Instant::now()
}

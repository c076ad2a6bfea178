//! Waiting for something that will be so.

use std::time::{Duration, Instant};

/// Much more than anything needs, also on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something is so; `what` says what is not so otherwise.
///
/// # Panics
/// If it is not so in time.
#[track_caller]
pub fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    wait_for(what, || is_so().then_some(()));
}

/// Waits until there is something, and returns it.
///
/// # Panics
/// If there is nothing in time.
#[track_caller]
pub fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

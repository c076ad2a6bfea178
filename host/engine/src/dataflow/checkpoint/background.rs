//! Threads that work beside the workers of a job: a worker that wants the processor gets it first.

use std::io;
use std::thread::{Builder, JoinHandle};

/// How much a thread of the background gives way, as the system counts it: it has about a quarter of the share of a worker where all want
/// the processor. A checkpoint is complete later, and rows wait less.
const GIVES_WAY: i32 = 6;

/// Starts a thread of the background.
///
/// # Errors
/// The system refuses one.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    Builder::new().name(name.into()).spawn(move || {
        give_way();
        run()
    })
}

#[cfg(target_os = "linux")]
fn give_way() {
    // A thread has a priority of its own there; `None` is the calling one, the only one that a confined process may name. Where the
    // system refuses, the thread works like any other.
    let _ = rustix::process::setpriority_process(None, GIVES_WAY);
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}

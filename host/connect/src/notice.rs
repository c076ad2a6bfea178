//! Notices for the person who runs a job, although nothing has failed.

use std::sync::OnceLock;

static RECEIVER: OnceLock<fn(&str)> = OnceLock::new();

/// Sets the receiver of notices, once for the process; without it, they are dropped. A notice is one line with its line end.
pub fn on_notice(receiver: fn(&str)) {
    // A second command in one process keeps the first one's.
    let _ = RECEIVER.set(receiver);
}

/// Sends a notice, which is one line without its line end.
pub(crate) fn notice(text: &str) {
    if let Some(receiver) = RECEIVER.get() {
        receiver(&format!("note: {text}\n"));
    }
}

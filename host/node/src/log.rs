//! The node's own log: lines on standard error, which never delay anybody.

use flowgate_base::{clock, shown, standard_error};
use jiff::Timestamp;

/// Logs what somebody may want to know.
pub(crate) fn info(message: &str) {
    line("info", message);
}

/// Logs what somebody should look at.
pub(crate) fn warning(message: &str) {
    line("warning", message);
}

/// Logs what went wrong.
pub(crate) fn error(message: &str) {
    line("error", message);
}

fn line(level: &str, message: &str) {
    let at = Timestamp::from_millisecond(clock::now_ms()).unwrap_or_default();
    standard_error::line(format!("{at:.3} {level}: {}\n", shown::one_line(message, 4_096)));
}

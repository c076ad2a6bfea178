//! How a list of a node is shown, and what is counted and timed in it.

use flowgate_base::error::Result;
use flowgate_control::explain::words;
use serde::Serialize;

use super::json;
use crate::terminal;

/// Prints a list: as JSON, as lines of at most that many cells where that is possible, or, where it is empty, what to do about that.
///
/// # Errors
/// Standard output.
pub(super) fn print<T: Serialize>(
    list: &[T],
    as_json: bool,
    if_empty: &str,
    text: impl FnOnce(Option<u16>) -> String,
) -> Result<()> {
    if as_json {
        return json::print(&list);
    }
    if list.is_empty() {
        terminal::message(&format!("{if_empty}\n"));
        return Ok(());
    }
    terminal::print(&text(terminal::width()))
}

/// Returns a number of workers: `1 worker`, `2 workers`.
pub(super) fn workers(count: u32) -> String {
    if count == 1 { "1 worker".into() } else { format!("{count} workers") }
}

/// Returns a time, in milliseconds, without parts of a second.
pub(super) fn time(at_ms: i64) -> String {
    words::time(at_ms / 1_000 * 1_000)
}

/// Returns the time from one time to another, in milliseconds, without parts of a second.
pub(super) fn since(at_ms: i64, now_ms: i64) -> String {
    words::length(now_ms.saturating_sub(at_ms) / 1_000 * 1_000)
}

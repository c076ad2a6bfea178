//! JSON on standard output.

use serde::Serialize;

use crate::terminal;
use flowgate_base::error::{Error, Result};
use flowgate_base::shown;

/// Prints a value as JSON.
///
/// # Errors
/// Standard output.
pub(super) fn print(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Error::internal(e.to_string()))?;
    terminal::print(&format!("{}\n", shown::json(&text)))
}

//! What the system enforces.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What the system enforces from now on, and what it cannot: for the log of a process, and for whoever started it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The version of Landlock's interface; `None`: the kernel has no Landlock.
    pub landlock_abi: Option<u32>,
    /// What is enforced, in a few words each.
    pub enforced: Vec<String>,
    /// What is not, and why, in a sentence each without its full stop.
    pub not_enforced: Vec<String>,
    /// Granted paths that do not exist: they stay refused, even where they appear later.
    pub absent: Vec<PathBuf>,
}

impl Report {
    /// Whether the system enforces everything that was asked for.
    pub fn is_complete(&self) -> bool {
        self.not_enforced.is_empty()
    }
}

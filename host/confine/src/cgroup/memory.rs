//! What the kernel does where memory is short.

use std::path::Path;
use std::{fs, io};

/// How often memory was short in a group, since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shortages {
    /// The group was at its own limit, and nothing could be reclaimed.
    pub at_limit: u64,
    /// A process of the group was killed, whoever's limit it was: that of the group, of one above it, or of the machine.
    pub killed: u64,
}

impl Shortages {
    /// Reads the figures of a group. They are 0 where the kernel has none: before Linux 5.2, or where the group is gone.
    pub(super) fn of(group: &Path) -> Shortages {
        // Those of the group alone; `memory.events` has the sums with the groups in it. Whoever asks has seen a process end, and knows why it
        // did from other places, too: without figures, nothing is said of memory.
        let events = fs::read_to_string(group.join("memory.events.local")).unwrap_or_default();
        let count = |name: &str| {
            let value = events.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
        };
        Shortages { at_limit: count("oom"), killed: count("oom_kill") }
    }
}

/// Has the kernel kill a process, and what it starts later, before all others of its group where memory is short.
///
/// # Errors
/// The process has ended.
pub fn kill_first(process: u32) -> io::Result<()> {
    // The greatest value of proc_pid_oom_score_adj(5). Anybody may raise it.
    fs::write(format!("/proc/{process}/oom_score_adj"), "1000")
}

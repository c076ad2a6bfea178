//! Contract versions: each is adapted once, here; nothing behind this line knows of versions.
mod adapter_0_1_0;
mod bindings_0_1_0;
mod host_0_1_0;

pub(super) use adapter_0_1_0::{Bound, Described, Exports, Guest, add_to_linker};

/// The versions of `flowgate:plugin` that this host runs, newest first.
pub(super) const VERSIONS: &[&str] = &["0.1.0"];

/// Interfaces that a plugin may import from each version. `columns` and `output` only have types; `state` and
/// `timers` trap when a function of another kind than process calls them.
pub(super) const IMPORTS: &[&str] = &["columns", "output", "log", "metrics", "context", "files", "state", "timers"];

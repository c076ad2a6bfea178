//! Why a process cannot be confined.

use std::path::PathBuf;

/// Why a process cannot be confined: the system's fault. What an old kernel does not know is no error, but in the
/// [`Report`](crate::Report).
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// A resource limit cannot be set.
    #[error("the limit of {resource} cannot be set: {source}")]
    Resource {
        /// In words.
        resource: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// A granted path cannot be opened.
    #[error("the granted path {} cannot be opened: {source}", path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Landlock refuses the rules.
    #[error("the limits of files cannot be set: {0}")]
    Files(String),
    /// Seccomp refuses the filter.
    #[error("the limits of system calls cannot be set: {0}")]
    Calls(String),
}

//! What the process may do, before it reads what others wrote.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limits::WorkerLimits;
use flowgate_base::error::{Error, Result};

/// Confines this process: the only place where that happens. It comes after the assignment has been read, and before anything of the
/// job is.
///
/// # Errors
/// The system refuses.
pub(crate) fn confine(limits: &WorkerLimits) -> Result<()> {
    // The memory of the process has secrets, which a file would keep.
    lower(Resource::Core, 0)?;
    lower(Resource::Nofile, limits.open_files)
}

/// Lowers a limit for good; one that is lower already stays.
fn lower(resource: Resource, to: u64) -> Result<()> {
    let lower = |had: Option<u64>| Some(had.map_or(to, |had| had.min(to)));
    let Rlimit { maximum, .. } = getrlimit(resource);
    let limit = Rlimit { current: lower(maximum), maximum: lower(maximum) };
    setrlimit(resource, limit).map_err(|e| Error::io(format_args!("cannot limit {resource:?}"), &e.into()))
}

//! A process confines itself.

use crate::confinement::Confinement;
use crate::error::ConfineError;
use crate::report::Report;
use crate::resources;

/// Confines this process, for the rest of its life. Nothing can undo it.
///
/// Call it before the process starts threads: system calls and resources are limited for all threads, but files for the calling
/// thread and those that it starts (before Linux 7.0). Where there are other threads, the report says so.
///
/// # Errors
/// The system refuses what it knows: a limit, a granted path, the rules. The process may be confined in part then, and must end.
#[cfg(target_os = "linux")]
pub fn apply(to: &Confinement) -> Result<Report, ConfineError> {
    let mut report = Report::default();
    rustix::thread::set_no_new_privs(true)
        .map_err(|e| ConfineError::Resource { resource: "privileges", source: e.into() })?;
    report.enforced.push("no new privileges".into());
    // Files come before resources, since each granted path is an open file for a moment; system calls come last, since the filter
    // refuses those that the others are set with.
    crate::files::limit(to, &mut report)?;
    resources::limit(to, &mut report)?;
    crate::filter::install(to, &mut report)?;
    Ok(report)
}

/// Confines this process as far as this system can.
///
/// # Errors
/// The system refuses a resource limit.
#[cfg(not(target_os = "linux"))]
pub fn apply(to: &Confinement) -> Result<Report, ConfineError> {
    let mut report = Report::default();
    resources::limit(to, &mut report)?;
    for measure in ["new privileges", "files", "system calls"] {
        report.not_enforced.push(format!("{measure}: only Linux can limit them"));
    }
    Ok(report)
}

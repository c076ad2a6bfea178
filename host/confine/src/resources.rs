//! Resource limits.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::confinement::Confinement;
use crate::error::ConfineError;
use crate::report::Report;

/// Sets the limits. A limit that is lower already stays.
pub(crate) fn limit(to: &Confinement, report: &mut Report) -> Result<(), ConfineError> {
    let limits = [
        (Resource::Data, "memory", to.memory_bytes_max),
        (Resource::Nofile, "open files", to.open_files_max),
        (Resource::Nproc, "processes", to.processes_max),
        (Resource::Fsize, "file size", to.file_bytes_max),
        (Resource::Core, "core dumps", Some(0)),
    ];
    for (resource, name, wanted) in limits {
        let Some(wanted) = wanted else { continue };
        let max = getrlimit(resource).maximum.map_or(wanted, |present| present.min(wanted));
        let limit = Rlimit { current: Some(max), maximum: Some(max) };
        setrlimit(resource, limit).map_err(|e| ConfineError::Resource { resource: name, source: e.into() })?;
        report.enforced.push(match name {
            "core dumps" => "no core dumps".into(),
            _ => format!("{name} at most {max}"),
        });
    }
    if to.processes_max.is_some() && rustix::process::geteuid().is_root() {
        report.not_enforced.push("the number of processes: root has no such limit".into());
    }
    if to.file_bytes_max.is_some() {
        writes_beyond_the_limit_fail();
    }
    Ok(())
}

/// A write beyond the limit of a file's size fails, instead of ending the process by SIGXFSZ.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "ignoring a signal has no safe interface")]
fn writes_beyond_the_limit_fail() {
    // SAFETY: sets no handler of ours, so nothing runs in the context of a signal.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

#[cfg(not(target_os = "linux"))]
fn writes_beyond_the_limit_fail() {}

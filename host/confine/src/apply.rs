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
    give_up_priorities().map_err(|e| ConfineError::Resource { resource: "privileges", source: e.into() })?;
    // Files come before resources, since each granted path is an open file for a moment; system calls come last, since the filter
    // refuses those that the others are set with.
    crate::files::limit(to, crate::files::Held::Process, &mut report)?;
    resources::limit(to, &mut report)?;
    crate::filter::install(to, &mut report)?;
    Ok(report)
}

/// Gives up the right of root to run before others, which the call that sets a thread's slice could use.
#[cfg(target_os = "linux")]
fn give_up_priorities() -> rustix::io::Result<()> {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    let mut sets = capabilities(None)?;
    if !sets.permitted.contains(CapabilitySet::SYS_NICE) {
        return Ok(());
    }
    for set in [&mut sets.effective, &mut sets.permitted, &mut sets.inheritable] {
        set.remove(CapabilitySet::SYS_NICE);
    }
    set_capabilities(None, sets)
}

/// Returns what this system can enforce, without confining this process: for a node to print at its start.
///
/// # Errors
/// The system refuses what it knows.
#[cfg(target_os = "linux")]
pub fn supported() -> Result<Report, ConfineError> {
    // Landlock and `no_new_privs` hold one thread, which ends here.
    let probe = std::thread::spawn(|| {
        let mut report = Report::default();
        crate::files::limit(&Confinement::default(), crate::files::Held::Thread, &mut report).map(|()| report)
    });
    let mut report = probe.join().unwrap_or_else(|_| Err(ConfineError::Files("the probe has panicked".into())))?;
    match std::fs::exists(SECCOMP_ACTIONS) {
        Ok(true) => report.enforced.push("system calls by seccomp".into()),
        _ => report.not_enforced.push(format!("system calls: this kernel has no seccomp ({SECCOMP_ACTIONS})")),
    }
    Ok(report)
}

/// What a kernel with seccomp filters lists (seccomp(2), since Linux 4.14).
#[cfg(target_os = "linux")]
const SECCOMP_ACTIONS: &str = "/proc/sys/kernel/seccomp/actions_avail";

/// Returns what this system can enforce.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn supported() -> Result<Report, ConfineError> {
    Ok(Report { not_enforced: vec!["files and system calls: only Linux can limit them".into()], ..Report::default() })
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

//! What the process may do, before it reads what others wrote: the only place where it confines itself.

use std::path::{Path, PathBuf};

use flowgate_base::error::{Error, Result};
use flowgate_confine::{Confinement, Network, Report, Role, apply};
use flowgate_connect::policy::{Policy, confinement_of};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::assignment::{Assignment, Task};
use crate::inspect::Inspection;
use crate::limits::WorkerLimits;

/// What every process of ours reads: itself, randomness, how many processors there are.
const OWN_FILES: [&str; 6] =
    ["/proc/self", "/proc/sys/kernel/random", "/dev/urandom", "/dev/null", "/sys/devices/system/cpu", "/sys/fs/cgroup"];

/// What a child needs to be started.
const LIBRARIES: [&str; 5] = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache"];

/// Confines this process. It comes after the assignment has been read and the socket is bound, and before anything of the job is.
///
/// Without a policy, the job may do what its user may: only resources are limited.
///
/// # Errors
/// The system refuses.
pub(crate) fn confine(assignment: &Assignment) -> Result<Report> {
    let Some(policy) = &assignment.policy else {
        // The memory of the process has secrets, which a file would keep.
        lower(Resource::Core, 0)?;
        lower(Resource::Nofile, assignment.limits.open_files)?;
        return Ok(Report::default());
    };
    let confinement = match assignment.task {
        Task::Run => of_worker(assignment, policy),
        Task::Check | Task::DryRun => of_checker(assignment, policy),
    };
    confined(&confinement)
}

/// Confines this process, which looks at a component and compiles it.
///
/// # Errors
/// The system refuses.
pub(crate) fn confine_inspection(inspection: &Inspection) -> Result<Report> {
    let read = OWN_FILES.iter().map(PathBuf::from).chain([inspection.component.clone()]).collect();
    confined(&checker(read, vec![inspection.compiled.clone()], WorkerLimits::default().open_files))
}

fn confined(to: &Confinement) -> Result<Report> {
    apply(to).map_err(|error| Error::io("cannot confine this process", &std::io::Error::other(error)))
}

fn of_worker(assignment: &Assignment, policy: &Policy) -> Confinement {
    let granted = confinement_of(policy, &assignment.touches);
    let mut read = granted.read;
    read.extend(own_files(assignment));
    read.extend(assignment.compiled.clone());
    let mut write = granted.write;
    write.extend([assignment.folder.clone(), assignment.files.clone()]);
    write.extend(folder_of(&assignment.checkpoint_store));
    // Where its socket may be, whose file it removes.
    write.extend(assignment.socket_folder.clone());
    // The socket is bound before: it listens on none that is new.
    let network = if granted.network == Network::Unix { Network::None } else { granted.network };
    Confinement {
        role: Role::Worker,
        memory_bytes_max: assignment.limits.memory_bytes,
        file_bytes_max: assignment.limits.file_bytes,
        open_files_max: Some(assignment.limits.open_files),
        read,
        write,
        network,
        ..granted
    }
}

/// A check reads what the policy lets the job read, since functions open their files; it starts children that compile and judge.
fn of_checker(assignment: &Assignment, policy: &Policy) -> Confinement {
    let mut read = policy.readable();
    read.extend(own_files(assignment));
    // A dry run opens the store.
    let write = assignment.compiled.clone().into_iter().chain(folder_of(&assignment.checkpoint_store)).collect();
    checker(read, write, assignment.limits.open_files)
}

/// What starts children that compile and judge.
fn checker(read: Vec<PathBuf>, mut write: Vec<PathBuf>, open_files: u64) -> Confinement {
    let mut execute: Vec<PathBuf> = LIBRARIES.iter().map(PathBuf::from).collect();
    execute.extend(std::env::current_exe());
    write.push(PathBuf::from("/dev/null"));
    Confinement {
        role: Role::Checker,
        open_files_max: Some(open_files),
        read,
        write,
        execute,
        network: Network::None,
        ..Confinement::default()
    }
}

fn own_files(assignment: &Assignment) -> Vec<PathBuf> {
    let components = assignment.plugins.iter().map(|plugin| plugin.path.clone());
    // A swap brings another component of the folder.
    let folders = assignment.plugin_folder.iter().cloned();
    OWN_FILES.iter().map(PathBuf::from).chain(components).chain(folders).collect()
}

/// The folder of a store, if it is one.
fn folder_of(store: &str) -> Option<PathBuf> {
    (!store.contains("://")).then(|| Path::new(store).to_path_buf())
}

/// Lowers a limit for good; one that is lower already stays.
fn lower(resource: Resource, to: u64) -> Result<()> {
    let lower = |had: Option<u64>| Some(had.map_or(to, |had| had.min(to)));
    let Rlimit { maximum, .. } = getrlimit(resource);
    let limit = Rlimit { current: lower(maximum), maximum: lower(maximum) };
    setrlimit(resource, limit).map_err(|e| Error::io(format_args!("cannot limit {resource:?}"), &e.into()))
}

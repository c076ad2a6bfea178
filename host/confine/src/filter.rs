//! Seccomp: which system calls a process may make, and with which arguments.
//!
//! Three filters, of whose answers the kernel takes the strictest: [`calls::NEVER`] kills the process; `clone3`, whose arguments
//! no filter can read, does not exist (`ENOSYS`), so that the library starts threads by `clone`; everything else that is not in
//! the lists is refused (`EPERM`).

use std::collections::BTreeMap;
use std::io;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter_all_threads,
};

use crate::calls;
use crate::confinement::{Confinement, Network, Role};
use crate::error::ConfineError;
use crate::report::Report;

/// A number of a system call, and its rules: one of them has to hold. No rules: it is allowed with any arguments.
type Calls = BTreeMap<c_long, Vec<SeccompRule>>;

/// Flags of `clone` that make namespaces.
const NAMESPACES: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET;

pub(crate) fn install(to: &Confinement, report: &mut Report) -> Result<(), ConfineError> {
    if to.role == Role::Checker {
        return install_for_checker(report);
    }
    let never = calls::NEVER.iter().map(|call| (*call, Vec::new())).collect();
    let clone3 = Calls::from([(libc::SYS_clone3, Vec::new())]);
    let errno = |errno: i32| SeccompAction::Errno(errno as u32);
    let filters = [
        (never, SeccompAction::KillProcess, SeccompAction::Allow),
        (clone3, errno(libc::ENOSYS), SeccompAction::Allow),
        // The last one: it refuses to install filters.
        (allowed(to), SeccompAction::Allow, errno(libc::EPERM)),
    ];
    for (calls, matched, other) in filters {
        match apply_filter_all_threads(&program(calls, matched, other)?) {
            Ok(()) => {}
            Err(seccompiler::Error::Seccomp(e)) if is_unknown(&e) => {
                report.not_enforced.push(format!("system calls: this kernel has no seccomp filters for threads ({e})"));
                return Ok(());
            }
            Err(e) => return Err(ConfineError::Calls(e.to_string())),
        }
    }
    report.enforced.push(format!(
        "system calls of a {}",
        match to.role {
            Role::Computation => "computation",
            Role::Worker => "worker",
            Role::Checker => "checker",
        }
    ));
    Ok(())
}

/// The filters of a process whose children confine themselves: a list of what is allowed would be theirs, too.
fn install_for_checker(report: &mut Report) -> Result<(), ConfineError> {
    let starts = [libc::SYS_execve, libc::SYS_execveat];
    let never = calls::NEVER.iter().filter(|call| !starts.contains(call)).map(|call| (*call, Vec::new())).collect();
    let no_unix = condition(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, libc::AF_UNIX as u64);
    let sockets = Calls::from([(libc::SYS_socket, vec![all([no_unix])]), (libc::SYS_connect, Vec::new())]);
    let filters = [(never, SeccompAction::KillProcess), (sockets, SeccompAction::Errno(libc::EPERM as u32))];
    for (calls, matched) in filters {
        match apply_filter_all_threads(&program(calls, matched, SeccompAction::Allow)?) {
            Ok(()) => {}
            Err(seccompiler::Error::Seccomp(e)) if is_unknown(&e) => {
                report.not_enforced.push(format!("system calls: this kernel has no seccomp filters for threads ({e})"));
                return Ok(());
            }
            Err(e) => return Err(ConfineError::Calls(e.to_string())),
        }
    }
    report.enforced.push("system calls of a checker".into());
    Ok(())
}

/// Whether an error says that the kernel does not know the call or its flags.
fn is_unknown(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL))
}

fn program(calls: Calls, matched: SeccompAction, other: SeccompAction) -> Result<BpfProgram, ConfineError> {
    let wrong = |e: seccompiler::BackendError| ConfineError::Calls(e.to_string());
    let arch: TargetArch = std::env::consts::ARCH.try_into().map_err(wrong)?;
    SeccompFilter::new(calls, other, matched, arch).and_then(BpfProgram::try_from).map_err(wrong)
}

/// What a process may call.
fn allowed(to: &Confinement) -> Calls {
    let is_worker = to.role == Role::Worker;
    let lists: &[&[c_long]] = match to.role {
        Role::Computation => &[calls::COMPUTE, calls::COMPUTE_OLD],
        Role::Worker | Role::Checker => &[calls::COMPUTE, calls::COMPUTE_OLD, calls::WORK, calls::WORK_OLD],
    };
    let mut allowed: Calls = lists.iter().copied().flatten().map(|call| (*call, Vec::new())).collect();
    // Another filter answers it.
    allowed.insert(libc::SYS_clone3, Vec::new());
    let own_process = std::process::id();
    // Threads, not processes, and in the namespaces of the process.
    let judged = (NAMESPACES | libc::CLONE_THREAD) as u32;
    let thread = SeccompCmpOp::MaskedEq(judged.into());
    let thread = condition(0, SeccompCmpArgLen::Dword, thread, libc::CLONE_THREAD as u64);
    allowed.insert(libc::SYS_clone, vec![all([thread])]);
    // Signals to itself: `abort` and `raise`.
    allowed.insert(libc::SYS_tgkill, vec![all([is(0, own_process)])]);
    allowed.insert(libc::SYS_kill, vec![all([is(0, own_process)])]);
    // Its limits are read, not set: the address of the new one is null.
    let no_new_limit = SeccompCmpArgLen::Qword;
    let reads = |pid| all([is(0, pid), condition(2, no_new_limit.clone(), SeccompCmpOp::Eq, 0)]);
    allowed.insert(libc::SYS_prlimit64, vec![reads(0), reads(own_process)]);
    // Names of threads and of memory, and what allocators ask for huge pages.
    let options = [
        libc::PR_SET_NAME,
        libc::PR_GET_NAME,
        libc::PR_SET_VMA,
        libc::PR_GET_DUMPABLE,
        libc::PR_SET_THP_DISABLE,
        libc::PR_GET_THP_DISABLE,
    ];
    allowed.insert(libc::SYS_prctl, options.map(|option| all([is(0, option as u32)])).to_vec());
    // The size of a terminal, flags of files, bytes that wait. Not what puts input into a terminal.
    let commands = [libc::TCGETS, libc::TIOCGWINSZ, libc::FIOCLEX, libc::FIONCLEX, libc::FIONBIO, libc::FIONREAD];
    allowed.insert(libc::SYS_ioctl, commands.map(|command| all([is(1, command as u32)])).to_vec());
    // Gives way to others: the calling thread only, and never to a greater priority.
    let own_thread = [is(0, libc::PRIO_PROCESS), is(1, 0), condition(2, SeccompCmpArgLen::Dword, SeccompCmpOp::Le, 19)];
    allowed.insert(libc::SYS_setpriority, vec![all(own_thread)]);
    // Slices of the calling thread. What else the call can set needs a right that the process has given up.
    for call in [libc::SYS_sched_getattr, libc::SYS_sched_setattr] {
        allowed.insert(call, vec![all([is(0, 0)])]);
    }
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        let no_code = all([condition(2, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64), 0)]);
        allowed.insert(call, if is_worker { Vec::new() } else { vec![no_code] });
    }
    if is_worker {
        allowed.insert(libc::SYS_socketpair, vec![all([is(0, libc::AF_UNIX as u32)])]);
        sockets(&to.network, &mut allowed);
    }
    allowed
}

/// Which sockets it may make.
fn sockets(network: &Network, allowed: &mut Calls) {
    // The kind of a socket; its upper bits are flags. Raw sockets are never granted.
    let kind = |kind: i32| condition(1, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(0xf), kind as u64);
    match network {
        Network::None => {}
        Network::Unix => {
            allowed.insert(libc::SYS_socket, vec![all([is(0, libc::AF_UNIX as u32), kind(libc::SOCK_STREAM)])]);
            allowed.insert(libc::SYS_bind, Vec::new());
            allowed.insert(libc::SYS_listen, Vec::new());
        }
        Network::Outgoing { .. } => {
            let families = [libc::AF_INET, libc::AF_INET6];
            let kinds = [libc::SOCK_STREAM, libc::SOCK_DGRAM];
            let made = families.into_iter().flat_map(|family| kinds.map(|of| all([is(0, family as u32), kind(of)])));
            allowed.insert(libc::SYS_socket, made.collect());
            allowed.insert(libc::SYS_connect, Vec::new());
            // A resolver may bind its sockets; Landlock refuses ports of TCP.
            allowed.insert(libc::SYS_bind, Vec::new());
        }
    }
}

fn condition(argument: u8, length: SeccompCmpArgLen, operator: SeccompCmpOp, value: u64) -> SeccompCondition {
    SeccompCondition::new(argument, length, operator, value).expect("a system call has six arguments")
}

/// The lower half of an argument has this value.
fn is(argument: u8, value: u32) -> SeccompCondition {
    condition(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value.into())
}

fn all<const N: usize>(conditions: [SeccompCondition; N]) -> SeccompRule {
    SeccompRule::new(conditions.to_vec()).expect("a rule has conditions")
}

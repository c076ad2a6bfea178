//! Linux's figures of a process, from `/proc`.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

/// Returns the memory of the process that is in use (VmRSS), in KiB.
///
/// # Panics
/// If the process is gone.
pub fn resident_kib(pid: u32) -> u64 {
    status(pid, "VmRSS:")
}

/// Returns the number of threads of the process.
///
/// # Panics
/// If the process is gone.
pub fn threads(pid: u32) -> u64 {
    status(pid, "Threads:")
}

/// Returns the processor time of the process, in clock ticks (10 ms each, mostly).
///
/// # Panics
/// If the process is gone.
pub fn cpu_ticks(pid: u32) -> u64 {
    let fields = stat(pid).expect("the process runs");
    // utime and stime are fields 14 and 15 of proc_pid_stat(5); the state is field 3.
    [14, 15].map(|n: usize| fields[n - 3].parse::<u64>().expect("ticks")).iter().sum()
}

/// Returns how often threads of the process that still run have waited: for a time, a lock, or data.
///
/// # Panics
/// If the process is gone.
pub fn waits(pid: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
    let of = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("status")).ok();
    let waited = |status: String| value_of(&status, "voluntary_ctxt_switches:").parse::<u64>().expect("a number");
    threads.filter_map(|thread| of(thread.ok()?)).map(waited).sum()
}

/// Returns processes that the process has started and that still exist.
pub fn children(pid: u32) -> Vec<u32> {
    // The parent is field 4.
    processes(|fields| fields[1] == pid.to_string())
}

/// Returns processes of a process group that still exist.
pub fn what_is_left(group: u32) -> Vec<u32> {
    // The group is field 5.
    processes(|fields| fields[2] == group.to_string())
}

/// Returns the processes that work in a folder below this one, and each one's folder. Those that have ended and were not waited for
/// do not count.
pub fn working_below(folder: &Path) -> Vec<(PathBuf, u32)> {
    // A process that has ended is Z or X.
    let pids = processes(|fields| !matches!(fields[0].as_str(), "Z" | "X"));
    let working = pids.into_iter().filter_map(|pid| Some((fs::read_link(format!("/proc/{pid}/cwd")).ok()?, pid)));
    working.filter(|(of, _)| of.starts_with(folder)).collect()
}

/// Sends a signal to a process, which may have ended.
pub fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Whether the process has a handler for a signal: before that, the signal ends it.
pub(crate) fn handles(pid: u32, signal: Signal) -> bool {
    let caught = status_text(pid, "SigCgt:");
    let caught = u64::from_str_radix(&caught, 16).expect("a mask in hexadecimal");
    caught & (1 << (signal.as_raw() - 1)) != 0
}

fn processes(wanted: impl Fn(&[String]) -> bool) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("Linux").filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    // One may end meanwhile.
    pids.filter(|pid| stat(*pid).is_some_and(|fields| wanted(&fields))).collect()
}

/// Returns the fields from the third one on; before it is the program's name, which may contain anything.
fn stat(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    Some(fields.split_whitespace().map(str::to_string).collect())
}

fn status(pid: u32, field: &str) -> u64 {
    status_text(pid, field).parse().expect("a number")
}

fn status_text(pid: u32, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    value_of(&status, field).into()
}

/// Returns the value of a field of a status: those of processes and threads have lines of one form.
fn value_of<'a>(status: &'a str, field: &str) -> &'a str {
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a field of the status");
    line.split_whitespace().next().expect("a value")
}

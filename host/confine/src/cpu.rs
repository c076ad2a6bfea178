//! Processor time.

use std::time::Duration;

/// Returns the processor time that this process has used, with all of its threads, ended ones included.
#[cfg(unix)]
#[expect(unsafe_code, reason = "no safe interface that we depend on has the clock of a process")]
pub fn cpu_used() -> Duration {
    let mut used = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes to the structure, which outlives it.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut used) };
    // Fails only where there is no such clock: then nothing is counted.
    if result == 0 { Duration::new(used.tv_sec as u64, used.tv_nsec as u32) } else { Duration::ZERO }
}

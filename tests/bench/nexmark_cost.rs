//! The cost of a run: time, and CPU time of the whole process.

use std::time::Instant;

/// The cost of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// The time from the start to the end.
    pub seconds: f64,
    /// The CPU time of all threads of the process.
    pub cpu_seconds: f64,
}

impl Cost {
    /// Returns the minimum of each: other load on the machine makes runs longer, never shorter.
    pub(crate) fn least(self, other: Cost) -> Cost {
        Cost { seconds: self.seconds.min(other.seconds), cpu_seconds: self.cpu_seconds.min(other.cpu_seconds) }
    }
}

/// Measures a run.
pub(crate) struct Meter {
    start: Instant,
    cpu_seconds: f64,
}

impl Meter {
    /// Begins the measurement.
    pub(crate) fn start() -> Self {
        Meter { cpu_seconds: cpu_seconds(), start: Instant::now() }
    }

    /// Ends the measurement.
    pub(crate) fn stop(self) -> Cost {
        Cost { seconds: self.start.elapsed().as_secs_f64(), cpu_seconds: cpu_seconds() - self.cpu_seconds }
    }
}

/// Returns the CPU time of the process so far, including its ended threads.
fn cpu_seconds() -> f64 {
    // SAFETY: the struct is plain numbers, for which zeroes are valid; the call writes to nothing else.
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, &raw mut usage), 0, "getrusage takes these arguments");
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

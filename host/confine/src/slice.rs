//! How long a thread may hold a processor against one that wakes up.
//!
//! A thread that wakes up takes the processor from the one that runs only if its slice is the shorter one; otherwise it waits for a
//! tick of the kernel, which is milliseconds (since Linux 6.12: a slice of one's own is `sched_runtime` of `sched_setattr(2)` for threads
//! that are not of real time, and "EEVDF Scheduler" in the documentation of the kernel says how it is used). So a thread that is busy takes
//! a long slice, which makes it give way, and one that is about to sleep takes the usual one, with which it wakes up at once. A job that
//! takes all processors no longer delays those that have little to do; and as before, everybody gets the same share.

use std::time::{Duration, Instant};

/// A thread that has not slept for this long is busy.
const BUSY_AFTER: Duration = Duration::from_millis(1);

/// The slice of a busy thread: longer than the usual one of any machine, and short for others that are busy, too.
#[cfg(target_os = "linux")]
const BUSY_SLICE_NS: u64 = 10_000_000;

/// Whether a thread is busy. Knows no clock: times are handed in.
#[derive(Debug, Default)]
struct Busy {
    /// When it slept last, as far as it is known.
    since: Option<Instant>,
    is_busy: bool,
}

impl Busy {
    /// It works at the time `now`. Returns whether it has come to be busy.
    fn works(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let comes = !self.is_busy && now.saturating_duration_since(since) >= BUSY_AFTER;
        self.is_busy |= comes;
        comes
    }

    /// It is about to sleep. Returns whether it was busy.
    fn rests(&mut self) -> bool {
        self.since = None;
        std::mem::take(&mut self.is_busy)
    }
}

/// The slice of a thread that works in pieces. Where the system has no such slices, nothing happens.
#[derive(Debug)]
pub struct Slice {
    busy: Busy,
    /// What the thread had before; `None`: its slice stays.
    usual: Option<kernel::Attributes>,
}

impl Slice {
    /// Returns the slice of the calling thread, which is the usual one.
    pub fn of_this_thread() -> Slice {
        Slice { busy: Busy::default(), usual: kernel::Attributes::of_this_thread() }
    }

    /// The thread, between two pieces of its work, has more to do.
    pub fn works(&mut self) {
        if let Some(usual) = &self.usual
            && self.busy.works(Instant::now())
            && !usual.with_slice(kernel::BUSY)
        {
            self.usual = None;
        }
    }

    /// The thread is about to wait for work.
    pub fn rests(&mut self) {
        if let Some(usual) = &self.usual
            && self.busy.rests()
        {
            usual.with_slice(kernel::USUAL);
        }
    }
}

#[cfg(target_os = "linux")]
mod kernel {
    /// Of a busy thread.
    pub(super) const BUSY: u64 = super::BUSY_SLICE_NS;

    /// The one that the kernel gives to everybody.
    pub(super) const USUAL: u64 = 0;

    /// How the kernel schedules a thread: the first version of `struct sched_attr` (sched_setattr(2)).
    #[repr(C)]
    #[derive(Debug, Default, Clone)]
    pub(super) struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        /// The slice, in nanoseconds.
        runtime: u64,
        deadline: u64,
        period: u64,
    }

    const SIZE: u32 = size_of::<Attributes>() as u32;

    impl Attributes {
        /// Returns those of the calling thread; `None`: it has no slice.
        #[expect(unsafe_code, reason = "no safe interface has this call")]
        pub(super) fn of_this_thread() -> Option<Attributes> {
            let mut attributes = Attributes::default();
            // SAFETY: the call writes at most `SIZE` bytes to the structure, which outlives it.
            let result = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, SIZE, 0) };
            (result == 0 && attributes.policy == libc::SCHED_OTHER as u32).then_some(attributes)
        }

        /// Gives the calling thread a slice, and leaves the rest as it is. Returns whether it has it.
        #[expect(unsafe_code, reason = "no safe interface has this call")]
        pub(super) fn with_slice(&self, slice_ns: u64) -> bool {
            let attributes = Attributes { size: SIZE, flags: 0, runtime: slice_ns, ..self.clone() };
            // SAFETY: the call reads the structure, which outlives it.
            let result = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
            // A kernel that knows no slices ignores them.
            result == 0 && (slice_ns == USUAL || Self::of_this_thread().is_some_and(|has| has.runtime == slice_ns))
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    pub(super) const BUSY: u64 = 1;
    pub(super) const USUAL: u64 = 0;

    #[derive(Debug)]
    pub(super) struct Attributes;

    impl Attributes {
        pub(super) fn of_this_thread() -> Option<Attributes> {
            None
        }

        pub(super) fn with_slice(&self, _: u64) -> bool {
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_busy_that_does_not_sleep() {
        let (start, mut busy) = (Instant::now(), Busy::default());
        let after = |us| start + Duration::from_micros(us);
        assert!(!busy.works(after(0)));
        assert!(!busy.works(after(999)));
        assert!(busy.works(after(1_000)));
        assert!(!busy.works(after(5_000)), "it was busy before");
        assert!(busy.rests());
        assert!(!busy.rests());
        assert!(!busy.works(after(9_000)), "it has slept until now");
        assert!(busy.works(after(10_000)));
    }

    /// On a kernel that has slices, a busy thread has another one than before, and the usual one again when it rests.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_busy_thread_has_a_long_slice() {
        let in_thread = || {
            let of = || kernel::Attributes::of_this_thread().map(|attributes| format!("{attributes:?}"));
            let (mut slice, usual) = (Slice::of_this_thread(), of());
            slice.works();
            assert_eq!(of(), usual);
            std::thread::sleep(BUSY_AFTER);
            slice.works();
            let busy = of();
            slice.rests();
            assert_eq!(of(), usual);
            slice.usual.is_none() || busy != usual
        };
        assert!(std::thread::spawn(in_thread).join().unwrap());
    }
}

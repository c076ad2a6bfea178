//! What the spill files of all workers of a job take together: their size, and the rate at which they are written.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use flowgate_base::allowance::{Allowance, Part};
use flowgate_base::bucket::Bucket;
use flowgate_base::clock;
use flowgate_base::quantity::Bytes;

/// The least rate: with less, one transaction would take minutes.
const BYTES_PER_S_MIN: u64 = 64 << 10;

/// The least wait: a page is written in microseconds, for which no thread can sleep.
const WAIT_MIN: Duration = Duration::from_millis(5);

/// Limits of the spill files of a job, all workers together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpillLimits {
    /// The size of the files, in bytes; `None`: what the disk has.
    pub bytes_max: Option<u64>,
    /// Bytes that are written to them a second, and at once after a pause; at least 64 KiB. `None`: what the disk takes.
    pub bytes_per_s_max: Option<u64>,
}

/// What the files of a job take.
#[derive(Debug)]
pub(crate) struct SpillRoom {
    size: Arc<Allowance>,
    /// Bytes; `None`: the files have no rate.
    pace: Option<Mutex<Bucket>>,
    start: Instant,
    waited_us: AtomicU64,
}

impl SpillRoom {
    pub(crate) fn new(limits: SpillLimits) -> SpillRoom {
        let pace = limits.bytes_per_s_max.map(|per_s| {
            let per_s = per_s.max(BYTES_PER_S_MIN) as f64;
            Mutex::new(Bucket::new(per_s, per_s))
        });
        let size = Allowance::new(limits.bytes_max.unwrap_or(u64::MAX));
        SpillRoom { size, pace, start: clock::monotonic(), waited_us: AtomicU64::new(0) }
    }

    /// The size of the files in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.size.taken()
    }

    /// For how long workers have waited because they had written more than the rate.
    pub(crate) fn waited(&self) -> Duration {
        Duration::from_micros(self.waited_us.load(Relaxed))
    }

    /// Returns the part of a file that has no bytes yet.
    pub(crate) fn file(&self) -> Part {
        Part::of(&self.size)
    }

    /// Called behind each write: waits until what was written is within the rate.
    pub(crate) fn keep_pace(&self, written: usize) {
        let Some(bucket) = &self.pace else { return };
        let debt = {
            // Not held during the sleep: workers that write at once owe together, and wait at once.
            let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
            bucket.spend(self.start.elapsed().as_secs_f64(), written as f64);
            Duration::try_from_secs_f64(bucket.until(0.0)).unwrap_or(Duration::MAX)
        };
        if debt >= WAIT_MIN {
            let begun = clock::monotonic();
            thread::sleep(debt);
            self.waited_us.fetch_add(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX), Relaxed);
        }
    }
}

/// Sets the size of a file.
///
/// # Errors
/// The files of the job would be larger than they may be.
pub(crate) fn resize(part: &mut Part, bytes: u64) -> io::Result<()> {
    if part.hold(bytes) {
        return Ok(());
    }
    let max = Bytes(part.whole().max());
    let why = format!("the files may have {max} together, by the limit `spill_bytes`, and need more");
    Err(io::Error::new(io::ErrorKind::QuotaExceeded, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Over any time, no more is written than the rate and what may be written at once.
    #[test]
    fn writes_keep_to_the_rate() {
        let room = SpillRoom::new(SpillLimits { bytes_max: None, bytes_per_s_max: Some(1 << 20) });
        let begun = clock::monotonic();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..192).for_each(|_| room.keep_pace(4 << 10)));
            }
        });
        // 1.5 MiB, of which 1 MiB at once.
        assert!(begun.elapsed() >= Duration::from_millis(490), "{:?}", begun.elapsed());
        // Nobody waits but for the rate, and a thread that wakes up late has been paid for longer than it had to.
        assert!(room.waited() >= Duration::from_millis(200), "{:?}", room.waited());
    }

    #[test]
    fn files_without_limits_wait_for_nothing() {
        let room = SpillRoom::new(SpillLimits::default());
        room.keep_pace(usize::MAX);
        assert_eq!(room.waited(), Duration::ZERO);
        assert!(resize(&mut room.file(), u64::MAX).is_ok());
    }

    #[test]
    fn a_file_may_grow_when_another_is_gone() {
        let room = SpillRoom::new(SpillLimits { bytes_max: Some(100), bytes_per_s_max: None });
        let (mut one, mut other) = (room.file(), room.file());
        resize(&mut one, 60).unwrap();
        let error = resize(&mut other, 50).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded);
        assert!(error.to_string().contains("`spill_bytes`"), "{error}");
        drop(one);
        resize(&mut other, 100).unwrap();
        assert_eq!(room.bytes(), 100);
    }
}

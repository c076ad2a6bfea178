//! The figures of a function's calls on one worker: how long they took and how they ended, the memory of its instances, and the
//! metrics that it publishes. The worker writes, observers read at any time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::CallError;
use super::host_state::Metric;
use flowgate_base::allowance::{Allowance, Part};

/// Buckets of the histogram of call times: bucket `i` has calls of at most 2^i microseconds that are in no bucket before it; the last one
/// has all that took longer. So the bounds go from 1 us to 16.8 s, past the longest default deadline.
pub const CALL_TIME_BUCKETS: usize = 26;

/// The figures of the calls of one operator on one worker. They outlive instances and versions of its functions.
#[derive(Debug, Default)]
pub struct Calls {
    times: [AtomicU64; CALL_TIME_BUCKETS],
    nanos: AtomicU64,
    failed_nanos: AtomicU64,
    traps: AtomicU64,
    deadlines: AtomicU64,
    limits: AtomicU64,
    invalid_answers: AtomicU64,
    memory_bytes: AtomicU64,
    log_lines_dropped: AtomicU64,
    metric_updates_dropped: AtomicU64,
    published: Mutex<BTreeMap<String, Arc<Published>>>,
}

/// The figures of calls at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallFigures {
    /// Calls that have ended, by time: see [`CALL_TIME_BUCKETS`].
    pub times: [u64; CALL_TIME_BUCKETS],
    /// The time of all of them.
    pub time: Duration,
    /// The time that calls without an answer cost, with the new instances behind them and the searches for the rows at fault.
    pub failed_time: Duration,
    /// Calls that ended in a trap.
    pub traps: u64,
    /// Calls that did not end within their deadline.
    pub deadlines: u64,
    /// Calls that took more memory, data or state than they may.
    pub limits: u64,
    /// Calls whose answer is not valid.
    pub invalid_answers: u64,
    /// Memory of the instances, in bytes.
    pub memory_bytes: u64,
    /// Lines of the log that were dropped because there were too many of them.
    pub log_lines_dropped: u64,
    /// Updates of metrics that were dropped because there were too many of them.
    pub metric_updates_dropped: u64,
}

impl CallFigures {
    /// Adds the figures of another worker.
    pub fn add(&mut self, other: &CallFigures) {
        self.times.iter_mut().zip(&other.times).for_each(|(sum, count)| *sum += count);
        self.time += other.time;
        self.failed_time += other.failed_time;
        self.traps += other.traps;
        self.deadlines += other.deadlines;
        self.limits += other.limits;
        self.invalid_answers += other.invalid_answers;
        self.memory_bytes += other.memory_bytes;
        self.log_lines_dropped += other.log_lines_dropped;
        self.metric_updates_dropped += other.metric_updates_dropped;
    }
}

/// Returns the bucket of a call that took this many nanoseconds.
fn bucket(nanos: u64) -> usize {
    let bits = u64::BITS - (nanos.saturating_sub(1) / 1_000).leading_zeros();
    (bits as usize).min(CALL_TIME_BUCKETS - 1)
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Calls {
    /// Returns the figures.
    pub fn figures(&self) -> CallFigures {
        CallFigures {
            times: std::array::from_fn(|i| self.times[i].load(Relaxed)),
            time: Duration::from_nanos(self.nanos.load(Relaxed)),
            failed_time: self.failed_time(),
            traps: self.traps.load(Relaxed),
            deadlines: self.deadlines.load(Relaxed),
            limits: self.limits.load(Relaxed),
            invalid_answers: self.invalid_answers.load(Relaxed),
            memory_bytes: self.memory_bytes.load(Relaxed),
            log_lines_dropped: self.log_lines_dropped.load(Relaxed),
            metric_updates_dropped: self.metric_updates_dropped.load(Relaxed),
        }
    }

    /// Returns the metrics that the functions have published so far, by name.
    pub fn published(&self) -> BTreeMap<String, Metric> {
        self.names().iter().map(|(name, value)| (name.clone(), value.get())).collect()
    }

    /// Notes a call that took this long.
    pub(super) fn note(&self, time: Duration) {
        let nanos = nanos(time);
        self.times[bucket(nanos)].fetch_add(1, Relaxed);
        self.nanos.fetch_add(nanos, Relaxed);
    }

    /// Returns the time that calls without an answer cost.
    pub fn failed_time(&self) -> Duration {
        Duration::from_nanos(self.failed_nanos.load(Relaxed))
    }

    /// Notes time that a call without an answer cost.
    pub(super) fn note_failed(&self, time: Duration) {
        self.failed_nanos.fetch_add(nanos(time), Relaxed);
    }

    /// Notes why a call gave no answer.
    pub(super) fn note_end(&self, why: &CallError) {
        let counter = match why {
            CallError::Trap(_) | CallError::Failed(_) => &self.traps,
            CallError::Deadline(_) => &self.deadlines,
            CallError::Limit(_) => &self.limits,
            CallError::InvalidAnswer(_) => &self.invalid_answers,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// Notes lines of the log that were dropped.
    pub(super) fn note_dropped_lines(&self, lines: u64) {
        self.log_lines_dropped.fetch_add(lines, Relaxed);
    }

    /// Notes an update of a metric that was dropped.
    pub(super) fn note_dropped_update(&self) {
        self.metric_updates_dropped.fetch_add(1, Relaxed);
    }

    /// Returns the value of a metric, which is `initial` if it is new; `None` if there are `names_max` others.
    pub(super) fn publish(&self, name: &str, initial: Metric, names_max: usize) -> Option<Arc<Published>> {
        let mut names = self.names();
        if let Some(value) = names.get(name) {
            return Some(Arc::clone(value));
        }
        if names.len() >= names_max {
            return None;
        }
        let value = Arc::new(Published::new(initial));
        names.insert(name.to_string(), Arc::clone(&value));
        Some(value)
    }

    fn names(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Published>>> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The value of a metric that a function publishes. One worker writes.
#[derive(Debug)]
pub(super) struct Published {
    is_gauge: AtomicBool,
    /// The count, or the bits of the gauge's value.
    bits: AtomicU64,
}

impl Published {
    fn new(value: Metric) -> Self {
        let published = Published { is_gauge: AtomicBool::new(false), bits: AtomicU64::new(0) };
        published.set(value);
        published
    }

    /// Returns the value.
    pub(super) fn get(&self) -> Metric {
        let bits = self.bits.load(Relaxed);
        if self.is_gauge.load(Relaxed) { Metric::Gauge(f64::from_bits(bits)) } else { Metric::Counter(bits) }
    }

    /// Sets the value.
    pub(super) fn set(&self, value: Metric) {
        let (is_gauge, bits) = match value {
            Metric::Counter(count) => (false, count),
            Metric::Gauge(value) => (true, value.to_bits()),
        };
        self.is_gauge.store(is_gauge, Relaxed);
        self.bits.store(bits, Relaxed);
    }
}

/// The memory of one instance, counted until it is dropped.
#[derive(Debug)]
pub(super) struct CountedMemory {
    bytes: usize,
    calls: Arc<Calls>,
    /// What it holds of the memory that all instances share.
    part: Option<Part>,
}

impl CountedMemory {
    /// An instance that has no memory yet.
    pub(super) fn new(calls: Arc<Calls>, shared: Option<&Arc<Allowance>>) -> Self {
        CountedMemory { bytes: 0, calls, part: shared.map(Part::of) }
    }

    /// Returns the bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Sets the bytes.
    ///
    /// # Errors
    /// All instances together would have more than this, and nothing has changed.
    pub(super) fn set(&mut self, bytes: usize) -> Result<(), u64> {
        if let Some(part) = &mut self.part
            && !part.hold(bytes as u64)
        {
            return Err(part.whole().max());
        }
        self.count(bytes);
        Ok(())
    }

    fn count(&mut self, bytes: usize) {
        // Wrapping arithmetic: the difference may be negative, the sum over all instances is not.
        self.calls.memory_bytes.fetch_add((bytes as u64).wrapping_sub(self.bytes as u64), Relaxed);
        self.bytes = bytes;
    }

    /// Counts the memory in other figures from now on.
    pub(super) fn count_in(&mut self, calls: &Arc<Calls>) {
        let bytes = self.bytes;
        self.count(0);
        self.calls = Arc::clone(calls);
        self.count(bytes);
    }
}

impl Drop for CountedMemory {
    fn drop(&mut self) {
        self.count(0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_call_is_in_the_first_bucket_whose_bound_it_does_not_pass() {
        let micros = Duration::from_micros;
        let of = |time: Duration| bucket(nanos(time));
        assert_eq!((of(Duration::ZERO), of(micros(1)), of(Duration::from_nanos(1_001)), of(micros(2))), (0, 0, 1, 1));
        assert_eq!((of(micros(1_024)), of(micros(1_025))), (10, 11));
        assert_eq!((of(micros(1 << 24)), of(micros((1 << 24) + 1)), of(Duration::MAX)), (24, 25, 25));
    }

    proptest! {
        #[test]
        fn the_bounds_of_a_bucket_enclose_its_calls(nanos in 0_u64..20_000_000_000) {
            let at = bucket(nanos);
            if at < CALL_TIME_BUCKETS - 1 {
                prop_assert!(nanos <= 1_000 << at);
            }
            prop_assert!(at == 0 || nanos > 1_000 << (at - 1));
        }
    }

    #[test]
    fn the_memory_of_an_instance_counts_until_it_ends() {
        let (first, second) = (Arc::new(Calls::default()), Arc::new(Calls::default()));
        let mut memory = CountedMemory::new(Arc::clone(&first), None);
        memory.set(300).unwrap();
        memory.set(200).unwrap();
        assert_eq!(first.figures().memory_bytes, 200);
        memory.count_in(&second);
        assert_eq!((first.figures().memory_bytes, second.figures().memory_bytes), (0, 200));
        drop(memory);
        assert_eq!(second.figures().memory_bytes, 0);
    }

    #[test]
    fn instances_have_no_more_memory_together_than_they_share() {
        let (calls, shared) = (Arc::new(Calls::default()), Allowance::new(1_000));
        let instance = || CountedMemory::new(Arc::clone(&calls), Some(&shared));
        let (mut one, mut other) = (instance(), instance());
        one.set(700).unwrap();
        assert_eq!(other.set(400), Err(1_000));
        assert_eq!((other.bytes(), calls.figures().memory_bytes), (0, 700));
        one.count_in(&Arc::new(Calls::default()));
        assert_eq!(other.set(400), Err(1_000));
        drop(one);
        other.set(1_000).unwrap();
    }
}

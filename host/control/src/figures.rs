//! Figures of a running job: what it processes, how long that takes, and what it uses. Counts begin with the attempt, at 0, and never go
//! down; what a job that is older than a field does not say is 0 or empty.

use serde::{Deserialize, Serialize};

/// The figures of the job's process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobFigures {
    /// Processor time of the process, in microseconds; `None` where the system does not say it.
    pub cpu_us: Option<u64>,
    /// Processor time of each worker's thread.
    pub worker_cpu: Vec<WorkerCpu>,
    /// Memory of the process, in bytes, memory that it shares with others included.
    pub resident_bytes: Option<u64>,
    /// The same, what is shared divided by those who share it. It may be some seconds old.
    pub proportional_bytes: Option<u64>,
    /// The checkpoints of the attempt; `None`: the job takes none.
    pub checkpoints: Option<Checkpoints>,
    /// State that moved between memory and files.
    pub spill: Spill,
    /// Lines that were dropped because nobody read standard error.
    pub log_lines_dropped: u64,
}

/// The processor time of a worker's thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerCpu {
    /// The worker, from 0.
    pub worker: u32,
    /// Microseconds.
    pub cpu_us: u64,
}

/// The checkpoints of an attempt, savepoints included.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Checkpoints {
    /// Complete ones.
    pub taken: u64,
    /// Those that could not be completed.
    pub failed: u64,
    /// The bytes that the complete ones added to the store.
    pub bytes: u64,
    /// From their beginning until they were complete, in microseconds.
    pub duration_us: u64,
    /// Why the one after the last complete one is not complete, if it has failed.
    pub failure: Option<String>,
}

/// State that moved between memory and files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spill {
    /// Rows written to files.
    pub rows_written: u64,
    /// Their bytes.
    pub bytes_written: u64,
    /// Rows read from files.
    pub rows_read: u64,
    /// Their bytes.
    pub bytes_read: u64,
    /// The size of the files at present, in bytes.
    pub file_bytes: u64,
    /// For how long workers have waited because the files were written faster than they may be, in microseconds.
    pub waited_us: u64,
}

/// What goes through an operator, on all workers. Bytes are those of columns in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Traffic {
    /// Batches that have arrived, behind the operator's shuffle; of a source, 0.
    pub batches_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Batches of the main output.
    pub batches_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
}

/// The load of an operator on one worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Load {
    /// Wall time in which the worker ran the operator, calls of its plugin included, in microseconds.
    pub busy_us: u64,
    /// Time in which it could not emit, because its receivers had not taken what it had emitted.
    pub output_full_ms: u64,
    /// The share of the last seconds in which that was so, in thousandths; later moments count more.
    pub output_full_permille: u16,
    /// Time in which it took no rows, because those that it had taken were not written. Of sinks.
    pub input_full_ms: u64,
    /// The share of the last seconds in which that was so, in thousandths.
    pub input_full_permille: u16,
}

/// The function that an operator calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionName {
    /// The plugin, as the job names it.
    pub plugin: String,
    /// The function.
    pub function: String,
}

/// The calls of an operator's functions, on all workers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Calls {
    /// Calls that have ended, by wall time: number `i` took at most 2^i microseconds, and more than those before it. The last one has all
    /// that took longer than the one before it allows.
    pub times: Vec<u64>,
    /// The wall time of all of them, in microseconds.
    pub time_us: u64,
    /// The time that calls without an answer cost, with the searches for the rows at fault, in microseconds.
    pub failed_us: u64,
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
    /// Lines that the functions logged and that were dropped, because there were too many of them.
    pub log_lines_dropped: u64,
    /// Updates of metrics that were dropped, because there were too many of them.
    pub metric_updates_dropped: u64,
}

impl Calls {
    /// Returns the number of calls that have ended.
    pub fn count(&self) -> u64 {
        self.times.iter().sum()
    }

    /// Returns an upper bound of the time of the longest call, in microseconds: at most twice that time, as far as the buckets reach.
    pub fn longest_us(&self) -> u64 {
        self.times.iter().rposition(|count| *count > 0).map_or(0, |at| 1 << at.min(62))
    }

    /// Returns an upper bound of the time of this share of the calls, 0 to 1, in microseconds: at most twice that time. `None` without calls,
    /// and where it is in the last bucket, which has no bound.
    pub fn quantile_us(&self, share: f64) -> Option<u64> {
        let wanted = (self.count() as f64 * share).ceil().max(1.0) as u64;
        let mut so_far = 0;
        let at = self.times.iter().position(|count| {
            so_far += count;
            so_far >= wanted
        })?;
        (at + 1 < self.times.len()).then(|| 1 << at)
    }
}

/// A metric that an operator's functions publish, on all workers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PluginMetric {
    /// Its name: letters, digits and `_`.
    pub name: String,
    /// Its value.
    pub value: MetricValue,
}

/// The value of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricValue {
    /// It only grows; the sum over workers.
    Counter(u64),
    /// The greatest of the workers' last values; a finite number.
    Gauge(f64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_bound_of_its_bucket() {
        let mut times = vec![0; 26];
        (times[3], times[10]) = (98, 2);
        let calls = Calls { times, ..Calls::default() };
        assert_eq!(calls.count(), 100);
        assert_eq!(
            (calls.quantile_us(0.5), calls.quantile_us(0.98), calls.quantile_us(0.99)),
            (Some(8), Some(8), Some(1_024))
        );
        assert_eq!(Calls::default().quantile_us(0.5), None);
        let endless = Calls { times: vec![0, 0, 1], ..Calls::default() };
        assert_eq!(endless.quantile_us(0.5), None, "the last bucket has no bound");
    }
}

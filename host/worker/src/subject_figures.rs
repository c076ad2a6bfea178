//! The figures of a running job as `flowgate job` and the node see them: plain data, taken from its metrics.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use flowgate::job::graph::{Aggregate, Node, NodeKind, PluginFunction};
use flowgate::running::{JobState, NodeMetrics, Since, Standing, Standings};
use flowgate_base::time::ProcessingTime;
use flowgate_base::{clock, process, standard_error};
use flowgate_control::figures::{
    Calls, Checkpoints, FunctionName, JobFigures, Load, MetricValue, PluginMetric, Spill, Traffic, WorkerCpu,
};
use flowgate_wall::{CallFigures, Metric};

/// For how long the proportional memory is not computed again: that takes milliseconds, in which the process maps no memory.
const MEMORY_FOR: Duration = Duration::from_secs(15);

/// What was computed of this process.
#[derive(Default)]
pub struct Process {
    /// The proportional memory, and when it was computed.
    memory: Mutex<Option<(Instant, Option<u64>)>>,
}

impl Process {
    /// Returns the figures of this process, which runs a job.
    pub fn figures(&self, job: &JobState) -> JobFigures {
        let cpu = |(worker, time): (flowgate_base::id::Worker, Duration)| WorkerCpu {
            worker: worker.0,
            cpu_us: micros(time),
        };
        let work = job.stores.work();
        JobFigures {
            cpu_us: process::cpu_time().map(micros),
            worker_cpu: job.worker_cpu_times().into_iter().map(cpu).collect(),
            resident_bytes: process::resident_bytes(),
            proportional_bytes: self.proportional_bytes(),
            checkpoints: job.takes_checkpoints().then(|| checkpoints(job)),
            spill: Spill {
                rows_written: work.rows_written,
                bytes_written: work.bytes_written,
                rows_read: work.rows_read,
                bytes_read: work.bytes_read,
                file_bytes: work.file_bytes,
                waited_us: micros(work.waited),
            },
            log_lines_dropped: standard_error::dropped(),
        }
    }

    fn proportional_bytes(&self) -> Option<u64> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::monotonic();
        let fresh = memory.filter(|(at, _)| now.duration_since(*at) < MEMORY_FOR);
        let (_, bytes) = *memory.insert(fresh.unwrap_or_else(|| {
            let bytes = process::memory().map(|memory| memory.proportional_bytes);
            (now, bytes)
        }));
        bytes
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn checkpoints(job: &JobState) -> Checkpoints {
    let sums = job.checkpoint_status.sums();
    Checkpoints {
        taken: sums.taken,
        failed: sums.failed,
        bytes: sums.bytes,
        duration_us: micros(sums.duration),
        failure: job.checkpoint_status.failure(),
    }
}

/// Returns what goes through an operator, on all workers.
pub fn traffic(standings: &Standings, name: &str) -> Traffic {
    let of_name = standings.iter().filter(|((of, _), _)| of == name).map(|(_, standing)| &standing.traffic);
    of_name.fold(Traffic::default(), |sum, on| Traffic {
        batches_in: sum.batches_in + on.batches_in(),
        bytes_in: sum.bytes_in + on.bytes_in(),
        batches_out: sum.batches_out + on.batches_out(),
        bytes_out: sum.bytes_out + on.bytes_out(),
    })
}

/// Returns the load of an operator on one worker.
pub fn load(standing: &Standing, now: ProcessingTime) -> Load {
    let millis = |since: &Since| u64::try_from(since.total(now).as_millis()).unwrap_or(u64::MAX);
    Load {
        busy_us: micros(standing.traffic.busy()),
        output_full_ms: millis(&standing.output_full),
        output_full_permille: permille(&standing.output_full, now),
        input_full_ms: millis(&standing.input_full),
        input_full_permille: permille(&standing.input_full, now),
    }
}

/// Returns the share of the last seconds in which something was so, in thousandths.
pub fn permille(since: &Since, now: ProcessingTime) -> u16 {
    (since.recent_share(now) * 1_000.0).round() as u16
}

/// Returns the function that a node calls; of a window with several, the first one.
pub fn function(node: &Node) -> Option<FunctionName> {
    let function: Option<&PluginFunction> = match &node.kind {
        NodeKind::Transform(of) => Some(&of.function),
        NodeKind::Process(of) => Some(&of.function),
        NodeKind::Join(of) => of.function.as_ref().map(|(function, _)| function),
        NodeKind::Window(of) => of.aggregates.iter().find_map(|of| match &of.aggregate {
            Aggregate::Plugin(function) => Some(function),
            _ => None,
        }),
        NodeKind::Source(_) | NodeKind::Lookup(_) | NodeKind::Select(_) | NodeKind::Union(_) | NodeKind::Sink(_) => {
            None
        }
    };
    function.map(|of| FunctionName { plugin: of.plugin.clone(), function: of.function.clone() })
}

/// Returns the figures of the calls of an operator's functions.
pub fn calls(figures: CallFigures) -> Calls {
    Calls {
        times: figures.times.to_vec(),
        time_us: micros(figures.time),
        failed_us: micros(figures.failed_time),
        traps: figures.traps,
        deadlines: figures.deadlines,
        limits: figures.limits,
        invalid_answers: figures.invalid_answers,
        memory_bytes: figures.memory_bytes,
        log_lines_dropped: figures.log_lines_dropped,
        metric_updates_dropped: figures.metric_updates_dropped,
    }
}

/// Returns what an operator's functions publish. A gauge that is not a finite number is left out: JSON has none.
pub fn plugin_metrics(metrics: &NodeMetrics) -> Vec<PluginMetric> {
    let published = metrics.plugin_metrics().into_iter().filter_map(|(name, value)| {
        let value = match value {
            Metric::Counter(count) => MetricValue::Counter(count),
            Metric::Gauge(value) => MetricValue::Gauge(Some(value).filter(|value| value.is_finite())?),
        };
        Some(PluginMetric { name, value })
    });
    published.collect()
}

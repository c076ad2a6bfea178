//! The figures of checkpoints, their bounds, and how they are shown.

use serde_json::{Value, json};

use crate::checkpoint_run::Checkpoint;

/// The bounds: of a pause in milliseconds, of throughput, of the bytes of a delta for each byte of changed rows, of compacted bytes for
/// each byte of deltas, and of a recovery in seconds.
const PAUSE_MS_MAX: f64 = 10.0;
const THROUGHPUT_MIN: f64 = 0.9;
const DELTA_MAX: f64 = 2.0;
const COMPACTION_MAX: f64 = 1.0;
const RECOVERY_S_MAX: f64 = 5.0;

/// Changed state of a checkpoint whose delta is judged.
const CHANGED_BYTES_MIN: f64 = 100_000.0;

/// What was measured of a case.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// The case's name.
    pub case: String,
    /// The number of keys, or of rows of the one key.
    pub keys: u64,
    /// Bytes of a key as in the columns of a delta: key group, key, and all that is kept for it.
    pub row_bytes: f64,
    /// The number of rows of a checkpoint of all keys: a key may have several, and several rows of a join may be in one.
    pub entries: u64,
    /// Whether it is the last phase of its job.
    pub is_last: bool,
    /// Its checkpoints.
    pub checkpoints: Vec<Checkpoint>,
    /// Bytes of compacted files that were written meanwhile.
    pub compacted: u64,
    /// From the start of the program until a resumed job has completed a checkpoint, in seconds.
    pub recovery_s: Option<f64>,
    /// Throughput with checkpoints, divided by that without.
    pub throughput: Option<f64>,
    /// The machine's load at the end of the case.
    pub load: String,
}

/// Returns the machine's load, for figures of a machine that others use, too.
pub(crate) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("?").to_string()
}

impl Figures {
    /// Returns the object for `checkpoint.json`.
    pub(crate) fn json(&self) -> Value {
        let rounded = |value: f64| (value * 1e3).round() / 1e3;
        let of = |figure: fn(&Checkpoint) -> f64, share| self.percentile(figure, share).map(rounded);
        json!({
            "case": self.case,
            "state_bytes": self.state_bytes() as u64,
            "dirty_share": rounded(self.dirty_share()),
            "pause_ms_p50": of(|c| c.pause_ms, 0.5),
            "pause_ms_p99": of(|c| c.pause_ms, 0.99),
            "alignment_ms_p99": of(|c| c.alignment_ms, 0.99),
            "duration_ms_p50": of(|c| c.duration_ms, 0.5),
            "bytes_written": self.delta_bytes() + self.compacted,
            "recovery_s": self.recovery_s.map(rounded),
            "throughput_ratio": self.throughput.map(rounded),
        })
    }

    fn state_bytes(&self) -> f64 {
        self.keys as f64 * self.row_bytes
    }

    fn delta_bytes(&self) -> u64 {
        self.checkpoints.iter().map(|c| c.bytes).sum()
    }

    /// Returns the share of the state that the median checkpoint wrote.
    fn dirty_share(&self) -> f64 {
        self.percentile(|c| c.rows as f64, 0.5).unwrap_or_default() / self.entries.max(1) as f64
    }

    /// Returns the bytes of deltas for each byte of changed state; `None` where little has changed, so that headers of files count.
    fn delta_ratio(&self) -> Option<f64> {
        let rows: u64 = self.checkpoints.iter().map(|c| c.rows).sum();
        let changed = rows as f64 / self.entries.max(1) as f64 * self.state_bytes();
        (changed / self.checkpoints.len() as f64 > CHANGED_BYTES_MIN).then(|| self.delta_bytes() as f64 / changed)
    }

    fn percentile(&self, figure: fn(&Checkpoint) -> f64, share: f64) -> Option<f64> {
        let mut values: Vec<f64> = self.checkpoints.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        let rank = (values.len() as f64 * share).ceil() as usize;
        values.get(rank.max(1) - 1).copied()
    }
}

/// Prints all figures; those that miss a bound have an exclamation mark.
pub(crate) fn print(all: &[Figures]) {
    let mut table = comfy_table::Table::new();
    table.set_header([
        "case",
        "state",
        "changed",
        "n",
        "pause p50",
        "p99 ms",
        "alignment p99",
        "duration p50 ms",
        "delta/rows",
        "written",
        "compaction/deltas",
        "recovery s",
        "throughput",
        "load",
    ]);
    // Over all phases of a job: what one of them writes may be compacted in the next.
    let (mut deltas, mut compacted) = (0, 0);
    for figures in all {
        deltas += figures.delta_bytes();
        compacted += figures.compacted;
        let of = |figure: fn(&Checkpoint) -> f64, share| {
            figures.percentile(figure, share).map_or_else(String::new, |value| format!("{value:.1}"))
        };
        let pause = figures.percentile(|c| c.pause_ms, 0.99);
        let compaction = figures.is_last.then(|| compacted as f64 / deltas as f64);
        if figures.is_last {
            (deltas, compacted) = (0, 0);
        }
        table.add_row([
            figures.case.clone(),
            mebibytes(figures.state_bytes()),
            format!("{:.1} %", figures.dirty_share() * 100.0),
            figures.checkpoints.len().to_string(),
            of(|c| c.pause_ms, 0.5),
            bounded(pause, 1, |pause| pause <= PAUSE_MS_MAX),
            of(|c| c.alignment_ms, 0.99),
            of(|c| c.duration_ms, 0.5),
            bounded(figures.delta_ratio(), 2, |ratio| ratio <= DELTA_MAX),
            mebibytes((figures.delta_bytes() + figures.compacted) as f64),
            bounded(compaction, 2, |ratio| ratio <= COMPACTION_MAX),
            bounded(figures.recovery_s, 2, |seconds| seconds <= RECOVERY_S_MAX),
            bounded(figures.throughput, 3, |ratio| ratio >= THROUGHPUT_MIN),
            figures.load.clone(),
        ]);
    }
    println!("{table}");
    println!(
        "bounds: pause p99 <= {PAUSE_MS_MAX} ms, throughput >= {THROUGHPUT_MIN}, delta/rows <= {DELTA_MAX}, \
         compaction/deltas <= {COMPACTION_MAX}, recovery <= {RECOVERY_S_MAX} s; ! marks what misses one"
    );
}

fn bounded(value: Option<f64>, digits: usize, keeps: impl Fn(f64) -> bool) -> String {
    value.map_or_else(String::new, |value| {
        let mark = if keeps(value) { "" } else { " !" };
        format!("{value:.digits$}{mark}")
    })
}

fn mebibytes(bytes: f64) -> String {
    format!("{:.0} MiB", bytes / f64::from(1 << 20))
}

//! Whole jobs on worker threads, without plugins: their results, when they come, and what delays them.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow_array::ArrayRef;

use super::checkpoint::begin::Beginning;
use super::job_state::JobState;
use super::worker::{RunningJob, Started, start, start_from};
use crate::job::check::{Surroundings, check};
use crate::job::graph::{JobGraph, SinkNode};
use crate::job::load::{Document, Language, load};
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Schema;
use flowgate_checkpoint::store::Stores;
use flowgate_connect::encode::json_row;
use flowgate_connect::sink::SinkWriter;
use flowgate_wall::{Limits, Plugins};

/// Longer than any test here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A sink that sends rows to the test as JSON; it waits at the gate before each batch.
struct Collector {
    schema: Schema,
    name: String,
    rows: Sender<(String, serde_json::Value)>,
    gate: Arc<Mutex<()>>,
}

impl SinkWriter for Collector {
    fn write(&mut self, columns: &[ArrayRef], row_count: usize) -> Result<()> {
        drop(self.gate.lock());
        for row in 0..row_count {
            let row = serde_json::from_str(&json_row(&self.schema, columns, row)).expect("rows are JSON");
            // A test that has read enough rows has dropped the receiver.
            let _ = self.rows.send((self.name.clone(), row));
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A job of a test. It ends with the test in any case.
pub(in crate::dataflow) struct Run {
    /// In front of the job, so that it is dropped first: a job that is dropped waits for its end.
    _end: EndsWithTest,
    pub(in crate::dataflow) job: RunningJob,
    rows: Receiver<(String, serde_json::Value)>,
    gate: Arc<Mutex<()>>,
}

/// Starts a job; all of its sinks, whatever their connectors, are collectors under the names of their input's columns.
pub(super) fn run(text: &str, parallelism: usize, base: &Path) -> Run {
    run_within(text, parallelism, base, None)
}

/// The same, with `memory_bytes` of memory for state, which may be less than a job file allows.
pub(super) fn run_within(text: &str, parallelism: usize, base: &Path, memory_bytes: Option<u64>) -> Run {
    let (mut graph, plugins) = graph(text, base);
    graph.parallelism = parallelism;
    graph.state.memory_bytes_max = memory_bytes.unwrap_or(graph.state.memory_bytes_max);
    begin(graph, &plugins, Beginning::New)
}

/// Checks a job file.
pub(in crate::dataflow) fn graph(text: &str, base: &Path) -> (JobGraph, Plugins) {
    let document = Document { name: "job.yaml".into(), text: text.into(), language: Language::Yaml, base: base.into() };
    let loaded = load(document, &[], &|_| None);
    assert!(loaded.problems.is_empty(), "{}", loaded.report(&[], false));
    let mut plugins = Plugins::new(Limits::default()).unwrap();
    let around = Surroundings { base: base.into(), ..Surroundings::default() };
    let graph = check(&loaded.job.unwrap(), &around, &mut plugins).unwrap().graph;
    (graph, plugins)
}

/// Starts a job that has not ended; its sinks are collectors.
pub(in crate::dataflow) fn begin(graph: JobGraph, plugins: &Plugins, beginning: Beginning) -> Run {
    let (sender, rows) = channel();
    let gate = Arc::new(Mutex::new(()));
    let mut open_sink = |_: &crate::job::graph::SinkNode, schema: &Schema, _| {
        let name = if schema.index_of("window_end").is_some() { "results" } else { "rows" };
        let (rows, gate) = (sender.clone(), Arc::clone(&gate));
        Ok(Box::new(Collector { schema: schema.clone(), name: name.into(), rows, gate }) as Box<dyn SinkWriter>)
    };
    match start_from(graph, plugins, &mut open_sink, &Stores::default(), beginning).unwrap() {
        Started::Running(job) => Run { _end: EndsWithTest(Arc::clone(job.state())), job, rows, gate },
        Started::HasEnded => panic!("the job has ended"),
    }
}

/// Fails the job when it is dropped; a job that has ended does not mind. A test that panics would else wait for an endless job for ever.
struct EndsWithTest(Arc<JobState>);

impl Drop for EndsWithTest {
    fn drop(&mut self) {
        self.0.fail(Error::internal("the test has ended"));
    }
}

impl Run {
    /// Waits for the end. Returns all rows.
    pub(in crate::dataflow) fn end(self) -> Vec<(String, serde_json::Value)> {
        self.job.wait().unwrap();
        self.rows.try_iter().collect()
    }

    /// Stops all sinks until the guard is dropped.
    pub(super) fn stop_sinks(&self) -> std::sync::MutexGuard<'_, ()> {
        self.gate.lock().unwrap()
    }

    pub(super) fn next(&self) -> serde_json::Value {
        self.rows.recv_timeout(PATIENCE).expect("a row comes").1
    }
}

const COUNTS: &str = r#"
job: counts
sources:
  rows:
    generator:
      rows: 50000
      batch_rows: 512
      columns:
        time: { time: { start: "2026-01-01T00:00:00Z", step_us: 1000, jitter: 300ms } }
        key: { int: { min: 0, max: 6 } }
        value: { int: { min: -100, max: 100 } }
    event_time: { column: time, max_out_of_orderness: 300ms }
operators:
  per_key:
    input: rows
    key: [key]
    window: { sliding: 9s, every: 3s }
    aggregate: { n: count(), sum: sum(value) }
  all:
    input: rows
    window: { tumbling: 10s }
    aggregate: { n: count() }
sinks:
  keyed: { input: per_key, blackhole: {} }
  whole: { input: all, print: {} }
"#;

#[test]
fn results_are_the_same_at_every_parallelism_and_complete() {
    // A blackhole sends no rows to the test: print stands for any sink here.
    let text = COUNTS.replace("blackhole", "print");
    let mut first: Option<Vec<String>> = None;
    for parallelism in [1, 2, 4] {
        let rows = run(&text, parallelism, Path::new(".")).end();
        let total = |keyed: bool| -> i64 {
            let of = rows.iter().filter(|(_, r)| r.get("key").is_some() == keyed);
            of.map(|(_, r)| r["n"].as_i64().unwrap()).sum()
        };
        assert_eq!(total(false), 50_000, "each row is in one tumbling window");
        assert_eq!(total(true), 150_000, "each row is in three sliding windows");
        let mut lines: Vec<String> = rows.iter().map(|(_, r)| r.to_string()).collect();
        lines.sort_unstable();
        assert_eq!(first.get_or_insert_with(|| lines.clone()), &lines, "at parallelism {parallelism}");
    }
}

const CHAINED: &str = r#"
job: chained
sources:
  rows:
    generator:
      rows: 20000
      batch_rows: 256
      columns:
        time: { time: { start: "2026-01-01T00:00:00Z", step_us: 1000, jitter: 200ms } }
        key: { int: { min: 0, max: 40 } }
    event_time: { column: time, max_out_of_orderness: 200ms }
operators:
  counts: { input: rows, key: [key], window: { sliding: 2s, every: 500ms }, aggregate: { n: count() } }
  sessions: { input: counts, key: [key], window: { session: 600ms }, aggregate: { n: sum(n), rows: count() } }
  total: { input: counts, window: { tumbling: 500ms }, aggregate: { n: sum(n), rows: count() } }
  chosen: { input: counts, select: [key, n] }
  beside: { inputs: [chosen, rows], key: [key], join: left, window: { tumbling: 500ms } }
  pairs: { input: beside, window: { tumbling: 1s }, aggregate: { n: count(), sum: sum(n) } }
sinks:
  a: { input: sessions, print: {} }
  b: { input: total, print: {} }
  c: { input: pairs, print: {} }
  late_a: { input: sessions.late, print: {} }
  late_b: { input: total.late, print: {} }
  late_c: { input: pairs.late, print: {} }
  late_d: { input: beside.late, print: {} }
"#;

/// Goal: T2 to T6 in whole jobs: chained and joined windows emit the same rows at every parallelism, however threads are scheduled.
/// Method: many runs (`FLOWGATE_TEST_RUNS`, 8 by default) while other threads keep every processor busy.
#[test]
fn chained_jobs_emit_the_same_rows_on_a_busy_machine() {
    let runs = std::env::var("FLOWGATE_TEST_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(8);
    let over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    let busy: Vec<_> = (0..processors)
        .map(|_| {
            let over = Arc::clone(&over);
            std::thread::spawn(move || {
                while !over.load(Relaxed) {
                    std::hint::spin_loop()
                }
            })
        })
        .collect();
    let lines = |parallelism: usize| {
        let rows = run(CHAINED, parallelism, Path::new(".")).end();
        let mut lines: Vec<String> = rows.into_iter().map(|(_, row)| row.to_string()).collect();
        lines.sort_unstable();
        lines
    };
    let expected = lines(1);
    for parallelism in (0..runs).flat_map(|_| [2, 3, 4]) {
        let got = lines(parallelism);
        let differ = got.iter().zip(&expected).find(|(got, expected)| got != expected);
        assert!(
            got == expected,
            "{} lines, {} expected, at parallelism {parallelism}: {differ:?}",
            got.len(),
            expected.len()
        );
    }
    over.store(true, Relaxed);
    busy.into_iter().for_each(|thread| thread.join().expect("it only spins"));
}

/// Goal: bounded channels never deadlock a job, whichever operators share a source. Method: the same job with room for one batch
/// after each output, and with room for all.
#[test]
fn jobs_end_with_hardly_anything_in_flight() {
    let few = CHAINED.replace("rows: 20000", "rows: 5000");
    let tight = few.replace("\nsources:", "\nin_flight: { bytes: 1, ticks: 1 }\nsources:");
    assert_ne!(few, tight);
    for parallelism in [1, 2, 4] {
        let [roomy, tight] = [&few, &tight].map(|text| {
            let mut rows: Vec<String> =
                run(text, parallelism, Path::new(".")).end().into_iter().map(|(_, row)| row.to_string()).collect();
            rows.sort_unstable();
            rows
        });
        assert!(roomy == tight && !tight.is_empty(), "at parallelism {parallelism}");
    }
}

#[test]
fn late_rows_go_to_the_side_output_and_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let lines: String = [100, 5_000, 20_000, 4_000, 21_000].iter().map(|ms| format!("{{\"time\":{ms}}}\n")).collect();
    std::fs::write(folder.path().join("in.jsonl"), lines).unwrap();
    let text = r"
job: late
sources:
  rows:
    file: { path: in.jsonl, format: json, columns: { time: timestamp }, batch_rows: 1 }
    event_time: { column: time }
operators:
  windows: { input: rows, window: { tumbling: 10s }, aggregate: { n: count() } }
sinks:
  results: { input: windows, print: {} }
  late: { input: windows.late, print: {} }
";
    let run = run(text, 1, folder.path());
    let state = Arc::clone(run.job.state());
    let rows = run.end();
    let counts: Vec<i64> = rows.iter().filter_map(|(_, r)| r["n"].as_i64()).collect();
    assert_eq!(counts, [2, 2]);
    let late: Vec<&str> = rows.iter().filter_map(|(_, r)| r["time"].as_str()).collect();
    assert_eq!(late, ["1970-01-01T00:00:04.000Z"]);
    assert_eq!(state.metrics.nodes[1].late.load(Relaxed), 1);
}

#[test]
fn windows_of_processing_time_fire_though_no_row_arrives() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in.txt"), "a\nb\na\n").unwrap();
    let text = r"
job: idle
sources:
  lines: { file: { path: in.txt, follow: true } }
operators:
  counts: { input: lines, key: [text], window: { tumbling: 200ms, time: processing }, aggregate: { n: count() } }
sinks:
  results: { input: counts, print: {} }
";
    for parallelism in [1, 2] {
        let run = run(text, parallelism, folder.path());
        let (first, second) = (run.next(), run.next());
        let mut counts = [first, second].map(|r| (r["text"].to_string(), r["n"].as_i64().unwrap()));
        counts.sort_unstable();
        assert_eq!(counts, [("\"a\"".to_string(), 2), ("\"b\"".to_string(), 1)]);
        run.job.state().request_stop();
        assert_eq!(run.end(), []);
    }
}

#[test]
fn an_idle_stream_does_not_hold_back_the_watermark() {
    let folder = tempfile::tempdir().unwrap();
    for (name, times) in [("a.jsonl", [1_000, 60_000]), ("b.jsonl", [2_000, 3_000])] {
        let lines: String = times.map(|ms| format!("{{\"time\":{ms}}}\n")).concat();
        std::fs::write(folder.path().join(name), lines).unwrap();
    }
    let text = r"
job: idle
sources:
  rows:
    file: { path: '*.jsonl', format: json, columns: { time: timestamp }, follow: true }
    event_time: { column: time, idle_after: 300ms }
operators:
  windows: { input: rows, window: { tumbling: 10s }, aggregate: { n: count() } }
sinks:
  results: { input: windows, print: {} }
";
    for parallelism in [1, 2] {
        let run = run(text, parallelism, folder.path());
        // The file `b` has reached 3 s and is idle: it must not hold back the watermark of `a`.
        assert_eq!(run.next()["n"], 3);
        run.job.state().request_stop();
        run.end();
    }
}

#[test]
fn a_stop_ends_an_endless_job_and_emits_no_unfinished_window() {
    let text = COUNTS.replace("rows: 50000\n", "rate: 100000\n").replace("blackhole", "print");
    for parallelism in [1, 2] {
        let run = run(&text, parallelism, Path::new("."));
        let state = Arc::clone(run.job.state());
        let first = run.next();
        state.request_stop();
        let began = Instant::now();
        let rows = run.end();
        assert!(began.elapsed() < PATIENCE);
        // Windows that fired are complete: 9 s (or 10 s) of a row each millisecond, over all keys.
        let mut sums: BTreeMap<(String, bool), i64> = BTreeMap::new();
        for row in std::iter::once(&first).chain(rows.iter().map(|(_, r)| r)) {
            let keyed = row.get("key").is_some();
            *sums.entry((row["window_end"].to_string(), keyed)).or_default() += row["n"].as_i64().unwrap();
        }
        for ((end, keyed), sum) in sums {
            // The first windows reach back to before the first row.
            let whole = if keyed { 9_000 } else { 10_000 };
            let early = ["00:00:00", "00:00:03", "00:00:06", "00:00:09", "00:00:10"].iter().any(|t| end.contains(t));
            assert!(early || (whole - 10..=whole + 300).contains(&sum), "{sum} rows in the window that ends at {end}");
        }
        assert!(state.metrics.nodes.iter().any(|n| n.open_groups.load(Relaxed) > 0), "dropped windows are counted");
    }
}

#[test]
fn a_drain_emits_open_windows() {
    let text = r#"
job: drain
sources:
  rows:
    generator:
      rate: 100000
      columns: { time: { time: { start: "2026-01-01T00:00:00Z", step_us: 1000 } }, key: { int: { min: 0, max: 6 } } }
    event_time: { column: time }
operators:
  days: { input: rows, key: [key], window: { tumbling: 1d }, aggregate: { n: count() } }
  all: { input: days, window: { global: {} }, aggregate: { n: sum(n) } }
sinks:
  out: { input: all, print: {} }
"#;
    for parallelism in [1, 3] {
        let run = run(text, parallelism, Path::new("."));
        let state = Arc::clone(run.job.state());
        let began = Instant::now();
        while state.metrics.nodes[1].rows_in.load(Relaxed) < 1_000 {
            assert!(began.elapsed() < PATIENCE);
            std::thread::sleep(Duration::from_millis(5));
        }
        state.request_drain();
        let rows = run.end();
        assert_eq!(rows.len(), 1);
        assert_eq!(
            rows[0].1["n"].as_u64(),
            Some(state.metrics.nodes[0].rows_out.load(Relaxed)),
            "every row is counted"
        );
        assert!(state.metrics.nodes.iter().all(|node| node.open_groups.load(Relaxed) == 0));
    }
}

#[test]
fn a_sink_that_stops_holds_the_source_back_and_loses_nothing() {
    let text = r"
job: backpressure
in_flight: { bytes: 1MiB }
sources:
  rows: { generator: { rows: 600000, columns: { n: { sequence: {} } } } }
sinks:
  out: { input: rows, print: {} }
";
    for parallelism in [1, 2] {
        let run = run(text, parallelism, Path::new("."));
        let gate = Arc::clone(&run.gate);
        let shut = gate.lock().unwrap();
        let read = || run.job.metrics().nodes[0].rows_in.load(Relaxed);
        // The source reads until its bytes in flight reach the limit.
        let mut before = u64::MAX;
        let settled = Instant::now();
        while read() != before || before == 0 {
            assert!(settled.elapsed() < PATIENCE);
            before = read();
            std::thread::sleep(Duration::from_millis(300));
        }
        // Some rows may have been written before the gate was shut.
        let mut numbers: Vec<i64> = run.rows.try_iter().map(|(_, r)| r["n"].as_i64().unwrap()).collect();
        let bound = numbers.len() as u64 + parallelism as u64 * (1 << 20) / 8 + parallelism as u64 * 8192 * 2;
        assert!(before <= bound, "{before} rows were read with {bound} allowed");
        drop(shut);
        numbers.extend(run.end().iter().map(|(_, r)| r["n"].as_i64().unwrap()));
        assert_eq!(numbers.len(), 600_000);
        assert_eq!(numbers.iter().sum::<i64>(), (0..600_000i64).sum::<i64>());
    }
}

/// A sink whose writes fail.
struct Broken;

impl SinkWriter for Broken {
    fn write(&mut self, _: &[ArrayRef], _: usize) -> Result<()> {
        Err(Error::new(&flowgate_base::code::NO_SPACE, "the disk is full"))
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_sink_that_fails_ends_the_job_with_its_error() {
    let text = r"
job: broken
sources:
  rows: { generator: { columns: { n: { sequence: {} } } } }
sinks:
  out: { input: rows, print: {} }
";
    for parallelism in [1, 3] {
        let document =
            Document { name: "j".into(), text: text.into(), language: Language::Yaml, base: Path::new(".").into() };
        let mut plugins = Plugins::new(Limits::default()).unwrap();
        let job = load(document, &[], &|_| None).job.unwrap();
        let mut graph = check(&job, &Surroundings::default(), &mut plugins).unwrap().graph;
        graph.parallelism = parallelism;
        let mut open_sink = |_: &SinkNode, _: &Schema, _| Ok(Box::new(Broken) as Box<dyn SinkWriter>);
        let running = start(graph, &plugins, &mut open_sink).unwrap();
        assert_eq!(
            running.wait().unwrap_err(),
            Error::new(&flowgate_base::code::NO_SPACE, "the disk is full").in_operator("out")
        );
    }
}

#[test]
fn a_row_appended_to_a_followed_file_is_emitted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.txt");
    std::fs::write(&path, "first\n").unwrap();
    let text = r"
job: follow
sources:
  lines: { file: { path: in.txt, follow: true } }
sinks:
  out: { input: lines, print: {} }
";
    let run = run(text, 2, folder.path());
    assert_eq!(run.next()["text"], "first");
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    for i in 0..20 {
        writeln!(file, "line {i}").unwrap();
        assert_eq!(run.next()["text"], format!("line {i}"));
    }
    run.job.state().request_stop();
    run.end();
}

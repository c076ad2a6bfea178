//! Whole jobs with a process function.

use super::tests::{TIMERS, fixture};
use crate::dataflow::job_tests::run;

/// Goal: what comes out does not depend on the number of workers. Method: timers that are due at the end of the input alone,
/// because when else they fire depends on when rows and watermarks meet.
#[test]
fn results_are_the_same_at_every_parallelism() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("keyed.wasm"), fixture::process_plugin(TIMERS)).unwrap();
    let text = r#"
job: timers
plugins: { keyed: keyed.wasm }
sources:
  rows:
    generator:
      rows: 20000
      batch_rows: 512
      columns:
        time: { time: { start: "2026-01-01T00:00:00Z", step_us: 1000 } }
        key: { int: { min: 0, max: 100 } }
        x: { int: { min: 100000000000000000, max: 100000000000100000 } }
    event_time: { column: time }
operators:
  timers: { input: rows, key: [key], plugin: keyed, function: f }
sinks:
  out: { input: timers, print: {} }
"#;
    let mut first: Option<Vec<String>> = None;
    for parallelism in [1, 2, 4] {
        let rows = run(text, parallelism, folder.path()).end();
        let mut lines: Vec<String> = rows.iter().map(|(_, row)| row.to_string()).collect();
        lines.sort_unstable();
        assert!(lines.len() > 5_000, "{} timers", lines.len());
        assert_eq!(first.get_or_insert_with(|| lines.clone()), &lines, "at parallelism {parallelism}");
    }
}

#[test]
fn timers_of_processing_time_fire_though_no_row_comes() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("keyed.wasm"), fixture::process_plugin(TIMERS)).unwrap();
    // Half a second from now, by processing time.
    let time = crate::clock::now_ms() + 500;
    std::fs::write(folder.path().join("in.jsonl"), format!("{{\"k\":5,\"x\":{}}}\n", time << 4 | 8)).unwrap();
    let text = r#"
job: timers
plugins: { keyed: keyed.wasm }
sources:
  rows: { file: { path: in.jsonl, format: json, columns: { k: int64, x: int64 }, follow: true } }
operators:
  timers: { input: rows, key: [k], plugin: keyed, function: f }
sinks:
  out: { input: timers, print: {} }
"#;
    for parallelism in [1, 2] {
        let run = run(text, parallelism, folder.path());
        assert_eq!(run.next()["k"], 5);
        run.job.state().request_stop();
        assert_eq!(run.end(), []);
    }
}

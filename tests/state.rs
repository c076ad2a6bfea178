//! State with less memory than it needs: the results are those of a job with enough memory, and the list shows where the state
//! is.
#![cfg(target_os = "linux")]

use std::time::Duration;

use harness::{Flowgate, Folder, Signal, plugin};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// Two streams of 60,000 rows over 30,000 keys, and an operator over them.
fn job(operator: &str, state: &str) -> Folder {
    let rows = |seed: u64| {
        format!(
            "
    generator:
      rows: 60000
      seed: {seed}
      columns:
        time: {{ time: {{ start: \"2026-01-01T00:00:00Z\", step_us: 1000, jitter: 300ms }} }}
        key: {{ int: {{ min: 0, max: 29999 }} }}
        value: {{ int: {{ min: 0, max: 1000000 }} }}
    event_time: {{ column: time, max_out_of_orderness: 1s }}"
        )
    };
    Folder::with_job(&format!(
        "\
job: memory
state: {{ {state} }}
sources:
  rows:{}
  others:{}
operators:
  result: {operator}
sinks:
  out: {{ input: result, print: {{ format: json }} }}
  rest: {{ input: others, blackhole: {{}} }}
",
        rows(1),
        rows(2)
    ))
}

/// Windows and joins of every kind.
const OPERATORS: [&str; 8] = [
    "{ input: rows, key: [key], window: { tumbling: 60s }, aggregate: { n: count(), most: max(value) } }",
    "{ input: rows, key: [key], window: { sliding: 40s, every: 20s }, aggregate: { n: count(), s: sum(value) } }",
    "{ input: rows, key: [key], window: { sliding: 40s, every: 20s }, aggregate: { most: max(value) } }",
    "{ input: rows, key: [key], window: { session: 20s }, aggregate: { n: count(), s: sum(value) } }",
    "{ input: rows, key: [key], window: { global: {} }, aggregate: { n: count(), d: distinct(value) } }",
    "{ input: rows, key: [key], window: { sliding: 3 rows, every: 1 rows }, aggregate: { s: sum(value) } }",
    "{ inputs: [rows, others], key: [key], join: full, window: { tumbling: 30s } }",
    "{ inputs: [rows, others], key: [key], join: left, within: { before: 20s, after: 20s } }",
];

#[test]
fn results_do_not_depend_on_the_memory_for_state() {
    for operator in OPERATORS {
        let sorted = |state: &str, parallelism: &str| {
            let folder = job(operator, state);
            let ended = Flowgate::new(folder.path(), &["run", "job.yaml", "-p", parallelism]).run().expect(0);
            let mut lines: Vec<String> = ended.lines().into_iter().map(str::to_owned).collect();
            lines.sort_unstable();
            lines
        };
        let expected = sorted("memory: 1GiB", "1");
        assert!(expected.len() > 20_000, "{operator}: {} rows", expected.len());
        // The order of rows of several splits is undefined, and windows by rows depend on it.
        let parallelism: &[&str] = if operator.contains("rows, every") { &["1"] } else { &["1", "2"] };
        for parallelism in parallelism {
            let got = sorted("memory: 1MiB", parallelism);
            let differs = expected.iter().zip(&got).find(|(expected, got)| expected != got);
            assert_eq!(differs, None, "{operator} at parallelism {parallelism}");
            assert_eq!(got.len(), expected.len(), "{operator} at parallelism {parallelism}");
        }
    }
}

/// Goal: timers fire as they would if all were in memory. Method: alerts that timers raise, while rows arrive and at the end.
/// Some are raised by a row that arrives before the watermark, and so have its columns; rule, key and time identify an alert.
#[test]
fn timers_do_not_depend_on_the_memory_for_state() {
    plugin("alert");
    let operator = "{ input: rows, key: [key], plugin: alert, function: alert, config: \
                    { time: time, rules: [{ name: high, column: value, above: 200000, for: 20s }] } }";
    let sorted = |state: &str| {
        let folder = job(operator, state);
        let ended = Flowgate::new(folder.path(), &["run", "job.yaml"]).run().expect(0);
        let alert = |line: &str| {
            let row: Value = serde_json::from_str(line).expect("a JSON line");
            ["key", "state", "since"].map(|column| row[column].to_string())
        };
        let mut alerts: Vec<_> = ended.lines().into_iter().map(alert).collect();
        alerts.sort_unstable();
        alerts
    };
    let expected = sorted("memory: 1GiB");
    assert!(expected.len() > 20_000, "{} alerts", expected.len());
    let got = sorted("memory: 1MiB");
    assert_eq!(expected.iter().zip(&got).find(|(expected, got)| expected != got), None);
    assert_eq!(got.len(), expected.len());
}

#[test]
fn the_list_shows_every_operator_and_what_is_in_files() {
    plugin("alert");
    let folder = Folder::with_job(
        "\
job: kept
state: { memory: 1MiB, spill: spilled }
sources:
  rows: { file: { path: rows.jsonl, format: json, columns: { at: timestamp, key: int64 }, follow: true }, event_time: { column: at } }
operators:
  windows: { input: rows, key: [key], window: { tumbling: 1h }, aggregate: { n: count() } }
  sessions: { input: rows, key: [key], window: { session: 1h }, aggregate: { n: count() } }
  pairs: { inputs: [rows, rows], key: [key], join: inner, within: { before: 1h, after: 1h } }
  alerts:
    input: rows
    key: [key]
    plugin: alert
    function: alert
    config: { time: at, rules: [{ name: any, column: key, above: -1, for: 1h }] }
sinks:
  all: { input: rows, print: {} }
  out1: { input: windows, blackhole: {} }
  out2: { input: sessions, blackhole: {} }
  out3: { input: pairs, blackhole: {} }
  out4: { input: alerts, blackhole: {} }
",
    );
    let line = |key: u32| format!("{{\"at\":\"2026-01-01T00:00:00Z\",\"key\":{key}}}\n");
    folder.write("rows.jsonl", (0..50_000).map(line).collect::<String>());
    let mut running = Flowgate::new(folder.path(), &["run", "job.yaml"]).deadline(PATIENCE).start();
    running.lines().until(PATIENCE, |line| line.contains("49999"));
    // Operators report behind each batch; the last may still be in flight.
    let shown = (0..100).find_map(|_| {
        running.signal(Signal::USR1);
        std::thread::sleep(Duration::from_millis(200));
        let said = running.said();
        let slots = [
            "windows.panes (window)",
            "sessions.panes (window)",
            "pairs.left (join)",
            "pairs.right (join)",
            "alerts.active (value)",
            "alerts.timers (timers)",
        ];
        let counted = slots.map(|slot| said.lines().rev().find(|line| line.contains(slot)).and_then(keys));
        let total = counted.map(|keys| keys.map_or(0, |(memory, files)| memory + files));
        // A process function reports before it processes a batch: the last one may be missing.
        let is_all = total[..4] == [50_000; 4] && total[4..].iter().all(|keys| (41_000..=50_000).contains(keys));
        is_all.then_some(counted)
    });
    let shown = shown.unwrap_or_else(|| panic!("{}", running.said()));
    let in_files: u64 = shown.iter().flatten().map(|(_, files)| files).sum();
    assert!(in_files > 50_000, "most of it is in files: {shown:?}");
    let timers = shown.last().copied().flatten();
    assert!(timers.is_some_and(|(_, files)| files > 25_000), "and most timers: {shown:?}");
    running.signal(Signal::TERM);
    running.wait().expect(0);
    assert_eq!(std::fs::read_dir(folder.join("spilled")).expect("the folder is there").count(), 0);
}

/// Returns keys in memory and in files, from a line of the list.
fn keys(line: &str) -> Option<(u64, u64)> {
    let (_, figures) = line.split_once("): ")?;
    let memory = figures.split_once(" keys in ")?.0.parse().ok()?;
    let files = figures.rsplit_once(", ")?.1.strip_suffix(" keys in files")?.parse().ok()?;
    Some((memory, files))
}

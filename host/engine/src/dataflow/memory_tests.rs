//! Every kind of state with little memory and with enough memory: the same results, and bounded work.
//!
//! Work is counted, not timed: rows and bytes written to files and read back, and writes. With `FLOWGATE_TEST_LARGE` set, there are
//! twenty times as many rows.

use std::path::Path;
use std::sync::Arc;

use super::job_tests::run_within;
use flowgate_state::store::SpillWork;

/// The number of rows of a source, and a memory in bytes that is too small for them.
fn sizes() -> (u64, u64) {
    if std::env::var_os("FLOWGATE_TEST_LARGE").is_some() { (80_000, 100_000) } else { (4_000, 50_000) }
}

/// Bytes of memory that are enough.
const MUCH: u64 = 1 << 30;

/// A job with one operator `w` over the streams `a` and `b`; keys and values are few or many, times are out of order.
fn job(operator: &str) -> String {
    let (rows, _) = sizes();
    let source = |name: &str, rows: u64, keys: u64| {
        format!(
            "  {name}: {{ generator: {{ rows: {rows}, batch_rows: 512, columns: {{ t: {{ time: {{ start: \
             \"2026-01-01T00:00:00Z\", step_us: 1000, jitter: 2s }} }}, k: {{ int: {{ min: 1, max: {keys} }} }}, v: {{ int: \
             {{ min: 0, max: 100000 }} }} }} }}, event_time: {{ column: t, max_out_of_orderness: 2s }} }}\n"
        )
    };
    let (a, b) = (source("a", rows, rows / 4), source("b", rows / 4, rows / 4));
    format!(
        "job: memory\nsources:\n{a}{b}operators:\n  w: {{ {operator} }}\nsinks:\n  out: {{ \
         input: w, print: {{}} }}\n  other: {{ input: b, blackhole: {{}} }}\n"
    )
}

/// Runs a job. Returns its results in order, and its work with files.
fn results(operator: &str, memory_bytes: u64, parallelism: usize) -> (Vec<String>, SpillWork) {
    let run = run_within(&job(operator), parallelism, Path::new("."), Some(memory_bytes));
    let state = Arc::clone(run.job.state());
    // Rows of the other sink have other columns.
    let is_other = |row: &serde_json::Value| row.as_object().is_some_and(|row| row.len() == 3 && row.contains_key("t"));
    let rows = run.end().into_iter().map(|(_, row)| row).filter(|row| !is_other(row));
    let mut rows: Vec<String> = rows.map(|row| row.to_string()).collect();
    rows.sort_unstable();
    (rows, state.stores.work())
}

/// How often a row may be written to a file, and read back, with little memory.
const ROUNDS_MAX: u64 = 12;

/// Runs an operator with little and with much memory, with one worker and with two.
fn check(name: &str, operator: &str) {
    let work = check_results(name, operator);
    assert!(work.iter().all(|work| work.rows_written > 0), "{name}: memory is short: {work:?}");
}

/// The same, where it does not matter whether anything is written. Returns the work with one worker and with two.
fn check_results(name: &str, operator: &str) -> Vec<SpillWork> {
    let mut all = Vec::new();
    let (expected, work) = results(operator, MUCH, 1);
    assert!(!expected.is_empty(), "{name} has results");
    assert_eq!(work, SpillWork::default(), "{name}: there is memory for everything");
    let (rows, memory_bytes) = sizes();
    for parallelism in [1, 2] {
        let (got, work) = results(operator, memory_bytes, parallelism);
        assert!(
            got == expected,
            "{name}: {} results with little memory at {parallelism}, {} with much",
            got.len(),
            expected.len()
        );
        all.push(work);
        let most = (rows * 5 / 4 + expected.len() as u64) * ROUNDS_MAX;
        assert!(work.rows_written <= most && work.rows_read <= most, "{name} at {parallelism}: {work:?}");
        assert!(work.writes <= 200 + most / 50, "{name} at {parallelism}: {work:?}");
        assert!(work.bytes_written <= 400 * most, "{name} at {parallelism}: {work:?}");
    }
    all
}

#[test]
fn many_small_windows() {
    check(
        "tumbling",
        "input: a, key: [k], window: { tumbling: 2ms }, aggregate: { n: count(), m: \"top_k(v, v, k=5)\" }",
    );
}

#[test]
fn windows_whose_slide_does_not_divide_their_size() {
    check(
        "sums",
        "input: a, key: [k], window: { sliding: 1000ms, every: 333ms }, aggregate: { n: count(), s: sum(v) }",
    );
    check(
        "sketches",
        "input: a, key: [k], window: { sliding: 1000ms, every: 333ms }, aggregate: { m: max(v), d: distinct(v) }",
    );
}

#[test]
fn sessions_of_many_keys() {
    check("sessions", "input: a, key: [k], window: { session: 300ms }, aggregate: { n: count(), d: distinct(v) }");
}

#[test]
fn one_window_for_everything() {
    check(
        "global",
        "input: a, key: [k], window: { global: {} }, aggregate: { n: count(), d: distinct(v), m: \"top_k(v, v, k=5)\" }",
    );
    // The state of one key stays in memory while its rows arrive.
    let work = check_results("one key", "input: a, window: { global: {} }, aggregate: { d: distinct(v) }");
    assert!(work.iter().all(|work| work.bytes_written < 100_000), "{work:?}");
}

#[test]
fn windows_by_rows() {
    // With two workers the rows of a key arrive in any order: the source is divided among them.
    check(
        "by rows",
        "input: a, key: [k], window: { sliding: 4 rows, every: 1 rows }, aggregate: { n: count(), d: distinct(k) }",
    );
}

#[test]
fn joins_within_windows() {
    check("window join", "inputs: [a, b], key: [k], join: full, window: { tumbling: 20ms }");
    check("sliding join", "inputs: [a, b], key: [k], join: inner, window: { sliding: 1000ms, every: 333ms }");
}

#[test]
fn joins_within_a_time() {
    check("interval join", "inputs: [a, b], key: [k], join: left, within: { before: 500ms, after: 500ms }");
}

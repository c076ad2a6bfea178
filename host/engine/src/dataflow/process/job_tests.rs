//! Whole jobs with a process function.

use std::collections::BTreeMap;

use super::tests::TIMERS;
use crate::dataflow::job_tests::run;
use crate::dataflow::simulation::explore::{Bounds, Simulated};
use crate::dataflow::simulation::script::Act;

/// Goal: T2 to T4, the results of timers are never late for a downstream window, in any order of arrival, and an operator with
/// timers is never idle. Method: every order of arrival on two workers, one of which has no rows or becomes idle; many orders
/// on three.
#[test]
fn timers_are_in_front_of_a_window_in_every_order_of_arrival() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("keyed.wasm"), flowgate_hostile::process_plugin(TIMERS)).unwrap();
    let text = r#"
job: timers
plugins: { keyed: keyed.wasm }
sources:
  a:
    generator:
      rows: 1
      columns:
        t: { time: { start: "2026-01-01T00:00:00Z", step_us: 1000 } }
        k: { int: { min: 0, max: 9 } }
        x: { int: { min: 0, max: 9 } }
    event_time: { column: t }
operators:
  timers: { input: a, key: [k], plugin: keyed, function: f }
  last: { input: timers, window: { tumbling: 4ms }, aggregate: { n: count() } }
sinks:
  out: { input: last, blackhole: {} }
  late: { input: last.late, blackhole: {} }
"#;
    // Each row sets a timer three milliseconds after it.
    let rows = |rows: &[(i64, i64)]| Act::Rows(rows.iter().map(|(t, k)| vec![*t, *k, (t + 3) << 4]).collect());
    let all = Bounds { orders_max: 20_000, courses_max: 2_000, seed: 1 };
    let some = Bounds { orders_max: 100, courses_max: 20, seed: 1 };
    let first = vec![rows(&[(0, 1), (1, 2)]), rows(&[(5, 1)])];
    let one = Simulated::new(text, 1, folder.path());
    for (others, bounds) in [
        (vec![vec![]], all),
        (vec![vec![rows(&[(2, 3)])]], all),
        (vec![vec![rows(&[(2, 3)]), Act::Idle]], all),
        (vec![vec![rows(&[(2, 3)])], vec![rows(&[(3, 1), (9, 4)])]], some),
    ] {
        let scripts: Vec<_> = std::iter::once(first.clone()).chain(others).collect();
        let together =
            scripts.iter().flatten().flat_map(|act| if let Act::Rows(rows) = act { rows.clone() } else { vec![] });
        let together = vec![vec![Act::Rows(together.collect())]];
        let expected = one.explore(&BTreeMap::from([("a", together)]), all).rows;
        let outcomes =
            Simulated::new(text, scripts.len(), folder.path()).explore(&BTreeMap::from([("a", scripts)]), bounds);
        assert!(outcomes.all || bounds.orders_max == some.orders_max, "these were all orders");
        assert_eq!(outcomes.rows, expected);
        assert!(expected.iter().all(|sinks| sinks["late"].is_empty() && !sinks["out"].is_empty()));
    }
}

/// Goal: results do not depend on the number of workers. Method: timers that are due only at the end of the input, because
/// otherwise they fire when the watermark happens to arrive; and none is cleared, because that depends on the order of rows.
#[test]
fn results_are_the_same_at_every_parallelism() {
    let folder = tempfile::tempdir().unwrap();
    let clears = "(i32.wrap_i64 (local.get $x)) (i32.const 4)";
    assert!(TIMERS.contains(clears));
    let guest = flowgate_hostile::process_plugin(&TIMERS.replace(clears, &clears.replace("const 4", "const 0")));
    std::fs::write(folder.path().join("keyed.wasm"), guest).unwrap();
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
fn timers_of_processing_time_fire_without_rows() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("keyed.wasm"), flowgate_hostile::process_plugin(TIMERS)).unwrap();
    // Half a second from now, by processing time.
    let time = flowgate_base::clock::now_ms() + 500;
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

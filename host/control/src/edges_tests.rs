//! A picture of a job's graph, and what an older job says.

use super::*;
use crate::figures::JobFigures;

/// What a job said before it had figures.
const OLDER: &str = r#"{
  "job": "web", "job_file": null, "pid": 1, "since_ms": 0, "now_ms": 10000, "phase": "running", "workers": 1,
  "operators": [
    { "name": "hits", "kind": "source", "inputs": [], "rows_in": 12, "rows_out": 10, "errors": 2, "late": 0, "dropped": 0,
      "first_error": null, "last_row_out_ms": null, "event_time": null, "rows_wait_since_ms": null,
      "on_workers": [{ "worker": 0, "watermark_ms": null, "activity": "active", "watermark_moved_ms": null, "held_by": null,
                       "output_full_since_ms": null, "input_full_since_ms": null, "aligned_since_ms": null }],
      "state": { "keys": 0, "memory_bytes": 0, "spilled_keys": 0 }, "pending": null,
      "splits": [{ "name": "a", "worker": 0, "activity": "active", "rows": 12, "last_row_ms": 1, "watermark_ms": 4000 }],
      "splits_left_out": 0, "deliveries": null },
    { "name": "out", "kind": "sink", "inputs": [{ "operator": "hits", "output": "" }, { "operator": "hits", "output": "errors" }],
      "rows_in": 10, "rows_out": 0, "errors": 0, "late": 0, "dropped": 0, "first_error": null, "last_row_out_ms": null,
      "event_time": null, "rows_wait_since_ms": null,
      "on_workers": [{ "worker": 0, "watermark_ms": 3000, "activity": "active", "watermark_moved_ms": null, "held_by": null,
                       "output_full_since_ms": null, "input_full_since_ms": null, "aligned_since_ms": null }],
      "state": { "keys": 0, "memory_bytes": 0, "spilled_keys": 0 }, "pending": null, "splits": [], "splits_left_out": 0,
      "deliveries": { "delivered": 8, "waiting": 2, "retrying": 0, "retries": 0 } }
  ],
  "checkpoint": null, "warnings": [], "error": null
}"#;

fn older() -> Status {
    serde_json::from_str(OLDER).expect("a job of an older version is understood")
}

#[test]
fn an_older_job_has_no_figures() {
    let status = older();
    assert_eq!(status.figures, JobFigures::default());
    assert_eq!((status.operators[0].traffic.batches_in, &status.operators[0].calls), (0, &None));
}

#[test]
fn an_edge_has_the_rows_of_its_output_and_is_as_full_as_what_waits_before_it() {
    let mut status = older();
    status.operators[0].traffic.bytes_out = 800;
    status.operators[0].on_workers[0].load.output_full_permille = 250;
    let of = |status: &Status, at: usize| {
        let edge = &status.edges()[at];
        (edge.from.output.clone(), edge.to.to_string(), edge.rows, edge.bytes, edge.watermark_ms, edge.full_permille)
    };
    assert_eq!(of(&status, 0), (String::new(), "out".into(), Some(10), Some(800), Some(3_000), 250));
    assert_eq!(of(&status, 1), ("errors".into(), "out".into(), Some(2), None, Some(3_000), 250));
    status.operators[1].rows_wait_permille = 900;
    assert_eq!(of(&status, 0).5, 900, "rows wait behind the sender, in a shuffle");
}

#[test]
fn the_lag_is_that_of_the_least_watermark_and_ends_with_the_input() {
    let mut status = older();
    assert_eq!(status.watermark_lag_ms(), Some(7_000));
    assert_eq!(status.lag_ms(11_000), Some(0), "event times may be ahead of the clock");
    assert_eq!(status.lag_ms(i64::MAX), None);
    status.operators.clear();
    assert_eq!(status.watermark_lag_ms(), None);
}

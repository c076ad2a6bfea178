//! Taps: a sample of the rows of a running job, which does not wait for its reader.

use std::time::Instant;

use flowgate_control::client;
use flowgate_control::message::Tap;
use flowgate_worker::files::Outcome;
use rustix::process::Signal;

use crate::fixture::{Job, wait_until};

/// A job that is busy until it is stopped.
const BUSY: &str = "\
job: web
parallelism: 2
sources: { numbers: { generator: { columns: { n: { sequence: {} } } } } }
operators:
  counts: { input: numbers, key: [n], window: { tumbling: 1s, time: processing }, aggregate: { rows: count() } }
sinks: { out: { input: numbers, blackhole: {} }, counted: { input: counts, blackhole: {} } }
";

fn wanted(operator: &str, output: &str, rows_max: Option<u64>) -> Tap {
    Tap { operator: operator.into(), output: output.into(), rows_max, rows_per_s: 1_000 }
}

#[test]
fn rows_of_a_busy_operator_are_shown_and_the_others_counted() {
    let mut job = Job::new(BUSY);
    let worker = job.start();
    let found = worker.found();
    let mut tapping = client::tap(&found, wanted("numbers", "", Some(500))).unwrap();
    let (mut rows, mut lost) = (Vec::new(), 0);
    while let Some(tapped) = tapping.rows().unwrap() {
        rows.extend(tapped.rows);
        lost += tapped.lost_rows;
    }
    assert_eq!(rows.len(), 500);
    assert!(rows.iter().all(|row| row.starts_with("{\"n\":") && row.ends_with('}')), "{rows:?}");
    assert!(lost > 500, "{lost}");
    let mut windows = client::tap(&found, wanted("counts", "", Some(1))).unwrap();
    let row = windows.rows().unwrap().unwrap().rows.remove(0);
    assert!(row.contains("\"rows\":1"), "{row}");
    let unknown = client::tap(&found, wanted("counts", "lat", None)).unwrap_err().to_string();
    assert!(unknown.contains("`counts` has no output `lat`; did you mean `late`?"), "{unknown}");
    worker.signal(Signal::TERM);
    assert_eq!(worker.wait().outcome, Outcome::Stopped);
}

/// Goal: a reader that does not read delays no worker. Method: the rows that pass in a while with such a reader, compared with those
/// that pass without.
#[test]
fn a_reader_that_does_not_read_delays_nobody() {
    let mut job = Job::new(BUSY);
    let worker = job.start();
    let found = worker.found();
    let passed = |since: &mut u64| {
        let begun = Instant::now();
        std::thread::sleep(std::time::Duration::from_secs(1));
        let rows = client::status(&found).unwrap().operator("out").unwrap().rows_in;
        let rate = (rows - std::mem::replace(since, rows)) as f64 / begun.elapsed().as_secs_f64();
        rate as u64
    };
    let mut rows = 0;
    passed(&mut rows);
    let without = passed(&mut rows);
    let taps: Vec<_> = (0..3).map(|_| client::tap(&found, wanted("numbers", "", None)).unwrap()).collect();
    let with = passed(&mut rows).max(passed(&mut rows));
    // A busy machine varies by more than taps cost.
    assert!(with > without / 4, "{without} rows/s without taps, {with} with them");
    worker.signal(Signal::TERM);
    let ended = wait_until("it does not end", || flowgate_worker::files::ended(&worker.folder).unwrap());
    assert_eq!(ended.outcome, Outcome::Stopped, "the end of the job waits for no reader");
    drop(taps);
}

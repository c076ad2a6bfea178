//! What a running job shows to those who ask why nothing comes out: pending windows, who holds the watermark back, and who has no room.

use std::time::{Duration, Instant};

use super::job_tests::run;
use super::traffic::Traffic;
use flowgate_base::clock;
use flowgate_base::id::Worker;

const PATIENCE: Duration = Duration::from_secs(30);

#[track_caller]
fn wait_until(what: &str, is: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A file of an hour of rows beside one that stops after a minute, joined in windows of a minute.
const JOINED: &str = "\
job: joined
sources:
  ahead: { file: { path: ahead.csv, follow: true, format: csv, columns: { t: timestamp, n: int64 } }, event_time: { column: t } }
  behind: { file: { path: behind.csv, follow: true, format: csv, columns: { t: timestamp, n: int64 } }, event_time: { column: t } }
operators:
  both: { inputs: [ahead, behind], key: [n], window: { tumbling: 1m }, join: semi }
  counts: { input: behind, key: [n], window: { tumbling: 10m }, aggregate: { rows: count() } }
sinks:
  out: { input: both, print: {} }
  counted: { input: counts, print: {} }
";

#[test]
fn a_window_says_what_is_pending_and_a_join_who_holds_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let row = |minute: u32, second: u32| format!("2026-01-01T00:{minute:02}:{second:02}Z,1\n");
    let ahead: String = (0..50).map(|minute| row(minute, 0)).collect();
    std::fs::write(folder.path().join("ahead.csv"), format!("t,n\n{ahead}")).unwrap();
    std::fs::write(folder.path().join("behind.csv"), format!("t,n\n{}{}", row(0, 0), row(1, 30))).unwrap();
    for parallelism in [1, 2] {
        let run = run(JOINED, parallelism, folder.path());
        let metrics = run.job.metrics();
        let minute = |minutes: i64| 1_767_225_600_000 + minutes * 60_000;
        let standings = || metrics.standings();
        let of = |name: &str| {
            let all = standings();
            let of = all.into_iter().filter(|((of, _), _)| of.as_str() == name);
            of.map(|((_, worker), standing)| (worker, standing)).collect::<Vec<_>>()
        };
        // The second input stands at 1m30s, on the worker that reads its file.
        wait_until("the join waits", || {
            let join = of("both");
            join.len() == parallelism
                && join.iter().all(|(_, standing)| {
                    standing.watermark().map(|at| at.0) == Some(minute(1) + 29_999)
                        && standing.held_by().is_some_and(|by| by.input == 1 && by.worker.0 < parallelism as u32)
                })
        });
        let counts = metrics
            .nodes
            .iter()
            .find(|node| node.upcoming().iter().any(|of| of.event_time().is_some_and(|at| at.0 > minute(5))));
        let upcoming = counts.expect("a window is open").upcoming();
        assert_eq!(upcoming.iter().map(|of| of.count()).sum::<u64>(), 1);
        let next = upcoming.iter().filter_map(|of| of.event_time()).min();
        assert_eq!(next.map(|at| at.0), Some(minute(10) - 1), "its last millisecond");
        run.job.state().request_stop();
        run.end();
    }
}

#[test]
fn a_source_whose_rows_have_no_room_says_since_when() {
    let text = "\
job: stopped
in_flight: { bytes: 64KiB }
sources:
  rows: { generator: { rows: 100000, columns: { n: { sequence: {} } } } }
sinks:
  out: { input: rows, print: {} }
";
    let begun = clock::now();
    let run = run(text, 1, std::path::Path::new("."));
    let shut = run.stop_sinks();
    let full = || {
        let standings = run.job.metrics().standings();
        let rows = standings.iter().find(|((name, worker), _)| name == "rows" && *worker == Worker(0));
        rows.and_then(|(_, standing)| standing.output_full.since(clock::now()))
    };
    wait_until("the source has no room", || full().is_some());
    let since = full().unwrap();
    assert!(begun <= since && since <= clock::now());
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(full(), Some(since), "it is the same wait");
    // Short pauses do not interrupt the wait, and do not count for its time.
    wait_until("the time without room is counted", || {
        let standings = run.job.metrics().standings();
        let (_, rows) = standings.iter().find(|((name, _), _)| name == "rows").unwrap();
        let now = clock::now();
        rows.output_full.total(now) >= Duration::from_millis(20) && rows.output_full.recent_share(now) > 0.0
    });
    drop(shut);
    run.end();
}

#[test]
fn what_an_operator_emits_arrives_at_the_next_one() {
    let text = "\
job: counted
sources:
  rows: { generator: { rows: 100000, columns: { n: { sequence: {} } } } }
operators:
  some: { input: rows, select: { n: n } }
sinks:
  out: { input: some, blackhole: {} }
";
    for parallelism in [1, 2] {
        let run = run(text, parallelism, std::path::Path::new("."));
        let state = std::sync::Arc::clone(run.job.state());
        run.end();
        let standings = state.metrics.standings();
        let sum = |name: &str, of: fn(&Traffic) -> u64| {
            let of_name = standings.iter().filter(|((of, _), _)| of == name);
            of_name.map(|(_, standing)| of(&standing.traffic)).sum::<u64>()
        };
        let (batches, bytes) = (sum("rows", Traffic::batches_out), sum("rows", Traffic::bytes_out));
        assert!(batches >= 100_000 / 8_192 && bytes >= 8 * 100_000, "{batches} batches of {bytes} bytes");
        assert_eq!((sum("some", Traffic::batches_in), sum("some", Traffic::bytes_in)), (batches, bytes));
        assert_eq!(sum("out", Traffic::bytes_in), sum("some", Traffic::bytes_out));
        assert!(sum("some", |traffic| traffic.busy().as_nanos() as u64) > 0);
        let workers: Vec<u32> = state.worker_cpu_times().iter().map(|(worker, _)| worker.0).collect();
        assert!(workers.iter().all(|worker| *worker < parallelism as u32), "{workers:?}");
    }
}

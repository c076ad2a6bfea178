//! Swaps of an aggregate function in a job that is busy: the gap of each, and whether every row was counted once.

use std::fs;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::node_server::{Server, percentile};
use crate::{Results, report, tenant};

/// Rows a second.
const RATE: u64 = 200_000;

/// Rows a second that may be missing: the first and the last count of rows are taken while rows pass.
const SHORT_MAX: f64 = RATE as f64 / 50.0;

/// Keys with state.
const KEYS: u64 = 100_000;

/// The time from one swap to the next.
const PAUSE: Duration = Duration::from_millis(200);

/// Runs the case.
pub(crate) fn run(server: &Server, swaps: usize, results: &mut Results) {
    tenant(server, "swaps", json!({ "plugins": 10, "cpu_cores": 2.0, "history": 10_000 }));
    let component = fs::read(report::target_folder().join("bench").join("bench.wasm")).expect("run `make bench-node`");
    // Two versions that differ in a section that means nothing.
    for version in [1u8, 2] {
        server.push("swaps", "bench", &[component.as_slice(), &[0, 3, 1, b'v', version]].concat());
    }
    // More than there is time for; the job is drained behind the last swap.
    let document =
        include_str!("node/swapped.yaml").replace("RATE", &RATE.to_string()).replace("KEYS", &KEYS.to_string());
    server.submit("swaps", &document);
    server.wait_for("swaps", "swapped", "running");
    // Until every key has state.
    thread::sleep(Duration::from_secs(5));
    let mut gaps = Vec::new();
    let before = rows_in(server);
    let since = std::time::Instant::now();
    for swap in 0..swaps {
        let plugin = if swap % 2 == 0 { "bench@1" } else { "bench@2" };
        let request = json!({ "operator": "totals", "plugin": plugin });
        let operation = server.post("/tenants/swaps/jobs/swapped/swaps", &request);
        match server.end_of("swaps", &operation) {
            Ok(done) => gaps.push(done["gap_us"].as_f64().expect("a swap has a gap") / 1_000.0),
            Err(detail) => panic!("swap {swap}: {detail}"),
        }
        thread::sleep(PAUSE);
    }
    let rate = (rows_in(server) - before) as f64 / since.elapsed().as_secs_f64();
    let stop = server.post("/tenants/swaps/jobs/swapped/stop", &json!({ "drain": true }));
    server.end_of("swaps", &stop).expect("the job ends");
    let read = read_rows(server);
    let (keys, counted) = counted(server);
    assert!(read > 0 && counted > 0, "the totals have no rows");
    results.add("swap: rows a second meanwhile", rate, "rows/s", None);
    results.add("swap: rows a second short of their rate", (RATE as f64 - rate).max(0.0), "rows/s", Some(SHORT_MAX));
    results.add("swap: keys with state", keys as f64, "keys", None);
    results.add("swap: keys without state", KEYS as f64 - keys as f64, "keys", Some(0.0));
    results.add(&format!("swap: gap, median of {swaps}"), percentile(&mut gaps, 0.5), "ms", None);
    results.add(&format!("swap: gap, p99 of {swaps}"), percentile(&mut gaps, 0.99), "ms", Some(50.0));
    results.add("swap: rows lost", read.saturating_sub(counted) as f64, "rows", Some(0.0));
    results.add("swap: rows counted twice", counted.saturating_sub(read) as f64, "rows", Some(0.0));
    server.remove("swaps", "swapped");
}

fn rows_in(server: &Server) -> u64 {
    let job = server.get("/tenants/swaps/jobs/swapped");
    job["status"]["operators"][0]["rows_in"].as_u64().unwrap_or(0)
}

/// The rows that the source has read, by the greatest of their numbers.
fn read_rows(server: &Server) -> u64 {
    lines(server).iter().filter_map(|row| row["last"].as_u64()).max().map_or(0, |last| last + 1)
}

/// The keys, and the rows that were counted for them.
fn counted(server: &Server) -> (usize, u64) {
    let lines = lines(server);
    (lines.len(), lines.iter().filter_map(|row| row["total_count"].as_u64()).sum())
}

fn lines(server: &Server) -> Vec<Value> {
    let folder = server.folder().join("data/jobs/swaps/swapped/files");
    let text = fs::read_to_string(folder.join("totals.jsonl")).expect("the job has written its totals");
    text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).collect()
}

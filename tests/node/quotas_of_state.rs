//! Quotas of what a job keeps: spilled state and its bandwidth, lookup tables, open files, sinks.

use std::cell::Cell;
use std::fs;

use harness::wait_until;
use serde_json::{Value, json};

use crate::served::Served;

const MIB: u64 = 1 << 20;

/// A job with more state than memory for it: every row has a key of its own.
const KEEPS: &str = "\
job: keeps
state: { memory: 1MiB }
checkpoint: { every: 100ms, store: store }
sources: { rows: { generator: { rate: 50000, columns: { n: { sequence: {} } } } } }
operators: { counts: { input: rows, key: [n], window: { global: {} }, aggregate: { times: count() } } }
sinks: { out: { input: counts, blackhole: {} } }
";

/// The figures of a job's spilled state.
fn spill(served: &Served, token: &str) -> Value {
    served.job(token, "acme", "keeps")["status"]["figures"]["spill"].clone()
}

/// Goal: the files of all workers together keep to `spill_bytes`; the write over it fails, and the job starts again, with a
/// reason that names the quota.
#[test]
fn a_job_whose_spilled_state_is_too_large_starts_again_and_says_why() {
    let served = Served::start();
    let token = served.tenant("acme", &json!({ "spill_bytes": 6 * MIB, "cpu_cores": 4 }));
    served.submit(&token, "acme", &format!("{KEEPS}parallelism: 2\n"));
    let largest = Cell::new(0);
    wait_until("nothing is over the quota", || {
        largest.set(largest.get().max(spill(&served, &token)["file_bytes"].as_u64().unwrap_or_default()));
        served.job(&token, "acme", "keeps")["failure"].is_object()
    });
    assert!((1..=6 * MIB).contains(&largest.get()), "{} bytes in files", largest.get());
    wait_until("it is not tried again", || served.job(&token, "acme", "keeps")["attempt"].as_u64() >= Some(2));
    let path = "/api/v1/tenants/acme/jobs/keeps/history?limit=1000";
    let history = served.ask(&token, "GET", path, None).expect(200);
    let events = history["items"].as_array().unwrap();
    let says_why = |event: &Value| {
        let why = event["text"].as_str().unwrap();
        event["kind"] == "failed" && why.contains("6MiB together, by the limit `spill_bytes`")
    };
    assert!(events.iter().any(says_why), "{history:#}");
}

/// Goal: a job that writes faster than `spill_bytes_per_s` waits and goes on.
#[test]
fn a_job_whose_spilled_state_is_written_too_fast_waits() {
    let served = Served::start();
    let rate = MIB / 4;
    let token = served.tenant("acme", &json!({ "spill_bytes_per_s": rate, "cpu_cores": 4 }));
    // A rate that the default quota takes without a wait.
    served.submit(&token, "acme", &KEEPS.replace("rate: 50000", "rate: 5000"));
    wait_until("it does not wait", || spill(&served, &token)["waited_us"].as_u64() > Some(1_000_000));
    let usage = served.ask(&token, "GET", "/api/v1/tenants/acme/usage", None).expect(200);
    assert!(usage["spill_bytes"].as_u64() > Some(0), "{usage:#}");
    let job = served.job(&token, "acme", "keeps");
    assert_eq!((&job["phase"], &job["attempt"]), (&json!("running"), &json!(1)), "{job:#}");
    let metrics = served.ask(&served.admin, "GET", "/metrics", None).text();
    let line = metrics.lines().find(|line| line.starts_with("flowgate_job_spill_waited_seconds_total{"));
    let waited: f64 = line.and_then(|line| line.rsplit_once(' ')?.1.parse().ok()).unwrap();
    assert!(waited >= 1.0, "{line:?}");
}

/// Goal: a lookup table over `table_bytes` fails the job; one that has grown since stays as it was, and the job goes on.
#[test]
fn a_table_is_no_larger_than_the_quota() {
    let served = Served::start();
    let token = served.tenant("acme", &json!({ "table_bytes": 64 << 10 }));
    let table = |rows: u64| (0..rows).map(|n| format!("{n},name of {n}\n")).collect::<String>();
    let path = served.path().join("names.csv");
    let document = |job: &str| {
        format!(
            "job: {job}\nsources: {{ rows: {{ generator: {{ rate: 100, columns: {{ n: {{ sequence: {{}} }} }} }} }} }}\n\
             operators: {{ named: {{ input: rows, key: [n], join: left, lookup: {{ path: {}, columns: {{ n: int64, name: \
             text }} }} }} }}\n\
             sinks: {{ out: {{ input: named, blackhole: {{}} }} }}\n",
            path.display()
        )
    };
    fs::write(&path, format!("n,name\n{}", table(10_000))).unwrap();
    served.submit(&token, "acme", &document("large"));
    let job = served.wait_for_phase(&token, "acme", "large", "failed");
    let failure = &job["failure"];
    assert_eq!((&failure["fault"], &failure["operator"]), (&json!("user"), &json!("named")), "{job:#}");
    assert!(failure["message"].as_str().unwrap().contains("the tables of the job may have 64KiB together"), "{job:#}");

    fs::write(&path, format!("n,name\n{}", table(10))).unwrap();
    served.submit(&token, "acme", &document("small"));
    served.wait_for_phase(&token, "acme", "small", "running");
    fs::write(&path, format!("n,name\n{}", table(10_000))).unwrap();
    wait_until("nobody says that the table is too large", || {
        served.job(&token, "acme", "small")["status"].to_string().contains("the table stays as it was")
    });
    assert_eq!(served.job(&token, "acme", "small")["phase"], "running");
}

/// Goal: the process of a job opens no more files than `open_files`: the kernel refuses it.
#[test]
fn a_process_opens_no_more_files_than_the_quota() {
    let served = Served::start();
    let token = served.tenant("acme", &json!({ "open_files": 300 }));
    served.submit(&token, "acme", &KEEPS.replace("rate: 50000", "rate: 1"));
    served.wait_for_phase(&token, "acme", "keeps", "running");
    let workers = served.workers();
    let [(_, pid)] = workers[..] else { panic!("{workers:?}") };
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().take(2).collect::<Vec<_>>(), ["300", "300"], "{limits}");
}

/// Goal: a job with more destinations than `sinks` is refused.
#[test]
fn a_job_has_no_more_sinks_than_the_quota() {
    let served = Served::start();
    let token = served.tenant("acme", &json!({ "sinks": 2 }));
    let document = |job: &str, sinks: usize| {
        let sinks: Vec<String> = (0..sinks).map(|at| format!("s{at}: {{ input: rows, blackhole: {{}} }}")).collect();
        format!(
            "job: {job}\nsources: {{ rows: {{ generator: {{ rate: 1, columns: {{ n: {{ sequence: {{}} }} }} }} }} }}\n\
             sinks: {{ {} }}\n",
            sinks.join(", ")
        )
    };
    let request = json!({ "document": document("three", 3) });
    let refused = served.ask(&token, "POST", "/api/v1/tenants/acme/jobs", Some(&request));
    let text = refused.text();
    assert_eq!(refused.status, 403, "{text}");
    assert!(text.contains("quota `sinks` is 2: the job has 3"), "{text}");
    served.submit(&token, "acme", &document("two", 2));
}

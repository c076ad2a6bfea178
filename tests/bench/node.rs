//! A node: the gap of swaps, what idle jobs take, how fast a job starts, how fast the API answers, and what a tenant does to another.
//!
//! `NODE_BENCH_JOBS` (200) is the number of idle jobs, `NODE_BENCH_SWAPS` (100) that of swaps, `NODE_BENCH_SECONDS` (10) the time of one
//! phase beside a hostile tenant. Words on the command line choose cases.

mod node_neighbour;
mod node_server;
mod node_swap;
#[path = "report.rs"]
mod report;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use flowgate_base::process;
use node_server::{Server, percentile};
use serde_json::{Value, json};

/// Requests of the API that are timed.
const REQUESTS: usize = 2_000;

/// Jobs whose first row is waited for.
const STARTS: usize = 20;

/// Rows that an idle job has read.
const ROWS_OF_IDLE: u64 = 10;

/// The time from the last start of an idle job to the measurement.
const SETTLE: Duration = Duration::from_secs(15);

/// The time over which the processor time of idle jobs is measured: several checkpoints of each.
const IDLE_FOR: Duration = Duration::from_secs(60);

/// Results, each with its bound.
#[derive(Default)]
pub(crate) struct Results(Vec<Value>);

impl Results {
    /// Adds a value; a bound is not met if the value is greater.
    pub(crate) fn add(&mut self, case: &str, value: f64, unit: &str, bound: Option<f64>) {
        let note = match bound {
            None => String::new(),
            Some(bound) if value <= bound => format!("  (bound {bound})"),
            Some(bound) => format!("  (bound {bound}: MISSED)"),
        };
        println!("{case:<50} {value:>12.2} {unit}{note}");
        self.0.push(json!({ "case": case, "value": value, "unit": unit, "bound": bound }));
    }
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let chosen = |case: &str| words.is_empty() || words.iter().any(|word| word == case);
    let server = Server::start();
    let mut results = Results::default();
    results.add("load of the machine at the start", load(), "", None);
    if chosen("start") {
        starts(&server, &mut results);
    }
    if chosen("swap") {
        node_swap::run(&server, number("NODE_BENCH_SWAPS", 100), &mut results);
    }
    if chosen("neighbour") {
        node_neighbour::run(&server, Duration::from_secs(number("NODE_BENCH_SECONDS", 10) as u64), &mut results);
    }
    if chosen("idle") {
        idle(&server, number("NODE_BENCH_JOBS", 200), &mut results);
    }
    results.add("load of the machine at the end", load(), "", None);
    drop(server);
    report::write("node.json", &json!(results.0));
}

fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(f64::NAN)
}

/// A tenant without limits that a benchmark would meet.
pub(crate) fn tenant(server: &Server, name: &str, quotas: Value) {
    server.post("/tenants", &json!({ "name": name, "quotas": quotas }));
}

/// The time from a submission to the first row, with the plugin compiled.
fn starts(server: &Server, results: &mut Results) {
    tenant(server, "starts", json!({}));
    let component = fs::read(report::target_folder().join("bench").join("bench.wasm")).expect("run `make bench-node`");
    server.push("starts", "bench", &component);
    let mut first = Vec::new();
    for start in 0..STARTS {
        let document = include_str!("node/first-row.yaml").replace("NAME", &format!("first-{start}"));
        let since = Instant::now();
        let job = server.submit("starts", &document);
        let name = job["name"].as_str().expect("a job has a name").to_string();
        let output = server.attempt("starts", &name, 1).join("output.jsonl");
        while fs::metadata(&output).map_or(0, |of| of.len()) == 0 {
            assert!(since.elapsed() < Duration::from_secs(30), "{name} has no row");
            thread::sleep(Duration::from_millis(1));
        }
        first.push(since.elapsed().as_secs_f64() * 1_000.0);
        server.remove("starts", &name);
    }
    results.add("submit to first row, median", percentile(&mut first, 0.5), "ms", None);
    results.add("submit to first row, slowest", percentile(&mut first, 1.0), "ms", Some(1_000.0));
}

/// What idle jobs take, and how fast the API answers beside them.
fn idle(server: &Server, jobs: usize, results: &mut Results) {
    let rows: String = (0..ROWS_OF_IDLE).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    let file = server.folder().join("idle.jsonl");
    fs::write(&file, rows).expect("the folder can be written");
    let many = jobs as u64 * 2;
    let quotas = json!({ "jobs": many, "jobs_stored": many, "workers": many, "memory_bytes": many * (1 << 29) });
    let grants = json!({ "connectors": ["file"], "read": [server.folder().join("**")] });
    server.post("/tenants", &json!({ "name": "idle", "quotas": quotas, "grants": grants }));
    let document = include_str!("node/idle.yaml").replace("FILE", &file.display().to_string());
    for job in 0..jobs {
        server.submit("idle", &document.replace("NAME", &format!("idle-{job}")));
    }
    let pids: Vec<u32> = (0..jobs).map(|job| pid_of_idle(server, &format!("idle-{job}"))).collect();
    thread::sleep(SETTLE);
    let of = |pid: u32| process::cpu_time_of_process(pid).expect("it runs").as_secs_f64();
    let taken = || (pids.iter().map(|pid| of(*pid)).sum::<f64>(), of(server.pid()));
    let (before, since) = (taken(), Instant::now());
    thread::sleep(IDLE_FOR);
    let after = taken();
    let share = |of: f64| of / since.elapsed().as_secs_f64() * 100.0;
    let (by_jobs, by_node) = (share(after.0 - before.0), share(after.1 - before.1));
    let megabytes = |pid: u32| process::memory_of_process(pid).expect("it runs").proportional_bytes as f64 / 1e6;
    let mut memory: Vec<f64> = pids.iter().map(|pid| megabytes(*pid)).collect();
    results.add(&format!("{jobs} idle jobs: memory of each, mean (PSS)"), mean(&memory), "MB", None);
    results.add(
        &format!("{jobs} idle jobs: memory of the largest (PSS)"),
        percentile(&mut memory, 1.0),
        "MB",
        Some(15.0),
    );
    results.add(&format!("{jobs} idle jobs: processor of the jobs"), by_jobs, "%", None);
    results.add(&format!("{jobs} idle jobs: processor of the node"), by_node, "%", None);
    results.add(&format!("{jobs} idle jobs: processor in all"), by_jobs + by_node, "%", Some(1.0));
    results.add("the node: memory (PSS)", megabytes(server.pid()), "MB", None);
    api(server, jobs, results);
}

/// Waits until an idle job has read all that there is, and returns its process.
fn pid_of_idle(server: &Server, job: &str) -> u32 {
    let since = Instant::now();
    loop {
        let of = server.get(&format!("/tenants/idle/jobs/{job}"));
        let operators = of["status"]["operators"].as_array().map_or(&[][..], Vec::as_slice);
        let counts = operators.iter().find(|operator| operator["name"] == "counts");
        if counts.is_some_and(|counts| counts["rows_in"] == ROWS_OF_IDLE) {
            return of["status"]["pid"].as_u64().expect("a running job has a process") as u32;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "{job} has not read its rows: {of}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// How fast the API answers beside idle jobs.
fn api(server: &Server, jobs: usize, results: &mut Results) {
    let paths = [
        "/jobs?limit=100",
        "/jobs/idle-1",
        "/jobs/idle-7/history",
        "/jobs/idle-9/checkpoints",
        "/plugins",
        "/jobs/idle-3/logs",
    ];
    let mut times = Vec::new();
    for request in 0..REQUESTS {
        let path = format!("/tenants/idle{}", paths[request % paths.len()]);
        let since = Instant::now();
        let (status, _) = server.ask("GET", &path, None);
        times.push(since.elapsed().as_secs_f64() * 1_000.0);
        // Below the rate of a token, whose refusals would be fast.
        assert!(status == 200, "GET {path} is answered by {status}");
        thread::sleep(Duration::from_millis(6));
    }
    results.add(&format!("API beside {jobs} jobs, median"), percentile(&mut times, 0.5), "ms", None);
    results.add(&format!("API beside {jobs} jobs, p99"), percentile(&mut times, 0.99), "ms", Some(20.0));
}

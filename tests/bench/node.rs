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

use node_server::{Server, cpu_s, percentile, pss_bytes};
use serde_json::{Value, json};

/// Requests of the API that are timed.
const REQUESTS: usize = 2_000;

/// Jobs whose first row is waited for.
const STARTS: usize = 20;

/// The time over which the processor time of idle jobs is measured.
const IDLE_FOR: Duration = Duration::from_secs(20);

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
    let many = jobs as u64 * 2;
    let memory = many * (1 << 29);
    let quotas = json!({ "jobs": many, "jobs_stored": many, "workers": many, "memory_bytes": memory });
    tenant(server, "idle", quotas);
    for job in 0..jobs {
        server.submit("idle", &include_str!("node/idle.yaml").replace("NAME", &format!("idle-{job}")));
    }
    let pids: Vec<u32> = (0..jobs)
        .map(|job| {
            let name = format!("idle-{job}");
            server.wait_for("idle", &name, "running");
            let of = server.get(&format!("/tenants/idle/jobs/{name}"));
            of["status"]["pid"].as_u64().expect("a running job has a process") as u32
        })
        .collect();
    thread::sleep(Duration::from_secs(5));
    let of_all = || pids.iter().map(|pid| cpu_s(*pid)).sum::<f64>() + cpu_s(server.pid());
    let (before, since) = (of_all(), Instant::now());
    thread::sleep(IDLE_FOR);
    let share = (of_all() - before) / since.elapsed().as_secs_f64() * 100.0;
    let memory = pids.iter().map(|pid| pss_bytes(*pid)).sum::<u64>() as f64 / jobs as f64 / 1e6;
    results.add(&format!("{jobs} idle jobs: memory of each (PSS)"), memory, "MB", Some(15.0));
    results.add(&format!("{jobs} idle jobs: processor in all"), share, "%", Some(1.0));
    results.add("the node: memory (PSS)", pss_bytes(server.pid()) as f64 / 1e6, "MB", None);
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

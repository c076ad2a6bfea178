//! What a tenant does to another: the latency of a well-behaved job beside a hostile one, and beside the same job while it rests.
//!
//! The two are interleaved, a phase each, so that a machine whose speed changes is the same for both.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::fs::inotify;
use serde_json::{Value, json};

use crate::node_server::{Server, percentile};
use crate::{Results, tenant};

/// Pairs of phases of each kind of hostility.
const PAIRS: usize = 3;

/// The greatest change of a neighbour's p99, in percent.
const BOUND: f64 = 5.0;

/// Hostile jobs, and requests.
enum Hostility {
    /// A job, with its plugin.
    Job { document: &'static str, plugin: Option<fn() -> Vec<u8>> },
    /// Requests to the API, as many as there is time for.
    Requests,
}

/// A hostile function of one of these kinds.
const HOSTILE: &str = include_str!("node/hostile.yaml");

const KINDS: [(&str, Hostility); 10] = [
    ("a job that takes all processors", Hostility::Job { document: include_str!("node/busy.yaml"), plugin: None }),
    ("a job whose state grows", Hostility::Job { document: include_str!("node/state.yaml"), plugin: None }),
    ("a job that writes to the disk", Hostility::Job { document: include_str!("node/disk.yaml"), plugin: None }),
    ("a plugin that loops", Hostility::Job { document: HOSTILE, plugin: Some(|| transform("loop")) }),
    ("a plugin that traps", Hostility::Job { document: HOSTILE, plugin: Some(|| transform("trap")) }),
    ("a plugin that takes memory", Hostility::Job { document: HOSTILE, plugin: Some(leaks) }),
    ("a plugin that floods the log", Hostility::Job { document: HOSTILE, plugin: Some(|| transform("log_flood")) }),
    ("a plugin that floods metrics", Hostility::Job { document: HOSTILE, plugin: Some(|| transform("metric_flood")) }),
    (
        "a plugin that sets timers without end",
        Hostility::Job {
            document: include_str!("node/timers.yaml"),
            plugin: Some(|| flowgate_hostile::process_plugin(&flowgate_hostile::lines("timers_flood"))),
        },
    ),
    ("requests to the API", Hostility::Requests),
];

fn transform(component: &str) -> Vec<u8> {
    flowgate_hostile::plugin(&flowgate_hostile::lines(component), false)
}

/// Takes a megabyte and writes to it, until there is no more.
fn leaks() -> Vec<u8> {
    let lines = "(func $apply (param i32 i32 i32) (result i32)
        (loop $l (drop (memory.grow (i32.const 16)))
            (memory.fill (i32.const 65536) (i32.const 1) (i32.const 131072)) (br $l)) (unreachable))";
    flowgate_hostile::plugin(lines, false)
}

/// Runs the case.
pub(crate) fn run(server: &Server, phase: Duration, results: &mut Results) {
    tenant(server, "good", json!({}));
    tenant(server, "hostile", json!({ "parallelism": 2 }));
    for (kind, (name, hostility)) in KINDS.iter().enumerate() {
        let victim = format!("good-{kind}");
        server.submit("good", &include_str!("node/good.yaml").replace("NAME", &victim));
        server.wait_for("good", &victim, "running");
        let output = server.attempt("good", &victim, 1).join("output.jsonl");
        let latencies = Latencies::follow(output);
        thread::sleep(Duration::from_secs(1));
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        for _ in 0..PAIRS {
            alone.extend(latencies.over(phase));
            let ends = begin(server, hostility);
            beside.extend(latencies.over(phase));
            ends(server);
        }
        let (before, with) = (percentile(&mut alone, 0.99), percentile(&mut beside, 0.99));
        results.add(&format!("{name}: a neighbour's p99 without"), before, "ms", None);
        results.add(&format!("{name}: a neighbour's p99"), with, "ms", None);
        results.add(&format!("{name}: change"), (with / before - 1.0) * 100.0, "%", Some(BOUND));
        server.remove("good", &victim);
    }
}

/// Begins a hostility; what is returned ends it.
fn begin(server: &Server, hostility: &Hostility) -> Box<dyn FnOnce(&Server)> {
    match hostility {
        Hostility::Job { document, plugin } => {
            if let Some(component) = plugin {
                server.push("hostile", "hostile", &component());
            }
            let (status, answer) = server.ask("POST", "/tenants/hostile/jobs", Some(&json!({ "document": document })));
            assert!(status == 201, "{answer}");
            Box::new(|server| {
                let job = server.get("/tenants/hostile/jobs/hostile");
                let goes_on =
                    ["starting", "running", "restarting"].contains(&job["phase"].as_str().unwrap_or_default());
                assert!(goes_on, "the hostile job harms nobody any more: {}", job["failure"]);
                server.remove("hostile", "hostile");
            })
        }
        Hostility::Requests => {
            let stop = Arc::new(AtomicBool::new(false));
            let token = server.post("/tenants/hostile/tokens", &json!({ "name": "flood", "role": "operator" }));
            let text = token["text"].as_str().expect("a token has a text").to_string();
            let flood = server.flood(&text, Arc::clone(&stop));
            Box::new(move |_| {
                stop.store(true, Relaxed);
                flood.join().expect("the flood ends");
            })
        }
    }
}

/// The latencies of a job's rows: from the time that each row has to the time at which it is in the job's output.
struct Latencies(std::sync::mpsc::Receiver<f64>);

impl Latencies {
    fn follow(path: PathBuf) -> Latencies {
        let (sender, receiver) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            while fs::metadata(&path).is_err() {
                thread::sleep(Duration::from_millis(1));
            }
            // Whoever asks again and again takes the place of the neighbour that is measured.
            let changes = inotify::init(inotify::CreateFlags::CLOEXEC).expect("a watcher");
            let of = inotify::WatchFlags::MODIFY | inotify::WatchFlags::ATTRIB;
            inotify::add_watch(&changes, &path, of).expect("the output is watched");
            let mut open = BufReader::new(File::open(&path).expect("the output is read"));
            loop {
                if open.read_line(&mut line).unwrap_or(0) == 0 || !line.ends_with('\n') {
                    let waited = rustix::io::read(&changes, &mut [0; 4_096][..]);
                    // The job was deleted.
                    if waited.is_err() || fs::metadata(&path).is_err() {
                        return;
                    }
                    continue;
                }
                let now_ms =
                    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64() * 1_000.0);
                let row: Value = serde_json::from_str(&line).unwrap_or_default();
                line.clear();
                let made = row["made"].as_str().and_then(|made| made.parse::<jiff::Timestamp>().ok());
                let Some(made) = made.map(|made| made.as_millisecond() as f64) else { continue };
                if sender.send(now_ms - made).is_err() {
                    return;
                }
            }
        });
        Latencies(receiver)
    }

    /// Returns the latencies of the rows of a time.
    fn over(&self, time: Duration) -> Vec<f64> {
        while self.0.try_recv().is_ok() {}
        let until = Instant::now() + time;
        let mut latencies = Vec::new();
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            latencies.extend(self.0.recv_timeout(left));
        }
        assert!(!latencies.is_empty(), "the job has no rows");
        latencies
    }
}

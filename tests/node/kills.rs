//! The node, its workers and its clock, at random moments: everything comes back, once.

use std::collections::BTreeSet;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::{Chance, PATIENCE, Signal, clock_library, seed, signal, working_below};
use serde_json::{Value, json};

use crate::http::Http;
use crate::served::Served;
use crate::worked::{Watch, are_exactly_once, numbers};

/// Kills in a run of the tests.
const KILLS: u64 = 10;
/// The longest time from a request to a kill.
const WORK_MAX: Duration = Duration::from_millis(400);

fn document(job: &str) -> String {
    format!(
        "job: {job}\ncheckpoint: {{ every: 50ms, store: store }}\n\
         sources: {{ rows: {{ generator: {{ rate: 2000, columns: {{ n: {{ sequence: {{}} }} }} }} }} }}\n\
         sinks: {{ out: {{ input: rows, file: {{ path: out/, part_every: 0s }} }} }}\n"
    )
}

/// What is known to be in the catalog, because the node has said so.
#[derive(Default)]
struct Known {
    jobs: BTreeSet<String>,
    /// Those whose submission or deletion was not answered: both is right.
    perhaps: BTreeSet<String>,
    plugins: u64,
    secrets: BTreeSet<String>,
}

struct Run {
    served: Served,
    token: String,
    known: Known,
    chance: Chance,
    submitted: u64,
}

impl Run {
    /// Sends a request that may get no answer, and returns its status.
    fn try_ask(&self, method: &str, target: &str, media: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
        let stream = std::net::TcpStream::connect(self.served.address).ok()?;
        let authorization = format!("Bearer {}", self.token);
        let headers = [("Authorization", authorization.as_str()), ("Content-Type", media)];
        let headers = if body.is_empty() { &headers[..1] } else { &headers };
        let target = format!("/api/v1/tenants/acme{target}");
        Http::of(stream).try_ask(method, &target, headers, body).ok().map(|response| (response.status, response.body))
    }

    fn json(&self, method: &str, target: &str, body: &Value) -> Option<u16> {
        let (status, said) = self.try_ask(method, target, "application/json", body.to_string().as_bytes())?;
        assert!(status < 500 || status == 503, "{method} {target}: {status}: {}", String::from_utf8_lossy(&said));
        Some(status)
    }

    /// Asks for something, and keeps what the node has promised.
    fn step(&mut self) -> String {
        let jobs: Vec<String> = self.known.jobs.iter().cloned().collect();
        let job = jobs[self.chance.below(jobs.len() as u64) as usize].clone();
        match self.chance.below(10) {
            0 if jobs.len() < 4 => {
                self.submitted += 1;
                let job = format!("job-{}", self.submitted);
                match self.json("POST", "/jobs", &json!({ "document": document(&job), "idempotency_key": job })) {
                    Some(201) => _ = self.known.jobs.insert(job.clone()),
                    None => _ = self.known.perhaps.insert(job.clone()),
                    Some(_) => {}
                }
                format!("submit {job}")
            }
            1 => {
                let text = fs::read(harness::plugin("text")).unwrap();
                let component = [&text[..], &[0, 2, 1, self.known.plugins as u8]].concat();
                if let Some((201, _)) = self.try_ask("POST", "/plugins/text", "application/wasm", &component) {
                    self.known.plugins += 1;
                }
                "push".into()
            }
            2 => {
                let secret = format!("secret-{}", self.chance.below(50));
                if self.json("PUT", &format!("/secrets/{secret}"), &json!({ "value": "of no use" })) == Some(204) {
                    self.known.secrets.insert(secret.clone());
                }
                format!("set {secret}")
            }
            3 => {
                let parallelism = self.chance.below(2) + 1;
                self.json("PUT", &format!("/jobs/{job}"), &json!({ "parallelism": parallelism }));
                format!("change {job}")
            }
            4 if jobs.len() > 1 && job != "first" => {
                let deleted = self.json("DELETE", &format!("/jobs/{job}"), &json!({}));
                if deleted != Some(409) {
                    self.known.jobs.remove(&job);
                    if deleted.is_none() {
                        self.known.perhaps.insert(job.clone());
                    }
                }
                format!("delete {job}")
            }
            at => {
                let verb = ["stop", "start", "restart", "savepoints", "cancel"][(at % 5) as usize];
                self.try_ask("POST", &format!("/jobs/{job}/{verb}"), "", b"");
                format!("{verb} {job}")
            }
        }
    }

    /// What was promised is there, and nothing that is half.
    fn is_whole(&mut self, after: &[String]) {
        let listed = |path: &str, field: &str| -> BTreeSet<String> {
            let page = self.served.ask(&self.token, "GET", &format!("/api/v1/tenants/acme{path}?limit=1000"), None);
            let items = page.expect(200)["items"].as_array().unwrap().clone();
            items.iter().map(|of| of[field].to_string().trim_matches('"').to_string()).collect()
        };
        let (jobs, secrets, plugins) =
            (listed("/jobs", "name"), listed("/secrets", "name"), listed("/plugins", "version"));
        assert!(jobs.is_superset(&self.known.jobs), "{jobs:?}, and not all of {:?}, after {after:?}", self.known.jobs);
        let unknown: Vec<_> =
            jobs.difference(&self.known.jobs).filter(|job| !self.known.perhaps.contains(*job)).collect();
        assert!(unknown.is_empty(), "{unknown:?} were deleted, after {after:?}");
        self.known.jobs = jobs;
        self.known.perhaps.clear();
        assert!(secrets.is_superset(&self.known.secrets), "{secrets:?}");
        assert!(plugins.len() as u64 >= self.known.plugins, "{plugins:?}");
        self.known.plugins = plugins.len() as u64;
        for job in &self.known.jobs {
            let detail = self.served.job(&self.token, "acme", job);
            let path = format!("/api/v1/tenants/acme/jobs/{job}/history?limit=1000");
            let events = self.served.ask(&self.token, "GET", &path, None).expect(200);
            let numbers: Vec<u64> =
                events["items"].as_array().unwrap().iter().filter_map(|event| event["number"].as_u64()).collect();
            let all: Vec<u64> = (1..=numbers.len() as u64).rev().collect();
            assert_eq!(numbers, all, "{job}: its history has a gap");
            assert!(
                detail["attempt"].as_u64() >= Some(1) || detail["phase"] != "stopped",
                "{job} never began: {detail:#}"
            );
        }
    }
}

/// Goal: whatever is killed, whenever, nothing that was acknowledged is lost, and every row is written once. Method: SIGKILL of the
/// node, of workers and of both, while requests are served; the node that follows has another time.
#[test]
fn what_is_killed_comes_back() {
    let kills = std::env::var("FLOWGATE_TEST_KILLS").map_or(KILLS, |kills| kills.parse().expect("a number of kills"));
    let seed = seed();
    println!("{kills} kills; FLOWGATE_TEST_SEED={seed}");
    let served = Served::start();
    let quotas = json!({ "jobs": 8, "memory_bytes": 8u64 << 30, "compiles_per_min": 1_000_000, "plugins": 100_000 });
    let token = served.tenant("acme", &quotas);
    served.submit(&token, "acme", &document("first"));
    let clock_library = clock_library(served.path()).display().to_string();
    let watch = Watch::of(&served.data());
    let known = Known { jobs: BTreeSet::from(["first".to_string()]), ..Known::default() };
    let mut run = Run { served, token, known, chance: Chance::new(seed), submitted: 0 };
    let mut back = Vec::new();
    for kill in 0..kills {
        let asked: Vec<String> = (0..run.chance.below(3)).map(|_| run.step()).collect();
        let (what, when) = (run.chance.below(3), run.chance.time_below(WORK_MAX));
        let pid = run.served.running().pid();
        let data = run.served.data();
        let killer = std::thread::spawn(move || {
            sleep(when);
            if what != 1 {
                signal(pid, Signal::KILL);
            }
            if what != 0 {
                working_below(&data.join("jobs")).iter().for_each(|(_, pid)| signal(*pid, Signal::KILL));
            }
        });
        let last = run.step();
        killer.join().expect("it only kills");
        let after =
            [asked, vec![last, format!("kill {kill} of {}", ["the node", "workers", "both"][what as usize])]].concat();
        if what != 1 {
            run.served.kill();
            let begun = Instant::now();
            let clock = ["-3600", "0", "3600"][run.chance.below(3) as usize];
            run.served.begin(&[("LD_PRELOAD", &clock_library), ("SET_CLOCK_BY", clock)]);
            back.push(begun.elapsed());
        }
        run.is_whole(&after);
    }
    back.sort_unstable();
    println!("the node was back within {:?}", back.last());
    // All jobs run again, whatever became of them, and have something to write.
    let jobs: Vec<String> = run.known.jobs.iter().cloned().collect();
    for job in &jobs {
        let begun = Instant::now();
        while run.served.job(&run.token, "acme", job)["phase"] != "running" {
            run.try_ask("POST", &format!("/jobs/{job}/start"), "", b"");
            let detail = run.served.job(&run.token, "acme", job);
            assert!(begun.elapsed() < PATIENCE, "{job} does not run again: {detail:#}\n{}", run.served.said());
            sleep(Duration::from_millis(50));
        }
        let out = run.served.files("acme", job).join("out");
        let before = numbers(&out).len();
        while numbers(&out).len() <= before {
            assert!(begun.elapsed() < PATIENCE, "{job} writes nothing: {}", run.served.logs(&run.token, "acme", job));
            sleep(Duration::from_millis(50));
        }
        run.served.stop(&run.token, "acme", job);
        let written = numbers(&out);
        are_exactly_once(&written, job);
        println!("{job}: {} rows, each once", written.len());
    }
    watch.judge();
    assert_eq!(run.served.workers(), [], "processes are left");
}

//! What becomes of jobs that fail, by whose fault it was.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::{PATIENCE, Signal, signal};
use serde_json::{Value, json};

use crate::access::ENDLESS;
use crate::neighbour::Neighbour;
use crate::served::Served;

fn reads(job: &str) -> String {
    format!(
        "job: {job}\nsources: {{ rows: {{ file: {{ path: in.csv, format: csv, columns: {{ n: int64 }} }} }} }}\n\
         sinks: {{ out: {{ input: rows, file: {{ path: out.jsonl }} }} }}\n"
    )
}

fn write(served: &Served, job: &str, name: &str, text: &str) {
    let files = served.files("acme", job);
    fs::create_dir_all(&files).unwrap();
    fs::write(files.join(name), text).unwrap();
}

/// The events of a job, oldest first.
fn history(served: &Served, token: &str, job: &str) -> Vec<Value> {
    let path = format!("/api/v1/tenants/acme/jobs/{job}/history?limit=1000");
    let events = served.ask(token, "GET", &path, None).expect(200);
    events["items"].as_array().unwrap().iter().rev().cloned().collect()
}

/// Waits until a job has begun an attempt.
#[track_caller]
fn wait_for_attempt(served: &Served, token: &str, job: &str, attempt: u64) -> Value {
    let begun = Instant::now();
    loop {
        let detail = served.job(token, "acme", job);
        if detail["attempt"].as_u64() >= Some(attempt) {
            return detail;
        }
        assert!(begun.elapsed() < PATIENCE, "{job} is not tried again: {detail:#}");
        sleep(Duration::from_millis(20));
    }
}

/// A job that is wrong is not tried again, because it would fail again; somebody may start it, and its history says whose fault it was.
#[test]
fn the_users_fault_is_not_tried_again() {
    let served = Served::start();
    let token = served.tenant("acme", &json!({}));
    write(&served, "wrong", "in.csv", "m\n1\n");
    served.submit(&token, "acme", &reads("wrong"));
    let job = served.wait_for_phase(&token, "acme", "wrong", "failed");
    assert_eq!((&job["failure"]["fault"], &job["failure"]["operator"]), (&json!("user"), &json!("rows")), "{job:#}");
    sleep(Duration::from_millis(1_500));
    assert_eq!(served.job(&token, "acme", "wrong")["attempt"], 1);
    assert_eq!(served.workers(), []);
    let last = history(&served, &token, "wrong").pop().unwrap();
    assert!(last["text"].as_str().unwrap().contains("the job's, its config's or its plugin's"), "{last:#}");
    write(&served, "wrong", "in.csv", "n\n1\n");
    served.ask(&token, "POST", "/api/v1/tenants/acme/jobs/wrong/start", None).expect(202);
    let job = served.wait_for_phase(&token, "acme", "wrong", "finished");
    assert!(job.get("failure").is_none(), "{job:#}");
}

/// A job whose input is away or whose disk is full is tried again, with pauses that grow; it goes on when the world is right again.
#[test]
fn the_worlds_fault_is_tried_again() {
    let served = Served::start();
    let token = served.tenant("acme", &json!({}));
    let full = "\
job: full
sources: { rows: { generator: { rate: 100, columns: { n: { sequence: {} } } } } }
sinks: { out: { input: rows, file: { path: /dev/full } } }
";
    // The device is outside of what tests grant.
    let grants =
        json!({ "connectors": ["file"], "write": [served.path().join("**").display().to_string(), "/dev/**"] });
    let path = "/api/v1/tenants/acme";
    served.ask(&served.admin, "PATCH", path, Some(&json!({ "grants": grants }))).expect(200);
    served.submit(&token, "acme", full);
    served.submit(&token, "acme", &reads("away"));
    let begun = Instant::now();
    let job = wait_for_attempt(&served, &token, "full", 4);
    // Pauses of 1, 2 and 4 seconds.
    assert!(begun.elapsed() >= Duration::from_secs(6), "{:?}", begun.elapsed());
    assert_eq!(job["failure"]["fault"], "external", "{job:#}");
    let pauses: Vec<i64> = {
        let events = history(&served, &token, "full");
        let failed = events.windows(2).filter(|two| two[0]["kind"] == "failed" && two[1]["kind"] == "restarted");
        failed.map(|two| two[1]["at_ms"].as_i64().unwrap() - two[0]["at_ms"].as_i64().unwrap()).collect()
    };
    assert!(pauses.windows(2).all(|two| two[1] > two[0] * 3 / 2), "{pauses:?}");
    let failed = history(&served, &token, "full").into_iter().find(|event| event["kind"] == "failed").unwrap();
    let text = failed["text"].as_str().unwrap();
    assert!(text.contains("that of the world outside") && text.contains("No space left"), "{text}");
    write(&served, "away", "in.csv", "n\n1\n2\n");
    served.wait_for_phase(&token, "acme", "away", "finished");
    let written = fs::read_to_string(served.files("acme", "away").join("out.jsonl")).unwrap();
    assert_eq!(written, "{\"n\":1}\n{\"n\":2}\n");
    // A stop ends the pause.
    served.ask(&token, "POST", "/api/v1/tenants/acme/jobs/full/stop", None).expect(202);
    served.wait_for_phase(&token, "acme", "full", "stopped");
    assert_eq!(served.workers(), []);
}

/// A worker process that dies in any way is followed by another one, and the job says how it died.
#[test]
fn a_worker_that_dies_is_followed_by_another() {
    let served = Served::start();
    let token = served.tenant("acme", &json!({}));
    served.submit(&token, "acme", ENDLESS);
    let deaths = [(Signal::KILL, "external"), (Signal::ABORT, "user"), (Signal::SYS, "internal")];
    for (attempt, (death, fault)) in (1..).zip(deaths) {
        served.wait_for_phase(&token, "acme", "web", "running");
        assert_eq!(served.job(&token, "acme", "web")["attempt"], attempt);
        served.workers().iter().for_each(|(_, pid)| signal(*pid, death));
        let begun = Instant::now();
        let failure = loop {
            let job = served.job(&token, "acme", "web");
            if job["phase"] != "running" {
                break job["failure"].clone();
            }
            assert!(begun.elapsed() < PATIENCE, "nobody has noticed {death:?}");
            sleep(Duration::from_millis(5));
        };
        assert_eq!(failure["fault"], fault, "{death:?}: {failure:#}");
    }
    // One that dies while it starts.
    for attempt in 4..6 {
        wait_for_attempt(&served, &token, "web", attempt);
        let begun = Instant::now();
        while served.workers().is_empty() && begun.elapsed() < PATIENCE {}
        served.workers().iter().for_each(|(_, pid)| signal(*pid, Signal::KILL));
    }
    // Before the node has noticed the last death, the job seems to run.
    wait_for_attempt(&served, &token, "web", 6);
    served.wait_for_phase(&token, "acme", "web", "running");
    assert_eq!(served.workers().len(), 1);
}

/// A worker process that is stopped delays nobody: the node says what it knows, and a cancel ends it.
#[test]
fn a_worker_that_is_stopped_delays_nobody() {
    let served = Served::start();
    let (token, other) = (served.tenant("acme", &json!({})), served.tenant("umbrella", &json!({})));
    served.submit(&token, "acme", ENDLESS);
    served.submit(&other, "umbrella", ENDLESS);
    served.wait_for_phase(&token, "acme", "web", "running");
    served.wait_for_phase(&other, "umbrella", "web", "running");
    let [(_, pid)] = served
        .workers()
        .into_iter()
        .filter(|(folder, _)| folder.to_string_lossy().contains("acme"))
        .collect::<Vec<_>>()[..]
    else {
        panic!("one worker process")
    };
    signal(pid, Signal::STOP);
    // Many ask for the job at once, and for everything that needs an answer of it.
    std::thread::scope(|scope| {
        // Fewer than a tenant may have at once.
        let asks: Vec<_> = (0..24)
            .map(|at| {
                let path = ["", "/explain?operator=rows", "/tap?operator=rows&rows=1"][at % 3];
                let (served, token) = (&served, &token);
                scope.spawn(move || {
                    served.ask(token, "GET", &format!("/api/v1/tenants/acme/jobs/web{path}"), None).status
                })
            })
            .collect();
        sleep(Duration::from_millis(200));
        for _ in 0..20 {
            let begun = Instant::now();
            assert!(served.job(&other, "umbrella", "web").get("status").is_some());
            served.ask(&token, "GET", "/api/v1/tenants/acme/jobs", None).expect(200);
            assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        }
        for ask in asks {
            let status = ask.join().unwrap();
            assert!(matches!(status, 200 | 429 | 503), "{status}");
        }
    });
    let stop = served.ask(&token, "POST", "/api/v1/tenants/acme/jobs/web/stop", None).expect(202);
    sleep(Duration::from_millis(200));
    served.ask(&token, "POST", "/api/v1/tenants/acme/jobs/web/cancel", None).expect(202);
    served.wait_for_phase(&token, "acme", "web", "stopped");
    served.end_of(&token, "acme", &stop);
    assert_eq!(served.workers().len(), 1, "the other tenant's goes on");
}

/// A plugin that traps at every row fails its rows, not its job, and its neighbour is served as ever.
#[test]
fn a_plugin_that_traps_at_every_row_delays_nobody() {
    let served = Served::start();
    let (token, other) = (served.tenant("acme", &json!({})), served.tenant("umbrella", &json!({})));
    let trap = "(func $apply (param i32 i32 i32) (result i32) unreachable)";
    served.push_component(&token, "acme", "traps", &flowgate_hostile::plugin(trap, false)).expect(201);
    let document = "\
job: traps
sources: { rows: { generator: { rate: 1000, columns: { x: { sequence: {} } } } } }
operators: { op: { input: rows, plugin: traps, function: f } }
sinks: { out: { input: op, blackhole: {} } }
";
    let neighbour = Neighbour::of(&served, &other);
    served.submit(&token, "acme", document);
    served.wait_for_phase(&token, "acme", "traps", "running");
    let begun = Instant::now();
    let failed = |job: &Value| {
        let operators = job["status"]["operators"].as_array().cloned().unwrap_or_default();
        operators.iter().filter_map(|operator| operator["errors"].as_u64()).sum::<u64>()
    };
    while failed(&served.job(&token, "acme", "traps")) < 1_000 {
        let job = served.job(&token, "acme", "traps");
        assert!(begun.elapsed() < PATIENCE, "{job:#}\n{}", served.logs(&token, "acme", "traps"));
        sleep(Duration::from_millis(50));
    }
    let job = served.job(&token, "acme", "traps");
    assert_eq!((&job["phase"], &job["attempt"]), (&json!("running"), &json!(1)), "{job:#}");
    neighbour.judge("a plugin that traps at every row");
}

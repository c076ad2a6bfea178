//! The life of a node: alone on its folder, stopped with its jobs and without, asked twice for the same, asked for long lists.

use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::{Flowgate, PATIENCE, Signal, signal, wait_until};
use serde_json::{Value, json};

use crate::access::{ENDLESS, TRAPPING, traps};
use crate::served::Served;
use crate::worked::{are_exactly_once, numbers};

const WRITES: &str = "\
job: writes
checkpoint: { every: 100ms, store: store }
sources: { rows: { generator: { rate: 500, columns: { n: { sequence: {} } } } } }
sinks: { out: { input: rows, file: { path: out/, part_every: 0s } } }
";

#[test]
fn a_second_node_on_the_folder_is_refused() {
    let served = Served::start();
    let second = Flowgate::new(served.path(), &["serve", "--data", "data", "--listen", "127.0.0.1:0"]).run();
    assert_ne!(second.code(), Some(0));
    assert!(second.stderr.contains("another node has the data folder"), "{}", second.stderr);
    let token = Flowgate::new(served.path(), &["serve", "--data", "data", "--new-admin-token"]).run();
    assert!(token.stderr.contains("another node has the data folder"), "{}", token.stderr);
    served.ask(&served.admin, "GET", "/api/v1/whoami", None).expect(200);
}

/// A node that stops leaves its jobs; the next one finds the same processes.
#[test]
fn jobs_go_on_without_their_node() {
    let mut served = Served::start();
    let token = served.tenant("acme", &json!({}));
    served.submit(&token, "acme", WRITES);
    served.wait_for_phase(&token, "acme", "writes", "running");
    let before = served.workers();
    served.terminate();
    let out = served.files("acme", "writes").join("out");
    let rows = numbers(&out).len();
    wait_until("the job does not go on", || numbers(&out).len() > rows);
    served.begin(&[]);
    let job = served.wait_for_phase(&token, "acme", "writes", "running");
    assert_eq!((served.workers(), job["attempt"].as_u64()), (before, Some(1)));
    served.stop(&token, "acme", "writes");
    are_exactly_once(&numbers(&out), "without the node and with it");
}

/// A node that stops with its jobs ends their processes, each with a checkpoint; the next one starts them from there.
#[test]
fn jobs_stop_with_their_node_and_start_with_the_next_one() {
    let mut served = Served::start_with(&["--stop-jobs"]);
    let token = served.tenant("acme", &json!({}));
    served.submit(&token, "acme", WRITES);
    served.submit(&token, "acme", ENDLESS);
    served.wait_for_phase(&token, "acme", "writes", "running");
    served.wait_for_phase(&token, "acme", "web", "running");
    served.stop(&token, "acme", "web");
    sleep(Duration::from_millis(300));
    served.terminate();
    assert_eq!(served.workers(), []);
    let out = served.files("acme", "writes").join("out");
    let rows = numbers(&out);
    are_exactly_once(&rows, "when all has stopped");
    served.begin(&[]);
    served.wait_for_phase(&token, "acme", "writes", "running");
    assert_eq!(served.job(&token, "acme", "web")["phase"], "stopped", "somebody had stopped it");
    wait_until("the job does not go on", || numbers(&out).len() > rows.len());
    served.stop(&token, "acme", "writes");
    are_exactly_once(&numbers(&out), "started again");
}

/// The same submission with the same key is one job, also behind a crash; another one with the key is refused.
#[test]
fn a_submission_is_made_once() {
    let mut served = Served::start();
    let token = served.tenant("acme", &json!({}));
    let path = "/api/v1/tenants/acme/jobs";
    let request = json!({ "document": ENDLESS, "idempotency_key": "monday" });
    let first = served.ask(&token, "POST", path, Some(&request)).expect(201);
    let again = served.ask(&token, "POST", path, Some(&request)).expect(200);
    assert_eq!(first["submitted_ms"], again["submitted_ms"]);
    served.kill();
    served.begin(&[]);
    let again = served.ask(&token, "POST", path, Some(&request)).expect(200);
    assert_eq!(first["submitted_ms"], again["submitted_ms"]);
    let other = json!({ "document": WRITES, "idempotency_key": "monday" });
    served.ask(&token, "POST", path, Some(&other)).expect(409);
    let keyless = json!({ "document": ENDLESS });
    served.ask(&token, "POST", path, Some(&keyless)).expect(409);
    for key in ["", "../x", "a/b", &"x".repeat(64)] {
        let odd = json!({ "document": WRITES, "idempotency_key": key });
        served.ask(&token, "POST", path, Some(&odd)).expect(422);
    }
    // The key of a job that is gone, and of which there is another now, is not that of the other.
    served.wait_for_phase(&token, "acme", "web", "running");
    served.stop(&token, "acme", "web");
    served.ask(&token, "DELETE", &format!("{path}/web"), None).expect(204);
    served.ask(&token, "POST", path, Some(&request)).expect(409);
    served.ask(&token, "POST", path, Some(&json!({ "document": ENDLESS }))).expect(201);
    served.ask(&token, "POST", path, Some(&request)).expect(409);
}

/// Names that are right outside of a node and not on one are refused.
#[test]
fn the_name_of_a_job_is_one_on_the_node() {
    let served = Served::start();
    let token = served.tenant("acme", &json!({}));
    for name in ["_web", "-web", &"x".repeat(64)] {
        let document = ENDLESS.replace("web", name);
        let refused = served.ask(&token, "POST", "/api/v1/tenants/acme/jobs", Some(&json!({ "document": document })));
        assert_eq!(refused.status, 422, "{name}: {}", refused.text());
    }
}

/// Starts and restarts at once get no more room than there is, whichever of them asks.
#[test]
fn no_more_jobs_run_than_the_quota_allows() {
    let served = Served::start();
    let token = served.tenant("acme", &json!({ "jobs": 2, "compiles_per_min": 1_000 }));
    let names: Vec<String> = (0..6).map(|at| format!("job-{at}")).collect();
    for name in &names {
        served.submit(&token, "acme", &ENDLESS.replace("web", name));
        let cancelled = served.ask(&token, "POST", &format!("/api/v1/tenants/acme/jobs/{name}/cancel"), None);
        cancelled.expect(202);
        served.wait_for_phase(&token, "acme", name, "stopped");
    }
    for verb in ["start", "restart"] {
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let asks: Vec<_> = names
                .iter()
                .map(|name| {
                    let (served, token) = (&served, &token);
                    scope.spawn(move || {
                        served.ask(token, "POST", &format!("/api/v1/tenants/acme/jobs/{name}/{verb}"), None).status
                    })
                })
                .collect();
            asks.into_iter().map(|ask| ask.join().unwrap()).collect()
        });
        let count = |status| statuses.iter().filter(|of| **of == status).count();
        assert_eq!((count(202), count(403)), (2, 4), "{verb}: {statuses:?}");
        for name in &names {
            // Some do not run.
            served.ask(&token, "POST", &format!("/api/v1/tenants/acme/jobs/{name}/cancel"), None);
            served.wait_for_phase(&token, "acme", name, "stopped");
        }
    }
}

/// All parts of a list, by the smallest and by odd sizes, are the list.
#[test]
fn long_lists_come_in_parts() {
    let served = Served::start();
    let token = served.tenant("acme", &json!({ "secrets": 1_000 }));
    for at in 0..250 {
        let target = format!("/api/v1/tenants/acme/secrets/s{at}");
        served.ask(&token, "PUT", &target, Some(&json!({ "value": "of no use" }))).expect(204);
    }
    let parts = |path: &str, limit: usize, field: &str| {
        let (mut all, mut after): (Vec<Value>, Option<String>) = (Vec::new(), None);
        loop {
            let after_it = after.map(|after| format!("&after={after}")).unwrap_or_default();
            let page = served.ask(&token, "GET", &format!("{path}?limit={limit}{after_it}"), None).expect(200);
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= limit && (!items.is_empty() || page.get("next").is_none()), "{page:#}");
            all.extend(items.iter().map(|of| of[field].clone()));
            match page["next"].as_str() {
                Some(next) => after = Some(next.into()),
                None => return all,
            }
        }
    };
    let path = "/api/v1/tenants/acme/secrets";
    let whole = parts(path, 1_000, "name");
    assert_eq!(whole.len(), 250);
    for limit in [7, 50, 249, 250, 251] {
        assert_eq!(parts(path, limit, "name"), whole, "{limit}");
    }
    let default = served.ask(&token, "GET", path, None).expect(200);
    assert_eq!(default["items"].as_array().unwrap().len(), 100);
    for odd in ["limit=0", "limit=1001", "limit=-1", "limit=x", "limit=99999999999999999999", "limit=1&limit=2"] {
        served.ask(&token, "GET", &format!("{path}?{odd}"), None).expect(400);
    }
    for odd in ["after=%00", "after=zzz", "after=..%2f..%2fumbrella", "after=%f0%9f%90%9d", "after=acme%2f"] {
        let page = served.ask(&token, "GET", &format!("{path}?{odd}"), None).expect(200);
        let known = page["items"].as_array().unwrap().iter().all(|of| whole.contains(&of["name"]));
        assert!(known, "{odd}: {page:#}");
    }
    // Events: newest first, with numbers and without gaps.
    served.submit(&token, "acme", ENDLESS);
    served.wait_for_phase(&token, "acme", "web", "running");
    for _ in 0..6 {
        for verb in ["cancel", "start"] {
            served.ask(&token, "POST", &format!("/api/v1/tenants/acme/jobs/web/{verb}"), None).expect(202);
            let phase = if verb == "start" { "running" } else { "stopped" };
            served.wait_for_phase(&token, "acme", "web", phase);
        }
    }
    let path = "/api/v1/tenants/acme/jobs/web/history";
    let whole = parts(path, 1_000, "number");
    let expected: Vec<Value> = (1..=whole.len()).rev().map(Value::from).collect();
    assert_eq!(whole, expected);
    for limit in [1, 7, whole.len()] {
        assert_eq!(parts(path, limit, "number"), whole, "{limit}");
    }
    served.ask(&token, "GET", &format!("{path}?after=x"), None).expect(400);
}

/// A tap that nobody reads any more is over, although its operator has no rows: others may tap.
#[test]
fn taps_of_clients_that_are_gone_end() {
    let served = Served::start();
    let token = served.tenant("acme", &json!({}));
    let silent = "\
job: silent
sources: { rows: { file: { path: in.txt, follow: true } } }
sinks: { out: { input: rows, blackhole: {} } }
";
    std::fs::create_dir_all(served.files("acme", "silent")).unwrap();
    std::fs::write(served.files("acme", "silent").join("in.txt"), "").unwrap();
    served.submit(&token, "acme", silent);
    served.wait_for_phase(&token, "acme", "silent", "running");
    let head = format!(
        "GET /api/v1/tenants/acme/jobs/silent/tap?operator=rows HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    for at in 0..12 {
        let begun = Instant::now();
        loop {
            let stream = std::net::TcpStream::connect(served.address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut http = crate::http::Http::over(stream);
            http.raw(head.as_bytes()).unwrap();
            let status = http.line().unwrap();
            if status.contains(" 200 ") {
                break;
            }
            assert!(status.contains(" 429 "), "{status}");
            assert!(begun.elapsed() < Duration::from_secs(40), "tap {at} is refused: those before it are there still");
            sleep(Duration::from_millis(100));
        }
    }
    // The worker process does not mind.
    served.workers().iter().for_each(|(_, pid)| signal(*pid, Signal::CONT));
    assert_eq!(served.job(&token, "acme", "silent")["phase"], "running");
}

/// A call that trapped in a job is in the node for whoever wants to make it again, also behind restarts of the job, until it is deleted.
#[test]
fn a_call_that_trapped_is_handed_out() {
    let served = Served::start();
    let token = served.tenant("acme", &json!({}));
    served.push_component(&token, "acme", "traps", &traps()).expect(201);
    served.submit(&token, "acme", TRAPPING);
    let id = served.first_record(&token, "acme", "web");
    let of = |path: &str| served.ask(&token, "GET", &format!("/api/v1/tenants/acme/jobs/web/{path}"), None);
    let listed = of("records").expect(200)["items"][0].clone();
    assert_eq!((&listed["operator"], &listed["called"], &listed["given"]), (&json!("bad"), &json!("apply"), &json!(1)));
    assert!(listed["reason"].as_str().is_some_and(|reason| reason.starts_with("trapped: ")), "{listed}");
    let record = of(&format!("records/{id}"));
    assert_eq!(record.body.len() as u64, listed["bytes"].as_u64().unwrap());
    assert_eq!(record.expect(200)["call"]["reason"], listed["reason"]);
    for unknown in ["9-1", "1-999", "1", "1-1.json"] {
        of(&format!("records/{unknown}")).expect(404);
    }
    served.stop(&token, "acme", "web");
    let begun = served.ask(&token, "POST", "/api/v1/tenants/acme/jobs/web/start", None);
    begun.expect(202);
    served.wait_for_phase(&token, "acme", "web", "running");
    let start = Instant::now();
    while of("records").expect(200)["items"][0]["id"] == json!(id) {
        assert!(start.elapsed() < PATIENCE, "the second attempt records nothing");
        sleep(Duration::from_millis(20));
    }
    let ids = of("records?limit=1").expect(200);
    assert_eq!((&ids["items"][0]["id"], &ids["next"]), (&json!("2-1"), &json!("2-1")));
    let older = of("records?after=2-1").expect(200);
    assert_eq!(older["items"][0]["id"], json!(id), "those of the first attempt are behind it");
}

/// Streams end when their token is revoked; those of another token go on.
#[test]
fn streams_end_with_their_token() {
    let served = Served::start();
    let admin = served.tenant("acme", &json!({}));
    served.submit(&admin, "acme", ENDLESS);
    served.wait_for_phase(&admin, "acme", "web", "running");
    let viewer = served.token("acme", "viewer");
    let tokens = served.ask(&admin, "GET", "/api/v1/tenants/acme/tokens", None).expect(200);
    let is_viewer = |token: &&Value| token["name"] == "viewer";
    let id = tokens["items"].as_array().unwrap().iter().find(is_viewer).unwrap()["id"].as_str().unwrap().to_string();
    let opened = |token: &str, path: &str| {
        let stream = std::net::TcpStream::connect(served.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut http = crate::http::Http::over(stream);
        let target = format!("/api/v1/tenants/acme{path}");
        let head = format!("GET {target} HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer {token}\r\n\r\n");
        http.raw(head.as_bytes()).unwrap();
        assert!(http.line().unwrap().contains(" 200 "), "{path}");
        http
    };
    let paths = ["/events", "/jobs/web/logs?follow=true", "/jobs/web/tap?operator=rows"];
    let mut theirs = paths.map(|path| opened(&viewer, path));
    let mut other = opened(&admin, "/events");
    served.ask(&admin, "DELETE", &format!("/api/v1/tenants/acme/tokens/{id}"), None).expect(204);
    for (http, path) in theirs.iter_mut().zip(paths) {
        let begun = Instant::now();
        // The last chunk of a response is empty.
        while http.line().unwrap() != "0" {
            assert!(begun.elapsed() < Duration::from_secs(10), "{path} goes on");
        }
    }
    let is_event = |line: &str| line.starts_with("event: job");
    // The first one is from before.
    for _ in 0..3 {
        while !is_event(&other.line().unwrap()) {}
    }
}

/// The log as JSON says of each line when it was written, how important it is, and whom it is about.
#[test]
fn the_log_is_json_where_it_is_to_be() {
    let served = Served::configured("log: { format: json }\n");
    let token = served.tenant("acme", &json!({}));
    served.submit(&token, "acme", ENDLESS);
    served.wait_for_phase(&token, "acme", "web", "running");
    let said = served.said();
    // What is for who starts the node is no line of the log.
    let lines: Vec<Value> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert!(said.lines().count() - lines.len() <= 2, "{said}");
    assert!(
        lines.iter().all(|line| ["time", "level", "message"].iter().all(|field| line[field].is_string())),
        "{said}"
    );
    let has = |message: &str, of: &[(&str, &str)]| {
        let is_it = |line: &&Value| line["message"].as_str().is_some_and(|text| text.starts_with(message));
        lines.iter().filter(is_it).any(|line| of.iter().all(|(field, value)| line[*field] == **value))
    };
    assert!(has("running: ", &[("tenant", "acme"), ("job", "web")]), "{said}");
    let by = [("tenant", "acme"), ("by", "admin"), ("level", "info")];
    assert!(has("POST /api/v1/tenants/{tenant}/jobs", &by), "{said}");
}

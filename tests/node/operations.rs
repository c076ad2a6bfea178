//! Operations over the end of their node: who polls one is told how it ended, or what is true of the job.

use std::fs;

use harness::{Signal, signal, wait_for, wait_until};
use serde_json::{Value, json};

use crate::http::Response;
use crate::served::Served;

const WORDS: &str = "\
job: words
checkpoint: { every: 100ms, store: store }
sources: { lines: { generator: { rate: 200, batch_rows: 20, columns: { text: { words: 5 } } } } }
operators: { words: { input: lines, plugin: text, function: split_words } }
sinks: { out: { input: words, blackhole: {} } }
";

struct Stage {
    served: Served,
    token: String,
}

impl Stage {
    /// A node with a job that runs with `text@1`; there is a `text@2`.
    fn start() -> Stage {
        let served = Served::start();
        let token = served.tenant("acme", &json!({ "compiles_per_min": 1_000 }));
        let text = fs::read(harness::plugin("text")).expect("it is built");
        served.push_component(&token, "acme", "text", &text).expect(201);
        served.submit(&token, "acme", WORDS);
        // A custom section: the same code, known by another content.
        served.push_component(&token, "acme", "text", &[&text[..], &[0, 2, 1, b'a']].concat()).expect(201);
        served.wait_for_phase(&token, "acme", "words", "running");
        Stage { served, token }
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Response {
        self.served.ask(&self.token, method, &format!("/api/v1/tenants/acme{path}"), body)
    }

    fn operation(&self, begun: &Value) -> Value {
        let id = begun["id"].as_str().expect("an id");
        self.ask("GET", &format!("/operations/{id}"), None).expect(200)
    }

    fn worker(&self) -> u32 {
        wait_for("the job has no process", || self.served.workers().first().map(|(_, pid)| *pid))
    }

    /// Begins something that the job cannot do, because its process does not get on, and kills the node when it is asked to.
    fn kill_at(&mut self, path: &str, body: Option<&Value>, step: &str, phase: &str) -> Value {
        signal(self.worker(), Signal::STOP);
        let begun = self.ask("POST", path, body).expect(202);
        let is_there = || {
            self.operation(&begun)["step"] == step
                && self.ask("GET", "/jobs", None).json()["items"][0]["phase"] == phase
        };
        wait_until("the operation does not get on", is_there);
        self.served.kill();
        self.served.begin(&[]);
        begun
    }
}

/// What an operation says of its interruption.
#[track_caller]
fn interrupted(operation: &Value) -> (&str, &Value) {
    let problem = &operation["end"]["problem"];
    assert_eq!((&problem["code"], &problem["status"]), (&json!("interrupted"), &json!(503)), "{operation:#}");
    (problem["detail"].as_str().expect("a detail"), &operation["end"]["result"])
}

/// Goal: an operation that has ended is known to the node that follows one that was killed, to its own tenant alone.
#[test]
fn what_has_ended_is_known_to_the_next_node() {
    let mut stage = Stage::start();
    let begun = stage.ask("POST", "/jobs/words/savepoints", Some(&json!({ "name": "mine" }))).expect(202);
    assert!(stage.served.end_of(&stage.token, "acme", &begun).get("problem").is_none());
    let before = stage.operation(&begun);
    stage.served.kill();
    stage.served.begin(&[]);
    assert_eq!(stage.operation(&begun), before);
    let other = stage.served.tenant("umbrella", &json!({}));
    let path = format!("/api/v1/tenants/umbrella/operations/{}", begun["id"].as_str().unwrap());
    stage.served.ask(&other, "GET", &path, None).expect(404);
}

/// Goal: of a swap during which the node was killed, its operation says at once that the node ended, and then what the job runs with.
/// Method: the job is asked to swap and cannot answer; the node that follows waits for its next attempt.
#[test]
fn an_interrupted_swap_says_what_the_job_runs_with() {
    let mut stage = Stage::start();
    let request = json!({ "operator": "words", "plugin": "text@2" });
    let begun = stage.kill_at(
        "/jobs/words/swaps",
        Some(&request),
        "opens the new version, and takes the job to the boundary",
        "running",
    );
    let operation = stage.operation(&begun);
    let (detail, result) = interrupted(&operation);
    assert!(detail.contains("its next attempt says whether that has happened"), "{detail}");
    assert_eq!(result["swap"]["outcome"], "pending", "{operation:#}");
    let worker = stage.worker();
    signal(worker, Signal::KILL);
    wait_until("the swap is not settled", || stage.operation(&begun)["end"]["result"]["swap"]["outcome"] != "pending");
    let job = stage.served.wait_for_phase(&stage.token, "acme", "words", "running");
    let operation = stage.operation(&begun);
    let (detail, result) = interrupted(&operation);
    let (is_done, says) = match job["plugins"][0]["version"].as_str() {
        Some("text@2") => ("done", "swap 1 of `words` to text@2 is done"),
        _ => ("refused", "swap 1 of `words` to text@2 has not happened: "),
    };
    assert!(detail.contains(says) && detail.contains("the job `words` runs"), "{detail}");
    assert_eq!((&result["swap"]["outcome"], &result["phase"]), (&json!(is_done), &json!("running")), "{operation:#}");
}

/// Goal: a stop during which the node was killed goes on, and its operation says how far it is.
#[test]
fn an_interrupted_stop_goes_on() {
    let mut stage = Stage::start();
    let begun = stage.kill_at("/jobs/words/stop", None, "asks the job to stop", "stopping");
    let operation = stage.operation(&begun);
    let (detail, result) = interrupted(&operation);
    assert!(detail.contains("the job stops if it was told so; the job `words` is "), "{detail}");
    // The kernel continues what is stopped in a process group whose last parent ends: the process may be gone already.
    assert!(result["phase"] == "stopping" || result["phase"] == "stopped", "{operation:#}");
    stage.served.workers().iter().for_each(|(_, worker)| signal(*worker, Signal::CONT));
    stage.served.wait_for_phase(&stage.token, "acme", "words", "stopped");
    assert_eq!(interrupted(&stage.operation(&begun)).1["phase"], "stopped");
}

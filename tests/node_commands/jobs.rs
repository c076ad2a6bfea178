//! What is done with a job: it is rescaled and changed, saved, drained, followed and watched.

use std::time::Duration;

use harness::{COUNTED, OnTerminal, PATIENCE, counted, wait_until};
use serde_json::json;

use crate::user::{NUMBERS, User};

/// A function that says something for each batch.
const TALKS: &str = r#"
(import "flowgate:plugin/log@0.1.0" "log" (func $log (param i32 i32 i32)))
(data (i32.const 2048) "said by the plugin")
(func $apply (param $rows i32) (param i32 i32) (result i32)
  (call $log (i32.const 3) (i32.const 2048) (i32.const 18))
  (memory.fill (i32.const 4096) (i32.const 0) (i32.const 4096))
  (i32.store (i32.const 328) (i32.add (local.get $rows) (i32.const 1)))
  (global.set $top (i32.const 8192))
  (i32.const 256))"#;

/// A job with another number of workers, and then with another file, has its state, and every row once.
#[test]
fn a_job_is_rescaled_and_changed_with_its_state() {
    let user = User::of_acme();
    user.submit_counted();
    user.run(&["job", "rescale", "counted", "-p", "3"])
        .printing("changed counted: running since ")
        .printing(", 3 workers");
    assert_eq!(user.json(&["job", "status", "counted"])["parallelism"], 3);
    user.wait_for_checkpoint("counted");

    user.folder.write("wrong.yaml", COUNTED.replace("input: a,", "input: b,"));
    let wrong = user.fails(&["job", "change", "counted", "wrong.yaml"], 2);
    assert!(wrong.contains(": error: ") && wrong.contains("input: b,"), "{wrong}");
    user.folder.write("named.yaml", COUNTED.replace("job: counted", "job: other"));
    let named = user.fails(&["job", "change", "counted", "named.yaml"], 2);
    assert!(named.contains("of a job `other`; the name of a job does not change"), "{named}");
    assert_eq!(user.json(&["job", "status", "counted"])["phase"], "running", "the job goes on");

    user.folder.write("more.yaml", format!("{COUNTED}  more: {{ input: counted, blackhole: {{}} }}\n"));
    user.run(&["job", "change", "counted", "more.yaml", "-p", "2"]).printing("changed counted");
    let job = user.json(&["job", "status", "counted"]);
    assert_eq!(job["parallelism"], 2);
    assert!(job["document"].as_str().unwrap().contains("more:"), "{job:#}");
    user.run(&["job", "history", "counted"]).printing("changed");
    user.wait_for_checkpoint("counted");

    // An operator of another name has no state: whoever means that says so.
    let renamed =
        COUNTED.replace("  counted: { input: a", "  tally: { input: a").replace("input: counted", "input: tally");
    user.folder.write("renamed.yaml", &renamed);
    let attempt = user.json(&["job", "status", "counted"])["attempt"].clone();
    let refused = user.fails(&["job", "change", "counted", "renamed.yaml"], 2);
    assert!(refused.contains("does not fit the new document") && refused.contains("counted"), "{refused}");
    let job = user.json(&["job", "status", "counted"]);
    assert_eq!((&job["phase"], &job["attempt"]), (&"running".into(), &attempt), "it was not stopped for that");
    user.run(&["job", "stop", "counted"]);
    counted(&user.files("counted").join("out"), &[1]);
    user.run(&["job", "start", "counted"]);
    user.wait_for_checkpoint("counted");
    user.run(&["job", "change", "counted", "renamed.yaml", "--drop", "counted"]).printing("changed counted: running");
}

/// A savepoint is in the list of checkpoints; a job is stopped with one, without waiting, and drained.
#[test]
fn a_job_is_saved_stopped_and_drained() {
    let user = User::of_acme();
    user.submit_counted();
    user.run(&["job", "savepoint", "counted", "--name", "monday"]).printing("savepoint ").printing("monday");
    user.run(&["job", "checkpoints", "counted"]).printing("savepoint monday");
    user.run(&["job", "stop", "counted", "--savepoint=tuesday"]).printing("counted has stopped").printing("tuesday");
    user.run(&["job", "start", "counted"]).printing("counted: starting");
    user.wait_for_checkpoint("counted");
    user.run(&["job", "restart", "counted"]);
    user.wait_for_checkpoint("counted");
    user.run(&["job", "stop", "counted", "--no-wait"]).printing("flowgate job status counted");
    wait_until("it does not stop", || user.json(&["job", "status", "counted"])["phase"] == "stopped");
    counted(&user.files("counted").join("out"), &[1]);
    user.run(&["job", "start", "counted"]);
    user.wait_for_checkpoint("counted");
    user.run(&["job", "stop", "counted", "--drain"]);
    // What was drained has ended: a start finds that.
    user.run(&["job", "start", "counted"]);
    wait_until("it has not ended", || user.json(&["job", "status", "counted"])["phase"] == "finished");
    counted(&user.files("counted").join("out"), &[1]);
    user.run(&["job", "delete", "counted"]).printing("deleted counted");
    let gone = user.fails(&["job", "status", "counted"], 2);
    assert!(gone.contains("there is no such job"), "{gone}");
}

/// What a plugin logs is shown with who said it, and followed over a restart of the job until the job is gone.
#[test]
fn logs_are_followed_over_a_restart() {
    let user = User::of_acme();
    user.folder.write("talks.wasm", flowgate_hostile::plugin(TALKS, false));
    user.run(&["plugin", "push", "talks.wasm"]);
    let job = "\
job: talks
sources: { rows: { generator: { rate: 20, batch_rows: 10, columns: { x: { sequence: {} } } } } }
operators: { op: { input: rows, plugin: talks, function: f } }
sinks: { out: { input: op, blackhole: {} } }
";
    user.folder.write("talks.yaml", job);
    user.run(&["job", "submit", "talks.yaml", "--wait"]);
    let mut following = user.command(&["job", "logs", "talks", "-f", "--operator", "op", "--json"]).start();
    let lines = following.lines();
    let of_attempt = |attempt: u64| {
        let is_it = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).expect("a line is an object");
            assert_eq!(line["operator"], "op", "{line}");
            line["attempt"] == attempt && line["message"] == "said by the plugin"
        };
        lines.until(PATIENCE, is_it)
    };
    of_attempt(1);
    user.run(&["job", "restart", "talks"]);
    of_attempt(2);
    let shown = user.run(&["job", "logs", "talks", "--operator", "op", "-n", "1000"]).stdout;
    let line = shown.lines().find(|line| line.contains("said by the plugin")).unwrap_or_else(|| panic!("{shown}"));
    assert!(line.contains(" op/0 talks"), "{line}");
    user.run(&["job", "logs", "talks", "--attempt", "1"]).printing("said by the plugin");
    let none = user.run(&["job", "logs", "talks", "--operator", "nobody"]);
    assert_eq!(none.saying("there are no such lines").stdout, "");
    user.run(&["job", "cancel", "talks"]);
    user.run(&["job", "delete", "talks"]);
    following.wait().expect(0).saying("the node has ended the stream");
}

/// The jobs of a tenant are watched in a terminal, and one of them is opened.
#[test]
fn jobs_are_watched_in_a_terminal() {
    let user = User::of_acme();
    user.run(&["job", "submit", "job.yaml", "--wait"]);
    let refused = user.fails(&["top"], 2);
    assert!(refused.contains("needs a terminal"), "{refused}");
    let mut top = OnTerminal::start(user.folder.path(), &["top"], 120, Duration::from_secs(60));
    top.wait_until_shown("numbers");
    top.enter("\r");
    top.wait_until_shown("operator");
    top.enter("q");
    assert!(top.wait().success(), "{}", top.shown());
}

/// What a job may not do on a node is refused at once, with what would allow it.
#[test]
fn what_is_not_granted_is_refused() {
    let user = User::of_acme();
    let hook = "sinks: { out: { input: in, webhook: { url: 'http://127.0.0.1:9/' } } }\n";
    let cases = [
        ("out: { input: in, blackhole: {} }", "out: { input: in, file: { path: /srv/out.jsonl } }", "/srv/out.jsonl"),
        (
            "in: { generator: { rate: 50, columns: { n: { int: { min: 1, max: 9 } } } } }",
            "in: { file: { path: ../../../../../node.key } }",
            "node.key",
        ),
        (
            "in: { generator: { rate: 50, columns: { n: { int: { min: 1, max: 9 } } } } }",
            "in: { file: { path: /etc/passwd } }",
            "/etc/passwd",
        ),
        ("sinks:\n  out: { input: in, blackhole: {} }\n", hook, "webhook"),
    ];
    for (line, other, names) in cases {
        let job = NUMBERS.replace(line, other);
        assert_ne!(job, NUMBERS);
        user.folder.write("job.yaml", job);
        let refused = user.fails(&["job", "submit", "job.yaml"], 2);
        assert!(refused.contains(names) && refused.contains("grant"), "{other}: {refused}");
    }
    assert_eq!(user.json(&["job", "list"]), json!([]));
    // With the connector, the target is refused; with the name of the target, the address still is.
    user.run(&["tenant", "set", "acme", "--grant-connector", "webhook"]);
    let refused = user.fails(&["job", "submit", "job.yaml"], 2);
    assert!(refused.contains("127.0.0.1:9"), "{refused}");
    user.run(&["tenant", "set", "acme", "--grant-connect", "127.0.0.1:9"]);
    user.run(&["job", "submit", "job.yaml"]);
}

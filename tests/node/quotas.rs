//! Quotas of calls, timers and rows: what happens at each, and that a tenant's use of it can be seen.

use std::fs;
use std::time::{Duration, Instant};

use flowgate_hostile::{lines, plugin, process_plugin};
use harness::wait_until;
use serde_json::{Value, json};

use crate::served::Served;

/// A node with a tenant that has these quotas, and a plugin of it.
struct Limited {
    served: Served,
    token: String,
}

impl Limited {
    #[track_caller]
    fn to(quotas: &Value, component: &[u8]) -> Limited {
        let served = Served::start();
        let token = served.tenant("acme", quotas);
        served.push_component(&token, "acme", "guest", component).expect(201);
        Limited { served, token }
    }

    /// Submits the job `job`: rows of a generator with the columns `k` and `x`, an operator `op`, and the rest of the document.
    #[track_caller]
    fn submit(&self, generator: &str, op: &str, rest: &str) {
        let document = format!(
            "job: job\nsources: {{ rows: {{ generator: {{ {generator}, columns: {{ k: {{ sequence: {{}} }}, x: {{ sequence: {{}} }} }} }} }} }}\n\
             operators: {{ op: {{ input: rows, plugin: guest, function: f{op} }} }}\n{rest}\n"
        );
        self.served.submit(&self.token, "acme", &document);
    }

    fn job(&self) -> Value {
        self.served.job(&self.token, "acme", "job")
    }

    #[track_caller]
    fn ends(&self, phase: &str) -> Value {
        self.served.wait_for_phase(&self.token, "acme", "job", phase)
    }

    /// The lines of a file of the job.
    fn lines(&self, file: &str) -> Vec<String> {
        let text = fs::read_to_string(self.served.files("acme", "job").join(file)).expect("the job has written it");
        text.lines().map(String::from).collect()
    }

    /// Waits until the tenant is seen to take this much of a quota, in its use and in the metrics.
    #[track_caller]
    fn wait_for_use(&self, quota: &str, least: f64) {
        let figure = format!("flowgate_quota_used{{tenant=\"acme\",quota=\"{quota}\"}} ");
        wait_until(&format!("nobody sees what is taken of {quota}"), || {
            let usage = self.served.ask(&self.token, "GET", "/api/v1/tenants/acme/usage", None).expect(200);
            let page = self.served.ask(&self.token, "GET", "/metrics", None).text();
            let measured = page.lines().find_map(|line| line.strip_prefix(&figure)?.parse::<f64>().ok());
            usage[quota].as_f64().is_some_and(|used| used >= least) && measured.is_some_and(|used| used >= least)
        });
    }
}

const DISCARD: &str = "sinks: { out: { input: op, blackhole: {} } }";

/// A job gets no longer deadline than its tenant has, whatever it asks for.
#[test]
fn a_call_takes_no_longer_than_the_quota() {
    let limited = Limited::to(&json!({ "call_ms": 200 }), &plugin(&lines("loop"), false));
    let rest = "limits: { deadline: 1h }\nsinks: { bad: { input: op.errors, file: { path: bad.jsonl } } }";
    limited.submit("rows: 1", "", rest);
    limited.ends("finished");
    let bad = limited.lines("bad.jsonl");
    assert!(bad.len() == 1 && bad[0].contains("within 200ms"), "{bad:?}");
}

#[test]
fn the_longest_call_is_seen() {
    let loops = plugin(&lines("loop"), false);
    let limited = Limited::to(&json!({ "call_ms": 100, "failed_call_s_per_min": 1_000 }), &loops);
    limited.submit("rate: 10", "", DISCARD);
    limited.wait_for_use("call_ms", 100.0);
    limited.wait_for_use("failed_call_s_per_min", 1.0);
}

/// A job whose calls do nothing but fail does not go on with that: it fails, with who is at fault, and is tried again with pauses.
#[test]
fn failed_calls_take_no_more_than_their_budget() {
    let loops = plugin(&lines("loop"), false);
    let limited = Limited::to(&json!({ "call_ms": 100, "failed_call_s_per_min": 1 }), &loops);
    // The search of one batch would take longer than this test may.
    limited.submit("rows: 8192", "", DISCARD);
    wait_until("it is not tried again", || {
        let job = limited.job();
        job["failure"]["code"] == "FG0512" && job["attempt"].as_u64() >= Some(3)
    });
    let failure = limited.job()["failure"].clone();
    assert_eq!((&failure["fault"], &failure["operator"]), (&json!("user"), &json!("op")), "{failure:#}");
    assert!(failure["message"].as_str().unwrap().contains("`guest`"), "{failure:#}");
    let history = limited.served.ask(&limited.token, "GET", "/api/v1/tenants/acme/jobs/job/history?limit=1000", None);
    let history = history.expect(200);
    let at = |kind: &str| -> Vec<i64> {
        let events = history["items"].as_array().unwrap().iter().rev().filter(|event| event["kind"] == kind);
        events.map(|event| event["at_ms"].as_i64().unwrap()).collect()
    };
    let pauses: Vec<i64> = at("failed").iter().zip(at("restarted")).map(|(failed, again)| again - failed).collect();
    assert!(pauses.len() >= 2 && pauses[0] >= 900 && pauses[1] >= 1_900, "{pauses:?}");
}

/// Each row sets a timer that is due at once; each row and each timer is answered with a row.
const TIMERS: &str = r#"
    (import "flowgate:plugin/timers@0.1.0" "set" (func $set (param i32 i32)))
    (func $batch (param i32 i32 i32 i32) (param $keys i32) (param i32) (param $rows i32) (param i32 i32) (result i32)
        (local $i i32)
        (block $done (loop $next
            (br_if $done (i32.eq (local.get $i) (local.get $rows)))
            (i32.store (i32.const 512)
                (i32.load (i32.add (local.get $keys) (i32.mul (local.get $i) (i32.const 4)))))
            (i32.store8 (i32.const 516) (i32.const 1))
            (i64.store (i32.const 520) (i64.const 0))
            (i64.store (i32.const 528) (i64.const 0))
            (call $set (i32.const 512) (i32.const 1))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br $next)))
        (call $all (local.get $rows)))
"#;

/// Timers over the rate fire later, and every one of them does.
#[test]
fn timers_fire_at_the_rate_of_the_quota() {
    let limited = Limited::to(&json!({ "timers_per_s": 100 }), &process_plugin(TIMERS));
    let begun = Instant::now();
    limited.submit("rows: 500", ", key: [k]", "sinks: { out: { input: op, file: { path: out.jsonl } } }");
    limited.ends("finished");
    // A second's worth at once, and the others in four seconds.
    assert!(begun.elapsed() >= Duration::from_millis(3_900), "{:?}", begun.elapsed());
    assert_eq!(limited.lines("out.jsonl").len(), 1_000);
    assert!(limited.served.logs(&limited.token, "acme", "job").contains("timers_per_s"));
}

/// Answers each call with its first row a hundred thousand times.
const AMPLIFIES: &str = r#"
    (memory $memory 128)
    (func $apply (param i32 i32 i32) (result i32)
        (i32.store (i32.const 288) (i32.const 1))
        (i32.store (i32.const 292) (i32.const 65536))
        (i32.store (i32.const 296) (i32.const 100000))
        (i32.store (i32.const 324) (i32.const 1048576))
        (i32.store (i32.const 328) (i32.const 100001))
        (global.set $top (i32.const 8192))
        (i32.const 256))
"#;

/// A function that emits far more than it takes fails its job, which is not tried again: it would do the same.
#[test]
fn a_function_that_emits_too_much_fails_its_job() {
    let limited = Limited::to(&json!({ "rows_out_per_row": 10 }), &plugin(AMPLIFIES, false));
    limited.submit("rate: 2, batch_rows: 1", "", DISCARD);
    limited.wait_for_use("rows_out_per_row", 1_000.0);
    let job = limited.ends("failed");
    let failure = &job["failure"];
    assert_eq!((&failure["code"], &failure["operator"]), (&json!("FG0513"), &json!("op")), "{job:#}");
    assert!(failure["message"].as_str().unwrap().contains("`guest`"), "{job:#}");
    assert_eq!(job["attempt"], 1);
}

/// Fails every row, and says why: `f`.
const FAILS: &str = r#"
    (func $apply (param $rows i32) (param i32 i32) (result i32) (local $i i32) (local $at i32)
        (local.set $at (i32.const 65536))
        (block $done (loop $next
            (br_if $done (i32.eq (local.get $i) (local.get $rows)))
            (i32.store (local.get $at) (local.get $i))
            (i32.store offset=4 (local.get $at) (i32.const 16))
            (i32.store offset=8 (local.get $at) (i32.const 1))
            (local.set $at (i32.add (local.get $at) (i32.const 12)))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br $next)))
        (i32.store (i32.const 268) (i32.const 65536))
        (i32.store (i32.const 272) (local.get $rows))
        (i32.store (i32.const 288) (i32.const 1))
        (i32.store (i32.const 328) (i32.const 1))
        (global.set $top (i32.const 8192))
        (i32.const 256))
"#;

/// Sources wait while there are more dead letters than the quota allows; each of them arrives.
#[test]
fn sources_wait_for_dead_letters() {
    let limited = Limited::to(&json!({ "dead_letters_per_s": 100 }), &plugin(FAILS, false));
    let begun = Instant::now();
    let rest = "sinks: { bad: { input: op.errors, file: { path: bad.jsonl } } }";
    limited.submit("rows: 2000, batch_rows: 250", "", rest);
    limited.ends("finished");
    // A thousand at once; the source pauses behind the fifth, sixth and seventh batch.
    assert!(begun.elapsed() >= Duration::from_millis(7_000), "{:?}", begun.elapsed());
    assert_eq!(limited.lines("bad.jsonl").len(), 2_000);
    assert!(limited.served.logs(&limited.token, "acme", "job").contains("dead_letters_per_s"));
}

/// What a job takes of its rates is seen, while it runs.
#[test]
fn the_rates_of_a_job_are_seen() {
    let timers = Limited::to(&json!({ "timers_per_s": 100 }), &process_plugin(TIMERS));
    timers.submit("rate: 1000, batch_rows: 100", ", key: [k]", DISCARD);
    timers.wait_for_use("timers_per_s", 50.0);
    let letters = Limited::to(&json!({ "dead_letters_per_s": 100 }), &plugin(FAILS, false));
    letters.submit("rate: 1000, batch_rows: 50", "", DISCARD);
    letters.wait_for_use("dead_letters_per_s", 50.0);
    letters.wait_for_use("instances_memory_bytes", 65_536.0);
}

//! Jobs with a checkpoint store of their own: what is tried on its last checkpoint, and what begins with it.

use harness::{COUNTED, Counter, counted, wait_until};
use serde_json::{Value, json};

use crate::http::Response;
use crate::served::Served;

/// A node with the job `counted`, and `counter@1`, `@2`, `@3`: the first version, one that migrates no value, and the second.
struct Stage {
    served: Served,
    token: String,
}

impl Stage {
    fn with(checkpoint: &str) -> Stage {
        let served = Served::start();
        let token = served.tenant("acme", &json!({ "compiles_per_min": 1_000 }));
        let grants = json!({ "connect": ["s3://nowhere:*"], "connectors": ["file"] });
        served.ask(&served.admin, "PATCH", "/api/v1/tenants/acme", Some(&json!({ "grants": grants }))).expect(200);
        for version in [Counter::First, Counter::Picky, Counter::Second] {
            served.push_component(&token, "acme", "counter", &version.component()).expect(201);
        }
        served.submit(&token, "acme", &document(checkpoint));
        Stage { served, token }
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Response {
        self.served.ask(&self.token, method, &format!("/api/v1/tenants/acme/jobs/counted{path}"), body)
    }

    /// Waits until the job has written rows, then stops it.
    fn stops(&self) {
        self.served.wait_for_phase(&self.token, "acme", "counted", "running");
        let out = self.served.files("acme", "counted").join("out");
        wait_until("there are no rows", || std::fs::read_dir(&out).is_ok_and(|mut entries| entries.next().is_some()));
        self.served.stop(&self.token, "acme", "counted");
    }

    /// Returns what becomes of a swap, or of a dry run of one.
    fn swap(&self, version: u64, dry_run: bool) -> Value {
        let request = json!({ "operator": "counted", "plugin": format!("counter@{version}"), "dry_run": dry_run });
        let begun = self.ask("POST", "/swaps", Some(&request)).expect(202);
        let end = self.served.end_of(&self.token, "acme", &begun);
        assert!(end.get("problem").is_none(), "{end:#}");
        end["result"].clone()
    }
}

fn document(checkpoint: &str) -> String {
    format!("checkpoint: {{ {checkpoint} }}\n{}", COUNTED.replace("plugin: counter,", "plugin: counter@1,"))
}

/// Goal: a job that rests and has a store of its own is tried on the checkpoint there, and begins with it behind a swap. Method: versions
/// that cannot and can migrate its state; a new document that does not fit it.
#[test]
fn a_resting_job_is_tried_on_its_own_store() {
    let stage = Stage::with("every: 100ms, store: mine");
    stage.stops();
    let refused = stage.swap(2, true);
    assert!(refused["problems"][0].as_str().is_some_and(|why| why.contains("cannot be migrated")), "{refused:#}");
    assert!(refused["checkpoint"].as_str().is_some_and(|of| of.starts_with("checkpoint (record ")), "{refused:#}");
    let prospect = stage.swap(3, true);
    assert_eq!((&prospect["problems"], &prospect["kept"][0]["rows"]), (&json!([]), &json!(10)), "{prospect:#}");

    let renamed = document("every: 100ms, store: mine")
        .replace("counted: {", "other: {")
        .replace("input: counted", "input: other");
    let refused = stage.ask("PUT", "", Some(&json!({ "document": renamed })));
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains("the state of the job does not fit the new document"), "{}", refused.text());

    assert_eq!(stage.swap(3, false)["outcome"], "done");
    stage.ask("POST", "/start", None).expect(202);
    stage.stops();
    let rows = counted(&stage.served.files("acme", "counted").join("out"), &[1, 2]);
    assert!(rows.len() == 2, "the job has begun with its state: {rows:?}");
}

/// A job that has no checkpoint yet is not refused for it.
#[test]
fn a_job_without_a_checkpoint_is_tried_on_none() {
    let stage = Stage::with("every: 1h, store: mine");
    stage.ask("POST", "/cancel", None).expect(202);
    stage.served.wait_for_phase(&stage.token, "acme", "counted", "stopped");
    let prospect = stage.swap(2, true);
    assert_eq!((&prospect["checkpoint"], &prospect["notes"]), (&Value::Null, &json!([])), "{prospect:#}");
    assert_eq!(stage.swap(2, false)["outcome"], "done");
    stage.ask("POST", "/start", None).expect(202);
    stage.stops();
    assert_eq!(counted(&stage.served.files("acme", "counted").join("out"), &[2]).len(), 1);
}

/// A store that only the network reaches is not tried, and the answers say so.
#[test]
fn what_is_not_tried_is_said() {
    let stage = Stage::with("every: 1s, store: \"s3://nowhere/counted\"");
    stage.ask("POST", "/cancel", None).expect(202);
    stage.served.wait_for_phase(&stage.token, "acme", "counted", "stopped");
    let why = "it was not tried on a checkpoint: those of the job are in s3://nowhere/counted, and what checks a job reaches no network";
    let prospect = stage.swap(2, true);
    assert_eq!(prospect["notes"], json!([why]), "{prospect:#}");
    let begun = stage.ask("PUT", "", Some(&json!({ "parallelism": 2 }))).expect(202);
    let end = stage.served.end_of(&stage.token, "acme", &begun);
    assert_eq!(end["result"]["notes"], json!([why]), "{end:#}");
}

//! Host capabilities: of what a plugin may import, `files` alone reaches outside. A plugin reads a file where the policy of its tenant
//! grants the path and the job grants the file by name, and nowhere else.

use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use flowgate_hostile::plugin;
use harness::PATIENCE;
use serde_json::{Value, json};

use crate::served::Served;

/// What is in the file.
const WORDS: &str = "the granted words";

/// Reads the file `words` when it is opened and in every call, and makes a row with its text of each batch. Does not open without it.
const READS: &str = r#"
(import "flowgate:plugin/files@0.1.0" "read" (func $read (param i32 i32 i64 i32 i32)))
(data (i32.const 2048) "words")
(data (i32.const 2080) "\40\08\00\00\17\00\00\00")
(data (i32.const 2112) "the words are withheld.")
(data (i32.const 2176) "\01\00\00\00\20\08\00\00\01\00\00\00")
(func $words
  (call $read (i32.const 2048) (i32.const 5) (i64.const 0) (i32.const 64) (i32.const 2144)))
(func $open (param i32 i32 i32 i32 i32 i32) (result i32)
  (call $words)
  (select (i32.const 2176) (i32.const 176) (i32.load8_u (i32.const 2144))))
(func $apply (param $rows i32) (param i32 i32) (result i32)
  (local $at i32)
  (call $words)
  (if (i32.load8_u (i32.const 2144)) (then (unreachable)))
  (i32.store (i32.const 332) (i32.load (i32.const 2148)))
  (i32.store (i32.const 336) (i32.load (i32.const 2152)))
  (i32.store (i32.const 4096) (i32.const 0))
  (loop $each
    (local.set $at (i32.add (local.get $at) (i32.const 1)))
    (i32.store (i32.add (i32.const 4096) (i32.mul (local.get $at) (i32.const 4))) (i32.load (i32.const 2152)))
    (br_if $each (i32.lt_u (local.get $at) (local.get $rows))))
  (i32.store (i32.const 328) (i32.add (local.get $rows) (i32.const 1)))
  (global.set $top (i32.const 8192))
  (i32.const 256))
"#;

/// A tenant with a plugin `reader`, of which version 1 imports nothing and version 2 imports `files`.
struct Stage {
    served: Served,
    token: String,
    words: PathBuf,
}

impl Stage {
    fn new() -> Stage {
        let served = Served::start();
        let token = served.tenant("acme", &json!({}));
        let words = served.path().join("shared/words.txt");
        fs::create_dir_all(words.parent().unwrap()).unwrap();
        fs::write(&words, WORDS).unwrap();
        let stage = Stage { served, token, words };
        for (version, lines) in (1..).zip(["", READS]) {
            let pushed = stage.served.push_component(&stage.token, "acme", "reader", &plugin(lines, false)).expect(201);
            assert_eq!(pushed["version"], version);
            let imports: Vec<&str> = pushed["imports"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            assert_eq!(imports.contains(&"flowgate:plugin/files@0.1.0"), version == 2, "{imports:?}");
            let path = format!("/api/v1/tenants/acme/plugins/reader/{version}");
            assert_eq!(stage.served.ask(&stage.token, "GET", &path, None).expect(200)["imports"], pushed["imports"]);
        }
        stage
    }

    /// Has the policy of the tenant grant the file, or nothing.
    fn policy(&self, grants: bool) {
        let read: Vec<_> = grants.then(|| self.words.display().to_string()).into_iter().collect();
        let request = json!({ "grants": { "read": read } });
        self.served.ask(&self.served.admin, "PATCH", "/api/v1/tenants/acme", Some(&request)).expect(200);
    }

    fn document(&self, job: &str, version: u32, grants: bool) -> String {
        let files = if grants { format!(", files: {{ words: {} }}", self.words.display()) } else { String::new() };
        format!(
            "job: {job}\nsources: {{ rows: {{ generator: {{ rate: 100, columns: {{ x: {{ sequence: {{}} }} }} }} }} }}\n\
             operators: {{ reads: {{ input: rows, plugin: reader@{version}, function: f{files} }} }}\n\
             sinks: {{ out: {{ input: reads, print: {{}} }} }}\n"
        )
    }

    /// Submits a job that is refused, and returns why.
    #[track_caller]
    fn refused(&self, document: &str) -> String {
        let request = json!({ "document": document });
        let problem = self.served.ask(&self.token, "POST", "/api/v1/tenants/acme/jobs", Some(&request)).expect(422);
        problem["detail"].as_str().unwrap().to_string()
    }

    /// Swaps the operator of the job for a version, and returns the end of it.
    fn swap(&self, version: u32, dry_run: bool) -> Value {
        let request = json!({ "operator": "reads", "plugin": format!("reader@{version}"), "dry_run": dry_run });
        let path = "/api/v1/tenants/acme/jobs/web/swaps";
        let operation = self.served.ask(&self.token, "POST", path, Some(&request)).expect(202);
        self.served.end_of(&self.token, "acme", &operation)
    }

    /// What the job has printed in its attempts.
    fn printed(&self) -> String {
        let attempts = fs::read_dir(self.served.data().join("jobs/acme/web/attempts")).into_iter().flatten().flatten();
        let files = attempts.flat_map(|attempt| fs::read_dir(attempt.path()).into_iter().flatten().flatten());
        let printed = files.filter(|file| file.file_name().to_string_lossy().starts_with("output"));
        printed.map(|file| fs::read_to_string(file.path()).unwrap_or_default()).collect()
    }

    #[track_caller]
    fn wait_for_words(&self) {
        let begun = Instant::now();
        while !self.printed().contains(WORDS) {
            assert!(begun.elapsed() < PATIENCE, "the plugin has not read the file: {}", self.printed());
            sleep(Duration::from_millis(20));
        }
    }
}

/// A refusal by the policy names the place in the job, the file, and what would grant it.
#[track_caller]
fn is_of_policy(stage: &Stage, why: &str) {
    let path = stage.words.display().to_string();
    let (refused, grant) = (format!("does not grant reading {path}\n"), format!("grants it by `read: [\"{path}\"]`"));
    assert!(why.contains(&refused) && why.contains("files: { words:") && why.contains(&grant), "{why}");
}

/// A refusal for want of the job's grant is what the plugin says of it: it cannot tell a file that is not granted from one that is not
/// there.
#[track_caller]
fn is_of_plugin(why: &str) {
    assert!(why.contains("the words are withheld"), "{why}");
}

#[test]
fn a_file_is_read_where_policy_and_job_both_grant_it() {
    let stage = Stage::new();
    stage.policy(false);
    is_of_plugin(&stage.refused(&stage.document("neither", 2, false)));
    is_of_policy(&stage, &stage.refused(&stage.document("job-only", 2, true)));
    stage.policy(true);
    is_of_plugin(&stage.refused(&stage.document("policy-only", 2, false)));
    // A version that does not import `files` needs neither.
    stage.served.submit(&stage.token, "acme", &stage.document("deaf", 1, false));
    stage.served.wait_for_phase(&stage.token, "acme", "deaf", "running");
    stage.served.submit(&stage.token, "acme", &stage.document("web", 2, true));
    stage.served.wait_for_phase(&stage.token, "acme", "web", "running");
    stage.wait_for_words();
}

/// A swap to a version that imports more gets no more than the job and the policy grant at that time. The job goes on with what it has.
#[test]
fn a_swap_to_a_version_that_imports_more_grants_nothing() {
    let stage = Stage::new();
    let (served, token) = (&stage.served, &stage.token);
    // Neither, then the policy alone.
    stage.policy(false);
    served.submit(token, "acme", &stage.document("web", 1, false));
    served.wait_for_phase(token, "acme", "web", "running");
    for policy in [false, true] {
        stage.policy(policy);
        for dry_run in [true, false] {
            let end = stage.swap(2, dry_run);
            is_of_plugin(end["problem"]["detail"].as_str().unwrap_or_else(|| panic!("{end:#}")));
        }
    }
    // The job alone: its document grants the file, and the policy did when it was submitted.
    let change = json!({ "document": stage.document("web", 1, true) });
    let operation = served.ask(token, "PUT", "/api/v1/tenants/acme/jobs/web", Some(&change)).expect(202);
    assert!(served.end_of(token, "acme", &operation).get("problem").is_none());
    served.wait_for_phase(token, "acme", "web", "running");
    stage.policy(false);
    let end = stage.swap(2, false);
    is_of_policy(&stage, end["problem"]["detail"].as_str().unwrap_or_else(|| panic!("{end:#}")));
    let job = served.job(token, "acme", "web");
    assert_eq!((&job["phase"], &job["plugins"][0]["version"]), (&json!("running"), &json!("reader@1")), "{job:#}");
    assert!(!stage.printed().contains(WORDS), "nothing was read");
    // Both.
    stage.policy(true);
    let end = stage.swap(2, false);
    assert!(end.get("problem").is_none(), "{end:#}");
    stage.wait_for_words();
    // What the policy no longer grants, the next attempt does not get.
    stage.policy(false);
    served.ask(token, "POST", "/api/v1/tenants/acme/jobs/web/restart", None).expect(202);
    let job = served.wait_for_phase(token, "acme", "web", "failed");
    is_of_policy(&stage, job["failure"]["message"].as_str().unwrap());
    assert_eq!(job["failure"]["fault"], "user", "{job:#}");
}

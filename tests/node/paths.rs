//! Where the node has its data is nowhere in what a tenant can read.

use std::cell::RefCell;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::{PATIENCE, Signal, signal};
use serde_json::{Value, json};

use crate::http::Http;
use crate::served::Served;

/// A job that reads and writes files of its own, with rows that cannot be decoded, and with a function.
const JOB: &str = "\
job: web
sources: { rows: { file: { path: in.csv, follow: true, format: csv, columns: { n: int64, text: text } } } }
operators: { words: { input: rows, plugin: text, function: split_words } }
sinks:
  out: { input: words, file: { path: out/, part_every: 0s } }
  wrong: { input: rows.errors, file: { path: wrong.jsonl } }
";

/// Jobs that are wrong, or fail, at a path: one that is not there, one that leads out, one that is no store.
const WRONG: [&str; 8] = [
    "job: missing\nsources: { a: { file: { path: no.csv, format: csv, columns: { n: int64 } } } }\nsinks: { b: { input: a, blackhole: {} } }",
    "job: up\nsources: { a: { file: { path: ../../../../../x } } }\nsinks: { b: { input: a, blackhole: {} } }",
    "job: far\nsources: { a: { file: { path: ../../../../../../../x } } }\nsinks: { b: { input: a, file: { path: ../../../../y } } }",
    "job: glob\nsources: { a: { file: { path: 'logs/*.csv' } } }\nsinks: { b: { input: a, file: { path: no/such/b } } }",
    "job: stored\ncheckpoint: { store: ../attempts/store }\nsources: { a: { file: { path: in.csv } } }\nsinks: { b: { input: a, blackhole: {} } }",
    "job: kept\ncheckpoint: { store: a-file }\nsources: { a: { file: { path: in.csv } } }\nsinks: { b: { input: a, blackhole: {} } }",
    "job: looked\nsources: { a: { file: { path: in.csv } } }\noperators: { c: { input: a, lookup: { path: no.csv, key: n } } }\nsinks: { b: { input: c, blackhole: {} } }",
    "job: other\nplugins: { text: ./text.wasm }\nsources: { a: { file: { path: in.csv } } }\noperators: { c: { input: a, plugin: text, function: split_words } }\nsinks: { b: { input: c, blackhole: {} } }",
];

/// Everything that a tenant has read.
struct Reader<'a> {
    served: &'a Served,
    token: String,
    read: RefCell<String>,
}

impl Reader<'_> {
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let response = self.served.ask(&self.token, method, &format!("/api/v1/tenants/acme{path}"), body);
        *self.read.borrow_mut() += &format!("{method} {path}: {:?} {}\n", response.headers, response.text());
        serde_json::from_slice(&response.body).unwrap_or_default()
    }

    /// Begins an operation and returns its end.
    fn operation(&self, path: &str, body: Option<&Value>) -> Value {
        let begun = self.ask(if path.ends_with("web") { "PUT" } else { "POST" }, path, body);
        let id = begun["id"].as_str().unwrap_or_else(|| panic!("{path}: {begun:#}")).to_string();
        let start = Instant::now();
        loop {
            let found = self.ask("GET", &format!("/operations/{id}"), None);
            if found.get("end").is_some() {
                return found["end"].clone();
            }
            assert!(start.elapsed() < PATIENCE, "{path} has not ended: {found:#}");
            sleep(Duration::from_millis(20));
        }
    }

    /// Looks at everything of a job.
    fn look(&self, job: &str) {
        let of_operators = ["rows", "words", "out", "a"].map(|operator| format!("/explain?operator={operator}"));
        let others =
            ["", "/logs?limit=1000", "/logs?limit=1000&attempt=1", "/history", "/swaps", "/checkpoints", "/records"];
        for path in of_operators.iter().map(String::as_str).chain(others) {
            self.ask("GET", &format!("/jobs/{job}{path}"), None);
        }
    }

    /// Reads what a stream says within two seconds, while something else happens all the time.
    fn stream(&self, path: &str, happens: impl Fn()) {
        let stream = TcpStream::connect(self.served.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut http = Http::over(stream);
        let head = format!(
            "GET /api/v1/tenants/acme{path} HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer {}\r\n\r\n",
            self.token
        );
        http.raw(head.as_bytes()).unwrap();
        let until = Instant::now() + Duration::from_secs(2);
        while Instant::now() < until {
            match http.line() {
                Ok(line) => *self.read.borrow_mut() += &format!("{path}: {line}\n"),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => happens(),
                Err(error) => panic!("{path}: {error}"),
            }
        }
    }
}

/// Goal: a tenant learns of no path of the node. Method: the life of a job, from a check that fails to its deletion, with a swap, a kill and
/// disks that fail; and everything that its administrator can read meanwhile.
#[test]
fn the_data_folder_is_nowhere() {
    let served = Served::start();
    let quotas = json!({ "requests_per_s": 100_000, "compiles_per_min": 1_000, "memory_bytes": 64u64 << 30 });
    served
        .ask(&served.admin, "POST", "/api/v1/tenants", Some(&json!({ "name": "acme", "quotas": quotas })))
        .expect(201);
    let token = served.token("acme", "admin");
    let component = fs::read(harness::plugin("text")).unwrap();
    // Other bytes of no meaning: a custom section.
    let another = [component.as_slice(), &[0, 3, 1, b'v', 2]].concat();
    for component in [&component, &another] {
        served.push_component(&token, "acme", "text", component).expect(201);
    }
    let reader = Reader { served: &served, token: token.clone(), read: RefCell::default() };
    let refused = served.push_component(&token, "acme", "broken", &component[..component.len() / 2]);
    *reader.read.borrow_mut() += &refused.text();
    for document in WRONG {
        for check_only in [true, false] {
            reader.ask("POST", "/jobs", Some(&json!({ "document": document, "check_only": check_only })));
        }
    }
    let files = served.files("acme", "web");
    fs::create_dir_all(&files).unwrap();
    fs::write(files.join("in.csv"), "n,text\n1,a b\nx,no number\n2,c d\n").unwrap();
    let document = JOB.replace("plugin: text", "plugin: text@1");
    let checked = reader.ask("POST", "/jobs", Some(&json!({ "document": document, "check_only": true })));
    assert!(checked["picture"].as_str().unwrap().contains("in ../checkpoints,"), "{checked:#}");
    let submitted = reader.ask("POST", "/jobs", Some(&json!({ "document": document })));
    assert_eq!(submitted["name"], "web", "{submitted:#}");
    served.wait_for_phase(&token, "acme", "web", "running");
    reader.stream("/jobs/web/logs?follow=true", || {});
    reader.stream("/events", || {});
    let rows = || {
        let mut file = OpenOptions::new().append(true).open(files.join("in.csv")).unwrap();
        file.write_all(b"x,no number\n3,e f\n").unwrap();
    };
    reader.stream("/jobs/web/tap?operator=rows&output=errors&rows=3", rows);
    let swapped = json!({ "operator": "words", "plugin": "text@2" });
    let refused = reader.operation("/jobs/web/savepoints", Some(&json!({ "name": "9" })));
    assert!(refused["problem"].is_object(), "{refused:#}");
    let saved = reader.operation("/jobs/web/savepoints", Some(&json!({ "name": "before" })));
    assert_eq!(saved["result"]["savepoint"], "../checkpoints#before", "{saved:#}");
    let mut dry = swapped.clone();
    dry["dry_run"] = true.into();
    reader.operation("/jobs/web/swaps", Some(&dry));
    let swap = reader.operation("/jobs/web/swaps", Some(&swapped));
    assert!(swap["result"]["savepoint"].as_str().unwrap().starts_with("../checkpoints#swap-1-"), "{swap:#}");
    let back = reader.operation("/jobs/web/rollback", None);
    assert_eq!(back["result"]["outcome"], "back", "{back:#}");
    reader.look("web");
    let changed = reader.operation("/jobs/web", Some(&json!({ "parallelism": 2 })));
    assert!(changed["result"]["savepoint"].as_str().unwrap().starts_with("../checkpoints#change-"), "{changed:#}");
    served.wait_for_phase(&token, "acme", "web", "running");
    served.workers().iter().for_each(|(_, pid)| signal(*pid, Signal::KILL));
    served.wait_for_phase(&token, "acme", "web", "restarting");
    served.wait_for_phase(&token, "acme", "web", "running");
    let stopped = reader.operation("/jobs/web/stop", Some(&json!({ "savepoint": "last" })));
    assert_eq!(stopped["result"]["savepoint"], "../checkpoints#last", "{stopped:#}");
    reader.look("web");
    // Files that the node and the job need are gone, or something else.
    let folder = files.parent().unwrap();
    for broken in ["checkpoints", "files", "attempts"] {
        let (own, aside) = (folder.join(broken), folder.join("aside"));
        fs::rename(&own, &aside).unwrap();
        fs::write(&own, "").unwrap();
        reader.ask("POST", "/jobs/web/start", None);
        sleep(Duration::from_millis(500));
        reader.look("web");
        reader.ask("POST", "/jobs/web/cancel", None);
        served.wait_for_phase(&token, "acme", "web", "stopped");
        reader.look("web");
        fs::remove_file(&own).unwrap();
        fs::rename(&aside, &own).unwrap();
    }
    let plugins = served.data().join("plugins").join("acme");
    fs::rename(&plugins, plugins.with_file_name("aside")).unwrap();
    fs::write(&plugins, "").unwrap();
    reader.ask("GET", "/plugins/text/1/component", None);
    reader.ask("POST", "/jobs", Some(&json!({ "document": JOB.replace("job: web", "job: second") })));
    *reader.read.borrow_mut() += &served.push_component(&token, "acme", "text", &another).text();
    for path in ["", "/jobs", "/plugins", "/tokens", "/secrets", "/usage"] {
        reader.ask("GET", path, None);
    }
    *reader.read.borrow_mut() += &served.ask(&token, "GET", "/metrics", None).text();
    reader.ask("DELETE", "/jobs/web", None);
    let read = reader.read.into_inner();
    let folder = served.path().display().to_string();
    let found: Vec<&str> = read.lines().filter(|line| line.contains(&folder)).collect();
    assert!(found.is_empty(), "{found:#?}");
    // What stands for it does: the paths that are not shown were there.
    for shown in ["in.csv:", "wrong.jsonl", "../checkpoints", "(node)"] {
        assert!(read.contains(shown), "{shown} is nowhere:\n{read}");
    }
}

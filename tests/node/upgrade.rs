//! Another program file on the same data folder: an upgrade, the way back, and a catalog that is too new.

use std::path::Path;

use harness::{Flowgate, Signal, copy_of_other_version, signal, wait_until};
use redb::{Database, TableDefinition};
use serde_json::{Value, json};

use crate::served::Served;
use crate::worked::{Watch, are_exactly_once, numbers};

fn document(job: &str) -> String {
    format!(
        "job: {job}\ncheckpoint: {{ every: 100ms, store: store }}\n\
         sources: {{ rows: {{ generator: {{ rate: 500, columns: {{ n: {{ sequence: {{}} }} }} }} }} }}\n\
         sinks: {{ out: {{ input: rows, file: {{ path: out/, part_every: 0s }} }} }}\n"
    )
}

/// Jobs of a node that is upgraded: one goes on meanwhile, one is killed while there is no node, one rests.
struct Stage {
    served: Served,
    token: String,
}

impl Stage {
    fn start() -> Stage {
        let served = Served::start();
        let token = served.tenant("acme", &json!({ "compiles_per_min": 1_000 }));
        served.push(&token, "acme", "text").expect(201);
        served
            .ask(&token, "PUT", "/api/v1/tenants/acme/secrets/key", Some(&json!({ "value": "of no use" })))
            .expect(204);
        for job in ["lives", "dies", "rests"] {
            served.submit(&token, "acme", &document(job));
        }
        let stage = Stage { served, token };
        ["lives", "dies", "rests"].iter().for_each(|job| stage.goes_on(job));
        stage.served.stop(&stage.token, "acme", "rests");
        stage
    }

    /// Waits until a job runs and writes.
    fn goes_on(&self, job: &str) {
        self.served.wait_for_phase(&self.token, "acme", job, "running");
        let out = self.served.files("acme", job).join("out");
        let before = numbers(&out).len();
        wait_until("the job writes nothing", || numbers(&out).len() > before);
    }

    fn pid(&self, job: &str) -> u32 {
        let of = self.served.data().join("jobs/acme").join(job);
        let workers = self.served.workers();
        workers.iter().find(|(folder, _)| folder.starts_with(&of)).expect("it has a process").1
    }

    /// Everything of the catalog that a change of programs leaves alone.
    fn catalog(&self) -> Value {
        let of =
            |path: &str| self.served.ask(&self.token, "GET", &format!("/api/v1/tenants/acme{path}"), None).expect(200);
        let names =
            of("/jobs")["items"].as_array().expect("jobs").iter().map(|job| job["name"].clone()).collect::<Vec<_>>();
        json!([
            of(""),
            of("/tokens"),
            of("/secrets"),
            of("/plugins"),
            names,
            of("/jobs/rests"),
            of("/jobs/rests/history")
        ])
    }

    /// The versions of the programs of jobs, and whether each is that of the node.
    fn programs(&self) -> Vec<Value> {
        let jobs = self.served.ask(&self.token, "GET", "/api/v1/tenants/acme/jobs", None).expect(200);
        jobs["items"].as_array().expect("jobs").iter().map(|job| job["program"].clone()).collect()
    }

    /// Starts a node of another program in the place of one that is gone.
    fn replace(&mut self, program: &Path) {
        signal(self.pid("dies"), Signal::KILL);
        self.served.set_program(program);
        self.served.begin(&[]);
        for job in ["lives", "dies"] {
            self.goes_on(job);
        }
    }
}

/// Goal: an upgrade loses no row, repeats none and leaves the catalog whole; jobs that run keep their process and program until their next
/// attempt, and say so. So does the way back. Method: a node is stopped, and one is killed; the next one is a program file of another version
/// under another name.
#[test]
fn a_node_is_upgraded_and_taken_back() {
    let mut stage = Stage::start();
    let watch = Watch::of(&stage.served.data());
    let (first, second) = (harness::program(), stage.served.path().join("flowgate-next"));
    let (old, new) = (env!("CARGO_PKG_VERSION"), copy_of_other_version(&second));
    let shown = |version: &str, is_of_node: bool| json!({ "version": version, "is_of_node": is_of_node });
    let (catalog, pid) = (stage.catalog(), stage.pid("lives"));
    // By name: the one that died, the one that lived, the one that rests.
    assert_eq!(stage.programs(), [shown(old, true), shown(old, true), Value::Null]);

    stage.served.terminate();
    stage.replace(&second);
    assert_eq!(stage.pid("lives"), pid, "the job has its process still");
    assert_eq!(stage.programs(), [shown(new, true), shown(old, false), Value::Null]);
    assert_eq!(stage.catalog(), catalog);
    for (path, job) in [("restart", "lives"), ("start", "rests")] {
        stage.served.ask(&stage.token, "POST", &format!("/api/v1/tenants/acme/jobs/{job}/{path}"), None).expect(202);
    }
    wait_until("the jobs do not take the new program", || stage.programs() == vec![shown(new, true); 3]);

    stage.served.kill();
    stage.replace(&first);
    assert_eq!(stage.programs(), [shown(old, true), shown(new, false), shown(new, false)]);
    watch.judge();
    for job in ["lives", "dies", "rests"] {
        stage.goes_on(job);
        stage.served.stop(&stage.token, "acme", job);
        are_exactly_once(&numbers(&stage.served.files("acme", job).join("out")), job);
    }
    assert_eq!(stage.served.workers(), []);
}

/// Puts a format into the meta table of a catalog that nobody has open. Returns the one that it had.
fn set_format(catalog: &Path, format: &[u8]) -> Vec<u8> {
    let meta = TableDefinition::<&str, &[u8]>::new("meta");
    let change = Database::create(catalog).expect("a catalog").begin_write().expect("it is ours");
    let had = {
        let mut table = change.open_table(meta).expect("a table");
        let had = table.insert("format", format).expect("it is written");
        had.expect("a format").value().to_vec()
    };
    change.commit().expect("it is written");
    had
}

/// Goal: a program that is older than the catalog leaves it alone, and says what to do. Method: a catalog of a later format.
#[test]
fn a_catalog_of_a_later_format_is_refused() {
    let mut served = Served::start();
    let token = served.tenant("acme", &json!({}));
    served.terminate();
    let catalog = served.data().join("catalog.redb");
    let (own, later) = (set_format(&catalog, b"1000"), b"1000".to_vec());
    for more in [&["--listen", "127.0.0.1:0"][..], &["--check"], &["--new-admin-token"]] {
        let refused = Flowgate::new(served.path(), &[&["serve", "--data", "data"], more].concat()).run();
        assert_ne!(refused.code(), Some(0), "{more:?}");
        let said = ["the catalog has format 1000", "use the version that wrote it, or a later one"];
        assert!(said.iter().all(|said| refused.stderr.contains(said)), "{more:?}: {}", refused.stderr);
    }
    assert_eq!(set_format(&catalog, &own), later);
    served.begin(&[]);
    served.ask(&token, "GET", "/api/v1/whoami", None).expect(200);
}

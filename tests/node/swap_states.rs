//! Swaps over the node: in every state of a job, during another swap, while the node is killed, and what the history has of them.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use harness::{COUNTED, Chance, Counter, Signal, counted, seed, signal, wait_for, wait_until};
use serde_json::{Value, json};

use crate::http::Response;
use crate::served::Served;

/// A node with a job that counts. The registry has the versions of the plugin: `counter@1` and so on.
struct Stage {
    served: Served,
    token: String,
}

impl Stage {
    fn with(versions: &[Vec<u8>]) -> Stage {
        let served = Served::configured("jobs: { checkpoint_every: 1s }\n");
        let token = served.tenant("acme", &json!({ "compiles_per_min": 1_000 }));
        for (at, version) in versions.iter().enumerate() {
            served.push_component(&token, "acme", "counter", version).expect(201);
            if at == 0 {
                served.submit(&token, "acme", COUNTED);
            }
        }
        let stage = Stage { served, token };
        stage.wait_for_rows();
        stage
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Response {
        self.served.ask(&self.token, method, &format!("/api/v1/tenants/acme/jobs/counted{path}"), body)
    }

    /// Waits until the job runs and has written more rows, and taken a checkpoint behind them.
    fn wait_for_rows(&self) {
        self.served.wait_for_phase(&self.token, "acme", "counted", "running");
        let newest = || self.ask("GET", "/checkpoints?limit=1", None).expect(200)["items"][0]["number"].as_u64();
        let before = newest();
        wait_until("the job takes no checkpoint", || newest() > before.map(|before| before + 1));
    }

    fn request(&self, version: u64) -> Response {
        let plugin = format!("counter@{version}");
        self.ask("POST", "/swaps", Some(&json!({ "operator": "counted", "plugin": plugin })))
    }

    /// Swaps, and returns what became of that.
    fn swap(&self, version: u64) -> Result<Value, String> {
        let operation = self.request(version).expect(202);
        self.end_of(&operation)
    }

    fn end_of(&self, operation: &Value) -> Result<Value, String> {
        let end = self.served.end_of(&self.token, "acme", operation);
        match end["problem"]["detail"].as_str() {
            Some(detail) => Err(detail.to_string()),
            None => Ok(end["result"].clone()),
        }
    }

    /// The version that the job has in the catalog.
    fn version(&self) -> String {
        self.ask("GET", "", None).expect(200)["plugins"][0]["version"].as_str().expect("a version").into()
    }

    fn worker(&self) -> u32 {
        wait_for("the job has no process", || self.served.workers().first().map(|(_, pid)| *pid))
    }

    /// Stops the job, and checks that each row was counted once, by versions in this order. Returns the rows of each.
    fn judge(&self, versions: &[i64]) -> std::collections::BTreeMap<i64, usize> {
        self.served.stop(&self.token, "acme", "counted");
        counted(&self.served.files("acme", "counted").join("out"), versions)
    }
}

/// The same function, known by another content.
fn marked(component: &[u8], mark: u8) -> Vec<u8> {
    // A custom section: an id, the length of the rest, a name of one character, content.
    [component, &[0, 3, 1, b'v', mark]].concat()
}

/// Goal: a swap over the node keeps and migrates the state, and its history says who, when, from, to, with what gap and how it ended.
#[test]
fn a_swap_is_in_the_history() {
    let versions = [Counter::First, Counter::Picky, Counter::OtherColumn, Counter::Second].map(Counter::component);
    let stage = Stage::with(&versions);
    let refused = stage.swap(2).unwrap_err();
    assert!(
        refused.contains("10 values of the state slot `rows` cannot be migrated") && refused.contains("too many rows"),
        "{refused}"
    );
    let refused = stage.swap(3).unwrap_err();
    assert!(refused.contains("release: int64"), "{refused}");
    stage.wait_for_rows();
    let swapped = stage.swap(4).unwrap();
    assert_eq!((&swapped["outcome"], &swapped["migrated"]), (&json!("done"), &json!(10)), "{swapped:#}");
    assert!(swapped["gap_us"].as_u64().is_some() && swapped["savepoint"].as_str().is_some(), "{swapped:#}");
    assert_eq!(stage.version(), "counter@4");
    let swaps = stage.ask("GET", "/swaps", None).expect(200)["items"].clone();
    let shown: Vec<_> = swaps
        .as_array()
        .unwrap()
        .iter()
        .map(|of| ["by", "from", "to", "outcome"].map(|field| of[field].as_str().unwrap_or_default()))
        .collect();
    let wanted = [("counter@4", "done"), ("counter@3", "refused"), ("counter@2", "refused")];
    assert_eq!(shown, wanted.map(|(to, outcome)| ["admin", "counter@1", to, outcome]), "{swaps:#}");
    // The older version does not read the newer state; the savepoint has the older one.
    let back = stage.ask("POST", "/rollback", None).expect(202);
    let refused = stage.end_of(&back).unwrap_err();
    assert!(refused.contains(swapped["savepoint"].as_str().unwrap()), "{refused}");
    let history = stage.ask("GET", "/history", None).expect(200)["items"].clone();
    let of = |kind: &str| history.as_array().unwrap().iter().filter(|event| event["kind"] == kind).count();
    assert!(of("swapped") == 1 && of("swap refused") >= 2, "{history:#}");
    stage.wait_for_rows();
    let rows = stage.judge(&[1, 2]);
    assert!(rows[&1] > 100 && rows[&2] > 100, "{rows:?}");
}

/// Goal: in whatever state a job is, a swap is done or refused, in time, with what is so; the job goes on with the version that it is
/// said to have, and no row is lost or counted twice. Method: each state, held by signals to the worker process.
#[test]
fn a_swap_in_every_state_of_a_job() {
    let first = Counter::First.component();
    let stage = Stage::with(&[first.clone(), marked(&first, 2)]);
    let mut present = 1;
    let mut agrees = |stage: &Stage, state: &str, swapped: Result<Value, String>| {
        println!("{state}: {swapped:?}");
        match swapped {
            Ok(_) => present = 3 - present,
            Err(why) => assert!(!why.contains("panic") && why.len() > 10, "{state}: {why}"),
        }
        assert_eq!(stage.version(), format!("counter@{present}"), "{state}");
        3 - present
    };
    let other = agrees(&stage, "running", stage.swap(2));

    // Checkpoints and savepoints are taken all the time meanwhile.
    let saving = stage.ask("POST", "/savepoints", None).expect(202);
    let other = agrees(&stage, "checkpointing", stage.swap(other));
    stage.end_of(&saving).unwrap();

    // It starts, and its process does not get on.
    stage.served.stop(&stage.token, "acme", "counted");
    let other = agrees(&stage, "stopped", stage.swap(other));
    stage.ask("POST", "/start", None).expect(202);
    let pid = stage.worker();
    signal(pid, Signal::STOP);
    let phase = stage.ask("GET", "", None).expect(200)["phase"].clone();
    let begun = stage.request(other).expect(202);
    sleep(Duration::from_millis(300));
    signal(pid, Signal::CONT);
    let other = agrees(&stage, &format!("starting ({phase})"), stage.end_of(&begun));

    // It was killed, and restores its state.
    stage.wait_for_rows();
    signal(stage.worker(), Signal::KILL);
    let other = agrees(&stage, "restarting", stage.swap(other));
    stage.wait_for_rows();

    // It is being stopped, and does not get on.
    let pid = stage.worker();
    signal(pid, Signal::STOP);
    let stopping = stage.ask("POST", "/stop", None).expect(202);
    sleep(Duration::from_millis(100));
    let begun = stage.request(other).expect(202);
    sleep(Duration::from_millis(100));
    signal(pid, Signal::CONT);
    let other = agrees(&stage, "stopping", stage.end_of(&begun));
    stage.end_of(&stopping).unwrap();

    // Another operation changes it.
    stage.ask("POST", "/start", None).expect(202);
    stage.wait_for_rows();
    let pid = stage.worker();
    signal(pid, Signal::STOP);
    let rescaling = stage.ask("PUT", "", Some(&json!({ "parallelism": 2 }))).expect(202);
    let busy = stage.request(other);
    signal(pid, Signal::CONT);
    assert_eq!(busy.status, 409, "{}", busy.text());
    assert!(busy.text().contains("wait for its end"), "{}", busy.text());
    stage.end_of(&rescaling).unwrap();
    stage.wait_for_rows();
    agrees(&stage, "rescaled", stage.swap(other));
    stage.wait_for_rows();
    stage.judge(&[1]);
}

/// Goal: one swap of a job at a time. Method: many requests at once; one while another cannot get on.
#[test]
fn a_swap_during_a_swap_is_refused() {
    let first = Counter::First.component();
    let versions: Vec<Vec<u8>> = (1..=4).map(|mark| marked(&first, mark)).collect();
    let stage = Stage::with(&versions);
    let pid = stage.worker();
    signal(pid, Signal::STOP);
    let begun = stage.request(2).expect(202);
    let refused = stage.request(3);
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.text().contains("a swap of `counted` goes on"), "{}", refused.text());
    assert_eq!(stage.ask("POST", "/rollback", None).status, 409);
    assert_eq!(stage.ask("DELETE", "", None).status, 409);
    signal(pid, Signal::CONT);
    stage.end_of(&begun).unwrap();
    assert_eq!(stage.version(), "counter@2");
    let asked: Vec<Response> = std::thread::scope(|scope| {
        let asks: Vec<_> = (0..8)
            .map(|at| {
                scope.spawn({
                    let stage = &stage;
                    move || stage.request(1 + at % 4)
                })
            })
            .collect();
        asks.into_iter().map(|ask| ask.join().unwrap()).collect()
    });
    let begun: Vec<&Response> = asked.iter().filter(|of| of.status == 202).collect();
    assert!(!begun.is_empty() && asked.iter().all(|of| matches!(of.status, 202 | 409)), "{asked:?}");
    let done = begun.into_iter().filter_map(|of| stage.end_of(&of.json()).ok());
    if let Some(last) = done.max_by_key(|swap| swap["number"].as_u64()) {
        assert_eq!(stage.version(), last["to"].as_str().unwrap());
    }
    stage.wait_for_rows();
    stage.judge(&[1]);
}

/// Goal: a node that is killed during a swap knows, when it is back, which version the job runs with, and the job goes on with that
/// one, exactly once. Method: kills at times around the swap; then the worker is killed, too, so that it is started by what the node knows.
#[test]
fn a_node_is_killed_during_a_swap() {
    let seed = seed();
    println!("FLOWGATE_TEST_SEED={seed}");
    let mut chance = Chance::new(seed);
    let mut stage = Stage::with(&[Counter::First.component()]);
    let second = Counter::Second.component();
    stage.served.push_component(&stage.token, "acme", "counter", &second).expect(201);
    let mut is_swapped = false;
    for round in 0..6 {
        if is_swapped {
            break;
        }
        let wait = chance.time_below(Duration::from_millis(1 + 120 * round));
        stage.request(2).expect(202);
        sleep(wait);
        stage.served.kill();
        // What the worker does by itself, it has done.
        sleep(Duration::from_millis(300));
        stage.served.begin(&[]);
        stage.wait_for_rows();
        signal(stage.worker(), Signal::KILL);
        sleep(Duration::from_millis(100));
        stage.wait_for_rows();
        let job = stage.ask("GET", "", None).expect(200);
        assert!(job.get("failure").is_none_or(|failure| failure["fault"] != "user"), "{round}: {job:#}");
        let swaps = stage.ask("GET", "/swaps", None).expect(200)["items"].clone();
        let pending = swaps.as_array().unwrap().iter().filter(|swap| swap["outcome"] == "pending").count();
        assert_eq!(pending, 0, "{round}, behind {wait:?}: {swaps:#}");
        is_swapped = stage.version() == "counter@2";
        println!("behind {wait:?}: {}", stage.version());
    }
    if !is_swapped {
        stage.swap(2).unwrap();
    }
    stage.wait_for_rows();
    stage.judge(&[1, 2]);
}

/// A version that fails more rows than somebody accepts is taken back by the node, which says why.
#[test]
fn a_version_that_fails_is_taken_back() {
    let stage = Stage::with(&[Counter::First.component(), Counter::Failing.component()]);
    let request = json!({ "operator": "counted", "plugin": "counter@2", "rollback_over": 0.1 });
    let operation = stage.ask("POST", "/swaps", Some(&request)).expect(202);
    stage.end_of(&operation).unwrap();
    wait_until("the swap is not taken back", || stage.version() == "counter@1");
    let swaps = stage.ask("GET", "/swaps", None).expect(200)["items"].clone();
    let [back, taken] = &swaps.as_array().unwrap()[..] else { panic!("{swaps:#}") };
    assert_eq!((&back["outcome"], &back["by"]), (&json!("back"), &json!("flowgate")), "{swaps:#}");
    assert_eq!(taken["outcome"], "rolled_back", "{swaps:#}");
    assert!(taken["reason"].as_str().unwrap().contains("rows failed, more than the share of 0.1"), "{swaps:#}");
    // A version that fails less than that stays.
    let request = json!({ "operator": "counted", "plugin": "counter@2", "rollback_over": 0.9 });
    let operation = stage.ask("POST", "/swaps", Some(&request)).expect(202);
    stage.end_of(&operation).unwrap();
    sleep(Duration::from_secs(5));
    assert_eq!(stage.version(), "counter@2");
    assert!(fs::read_dir(stage.served.files("acme", "counted").join("out")).unwrap().count() > 0);
}

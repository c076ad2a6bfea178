//! Swaps when the node and the worker process end at the worst moment.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use harness::{Signal, signal, wait_until};
use serde_json::{Value, json};

use crate::served::Served;
use crate::worked::{are_exactly_once, numbers};

const JOB: &str = "\
job: web
checkpoint: { every: 100ms, store: store }
sources: { rows: { generator: { rate: 500, columns: { n: { sequence: {} }, text: { choice: [a, b] } } } } }
operators: { texts: { input: rows, plugin: text@1, function: normalise } }
sinks: { out: { input: texts, file: { path: out/, part_every: 0s } } }
";

/// Whether a manifest of a store names a version.
fn is_named_in(store: &Path, digest: &str) -> bool {
    let entries = fs::read_dir(store).into_iter().flatten().flatten();
    let manifests = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("manifest-"));
    // One may be deleted meanwhile.
    manifests.filter_map(|entry| fs::read_to_string(entry.path()).ok()).any(|text| text.contains(digest))
}

/// Goal: a swap that is durable counts, although nobody has recorded it, and one that is not does not. Method: the node stands still while the
/// job swaps, or the job does before it can; then both are killed.
#[test]
fn the_checkpoint_says_whether_a_swap_has_happened() {
    for happens in [true, false] {
        let mut served = Served::start();
        let token = served.tenant("acme", &json!({ "compiles_per_min": 1_000 }));
        let component = fs::read(harness::plugin("text")).unwrap();
        // Other bytes of no meaning: a custom section.
        let another = [component.as_slice(), &[0, 3, 1, b'v', 2]].concat();
        served.push_component(&token, "acme", "text", &component).expect(201);
        let version = served.push_component(&token, "acme", "text", &another).expect(201);
        let digest = version["digest"].as_str().unwrap().to_string();
        served.submit(&token, "acme", JOB);
        served.wait_for_phase(&token, "acme", "web", "running");
        let out = served.files("acme", "web").join("out");
        wait_until("there are no rows", || !numbers(&out).is_empty());
        let [(_, worker)] = served.workers()[..] else { panic!("{:?}", served.workers()) };
        // It takes the request, and nothing happens before the node stands still.
        signal(worker, Signal::STOP);
        let request = json!({ "operator": "texts", "plugin": "text@2" });
        served.ask(&token, "POST", "/api/v1/tenants/acme/jobs/web/swaps", Some(&request)).expect(202);
        let swap = |served: &Served| -> Value {
            served.ask(&token, "GET", "/api/v1/tenants/acme/jobs/web/swaps", None).expect(200)["items"][0].clone()
        };
        wait_until("the swap is not requested", || swap(&served)["outcome"] == "pending");
        // The request is sent behind the record of it.
        sleep(Duration::from_millis(300));
        served.running().signal(Signal::STOP);
        if happens {
            signal(worker, Signal::CONT);
            let store = served.files("acme", "web").join("store");
            wait_until("the swap does not happen", || is_named_in(&store, &digest));
        }
        signal(worker, Signal::KILL);
        served.kill();
        served.begin(&[]);
        wait_until("nobody says what became of it", || swap(&served)["outcome"] != "pending");
        let (outcome, expected) = if happens { ("done", "text@2") } else { ("refused", "text@1") };
        assert_eq!(swap(&served)["outcome"], outcome, "{:#}", swap(&served));
        let job = served.wait_for_phase(&token, "acme", "web", "running");
        assert_eq!(job["plugins"][0]["version"], expected, "{job:#}");
        let rows = numbers(&out).len();
        wait_until("the job does not go on", || numbers(&out).len() > rows);
        served.stop(&token, "acme", "web");
        are_exactly_once(&numbers(&out), "behind the swap");
    }
}

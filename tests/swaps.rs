//! Functions that are swapped in running jobs, as a user does it.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use harness::{Counter, Ended, Folder, Running, Signal, counted, wait_until};

/// Rows at their rate, until the job is stopped.
const JOB: &str = "\
job: counted
plugins: { counter: v1.wasm }
checkpoint: { every: 20ms, store: store }
sources:
  a:
    generator:
      rows: 100000000
      rate: 10000
      batch_rows: 100
      columns: { k: { int: { min: 0, max: 9 } }, n: { sequence: {} } }
operators:
  counted: { input: a, key: [k], plugin: counter, function: count }
sinks:
  out: { input: counted, file: { path: out/, format: json } }
";

fn start(folder: &Folder, arguments: &[&str]) -> Running {
    folder.flowgate(&[&["run"], arguments].concat()).start()
}

/// Returns a folder with the job and all versions of the plugin.
fn versions() -> Folder {
    let folder = Folder::with_job(JOB);
    let versions = [
        ("v1.wasm", Counter::First),
        ("v2.wasm", Counter::Second),
        ("picky.wasm", Counter::Picky),
        ("other.wasm", Counter::OtherColumn),
    ];
    versions.into_iter().for_each(|(name, version)| _ = folder.write(name, version.component()));
    folder
}

fn swap(folder: &Folder, version: &str, more: &[&str]) -> Ended {
    folder.ask(&[&["job", "swap", "counted", "counted", version][..], more].concat())
}

/// A user tries a new version, sees why it would be refused, swaps, and goes back with the savepoint.
#[test]
fn a_function_is_tried_swapped_and_refused_with_what_to_do() {
    let folder = versions();
    let running = start(&folder, &["job.yaml", "-p", "2"]);
    wait_until("there is no checkpoint", || version_of_newest(&folder).is_some());
    sleep(Duration::from_millis(500));
    let tried = swap(&folder, "picky.wasm", &["--dry-run"]).expect(2);
    let expected = "10 of 10 values of the state slot `rows` cannot be migrated from version 1 to 2: ";
    assert!(tried.stderr.contains(expected) && tried.stderr.contains("too many rows"), "{}", tried.stderr);
    let refused = swap(&folder, "picky.wasm", &[]).expect(2).stderr;
    assert!(refused.contains("the old version stays on all workers") && refused.contains("too many rows"), "{refused}");
    let refused = swap(&folder, "other.wasm", &[]).expect(2).stderr;
    assert!(
        refused.contains("others read `counted`, whose columns were ") && refused.contains("release: int64"),
        "{refused}"
    );
    let refused = folder.ask(&["job", "swap", "counted", "a", "v2.wasm"]).expect(2).stderr;
    assert!(refused.contains("these have one: counted"), "{refused}");
    swap(&folder, "v3.wasm", &[]).expect(2).saying("there is no file ");

    let tried = swap(&folder, "v2.wasm", &["--dry-run"]).expect(0);
    assert!(
        tried.stdout.contains("10 values of the state slot `rows` are migrated from version 1 to 2"),
        "{}",
        tried.stdout
    );
    let swapped = swap(&folder, "v2.wasm", &["--savepoint=before"]).expect(0).stdout;
    assert!(swapped.contains("10 values were migrated; durable with checkpoint "), "{swapped}");
    assert!(swapped.contains("store#before"), "{swapped}");
    // The older version does not read the newer state: the savepoint does.
    let refused = swap(&folder, "v1.wasm", &[]).expect(2).stderr;
    assert!(refused.contains("store#before") && refused.contains("does not export `migrate`"), "{refused}");
    sleep(Duration::from_millis(300));
    folder.ask(&["job", "stop", "counted"]).expect(0);
    running.wait().expect(0);
    let of_versions = counted(&folder.join("out"), &[1, 2]);
    assert!(of_versions[&1] > 500 && of_versions[&2] > 500, "{of_versions:?}");

    // The job file still names the old version, which does not fit the newest checkpoint.
    start(&folder, &["job.yaml", "--resume"])
        .wait()
        .expect(2)
        .saying("the state of `counted` was kept for other settings");
    folder.write("new.yaml", JOB.replace("v1.wasm", "v2.wasm"));
    let running = start(&folder, &["new.yaml", "--resume"]);
    sleep(Duration::from_millis(500));
    folder.ask(&["job", "stop", "counted"]).expect(0);
    running.wait().expect(0);
    counted(&folder.join("out"), &[1, 2]);
}

/// Which version the newest checkpoint of the store names, if there is one.
fn version_of_newest(folder: &Folder) -> Option<String> {
    if !folder.join("store").exists() {
        return None;
    }
    let mut manifests: Vec<_> = std::fs::read_dir(folder.join("store"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("manifest-"))
        })
        .collect();
    manifests.sort_unstable();
    for path in manifests.iter().rev() {
        let manifest: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let operators = manifest["record"]["checkpoint"]["operators"].as_array();
        let of = operators.and_then(|of| of.iter().find(|of| of["name"] == "counted"));
        if let Some(sha256) = of.and_then(|of| of["functions"][0]["sha256"].as_str()) {
            return Some(sha256.to_string());
        }
    }
    None
}

/// Goal: a job that is killed at any point of a swap goes on, exactly once, with the version that its newest checkpoint names. Method: kill -9
/// at times around the swap; whichever version is named is resumed.
#[test]
fn a_job_that_is_killed_during_a_swap_is_resumed_with_the_version_that_its_checkpoint_names() {
    let folder = versions();
    for version in ["v1", "v2"] {
        folder.write(&format!("{version}.yaml"), JOB.replace("v1.wasm", &format!("{version}.wasm")));
    }
    let (mut present, mut kills) = ("v1", BTreeMap::<&str, usize>::new());
    let old = {
        let running = start(&folder, &["v1.yaml", "-p", "2"]);
        wait_until("there is no checkpoint", || version_of_newest(&folder).is_some());
        running.signal(Signal::KILL);
        running.wait();
        version_of_newest(&folder).expect("there was one")
    };
    for wait_ms in [0, 5, 20, 60, 150, 400] {
        if present != "v1" {
            break;
        }
        let running = start(&folder, &["v1.yaml", "-p", "2", "--resume"]);
        running.wait_until_it_handles(Signal::INT);
        sleep(Duration::from_millis(200));
        let swapping = folder.flowgate(&["job", "swap", "counted", "counted", "v2.wasm"]).start();
        sleep(Duration::from_millis(wait_ms));
        running.signal(Signal::KILL);
        running.wait();
        swapping.wait();
        present = if version_of_newest(&folder).as_ref() == Some(&old) { "v1" } else { "v2" };
        *kills.entry(present).or_default() += 1;
    }
    assert!(kills.contains_key("v1"), "no kill was before the swap: {kills:?}");
    let running = start(&folder, &[&format!("{present}.yaml"), "-p", "3", "--resume"]);
    sleep(Duration::from_millis(400));
    if present == "v1" {
        swap(&folder, "v2.wasm", &[]).expect(0);
    }
    sleep(Duration::from_millis(200));
    folder.ask(&["job", "stop", "counted"]).expect(0);
    running.wait().expect(0);
    counted(&folder.join("out"), &[1, 2]);
}

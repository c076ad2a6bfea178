//! Functions that are swapped in running jobs, as a user does it.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::{Ended, Flowgate, Folder, Running, Signal};

const PATIENCE: Duration = Duration::from_secs(60);

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

fn flowgate(folder: &Folder, arguments: &[&str]) -> Flowgate {
    Flowgate::new(folder.path(), arguments).env("XDG_RUNTIME_DIR", folder.path())
}

fn start(folder: &Folder, arguments: &[&str]) -> Running {
    flowgate(folder, &[&["run"], arguments].concat()).start()
}

/// Requests something of the job until it has started to answer.
fn ask(folder: &Folder, arguments: &[&str]) -> Ended {
    let begun = Instant::now();
    loop {
        let ended = flowgate(folder, arguments).run();
        if !ended.stderr.contains("FG0704") || begun.elapsed() > PATIENCE {
            return ended;
        }
        sleep(Duration::from_millis(20));
    }
}

/// A function that counts the rows of each key, with a state slot of version 1. Its rows have its version.
const COUNTER: &str = r#"
use flowgate_sdk::{Context, Failure, Process, Row, State, Value};

#[derive(Row)]
struct Numbered { n: i64 }

#[derive(Row)]
#[row(passthrough)]
struct Counted { count: f64, version: i64 }

#[derive(State)]
struct Kept {
    rows: Value<i64>,
}

#[flowgate_sdk::config]
struct Count;

/// Counts the rows of each key.
#[flowgate_sdk::process]
impl Process for Count {
    type Row<'a> = Numbered;
    type State = Kept;
    type Output = Counted;

    fn on_row(&self, row: Numbered, ctx: &mut Context<'_, Self>) -> Result<(), Failure> {
        let _ = row.n;
        let count = ctx.state.rows.get().copied().unwrap_or_default() + 1;
        ctx.state.rows.set(count);
        ctx.emit(Counted { count: count as f64, version: 1 });
        Ok(())
    }
}

flowgate_sdk::plugin! { processes: [Count] }
"#;

/// The plugin's next version keeps halves: it reads version 1, but no count over the limit.
fn next_version(limit: u32) -> String {
    let kept = "#[state(version = 2, migrate(1 = halves))]\n    rows: Value<f64>,";
    let halves = format!(
        "fn halves(rows: i64) -> Result<f64, Failure> {{\n    if rows > {limit} {{ return Err(Failure::new(\"too many rows\")); }}\n    \
         Ok(rows as f64 / 2.0)\n}}\n\n#[derive(State)]"
    );
    let count = COUNTER
        .replace("rows: Value<i64>,", kept)
        .replace("#[derive(State)]", &halves)
        .replace("version: 1 }", "version: 2 }");
    count.replace("unwrap_or_default() + 1", "unwrap_or_default() + 0.5").replace("count as f64", "count * 2.0")
}

/// The components of the versions of the plugin, by name. They are built once.
static COMPONENTS: LazyLock<Vec<(&str, Vec<u8>)>> = LazyLock::new(|| {
    let folder = Folder::with_job(JOB);
    flowgate(&folder, &["plugin", "new", "counter"]).run().expect(0);
    let build = |(name, source): (&'static str, String)| {
        folder.write("counter/src/lib.rs", source);
        let build = flowgate(&folder, &["plugin", "build", "counter", "-o", "built.wasm"]);
        build.deadline(Duration::from_secs(300)).run().expect(0);
        (name, std::fs::read(folder.join("built.wasm")).unwrap())
    };
    let other_column = COUNTER.replace("version: i64 }", "release: i64 }").replace("version: 1 }", "release: 1 }");
    let sources = [
        ("v1.wasm", COUNTER.to_string()),
        ("v2.wasm", next_version(1_000_000_000)),
        ("picky.wasm", next_version(0)),
        ("other.wasm", other_column),
    ];
    sources.into_iter().map(build).collect()
});

/// Returns a folder with the job and all versions of the plugin.
fn versions() -> Folder {
    let folder = Folder::with_job(JOB);
    COMPONENTS.iter().for_each(|(name, component)| _ = folder.write(name, component));
    folder
}

/// Each count of each key came once, and versions came in this order. Returns the rows of each version.
fn counted(folder: &Folder, versions: &[i64]) -> BTreeMap<i64, usize> {
    let mut of_keys: BTreeMap<i64, BTreeMap<i64, i64>> = BTreeMap::new();
    let mut of_versions = BTreeMap::new();
    for entry in std::fs::read_dir(folder.join("out")).unwrap() {
        let path = entry.unwrap().path();
        // The job was stopped, so that its last part is not full: it begins with a dot.
        if !path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.contains("part-")) {
            continue;
        }
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let (key, count) = (row["k"].as_i64().unwrap(), row["count"].as_f64().unwrap() as i64);
            let version = row["version"].as_i64().unwrap();
            *of_versions.entry(version).or_default() += 1;
            let twice = of_keys.entry(key).or_default().insert(count, version);
            assert_eq!(twice, None, "key {key} has the count {count} twice");
        }
    }
    for (key, counts) in of_keys {
        assert!(counts.keys().copied().eq(1..=counts.len() as i64), "key {key}: a count is lost");
        let places = counts.values().map(|version| versions.iter().position(|of| of == version).unwrap());
        assert!(places.is_sorted(), "key {key}: a version came back");
    }
    of_versions
}

fn swap(folder: &Folder, version: &str, more: &[&str]) -> Ended {
    ask(folder, &[&["job", "swap", "counted", "counted", version][..], more].concat())
}

/// A user tries a new version, sees why it would be refused, swaps, and goes back with the savepoint.
#[test]
fn a_function_is_tried_swapped_and_refused_with_what_to_do() {
    let folder = versions();
    let running = start(&folder, &["job.yaml", "-p", "2"]);
    while version_of_newest(&folder).is_none() && running.started().elapsed() < PATIENCE {
        sleep(Duration::from_millis(5));
    }
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
    let refused = ask(&folder, &["job", "swap", "counted", "a", "v2.wasm"]).expect(2).stderr;
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
    ask(&folder, &["job", "stop", "counted"]).expect(0);
    running.wait().expect(0);
    let of_versions = counted(&folder, &[1, 2]);
    assert!(of_versions[&1] > 500 && of_versions[&2] > 500, "{of_versions:?}");

    // The job file still names the old version, which does not fit the newest checkpoint.
    start(&folder, &["job.yaml", "--resume"])
        .wait()
        .expect(2)
        .saying("the state of `counted` was kept for other settings");
    folder.write("new.yaml", JOB.replace("v1.wasm", "v2.wasm"));
    let running = start(&folder, &["new.yaml", "--resume"]);
    sleep(Duration::from_millis(500));
    ask(&folder, &["job", "stop", "counted"]).expect(0);
    running.wait().expect(0);
    counted(&folder, &[1, 2]);
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
        let begun = Instant::now();
        while version_of_newest(&folder).is_none() && begun.elapsed() < PATIENCE {
            sleep(Duration::from_millis(5));
        }
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
        let swapping = flowgate(&folder, &["job", "swap", "counted", "counted", "v2.wasm"]).start();
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
    ask(&folder, &["job", "stop", "counted"]).expect(0);
    running.wait().expect(0);
    counted(&folder, &[1, 2]);
}

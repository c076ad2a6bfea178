//! Savepoints: taken of a running job, and a changed job that starts from one.
#![cfg(target_os = "linux")]

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use harness::{Counter, Folder, Running, Signal};

/// Two seconds of rows at their rate, in one window for each key.
const JOB: &str = "\
job: counted
checkpoint: { every: 20ms, store: store }
sources:
  a:
    generator:
      rows: 20000
      rate: 10000
      batch_rows: 100
      columns: { at: { time: { start: \"2026-01-01T00:00:00Z\" } }, k: { int: { min: 0, max: 9 } }, n: { sequence: {} } }
    event_time: { column: at }
operators:
  sums: { input: a, key: [k], window: { tumbling: 1h }, aggregate: { n: count(), s: sum(n) } }
sinks:
  out: { input: sums, file: { path: out/ } }
";

fn start(folder: &Folder, arguments: &[&str]) -> Running {
    folder.flowgate(&[&["run"], arguments].concat()).start()
}

/// The number of rows and their sum, over all windows in the folder of a sink.
fn totals(folder: &Folder, sink: &str) -> (i64, i64) {
    let (mut rows, mut sum) = (0, 0);
    for entry in fs::read_dir(folder.join(sink)).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("part-")) {
            for line in fs::read_to_string(&path).unwrap().lines() {
                let row: serde_json::Value = serde_json::from_str(line).unwrap();
                (rows, sum) = (rows + row["n"].as_i64().unwrap(), sum + row["s"].as_i64().unwrap_or(0));
            }
        }
    }
    (rows, sum)
}

/// What the windows of the whole job say.
const ALL: (i64, i64) = (20_000, 20_000 * 19_999 / 2);

/// A job that stops with a savepoint goes on in a changed one: with another store, another parallelism, and an operator more.
#[test]
fn a_changed_job_starts_from_a_savepoint_and_counts_each_row_once() {
    let folder = Folder::with_job(JOB);
    let running = start(&folder, &["job.yaml", "-p", "1"]);
    sleep(Duration::from_millis(700));
    let stopped = folder.ask(&["job", "stop", "counted", "--savepoint=half"]).expect(0);
    assert!(stopped.stdout.contains("store#half'"), "{}", stopped.stdout);
    running.wait().expect(0).saying("stopping with the savepoint half");
    let operator = "  more: { input: a, key: [k], window: { tumbling: 1h }, aggregate: { n: count() } }\nsinks:\n  \
                    more_out: { input: more, file: { path: more/ } }\n";
    let changed =
        JOB.replace("sinks:\n", operator).replace("job: counted", "job: changed").replace("store: store", "store: new");
    folder.write("changed.yaml", changed);
    let said = start(&folder, &["changed.yaml", "-p", "3", "--from", "store#half"]).wait().expect(0).stderr;
    assert!(
        said.contains("`sums`: 10 rows of state") && said.contains("`more` is new: it begins without state"),
        "{said}"
    );
    assert_eq!(totals(&folder, "out"), ALL);
    let more = totals(&folder, "more").0;
    assert!(0 < more && more < ALL.0, "{more} rows behind the savepoint");
    start(&folder, &["changed.yaml", "--resume"]).wait().expect(0).saying("`changed` has ended");
}

/// The job goes on behind a savepoint, and another job starts from it, in a store of its own.
#[test]
fn a_savepoint_of_a_running_job_disturbs_nothing() {
    let folder = Folder::with_job(JOB);
    let running = start(&folder, &["job.yaml", "-p", "2"]);
    sleep(Duration::from_millis(500));
    let taken = folder.ask(&["savepoint", "counted", "--name", "early"]).expect(0);
    assert!(taken.stdout.starts_with("savepoint early: record "), "{}", taken.stdout);
    folder.ask(&["job", "savepoint", "counted"]).expect(0);
    running.wait().expect(0);
    assert_eq!(totals(&folder, "out"), ALL);
    let other = JOB
        .replace("path: out/", "path: other/")
        .replace("job: counted", "job: other")
        .replace("store: store", "store: new");
    folder.write("other.yaml", other);
    // The sink begins in another folder.
    start(&folder, &["other.yaml", "--from", "store#early", "--drop", "out"]).wait().expect(0);
    assert_eq!(totals(&folder, "other"), ALL);
    // The newest savepoint, into the store that has it: the job has another end than the one that it had.
    start(&folder, &["job.yaml", "--from", "store"]).wait().expect(0);
    assert_eq!(totals(&folder, "out"), ALL);
}

/// A job that is killed before its first checkpoint behind the savepoint is resumed with the savepoint's state.
#[test]
fn a_job_that_started_from_a_savepoint_is_resumed_from_it() {
    let folder = Folder::with_job(JOB);
    let running = start(&folder, &["job.yaml"]);
    sleep(Duration::from_millis(700));
    folder.ask(&["job", "stop", "counted", "--savepoint=half"]).expect(0);
    running.wait().expect(0);
    folder.write("rare.yaml", JOB.replace("20ms", "1h").replace("store: store", "store: new"));
    let running = start(&folder, &["rare.yaml", "--from", "store#half"]);
    running.wait_until_said("from savepoint half");
    running.wait_until_it_handles(Signal::INT);
    sleep(Duration::from_millis(300));
    running.signal(Signal::KILL);
    running.wait();
    start(&folder, &["rare.yaml", "--resume"]).wait().expect(0);
    assert_eq!(totals(&folder, "out"), ALL);
}

/// What does not fit is said by `check` and by `run`, and `--drop` decides about it.
#[test]
fn what_does_not_fit_is_reported_before_anything_starts() {
    let folder = Folder::with_job(JOB);
    let running = start(&folder, &["job.yaml"]);
    sleep(Duration::from_millis(300));
    folder
        .ask(&["job", "stop", "counted", "--savepoint=half", "--no-wait"])
        .expect(0)
        .printing("is stopping with the savepoint ")
        .printing("store#half\n");
    running.wait().expect(0);
    let store = || fs::read_dir(folder.join("store")).unwrap().count();
    let before = store();
    folder.write(
        "changed.yaml",
        JOB.replace("tumbling: 1h", "tumbling: 2h").replace("  a:", "  b:").replace("input: a", "input: b"),
    );
    for arguments in [["check", "changed.yaml"], ["run", "changed.yaml"]] {
        let refused = folder.flowgate(&[&arguments[..], &["--from", "store#half"]].concat()).run().expect(2);
        for part in [
            "error[FG0407]",
            "the state of `sums` does not fit: `windows` was ",
            "the source `a` is not in the job any more",
        ] {
            assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
        }
    }
    assert_eq!(store(), before, "nothing was begun");
    let dropped = ["--from", "store#half", "--drop", "sums", "--drop", "a"];
    let checked = folder.flowgate(&[&["check", "changed.yaml"], &dropped[..]].concat()).run().expect(0);
    assert!(checked.stdout.contains("the source `b` is new: it is read from its start"), "{}", checked.stdout);
    start(&folder, &[&["changed.yaml"], &dropped[..]].concat()).wait().expect(0);
    assert_eq!(totals(&folder, "out"), ALL);
}

/// Wrong requests have answers that say what would be right.
#[test]
fn a_savepoint_that_cannot_be_taken_or_found_is_refused() {
    let plain: Vec<&str> = JOB.lines().filter(|line| !line.contains("checkpoint:")).collect();
    let folder = Folder::with_job(&plain.join("\n"));
    let running = start(&folder, &["job.yaml"]);
    let refused = folder.ask(&["savepoint", "counted"]).expect(1).stderr;
    assert!(refused.contains("the job takes no checkpoints"), "{refused}");
    for name in ["7", "a b", "a#b", ""] {
        folder.ask(&["savepoint", "counted", "--name", name]).expect(2).saying("a savepoint's name");
    }
    folder.ask(&["job", "stop", "counted", "--savepoint=x", "--drain"]).expect(2).saying("cannot be used with");
    folder.ask(&["job", "stop", "counted"]).expect(0);
    running.wait().expect(0);
    folder.flowgate(&["run", "job.yaml", "--from", "store"]).run().expect(2).saying("there is no such folder");
    fs::create_dir(folder.join("store")).unwrap();
    let empty = folder.flowgate(&["run", "job.yaml", "--from", "store"]).run().expect(2);
    empty.saying("store has no savepoint: `flowgate job savepoint` takes one");
}

/// State of a slot whose version has changed goes through the plugin's function; values that fail are counted before anything starts.
#[test]
fn a_slot_with_a_later_version_is_migrated() {
    let counted = "counted: { input: a, key: [k], plugin: counter, function: count }\nsinks:\n  out: { input: counted, file: { path: \
                   out.jsonl, format: json } }\n";
    let (sources, _) = JOB.split_once("  sums:").unwrap();
    let job = format!("{sources}  {counted}").replace("checkpoint:", "plugins: { counter: counter.wasm }\ncheckpoint:");
    let folder = Folder::with_job(&job);
    let build = |version: Counter| _ = folder.write("counter.wasm", version.component());
    build(Counter::First);
    let running = start(&folder, &["job.yaml", "-p", "1"]);
    sleep(Duration::from_millis(900));
    folder.ask(&["job", "stop", "counted", "--savepoint=half"]).expect(0);
    running.wait().expect(0);

    build(Counter::Picky);
    let refused = folder.flowgate(&["check", "job.yaml", "--from", "store#half"]).run().expect(2).stderr;
    let expected = "10 of 10 values of the state slot `rows` cannot be migrated from version 1 to 2: ";
    assert!(refused.contains(expected) && refused.contains("too many rows"), "{refused}");
    folder.flowgate(&["run", "job.yaml", "--from", "store#half"]).run().expect(2).saying(expected);

    build(Counter::Second);
    let checked = folder.flowgate(&["check", "job.yaml", "--from", "store#half"]).run().expect(0);
    checked.printing("10 values of the state slot `rows` are migrated from version 1 to 2");
    start(&folder, &["job.yaml", "-p", "2", "--from", "store#half"]).wait().expect(0);
    let mut keys_with = std::collections::BTreeMap::new();
    for line in folder.read("out.jsonl").lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        *keys_with.entry(row["count"].as_f64().unwrap() as u64).or_insert(0) += 1;
    }
    assert_eq!(keys_with.values().sum::<u64>(), 20_000);
    // Each count of each key comes once: none has begun again.
    assert_eq!(keys_with.first_key_value(), Some((&1, &10)));
    assert!(keys_with.values().is_sorted_by(|one, next| one >= next), "{keys_with:?}");
}

//! Looking into the checkpoint store of a real job: list, show, verify, diff and the state of operators.

use std::fs;
use std::time::{Duration, Instant};

use harness::{Ended, Flowgate, Folder, Signal, plugin};
use serde_json::Value;

/// Windows, a process function with state and timers, and sinks of which parts are open.
const JOB: &str = "\
job: readings
checkpoint: { every: 200ms, store: ./store, keep: 3 }
sources:
  readings:
    file: { path: in.jsonl, format: json, follow: true, columns: { at: timestamp, sensor: int64, celsius: float64? } }
    event_time: { column: at, max_out_of_orderness: 1s }
operators:
  alerts:
    input: readings
    key: [sensor]
    plugin: alert
    function: alert
    config: { time: at, rules: [{ name: hot, column: celsius, above: 30, clear: 28, for: 10s }] }
  counts:
    input: readings
    key: [sensor]
    window: { tumbling: 1m }
    aggregate: { n: count() }
sinks:
  out: { input: alerts, file: { path: out/, format: json } }
  counted: { input: counts, file: { path: counted/, format: json } }
";
const PATIENCE: Duration = Duration::from_secs(60);

fn reading(second: u64, sensor: u64, celsius: u64) -> String {
    format!("{{\"at\":\"2026-03-01T00:00:{second:02}Z\",\"sensor\":{sensor},\"celsius\":{celsius}}}\n")
}

fn flowgate(folder: &Folder, arguments: &[&str]) -> Ended {
    Flowgate::new(folder.path(), arguments).run()
}

fn json(folder: &Folder, arguments: &[&str]) -> Value {
    serde_json::from_str(&flowgate(folder, arguments).expect(0).stdout).expect("JSON")
}

/// Returns the lines of the state of an operator.
fn state(folder: &Folder, operator: &str, more: &[&str]) -> Vec<Value> {
    let arguments = [&["state", "read", "store", operator, "--format", "json"], more].concat();
    let ended = flowgate(folder, &arguments).expect(0);
    ended.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Returns the number of the newest checkpoint once it has read `lines` lines.
fn wait_for(folder: &Folder, lines: u64) -> u64 {
    let started = Instant::now();
    loop {
        assert!(started.elapsed() < PATIENCE, "no checkpoint has {lines} lines");
        std::thread::sleep(Duration::from_millis(50));
        if !folder.join("store").exists() {
            continue;
        }
        let ended = flowgate(folder, &["checkpoint", "show", "store", "--json"]);
        let Ok(shown) = serde_json::from_str::<Value>(&ended.stdout) else { continue };
        // The number of the next line.
        if shown["sources"]["readings"][0]["position"]["line"].as_u64() == Some(lines + 1) {
            return shown["number"].as_u64().expect("a number");
        }
    }
}

/// Runs the job, with two checkpoints: of two sensors, and of a third one, one changed and one gone.
fn with_two_checkpoints() -> (Folder, u64, u64) {
    plugin("alert");
    let folder = Folder::with_job(JOB);
    folder.write("in.jsonl", reading(0, 1, 31) + &reading(1, 2, 32));
    let running = Flowgate::new(folder.path(), &["run", "job.yaml", "-p", "2"]).start();
    let first = wait_for(&folder, 2);
    // Sensor 2 is cold again: its timer and its state are gone.
    folder.appender("in.jsonl").append(&(reading(2, 2, 20) + &reading(3, 3, 31)));
    let second = wait_for(&folder, 4);
    running.signal(Signal::TERM);
    running.wait().expect(0);
    (folder, first, second)
}

#[test]
fn a_store_is_listed_shown_compared_and_read() {
    let (folder, first, second) = with_two_checkpoints();

    let list = json(&folder, &["checkpoint", "list", "store", "--json"]);
    let list = list.as_array().expect("a list");
    let numbers: Vec<u64> = list.iter().map(|record| record["number"].as_u64().expect("a number")).collect();
    assert!(numbers.is_sorted_by(|a, b| a > b), "{numbers:?}");
    let resumed: Vec<u64> =
        list.iter().filter(|record| record["resume"] == true).filter_map(|record| record["number"].as_u64()).collect();
    assert_eq!(resumed, [numbers[0]]);
    assert_eq!(
        (&list[0]["job"], &list[0]["what"], &list[0]["counts"]),
        (&"readings".into(), &"checkpoint".into(), &true.into())
    );
    let table = flowgate(&folder, &["checkpoint", "list", "store"]).expect(0).stdout;
    assert!(table.starts_with("number  time"), "{table}");
    assert_eq!(table.lines().filter(|line| line.ends_with("--resume takes it")).count(), 1, "{table}");

    let table = flowgate(&folder, &["checkpoint", "show", "store"]).expect(0).stdout;
    for line in [
        "alerts    timers  timers",
        "alerts    value   active",
        "counts    window  panes",
        "readings  in.jsonl  {",
        "out      {",
        "delta-",
    ] {
        assert!(table.contains(line), "{line}:\n{table}");
    }

    let diff = json(&folder, &["checkpoint", "diff", "store", &first.to_string(), &second.to_string(), "--json"]);
    let counts = |operator: &str, kind: &str| {
        let slots = diff["slots"].as_array().expect("slots");
        let slot = slots.iter().find(|slot| slot["operator"] == operator && slot["kind"] == kind).expect("the slot");
        ["added", "changed", "removed", "same"].map(|count| slot[count].as_u64().expect("a count"))
    };
    assert_eq!(counts("alerts", "timers"), [1, 0, 1, 1]);
    assert_eq!(counts("alerts", "value"), [1, 0, 1, 1]);
    assert_eq!(counts("counts", "window"), [1, 1, 0, 1]);
    let moved = diff["positions"].as_array().expect("positions");
    let is_line = |of: &&Value| of["value"].as_str().is_some_and(|value| value.ends_with("position.line"));
    let line = moved.iter().find(is_line).unwrap_or_else(|| panic!("the line: {moved:?}"));
    assert_eq!((&line["before"], &line["after"]), (&3.into(), &5.into()));
    let text = flowgate(&folder, &["checkpoint", "diff", "store", &first.to_string(), &second.to_string()]);
    assert!(text.expect(0).stdout.contains("counts    window  panes       1        1        0     1"));

    let keys = |rows: &[Value]| {
        let mut keys: Vec<i64> = rows.iter().filter_map(|row| row["key"]["sensor"].as_i64()).collect();
        keys.sort_unstable();
        keys
    };
    let timers = state(&folder, "alerts", &["--slot", "timers"]);
    assert_eq!(keys(&timers), [1, 3]);
    let of_first = state(&folder, "alerts", &["--slot", "timers", "--key", "1"]);
    assert_eq!(of_first.len(), 1);
    assert_eq!(of_first[0]["entry"]["clock"], "event time");
    assert_eq!(of_first[0]["entry"]["time"], "2026-03-01T00:00:10Z");
    assert_eq!(keys(&state(&folder, "alerts", &["--slot", "active", "--checkpoint", &first.to_string()])), [1, 2]);
    let panes = state(&folder, "counts", &[]);
    assert_eq!(keys(&panes), [1, 2, 3]);
    assert!(panes.iter().all(|row| row["value"]["n"].as_i64() >= Some(1)), "{panes:?}");
    assert!(panes.iter().all(|row| row["pane"] == "2026-03-01T00:00:00Z"), "{panes:?}");
    let table = flowgate(&folder, &["state", "read", "store", "counts"]).expect(0).stdout;
    assert!(table.starts_with("window/panes: 3 rows\npane"), "{table}");
    let csv = flowgate(&folder, &["state", "read", "store", "alerts", "--slot", "active", "--format", "csv"]).expect(0);
    assert!(csv.stdout.starts_with("sensor,value\n") && csv.stdout.lines().count() == 3, "{}", csv.stdout);
}

#[test]
fn a_flipped_bit_is_found_and_named() {
    let (folder, first, second) = with_two_checkpoints();
    let ended = flowgate(&folder, &["checkpoint", "verify", "store"]).expect(0);
    assert!(ended.stdout.contains(&format!("checkpoint {second}: ")), "{}", ended.stdout);

    let shown = json(&folder, &["checkpoint", "show", "store", &second.to_string(), "--json"]);
    let of_first = json(&folder, &["checkpoint", "show", "store", &first.to_string(), "--json"]);
    let file = shown["files"].as_array().and_then(|files| files.last()).and_then(|file| file["path"].as_str());
    let file = file.expect("a file").to_owned();
    assert!(!of_first["files"].to_string().contains(&file), "the file is not of the second checkpoint");
    let path = folder.join("store").join(&file);
    let mut bytes = fs::read(&path).expect("the file");
    bytes[100] ^= 4;
    fs::write(&path, bytes).expect("the file");

    let ended = flowgate(&folder, &["checkpoint", "verify", "store"]).expect(1);
    assert!(
        ended.stdout.contains(&format!("checkpoint {second}: DAMAGED\n  block 0 of {file} (at byte 16")),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.contains(&format!("checkpoint {first}: ")), "{}", ended.stdout);
    assert!(ended.stderr.starts_with("error[FG0804]: "), "{}", ended.stderr);
    flowgate(&folder, &["checkpoint", "verify", "store", &first.to_string()]).expect(0);
    let ended = flowgate(&folder, &["checkpoint", "verify", "store", &second.to_string()]).expect(1);
    assert!(ended.stderr.contains("the checkpoint is damaged"), "{}", ended.stderr);

    // A file that is missing makes a checkpoint incomplete: it is passed over, by a resume too.
    fs::remove_file(&path).expect("the file");
    let list = json(&folder, &["checkpoint", "list", "store", "--json"]);
    let of = |number: u64| {
        list.as_array().and_then(|list| list.iter().find(|record| record["number"] == number)).expect("it")
    };
    assert_eq!((&of(second)["damaged"], &of(second)["resume"]), (&true.into(), &false.into()));
    assert!(of(second)["note"].as_str().is_some_and(|note| note.contains(&file)), "{list}");
    assert_eq!(of(first)["resume"], true);
}

#[test]
fn wrong_names_are_answered_by_those_there_are() {
    let (folder, ..) = with_two_checkpoints();
    let newest = json(&folder, &["checkpoint", "show", "store", "--json"])["number"].to_string();
    for (arguments, message) in [
        (vec!["checkpoint", "list", "other"], "`other` is no checkpoint store: there is no such folder".to_string()),
        (vec!["checkpoint", "show", "store", "99"], format!("there is no checkpoint 99 in store; there are {newest}")),
        (vec!["state", "read", "store", "alert"], "has no operator `alert`; those with state: alerts, counts\n".into()),
        (
            vec!["state", "read", "store", "alerts", "--slot", "rules"],
            "alerts has no slot `rules`; its slots: timers/timers, value/active".into(),
        ),
        (vec!["state", "read", "store", "alerts", "--format", "csv"], "name one by --slot: timers/timers".into()),
    ] {
        let ended = flowgate(&folder, &arguments).expect(2);
        assert!(ended.stderr.contains(&message), "{arguments:?}: {}", ended.stderr);
    }
    assert!(!folder.join("other").exists());
    let ended = flowgate(&folder, &["state", "read", "store", "alerts", "--key", "x"]).expect(0);
    assert!(
        ended.stderr.contains("no rows of the key `x`") && ended.stderr.contains("a key is `sensor`"),
        "{}",
        ended.stderr
    );

    // After a fresh start, the old checkpoints are there and do not count.
    let last = wait_for(&folder, 4);
    let running = Flowgate::new(folder.path(), &["run", "job.yaml", "--fresh"]).start();
    let fresh = std::iter::repeat_with(|| wait_for(&folder, 4)).find(|number| *number > last).expect("it comes");
    running.signal(Signal::TERM);
    running.wait().expect(0);
    let list = json(&folder, &["checkpoint", "list", "store", "--json"]);
    let before = |record: &&Value| record["what"] == "checkpoint" && record["number"].as_u64() < Some(fresh - 1);
    for record in list.as_array().expect("a list").iter().filter(before) {
        assert_eq!(record["counts"], record["number"].as_u64().is_some_and(|number| number >= fresh - 1), "{record}");
    }
}

#[test]
fn the_store_of_a_running_job_is_read() {
    plugin("alert");
    let folder = Folder::with_job(&JOB.replace("200ms", "20ms").replace("keep: 3", "keep: 1"));
    folder.write("in.jsonl", "");
    let running = Flowgate::new(folder.path(), &["run", "job.yaml", "-p", "2"]).start();
    let mut input = folder.appender("in.jsonl");
    for sensor in 0..10 {
        input.append(&reading(sensor, sensor, 31));
    }
    wait_for(&folder, 10);
    for second in 10..40 {
        input.append(&reading(second, second, 31));
        for arguments in
            [&["checkpoint", "list", "store"][..], &["checkpoint", "verify", "store"], &["checkpoint", "show", "store"]]
        {
            flowgate(&folder, arguments).expect(0);
        }
        assert!(state(&folder, "counts", &[]).len() >= 10);
    }
    running.signal(Signal::TERM);
    running.wait().expect(0);
}

/// Windows of every kind and a join, over one input.
const EVERY_KIND: &str = "\
job: kinds
checkpoint: { every: 200ms, store: ./store, keep: 3 }
sources:
  readings:
    file: { path: in.jsonl, format: json, follow: true, columns: { at: timestamp, sensor: int64, celsius: int64? } }
    event_time: { column: at, max_out_of_orderness: 1s }
operators:
  visits:
    input: readings
    key: [sensor]
    window: { session: 30s }
    aggregate: { n: count(), total: sum(celsius), last: last(celsius), kinds: distinct(celsius) }
  five:
    input: readings
    key: [sensor]
    window: { tumbling: 5 rows }
    aggregate: { n: count(), mean: avg(celsius) }
  pairs: { inputs: [readings, readings], key: [sensor], join: inner, within: { before: 1m, after: 1m } }
sinks:
  a: { input: visits, blackhole: {} }
  b: { input: five, blackhole: {} }
  c: { input: pairs, blackhole: {} }
";

/// Goal: the state of windows and joins is printed in plain words, and is the same after a resume with another number of workers.
#[test]
fn state_of_every_kind_is_typed_and_outlives_a_resume() {
    let folder = Folder::with_job(EVERY_KIND);
    folder.write("in.jsonl", reading(1, 1, 20) + &reading(2, 1, 22) + &reading(50, 1, 9));
    let running = Flowgate::new(folder.path(), &["run", "job.yaml", "-p", "2"]).start();
    wait_for(&folder, 3);
    running.signal(Signal::TERM);
    running.wait().expect(0);

    let sorted = |operator: &str, more: &[&str]| {
        let mut rows = state(&folder, operator, more);
        rows.sort_by_key(|row| row["entry"]["entry"].as_i64());
        rows
    };
    let all = || [sorted("visits", &[]), sorted("five", &[]), sorted("pairs", &["--slot", "left"])];
    let [visits, five, left] = all();
    assert_eq!(visits.len(), 1, "the watermark has passed the first session: {visits:?}");
    let visit = &visits[0]["value"];
    assert_eq!(visit["mark.start"], "2026-03-01T00:00:50Z", "{visits:?}");
    assert_eq!(visit["mark.end"], "2026-03-01T00:01:20Z");
    assert_eq!(
        [&visit["n"], &visit["total.count"], &visit["total.sum"], &visit["last.value"]],
        [1, 1, 9, 9].map(Value::from).each_ref()
    );
    assert!(visit["kinds"].as_str().is_some_and(|set| set.starts_with("0x")), "{visits:?}");
    assert_eq!(five[0]["value"]["mean.count"], serde_json::json!([3]), "{five:?}");
    assert_eq!(five[0]["value"]["mean.sum"], serde_json::json!([51]));
    assert_eq!(left.len(), 3);
    let cells = |column: &str| left.iter().map(|row| row["value"][column].clone()).collect::<Vec<_>>();
    assert_eq!(cells("row.celsius"), [20, 22, 9]);
    assert_eq!(cells("mark.event_time")[2], "2026-03-01T00:00:50Z");

    let running = Flowgate::new(folder.path(), &["run", "job.yaml", "--resume", "-p", "1"]).start();
    folder.appender("in.jsonl").append(&reading(51, 2, 1));
    wait_for(&folder, 4);
    running.signal(Signal::TERM);
    running.wait().expect(0);
    let of_one = |rows: &[Value]| rows.iter().filter(|row| row["key"]["sensor"] == 1).cloned().collect::<Vec<_>>();
    assert_eq!(all().map(|rows| of_one(&rows)), [visits, five, left]);
    let csv = flowgate(&folder, &["state", "read", "store", "five", "--format", "csv"]).expect(0).stdout;
    assert!(csv.contains("1,[3],[3],[51],"), "{csv}");
}

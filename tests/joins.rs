//! Joins from files to rows: the same results on one worker, two and four, against nested loops in the test.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use harness::{Flowgate, Folder, Signal, repository};
use serde_json::Value;

const PARALLELISM: [&str; 3] = ["1", "2", "4"];
const PATIENCE: Duration = Duration::from_secs(30);
const JOINS: [&str; 6] = ["inner", "left", "right", "full", "semi", "anti"];

/// A row of a file: its time (seconds), the key, and a number that identifies the row.
#[derive(Clone, Copy)]
struct Row {
    at: u64,
    key: Option<u64>,
    id: u64,
}

/// Pseudo-random numbers, the same ones in each run.
fn numbers(seed: u64) -> impl Iterator<Item = u64> {
    let step = |n: &u64| Some(n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
    std::iter::successors(Some(seed), step).skip(1).map(|n| n >> 33)
}

/// Rows out of order up to the bound of the jobs here; some have no key.
fn rows(seed: u64, count: u64) -> Vec<Row> {
    let row = |(i, n): (usize, u64)| Row {
        at: 10 + i as u64 / 4 - n % 6,
        key: (n % 31 != 0).then_some(n / 31 % 40),
        id: seed * 100_000 + i as u64,
    };
    numbers(seed).take(count as usize).enumerate().map(row).collect()
}

fn lines(rows: &[Row]) -> String {
    rows.iter().fold(String::new(), |mut text, row| {
        let key = row.key.map_or("null".to_string(), |key| key.to_string());
        let (minute, second) = (row.at / 60, row.at % 60);
        writeln!(text, "{{\"at\":\"2026-01-01T00:{minute:02}:{second:02}Z\",\"key\":{key},\"id\":{}}}", row.id)
            .unwrap();
        text
    })
}

/// A job that joins two files; `${JOIN}` and `${BOUND}` say how.
const JOB: &str = "\
job: joins
sources:
  left:
    file: { path: \"left-*.jsonl\", format: json, columns: { at: timestamp, key: int64?, id: int64 }, batch_rows: 50 }
    event_time: { column: at, max_out_of_orderness: 6s }
  right:
    file: { path: right.jsonl, format: json, columns: { at: timestamp, key: int64?, id: int64 }, batch_rows: 70 }
    event_time: { column: at, max_out_of_orderness: 6s }
operators:
  joined: { inputs: [left, right], key: [key], join: \"${JOIN}\", BOUND }
sinks:
  out: { input: joined, print: {} }
  late: { input: joined.late, file: { path: late.jsonl } }
  late_right: { input: joined.late_right, file: { path: late_right.jsonl } }
";

fn folder(bound: &str, left: &[Row], right: &[Row]) -> Folder {
    let folder = Folder::with_job(&JOB.replace("BOUND", bound));
    let half = left.len() / 2;
    folder.write("left-1.jsonl", lines(&left[..half]));
    folder.write("left-2.jsonl", lines(&left[half..]));
    folder.write("right.jsonl", lines(right));
    folder
}

/// Returns the ids of the rows of each result row, sorted.
fn run(folder: &Folder, join: &str, parallelism: &str) -> Vec<(Option<u64>, Option<u64>)> {
    let ended = Flowgate::new(folder.path(), &["run", "job.yaml", "-p", parallelism]).env("JOIN", join).run().expect(0);
    let ids = |line: &str| {
        let row: Value = serde_json::from_str(line).expect("a JSON line");
        (row["id"].as_u64(), row["right_id"].as_u64())
    };
    let mut ids: Vec<_> = ended.stdout.lines().map(ids).collect();
    ids.sort_unstable();
    ids
}

/// Joins by nested loops; `matches` is called for rows of equal key.
fn nested_loops(
    join: &str,
    left: &[Row],
    right: &[Row],
    matches: impl Fn(&Row, &Row) -> bool,
) -> Vec<(Option<u64>, Option<u64>)> {
    let is_pair = |l: &Row, r: &Row| l.key.is_some() && l.key == r.key && matches(l, r);
    let mut out = Vec::new();
    for l in left {
        let pairs: Vec<&Row> = right.iter().filter(|r| is_pair(l, r)).collect();
        match (join, pairs.is_empty()) {
            ("left" | "full" | "anti", true) | ("semi", false) => out.push((Some(l.id), None)),
            ("semi" | "anti", _) => {}
            _ => out.extend(pairs.iter().map(|r| (Some(l.id), Some(r.id)))),
        }
    }
    if matches!(join, "right" | "full") {
        let alone = right.iter().filter(|r| !left.iter().any(|l| is_pair(l, r)));
        out.extend(alone.map(|r| (None, Some(r.id))));
    }
    out.sort_unstable();
    out
}

#[track_caller]
fn every_join(bound: &str, joins: &[&str], matches: impl Fn(&Row, &Row) -> bool) {
    let (left, right) = (rows(1, 1_600), rows(2, 1_600));
    let folder = folder(bound, &left, &right);
    for join in joins {
        let want = nested_loops(join, &left, &right, &matches);
        assert!(!want.is_empty());
        for parallelism in PARALLELISM {
            let got = run(&folder, join, parallelism);
            assert!(got == want, "{join} {bound} at parallelism {parallelism}: {} rows, not {}", got.len(), want.len());
            for late in ["late.jsonl", "late_right.jsonl"] {
                assert_eq!(folder.read(late), "", "{join} at parallelism {parallelism}");
            }
        }
    }
}

#[test]
fn window_joins_emit_what_nested_loops_do() {
    every_join("window: { tumbling: 10s }", &JOINS, |l, r| l.at / 10 == r.at / 10);
}

#[test]
fn interval_joins_emit_what_nested_loops_do() {
    every_join("within: { before: 3s, after: 7s }", &JOINS, |l, r| l.at <= r.at + 3 && r.at <= l.at + 7);
}

#[test]
fn joins_of_all_rows_emit_what_nested_loops_do() {
    every_join("ttl: 365d", &["inner", "semi"], |_, _| true);
}

/// A plugin's join function makes rows from pairs, and from left rows without one; pairs that it fails go to `errors`.
#[test]
fn a_join_function_makes_the_rows_of_the_pairs() {
    let (left, right) = (rows(1, 1_600), rows(2, 1_600));
    let function = "window: { tumbling: 10s }, plugin: bench, function: difference, on_error: skip";
    let folder = folder(function, &left, &right);
    let component = folder.join("bench.wasm");
    let source = repository().join("tests/bench/plugin");
    let arguments = ["plugin", "build", source.to_str().unwrap(), "-o", component.to_str().unwrap()];
    Flowgate::new(folder.path(), &arguments).deadline(Duration::from_secs(300)).run().expect(0);
    let job = "plugins: { bench: bench.wasm }\n".to_string()
        + &folder.read("job.yaml")
        + "  errors: { input: joined.errors, file: { path: errors.jsonl } }\n";
    folder.write("job.yaml", job);
    let pairs = nested_loops("left", &left, &right, |l, r| l.at / 10 == r.at / 10);
    let (failed, made): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(left, _)| left.unwrap() % 7 == 0);
    let want: Vec<_> = made.into_iter().map(|(l, r)| (l, r, r.map(|r| r as i64 - l.unwrap() as i64))).collect();
    assert!(!failed.is_empty() && want.iter().any(|(_, right, _)| right.is_none()));
    for parallelism in PARALLELISM {
        let ended = Flowgate::new(folder.path(), &["run", "job.yaml", "-p", parallelism]).env("JOIN", "left").run();
        let ended = ended.expect(0);
        let made = |line: &str| {
            let row: Value = serde_json::from_str(line).expect("a JSON line");
            (row["id"].as_u64(), row["right_id"].as_u64(), row["difference"].as_i64())
        };
        let mut got: Vec<_> = ended.stdout.lines().map(made).collect();
        got.sort_unstable();
        assert!(got == want, "parallelism {parallelism}: {} rows, not {}", got.len(), want.len());
        let errors = folder.read("errors.jsonl");
        assert_eq!(errors.lines().count(), failed.len(), "parallelism {parallelism}");
        assert!(errors.lines().all(|line| line.contains("divisible by seven")), "{errors}");
    }
}

/// A union of two files; the summary has the number of its rows.
#[test]
fn a_union_emits_the_rows_of_all_inputs() {
    let (left, right) = (rows(1, 700), rows(2, 300));
    let folder = folder("ttl: 1d", &left, &right);
    let (before, _) = JOB.split_once("operators:").unwrap();
    let rest = "operators:\n  both: { union: [left, right] }\nsinks:\n  out: { input: both, print: {} }\n";
    folder.write("job.yaml", format!("{before}{rest}"));
    let mut want: Vec<u64> = left.iter().chain(&right).map(|row| row.id).collect();
    want.sort_unstable();
    for parallelism in PARALLELISM {
        let ended = Flowgate::new(folder.path(), &["run", "job.yaml", "-p", parallelism]).run().expect(0);
        let id = |line: &str| serde_json::from_str::<Value>(line).expect("a JSON line")["id"].as_u64().unwrap();
        let mut got: Vec<u64> = ended.stdout.lines().map(id).collect();
        got.sort_unstable();
        assert!(got == want, "parallelism {parallelism}");
        ended.saying("1,000 in, 1,000 out");
    }
}

/// Two files, one of which is far behind the other: nothing is late, as event time is that of the one behind.
#[test]
fn inputs_need_not_be_in_step() {
    let left = rows(1, 1_600);
    let right: Vec<Row> = rows(2, 40).into_iter().map(|row| Row { at: 400 + row.at % 4, ..row }).collect();
    let folder = folder("within: { after: 10s }", &left, &right);
    let want = nested_loops("full", &left, &right, |l, r| l.at <= r.at && r.at <= l.at + 10);
    for parallelism in PARALLELISM {
        assert_eq!(run(&folder, "full", parallelism), want, "parallelism {parallelism}");
    }
}

/// An input without further rows delays the other one's rows, until it counts as idle: then rows without a pair are emitted.
#[test]
fn an_idle_input_does_not_hold_the_other() {
    let row = |at: u64, key: u64, id: u64| Row { at, key: Some(key), id };
    let folder = folder("within: { after: 5s }", &[], &[row(10, 1, 100)]);
    folder.write("left-1.jsonl", lines(&[row(10, 1, 1), row(11, 2, 2), row(90, 3, 3)]));
    std::fs::remove_file(folder.join("left-2.jsonl")).unwrap();
    let job = folder.read("job.yaml").replace("left-*", "left-1").replace("batch_rows", "follow: true, batch_rows");
    folder.write("job.yaml", job.replace("6s }", "6s, idle_after: \"${IDLE}\" }"));
    let start = |idle: &str| {
        let command = Flowgate::new(folder.path(), &["run", "job.yaml", "-p", "2"]);
        command.env("JOIN", "left").env("IDLE", idle).start()
    };
    let mut running = start("300ms");
    let lines = running.lines();
    let ids = |lines: &[String]| -> Vec<(Option<u64>, Option<u64>)> {
        let rows = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
        rows.map(|row| (row["id"].as_u64(), row["right_id"].as_u64())).collect()
    };
    let got = ids(&[lines.next(PATIENCE).1, lines.next(PATIENCE).1]);
    assert_eq!(got, [(Some(1), Some(100)), (Some(2), None)], "the third row may still have a pair");
    running.signal(Signal::INT);
    running.wait().expect(0);
    let mut running = start("1h");
    let lines = running.lines();
    assert_eq!(ids(&[lines.next(PATIENCE).1]), [(Some(1), Some(100))]);
    std::thread::sleep(Duration::from_millis(700));
    running.signal(Signal::INT);
    running.wait().expect(0);
    assert_eq!(lines.rest(), [""; 0], "held by the input that does not advance");
}

/// A key that every row has: its product is many times what may be in flight, is emitted whole, and does not fill memory.
#[test]
fn the_product_of_a_hot_key_comes_out() {
    let hot =
        |seed: u64| -> Vec<Row> { (0..2_000).map(|i| Row { at: 10, key: Some(1), id: seed * 10_000 + i }).collect() };
    let folder = folder("window: { tumbling: 10s }", &hot(1), &hot(2));
    let sum = "  sum: { input: joined, window: { tumbling: 1d }, aggregate: { n: count(), ids: sum(id) } }\nsinks:\n";
    let job = folder.read("job.yaml").replace("out: { input: joined,", "out: { input: sum,");
    folder.write("job.yaml", job.replace("sinks:\n", sum));
    let ended = Flowgate::new(folder.path(), &["run", "job.yaml", "-p", "2"]).env("JOIN", "inner").run().expect(0);
    let row: Value = serde_json::from_str(ended.stdout.trim()).expect("one row");
    let ids: u64 = (0..2_000u64).map(|i| 10_000 + i).sum();
    assert_eq!((row["n"].as_u64(), row["ids"].as_u64()), (Some(4_000_000), Some(ids * 2_000)));
}

/// Late rows of each side are in the side output of their side.
#[test]
fn late_rows_are_kept_apart() {
    let row = |at: u64, id: u64| Row { at, key: Some(1), id };
    // The left watermark passes 30 before the last row; right rows go with it.
    let left = [row(10, 1), row(10, 2), row(50, 3), row(51, 4), row(11, 5), row(52, 6)];
    let right = [row(12, 11), row(52, 12), row(53, 13), row(12, 14), row(54, 15)];
    let folder = folder("window: { tumbling: 10s }", &left, &right);
    let job =
        folder.read("job.yaml").replace("batch_rows: 50", "batch_rows: 1").replace("batch_rows: 70", "batch_rows: 1");
    folder.write("job.yaml", job.replace("6s }", "0s }"));
    folder.write("left-1.jsonl", lines(&left));
    folder.write("left-2.jsonl", "");
    let ids = run(&folder, "full", "1");
    let late = |name: &str| -> Vec<u64> {
        folder
            .read(name)
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_u64().unwrap())
            .collect()
    };
    let mut all: Vec<u64> = ids.iter().flat_map(|(l, r)| [*l, *r]).flatten().collect();
    all.extend(late("late.jsonl"));
    all.extend(late("late_right.jsonl"));
    all.sort_unstable();
    all.dedup();
    // Which rows are late depends on the progress of the other file; none is lost.
    assert_eq!(all, [1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15]);
    assert!(late("late.jsonl").iter().all(|id| *id == 5) && late("late_right.jsonl").iter().all(|id| *id == 14));
}

const LOOKUP: &str = "\
job: lookup
sources:
  rows: { file: { path: in.jsonl, format: json, columns: { user: text?, n: int64 }, follow: FOLLOW } }
operators:
  known:
    input: rows
    key: [user]
    join: \"${JOIN}\"
    lookup: { path: users.csv, format: csv, columns: { user: text, city: text, n: int64 } }
sinks:
  out: { input: known, print: {} }
";

/// Every join with a table: keys that occur twice in the table, rows without a key, rows that the table does not have.
#[test]
fn rows_are_joined_with_a_table() {
    let folder = Folder::with_job(&LOOKUP.replace("FOLLOW", "false"));
    folder.write("users.csv", "user,city,n\nada,London,1\nbob,Paris,2\nada,Rome,3\n");
    folder.write(
        "in.jsonl",
        "{\"user\":\"ada\",\"n\":10}\n{\"user\":null,\"n\":11}\n{\"user\":\"cem\",\"n\":12}\n{\"user\":\"bob\",\"n\":13}\n",
    );
    let pairs = ["10 1 London", "10 3 Rome", "13 2 Paris"];
    let alone = ["11 null null", "12 null null"];
    for (join, want) in [
        ("inner", pairs.to_vec()),
        ("left", [&pairs[..], &alone[..]].concat()),
        ("semi", vec!["10 null null", "13 null null"]),
        ("anti", alone.to_vec()),
    ] {
        for parallelism in PARALLELISM {
            let command = Flowgate::new(folder.path(), &["run", "job.yaml", "-p", parallelism]);
            let ended = command.env("JOIN", join).run().expect(0);
            let mut got: Vec<String> = ended
                .stdout
                .lines()
                .map(|line| {
                    let row: Value = serde_json::from_str(line).unwrap();
                    let city = row["city"].as_str().unwrap_or("null").to_string();
                    format!("{} {} {city}", row["n"], row["right_n"])
                })
                .collect();
            got.sort_unstable();
            let mut want = want.clone();
            want.sort_unstable();
            assert_eq!(got, want, "{join} at parallelism {parallelism}");
        }
    }
}

/// A missing table, or one with a line that is not a row, is an error at the start, which names file and line.
#[test]
fn a_bad_table_is_an_error_at_the_start() {
    let folder = Folder::with_job(&LOOKUP.replace("FOLLOW", "false"));
    folder.write("in.jsonl", "");
    let run = || Flowgate::new(folder.path(), &["run", "job.yaml"]).env("JOIN", "inner").run();
    let ended = run();
    assert_ne!(ended.code(), Some(0));
    ended.saying("`known`").saying("users.csv");
    folder.write("users.csv", "user,city,n\nada,London,1\nbob,Paris,two\n");
    let ended = run().expect(2);
    ended.saying("users.csv:3: ");
}

/// While the job runs, the table's file is written again: later rows see the new table. A file that is not a table leaves it
/// unchanged.
#[test]
fn a_table_is_read_again_when_its_file_changes() {
    let folder = Folder::with_job(&LOOKUP.replace("FOLLOW", "true"));
    folder.write("users.csv", "user,city,n\nada,London,1\n");
    folder.write("in.jsonl", "{\"user\":\"ada\",\"n\":0}\n");
    let mut running = Flowgate::new(folder.path(), &["run", "job.yaml", "-p", "2"]).env("JOIN", "left").start();
    let lines = running.lines();
    let mut input = folder.appender("in.jsonl");
    let mut asked = 0u64;
    let mut city = |expected: &str| {
        // Sends rows until one sees the new table.
        let deadline = Instant::now() + PATIENCE;
        let mut seen = String::new();
        while Instant::now() < deadline {
            let row: Value = serde_json::from_str(&lines.next(PATIENCE).1).unwrap();
            seen = row["city"].as_str().unwrap_or("none").to_string();
            asked += 1;
            input.append(&format!("{{\"user\":\"ada\",\"n\":{asked}}}\n"));
            if seen == expected {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("`{expected}` was not seen, but `{seen}`");
    };
    city("London");
    folder.write("users.csv", "user,city,n\nada,Rome,1\n");
    city("Rome");
    // A rename, as editors do it.
    folder.write("users.new", "user,city,n\nada,Oslo,1\n");
    std::fs::rename(folder.path().join("users.new"), folder.path().join("users.csv")).unwrap();
    city("Oslo");
    folder.write("users.csv", "user,city,n\nada,Bern,many\n");
    std::thread::sleep(Duration::from_millis(500));
    city("Oslo");
    folder.write("users.csv", "user,city,n\n");
    city("none");
    running.signal(Signal::INT);
    running.wait().saying("the table stays as it was");
}

/// Keys of several columns, and of other names on both sides.
#[test]
fn keys_of_several_columns_and_names() {
    let folder = Folder::with_job(
        "\
job: keys
sources:
  bids: { file: { path: bids.jsonl, format: json, columns: { seller: text, day: int64?, price: int64 } } }
  people: { file: { path: people.jsonl, format: json, columns: { id: text, day: int64?, city: text } } }
operators:
  joined: { inputs: [bids, people], key: [{ left: seller, right: id }, day], join: inner }
sinks: { out: { input: joined, print: {} } }
",
    );
    folder.write("bids.jsonl", "{\"seller\":\"a\",\"day\":1,\"price\":5}\n{\"seller\":\"a\",\"day\":null,\"price\":6}\n{\"seller\":\"b\",\"day\":1,\"price\":7}\n");
    folder.write("people.jsonl", "{\"id\":\"a\",\"day\":1,\"city\":\"x\"}\n{\"id\":\"a\",\"day\":null,\"city\":\"y\"}\n{\"id\":\"b\",\"day\":2,\"city\":\"z\"}\n");
    for parallelism in PARALLELISM {
        let ended = Flowgate::new(folder.path(), &["run", "job.yaml", "-p", parallelism]).run().expect(0);
        let row: BTreeMap<String, Value> = serde_json::from_str(ended.stdout.trim()).expect("one row");
        let row: Vec<String> = row.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(row, ["city=\"x\"", "day=1", "id=\"a\"", "price=5", "seller=\"a\""]);
    }
}

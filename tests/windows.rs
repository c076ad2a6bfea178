//! Windows over real plugins, from files to rows: the same results on one worker, two and four.

use std::collections::BTreeMap;
use std::fmt::Write;

use harness::{Flowgate, Folder, plugin};
use serde_json::Value;

const PARALLELISM: [&str; 3] = ["1", "2", "4"];

/// Runs the folder's job; returns the rows that it prints.
#[track_caller]
fn rows(folder: &Folder, parallelism: &str) -> Vec<Value> {
    let ended = Flowgate::new(folder.path(), &["run", "job.yaml", "-p", parallelism]).run().expect(0);
    json(&ended.stdout)
}

fn json(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

/// Pseudo-random numbers, the same ones in each run.
fn numbers(seed: u64) -> impl Iterator<Item = u64> {
    let step = |n: &u64| Some(n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
    std::iter::successors(Some(seed), step).skip(1).map(|n| n >> 33)
}

/// Words of several files, counted by a plugin and a window, against a count in the test.
#[test]
fn words_are_counted_exactly() {
    plugin("text");
    let folder = Folder::with_job(
        "\
job: words
sources: { lines: { file: { path: \"in-*.txt\" } } }
operators:
  words: { input: lines, plugin: text, function: split_words }
  counts: { input: words, key: [word], window: { tumbling: 36500d, time: processing }, aggregate: { n: count() } }
sinks: { out: { input: counts, print: {} } }
",
    );
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for file in 0..4 {
        let mut text = String::new();
        let mut numbers = numbers(file);
        for _ in 0..20_000 {
            for n in numbers.by_ref().take(6) {
                let word = format!("Wörd{}", n % (1 + n % 3_000));
                text += &word;
                text += [" ", ", ", " -- "][n as usize % 3];
                *expected.entry(word.to_lowercase()).or_default() += 1;
            }
            text.push('\n');
        }
        folder.write(&format!("in-{file}.txt"), text);
    }
    for parallelism in PARALLELISM {
        let rows = rows(&folder, parallelism);
        let counts: BTreeMap<String, u64> =
            rows.iter().map(|row| (row["word"].as_str().unwrap().into(), row["n"].as_u64().unwrap())).collect();
        assert_eq!(rows.len(), counts.len(), "a word has several rows at parallelism {parallelism}");
        assert!(counts == expected, "parallelism {parallelism}");
    }
}

/// The start of the log that the tests write.
const START: u64 = 1_790_000_000;

/// Returns a line in the combined log format, at this second.
fn log_line(second: u64, path: &str, status: u64, size: u64) -> String {
    let (day, second) = (second / 86_400, second % 86_400);
    // Day 20,717 after 1970-01-01 is the 21st of September 2026.
    let time = format!("{:02}/Sep/2026:{:02}:{:02}:{:02}", day - 20_696, second / 3_600, second / 60 % 60, second % 60);
    format!("10.0.0.1 - - [{time} +0000] \"GET {path} HTTP/1.1\" {status} {size} \"-\" \"test\"\n")
}

/// Event time from a column that a plugin made: requests and bytes by page and ten seconds, against sums in the test. The log is
/// out of order up to the job's bound, so nothing is late.
#[test]
fn event_time_of_what_an_operator_makes() {
    plugin("weblog");
    let folder = Folder::with_job(
        "\
job: pages
sources: { lines: { file: { path: access.log, batch_rows: 100 } } }
operators:
  requests: { input: lines, plugin: weblog, function: parse, event_time: { column: time, max_out_of_orderness: 8s } }
  pages:
    input: requests
    key: [path]
    window: { tumbling: 10s }
    aggregate: { n: count(), bytes: sum(size), least: min(size), most: max(size) }
sinks:
  out: { input: pages, print: {} }
  late: { input: pages.late, file: { path: late.jsonl } }
",
    );
    let mut expected: BTreeMap<(u64, String), (u64, u64, u64, u64)> = BTreeMap::new();
    let mut log = String::new();
    for (i, n) in numbers(77).take(9_000).enumerate() {
        let second = START + 8 + i as u64 / 60 - n % 9;
        let (path, size) = (format!("/page/{}", n % 13), n / 13 % 10_000);
        log += &log_line(second, &path, 200, size);
        let sums = expected.entry((second / 10 * 10, path)).or_insert((0, 0, u64::MAX, 0));
        *sums = (sums.0 + 1, sums.1 + size, sums.2.min(size), sums.3.max(size));
    }
    folder.write("access.log", log);
    for parallelism in PARALLELISM {
        let rows = rows(&folder, parallelism);
        let mut results = BTreeMap::new();
        for row in &rows {
            let number = |column: &str| row[column].as_u64().unwrap();
            let sums = (number("n"), number("bytes"), number("least"), number("most"));
            let start = unix_seconds(row["window_start"].as_str().unwrap());
            assert!(
                results.insert((start, row["path"].as_str().unwrap().to_string()), sums).is_none(),
                "emitted twice: {row}"
            );
        }
        assert_eq!(folder.read("late.jsonl").lines().count(), 0, "late rows at parallelism {parallelism}");
        let differs = results.iter().zip(&expected).find(|(result, expected)| result != expected);
        assert!(results == expected, "parallelism {parallelism}: {differs:?}");
    }
}

/// Returns the seconds since 1970 of a time in September 2026.
fn unix_seconds(time: &str) -> u64 {
    let number = |from: usize| time[from..from + 2].parse::<u64>().expect("a time");
    assert!(time.starts_with("2026-09-") && time.ends_with('Z'), "{time}");
    (20_696 + number(8)) * 86_400 + number(11) * 3_600 + number(14) * 60 + number(17)
}

/// Rows that a plugin fails: `skip` makes dead letters of them, with place and reason, and the others continue; `fail` ends the
/// job with the first.
#[test]
fn failed_rows_are_skipped_or_fail_the_job() {
    plugin("weblog");
    let folder = Folder::with_job(
        "\
job: errors
sources: { lines: { file: { path: access.log } } }
operators:
  requests:
    input: lines
    plugin: weblog
    function: parse
    on_error: ${ON_ERROR:-skip}
sinks:
  out: { input: requests, print: {} }
  bad: { input: requests.errors, file: { path: bad.jsonl } }
",
    );
    let mut log = String::new();
    for n in 0..1_000 {
        match n % 100 {
            42 => writeln!(log, "this is no request, {n}").unwrap(),
            _ => log += &log_line(START + n, "/", 200, n),
        }
    }
    folder.write("access.log", log);
    for parallelism in PARALLELISM {
        let sizes: Vec<u64> = rows(&folder, parallelism).iter().map(|row| row["size"].as_u64().unwrap()).collect();
        assert_eq!(sizes, (0..1_000).filter(|n| n % 100 != 42).collect::<Vec<_>>());
        let letters = json(&folder.read("bad.jsonl"));
        assert_eq!(letters.len(), 10);
        for (i, letter) in letters.iter().enumerate() {
            let n = i * 100 + 42;
            assert_eq!(letter["operator"], "requests");
            assert_eq!(letter["position"], format!("access.log:{}", n + 1));
            assert_eq!(letter["row"], format!("{{\"text\":\"this is no request, {n}\"}}"));
            assert!(letter["message"].as_str().unwrap().contains("time in brackets"), "{letter}");
        }
        let command = Flowgate::new(folder.path(), &["run", "job.yaml", "-p", parallelism]).env("ON_ERROR", "fail");
        let ended = command.run().expect(2).saying("`requests`: access.log:43: ");
        ended.saying("on_error: skip sends such rows to `requests.errors` instead");
    }
}

/// Returns lines of times in seconds, and a number that identifies the row.
fn timed(seconds: &[u64]) -> String {
    let row = |(n, second): (usize, &u64)| format!("{{\"t\":\"2026-01-01T00:00:{second:02}Z\",\"n\":{n}}}\n");
    seconds.iter().enumerate().map(row).collect()
}

/// A row behind the watermark is late: it is in the `late` output and in no window. Within the allowed lateness it is not: its
/// window emits a corrected result.
#[test]
fn late_rows_are_kept_apart_or_correct_a_result() {
    let folder = Folder::with_job(
        "\
job: late
sources:
  rows:
    file: { path: in.jsonl, format: json, columns: { t: timestamp, n: int64 }, batch_rows: 1 }
    event_time: { column: t }
operators:
  sums:
    input: rows
    window: { tumbling: 10s }
    aggregate: { n: count(), sum: sum(n) }
    allowed_lateness: ${LATENESS}
sinks:
  out: { input: sums, print: {} }
  late: { input: sums.late, file: { path: late.jsonl } }
",
    );
    // The third row closes the first window, the fifth the second one; with 10 s of lateness, the fifth also removes the first.
    folder.write("in.jsonl", timed(&[1, 2, 15, 3, 25, 4, 26, 27]));
    let run = |lateness: &str, parallelism: &str| {
        let command = Flowgate::new(folder.path(), &["run", "job.yaml", "-p", parallelism]).env("LATENESS", lateness);
        let ended = command.run().expect(0);
        let rows = json(&ended.stdout);
        let results = rows.iter().map(|row| {
            let start = row["window_start"].as_str().unwrap()[17..19].parse::<u64>().unwrap();
            (start, row["n"].as_u64().unwrap(), row["sum"].as_u64().unwrap())
        });
        let late = json(&folder.read("late.jsonl"));
        (
            results.collect::<Vec<_>>(),
            late.iter().map(|row| row["n"].as_u64().unwrap()).collect::<Vec<_>>(),
            ended.stderr,
        )
    };
    let (results, late, said) = run("0s", "1");
    assert_eq!(results, [(0, 2, 1), (10, 1, 2), (20, 3, 4 + 6 + 7)]);
    assert_eq!(late, [3, 5]);
    assert!(said.contains("2 late"), "{said}");
    let (results, late, _) = run("10s", "1");
    assert_eq!(results, [(0, 2, 1), (0, 3, 1 + 3), (10, 1, 2), (20, 3, 4 + 6 + 7)]);
    assert_eq!(late, [5]);
    // With more workers, which rows are late depends on the progress of each; every row is in a window or in `late`, once.
    for (parallelism, lateness) in [("2", "0s"), ("4", "0s"), ("2", "10s"), ("4", "10s")] {
        let (results, late, _) = run(lateness, parallelism);
        let last: BTreeMap<u64, u64> = results.iter().map(|(start, _, sum)| (*start, *sum)).collect();
        assert_eq!(last.values().sum::<u64>() + late.iter().sum::<u64>(), 28, "{results:?}, {late:?}");
    }
}

/// Files whose event times are far apart: each file has its own watermark, so nothing is late, in any order of reading.
#[test]
fn files_need_not_be_in_step() {
    let folder = Folder::with_job(
        "\
job: steps
sources:
  rows:
    file: { path: \"in-*.jsonl\", format: json, columns: { t: timestamp, n: int64 }, batch_rows: 3 }
    event_time: { column: t }
operators:
  sums: { input: rows, key: [n], window: { tumbling: 10s }, aggregate: { count: count() } }
sinks:
  out: { input: sums, print: {} }
  late: { input: sums.late, file: { path: late.jsonl } }
",
    );
    let mut expected: BTreeMap<(String, u64), u64> = BTreeMap::new();
    for (file, per_minute) in [1, 10, 100].into_iter().enumerate() {
        let mut rows = String::new();
        for i in 0..60 * per_minute {
            let (second, n) = (i / per_minute, i % 7);
            writeln!(rows, "{{\"t\":\"2026-01-01T00:00:{second:02}Z\",\"n\":{n}}}").unwrap();
            *expected.entry((format!("2026-01-01T00:00:{}0", second / 10), n)).or_default() += 1;
        }
        folder.write(&format!("in-{file}.jsonl"), rows);
    }
    for parallelism in PARALLELISM {
        let rows = rows(&folder, parallelism);
        let counts = rows.iter().map(|row| {
            let start = row["window_start"].as_str().unwrap()[..19].to_string();
            ((start, row["n"].as_u64().unwrap()), row["count"].as_u64().unwrap())
        });
        assert_eq!(folder.read("late.jsonl").lines().count(), 0, "late rows at parallelism {parallelism}");
        assert_eq!(counts.collect::<BTreeMap<_, _>>(), expected, "parallelism {parallelism}");
    }
}

/// A plugin's aggregate in sliding windows next to built-in ones: merged over panes and workers it returns the same, to the last
/// bit, and within its error.
#[test]
fn a_plugins_aggregate_does_not_depend_on_the_workers() {
    plugin("stats");
    let folder = Folder::with_job(
        "\
job: quantiles
sources:
  rows:
    generator:
      rows: 50000
      columns:
        t: { time: { start: \"2026-01-01T00:00:00Z\", step_us: 2000 } }
        key: { choice: [a, b, c, d, e] }
        value: { float: { min: 1.0, max: 1000.0 } }
    event_time: { column: t }
operators:
  stats:
    input: rows
    key: [key]
    window: { sliding: 30s, every: 10s }
    aggregate:
      n: count()
      most: max(value)
      median: { plugin: stats, function: quantile, columns: [value], config: { q: 0.5 } }
sinks: { out: { input: stats, print: {} } }
",
    );
    let sorted = |parallelism| {
        let mut rows: Vec<String> = rows(&folder, parallelism).iter().map(Value::to_string).collect();
        rows.sort();
        rows
    };
    let one = sorted("1");
    // 100 s of rows: windows that end at 10 s to 120 s, of five keys.
    assert_eq!(one.len(), 12 * 5);
    for parallelism in ["2", "4"] {
        assert!(one == sorted(parallelism), "parallelism {parallelism}");
    }
    let whole =
        one.iter().map(|row| serde_json::from_str::<Value>(row).unwrap()).filter(|row| row["n"].as_u64() > Some(2_500));
    for row in whole {
        // Some 3,000 uniform values in [1, 1000): the median is within 5 of its standard deviations, and 1 % of the sketch.
        let median = row["median"].as_f64().unwrap();
        assert!((450.0..550.0).contains(&median), "{row}");
        assert!(row["most"].as_f64().unwrap() > 990.0, "{row}");
    }
}

/// One file of equal times: the first and last row of a key are those of the file, and windows of two rows are of neighbours.
#[test]
fn rows_of_a_file_keep_their_order() {
    let folder = Folder::with_job(
        "\
job: order
sources:
  rows:
    file: { path: in.jsonl, format: json, columns: { t: timestamp, key: int64, n: int64 }, batch_rows: 16 }
    event_time: { column: t }
operators:
  ends: { input: rows, key: [key], window: { tumbling: 10s }, aggregate: { a: first(n), b: last(n) } }
  neighbours: { input: rows, key: [key], window: { tumbling: 2 rows }, aggregate: { a: min(n), b: max(n) } }
sinks:
  out: { input: \"${INPUT}\", print: {} }
",
    );
    let (mut text, mut by_key) = (String::new(), BTreeMap::<u64, Vec<u64>>::new());
    for (n, key) in numbers(5).take(4_000).map(|n| n % 3).enumerate() {
        writeln!(text, "{{\"t\":\"2026-01-01T00:00:00Z\",\"key\":{key},\"n\":{n}}}").unwrap();
        by_key.entry(key).or_default().push(n as u64);
    }
    folder.write("in.jsonl", text);
    let ends = by_key.iter().map(|(key, of_key)| (*key, of_key[0], of_key[of_key.len() - 1]));
    let neighbours = by_key.iter().flat_map(|(key, of_key)| of_key.chunks_exact(2).map(|two| (*key, two[0], two[1])));
    for (input, want) in [("ends", ends.collect::<Vec<_>>()), ("neighbours", neighbours.collect())] {
        for parallelism in PARALLELISM {
            let command = Flowgate::new(folder.path(), &["run", "job.yaml", "-p", parallelism]).env("INPUT", input);
            let rows = json(&command.run().expect(0).stdout);
            let number = |row: &Value, column: &str| row[column].as_u64().unwrap();
            let got = rows.iter().map(|row| (number(row, "key"), number(row, "a"), number(row, "b")));
            let mut got: Vec<_> = got.collect();
            got.sort_unstable();
            assert!(got == want, "{input} at parallelism {parallelism}");
        }
    }
}

/// Each window emits one final result for a key, and then corrected ones that replace it: on any number of workers, the last ones
/// have every row that was not late. Rows arrive far behind the watermark, one in a batch.
#[test]
fn results_are_final_once_and_then_corrected() {
    for window in ["tumbling: 50ms", "sliding: 60ms, every: 20ms", "session: 15ms"] {
        let folder = Folder::with_job(&format!(
            "job: corrected\nsources:\n  s:\n    file: {{ path: s.jsonl, format: json, columns: {{ t: timestamp, k: int64? }}, batch_rows: 1 }}\n    \
             event_time: {{ column: t }}\noperators:\n  \
             w: {{ input: s, key: [k], window: {{ {window} }}, allowed_lateness: 200ms, aggregate: {{ n: count() }} }}\nsinks:\n  \
             out: {{ input: w, print: {{ format: json }} }}\n  late: {{ input: w.late, file: {{ path: late.jsonl }} }}\n"
        ));
        let mut input = String::new();
        for (at, random) in numbers(7).take(600).enumerate() {
            // Mostly in order; every fourth row is up to 400 ms behind.
            let time = 2 * at as u64 + 400 - if random % 4 == 0 { random / 4 % 400 } else { 0 };
            let key = ["null", "0", "1"][random as usize / 1_600 % 3];
            writeln!(input, "{{\"t\":{time},\"k\":{key}}}").unwrap();
        }
        folder.write("s.jsonl", input);
        for parallelism in PARALLELISM {
            let mut table: Vec<(Value, String, String, u64)> = Vec::new();
            let mut corrected = 0;
            for row in rows(&folder, parallelism) {
                let text = |name: &str| row[name].as_str().unwrap().to_string();
                let new = (row["k"].clone(), text("window_start"), text("window_end"), row["n"].as_u64().unwrap());
                // A window of a fixed length is contained only in itself.
                let replaced = |old: &(Value, String, String, u64)| old.0 == new.0 && new.1 <= old.1 && old.2 <= new.2;
                let is_corrected = row["window_result"] == "corrected";
                assert_eq!(table.iter().any(replaced), is_corrected, "{window}, {parallelism} workers: {row}");
                corrected += usize::from(is_corrected);
                table.retain(|old| !replaced(old));
                table.push(new);
            }
            // With several workers, a row may reach its window before a watermark does that it is behind.
            if parallelism == "1" {
                assert!(corrected > 0, "{window}");
            }
            let late = folder.read("late.jsonl").lines().count();
            if !window.contains("sliding") {
                let counted: u64 = table.iter().map(|row| row.3).sum();
                assert_eq!(counted as usize + late, 600, "{window}, {parallelism} workers");
            }
        }
    }
}

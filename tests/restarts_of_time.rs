//! Jobs that are resumed when the clock of the machine has been set, or much later; and sources and sinks that do not keep pace.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::{Flowgate, Folder, Running, Signal, clock_library, plugin, wait_until};
use serde_json::Value;

/// Starts the job with the clock set by some seconds.
fn start(folder: &Folder, clock: i64, more: &[&str]) -> Running {
    let run = Flowgate::new(folder.path(), &[&["run", "job.yaml", "--no-control"], more].concat());
    run.env("LD_PRELOAD", clock_library(folder.path())).env("SET_CLOCK_BY", clock.to_string()).start()
}

fn stop(running: Running) {
    running.signal(Signal::INT);
    running.wait().expect(0);
}

fn rows(folder: &Folder, name: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder.join(name)).unwrap_or_default();
    // The last line may be incomplete.
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The ticks and times of the checkpoints that are there, oldest first.
fn checkpoints(folder: &Folder) -> Vec<(i64, i64)> {
    let entries = fs::read_dir(folder.join("store")).into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut manifests: Vec<PathBuf> =
        entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("manifest-")).collect();
    manifests.sort_unstable();
    let read = |path: &PathBuf| {
        let manifest: Value = serde_json::from_str(&fs::read_to_string(path).ok()?).ok()?;
        Some((manifest["record"]["checkpoint"]["tick"].as_i64()?, manifest["time_ms"].as_i64()?))
    };
    manifests.iter().filter_map(read).collect()
}

/// Windows, sessions and alerts of five seconds of processing time.
fn timed() -> Folder {
    let job = format!(
        "\
job: timed
plugins: {{ alert: {alert} }}
checkpoint: {{ every: 20ms, store: store, keep: 1000 }}
sources:
  a: {{ file: {{ path: in.csv, follow: true, format: csv, columns: {{ t: timestamp, k: int64, v: int64 }} }}, event_time: {{ column: t }} }}
operators:
  counts: {{ input: a, key: [k], window: {{ tumbling: 5s, time: processing }}, aggregate: {{ n: count() }} }}
  visits: {{ input: a, key: [k], window: {{ session: 5s, time: processing }}, aggregate: {{ n: count() }} }}
  alerts: {{ input: a, key: [k], plugin: alert, function: alert, config: {{ rules: [{{ name: high, column: v, above: 5, for: 5s }}] }} }}
sinks:
  counted: {{ input: counts, file: {{ path: counted.jsonl }} }}
  visited: {{ input: visits, file: {{ path: visited.jsonl }} }}
  alerted: {{ input: alerts, file: {{ path: alerted.jsonl }} }}
  all: {{ input: a, file: {{ path: all.jsonl }} }}
",
        alert = plugin("alert").display()
    );
    let folder = Folder::with_job(&job);
    folder.write("in.csv", "t,k,v\n2026-01-01T00:00:00Z,1,9\n2026-01-01T00:00:01Z,2,9\n");
    folder
}

/// Runs the job until its rows are in a checkpoint, and stops it before its window and its timers are due.
fn begin(folder: &Folder) {
    let begun = Instant::now();
    let running = start(folder, 0, &[]);
    wait_until("the rows are read", || rows(folder, "all.jsonl").len() == 2 && checkpoints(folder).len() >= 2);
    stop(running);
    assert!(begun.elapsed() < Duration::from_secs(4), "this machine is too slow for this test");
    assert!(rows(folder, "alerted.jsonl").is_empty());
}

/// The rows of all windows, by key; a window may have ended between the two rows.
fn counted(folder: &Folder, name: &str) -> Vec<(i64, i64)> {
    let mut of: Vec<(i64, i64)> =
        rows(folder, name).iter().map(|row| (row["k"].as_i64().unwrap(), row["n"].as_i64().unwrap())).collect();
    of.sort_unstable();
    of
}

/// Whether windows and sessions of `keys` keys have come, and `alerts` alerts.
fn has_results(folder: &Folder, keys: usize, alerts: usize) -> bool {
    let counted = |name: &str| counted(folder, name).len();
    counted("counted.jsonl") == keys && counted("visited.jsonl") == keys && alerted(folder).len() == alerts
}

fn alerted(folder: &Folder) -> Vec<i64> {
    let mut keys: Vec<i64> = rows(folder, "alerted.jsonl").iter().map(|row| row["k"].as_i64().unwrap()).collect();
    keys.sort_unstable();
    keys
}

/// Processing time goes on from where it was, at the pace of the clock: what was due in seconds is due in seconds.
#[test]
fn a_clock_that_was_set_back_an_hour() {
    let folder = timed();
    begin(&folder);
    let before = checkpoints(&folder);
    let begun = Instant::now();
    let running = start(&folder, -3600, &["--resume"]);
    wait_until("windows, sessions and alerts", || has_results(&folder, 2, 2));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    fs::OpenOptions::new()
        .append(true)
        .open(folder.join("in.csv"))
        .unwrap()
        .write_all(b"2026-01-01T00:00:02Z,3,1\n")
        .unwrap();
    wait_until("a further window and session", || has_results(&folder, 3, 2));
    stop(running);
    for name in ["counted.jsonl", "visited.jsonl"] {
        assert_eq!(counted(&folder, name), [(1, 1), (2, 1), (3, 1)], "{name}");
    }
    assert_eq!(alerted(&folder), [1, 2]);
    assert_eq!(rows(&folder, "all.jsonl").len(), 3);
    let after = checkpoints(&folder);
    let (_, last) = after[after.len() - 1];
    assert!(last < before[0].1 - 3_000_000, "the clock was set: {last}");
    assert!(after.is_sorted_by(|one, next| one.0 <= next.0), "ticks went back: {after:?}");
}

/// What was due in a downtime happens at once, and once.
#[test]
fn a_downtime_of_an_hour() {
    let folder = timed();
    begin(&folder);
    let running = start(&folder, 3600, &["--resume"]);
    wait_until("windows, sessions and alerts", || has_results(&folder, 2, 2));
    stop(running);
    let running = start(&folder, 7200, &["--resume"]);
    running.wait_until_it_handles(Signal::INT);
    sleep(Duration::from_millis(500));
    stop(running);
    for name in ["counted.jsonl", "visited.jsonl"] {
        assert_eq!(counted(&folder, name), [(1, 1), (2, 1)], "{name}");
    }
    assert_eq!(alerted(&folder), [1, 2]);
}

/// The rows of a join are forgotten when their time-to-live has passed, in a downtime too.
#[test]
fn a_downtime_counts_for_a_time_to_live() {
    let job = "\
job: kept
checkpoint: { every: 20ms, store: store }
sources:
  left: { file: { path: left.csv, follow: true, format: csv, columns: { k: int64, l: int64 } } }
  right: { file: { path: right.csv, follow: true, format: csv, columns: { k: int64, r: int64 } } }
operators:
  pairs: { inputs: [left, right], key: [k], join: inner, ttl: 10m }
sinks:
  out: { input: pairs, file: { path: out.jsonl } }
";
    let folder = Folder::with_job(job);
    folder.write("left.csv", "k,l\n1,1\n");
    folder.write("right.csv", "k,r\n1,1\n");
    let append = |name: &str, row: &str| {
        fs::OpenOptions::new().append(true).open(folder.join(name)).unwrap().write_all(row.as_bytes()).unwrap();
    };
    let running = start(&folder, 0, &[]);
    wait_until("a pair", || rows(&folder, "out.jsonl").len() == 1);
    stop(running);
    let running = start(&folder, 300, &["--resume"]);
    append("right.csv", "1,2\n");
    wait_until("five minutes later, a pair", || rows(&folder, "out.jsonl").len() == 2);
    stop(running);
    let running = start(&folder, 3600, &["--resume"]);
    append("right.csv", "1,3\n");
    append("left.csv", "1,4\n");
    wait_until("an hour later, a pair of new rows", || rows(&folder, "out.jsonl").len() == 3);
    stop(running);
    let last = rows(&folder, "out.jsonl").pop().unwrap();
    assert_eq!((last["l"].as_i64(), last["r"].as_i64()), (Some(4), Some(3)));
}

/// A file that was read to its end, beside one that is followed.
#[test]
fn an_ended_source_beside_an_endless_one() {
    let folder = Folder::with_job(
        "\
job: two
checkpoint: { every: 20ms, store: store }
in_flight: { ticks: 8 }
sources:
  whole: { file: { path: whole.txt } }
  endless: { file: { path: endless.txt, follow: true } }
operators:
  counts: { input: whole, key: [text], window: { global: {} }, aggregate: { n: count() } }
sinks:
  first: { input: counts, file: { path: first/ } }
  second: { input: endless, file: { path: second.jsonl } }
",
    );
    folder.write("whole.txt", "a\nb\na\n");
    folder.write("endless.txt", "");
    let mut written = 0;
    for more in [&[][..], &["--resume"], &["--resume"]] {
        let running = start(&folder, 0, more);
        for _ in 0..30 {
            written += 1;
            let mut file = fs::OpenOptions::new().append(true).open(folder.join("endless.txt")).unwrap();
            writeln!(file, "{written}").unwrap();
            wait_until("a row", || rows(&folder, "second.jsonl").len() == written);
        }
        stop(running);
    }
    let numbers: Vec<String> =
        rows(&folder, "second.jsonl").iter().map(|row| row["text"].as_str().unwrap().to_string()).collect();
    assert_eq!(numbers, (1..=90).map(|n| n.to_string()).collect::<Vec<_>>());
    let parts = fs::read_dir(folder.join("first")).unwrap().map(|entry| entry.unwrap().path());
    let visible = parts.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("part-"));
    let mut counts: Vec<String> = visible
        .flat_map(|path| fs::read_to_string(path).unwrap().lines().map(str::to_string).collect::<Vec<_>>())
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, [r#"{"text":"a","n":2}"#, r#"{"text":"b","n":1}"#]);
}

/// A webhook that answers late delays checkpoints: the job goes on, and everything is committed in the end.
#[test]
fn a_sink_that_is_asleep() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let mut bodies = String::new();
        for client in listener.incoming() {
            let mut client = BufReader::new(client.unwrap());
            loop {
                let (mut length, mut line) = (0, String::new());
                while client.read_line(&mut line).is_ok_and(|read| read > 2) {
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    line.clear();
                }
                if length == 0 {
                    break;
                }
                let mut body = vec![0; length];
                client.read_exact(&mut body).unwrap();
                bodies += &String::from_utf8(body).unwrap();
                sleep(Duration::from_secs(2));
                client.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
                if bodies.contains("\"last\"") {
                    return bodies;
                }
            }
        }
        bodies
    });
    let folder = Folder::with_job(&format!(
        "\
job: asleep
checkpoint: {{ every: 20ms, store: store, timeout: 500ms }}
sources:
  a: {{ file: {{ path: in.txt, follow: true }} }}
sinks:
  hook: {{ input: a, webhook: {{ url: 'http://{address}/' }} }}
  all: {{ input: a, file: {{ path: all.jsonl }} }}
"
    ));
    folder.write("in.txt", "first\n");
    let running = start(&folder, 0, &[]);
    running.wait_until_said("it waits for `hook`");
    fs::OpenOptions::new().append(true).open(folder.join("in.txt")).unwrap().write_all(b"last\n").unwrap();
    wait_until("the other sink goes on", || rows(&folder, "all.jsonl").len() == 2);
    let bodies = server.join().unwrap();
    assert!(bodies.contains("\"first\"") && bodies.contains("\"last\""), "{bodies}");
    let before = checkpoints(&folder).last().copied();
    wait_until("a checkpoint behind it", || checkpoints(&folder).last().copied() > before);
    stop(running);
}

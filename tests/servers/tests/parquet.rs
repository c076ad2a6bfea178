//! The state of a job, read by a Parquet tool as the documentation says.

use std::fmt::Write;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use flowgate_servers::python;
use harness::{Flowgate, Folder, Signal, plugin, repository};

/// Timers that wait, and a count that changes with every checkpoint, so that files are merged soon.
const JOB: &str = "\
job: readings
checkpoint: { every: 10ms, store: ./store }
sources:
  readings:
    file: { path: in.jsonl, format: json, follow: true, columns: { at: timestamp, sensor: int64, celsius: float64 } }
    event_time: { column: at }
  beat: { generator: { rate: 1000, columns: { n: { sequence: {} } } } }
operators:
  alerts:
    input: readings
    key: [sensor]
    plugin: alert
    function: alert
    config: { time: at, rules: [{ name: hot, column: celsius, above: 30, for: 10m }] }
  beats: { input: beat, window: { global: {} }, aggregate: { n: count() } }
sinks:
  out: { input: alerts, blackhole: {} }
  counted: { input: beats, blackhole: {} }
";

const PATIENCE: Duration = Duration::from_secs(60);

/// Returns the first block of a language behind a heading of the documentation.
fn documented(language: &str) -> String {
    let page = fs::read_to_string(repository().join("docs/checkpoints.md")).expect("the page");
    let (_, section) = page.split_once("## Reading state with a Parquet tool").expect("the section");
    let (_, block) = section.split_once(&format!("```{language}\n")).expect("the block");
    block.split_once("```").expect("the end of the block").0.to_string()
}

#[test]
fn duckdb_reads_the_timers_of_a_process_function() {
    let Some(python) = python() else { return };
    plugin("alert");
    let folder = Folder::with_job(JOB);
    // Every third sensor is not hot.
    let mut readings = String::new();
    for sensor in 0..300 {
        let (minute, second) = (sensor / 60, sensor % 60);
        let at = format!("2026-03-01T00:{minute:02}:{second:02}Z");
        let celsius = 29 + sensor % 3;
        writeln!(readings, r#"{{"at":"{at}","sensor":{sensor},"celsius":{celsius}.5}}"#).expect("a string");
    }
    folder.write("in.jsonl", readings);
    let running = Flowgate::new(folder.path(), &["run", "job.yaml"]).start();
    let has_base = || {
        let mut files = fs::read_dir(folder.join("store")).into_iter().flatten().flatten();
        files.any(|file| {
            let is_manifest = file.file_name().to_string_lossy().starts_with("manifest-");
            is_manifest && fs::read_to_string(file.path()).is_ok_and(|text| text.contains("\"base-"))
        })
    };
    let started = Instant::now();
    while !has_base() {
        assert!(started.elapsed() < PATIENCE, "no checkpoint has a Parquet file");
        std::thread::sleep(Duration::from_millis(20));
    }
    running.signal(Signal::TERM);
    running.wait().expect(0);

    let ran = Command::new(python).args(["-c", &documented("python")]).current_dir(folder.path()).output();
    let ran = ran.expect("Python runs");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let printed = String::from_utf8(ran.stdout).expect("text");
    assert_eq!(printed.trim_end(), documented("text").trim_end(), "\n{printed}");
}

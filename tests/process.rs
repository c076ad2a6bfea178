//! Process functions over a real plugin, from files to rows: the same results on one worker, two and four.

use std::collections::BTreeMap;
use std::fmt::Write;

use harness::{Flowgate, Folder, plugin};
use serde_json::Value;

/// `for` counts in event time: a timer raises an alert without a further row.
const JOB: &str = "\
job: process
sources:
  readings:
    file: { path: \"in-*.jsonl\", format: json, columns: { at: timestamp, sensor: int64, celsius: float64? }, batch_rows: 40 }
    event_time: { column: at, max_out_of_orderness: 1s }
operators:
  alerts:
    input: readings
    key: [sensor]
    plugin: alert
    function: alert
    config: { time: at, rules: [{ name: hot, column: celsius, above: 30, clear: 28, for: 10s }] }
sinks:
  out: { input: alerts, print: {} }
";
const SENSORS: u64 = 50;
const FILES: u64 = 3;

/// The time in seconds, and the temperature, if there is one.
type SensorReading = (u64, Option<u64>);

/// Readings that waver around the threshold, the same ones in each run.
fn readings(sensor: u64) -> Vec<SensorReading> {
    let mut n = sensor;
    let mut below = |end: u64| {
        n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (n >> 33) % end
    };
    let mut second = 0;
    let mut next = || {
        second += 1 + below(8);
        (second, (below(9) != 0).then(|| 26 + below(8)))
    };
    std::iter::repeat_with(&mut next).take(150).collect()
}

/// Returns what is raised and cleared for the readings of a sensor, and since when: the walk that the plugin's README describes.
fn alerts(readings: &[SensorReading]) -> Vec<(String, u64)> {
    let values: Vec<(u64, u64)> = readings.iter().filter_map(|(at, celsius)| Some((*at, (*celsius)?))).collect();
    let mut out = Vec::new();
    let mut left = values.iter().copied();
    while let Some((since, _)) = left.find(|(_, celsius)| *celsius > 30) {
        let mut other = left.find(|(_, celsius)| *celsius <= 30);
        if other.is_some_and(|(at, _)| at < since + 10) {
            continue;
        }
        out.push(("raised".into(), since));
        if other.is_some_and(|(_, celsius)| celsius > 28) {
            other = left.find(|(_, celsius)| *celsius <= 28);
        }
        out.extend(other.map(|(at, _)| ("cleared".into(), at)));
    }
    out
}

/// Returns the seconds after the hour at which the readings begin.
fn second(time: &Value) -> u64 {
    let time = time.as_str().expect("a time");
    let part = |range: std::ops::Range<usize>| time[range].parse::<u64>().expect("digits");
    part(11..13) * 3_600 + part(14..16) * 60 + part(17..19)
}

#[test]
fn alerts_are_raised_by_rows_and_timers() {
    plugin("alert");
    let folder = Folder::with_job(JOB);
    let all: Vec<Vec<SensorReading>> = (0..SENSORS).map(readings).collect();
    for file in 0..FILES {
        let sensors = (file..SENSORS).step_by(FILES as usize);
        let mut rows: Vec<(SensorReading, u64)> =
            sensors.flat_map(|sensor| all[sensor as usize].iter().map(move |reading| (*reading, sensor))).collect();
        rows.sort_unstable();
        let text = rows.iter().fold(String::new(), |mut text, ((at, celsius), sensor)| {
            let celsius = celsius.map_or("null".into(), |celsius| celsius.to_string());
            let time = format!("2026-01-01T{:02}:{:02}:{:02}Z", at / 3_600, at / 60 % 60, at % 60);
            writeln!(text, "{{\"at\":\"{time}\",\"sensor\":{sensor},\"celsius\":{celsius}}}").unwrap();
            text
        });
        folder.write(&format!("in-{file}.jsonl"), text);
    }
    let want: BTreeMap<u64, Vec<(String, u64)>> = (0..SENSORS).map(|s| (s, alerts(&all[s as usize]))).collect();
    for parallelism in ["1", "2", "4"] {
        let ended = Flowgate::new(folder.path(), &["run", "job.yaml", "-p", parallelism]).run().expect(0);
        let mut got: BTreeMap<u64, Vec<(String, u64)>> = (0..SENSORS).map(|sensor| (sensor, Vec::new())).collect();
        let mut by_timers = 0;
        for line in ended.stdout.lines() {
            let row: Value = serde_json::from_str(line).expect("a JSON line");
            by_timers += usize::from(row["at"].is_null());
            let sensor = got.get_mut(&row["sensor"].as_u64().expect("the key is there, whoever raises")).unwrap();
            sensor.push((row["state"].as_str().unwrap().into(), second(&row["since"])));
        }
        assert!(by_timers > 0, "no timer has raised an alert");
        assert!(got == want, "parallelism {parallelism}");
    }
}

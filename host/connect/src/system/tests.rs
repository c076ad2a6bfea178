//! Samples of the machine that runs the tests.

use std::collections::BTreeMap;
use std::time::Duration;

use super::SystemSource;
use crate::problem::{self, Problem};
use crate::source::{Poll, Source, Split};
use crate::test_reading::{Alarm, rows_of};
use flowgate_base::clock;

fn source(settings: serde_json::Value) -> Result<SystemSource, Vec<Problem>> {
    SystemSource::new(&serde_json::from_value(settings).unwrap())
}

/// Reads to the end as a worker does; returns the rows and how often the reader was polled.
fn read(source: &SystemSource) -> (Vec<serde_json::Value>, usize) {
    assert_eq!(source.splits(4).unwrap(), [Split("system".into())]);
    let mut reader = source.open(&Split("system".into()), None, Alarm::new().waker()).unwrap();
    let (mut rows, mut polls) = (Vec::new(), 0);
    loop {
        polls += 1;
        match reader.poll().unwrap() {
            Poll::Rows(batch) => {
                let sample = rows_of(&source.schema(), &batch);
                rows.extend(sample.iter().map(|(_, row)| serde_json::from_str::<serde_json::Value>(row).unwrap()));
            }
            Poll::PendingUntil(due_ms) => {
                let wait_ms = u64::try_from(due_ms - clock::now_ms()).unwrap_or(0);
                assert!(wait_ms <= 200, "{wait_ms}");
                std::thread::sleep(Duration::from_millis(wait_ms));
            }
            Poll::Pending => panic!("a clock is all that is waited for"),
            Poll::End => return (rows, polls),
        }
    }
}

/// Two samples: their figures are consistent, and between them the reader only waits.
#[test]
fn figures_of_this_machine() {
    let (rows, polls) = read(&source(serde_json::json!({ "every": "200ms", "samples": 2 })).unwrap());
    assert!(polls <= 8, "{polls}");
    let mut last: BTreeMap<String, f64> = BTreeMap::new();
    for row in &rows {
        let value = row["value"].as_f64().unwrap();
        let metric = row["metric"].as_str().unwrap();
        assert!(value >= 0.0 && value.is_finite(), "{row}");
        assert!(value <= 1.0 || !(metric.ends_with("ratio") || metric.ends_with("usage")), "{row}");
        assert!(!row["host"].as_str().unwrap().is_empty());
        if row["device"].is_null() {
            last.insert(metric.to_string(), value);
        }
    }
    assert!(last["memory.total"] >= last["memory.used"] && last["memory.used"] > 0.0);
    assert!((last["memory.used"] / last["memory.total"] - last["memory.used_ratio"]).abs() < 1e-9);
    assert!(last.contains_key("cpu.usage"));
    let has = |metric: &str, device: &str| rows.iter().any(|r| r["metric"] == metric && r["device"] == device);
    assert!(has("cpu.core_usage", "cpu0"));
    let times: Vec<&str> = rows.iter().map(|r| r["time"].as_str().unwrap()).collect();
    assert!(times.is_sorted() && times[0] < times[times.len() - 1]);
}

/// A thread that computes shows in the figures of the processors.
#[test]
fn a_busy_processor_shows() {
    let source = source(serde_json::json!({ "every": "200ms", "samples": 1, "metrics": ["cpu"] })).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        let (rows, _) = read(&source);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(rows.iter().all(|r| r["metric"].as_str().unwrap().starts_with("cpu.")));
        let most = rows.iter().filter(|r| r["metric"] == "cpu.core_usage").map(|r| r["value"].as_f64().unwrap());
        assert!(most.fold(0.0, f64::max) > 0.3);
    });
}

#[test]
fn figures_by_name_and_by_the_beginning_of_names() {
    let metrics = serde_json::json!(["cpu.usage", "swap", "memory.used_ratio", "swap.used"]);
    let (rows, _) = read(&source(serde_json::json!({ "every": "200ms", "samples": 1, "metrics": metrics })).unwrap());
    let names: Vec<&str> = rows.iter().map(|r| r["metric"].as_str().unwrap()).collect();
    assert_eq!(names, ["cpu.usage", "swap.total", "swap.used", "memory.used_ratio", "swap.used_ratio"]);
}

#[test]
fn a_position_counts_samples() {
    let source = source(serde_json::json!({ "every": "200ms", "samples": 1, "metrics": ["memory"] })).unwrap();
    let open = |position| source.open(&Split("system".into()), position, Alarm::new().waker()).unwrap();
    let mut reader = open(None);
    std::thread::sleep(Duration::from_millis(220));
    assert!(matches!(reader.poll().unwrap(), Poll::Rows(rows) if rows.origin.place(0).unwrap() == "system:0"));
    assert!(matches!(open(Some(&reader.position())).poll().unwrap(), Poll::End));
}

#[test]
fn what_is_wrong_is_said_at_once() {
    let wrong = source(serde_json::json!({ "every": "100ms", "metrics": [], "samples": 0 })).unwrap_err();
    let wrong = problem::listed(&wrong);
    for part in ["`every` is 100ms; it must be at least 200ms", "`metrics` is empty", "`samples` is 0"] {
        assert!(wrong.contains(part), "{wrong}");
    }
    let wrong = problem::listed(&source(serde_json::json!({ "metrics": ["cpu", "cpu.", "disks"] })).unwrap_err());
    assert!(wrong.contains("`metrics` has `cpu.`, which is no figure") && wrong.contains("`disks`"), "{wrong}");
}

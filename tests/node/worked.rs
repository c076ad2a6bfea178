//! What jobs have written, and how many processes work on each.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use serde_json::Value;

use harness::working_below;

/// Returns the numbers in the visible parts of a folder of a sink, in order.
pub(crate) fn numbers(folder: &Path) -> Vec<u64> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let parts = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("part-"));
    let text: String = parts.map(|entry| fs::read_to_string(entry.path()).expect("a part is readable")).collect();
    let number = |line: &str| serde_json::from_str::<Value>(line).ok()?["n"].as_u64();
    let mut numbers: Vec<u64> =
        text.lines().map(|line| number(line).unwrap_or_else(|| panic!("a row is {line:?}"))).collect();
    numbers.sort_unstable();
    numbers
}

/// Every number from 0 on is there once.
#[track_caller]
pub(crate) fn are_exactly_once(numbers: &[u64], what: &str) {
    let wrong = numbers.iter().enumerate().find(|(at, number)| **number != *at as u64);
    assert_eq!(wrong, None, "{what}: the place and the number of the first row that is lost or there twice");
}

/// Looks all the time whether a job has two worker processes.
pub(crate) struct Watch {
    ends: Arc<AtomicBool>,
    thread: JoinHandle<()>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Watch {
    pub(crate) fn of(data: &Path) -> Watch {
        let (ends, seen) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let thread = std::thread::spawn({
            let (jobs, ends, seen) = (data.join("jobs"), Arc::clone(&ends), Arc::clone(&seen));
            move || watch(&jobs, &ends, &seen)
        });
        Watch { ends, thread, seen }
    }

    #[track_caller]
    pub(crate) fn judge(self) {
        self.ends.store(true, SeqCst);
        self.thread.join().expect("it only looks");
        let seen = self.seen.lock().expect("nobody panics with it");
        assert!(seen.is_empty(), "jobs with two worker processes: {seen:#?}");
    }
}

fn watch(jobs: &Path, ends: &AtomicBool, seen: &Mutex<Vec<String>>) {
    while !ends.load(SeqCst) {
        let mut of: BTreeMap<PathBuf, Vec<(PathBuf, u32)>> = BTreeMap::new();
        for (attempt, pid) in working_below(jobs) {
            // JOB/attempts/NUMBER
            let job = attempt.ancestors().nth(2).map(Path::to_path_buf).unwrap_or_default();
            of.entry(job).or_default().push((attempt, pid));
        }
        // One that was killed may have been there still, for a moment, when the list was made.
        let two = of.into_values().filter(|workers| workers.len() > 1);
        let two: Vec<_> = two.filter(|two| two.iter().all(|one| working_below(jobs).contains(one))).collect();
        seen.lock().expect("nobody panics with it").extend(two.iter().map(|two| format!("{two:?}")));
        sleep(Duration::from_millis(10));
    }
}

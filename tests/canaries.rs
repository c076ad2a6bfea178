//! New versions of functions beside those of running jobs, as a user runs them.
#![cfg(target_os = "linux")]

use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::{Ended, Flowgate, Folder, Lines, Running, Signal};

const PATIENCE: Duration = Duration::from_secs(60);

/// Rows at their rate, until the job is stopped.
const JOB: &str = "\
job: numbers
plugins: { p: v1.wasm }
sources:
  rows: { generator: { rows: 100000000, rate: 10000, batch_rows: 100, columns: { x: { sequence: {} } } } }
operators:
  made: { input: rows, plugin: p, function: f }
sinks:
  out: { input: made, file: { path: out/, format: json } }
";

/// A transform whose `y` is `x`, but what `odd` leaves where ten divides it.
fn component(odd: &str) -> Vec<u8> {
    flowgate_hostile::made_of(&format!(
        "(if (result i64) (i64.eqz (i64.rem_s (local.get $x) (i64.const 10))) (then {odd}) (else (local.get $x)))"
    ))
}

fn start() -> (Folder, Running) {
    let folder = Folder::with_job(JOB);
    for (name, odd) in
        [("v1", "(local.get $x)"), ("same", "(i64.add (local.get $x) (i64.const 0))"), ("odd", "(i64.const -7)")]
    {
        folder.write(&format!("{name}.wasm"), component(odd));
    }
    let running = flowgate(&folder, &["run", "job.yaml", "-p", "2"]).start();
    (folder, running)
}

fn flowgate(folder: &Folder, arguments: &[&str]) -> Flowgate {
    Flowgate::new(folder.path(), arguments).env("XDG_RUNTIME_DIR", folder.path())
}

/// Runs a canary, once the job answers.
fn canary(folder: &Folder, version: &str, more: &[&str]) -> Ended {
    let begun = Instant::now();
    loop {
        let arguments = [&["job", "swap", "numbers", "made", version][..], more].concat();
        let ended = flowgate(folder, &arguments).run();
        if !ended.stderr.contains("FG0704") || begun.elapsed() > PATIENCE {
            return ended;
        }
        sleep(Duration::from_millis(20));
    }
}

/// A canary that runs for long.
struct Long(Running, Lines);

impl Long {
    fn start(folder: &Folder, version: &str) -> Long {
        let arguments = ["job", "swap", "numbers", "made", version, "--canary", "100%", "--for", "1h"];
        let mut running = flowgate(folder, &arguments).start();
        let lines = running.lines();
        running.wait_until_said("rows compared");
        Long(running, lines)
    }

    /// Waits until it has seen a difference.
    #[track_caller]
    fn differs(&self) {
        self.0.wait_until(|running| !running.said().trim_end().ends_with(" 0 differ"), "nothing differs");
    }

    /// Waits for its end, and returns what it has printed.
    #[track_caller]
    fn end(self, code: i32) -> String {
        self.0.wait().expect(code);
        self.1.rest().iter().map(|line| format!("{line}\n")).collect()
    }
}

/// Every row that the job has written is one of its own version, and none is twice.
fn rows_are_of_the_first_version(folder: &Folder) {
    let mut seen = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(folder.join("out")).unwrap() {
        for line in std::fs::read_to_string(entry.unwrap().path()).unwrap().lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(row["x"], row["y"]);
            assert!(seen.insert(row["x"].as_i64().unwrap()), "{row} is there twice");
        }
    }
    assert!(seen.len() > 1_000, "{} rows", seen.len());
}

/// A user compares a version that does the same, and one that does not, sees how it differs, and swaps.
#[test]
fn a_version_is_compared_and_its_differences_are_printed() {
    let (folder, running) = start();
    let same = canary(&folder, "same.wasm", &["--canary", "100%", "--for", "1s"]).expect(0).stdout;
    assert!(same.contains("rows of ") && same.contains("calls were compared (its time is over)"), "{same}");
    assert!(!same.contains("the first differences"), "{same}");
    let odd = canary(&folder, "odd.wasm", &["--canary", "50%", "--for", "1s"]).expect(1);
    assert!(odd.stderr.contains("FG0709") && odd.stderr.contains("does something else with "), "{}", odd.stderr);
    assert!(
        odd.stdout.contains("the first differences:\n  worker ") && odd.stdout.contains(" -> -7\n"),
        "{}",
        odd.stdout
    );
    let json = canary(&folder, "odd.wasm", &["--canary", "0.5", "--for", "1s", "--json"]).expect(1).stdout;
    let found: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(found["differences"][0]["columns"][0]["new"], "-7");
    assert!(found["rows"].as_u64() > found["differ"].as_u64() && found["operator"] == "made", "{found:#}");
    for (wrong, message) in [("0%", "compares nothing"), ("101%", "is no share"), ("5", "is no share")] {
        canary(&folder, "odd.wasm", &["--canary", wrong]).expect(2).saying(message);
    }
    canary(&folder, "odd.wasm", &["--canary", "5%", "--for", "2h"]).expect(2).saying("a canary runs for at most 1h");
    canary(&folder, "v1.wasm", &["--canary", "5%"]).expect(2).saying("nothing differs");
    flowgate(&folder, &["job", "stop", "numbers"]).run().expect(0);
    running.wait().expect(0);
    rows_are_of_the_first_version(&folder);
}

/// Ctrl-C ends a canary and prints what it has found so far; a swap, and the end of the job, end it, too. Another one is refused meanwhile.
#[test]
fn a_canary_is_ended_by_its_user_a_swap_and_the_end_of_the_job() {
    let (folder, running) = start();
    canary(&folder, "same.wasm", &["--canary", "100%", "--for", "500ms"]).expect(0);
    let long = |version: &str| Long::start(&folder, version);
    let by_user = long("odd.wasm");
    by_user.differs();
    let other = canary(&folder, "odd.wasm", &["--canary", "100%", "--for", "1ms"]).expect(2);
    assert!(other.stderr.contains("a canary of `made` runs: end it, or wait for its end"), "{}", other.stderr);
    by_user.0.signal(Signal::INT);
    let ended = by_user.end(1);
    assert!(ended.contains("(it was ended)") && ended.contains(" -> -7\n"), "{ended}");
    let by_swap = long("same.wasm");
    canary(&folder, "same.wasm", &[]).expect(0);
    let ended = by_swap.end(0);
    assert!(ended.contains("(a function of the job is swapped)"), "{ended}");
    let by_end = long("odd.wasm");
    by_end.differs();
    flowgate(&folder, &["job", "stop", "numbers"]).run().expect(0);
    let ended = by_end.end(1);
    assert!(ended.contains("(the job ") || ended.contains("(the operator has ended)"), "{ended}");
    running.wait().expect(0);
    rows_are_of_the_first_version(&folder);
}

/// A job that is killed beside a canary: the command says what was found so far.
#[test]
fn a_job_that_is_killed_ends_its_canary() {
    let (folder, running) = start();
    canary(&folder, "same.wasm", &["--canary", "100%", "--for", "500ms"]).expect(0);
    let long = Long::start(&folder, "odd.wasm");
    long.differs();
    running.signal(Signal::KILL);
    running.wait();
    let ended = long.end(1);
    assert!(ended.contains("(the job has ended)") && ended.contains(" -> -7\n"), "{ended}");
}

//! Jobs with hostile plugins, run by the program: how much memory they take, that they end, what is left of their rows.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A busy machine and a program without optimisation.
const PATIENCE: Duration = Duration::from_secs(180);

const MIB: u64 = 1 << 20;

/// A folder with a plugin `p.wasm`, rows `in.jsonl` and a job.
fn folder(wasm: &[u8], rows: &str, job: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [("p.wasm", wasm), ("in.jsonl", rows.as_bytes()), ("job.yaml", job.as_bytes())] {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

/// A running job, ended when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Fails where it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn start(folder: &Path, stderr: impl Into<Stdio>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flowgate"));
        command.args(["run", "-q", "job.yaml"]).current_dir(folder).env("FLOWGATE_HOME", folder.join("home"));
        Running(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().unwrap())
    }

    /// The most memory that it has had, in bytes.
    fn peak_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Waits for its end; the most memory that it had on the way is told as well.
    fn wait(&mut self) -> (ExitStatus, u64) {
        let begun = Instant::now();
        let mut peak = 0;
        loop {
            peak = peak.max(self.peak_bytes());
            if let Some(status) = self.0.try_wait().unwrap() {
                return (status, peak);
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end; {} MiB", peak / MIB);
            sleep(Duration::from_millis(10));
        }
    }

    fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    }
}

const SOURCE: &str = "s: { file: { path: in.jsonl, format: json, batch_rows: 4000, columns: { x: int64, k: text } } }";

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_string).collect()
}

/// A plugin that traps on each of 3,000 rows of one batch is skipped for each of them, as `on_error: skip` says, and says why
/// once and not for each row.
#[test]
fn every_row_traps() {
    let trap = "(import \"flowgate:plugin/log@0.1.0\" \"log\" (func $log (param i32 i32 i32)))
        (func $apply (param i32 i32 i32) (result i32)
            (call $log (i32.const 3) (i32.const 16) (i32.const 3)) unreachable)";
    let rows: String = (0..3_000).map(|x| format!("{{\"x\":{x},\"k\":\"a\"}}\n")).collect();
    let job = format!(
        "job: traps\nplugins: {{ p: ./p.wasm }}\nsources: {{ {SOURCE} }}\noperators: {{ op: {{ input: s, plugin: p, function: f }} }}\n\
         sinks: {{ out: {{ input: op, file: {{ path: out.jsonl }} }}, bad: {{ input: op.errors, file: {{ path: bad.jsonl }} }} }}\n"
    );
    let folder = folder(&flowgate_hostile::plugin(trap, false), &rows, &job);
    let stderr = File::create(folder.path().join("stderr")).unwrap();
    let (status, _) = Running::start(folder.path(), stderr).wait();
    let said = lines(&folder.path().join("stderr"));
    assert!(status.success(), "{said:?}");
    let letters = lines(&folder.path().join("bad.jsonl"));
    assert_eq!(letters.len(), 3_000);
    for (x, letter) in letters.iter().enumerate() {
        assert!(letter.contains(&format!("in.jsonl:{}", x + 1)) && letter.contains("unreachable"), "{letter}");
    }
    assert!(said.len() < 100, "{} lines", said.len());
    assert!(said.iter().any(|line| line.contains("the last line came")), "{said:?}");
}

/// What was found before an operator gives up is written, although the job fails.
#[test]
fn what_was_found_before_an_operator_gives_up_is_written() {
    // Answers single rows alone, each with 60 MB: too much for one batch.
    let much = flowgate_hostile::lines("much_for_each_row");
    let rows: String = (0..100).map(|x| format!("{{\"x\":{x},\"k\":\"a\"}}\n")).collect();
    let job = format!(
        "job: much\nplugins: {{ p: ./p.wasm }}\nsources: {{ {SOURCE} }}\nlimits: {{ deadline: 10s }}\n\
         operators: {{ op: {{ input: s, plugin: p, function: f }} }}\nsinks: {{ out: {{ input: op, file: {{ path: out.jsonl }} }} }}\n"
    );
    let folder = folder(&flowgate_hostile::plugin(&much, false), &rows, &job);
    let stderr = File::create(folder.path().join("stderr")).unwrap();
    let (status, peak) = Running::start(folder.path(), stderr).wait();
    let said = lines(&folder.path().join("stderr")).join("\n");
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("`op`: its answers to one batch have more than 4000000 rows or 256MiB"), "{said}");
    // The job has failed: the file is not replaced, and the rows so far lie beside it.
    assert!(std::fs::metadata(folder.path().join(".out.jsonl.partial")).unwrap().len() > 4 * 60_000_000);
    assert!(peak < 2_048 * MIB, "{} MiB", peak / MIB);
}

/// Goal: one row that comes 100,000 times, of which a second function fails each, is never in memory as often. Method: 200 MB of
/// texts as dead letters, and the most memory that the program has had.
#[test]
fn a_row_comes_often_and_each_of_them_fails() {
    let amplify = "(memory $memory 128) (data (i32.const 92) \"\\00\\00\\00\\00\\01\")
        (func $apply (param $rows i32) (param i32 i32) (result i32)
            (i32.store (i32.const 288) (i32.const 1)) (i32.store (i32.const 292) (i32.const 65536))
            (i32.store (i32.const 296) (i32.const 100000)) (i32.store (i32.const 304) (i32.const 0))
            (global.set $top (i32.const 8192)) (i32.const 256))";
    // Selects no row and fails all: 12 bytes each, with a message of no bytes.
    let fail = "(memory $memory 128)
        (func $apply (param $rows i32) (param i32 i32) (result i32) (local $i i32)
            (loop $next
                (i32.store (i32.add (i32.const 1048576) (i32.mul (local.get $i) (i32.const 12))) (local.get $i))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $next (i32.lt_u (local.get $i) (local.get $rows))))
            (i32.store (i32.const 268) (i32.const 1048576)) (i32.store (i32.const 272) (local.get $rows))
            (i32.store (i32.const 288) (i32.const 1)) (i32.store (i32.const 328) (i32.const 1))
            (i32.store (i32.const 4096) (i32.const 0))
            (global.set $top (i32.const 8192)) (i32.const 256))";
    let rows = format!("{{\"x\":1,\"k\":\"{}\"}}\n", "k".repeat(2_000));
    let job = format!(
        "job: amplify\nplugins: {{ p: ./p.wasm, q: ./q.wasm }}\nlimits: {{ deadline: 10s }}\nsources: {{ {SOURCE} }}\n\
         operators:\n  a: {{ input: s, plugin: p, function: f }}\n  b: {{ input: a, plugin: q, function: f }}\n\
         sinks: {{ out: {{ input: b, file: {{ path: out.jsonl }} }}, bad: {{ input: b.errors, blackhole: {{}} }} }}\n"
    );
    let folder = folder(&flowgate_hostile::plugin(amplify, false), &rows, &job);
    std::fs::write(folder.path().join("q.wasm"), flowgate_hostile::plugin(fail, false)).unwrap();
    let mut running = Running::start(folder.path(), File::create(folder.path().join("stderr")).unwrap());
    let (status, peak) = running.wait();
    assert!(status.success(), "{:?}", lines(&folder.path().join("stderr")));
    assert_eq!(lines(&folder.path().join("out.jsonl")), [""; 0]);
    assert!(peak < 250 * MIB, "{} MiB", peak / MIB);
}

/// Timers that set the next one a millisecond later, from the beginning of time, each with a text of 10 MB: one interrupt ends
/// the job, and results were taken before there were more.
#[test]
fn timers_without_end_end_with_an_interrupt() {
    let later = "(import \"flowgate:plugin/timers@0.1.0\" \"set\" (func $set (param i32 i32))) (memory $memory 300)
        (func $batch (param i32 i32 i32 i32) (param $keys i32) (param i32) (param $rows i32) (param i32 i32) (result i32)
            (i64.store (i32.const 512) (i64.const 0)) (i64.store (i32.const 520) (i64.const -9223372036854775808))
            (i64.store (i32.const 528) (i64.const 0))
            (call $set (i32.const 512) (i32.const 1)) (call $all (local.get $rows)))
        (func $timers (param i32 i32 i32) (param $due i32) (param $count i32) (result i32)
            (i64.store offset=8 (local.get $due) (i64.add (i64.load offset=8 (local.get $due)) (i64.const 1)))
            (call $set (local.get $due) (i32.const 1))
            (drop (call $all (local.get $count)))
            (i32.store (i32.const 1024) (i32.const 0)) (i32.store (i32.const 1028) (i32.const 10000000))
            (i32.store (i32.const 328) (i32.const 2))
            (i32.store (i32.const 332) (i32.const 1048576)) (i32.store (i32.const 336) (i32.const 10000000))
            (i32.const 256))";
    let rows = "{\"x\":1,\"k\":\"a\",\"t\":1700000000000}\n{\"x\":2,\"k\":\"a\",\"t\":1700000000001}\n";
    let job = "job: flood\nplugins: { p: ./p.wasm }\nsources:\n  s:\n    file: { path: in.jsonl, format: json, batch_rows: 1, columns: \
               { x: int64, k: text, t: timestamp } }\n    event_time: { column: t }\n\
               operators: { op: { input: s, key: [k], plugin: p, function: f } }\nsinks: { out: { input: op, blackhole: {} } }\n";
    let folder = folder(&flowgate_hostile::process_plugin(later), rows, job);
    let stderr = File::create(folder.path().join("stderr")).unwrap();
    let mut running = Running::start(folder.path(), stderr);
    sleep(Duration::from_secs(5));
    let said = || lines(&folder.path().join("stderr"));
    assert!(running.0.try_wait().unwrap().is_none(), "it fires without end: {:?}", said());
    running.interrupt();
    let (status, peak) = running.wait();
    assert!(status.success(), "{:?}", said());
    assert!(peak < 1_024 * MIB, "{} MiB", peak / MIB);
}

/// A plugin that logs without end into a pipe that nobody reads keeps no worker waiting: the job ends by itself.
#[test]
fn a_log_that_nobody_reads_keeps_nobody_waiting() {
    // Different lines, of 4,000 bytes each.
    let log = "(import \"flowgate:plugin/log@0.1.0\" \"log\" (func $log (param i32 i32 i32)))
        (func $apply (param $rows i32) (param i32 i32) (result i32) (local $i i32)
            (loop $next
                (i32.store8 (i32.const 20000) (i32.add (i32.const 65) (i32.rem_u (local.get $i) (i32.const 26))))
                (call $log (i32.const 3) (i32.const 20000) (i32.const 4000))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $next (i32.lt_u (local.get $i) (i32.const 90))))
            (memory.fill (i32.const 4096) (i32.const 0) (i32.const 4096))
            (i32.store (i32.const 328) (i32.add (local.get $rows) (i32.const 1)))
            (global.set $top (i32.const 8192))
            (i32.const 256))";
    let job = format!(
        "job: logs\nplugins: {{ p: ./p.wasm }}\nlimits: {{ deadline: 30s }}\nsources: {{ {SOURCE} }}\noperators: {{ op: {{ input: s, plugin: p, function: f }} }}\n\
         sinks: {{ out: {{ input: op, file: {{ path: out.jsonl }} }} }}\n"
    );
    let folder = folder(&flowgate_hostile::plugin(log, false), "{\"x\":1,\"k\":\"a\"}\n", &job);
    // The reading end stays open, unread: a pipe holds 64 KiB, the lines are 360.
    let (reader, writer) = std::io::pipe().unwrap();
    let (status, _) = Running::start(folder.path(), writer).wait();
    assert!(status.success());
    assert_eq!(lines(&folder.path().join("out.jsonl")).len(), 1);
    drop(reader);
}

/// The output of `flowgate plugin replay` with these arguments.
fn replay(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowgate"));
    command.args(["plugin", "replay"]).args(arguments).current_dir(folder).env("FLOWGATE_HOME", folder.join("home"));
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Goal: who looks for a mistake makes the call of a job again, without the job, and sees that a later version answers it.
#[test]
fn a_call_that_trapped_in_a_job_is_made_again_without_it() {
    let traps_on = |x: i64| {
        let lines = format!(
            "(func $apply (param $rows i32) (param $columns i32) (param i32) (result i32) (local $i i32)
                (block $done (loop $next
                    (br_if $done (i32.eq (local.get $i) (local.get $rows)))
                    (if (i64.eq (i64.const {x}) (i64.load
                            (i32.add (i32.load offset=4 (local.get $columns)) (i32.mul (local.get $i) (i32.const 8)))))
                        (then unreachable))
                    (local.set $i (i32.add (local.get $i) (i32.const 1)))
                    (br $next)))
                (memory.fill (i32.const 4096) (i32.const 0) (i32.const 4096))
                (i32.store (i32.const 328) (i32.add (local.get $rows) (i32.const 1))) (i32.const 256))"
        );
        flowgate_hostile::plugin(&lines, false)
    };
    let rows: String = (0..500).map(|x| format!("{{\"x\":{x},\"k\":\"a\"}}\n")).collect();
    let job = format!(
        "job: traps\nplugins: {{ p: ./p.wasm }}\nsources: {{ {SOURCE} }}\noperators: {{ op: {{ input: s, plugin: p, function: f }} }}\n\
         sinks: {{ out: {{ input: op, file: {{ path: out.jsonl }} }} }}\n"
    );
    let folder = folder(&traps_on(321), &rows, &job);
    std::fs::write(folder.path().join("mended.wasm"), traps_on(-1)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowgate"));
    command.args(["run", "job.yaml", "--record", "calls"]).current_dir(folder.path());
    let output = command.env("FLOWGATE_HOME", folder.path().join("home")).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("`op`: recorded a call in calls/1.json: trapped: "), "{said}");

    let (code, rows, said) = replay(folder.path(), &["calls/1.json"]);
    assert_eq!((code, rows.as_str()), (Some(0), "{\"x\":321}\n"), "{said}");
    assert!(said.contains("`op` called `apply` of `f` with 1 rows") && said.contains("ended: trapped: "), "{said}");
    let (code, rows, said) = replay(folder.path(), &["calls/1.json", "p.wasm"]);
    assert_eq!((code, rows.as_str()), (Some(1), ""), "{said}");
    assert!(said.contains("row 0: trapped: ") && said.contains("it ended as it did when it was recorded"), "{said}");
    let (code, _, said) = replay(folder.path(), &["calls/1.json", "p.wasm", "--debug"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("error while executing at wasm backtrace:") && said.contains("apply"), "{said}");
    let (code, rows, said) = replay(folder.path(), &["calls/1.json", "mended.wasm"]);
    assert_eq!((code, rows.as_str()), (Some(0), "{\"y\":\"\"}\n"), "{said}");
    assert!(said.contains("recorded with another version of the component"), "{said}");
    let (code, _, said) = replay(folder.path(), &["job.yaml"]);
    assert!(code == Some(2) && said.contains("job.yaml: this is no recorded call"), "{code:?} {said}");
}

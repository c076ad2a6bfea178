//! Jobs with checkpoints that are stopped, started again, started twice, or whose store is away or damaged.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use harness::{Ended, Flowgate, Folder, Running, Signal, cpu_ticks, wait_until};

/// Ten seconds of event time in about a second, in windows and as they are.
const JOB: &str = "\
job: restarts
checkpoint: { every: 20ms, store: store, keep: 3 }
sources:
  a:
    generator:
      rows: 10000
      rate: 8000
      batch_rows: 100
      columns: { at: { time: { start: \"2026-01-01T00:00:00Z\" } }, k: { int: { min: 0, max: 9 } }, n: { sequence: {} } }
    event_time: { column: at }
operators:
  sums: { input: a, key: [k], window: { tumbling: 4s }, aggregate: { n: count(), s: sum(n) } }
sinks:
  out: { input: sums, file: { path: out/ } }
  all: { input: a, file: { path: all.jsonl } }
";

fn start(folder: &Folder, parallelism: &str, more: &[&str]) -> Running {
    let arguments = [&["run", "job.yaml", "--no-control", "-p", parallelism], more].concat();
    Flowgate::new(folder.path(), &arguments).start()
}

#[track_caller]
fn run(folder: &Folder, more: &[&str], code: i32) -> Ended {
    start(folder, "2", more).wait().expect(code)
}

/// Returns the rows of both sinks, sorted.
fn output(folder: &Folder) -> (Vec<String>, Vec<String>) {
    let sorted = |text: String| {
        let mut rows: Vec<String> = text.lines().map(str::to_owned).collect();
        rows.sort_unstable();
        rows
    };
    let parts = names(folder, "out").into_iter().filter(|name| name.starts_with("part-"));
    let parts = parts.map(|name| folder.read(&format!("out/{name}"))).collect();
    (sorted(parts), sorted(folder.read("all.jsonl")))
}

/// Checks the output; a failure shows what is lost and what is too many.
#[track_caller]
fn check(folder: &Folder, expected: &(Vec<String>, Vec<String>)) {
    let got = output(folder);
    for (got, expected) in [(&got.0, &expected.0), (&got.1, &expected.1)] {
        let lost: Vec<&String> = expected.iter().filter(|row| got.binary_search(row).is_err()).take(5).collect();
        let more: Vec<&String> = got.iter().filter(|row| expected.binary_search(row).is_err()).take(5).collect();
        assert!(got == expected, "{} rows, not {}; lost {lost:?}; too many {more:?}", got.len(), expected.len());
    }
}

/// Returns what an undisturbed run without checkpoints writes.
fn expected() -> (Vec<String>, Vec<String>) {
    let job: Vec<&str> = JOB.lines().filter(|line| !line.contains("checkpoint:") && !line.contains("rate:")).collect();
    let folder = Folder::with_job(&job.join("\n"));
    run(&folder, &[], 0);
    let output = output(&folder);
    assert_eq!((output.0.len(), output.1.len()), (30, 10_000));
    output
}

fn names(folder: &Folder, of: &str) -> Vec<String> {
    let entries = fs::read_dir(folder.join(of)).into_iter().flatten().filter_map(Result::ok);
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names
}

/// Returns the names of the manifests, oldest first.
fn manifests(folder: &Folder) -> Vec<String> {
    names(folder, "store").into_iter().filter(|name| name.starts_with("manifest-")).collect()
}

/// Starts the job and returns when it has committed `count` checkpoints more.
fn start_and_wait(folder: &Folder, more: &[&str], count: usize) -> Running {
    let before = manifests(folder).last().cloned();
    let running = start(folder, "2", more);
    wait_until("no checkpoint", || {
        let now = manifests(folder);
        now.iter().filter(|name| before.as_ref().is_none_or(|before| *name > before)).count() > count
    });
    running
}

fn stops_with_a_checkpoint(signal: Signal) {
    let expected = expected();
    let folder = Folder::with_job(JOB);
    let mut stops = 0;
    for parallelism in ["1", "3", "2", "4"] {
        let mut running = start(&folder, parallelism, &["--resume"]);
        running.wait_until_it_handles(signal);
        sleep(Duration::from_millis(100));
        if running.has_ended() {
            running.wait().expect(0);
            break;
        }
        running.signal(signal);
        running.wait().expect(0);
        stops += 1;
    }
    run(&folder, &["--resume"], 0);
    assert!(stops >= 2, "{stops} stops");
    check(&folder, &expected);
}

/// Ctrl-C ends with a checkpoint: a resumed job loses nothing and repeats nothing, of open windows neither.
#[test]
fn an_interrupt_ends_with_a_checkpoint() {
    stops_with_a_checkpoint(Signal::INT);
}

#[test]
fn a_termination_ends_with_a_checkpoint() {
    stops_with_a_checkpoint(Signal::TERM);
}

/// A job that has ended is not run again, unless that is said; without a flag, both ways on are named.
#[test]
fn a_job_that_has_ended() {
    let expected = expected();
    let folder = Folder::with_job(JOB);
    run(&folder, &[], 0);
    check(&folder, &expected);
    let before = (names(&folder, "store"), names(&folder, "out"));
    run(&folder, &["--resume"], 0).saying("`restarts` has ended, by its last checkpoint; --fresh runs it again");
    let refused = start(&folder, "2", &[]).wait();
    assert_ne!(refused.code(), Some(0));
    refused.saying("--resume continues from the newest one").saying("--fresh begins from the start");
    assert_eq!((names(&folder, "store"), names(&folder, "out")), before);
    check(&folder, &expected);

    let job = JOB.replace("rows: 10000", "rows: 5000");
    folder.write("job.yaml", job);
    run(&folder, &["--fresh"], 0);
    let (windows, rows) = output(&folder);
    assert_eq!((windows.len(), rows.len()), (20, 5_000), "the earlier output is replaced");
}

/// Neither another job nor another window length continues from a checkpoint, and the checkpoint stays.
#[test]
fn a_job_that_does_not_fit_its_checkpoint() {
    let expected = expected();
    let folder = Folder::with_job(JOB);
    let running = start_and_wait(&folder, &[], 2);
    running.signal(Signal::KILL);
    running.wait();
    for (from, to, said) in [
        ("job: restarts", "job: other", "FG0806"),
        ("tumbling: 4s", "tumbling: 5s", "`sums`"),
        // Columns of the state have the names of aggregates.
        ("s: sum(n)", "total: sum(n)", "`sums`"),
    ] {
        folder.write("job.yaml", JOB.replace(from, to));
        let refused = start(&folder, "2", &["--resume"]).wait();
        assert_ne!(refused.code(), Some(0));
        refused.saying(said);
    }
    folder.write("job.yaml", JOB);
    run(&folder, &["--resume"], 0);
    assert_eq!(output(&folder).0, expected.0);
}

/// A second attempt on the folder of a job that runs is refused, names the process, and disturbs nothing.
#[test]
fn a_job_that_runs_keeps_its_store() {
    let folder = Folder::with_job(JOB);
    let first = start_and_wait(&folder, &[], 2);
    for way in ["--resume", "--fresh"] {
        let refused = start(&folder, "3", &[way]).wait().expect(1);
        let process = first.pid();
        assert!(refused.stderr.contains("error[FG0809]: process "), "{}", refused.stderr);
        assert!(refused.stderr.contains(&process.to_string()), "{process}: {}", refused.stderr);
    }
    first.wait().expect(0);
    check(&folder, &expected());
}

/// Starts a second attempt while the first runs, as on another machine: there, nothing is known of the lock of the folder.
fn two_attempts() -> (Folder, Ended, Ended) {
    let folder = Folder::with_job(&JOB.replace("  all: { input: a, file: { path: all.jsonl } }\n", ""));
    folder.write("all.jsonl", "");
    let first = start_and_wait(&folder, &[], 2);
    fs::remove_file(folder.join("store/.lock")).unwrap();
    let second = start(&folder, "3", &["--resume"]);
    (folder, first.wait(), second.wait())
}

/// A second attempt fences the first one, which runs still: the first one ends, and no row appears twice.
#[test]
fn a_second_attempt_fences_the_first() {
    let (folder, first, second) = two_attempts();
    assert_ne!(first.code(), Some(0));
    first.saying("FG0803");
    if second.code() != Some(0) {
        // The first one had not ended yet, and was still writing the folder.
        second.saying("another job is writing it");
        run(&folder, &["--resume"], 0);
    }
    assert_eq!(output(&folder).0, expected().0);
}

/// An empty folder in the place of the store, as below a mount that is gone, is no other attempt: the job waits for its store.
#[test]
fn an_empty_folder_in_the_place_of_the_store() {
    let folder = Folder::with_job(&JOB.replace("rate: 8000", "rate: 4000"));
    let mut running = start_and_wait(&folder, &[], 2);
    fs::rename(folder.join("store"), folder.join("away")).unwrap();
    fs::create_dir(folder.join("store")).unwrap();
    sleep(Duration::from_secs(1));
    assert!(!running.has_ended(), "{}", running.said());
    let others: Vec<String> =
        names(&folder, "store").into_iter().filter(|name| name.starts_with("manifest-")).collect();
    assert!(others.is_empty(), "{others:?}");
    fs::rename(folder.join("store"), folder.join("other")).unwrap();
    fs::rename(folder.join("away"), folder.join("store")).unwrap();
    running.wait().expect(0).saying("is it mounted?");
    check(&folder, &expected());
}

/// A store that is away does not end the job, and later checkpoints are committed.
#[test]
fn a_store_that_is_away_for_a_second() {
    let folder = Folder::with_job(&JOB.replace("rate: 8000", "rate: 4000"));
    let mut running = start_and_wait(&folder, &[], 2);
    fs::rename(folder.join("store"), folder.join("away")).unwrap();
    folder.write("store", "in the way");
    sleep(Duration::from_secs(1));
    assert!(!running.has_ended(), "{}", running.said());
    fs::remove_file(folder.join("store")).unwrap();
    fs::rename(folder.join("away"), folder.join("store")).unwrap();
    let before = manifests(&folder).len();
    wait_until("no later checkpoint", || manifests(&folder).len() > before || !running.said().is_empty());
    running.signal(Signal::KILL);
    running.wait();
    run(&folder, &["--resume"], 0);
    check(&folder, &expected());
}

/// A small disk, until it is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts a disk of a mebibyte; `None`: this user may not.
    fn mount(at: PathBuf) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(&at).output();
        mounted.is_ok_and(|mounted| mounted.status.success()).then_some(SmallDisk(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

/// A scratch disk without room delays checkpoints and nothing else: what it could not hold is in the first one behind it.
#[test]
fn a_scratch_disk_that_is_full_for_a_second() {
    let state = "state: { spill: disk }\nsources:";
    let folder = Folder::with_job(&JOB.replace("rate: 8000", "rate: 4000").replace("sources:", state));
    let Some(disk) = SmallDisk::mount(folder.join("disk")) else {
        println!("not tried: this user cannot mount a small disk");
        return;
    };
    let running = start_and_wait(&folder, &[], 2);
    // Until nothing fits.
    let mut filler = fs::File::create(disk.0.join("filler")).unwrap();
    while filler.write_all(&[0; 4096]).is_ok() {}
    drop(filler);
    running.wait_until_said("is not complete, the next one will be: cannot write ");
    // The job goes on meanwhile.
    let before = manifests(&folder).pop();
    sleep(Duration::from_millis(500));
    assert_eq!(manifests(&folder).pop(), before);
    fs::remove_file(disk.0.join("filler")).unwrap();
    wait_until("no later checkpoint", || manifests(&folder).pop() > before);
    running.signal(Signal::KILL);
    running.wait();
    run(&folder, &["--resume"], 0);
    check(&folder, &expected());
    drop(disk);
}

/// A job without new rows takes no checkpoints, and hardly any processor time.
#[test]
fn an_idle_job_takes_no_checkpoints() {
    let folder = Folder::with_job(
        "\
job: idle
checkpoint: { every: 50ms, store: store, keep: 3 }
sources: { lines: { file: { path: in.log, follow: true } } }
operators: { counts: { input: lines, key: [text], window: { global: {} }, aggregate: { n: count() } } }
sinks: { out: { input: counts, file: { path: out/ } }, all: { input: lines, file: { path: all.jsonl } } }
",
    );
    folder.write("in.log", "one\n");
    let running = start_and_wait(&folder, &[], 1);
    wait_until("the row", || folder.join("all.jsonl").exists() && !folder.read("all.jsonl").is_empty());
    sleep(Duration::from_secs(1));
    let before = (manifests(&folder), cpu_ticks(running.pid()));
    sleep(Duration::from_secs(2));
    let taken = cpu_ticks(running.pid()) - before.1;
    println!("idle with checkpoints: {taken} ticks");
    assert_eq!(manifests(&folder), before.0);
    assert!(taken <= 2, "{taken} ticks of processor time while idle");
    running.signal(Signal::INT);
    running.wait().expect(0);
}

/// The file of a sink that grows has exactly the rows, after kills too.
#[test]
fn one_file_after_kills() {
    let expected = expected();
    let folder = Folder::with_job(JOB);
    for _ in 0..3 {
        let running = start_and_wait(&folder, &["--resume"], 3);
        running.signal(Signal::KILL);
        running.wait();
    }
    run(&folder, &["--resume"], 0);
    check(&folder, &expected);
}

/// A damaged newest manifest: the checkpoint before it is used, and the job says so.
#[test]
fn a_damaged_manifest() {
    let expected = expected();
    let folder = Folder::with_job(JOB);
    let running = start_and_wait(&folder, &[], 4);
    running.signal(Signal::KILL);
    running.wait();
    let newest = format!("store/{}", manifests(&folder).last().unwrap());
    let mut bytes = fs::read(folder.join(&newest)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    folder.write(&newest, bytes);
    run(&folder, &["--resume"], 0).saying("warning: ").saying("cannot be used");
    check(&folder, &expected);
}

//! `flowgate job`: a running job is asked from another process, through its socket.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use harness::{Ended, Flowgate, Folder, Running, Signal};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

/// Windows of a minute over two followed files. `a.csv` has rows of six minutes, `b.csv` has none.
const WINDOWED: &str = "\
job: windowed
parallelism: 2
sources:
  hits:
    file: { path: 'in/*.csv', follow: true, format: csv, columns: { t: timestamp, n: int64 } }
    event_time: { column: t }
operators:
  counts: { input: hits, key: [n], window: { tumbling: 1m }, aggregate: { rows: count() } }
sinks: { out: { input: counts, file: { path: out.jsonl } } }
";

fn windowed() -> Folder {
    let folder = Folder::with_job(WINDOWED);
    fs::create_dir(folder.join("in")).unwrap();
    folder.write("in/a.csv", "t,n\n2026-01-01T00:00:00Z,1\n2026-01-01T00:00:30Z,1\n2026-01-01T00:05:00Z,2\n");
    folder.write("in/b.csv", "t,n\n");
    folder
}

fn idle(name: &str) -> Folder {
    let job = format!(
        "job: {name}\nsources: {{ rows: {{ file: {{ path: in.log, follow: true }} }} }}\nsinks: {{ out: {{ input: rows, \
         blackhole: {{}} }} }}\n"
    );
    let folder = Folder::with_job(&job);
    folder.write("in.log", "one\n");
    folder
}

/// Starts the job of a folder; its sockets are in that folder.
fn start(folder: &Folder) -> Running {
    Flowgate::new(folder.path(), &["run", "job.yaml"]).env("XDG_RUNTIME_DIR", folder.path()).start()
}

/// Runs `flowgate job` as a user of the same runtime directory does.
fn job(folder: &Folder, arguments: &[&str]) -> Ended {
    let arguments = [&["job"], arguments].concat();
    Flowgate::new(folder.path(), &arguments).env("XDG_RUNTIME_DIR", folder.path()).run()
}

/// Returns the state of a job, when its operators have received as many rows as `rows` says.
#[track_caller]
fn status(folder: &Folder, name: &str, rows: &[(&str, u64)]) -> Value {
    let start = Instant::now();
    loop {
        let ended = job(folder, &["status", name, "--json"]);
        let status: Value = serde_json::from_str(&ended.stdout).unwrap_or_default();
        let of = |name: &str| {
            let operators = status["operators"].as_array()?;
            operators.iter().find(|operator| operator["name"] == name)?["rows_in"].as_u64()
        };
        if status.is_object() && rows.iter().all(|(name, count)| of(name) == Some(*count)) {
            return status;
        }
        assert!(start.elapsed() < PATIENCE, "{}{}", ended.stdout, ended.stderr);
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn sockets(folder: &Folder) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("flowgate")).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.path()).collect()
}

#[test]
fn a_running_job_says_how_it_is() {
    let folder = windowed();
    let running = start(&folder);
    let status = status(&folder, "windowed", &[("hits", 3), ("counts", 3)]);
    assert_eq!((status["phase"].as_str(), status["workers"].as_u64()), (Some("running"), Some(2)));
    assert_eq!(status["pid"].as_u64(), Some(running.pid().into()));
    assert_eq!(status["operators"][0]["splits"].as_array().map(Vec::len), Some(2));
    assert_eq!(status["operators"][1]["pending"]["count"].as_u64(), Some(2), "two panes: {status}");
    let (figures, traffic) = (&status["figures"], &status["operators"][1]["traffic"]);
    assert!(figures["cpu_us"].is_u64() && figures["proportional_bytes"].as_u64() > Some(1 << 20), "{figures}");
    assert_eq!(figures["worker_cpu"].as_array().map(Vec::len), Some(2), "{figures}");
    assert!(traffic["batches_in"].as_u64() >= Some(1) && traffic["bytes_in"].as_u64() >= Some(3 * 8), "{traffic}");
    job(&folder, &["status", "wind"]).expect(0).printing("windowed: running, started").printing("2 splits");
    let listed = job(&folder, &["list"]).expect(0).stdout;
    let line = listed.lines().find(|line| line.starts_with("windowed ")).expect("it is listed");
    assert!(line.contains(&running.pid().to_string()) && line.ends_with("job.yaml"), "{line}");
    running.signal(Signal::TERM);
    running.wait().expect(0);
    assert_eq!(sockets(&folder), Vec::<PathBuf>::new(), "a job that ends takes its socket away");
}

/// Nobody else can reach the socket of a job.
#[test]
fn a_socket_is_the_users_alone() {
    let folder = idle("mine");
    let _running = start(&folder);
    status(&folder, "mine", &[("rows", 1)]);
    let mode = |path: &PathBuf| fs::symlink_metadata(path).unwrap().mode() & 0o777;
    let sockets = sockets(&folder);
    assert_eq!(sockets.len(), 1, "{sockets:?}");
    assert!(fs::symlink_metadata(&sockets[0]).unwrap().file_type().is_socket());
    assert_eq!((mode(&sockets[0]), mode(&folder.join("flowgate"))), (0o600, 0o700));
}

/// Goal: nothing comes out because one of two files is quiet, and the user learns which one and what would help. Method: as a user.
#[test]
fn the_quiet_split_is_named() {
    let folder = windowed();
    let _running = start(&folder);
    status(&folder, "windowed", &[("counts", 3)]);
    let explained = job(&folder, &["explain", "windowed", "counts"]).expect(0);
    let text = explained.stdout.replace('\n', " ");
    for says in [
        "`counts` has emitted nothing so far.",
        "ends at 2026-01-01 00:01:00Z. No watermark has arrived yet.",
        "The watermark waits for the split `in/b.csv` of the source `hits`, which has not had a row since the job was started.",
        "With `event_time: { idle_after: 30s }`, the source would not wait for a split without rows.",
    ] {
        assert!(text.contains(says), "{says}: {}", explained.stdout);
    }
    // A row in the quiet file, far enough ahead, and results come.
    folder.appender("in/b.csv").append("2026-01-01T00:09:00Z,3\n");
    status(&folder, "windowed", &[("out", 1)]);
    let explained = job(&folder, &["explain", "windowed", "counts"]).expect(0);
    assert!(explained.stdout.starts_with("`counts` has emitted 1 row, "), "{}", explained.stdout);
    let watched = job(&folder, &["explain", "windowed", "counts", "--json"]).expect(0);
    let watched: Value = serde_json::from_str(&watched.stdout).expect("JSON");
    assert_eq!(watched["findings"][0]["cause"], "emits");
    assert!(
        watched["findings"].as_array().unwrap().iter().any(|of| of["text"].as_str().unwrap().contains("`in/a.csv`"))
    );
    job(&folder, &["explain", "windowed", "nothing"])
        .expect(2)
        .saying("error[FG0700]")
        .saying("it has hits, counts, out");
}

/// A stop with `--drain` has open windows emit, waits for the end, and prints the summary of the job.
#[test]
fn a_drained_job_emits_its_open_windows() {
    let folder = windowed();
    let running = start(&folder);
    status(&folder, "windowed", &[("counts", 3)]);
    job(&folder, &["stop", "windowed", "--drain"])
        .expect(0)
        .printing("windowed: stopped, 3 rows")
        .printing("2 delivered");
    assert_eq!(folder.read("out.jsonl").lines().count(), 2, "the job has ended: its file is complete");
    running.wait().expect(0).saying("stopping, open windows emit their results, as `flowgate job stop` requested");
}

/// Without `--drain` open windows emit nothing, and `--no-wait` returns at once.
#[test]
fn a_stopped_job_drops_its_open_windows() {
    let folder = windowed();
    let running = start(&folder);
    status(&folder, "windowed", &[("counts", 3)]);
    job(&folder, &["stop", "windowed", "--no-wait"]).expect(0).printing("is stopping");
    running.wait().expect(0).saying("2 groups in open windows dropped");
    assert!(!folder.join("out.jsonl").exists() || folder.read("out.jsonl").is_empty());
}

/// Who stops a job that fails learns of the failure as who runs it does: by the same code and exit code.
#[test]
fn a_job_that_fails_at_its_stop_says_so_to_both() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    // Nobody listens there any more.
    drop(server);
    let folder = Folder::with_job(&format!(
        "job: hook\nsources: {{ rows: {{ generator: {{ rows: 3, columns: {{ n: {{ sequence: {{}} }} }} }} }} }}\nsinks: {{ hook: {{ \
         input: rows, webhook: {{ url: 'http://{address}/', retries: 1000, batch_rows: 1 }} }} }}\n"
    ));
    let running = start(&folder);
    status(&folder, "hook", &[("hook", 3)]);
    let stopped = job(&folder, &["stop", "hook"]).expect(1).printing("hook: failed in `hook` with FG");
    let ended = running.wait().expect(1);
    let code = |stderr: &str| stderr.split("error[").nth(1).map(|rest| rest[..6].to_string());
    assert!(code(&stopped.stderr).is_some() && code(&stopped.stderr) == code(&ended.stderr), "{}", stopped.stderr);
}

#[test]
fn two_jobs_of_one_name_are_told_apart_by_their_process() {
    let folder = idle("twin");
    let (one, two) = (start(&folder), start(&folder));
    for running in [&one, &two] {
        status(&folder, &running.pid().to_string(), &[("rows", 1)]);
    }
    let refused =
        job(&folder, &["status", "twin"]).expect(2).saying("error[FG0704]: several running jobs are called `twin`");
    for running in [&one, &two] {
        assert!(refused.stderr.contains(&format!("twin (process {})", running.pid())), "{}", refused.stderr);
    }
    job(&folder, &["stop", &one.pid().to_string()]).expect(0);
    one.wait().expect(0);
    status(&folder, "twin", &[("rows", 1)]);
}

/// What a killed job leaves behind is taken away by the next look, and is no job.
#[test]
fn the_socket_of_a_killed_job_is_cleaned_up() {
    let folder = idle("killed");
    let running = start(&folder);
    status(&folder, "killed", &[("rows", 1)]);
    running.signal(Signal::KILL);
    drop(running);
    assert_eq!(sockets(&folder).len(), 1, "it had no time to clean up");
    let listed = job(&folder, &["list"]).expect(0);
    assert!(!listed.stdout.contains("killed"), "{}", listed.stdout);
    assert_eq!(sockets(&folder).len(), 0);
    job(&folder, &["status", "killed"]).expect(2).saying("error[FG0704]");
}

/// A client that waits for the end of a job learns that it was killed.
#[test]
fn a_job_that_is_killed_while_it_stops_is_missed() {
    let folder = Folder::with_job(
        "job: stuck\nsources: { rows: { generator: { columns: { n: { sequence: {} } } } } }\nsinks: { out: { input: rows, print: {} \
         } }\n",
    );
    // Its output is never read, so it cannot end.
    let running = start(&folder);
    running.wait_until_unread(60_000);
    let waiting = Flowgate::new(folder.path(), &["job", "stop", "stuck"]).env("XDG_RUNTIME_DIR", folder.path()).start();
    running.wait_until_said("stopping, as `flowgate job stop` requested");
    running.signal(Signal::KILL);
    drop(running);
    waiting.wait().expect(1).saying("error[FG0706]: the job stuck (process").saying("ended without saying how");
}

/// A runtime directory that cannot be used: the socket is in the folder for temporary files, where a client finds it.
#[test]
fn a_job_without_a_runtime_directory_is_found() {
    let folder = idle("elsewhere");
    let temporary = folder.join("temporary");
    fs::create_dir(&temporary).unwrap();
    let flowgate = |arguments: &[&str]| {
        let gone = folder.join("gone");
        Flowgate::new(folder.path(), arguments).env("XDG_RUNTIME_DIR", gone).env("TMPDIR", &temporary)
    };
    let _running = flowgate(&["run", "job.yaml"]).start();
    let start = Instant::now();
    while flowgate(&["job", "status", "elsewhere"]).run().code() != Some(0) {
        assert!(start.elapsed() < PATIENCE, "it was not found");
    }
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 1);
}

#[test]
fn a_job_that_shall_not_have_a_socket_has_none() {
    let folder = idle("alone");
    let mut running = Flowgate::new(folder.path(), &["run", "job.yaml", "--no-control"])
        .env("XDG_RUNTIME_DIR", folder.path())
        .start();
    running.wait_until_it_handles(Signal::TERM);
    std::thread::sleep(Duration::from_millis(200));
    assert!(!running.has_ended());
    assert_eq!(sockets(&folder).len(), 0);
    job(&folder, &["status", "alone"]).expect(2).saying("error[FG0704]");
}

/// Bytes that are no request harm nobody.
#[test]
fn a_job_outlives_hostile_clients() {
    use std::io::{Read, Write};
    let folder = idle("calm");
    let _running = start(&folder);
    status(&folder, "calm", &[("rows", 1)]);
    let socket = sockets(&folder).remove(0);
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"FG\x00\x01\xff\xff\xff\xff",
        b"FG\x00\x09\x00\x00\x00\x00",
        b"FG\x00\x01\x00",
    ] {
        let mut client = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        client.write_all(bytes).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = client.read_to_end(&mut Vec::new());
    }
    folder.appender("in.log").append("two\n");
    status(&folder, "calm", &[("rows", 2)]);
}

/// Goal: rows of a running job are seen from another terminal, while the job goes on.
#[test]
fn tap_shows_rows_of_an_operator_that_runs() {
    let job_file = "job: busy\nsources: { numbers: { generator: { columns: { n: { sequence: {} } } } } }\noperators: { small: { \
                    input: numbers, select: [n] } }\nsinks: { out: { input: small, blackhole: {} } }\n";
    let folder = Folder::with_job(job_file);
    let running = start(&folder);
    status(&folder, "busy", &[]);
    let tapped = job(&folder, &["tap", "small", "-n", "3", "--rate", "100"]);
    assert_eq!(tapped.code(), Some(0), "{}", tapped.stderr);
    let rows: Vec<&str> = tapped.stdout.lines().collect();
    assert!(rows.len() == 3 && rows.iter().all(|row| row.starts_with("{\"n\":")), "{rows:?}");
    assert!(tapped.stderr.starts_with("note: 3 rows shown, "), "{}", tapped.stderr);
    let unknown = job(&folder, &["tap", "busy", "smal"]);
    assert_eq!(unknown.code(), Some(2));
    assert!(
        unknown.stderr.contains("there is no source or operator `smal`; did you mean `small`?"),
        "{}",
        unknown.stderr
    );
    running.signal(Signal::TERM);
    assert_eq!(running.wait().code(), Some(0));
}

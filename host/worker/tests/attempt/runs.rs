//! Jobs that run: to their end, to a stop, through a crash, without their parent.

use flowgate_control::client;
use flowgate_worker::assignment::Level;
use flowgate_worker::files::{self, Outcome};
use flowgate_worker::log::{OUTPUT, tail_lines};
use rustix::process::Signal;

use crate::fixture::{Job, program, wait_until};

const FINITE: &str = "\
job: web
parallelism: 2
sources: { numbers: { generator: { rows: 1000, columns: { n: { sequence: {} } } } } }
sinks: { out: { input: numbers, print: {} } }
";

/// Rows of a file that is followed, into a file; exactly once through crashes.
const FOLLOWED: &str = "\
job: web
sources: { rows: { file: { path: in.csv, follow: true, format: csv, columns: { n: int64 } } } }
operators:
  counts: { input: rows, key: [n], window: { global: {} }, trigger: { count: 1 }, aggregate: { rows: count() } }
sinks: { out: { input: counts, file: { path: out.jsonl } } }
";

#[test]
fn a_job_runs_to_its_end_and_its_prints_are_in_a_file() {
    let mut job = Job::new(FINITE);
    let ended = job.start().wait();
    assert_eq!(ended.outcome, Outcome::Finished);
    assert!(ended.summary.contains("numbers  1,000 read"), "{}", ended.summary);
    let output = tail_lines(&job.assignment.folder, OUTPUT, Some(0), 10_000).unwrap();
    assert_eq!(output.lines.len(), 1_000);
    assert!(output.lines.contains(&"{\"n\":999}".to_string()), "{:?}", output.lines.last());
}

#[test]
fn a_job_that_cannot_start_says_why() {
    let mut job =
        Job::new(&FINITE.replace("generator: { rows: 1000, columns: { n: { sequence: {} } } }", "file: { path: no }"));
    let worker = job.start();
    let folder = worker.folder.clone();
    let ended = worker.wait();
    let Outcome::Failed(failure) = ended.outcome else { panic!("{ended:?}") };
    assert_eq!((failure.code.as_str(), failure.operator.as_deref()), ("FG0302", Some("numbers")), "{failure:?}");
    let log = flowgate_worker::log::tail(&folder, None, 100).unwrap().lines;
    let line = log.iter().find(|line| line.level == Level::Error).unwrap();
    assert!(line.message.contains("failed with FG0302"), "{line:?}");
    assert_eq!((line.tenant.as_str(), line.job.as_str(), line.attempt), ("acme", "web", 1));
}

#[test]
fn sigterm_stops_a_job_with_a_checkpoint_from_which_it_resumes() {
    let mut job = Job::new(FOLLOWED);
    job.write("in.csv", "n\n1\n2\n");
    let worker = job.start();
    worker.status("out", 2);
    // The end of a terminal is nothing to it.
    worker.signal(Signal::HUP);
    worker.signal(Signal::TERM);
    let ended = worker.wait();
    assert_eq!(ended.outcome, Outcome::Stopped);
    let checkpoint = ended.checkpoint.expect("it stops with one");
    job.write("in.csv", "n\n1\n2\n1\n");
    let worker = job.start();
    worker.status("out", 1);
    let status = worker.status("counts", 1);
    assert_eq!(status.operator("rows").unwrap().rows_in, 1, "the others were read before");
    let stopped = client::stop(&worker.found(), false, true, None).unwrap();
    assert!(stopped.wait().unwrap().summary.contains("stopped"));
    let ended = worker.wait();
    assert_eq!(ended.outcome, Outcome::Stopped);
    assert!(ended.checkpoint.unwrap().number > checkpoint.number);
}

/// Goal: a worker process has nothing of the node. Method: what the kernel says of it.
#[test]
fn a_worker_process_has_its_own_group_and_no_environment() {
    let mut job = Job::new(FOLLOWED);
    job.write("in.csv", "n\n1\n");
    let worker = job.start();
    let pid = worker.started().process.pid;
    let of = |name: &str| std::fs::read(format!("/proc/{pid}/{name}")).unwrap();
    let environment = String::from_utf8(of("environ")).unwrap();
    // What the allocator is told, and the folder for temporary files.
    let allocator: String =
        flowgate_confine::ALLOCATOR_ENVIRONMENT.iter().map(|(name, value)| format!("{name}={value}\0")).collect();
    assert_eq!(environment, format!("{allocator}TMPDIR={}\0", worker.folder.join("scratch").display()));
    let stat = String::from_utf8(of("stat")).unwrap();
    let group: u32 = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(2).unwrap().parse().unwrap();
    assert_eq!(group, pid);
    let stream = |number: u32| std::fs::read_link(format!("/proc/{pid}/fd/{number}")).unwrap();
    // The pipe of the assignment, which has ended, is all that it shares with its parent.
    assert!(stream(0).to_string_lossy().starts_with("pipe:"));
    assert_eq!([stream(1), stream(2)], ["/dev/null".into(), worker.folder.join("stderr.txt")]);
    worker.signal(Signal::TERM);
    worker.wait();
}

/// What a process is told that is no assignment is not repeated.
#[test]
fn a_wrong_assignment_is_refused() {
    let mut child = std::process::Command::new(program())
        .arg("worker")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"{\"version\":1,\"secrets\":\"hunter22\"}").unwrap();
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success() && ended.stdout.is_empty());
    assert!(said.contains("cannot be understood") && !said.contains("hunter22"), "{said}");
}

#[test]
fn a_job_that_was_killed_resumes_and_says_nothing_of_its_end() {
    let mut job = Job::new(FOLLOWED);
    job.write("in.csv", "n\n1\n");
    let worker = job.start();
    let found = worker.found();
    let first = wait_until("there is no checkpoint", || client::status(&found).unwrap().checkpoint);
    let process = worker.started().process;
    assert!(process.is_alive());
    worker.signal(Signal::KILL);
    wait_until("it is there", || (!process.is_alive()).then_some(()));
    assert_eq!(files::ended(&worker.folder).unwrap(), None);
    drop(worker);
    job.write("in.csv", "n\n1\n1\n");
    let worker = job.start();
    worker.status("out", 1);
    let found = worker.found();
    let later = wait_until("there is no checkpoint", || client::status(&found).unwrap().checkpoint);
    assert!(later.number > first.number);
    worker.signal(Signal::TERM);
    assert_eq!(worker.wait().outcome, Outcome::Stopped);
}

/// Goal: a node that ends, and the terminal that it was in, leave its jobs alone. Method: the parent of the worker is a shell that is
/// killed with its whole process group.
#[test]
fn a_worker_lives_on_when_its_parent_dies() {
    use std::os::unix::process::CommandExt;
    let mut job = Job::new(FOLLOWED);
    job.write("in.csv", "n\n1\n");
    let folder = job.path().join("attempts/1");
    std::fs::create_dir(&folder).unwrap();
    job.assignment.attempt = 1;
    job.assignment.folder.clone_from(&folder);
    let assignment = job.path().join("assignment.json");
    std::fs::write(&assignment, serde_json::to_vec(&job.assignment).unwrap()).unwrap();
    let script = "\"$1\" worker < \"$2\" & wait";
    let mut parent = std::process::Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(program())
        .arg(&assignment)
        .process_group(0)
        .env_clear()
        .spawn()
        .unwrap();
    let started =
        wait_until("it does not run", || files::started(&folder).unwrap().filter(|started| started.socket.is_some()));
    let group = rustix::process::Pid::from_child(&parent);
    rustix::process::kill_process_group(group, Signal::KILL).unwrap();
    parent.wait().unwrap();
    assert!(started.process.is_alive());
    let found = flowgate_control::place::Found {
        path: started.socket.clone().unwrap(),
        name: "web".into(),
        pid: started.process.pid,
    };
    assert_eq!(client::status(&found).unwrap().job, "web");
    client::stop(&found, false, true, None).unwrap().wait().unwrap();
    wait_until("it does not end", || (!started.process.is_alive()).then_some(()));
    assert_eq!(files::ended(&folder).unwrap().unwrap().outcome, Outcome::Stopped);
}

/// A folder whose path is too long for a socket has a short one beside it.
#[test]
fn a_socket_goes_to_the_short_folder_if_it_must() {
    let mut job = Job::new(FOLLOWED);
    job.write("in.csv", "n\n1\n");
    let long = job.path().join("x".repeat(100));
    let short = tempfile::tempdir().unwrap();
    std::fs::create_dir(&long).unwrap();
    std::fs::create_dir(long.join("1")).unwrap();
    job.assignment.folder = long.join("1");
    job.assignment.socket_folder = Some(short.path().into());
    let child = flowgate_worker::spawn::spawn(&program(), &job.assignment, None).unwrap();
    let worker = crate::fixture::Worker { child, folder: job.assignment.folder.clone() };
    assert!(worker.found().path.starts_with(short.path()));
    worker.status("out", 1);
    worker.signal(Signal::TERM);
    worker.wait();
    assert_eq!(std::fs::read_dir(short.path()).unwrap().count(), 0);
}

/// Goal: a plugin that floods the log slows its job no more than its calls do, and fills no disk. Method: a component that logs a
/// thousand different lines a call, and limits that are far below.
#[test]
fn a_flood_of_log_lines_is_counted_and_bounded() {
    let flood = flowgate_hostile::lines("log_flood")
        .replace("100000", "1000")
        // Different lines: `flood` is followed by four letters that count.
        .replace("(i32.const 10))", "(i32.const 14))")
        .replace(
            "(call $log",
            "(i32.store (i32.const 2058) (i32.add (i32.const 0x40404040) (i32.and (i32.mul (local.get $i) (i32.const \
             0x1041)) (i32.const 0x0f0f0f0f)))) (call $log",
        );
    let mut job = Job::new(
        "job: web\nsources: { numbers: { generator: { rows: 100000, columns: { x: { sequence: {} } } } } }\noperators: { \
         flooded: { input: numbers, plugin: flood, function: f } }\nsinks: { out: { input: flooded, blackhole: {} } }\n",
    );
    let component = job.path().join("flood.wasm");
    std::fs::write(&component, flowgate_hostile::plugin(&flood, false)).unwrap();
    job.assign("flood", &component);
    job.assignment.limits.log_lines_per_s = 20;
    job.assignment.limits.log_file_bytes = 128 << 10;
    let worker = job.start();
    let folder = worker.folder.clone();
    let ended = worker.wait();
    assert_eq!(ended.outcome, Outcome::Finished, "{ended:?}");
    assert!(ended.summary.contains("100,000 in"), "{}", ended.summary);
    let log = flowgate_worker::log::tail(&folder, None, 10_000).unwrap().lines;
    let line = log.iter().find(|line| line.message.contains("flood")).expect("some of it is there");
    assert_eq!(
        (line.operator.as_deref(), line.plugin.as_deref(), line.worker),
        (Some("flooded"), Some("flood"), Some(0))
    );
    assert!(line.message.starts_with("\\u{1b}[31mflood"), "{}", line.message);
    let bytes: u64 = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("log."))
        .map(|entry| entry.metadata().unwrap().len())
        .sum();
    assert!(bytes < 3 * (128 << 10), "{bytes}");
}

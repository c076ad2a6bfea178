//! What a confined process can and cannot do: each attempt is made in a process of its own, which is this file once more.

#![cfg(target_os = "linux")]

mod attempt;

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use flowgate_confine::{ALLOCATOR_ENVIRONMENT, Confinement, Network, Report, Role, supported};

/// What a process made of its attempt.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// What it says.
    Said(String),
    Killed(i32),
}

const SIGABRT: i32 = 6;
const SIGSYS: i32 = 31;

/// Runs an attempt in a confined process, which gets a folder to write in and `more`.
fn attempt(name: &str, confinement: &Confinement, more: &str) -> (Outcome, Option<Report>) {
    let order = serde_json::to_string(&(name, confinement, more)).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_of_an_attempt", "--nocapture", "--test-threads=1"])
        .env_clear()
        .envs(ALLOCATOR_ENVIRONMENT)
        .env(attempt::ORDER, order)
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = |mark: &str| text.lines().find_map(|line| line.split_once(mark)).map(|(_, rest)| rest.to_string());
    let report = line("report: ").map(|report| serde_json::from_str(&report).unwrap());
    let outcome = match (line("outcome: "), output.status.signal()) {
        (_, Some(signal)) => Outcome::Killed(signal),
        (Some(said), None) => Outcome::Said(said),
        (None, None) => panic!("{name}: neither outcome nor signal: {text}"),
    };
    (outcome, report)
}

/// Not a test of its own: the process in which an attempt is made.
#[test]
fn the_process_of_an_attempt() {
    attempt::run_if_ordered();
}

fn worker(folder: &Path) -> Confinement {
    Confinement { role: Role::Worker, write: vec![folder.into()], ..Confinement::default() }
}

fn refused(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Said(said) if said.contains("os error 1)") || said.contains("os error 13)"))
}

/// Goal: what a worker has no business with is refused. Method: the table; `folder` and a listening server are really there.
#[test]
fn a_worker_cannot_leave_its_folder_its_process_or_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(secret.path(), "secret").unwrap();
    std::os::unix::fs::symlink(secret.path(), folder.path().join("link")).unwrap();
    let inside = folder.path().join("own");
    fs::create_dir(&inside).unwrap();
    let listening = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let unix = folder.path().join("others.sock");
    let _others = std::os::unix::net::UnixListener::bind(&unix).unwrap();
    let secret = secret.path().to_str().unwrap();
    let climbing = format!("{}/own/../../{}", folder.path().display(), secret.rsplit('/').next().unwrap());
    let parent = std::process::id().to_string();
    let memory = format!("/proc/{parent}/mem");
    let environment = format!("/proc/{parent}/environ");
    let attempts = [
        ("read", "/etc/passwd"),
        ("read", secret),
        ("read", &climbing),
        ("read", &folder.path().join("link").display().to_string()),
        ("read", &memory),
        ("read", &environment),
        ("read", "/proc/self/environ"),
        ("list", "/"),
        ("write", secret),
        ("write", &folder.path().join("outside").display().to_string()),
        ("truncate", secret),
        ("symlink", &inside.join("new-link").display().to_string()),
        ("move out", &folder.path().join("moved").display().to_string()),
        ("connect", &listening),
        ("connect", "127.0.0.1:1"),
        ("listen", "127.0.0.1:0"),
        ("connect unix", unix.to_str().unwrap()),
        ("udp", "127.0.0.1:0"),
        ("netlink", ""),
        ("raw socket", ""),
        ("fork", ""),
        ("spawn", "/bin/true"),
        ("signal", &parent),
        ("real time", ""),
        ("schedule another", ""),
        ("io_uring", ""),
    ];
    let mut wrong = Vec::new();
    for (name, with) in attempts {
        for network in [Network::None, Network::Unix, Network::Outgoing { ports: vec![1] }] {
            if matches!(network, Network::Outgoing { .. }) && (with == "127.0.0.1:1" || name == "udp") {
                continue;
            }
            let confinement = Confinement { network, ..worker(&inside) };
            let (outcome, _) = attempt(name, &confinement, with);
            if !refused(&outcome) {
                wrong.push(format!("{name} {with} with {:?}: {outcome:?}", confinement.network));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(fs::read_to_string(secret).unwrap(), "secret");
}

/// Goal: what only an intruder does ends the process. Method: each call.
#[test]
fn what_no_worker_ever_does_kills_it() {
    let folder = tempfile::tempdir().unwrap();
    let parent = std::process::id().to_string();
    for (name, with) in [
        ("exec", "/bin/true"),
        ("ptrace", &parent),
        ("memory of", &parent),
        ("mount", ""),
        ("bpf", ""),
        ("unshare", ""),
        ("keyctl", ""),
    ] {
        let (outcome, _) = attempt(name, &worker(folder.path()), with);
        assert_eq!(outcome, Outcome::Killed(SIGSYS), "{name}");
    }
}

/// Goal: a worker can do its work. Method: each thing that one does, with what grants it.
#[test]
fn a_worker_can_do_its_work() {
    let folder = tempfile::tempdir().unwrap();
    let given = tempfile::tempdir().unwrap();
    fs::write(given.path().join("in.csv"), "a\n1\n").unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let base = Confinement { read: vec![given.path().into()], ..worker(folder.path()) };
    let outgoing = Confinement { network: Network::Outgoing { ports: vec![port] }, ..base.clone() };
    let unix = Confinement { network: Network::Unix, ..base.clone() };
    let path = |folder: &tempfile::TempDir, name: &str| folder.path().join(name).display().to_string();
    let attempts = [
        ("read", &base, path(&given, "in.csv")),
        ("list", &base, given.path().display().to_string()),
        ("write", &base, path(&folder, "out.csv")),
        ("files", &base, folder.path().display().to_string()),
        ("threads", &base, String::new()),
        ("machine code", &base, String::new()),
        ("give way", &base, String::new()),
        ("shorter slice", &base, String::new()),
        ("timers", &base, String::new()),
        ("signal", &base, "self".into()),
        ("watch", &base, given.path().display().to_string()),
        ("pair", &base, String::new()),
        ("listen unix", &unix, path(&folder, "job.sock")),
        ("connect", &outgoing, format!("127.0.0.1:{port}")),
        ("resolve", &outgoing, "localhost".into()),
    ];
    for (name, confinement, with) in attempts {
        let (outcome, report) = attempt(name, confinement, &with);
        assert_eq!(outcome, Outcome::Said("done".into()), "{name} {with}: {report:?}");
    }
}

/// Goal: resources end at their limits, each in the way that is documented. Method: more than each limit.
#[test]
fn resources_end_at_their_limits() {
    let folder = tempfile::tempdir().unwrap();
    let limited = Confinement {
        memory_bytes_max: Some(256 << 20),
        open_files_max: Some(64),
        file_bytes_max: Some(1 << 20),
        ..worker(folder.path())
    };
    let run = |name: &str, with: &str| attempt(name, &limited, with).0;
    // Reserved address space is not memory.
    assert_eq!(run("reserve", &(1u64 << 40).to_string()), Outcome::Said("done".into()));
    assert_eq!(
        run("use reserved", &(10u64 << 30).to_string()),
        Outcome::Said("Cannot allocate memory (os error 12)".into())
    );
    assert_eq!(run("allocate", &(10u64 << 30).to_string()), Outcome::Killed(SIGABRT));
    assert_eq!(run("open many", "10000"), Outcome::Said("Too many open files (os error 24)".into()));
    let large = folder.path().join("large").display().to_string();
    assert_eq!(run("write large", &large), Outcome::Said("File too large (os error 27)".into()));
    assert_eq!(fs::metadata(large).unwrap().len(), 1 << 20);
    assert!(refused(&run("raise limits", "")));
}

/// Goal: the child that compiles has nothing but memory and threads. Method: what a worker may and it may not.
#[test]
fn a_computation_has_no_files_sockets_or_machine_code() {
    let nothing = Confinement::default();
    for (name, with) in [
        ("read", "/etc/passwd"),
        ("list", "/"),
        ("write", "x"),
        ("connect", "127.0.0.1:1"),
        ("pair", ""),
        ("listen unix", "x"),
        ("watch", "/"),
        ("machine code", ""),
        ("fork", ""),
    ] {
        let (outcome, _) = attempt(name, &nothing, with);
        assert!(refused(&outcome), "{name}: {outcome:?}");
    }
    assert_eq!(attempt("threads", &nothing, "").0, Outcome::Said("done".into()));
    assert_eq!(attempt("exec", &nothing, "/bin/true").0, Outcome::Killed(SIGSYS));
}

/// Goal: whoever starts a worker reads what holds. Method: the report of this kernel.
#[test]
fn the_report_says_what_holds() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("not yet");
    let confinement = Confinement { read: vec![absent.clone()], ..worker(folder.path()) };
    let (_, report) = attempt("threads", &confinement, "");
    let report = report.unwrap();
    assert_eq!(report.absent, [absent]);
    assert!(report.enforced.iter().any(|line| line == "no new privileges"), "{report:?}");
    assert!(report.enforced.iter().any(|line| line == "no core dumps"), "{report:?}");
    assert!(report.enforced.iter().any(|line| line == "system calls of a worker"), "{report:?}");
    if report.landlock_abi.is_some_and(|abi| abi >= 6) {
        assert!(report.is_complete(), "{report:?}");
    }
}

/// What the system can do is known without an end of what this process can do.
#[test]
fn a_probe_confines_nobody() {
    let report = supported().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (_, held) = attempt("threads", &worker(folder.path()), "");
    assert_eq!(report.landlock_abi, held.unwrap().landlock_abi);
    fs::read_dir("/").unwrap();
    assert!(Command::new("/bin/true").status().unwrap().success());
}

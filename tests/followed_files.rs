//! Followed files in the program itself: behaviour that only a process of its own shows.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use harness::{Flowgate, Folder, Lines, Signal, cpu_ticks, seconds, threads};
use rustix::process::{Pid, kill_process_group};

const PATIENCE: Duration = Duration::from_secs(30);

fn followed(path: &str) -> Folder {
    Folder::with_job(&format!(
        "job: followed\nsources: {{ s: {{ file: {{ path: '{path}', follow: true }} }} }}\nsinks: {{ o: {{ input: s, print: {{}} }} }}\n"
    ))
}

/// Returns the texts of the next rows, sorted.
#[track_caller]
fn texts(lines: &Lines, count: usize) -> Vec<String> {
    let text = |line: String| line.replace("{\"text\":\"", "").replace("\"}", "");
    let mut texts: Vec<String> = (0..count).map(|_| text(lines.next(PATIENCE).1)).collect();
    texts.sort();
    texts
}

/// More files than the system has watchers (128) share one, and cost nothing while nothing happens. Files that appear are read,
/// on any worker.
#[test]
fn many_followed_files_and_more_that_appear() {
    const FILES: usize = 200;
    for parallelism in ["1", "2"] {
        let folder = followed("f*.log");
        for i in 0..FILES {
            folder.write(&format!("f{i}.log"), format!("{i:03}\n"));
        }
        let mut running = Flowgate::new(folder.path(), &["run", "job.yaml", "-p", parallelism]).start();
        let lines = running.lines();
        assert_eq!(texts(&lines, FILES), (0..FILES).map(|i| format!("{i:03}")).collect::<Vec<_>>());
        folder.write("f-new.log", "new\n");
        assert_eq!(texts(&lines, 1), ["new"]);
        folder.appender("f-new.log").append("more\n");
        folder.appender("f7.log").append("more\n");
        assert_eq!(texts(&lines, 2), ["more", "more"]);
        std::thread::sleep(Duration::from_secs(2));
        let before = cpu_ticks(running.pid());
        std::thread::sleep(seconds(5));
        let taken = cpu_ticks(running.pid()) - before;
        println!("{FILES} followed files: {taken} ticks, {} threads", threads(running.pid()));
        assert!(taken <= 3, "{taken} ticks of processor time while idle");
        assert!(threads(running.pid()) <= 12, "{} threads", threads(running.pid()));
        running.signal(Signal::TERM);
        running.wait().expect(0);
    }
}

/// A table that is a link into a folder that is a link (as volumes of Kubernetes are) is read again when the inner link is
/// switched.
#[test]
fn a_table_behind_switched_links_is_read_again() {
    let folder = Folder::with_job(
        "\
job: table
sources: { s: { file: { path: in.jsonl, format: json, columns: { k: text }, follow: true } } }
operators: { r: { input: s, key: [k], join: left, lookup: { path: mount/t.csv, columns: { k: text, v: text } } } }
sinks: { o: { input: r, print: {} } }
",
    );
    for version in ["1", "2"] {
        fs::create_dir_all(folder.join(&format!("mount/..{version}"))).unwrap();
        folder.write(&format!("mount/..{version}/t.csv"), format!("k,v\na,{version}\n"));
    }
    symlink("..1", folder.join("mount/..data")).unwrap();
    symlink("..data/t.csv", folder.join("mount/t.csv")).unwrap();
    folder.write("in.jsonl", "{\"k\":\"a\"}\n");
    let mut running = Flowgate::new(folder.path(), &["run", "job.yaml"]).start();
    let lines = running.lines();
    assert!(lines.next(PATIENCE).1.contains("\"v\":\"1\""));
    symlink("..2", folder.join("mount/..fresh")).unwrap();
    fs::rename(folder.join("mount/..fresh"), folder.join("mount/..data")).unwrap();
    let mut input = folder.appender("in.jsonl");
    for tries in 0.. {
        assert!(tries < 100, "the table is the old one");
        input.append("{\"k\":\"a\"}\n");
        if lines.next(PATIENCE).1.contains("\"v\":\"2\"") {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    running.signal(Signal::TERM);
    running.wait().expect(0);
}

/// A shell in a namespace of its own, where it may mount and set limits; it ends with the test.
struct Shell(Child);

impl Shell {
    /// Runs `script`, whose `$0` is the program; `None` where the system does not permit it.
    fn start(folder: &Path, script: &str) -> Option<Shell> {
        let shell = |script: &str| {
            let mut command = Command::new("unshare");
            command.args(["--map-root-user", "--mount", "sh", "-c", script]).arg(harness::program());
            command
                .process_group(0)
                .current_dir(folder)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            command
        };
        let probe = "echo 100 >/proc/sys/user/max_inotify_instances";
        if !shell(probe).status().is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: namespaces are not allowed");
            return None;
        }
        Some(Shell(shell(script).spawn().unwrap()))
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // Kills the shell and the processes that it has started.
        let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

/// Where the system has no watcher left, files are looked at once a second, with one notice.
#[test]
fn without_watchers_files_are_looked_at() {
    let folder = followed("f*.log");
    folder.write("f1.log", "1\n");
    folder.write("f2.log", "2\n");
    let script = "echo 0 >/proc/sys/user/max_inotify_instances && exec \"$0\" run job.yaml";
    let Some(mut shell) = Shell::start(folder.path(), script) else { return };
    let lines = Lines::of(shell.0.stdout.take().unwrap());
    let said = Lines::of(shell.0.stderr.take().unwrap());
    assert_eq!(texts(&lines, 2), ["1", "2"]);
    folder.appender("f1.log").append("more\n");
    assert_eq!(texts(&lines, 1), ["more"]);
    folder.write("f3.log", "3\n");
    assert_eq!(texts(&lines, 1), ["3"]);
    fs::rename(folder.join("f2.log"), folder.join("old")).unwrap();
    folder.write("f2.log", "again\n");
    assert_eq!(texts(&lines, 1), ["again"]);
    let note = "note: the system does not watch all files that are followed: no watcher is left \
                (fs.inotify.max_user_instances); they are looked at every 1s";
    assert_eq!(said.next(PATIENCE).1, note);
    shell.0.kill().unwrap();
    assert_eq!(said.rest(), Vec::<String>::new());
}

/// Another file is mounted over the followed one, as for files of containers: no event reports it.
#[test]
fn a_mounted_file_that_is_replaced() {
    let folder = followed("a.log");
    folder.write("a.log", "");
    folder.write("v1", "1\n");
    folder.write("v2", "2\n");
    // The program reads the shell's input, which says when to go on, only where a job has `stdin`.
    let script = "mount --bind v1 a.log && { \"$0\" run job.yaml </dev/null & } && read go && mount --bind v2 a.log && read go; kill $!";
    let Some(mut shell) = Shell::start(folder.path(), script) else { return };
    let lines = Lines::of(shell.0.stdout.take().unwrap());
    let mut go = shell.0.stdin.take().unwrap();
    assert_eq!(texts(&lines, 1), ["1"]);
    std::io::Write::write_all(&mut go, b"\n").unwrap();
    assert_eq!(texts(&lines, 1), ["2"]);
    folder.appender("v2").append("3\n");
    assert_eq!(texts(&lines, 1), ["3"]);
    std::io::Write::write_all(&mut go, b"\n").unwrap();
    assert_eq!(lines.rest(), Vec::<String>::new());
}

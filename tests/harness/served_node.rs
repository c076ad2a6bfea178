//! A node as a process on loopback, and commands in a shell as its user types them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::process::{Ended, Flowgate, Running};
use crate::program::{home, program, runtime};

/// A node that was started in a folder. It ends with the test in any case, and so do its workers.
pub struct ServedNode {
    process: Option<Running>,
    /// Where it is, `http://127.0.0.1:PORT`.
    pub address: String,
    data: PathBuf,
}

impl ServedNode {
    /// Starts a node with this data folder. The token of its first administrator is in `admin.token` beside it.
    ///
    /// # Panics
    /// If it does not serve in time.
    #[track_caller]
    pub fn start(folder: &Path, data: &str) -> ServedNode {
        let process = Flowgate::new(folder, &["serve", "--data", data, "--listen", "127.0.0.1:0"]).start();
        process.wait_until_said("the node serves at ");
        let said = process.said();
        let behind = |text: &str| Some(said.split_once(text)?.1.lines().next()?.to_string());
        if let Some(token) = behind("shown this once: ") {
            fs::write(folder.join("admin.token"), token).expect("the folder can be written");
        }
        let address = behind("serves at ").expect("it has said it");
        ServedNode { address, process: Some(process), data: folder.join(data) }
    }

    /// Stops it with SIGTERM. Its jobs go on.
    ///
    /// # Panics
    /// If it does not end well, or was stopped before.
    #[track_caller]
    pub fn stop(&mut self) -> Ended {
        let process = self.process.take().expect("it runs");
        process.signal(Signal::TERM);
        process.wait().expect(0)
    }
}

impl Drop for ServedNode {
    fn drop(&mut self) {
        // The node first: it would start them again.
        drop(self.process.take());
        let mut attempts = Vec::new();
        below(&self.data.join("jobs"), 5, &mut attempts);
        for started in attempts.iter().filter(|path| path.ends_with("started.json")) {
            let text = fs::read_to_string(started).unwrap_or_default();
            let digits = text.split_once("\"pid\":").map_or("", |(_, rest)| rest.trim_start());
            let digits = digits.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
            let pid = digits.parse().ok().and_then(Pid::from_raw);
            if let Some(pid) = pid.filter(|pid| is_worker(*pid)) {
                // It may have ended meanwhile.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

fn is_worker(pid: Pid) -> bool {
    let command = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
    command.split(|byte| *byte == 0).any(|argument| argument == b"worker")
}

fn below(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        match path.is_dir() {
            true if depth > 0 => below(&path, depth - 1, found),
            true => {}
            false => found.push(path),
        }
    }
}

/// Runs commands in one shell, with the program in the path and settings of its own. Returns what each part printed.
///
/// # Panics
/// If a command fails.
#[track_caller]
pub fn in_shell(folder: &Path, commands: &[String]) -> Vec<String> {
    let printed = |at: usize| folder.join(format!("printed-{at}"));
    let parts = commands.iter().enumerate().map(|(at, text)| format!("exec > {}\n{text}\n", printed(at).display()));
    let script: String = parts.collect();
    let programs = program().parent().expect("a program is in a folder").to_path_buf();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("sh");
    shell.args(["-euc", &script]).current_dir(folder).stdin(Stdio::null()).env("PATH", path);
    shell.env("XDG_CONFIG_HOME", settings(folder)).env("FLOWGATE_HOME", home()).env("XDG_RUNTIME_DIR", runtime());
    for name in ["FLOWGATE_NODE", "FLOWGATE_TOKEN", "FLOWGATE_TENANT", "FLOWGATE_PLUGIN_PATH"] {
        shell.env_remove(name);
    }
    let ended = shell.output().expect("there is a shell");
    let printed: Vec<String> =
        (0..commands.len()).map(|at| fs::read_to_string(printed(at)).unwrap_or_default()).collect();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{}\n{said}\n{}", ended.status, printed.join("\n"));
    printed
}

/// Where the commands of [`in_shell`] in this folder keep a login.
pub fn settings(folder: &Path) -> PathBuf {
    folder.join("settings")
}

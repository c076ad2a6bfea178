//! The program as a process, which ends with the test in any case.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::kernel::handles;
use crate::lines::Lines;
use crate::program::{home, program, runtime};
use crate::shell::{OF_THE_USER, settings};

/// The time in which a process must end where a test does not set one: much more than it needs, also on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// A command line of the program.
pub struct Flowgate {
    command: Command,
    captures_stdout: bool,
    deadline: Duration,
}

impl Flowgate {
    /// Creates a command line of the program in a folder, with arguments. It has no input; its cache is the tests' own, and its login
    /// that of the folder.
    pub fn new(folder: &Path, arguments: &[&str]) -> Self {
        Flowgate::of(&program(), folder, arguments)
    }

    /// The same for another program file.
    pub fn of(program: &Path, folder: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        // A group of its own: a Ctrl-C for the tests goes to us, and its remaining processes can be found.
        command.args(arguments).current_dir(folder).process_group(0).stdin(Stdio::null()).stderr(Stdio::piped());
        command.env("XDG_RUNTIME_DIR", runtime());
        command.env("FLOWGATE_HOME", home()).env("XDG_CONFIG_HOME", settings(folder)).stdout(Stdio::piped());
        for name in OF_THE_USER {
            command.env_remove(name);
        }
        Flowgate { command, captures_stdout: true, deadline: DEADLINE }
    }

    /// Creates a command line that another program, such as `nohup`, starts and becomes.
    pub fn under(other: &str, folder: &Path, arguments: &[&str]) -> Self {
        let inner = Flowgate::new(folder, arguments);
        let mut command = Command::new(other);
        command.arg(inner.command.get_program()).args(inner.command.get_args()).current_dir(folder).process_group(0);
        for (name, value) in inner.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Flowgate { command, ..inner }
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Writes standard output to `to` instead of capturing it.
    pub fn stdout(mut self, to: impl Into<Stdio>) -> Self {
        self.command.stdout(to);
        self.captures_stdout = false;
        self
    }

    /// Reads standard input from `from`.
    pub fn stdin(mut self, from: impl Into<Stdio>) -> Self {
        self.command.stdin(from);
        self
    }

    /// Reads `text` from standard input.
    ///
    /// # Panics
    /// If it is more than a pipe holds, 64 KiB.
    pub fn input(self, text: &str) -> Self {
        assert!(text.len() <= 64 << 10, "a pipe holds no more");
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        writer.write_all(text.as_bytes()).expect("it is open, and has room");
        self.stdin(reader)
    }

    /// Ends the process and fails the test when it takes longer than `deadline` to end.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// If it does not end in time.
    #[track_caller]
    pub fn run(self) -> Ended {
        let mut running = self.start();
        let stdout = running.stdout.take().map(capture);
        let mut ended = running.wait();
        if let Some((text, thread)) = stdout {
            thread.join().expect("it only reads");
            ended.stdout = into_text(&text);
        }
        ended
    }

    /// Starts it. Standard output is not read before [`Running::lines`].
    pub fn start(mut self) -> Running {
        let started = Instant::now();
        let mut child = self.command.spawn().expect("the program starts");
        let stdout = child.stdout.take().filter(|_| self.captures_stdout);
        let (stderr, reader) = capture(child.stderr.take().expect("it is a pipe"));
        Running { child, stdout, stderr, reader: Some(reader), started, deadline: self.deadline }
    }
}

type Text = Arc<Mutex<Vec<u8>>>;

fn capture(mut pipe: impl Read + Send + 'static) -> (Text, JoinHandle<()>) {
    let text = Text::default();
    let theirs = Arc::clone(&text);
    let thread = std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(count) = pipe.read(&mut chunk)
            && count > 0
        {
            theirs.lock().expect("nobody panics with it").extend_from_slice(&chunk[..count]);
        }
    });
    (text, thread)
}

fn into_text(text: &Text) -> String {
    String::from_utf8_lossy(&text.lock().expect("nobody panics with it")).into_owned()
}

/// A running process. It is killed when this is dropped.
pub struct Running {
    child: Child,
    stdout: Option<ChildStdout>,
    stderr: Text,
    reader: Option<JoinHandle<()>>,
    started: Instant,
    deadline: Duration,
}

impl Running {
    /// Returns its process id, which is also its group's.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns when it was started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Starts reading its standard output.
    ///
    /// # Panics
    /// The second time.
    pub fn lines(&mut self) -> Lines {
        Lines::of(self.stdout.take().expect("a captured output, read once"))
    }

    /// Returns its standard error so far.
    pub fn said(&self) -> String {
        into_text(&self.stderr)
    }

    /// Waits until its standard error contains `text`.
    ///
    /// # Panics
    /// If it does not in time.
    #[track_caller]
    pub fn wait_until_said(&self, text: &str) {
        self.wait_until(|running| running.said().contains(text), &format!("it did not say {text:?}"));
    }

    /// Waits until it handles a signal: before that, the signal ends it.
    ///
    /// # Panics
    /// If it does not in time.
    #[track_caller]
    pub fn wait_until_it_handles(&self, signal: Signal) {
        self.wait_until(|running| handles(running.pid(), signal), "it does not handle the signal");
    }

    /// Waits until `bytes` bytes of its standard output are unread. A pipe of Linux holds 65,536.
    ///
    /// # Panics
    /// If there are fewer, in time, or its standard output is not captured.
    #[track_caller]
    pub fn wait_until_unread(&self, bytes: u64) {
        let unread = |running: &Running| {
            let stdout = running.stdout.as_ref().expect("a captured output, not read yet");
            rustix::io::ioctl_fionread(stdout).expect("a pipe") >= bytes
        };
        self.wait_until(unread, "its output is short");
    }

    /// Waits until something is so.
    ///
    /// # Panics
    /// With `otherwise`, if it is not so in time.
    #[track_caller]
    pub fn wait_until(&self, it_is_so: impl Fn(&Running) -> bool, otherwise: &str) {
        let start = Instant::now();
        while !it_is_so(self) {
            assert!(start.elapsed() < self.deadline, "{otherwise}: {}", self.said());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Sends it a signal, and not to the processes that it has started.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it was not waited for, so it is there");
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("our child").is_some()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it takes longer than the deadline, counted from this call.
    #[track_caller]
    pub fn wait(mut self) -> Ended {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("our child") {
                break status;
            }
            assert!(start.elapsed() < self.deadline, "it runs after {:?} still: {}", self.deadline, self.said());
            std::thread::sleep(Duration::from_millis(2));
        };
        let took = start.elapsed();
        if let Some(reader) = self.reader.take() {
            reader.join().expect("it only reads");
        }
        Ended { status, stdout: String::new(), stderr: self.said(), took }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // Kills the process and those that it has started.
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// A process that has ended.
#[derive(Debug)]
pub struct Ended {
    status: ExitStatus,
    /// Its standard output, if that was captured.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// The time that its end was waited for.
    pub took: Duration,
}

impl Ended {
    /// Returns its exit code; `None` if a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Returns the lines of standard output.
    pub fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }

    /// Checks the exit code; a failure shows the output.
    ///
    /// # Panics
    /// If it is another.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code(), Some(code), "{}", self.stderr);
        self
    }

    /// Checks that standard output contains `text`.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn printing(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "{text:?} was not printed: {}{}", self.stdout, self.stderr);
        self
    }

    /// Checks that standard error contains `text`.
    ///
    /// # Panics
    /// If it was not.
    #[track_caller]
    pub fn saying(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "{text:?} was not said: {}", self.stderr);
        self
    }
}

//! A node as a process on loopback.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::kernel::{signal, working_below};
use crate::process::{Ended, Flowgate, Running};
use crate::program::program;
use crate::wait::PATIENCE;

/// A node that was started in a folder. It ends with the test in any case, and so do its workers.
pub struct ServedNode {
    process: Option<Running>,
    /// Where it is, `http://127.0.0.1:PORT`.
    pub address: String,
    /// The token of its first administrator; empty where its data folder had one before.
    pub token: String,
    folder: PathBuf,
    data: String,
    arguments: Vec<String>,
    program: PathBuf,
    /// What its processes before the present one have said.
    said_before: String,
}

impl ServedNode {
    /// Starts a node with this data folder. The token of its first administrator is in `admin.token` beside it.
    ///
    /// # Panics
    /// If it does not serve in time.
    #[track_caller]
    pub fn start(folder: &Path, data: &str) -> ServedNode {
        let node = ServedNode::start_with(folder, data, &[]);
        if !node.token.is_empty() {
            fs::write(folder.join("admin.token"), &node.token).expect("the folder can be written");
        }
        node
    }

    /// Starts a node with further arguments. Its token is in no file.
    ///
    /// # Panics
    /// As for [`ServedNode::start`].
    #[track_caller]
    pub fn start_with(folder: &Path, data: &str, arguments: &[&str]) -> ServedNode {
        let mut node = ServedNode {
            process: None,
            address: "http://127.0.0.1:0".into(),
            token: String::new(),
            folder: folder.into(),
            data: data.into(),
            arguments: arguments.iter().map(|argument| argument.to_string()).collect(),
            program: program(),
            said_before: String::new(),
        };
        node.begin(&[]);
        node
    }

    /// Starts it again, at the same address, with further environment variables.
    ///
    /// # Panics
    /// As for [`ServedNode::start`].
    #[track_caller]
    pub fn begin(&mut self, environment: &[(&str, &str)]) {
        let listen = self.address.rsplit('/').next().unwrap_or_default();
        let mut arguments = vec!["serve", "--data", &self.data, "--listen", listen];
        arguments.extend(self.arguments.iter().map(String::as_str));
        let mut command = Flowgate::of(&self.program, &self.folder, &arguments);
        for (name, value) in environment {
            command = command.env(name, value);
        }
        let process = command.start();
        process.wait_until_said("the node serves at ");
        let said = process.said();
        let behind = |text: &str| Some(said.split_once(text)?.1.lines().next()?.to_string());
        if let Some(token) = behind("shown this once: ") {
            self.token = token;
        }
        self.address = behind("serves at ").expect("it has said it");
        self.process = Some(process);
    }

    /// The program file with which it is started the next time.
    pub fn set_program(&mut self, program: &Path) {
        self.program = program.into();
    }

    /// Its process.
    ///
    /// # Panics
    /// If it was stopped or killed.
    pub fn process(&self) -> &Running {
        self.process.as_ref().expect("it runs")
    }

    /// Everything that it has written to standard error, its former processes included.
    pub fn said(&self) -> String {
        self.said_before.clone() + &self.process.as_ref().map(Running::said).unwrap_or_default()
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.join(&self.data)
    }

    /// The worker processes of its jobs: the folder of the attempt and the process.
    pub fn workers(&self) -> Vec<(PathBuf, u32)> {
        working_below(&self.data().join("jobs"))
    }

    /// Stops it with SIGTERM. Its jobs go on.
    ///
    /// # Panics
    /// If it does not end well, or was stopped before.
    #[track_caller]
    pub fn stop(&mut self) -> Ended {
        self.end(Signal::TERM).expect(0)
    }

    /// Kills it, if it runs. Its jobs go on.
    #[track_caller]
    pub fn kill(&mut self) {
        if self.process.is_some() {
            self.end(Signal::KILL);
        }
    }

    #[track_caller]
    fn end(&mut self, by: Signal) -> Ended {
        let process = self.process.take().expect("it runs");
        process.signal(by);
        let ended = process.wait();
        self.said_before += &ended.stderr;
        ended
    }
}

impl Drop for ServedNode {
    fn drop(&mut self) {
        // The node first: it would start them again.
        drop(self.process.take());
        let start = Instant::now();
        loop {
            let left = self.workers();
            left.iter().for_each(|(_, pid)| signal(*pid, Signal::KILL));
            if left.is_empty() || start.elapsed() > PATIENCE {
                return;
            }
            sleep(Duration::from_millis(5));
        }
    }
}

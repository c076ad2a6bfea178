//! The folders of a job on a node, and its worker processes, which end with the test in any case.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use flowgate_base::secret::Secret;
use flowgate_control::client;
use flowgate_control::place::Found;
use flowgate_control::status::Status;
use flowgate_worker::assignment::{
    AssignedPlugin, Assignment, Begins, DocumentLanguage, JobDocument, Level, Task, VERSION,
};
use flowgate_worker::check::Checked;
use flowgate_worker::files::{self, Ended, Started};
use flowgate_worker::limits::WorkerLimits;
use flowgate_worker::log::{LogLine, tail};
use flowgate_worker::spawn::{self, CheckError};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A busy machine and a program without optimisation.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A job on a node.
pub(crate) struct Job {
    folder: TempDir,
    pub(crate) assignment: Assignment,
}

/// A worker process.
pub(crate) struct Worker {
    pub(crate) child: Child,
    pub(crate) folder: PathBuf,
}

/// Returns the program that was built next to the running test.
pub(crate) fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("flowgate");
    assert!(program.exists(), "{} is not built: run `make build`, or `cargo build -p flowgate-cli`", program.display());
    program
}

/// Returns the component of a plugin that comes with Flowgate.
pub(crate) fn plugin(name: &str) -> PathBuf {
    let component = program().ancestors().nth(2).unwrap().join("plugins").join(format!("{name}.wasm"));
    assert!(component.exists(), "the plugin {name} is not built ({}): run `make plugins`", component.display());
    component
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn wait_until<T>(what: &str, mut it_is: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = it_is() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Job {
    /// Creates the folders of a job with this document.
    pub(crate) fn new(text: &str) -> Job {
        let folder = tempfile::tempdir().unwrap();
        let within = |name: &str| folder.path().join(name);
        for name in ["files", "attempts", "compiled", "checkpoints"] {
            fs::create_dir(within(name)).unwrap();
        }
        let assignment = Assignment {
            policy: None,
            touches: Default::default(),
            plugin_folder: None,
            version: VERSION,
            task: Task::Run,
            tenant: "acme".into(),
            job: "web".into(),
            attempt: 0,
            document: JobDocument { name: "job.yaml".into(), text: text.into(), language: DocumentLanguage::Yaml },
            plugins: Vec::new(),
            secrets: Default::default(),
            folder: within("attempts"),
            socket_folder: None,
            files: within("files"),
            checkpoint_store: within("checkpoints").display().to_string(),
            checkpoint_every_ms: 100,
            beginning: Begins::Resume,
            hidden: Vec::new(),
            pending: None,
            parallelism: None,
            limits: WorkerLimits::default(),
            compiled: None,
            log_level: Level::Info,
            log_format: None,
        };
        Job { folder, assignment }
    }

    pub(crate) fn with_secret(mut self, name: &str, value: &str) -> Job {
        self.assignment.secrets.insert(name.into(), Secret::new(value));
        self
    }

    /// Lets all operators use this component as a plugin.
    pub(crate) fn assign(&mut self, plugin: &str, component: &Path) {
        let out = std::process::Command::new("sha256sum").arg(component).output().unwrap();
        let digest = String::from_utf8(out.stdout).unwrap().split_whitespace().next().unwrap().into();
        let (plugin, path) = (plugin.into(), component.into());
        self.assignment.plugins.push(AssignedPlugin { operator: None, plugin, path, digest });
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file of the job.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.assignment.files.join(name), text).unwrap();
    }

    pub(crate) fn check(&self) -> Result<Checked, CheckError> {
        self.answer(Task::Check)
    }

    pub(crate) fn answer(&self, task: Task) -> Result<Checked, CheckError> {
        spawn::check(&program(), &Assignment { task, ..self.assignment.clone() }, PATIENCE, None)
    }

    /// Starts the next attempt.
    pub(crate) fn start(&mut self) -> Worker {
        self.assignment.attempt += 1;
        self.assignment.folder = self.folder.path().join("attempts").join(self.assignment.attempt.to_string());
        fs::create_dir(&self.assignment.folder).unwrap();
        let child = spawn::spawn(&program(), &self.assignment, None).unwrap();
        Worker { child, folder: self.assignment.folder.clone() }
    }

    /// Returns every file below the folder of the job whose bytes contain a text.
    pub(crate) fn files_with(&self, text: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                match entry.file_type().unwrap() {
                    kind if kind.is_dir() => folders.push(entry.path()),
                    kind if kind.is_file() => {
                        let bytes = fs::read(entry.path()).unwrap();
                        if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                            found.push(entry.path());
                        }
                    }
                    _ => {}
                }
            }
        }
        found
    }
}

impl Worker {
    pub(crate) fn started(&self) -> Started {
        let running = || files::started(&self.folder).unwrap().filter(|started| started.socket.is_some());
        wait_until("it does not run", || {
            assert_eq!(files::ended(&self.folder).unwrap(), None, "{:?}", self.log());
            running()
        })
    }

    /// Returns its socket, when it has one.
    pub(crate) fn found(&self) -> Found {
        let started = self.started();
        Found { path: started.socket.unwrap(), name: "web".into(), pid: started.process.pid }
    }

    /// Returns its status, when an operator has received rows.
    pub(crate) fn status(&self, operator: &str, rows: u64) -> Status {
        let found = self.found();
        wait_until("the rows do not come", || {
            let status = client::status(&found).unwrap();
            let received = status.operator(operator).unwrap().rows_in;
            (received >= rows).then_some(status)
        })
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end of the process, and returns what it says of it.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Ended {
        wait_until("it does not end", || self.child.try_wait().unwrap());
        files::ended(&self.folder).unwrap().expect("it says how it has ended")
    }

    pub(crate) fn log(&self) -> Vec<LogLine> {
        tail(&self.folder, None, 10_000).unwrap().lines
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

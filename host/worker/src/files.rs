//! The files in which a worker process says that it has started and how it has ended, for a node that may have started again since.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use flowgate_base::error::{Error, Fault, Result, Retry};
use flowgate_base::secret;

use crate::program::Program;

/// The file of [`Started`].
pub const STARTED: &str = "started.json";

/// The file of [`Ended`].
pub const ENDED: &str = "ended.json";

/// Maximum bytes of these files: a summary of 1,000 operators.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// A worker process that has started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The process.
    pub process: ProcessId,
    /// The socket on which it answers; `None` before the job runs.
    pub socket: Option<PathBuf>,
    /// Whether it began with the version of a swap that was pending.
    #[serde(default)]
    pub swapped: bool,
    /// The program that it runs; `None` before it has read its assignment.
    #[serde(default)]
    pub program: Option<Program>,
}

/// A process that no other one is taken for, although numbers are used again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Its number.
    pub pid: u32,
    /// When it was started, in clock ticks since the machine was (field 22 of `/proc/PID/stat`).
    pub started_ticks: u64,
    /// The id of the machine's start (`/proc/sys/kernel/random/boot_id`).
    pub boot: String,
}

/// How a worker process has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// How.
    pub outcome: Outcome,
    /// The summary of the job, as `flowgate run` prints it; empty if it did not run.
    pub summary: String,
    /// The last complete checkpoint of this attempt.
    pub checkpoint: Option<LastCheckpoint>,
}

/// How a job has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its sources have ended.
    Finished,
    /// It was stopped.
    Stopped,
    /// It has failed.
    Failed(Failure),
}

/// Why a job has failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The code, as in `FG0301`.
    pub code: String,
    /// Whose fault it is.
    pub fault: flowgate_control::status::Fault,
    /// The operator in which it happened, where there is one.
    pub operator: Option<String>,
    /// What went wrong.
    pub message: String,
    /// Whether the same attempt may succeed later.
    pub retry: bool,
}

/// A complete checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastCheckpoint {
    /// Its number in the store.
    pub number: u64,
    /// When it was complete, Unix milliseconds.
    pub at_ms: i64,
}

impl Failure {
    /// Returns what is said of an error; no secret is in it.
    pub fn of(error: &Error) -> Failure {
        let fault = match error.fault() {
            Fault::User => flowgate_control::status::Fault::User,
            Fault::External => flowgate_control::status::Fault::External,
            Fault::Internal => flowgate_control::status::Fault::Internal,
        };
        Failure {
            code: error.code.to_string(),
            fault,
            operator: error.operator.clone(),
            message: secret::conceal(&error.message).into_owned(),
            retry: error.retry() == Retry::Later,
        }
    }
}

impl ProcessId {
    /// Returns the process of a number, if there is one.
    pub fn of(pid: u32) -> Option<ProcessId> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may have blanks and parentheses; field 3 follows it.
        let (_, behind_name) = stat.rsplit_once(')')?;
        let mut fields = behind_name.split_ascii_whitespace();
        // A zombie has ended.
        if matches!(fields.clone().next()?, "Z" | "X") {
            return None;
        }
        let started_ticks = fields.nth(19)?.parse().ok()?;
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Some(ProcessId { pid, started_ticks, boot: boot.trim().into() })
    }

    /// Whether the process runs still.
    pub fn is_alive(&self) -> bool {
        ProcessId::of(self.pid).is_some_and(|now| now == *self)
    }
}

/// Returns what a worker process has said at its start; `None` where it has not.
///
/// # Errors
/// The file cannot be read.
pub fn started(folder: &Path) -> Result<Option<Started>> {
    read(&folder.join(STARTED))
}

/// Returns how a worker process has ended; `None` where it has not said so: it runs, or it was killed.
///
/// # Errors
/// The file cannot be read.
pub fn ended(folder: &Path) -> Result<Option<Ended>> {
    read(&folder.join(ENDED))
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let failed = |e: &io::Error| Error::io(format_args!("cannot read {}", path.display()), e);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(&e)),
    };
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut text).map_err(|e| failed(&e))?;
    let wrong = |e| Error::internal(format!("{} is not what a worker process writes: {e}", path.display()));
    serde_json::from_slice(&text).map(Some).map_err(wrong)
}

/// Writes a file that is there as a whole or not at all.
pub(crate) fn write(folder: &Path, name: &str, what: &impl Serialize) -> Result<()> {
    let path = folder.join(name);
    let unfinished = folder.join(format!(".{name}"));
    let text = serde_json::to_vec(what).map_err(|e| Error::internal(e.to_string()))?;
    let written = File::create(&unfinished).and_then(|mut file| {
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)
    });
    written.map_err(|e| Error::io(format_args!("cannot write {}", path.display()), &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_a_later_one_of_the_same_number() {
        let own = ProcessId::of(std::process::id()).unwrap();
        assert!(own.is_alive());
        assert!(!ProcessId { started_ticks: own.started_ticks + 1, ..own.clone() }.is_alive());
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let theirs = ProcessId::of(child.id()).unwrap();
        assert!(theirs.is_alive() && theirs.started_ticks >= own.started_ticks);
        child.kill().unwrap();
        // Before it is waited for, it is a zombie.
        for _ in 0..1_000 {
            if !theirs.is_alive() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        assert!(!theirs.is_alive());
        child.wait().unwrap();
        assert!(!theirs.is_alive());
    }

    #[test]
    fn a_file_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(ended(folder.path()).unwrap(), None);
        let checkpoint = Some(LastCheckpoint { number: 3, at_ms: 5 });
        let outcome = Outcome::Failed(Failure::of(&Error::internal("broken")));
        let end = Ended { at_ms: 7, outcome, summary: "done".into(), checkpoint };
        write(folder.path(), ENDED, &end).unwrap();
        assert_eq!(ended(folder.path()).unwrap(), Some(end));
        fs::write(folder.path().join(ENDED), "{}").unwrap();
        assert!(ended(folder.path()).is_err());
    }
}

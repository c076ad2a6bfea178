//! Groups: made, limited, entered, removed. Each operation is one on files of the tree.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::detect::enabled;

/// The period over which processor time is shared: the kernel's default.
const CPU_PERIOD_US: u64 = 100_000;
/// The least quota that the kernel takes.
const CPU_QUOTA_US_MIN: u64 = 1_000;
/// The longest name of a file, less the prefix.
const NAME_BYTES_MAX: usize = 200;

/// The limits of a group; `None`: none but its parent's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GroupLimits {
    /// Processor time: 1.5 is one and a half processors. At the limit, the processes wait for the next period of 100 ms.
    pub cpu_cores: Option<f64>,
    /// Memory, page cache included; no swap besides. At the limit, the kernel reclaims, then kills one process of the group.
    pub memory_bytes_max: Option<u64>,
    /// Processes and threads. At the limit, none can be started.
    pub processes_max: Option<u64>,
}

/// The groups that a node may make, below its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroups {
    group: PathBuf,
}

/// The group of a tenant or of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    path: PathBuf,
}

impl Cgroups {
    pub(super) fn at(group: &Path) -> Cgroups {
        Cgroups { group: group.into() }
    }

    /// Returns the group of a tenant, which is made if it is not there. Names are those of a node: letters, digits, `-`, `_`, `.`.
    ///
    /// # Errors
    /// The name is none, or the system refuses the group.
    pub fn tenant(&self, tenant: &str) -> io::Result<Group> {
        let group = Group::make(&self.group, "tenant", tenant)?;
        fs::write(group.path.join("cgroup.subtree_control"), enabled())?;
        Ok(group)
    }
}

impl Group {
    /// Returns the group of a job of this tenant, which is made if it is not there.
    ///
    /// # Errors
    /// The name is none, or the system refuses the group.
    pub fn job(&self, job: &str) -> io::Result<Group> {
        Group::make(&self.path, "job", job)
    }

    fn make(parent: &Path, kind: &str, name: &str) -> io::Result<Group> {
        let is_name_byte = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_name_byte) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{name}` is no name of a {kind}")));
        }
        let path = parent.join(format!("{kind}-{name}"));
        match fs::create_dir(&path) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
            _ => Ok(Group { path }),
        }
    }

    /// Sets the limits of all its processes together.
    ///
    /// # Errors
    /// The system refuses one.
    pub fn limit(&self, limits: &GroupLimits) -> io::Result<()> {
        let bytes_or_none = |max: Option<u64>| max.map_or("max".into(), |max| max.to_string());
        let cpu = limits
            .cpu_cores
            .map_or("max".into(), |cores| ((cores * CPU_PERIOD_US as f64) as u64).max(CPU_QUOTA_US_MIN).to_string());
        self.write("cpu.max", &format!("{cpu} {CPU_PERIOD_US}"))?;
        self.write("memory.max", &bytes_or_none(limits.memory_bytes_max))?;
        self.write("pids.max", &bytes_or_none(limits.processes_max))?;
        // A kernel without swap has no such file.
        let swap = self.path.join("memory.swap.max");
        let bounded = limits.memory_bytes_max.is_some();
        if swap.exists() { fs::write(swap, if bounded { "0" } else { "max" }) } else { Ok(()) }
    }

    /// Moves a process here, with all of its threads. What it starts later is born here.
    ///
    /// # Errors
    /// The process has ended, or the group is one of a tenant, whose processes are in those of its jobs.
    pub fn take(&self, process: u32) -> io::Result<()> {
        self.write("cgroup.procs", &process.to_string())
    }

    /// Kills all of its processes, those that are being started included (since Linux 5.14).
    ///
    /// # Errors
    /// The system does not know how.
    pub fn kill(&self) -> io::Result<()> {
        self.write("cgroup.kill", "1")
    }

    /// Removes the group. It is no error if it is gone.
    ///
    /// # Errors
    /// It has processes, or groups in it.
    pub fn remove(self) -> io::Result<()> {
        match fs::remove_dir(&self.path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    /// Processor time that its processes have used, ended ones included, in microseconds.
    ///
    /// # Errors
    /// The system has no such figure.
    pub fn cpu_us(&self) -> io::Result<u64> {
        let figures = fs::read_to_string(self.path.join("cpu.stat"))?;
        let used = figures.lines().find_map(|line| line.strip_prefix("usage_usec ")?.trim().parse().ok());
        used.ok_or_else(|| io::Error::other("cpu.stat has no usage_usec"))
    }

    /// Writes a file of the group, which the kernel has made: none is created.
    fn write(&self, file: &str, value: &str) -> io::Result<()> {
        use std::io::Write;
        fs::OpenOptions::new().write(true).truncate(true).open(self.path.join(file))?.write_all(value.as_bytes())
    }

    #[cfg(test)]
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

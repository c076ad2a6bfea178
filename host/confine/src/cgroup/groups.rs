//! Groups: made, limited, entered, removed. Each operation is one on files of the tree.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io, thread};

use serde::{Deserialize, Serialize};

use super::detect::enabled;
use super::memory::Shortages;

/// The period over which processor time is shared: the kernel's default.
const CPU_PERIOD_US: u64 = 100_000;
/// The least quota that the kernel takes.
const CPU_QUOTA_US_MIN: u64 = 1_000;
/// The longest name of a file, less the prefix.
const NAME_BYTES_MAX: usize = 200;
/// Prefix of the groups of tenants.
const TENANT: &str = "tenant-";
/// Prefix of the groups of jobs.
const JOB: &str = "job-";
/// The group of what works for a tenant beside its jobs.
const CHECKS: &str = "checks";
/// Attempts to remove a group whose processes have just ended: some kernels count them for a moment longer.
const REMOVALS_MAX: u32 = 20;
/// Pause between two of them.
const REMOVAL_PAUSE: Duration = Duration::from_millis(5);

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

    /// Returns the folder of the group in which they are.
    pub fn folder(&self) -> &Path {
        &self.group
    }

    /// Returns the group of a tenant, which is made if it is not there. Names are those of a node: letters, digits, `-`, `_`, `.`.
    ///
    /// # Errors
    /// The name is none, or the system refuses the group.
    pub fn tenant(&self, tenant: &str) -> io::Result<Group> {
        let group = Group::make(&self.group, TENANT, tenant)?;
        fs::write(group.path.join("cgroup.subtree_control"), enabled())?;
        Ok(group)
    }

    /// Removes the groups without processes, except those for which `keeps` is true: it is given the name of a tenant, and of a job of it;
    /// `None` for the group of the tenant.
    pub fn sweep(&self, keeps: impl Fn(&str, Option<&str>) -> bool) {
        for (tenant, folder) in groups_in(&self.group, TENANT) {
            for (job, path) in groups_in(&folder, JOB).filter(|(job, _)| !keeps(&tenant, Some(job))) {
                // One with processes stays.
                let _ = fs::remove_dir(&path).map(|()| job);
            }
            if !keeps(&tenant, None) {
                let _ = fs::remove_dir(folder.join(CHECKS));
                let _ = fs::remove_dir(&folder);
            }
        }
    }
}

/// Returns the groups of a kind in a group: their names and folders.
fn groups_in(folder: &Path, kind: &'static str) -> impl Iterator<Item = (String, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(move |entry| {
        let name = entry.file_name().to_str()?.strip_prefix(kind)?.to_string();
        Some((name, entry.path()))
    })
}

impl Group {
    /// Returns the group of a job of this tenant, which is made if it is not there.
    ///
    /// # Errors
    /// The name is none, or the system refuses the group.
    pub fn job(&self, job: &str) -> io::Result<Group> {
        Group::make(&self.path, JOB, job)
    }

    /// Returns the group of the processes that check jobs of this tenant and compile its plugins. It is made if it is not there.
    ///
    /// # Errors
    /// The system refuses the group.
    pub fn checks(&self) -> io::Result<Group> {
        Group::at(self.path.join(CHECKS))
    }

    fn make(parent: &Path, kind: &str, name: &str) -> io::Result<Group> {
        let is_name_byte = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_name_byte) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{name}` is no name of a group")));
        }
        Group::at(parent.join(format!("{kind}{name}")))
    }

    fn at(path: PathBuf) -> io::Result<Group> {
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

    /// Removes the group, whose processes have ended. It is no error if it is gone. Blocks for 100 ms at most.
    ///
    /// # Errors
    /// It has processes, or groups in it.
    pub fn remove(self) -> io::Result<()> {
        let mut tried = 0;
        loop {
            match fs::remove_dir(&self.path) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::ResourceBusy && tried < REMOVALS_MAX => {
                    tried += 1;
                    thread::sleep(REMOVAL_PAUSE);
                }
                done => return done,
            }
        }
    }

    /// Returns how often memory was short in it.
    pub fn shortages(&self) -> Shortages {
        Shortages::of(&self.path)
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

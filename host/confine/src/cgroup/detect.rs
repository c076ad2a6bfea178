//! Whether this process may make groups.

use std::fs;
use std::path::{Path, PathBuf};

use super::groups::Cgroups;

/// The controllers that limits need.
pub(super) const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];

/// Why a process cannot make groups: a sentence without its full stop, which says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// No mount.
    #[error("no cgroup v2 file system is mounted")]
    NoMount,
    /// The process is not in the tree.
    #[error("this process is in no group of cgroup v2")]
    NoGroup,
    /// The group has too few controllers.
    #[error("the group {} has no controller `{controller}`; the machine may still use cgroup v1", group.display())]
    NoController {
        /// The group of the process.
        group: PathBuf,
        /// The first one that is missing.
        controller: &'static str,
    },
    /// The group belongs to somebody else.
    #[error("the group {} is not delegated to this process ({why}); systemd does so with `Delegate=yes`", group.display())]
    NotDelegated {
        /// The group of the process.
        group: PathBuf,
        /// What the system says.
        why: String,
    },
}

impl Cgroups {
    /// Returns the groups that this process may make, below its own. Moves the process into the group `node` there, since a group
    /// whose children have limits has no processes.
    ///
    /// # Errors
    /// It may make none.
    pub fn detect() -> Result<Cgroups, Unavailable> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(|_| Unavailable::NoMount)?;
        let memberships = fs::read_to_string("/proc/self/cgroup").map_err(|_| Unavailable::NoGroup)?;
        let mount = mount_point(&mounts).ok_or(Unavailable::NoMount)?;
        let group = group_of(&memberships).ok_or(Unavailable::NoGroup)?;
        Cgroups::within(&mount.join(group), std::process::id())
    }

    /// Takes a group, in which `process` is alone, for the groups of tenants.
    ///
    /// # Errors
    /// It has too few controllers, or may not be changed.
    pub(super) fn within(group: &Path, process: u32) -> Result<Cgroups, Unavailable> {
        let refused = |e: std::io::Error| Unavailable::NotDelegated { group: group.into(), why: e.to_string() };
        let given = fs::read_to_string(group.join("cgroup.controllers")).map_err(refused)?;
        let has = |controller: &&&str| given.split_whitespace().any(|given| given == **controller);
        if let Some(controller) = CONTROLLERS.iter().find(|controller| !has(controller)) {
            return Err(Unavailable::NoController { group: group.into(), controller });
        }
        // A node that starts again within the same unit finds its group.
        let own = group.join("node");
        if !own.is_dir() {
            fs::create_dir(&own).map_err(refused)?;
        }
        fs::write(own.join("cgroup.procs"), process.to_string()).map_err(refused)?;
        fs::write(group.join("cgroup.subtree_control"), enabled()).map_err(refused)?;
        Ok(Cgroups::at(group))
    }
}

/// What enables all controllers for the children of a group.
pub(super) fn enabled() -> String {
    CONTROLLERS.map(|controller| format!("+{controller}")).join(" ")
}

/// Finds the mount of cgroup v2 in `/proc/self/mountinfo` (proc_pid_mountinfo(5)): the type follows the field `-`.
pub(super) fn mount_point(mounts: &str) -> Option<PathBuf> {
    let of_type = |line: &&str| line.split_once(" - ").is_some_and(|(_, rest)| rest.starts_with("cgroup2 "));
    let line = mounts.lines().find(of_type)?;
    Some(PathBuf::from(line.split(' ').nth(4)?))
}

/// Finds the group in `/proc/self/cgroup` (cgroups(7)): the line of version 2 begins with `0::`. Relative to the mount.
pub(super) fn group_of(memberships: &str) -> Option<PathBuf> {
    let path = memberships.lines().find_map(|line| line.strip_prefix("0::/"))?;
    // A group outside of what the process sees of the tree.
    (!path.starts_with("..")).then(|| PathBuf::from(path))
}

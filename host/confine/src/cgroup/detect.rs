//! Whether this process may make groups.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rustix::fs::{Access, access};

use super::groups::Cgroups;

/// The controllers that limits need.
pub(super) const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];

/// The group of the node itself, below the one that it was given.
const OWN: &str = "node";

/// Groups in which systemd starts processes of a unit, below the one that it delegates: `DelegateSubgroup=node`, and `.control` for those of
/// `ExecStartPre=`.
const OF_UNIT: [&str; 2] = [OWN, ".control"];

/// Why a process cannot make groups: a sentence without its full stop, which says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// No mount.
    #[error(
        "no cgroup v2 file system is mounted; `mount -t cgroup2 none /sys/fs/cgroup` does so on a machine without systemd"
    )]
    NoMount,
    /// The process is not in the tree.
    #[error("this process is in no group of cgroup v2 that it can see")]
    NoGroup,
    /// The group has too few controllers.
    #[error(
        "the group {} has no controller `{controller}`: either the groups above it do not hand it down (systemd does with `Delegate=yes`), or the machine still uses cgroup v1 (`systemd.unified_cgroup_hierarchy=1` on the kernel's command line changes that)",
        group.display()
    )]
    NoController {
        /// The group of the process.
        group: PathBuf,
        /// The first one that is missing.
        controller: &'static str,
    },
    /// The group has other processes.
    #[error(
        "the group {} has other processes, beside which groups cannot have limits; start the node in a group of its own, as systemd does with a service that has `Delegate=yes`",
        group.display()
    )]
    Shared {
        /// The group of the process.
        group: PathBuf,
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
    /// It may make none. It is where it was then.
    pub fn detect() -> Result<Cgroups, Unavailable> {
        Cgroups::within(&own_group()?, std::process::id())
    }

    /// Returns the group below which this process could make groups. Changes nothing.
    ///
    /// # Errors
    /// It may make none.
    pub fn examine() -> Result<PathBuf, Unavailable> {
        let group = own_group()?;
        usable(&group, std::process::id())?;
        Ok(group)
    }

    /// Takes a group, in which `process` is alone, for the groups of tenants.
    ///
    /// # Errors
    /// It has too few controllers, or may not be changed.
    pub(super) fn within(group: &Path, process: u32) -> Result<Cgroups, Unavailable> {
        usable(group, process)?;
        let refused = |e: io::Error| Unavailable::NotDelegated { group: group.into(), why: e.to_string() };
        let own = group.join(OWN);
        // A node that starts again within the same unit finds its group.
        let is_new = !own.is_dir();
        if is_new {
            fs::create_dir(&own).map_err(refused)?;
        }
        let entered = fs::write(own.join("cgroup.procs"), process.to_string());
        let handed_down = entered.and_then(|()| fs::write(group.join("cgroup.subtree_control"), enabled()));
        if let Err(error) = handed_down {
            if is_new {
                // As it was, as far as that is possible: what is left of it limits nothing.
                let _ = fs::write(group.join("cgroup.procs"), process.to_string());
                let _ = fs::remove_dir(&own);
            }
            return Err(refused(error));
        }
        Ok(Cgroups::at(group))
    }
}

/// Returns the group that this process was given.
fn own_group() -> Result<PathBuf, Unavailable> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(|_| Unavailable::NoMount)?;
    let memberships = fs::read_to_string("/proc/self/cgroup").map_err(|_| Unavailable::NoGroup)?;
    let (root, mount) = mount_point(&mounts).ok_or(Unavailable::NoMount)?;
    let group = group_of(&memberships).ok_or(Unavailable::NoGroup)?;
    let below = group.strip_prefix(&root).map_err(|_| Unavailable::NoGroup)?;
    // Joined with nothing, a path ends with a slash.
    Ok(mount.join(given(below)).components().collect())
}

/// Whether groups can be made in a group, by what can be seen without a change.
fn usable(group: &Path, process: u32) -> Result<(), Unavailable> {
    let refused = |e: io::Error| Unavailable::NotDelegated { group: group.into(), why: e.to_string() };
    let controllers = fs::read_to_string(group.join("cgroup.controllers")).map_err(refused)?;
    let has = |controller: &&&str| controllers.split_whitespace().any(|given| given == **controller);
    if let Some(controller) = CONTROLLERS.iter().find(|controller| !has(controller)) {
        return Err(Unavailable::NoController { group: group.into(), controller });
    }
    for written in ["", "cgroup.procs", "cgroup.subtree_control"] {
        access(group.join(written), Access::WRITE_OK).map_err(|e| refused(e.into()))?;
    }
    let processes = fs::read_to_string(group.join("cgroup.procs")).map_err(refused)?;
    // The root of the tree, which has no type, may have processes beside groups.
    let may_have_processes = !group.join("cgroup.type").exists();
    let has_others = |processes: &str| processes.lines().any(|line| line.trim().parse() != Ok(process));
    if !may_have_processes && has_others(&processes) {
        return Err(Unavailable::Shared { group: group.into() });
    }
    // Another node, whose tenants may have the same names.
    let own = group.join(OWN);
    match fs::read_to_string(own.join("cgroup.procs")) {
        Ok(processes) if has_others(&processes) => Err(Unavailable::Shared { group: own }),
        Ok(_) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(refused(e)),
    }
}

/// What enables all controllers for the children of a group.
pub(super) fn enabled() -> String {
    CONTROLLERS.map(|controller| format!("+{controller}")).join(" ")
}

/// Finds the mount of cgroup v2 in `/proc/self/mountinfo` (proc_pid_mountinfo(5)): the type follows the field `-`. Returns the group that is
/// its root, as `/proc/self/cgroup` has it without the first slash, and the folder.
pub(super) fn mount_point(mounts: &str) -> Option<(PathBuf, PathBuf)> {
    let of_type = |line: &&str| line.split_once(" - ").is_some_and(|(_, rest)| rest.starts_with("cgroup2 "));
    let line = mounts.lines().find(of_type)?;
    let mut fields = line.split(' ').skip(3);
    Some((PathBuf::from(fields.next()?.strip_prefix('/')?), PathBuf::from(fields.next()?)))
}

/// Finds the group in `/proc/self/cgroup` (cgroups(7)): the line of version 2 begins with `0::`. Relative to the root of the tree.
pub(super) fn group_of(memberships: &str) -> Option<PathBuf> {
    let path = memberships.lines().find_map(|line| line.strip_prefix("0::/"))?;
    // A group outside of what the process sees of the tree.
    (!path.starts_with("..")).then(|| PathBuf::from(path))
}

/// Returns the group that was given to a process of a group: the one above, where the process is in a group of its own below it.
pub(super) fn given(group: &Path) -> &Path {
    match (group.file_name().and_then(OsStr::to_str), group.parent()) {
        (Some(name), Some(parent)) if OF_UNIT.contains(&name) => parent,
        _ => group,
    }
}

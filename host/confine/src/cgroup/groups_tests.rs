//! The operations on a tree of plain files that stands for the kernel's, and what this machine really has.

use std::fs;
use std::path::Path;

use super::detect::{group_of, mount_point};
use super::*;

/// A group of the node, with all controllers.
fn tree() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("cgroup.controllers"), "cpuset cpu io memory pids\n").unwrap();
    folder
}

/// The files that the kernel makes in a new group.
fn born(group: &Group) {
    for file in ["cpu.max", "memory.max", "pids.max", "memory.swap.max", "cgroup.procs", "cgroup.kill"] {
        fs::write(group.path().join(file), "max\n").unwrap();
    }
}

fn text(group: &Group, file: &str) -> String {
    fs::read_to_string(group.path().join(file)).unwrap()
}

/// The life of a job's group: made below its tenant's, limited, entered, killed, removed.
#[test]
fn a_group_for_each_tenant_and_job() {
    let folder = tree();
    let groups = Cgroups::within(folder.path(), 41).unwrap();
    let read = |path: &str| fs::read_to_string(folder.path().join(path)).unwrap();
    assert_eq!((read("node/cgroup.procs"), read("cgroup.subtree_control")), ("41".into(), "+cpu +memory +pids".into()));
    let tenant = groups.tenant("acme").unwrap();
    let job = tenant.job("orders").unwrap();
    assert_eq!(job.path(), folder.path().join("tenant-acme/job-orders"));
    assert_eq!(tenant.job("orders").unwrap(), job);
    born(&job);
    job.limit(&GroupLimits { cpu_cores: Some(1.5), memory_bytes_max: Some(1 << 30), processes_max: None }).unwrap();
    assert_eq!(text(&job, "cpu.max"), "150000 100000");
    assert_eq!((text(&job, "memory.max"), text(&job, "memory.swap.max")), ("1073741824".into(), "0".into()));
    assert_eq!(text(&job, "pids.max"), "max");
    // The least share is one that the kernel takes.
    job.limit(&GroupLimits { cpu_cores: Some(0.0001), ..GroupLimits::default() }).unwrap();
    assert_eq!((text(&job, "cpu.max"), text(&job, "memory.swap.max")), ("1000 100000".into(), "max".into()));
    job.take(42).unwrap();
    job.kill().unwrap();
    assert_eq!((text(&job, "cgroup.procs"), text(&job, "cgroup.kill")), ("42".into(), "1".into()));
    fs::write(job.path().join("cpu.stat"), "usage_usec 1234\nuser_usec 1000\n").unwrap();
    assert_eq!(job.cpu_us().unwrap(), 1_234);
    // The kernel's files do not count as content; here they do.
    assert!(job.clone().remove().is_err());
    fs::remove_dir_all(job.path()).unwrap();
    job.remove().unwrap();
}

#[test]
fn a_name_cannot_lead_out_of_its_group() {
    let folder = tree();
    let groups = Cgroups::within(folder.path(), 1).unwrap();
    for name in ["", "a/b", "../x", "a\0", "a b", &"n".repeat(300)] {
        assert!(groups.tenant(name).is_err(), "{name:?}");
    }
    assert!(groups.tenant("..").unwrap().path().ends_with("tenant-.."));
}

#[test]
fn a_group_without_limits_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("cgroup.controllers"), "cpu pids\n").unwrap();
    let why = Cgroups::within(folder.path(), 1).unwrap_err();
    assert_eq!(why, Unavailable::NoController { group: folder.path().into(), controller: "memory" });
    let nowhere = Cgroups::within(Path::new("/nowhere"), 1).unwrap_err();
    assert!(matches!(nowhere, Unavailable::NotDelegated { .. }), "{nowhere}");
    assert!(!Path::new("/nowhere").exists());
}

#[test]
fn the_tree_and_the_group_are_found_in_the_kernels_tables() {
    let mounts = "25 1 0:23 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs rw\n\
                  26 25 0:24 / /sys/fs/cgroup/unified rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
    assert_eq!(mount_point(mounts).unwrap(), Path::new("/sys/fs/cgroup/unified"));
    assert_eq!(mount_point("26 25 0:24 / /sys rw - sysfs cgroup2 rw\n"), None);
    let memberships = "4:memory:/a\n0::/system.slice/flowgate.service\n";
    assert_eq!(group_of(memberships).unwrap(), Path::new("system.slice/flowgate.service"));
    assert_eq!(group_of("0::/\n").unwrap(), Path::new(""));
    assert_eq!(group_of("0::/../elsewhere\n"), None);
    assert_eq!(group_of("4:memory:/a\n"), None);
}

/// Whatever this machine has: either groups that hold a process, or a reason.
#[test]
fn this_machine_has_groups_or_a_reason() {
    match Cgroups::detect() {
        Ok(groups) => {
            let group = groups.tenant("test-of-flowgate").unwrap();
            let limits = GroupLimits { processes_max: Some(10), ..GroupLimits::default() };
            group.limit(&limits).unwrap();
            assert_eq!(text(&group, "pids.max").trim(), "10");
            group.remove().unwrap();
        }
        Err(why) => assert!(!why.to_string().is_empty()),
    }
}

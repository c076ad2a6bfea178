//! Whether a group can be used, by its files and by the kernel's tables.

use std::fs;
use std::path::{Path, PathBuf};

use super::detect::{given, group_of, mount_point};
use super::groups_tests::tree;
use super::*;

#[test]
fn a_group_that_cannot_be_used_says_what_is_missing() {
    let folder = tree();
    fs::write(folder.path().join("cgroup.controllers"), "cpu pids\n").unwrap();
    let why = Cgroups::within(folder.path(), 1).unwrap_err();
    assert_eq!(why, Unavailable::NoController { group: folder.path().into(), controller: "memory" });
    assert!(!folder.path().join("node").exists(), "nothing was changed");
    let nowhere = Cgroups::within(Path::new("/nowhere"), 1).unwrap_err();
    assert!(matches!(nowhere, Unavailable::NotDelegated { .. }), "{nowhere}");
    assert!(!Path::new("/nowhere").exists());
}

/// Beside other processes, a group cannot have limited children, except at the root of the tree.
#[test]
fn a_group_with_other_processes_is_not_taken() {
    let folder = tree();
    let at = |file: &str| folder.path().join(file);
    fs::write(at("cgroup.procs"), "41\n7\n").unwrap();
    Cgroups::within(folder.path(), 41).unwrap();
    fs::write(at("cgroup.type"), "domain\n").unwrap();
    assert_eq!(Cgroups::within(folder.path(), 41), Err(Unavailable::Shared { group: folder.path().into() }));
    // Another node has the group.
    fs::write(at("cgroup.procs"), "41\n").unwrap();
    fs::write(at("node/cgroup.procs"), "7\n").unwrap();
    assert_eq!(Cgroups::within(folder.path(), 41), Err(Unavailable::Shared { group: at("node") }));
    fs::write(at("node/cgroup.procs"), "41\n").unwrap();
    Cgroups::within(folder.path(), 41).unwrap();
}

/// What cannot be handed down is left as it was.
#[test]
fn a_refused_group_is_left_as_it_was() {
    let folder = tree();
    // A folder cannot be written as a file.
    let control = folder.path().join("cgroup.subtree_control");
    fs::remove_file(&control).unwrap();
    fs::create_dir(&control).unwrap();
    let why = Cgroups::within(folder.path(), 41).unwrap_err();
    assert!(matches!(why, Unavailable::NotDelegated { .. }), "{why}");
    assert_eq!(fs::read_to_string(folder.path().join("cgroup.procs")).unwrap(), "41", "the process is back");
}

#[test]
fn the_tree_and_the_group_are_found_in_the_kernels_tables() {
    let mounts = "25 1 0:23 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs rw\n\
                  26 25 0:24 /a/b /sys/fs/cgroup/unified rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
    let found = (PathBuf::from("a/b"), PathBuf::from("/sys/fs/cgroup/unified"));
    assert_eq!(mount_point(mounts), Some(found));
    assert_eq!(mount_point("26 25 0:24 / /sys rw - sysfs cgroup2 rw\n"), None);
    let memberships = "4:memory:/a\n0::/system.slice/flowgate.service\n";
    assert_eq!(group_of(memberships).unwrap(), Path::new("system.slice/flowgate.service"));
    assert_eq!(group_of("0::/\n").unwrap(), Path::new(""));
    assert_eq!(group_of("0::/../elsewhere\n"), None);
    assert_eq!(group_of("4:memory:/a\n"), None);
}

/// systemd starts a process in a group below the one that it delegates, and so does a node that started before.
#[test]
fn the_group_above_is_the_one_that_was_given() {
    let of = |group: &str| given(Path::new(group)).to_path_buf();
    assert_eq!(of("system.slice/flowgate.service/node"), Path::new("system.slice/flowgate.service"));
    assert_eq!(of("system.slice/flowgate.service/.control"), Path::new("system.slice/flowgate.service"));
    assert_eq!(of("system.slice/flowgate.service"), Path::new("system.slice/flowgate.service"));
    assert_eq!((of("node"), of("")), (PathBuf::new(), PathBuf::new()));
}

//! The operations on a tree of plain files that stands for the kernel's, and what this machine really has.

use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::*;

/// A group of the node, with all controllers.
pub(super) fn tree() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in
        [("cgroup.controllers", "cpuset cpu io memory pids\n"), ("cgroup.procs", ""), ("cgroup.subtree_control", "")]
    {
        fs::write(folder.path().join(file), text).unwrap();
    }
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

/// What a node that starts finds of its predecessor's: groups of jobs that it knows stay, and so do those with processes.
#[test]
fn groups_that_nobody_needs_are_swept() {
    let folder = tree();
    let groups = Cgroups::within(folder.path(), 1).unwrap();
    for (tenant, jobs) in [("acme", ["web", "old"]), ("gone", ["a", "b"])] {
        let tenant = groups.tenant(tenant).unwrap();
        tenant.checks().unwrap();
        // The kernel's files go with a group; these do not.
        fs::remove_file(tenant.path().join("cgroup.subtree_control")).unwrap();
        for job in jobs {
            tenant.job(job).unwrap();
        }
    }
    let busy = folder.path().join("tenant-gone/job-b/cgroup.procs");
    fs::write(&busy, "41\n").unwrap();
    groups.sweep(|tenant, job| tenant == "acme" && job != Some("old"));
    let is_there = |path: &str| folder.path().join(path).is_dir();
    assert!(is_there("tenant-acme/job-web") && is_there("tenant-acme/checks") && is_there("node"));
    assert!(!is_there("tenant-acme/job-old") && !is_there("tenant-gone/job-a") && busy.exists());
    fs::remove_file(&busy).unwrap();
    groups.sweep(|tenant, job| tenant == "acme" && job != Some("old"));
    assert!(!is_there("tenant-gone"));
}

/// A group says whose limit was short: its own, or one above it.
#[test]
fn shortages_are_counted_by_the_kernel() {
    let folder = tree();
    let job = Cgroups::within(folder.path(), 1).unwrap().tenant("acme").unwrap().job("web").unwrap();
    assert_eq!(job.shortages(), Shortages::default());
    let events = "low 0\nhigh 0\nmax 812\noom 3\noom_kill 1\noom_group_kill 0\n";
    fs::write(job.path().join("memory.events.local"), events).unwrap();
    assert_eq!(job.shortages(), Shortages { at_limit: 3, killed: 1 });
}

/// Whatever this machine has: either groups that hold processes, or a reason.
#[test]
fn this_machine_has_groups_or_a_reason() {
    let groups = match Cgroups::detect() {
        Ok(groups) => groups,
        Err(why) => {
            assert!(!why.to_string().is_empty());
            assert_eq!(Cgroups::examine(), Err(why));
            return;
        }
    };
    let tenant = groups.tenant("test-of-flowgate").unwrap();
    let job = tenant.job("hungry").unwrap();
    let limits = GroupLimits { cpu_cores: Some(0.2), memory_bytes_max: Some(32 << 20), processes_max: Some(10) };
    job.limit(&limits).unwrap();
    assert_eq!(text(&job, "pids.max").trim(), "10");
    assert_eq!(text(&job, "memory.max").trim(), (32 << 20).to_string());

    // It takes no more than its share of a processor.
    let mut busy = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
    let began = Instant::now();
    job.take(busy.id()).unwrap();
    sleep(Duration::from_millis(1_500));
    let share = job.cpu_us().unwrap() as f64 / began.elapsed().as_micros() as f64;
    assert!((0.05..0.3).contains(&share), "{share}");
    assert!(job.clone().remove().is_err(), "it has a process");
    job.kill().unwrap();
    busy.wait().unwrap();

    // One that takes too much memory is killed, and the group says so. It waits for a line until it is in the group.
    let grows = "read go; x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done";
    let mut hungry = Command::new("sh").args(["-c", grows]).stdin(Stdio::piped()).spawn().unwrap();
    job.take(hungry.id()).unwrap();
    kill_first(hungry.id()).unwrap();
    drop(hungry.stdin.take());
    assert!(!hungry.wait().unwrap().success());
    let short = job.shortages();
    assert!(short.at_limit > 0 && short.killed == 1, "{short:?}");
    assert_eq!(tenant.shortages(), Shortages::default(), "it was not the tenant's limit");
    job.remove().unwrap();
    tenant.remove().unwrap();
}

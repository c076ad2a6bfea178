//! Who limits jobs: the kernel, by groups of cgroup v2, or each worker process by itself. The node says which of the two holds, and that is
//! what holds. `make groups` runs this on a kernel with groups, where the machine has none.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::{Flowgate, Signal, signal, wait_until};
use serde_json::{Value, json};

use crate::served::Served;

/// What begins the line that says who limits jobs.
const LINE: &str = "processor time and memory of jobs: ";

/// A job that takes all the processor time that it is given.
const BUSY: &str = "\
job: busy
sources: { rows: { generator: { columns: { n: { sequence: {} } } } } }
sinks: { out: { input: rows, blackhole: {} } }
";

const MEMORY_BYTES: u64 = 600 << 20;
const JOB_MEMORY_BYTES: u64 = 300 << 20;

fn quotas() -> Value {
    json!({ "cpu_cores": 0.25, "memory_bytes": MEMORY_BYTES, "job_memory_bytes": JOB_MEMORY_BYTES })
}

/// Returns what a process of the program says of groups; the same for a node that runs and for a check of what would run.
fn of_groups(said: &str) -> &str {
    let line = said.lines().find_map(|line| line.split_once(LINE));
    line.map_or_else(|| panic!("nothing about groups: {said}"), |(_, rest)| rest)
}

/// Returns the only worker process of the node, and its group below the root of the tree.
#[track_caller]
fn worker(served: &Served) -> (u32, String) {
    let workers = served.workers();
    let [(_, pid)] = workers[..] else { panic!("{workers:?}") };
    let memberships = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    (pid, memberships.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default().to_string())
}

#[test]
fn what_the_node_says_of_groups_is_what_holds() {
    let before = tempfile::tempdir().unwrap();
    let checked = Flowgate::new(before.path(), &["serve", "--data", "data", "--check"]).run().expect(0);
    let served = Served::start();
    let said = served.said();
    assert_eq!(of_groups(&said), of_groups(&checked.stderr), "a check says what a start says");
    match of_groups(&said).split_once("by groups in ") {
        Some((_, rest)) => with_groups(served, Path::new(rest.trim_end_matches(" (cgroup v2)"))),
        None => without_groups(&served, of_groups(&said)),
    }
}

/// Without groups, the reason and a remedy are said, and the worker process stays where the node is.
fn without_groups(served: &Served, said: &str) {
    assert!(said.starts_with("each worker process keeps to its limits by itself"), "{said}");
    let reasons = ["no cgroup v2", "in no group", "has no controller", "has other processes", "is not delegated"];
    assert!(reasons.iter().any(|reason| said.contains(reason)) && said.contains("docs/operate.md"), "{said}");
    let token = served.tenant("acme", &quotas());
    served.submit(&token, "acme", BUSY);
    served.wait_for_phase(&token, "acme", "busy", "running");
    let (_, group) = worker(served);
    assert!(!group.contains("tenant-"), "{group}");
}

/// With groups, the life of a job's: its limits hold, also for the next node; a process that the kernel ends for its memory says whose it
/// was; and nothing of it stays.
fn with_groups(mut served: Served, groups: &Path) {
    let token = served.tenant("acme", &quotas());
    served.submit(&token, "acme", BUSY);
    served.wait_for_phase(&token, "acme", "busy", "running");
    let of_tenant = groups.join("tenant-acme");
    let job = of_tenant.join("job-busy");
    let (pid, group) = worker(&served);
    assert!(group.ends_with("/tenant-acme/job-busy"), "{group}");
    let text = |file: PathBuf| fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let limit = |group: &Path, file: &str| text(group.join(file)).trim().to_string();
    assert_eq!(limit(&job, "cpu.max"), "25000 100000");
    assert_eq!(limit(&job, "memory.max"), JOB_MEMORY_BYTES.to_string());
    assert_eq!(limit(&job, "pids.max"), "1024");
    assert_eq!(limit(&of_tenant, "memory.max"), MEMORY_BYTES.to_string());
    for group in [&job, &of_tenant] {
        // A kernel without swap has no such file.
        if group.join("memory.swap.max").exists() {
            assert_eq!(limit(group, "memory.swap.max"), "0");
        }
    }
    assert_eq!(limit(&of_tenant.join("checks"), "cpu.max"), "100000 100000", "a compilation has a core");
    assert_eq!(limit(&of_tenant.join("checks"), "cgroup.procs"), "", "nothing is checked now");
    let checked = || figure(&text(of_tenant.join("checks/cpu.stat")), "usage_usec");
    let before = checked();
    assert!(before > 1_000, "the job was checked elsewhere: {before} us");
    // User-mode Linux has too little address space to compile a plugin: what counts is where that was tried.
    served.push_component(&token, "acme", "mute", &flowgate_hostile::plugin("", false));
    assert!(checked() > before + 1_000, "the push was inspected elsewhere: {} us", checked() - before);

    // The kernel holds it back, since the worker does not by itself.
    let stat = || text(job.join("cpu.stat"));
    let (began, used) = (Instant::now(), figure(&stat(), "usage_usec"));
    sleep(Duration::from_secs(2));
    let share = (figure(&stat(), "usage_usec") - used) as f64 / began.elapsed().as_micros() as f64;
    assert!((0.1..0.32).contains(&share), "{share} cores");
    assert!(figure(&stat(), "nr_throttled") > 0, "{}", stat());

    // The next node finds the process, and its group.
    served.kill();
    served.begin(&[]);
    assert!(of_groups(&served.said()).contains("by groups in"), "{}", served.said());
    wait_until("the node has not found its job", || served.job(&token, "acme", "busy")["phase"] == "running");
    assert_eq!(worker(&served), (pid, group));

    // The job's own memory is short, then the tenant's.
    let whose = [("`job_memory_bytes`", &job, JOB_MEMORY_BYTES), ("`memory_bytes`", &of_tenant, MEMORY_BYTES)];
    for (attempt, (quota, short, bytes)) in (2..).zip(whose) {
        fs::write(short.join("memory.max"), "1M").unwrap();
        wait_until("the kernel has ended nothing", || {
            served.job(&token, "acme", "busy")["failure"]["message"].as_str().is_some_and(|of| of.contains(quota))
        });
        let failure = served.job(&token, "acme", "busy")["failure"].clone();
        assert_eq!(failure["fault"], "user", "{failure:#}");
        assert!(failure["message"].as_str().unwrap().contains("killed by the kernel"), "{failure:#}");
        wait_until("it is not tried again", || {
            let found = served.job(&token, "acme", "busy");
            found["attempt"].as_u64() >= Some(attempt) && found["phase"] == "running"
        });
        assert!(worker(&served).1.ends_with("/tenant-acme/job-busy"));
        assert_eq!(limit(short, "memory.max"), bytes.to_string(), "the limit is the quota again");
    }
    // Somebody else's kill is not taken for the kernel's.
    let (pid, _) = worker(&served);
    signal(pid, Signal::KILL);
    wait_until("the node has not noticed", || {
        served.job(&token, "acme", "busy")["failure"]["message"].as_str().is_some_and(|of| of.contains("signal 9"))
    });

    served.wait_for_phase(&token, "acme", "busy", "running");
    served.stop(&token, "acme", "busy");
    assert!(!job.exists(), "the group of a job that has stopped");
    served.ask(&token, "DELETE", "/api/v1/tenants/acme/jobs/busy", None).expect(204);
    served.ask(&served.admin, "DELETE", "/api/v1/tenants/acme", None).expect(204);
    assert!(!of_tenant.exists(), "the group of a tenant that was deleted");
}

#[track_caller]
fn figure(stat: &str, name: &str) -> u64 {
    let value = stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {name} in {stat}"))
}

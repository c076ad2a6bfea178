//! A job within its tenant's policy, in a process that is confined by it: the sandbox, checkpoints, files and the pace of its workers
//! work with the system calls that are left. The process is this file once more.

#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use flowgate::job::check::Surroundings;
use flowgate::job::load::{Document, Language};
use flowgate::running::{Beginning, StartOptions, Started};
use flowgate::submit::{JobPlugins, Submission, open_sink, start_with};
use flowgate_checkpoint::store::Stores;
use flowgate_confine::{ALLOCATOR_ENVIRONMENT, Confinement, apply};
use flowgate_connect::policy::{Policy, confinement_of};
use flowgate_wall::{CompileIn, Limits, Settings};

/// The variable with the folder of the job; set in the confined process.
const FOLDER: &str = "FLOWGATE_TEST_CONFINED";

const JOB: &str = "
job: confined
parallelism: 2
checkpoint: { every: 20ms, store: own/checkpoints }
state: { spill: own/spill, memory: 1MiB }
plugins: { guest: in/guest.wasm }
sources: { numbers: { file: { path: in/*.csv, format: csv, columns: { x: int64 } } } }
operators:
  texts: { input: numbers, plugin: guest, function: f }
  counts: { input: numbers, key: [x], window: { tumbling: 365d, time: processing }, aggregate: { rows: count() } }
sinks:
  texts_out: { input: texts, file: { path: own/texts/ } }
  counts_out: { input: counts, file: { path: own/counts.csv } }
";

/// Goal: a confined job does all that a job does, and its process can do nothing else. Method: a plugin, keyed state, files and
/// checkpoints, with the limits that follow from the policy and the job; then a look outside.
#[test]
fn a_confined_job_runs() {
    let folder = tempfile::tempdir().unwrap();
    for sub in ["in", "own"] {
        fs::create_dir(folder.path().join(sub)).unwrap();
    }
    fs::write(folder.path().join("in/guest.wasm"), flowgate_hostile::plugin("", false)).unwrap();
    let numbers: String = (0..50_000).map(|n| format!("{n}\n")).collect();
    fs::write(folder.path().join("in/numbers.csv"), format!("x\n{numbers}")).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_confined_process", "--nocapture", "--test-threads=1"])
        .env_clear()
        .envs(ALLOCATOR_ENVIRONMENT)
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {told}", output.status);
    let counts = fs::read_to_string(folder.path().join("own/counts.csv")).unwrap();
    assert_eq!(counts.lines().count(), 50_001, "{told}");
    let parts = fs::read_dir(folder.path().join("own/texts")).unwrap().filter(|part| {
        let name = part.as_ref().unwrap().file_name();
        !name.to_string_lossy().starts_with('.')
    });
    assert!(parts.count() > 0, "{told}");
    assert!(folder.path().join("own/checkpoints").is_dir());
}

/// Not a test of its own: the confined process.
#[test]
fn the_confined_process() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let base = folder.display();
    let policy: Policy = serde_json::from_value(serde_json::json!({
        "connectors": ["file"],
        "read": [format!("{base}/in/**")],
        "write": [format!("{base}/own/**")],
    }))
    .unwrap();
    let document =
        Document { name: "job.yaml".into(), text: JOB.into(), language: Language::Yaml, base: folder.into() };
    let around = Surroundings { base: folder.into(), policy: Some(policy.clone()), ..Surroundings::default() };
    let limits = Limits { instances_max: 16, ..Limits::default() };
    let settings = Settings { compile_in: CompileIn::ThisProcess, cache: None, ..Settings::new(limits) };
    let mut plugins = JobPlugins::new(settings);
    let accepted = Submission::new(document).in_surroundings(around).check(&mut plugins).unwrap();
    let touches = accepted.graph.touches().unwrap();
    let confinement = Confinement {
        memory_bytes_max: Some(512 << 20),
        open_files_max: Some(256),
        file_bytes_max: Some(64 << 20),
        ..confinement_of(&policy, &touches)
    };
    let report = apply(&confinement).unwrap();
    println!("{report:?}");
    let options = StartOptions { cpu_cores_max: Some(1.5), ..StartOptions::default() };
    let started =
        start_with(accepted.graph, &mut plugins, &mut open_sink, &Stores::default(), Beginning::New, options).unwrap();
    let Started::Running(job) = started else { panic!("the job has not ended before") };
    let state = Arc::clone(job.state());
    job.wait().unwrap();
    assert!(state.failure().is_none());
    assert!(fs::read("/etc/passwd").is_err());
    assert!(fs::write(folder.join("elsewhere"), "").is_err());
    assert!(std::net::TcpStream::connect("127.0.0.1:1").unwrap_err().raw_os_error() == Some(1));
}

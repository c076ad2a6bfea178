//! Checks: a good job, a wrong one, a dry run from a checkpoint.

use std::os::unix::fs::PermissionsExt;

use flowgate_control::status::Kind;
use flowgate_worker::assignment::Task;
use flowgate_worker::spawn::{self, CheckError};

use crate::fixture::{Job, plugin};

const WEB: &str = "\
job: web
sources: { lines: { file: { path: access.log } } }
operators:
  requests: { input: lines, plugin: weblog, function: parse }
sinks: { out: { input: requests, print: {} } }
";

/// Returns the job with the plugin that it names, whose digest is right.
fn web(text: &str) -> Job {
    let mut job = Job::new(text);
    job.assign("weblog", &plugin("weblog"));
    job
}

#[test]
fn a_good_job_has_a_graph_with_columns_and_digests() {
    let job = web(WEB);
    let checked = job.check().unwrap();
    assert!(checked.ok && checked.problems.is_empty(), "{}", checked.report);
    let graph = checked.graph.unwrap();
    let kinds: Vec<Kind> = graph.operators.iter().map(|operator| operator.kind).collect();
    assert_eq!(kinds, [Kind::Source, Kind::Transform, Kind::Sink]);
    let requests = &graph.operators[1];
    assert_eq!(requests.inputs[0].operator, "lines");
    assert!(requests.outputs[0].columns.iter().any(|column| column.name == "path"), "{requests:?}");
    assert_eq!(graph.checkpoint_store.as_deref(), Some(job.assignment.checkpoint_store.as_str()));
    assert_eq!(checked.plugins[0].digest, job.assignment.plugins[0].digest);
    assert!(graph.picture.contains("requests") && graph.text.contains("requests <- lines"), "{}", graph.picture);
    // A check leaves nothing behind.
    assert_eq!(std::fs::read_dir(job.path().join("attempts")).unwrap().count(), 0);
}

#[test]
fn a_wrong_job_has_problems_with_their_places() {
    let checked = web(&WEB.replace("input: lines", "input: line")).check().unwrap();
    assert!(!checked.ok && checked.graph.is_none());
    let problem = &checked.problems[0];
    assert_eq!((problem.line, problem.column, problem.is_warning), (Some(4), Some(22), false), "{}", checked.report);
    assert!(checked.report.contains("job.yaml:4:22: error: "), "{}", checked.report);
}

#[test]
fn a_plugin_that_is_not_assigned_is_not_found_although_its_file_is_there() {
    let mut job = web(&format!("plugins: {{ weblog: {} }}\n{WEB}", plugin("weblog").display()));
    job.assignment.plugins.clear();
    let checked = job.check().unwrap();
    assert!(!checked.ok && checked.report.contains("no plugin `weblog`"), "{}", checked.report);
    assert!(checked.report.contains("flowgate plugin push"), "{}", checked.report);
}

#[test]
fn a_plugin_with_another_content_is_refused() {
    let mut job = web(WEB);
    job.assignment.plugins[0].digest = "0".repeat(64);
    let Err(CheckError::Failed(failure)) = job.check() else { panic!() };
    assert!(failure.message.contains("not the one that was pushed"), "{}", failure.message);
}

/// The environment of the node is not that of its jobs.
#[test]
fn a_job_has_no_environment() {
    let checked = Job::new("job: ${PATH}\nsources: { s: { stdin: {} } }\nsinks: { o: { input: s, print: {} } }");
    let checked = checked.check().unwrap();
    assert!(checked.report.contains("the environment variable PATH is not set"), "{}", checked.report);
}

/// Goal: a process that hangs or ends is an error, in time. Method: other programs in the place of ours.
#[test]
fn a_process_that_does_not_answer_is_an_error() {
    let job = Job::new(COUNTS);
    let assignment = flowgate_worker::assignment::Assignment { task: Task::Check, ..job.assignment.clone() };
    let script = |text: &str| {
        let path = job.path().join("program");
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        path
    };
    let asked = |program: &std::path::Path, within_ms| {
        spawn::check(program, &assignment, std::time::Duration::from_millis(within_ms), None).unwrap_err()
    };
    let error = asked(&script("exec /bin/sleep 60"), 200);
    assert!(matches!(error, CheckError::TooLong(_)), "{error}");
    let error = asked(&script("/bin/cat > /dev/null; echo oh >&2; exit 3"), 60_000);
    assert!(matches!(&error, CheckError::Gone(how) if how.contains("exit status: 3") && how.contains("oh")), "{error}");
    let error = asked(&script("/bin/cat > /dev/null; echo '{}'"), 60_000);
    assert!(matches!(error, CheckError::Gone(_)), "{error}");
    assert!(matches!(asked(&job.path().join("missing"), 60_000), CheckError::Io(_)));
}

const COUNTS: &str = "\
job: web
sources: { numbers: { generator: { rows: 2000, columns: { n: { sequence: {} } } } } }
operators:
  counts: { input: numbers, key: [n], window: { global: {} }, aggregate: { rows: count() } }
sinks: { out: { input: counts, print: {} } }
";

#[test]
fn a_dry_run_says_what_becomes_of_the_newest_checkpoint() {
    let mut job = Job::new(COUNTS);
    let ended = job.start().wait();
    let number = ended.checkpoint.unwrap().number;
    let foreseen = job.answer(Task::DryRun).unwrap().prospect.unwrap();
    assert!(foreseen.ok && foreseen.savepoint.contains(&number.to_string()), "{foreseen:?}");
    job.assignment.document.text = COUNTS.replace("rows: count()", "rows: count(), most: max(n)");
    let foreseen = job.answer(Task::DryRun).unwrap().prospect.unwrap();
    assert!(!foreseen.ok && foreseen.problems[0].contains("counts"), "{foreseen:?}");
}

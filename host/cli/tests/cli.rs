//! The program as a user calls it: what goes where, and the exit codes.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const JOB: &str = "\
job: pages
sources:
  lines: { file: { path: lines.jsonl, format: json, columns: { path: text } } }
operators:
  pages: { input: lines, key: [path], window: { tumbling: 1m, time: processing }, aggregate: { n: count() } }
sinks:
  out: { input: pages, file: { path: \"${OUT:-out}.csv\" } }
";

fn flowgate(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowgate"));
    command.args(arguments).current_dir(folder).env_remove("OUT").stdin(Stdio::null()).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// Goal: a job that is right gives its edges on standard output, nothing on standard error, and 0.
#[test]
fn check_shows_the_types_of_a_good_job() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("job.yaml"), JOB).unwrap();
    let output = flowgate(&["check", "job.yaml"], folder.path());
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    let expected = "\
lines  file lines.jsonl
    (path: text)
pages <- lines  tumbling 1m in processing time by path: count
    (path: text, window_start: timestamp, window_end: timestamp, n: int64)  [event time]
    .late(path: text)
out <- pages  file out.csv
ok
";
    assert_eq!(stdout(&output), expected);
    // Nothing ran: the input is not even there, and no output came of it.
    assert!(!folder.path().join("out.csv").exists());
}

#[test]
fn a_wrong_job_is_the_users_fault() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("job.yaml"), JOB.replace("[path]", "[pth]")).unwrap();
    let output = flowgate(&["check", "job.yaml", "--set", "sinks.out.file.format=xml"], folder.path());
    assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""));
    let expected = "\
--set sinks.out.file.format=xml: error: expected one of `json`, `csv`, found `xml`
job.yaml:5:32: error: `lines` has no column `pth`
 5 |   pages: { input: lines, key: [pth], window: { tumbling: 1m, time: processing }, aggregate: { n: count() } }
   |                                ^^^
   help: did you mean `path`? columns: path: text
2 errors; nothing was run
";
    assert_eq!(stderr(&output), expected);
}

#[test]
fn usage_and_missing_files_are_the_users_fault_too() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["check"][..], &["check", "nothing.yaml"], &["check", "."], &["no-such-command"]] {
        let output = flowgate(arguments, folder.path());
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""), "{arguments:?}");
        assert!(stderr(&output).starts_with("error"), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn a_job_can_come_from_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowgate"));
    command.args(["graph", "-", "-p", "3", "--format", "mermaid"]).current_dir(folder.path());
    command.env("OUT", "there").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(JOB.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("file there.csv"), "{}", stdout(&output));
}

/// Goal: `flowgate schema | head -1` ends quietly.
#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowgate"));
    let output =
        command.arg("schema").current_dir(folder.path()).stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
}

#[test]
fn schema_and_completions_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    let output = flowgate(&["schema"], folder.path());
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/golden/job.schema.json");
    assert!(stdout(&output) == std::fs::read_to_string(golden).unwrap());
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = flowgate(&["completions", shell], folder.path());
        assert!(output.status.success() && stdout(&output).contains("completions"), "{shell}");
    }
}

//! Output that cannot be written: a reader that goes away ends the job quietly, all else is an error that names it.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use harness::{Flowgate, Folder};

/// Rows without end, so that only the output can end the job.
fn endless(sink: &str) -> Folder {
    Folder::with_job(&format!(
        "job: output\nsources: {{ rows: {{ generator: {{ columns: {{ n: {{ sequence: {{}} }} }} }} }} }}\nsinks: \
         {{ out: {{ input: rows, {sink} }} }}\n"
    ))
}

/// `flowgate run job.yaml | head -1`: the first row is printed, then the job ends silently and with 0.
#[test]
fn a_reader_that_goes_away_ends_the_job_quietly() {
    for parallelism in ["1", "2"] {
        let folder = endless("print: {}");
        let (reader, writer) = std::io::pipe().unwrap();
        let running = Flowgate::new(folder.path(), &["run", "job.yaml", "-p", parallelism]).stdout(writer).start();
        let mut reader = BufReader::new(reader);
        let mut first = String::new();
        reader.read_line(&mut first).unwrap();
        assert!(first.starts_with("{\"n\":"), "{first}");
        drop(reader);
        let ended = running.wait().expect(0);
        assert_eq!(ended.stderr, "");
        assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
    }
}

/// A job that waits for input notices with the next row that its reader has gone.
#[test]
fn a_reader_that_goes_away_while_the_job_is_idle() {
    let folder = Folder::with_job(
        "job: output\nsources: { rows: { file: { path: in.log, follow: true } } }\nsinks: { out: { input: rows, print: {} } }\n",
    );
    folder.write("in.log", "one\n");
    let mut running = Flowgate::new(folder.path(), &["run", "job.yaml"]).start();
    let lines = running.lines();
    assert_eq!(lines.next(Duration::from_secs(20)).1, "{\"text\":\"one\"}");
    drop(lines);
    // The thread that reads lines ends with the first line that nobody receives, and closes the pipe.
    let mut file = folder.appender("in.log");
    let start = std::time::Instant::now();
    while !running.has_ended() {
        assert!(start.elapsed() < Duration::from_secs(20), "it goes on: {}", running.said());
        file.append("more\n");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(running.wait().expect(0).stderr, "");
}

/// Standard output on a full disk: an error that says so, exit code 1, and the summary says where and why it failed.
#[test]
fn full_standard_output_is_an_error() {
    let Some(full) = full_disk() else { return };
    let ended = Flowgate::new(endless("print: {}").path(), &["run", "job.yaml"]).stdout(full).run().expect(1);
    ended
        .saying("output: failed in `out` with FG0004, ")
        .saying("error[FG0004]: `out`: cannot write to standard output: No space left on device");
}

/// The same for a file; `-q` hides the summary and not the error.
#[test]
fn a_full_file_is_an_error() {
    let Some(_) = full_disk() else { return };
    for parallelism in ["1", "2"] {
        let folder = endless("file: { path: /dev/full, format: json }");
        let ended = Flowgate::new(folder.path(), &["run", "-q", "job.yaml", "-p", parallelism]).run().expect(1);
        assert_eq!(
            ended.stderr,
            "error[FG0004]: `out`: cannot write /dev/full: No space left on device (os error 28)\n"
        );
    }
}

/// Opens a disk that is always full, where there is one.
fn full_disk() -> Option<File> {
    let full = Path::new("/dev/full");
    if !full.exists() {
        eprintln!("SKIPPED: there is no /dev/full");
        return None;
    }
    Some(OpenOptions::new().write(true).open(full).unwrap())
}

/// A file sink whose pipe loses its reader is not `| head`: rows are lost that the job was to write there.
#[test]
fn a_named_pipe_that_loses_its_reader_is_an_error() {
    let folder = endless("file: { path: out.pipe }");
    let pipe = folder.join("out.pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let running = Flowgate::new(folder.path(), &["run", "job.yaml"]).start();
    let mut first = String::new();
    BufReader::new(File::open(&pipe).unwrap()).read_line(&mut first).unwrap();
    assert_eq!(first, "{\"n\":0}\n");
    running.wait().expect(1).saying("`out`: cannot write").saying("out.pipe: Broken pipe");
}

/// A missing folder is an error before a row flows.
#[test]
fn a_missing_folder_is_an_error() {
    let ended = Flowgate::new(endless("file: { path: no/such/out.jsonl }").path(), &["run", "job.yaml"]).run();
    ended.expect(1).saying("out.jsonl: the folder").saying("no/such does not exist; create it first");
}

/// A folder in place of the file is an error as well.
#[test]
fn a_folder_instead_of_a_file_is_an_error() {
    let folder = endless("file: { path: out }");
    fs::create_dir(folder.join("out")).unwrap();
    Flowgate::new(folder.path(), &["run", "job.yaml"]).run().expect(1).saying("out: it is a folder");
}

/// One failing sink ends a job with several; the others wrote whole lines, except perhaps for the last.
#[test]
fn one_sink_that_fails_ends_the_job() {
    let Some(_) = full_disk() else { return };
    let folder = Folder::with_job(
        "job: output\nsources: { rows: { generator: { columns: { n: { sequence: {} } } } } }\nsinks:\n  good: { input: rows, \
         file: { path: good.jsonl } }\n  bad: { input: rows, file: { path: /dev/full } }\n",
    );
    Flowgate::new(folder.path(), &["run", "job.yaml"]).run().expect(1).saying("`bad`: cannot write /dev/full");
    let good = folder.read("good.jsonl");
    let whole = good.lines().filter(|line| line.starts_with("{\"n\":") && line.ends_with('}')).count();
    assert!(good.lines().count() - whole <= 1, "broken lines");
}

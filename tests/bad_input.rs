//! Input that is not as a job expects it: the output, the messages, and the exit code.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use harness::{Ended, Flowgate, Folder};
use serde_json::Value;

/// Prints the rows of one file; lines that do not parse go to `bad.jsonl`.
fn job(file: &str) -> Folder {
    Folder::with_job(&format!(
        "job: input\nsources: {{ rows: {{ file: {file} }} }}\nsinks:\n  out: {{ input: rows, print: {{}} }}\n  \
         bad: {{ input: rows.errors, file: {{ path: bad.jsonl }} }}\n"
    ))
}

fn run(folder: &Folder) -> Ended {
    Flowgate::new(folder.path(), &["run", "job.yaml"]).run()
}

/// Returns the dead letters: position, message and row of each.
fn dead_letters(folder: &Folder) -> Vec<[String; 3]> {
    let text = folder.read("bad.jsonl");
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a JSON line"));
    rows.map(|row| {
        assert_eq!(row["operator"], "rows");
        ["position", "message", "row"].map(|column| row[column].as_str().expect("a text").to_string())
    })
    .collect()
}

/// A missing file is an error of the outside world that names it as in the job, and the path that was tried.
#[test]
fn a_missing_file_is_named() {
    let folder = job("{ path: no/such.log }");
    let tried = folder.path().canonicalize().unwrap().join("no/such.log");
    run(&folder)
        .expect(1)
        .saying("`rows`: cannot read no/such.log: there is no such file")
        .saying(&format!("(tried {})", tried.display()));
}

/// A glob that matches nothing is a mistake, not an empty input.
#[test]
fn a_glob_without_files_is_named() {
    run(&job("{ path: \"logs/*.log\" }")).expect(1).saying("no file matches logs/*.log");
}

/// A file without read permission is named. Root may read every file: then the test cannot show it.
#[test]
fn an_unreadable_file_is_named() {
    if rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: root reads every file; run the tests as another user");
        return;
    }
    let folder = job("{ path: secret.log }");
    let path = folder.write("secret.log", "one\n");
    fs::set_permissions(path, Permissions::from_mode(0o000)).unwrap();
    run(&folder).expect(1).saying("cannot read secret.log: permission denied");
}

/// A folder is no file, and its files are a glob.
#[test]
fn a_folder_is_named() {
    let folder = job("{ path: logs }");
    fs::create_dir(folder.join("logs")).unwrap();
    run(&folder).expect(1).saying("cannot read logs: it is a folder; its files would be logs/*");
}

/// A line that is not UTF-8 is a dead letter with file and line; the lines around it are rows.
#[test]
fn a_line_that_is_not_utf8_is_a_dead_letter() {
    let folder = job("{ path: in.log }");
    folder.write("in.log", b"one\nt\xffo\nthree\n");
    let ended = run(&folder).expect(0).saying("1 errors");
    assert_eq!(ended.lines(), ["{\"text\":\"one\"}", "{\"text\":\"three\"}"]);
    let expected = ["in.log:2", "not UTF-8 at byte 2 of the line (byte 5 of the input)", "t\u{fffd}o"];
    assert_eq!(dead_letters(&folder), [expected]);
}

/// The last line is a row also without its line end; an empty file has no rows.
#[test]
fn the_last_line_needs_no_line_end() {
    let folder = job("{ path: in.log }");
    folder.write("in.log", "one\r\ntwo");
    assert_eq!(run(&folder).expect(0).lines(), ["{\"text\":\"one\"}", "{\"text\":\"two\"}"]);
    folder.write("in.log", "");
    assert_eq!(run(&folder).expect(0).stdout, "");
}

/// A gzip file that breaks off: the rows before the break are emitted, then the job fails with the file's name.
#[test]
fn a_truncated_gzip_file_emits_the_rows_before_the_break() {
    let folder = job("{ path: in.log.gz }");
    // Numbers that compress badly, so that the break is amid the rows.
    let text: String = (0..20_000_u64).map(|n| format!("{}\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    let whole = gzip_of(&text);
    folder.write("in.log.gz", &whole);
    assert_eq!(run(&folder).expect(0).lines().len(), 20_000);

    folder.write("in.log.gz", &whole[..whole.len() / 2]);
    let ended = run(&folder).expect(1).saying("in.log.gz is not whole gzip").saying("input: failed");
    let rows = ended.lines();
    let mut before = Vec::new();
    let broken = GzDecoder::new(&whole[..whole.len() / 2]).read_to_end(&mut before);
    assert!(broken.is_err() && before.len() > text.len() / 3);
    assert_eq!(rows.len(), before.iter().filter(|byte| **byte == b'\n').count());
    for (row, line) in rows.iter().zip(text.lines()) {
        assert_eq!(*row, format!("{{\"text\":\"{line}\"}}"));
    }
}

/// A source that breaks ends the others, whatever they still have, and a window without all of its rows emits nothing: half a
/// count would look like a whole one.
#[test]
fn a_source_that_breaks_ends_the_job_and_its_windows_emit_nothing() {
    let folder = Folder::with_job(
        "\
job: broken
sources:
  rows: { file: { path: in.log.gz } }
  ticks: { generator: { rate: 100, columns: { n: { sequence: {} } } } }
operators:
  counts: { input: rows, window: { tumbling: 36500d, time: processing }, aggregate: { n: count() } }
sinks:
  out: { input: counts, print: {} }
  all: { input: rows, file: { path: all.jsonl } }
  seen: { input: ticks, blackhole: {} }
",
    );
    let gzip = gzip_of(&(0..20_000).map(|n| format!("{n}\n")).collect::<String>());
    folder.write("in.log.gz", &gzip[..gzip.len() / 2]);
    for parallelism in ["1", "2"] {
        let command = Flowgate::new(folder.path(), &["run", "job.yaml", "-p", parallelism]);
        let ended = command.run().expect(1).saying("error[FG0306]: `rows`: in.log.gz is not whole gzip");
        assert_eq!(ended.stdout, "", "parallelism {parallelism}");
        assert!(folder.read("all.jsonl").lines().count() > 5_000, "parallelism {parallelism}");
    }
}

fn gzip_of(text: &str) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(text.as_bytes()).expect("memory");
    gzip.finish().expect("memory")
}

/// JSON lines that do not fit are dead letters with line and reason; the others are rows.
#[test]
fn json_that_does_not_parse_is_a_dead_letter() {
    let folder = job("{ path: in.jsonl, format: json, columns: { n: int64, s: \"text?\" } }");
    folder.write("in.jsonl", "{\"n\":1}\n{\"n\":\"x\"}\nnonsense\n{\"s\":\"no n\"}\n{\"n\":2,\"s\":\"é\"}\n");
    let ended = run(&folder).expect(0).saying("3 errors");
    assert_eq!(ended.lines(), ["{\"n\":1,\"s\":null}", "{\"n\":2,\"s\":\"é\"}"]);
    let letters = dead_letters(&folder);
    let places: Vec<_> = letters.iter().map(|[position, _, row]| (&**position, &**row)).collect();
    assert_eq!(
        places,
        [("in.jsonl:2", "{\"n\":\"x\"}"), ("in.jsonl:3", "nonsense"), ("in.jsonl:4", "{\"s\":\"no n\"}")]
    );
    for ([_, message, _], says) in letters.iter().zip(["column `n`", "not a JSON object", "`n`"]) {
        assert!(message.contains(says), "{message}");
    }
}

/// The same of CSV; the position is the record's first line.
#[test]
fn csv_that_does_not_parse_is_a_dead_letter() {
    let folder = job("{ path: in.csv, format: csv, columns: { n: int64, s: text } }");
    folder.write("in.csv", "n,s\n1,one\nx,two\n3\n4,\"four\n4\"\n5,\"é\"\n");
    let ended = run(&folder).expect(0).saying("2 errors");
    let expected = ["{\"n\":1,\"s\":\"one\"}", "{\"n\":4,\"s\":\"four\\n4\"}", "{\"n\":5,\"s\":\"é\"}"];
    assert_eq!(ended.lines(), expected);
    let letters = dead_letters(&folder);
    let places: Vec<_> = letters.iter().map(|[position, _, row]| (&**position, &**row)).collect();
    assert_eq!(places, [("in.csv:3", "x,two"), ("in.csv:4", "3")]);
    assert!(letters[0][1].contains("column `n`"), "{letters:?}");
    assert!(letters[1][1].contains("1 fields, expected 2"), "{letters:?}");
}

/// Dead letters that nobody reads are counted, one is shown, and a note names them: nothing is dropped silently.
#[test]
fn dead_letters_that_nobody_reads_are_pointed_out() {
    let folder = Folder::with_job(
        "job: input\nsources: { rows: { file: { path: in.log } } }\nsinks: { out: { input: rows, print: {} } }\n",
    );
    folder.write("in.log", b"\xff\nfine\n\xfe\n");
    run(&folder)
        .expect(0)
        .saying("2 errors (dropped: nothing reads `rows.errors`)")
        .saying("first error: in.log:1: not UTF-8");
}

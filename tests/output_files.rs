//! Files that jobs write: no previous content is lost to a job that does not come to its end, or that should not have run.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use harness::{Flowgate, Folder, Signal, wait_until};

/// Creates a job with these sections, each a line of YAML.
fn job(sections: &[&str]) -> Folder {
    Folder::with_job(&format!("job: files\n{}\n", sections.join("\n")))
}

/// Returns names in a folder, without the job file.
fn names(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.filter(|name| name != "job.yaml").collect();
    names.sort();
    names
}

/// Goal: no sink writes what the job reads, by any name. Method: each job is refused, and every file of its folder is unchanged.
#[test]
fn what_the_job_reads_is_not_written() {
    let source = "sources: { s: { file: { path: data.jsonl, format: json, columns: { k: text } } } }";
    let globbed = "sources: { s: { file: { path: 'd*.jsonl', format: json, columns: { k: text } } } }";
    let lookup =
        "operators: { r: { input: s, key: [k], join: left, lookup: { path: t.csv, columns: { k: text, v: text } } } }";
    let sink = |path: &str| format!("sinks: {{ o: {{ input: s, file: {{ path: {path} }} }} }}");
    let cases = [
        (vec![source, ""], "data.jsonl", "it is the source `s`"),
        (vec![source, ""], "./x/../data.jsonl", "it is the source `s`"),
        (vec![source, ""], "link", "it is the source `s`"),
        (vec![source, ""], "hard", "it is the source `s`"),
        (vec![globbed, ""], "data.jsonl", "it is one of `d*.jsonl`, the files of the source `s`"),
        (vec![globbed, ""], "dnew.jsonl", "it is one of `d*.jsonl`, the files of the source `s`"),
        (vec![source, lookup], "t.csv", "it is the table of `r`"),
        (vec![source, ""], "job.yaml", "it is the job file"),
    ];
    for (sections, path, told) in cases {
        let folder = job(&[sections[0], sections[1], &sink(path)]);
        fs::create_dir(folder.join("x")).unwrap();
        folder.write("data.jsonl", "{\"k\":\"a\"}\n");
        folder.write("t.csv", "k,v\na,1\n");
        symlink("data.jsonl", folder.join("link")).unwrap();
        fs::hard_link(folder.join("data.jsonl"), folder.join("hard")).unwrap();
        let before = (names(&folder), folder.read("data.jsonl"), folder.read("t.csv"), folder.read("job.yaml"));
        for command in ["check", "run"] {
            let ended = Flowgate::new(folder.path(), &[command, "job.yaml"]).run().expect(2);
            ended.saying(&format!("error: the job reads this file: {told}")).saying("help: write to another file");
        }
        let after = (names(&folder), folder.read("data.jsonl"), folder.read("t.csv"), folder.read("job.yaml"));
        assert_eq!(before, after, "{path}");
    }
}

/// Standard output may be a file, too, which only a run can know.
#[test]
fn what_goes_to_standard_output_is_not_read() {
    for follow in ["false", "true"] {
        let folder = job(&[
            &format!("sources: {{ s: {{ file: {{ path: '*.log', follow: {follow} }} }} }}"),
            "sinks: { o: { input: s, print: {} } }",
        ]);
        folder.write("a.log", "one\n");
        let stdout = fs::File::create(folder.join("out.log")).unwrap();
        let ended = Flowgate::new(folder.path(), &["run", "job.yaml"]).stdout(stdout).run().expect(2);
        ended.saying("`s`: cannot read out.log: standard output of this job writes to it");
        assert_eq!(folder.read("out.log"), "");
    }
}

/// `flowgate run job.yaml <data.jsonl` reads a file, too.
#[test]
fn what_comes_from_standard_input_is_not_written() {
    let folder = job(&["sources: { s: { stdin: {} } }", "sinks: { o: { input: s, file: { path: data.log } } }"]);
    folder.write("data.log", "one\n");
    let stdin = fs::File::open(folder.join("data.log")).unwrap();
    let ended = Flowgate::new(folder.path(), &["run", "job.yaml"]).stdin(stdin).run().expect(2);
    ended.saying("`s`: cannot read standard input: the sink `o` of this job writes to its file");
    assert_eq!((folder.read("data.log"), names(&folder)), ("one\n".to_string(), vec!["data.log".to_string()]));
}

/// Two sinks that lead to one file, where one of them goes through a link to where nothing is yet.
#[test]
fn two_sinks_do_not_write_one_file() {
    let folder = job(&[
        "sources: { s: { generator: { rows: 10, columns: { n: { sequence: {} } } } } }",
        "sinks: { x: { input: s, file: { path: out.jsonl } }, y: { input: s, file: { path: link.jsonl } } }",
    ]);
    symlink("out.jsonl", folder.join("link.jsonl")).unwrap();
    Flowgate::new(folder.path(), &["run", "job.yaml"]).run().expect(2).saying("`x` writes this file already");
    assert_eq!(names(&folder), ["link.jsonl"]);
}

/// Goal: a job that does not start leaves the files of its sinks byte for byte. Method: the failing part is opened before the
/// file (a source), after it (a missing folder), or by a worker (a plugin that refuses, behind an endless source and one that
/// ends).
#[test]
fn a_job_that_does_not_start_leaves_its_files() {
    let good = "good: { input: s, file: { path: good.jsonl } }";
    let rows = "generator: { rows: 10, columns: { n: { sequence: {} } } }";
    let cases = [
        ("file: { path: no.log }".to_string(), String::new(), "there is no such file"),
        (rows.to_string(), ", bad: { input: s, file: { path: no/such } }".into(), "does not exist; create it first"),
        (
            "generator: { columns: { n: { sequence: {} } } }".into(),
            ", bad: { input: s, file: { path: no/such } }".into(),
            "create it first",
        ),
        ("file: { path: 'link*' }".into(), String::new(), "it is a link to nowhere, which does not exist"),
    ];
    for (source, more, told) in cases {
        for old in [Some("old\n"), None] {
            let folder = job(&[&format!("sources: {{ s: {{ {source} }} }}"), &format!("sinks: {{ {good}{more} }}")]);
            symlink("nowhere", folder.join("link")).unwrap();
            if let Some(old) = old {
                folder.write("good.jsonl", old);
            }
            let before = names(&folder);
            Flowgate::new(folder.path(), &["run", "job.yaml", "-p", "2"]).run().expect(1).saying(told);
            assert_eq!(names(&folder), before, "{source}");
            assert_eq!(fs::read_to_string(folder.join("good.jsonl")).ok().as_deref(), old);
        }
    }
}

/// The same where a worker cannot open what it needs: here, readers of more files than the process may open.
#[test]
fn a_job_whose_workers_do_not_start_leaves_its_files() {
    let folder = job(&[
        "sources: { s: { file: { path: 'f*.log', follow: true } } }",
        "sinks: { out: { input: s, file: { path: out.jsonl } }, new: { input: s, file: { path: new.jsonl } } }",
    ]);
    for i in 0..100 {
        folder.write(&format!("f{i}.log"), "1\n");
    }
    folder.write("out.jsonl", "old\n");
    for parallelism in ["1", "2"] {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "ulimit -n 60 && exec \"$0\" run -q job.yaml -p $1"])
            .arg(harness::program())
            .arg(parallelism);
        let ended = shell.current_dir(folder.path()).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert!(
            said.starts_with("error[FG0302]: `s`: cannot read f") && said.contains("Too many open files"),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
        assert_eq!(folder.read("out.jsonl"), "old\n");
        assert!(!folder.join("new.jsonl").exists());
    }
}

/// A job that fails while it runs has not replaced its file, and reports where the rows are.
#[test]
fn a_job_that_fails_on_the_way_leaves_its_file() {
    let folder = job(&[
        "sources: { s: { file: { path: in.log.gz } } }",
        "sinks: { out: { input: s, file: { path: out.jsonl } } }",
    ]);
    folder.write("out.jsonl", "old\n");
    let lines: String = (0..50_000).map(|i| format!("line {i} {}\n", i * 7_919 % 1_000)).collect();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gz, lines.as_bytes()).unwrap();
    let whole = gz.finish().unwrap();
    folder.write("in.log.gz", &whole[..whole.len() / 2]);
    let ended = Flowgate::new(folder.path(), &["run", "-q", "job.yaml"]).run().expect(1);
    ended
        .saying("in.log.gz is not whole gzip")
        .saying("out.jsonl is as it was before; the rows written so far are in ");
    assert_eq!(folder.read("out.jsonl"), "old\n");
    let partial = folder.read(".out.jsonl.partial");
    assert!(partial.lines().count() > 1_000 && partial.starts_with("{\"text\":\"line 0 0\"}\n"), "{}", partial.len());

    // The next run replaces it, and removes the partial file.
    folder.write("in.log.gz", &whole);
    Flowgate::new(folder.path(), &["run", "job.yaml"]).run().expect(0);
    assert_eq!(folder.read("out.jsonl").lines().count(), 50_000);
    assert_eq!(names(&folder), ["in.log.gz", "out.jsonl"]);
}

/// Goal: a reader of the file of a job that is killed finds the old one, where the job ends by itself, or whole rows from the
/// beginning (except perhaps for the last), where it does not. Method: SIGKILL while rows are written.
#[test]
fn a_job_that_is_killed() {
    let (ends, endless) = ("rows: 1000000000, ", "");
    for (rows, is_replaced) in [(ends, false), (endless, true)] {
        let folder = job(&[
            &format!("sources: {{ s: {{ generator: {{ {rows}columns: {{ n: {{ sequence: {{}} }} }} }} }} }}"),
            "sinks: { out: { input: s, file: { path: out.jsonl } } }",
        ]);
        folder.write("out.jsonl", "old\n");
        let running = Flowgate::new(folder.path(), &["run", "job.yaml"]).start();
        let written = folder.join(if is_replaced { "out.jsonl" } else { ".out.jsonl.partial" });
        wait_until("nothing is written", || written.metadata().is_ok_and(|written| written.len() > 1 << 20));
        running.signal(Signal::KILL);
        assert_eq!(running.wait().code(), None);
        if !is_replaced {
            assert_eq!(folder.read("out.jsonl"), "old\n");
        }
        let rows = fs::read_to_string(written).unwrap();
        for (n, line) in rows.lines().take(rows.lines().count() - 1).enumerate() {
            assert_eq!(line, format!("{{\"n\":{n}}}"));
        }
    }
}

/// Rows of a job without end are visible as they arrive: `tail -f out.jsonl` sees them.
#[test]
fn the_file_of_a_followed_source_grows() {
    let folder = job(&[
        "sources: { s: { file: { path: in.log, follow: true } } }",
        "sinks: { out: { input: s, file: { path: out.jsonl } } }",
    ]);
    folder.write("in.log", "one\n");
    folder.write("out.jsonl", "old\n");
    let running = Flowgate::new(folder.path(), &["run", "job.yaml"]).start();
    wait_until("the first row", || folder.read("out.jsonl") == "{\"text\":\"one\"}\n");
    folder.appender("in.log").append("two\n");
    wait_until("the second row", || folder.read("out.jsonl") == "{\"text\":\"one\"}\n{\"text\":\"two\"}\n");
    running.wait_until_it_handles(Signal::INT);
    running.signal(Signal::INT);
    running.wait().expect(0);
    assert_eq!(names(&folder), ["in.log", "out.jsonl"]);
}

/// A stop is not an end: the file is not replaced, and the rows so far are not lost.
#[test]
fn a_stop_does_not_replace_the_file() {
    let folder = job(&[
        "sources: { s: { generator: { rows: 1000000000, columns: { n: { sequence: {} } } } } }",
        "sinks: { out: { input: s, file: { path: out.jsonl } } }",
    ]);
    folder.write("out.jsonl", "old\n");
    let running = Flowgate::new(folder.path(), &["run", "job.yaml"]).start();
    let partial = folder.join(".out.jsonl.partial");
    wait_until("nothing is written", || partial.metadata().is_ok_and(|partial| partial.len() > 0));
    running.wait_until_it_handles(Signal::INT);
    running.signal(Signal::INT);
    running.wait().expect(0).saying("files: stopped").saying("note: ").saying("out.jsonl is as it was before");
    assert_eq!(folder.read("out.jsonl"), "old\n");
    assert!(fs::read_to_string(partial).unwrap().ends_with("}\n"));
}

/// `flowgate run job.yaml | head -2`: the other sinks receive all rows, without an error.
#[test]
fn a_reader_that_goes_away_costs_the_others_nothing() {
    for parallelism in ["1", "2"] {
        let folder = job(&[
            "sources: { s: { generator: { rows: 300000, columns: { n: { sequence: {} } } } } }",
            "sinks: { out: { input: s, print: {} }, all: { input: s, file: { path: all.jsonl } } }",
        ]);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let running =
            Flowgate::new(folder.path(), &["run", "-q", "job.yaml", "-p", parallelism]).stdout(writer).start();
        assert_eq!(running.wait().expect(0).stderr, "");
        assert_eq!(folder.read("all.jsonl").lines().count(), 300_000);
    }
}

/// A file that is mounted by itself, as in containers, cannot be replaced by another: its content is.
#[cfg(target_os = "linux")]
#[test]
fn a_mounted_file_is_written() {
    let folder = job(&[
        "sources: { s: { generator: { rows: 3, columns: { n: { sequence: {} } } } } }",
        "sinks: { out: { input: s, file: { path: out.jsonl } } }",
    ]);
    folder.write("out.jsonl", "");
    let mounted = folder.write("mounted", "old\n");
    let script = "mount --bind mounted out.jsonl && exec \"$0\" run -q job.yaml";
    let Some(mut shell) = in_own_namespace(folder.path(), script) else { return };
    assert!(shell.status().unwrap().success());
    assert_eq!(fs::read_to_string(mounted).unwrap(), "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n");
}

/// Returns a shell that may mount, invisibly to others, where the system permits it; `$0` is the program.
fn in_own_namespace(folder: &Path, script: &str) -> Option<Command> {
    let shell = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", script]).arg(harness::program()).current_dir(folder);
        command
    };
    if !shell("true").status().is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: namespaces are not allowed");
        return None;
    }
    Some(shell(script))
}

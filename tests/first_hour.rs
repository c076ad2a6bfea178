//! The first hour of a user: starts a job, describes a file, looks at the first rows, changes a sink.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use harness::{Flowgate, Folder, OnTerminal};

const SOON: Duration = Duration::from_secs(30);

fn run(folder: &Folder, arguments: &[&str]) -> harness::Ended {
    Flowgate::new(folder.path(), arguments).deadline(SOON).run()
}

fn endless(sinks: &str) -> Folder {
    Folder::with_job(&format!(
        "\
job: endless
sources: {{ rows: {{ generator: {{ columns: {{ n: {{ sequence: {{}} }} }} }} }} }}
sinks: {{ {sinks} }}
"
    ))
}

/// Goal: the job that `new job` writes runs unchanged, has the requested name, and never replaces a file.
#[test]
fn a_new_job_runs_at_once() {
    let folder = Folder::with_job("");
    run(&folder, &["new", "job", "payments"]).expect(0);
    let ended = run(&folder, &["run", "payments.yaml"]).expect(0).saying("payments: done, 1,000 rows");
    // 100 seconds of events in windows of 30, three users.
    assert_eq!(ended.lines().len(), 12, "{}", ended.stdout);
    let before = folder.read("payments.yaml");
    run(&folder, &["new", "job", "payments.yaml"]).expect(2).saying("is there already");
    assert_eq!(folder.read("payments.yaml"), before);
    run(&folder, &["new", "job", "no name"]).expect(2).saying("is not a job's name");
}

/// Goal: the output of `infer`, with a sink below it, is a job that reads the file, plain or compressed, without dead letters.
#[test]
fn what_is_inferred_reads_the_file() {
    let folder = Folder::with_job("");
    let csv = "id;at;amount;zip;note\n1;2026-01-01T00:00:00Z;1.5;01067;\n2;2026-01-01T00:00:01Z;;10115;\"a;b\"\n";
    folder.write("orders.csv", csv);
    let json = "{\"id\":1,\"tags\":[\"a\"],\"on\":true}\n{\"id\":2,\"on\":null,\"yes\":\"x\"}\n";
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(json.as_bytes()).unwrap();
    folder.write("events.jsonl.gz", gzip.finish().unwrap());
    for (file, source, columns, rows) in [
        (
            "orders.csv",
            "orders",
            &["id: int64", "at: timestamp", "amount: float64?", "zip: text", "note: text?"][..],
            &[
                r#"{"id":1,"at":"2026-01-01T00:00:00.000Z","amount":1.5,"zip":"01067","note":null}"#,
                r#"{"id":2,"at":"2026-01-01T00:00:01.000Z","amount":null,"zip":"10115","note":"a;b"}"#,
            ],
        ),
        (
            "events.jsonl.gz",
            "events",
            &["id: int64", "tags: json?", "\"on\": boolean?", "\"yes\": text?"],
            &[r#"{"id":1,"tags":["a"],"on":true,"yes":null}"#, r#"{"id":2,"tags":null,"on":null,"yes":"x"}"#],
        ),
    ] {
        let ended = run(&folder, &["infer", file]).expect(0);
        assert_eq!(ended.stderr, "");
        for column in columns {
            assert!(ended.stdout.contains(&format!("        {column}\n")), "{column}: {}", ended.stdout);
        }
        folder.write(
            "job.yaml",
            format!("job: x\n{}sinks: {{ out: {{ input: {source}, print: {{}} }} }}\n", ended.stdout),
        );
        let ended = run(&folder, &["run", "job.yaml"]).expect(0).saying("2 read\n").saying("2 delivered\n");
        assert_eq!(ended.lines(), *rows);
    }
    folder.write("empty.csv", "");
    run(&folder, &["infer", "empty.csv"]).expect(2).saying("empty.csv: there are no rows");
    folder.write("broken.csv", "a,b\n1,2\n3\n");
    run(&folder, &["infer", "broken.csv"]).expect(0).saying("1 of 2 rows cannot be read; the first: line 3: 1 fields");
}

/// Goal: `--limit` writes the first rows to each sink, of any kind and on any number of workers, and ends the job.
#[test]
fn a_limit_ends_a_job_without_end() {
    let folder = endless("out: { input: rows, print: {} }, all: { input: rows, file: { path: all.jsonl } }");
    for parallelism in ["1", "2"] {
        let ended = run(&folder, &["run", "job.yaml", "--limit", "10", "-p", parallelism]).expect(0);
        assert_eq!((ended.lines().len(), folder.read("all.jsonl").lines().count()), (10, 10));
        assert!(ended.stderr.contains("out   10 delivered\n"), "{}", ended.stderr);
        assert!(ended.stderr.contains("all   10 delivered\n"), "{}", ended.stderr);
    }
    // Of a job with an end, a file is replaced when it is complete, as it is with its first rows.
    let folder = Folder::with_job(
        "\
job: bounded
sources: { rows: { file: { path: in.log } } }
sinks: { out: { input: rows, file: { path: out.jsonl } }, bad: { input: rows.errors, file: { path: bad.jsonl } } }
",
    );
    folder.write("in.log", format!("x\n{}", "line\n".repeat(100_000)));
    for name in ["out.jsonl", "bad.jsonl"] {
        folder.write(name, "of an earlier run\n");
    }
    run(&folder, &["run", "job.yaml", "--limit", "2"]).expect(0);
    assert_eq!(folder.read("out.jsonl"), "{\"text\":\"x\"}\n{\"text\":\"line\"}\n");
    assert_eq!(folder.read("bad.jsonl"), "");
    // Dead letters may never arrive: the job does not wait for them. A sink that drops everything has no first rows.
    let folder = endless("out: { input: rows, print: {} }, bad: { input: rows.errors, print: {} }");
    assert_eq!(
        run(&folder, &["run", "job.yaml", "--limit", "3"]).expect(0).stdout,
        "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n"
    );
    let folder = endless("all: { input: rows, blackhole: {} }");
    run(&folder, &["run", "job.yaml", "--limit", "3"]).expect(2).saying("--limit has no rows to count");
    run(&folder, &["run", "job.yaml", "--limit", "0"]).expect(2);
}

/// Goal: a tap prints what leaves an output, next to the job's sinks, and changes nothing else.
#[test]
fn a_tap_prints_what_leaves_an_operator() {
    let folder = Folder::with_job(
        "\
job: tapped
sources: { rows: { file: { path: in.jsonl, format: json, columns: { n: int64 } } } }
operators: { sums: { input: rows, window: { global: {} }, aggregate: { sum: sum(n) } } }
sinks: { out: { input: sums, print: {} } }
",
    );
    folder.write("in.jsonl", "{\"n\":1}\nnothing\n{\"n\":2}\n");
    let taps = ["run", "job.yaml", "--tap", "rows", "--tap", "rows.errors", "--tap", "sums"];
    let ended = run(&folder, &taps).expect(0);
    assert_eq!(ended.stdout, "{\"sum\":3}\n");
    let tapped: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with("{\"tap\":")).collect();
    let of = |name: &str| -> Vec<&str> {
        let prefix = format!("{{\"tap\":\"{name}\",\"row\":");
        tapped.iter().filter_map(|line| line.strip_prefix(prefix.as_str())?.strip_suffix('}')).collect()
    };
    assert_eq!(of("rows"), ["{\"n\":1}", "{\"n\":2}"]);
    assert_eq!(of("sums"), ["{\"sum\":3}"]);
    let errors = of("rows.errors");
    assert!(errors.len() == 1 && errors[0].contains("\"position\":\"in.jsonl:2\""), "{tapped:?}");
    // A reader of the dead letters receives them.
    assert!(
        ended.stderr.contains("1 errors\n") && ended.stderr.contains("tap rows         2 delivered\n"),
        "{}",
        ended.stderr
    );
    run(&folder, &["run", "job.yaml", "--tap", "row"]).expect(2).saying("did you mean `rows`?");
    run(&folder, &["run", "job.yaml", "--tap", "rows.late"]).expect(2).saying("`rows` has no output `late`");
}

/// Goal: the command line can replace a sink, and the file that it would have written is not touched.
#[test]
fn a_sink_is_replaced_on_the_command_line() {
    let folder = endless("out: { input: rows, file: { path: out.jsonl } }");
    let ended = run(&folder, &["run", "job.yaml", "--limit", "2", "--set", "sinks.out=print: {}"]).expect(0);
    assert_eq!(ended.stdout, "{\"n\":0}\n{\"n\":1}\n");
    assert!(!folder.join("out.jsonl").exists());
}

/// Goal: on a terminal of 80 columns, rows can be distinguished and read: long texts are wrapped, rows with many columns are
/// records.
#[test]
fn rows_can_be_read_on_a_terminal() {
    let long = |end: &str| format!("https://example.com/{}?{end}", "p".repeat(100));
    let folder = Folder::with_job(
        "job: shown\nsources: { rows: { file: { path: in.jsonl, format: json, columns: { url: text, n: int64 } } } }\nsinks: { \
         out: { input: rows, print: {} } }\n",
    );
    folder.write(
        "in.jsonl",
        format!("{{\"url\":\"{}\",\"n\":1}}\n{{\"url\":\"{}\",\"n\":2}}\n", long("first"), long("other")),
    );
    let show = |folder: &Folder| {
        let mut terminal = OnTerminal::start(folder.path(), &["run", "-q", "job.yaml"], 80, SOON);
        assert!(terminal.wait().success(), "{}", terminal.shown());
        terminal.read_to_end()
    };
    let table = show(&folder);
    assert!(table.contains("?first") && table.contains("?other") && !table.contains('…'), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    let names: Vec<String> = (1..=40).map(|n| format!("c{n}: text")).collect();
    let cells: Vec<String> = (1..=40).map(|n| format!("\"c{n}\":\"value {n}\"")).collect();
    folder.write(
        "job.yaml",
        format!(
            "job: shown\nsources: {{ rows: {{ file: {{ path: in.jsonl, format: json, columns: {{ {} }} }} }} }}\nsinks: {{ out: \
             {{ input: rows, print: {{}} }} }}\n",
            names.join(", ")
        ),
    );
    folder.write("in.jsonl", format!("{{{}}}\n", cells.join(",")));
    let record = show(&folder);
    assert!(record.starts_with("── row 1 ──") && record.contains("\nc17  value 17\n"), "{record}");
    assert_eq!(record.lines().count(), 41, "{record}");
}

/// Goal: a job over a file shows its progress, also of a compressed file, and the counts of its sinks.
#[test]
fn a_job_with_an_end_shows_how_far_it_is() {
    let folder = Folder::with_job(
        "\
job: progress
sources:
  slow: { generator: { rows: 3000, rate: 1000, columns: { n: { sequence: {} } } } }
  file: { file: { path: in.gz } }
sinks: { out: { input: slow, blackhole: {} }, lines: { input: file, file: { path: lines.jsonl } } }
",
    );
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(b"one\ntwo\n").unwrap();
    folder.write("in.gz", gzip.finish().unwrap());
    let mut terminal = OnTerminal::start(folder.path(), &["run", "job.yaml"], 100, SOON);
    terminal.wait_until_shown("s left  ");
    assert!(terminal.wait().success());
    let shown = terminal.read_to_end();
    let line = shown.split('\r').find(|line| line.contains("s left")).expect("a status line");
    let percent: u32 =
        line.split_once('%').and_then(|(head, _)| head.rsplit(' ').next()?.parse().ok()).expect("a percentage");
    assert!((20..100).contains(&percent), "{line}");
    assert!(line.contains(" read  ") && line.contains(" delivered"), "{line}");
    assert!(shown.contains("out    3,000 delivered") && shown.contains("lines  2 delivered"), "{shown}");
}

//! Wrong job files: the reports of `check` and `run`; nothing runs.

use harness::{Ended, Flowgate, Folder, plugin};

/// `check` and `run` judge a job alike: exit code 2, nothing on standard output, the same report.
#[track_caller]
fn refused(folder: &Folder) -> Ended {
    let [check, run] = ["check", "run"].map(|command| Flowgate::new(folder.path(), &[command, "job.yaml"]).run());
    assert_eq!(check.stderr, run.stderr);
    for ended in [&check, &run] {
        assert_eq!((ended.code(), &*ended.stdout), (Some(2), ""), "{}", ended.stderr);
    }
    run
}

/// Mistakes of every kind in one file are reported together, each with line and column, and `run` has written nothing.
#[test]
fn everything_wrong_is_said_at_once() {
    let folder = Folder::with_job(
        "\
job: wrong
paralelism: 2
sources:
  lines: { file: { path: in.log, format: text, batch_rows: many } }
  rows: { generator: { rows: 9, columns: { n: { sequence: {} } } } }
operators:
  per_page: { input: rows, key: [page], window: { tumbling: 10s, time: processing }, aggregate: { n: sum(m) } }
  a: { input: b, window: { tumbling: 1s, time: processing }, aggregate: { n: count() } }
  b: { input: a, window: { tumbling: 1s, time: processing }, aggregate: { n: count() } }
sinks:
  out: { input: row, file: { path: out.jsonl } }
  kept: { input: rows, file: { path: kept.jsonl } }
",
    );
    let report = refused(&folder);
    for (place, says) in [
        ("job.yaml:2:1", "paralelism"),
        ("job.yaml:4:60", "many"),
        ("job.yaml:7:34", "no column `page`"),
        ("job.yaml:7:106", "no column `m`"),
        ("job.yaml:8:15", "in a cycle"),
        ("job.yaml:11:17", "unknown input `row`"),
    ] {
        let told =
            report.stderr.lines().any(|line| line.starts_with(&format!("{place}: error: ")) && line.contains(says));
        assert!(told, "{place}: {says} is not told: {}", report.stderr);
    }
    let report = report.saying("did you mean `parallelism`?").saying("did you mean `rows`?");
    assert!(report.stderr.ends_with("6 errors; nothing was run\n"), "{}", report.stderr);
    assert!(!folder.join("kept.jsonl").exists());
}

/// A file that is not YAML has one error, with its place.
#[test]
fn what_is_no_yaml_says_where() {
    refused(&Folder::with_job("job: x\nsources: [\n")).saying("job.yaml:");
}

/// A missing variable of the environment is an error; one with a default, or one that is set, is not.
#[test]
fn a_missing_variable_is_an_error() {
    let folder = Folder::with_job(
        "\
job: env
sources:
  rows:
    generator:
      rows: 3
      columns:
        n:
          sequence:
            start: ${FIRST}
sinks:
  out:
    input: rows
    print:
      format: ${HOW:-json}
",
    );
    refused(&folder)
        .saying("job.yaml:9:20: error: the environment variable FIRST is not set")
        .saying("a default is written `${NAME:-default}`");
    let ended = Flowgate::new(folder.path(), &["run", "job.yaml"]).env("FIRST", "41").run().expect(0);
    assert_eq!(ended.lines(), ["{\"n\":41}", "{\"n\":42}", "{\"n\":43}"]);
}

/// A plugin that does not exist: the error lists every place that was searched.
#[test]
fn a_missing_plugin_says_where_it_was_looked_for() {
    let folder = Folder::with_job(
        "\
job: plugins
sources: { lines: { stdin: {} } }
operators: { words: { input: lines, plugin: no-such-plugin, function: split_words } }
sinks: { out: { input: words, print: {} } }
",
    );
    let elsewhere = tempfile::tempdir().unwrap();
    let ended = Flowgate::new(folder.path(), &["run", "job.yaml"]).env("FLOWGATE_PLUGIN_PATH", elsewhere.path()).run();
    let ended = ended.expect(2).saying("job.yaml:3:45: error: no plugin `no-such-plugin`");
    let places = [folder.path().into(), folder.join("plugins"), elsewhere.path().into()];
    for place in places.map(|p: std::path::PathBuf| p.canonicalize().unwrap_or(p)) {
        let tried = place.join("no-such-plugin.wasm").display().to_string();
        assert!(ended.stderr.contains(&tried), "{tried} is not said: {}", ended.stderr);
    }
}

/// A file that is not a component: the error has the operator's place and says what is wrong with it.
#[test]
fn a_plugin_that_is_garbage_is_refused() {
    let folder = Folder::with_job(
        "\
job: plugins
sources: { lines: { stdin: {} } }
operators: { words: { input: lines, plugin: garbage, function: split_words } }
sinks: { out: { input: words, print: {} } }
",
    );
    folder.write("garbage.wasm", "this is no WebAssembly");
    refused(&folder).saying("job.yaml:3:45: error: cannot use plugin `garbage`");
}

/// Operators that do not fit each other: a missing column, one of another type, a config that the function refuses, an aggregate
/// over a text.
#[test]
fn operators_that_do_not_fit_say_which_column() {
    plugin("text");
    let folder = Folder::with_job(
        "\
job: clash
sources:
  rows: { generator: { rows: 3, columns: { n: { sequence: {} }, line: { words: 3 } } } }
operators:
  missing: { input: rows, plugin: text, function: split_words }
  clash: { input: rows, plugin: text, function: split_words, columns: { text: n } }
  config: { input: rows, plugin: text, function: split_words, columns: { text: line }, config: { length_min: 0 } }
  words: { input: rows, plugin: text, function: split_words, columns: { text: line } }
  sum: { input: words, window: { tumbling: 1s, time: processing }, aggregate: { total: sum(word) } }
sinks:
  out: { input: words, blackhole: {} }
",
    );
    let report = refused(&folder);
    for (line, says) in [
        (5, "reads `text: text`, which `rows` does not have"),
        (6, "is int64"),
        (7, "0 is less than the minimum of 1"),
        (9, "word"),
    ] {
        let told = report.stderr.lines().any(|l| l.starts_with(&format!("job.yaml:{line}:")) && l.contains(says));
        assert!(told, "line {line}: {says} is not told: {}", report.stderr);
    }
}

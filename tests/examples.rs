//! The examples: each emits the rows of its `expected.jsonl`, on any number of workers.

use std::fs;
use std::path::{Path, PathBuf};

use harness::{Flowgate, plugin, repository};
use serde_json::Value;

/// Returns folders under `examples` with a job that ends and expected rows.
fn examples() -> Vec<PathBuf> {
    let folders = fs::read_dir(repository().join("examples")).expect("the examples are there");
    let mut folders: Vec<_> =
        folders.map(|entry| entry.unwrap().path()).filter(|p| p.join("expected.jsonl").exists()).collect();
    folders.sort();
    folders
}

/// Returns names of the job's sinks that write files: those are kept out of the repository.
fn file_sinks(job: &str) -> Vec<String> {
    let sinks = job.split_once("\nsinks:\n").expect("a job has sinks").1;
    let files = sinks.lines().filter(|line| line.contains("file:") && !line.trim_start().starts_with('#'));
    files.map(|line| line.trim().split(':').next().unwrap().to_string()).collect()
}

/// Sorts lines: rows of different keys and workers are in no order. Numbers with a fraction have twelve digits: the last ones
/// differ between compilers of a plugin, whose logarithms do.
fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| {
            let row: serde_json::Map<String, Value> = serde_json::from_str(line).expect("a JSON line");
            let cell = |(name, value): (&String, &Value)| match value.as_f64().filter(|_| value.is_f64()) {
                Some(number) => format!("{name}={number:.11e} "),
                None => format!("{name}={value} "),
            };
            row.iter().map(cell).collect()
        })
        .collect();
    lines.sort_unstable();
    lines
}

#[track_caller]
fn assert_expected_rows(example: &Path, parallelism: &str) {
    let out = tempfile::tempdir().unwrap();
    let job = fs::read_to_string(example.join("job.yaml")).unwrap();
    let settings: Vec<String> = file_sinks(&job)
        .iter()
        .map(|sink| format!("sinks.{sink}.file.path={}", out.path().join(sink).with_extension("jsonl").display()))
        .collect();
    let mut arguments = vec!["run", "job.yaml", "-p", parallelism];
    settings.iter().for_each(|setting| arguments.extend(["--set", setting]));
    let ended = Flowgate::new(example, &arguments).run().expect(0);
    let expected = fs::read_to_string(example.join("expected.jsonl")).expect("every example says what comes out");
    let (rows, expected) = (sorted(&ended.stdout), sorted(&expected));
    let differs = rows.iter().zip(&expected).find(|(row, expected)| row != expected);
    assert!(
        rows == expected,
        "{} at parallelism {parallelism}: {} rows, expected {}; the first that differ: {differs:?}",
        example.display(),
        rows.len(),
        expected.len()
    );
}

/// Every example, at parallelism 1, 2 and 4.
#[test]
fn examples_emit_their_expected_rows() {
    for name in ["text", "weblog", "stats"] {
        plugin(name);
    }
    let examples = examples();
    assert!(examples.len() >= 2, "the examples were not found");
    for example in &examples {
        for parallelism in ["1", "2", "4"] {
            assert_expected_rows(example, parallelism);
        }
    }
}

/// Every example has a README that shows its command.
#[test]
fn examples_are_explained() {
    for example in examples() {
        let readme = fs::read_to_string(example.join("README.md")).expect("every example has a README");
        let name = example.file_name().unwrap().to_str().unwrap();
        assert!(readme.contains(&format!("flowgate run examples/{name}/job.yaml")), "{name}: the command is missing");
    }
}

/// Visitors of the web site by minute and country: two outputs, each with its expected rows.
#[test]
fn visitors_of_the_web_site() {
    for name in ["weblog", "geoip"] {
        plugin(name);
    }
    let example = repository().join("examples/weblog");
    for parallelism in ["1", "2", "4"] {
        let out = tempfile::tempdir().unwrap();
        let written = out.path().join("visitors.jsonl");
        let setting = format!("sinks.visitors.file.path={}", written.display());
        let arguments = ["run", "visitors.yaml", "-p", parallelism, "--set", &setting];
        let ended = Flowgate::new(&example, &arguments).run().expect(0);
        let visitors = fs::read_to_string(&written).unwrap();
        for (emitted, expected) in [(&ended.stdout, "countries"), (&visitors, "visitors")] {
            let file = example.join(format!("expected-{expected}.jsonl"));
            assert!(
                sorted(emitted) == sorted(&fs::read_to_string(file).unwrap()),
                "{expected} at parallelism {parallelism}:\n{emitted}"
            );
        }
    }
}

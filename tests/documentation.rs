//! `docs/operators.md`: every row of its tables is an operator that runs and emits the rows of its file in
//! `docs/samples/expected`, on any number of workers. `UPDATE_GOLDEN=1` writes those files again: read what changed.

use std::fs;
use std::path::PathBuf;

use harness::{Flowgate, plugin, repository};

/// A row of a table.
struct Row {
    name: String,
    operator: String,
}

fn docs() -> PathBuf {
    repository().join("docs")
}

/// Returns the document's job, and its rows that have code.
fn document() -> (String, Vec<Row>) {
    let text = fs::read_to_string(docs().join("operators.md")).expect("the document is there");
    let job = text.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a job").to_string();
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let (name, code) = (cells.next()?, cells.next()?);
        let operator = code.strip_prefix('`')?.strip_suffix('`')?;
        Some(Row { name: name.to_string(), operator: operator.to_string() })
    });
    (job, rows.collect())
}

/// Sorts lines: rows of different keys and workers are in no order.
fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[test]
fn every_row_of_the_tables_emits_its_expected_rows() {
    plugin("stats");
    let (job, rows) = document();
    assert!(rows.len() > 40, "only {} rows were found", rows.len());
    let folder = tempfile::tempdir().unwrap();
    for sample in ["payments.jsonl", "visits.jsonl", "prices.csv"] {
        fs::copy(docs().join("samples").join(sample), folder.path().join(sample)).expect("a sample");
    }
    let mut wrong = Vec::new();
    for row in &rows {
        let text = job.replace("result: {}", &format!("result: {}", row.operator));
        assert_ne!(text, job, "the job has no place for an operator");
        fs::write(folder.path().join("job.yaml"), text).unwrap();
        let expected = docs().join("samples/expected").join(&row.name).with_extension("jsonl");
        for parallelism in ["1", "2", "4"] {
            let ended = Flowgate::new(folder.path(), &["run", "-q", "job.yaml", "-p", parallelism]).run();
            if ended.code() != Some(0) {
                wrong.push(format!("{} at parallelism {parallelism}: {}", row.name, ended.stderr));
                continue;
            }
            let emitted = sorted(&ended.stdout);
            if parallelism == "1" && std::env::var_os("UPDATE_GOLDEN").is_some() {
                fs::write(&expected, &emitted).unwrap();
            }
            // A missing file counts as empty, and differs from the output.
            let want = fs::read_to_string(&expected).unwrap_or_default();
            if emitted != want {
                wrong.push(format!("{} at parallelism {parallelism} emits\n{emitted}instead of\n{want}", row.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn every_expected_file_belongs_to_a_row() {
    let (_, rows) = document();
    for entry in fs::read_dir(docs().join("samples/expected")).expect("the expected files") {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_string();
        assert!(rows.iter().any(|row| row.name == name), "no row is called {name}");
    }
}

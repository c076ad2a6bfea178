//! Plugins in every language, in the same jobs, over the same inputs, against the same outputs (`guest-sdk/conformance/README.md`).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use harness::Flowgate;
use tempfile::{TempDir, tempdir};

/// The languages, each a folder of the suite.
const LANGUAGES: [&str; 1] = ["rust"];

/// The suite.
fn suite() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-sdk/conformance")
}

/// The files of a folder of the suite, sorted by name.
fn files(of: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(suite().join(of)).expect("a folder of the suite");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

fn name(file: &Path) -> String {
    file.file_name().expect("a name").to_string_lossy().into_owned()
}

/// The lines of a file, sorted: workers write side by side. A file without a row is as good as none.
fn lines(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let mut lines: Vec<String> = text.lines().map(String::from).collect();
    lines.sort();
    lines
}

/// Copies jobs and inputs to a folder, beside the plugin.
fn lay_out(plugin: &[u8]) -> TempDir {
    let folder = tempdir().expect("a folder");
    for of in ["jobs", "input"] {
        fs::create_dir(folder.path().join(of)).expect("a folder");
        for file in files(of) {
            fs::copy(&file, folder.path().join(of).join(name(&file))).expect("a file is copied");
        }
    }
    fs::write(folder.path().join("jobs/plugin.wasm"), plugin).expect("the plugin is written");
    folder
}

/// The names of the outputs in a folder.
fn outputs(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries.map(|entry| name(&entry.expect("an entry").path())).filter(|name| name.ends_with(".jsonl")).collect()
}

/// Runs every job, and compares every output. `UPDATE_GOLDEN=1` takes what Rust writes on one worker as what is expected.
#[test]
fn every_language_passes() {
    let expected = suite().join("expected");
    for language in LANGUAGES {
        let built = tempdir().expect("a folder");
        let (sources, component) = (suite().join(language), built.path().join("plugin.wasm"));
        let (sources, output) = (sources.display().to_string(), component.display().to_string());
        Flowgate::new(built.path(), &["plugin", "build", &sources, "-o", &output]).run().expect(0);
        let component = fs::read(component).expect("a component");
        for workers in ["1", "3"] {
            let of = format!("{language} with {workers} workers");
            let folder = lay_out(&component);
            let jobs = folder.path().join("jobs");
            for job in files("jobs") {
                Flowgate::new(&jobs, &["run", &name(&job), "-p", workers]).run().expect(0);
            }
            let made = outputs(&jobs);
            if std::env::var_os("UPDATE_GOLDEN").is_some() && (language, workers) == ("rust", "1") {
                for output in &made {
                    let text: String = lines(&jobs.join(output)).iter().map(|line| format!("{line}\n")).collect();
                    fs::write(expected.join(output), text).expect("a golden file is written");
                }
            }
            assert_eq!(made, outputs(&expected), "{of}");
            for output in made {
                assert_eq!(lines(&jobs.join(&output)), lines(&expected.join(&output)), "{of}: {output}");
            }
        }
    }
}

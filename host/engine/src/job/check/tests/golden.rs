//! Every wrong job file in `tests/golden/job` leads exactly to the report next to it.
//!
//! `UPDATE_GOLDEN=1 cargo test` updates the reports.

use std::path::{Path, PathBuf};

use crate::job::check::check;
use crate::job::fake::FakePlugins;
use crate::job::load::{Document, Language, Override, load};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/job")
}

fn env(name: &str) -> Option<String> {
    match name {
        "SET" => Some("5".into()),
        "INJECT" => Some("x\nparallelism: 9".into()),
        _ => None,
    }
}

/// Returns the report of `flowgate check` for the file. A line `# set: KEY=VALUE` stands for `--set KEY=VALUE`.
fn report(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap().to_string();
    let set = text.lines().filter_map(|l| l.strip_prefix("# set: "));
    let overrides: Vec<Override> = set.map(|s| Override::parse(s).unwrap()).collect();
    let document = Document { name, language: Language::of(path), text, base: "/job".into() };
    let loaded = load(document, &overrides, &env);
    let mut plugins = FakePlugins::new();
    let mut further = Vec::new();
    if let Some(job) = &loaded.job {
        let mut around = plugins.around();
        around.broken = loaded.broken.clone();
        match check(job, &around, &mut plugins) {
            Ok(checked) => further = checked.warnings,
            Err(problems) => further = problems,
        }
    }
    loaded.report(&further, false).replace(&plugins.folder().display().to_string(), "/plugins")
}

#[test]
fn wrong_jobs_are_reported_with_all_problems() {
    let mut names: Vec<PathBuf> = std::fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path()).collect();
    names.retain(|p| p.extension().is_some_and(|e| e != "stderr"));
    names.sort();
    assert!(names.len() >= 15, "the golden files are missing");
    let mut differing = Vec::new();
    for path in names {
        let found = report(&path);
        let golden = PathBuf::from(format!("{}.stderr", path.display()));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        if found != expected {
            differing.push(format!("{}\n--- expected\n{expected}--- found\n{found}", path.display()));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

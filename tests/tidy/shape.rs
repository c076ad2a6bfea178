//! Sizes and names of Rust files.

use crate::repository::File;

/// Maximum lines of a Rust file. Nine in ten files of the code that we learn from are below.
const LINES_MAX: usize = 500;

/// Names that say nothing about the content, and so gather everything.
const EMPTY_NAMES: [&str; 11] =
    ["common", "helper", "helpers", "manager", "misc", "prelude", "shared", "stuff", "types", "util", "utils"];

/// Whether a file is product code of one of the crates under `host/`.
fn is_in_host(path: &str) -> bool {
    path.starts_with("host/") && path.contains("/src/")
}

pub(crate) fn check(files: &[File]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let path = &file.path;
        let lines = file.text.lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("{path}: {lines} lines; split it by concept, {LINES_MAX} are enough for one"));
        }
        let names = path.split('/').map(|part| part.strip_suffix(".rs").unwrap_or(part));
        for name in names.filter(|name| EMPTY_NAMES.contains(name)) {
            wrong.push(format!("{path}: `{name}` says nothing; name it after what it holds"));
        }
        if is_in_host(path) && (path.ends_with("/mod.rs") || path.ends_with("/lib.rs")) {
            for (number, _) in file.code().filter(|(_, line)| line.split_whitespace().any(|word| word == "fn")) {
                wrong.push(format!(
                    "{path}:{number}: a function; give it a file of its own, this one is a table of contents"
                ));
            }
        }
    }
    wrong
}

#[test]
fn a_long_file_is_found() {
    assert_eq!(check(&[File::new("host/engine/src/a.rs", &"\n".repeat(LINES_MAX + 1))]).len(), 1);
    assert_eq!(check(&[File::new("host/engine/src/a.rs", &"\n".repeat(LINES_MAX))]).len(), 0);
}

#[test]
fn an_empty_name_is_found_in_files_and_folders() {
    for path in ["host/engine/src/utils.rs", "guest-sdk/rust/src/helpers/text.rs", "plugins/text/src/types.rs"] {
        assert_eq!(check(&[File::new(path, "")]).len(), 1, "{path}");
    }
    assert_eq!(check(&[File::new("host/engine/src/schema/type_names.rs", "")]).len(), 0);
}

#[test]
fn logic_in_a_table_of_contents_is_found() {
    assert_eq!(check(&[File::new("host/engine/src/job/mod.rs", "//! fn in a comment\npub fn logic() {}")]).len(), 1);
    assert_eq!(check(&[File::new("host/engine/src/job/spec.rs", "pub fn logic() {}")]).len(), 0);
}

//! Links in Markdown that name a file lead to one.

use std::path::Path;

use crate::repository::{self, File};

pub(crate) fn check(files: &[File]) -> Vec<String> {
    check_in(&repository::root(), files)
}

fn check_in(root: &Path, files: &[File]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        let mut fenced = false;
        for (number, line) in file.lines() {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
            }
            if fenced {
                continue;
            }
            for target in targets(line) {
                let path = target.split('#').next().unwrap_or(target);
                if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                    continue;
                }
                let full = match path.strip_prefix('/') {
                    Some(from_root) => root.join(from_root),
                    None => root.join(&file.path).with_file_name("").join(path),
                };
                if !full.exists() {
                    wrong.push(format!("{}:{number}: the link to `{target}` leads nowhere", file.path));
                }
            }
        }
    }
    wrong
}

/// Returns the targets of `[text](target)` and `[text]: target` in a line.
fn targets(line: &str) -> Vec<&str> {
    let inline = line.match_indices("](").filter_map(|(at, open)| line[at + open.len()..].split(')').next());
    let mut targets: Vec<&str> = inline.collect();
    if line.starts_with('[')
        && let Some((_, target)) = line.split_once("]: ")
    {
        targets.push(target);
    }
    targets.into_iter().filter_map(|target| target.split_whitespace().next()).collect()
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let root = repository::root();
    let check = |text: &str| check_in(&root, &[File::new("tests/README.md", text)]).len();
    assert_eq!(check("[gone](gone.rs)"), 1);
    assert_eq!(check("[a](Cargo.toml) and [b](../gone.md#part)"), 1);
    assert_eq!(check("[ref]: tidy/gone.rs"), 1);
    assert_eq!(
        check("[a](Cargo.toml#x) [b](/Cargo.toml) [c](#here) [d](https://flowgate.example/gone) [e](tidy \"title\")"),
        0
    );
    assert_eq!(check("```\n[gone](gone.rs)\n```"), 0);
}

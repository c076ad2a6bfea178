//! Paths that Markdown names in backticks exist.

use crate::repository::{self, File};

/// The beginnings of paths from the top of the repository.
const TOPS: [&str; 8] = ["host/", "tests/", "docs/", "wit/", "guest-sdk/", "plugins/", "examples/", "scripts/"];

pub(crate) fn check(files: &[File]) -> Vec<String> {
    let root = repository::root();
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        let mut fenced = false;
        for (number, line) in file.lines() {
            fenced ^= line.trim_start().starts_with("```");
            if fenced {
                continue;
            }
            for path in line.split('`').skip(1).step_by(2).filter(|text| is_path(text)) {
                if !expanded(path).iter().all(|path| root.join(path).exists()) {
                    wrong.push(format!("{}:{number}: `{path}` does not exist", file.path));
                }
            }
        }
    }
    wrong
}

/// Whether a text is a path from the top, without a placeholder (`<name>`, `NAME`, `*`).
fn is_path(text: &str) -> bool {
    TOPS.iter().any(|top| text.starts_with(top))
        && !text.contains(['<', '*', ' ', ':', '$', '(', '…'])
        && !text.split('/').any(|part| part.len() > 1 && part.chars().all(|c| c.is_ascii_uppercase()))
}

/// Returns the paths that `a/{b,c}.rs` stands for.
fn expanded(path: &str) -> Vec<String> {
    match (path.find('{'), path.find('}')) {
        (Some(open), Some(close)) if open < close => path[open + 1..close]
            .split(',')
            .map(|part| format!("{}{}{}", &path[..open], part.trim(), &path[close + 1..]))
            .collect(),
        _ => vec![path.into()],
    }
}

#[test]
fn a_path_that_does_not_exist_is_found() {
    let of = |text: &str| check(&[File::new("a.md", text)]).len();
    assert_eq!(of("see `tests/tidy/gone.rs`"), 1);
    assert_eq!(of("see `tests/tidy/{main,gone}.rs`"), 1);
    assert_eq!(
        of("`tests/tidy/{main,paths}.rs`, `host/<name>/src`, `plugins/NAME/a.rs`, `tests/*.rs`, `src/gone.rs`"),
        0
    );
    assert_eq!(of("```\n`tests/gone.rs`\n```"), 0);
}

//! Who may know whom in `host/src`. A module that is not named here may import anything.

use std::collections::BTreeSet;

use crate::repository::File;

/// A module, what it may import besides itself, and why not more. `job::quantity` allows a part of a module.
const MAY_IMPORT: [(&str, &[&str], &str); 9] = [
    ("clock", &[], "it is the bottom"),
    ("error", &[], "it is the bottom"),
    ("shown", &[], "it is the bottom"),
    ("standard_error", &["clock"], "it is the bottom"),
    ("schema", &["error"], "the words of all others"),
    (
        "job",
        &[
            "error",
            "schema",
            "shown",
            "plugin::binding",
            "plugin::Function",
            "plugin::Plugins",
            "connector::source_schema",
            "connector::sink_problems",
            "connector::table_schema",
            "connector::FileIdentity",
            "connector::partial_path",
            "connector::pattern_matches",
            "connector::resolved",
        ],
        "what a user writes is judged by asking plugins and connectors for types, without running anything",
    ),
    (
        "connector",
        &["error", "schema", "shown", "clock", "job::spec", "job::graph", "job::quantity"],
        "a source or sink knows nothing of who reads it or feeds it",
    ),
    (
        "plugin",
        &["error", "schema", "shown", "standard_error", "clock", "job::spec", "job::quantity"],
        "the wall does not know where the rows come from",
    ),
    ("state", &["error", "schema"], "it keeps bytes and columns by key, and does not know for whom"),
];

/// What `dataflow` may not import: it is given what it needs, and told what to do by records.
const ABOVE_DATAFLOW: [&str; 2] = ["control", "cli"];

pub(crate) fn check(files: &[File]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let Some(module) = file.path.strip_prefix("host/src/").and_then(|path| path.split(['/', '.']).next()) else {
            continue;
        };
        let rule = MAY_IMPORT.iter().find(|(name, ..)| *name == module);
        for (number, statement) in statements(file) {
            for import in imports(&statement) {
                let own = starts_with(&import, module);
                let (allowed, why) = match rule {
                    Some((_, allowed, why)) => (own || allowed.iter().any(|part| starts_with(&import, part)), *why),
                    None if module == "dataflow" => (
                        !ABOVE_DATAFLOW.iter().any(|above| starts_with(&import, above)),
                        "what is above the dataflow speaks to it by records of its control stream",
                    ),
                    None => (true, ""),
                };
                if !allowed {
                    wrong.push(format!(
                        "{}:{number}: `{module}` may not import `{import}` ({why}); hand the value in, or move what both need down",
                        file.path
                    ));
                }
            }
        }
    }
    wrong
}

/// Lines of code; a `use` that goes over several is one.
fn statements(file: &File) -> Vec<(usize, String)> {
    let mut statements: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (number, line) in file.code() {
        match statements.last_mut() {
            Some((_, statement)) if open => statement.push_str(line),
            _ => statements.push((number, line.into())),
        }
        let is_use = |text: &str| text.trim_start().trim_start_matches("pub ").starts_with("use ");
        open = statements.last().is_some_and(|(_, text)| is_use(text) && !text.contains(';'));
    }
    statements
}

fn starts_with(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The paths after `crate::` in a line, down to the second name. Of `crate::{a::b, c}`, each.
fn imports(line: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in line.match_indices("crate::") {
        let named = |c: char| c.is_alphanumeric() || c == '_';
        if line[..at].ends_with(named) || line[..at].ends_with('$') {
            continue;
        }
        let rest = &line[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => found.extend(names(rest)),
            Some(list) => {
                let mut depth = 0;
                let mut start = 0;
                for (end, c) in list.char_indices().chain([(list.len(), ',')]) {
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        _ => {}
                    }
                    if (c == ',' && depth == 0) || depth < 0 || end == list.len() {
                        found.extend(names(list[start..end].trim()));
                        start = (end + 1).min(list.len());
                    }
                    if depth < 0 {
                        break;
                    }
                }
            }
        }
    }
    found
}

/// The first two names of a path, as one or more paths: `a::{b, c}` is `a::b` and `a::c`.
fn names(path: &str) -> Vec<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let first = name(path);
    if first.is_empty() {
        return Vec::new();
    }
    match path[first.len()..].strip_prefix("::") {
        Some(rest) if rest.starts_with('{') => {
            let list = rest[1..].split('}').next().unwrap_or(rest);
            list.split(',').map(|item| format!("{first}::{}", name(item.trim()))).collect()
        }
        Some(rest) if !name(rest).is_empty() => vec![format!("{first}::{}", name(rest))],
        _ => vec![first],
    }
}

#[test]
fn paths_are_found_in_every_form() {
    let cases = [
        ("use crate::error::{Error, Result};", vec!["error::Error", "error::Result"]),
        ("use crate::{error::Result, schema};", vec!["error::Result", "schema"]),
        ("use crate::job::{graph::Node, spec};", vec!["job::graph", "job::spec"]),
        ("let x = crate::clock::now_ms();", vec!["clock::now_ms"]),
        ("use crate::cli;", vec!["cli"]),
        ("use crate::{    cli,    job::spec,};", vec!["cli", "job::spec"]),
        ("use my_crate::cli;", vec![]),
        ("use super::cli;", vec![]),
    ];
    for (line, expected) in cases {
        assert_eq!(imports(line).into_iter().collect::<Vec<_>>(), expected, "{line}");
    }
}

#[test]
fn an_import_upwards_is_found() {
    let bad = [
        ("host/src/dataflow/slot.rs", "use crate::cli::run;"),
        ("host/src/dataflow/slot.rs", "use crate::{error::Result, control::node};"),
        ("host/src/plugin/instance.rs", "use crate::dataflow::batch::Batch;"),
        ("host/src/plugin/instance.rs", "use crate::job::graph::Node;"),
        ("host/src/connector/file.rs", "use crate::dataflow::batch;"),
        ("host/src/job/check.rs", "use crate::plugin::instance;"),
        ("host/src/dataflow/slot.rs", "use crate::{\n    cli,\n    error::Result,\n};\n"),
        ("host/src/clock.rs", "use crate::error::Result;"),
        ("host/src/state/store.rs", "use crate::job::graph::StatePlace;"),
    ];
    for (path, line) in bad {
        assert_eq!(check(&[File::new(path, line)]).len(), 1, "{path}: {line}");
    }
    let good = [
        ("host/src/dataflow/slot.rs", "use crate::plugin::instance; // crate::cli"),
        ("host/src/plugin/instance.rs", "use crate::plugin::cache;"),
        ("host/src/job/check.rs", "use crate::plugin::binding::Kind;"),
    ];
    for (path, line) in good {
        assert_eq!(check(&[File::new(path, line)]), Vec::<String>::new(), "{path}: {line}");
    }
}

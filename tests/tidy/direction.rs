//! Who may know whom. Between the crates under `host/`, Cargo enforces what their manifests say, and this rule says what the
//! manifests may say. Within the crate `flowgate`, this rule looks at the imports, and at who knows Timely.

use std::collections::BTreeSet;

use crate::repository::File;

/// A crate under `host/`, and which others it may depend on.
const MAY_DEPEND: [(&str, &[&str]); 15] = [
    ("base", &[]),
    ("checkpoint", &["flowgate-base"]),
    ("hdfs", &["flowgate-base", "flowgate-checkpoint"]),
    ("sketch", &[]),
    ("state", &["flowgate-base"]),
    ("confine", &[]),
    ("wall", &["flowgate-base", "flowgate-confine"]),
    ("connect", &["flowgate-base", "flowgate-confine"]),
    ("toolchain", &["flowgate-base"]),
    ("control", &["flowgate-base"]),
    ("api", &["flowgate-base", "flowgate-control"]),
    (
        "engine",
        &[
            "flowgate-base",
            "flowgate-checkpoint",
            "flowgate-confine",
            "flowgate-state",
            "flowgate-wall",
            "flowgate-connect",
            "flowgate-sketch",
        ],
    ),
    (
        "worker",
        &[
            "flowgate",
            "flowgate-base",
            "flowgate-checkpoint",
            "flowgate-confine",
            "flowgate-connect",
            "flowgate-control",
            "flowgate-wall",
        ],
    ),
    (
        "node",
        &[
            "flowgate",
            "flowgate-api",
            "flowgate-base",
            "flowgate-checkpoint",
            "flowgate-confine",
            "flowgate-connect",
            "flowgate-control",
            "flowgate-wall",
            "flowgate-worker",
        ],
    ),
    (
        "cli",
        &[
            "flowgate",
            "flowgate-api",
            "flowgate-base",
            "flowgate-checkpoint",
            "flowgate-connect",
            "flowgate-control",
            "flowgate-hdfs",
            "flowgate-node",
            "flowgate-state",
            "flowgate-toolchain",
            "flowgate-wall",
            "flowgate-worker",
        ],
    ),
];

/// Within the crate `flowgate`: a folder, what it may not import, and why.
const MAY_NOT_IMPORT: [(&str, &str, &str); 3] = [
    ("host/engine/src/job/", "dataflow", "a check runs nothing"),
    ("host/engine/src/job/", "submit", "a check runs nothing"),
    ("host/engine/src/dataflow/", "submit", "a dataflow does not know where its graph comes from"),
];

/// The files that use Timely.
const KNOWS_TIMELY: [&str; 3] = [
    "host/engine/src/dataflow/engine/timely.rs",
    "host/engine/src/dataflow/message.rs",
    "host/engine/src/dataflow/worker.rs",
];

pub(crate) fn check(files: &[File]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files {
        if let Some(name) = file.path.strip_prefix("host/").and_then(|path| path.strip_suffix("/Cargo.toml")) {
            wrong.extend(dependencies(name, file));
        }
        if file.is_rust() && file.path.starts_with("host/engine/src/") {
            wrong.extend(imports_of(file));
        }
    }
    wrong
}

/// What a manifest depends on and may not. Dependencies of tests may be anything.
fn dependencies(name: &str, manifest: &File) -> Vec<String> {
    let Some((_, allowed)) = MAY_DEPEND.iter().find(|(known, _)| *known == name) else {
        return vec![format!("{}: the crate `{name}` is unknown; add it to MAY_DEPEND in {}", manifest.path, file!())];
    };
    let section = manifest.lines().skip_while(|(_, line)| line.trim() != "[dependencies]").skip(1);
    let entries = section.take_while(|(_, line)| !line.starts_with('['));
    let own = entries.filter_map(|(number, line)| {
        let dependency = line.split(['.', '=', ' ']).next().unwrap_or(line);
        (dependency.starts_with("flowgate") && !allowed.contains(&dependency)).then(|| {
            format!(
                "{}:{number}: `{name}` may not depend on `{dependency}`; hand the value in, or move what both need down",
                manifest.path
            )
        })
    });
    own.collect()
}

fn imports_of(file: &File) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, statement) in statements(file) {
        for (folder, module, reason) in MAY_NOT_IMPORT {
            if file.path.starts_with(folder) && imports(&statement).contains(module) {
                wrong.push(format!("{}:{number}: `{module}` may not be imported here: {reason}", file.path));
            }
        }
        // The module of that name is ours.
        let timely = statement.replace("super::timely::", "").replace("self::timely::", "").contains("timely::");
        if timely && !KNOWS_TIMELY.contains(&file.path.as_str()) {
            wrong.push(format!("{}:{number}: Timely is known in {} alone", file.path, KNOWS_TIMELY.join(", ")));
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

/// The first names of the paths after `crate::` in a line; of `crate::{a::b, c}`, each.
fn imports(line: &str) -> BTreeSet<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for (at, mark) in line.match_indices("crate::") {
        if line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &line[at + mark.len()..];
        let Some(list) = rest.strip_prefix('{') else {
            found.insert(name(rest));
            continue;
        };
        let mut depth = 0;
        let mut item = String::new();
        for c in list.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    found.insert(name(std::mem::take(&mut item).trim()));
                }
                c => item.push(c),
            }
        }
        found.insert(name(item.trim()));
    }
    found.remove("");
    found
}

#[test]
fn paths_are_found_in_every_form() {
    let cases = [
        ("use crate::job::{Error, Result};", vec!["job"]),
        ("use crate::{dataflow::{a, b}, job};", vec!["dataflow", "job"]),
        ("let x = crate::clock::now_ms();", vec!["clock"]),
        ("use crate::{    cli,    job::spec,};", vec!["cli", "job"]),
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
        ("host/engine/src/job/check.rs", "use crate::dataflow::batch;"),
        ("host/engine/src/job/check.rs", "use crate::{\n    dataflow,\n    job::spec,\n};\n"),
        ("host/engine/src/dataflow/sink.rs", "use crate::submit::start;"),
        ("host/engine/src/dataflow/sink.rs", "use timely::dataflow::Scope;"),
        ("host/engine/src/dataflow/engine/mod.rs", "pub use timely::dataflow::Scope;"),
        ("host/state/Cargo.toml", "[dependencies]\nflowgate-wall.workspace = true\n"),
        ("host/base/Cargo.toml", "[dependencies]\nflowgate-state = { path = \"../state\" }\n"),
        ("host/unknown/Cargo.toml", "[dependencies]\n"),
    ];
    for (path, line) in bad {
        assert_eq!(check(&[File::new(path, line)]).len(), 1, "{path}: {line}");
    }
    let good = [
        ("host/engine/src/job/check.rs", "use crate::job::graph; // crate::dataflow"),
        ("host/engine/src/dataflow/slot.rs", "use crate::dataflow::batch;"),
        ("host/engine/src/dataflow/worker.rs", "use timely::dataflow::Scope;"),
        ("host/engine/src/dataflow/engine/mod.rs", "pub use self::timely::Graph;"),
        (
            "host/state/Cargo.toml",
            "[dependencies]\nflowgate-base.workspace = true\n\n[dev-dependencies]\nflowgate.workspace = true\n",
        ),
    ];
    for (path, line) in good {
        assert_eq!(check(&[File::new(path, line)]), Vec::<String>::new(), "{path}: {line}");
    }
}

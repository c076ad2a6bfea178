//! The files that sinks write: no file that the job reads, and none that another sink writes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::checker::Checker;
use crate::job::graph::{Aggregate, NodeKind, PluginFunction};
use crate::job::problem::{At, Problem};
use flowgate_connect::{FileIdentity, partial_path, pattern_matches, resolved};

/// A file that the job reads.
struct ReadFile {
    path: PathBuf,
    /// Its description in the message "the job reads this file: it is ...".
    what: String,
}

/// Adds a problem for each sink that would write such a file, under any of its names.
pub(super) fn check_written(checker: &mut Checker<'_>) {
    let read: HashMap<FileIdentity, ReadFile> =
        read(checker).into_iter().map(|read| (FileIdentity::of(&read.path), read)).collect();
    let mut written: HashMap<FileIdentity, At> = HashMap::new();
    for (at, path) in std::mem::take(&mut checker.written) {
        let identity = FileIdentity::of(&path);
        if let Some(other) = written.insert(identity.clone(), at.clone()) {
            let other = other.steps().get(1).map_or("", String::as_str);
            checker.problems.push(Problem::error(at, format!("`{other}` writes this file already")));
            continue;
        }
        // The rows are in a file next to it until all are written.
        let beside = FileIdentity::of(&partial_path(&resolved(&path)));
        let taken = [identity, beside].iter().find_map(|written| read.get(written)).map(|read| read.what.clone());
        if let Some(what) = taken.or_else(|| pattern_that_has(checker, &path)) {
            let message = format!("the job reads this file: it is {what}");
            checker.problems.push(Problem::error(at, message).help("write to another file"));
        }
    }
}

/// Returns the files that the job reads.
fn read(checker: &Checker<'_>) -> Vec<ReadFile> {
    let base = &checker.around.base;
    let mut all = Vec::new();
    let mut add = |path: &Path, what: String| all.push(ReadFile { path: base.join(path), what });
    if let Some(file) = &checker.around.job_file {
        add(file, "the job file".into());
    }
    for (name, path) in &checker.read {
        add(Path::new(path), format!("the source `{name}`"));
    }
    for (name, operator) in &checker.job.operators {
        if let Some(lookup) = &operator.lookup {
            add(Path::new(&lookup.path), format!("the table of `{name}`"));
        }
    }
    for node in &checker.nodes {
        let functions: Vec<&PluginFunction> = match &node.kind {
            NodeKind::Transform(transform) => vec![&transform.function],
            NodeKind::Process(process) => vec![&process.function],
            NodeKind::Join(join) => join.function.iter().map(|(function, _)| function).collect(),
            NodeKind::Window(window) => {
                let plugins = window.aggregates.iter().filter_map(|column| match &column.aggregate {
                    Aggregate::Plugin(function) => Some(function),
                    _ => None,
                });
                plugins.collect()
            }
            _ => Vec::new(),
        };
        for function in functions {
            add(&function.path, format!("the plugin `{}`", function.plugin));
            for path in function.files.values() {
                add(path, format!("granted to `{}`", node.name));
            }
        }
    }
    all
}

/// Returns the pattern of a source that the file would match.
fn pattern_that_has(checker: &Checker<'_>, path: &Path) -> Option<String> {
    let base = &checker.around.base;
    let names = [std::path::absolute(path).unwrap_or_else(|_| path.into()), resolved(path)];
    checker.read.iter().find_map(|(name, source)| {
        let matches = names.iter().any(|path| pattern_matches(source, base, path));
        matches.then(|| format!("one of `{source}`, the files of the source `{name}`"))
    })
}

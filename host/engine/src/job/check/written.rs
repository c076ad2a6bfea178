//! What sinks write must be nobody else's: not what the job reads, and not another sink's.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::checker::Checker;
use crate::job::graph::{Aggregate, NodeKind, PluginFunction};
use crate::job::problem::{At, Problem};
use flowgate_connect::{FileIdentity, partial_path, pattern_matches, resolved};

/// A file that the job needs as it is.
struct Read {
    path: PathBuf,
    /// As in "the job reads it: it is ...".
    what: String,
}

/// Notes every sink that would write such a file, by whatever name.
pub(super) fn check_written(checker: &mut Checker<'_>) {
    let read: HashMap<FileIdentity, Read> =
        read(checker).into_iter().map(|read| (FileIdentity::of(&read.path), read)).collect();
    let mut written: HashMap<FileIdentity, &str> = HashMap::new();
    for (name, sink) in &checker.job.sinks {
        let Some(file) = sink.file.as_ref().filter(|file| !file.path.is_empty()) else { continue };
        let at = At::job().field("sinks").field(name).field("file").field("path");
        let path = checker.around.base.join(&file.path);
        let identity = FileIdentity::of(&path);
        if let Some(other) = written.insert(identity.clone(), name) {
            checker.problems.push(Problem::error(at, format!("`{other}` writes this file already")));
            continue;
        }
        // The rows are beside the file until all are written.
        let beside = FileIdentity::of(&partial_path(&resolved(&path)));
        let taken = [identity, beside].iter().find_map(|written| read.get(written)).map(|read| read.what.clone());
        if let Some(what) = taken.or_else(|| pattern_that_has(checker, &path)) {
            let message = format!("the job reads this file: it is {what}");
            checker.problems.push(Problem::error(at, message).help("write to another file"));
        }
    }
}

/// The files that the job reads, each by one name.
fn read(checker: &Checker<'_>) -> Vec<Read> {
    let base = &checker.around.base;
    let mut all = Vec::new();
    let mut add = |path: &Path, what: String| all.push(Read { path: base.join(path), what });
    if let Some(file) = &checker.around.job_file {
        add(file, "the job file".into());
    }
    for (name, path) in source_paths(checker) {
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

fn source_paths<'a>(checker: &'a Checker<'_>) -> impl Iterator<Item = (&'a str, &'a str)> {
    checker.job.sources.iter().filter_map(|(name, source)| {
        let file = source.file.as_ref().map(|file| &file.path[..]);
        let path = file.or(source.nexmark.as_ref().and_then(|nexmark| nexmark.path.as_deref()))?;
        (!path.is_empty()).then_some((&name[..], path))
    })
}

/// A pattern that the file would match, once it is there.
fn pattern_that_has(checker: &Checker<'_>, path: &Path) -> Option<String> {
    let base = &checker.around.base;
    let names = [std::path::absolute(path).unwrap_or_else(|_| path.into()), resolved(path)];
    source_paths(checker).find_map(|(name, source)| {
        let matches = names.iter().any(|path| pattern_matches(source, base, path));
        matches.then(|| format!("one of `{source}`, the files of the source `{name}`"))
    })
}

//! The folder of staged files: one for each process, so that what a killed process has left can be told apart and removed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::job::graph::JobGraph;

/// The beginning of the folder's name; the process id follows.
const PREFIX: &str = "flowgate-staged-";

/// Returns the folder of this process below `parent`. It is created when a file is staged.
pub(super) fn folder(parent: &Path) -> PathBuf {
    parent.join(format!("{PREFIX}{}", std::process::id()))
}

/// Returns the folder of this process for a job.
pub(super) fn of_graph(graph: &JobGraph) -> PathBuf {
    folder(&graph.state.spill.clone().unwrap_or_else(std::env::temp_dir))
}

/// Removes the folders of processes that have ended. What cannot be read or removed stays: it is in nobody's way.
pub(super) fn remove_left(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse::<u32>().ok());
        if process.is_some_and(|process| !Path::new("/proc").join(process.to_string()).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Removes the folder of this process, unless another job of the process uses it.
pub(super) fn remove(folder: &Path) {
    let _ = fs::remove_dir(folder);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_processes_have_left_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        let left = parent.path().join(format!("{PREFIX}{}", ended.id()));
        let others = [folder(parent.path()), parent.path().join(format!("{PREFIX}x")), parent.path().join("other")];
        for folder in others.iter().chain([&left]) {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("file"), "").unwrap();
        }
        remove_left(parent.path());
        assert!(!left.exists() && others.iter().all(|folder| folder.exists()));
        remove(&others[0]);
        assert!(others[0].exists(), "it is not empty");
        fs::remove_file(others[0].join("file")).unwrap();
        remove(&others[0]);
        assert!(!others[0].exists());
    }
}

//! What the folders of a job say about the checkpoint in which it was killed.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// The file names of a store.
pub(crate) struct Store {
    names: Vec<String>,
}

impl Store {
    /// Reads the names; there are none where the folder is missing.
    pub(crate) fn read(folder: &Path) -> Self {
        Store { names: names(folder) }
    }

    /// Returns the number of the newest manifest, 0 if there is none.
    pub(crate) fn newest(&self) -> u64 {
        self.names.iter().filter_map(|name| number(name, "manifest-")).max().unwrap_or(0)
    }

    /// Returns the names of files that are being written, or were when the process died.
    pub(crate) fn staged(&self) -> Vec<String> {
        self.names.iter().filter(|name| name.starts_with('.')).cloned().collect()
    }

    /// Whether a checkpoint had begun to write and was not committed; `old` are staged files of earlier attempts.
    pub(crate) fn is_in_checkpoint(&self, old: &[String]) -> bool {
        let newest = self.newest();
        let is_newer = |name: &String| number(name, "delta-").is_some_and(|number| number > newest);
        self.names.iter().any(|name| is_newer(name) || (name.starts_with('.') && !old.contains(name)))
    }
}

/// Returns the newest manifest, if it is a checkpoint.
pub(crate) fn newest_checkpoint(store: &Path) -> Option<Value> {
    let number = Store::read(store).newest();
    let text = fs::read_to_string(store.join(format!("manifest-{number:020}.json"))).ok()?;
    let manifest: Value = serde_json::from_str(&text).expect("a manifest appears as a whole");
    manifest["record"].get("checkpoint").cloned()
}

/// Whether the newest checkpoint has parts that have not appeared in the folders of their sinks.
pub(crate) fn is_before_commit(job: &Path, store: &Path) -> bool {
    let Some(checkpoint) = newest_checkpoint(store) else { return false };
    let sinks = checkpoint["sinks"].as_object().expect("sinks by name");
    sinks.iter().any(|(sink, committables)| {
        let folder = names(&job.join(sink));
        let parts = committables.as_array().expect("a list").iter().filter_map(|it| it["folder"]["parts"].as_array());
        let mut waiting = parts.flatten().map(|part| part["name"].as_str().expect("a name"));
        waiting.any(|part| folder.iter().any(|name| name.starts_with('.') && name.contains(part)))
    })
}

/// Returns the names in a folder; none if it is missing.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Returns the number in the name of a file of a store: `manifest-<number>.json`, `delta-<number>-...`.
fn number(name: &str, prefix: &str) -> Option<u64> {
    name.strip_prefix(prefix)?.get(..20)?.parse().ok()
}

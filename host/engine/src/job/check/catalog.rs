//! The plugins of a job: their files, and the functions that the check calls.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::job::spec;
use flowgate_connect::policy::Policy;
use flowgate_wall::binding::{Binding, FunctionInfo, OpenRequest};
use flowgate_wall::{Function, Plugins};

/// Loads plugins to describe and open their functions. The wall implements it; tests have their own implementation.
pub trait PluginCatalog {
    /// Returns the functions of the component in this file. Their config schemas are safe to use: they refer only to themselves, and
    /// a recursive reference is always for a smaller value.
    ///
    /// # Errors
    /// The component is no usable plugin; the message is for the job's author.
    fn functions(&mut self, plugin: &Path) -> Result<Vec<FunctionInfo>, String>;

    /// Opens one function for an operator, within the job's limits.
    ///
    /// # Errors
    /// All problems that the function finds with its config or columns, one message each.
    fn open(&mut self, plugin: &Path, request: &OpenRequest, limits: &spec::Limits) -> Result<Binding, Vec<String>>;
}

/// The wall, whose limits are those of its creation.
impl PluginCatalog for Plugins {
    fn functions(&mut self, plugin: &Path) -> Result<Vec<FunctionInfo>, String> {
        Ok(self.load(plugin).map_err(|e| e.to_string())?.functions().to_vec())
    }

    fn open(&mut self, plugin: &Path, request: &OpenRequest, _: &spec::Limits) -> Result<Binding, Vec<String>> {
        let plugin = self.load(plugin).map_err(|e| vec![e.to_string()])?;
        Ok(Function::open(&plugin, request.clone())?.binding().clone())
    }
}

/// The surroundings of a job: its folder, and the folders of plugins.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The folder to which the job's paths are relative, absolute.
    pub base: PathBuf,
    /// The job file, if the job is in one.
    pub job_file: Option<PathBuf>,
    /// Folders in which plugins are looked for that the job does not list, in order.
    pub plugin_folders: Vec<PathBuf>,
    /// The plugins of a job on a node, where no folder is searched and no path of the job counts; `None` elsewhere.
    pub pinned: Option<Vec<PinnedPlugin>>,
    /// Names of sources, operators and sinks that are broken, and not in the job.
    pub broken: BTreeSet<String>,
    /// Other files of plugins for some operators, by the names of the operator and of the plugin.
    pub versions: BTreeMap<(String, String), PathBuf>,
    /// What the job may touch outside; `None`: whatever its author names.
    pub policy: Option<Policy>,
}

/// The component that stands for a plugin's name in a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedPlugin {
    /// The operator for which it does; `None`: every operator that has none of its own.
    pub operator: Option<String>,
    /// The plugin's name in the job.
    pub plugin: String,
    /// The component's file, absolute.
    pub path: PathBuf,
}

impl Surroundings {
    /// Returns surroundings with the plugin folders of this machine: `base`, `base/plugins`, the folders of `search_path`
    /// (FLOWGATE_PLUGIN_PATH), and those that come with the `executable`.
    pub fn of(base: &Path, search_path: Option<&OsStr>, executable: Option<&Path>) -> Surroundings {
        let mut folders = vec![base.to_path_buf(), base.join("plugins")];
        // An empty entry would stand for the current folder, which is not `base`.
        let listed = search_path.into_iter().flat_map(std::env::split_paths).filter(|f| !f.as_os_str().is_empty());
        folders.extend(listed.map(|f| base.join(f)));
        if let Some(beside) = executable.and_then(Path::parent) {
            folders.push(beside.join("plugins"));
            if let Some(prefix) = beside.parent() {
                folders.push(prefix.join("plugins"));
                folders.push(prefix.join("lib/flowgate/plugins"));
            }
        }
        Surroundings { base: base.to_path_buf(), plugin_folders: folders, ..Surroundings::default() }
    }

    /// Whether a node has pinned a plugin of this name.
    pub(super) fn is_pinned(&self, name: &str) -> bool {
        self.pinned.iter().flatten().any(|pin| pin.plugin == name)
    }

    /// Returns the component of a plugin for an operator, or every path where it was looked for.
    pub(super) fn find_plugin(
        &self,
        operator: &str,
        name: &str,
        listed: Option<&String>,
    ) -> Result<PathBuf, Vec<PathBuf>> {
        if let Some(version) = self.versions.get(&(operator.to_string(), name.to_string())) {
            return if version.is_file() { Ok(version.clone()) } else { Err(vec![version.clone()]) };
        }
        if let Some(pinned) = &self.pinned {
            let of_name = || pinned.iter().filter(|pin| pin.plugin == name);
            let own = of_name().find(|pin| pin.operator.as_deref() == Some(operator));
            let pin = own.or_else(|| of_name().find(|pin| pin.operator.is_none()));
            return pin.map(|pin| pin.path.clone()).ok_or_else(Vec::new);
        }
        let candidates: Vec<PathBuf> = match listed {
            Some(path) => vec![self.base.join(path)],
            // A name that is a path would lead out of the folders.
            None if self.policy.is_some() && name.contains('/') => Vec::new(),
            None => self.plugin_folders.iter().map(|f| f.join(format!("{name}.wasm"))).collect(),
        };
        match candidates.iter().find(|c| c.is_file()) {
            Some(found) => Ok(found.clone()),
            None => Err(candidates),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_of_an_operator_comes_before_one_of_all() {
        let pin = |operator: Option<&str>, plugin: &str, path: &str| PinnedPlugin {
            operator: operator.map(String::from),
            plugin: plugin.into(),
            path: path.into(),
        };
        let pinned = vec![pin(None, "a", "/1"), pin(Some("x"), "a", "/2"), pin(Some("y"), "b", "/3")];
        let around = Surroundings { pinned: Some(pinned), ..Surroundings::of(Path::new("/"), None, None) };
        let find = |operator: &str, plugin: &str| around.find_plugin(operator, plugin, Some(&"/etc/passwd".into()));
        assert_eq!(find("x", "a"), Ok("/2".into()));
        assert_eq!(find("y", "a"), Ok("/1".into()));
        assert_eq!(find("y", "b"), Ok("/3".into()));
        assert_eq!(find("x", "b"), Err(Vec::new()));
    }
}

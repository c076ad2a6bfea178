//! Which crates a plugin is compiled with for WebAssembly, and by which way each came.

use std::collections::{HashMap, VecDeque};
use std::process::Stdio;

use serde::Deserialize;

use super::package::{self, Package};
use super::toolchain::TARGET;

/// The crates of a plugin, its own first.
#[derive(Debug, Default)]
pub(super) struct Dependencies {
    names: Vec<String>,
    /// Of each crate the ones that it uses: what is compiled into the plugin, no build script's or test's.
    uses: Vec<Vec<usize>>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct MetadataPackage {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct Resolve {
    root: Option<String>,
    nodes: Vec<ResolveNode>,
}

#[derive(Deserialize)]
struct ResolveNode {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

impl Dependencies {
    /// Reads them from Cargo. Empty where it fails: a message is then shorter, and not wrong.
    pub(super) fn of(package: &Package) -> Dependencies {
        let output = package::cargo()
            .args(["metadata", "--offline", "--format-version", "1", "--filter-platform", TARGET, "--manifest-path"])
            .arg(package.dir.join("Cargo.toml"))
            .current_dir(&package.dir)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        let metadata = output.ok().and_then(|output| serde_json::from_slice(&output.stdout).ok());
        metadata.map(Dependencies::read).unwrap_or_default()
    }

    fn read(metadata: Metadata) -> Dependencies {
        let Metadata { packages, resolve } = metadata;
        let names: HashMap<&str, &str> = packages.iter().map(|p| (p.id.as_str(), p.name.as_str())).collect();
        let Some(root) = &resolve.root else { return Dependencies::default() };
        let mut nodes: Vec<&ResolveNode> = resolve.nodes.iter().collect();
        nodes.sort_by_key(|node| node.id != *root);
        let position: HashMap<&str, usize> = nodes.iter().enumerate().map(|(i, node)| (node.id.as_str(), i)).collect();
        let is_compiled_in = |dependency: &&Dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.is_none());
        let uses = |node: &&ResolveNode| {
            let used = node.deps.iter().filter(is_compiled_in);
            used.filter_map(|dependency| position.get(dependency.pkg.as_str()).copied()).collect()
        };
        let name =
            |node: &&ResolveNode| names.get(node.id.as_str()).map_or_else(|| node.id.clone(), ToString::to_string);
        Dependencies { names: nodes.iter().map(name).collect(), uses: nodes.iter().map(uses).collect() }
    }

    /// The shortest ways from the plugin to crates of these names that do not lead through another of them: the crates on
    /// the way, the plugin's own first. One way for each crate that uses such a crate.
    pub(super) fn ways_to(&self, wanted: &[&str]) -> Vec<Vec<&str>> {
        let is_wanted = |crate_: usize| wanted.contains(&self.names[crate_].as_str());
        let mut before: Vec<Option<usize>> = vec![None; self.names.len()];
        let mut open: VecDeque<usize> = (0..self.names.len().min(1)).collect();
        let mut ways = Vec::new();
        while let Some(crate_) = open.pop_front() {
            if let Some(found) = self.uses[crate_].iter().find(|used| is_wanted(**used)) {
                let mut way = vec![self.names[*found].as_str()];
                let mut at = Some(crate_);
                while let Some(on_the_way) = at {
                    way.push(&self.names[on_the_way]);
                    at = before[on_the_way];
                }
                way.reverse();
                ways.push(way);
            }
            for used in &self.uses[crate_] {
                if *used != 0 && before[*used].is_none() && !is_wanted(*used) {
                    before[*used] = Some(crate_);
                    open.push_back(*used);
                }
            }
        }
        ways
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Crates by name with what they use; the first is the plugin.
    pub(in super::super) fn dependencies(crates: &[(&str, &[&str])]) -> Dependencies {
        let packages: Vec<_> = crates.iter().map(|(name, _)| serde_json::json!({ "id": name, "name": name })).collect();
        let node = |(name, uses): &(&str, &[&str])| {
            let deps: Vec<_> = uses
                .iter()
                .map(|used| match used.strip_prefix("dev:") {
                    Some(used) => serde_json::json!({ "pkg": used, "dep_kinds": [{ "kind": "dev" }] }),
                    None => serde_json::json!({ "pkg": used, "dep_kinds": [{ "kind": null }] }),
                })
                .collect();
            serde_json::json!({ "id": name, "deps": deps })
        };
        let nodes: Vec<_> = crates.iter().rev().map(node).collect();
        let resolve = serde_json::json!({ "root": crates[0].0, "nodes": nodes });
        Dependencies::read(
            serde_json::from_value(serde_json::json!({ "packages": packages, "resolve": resolve })).unwrap(),
        )
    }

    #[test]
    fn each_crate_that_uses_a_wanted_one_is_named_with_the_shortest_way() {
        let found = dependencies(&[
            ("mine", &["chrono", "clever", "dev:web"]),
            ("clever", &["uuid", "chrono"]),
            ("chrono", &["js-sys", "num"]),
            ("uuid", &["js-sys", "wasm-bindgen"]),
            ("js-sys", &["wasm-bindgen"]),
            ("web", &["wasm-bindgen"]),
            ("num", &[]),
            ("wasm-bindgen", &[]),
        ]);
        assert_eq!(
            found.ways_to(&["wasm-bindgen", "js-sys"]),
            [vec!["mine", "chrono", "js-sys"], vec!["mine", "clever", "uuid", "js-sys"]]
        );
        assert!(found.ways_to(&["getrandom"]).is_empty());
    }

    #[test]
    fn crates_that_use_each_other_around_a_circle_are_walked_once() {
        let found = dependencies(&[
            ("mine", &["a"]),
            ("a", &["b"]),
            ("b", &["a", "mine", "wasm-bindgen"]),
            ("wasm-bindgen", &[]),
        ]);
        assert_eq!(found.ways_to(&["wasm-bindgen"]), [vec!["mine", "a", "b", "wasm-bindgen"]]);
        assert!(Dependencies::default().ways_to(&["wasm-bindgen"]).is_empty());
    }
}

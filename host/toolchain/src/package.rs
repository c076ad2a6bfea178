//! What Cargo says of a plugin's package.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::error::BuildError;
use super::{home, sdk};
use flowgate_base::error::{Error, Result};

/// A plugin's package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// The package's name; the plugin's name too.
    pub name: String,
    /// The folder of its `Cargo.toml`.
    pub dir: PathBuf,
    /// The file name, without `.wasm`, of what Cargo compiles it to.
    pub artifact: String,
    /// Where Cargo compiles it: see [`Package::read`].
    pub target_dir: PathBuf,
    /// Where the component goes unless another place is named: see [`Package::read`].
    pub output: PathBuf,
    /// Whether it takes the SDK by version, which no registry has: [`super::sdk`] then says where it is.
    pub sdk_by_version: bool,
    /// Whether it carries the SDK in a folder of its own, as [`super::sdk::carry`] writes it.
    pub carries_sdk: bool,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct MetadataPackage {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<MetadataTarget>,
    dependencies: Vec<MetadataDependency>,
}

#[derive(Deserialize)]
struct MetadataTarget {
    name: String,
    crate_types: Vec<String>,
}

#[derive(Deserialize)]
struct MetadataDependency {
    name: String,
    source: Option<String>,
    path: Option<PathBuf>,
}

/// The program `cargo`, as Cargo itself names it to what it runs.
pub(super) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

impl Package {
    /// Reads the package whose `Cargo.toml` is in `dir`.
    ///
    /// A package that stands alone is compiled in `$FLOWGATE_HOME/target`, so that the SDK is compiled once for all of them,
    /// and its component goes next to its `Cargo.toml`. One that is a member of a workspace is compiled in
    /// `plugin-build/` of the workspace's target folder and its component goes into `plugins/` there. Neither shares a
    /// folder with builds for this machine, which another compiler may have made.
    ///
    /// # Errors
    ///
    /// `dir` holds no package, Cargo does not understand it, or it does not compile to a dynamic library (`cdylib`).
    pub fn read(dir: &Path) -> Result<Package> {
        let dir = dir.canonicalize().map_err(|e| Error::io(format!("cannot open {}", dir.display()), &e))?;
        let manifest = dir.join("Cargo.toml");
        if !manifest.is_file() {
            return Err(BuildError::NotAPlugin(format!(
                "{} is not a Rust package: it has no Cargo.toml (`flowgate plugin new NAME` starts a plugin)",
                dir.display()
            ))
            .into());
        }
        let output = cargo()
            .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
            .arg(&manifest)
            .current_dir(&dir)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|e| no_cargo(&e))?;
        if !output.status.success() {
            return Err(BuildError::NotAPlugin(format!(
                "Cargo does not understand {} (see above)",
                manifest.display()
            ))
            .into());
        }
        let metadata: Metadata = serde_json::from_slice(&output.stdout)
            .map_err(|e| BuildError::ToolFailed(format!("cannot read what `cargo metadata` printed: {e}")))?;
        choose(metadata, dir)
    }
}

/// The error for a Cargo that cannot be started.
pub(super) fn no_cargo(source: &std::io::Error) -> Error {
    match source.kind() {
        std::io::ErrorKind::NotFound => BuildError::no_rust("cargo").into(),
        _ => Error::io("cannot run cargo", source),
    }
}

fn choose(metadata: Metadata, dir: PathBuf) -> Result<Package> {
    let manifest = dir.join("Cargo.toml");
    let Some(package) = metadata.packages.into_iter().find(|package| package.manifest_path == manifest) else {
        return Err(BuildError::NotAPlugin(format!(
            "{} is a workspace without a package of its own: name the folder of one of its plugins",
            dir.display()
        ))
        .into());
    };
    let Some(target) = package.targets.iter().find(|target| target.crate_types.iter().any(|kind| kind == "cdylib"))
    else {
        return Err(BuildError::NotAPlugin(format!(
                "package {} does not compile to a plugin: its {} needs\n\n    [lib]\n    crate-type = [\"cdylib\", \"rlib\"]\n",
                package.name,
                manifest.display()
            )).into());
    };
    let alone = metadata.workspace_root == dir;
    Ok(Package {
        artifact: target.name.replace('-', "_"),
        target_dir: if alone { home::home()?.join("target") } else { metadata.target_directory.join("plugin-build") },
        output: if alone { dir.clone() } else { metadata.target_directory.join("plugins") }
            .join(format!("{}.wasm", package.name)),
        sdk_by_version: package.dependencies.iter().any(|dependency| {
            dependency.name == "flowgate-sdk"
                && dependency.source.as_deref().is_some_and(|source| source.starts_with("registry+"))
        }),
        carries_sdk: package.dependencies.iter().any(|dependency| {
            dependency.name == "flowgate-sdk" && dependency.path.as_ref() == Some(&dir.join(sdk::FOLDER))
        }),
        name: package.name,
        dir,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(crate_type: &str, root: &str) -> Metadata {
        serde_json::from_value(serde_json::json!({
            "packages": [{
                "name": "my-plugin",
                "manifest_path": "/ws/my-plugin/Cargo.toml",
                "targets": [{ "name": "my_plugin", "crate_types": [crate_type, "rlib"] }],
                "dependencies": [{ "name": "flowgate-sdk", "source": "registry+https://github.com/rust-lang/crates.io-index" }],
            }],
            "workspace_root": root,
            "target_directory": "/ws/target",
        }))
        .unwrap()
    }

    #[test]
    fn a_member_of_a_workspace_is_compiled_within_its_target_folder() {
        let package = choose(metadata("cdylib", "/ws"), "/ws/my-plugin".into()).unwrap();
        assert_eq!(package.target_dir, Path::new("/ws/target/plugin-build"));
        assert_eq!(package.output, Path::new("/ws/target/plugins/my-plugin.wasm"));
        assert_eq!(package.artifact, "my_plugin");
        assert!(package.sdk_by_version && !package.carries_sdk);
    }

    #[test]
    fn a_package_alone_leaves_its_component_beside_its_manifest() {
        let package = choose(metadata("cdylib", "/ws/my-plugin"), "/ws/my-plugin".into()).unwrap();
        assert_eq!(package.output, Path::new("/ws/my-plugin/my-plugin.wasm"));
        assert!(!package.target_dir.starts_with("/ws"));
    }

    #[test]
    fn a_package_that_makes_no_dynamic_library_is_told_what_to_add() {
        let error = choose(metadata("lib", "/ws"), "/ws/my-plugin".into()).unwrap_err();
        assert!(error.message.contains("crate-type = [\"cdylib\", \"rlib\"]"), "{error}");
    }

    #[test]
    fn a_bare_workspace_is_told_apart_from_a_plugin() {
        let error = choose(metadata("cdylib", "/ws"), "/ws".into()).unwrap_err();
        assert!(error.message.contains("name the folder of one of its plugins"), "{error}");
    }

    #[test]
    fn a_folder_without_a_package_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let error = Package::read(dir.path()).unwrap_err();
        assert!(error.message.contains("it has no Cargo.toml"), "{error}");
    }
}

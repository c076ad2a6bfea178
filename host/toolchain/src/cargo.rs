//! Runs Cargo for WebAssembly and takes the module that it made.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;

use super::error::BuildError;
use super::foreign;
use super::package::{self, Package};
use super::toolchain::{TARGET, Toolchain};
use flowgate_base::error::{Error, Result};

/// How a plugin is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// As fast as it gets. Names of functions are kept, so that the message of a trap can say where it was.
    Release,
    /// With debug information and checks for overflow; compiles sooner and runs slower.
    Debug,
}

/// What the release profile is, whatever the package's `Cargo.toml` says: a plugin that somebody forgot to optimise
/// looks like a slow host.
const RELEASE: [&str; 6] = [
    "profile.release.opt-level=3",
    "profile.release.lto=true",
    "profile.release.codegen-units=1",
    "profile.release.panic=\"abort\"",
    "profile.release.debug=false",
    "profile.release.strip=\"debuginfo\"",
];

/// Variables that steer builds for this machine and would break one for WebAssembly: flags, another target, wrappers.
const UNSET: [&str; 6] = [
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTFLAGS",
];

/// One line of Cargo's JSON messages.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    manifest_path: Option<PathBuf>,
    #[serde(default)]
    target: Option<Target>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// What Cargo said that it made.
#[derive(Debug, Default, PartialEq, Eq)]
struct Made {
    /// The last module of the package.
    module: Option<PathBuf>,
    /// Every crate that compiled, as its code names it.
    crates: BTreeSet<String>,
}

/// Compiles the package and returns the bytes of its module. Cargo's own output goes to standard error as it comes.
///
/// # Errors
///
/// The package does not compile (the compiler's messages were shown, and the error says why a dependency may not), or Cargo
/// cannot be run.
pub(crate) fn compile(package: &Package, toolchain: &Toolchain, profile: Profile) -> Result<Vec<u8>> {
    let target_dir = toolchain.target_dir(&package.target_dir);
    let _lock = lock(package, &target_dir)?;
    let mut cargo = package::cargo();
    cargo
        .args(["build", "--lib", "--message-format=json-render-diagnostics", "--target", TARGET, "--manifest-path"])
        .arg(package.dir.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target_dir)
        .current_dir(&package.dir);
    if profile == Profile::Release {
        cargo.arg("--release").args(RELEASE.iter().flat_map(|setting| ["--config", setting]));
    }
    for name in UNSET {
        cargo.env_remove(name);
    }
    toolchain.apply(&mut cargo);
    let mut child = cargo
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|e| package::no_cargo(&e))?;
    let stdout = child.stdout.take().expect("standard output is a pipe");
    let made = read_messages(BufReader::new(stdout), package);
    let status = child.wait().map_err(|e| Error::io("cannot wait for cargo", &e))?;
    if !status.success() {
        let mut message = format!("package {} does not compile (see above)", package.name);
        if let Some(hint) = foreign::hint(package, &made.unwrap_or_default().crates) {
            message = format!("{message}\n{hint}");
        }
        return Err(BuildError::NotCompiled(message).into());
    }
    let module = made?.module.ok_or_else(|| {
        BuildError::NotAComponent(format!(
            "cargo made no WebAssembly module of package {}: is `crate-type` in `[lib]`?",
            package.name
        ))
    })?;
    std::fs::read(&module).map_err(|e| Error::io(format!("cannot read {}", module.display()), &e))
}

fn read_messages(messages: impl BufRead, package: &Package) -> Result<Made> {
    let manifest = package.dir.join("Cargo.toml");
    let mut made = Made::default();
    for line in messages.lines() {
        let line = line.map_err(|e| Error::io("cannot read what cargo prints", &e))?;
        // Lines that are no messages are what build scripts and procedural macros print.
        let Ok(message) = serde_json::from_str::<Message>(&line) else { continue };
        if message.reason != "compiler-artifact" {
            continue;
        }
        made.crates.extend(message.target.map(|target| target.name.replace('-', "_")));
        if message.manifest_path.as_deref() == Some(manifest.as_path()) {
            let is_module = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "wasm");
            made.module = message.filenames.into_iter().find(is_module).or(made.module);
        }
    }
    Ok(made)
}

/// Takes the target folder for this build alone, and sees to it that Cargo does not take another package's module for
/// this one's.
///
/// Cargo names a module after its library alone. Of two packages with the same name, the one that is up to date gets
/// the file that the other one wrote last; so a file written for another folder is removed first.
fn lock(package: &Package, target: &Path) -> Result<File> {
    let cannot = |what: &Path, e: &std::io::Error| Error::io(format!("cannot write {}", what.display()), e);
    let owners = target.join("owners");
    std::fs::create_dir_all(&owners).map_err(|e| cannot(&owners, &e))?;
    let lock_path = target.join("flowgate.lock");
    let lock = File::create(&lock_path).map_err(|e| cannot(&lock_path, &e))?;
    lock.lock().map_err(|e| Error::io(format!("cannot lock {}", lock_path.display()), &e))?;
    let owner = owners.join(&package.artifact);
    let dir = package.dir.as_os_str().as_encoded_bytes();
    if std::fs::read(&owner).ok().as_deref() != Some(dir) {
        for profile in ["release", "debug"] {
            let module = target.join(TARGET).join(profile).join("deps").join(format!("{}.wasm", package.artifact));
            match std::fs::remove_file(&module) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(cannot(&module, &e)),
                _ => {}
            }
        }
        std::fs::write(&owner, dir).map_err(|e| cannot(&owner, &e))?;
    }
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package() -> Package {
        Package {
            name: "p".into(),
            dir: "/p".into(),
            artifact: "p".into(),
            target_dir: "/t".into(),
            output: "/p/p.wasm".into(),
            sdk_by_version: false,
            carries_sdk: false,
        }
    }

    #[test]
    fn the_module_of_the_package_is_found_among_other_messages() {
        let messages = concat!(
            "a procedural macro says hello\n",
            r#"{"reason":"compiler-artifact","manifest_path":"/sdk/Cargo.toml","target":{"name":"the-sdk"},"filenames":["/t/sdk.wasm"]}"#,
            "\n",
            r#"{"reason":"compiler-artifact","manifest_path":"/p/Cargo.toml","filenames":["/t/p.rlib","/t/p.wasm"]}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
            "\n",
        );
        let crates = BTreeSet::from(["the_sdk".to_owned()]);
        assert_eq!(
            read_messages(messages.as_bytes(), &package()),
            Ok(Made { module: Some("/t/p.wasm".into()), crates })
        );
    }

    #[test]
    fn a_build_without_a_module_is_noticed() {
        let messages = r#"{"reason":"compiler-artifact","manifest_path":"/p/Cargo.toml","filenames":["/t/p.rlib"]}"#;
        assert_eq!(read_messages(messages.as_bytes(), &package()), Ok(Made::default()));
    }

    #[test]
    fn the_module_of_a_namesake_is_removed_and_ones_own_is_kept() {
        let target = tempfile::tempdir().unwrap();
        let module = target.path().join(TARGET).join("release/deps/p.wasm");
        std::fs::create_dir_all(module.parent().unwrap()).unwrap();
        let mut package = package();
        drop(lock(&package, target.path()).unwrap());
        std::fs::write(&module, "ours").unwrap();
        drop(lock(&package, target.path()).unwrap());
        assert!(module.exists());
        package.dir = "/elsewhere/p".into();
        drop(lock(&package, target.path()).unwrap());
        assert!(!module.exists());
    }
}

//! A compiler that has the standard library for WebAssembly.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::BuildError;
use super::home;
use flowgate_base::error::{Error, Result};

/// What plugins are compiled for: WebAssembly with nothing outside of it, so that a plugin imports only what the
/// contract has.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// The format of `wasm-toolchain/env` that is read here; `scripts/setup.sh` writes it.
const FORMAT: &str = "1";

/// How to compile for [`TARGET`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// The compiler in use has the target: Cargo needs no settings.
    InUse,
    /// The compiler that `scripts/setup.sh` made a library for.
    Built {
        /// Stands in for `rustc`.
        rustc: PathBuf,
        /// Links WebAssembly.
        linker: PathBuf,
        /// Another one each time that the library is made, also from the same sources: what was compiled with one
        /// library does not go with another.
        id: String,
    },
}

impl Toolchain {
    /// Finds the toolchain for a package in `dir`; rustup may use another compiler in each folder.
    ///
    /// # Errors
    ///
    /// Rust is not installed; no compiler has the target; or the library was made for an older version of its compiler.
    pub(crate) fn find(dir: &Path) -> Result<Toolchain> {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        if has_target(Path::new(&ask(Path::new(&rustc), &["--print", "sysroot"], dir)?)) {
            return Ok(Toolchain::InUse);
        }
        let folder = home::home()?.join("wasm-toolchain");
        let Ok(env) = std::fs::read_to_string(folder.join("env")) else {
            return Err(missing(""));
        };
        built(&folder, &env)
    }

    /// The folder within `target_dir` for what this toolchain compiles. Cargo itself tells versions of a compiler apart,
    /// but not two libraries for the same one.
    pub(crate) fn target_dir(&self, target_dir: &Path) -> PathBuf {
        match self {
            Toolchain::InUse => target_dir.to_path_buf(),
            Toolchain::Built { id, .. } => target_dir.join(id),
        }
    }

    /// Sets the compiler that Cargo uses.
    pub(crate) fn apply(&self, cargo: &mut Command) {
        if let Toolchain::Built { rustc, linker, .. } = self {
            cargo.env("RUSTC", rustc).env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
    }
}

/// The toolchain in `folder`, if it is whole and its compiler is still the one that it was made with.
fn built(folder: &Path, env: &str) -> Result<Toolchain> {
    let value = |key: &str| env.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let (Some(FORMAT), Some(id), Some(rustc), Some(linker), Some(compiler), Some(version)) =
        (value("format"), value("id"), value("rustc"), value("linker"), value("compiler"), value("version"))
    else {
        return Err(missing(&format!("{} was made by another version of Flowgate; ", folder.display())));
    };
    let now = ask(Path::new(compiler), &["-vV"], folder).unwrap_or_default();
    if now.split_whitespace().ne(version.split_whitespace()) {
        return Err(missing(&format!("{} was made for another version of {compiler}; ", folder.display())));
    }
    if !has_target(folder) || !Path::new(rustc).exists() || !Path::new(linker).exists() {
        return Err(missing(&format!("{} is not complete; ", folder.display())));
    }
    Ok(Toolchain::Built { rustc: rustc.into(), linker: linker.into(), id: id.into() })
}

fn missing(why: &str) -> Error {
    BuildError::ToolsMissing(format!(
        "no Rust compiler here can compile for {TARGET}: {why}run `rustup target add {TARGET}`, \
         or `make setup` in the Flowgate repository, which also works without rustup"
    ))
    .into()
}

/// Whether a compiler's folder holds the standard library for [`TARGET`].
fn has_target(sysroot: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(sysroot.join("lib/rustlib").join(TARGET).join("lib")) else { return false };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".rlib")
    })
}

/// What a compiler prints, without the last line break.
fn ask(rustc: &Path, args: &[&str], dir: &Path) -> Result<String> {
    let output = Command::new(rustc).args(args).current_dir(dir).output().map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => BuildError::no_rust("rustc").into(),
        _ => Error::io(format!("cannot run {}", rustc.display()), &e),
    })?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        return Err(BuildError::ToolFailed(format!("{} failed: {}", rustc.display(), reason.trim())).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder as `scripts/setup.sh` makes it, with a compiler that says its version is `version`.
    fn folder(version: &str) -> (tempfile::TempDir, String) {
        let dir = tempfile::tempdir().unwrap();
        let library = dir.path().join("lib/rustlib").join(TARGET).join("lib");
        std::fs::create_dir_all(&library).unwrap();
        std::fs::write(library.join("libstd-0.rlib"), "").unwrap();
        let compiler = dir.path().join("rustc");
        std::fs::write(&compiler, format!("#!/bin/sh\nprintf '{version}'\n")).unwrap();
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&compiler, std::fs::Permissions::from_mode(0o755)).unwrap();
        let compiler = compiler.display();
        let env = format!(
            "format=1\nid=7\nrustc={compiler}\nlinker={compiler}\ncompiler={compiler}\nversion=rustc 1.0 host: x \n"
        );
        (dir, env)
    }

    fn message(result: Result<Toolchain>) -> String {
        result.unwrap_err().message
    }

    #[test]
    fn a_whole_toolchain_of_the_same_compiler_is_used() {
        let (dir, env) = folder("rustc 1.0\\nhost: x\\n");
        let compiler = dir.path().join("rustc");
        assert_eq!(
            built(dir.path(), &env),
            Ok(Toolchain::Built { rustc: compiler.clone(), linker: compiler, id: "7".into() })
        );
    }

    #[test]
    fn a_toolchain_of_a_replaced_compiler_is_refused_with_the_way_out() {
        let (dir, env) = folder("rustc 1.1\\nhost: x\\n");
        let message = message(built(dir.path(), &env));
        assert!(message.contains("another version of"), "{message}");
        assert!(message.contains("make setup"), "{message}");
    }

    #[test]
    fn a_toolchain_without_its_library_is_refused() {
        let (dir, env) = folder("rustc 1.0\\nhost: x\\n");
        std::fs::remove_dir_all(dir.path().join("lib")).unwrap();
        assert!(message(built(dir.path(), &env)).contains("not complete"));
    }

    #[test]
    fn a_toolchain_of_another_format_is_refused() {
        let (dir, env) = folder("rustc 1.0\\nhost: x\\n");
        assert!(
            message(built(dir.path(), &env.replace("format=1", "format=0"))).contains("another version of Flowgate")
        );
    }
}

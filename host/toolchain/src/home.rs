//! The folder of what Flowgate can make again: `$FLOWGATE_HOME`.
//!
//! | within it | what it is | made by |
//! |---|---|---|
//! | `wasm-toolchain/` | a Rust library for WebAssembly, where rustup's is not to be had | `scripts/setup.sh` |
//! | `sdk/VERSION-HASH/` | the SDK, for plugins that depend on it by version | [`super::sdk`] |
//! | `target/` | Cargo's target folder for plugins that are in no workspace | [`super::cargo`] |

use std::env;
use std::path::{Path, PathBuf};

use super::error::BuildError;
use flowgate_base::error::{Error, Result};

/// `$FLOWGATE_HOME`, else `$XDG_CACHE_HOME/flowgate`, else `~/.cache/flowgate`; absolute, and not necessarily there.
///
/// # Errors
///
/// None of the three variables is set.
pub(crate) fn home() -> Result<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("FLOWGATE_HOME")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("flowgate")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/flowgate")))
        .ok_or(BuildError::NoHome)?;
    std::path::absolute(&folder).map_err(|e| Error::io(format!("cannot use {} as FLOWGATE_HOME", folder.display()), &e))
}

/// Writes a file so that whoever opens it sees the old bytes or the new ones, never a part of them.
///
/// # Errors
///
/// The folder is missing, cannot be written to, or is full; the old file is then as it was.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    std::fs::write(&new, bytes).and_then(|()| std::fs::rename(&new, path)).map_err(|e| {
        // The write failed already; a leftover that cannot be removed either changes nothing about that.
        let _ = std::fs::remove_file(&new);
        Error::io(format!("cannot write {}", path.display()), &e)
    })
}

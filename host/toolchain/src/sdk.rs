//! The Rust SDK that this program carries, put where Cargo finds it.
//!
//! No registry has the SDK, so a new plugin has its sources in a folder of its own, [`FOLDER`]: whoever clones the plugin
//! has all that `cargo test` needs, without Flowgate on the machine.
//!
//! A plugin may depend on `flowgate-sdk` by version instead, as it would if a registry had it. Its `.cargo/config.toml` then
//! says where the SDK is on this machine, so that `cargo test` and editors see what `flowgate plugin build` sees.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::home;
use flowgate_base::error::{Error, Result};

include!(concat!(env!("OUT_DIR"), "/sdk_files.rs"));

/// The template of a new plugin: relative paths and contents.
pub(super) fn template() -> &'static [(&'static str, &'static [u8])] {
    TEMPLATE
}

const CONFIG: &str = ".cargo/config.toml";
const SECTION: &str = "[patch.crates-io]";
const PREAMBLE: &str = "\
# Where Flowgate keeps the SDK on this machine. `flowgate plugin build` keeps it up to date; another path that exists,
# such as a checkout of Flowgate, is left as it is.
";

/// The folder of the SDK within a plugin that carries it.
pub(crate) const FOLDER: &str = "flowgate-sdk";

/// Writes the SDK into the plugin in `dir`, in the place of another version that may be there. Returns its folder.
///
/// # Errors
///
/// A folder or file cannot be written; what was there before is then still there.
pub(crate) fn carry(dir: &Path) -> Result<PathBuf> {
    if SDK.is_empty() {
        return Err(Error::internal("this program was built without the SDK"));
    }
    let folder = dir.join(FOLDER);
    let next_to_it = |what: &str| dir.join(format!(".{FOLDER}.{}.{what}", std::process::id()));
    let (new, old) = (next_to_it("new"), next_to_it("old"));
    write_all(&new, SDK)?;
    let is_there = folder.exists();
    let moved = if is_there { std::fs::rename(&folder, &old) } else { Ok(()) };
    moved
        .and_then(|()| std::fs::rename(&new, &folder))
        .map_err(|e| Error::io(format!("cannot write {}", folder.display()), &e))?;
    if is_there {
        std::fs::remove_dir_all(&old).map_err(|e| Error::io(format!("cannot remove {}", old.display()), &e))?;
    }
    Ok(folder)
}

/// Whether the SDK that a plugin carries in this folder is the one of this program, file by file.
pub(crate) fn is_current(folder: &Path) -> bool {
    SDK.iter().all(|(path, content)| std::fs::read(folder.join(path)).is_ok_and(|found| found == *content))
}

/// Unpacks the SDK unless it is there, and points the plugin in `dir` at it. Returns the SDK's folder.
///
/// # Errors
///
/// A folder or file cannot be written.
pub(crate) fn provide(dir: &Path) -> Result<PathBuf> {
    let root = home::home()?.join("sdk");
    let sdk = unpack(&root, SDK)?;
    let config = dir.join(CONFIG);
    let text = match std::fs::read_to_string(&config) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(Error::io(format!("cannot read {}", config.display()), &e)),
    };
    if let Some(text) = patched(&text, &sdk, |path| path.starts_with(&root) || !dir.join(path).exists()) {
        let folder = dir.join(".cargo");
        std::fs::create_dir_all(&folder).map_err(|e| Error::io(format!("cannot make {}", folder.display()), &e))?;
        home::write_whole(&config, text.as_bytes())?;
    }
    Ok(sdk)
}

/// Writes `files` into a folder of `root` that is named after the version and the content, and returns it. The folder
/// has its name only when it is whole, so what has the name can be used without looking inside.
fn unpack(root: &Path, files: &[(&str, &[u8])]) -> Result<PathBuf> {
    if files.is_empty() {
        return Err(Error::internal("this program was built without the SDK"));
    }
    let name = format!("{}-{}", env!("CARGO_PKG_VERSION"), content_hash(files));
    let whole = root.join(&name);
    if whole.exists() {
        return Ok(whole);
    }
    let part = root.join(format!(".{name}.{}", std::process::id()));
    write_all(&part, files)?;
    match std::fs::rename(&part, &whole) {
        // Another process was quicker.
        Err(_) if whole.exists() => {
            std::fs::remove_dir_all(&part).map_err(|e| Error::io(format!("cannot remove {}", part.display()), &e))?;
        }
        Err(e) => return Err(Error::io(format!("cannot make {}", whole.display()), &e)),
        Ok(()) => {}
    }
    Ok(whole)
}

/// Writes files at relative paths below `folder`, which is made.
pub(super) fn write_all<C: AsRef<[u8]>>(folder: &Path, files: &[(&str, C)]) -> Result<()> {
    for (path, content) in files {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&path, content))
            .map_err(|e| Error::io(format!("cannot write {}", path.display()), &e))?;
    }
    Ok(())
}

/// 12 hexadecimal digits of the SHA-256 of all paths and contents, each with its length in front.
fn content_hash(files: &[(&str, &[u8])]) -> String {
    let mut hash = Sha256::new();
    for (path, content) in files {
        for part in [path.as_bytes(), content] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// The text of `.cargo/config.toml` with the SDK at `sdk`; `None` where it needs no change: it says so already, or it
/// names a path that is not `stale`.
fn patched(text: &str, sdk: &Path, stale: impl Fn(&Path) -> bool) -> Option<String> {
    let entry = format!("flowgate-sdk = {{ path = {} }}", toml::Value::from(sdk.to_string_lossy().into_owned()));
    if let Ok(config) = text.parse::<toml::Table>() {
        let now =
            config.get("patch").and_then(|patch| patch.get("crates-io")?.get("flowgate-sdk")?.get("path")?.as_str());
        if now.map(Path::new).is_some_and(|now| now == sdk || !stale(now)) {
            return None;
        }
    }
    let mut lines: Vec<&str> = text.lines().collect();
    let section = lines.iter().position(|line| line.trim() == SECTION);
    let old = section.and_then(|start| {
        let length = lines[start + 1..].iter().take_while(|line| !line.starts_with('[')).count();
        let is_entry = |line: &&str| line.split('=').next().is_some_and(|key| key.trim() == "flowgate-sdk");
        lines[start + 1..start + 1 + length].iter().position(is_entry).map(|offset| start + 1 + offset)
    });
    let preamble: Vec<&str> = PREAMBLE.lines().collect();
    match (old, section) {
        (Some(old), _) => lines[old] = &entry,
        (None, Some(section)) => lines.insert(section + 1, &entry),
        (None, None) => {
            if !lines.is_empty() {
                lines.push("");
            }
            lines.extend(preamble);
            lines.extend([SECTION, &entry]);
        }
    }
    Some(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALE: fn(&Path) -> bool = |path| path.starts_with("/cache");
    const FILES: [(&str, &[u8]); 2] = [("Cargo.toml", b"[package]"), ("src/lib.rs", b"")];

    #[test]
    fn a_plugin_without_a_config_gets_one() {
        let text = patched("", Path::new("/cache/sdk"), STALE).unwrap();
        assert!(text.ends_with("[patch.crates-io]\nflowgate-sdk = { path = \"/cache/sdk\" }\n"), "{text}");
        assert_eq!(patched(&text, Path::new("/cache/sdk"), STALE), None);
    }

    #[test]
    fn what_else_is_in_the_config_stays() {
        let before = "# mine\n[build]\njobs = 1\n\n[patch.crates-io]\nother = { path = \"/o\" }\n";
        let after = patched(before, Path::new("/cache/sdk"), STALE).unwrap();
        let expected = "# mine\n[build]\njobs = 1\n\n[patch.crates-io]\nflowgate-sdk = { path = \"/cache/sdk\" }\nother = { path = \"/o\" }\n";
        assert_eq!(after, expected);
    }

    #[test]
    fn the_path_of_an_older_version_is_replaced() {
        let before = patched("", Path::new("/cache/old"), STALE).unwrap();
        let after = patched(&before, Path::new("/cache/new"), STALE).unwrap();
        assert_eq!(after, before.replace("/cache/old", "/cache/new"));
    }

    #[test]
    fn a_checkout_that_exists_is_left() {
        let before = patched("", Path::new("/checkout/guest-sdk/rust"), STALE).unwrap();
        assert_eq!(patched(&before, Path::new("/cache/new"), STALE), None);
    }

    #[test]
    fn a_path_with_odd_characters_is_read_back_as_it_was() {
        let text = patched("", Path::new("/cache/a \"b\" \\c"), STALE).unwrap();
        assert_eq!(patched(&text, Path::new("/cache/a \"b\" \\c"), STALE), None, "{text}");
    }

    #[test]
    fn a_plugin_carries_the_sdk_of_this_program_and_another_one_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let folder = carry(dir.path()).unwrap();
        assert!(is_current(&folder));
        std::fs::write(folder.join("src/lib.rs"), "// another version").unwrap();
        std::fs::write(folder.join("src/gone.rs"), "").unwrap();
        assert!(!is_current(&folder));
        carry(dir.path()).unwrap();
        assert!(is_current(&folder));
        assert!(!folder.join("src/gone.rs").exists(), "a file of the other version was left");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "something was left next to the folder");
    }

    #[test]
    fn the_folder_is_named_by_its_content_and_written_once() {
        let root = tempfile::tempdir().unwrap();
        let first = unpack(root.path(), &FILES).unwrap();
        assert!(first.join("src/lib.rs").exists());
        std::fs::write(first.join("marker"), "").unwrap();
        assert_eq!(unpack(root.path(), &FILES).unwrap(), first);
        assert!(first.join("marker").exists(), "written a second time");
        let changed = unpack(root.path(), &[FILES[0], ("src/lib.rs", b"//")]).unwrap();
        assert_ne!(changed, first);
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 2, "a folder that is not whole was left behind");
    }
}

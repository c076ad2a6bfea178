//! Whether a component is older than what it is made of.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Files and folders of a package that are compiled into its component.
const SOURCES: [&str; 3] = ["Cargo.toml", "build.rs", "src"];

/// Folders within each other that are looked into: a link that leads back would have no end.
const DEPTH_MAX: usize = 32;

/// The newest source of the package in `dir`, relative to it, if it was written after the component. None where the files
/// cannot be looked at.
pub fn newer_source(dir: &Path, component: &Path) -> Option<PathBuf> {
    let built = component.metadata().and_then(|metadata| metadata.modified()).ok()?;
    let mut newest: Option<(SystemTime, PathBuf)> = None;
    for source in SOURCES {
        walk(&dir.join(source), DEPTH_MAX, &mut |path, modified| {
            if modified > built && newest.as_ref().is_none_or(|(time, _)| modified > *time) {
                newest = Some((modified, path.to_path_buf()));
            }
        });
    }
    let (_, path) = newest?;
    Some(path.strip_prefix(dir).map(Path::to_path_buf).unwrap_or(path))
}

fn walk(path: &Path, depth: usize, see: &mut impl FnMut(&Path, SystemTime)) {
    let Ok(metadata) = path.metadata() else { return };
    if metadata.is_file() {
        if let Ok(modified) = metadata.modified() {
            see(path, modified);
        }
    } else if depth > 0
        && let Ok(entries) = std::fs::read_dir(path)
    {
        entries.flatten().for_each(|entry| walk(&entry.path(), depth - 1, see));
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_newest_source_is_named_and_other_files_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str, seconds: u64| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let file = File::create(&path).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
            path
        };
        let component = at("p.wasm", 100);
        at("Cargo.toml", 100);
        at("src/lib.rs", 99);
        at("README.md", 500);
        at("samples/a.txt", 500);
        assert_eq!(newer_source(dir.path(), &component), None);
        at("src/lib.rs", 101);
        at("src/deep/er.rs", 102);
        assert_eq!(newer_source(dir.path(), &component), Some("src/deep/er.rs".into()));
        assert_eq!(newer_source(dir.path(), &dir.path().join("none.wasm")), None);
    }
}

//! The file to which a path leads: through links, and where no file exists yet.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::Metadata;
use std::path::{Component, Path, PathBuf};

/// Maximum links that are resolved for one path, as in Linux.
const LINKS_MAX: usize = 40;

/// A name in a folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct FolderEntry {
    /// The folder, without links in it, as far as it exists.
    pub(crate) folder: PathBuf,
    /// The name of a file, or of a link.
    pub(crate) name: OsString,
}

impl FolderEntry {
    /// Returns the path of the name.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }
}

/// Returns every name by which the system finds the file of a path: of each link on the way, and of the file itself, last.
/// Replacing the file changes one of them, or renames a folder.
pub(crate) fn path_entries(path: &Path) -> Vec<FolderEntry> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut rest: VecDeque<PathBuf> = path.components().map(|part| part.as_os_str().into()).collect();
    let (mut at, mut found, mut links) = (PathBuf::new(), Vec::new(), 0);
    while let Some(part) = rest.pop_front() {
        match part.components().next() {
            Some(Component::ParentDir) => drop(at.pop()),
            Some(Component::Normal(name)) => {
                let entry = FolderEntry { folder: at.clone(), name: name.to_os_string() };
                let full = entry.path();
                if let Ok(target) = full.read_link()
                    && links < LINKS_MAX
                {
                    links += 1;
                    found.push(entry);
                    for part in target.components().rev() {
                        rest.push_front(part.as_os_str().into());
                    }
                } else {
                    if rest.is_empty() {
                        found.push(entry);
                    }
                    at = full;
                }
            }
            // The root, at the beginning or of an absolute link.
            Some(Component::RootDir | Component::Prefix(_)) => at = part,
            Some(Component::CurDir) | None => {}
        }
    }
    found
}

/// Returns where the file of a path is, or would be created: without links in it.
pub fn resolved(path: &Path) -> PathBuf {
    path_entries(path).last().map_or_else(|| path.to_path_buf(), FolderEntry::path)
}

/// A file of this machine while it exists: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// Returns the id of a file. `None` where the system has no ids: a file is then known by its path.
    #[cfg(unix)]
    pub fn of(metadata: &Metadata) -> Option<FileId> {
        use std::os::unix::fs::MetadataExt;
        Some(FileId { device: metadata.dev(), inode: metadata.ino() })
    }

    /// Returns `None`.
    #[cfg(not(unix))]
    pub fn of(_: &Metadata) -> Option<FileId> {
        None
    }

    /// Returns the inode, for positions: a device may have another number after the next start of the machine.
    pub(crate) fn inode(self) -> u64 {
        self.inode
    }
}

/// The identity of a path's file: two paths with equal identities name one file, whatever links are on the way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FileIdentity {
    /// An existing file.
    There(FileId),
    /// No file, or one without an id: where it would be.
    At(PathBuf),
}

impl FileIdentity {
    /// Returns the identity of a path. Reads the disk.
    pub fn of(path: &Path) -> FileIdentity {
        let there = path.metadata().ok().as_ref().and_then(FileId::of);
        there.map_or_else(|| FileIdentity::At(resolved(path)), FileIdentity::There)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_link_on_the_way_is_a_place() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(base.join("v1/log")).unwrap();
        symlink("v1", base.join("current")).unwrap();
        symlink("b.log", base.join("v1/log/a.log")).unwrap();
        let entry = |folder: &str, name: &str| FolderEntry { folder: base.join(folder), name: name.into() };
        let expected = [
            FolderEntry { folder: base.clone(), name: "current".into() },
            entry("v1/log", "a.log"),
            entry("v1/log", "b.log"),
        ];
        assert_eq!(path_entries(&base.join("v1/../current/./log/a.log")), expected);
        assert_eq!(resolved(&base.join("current/log/a.log")), base.join("v1/log/b.log"));
        assert_eq!(resolved(&base.join("no/such/../x")), base.join("no/x"));
    }

    #[test]
    fn a_link_that_leads_to_itself_is_not_followed_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        symlink("round", folder.path().join("round")).unwrap();
        assert!(path_entries(&folder.path().join("round/x")).len() <= LINKS_MAX + 1);
    }

    #[test]
    fn one_file_by_several_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        symlink("later", path("link")).unwrap();
        assert_eq!(FileIdentity::of(&path("link")), FileIdentity::of(&path("later")));
        assert_ne!(FileIdentity::of(&path("link")), FileIdentity::of(&path("other")));
        std::fs::write(path("later"), "").unwrap();
        std::fs::hard_link(path("later"), path("hard")).unwrap();
        assert_eq!(FileIdentity::of(&path("link")), FileIdentity::of(&path("hard")));
    }
}

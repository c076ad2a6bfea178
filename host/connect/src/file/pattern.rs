//! The files of a pattern: those that exist, and those that have been read.

use std::collections::{HashMap, HashSet};
use std::fs::Metadata;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::mark::FinishedFile;
use super::watch::{Spot, Subject, print};
use super::whole;
use crate::error::{SettingsError, SourceError};
use crate::own_output::OwnOutputs;
use crate::place::{FileId, path_entries};
use crate::settings::Compression;
use flowgate_base::error::{Error, Result};

/// As in a shell: `*` stays within a folder and does not match hidden files.
const OPTIONS: glob::MatchOptions =
    glob::MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// A path with `*`, `?` or `[`, relative to a folder.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    text: String,
    base: PathBuf,
}

/// A file that matches.
#[derive(Debug)]
pub(super) struct Match {
    /// The path as the job would write it.
    pub(super) name: String,
    /// The file's metadata, or why it cannot be read.
    pub(super) metadata: std::result::Result<Metadata, std::io::ErrorKind>,
}

pub(super) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

impl Pattern {
    pub(super) fn new(text: &str, base: &Path) -> Self {
        Pattern { text: text.into(), base: base.into() }
    }

    /// Whether a path would match if there were a file.
    pub(crate) fn matches(&self, path: &Path) -> bool {
        let folders = [Some(self.base.clone()), self.base.canonicalize().ok()];
        folders.into_iter().flatten().any(|base| {
            let pattern = Pattern { text: self.text.clone(), base }.absolute();
            glob::Pattern::new(&pattern).is_ok_and(|pattern| pattern.matches_path_with(path, OPTIONS))
        })
    }

    fn absolute(&self) -> String {
        match Path::new(&self.text).is_relative() {
            true => format!("{}/{}", glob::Pattern::escape(&self.base.to_string_lossy()), self.text),
            false => self.text.clone(),
        }
    }

    /// Returns the files that match now, in the order of their names, without folders.
    pub(super) fn list(&self) -> Result<Vec<Match>> {
        let wrong =
            |e: glob::PatternError| Error::from(SettingsError(format!("`{}` is not a glob: {}", self.text, e.msg)));
        let relative = Path::new(&self.text).is_relative();
        let mut found = Vec::new();
        for entry in glob::glob_with(&self.absolute(), OPTIONS).map_err(wrong)? {
            let path = entry.map_err(|e| Error::io(format_args!("cannot list {}", e.path().display()), e.error()))?;
            let metadata = path.metadata();
            if metadata.as_ref().is_ok_and(Metadata::is_dir) {
                continue;
            }
            let named = path.strip_prefix(&self.base).ok().filter(|_| relative).unwrap_or(&path);
            let Some(name) = named.to_str() else {
                return Err(Error::from(SourceError::Unreadable(format!("the path {} is not UTF-8", named.display()))));
            };
            found.push(Match { name: name.to_string(), metadata: metadata.map_err(|e| e.kind()) });
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// Returns the folders in which a file that matches may appear, and those in which such a folder may.
    fn folders(&self) -> Vec<PathBuf> {
        let absolute = self.absolute();
        let parts: Vec<&str> = absolute.split('/').collect();
        let first = parts.iter().position(|part| is_pattern(part)).unwrap_or(parts.len() - 1);
        let mut folders = vec![self.fixed_part()];
        for end in first + 1..parts.len() {
            // What cannot be listed now may be later: the folder above is watched.
            let Ok(found) = glob::glob_with(&parts[..end].join("/"), OPTIONS) else { continue };
            folders.extend(found.filter_map(|path| path.ok()).filter(|path| path.is_dir()));
        }
        folders
    }

    /// Returns the folder before the first part that is a pattern.
    fn fixed_part(&self) -> PathBuf {
        let is_fixed = |part: &Component<'_>| !is_pattern(&part.as_os_str().to_string_lossy());
        let text = Path::new(&self.text);
        let parts = text.parent().into_iter().flat_map(Path::components).take_while(is_fixed);
        self.base.join(parts.collect::<PathBuf>())
    }
}

/// The files of a followed pattern, for all readers of the source.
#[derive(Debug)]
pub(super) struct FollowedPattern {
    pattern: Pattern,
    compression: Compression,
    outputs: Arc<OwnOutputs>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// By name: the file that is read there; `None` where it is not open yet.
    read: HashMap<String, Option<FileId>>,
    /// Files that were read to their end under a name that is another file's now, with the time of their creation: an id may be
    /// used again.
    done: HashMap<FileId, Option<SystemTime>>,
}

impl Known {
    /// Whether a file was read to its end, under any name.
    fn is_done(&self, id: FileId, metadata: &Metadata) -> bool {
        self.done.get(&id) == Some(&metadata.created().ok())
    }
}

impl FollowedPattern {
    pub(super) fn new(pattern: Pattern, compression: Compression, outputs: Arc<OwnOutputs>) -> Self {
        FollowedPattern { pattern, compression, outputs, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a file is one to follow: not a compressed one, and present.
    pub(super) fn is_followed(&self, found: &Match) -> bool {
        let is_plain = whole::resolve(self.compression, Path::new(&found.name)) == Compression::None;
        // A link that leads nowhere may lead somewhere later.
        (is_plain || self.compression != Compression::Auto) && found.metadata.is_ok()
    }

    /// Notes that a reader reads, or will read, the file of this name.
    pub(super) fn claim(&self, name: &str) {
        self.known().read.entry(name.to_string()).or_default();
    }

    /// Notes that the file of this name is read from now on; the one that was read there before has been read to its end.
    pub(super) fn reads(&self, name: &str, file: &Metadata, before: Option<&Metadata>) {
        let mut known = self.known();
        if let Some((id, before)) = before.and_then(|before| Some((FileId::of(before)?, before))) {
            known.done.insert(id, before.created().ok());
        }
        known.read.insert(name.to_string(), FileId::of(file));
    }

    /// Notes that a file has been read to its end, under a name that may become another file's.
    pub(super) fn finishes(&self, file: &Metadata) {
        if let Some(id) = FileId::of(file) {
            self.known().done.insert(id, file.created().ok());
        }
    }

    /// Whether a finished file is still there, so that it is to be remembered.
    pub(super) fn has_finished(&self, finished: &FinishedFile) -> bool {
        self.known().done.keys().any(|id| finished.has_inode(id.inode()))
    }

    /// Whether a path would match.
    pub(super) fn matches(&self, path: &Path) -> bool {
        self.pattern.matches(path)
    }

    /// Notes that nobody reads the file of this name any more: one that appears there is a new one.
    pub(super) fn releases(&self, name: &str) {
        self.known().read.remove(name);
    }

    /// Whether a file that appeared under a name has not been read under any name.
    pub(super) fn is_new(&self, file: &Metadata) -> bool {
        let known = self.known();
        let is_read = |id| known.read.values().any(|read| *read == Some(id));
        FileId::of(file).is_none_or(|id| !is_read(id) && !known.is_done(id, file))
    }

    /// Returns files that have appeared: those that match, are not read, and were not read under another name. They are claimed.
    pub(super) fn appeared(&self) -> Result<Vec<String>> {
        let listed = self.pattern.list()?;
        let ids: HashSet<FileId> =
            listed.iter().filter_map(|found| FileId::of(found.metadata.as_ref().ok()?)).collect();
        let mut known = self.known();
        known.done.retain(|id, _| ids.contains(id));
        let read: HashSet<FileId> = known.read.values().copied().flatten().collect();
        let mut appeared = Vec::new();
        for found in listed.iter().filter(|found| self.is_followed(found)) {
            let Ok(metadata) = &found.metadata else { continue };
            let is_new = FileId::of(metadata).is_none_or(|id| !read.contains(&id) && !known.is_done(id, metadata));
            if metadata.is_file()
                && is_new
                && !known.read.contains_key(&found.name)
                && self.outputs.writer_of(metadata).is_none()
            {
                known.read.insert(found.name.clone(), FileId::of(metadata));
                appeared.push(found.name.clone());
            }
        }
        Ok(appeared)
    }
}

/// The folders of a followed pattern.
pub(super) struct PatternSubject {
    pattern: Arc<FollowedPattern>,
    /// The folders at the last listing: listing takes time.
    folders: Mutex<Vec<PathBuf>>,
}

impl PatternSubject {
    pub(super) fn new(pattern: Arc<FollowedPattern>) -> Self {
        PatternSubject { pattern, folders: Mutex::default() }
    }
}

impl Subject for PatternSubject {
    fn spots(&self) -> Vec<Spot> {
        let folders = self.pattern.pattern.folders();
        let links = path_entries(&self.pattern.pattern.fixed_part());
        let links = links.into_iter().map(|entry| Spot { folder: entry.folder, name: Some(entry.name) });
        let any = |folder: &PathBuf| Some(Spot { folder: folder.canonicalize().ok()?, name: None });
        let spots = links.chain(folders.iter().filter_map(any)).collect();
        *self.folders.lock().unwrap_or_else(PoisonError::into_inner) = folders;
        spots
    }

    fn print(&self) -> u64 {
        let folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner).clone();
        print(folders.into_iter().map(|folder| folder.metadata().ok()))
    }
}

/// Whether a path would match a source's path (relative to `base`), which may be a pattern.
pub fn pattern_matches(source: &str, base: &Path, path: &Path) -> bool {
    is_pattern(source) && Pattern::new(source, base).matches(path)
}

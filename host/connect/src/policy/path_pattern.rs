//! Patterns of paths. Two forms only, since the kernel has to enforce them: it knows files and folders, not names.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::touches::Place;

/// A pattern that is none; says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is no pattern: {why}")]
pub struct WrongPattern {
    /// As it was written.
    pub pattern: String,
    /// What is wrong with it, and what would be right.
    pub why: &'static str,
}

/// A file (`/data/in.csv`), or a folder with everything in it (`/data/acme/**`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPattern(Place);

impl PathPattern {
    /// Whether everything in a place is granted, by the text of its path.
    pub fn covers(&self, place: &Place) -> bool {
        match (&self.0, place) {
            (Place::File(granted), Place::File(path)) => granted == path,
            // A folder is no file of its own.
            (Place::Within(granted), Place::File(path)) => path != granted && path.starts_with(granted),
            (Place::Within(granted), Place::Within(path)) => path.starts_with(granted),
            (Place::File(_), Place::Within(_)) => false,
        }
    }

    /// The file, or the folder.
    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Whether it is a folder.
    pub(super) fn is_folder(&self) -> bool {
        matches!(self.0, Place::Within(_))
    }

    /// The pattern with the links of its path resolved: an administrator may name a folder by a link.
    pub(super) fn resolved(&self) -> PathPattern {
        let resolved = crate::place::resolved(self.path());
        PathPattern(if self.is_folder() { Place::Within(resolved) } else { Place::File(resolved) })
    }
}

impl TryFrom<String> for PathPattern {
    type Error = WrongPattern;

    fn try_from(pattern: String) -> Result<Self, WrongPattern> {
        let (path, is_folder) = match pattern.strip_suffix("/**") {
            Some(folder) => (PathBuf::from(if folder.is_empty() { "/" } else { folder }), true),
            None => (PathBuf::from(&pattern), false),
        };
        let wrong = |why| Err(WrongPattern { pattern: pattern.clone(), why });
        if !path.is_absolute() {
            return wrong("a path begins with `/`");
        }
        if path.to_string_lossy().contains(['*', '?', '[']) {
            return wrong("the one wildcard is `/**` at the end, for everything in a folder");
        }
        if path.components().any(|part| part == Component::ParentDir) || pattern.contains('\0') {
            return wrong("a path has no `..`");
        }
        if !is_folder && pattern.ends_with('/') {
            return wrong("a folder with everything in it ends in `/**`");
        }
        let path: PathBuf = path.components().collect();
        Ok(PathPattern(if is_folder { Place::Within(path) } else { Place::File(path) }))
    }
}

impl From<PathPattern> for String {
    fn from(pattern: PathPattern) -> String {
        pattern.to_string()
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

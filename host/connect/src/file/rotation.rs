//! The file of a position, after what happened to it while nobody followed it.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::mark::{FileMark, Likeness, likeness, shown_file};
use super::pattern::FollowedPattern;
use super::source::open_file;
use crate::fingerprint::Fingerprint;
use crate::place::{FileId, resolved};
use crate::reader::{KeptPosition, Place};
use flowgate_base::error::{Error, Result};

/// What is left of a followed file.
pub(super) enum Found {
    /// The file, and those that took its name afterwards and have lost it again, in this order.
    File { file: File, place: Place, later: VecDeque<File> },
    /// It is gone; why, in a sentence without its full stop.
    Lost {
        why: String,
        /// Files with rotated names that were written after it.
        later: VecDeque<File>,
    },
}

/// A file in the folder.
struct Candidate {
    path: PathBuf,
    file: File,
    written_at: SystemTime,
    is_rotated: bool,
}

/// Finds the file of a position.
///
/// | what happened | what is found |
/// |---|---|
/// | the file has grown, or nothing happened | the file at the path |
/// | it was renamed in its folder | the file with its inode and content, under any name, then those rotated later |
/// | it was copied and truncated | the copy, by its content, under a rotated name, then those rotated later |
/// | it was moved away and a copy moved back | the file at the path, by at least 4 KiB of content |
/// | it was removed, compressed or moved elsewhere; its inode may be used again | nothing: it is lost |
///
/// A rotated name is that of the file with digits behind it: `app.log.1`, `app.log-20261128`. Files with such names that were written
/// after the found one come after it; those of `pattern` are splits of their own.
///
/// # Errors
/// The file at the path cannot be read.
pub(super) fn find(path: &Path, name: &str, kept: &KeptPosition, pattern: Option<&FollowedPattern>) -> Result<Found> {
    let current = match path.metadata() {
        Err(e) if e.kind() == ErrorKind::NotFound => None,
        _ => Some(open_file(path, name)?),
    };
    // Without a file at the path there is no likeness, and its place is not used.
    let (at_path, place_at_path) = current.as_ref().map_or_else(Default::default, |file| likeness(kept, file));
    let others = candidates(&resolved(path), current.as_ref(), kept);
    let alike: Vec<(Likeness, Place)> = others.iter().map(|other| likeness(kept, &other.file)).collect();
    let is_split = |path: &Path| pattern.is_some_and(|pattern| pattern.matches(path));
    let is_ours = |other: &Candidate| other.is_rotated && !is_split(&other.path);
    let renamed = alike.iter().position(|(like, _)| at_path != Likeness::Same && *like == Likeness::Same);
    let is_at_path = at_path == Likeness::Same || at_path == Likeness::LongContent && renamed.is_none();
    let file_itself = if is_at_path { current.as_ref() } else { renamed.map(|index| &others[index].file) };
    let is_later = |other: &Candidate| kept.file.as_ref().is_some_and(|mark| mark.is_written_before(other.written_at));
    // A copy may keep the time; but one of the same moment with more in it was made before the file was truncated.
    let known = kept.file.as_ref().map_or(0, FileMark::size).max(kept.cursor.offset);
    let has_just_known = |other: &Candidate| {
        let is_older = kept.file.as_ref().is_some_and(|mark| mark.is_written_after(other.written_at));
        !is_older && known > 0 && other.file.metadata().is_ok_and(|now| now.len() == known)
    };
    // A file that was truncated may have begun again in the same way: then its copy has more.
    let is_copy = |index: &usize| {
        let (other, like) = (&others[*index], alike[*index].0);
        matches!(like, Likeness::Content | Likeness::LongContent)
            && is_ours(other)
            && (is_later(other) || file_itself.is_none() && has_just_known(other))
            && !file_itself.is_some_and(|file| has_content_of(file, &other.file))
    };
    let copy = (0..renamed.unwrap_or(others.len())).find(is_copy);
    if let Some(index) = copy.or(renamed) {
        let is_next = |(i, other): &(usize, Candidate)| is_ours(other) || Some(*i) == renamed;
        let mut from_here = others.into_iter().enumerate().skip(index);
        let found = from_here.next().map(|(_, found)| found.file).zip(alike.into_iter().nth(index));
        let (file, (_, place)) = found.ok_or_else(|| Error::internal("a file was found and is not there"))?;
        let later = from_here.filter(is_next).map(|(_, other)| other.file).collect();
        return Ok(Found::File { file, place, later });
    }
    match current {
        Some(file) if is_at_path => Ok(Found::File { file, place: place_at_path, later: VecDeque::new() }),
        current => {
            let now = current.and_then(|file| file.metadata().ok());
            let why = now
                .map_or_else(|| "there is no file now".into(), |now| format!("the file now has {}", shown_file(&now)));
            let later = others.into_iter().filter(|other| is_ours(other) && is_later(other));
            let later = later.map(|other| other.file).collect();
            Ok(Found::Lost { why, later })
        }
    }
}

/// Whether a file begins with all that another one has, as far as fingerprints tell.
fn has_content_of(file: &File, other: &File) -> bool {
    let length = other.metadata().map(|metadata| metadata.len());
    length.and_then(|length| Ok(Fingerprint::of(file, length)? == Fingerprint::of(other, length)?)).unwrap_or(false)
}

/// Returns the files in the folder of `path` that have the inode of the position or a rotated name, in the order in which they were
/// last written; without the one at the path.
fn candidates(path: &Path, current: Option<&File>, kept: &KeptPosition) -> Vec<Candidate> {
    let current = current.and_then(|file| FileId::of(&file.metadata().ok()?));
    let entries = path.parent().and_then(|folder| folder.read_dir().ok()).into_iter().flatten().flatten();
    let candidate = |entry: fs::DirEntry| {
        let other = entry.path();
        let metadata = entry.metadata().ok()?;
        let is_rotated = is_rotated(path, &other);
        let has_inode = kept.file.as_ref().is_some_and(|mark| mark.has_inode_of(&metadata));
        // Not a link, a pipe or a folder, and not another name of the file at the path.
        let is_other = metadata.is_file() && other != path && (current.is_none() || FileId::of(&metadata) != current);
        if !is_other || !(is_rotated || has_inode) {
            return None;
        }
        let (file, written_at) = (File::open(&other).ok()?, metadata.modified().ok()?);
        Some(Candidate { is_rotated, path: other, file, written_at })
    };
    let mut candidates: Vec<Candidate> = entries.filter_map(candidate).collect();
    // A file system counts time in steps of some milliseconds.
    candidates.sort_by_cached_key(|candidate| (candidate.written_at, order_of_name(path, &candidate.path)));
    candidates
}

/// Returns what orders files of one time: a larger number is older (`app.log.2`), a larger date newer (`app.log-20261128`).
fn order_of_name(path: &Path, other: &Path) -> (Reverse<u32>, PathBuf) {
    /// Numbers with more digits are dates.
    const COUNTER_DIGITS_MAX: usize = 4;
    let number = other.extension().filter(|_| is_rotated(path, other)).and_then(|extension| extension.to_str());
    let counter = number.filter(|digits| digits.len() <= COUNTER_DIGITS_MAX).and_then(|digits| digits.parse().ok());
    (Reverse(counter.unwrap_or(0)), other.to_path_buf())
}

/// Whether a name is that of `path` with digits behind it.
pub(super) fn is_rotated(path: &Path, other: &Path) -> bool {
    let name = |path: &Path| Some(path.file_name()?.to_string_lossy().into_owned());
    let (Some(path), Some(other)) = (name(path), name(other)) else { return false };
    let Some(suffix) = other.strip_prefix(&path) else { return false };
    suffix.contains(|c: char| c.is_ascii_digit()) && suffix.chars().all(|c| c.is_ascii_digit() || ".-_:T".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_time_are_ordered_by_their_numbers_or_dates() {
        let mut names =
            ["app.log.1", "app.log.10", "app.log.2", "app.log-20261128", "app.log-20261127"].map(PathBuf::from);
        names.sort_by_key(|name| order_of_name(Path::new("app.log"), name));
        assert_eq!(
            names.map(|name| name.display().to_string()),
            ["app.log.10", "app.log.2", "app.log.1", "app.log-20261127", "app.log-20261128"]
        );
    }

    #[test]
    fn names_that_rotation_gives() {
        let is = |other: &str| is_rotated(Path::new("/var/app.log"), Path::new(other));
        assert!(is("/var/app.log.1") && is("/var/app.log-20261128") && is("/var/app.log.2026-11-28T10:00"));
        for other in ["app.log", "app.log.gz", "app.log.1.gz", "app.log.bak", "app.log.", "b.log.1", "app.1"] {
            assert!(!is(other), "{other}");
        }
    }
}

//! The files with which a job resumes: those of its checkpoint, under whatever name, and new ones.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use super::mark::{FinishedFile, Likeness, likeness, shown_file};
use super::pattern::{FollowedPattern, Match};
use super::rotation::is_rotated;
use crate::error::SourceError;
use crate::reader::KeptPosition;
use crate::source::{Position, Split, SplitState};
use flowgate_base::error::{Error, Result};

/// A split of a checkpoint, with its position.
pub(super) struct Earlier {
    state: SplitState,
    kept: Option<KeptPosition>,
}

impl Earlier {
    /// Parses the splits of a checkpoint. Files that had appeared are splits of their own.
    pub(super) fn all(states: Vec<SplitState>) -> Result<Vec<Earlier>> {
        let mut all = Vec::new();
        for mut state in states {
            let mut kept = state.position.as_ref().map(|at| KeptPosition::of(at, &state.split.0)).transpose()?;
            let appeared = kept.as_mut().map_or_else(Vec::new, |kept| std::mem::take(&mut kept.appeared));
            state.position = kept.as_ref().map(Position::of);
            all.push(Earlier { state, kept });
            all.extend(Earlier::all(appeared)?);
        }
        Ok(all)
    }

    fn name(&self) -> &str {
        &self.state.split.0
    }

    /// Whether a file is the one that was read.
    fn is(&self, file: &File, is_followed: bool) -> bool {
        let Some(kept) = &self.kept else { return false };
        match is_followed {
            true => likeness(kept, file).0 == Likeness::Same,
            false => kept.file.as_ref().is_some_and(|mark| mark.is_whole(file)),
        }
    }

    /// Whether a followed file has the content of the one that was read.
    fn is_in(&self, file: &File) -> bool {
        self.kept.as_ref().is_some_and(|kept| likeness(kept, file).0 >= Likeness::Content)
    }

    /// Whether a file has the inode of the one that was read.
    fn has_inode_of(&self, file: &File) -> bool {
        let mark = self.kept.as_ref().and_then(|kept| kept.file.as_ref());
        mark.is_some_and(|mark| file.metadata().is_ok_and(|now| mark.has_inode_of(&now)))
    }
}

/// Returns the split of a path.
///
/// # Errors
/// The checkpoint is in the middle of a file that the source no longer reads.
pub(super) fn of_path(earlier: Vec<Earlier>, path: &str) -> Result<Vec<SplitState>> {
    let (known, others): (Vec<Earlier>, Vec<Earlier>) = earlier.into_iter().partition(|one| one.name() == path);
    if let Some(unread) = others.iter().find(|one| !one.state.has_ended) {
        return Err(Error::from(SourceError::Position(format!(
            "the checkpoint has read a part of {}, which is not {path}; keep the path until the file is read, or start afresh",
            unread.name()
        ))));
    }
    let state = known.into_iter().next().map(|one| one.state);
    Ok(vec![state.unwrap_or_else(|| SplitState::new(Split(path.into())))])
}

/// Makes a followed pattern remember the listed files that were read to their end.
pub(super) fn remember_finished(earlier: &[Earlier], listed: &[Match], pattern: &FollowedPattern) {
    let finished: Vec<FinishedFile> =
        earlier.iter().filter_map(|one| one.kept.as_ref()).flat_map(|kept| kept.finished.clone()).collect();
    for metadata in listed.iter().filter_map(|found| found.metadata.as_ref().ok()) {
        if FinishedFile::of(metadata).is_some_and(|file| finished.contains(&file)) {
            pattern.finishes(metadata);
        }
    }
}

/// Returns the splits of a pattern: those of the checkpoint, each under the present name of its file, then new files. `followed`
/// is set where the pattern is followed; a file of it that is not among the listed ones is left to its reader to find.
///
/// # Errors
/// A file that is not followed, and was not read to its end, is missing or replaced.
pub(super) fn of_pattern(
    earlier: Vec<Earlier>,
    listed: &[Match],
    base: &Path,
    followed: Option<&FollowedPattern>,
) -> Result<Vec<SplitState>> {
    // A file that cannot be opened is the problem of the reader that needs it.
    let mut left: BTreeMap<&str, Option<File>> =
        listed.iter().map(|found| (found.name.as_str(), File::open(base.join(&found.name)).ok())).collect();
    let is_followed = followed.is_some();
    let mut splits = Vec::new();
    let mut moved = Vec::new();
    for one in earlier {
        match left.get(one.name()) {
            Some(Some(file)) if one.is(file, is_followed) => {}
            // Nothing was read of it.
            Some(_) if one.kept.is_none() => {}
            _ => {
                moved.push(one);
                continue;
            }
        }
        left.remove(one.name());
        splits.push(one.state);
    }
    let mut lost = Vec::new();
    for one in moved {
        let is_it =
            |file: &Option<File>| file.as_ref().is_some_and(|file| one.has_inode_of(file) && one.is(file, is_followed));
        // As with `copytruncate`: the file at the name is a new one, the rest of the old one is in its copy.
        let is_copy = |name: &str, file: &Option<File>| {
            is_followed
                && is_rotated(Path::new(one.name()), Path::new(name))
                && file.as_ref().is_some_and(|file| one.is_in(file))
        };
        let found = left.iter().find(|(_, file)| is_it(file));
        match found.or_else(|| left.iter().find(|(name, file)| is_copy(name, file))).map(|(name, _)| *name) {
            Some(name) => {
                left.remove(name);
                splits.push(SplitState { split: Split(name.into()), ..one.state });
            }
            None => lost.push(one),
        }
    }
    for one in lost {
        let now = left.get(one.name());
        match (one.state.has_ended, is_followed) {
            // A new file has its name.
            (true, _) if now.is_some() => continue,
            (true, _) => {}
            (false, true) => {
                left.remove(one.name());
            }
            (false, false) => return Err(replaced(&one, now.and_then(Option::as_ref))),
        }
        splits.push(one.state);
    }
    let is_new = |name: &str| {
        let metadata = listed.iter().find(|found| found.name == name).and_then(|found| found.metadata.as_ref().ok());
        followed.is_none_or(|pattern| metadata.is_none_or(|metadata| pattern.is_new(metadata)))
    };
    splits.extend(left.into_keys().filter(|name| is_new(name)).map(|name| SplitState::new(Split(name.into()))));
    Ok(splits)
}

fn replaced(one: &Earlier, now: Option<&File>) -> Error {
    let (name, kept) = (one.name(), one.kept.as_ref());
    // Left out of the message where the position has no mark.
    let known =
        kept.and_then(|kept| kept.file.as_ref()).map_or_else(String::new, |mark| format!(" when it had {mark}"));
    let offset = kept.map_or(0, |kept| kept.cursor.offset);
    // For the message alone: a file whose metadata cannot be read is as good as gone.
    let now = now.and_then(|file| file.metadata().ok());
    let now = now.map_or_else(
        || "it does not exist now".into(),
        |now| format!("the file now has {} and is another one", shown_file(&now)),
    );
    Error::from(SourceError::Replaced(format!(
        "cannot go on reading {name}: {offset} bytes of it were read{known}, and {now}; put the first file back, or start afresh"
    )))
}

//! Savepoints: their names, and finding them.

use flowgate_base::error::Result;

use crate::error::CheckpointError;
use crate::history::{History, check_files};
use crate::manifest::{Checkpoint, Manifest};
use crate::sequence;
use crate::store::Store;

/// Characters of a savepoint's name at most: it is part of an address that people type.
const NAME_CHARS_MAX: usize = 64;

/// Checks the name of a savepoint.
///
/// # Errors
/// What is wrong with it, for people.
pub fn check_name(name: &str) -> std::result::Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(plain) {
        return Err(format!("a savepoint's name has 1 to {NAME_CHARS_MAX} letters, digits, `-`, `_` or `.`"));
    }
    if name.chars().all(|c| c.is_ascii_digit()) {
        return Err("a savepoint's name is not a number alone: that is the number of a checkpoint".into());
    }
    Ok(())
}

/// Reads the record with this number; `None`: there is none.
///
/// # Errors
/// It is damaged, or of another version. The store fails.
pub fn read_manifest(store: &Store, number: u64) -> Result<Option<Manifest>> {
    sequence::read(store, number)?.map(|entry| entry.manifest).transpose()
}

/// Returns the savepoints of a store, in the order of their numbers, as far as the store lists their names. A damaged record is passed over:
/// what it was is not known, and the savepoints beside it can be used.
///
/// # Errors
/// The store fails.
pub fn savepoints(store: &Store) -> Result<Vec<Manifest>> {
    let history = History::read(store)?;
    let earlier = history.earlier_savepoints(store)?;
    let records = history.entries().iter().chain(&earlier).filter_map(|entry| entry.manifest.as_ref().ok());
    let is_savepoint = |manifest: &&Manifest| manifest.checkpoint().is_some_and(|of| of.savepoint.is_some());
    let mut savepoints: Vec<Manifest> = records.filter(is_savepoint).cloned().collect();
    savepoints.sort_unstable_by_key(|manifest| manifest.number);
    Ok(savepoints)
}

/// Returns the savepoint of a name, or the record of a number, or the newest savepoint.
///
/// # Errors
/// There is none: the user's; the message lists those that there are. It is damaged. The store fails.
pub fn find(store: &Store, which: Option<&str>) -> Result<(Manifest, Checkpoint)> {
    let savepoints = savepoints(store)?;
    let name_of = |manifest: &Manifest| manifest.checkpoint().and_then(|checkpoint| checkpoint.savepoint.clone());
    let mut found = match which {
        None => savepoints.last().cloned(),
        Some(which) => savepoints.iter().rfind(|manifest| name_of(manifest).as_deref() == Some(which)).cloned(),
    };
    if let (None, Some(Ok(number))) = (&found, which.map(str::parse)) {
        found = read_manifest(store, number)?;
    }
    let checkpoint = found.as_ref().and_then(Manifest::checkpoint).cloned();
    if let (Some(manifest), Some(checkpoint)) = (found, checkpoint) {
        check_files(store, &checkpoint)?;
        return Ok((manifest, checkpoint));
    }
    let names: Vec<String> = savepoints.iter().rev().filter_map(name_of).collect();
    let there = match names.as_slice() {
        [] => "`flowgate job savepoint` takes one of a running job; a checkpoint is named by its number".into(),
        names => format!("there are {}; a checkpoint is named by its number", names.join(", ")),
    };
    let store = store.address().to_string();
    let which = which.map_or_else(String::new, |which| format!(" `{which}`"));
    Err(CheckpointError::NoSavepoint { store, which, there }.into())
}

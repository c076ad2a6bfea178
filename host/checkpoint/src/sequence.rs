//! The sequence of manifests: finding the newest without a list that can be trusted, while others add to it and delete from it.
//!
//! What is relied on, of everybody who writes (`docs/checkpoint-format.md`):
//! - records are created in the order of their numbers, one at a time, and *passed* (deleted, or replaced by one that says so) in that order
//!   too; the newest two never are;
//! - record 1 stays, and a record `m` stays as long as `m + (m & -m)` does not exist.

use flowgate_base::error::{Error, Result};

use crate::code;
use crate::error::CheckpointError;
use crate::limits::SEARCH_TRIES;
use crate::manifest::Manifest;
use crate::manifest_text;
use crate::name::Name;
use crate::store::Store;

/// The greatest power of two that a number has: a checkpoint each millisecond takes 30 years to get there.
const BITS: u32 = 40;

/// A record that exists.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its number.
    pub number: u64,
    /// Its size.
    pub bytes: u64,
    /// What it says; the error, if it is damaged.
    pub manifest: Result<Manifest>,
}

impl Entry {
    fn is_passed(&self) -> bool {
        self.manifest.as_ref().is_ok_and(|manifest| manifest.passed)
    }
}

/// Whether a record has to stay when deletion has passed it, or cannot be deleted yet.
pub(crate) fn must_stay(number: u64, newest: u64) -> bool {
    number == 1 || number + (number & number.wrapping_neg()) > newest
}

/// Reads a record; `None`: there is none.
///
/// # Errors
/// The store fails. Another version of Flowgate wrote the record.
pub(crate) fn read(store: &Store, number: u64) -> Result<Option<Entry>> {
    let Some(bytes) = store.read(&Name::Manifest { number }.to_string(), None)? else { return Ok(None) };
    match manifest_text::decode(number, &bytes) {
        Err(error) if error.code == &code::VERSION => Err(error),
        manifest => Ok(Some(Entry { number, bytes: bytes.len() as u64, manifest })),
    }
}

/// Finds the newest record. Returns it and all before it down to the first that has been passed, newest first; empty: there are none.
/// There was a moment during the call at which it was the newest.
///
/// # Errors
/// The store fails, or others are too fast.
pub(crate) fn newest(store: &Store) -> Result<Vec<Entry>> {
    // The list may be old: what it leads to is checked as everything else.
    let names = store.list()?;
    let listed = names.iter().filter_map(|name| match Name::parse(name) {
        Some(Name::Manifest { number }) => Some(number),
        _ => None,
    });
    let mut from = listed.max().unwrap_or(0);
    for _ in 0..SEARCH_TRIES {
        let mut at = if from > 0 { from } else { by_bits(store)? };
        while exists(store, at + 1)? {
            at += 1;
        }
        // Now there is no `at + 1`. If `at` is not passed afterwards, `at + 1` has not been deleted: it has never been created. The
        // one before it tells a record that somebody created in the place of a deleted one.
        if at == 0 {
            return Ok(Vec::new());
        }
        let entries = downwards(store, at)?;
        if entries.len() as u64 >= at.min(2) {
            return Ok(entries);
        }
        from = 0;
    }
    let attempt = format!("cannot find the newest manifest in {}", store.address());
    Err(CheckpointError::Away { attempt, reason: "others add to it all the time".into() }.into())
}

/// Finds the greatest number that exists, if nobody adds or deletes meanwhile: each of its bits, from the highest, belongs to a record that
/// stays.
pub(crate) fn by_bits(store: &Store) -> Result<u64> {
    let mut at = 0;
    for bit in (0..BITS).rev() {
        if exists(store, at | 1 << bit)? {
            at |= 1 << bit;
        }
    }
    Ok(at)
}

fn exists(store: &Store, number: u64) -> Result<bool> {
    Ok(store.size(&Name::Manifest { number }.to_string())?.is_some())
}

/// Reads records from this one downwards, to the first that is passed or missing.
fn downwards(store: &Store, from: u64) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for number in (1..=from).rev() {
        match read(store, number)? {
            Some(entry) if !entry.is_passed() => entries.push(entry),
            _ => break,
        }
    }
    Ok(entries)
}

/// Checks, after a record was created, that the one before it is still there as it was: then nobody has created and deleted ours before.
///
/// # Errors
/// It is not. The store fails.
pub(crate) fn check_predecessor(store: &Store, number: u64, bytes: u64) -> Result<bool> {
    let name = Name::Manifest { number }.to_string();
    match store.size(&name) {
        Ok(size) => Ok(size == Some(bytes)),
        Err(error) => Err(Error::within(error, "a manifest was written, but may come too late")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Goal: the newest record is found by its bits although everything is deleted that may be.
        #[test]
        fn bits_lead_to_the_newest(newest in 1u64..1 << 20, floor_behind in 2u64..50) {
            let there = |number: u64| {
                number <= newest && (number + floor_behind > newest || must_stay(number, newest))
            };
            let mut at = 0;
            for bit in (0..BITS).rev() {
                if there(at | 1 << bit) {
                    at |= 1 << bit;
                }
            }
            prop_assert_eq!(at, newest);
            prop_assert!((1..=newest).filter(|number| must_stay(*number, newest)).count() <= 21);
        }

        /// Goal: what need not stay never has to again.
        #[test]
        fn what_can_be_deleted_stays_so(number in 2u64..1 << 30, newest in 2u64..1 << 30, more in 0u64..1 << 30) {
            if !must_stay(number, newest) {
                prop_assert!(!must_stay(number, newest + more));
            }
        }
    }
}

//! Savepoints: finding them, and starting from one of any store.

use std::io::Write;
use std::path::Path;

use flowgate_base::error::Result;

use crate::attempt::Attempt;
use crate::checksum::Checksum;
use crate::error::CheckpointError;
use crate::manifest::{Checkpoint, DataFile, Manifest};
use crate::name::{FileKind, Name};
use crate::read::Reader;
use crate::sequence;
use crate::staging::{Scratch, StagedFile};
use crate::store::Store;

/// Reads the record with this number; `None`: there is none.
///
/// # Errors
/// It is damaged, or of another version. The store fails.
pub fn read_manifest(store: &Store, number: u64) -> Result<Option<Manifest>> {
    sequence::read(store, number)?.map(|entry| entry.manifest).transpose()
}

/// Returns the savepoints of a store, in the order of their numbers, as far as the store lists their names.
///
/// # Errors
/// A record is damaged, or of another version. The store fails.
pub fn savepoints(store: &Store) -> Result<Vec<Manifest>> {
    let names = store.list()?;
    let mut numbers: Vec<u64> = names
        .iter()
        .filter_map(|name| match Name::parse(name) {
            Some(Name::Manifest { number }) => Some(number),
            _ => None,
        })
        .collect();
    numbers.sort_unstable();
    let mut savepoints = Vec::new();
    for number in numbers {
        let manifest = read_manifest(store, number)?;
        savepoints.extend(manifest.filter(|m| m.checkpoint().is_some_and(|checkpoint| checkpoint.savepoint.is_some())));
    }
    Ok(savepoints)
}

impl Attempt {
    /// Copies the files of a checkpoint of any store, each byte checked, so that checkpoints of this attempt can name them: for a job that
    /// starts from a savepoint. Returns them in order.
    ///
    /// # Errors
    /// The checkpoint is damaged, a store fails, or the scratch folder has no room.
    pub fn import(&self, from: &Store, checkpoint: &Checkpoint, scratch: &Path) -> Result<Vec<DataFile>> {
        let reader = Reader::new(from, checkpoint);
        let mut imported = Vec::with_capacity(checkpoint.files.len());
        for file in &checkpoint.files {
            let (target, mut local) = Scratch::create(scratch)?;
            for (offset, length, sum) in reader.sections(file) {
                let bytes = reader.bytes(&file.path, offset, length)?;
                if sum.is_some_and(|sum| Checksum::of(&bytes) != sum) {
                    let reason = format!("the checksum of {length} bytes at byte {offset} differs");
                    return Err(CheckpointError::damaged(&file.path, reason).into());
                }
                local.write_all(&bytes).map_err(|e| target.failure(&e))?;
            }
            let kind = if file.is_parquet() { FileKind::Base } else { FileKind::Delta };
            let mut staged = StagedFile::new(kind, target, DataFile { path: String::new(), ..file.clone() });
            imported.push(self.upload(&mut staged)?);
        }
        Ok(imported)
    }
}

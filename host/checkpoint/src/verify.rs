//! Comparing stored bytes with their checksums, without a use for them.

use flowgate_base::error::{Error, Result};

use crate::checksum::Checksum;
use crate::code;
use crate::error::CheckpointError;
use crate::manifest::DataFile;
use crate::read::{Reader, block_name};

impl Reader<'_> {
    /// Reads every byte of every file and compares it with its checksum.
    ///
    /// # Errors
    /// Bytes differ; the error names the file and the block. The store fails.
    pub fn verify(&self) -> Result<()> {
        for file in &self.checkpoint().files {
            if let Some(damage) = self.damage(file)?.into_iter().next() {
                return Err(damage);
            }
        }
        Ok(())
    }

    /// Reads every byte of a file of the checkpoint. Returns what is damaged: each error names the file and the block.
    ///
    /// # Errors
    /// The store fails.
    pub fn damage(&self, file: &DataFile) -> Result<Vec<Error>> {
        let mut found = Vec::new();
        match self.store().size(&file.path)? {
            Some(size) if size == file.bytes => {}
            Some(size) => {
                let reason = format!("it has {size} bytes, {} were written", file.bytes);
                found.push(CheckpointError::damaged(&file.path, reason).into());
            }
            None => return Ok(vec![CheckpointError::damaged(&file.path, "it is missing").into()]),
        }
        let mut note = |outcome: Result<()>| match outcome {
            Ok(()) => Ok(()),
            Err(error) if error.code == &code::DAMAGED || error.code == &code::VERSION => {
                found.push(error);
                Ok(())
            }
            Err(error) => Err(error),
        };
        note(self.check_head(file))?;
        for (at, block) in file.blocks.iter().enumerate() {
            note(self.block_bytes(file, at).and_then(|bytes| match Checksum::of(&bytes) == block.xxh3 {
                true => Ok(()),
                false => Err(CheckpointError::damaged(block_name(file, at), "its checksum differs").into()),
            }))?;
        }
        if file.is_parquet() {
            note(self.footer(file).map(drop))?;
        }
        Ok(found)
    }
}

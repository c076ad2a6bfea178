//! Data files of blocks: the header, and a block as an Arrow IPC stream.

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::ArrowError;

use flowgate_base::error::{Error, Result};

use crate::checksum::Checksum;
use crate::error::CheckpointError;
use crate::limits::BLOCK_BYTES_MAX;

/// The bytes in front of the first block.
pub(crate) const HEAD_BYTES: u64 = 16;
/// The version of data files.
const VERSION: u8 = 1;
/// Magic, version, zeros.
pub(crate) const HEAD: [u8; HEAD_BYTES as usize] = *b"FLOWGATE\x01\x00\x00\x00\x00\x00\x00\x00";

/// Checks the first bytes of a data file.
///
/// # Errors
/// It is none, or of another version.
pub(crate) fn check_head(object: &str, head: &[u8]) -> Result<()> {
    if head == HEAD {
        return Ok(());
    }
    let magic = head.get(..8) == Some(&HEAD[..8]);
    match head.get(8..10) {
        Some(version) if magic && version != [VERSION, 0] => {
            let found = u64::from(u16::from_le_bytes([version[0], version[1]]));
            Err(CheckpointError::Version { object: object.into(), found, read: VERSION.into() }.into())
        }
        _ => Err(CheckpointError::damaged(object, "it does not begin as a data file does").into()),
    }
}

/// Encodes rows of one schema as a block.
///
/// # Errors
/// They exceed [`BLOCK_BYTES_MAX`].
pub(crate) fn encode(rows: &RecordBatch) -> Result<Vec<u8>> {
    let mistake = |e: ArrowError| Error::internal(format!("rows of state cannot be encoded: {e}"));
    let mut bytes = Vec::with_capacity(rows.get_array_memory_size() + 1_024);
    let mut writer = StreamWriter::try_new(&mut bytes, rows.schema_ref()).map_err(mistake)?;
    writer.write(rows).map_err(mistake)?;
    writer.finish().map_err(mistake)?;
    drop(writer);
    // So that the next block begins where its columns can lie.
    debug_assert!(bytes.len().is_multiple_of(8));
    match bytes.len() as u64 {
        size if size > BLOCK_BYTES_MAX => {
            let what = "a block of a checkpoint".into();
            Err(CheckpointError::TooLarge { what, size, max: BLOCK_BYTES_MAX }.into())
        }
        _ => Ok(bytes),
    }
}

/// Checks bytes against their checksum, and decodes them. `object` names the block in errors.
///
/// # Errors
/// They are not those that were written.
pub(crate) fn decode(object: &str, bytes: Vec<u8>, sum: Checksum) -> Result<Vec<RecordBatch>> {
    let damaged = |reason: String| Error::from(CheckpointError::damaged(object, reason));
    if Checksum::of(&bytes) != sum {
        return Err(damaged("its checksum differs".into()));
    }
    // Columns stay where they are in these bytes.
    let mut buffer = Buffer::from_vec(bytes);
    let mut decoder = StreamDecoder::new();
    let mut batches = Vec::new();
    while let Some(rows) = decoder.decode(&mut buffer).map_err(|e| damaged(e.to_string()))? {
        batches.push(rows);
    }
    decoder.finish().map_err(|e| damaged(e.to_string()))?;
    Ok(batches)
}

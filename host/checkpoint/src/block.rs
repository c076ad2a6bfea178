//! Data files of blocks: the header, and a block as an Arrow IPC stream.

use std::io::Cursor;

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
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
    // The next block begins at a multiple of 8; the decoder ignores what is behind the end of the stream.
    bytes.resize(bytes.len().next_multiple_of(8), 0);
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
    // The columns have to lie where their types can: the reader copies those that do not.
    let reader = StreamReader::try_new(Cursor::new(bytes), None).map_err(|e| damaged(e.to_string()))?;
    reader.collect::<std::result::Result<Vec<_>, ArrowError>>().map_err(|e| damaged(e.to_string()))
}

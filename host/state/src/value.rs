//! State slots that hold one value per key.

use super::short::Short;
use super::table::Values;
use flowgate_base::error::Result;

/// A column of bytes; some rows have none.
#[derive(Debug, Default)]
pub(crate) struct ByteValues {
    rows: Vec<Option<Short>>,
    heap_bytes: usize,
}

fn heap_of(value: &Option<Short>) -> usize {
    value.as_ref().map_or(0, Short::heap_bytes)
}

impl ByteValues {
    /// The value of a row.
    #[inline]
    pub(crate) fn get(&self, row: u32) -> Option<&[u8]> {
        self.rows[row as usize].as_ref().map(Short::as_slice)
    }

    /// Sets the value of a row and returns the old one.
    pub(crate) fn set(&mut self, row: u32, value: Option<Short>) -> Option<Short> {
        self.heap_bytes += heap_of(&value);
        let old = std::mem::replace(&mut self.rows[row as usize], value);
        self.heap_bytes -= heap_of(&old);
        old
    }
}

impl Values for ByteValues {
    fn grow(&mut self, rows: usize) {
        self.rows.resize(rows, None);
    }

    fn clear(&mut self, row: u32) {
        self.set(row, None);
    }

    fn encode(&self, row: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(self.get(row).unwrap_or_default());
    }

    fn decode(&mut self, row: u32, bytes: &[u8]) -> Result<()> {
        self.set(row, Some(Short::new(bytes)));
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.rows.len() * size_of::<Option<Short>>() + self.heap_bytes
    }
}

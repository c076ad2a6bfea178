//! Drops rows.

use arrow_array::ArrayRef;

use crate::sink::SinkWriter;
use flowgate_base::error::Result;

/// Receives rows and drops them.
#[derive(Debug, Clone, Copy)]
pub struct Blackhole;

impl SinkWriter for Blackhole {
    fn write(&mut self, _columns: &[ArrayRef], _row_count: usize) -> Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

//! Bytes to rows: text lines, JSON lines, CSV.

mod batch;
mod column;
mod csv;
mod csv_record;
mod decoder;
mod json;
mod json_span;
mod line;
mod settings;
mod text;

#[cfg(test)]
mod format_tests;
#[cfg(test)]
mod lines_tests;

pub(crate) use batch::Batch;
pub(crate) use decoder::{Cursor, Decoder};
pub(crate) use settings::{DecodeSettings, checked_batch_rows};

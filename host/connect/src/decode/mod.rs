//! Bytes to rows: text lines, JSON lines, CSV.

mod batch;
mod column;
mod csv;
mod csv_record;
mod decoder;
mod epoch;
mod json;
mod json_span;
mod line;
mod names;
mod nexmark;
mod number;
mod settings;
mod text;

#[cfg(test)]
mod format_tests;
#[cfg(test)]
mod lines_tests;

pub(crate) use batch::BatchCounter;
pub(crate) use decoder::{Cursor, Decoder, Decoding};
pub(crate) use names::{csv_header, json_names};
pub(crate) use nexmark::{NexmarkLines, schema_of as nexmark_schema};
pub(crate) use settings::{DecodeSettings, checked_batch_rows};

//! What the code of the macros uses. Not part of the API.

pub use crate::__export_functions;
pub use crate::column::batch::{Batch, Column, VarValues};
pub use crate::function::aggregate::Named;
pub use crate::function::answer::Answer;
pub use crate::function::answer::RowsOut;
pub use crate::function::binding::{OutputSpec, Signature, StateSpec};
pub use crate::function::columns::{apply as apply_columns, signature as columns_signature};
pub use crate::function::config::{parse as parse_config, schema as config_schema};
pub use crate::function::join::{apply as apply_pairs, signature as pairs_signature};
pub use crate::function::output::kind;
pub use crate::function::plugin::{Function, Plugin};
pub use crate::function::side::SideSink;
pub use crate::function::transform::{apply as apply_rows, signature as rows_signature};
pub use crate::process::contract::NoInput;
pub use crate::row::contract::BuildRow;
pub use crate::row::field::{FieldType, ReadField, WriteField};
use crate::schema::{DataType, Field};
pub use crate::state::migrate::{migrate as migrate_slot, not_migrated};
pub use crate::state::slot::{Slot, check as check_slot};

pub use super::{
    calls::{describe, finish, join, merge, migrate, on_batch, on_timers, open, transform, update},
    memory::{free_returned, realloc},
};

/// Returns the field of a struct.
pub const fn field<T: FieldType>(name: &'static str) -> Field {
    Field::new(name, T::DATA_TYPE, T::NULLABLE)
}

/// Creates the builder of one column.
pub fn builder<B: crate::column::builder::Build>(rows: usize, bytes: usize) -> B {
    B::with_capacity(rows, bytes)
}

/// Removes the values from `len` on.
pub fn truncate<B: crate::column::builder::Build>(builder: &mut B, len: usize) {
    builder.truncate(len);
}

/// Returns the finished column and its number of values.
pub fn finished<B: crate::column::builder::Build>(builder: B) -> (usize, Column) {
    (builder.len(), builder.finish())
}

/// Returns the room for text in each column of such a row, of `bytes` in total.
pub fn bytes_each(fields: &[Field], bytes: usize) -> usize {
    let of_text = |field: &&Field| matches!(field.data_type, DataType::Text | DataType::Bytes | DataType::Json);
    bytes / fields.iter().filter(of_text).count().max(1)
}

// The types of a component, one for each kind of function; `wit-component` merges those of a plugin.

/// The world `transformer`.
pub const TRANSFORM_TYPE: &[u8] = include_bytes!("transformer.bin");
/// The world `aggregator`.
pub const AGGREGATE_TYPE: &[u8] = include_bytes!("aggregator.bin");
/// The world `joiner`.
pub const JOIN_TYPE: &[u8] = include_bytes!("joiner.bin");
/// The worlds `processor` and `migrating-processor`.
pub const fn process_type(migrates: bool) -> &'static [u8] {
    if migrates { include_bytes!("migrating-processor.bin") } else { include_bytes!("processor.bin") }
}

/// Whether a slot of the process function can read values of older versions.
pub const fn migrates<P: crate::Process>() -> bool {
    <P::State as crate::State>::MIGRATES
}

/// Copies bytes, of which there are `N`, into an array: a custom section is the bytes of a static.
pub const fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

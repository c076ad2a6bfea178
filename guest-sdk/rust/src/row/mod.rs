//! Rows: structs whose fields are columns.

pub(crate) mod contract;
pub(crate) mod field;
pub(crate) mod read;
pub(crate) mod text;
pub(crate) mod write;

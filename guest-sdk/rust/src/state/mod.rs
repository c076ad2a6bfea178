//! Typed state of process functions: slots that fetch and write a batch of keys at a time, and the encoding of their values.

pub(crate) mod encode;
pub(crate) mod key;
pub(crate) mod list;
pub(crate) mod map;
pub(crate) mod migrate;
pub(crate) mod optional;
pub(crate) mod slot;
pub(crate) mod value;

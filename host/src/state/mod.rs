//! Keyed state: everything that operators keep between batches.
//!
//! [`key`] says what the bytes, the hash and the key group of a key are; [`index`] numbers keys; [`table`] is an index with
//! columns of values, in which every key knows whether it has changed and was used of late.

pub mod index;
pub mod key;
pub mod table;

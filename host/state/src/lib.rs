//! Keyed state: everything that operators keep between batches.
//!
//! [`key`] says what the bytes, the hash and the key group of a key are; [`index`] numbers keys; [`table`] is an index with
//! columns of values, with marks for each row: changed, recently used; [`tables`] are many tables of one state slot. [`slots`] are
//! the tables of a process function, [`timers`] its timers. [`store`] has the memory budget and lists everything that is kept.
//! [`bytes`], [`cell`] and `codec` are the encoding.

#![forbid(unsafe_code)]

pub mod bytes;
pub mod cell;
pub mod changes;
pub mod code;
mod codec;
mod cold;
mod error;
mod evict;
mod filter;
pub mod index;
pub mod key;
mod list;
mod map;
mod marks;
mod shared_index;
mod short;
pub mod slots;
pub mod snapshot;
mod spill;
mod spill_table;
mod spilled;
pub mod store;
pub mod table;
pub mod tables;
mod timer_file;
mod timer_log;
mod timer_name;
mod timer_queue;
pub mod timers;
mod ttl;
mod value;
pub mod values;

#[cfg(test)]
mod slots_tests;
#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod tables_tests;

//! Keyed state: everything that operators keep between batches.
//!
//! [`key`] says what the bytes, the hash and the key group of a key are; [`index`] numbers keys; [`table`] is an index with
//! columns of values, with marks for each row: changed, recently used; [`tables`] are many tables of one state slot. [`slots`] are
//! the tables of a process function, [`timers`] its timers. [`snapshot`] says what a checkpoint sees of them. [`store`] has the memory
//! budget and lists everything that is kept.
//! [`bytes`], [`cell`] and `codec` are the encoding.

#![forbid(unsafe_code)]

pub mod bytes;
pub mod cell;
pub mod code;
mod codec;
mod cold;
mod error;
mod evict;
mod filter;
mod freeze;
mod frozen;
pub mod index;
pub mod key;
mod key_log;
pub mod keyed;
mod list;
mod map;
mod marks;
mod part;
mod restore;
mod shared_index;
mod short;
pub mod slots;
mod slots_change;
pub mod snapshot;
mod spill;
pub mod spill_room;
mod spill_table;
mod spill_view;
mod spilled;
pub mod store;
pub mod table;
pub mod tables;
pub mod tables_snapshot;
mod timer_file;
mod timer_log;
mod timer_name;
mod timer_queue;
pub mod timer_snapshot;
pub mod timers;
mod ttl;
mod value;
pub mod values;
pub mod walk;

#[cfg(test)]
mod slots_tests;
#[cfg(test)]
mod snapshot_tests;
#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod tables_tests;

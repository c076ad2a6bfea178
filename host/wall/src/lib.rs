//! The wall: what is outside of it is not trusted.
//!
//! In the order in which a plugin meets the files: [`Plugins`] loads a component (`plugins`): it is admitted by its
//! structure (`admission`), compiled in a limited child (`compile`, `limited_child`) or taken from the `cache` (`kept`), which
//! is a `private_folder`, loaded into the `engine`, and its functions are requested (`describe`), whose schemas are judged in
//! such a child, too (`judge`, `schema_guard`). A [`Function`] is opened for an operator on one worker (`function`, which
//! owns an `instance`, and counts its `calls`); a call's columns cross by `columns_in` and `columns_out`; rows that trap are found by `search`;
//! state and timers of process functions are `keyed`, and what a call does with them goes through `keyed_call`; a copy for some keys is a
//! `memory_state`. A call that ends without an answer is `recorded`.
//! Every limit is in `limits`; versions of the contract are known in `contract` only; errors are in `error`.

#![deny(clippy::undocumented_unsafe_blocks)]
mod admission;
pub mod binding;
mod cache;
mod calls;
pub mod code;
mod columns_in;
mod columns_out;
#[cfg(test)]
mod columns_tests;
mod compile;
mod contract;
mod describe;
mod engine;
mod error;
mod function;
mod guest_log;
mod host_state;
mod instance;
mod judge;
mod kept;
mod keyed;
mod keyed_call;
mod limited_child;
mod limits;
mod memory_state;
mod pieces;
mod plugins;
mod private_folder;
mod recorded;
mod schema_guard;
mod search;
mod settings;
mod shares;
mod ticker;
mod wire;

pub use admission::Manifest;
pub use calls::{CALL_TIME_BUCKETS, CallFigures, Calls};
pub use columns_out::{Answer, RowsOut, Selection, Updated};
pub use compile::CompileIn;
pub use function::{Function, KeyColumns, KeyedRows, Migrated, Repeated};
pub use guest_log::{GuestLog, LogLevel};
pub use host_state::{CallContext, Metric};
pub use keyed::{KeyedState, StateHandle, Timer, TimerClock};
pub use limited_child::{CHILD_ARGUMENT, child_main};
pub use limits::Limits;
pub use memory_state::{KeptValue, MemoryState, TimerChange};
pub use plugins::{Plugin, Plugins, Settings};
pub use recorded::{Given, RecordLog, RecordedCall, RecordedLimits, Rows};
pub use settings::LimitSettings;
pub use shares::{Shares, UpdateRate};
pub use wire::{RowFailure, VarValues};

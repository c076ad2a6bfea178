//! What a plugin exports: the canonical ABI of the contract, written by hand so that a plugin builds in seconds.

mod calls;
pub mod contents;
mod glue;
pub(crate) mod layout;
pub(crate) mod lift;
mod lower;
mod memory;

//! A job that starts from a savepoint: what becomes of the state ([`plan`]), and how its rows change ([`rows`]).
//!
//! Before the job runs, the savepoint becomes the first checkpoint of the job in its own store, as the job itself would have taken it. From
//! there on, nothing knows of the savepoint: the job starts, and is resumed, from that checkpoint.

mod plan;
mod rows;
mod start;

pub(super) use start::begin_from;
pub(crate) use start::prospect;
pub use start::{FromSavepoint, Prospect};

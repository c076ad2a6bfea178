//! What every part of Flowgate uses: errors, data types and schemas, the clock, times, rates, quantities, ids,
//! secrets, hidden folders, and text made safe to show.

#![forbid(unsafe_code)]

pub mod allowance;
pub mod bucket;
pub mod clock;
pub mod code;
pub mod error;
pub mod folders;
pub mod id;
pub mod process;
pub mod quantity;
pub mod random;
pub mod schema;
pub mod secret;
pub mod shown;
pub mod standard_error;
pub mod time;

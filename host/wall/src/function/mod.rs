//! A function that was opened for an operator: what it is (`opened`), and its calls by kind: over rows or pairs (`rows`),
//! over rows and timers with state (`process`), aggregates (`aggregate`), and state of older versions (`migrate`). A call that ends without
//! an answer is recorded (`recording`), and made again from its record (`repeat`).

mod aggregate;
mod migrate;
mod opened;
mod process;
mod recording;
mod repeat;
mod rows;

pub use migrate::Migrated;
pub use opened::Function;
pub use process::{KeyColumns, KeyedRows};
pub use repeat::Repeated;

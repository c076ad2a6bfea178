//! A function that was opened for an operator: what it is (`opened`), and its calls by kind: over rows or pairs (`rows`),
//! over rows and timers with state (`process`), and aggregates (`aggregate`).

mod aggregate;
mod opened;
mod process;
mod rows;

pub use opened::Function;
pub use process::{KeyColumns, KeyedRows};

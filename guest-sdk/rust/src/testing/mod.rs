//! Runs functions natively, in plain tests, through the same columns as in a job.
//!
//! A function is a plain function, so most tests just call it. These functions also show what a job sees: the selection, the
//! columns, failures, side outputs, and the errors of opening for a config and the offered columns.
//!
//! ```
//! use flowgate_sdk::{Row, testing};
//!
//! #[derive(Row)]
//! struct Order { total: i64 }
//!
//! #[flowgate_sdk::transform]
//! fn large(order: Order) -> bool {
//!     order.total > 1_000
//! }
//!
//! let out = testing::run::<large, _>("{}", [5, 5_000].map(|total| Order { total })).unwrap();
//! assert_eq!(out.selection(), [1]);
//! ```

mod aggregate;
mod gather;
mod host;
mod join;
mod key;
#[cfg(test)]
mod migrate_tests;
mod process;
#[cfg(test)]
mod process_tests;
mod transform;

pub use aggregate::{AggregateResult, aggregate, open_aggregate};
pub use host::{Host, InstalledHost};
pub use join::{join, open_join};
pub use key::TestKey;
pub use process::ProcessHarness;
pub use transform::{SideResult, TransformResult, open, run};

//! Checkpoint stores in HDFS, for [`Stores::with`](flowgate_checkpoint::store::Stores::with).

#![forbid(unsafe_code)]

mod open;

pub use open::{SCHEME, open};

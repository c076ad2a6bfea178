//! Jobs: the job file ([`load`]), the [`DataStream`] builder, and the check that makes a graph of either ([`check`]).
mod alignment;
mod builder;
pub mod check;
mod describe;
#[cfg(test)]
pub(crate) mod fake;
pub mod graph;
mod join_nodes;
mod joined;
pub mod json_schema;
pub mod load;
mod order;
pub mod picture;
pub mod problem;
mod process;
pub mod spec;
mod stream;
pub mod tap;
mod touches;

pub use builder::JobBuilder;
pub use joined::{JoinedStreams, LookupStream};
pub use process::Process;
pub use stream::{ConnectedStreams, DataStream, KeyedStream, Transform, WindowedStream};

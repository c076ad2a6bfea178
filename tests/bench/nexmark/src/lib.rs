//! The Nexmark queries without Flowgate, twice: [`model`] defines a query as plainly as possible, over all events together;
//! [`native`] is a hand-written, single-threaded loop over events in their order.
//!
//! The definitions are those of the [Nexmark benchmark](https://github.com/nexmark/nexmark)'s SQL; `examples/nexmark` lists where
//! ours differ.

pub mod events;
pub mod model;
pub mod native;
pub mod results;

//! The Nexmark queries without Flowgate, twice: [`model`] says what a query means, as plainly as can be, over all events at
//! once; [`native`] is what an engineer would write by hand, a single-threaded loop over events in their order.
//!
//! The definitions are those of the [Nexmark benchmark](https://github.com/nexmark/nexmark)'s SQL; `examples/nexmark` says
//! where ours differ.

pub mod events;
pub mod model;
pub mod native;
pub mod results;

//! `flowgate top`: the jobs of a tenant in the terminal.
//!
//! [`model`] is what is known and what a key does, [`view`] draws it; both are pure. [`feed`] asks the node on threads of its own, and `run`
//! brings them together.

mod feed;
mod model;
mod run;
mod view;

pub(super) use run::run;

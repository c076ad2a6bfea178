//! From a plugin's source to a component: `flowgate plugin new` and `flowgate plugin build`.
//!
//! In the order of a build: the [`package`] is read, the [`sdk`] that it depends on is put where Cargo finds it, a
//! [`toolchain`] that can compile for WebAssembly is found, [`cargo`] compiles, [`foreign`] names what its dependencies ask
//! of a host that is none, and [`component`] wraps what it made. [`print_lint`] warns of output that nobody would see, and
//! [`freshness`] of sources that are newer than the component. [`build`](build::build) is the whole of it. What is kept from
//! one build to the next is in [`home`].

#![forbid(unsafe_code)]
#[allow(clippy::module_inception)]
pub mod build;
pub mod cargo;
pub mod code;
pub mod component;
mod dependencies;
mod error;
pub mod foreign;
pub mod freshness;
pub mod home;
pub mod package;
pub mod print_lint;
pub mod scaffold;
pub mod sdk;
pub mod toolchain;

//! From a plugin's source to a component: `flowgate plugin new` and `flowgate plugin build`.
//!
//! In the order of a build: the `package` is read, the `sdk` that it depends on is put where Cargo finds it, a `toolchain` that
//! can compile for WebAssembly is found, `cargo` compiles, `foreign` names what its dependencies import that the sandbox does
//! not have, and `component` wraps the module. `print_lint` warns of output that nobody would see, and `freshness` of sources
//! that are newer than the component. [`build`] does all of it, in `builder`; `scaffold` starts a new plugin. What is kept from
//! one build to the next is in `home`.

#![forbid(unsafe_code)]
mod builder;
mod cargo;
pub mod code;
mod component;
mod dependencies;
mod error;
mod foreign;
mod freshness;
mod home;
mod package;
mod print_lint;
mod scaffold;
mod sdk;
mod toolchain;

pub use builder::{Built, Order, build};
pub use cargo::Profile;
pub use freshness::newer_source;
pub use package::Package;
pub use scaffold::scaffold;

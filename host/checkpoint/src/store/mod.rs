//! Where checkpoints are kept.

mod address;
mod backend;
mod create;
#[cfg(test)]
pub(crate) mod faulty;
mod folder;

pub use address::{Constructor, Stores};
pub use backend::{Backend, Bytes};
pub use create::{Created, Store};
pub use folder::Folder;

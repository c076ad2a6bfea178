//! Where checkpoints are kept.

mod address;
mod backend;
mod create;
pub(crate) mod disk;
#[cfg(test)]
pub(crate) mod faulty;
mod folder;
#[cfg(feature = "https")]
mod https;
#[cfg(feature = "remote")]
mod remote;

pub use address::{Constructor, Stores, local_folder};
pub use backend::{Backend, Bytes, Hold};
pub use create::{Created, Store};
pub use folder::Folder;
#[cfg(feature = "remote")]
pub use remote::Remote;

//! What a function may ask of the host. On native targets, where tests run, `native.rs` answers.

pub mod context;
pub mod files;
pub mod log;
pub mod metrics;

#[cfg(target_arch = "wasm32")]
#[path = "wasm.rs"]
pub(crate) mod imports;

#[cfg(not(target_arch = "wasm32"))]
#[path = "native.rs"]
pub(crate) mod imports;

//! What a function may request from the host. On native targets, where tests run, `native.rs` answers.

pub mod context;
pub mod files;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod keyed;
pub mod log;
pub mod metrics;
pub(crate) mod state;
#[cfg(target_arch = "wasm32")]
mod wasm_state;

#[cfg(target_arch = "wasm32")]
#[path = "wasm.rs"]
pub(crate) mod imports;

#[cfg(not(target_arch = "wasm32"))]
#[path = "native.rs"]
pub(crate) mod imports;

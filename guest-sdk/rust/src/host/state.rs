//! State and timers of a process function, as the contract has them.

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::host::keyed::*;
#[cfg(target_arch = "wasm32")]
pub(crate) use crate::host::wasm_state::*;

//! State and timers of a process function, with the functions of the contract.

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::host::keyed::*;
#[cfg(target_arch = "wasm32")]
pub(crate) use crate::host::wasm_state::*;

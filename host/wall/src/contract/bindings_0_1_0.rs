//! What `wit/0.1.0` says, as Rust. Only the adapter next to it names it.
#![allow(missing_docs, unreachable_pub)]

wasmtime::component::bindgen!({
    path: "../../wit/0.1.0",
    world: "plugin",
    ownership: Borrowing { duplicate_if_necessary: true },
    imports: { default: trappable },
    with: {},
});

//! What `wit/0.1.0` says, as Rust. Only the adapter next to it names it.
#![allow(missing_docs, unreachable_pub)]

wasmtime::component::bindgen!({
    path: "../../wit/0.1.0",
    // What any plugin may export: the world `plugin` is without `migrate`.
    inline: "package flowgate:host; world guest { include flowgate:plugin/plugin@0.1.0; export flowgate:plugin/migrate@0.1.0; }",
    world: "flowgate:host/guest",
    ownership: Borrowing { duplicate_if_necessary: true },
    imports: { default: trappable },
    with: {},
});

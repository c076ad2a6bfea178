//! `println!` within functions: to the log.

use syn::{Block, Stmt, parse_quote};

/// Has `println!`, `eprintln!` and `dbg!` in this body mean those of the SDK: those of the standard library write nowhere in
/// the sandbox, without a word.
pub(crate) fn to_log(body: &mut Block) {
    let import: Stmt = parse_quote! {
        #[allow(unused_imports)]
        use ::flowgate_sdk::log::{dbg, eprintln, println};
    };
    body.stmts.insert(0, import);
}

//! `println!` within functions writes to the log.

use syn::{Block, Stmt, parse_quote};

/// Makes `println!`, `eprintln!` and `dbg!` in this body those of the SDK. In the sandbox, the output of the standard library's
/// is lost silently.
pub(crate) fn to_log(body: &mut Block) {
    let import: Stmt = parse_quote! {
        #[allow(unused_imports)]
        use ::flowgate_sdk::log::{dbg, eprintln, println};
    };
    body.stmts.insert(0, import);
}

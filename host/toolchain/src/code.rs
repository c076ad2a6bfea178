//! The codes of this crate's errors.

use flowgate_base::code::Code;

/// A plugin does not build.
pub static USER: Code = Code::user(600, "a plugin does not build");
/// The tools that build plugins are missing or failed.
pub static EXTERNAL: Code = Code::external(601, "the tools that build plugins are missing or failed");

/// The codes of this crate.
pub static CODES: [&Code; 2] = [&USER, &EXTERNAL];

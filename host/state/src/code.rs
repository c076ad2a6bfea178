//! The codes of this crate's errors.

use flowgate_base::code::Code;

/// Keyed state does not fit its limits.
pub static USER: Code = Code::user(100, "keyed state does not fit its limits");
/// The file for state cannot be used.
pub static EXTERNAL: Code = Code::external(101, "the file for state cannot be used");

/// The codes of this crate.
pub static CODES: [&Code; 2] = [&USER, &EXTERNAL];

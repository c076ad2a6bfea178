//! The codes of this crate's errors.

use flowgate_base::code::Code;

/// What the user has to change.
pub static USER: Code = Code::user(100, "FILL IN");
/// What failed outside.
pub static EXTERNAL: Code = Code::external(101, "FILL IN");

/// The codes of this crate.
pub static CODES: [&Code; 2] = [&USER, &EXTERNAL];

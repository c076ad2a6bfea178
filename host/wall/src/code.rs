//! The codes of this crate's errors.

use flowgate_base::code::Code;

/// A plugin is refused or has failed.
pub static USER: Code = Code::user(200, "a plugin is refused or has failed");
/// A plugin could not be compiled or judged on this machine.
pub static EXTERNAL: Code = Code::external(201, "a plugin could not be compiled or judged on this machine");

/// The codes of this crate.
pub static CODES: [&Code; 2] = [&USER, &EXTERNAL];

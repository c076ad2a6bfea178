//! The codes of this crate's errors.

use flowgate_base::code::Code;

/// The command cannot do what its arguments say.
pub(crate) static USER: Code = Code::user(700, "the command cannot do what its arguments say");
/// The command could not read or write.
pub(crate) static EXTERNAL: Code = Code::external(701, "the command could not read or write");

/// The codes of this crate.
pub(crate) static CODES: [&Code; 2] = [&USER, &EXTERNAL];

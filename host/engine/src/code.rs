//! The codes of this crate's errors.

use flowgate_base::code::Code;

/// The job cannot run as it is written.
pub static USER: Code = Code::user(400, "the job cannot run as it is written");
/// The job could not be started or continued on this machine.
pub static EXTERNAL: Code = Code::external(401, "the job could not be started or continued on this machine");

/// The codes of this crate.
pub static CODES: [&Code; 2] = [&USER, &EXTERNAL];

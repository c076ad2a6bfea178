//! The codes of this crate's errors: loading a plugin from 200, calling its functions from 220.

use flowgate_base::code::Code;

/// A plugin is not admitted.
pub static NOT_ADMITTED: Code = Code::user(200, "a plugin is not admitted");
/// A plugin could not be compiled or judged on this machine.
pub static MACHINE: Code = Code::external(201, "a plugin could not be compiled or judged on this machine");
/// A plugin takes too much to compile.
pub static COMPILE_LIMIT: Code = Code::user(202, "a plugin takes too much to compile");
/// The file of a plugin cannot be read.
pub static UNREADABLE: Code = Code::user(203, "the file of a plugin cannot be read");
/// A plugin does not fit the contract.
pub static MISFIT: Code = Code::user(204, "a plugin does not fit the contract");
/// A plugin does not say which functions it has.
pub static UNDESCRIBED: Code = Code::user(205, "a plugin does not say which functions it has");
/// A config schema cannot be used.
pub static CONFIG_SCHEMA: Code = Code::user(206, "a config schema cannot be used");
/// A function trapped.
pub static TRAP: Code = Code::user(220, "a function trapped");
/// A call missed its deadline.
pub static DEADLINE: Code = Code::user(221, "a call missed its deadline");
/// A call took more than its limits allow.
pub static CALL_LIMIT: Code = Code::user(222, "a call took more than its limits allow");
/// An answer is not valid.
pub static INVALID_ANSWER: Code = Code::user(223, "an answer is not valid");
/// A function gave up.
pub static GAVE_UP: Code = Code::user(224, "a function gave up");
/// A function cannot start again after a trap.
pub static NOT_REOPENED: Code = Code::user(225, "a function cannot start again after a trap");
/// Too many rows of a batch trap.
pub static TOO_MANY_TRAPS: Code = Code::user(226, "too many rows of a batch trap");
/// The answers to a batch are too large.
pub static BATCH_LIMIT: Code = Code::user(227, "the answers to a batch are too large");

/// The codes of this crate.
pub static CODES: [&Code; 15] = [
    &NOT_ADMITTED,
    &MACHINE,
    &COMPILE_LIMIT,
    &UNREADABLE,
    &MISFIT,
    &UNDESCRIBED,
    &CONFIG_SCHEMA,
    &TRAP,
    &DEADLINE,
    &CALL_LIMIT,
    &INVALID_ANSWER,
    &GAVE_UP,
    &NOT_REOPENED,
    &TOO_MANY_TRAPS,
    &BATCH_LIMIT,
];

#[cfg(test)]
mod tests {
    use super::CODES;
    use flowgate_base::code::{Fault, Retry};

    /// Goal: `flowgate explain` finds every code. Method: the page has a section for each, and says the same of it.
    #[test]
    fn every_code_is_in_range_and_on_the_page() {
        let page = include_str!("../../../docs/errors.md");
        for (i, code) in CODES.iter().enumerate() {
            assert!((200..300).contains(&code.number) && !CODES[..i].iter().any(|c| c.number == code.number), "{code}");
            let fault = if code.fault == Fault::User { "the user" } else { "outside" };
            let retry = if code.retry == Retry::Later { "yes" } else { "no" };
            let section = format!("## {code}: {}\n\nFault: {fault}. Retry: {retry}.\n", code.title);
            assert!(page.contains(&section), "docs/errors.md lacks:\n{section}");
        }
    }
}

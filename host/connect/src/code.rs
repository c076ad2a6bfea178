//! The codes of this crate's errors: sources from 300, sinks from 350.

use flowgate_base::code::Code;

/// The settings of a connector are wrong.
pub static SETTINGS: Code = Code::user(300, "the settings of a connector are wrong");
/// No file matches the path of a source.
pub static NO_FILES: Code = Code::external(301, "no file matches the path of a source");
/// An input cannot be read.
pub static UNREADABLE: Code = Code::external_lasting(302, "an input cannot be read");
/// A job reads what it writes.
pub static OWN_OUTPUT: Code = Code::user(303, "a job reads what it writes");
/// An input cannot be read again.
pub static NOT_REPEATABLE: Code = Code::user(304, "an input cannot be read again");
/// A file is not the one that was read before.
pub static REPLACED: Code = Code::external_lasting(305, "a file is not the one that was read before");
/// An input is truncated or damaged.
pub static DAMAGED: Code = Code::external_lasting(306, "an input is truncated or damaged");
/// The header of a CSV file does not fit.
pub static HEADER: Code = Code::user(307, "the header of a CSV file does not fit");
/// A table file has a line that is no row.
pub static TABLE_ROW: Code = Code::user(308, "a table file has a line that is no row");
/// A source cannot go on where it stood.
pub static POSITION: Code = Code::user(309, "a source cannot go on where it stood");
/// Rows do not fit into memory.
pub static TOO_LARGE: Code = Code::user(310, "rows do not fit into memory");
/// There are no rows to infer columns from.
pub static NO_SAMPLE: Code = Code::user(311, "there are no rows to infer columns from");
/// The figures of the machine cannot be read.
pub static MACHINE: Code = Code::external(312, "the figures of the machine cannot be read");
/// Another job writes the output file.
pub static OUTPUT_IN_USE: Code = Code::external(350, "another job writes the output file");
/// An output file cannot be written.
pub static UNWRITABLE: Code = Code::external_lasting(351, "an output file cannot be written");
/// Rows were not delivered.
pub static UNDELIVERED: Code = Code::external(352, "rows were not delivered");

/// The codes of this crate.
pub static CODES: [&Code; 16] = [
    &SETTINGS,
    &NO_FILES,
    &UNREADABLE,
    &OWN_OUTPUT,
    &NOT_REPEATABLE,
    &REPLACED,
    &DAMAGED,
    &HEADER,
    &TABLE_ROW,
    &POSITION,
    &TOO_LARGE,
    &NO_SAMPLE,
    &MACHINE,
    &OUTPUT_IN_USE,
    &UNWRITABLE,
    &UNDELIVERED,
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
            assert!((300..400).contains(&code.number) && !CODES[..i].iter().any(|c| c.number == code.number), "{code}");
            let fault = if code.fault == Fault::User { "the user" } else { "outside" };
            let retry = if code.retry == Retry::Later { "yes" } else { "no" };
            let section = format!("## {code}: {}\n\nFault: {fault}. Retry: {retry}.\n", code.title);
            assert!(page.contains(&section), "docs/errors.md lacks:\n{section}");
        }
    }
}

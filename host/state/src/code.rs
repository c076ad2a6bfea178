//! The codes of this crate's errors.

use flowgate_base::code::Code;

/// The state of one key is too large.
pub static KEY_TOO_LARGE: Code = Code::user(100, "the state of one key is too large");
/// The file for state cannot be used.
pub static SPILL_FILE: Code = Code::external(101, "the file for state cannot be used");
/// The keys of one batch are too large.
pub static KEYS_TOO_LARGE: Code = Code::user(102, "the keys of one batch are too large");
/// Stored state is damaged.
pub static DAMAGED: Code = Code::external(103, "stored state is damaged");
/// Stored state has another version.
pub static VERSION: Code = Code::external_lasting(104, "stored state has another version");

/// The codes of this crate.
pub static CODES: [&Code; 5] = [&KEY_TOO_LARGE, &SPILL_FILE, &KEYS_TOO_LARGE, &DAMAGED, &VERSION];

#[cfg(test)]
mod tests {
    use super::CODES;
    use flowgate_base::code::{Fault, Retry};

    /// Goal: `flowgate explain` finds every code. Method: the page has a section for each, with the same fault and retry.
    #[test]
    fn every_code_is_in_range_and_on_the_page() {
        let page = include_str!("../../../docs/errors.md");
        for (i, code) in CODES.iter().enumerate() {
            assert!((100..200).contains(&code.number) && !CODES[..i].iter().any(|c| c.number == code.number), "{code}");
            let fault = if code.fault == Fault::User { "the user" } else { "outside" };
            let retry = if code.retry == Retry::Later { "yes" } else { "no" };
            let section = format!("## {code}: {}\n\nFault: {fault}. Retry: {retry}.\n", code.title);
            assert!(page.contains(&section), "docs/errors.md lacks:\n{section}");
        }
    }
}

//! The codes of this crate's errors.

use flowgate_base::code::Code;

/// A folder holds no plugin that can be built.
pub static NOT_A_PLUGIN: Code = Code::user(600, "a folder holds no plugin that can be built");
/// A tool that builds plugins failed.
pub static TOOL_FAILED: Code = Code::external(601, "a tool that builds plugins failed");
/// A plugin does not compile.
pub static NOT_COMPILED: Code = Code::user(602, "a plugin does not compile");
/// A dependency needs what the sandbox does not have.
pub static FOREIGN_IMPORT: Code = Code::user(603, "a dependency needs what the sandbox does not have");
/// A module cannot become a component.
pub static NOT_A_COMPONENT: Code = Code::user(604, "a module cannot become a component");
/// The tools that build plugins are missing.
pub static TOOLS_MISSING: Code = Code::user(605, "the tools that build plugins are missing");
/// A new plugin cannot have this name or folder.
pub static NEW_PLUGIN: Code = Code::user(606, "a new plugin cannot have this name or folder");
/// There is no folder for caches.
pub static NO_HOME: Code = Code::user(607, "there is no folder for caches");

/// The codes of this crate.
pub static CODES: [&Code; 8] = [
    &NOT_A_PLUGIN,
    &TOOL_FAILED,
    &NOT_COMPILED,
    &FOREIGN_IMPORT,
    &NOT_A_COMPONENT,
    &TOOLS_MISSING,
    &NEW_PLUGIN,
    &NO_HOME,
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
            assert!((600..700).contains(&code.number) && !CODES[..i].iter().any(|c| c.number == code.number), "{code}");
            let fault = if code.fault == Fault::User { "the user" } else { "outside" };
            let retry = if code.retry == Retry::Later { "yes" } else { "no" };
            let section = format!("## {code}: {}\n\nFault: {fault}. Retry: {retry}.\n", code.title);
            assert!(page.contains(&section), "docs/errors.md lacks:\n{section}");
        }
    }
}

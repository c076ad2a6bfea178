//! `flowgate explain`: the meaning of an error's code.

use std::ops::Range;

use clap::Args;
use strsim::levenshtein;

use super::error::CommandError;
use super::terminal;
use flowgate_base::code::Code;
use flowgate_base::error::{Error, Result};

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate explain FG0301
  flowgate explain          # lists all codes";

/// The page of all codes, a section each.
const PAGE: &str = include_str!("../../../docs/errors.md");

/// The beginning of a section's heading.
const HEADING: &str = "\n## ";

/// Arguments of `flowgate explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The code, as in `FG0301`; without it, all codes are listed.
    pub code: Option<String>,
}

/// The tables of all crates with the ranges of their numbers, by number.
static TABLES: [(&[&Code], Range<u16>); 9] = [
    (flowgate_base::code::CODES, 1..100),
    (flowgate_state::code::CODES, 100..200),
    (flowgate_wall::code::CODES, 200..300),
    (flowgate_connect::code::CODES, 300..400),
    (flowgate::code::CODES, 400..600),
    (flowgate_toolchain::code::CODES, 600..700),
    (super::code::CODES, 700..800),
    (flowgate_checkpoint::code::CODES, 800..900),
    (flowgate_node::code::CODES, 900..1_000),
];

/// Returns the codes of all crates, by number.
fn codes() -> Vec<&'static Code> {
    TABLES.iter().flat_map(|(codes, _)| codes.iter().copied()).collect()
}

/// Returns the code that displays as this name, if this program knows it.
pub(super) fn known(name: &str) -> Option<&'static Code> {
    codes().into_iter().find(|code| code.to_string() == name)
}

pub(super) fn run(args: &ExplainArgs) -> Result<()> {
    match &args.code {
        None => terminal::print(&codes().iter().map(|code| format!("{code}  {}\n", code.title)).collect::<String>()),
        Some(name) => terminal::print(&format!("{}\n", section(code(name)?)?)),
    }
}

/// Returns the code that `FG0301`, `fg301` or `301` names.
fn code(name: &str) -> Result<&'static Code> {
    let digits = name.strip_prefix("FG").or(name.strip_prefix("fg")).unwrap_or(name);
    let number = digits.parse();
    let codes = codes();
    if let Some(code) = codes.iter().find(|code| Ok(code.number) == number) {
        return Ok(code);
    }
    let near = codes.iter().min_by_key(|code| levenshtein(&code.to_string(), &name.to_uppercase()));
    let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    let message = format!(
        "there is no code `{name}`{hint} `flowgate explain` lists all of them; `flowgate job explain` explains an operator"
    );
    Err(CommandError::Arguments(message).into())
}

/// Returns the section of a code, without the marks of Markdown's headings.
fn section(code: &Code) -> Result<&'static str> {
    let heading = format!("{HEADING}{code}: ");
    let at = PAGE.find(&heading).ok_or_else(|| Error::internal(format!("{code} is on no page")))?;
    let section = &PAGE[at + HEADING.len()..];
    let end = section.find(HEADING).unwrap_or(section.len());
    Ok(section[..end].split("\n<!--").next().unwrap_or(section).trim_end())
}

#[cfg(test)]
mod tests {
    use flowgate_base::code::{Fault, Retry};

    use super::*;

    /// Every code has one section with its title, fault and retry; every section has a code; no number occurs twice, and each is
    /// in the range of its crate.
    #[test]
    fn the_page_has_all_codes_and_no_other() {
        for (table, range) in &TABLES {
            assert!(table.iter().all(|code| range.contains(&code.number)), "{table:?} is not in {range:?}");
        }
        let codes = codes();
        assert!(codes.windows(2).all(|two| two[0].number < two[1].number), "a number is there twice");
        let headings: Vec<&str> = PAGE.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        let wanted: Vec<String> = codes.iter().map(|code| format!("{code}: {}", code.title)).collect();
        assert_eq!(headings, wanted);
        for code in codes {
            let fault = match code.fault {
                Fault::User => "the user",
                Fault::External => "outside",
                Fault::Internal => "Flowgate",
            };
            let retry = if code.retry == Retry::Later { "yes" } else { "no" };
            let says = format!("Fault: {fault}. Retry: {retry}.");
            assert_eq!(section(code).unwrap().lines().nth(2), Some(says.as_str()), "{code}");
        }
    }

    #[test]
    fn a_code_is_found_however_it_is_written() {
        for name in ["FG0001", "fg0001", "FG1", "1"] {
            assert_eq!(code(name).unwrap().number, 1, "{name}");
        }
        let message = code("FG9301").unwrap_err().message;
        assert!(message.contains("`FG0301`"), "{message}");
    }
}

//! What the macros share: names, doc comments, and the arguments of attributes.

use proc_macro2::Span;
use syn::{Attribute, Error, Expr, ExprLit, Lit, LitStr, Meta, Result};

/// Returns the text of the doc comments, which a job's author reads.
pub(crate) fn doc(attributes: &[Attribute]) -> String {
    let mut text = String::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("doc")) {
        let Meta::NameValue(value) = &attribute.meta else { continue };
        let Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) = &value.value else { continue };
        let line = line.value();
        text.push_str(line.strip_prefix(' ').unwrap_or(&line));
        text.push('\n');
    }
    text.trim().to_owned()
}

/// Checks and returns a function's name in a job: letters, digits, `-` and `_`, 1 to 64 of them.
pub(crate) fn function_name(name: &LitStr) -> Result<String> {
    let value = name.value();
    let allowed = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if !allowed || !(1..=64).contains(&value.len()) {
        return Err(Error::new(
            name.span(),
            "a function's name in a job is 1 to 64 ASCII letters, digits, `-` and `_`: write for example \
             `name = \"split-words\"`",
        ));
    }
    Ok(value)
}

/// The name of the item where the attribute gives none.
pub(crate) fn own_name(name: &str, span: Span) -> Result<String> {
    function_name(&LitStr::new(name, span)).map_err(|_| {
        Error::new(
            span,
            format!(
                "`{name}` cannot be a function's name in a job: add `name = \"...\"` of ASCII letters to the attribute"
            ),
        )
    })
}

/// Collects all problems, to report them together.
#[derive(Default)]
pub(crate) struct Problems(Option<Error>);

impl Problems {
    pub(crate) fn add(&mut self, error: Error) {
        match &mut self.0 {
            Some(all) => all.combine(error),
            None => self.0 = Some(error),
        }
    }

    pub(crate) fn none_or_err(self) -> Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}
